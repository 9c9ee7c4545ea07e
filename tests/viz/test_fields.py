"""Receptive fields over a picture."""

import numpy as np
import pytest
from PIL import Image

from minifcn import viz


def test_a_frame_has_its_colour_where_it_should(tmp_path):
    image = np.full((60, 90, 3), 200, np.uint8)
    viz.draw_fields(tmp_path / "f.png", image, {"near": (20, 39, 30, 59)}, (30, 45), "title")
    pixels = np.asarray(Image.open(tmp_path / "f.png").convert("RGB")).astype(int)
    grey = np.abs(pixels - 200).sum(axis=2) == 0
    blue = np.abs(pixels - (0x00, 0x72, 0xB2)).sum(axis=2) < 30
    rows, columns = np.where(grey)
    scale = (rows.max() - rows.min() + 1) / 60
    framed = np.where(blue[:, columns.min() : columns.max()])
    inside = [r for r in framed[0] if r > rows.min() + 15 * scale]  # below the legend
    height = (max(inside) - min(inside)) / scale
    assert height == pytest.approx(20, abs=2)
    assert (min(inside) - rows.min()) / scale == pytest.approx(20, abs=2)


def test_a_pixel_outside_is_refused_and_nothing_written(tmp_path):
    image = np.zeros((6, 9, 3), np.uint8)
    with pytest.raises(ValueError, match="pixel 6, 0 is not in an image of 6 x 9"):
        viz.draw_fields(tmp_path / "f.png", image, {}, (6, 0))
    assert list(tmp_path.iterdir()) == []
