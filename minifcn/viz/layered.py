"""Positions for the boxes of an acyclic graph, in layers from top to bottom."""

from itertools import pairwise
from typing import NamedTuple

Link = tuple[int, int]
SWEEPS = 8  # passes over the layers; drawings of the nets here settle after four to six
LEAF = 0.02  # pull of a link from a source against that of others: the trunk runs straight


class Placed(NamedTuple):
    """Centres of the boxes, the points each link runs through, and the size of the whole."""

    centres: list[tuple[float, float]]
    routes: dict[Link, list[tuple[float, float]]]
    width: float
    height: float


def layout(
    sizes: list[tuple[float, float]], links: list[Link], gap_x: float, gap_y: float, bend: float
) -> Placed:
    """Place boxes of these sizes (width, height) so that every link points downwards.

    Boxes and bends of one layer keep ``gap_x`` between them, layers ``gap_y``; ``bend`` is the
    room that a link takes where it passes a layer. Raises ValueError for a cycle.
    """
    layer = _layers(len(sizes), links)
    widths = [width for width, _ in sizes]
    chains: dict[Link, list[int]] = {}  # from box to box by way of the bends
    for source, target in links:
        bends = range(len(widths), len(widths) + layer[target] - layer[source] - 1)
        chains[source, target] = [source, *bends, target]
        layer += range(layer[source] + 1, layer[target])
        widths += [bend] * len(bends)
    above: list[list[int]] = [[] for _ in widths]
    below: list[list[int]] = [[] for _ in widths]
    for chain in chains.values():
        for upper, lower in pairwise(chain):
            below[upper].append(lower)
            above[lower].append(upper)

    rows: list[list[int]] = [[] for _ in range(max(layer, default=-1) + 1)]
    for item, depth in enumerate(layer):
        rows[depth].append(item)
    _order(rows, above, below)
    pull = [1.0 if above[item] else LEAF for item in range(len(widths))]
    xs = _abscissae(rows, above, below, widths, pull, gap_x)

    ys, heights = [], []
    height = -gap_y
    for row in rows:
        tallest = max(sizes[item][1] for item in row if item < len(sizes))
        height += gap_y + tallest
        ys.append(height - tallest / 2)
        heights.append(tallest)
    left = min((x - w / 2 for x, w in zip(xs, widths, strict=True)), default=0)
    right = max((x + w / 2 for x, w in zip(xs, widths, strict=True)), default=0)
    points = [(x - left, ys[depth]) for x, depth in zip(xs, layer, strict=True)]
    routes = {}
    for link, chain in chains.items():
        # Upright over the height of every layer, so that no link cuts through a box.
        route = [
            (points[item][0], points[item][1] + side * heights[layer[item]] / 2)
            for item in chain
            for side in (-1, 1)
        ]
        (x0, y0), (x1, y1) = points[link[0]], points[link[1]]
        route[0] = x0, y0 + sizes[link[0]][1] / 2
        route[-1] = x1, y1 - sizes[link[1]][1] / 2
        routes[link] = [p for k, p in enumerate(route) if k == 0 or p != route[k - 1]]
    return Placed(points[: len(sizes)], routes, right - left, max(height, 0))


def _layers(count: int, links: list[Link]) -> list[int]:
    """The layer of every box: the longest path to it, but sources just above their first use."""
    targets: list[list[int]] = [[] for _ in range(count)]
    waiting = [0] * count
    for source, target in links:
        targets[source].append(target)
        waiting[target] += 1
    sources = [item for item in range(count) if not waiting[item]]
    layer, order = [0] * count, list(sources)
    for item in order:  # grows while it is walked
        for target in targets[item]:
            layer[target] = max(layer[target], layer[item] + 1)
            waiting[target] -= 1
            if not waiting[target]:
                order.append(target)
    if len(order) < count:
        stuck = sorted(set(range(count)) - set(order))
        raise ValueError(f"the graph has a cycle among the nodes number {stuck[:8]}")
    for item in sources:
        if targets[item]:
            layer[item] = min(layer[target] for target in targets[item]) - 1
    return layer


def _order(rows, above, below) -> None:
    """Order every row by the mean place of its neighbours, downwards and upwards in turn."""
    place = {item: k for row in rows for k, item in enumerate(row)}
    for sweep in range(SWEEPS):
        neighbours = below if sweep % 2 else above
        for row in reversed(rows) if sweep % 2 else rows:
            row.sort(
                key=lambda item, near=neighbours: (
                    sum(place[n] for n in near[item]) / len(near[item])
                    if near[item]
                    else place[item]
                )
            )
            place.update((item, k) for k, item in enumerate(row))


def _abscissae(rows, above, below, widths, pull, gap) -> list[float]:
    """Horizontal centres: every row in turn as near to its neighbours as its order allows.

    A link is as strong as the weaker of its ends pulls.
    """
    xs = [0.0] * len(widths)
    for sweep in range(SWEEPS + 1):
        for row in reversed(rows) if sweep % 2 else rows:
            wanted, strengths = [], []
            for item in row:
                near = (below if sweep % 2 else above)[item] or above[item] + below[item]
                strength = [min(pull[item], pull[n]) for n in near]
                total = sum(strength)
                mean = sum(s * xs[n] for s, n in zip(strength, near, strict=True))
                wanted.append(mean / total if near else xs[item])
                strengths.append(total or LEAF)
            spread = _spread(wanted, strengths, [widths[item] for item in row], gap)
            for item, x in zip(row, spread, strict=True):
                xs[item] = x
    return xs


def _spread(wanted, strengths, widths, gap) -> list[float]:
    """The positions nearest to those wanted (weighted least squares) in this order, apart.

    Less the least distances s_k from the first box, x_k - s_k must not decrease: isotonic
    regression, solved by pooling neighbours that would overlap (Ayer et al. 1955).
    """
    offsets = [0.0]
    for a, b in pairwise(widths):
        offsets.append(offsets[-1] + (a + b) / 2 + gap)
    pools: list[tuple[float, float, int]] = []  # mean, strength, number of boxes
    for x, strength, offset in zip(wanted, strengths, offsets, strict=True):
        mean, count = x - offset, 1
        while pools and pools[-1][0] > mean:
            other, others, n = pools.pop()
            mean = (mean * strength + other * others) / (strength + others)
            strength, count = strength + others, count + n
        pools.append((mean, strength, count))
    flat = [mean for mean, _, count in pools for _ in range(count)]
    return [x + offset for x, offset in zip(flat, offsets, strict=True)]
