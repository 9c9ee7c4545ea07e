"""Heat over a photograph."""

import numpy as np
import pytest

from minifcn import viz

GREY = np.full((2, 3, 3), 100, np.uint8)


def test_colours_by_hand():
    """Matplotlib's plasma goes from (13, 8, 135) to (240, 249, 33)."""
    values = np.zeros((2, 3))
    values[1, 2] = 1
    found = viz.heatmap(GREY, values, alpha=1)
    np.testing.assert_array_equal(found[0, 0], (13, 8, 135))
    np.testing.assert_array_equal(found[1, 2], (240, 249, 33))
    half = viz.heatmap(GREY, values, alpha=0.5)
    np.testing.assert_allclose(half[0, 0], (56.5, 54, 117.5), atol=0.6)
    np.testing.assert_array_equal(viz.heatmap(GREY, values, alpha=0), GREY)


def test_higher_is_lighter():
    values = np.linspace(0, 1, 50)[None]
    colours = viz.heatmap(np.zeros((1, 50, 3), np.uint8), values, alpha=1)[0]
    assert (np.diff(colours @ (0.2126, 0.7152, 0.0722)) > 0).all()


@pytest.mark.parametrize(
    ("image", "values", "message"),
    [
        (GREY, np.zeros((3, 3)), r"expected a uint8 image \(3, 3, 3\), got uint8 \(2, 3, 3\)"),
        (GREY.astype(float), np.zeros((2, 3)), "expected a uint8 image"),
        (GREY, np.full((2, 3), 1.5), r"between 0 and 1; got 1\.5 to 1\.5"),
        (GREY, np.full((2, 3), np.nan), "between 0 and 1; got nan"),
    ],
)
def test_what_cannot_be_drawn(image, values, message):
    with pytest.raises(ValueError, match=message):
        viz.heatmap(image, values)
