"""Label maps as colours, alone or laid over the photograph."""

import numpy as np

from ..data.palette import voc_colormap

__all__ = ["COLOURS", "IGNORED", "colorize", "overlay", "voc_colormap"]

# Of lines and marks. Okabe and Ito: safe for colour blindness
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#999999")
IGNORED = (255, 255, 255)  # white: not the black that most palettes give to the background


def colorize(
    label: np.ndarray, palette: np.ndarray | None = None, ignore_index: int = 255
) -> np.ndarray:
    """The picture of a label map: rgb[i, j] = palette[label[i, j]], ignored pixels white.

    label (..., H, W) integers; palette (K, 3) uint8 RGB, by default the VOC colour map. Returns
    (..., H, W, 3) uint8. Raises TypeError for labels that are not integers and ValueError for
    one that has no colour.
    """
    label = np.asarray(label)
    palette = voc_colormap() if palette is None else np.asarray(palette, np.uint8)
    if label.dtype.kind not in "iu":
        raise TypeError(f"a label map must hold integers, got {label.dtype}")
    ignored = label == ignore_index
    index = np.where(ignored, 0, label)
    if index.size and not (index.min() >= 0 and index.max() < len(palette)):
        wrong = index.min() if index.min() < 0 else index.max()
        raise ValueError(f"label {wrong} has no colour in a palette of {len(palette)}")
    rgb = palette[index]
    rgb[ignored] = IGNORED
    return rgb


def overlay(
    image: np.ndarray,
    label: np.ndarray,
    alpha: float = 0.5,
    palette: np.ndarray | None = None,
    ignore_index: int = 255,
    background: int | None = None,
) -> np.ndarray:
    """The label map over its photograph: alpha * colour + (1 - alpha) * image.

    image (H, W, 3) uint8 RGB, label (H, W); alpha 0 shows the image alone and 1 the colours
    alone. Pixels of the class ``background`` stay as photographed. Returns (H, W, 3) uint8.
    Raises ValueError where the sizes differ or alpha lies outside 0 to 1.
    """
    image, label = np.asarray(image), np.asarray(label)
    if image.dtype != np.uint8 or image.shape != (*label.shape, 3):
        raise ValueError(
            f"expected a uint8 image {(*label.shape, 3)}, got {image.dtype} {image.shape}"
        )
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha must lie between 0 and 1, got {alpha}")
    colours = colorize(label, palette, ignore_index)
    mixed = np.rint(alpha * colours + (1 - alpha) * image).astype(np.uint8)
    if background is not None:
        mixed = np.where((label == background)[..., None], image, mixed)
    return mixed
