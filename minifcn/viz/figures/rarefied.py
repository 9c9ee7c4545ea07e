"""Filter rarefaction: a filter with zeros between its numbers, and why it fits the denser map."""

import numpy as np

from ... import dense, nn
from ...autograd import Tensor
from ...backends import use_backend
from .pen import (
    BLUE,
    FAINT,
    HEIGHT,
    INK,
    MUTED,
    ORANGE,
    PAPER,
    SKY,
    TEXT,
    WIDTH,
    Page,
    blank,
    drawable,
    table,
    tint,
)

LARGEST = 11  # cells of a rarefied filter
OUTPUTS = 2  # of the net in the second row, along an axis, with its stride


def figure_rarefied(weight=None, rates: tuple[int, ...] = (2, 3), stride: int = 2):
    """A filter and its rarefied forms, and what one output reads before and after the stride of
    the layer below was taken out (Long et al. 2015, section 3.2).

    weight: (k, k) numbers, by default 1 to 9; rates: one to three. The second row runs
    ``dense.rarefy`` on two layers, a convolution of that stride and one of the filter's size.
    Raises ValueError for filters and rates too large to draw.
    """
    weight = table("weight", np.arange(1, 10).reshape(3, 3) if weight is None else weight)
    if len(weight) != len(weight.T) or not 2 <= len(weight) <= 4:
        raise ValueError(f"the filter must be 2 x 2 to 4 x 4 numbers; got shape {weight.shape}")
    k = len(weight)
    for rate in rates:
        side = (k - 1) * drawable("rate", rate, LARGEST) + 1
        drawable(f"the filter at rate {rate}", side, LARGEST)
    if not 1 <= len(rates) <= 3:
        raise ValueError(f"one to three rates fit on a page; got {len(rates)}")
    drawable("stride", stride, 3, least=2)
    forms = [dense.enlarged(weight[None, None], (rate, rate))[0, 0] for rate in (1, *rates)]
    page = Page(WIDTH, HEIGHT, "Filter rarefaction: zeros in the filter for a stride below it")
    _forms(page, forms, rates)
    size = stride * (k + OUTPUTS - 1)
    nets = two_layers(k, stride)
    words = f"before: stride {stride}", f"after: stride 1, filter at rate {stride}"
    found = []
    for net, word, middle in zip(nets, words, (3.0, 9.0), strict=True):
        found.append(seen(net, size))
        _chain(page, middle, word, *found[-1], size)
    before, after = ([int(read.sum()) for read in reads[1:]] for reads in found)
    page.text(
        WIDTH / 2,
        HEIGHT - 0.28,
        f"the same output reads the same {after[1]} pixels of the image, by way of the same "
        f"{after[0]} of the map; only now there are outputs between",
        TEXT,
        color=MUTED,
    )
    spread = ", ".join(f"{len(form)} × {len(form)} at rate {r}"
                       for form, r in zip(forms[1:], rates, strict=True))  # fmt: skip
    return page.finished(
        f"A {k} × {k} filter and its rarefied forms: {spread}, zeros between its numbers. Below: "
        f"an output reads {before[0]} pixels of a map of stride {stride} and {before[1]} of the "
        f"image; with the stride taken out, {after[0]} pixels of a denser map, every "
        f"{stride}-th, and the same {after[1]} of the image, and there are "
        f"{found[1][0]} × {found[1][0]} outputs instead of {found[0][0]} × {found[0][0]}."
    )


def two_layers(k: int, stride: int) -> tuple[nn.Net, nn.Net]:
    """A convolution of a stride and a k x k filter, all weights 1; and their rarefied form."""
    net = nn.Net((1, None, None))
    with use_backend("reference"):
        net.add("below", nn.Conv2d(1, 1, stride, stride=stride, bias=False))
        net.add("filter", nn.Conv2d(1, 1, k, bias=False))
        for parameter in net.parameters():
            parameter.data = np.ones(parameter.shape)
        return net, dense.rarefy(net)


def seen(net: nn.Net, size: int) -> tuple[int, np.ndarray, np.ndarray]:
    """The number of outputs along an axis, and which pixels of the map between the layers, and of
    a square image, the first output reads: where its gradient is not 0."""
    with use_backend("reference"):
        image = Tensor(np.ones((1, 1, size, size)), requires_grad=True)
        between = Tensor(net["below"](image).data, requires_grad=True)
        y = net["filter"](between)
        y[0, 0, 0, 0].backward()
        net["below"](image).backward(between.grad)
    return y.shape[2], between.grad[0, 0] != 0, image.grad[0, 0] != 0


def _forms(page: Page, forms, rates) -> None:
    """The filters in a row, all cells of a size."""
    side = min(2.1 / max(map(len, forms)), 0.42)
    gaps = (WIDTH - side * sum(map(len, forms))) / (len(forms) + 1)
    left, middle = gaps, 1.0 + side * max(map(len, forms)) / 2
    for form, rate in zip(forms, (1, *rates), strict=True):
        n = len(form)
        kept = np.zeros((n, n), bool)
        kept[::rate, ::rate] = True
        texts, fills = blank(n, n), blank(n, n)
        fills[:] = PAPER
        texts[~kept], texts[kept], fills[kept] = "0", forms[0].ravel(), tint(SKY, 0.75)
        top = middle - n * side / 2
        page.cells(left, top, side, texts, fills, "#999999")
        name = "the filter" if rate == 1 else f"at rate {rate}"
        page.text(left + n * side / 2, 1.2 + side * max(map(len, forms)), name, TEXT)
        left += n * side + gaps


def _chain(page: Page, middle: float, word: str, outputs: int, between, image, size) -> None:
    """Image, map and output of one net, with what one output reads."""
    top, room = 4.0, 1.9
    page.text(middle, top - 0.32, word, TEXT, weight="bold")
    side = min(room / size, 5.3 / (2 * size + 2 * OUTPUTS))
    grids = (image, between, np.arange(outputs**2).reshape(outputs, outputs) == 0)
    sizes = [side * len(g) for g in grids]
    # maps of a larger stride are drawn with larger cells: a cell covers the pixels that it is for
    scale = [1.0, len(image) / len(between) if len(between) * 2 <= len(image) else 1.0]
    scale.append(scale[1])
    sizes = [n * k for n, k in zip(sizes, scale, strict=True)]
    gap = (5.6 - sum(sizes)) / 2
    left = middle - 2.8
    names = "image", "map below", "output"
    for n, (grid, name, width, k) in enumerate(zip(grids, names, sizes, scale, strict=True)):
        colour = (tint(BLUE, 0.45), BLUE, ORANGE)[n]
        fills = [[colour if hit else PAPER for hit in row] for row in grid]
        edge = INK if n else FAINT
        y = top + (side * size - width) / 2
        page.cells(left, y, side * k, blank(*grid.shape), fills, edge)
        page.rectangle(left, y, width, width, "none", INK, 1.2)
        page.text(left + width / 2, top + side * size + 0.22, name, TEXT, color=MUTED)
        if n < 2:
            page.arrow((left + width + 0.06, top + side * size / 2),
                       (left + width + gap - 0.06, top + side * size / 2))  # fmt: skip
        left += width + gap
