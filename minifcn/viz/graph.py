"""A graph of functions as a drawing: SVG made here, or DOT text for Graphviz.

Layers follow the longest path (Sugiyama et al. 1981): every edge points downwards, long ones
are led through the layers between by bends, each layer is ordered by the mean position of its
neighbours, and positions then minimise the horizontal length of the edges.
"""

import os
from collections.abc import Iterable, Sequence
from html import escape
from itertools import pairwise
from typing import NamedTuple

from ..io.atomic import write_text
from .layered import layout

FONT, SMALL = 13, 10.5  # pixels
ADVANCE = 0.61  # width of a letter over its size, in the fixed-width fonts named below
PAD_X, PAD_Y, LEADING = 12, 7, 3
GAP_X, GAP_Y, BEND = 18, 34, 12
MARGIN, HEADING = 16, 28
FAMILY = "ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
FILLS = {  # kind of node: fill, outline
    "function": ("#dbe9f6", "#2f6ea5"),
    "parameter": ("#fde8cf", "#b8741a"),
    "input": ("#dcf0dc", "#3c8a3c"),
    "output": ("#f3dcec", "#9a4a82"),
}


class Node(NamedTuple):
    """A box: an id of its own, a label, a smaller line below it, and what it stands for."""

    id: object
    label: str
    sublabel: str = ""
    kind: str = "function"  # or parameter, input, output: only the colour differs


class Edge(NamedTuple):
    """An arrow between the nodes with these ids."""

    source: object
    target: object


def draw_graph(
    path: str | os.PathLike, nodes: Iterable[Sequence], edges: Iterable[Sequence], title: str = ""
) -> None:
    """Write the drawing of a graph to ``path``: SVG, or DOT text where it ends in .dot or .gv.

    Arguments and errors as for ``graph_svg``; ValueError for another suffix.
    """
    suffix = os.path.splitext(path)[1].lower()
    if suffix == ".svg":
        write_text(path, graph_svg(nodes, edges, title))
    elif suffix in (".dot", ".gv"):
        write_text(path, graph_dot(nodes, edges, title))
    else:
        raise ValueError(f"{os.fspath(path)}: the suffix must be .svg, .dot or .gv")


def graph_svg(nodes: Iterable[Sequence], edges: Iterable[Sequence], title: str = "") -> str:
    """The drawing of an acyclic graph as a self-contained SVG, the sources at the top.

    nodes: (id, label[, sublabel[, kind]]) with ids that can be dictionary keys; edges: (source
    id, target id). Several edges between the same two nodes are drawn once, with their number.
    Equal graphs give equal texts. Raises ValueError for an id used twice, an edge to an unknown
    id, or a cycle.
    """
    nodes, edges = _checked(nodes, edges)
    numbers = {node.id: i for i, node in enumerate(nodes)}
    sizes = [_size(node) for node in nodes]
    links: dict[tuple[int, int], int] = {}
    for edge in edges:
        link = numbers[edge.source], numbers[edge.target]
        links[link] = links.get(link, 0) + 1
    top = MARGIN + (HEADING if title else 0)
    placed = layout(sizes, list(links), GAP_X, GAP_Y, BEND)
    heading = len(title) * FONT * ADVANCE
    width = max(placed.width, heading) + 2 * MARGIN
    height = placed.height + top + MARGIN
    name = escape(title or "graph")
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" role="img" aria-label="{name}" '
        f'font-family="{FAMILY}" text-anchor="middle">',
        '<defs><marker id="arrow" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" '
        'markerHeight="7" orient="auto"><path d="M0 0 8 4 0 8z" fill="#666"/></marker></defs>',
        '<rect width="100%" height="100%" fill="#fff"/>',
    ]
    if title:
        parts.append(_text(width / 2, MARGIN + FONT, name, FONT, "#222"))
    left = (width - placed.width) / 2
    parts.append(f'<g transform="translate({left:.1f} {top})">')
    for link, count in links.items():
        parts.append(_arrow(placed.routes[link], count))
    for node, (x, y), size in zip(nodes, placed.centres, sizes, strict=True):
        parts.append(_box(node, x, y, *size))
    return "\n".join([*parts, "</g>", "</svg>", ""])


def graph_dot(nodes: Iterable[Sequence], edges: Iterable[Sequence], title: str = "") -> str:
    """The same graph as DOT text, for Graphviz. Arguments and errors as for ``graph_svg``,
    except that cycles are allowed."""
    nodes, edges = _checked(nodes, edges)
    numbers = {node.id: i for i, node in enumerate(nodes)}
    lines = ["digraph {"]
    if title:
        lines.append(f"  label={_quoted(title)}; labelloc=t;")
    lines.append('  node [shape=box, style="rounded,filled", fontname=monospace];')
    for i, node in enumerate(nodes):
        fill, line = FILLS.get(node.kind, FILLS["function"])
        label = _quoted(node.label + ("\n" + node.sublabel if node.sublabel else ""))
        lines.append(f'  n{i} [label={label}, fillcolor="{fill}", color="{line}"];')
    lines += [f"  n{numbers[edge.source]} -> n{numbers[edge.target]};" for edge in edges]
    return "\n".join([*lines, "}", ""])


def _checked(nodes, edges) -> tuple[list[Node], list[Edge]]:
    nodes, edges = [Node(*node) for node in nodes], [Edge(*edge) for edge in edges]
    ids = {node.id for node in nodes}
    if len(ids) < len(nodes):
        twice = next(
            node.id for i, node in enumerate(nodes) if node.id in {n.id for n in nodes[:i]}
        )
        raise ValueError(f"two nodes have the id {twice!r}")
    for edge in edges:
        for end in edge:
            if end not in ids:
                raise ValueError(f"the edge {tuple(edge)!r} names {end!r}, which is no node")
    return nodes, edges


def _size(node: Node) -> tuple[float, float]:
    """Width and height of a box, in pixels."""
    letters = max(len(node.label) * FONT, len(node.sublabel) * SMALL)
    lines = FONT + (LEADING + SMALL if node.sublabel else 0)
    return letters * ADVANCE + 2 * PAD_X, lines + 2 * PAD_Y


def _box(node: Node, x: float, y: float, width: float, height: float) -> str:
    fill, line = FILLS.get(node.kind, FILLS["function"])
    # A letter reaches 0.8 of its size above the base line and 0.2 below it.
    first = y - height / 2 + PAD_Y + 0.8 * FONT
    parts = [
        f'<rect x="{x - width / 2:.1f}" y="{y - height / 2:.1f}" width="{width:.1f}" '
        f'height="{height:.1f}" rx="6" fill="{fill}" stroke="{line}"/>',
        _text(x, first, escape(node.label), FONT, "#111"),
    ]
    if node.sublabel:
        last = y + height / 2 - PAD_Y - 0.2 * SMALL
        parts.append(_text(x, last, escape(node.sublabel), SMALL, "#555"))
    return "".join(parts)


def _arrow(route: list[tuple[float, float]], count: int) -> str:
    """A curve through the points, upright at each of them."""
    d = "M{:.1f} {:.1f}".format(*route[0])
    for (x0, y0), (x1, y1) in pairwise(route):
        bend = (y1 - y0) / 2
        d += f" C{x0:.1f} {y0 + bend:.1f} {x1:.1f} {y1 - bend:.1f} {x1:.1f} {y1:.1f}"
    text = ""
    if count > 1:
        (x0, y0), (x1, y1) = route[-2:]
        text = _text((x0 + x1) / 2 + 12, (y0 + y1) / 2 + 4, f"×{count}", SMALL, "#555")
    return f'<path d="{d}" fill="none" stroke="#666" marker-end="url(#arrow)"/>{text}'


def _text(x: float, y: float, escaped: str, size: float, colour: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}">{escaped}</text>'


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
