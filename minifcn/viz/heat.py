"""Where in a photograph something is found, as colours over it."""

import numpy as np


def heatmap(image: np.ndarray, values: np.ndarray, alpha: float = 0.6) -> np.ndarray:
    """Colours from dark blue (0) to yellow (1) over a photograph, the stronger the higher a value.

    image (H, W, 3) uint8 RGB; values (H, W), 0 to 1. The colours are Matplotlib's "plasma", which
    grow lighter evenly and are safe for colour blindness. Returns (H, W, 3) uint8. Raises
    ValueError where the sizes differ or a value lies outside 0 to 1.
    """
    from matplotlib import colormaps

    if image.dtype != np.uint8 or image.shape != (*values.shape, 3):
        raise ValueError(
            f"expected a uint8 image {(*values.shape, 3)}, got {image.dtype} {image.shape}"
        )
    if not (np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1):
        raise ValueError(f"values must lie between 0 and 1; got {values.min()} to {values.max()}")
    colours = 255 * colormaps["plasma"](values)[..., :3]
    grey = image.mean(axis=2, keepdims=True)  # so that colour means heat alone
    return np.rint(alpha * colours + (1 - alpha) * grey).astype(np.uint8)
