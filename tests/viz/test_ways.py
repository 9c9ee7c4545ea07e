"""Bars of what ways cost."""

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from minifcn import viz


def way(name, macs, memory, seconds, peak=None):
    return SimpleNamespace(name=name, macs=macs, memory=memory, seconds=seconds, peak=peak)


def widths(path, colour):
    """Lengths of the longest runs of a colour, row by row where there are any, in pixels."""
    with Image.open(path) as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    counts = (np.abs(pixels - colour).sum(axis=2) < 12).sum(axis=1)
    return counts[counts > 20]


def test_bars_are_as_long_as_their_logarithms(tmp_path):
    ways = [way("a", 1e9, 2**20, 0.01, 2**20), way("b", 1e11, 2**30, None)]
    viz.draw_ways(tmp_path / "w.png", ways, "title")
    found = sorted(set(widths(tmp_path / "w.png", (0x00, 0x72, 0xB2)).tolist()))
    # From a third of the least: log(3) and log(300) of the axis
    assert found[-1] / found[0] == pytest.approx(np.log(300) / np.log(3), rel=0.1)


def test_nothing_to_draw(tmp_path):
    with pytest.raises(ValueError, match="draw_ways: there is nothing to draw"):
        viz.draw_ways(tmp_path / "w.png", [])
    assert not list(tmp_path.iterdir())
