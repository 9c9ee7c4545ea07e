"""Transposed convolution, drawn as the backward pass of convolution."""

from fractions import Fraction

import numpy as np

from ... import functions as F
from ...autograd import Tensor
from ...backends import use_backend
from .pen import (
    COLOURS,
    HEIGHT,
    INK,
    MUTED,
    PAPER,
    SMALL,
    TEXT,
    WIDTH,
    Page,
    blank,
    drawable,
    number,
    table,
    tint,
)

LARGEST_INPUT, LARGEST_KERNEL, LARGEST_OUTPUT = 6, 6, 9  # values; cells; cells
CELL = 0.5  # inches
GAP = "#e4e4e4"
DENOMINATOR = 256  # bilinear weights of factors up to 8 are fractions of it


def figure_transposed(
    x=None,
    kernel_size: int = 3,
    stride: int = 2,
    padding: int = 0,
    *,
    weight=None,
):
    """Transposed convolution step by step: every input is spread through the kernel, overlaps are
    summed.

    x: (H, W) numbers, six at most, by default 1 to 4 in a square of 2 x 2; weight: (k, k) numbers,
    by default the bilinear filter of ``kernel_size``. Numbers by ``functions.conv_transpose2d``,
    and the same by the backward pass of ``functions.conv2d``. Raises ValueError for settings with
    no output and for more than can be drawn.
    """
    x = table("x", [[1, 2], [3, 4]] if x is None else x)
    if weight is None:
        side = drawable("kernel_size", kernel_size, LARGEST_KERNEL)
        weight = F.bilinear_filter((side, side))
    weight = table("weight", weight)
    k = drawable("kernel_size", len(weight), LARGEST_KERNEL)
    if weight.shape != (k, k):
        raise ValueError(f"the kernel must be as high as wide; got shape {weight.shape}")
    drawable("the number of inputs", x.size, LARGEST_INPUT)
    parts = {place: spread(x, weight, stride, padding, place) for place in np.ndindex(x.shape)}
    ones = np.ones_like(x), np.ones_like(weight)
    covers = {place: spread(*ones, stride, padding, place) > 0 for place in parts}
    whole, backward = spread(x, weight, stride, padding), gradient(x, weight, stride, padding)
    np.testing.assert_allclose(whole, backward, rtol=1e-12, atol=1e-12)
    rows, columns = whole.shape
    drawable("the output", max(rows, columns), LARGEST_OUTPUT)

    page = Page(WIDTH, HEIGHT, "Transposed convolution: spread through the kernel, then summed")
    side = _sides(page, x, weight)
    _inputs(page, x, weight, side)
    _parts(page, x, parts, covers)
    _sum(page, x, covers, whole)
    sums = {f"({n} − 1)·{stride} − 2·{padding} + {k} = {m}": None
            for n, m in zip(x.shape, whole.shape, strict=True)}  # fmt: skip
    words = f"stride {stride}, padding {padding}:  output {' by '.join(sums)}"
    page.text(WIDTH / 2, 0.72, words, TEXT, color=MUTED)
    page.text(
        WIDTH / 2,
        HEIGHT - 0.28,
        f"the same numbers: the gradient of a convolution {rows} × {columns} → {x.shape[0]} × "
        f"{x.shape[1]} with this kernel, stride and padding, when its output's gradient is the "
        "input here",
        SMALL,
        color=MUTED,
    )
    overlaps = int((sum(covers.values()) > 1).sum())
    return page.finished(
        f"Transposed convolution with a {k} × {k} kernel, stride {stride} and padding {padding}: "
        f"each of the {x.size} inputs is multiplied by the kernel and laid into an output of "
        f"{rows} × {columns}; where they overlap, in {overlaps} pixels, they are summed to "
        f"{_rows(whole)}."
    )


def spread(x, weight, stride: int, padding: int, place=None) -> np.ndarray:
    """The transposed convolution of an input, or of one of its pixels alone."""
    if place is not None:
        alone = np.zeros_like(x)
        alone[place] = x[place]
        x = alone
    with use_backend("reference"):
        settings = {"stride": stride, "padding": padding}
        y = F.conv_transpose2d(Tensor(x[None, None]), Tensor(weight[None, None]), **settings)
    return y.numpy()[0, 0]


def gradient(x, weight, stride: int, padding: int) -> np.ndarray:
    """The gradient of <x, conv2d(y, weight)> with respect to y, a map of the output's size."""
    size = spread(x, weight, stride, padding).shape
    with use_backend("reference"):
        y = Tensor(np.zeros((1, 1, *size)), requires_grad=True)
        made = F.conv2d(y, Tensor(weight[None, None]), None, stride, padding)
        made.backward(x[None, None])
    return y.grad[0, 0]


def _sides(page, x, weight) -> float:
    """Of the cells on the left, where input and kernel stand above each other."""
    return min(CELL, 4.6 / (len(weight) + len(x)), 2.0 / max(len(weight), x.shape[1]))


def _inputs(page: Page, x, weight, side: float) -> None:
    middle, y = 1.25, 1.5
    page.text(middle, y - 0.25, "input", TEXT)
    fills = [[_colour(x, (i, j)) for j in range(x.shape[1])] for i in range(x.shape[0])]
    page.cells(middle - x.shape[1] * side / 2, y, side, x, fills)
    y += len(x) * side + 0.75
    page.text(middle, y - 0.25, "kernel", TEXT)
    texts = [[short(v) for v in row] for row in weight]
    page.cells(middle - len(weight) * side / 2, y, side, texts)


def _parts(page: Page, x, parts, covers) -> None:
    """What every input makes, each in its colour, in two columns."""
    rows, columns = next(iter(parts.values())).shape
    across = 2 if len(parts) > 1 else 1
    down = -(-len(parts) // across)
    middle, top, width, height = 5.25, 1.5, 4.9, 4.7
    gap = 0.22
    side = min(
        (width - (across - 1) * gap) / across / columns,
        (height - (down - 1) * gap) / down / rows,
        0.75,
    )
    step_x, step_y = side * columns + gap, side * rows + gap
    left = middle - (across * step_x - gap) / 2
    top += (height - down * step_y + gap) / 2
    page.text(middle, 1.25, "each input × kernel, at its place", TEXT)
    longest = max(len(short(v)) for p, part in parts.items() for v in part[covers[p]])
    legible = side * 72 > longest * 0.6 * SMALL + 2
    for n, (place, part) in enumerate(parts.items()):
        x0, y0 = left + (n % across) * step_x, top + (n // across) * step_y
        strong, weak = _colour(x, place), tint(_colour(x, place), 0.45)
        fills = [[weak if hit else PAPER for hit in row] for row in covers[place]]
        texts = blank(rows, columns)
        for i, j in np.argwhere(covers[place]) if legible else ():
            texts[i, j] = short(part[i, j])
        page.cells(x0, y0, side, texts, fills, "#b0b0b0", line=0.7)
        page.rectangle(x0, y0, side * columns, side * rows, "none", strong, 2.6, zorder=3)
    page.arrow((2.4, 3.9), (2.7, 3.9))


def _sum(page: Page, x, covers, whole) -> None:
    rows, columns = whole.shape
    found = sum(covers.values())
    names = ["white: overlaps"] * bool((found > 1).any()) + ["grey: gaps"] * bool(
        (found == 0).any()
    )
    words = f"their sum ({', '.join(names)})" if names else "their sum"
    side = min(3.55 / columns, 4.7 / rows, 0.75)
    left, top = 10.05 - columns * side / 2, 1.5 + (4.7 - rows * side) / 2
    page.text(10.05, 1.25, words, TEXT)
    fills, texts = blank(rows, columns), blank(rows, columns)
    for i, j in np.ndindex(whole.shape):
        makers = [place for place, cover in covers.items() if cover[i, j]]
        fills[i, j] = tint(_colour(x, makers[0]), 0.45) if len(makers) == 1 else PAPER
        fills[i, j] = fills[i, j] if makers else GAP
        texts[i, j] = short(whole[i, j])
    page.cells(left, top, side, texts, fills, INK)
    page.arrow((7.82, 3.9), (8.12, 3.9))


def short(value: float) -> str:
    """A number in at most four letters, or as the fraction that it is: 9/16."""
    text, fraction = number(value), Fraction(float(value)).limit_denominator(DENOMINATOR)
    return str(fraction).replace("-", "−") if len(text) > 4 and fraction == value else text


def _colour(x, place: tuple[int, int]) -> str:
    return COLOURS[place[0] * x.shape[1] + place[1]]


def _rows(array) -> str:
    return "; ".join(" ".join(map(short, row)) for row in array)
