"""The roofline of a machine, and how near to it the layers of a network come.

A kernel does ``intensity`` floating-point operations for every byte that it must move. Bytes come
at the bandwidth and operations at the peak, so that it is at most as fast as

    rate(intensity) = min(peak, bandwidth * intensity)

two straight lines on logarithmic axes (Williams, Waterman, Patterson 2009). Left of where they
meet a kernel waits for memory, right of it for the multipliers.
"""

import itertools
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from .colormap import COLOURS
from .picture import save_figure

ROOF, GREY = "#222222", "#777777"
MARKER = 7  # pixels from a point to the edge of its mark, and a little
DIRECTIONS = ((1, 0), (0, 1), (0, -1), (-1, 0), (1, 1), (1, -1), (-1, 1), (-1, -1))
DISTANCES = (0, 14, 30, 50, 75, 105, 140)  # pixels that a label may be moved off its point

Box = tuple[float, float, float, float]  # left, bottom, right and top, in pixels


class Point(NamedTuple):
    """One kernel: floating-point operations a byte, GFLOP/s, and what its colour stands for."""

    name: str
    intensity: float
    rate: float
    kind: str = ""


def draw_roofline(
    path: str | os.PathLike,
    points: Iterable[Sequence],
    peak: float,
    bandwidth: float,
    title: str = "",
    ceilings: Mapping[str, float] | None = None,
) -> None:
    """Draw points (name, intensity[, rate[, kind]]) under the roofs of a machine.

    peak: GFLOP/s; bandwidth: GB/s. ceilings: more level lines by their names, in GFLOP/s. Every
    kind has a colour of its own and a line in the legend. Labels are moved until they overlap
    neither each other nor a point; one for which there is no room is left out.

    Raises ValueError where there is no point, or a number that is not above 0.
    """
    from matplotlib.figure import Figure

    points, ceilings = [Point(*point) for point in points], dict(ceilings or {})
    _check(points, {"peak": peak, "bandwidth": bandwidth, **ceilings})
    figure = Figure(figsize=(10, 7), dpi=110, layout="constrained")
    axes = figure.subplots()
    axes.set(xscale="log", yscale="log", xlabel="floating-point operations a byte",
             ylabel="GFLOP/s")  # fmt: skip
    _frame(axes, points, [peak, *ceilings.values()], bandwidth)
    lines = _draw_roofs(axes, peak, bandwidth, ceilings)
    for kind, colour in _colours(points).items():
        chosen = [(p.intensity, p.rate) for p in points if p.kind == kind]
        axes.plot(*zip(*chosen, strict=True), "o", color=colour, label=kind, markersize=6.5,
                  markeredgecolor="white", markeredgewidth=0.6, zorder=3)  # fmt: skip
    if any(p.kind for p in points):
        axes.legend(loc="lower right", frameon=False, fontsize=9)
    if title:
        axes.set_title(title.replace("$", r"\$"), fontsize=11)
    figure.draw_without_rendering()  # now it is known how large everything is
    figure.set_layout_engine("none")
    _name_slope(axes, lines[0], bandwidth)
    _label(figure, axes, points, lines)
    save_figure(path, figure)


def _check(points: list[Point], roofs: Mapping[str, float]) -> None:
    if not points:
        raise ValueError("draw_roofline: there is no point to draw")
    named = [*roofs.items(), *((p.name, n) for p in points for n in (p.intensity, p.rate))]
    for name, number in named:
        if not 0 < number < math.inf:
            raise ValueError(f"draw_roofline: {name}: {number} is not a number above 0")


def _colours(points: list[Point]) -> dict[str, str]:
    """Kind -> colour, in the order in which kinds occur."""
    return dict(zip(dict.fromkeys(p.kind for p in points), itertools.cycle(COLOURS), strict=False))


def _frame(axes, points: list[Point], levels: list[float], bandwidth: float) -> None:
    """Axes that hold all points, and of every roof the place where it meets the slope."""
    from matplotlib.ticker import LogLocator, NullFormatter

    bends = [level / bandwidth for level in levels]
    xs, ys = [p.intensity for p in points], [p.rate for p in points]
    left, right = min(bends + xs) / 3, max(bends + xs) * 3
    axes.set(xlim=(left, right), ylim=(min(ys + levels) / 3, max(ys + levels) * 1.6))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(lambda value, position: f"{value:,.4g}")
        axis.set_minor_formatter(NullFormatter())
    axes.grid(color="#e8e8e8", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_roofs(axes, peak: float, bandwidth: float, ceilings: Mapping[str, float]) -> list:
    """The roof, thin lines for the ceilings above it, and what each was measured to be; returns
    the lines' ends."""
    left, right = axes.get_xlim()
    bend, top = peak / bandwidth, max(peak, *ceilings.values(), 0)
    slope, level = [(left, bandwidth * left), (bend, peak)], [(bend, peak), (right, peak)]
    axes.plot(*zip(*slope, level[1], strict=True), color=ROOF, linewidth=1.8, zorder=2)
    thin = {"color": GREY, "linewidth": 1, "dashes": (5, 3), "zorder": 1}
    lines = [slope, level]
    if ceilings:
        lines.append([(bend, peak), (top / bandwidth, top)])
        lines += [[(rate / bandwidth, rate), (right, rate)] for rate in ceilings.values()]
        for line in lines[2:]:
            axes.plot(*zip(*line, strict=True), **thin)
    for name, rate in {"peak": peak, **ceilings}.items():
        axes.text(right, rate, f"{name}: {rate:,.4g} GFLOP/s ", ha="right", va="bottom",
                  fontsize=9, color=ROOF if name == "peak" else GREY)  # fmt: skip
    return lines


def _name_slope(axes, line, bandwidth: float) -> None:
    """Write the bandwidth along the slope, at the angle at which it is drawn."""
    (x0, y0), (x1, y1) = axes.transData.transform(line)
    low = axes.get_window_extent().y0
    start = max(0, (low - y0) / (y1 - y0))  # where it enters the picture
    middle = (start + 1) / 2
    place = axes.transData.inverted().transform((x0 + middle * (x1 - x0), y0 + middle * (y1 - y0)))
    angle = math.degrees(math.atan2(y1 - y0, x1 - x0))
    axes.annotate(
        f"memory: {bandwidth:,.3g} GB/s", place, (-4, 4), textcoords="offset points",
        rotation=angle, rotation_mode="anchor", ha="center", va="bottom", fontsize=9, color=ROOF,
    )  # fmt: skip


def _label(figure, axes, points: list[Point], lines) -> None:
    """Write the points' names, each where it covers nothing that is there already."""
    taken = [text.get_window_extent().extents for text in axes.texts]
    if legend := axes.get_legend():
        taken.append(legend.get_window_extent().extents)
    places = [axes.transData.transform((p.intensity, p.rate)) for p in points]
    taken += [_box(x, y, 2 * MARKER - 2, 2 * MARKER - 2) for x, y in places]
    taken += [box for line in lines for box in _along(axes.transData.transform(line))]
    colours = _colours(points)
    bounds = axes.get_window_extent().extents
    for point, (x, y) in sorted(zip(points, places, strict=True), key=lambda p: -p[1][1]):
        note = axes.annotate(
            point.name.replace("$", r"\$"), (point.intensity, point.rate), (0, 0),
            textcoords="offset points", ha="center", va="center", fontsize=8,
            color=colours[point.kind],
            arrowprops={"arrowstyle": "-", "color": "#aaaaaa", "linewidth": 0.6},
        )  # fmt: skip
        size = note.get_window_extent()
        for distance, right, up in _offsets(size.width + 2, size.height):
            box = _box(x + right, y + up, size.width + 2, size.height)
            if _within(box, bounds) and not any(_overlap(box, other) for other in taken):
                taken.append(box)
                note.set_position((right * 72 / figure.dpi, up * 72 / figure.dpi))
                note.arrow_patch.set_visible(distance > 0)
                break
        else:
            note.remove()


def _offsets(width: float, height: float):
    """From a point to the middle of a label of that size, the nearest first: (distance of their
    edges, right, up), in pixels."""
    for distance, (right, up) in itertools.product(DISTANCES, DIRECTIONS):
        away = MARKER + distance
        yield distance, right * (away + width / 2), up * (away + height / 2)


def _along(ends) -> list[Box]:
    """Boxes that cover a line, in pixels: one where it is level, else a row of small ones."""
    (x0, y0), (x1, y1) = ends
    count = max(1, int(abs(y1 - y0) / 10))
    width, height = abs(x1 - x0) / count, max(2, abs(y1 - y0) / count)
    shares = [(i + 0.5) / count for i in range(count)]
    return [_box(x0 + t * (x1 - x0), y0 + t * (y1 - y0), width, height) for t in shares]


def _box(x: float, y: float, width: float, height: float) -> Box:
    """The box of that size around (x, y)."""
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _within(a: Box, b: Box) -> bool:
    return b[0] <= a[0] and a[2] <= b[2] and b[1] <= a[1] and a[3] <= b[3]
