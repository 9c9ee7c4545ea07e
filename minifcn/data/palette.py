"""Class names and colours: the VOC colour map, CamVid's colours, and masks stored as colours."""

import numpy as np

from .errors import DataError

VOC_CLASSES = [
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair",
    "cow", "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa",
    "train", "tvmonitor",
]  # fmt: skip
CAMVID_CLASSES = [
    "Sky", "Building", "Pole", "Road", "Pavement", "Tree", "SignSymbol", "Fence", "Car",
    "Pedestrian", "Bicyclist",
]  # fmt: skip
_CAMVID_COLOURS = (
    (128, 128, 128), (128, 0, 0), (192, 192, 128), (128, 64, 128), (60, 40, 222), (128, 128, 0),
    (192, 128, 128), (64, 64, 128), (64, 0, 128), (64, 64, 0), (0, 128, 192),
)  # fmt: skip


def voc_colormap() -> np.ndarray:
    """The VOC colour map, (256, 3) uint8 RGB.

    Bits 0, 1, 2 of the class number are bits 7 of red, green and blue; bits 3, 4, 5 are bits 6,
    and so on: 0 black, 1 (128, 0, 0), 2 (0, 128, 0), ..., 255 the cream (224, 224, 192) that
    marks ignored pixels (VOCdevkit VOCcode/VOClabelcolormap.m).
    """
    index = np.arange(256)
    colours = np.zeros((256, 3), np.uint8)
    for level in range(8):
        for channel in range(3):
            bit = index >> (3 * level + channel) & 1
            colours[:, channel] |= (bit << (7 - level)).astype(np.uint8)
    return colours


def camvid_colormap() -> np.ndarray:
    """CamVid's 11 colours (SegNet's), black above them, the VOC cream at 255: (256, 3) uint8."""
    colours = np.zeros((256, 3), np.uint8)
    colours[: len(_CAMVID_COLOURS)] = _CAMVID_COLOURS
    colours[255] = (224, 224, 192)
    return colours


def colours_to_label(image, palette=None) -> np.ndarray:
    """Class numbers of a mask that was stored as colours: label[i, j] = k where palette[k] is
    image[i, j], the lowest such k.

    image (H, W, 3) uint8 RGB, palette (K, 3) uint8, by default the VOC colour map. Returns
    (H, W) uint8. Raises DataError with the first colour that is not in the palette.
    """
    palette = voc_colormap() if palette is None else np.asarray(palette, np.uint8)
    codes = _codes(palette)
    order = np.argsort(codes, kind="stable")
    found = np.searchsorted(codes[order], _codes(np.asarray(image, np.uint8)))
    label = order[np.minimum(found, len(codes) - 1)].astype(np.uint8)
    wrong = (palette[label] != image).any(axis=-1)
    if wrong.any():
        row, column = np.argwhere(wrong)[0].tolist()
        colour = tuple(image[row, column].tolist())
        raise DataError(f"colour {colour} at row {row}, column {column} is not in the palette")
    return label


def _codes(colours: np.ndarray) -> np.ndarray:
    """One integer a colour: red * 65536 + green * 256 + blue."""
    return colours.astype(np.int64) @ np.array([65536, 256, 1])
