"""Shift-and-stitch with real numbers."""

import itertools
from typing import NamedTuple

import numpy as np

from ... import dense, nn
from ...autograd import Tensor
from ...backends import use_backend
from ...dense.stitch import layout_of
from .pen import COLOURS, HEIGHT, MUTED, PAPER, SMALL, TEXT, WIDTH, Page, blank, drawable, tint

STRIDE = 2  # four runs fit on a page
LARGEST = 6  # rows and columns of the image
SIDE = 0.36  # inches: the most that a cell of the image may take


def figure_shift_and_stitch(size: int = 6, seed: int = 0):
    """Shift-and-stitch: f x f shifted images, their coarse scores, and these interlaced.

    f is 2, so that every step can be seen. The numbers are those of a convolution of 3 x 3 on an
    image of size x size digits (drawn with ``seed``), run by the library; every colour is a shift.
    Raises ValueError for a size below 4 or above 6.
    """
    drawable("size", size, LARGEST, least=4)
    image, net = example(size, seed)
    passes, stitched = run(net, image)
    page = Page(WIDTH, HEIGHT, "Shift-and-stitch: shift the image, run the net, interlace")
    _image(page, image, net["score"].weight.data[0, 0])
    origin = np.empty(image.shape, dtype=object)
    for number, one in enumerate(passes):
        _pass(page, number, one, image, len(passes))
        rows, columns = one.pixels
        origin[rows, columns] = tint(COLOURS[number], 0.5)
    side = min(0.46, 3.0 / size)
    left, top = 10.2 - size * side / 2, 3.75 - size * side / 2
    page.text(10.2, top - 0.25, "stitched: every pixel", TEXT)
    page.cells(left, top, side, stitched, origin)
    page.text(10.2, top + size * side + 0.28, f"{size} × {size}: one score a pixel", TEXT)
    page.text(WIDTH / 2, 0.72,
              f"a net of stride {STRIDE}: {STRIDE} × {STRIDE} runs; dark: the pixels on which its "
              "grid falls", TEXT, color=MUTED)  # fmt: skip
    told = "; ".join(
        f"shift {one.shift}: {' / '.join(' '.join(map(str, row)) for row in one.scores)}"
        for one in passes
    )
    rows = " / ".join(" ".join(f"{v:g}" for v in row) for row in stitched)
    return page.finished(
        f"Shift-and-stitch with a net of stride {STRIDE}: {len(passes)} shifted images give "
        f"coarse scores ({told}), which interlace to {size} × {size} scores: {rows}."
    )


class Pass(NamedTuple):
    """One run: how far the image was moved down and to the right, what the net sees, what it
    scores, which pixels these scores are for, and where the image begins in what it sees."""

    shift: tuple[int, int]
    window: np.ndarray
    scores: np.ndarray
    pixels: tuple[slice, slice]
    place: tuple[int, int]


def example(size: int, seed: int) -> tuple[np.ndarray, nn.Net]:
    """An image of the digits 0 to 9, and a net of one convolution with small whole weights."""
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 10, (size, size)).astype(float)
    net = nn.Net((1, None, None))
    with use_backend("reference"):
        net.add("score", nn.Conv2d(1, 1, 3, stride=STRIDE, padding=1, bias=False))
        net["score"].weight.data = np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]], float)[None, None]
    return image, net


def run(net: nn.Net, image: np.ndarray) -> tuple[list[Pass], np.ndarray]:
    """Every pass on its own, and what ``dense.shift_and_stitch`` makes of all of them."""
    layout = layout_of(net, image.shape)
    canvas = np.zeros([axis.canvas for axis in layout])
    canvas[tuple(axis.image for axis in layout)] = image
    passes = []
    with use_backend("reference"):
        for shift in itertools.product(*(axis.moves for axis in layout)):
            pairs = list(zip(layout, shift, strict=True))
            window = canvas[tuple(axis.moved(x) for axis, x in pairs)]
            scores = net(Tensor(window[None, None])).numpy()[0, 0]
            scores = scores[tuple(axis.outputs(x) for axis, x in pairs)]
            pixels = tuple(axis.pixels(x) for axis, x in pairs)
            place = tuple(axis.image.start - axis.moved(x).start for axis, x in pairs)
            passes.append(Pass(shift, window, scores.astype(int), pixels, place))
        stitched = dense.shift_and_stitch(net, image[None, None], progress=False)[0, 0]
    return passes, stitched


def _image(page: Page, image, weight) -> None:
    size = len(image)
    side = min(SIDE, 2.5 / size)
    top = 2.0
    page.text(1.45, top - 0.25, "image", TEXT)
    page.cells(1.45 - size * side / 2, top, side, image)
    top += size * side + 0.75
    page.text(1.45, top - 0.25, f"the net: one filter, stride {STRIDE}", TEXT)
    page.cells(1.45 - 1.5 * side, top, side, weight)


def _pass(page: Page, number: int, one: Pass, image, count: int) -> None:
    """The moved image with its frame of zeros, and the coarse scores."""
    colour = COLOURS[number]
    room = (HEIGHT - 1.25) / count
    top = 1.05 + number * room
    n = len(one.window)
    side = (room - 0.14) / n
    left = 3.65
    down, right = one.shift
    page.text(left - 0.12, top + room / 2 - 0.18, "moved by", SMALL, ha="right", color=MUTED)
    page.text(left - 0.12, top + room / 2 + 0.04, f"({down}, {right})", TEXT, ha="right")
    fills = blank(n, n)
    fills[:] = PAPER
    i, j = one.place
    inner = fills[i : i + len(image), j : j + len(image)]
    inner[:] = tint(colour, 0.16)
    inner[one.pixels] = tint(colour, 0.75)
    page.cells(left, top, side, blank(n, n), fills, "#bbbbbb", line=0.5)
    page.rectangle(left + j * side, top + i * side, len(image) * side, len(image) * side,
                   "none", colour, 1.8, zorder=3)  # fmt: skip
    right_edge = left + n * side
    m, (rows, columns) = min(room - 0.3, 1.2), one.scores.shape
    cell = m / -(-len(image) // STRIDE)
    x, y = 6.2, top + (room - 0.14) / 2 - rows * cell / 2
    page.arrow((right_edge + 0.1, y + rows * cell / 2), (x - 0.1, y + rows * cell / 2))
    page.cells(x, y, cell, one.scores, tint(colour, 0.5))
    page.arrow((x + columns * cell + 0.12, y + rows * cell / 2), (8.55, 3.75), colour, 1.4)
