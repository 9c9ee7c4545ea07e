"""The pixels that a convolution reads."""

import numpy as np

from ... import functions as F
from ...autograd import Tensor
from ...backends import use_backend
from .pen import (
    BLUE,
    FAINT,
    HEIGHT,
    MUTED,
    ORANGE,
    PAPER,
    TEXT,
    WIDTH,
    Page,
    blank,
    drawable,
    tint,
)

LARGEST = 16  # cells along the padded input
TOP, SIDE = 1.0, 3.1  # inches: where the inputs begin, and how large they may be


def figure_convolution(
    size: int = 5,
    kernel_size: int = 3,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
    *,
    pixels: tuple[tuple[int, int], ...] | None = None,
):
    """The window of a convolution at several outputs: which pixels of the padded input each reads.

    size: of the square input. pixels: (row, column) of at most three outputs, by default the
    first, the second and the last. Read off the gradient of ``functions.conv2d``. Raises
    ValueError for settings with no output, for a pixel that is none, and for inputs too large to
    draw.
    """
    settings = kernel_size, stride, padding, dilation
    outputs = output_size(size, *settings)
    framed = drawable("the padded input", size + 2 * padding, LARGEST)
    shown = pixels or sorted({(0, 0), (0, min(1, outputs - 1)), (outputs - 1, outputs - 1)})
    if len(shown) > 3:
        raise ValueError(f"at most three outputs fit on a page; got {len(shown)}")
    for pixel in shown:
        if not all(0 <= i < outputs for i in pixel):
            raise ValueError(f"output {pixel} is none of {outputs} x {outputs}")
    page = Page(WIDTH, HEIGHT, "Convolution: the pixels that one output reads")
    told = []
    for number, pixel in enumerate(shown):
        middle = WIDTH * (number + 0.5) / len(shown)
        rows, columns = reads(size, *settings, pixel)
        _panel(page, middle, size, padding, framed, outputs, pixel, rows, columns)
        told.append(f"output {pixel} reads rows {_list(rows)} and columns {_list(columns)}")
    written = (
        f"input {size} × {size}, kernel {kernel_size}, stride {stride}, padding {padding}, "
        f"dilation {dilation}"
    )
    sum_ = f"({size} + 2·{padding} − {dilation}·({kernel_size} − 1) − 1) / {stride}"
    page.text(WIDTH / 2, 0.72, f"{written}:  output ⌊{sum_}⌋ + 1 = {outputs}", TEXT, color=MUTED)
    beyond = "; rows and columns below 0 or from the input's size on are padding" * (padding > 0)
    return page.finished(
        f"Convolution of an {written}: output {outputs} × {outputs}; {'; '.join(told)}{beyond}."
    )


def output_size(size: int, kernel_size: int, stride: int, padding: int, dilation: int) -> int:
    """Of a square map. Raises ValueError as ``functions.conv2d`` does."""
    with use_backend("reference"):
        return F.conv2d(*_ones(size, kernel_size), None, stride, padding, dilation).shape[2]


def reads(size, kernel_size, stride, padding, dilation, pixel) -> tuple[list[int], list[int]]:
    """Rows and columns that an output reads, negative ones in the padding before the image: where
    its gradient is not 0. The padding is made visible by padding the image itself."""
    with use_backend("reference"):
        x, weight = _ones(size + 2 * padding, kernel_size)
        y = F.conv2d(x, weight, None, stride, 0, dilation)
        y[0, 0, pixel[0], pixel[1]].backward()
    rows, columns = np.nonzero(x.grad[0, 0])
    return tuple(sorted({int(i) - padding for i in found}) for found in (rows, columns))


def _ones(size: int, kernel_size: int) -> tuple[Tensor, Tensor]:
    drawable("size", size, LARGEST)
    drawable("kernel_size", kernel_size, LARGEST)
    x = Tensor(np.ones((1, 1, size, size)), requires_grad=True)
    return x, Tensor(np.ones((1, 1, kernel_size, kernel_size)))


def _panel(page, middle, size, padding, framed, outputs, pixel, rows, columns) -> None:
    """An input with a window, and below it the output that the window makes."""
    side = SIDE / framed
    left = middle - SIDE / 2
    texts, fills = blank(framed, framed), blank(framed, framed)
    fills[:], own = PAPER, slice(padding, padding + size)
    for i in rows:
        for j in columns:
            inside = 0 <= i < size and 0 <= j < size
            fills[i + padding, j + padding] = BLUE if inside else tint(BLUE, 0.35)
    if padding and side * 72 > 14:
        texts[:] = "0"
        texts[own, own] = ""
    page.cells(left, TOP, side, texts, fills, FAINT)
    start = left + padding * side, TOP + padding * side
    page.cells(*start, side, blank(size, size), fills[own, own], MUTED)
    page.rectangle(*start, size * side, size * side, "none", line=1.8, zorder=3)
    step = min(side, 1.35 / outputs)
    x, y = middle - outputs * step / 2, TOP + SIDE + 0.55
    marked = blank(outputs, outputs)
    marked[:] = PAPER
    marked[pixel] = ORANGE
    page.cells(x, y, step, blank(outputs, outputs), marked)
    page.arrow((middle, TOP + SIDE + 0.1), (middle, y - 0.08))
    page.text(middle, 6.22, f"output ({pixel[0]}, {pixel[1]}) reads", TEXT)
    page.text(middle, 6.47, f"rows {_list(rows)}; columns {_list(columns)}", TEXT, color=MUTED)


def _list(numbers: list[int]) -> str:
    """All of up to four numbers, else the first two and the last."""
    text = [str(n).replace("-", "−") for n in numbers]
    return ", ".join(text if len(text) <= 4 else [*text[:2], "…", text[-1]])
