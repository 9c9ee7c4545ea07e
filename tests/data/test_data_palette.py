"""The colour maps, and masks stored as colours."""

import numpy as np
import pytest

from minifcn.data import (
    CAMVID_CLASSES,
    VOC_CLASSES,
    DataError,
    camvid_colormap,
    colours_to_label,
    voc_colormap,
)


def test_voc_colours_are_the_published_ones():
    colours = voc_colormap()
    assert colours.shape == (256, 3)
    assert colours.dtype == np.uint8
    known = {
        0: (0, 0, 0), 1: (128, 0, 0), 2: (0, 128, 0), 3: (128, 128, 0), 4: (0, 0, 128),
        7: (128, 128, 128), 8: (64, 0, 0), 15: (192, 128, 128), 20: (0, 64, 128),
        255: (224, 224, 192),
    }  # fmt: skip
    for index, colour in known.items():
        assert tuple(colours[index]) == colour
    assert len(np.unique(colours, axis=0)) == 256


def test_class_lists():
    assert len(VOC_CLASSES) == len(set(VOC_CLASSES)) == 21
    assert (VOC_CLASSES[0], VOC_CLASSES[15], VOC_CLASSES[20]) == (
        "background", "person", "tvmonitor",
    )  # fmt: skip
    assert len(CAMVID_CLASSES) == 11
    assert (CAMVID_CLASSES[0], CAMVID_CLASSES[8]) == ("Sky", "Car")


def test_camvid_colours_differ():
    assert len(np.unique(camvid_colormap()[:11], axis=0)) == 11


def test_colours_go_back_to_their_numbers():
    label = np.arange(256, dtype=np.uint8).reshape(16, 16)
    back = colours_to_label(voc_colormap()[label])
    assert back.dtype == np.uint8
    np.testing.assert_array_equal(back, label)


def test_a_palette_that_repeats_a_colour_gives_the_lowest_number():
    palette = np.array([[9, 9, 9], [1, 1, 1], [9, 9, 9]], np.uint8)
    np.testing.assert_array_equal(colours_to_label(palette[[[2, 1, 0]]], palette), [[0, 1, 0]])


def test_an_unknown_colour_is_told_with_its_place():
    picture = voc_colormap()[np.zeros((3, 4), np.uint8)]
    picture[1, 2] = (1, 2, 3)
    with pytest.raises(DataError, match=r"colour \(1, 2, 3\) at row 1, column 2"):
        colours_to_label(picture)
