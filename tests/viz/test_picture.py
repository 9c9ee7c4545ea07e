"""Picture files are written whole, and the viz package loads Matplotlib only when it draws."""

import errno
import os
import subprocess
import sys

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

import minifcn.viz
from minifcn.viz.picture import save_figure, save_image

RGB = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)


def figure():
    fig = Figure(figsize=(1, 1), dpi=50)
    fig.text(0.5, 0.5, "a")
    return fig


@pytest.mark.parametrize("array", [RGB, RGB[..., 0], RGB[::-1, ::2]])
def test_an_image_comes_back(tmp_path, array):
    save_image(tmp_path / "a.PNG", array)
    with Image.open(tmp_path / "a.PNG") as image:
        assert image.format == "PNG"
        np.testing.assert_array_equal(np.asarray(image), array)


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_equal_figures_give_equal_files(tmp_path, suffix):
    starts = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}
    for name in "ab":
        save_figure(tmp_path / f"{name}{suffix}", figure())
    content = (tmp_path / f"a{suffix}").read_bytes()
    assert content.startswith(starts[suffix])
    assert b"CreationDate" not in content
    assert b"<dc:date>" not in content
    assert content == (tmp_path / f"b{suffix}").read_bytes()


@pytest.mark.parametrize("name", ["a", "a.npy", "a.xyz"])
def test_a_suffix_that_is_no_picture(tmp_path, name):
    with pytest.raises(ValueError, match="suffix"):
        save_image(tmp_path / name, RGB)
    with pytest.raises(ValueError, match="suffix"):
        save_figure(tmp_path / name, figure())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("array", [RGB.astype(float), RGB[None], RGB[..., :2]])
def test_an_array_that_is_no_picture(tmp_path, array):
    with pytest.raises(ValueError, match="expected uint8"):
        save_image(tmp_path / "a.png", array)


def test_a_full_disk_leaves_the_old_picture(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    save_image(path, RGB)
    old = path.read_bytes()

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="the disk is full"):
        save_image(path, RGB[::-1])
    with pytest.raises(OSError, match="the disk is full"):
        save_figure(path, figure())
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]


def test_names_are_loaded_when_used():
    program = (
        "import sys, minifcn.viz as viz\n"
        "viz.colorize, viz.draw_samples, viz.draw_curves, viz.draw_graph\n"
        "assert 'matplotlib' not in sys.modules, 'loaded too early'\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_public_name_exists():
    assert "draw_samples" in dir(minifcn.viz)
    for name in minifcn.viz.__all__:
        assert callable(getattr(minifcn.viz, name))
    with pytest.raises(AttributeError, match="nonsense"):
        _ = minifcn.viz.nonsense


def test_no_global_figure_is_left(tmp_path):
    """Drawing must not disturb a notebook's own figures: pyplot is never involved."""
    program = (
        "import sys, numpy as np\n"
        "from minifcn.viz import draw_samples, draw_curves\n"
        "image = np.zeros((8, 8, 3), np.uint8)\n"
        "draw_samples('a.png', [image], [image[..., 0]])\n"
        "draw_curves('b.png', [{'loss': 1.0}])\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
