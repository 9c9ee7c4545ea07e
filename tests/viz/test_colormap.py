"""Colours of label maps."""

import numpy as np
import pytest

from minifcn.viz.colormap import colorize, overlay, voc_colormap

LABEL = np.array([[0, 1, 255], [20, 2, 0]], np.uint8)


def test_colorize_with_the_voc_colours():
    rgb = colorize(LABEL)
    assert rgb.dtype == np.uint8
    assert rgb.tolist() == [
        [[0, 0, 0], [128, 0, 0], [255, 255, 255]],
        [[0, 64, 128], [0, 128, 0], [0, 0, 0]],
    ]


def test_colorize_with_a_palette_and_another_ignored_label():
    palette = np.array([[1, 2, 3], [4, 5, 6]], np.uint8)
    rgb = colorize(np.array([[1, -1, 0]]), palette, ignore_index=-1)
    assert rgb.tolist() == [[[4, 5, 6], [255, 255, 255], [1, 2, 3]]]
    assert palette.tolist() == [[1, 2, 3], [4, 5, 6]]


def test_colorize_many_at_once():
    stack = np.stack([LABEL, LABEL[::-1]])
    np.testing.assert_array_equal(colorize(stack)[1], colorize(LABEL[::-1]))


@pytest.mark.parametrize(
    ("label", "text"), [([[2]], "label 2 has no colour"), ([[-3]], "label -3 has no")]
)
def test_colorize_refuses_what_has_no_colour(label, text):
    with pytest.raises(ValueError, match=text):
        colorize(np.array(label), voc_colormap()[:2])


def test_colorize_refuses_scores():
    with pytest.raises(TypeError, match="integers, got float64"):
        colorize(np.zeros((2, 2)))


def test_overlay_mixes():
    image = np.full((2, 3, 3), 100, np.uint8)
    assert overlay(image, LABEL, alpha=0.25)[0].tolist() == [
        [75, 75, 75],
        [107, 75, 75],
        [139, 139, 139],  # 0.25 * 255 + 75 = 138.75: rounded, not cut off
    ]
    np.testing.assert_array_equal(overlay(image, LABEL, alpha=0), image)
    np.testing.assert_array_equal(overlay(image, LABEL, alpha=1), colorize(LABEL))


def test_overlay_can_leave_the_background_alone():
    image = np.full((2, 3, 3), 100, np.uint8)
    mixed = overlay(image, LABEL, alpha=1, background=0)
    assert mixed[0, 0].tolist() == mixed[1, 2].tolist() == [100, 100, 100]
    assert mixed[0, 1].tolist() == [128, 0, 0]


def test_overlay_refuses_other_sizes_and_shares():
    with pytest.raises(ValueError, match=r"image \(2, 3, 3\), got uint8 \(3, 2, 3\)"):
        overlay(np.zeros((3, 2, 3), np.uint8), LABEL)
    with pytest.raises(ValueError, match="got float32"):
        overlay(np.zeros((2, 3, 3), np.float32), LABEL)
    with pytest.raises(ValueError, match="between 0 and 1"):
        overlay(np.zeros((2, 3, 3), np.uint8), LABEL, alpha=1.5)
