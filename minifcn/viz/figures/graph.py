"""Computational graphs, each node with its value and its gradient."""

from collections.abc import Mapping
from itertools import pairwise

from ...autograd import Tensor
from ..graph import FILLS, Edge, Node
from ..layered import layout
from .expression import graph_of_expression
from .pen import ADVANCE, HEIGHT, INK, MONO, MUTED, SMALL, TEXT, TITLE, Page
from .values import Watch, graph_of

PAD, LINE = 0.12, 0.2  # inches inside a box, and a line of text
GAP_X, GAP_Y, BEND, MARGIN = 0.3, 0.36, 0.2, 0.3
HEADING = 0.45
BETWEEN = 2  # letters between value and gradient in one line
GRADIENT = "#a04000"  # a darker form of the colour-blind safe orange
CONSTANT = ("#eeeeee", "#777777")


def figure_graph(
    graph: str | Tensor | tuple,
    values: Mapping[str, float | list] | None = None,
    *,
    names: Mapping[str, Tensor] | None = None,
    watch: Watch | None = None,
    title: str = "",
):
    """A computational graph, the leaves at the top, with every node's value and gradient.

    graph: an expression with its ``values`` ("b = a + a; c = b * b", {"a": 3}), or a one-element
    tensor with ``names`` and ``watch`` as ``graph_of`` takes them, or nodes and edges as it
    returns them. Errors as there.
    """
    if isinstance(graph, str):
        nodes, edges = graph_of_expression(graph, values)
        title = title or graph
    elif isinstance(graph, Tensor):
        nodes, edges = graph_of(graph, names, watch)
    else:
        nodes, edges = ([Node(*n) for n in graph[0]], [Edge(*e) for e in graph[1]])
    numbers = {node.id: i for i, node in enumerate(nodes)}
    links: dict[tuple[int, int], int] = {}
    for source, target in edges:
        link = numbers[source], numbers[target]
        links[link] = links.get(link, 0) + 1
    top = MARGIN + (HEADING if title else 0)
    # the second where the first does not fit on a slide
    for lines, gap in ((_lines, GAP_Y), (_one_line, 0.7 * GAP_Y)):
        written = [lines(node) for node in nodes]
        sizes = [_size(*pair) for pair in zip(nodes, written, strict=True)]
        placed = layout(sizes, list(links), GAP_X, gap, BEND)
        if placed.height + top + MARGIN <= HEIGHT:
            break
    width = max(placed.width, 1.05 * ADVANCE * TITLE * len(title)) + 2 * MARGIN
    page = Page(width, placed.height + top + MARGIN, title)
    left = (width - placed.width) / 2
    for link, count in links.items():
        _arrow(page, [(left + x, top + y) for x, y in placed.routes[link]], count)
    for node, lines, (x, y), size in zip(nodes, written, placed.centres, sizes, strict=True):
        _box(page, node, lines, left + x, top + y, *size)
    told = "; ".join(": ".join(filter(None, (node.label, node.sublabel))) for node in nodes)
    return page.finished(f"Computational graph of {len(nodes)} nodes. {told}.")


def _lines(node: Node) -> list[list[str]]:
    """Value and gradient below each other: lines of parts."""
    return [[part] for part in node.sublabel.split(", ") if part]


def _one_line(node: Node) -> list[list[str]]:
    """Value and gradient side by side."""
    return [[part for line in _lines(node) for part in line]] if node.sublabel else []


def _letters(line: list[str]) -> int:
    return sum(map(len, line)) + BETWEEN * (len(line) - 1)


def _size(node: Node, lines: list[list[str]]) -> tuple[float, float]:
    letters = max([len(node.label) * TEXT, *(_letters(line) * SMALL for line in lines)])
    return letters * ADVANCE + 2 * PAD, LINE * (1.1 + len(lines)) + 1.2 * PAD


def _box(page: Page, node: Node, lines, x: float, y: float, width: float, height: float) -> None:
    from matplotlib.patches import FancyBboxPatch

    fill, edge = CONSTANT if node.kind == "constant" else FILLS.get(node.kind, FILLS["function"])
    page.axes.add_patch(
        FancyBboxPatch(
            (x - width / 2, y - height / 2),
            width,
            height,
            boxstyle="round,pad=0,rounding_size=0.08",
            facecolor=fill,
            edgecolor=edge,
            linewidth=1.2,
            zorder=3,
        )
    )
    y += 0.6 * PAD + 0.55 * LINE - height / 2
    page.text(x, y, node.label, TEXT, family=MONO, zorder=4)
    style = {"family": MONO, "zorder": 4, "ha": "left"}
    for number, line in enumerate(lines, start=1):
        left = x - _letters(line) * SMALL * ADVANCE / 2
        for part in line:
            colour = GRADIENT if part.startswith("gradient") else INK
            page.text(left, y + number * LINE * 1.02, part, SMALL, color=colour, **style)
            left += (len(part) + BETWEEN) * SMALL * ADVANCE


def _arrow(page: Page, route: list[tuple[float, float]], count: int) -> None:
    """A curve through the points, upright at each of them."""
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path

    points, codes = [route[0]], [Path.MOVETO]
    for (x0, y0), (x1, y1) in pairwise(route):
        bend = (y1 - y0) / 2
        points += [(x0, y0 + bend), (x1, y1 - bend), (x1, y1)]
        codes += [Path.CURVE4] * 3
    arrow = FancyArrowPatch(
        path=Path(points, codes), arrowstyle="-|>", mutation_scale=12, color=MUTED, linewidth=1.3
    )
    page.axes.add_patch(arrow)
    if count > 1:
        (x0, y0), (x1, y1) = route[-2:]
        page.text((x0 + x1) / 2 + 0.2, (y0 + y1) / 2, f"×{count}", SMALL, color=MUTED)
