"""What ways to score every pixel cost: bars, on logarithmic axes."""

import os
from collections.abc import Sequence

from .colormap import COLOURS
from .picture import save_figure

PANELS = (  # attribute, unit of the axis, divisor
    ("macs", "multiply-adds (G)", 1e9),
    ("memory", "maps, predicted (MB)", 2**20),
    ("seconds", "seconds", 1.0),
)


def draw_ways(path: str | os.PathLike, ways: Sequence, title: str = "") -> None:
    """Draw three panels of bars, one bar a way: multiply-adds, bytes of maps, seconds.

    ways: as ``dense.ways`` makes them: objects with name, macs, memory, seconds and peak, the last
    two None where they were not measured; the peak is written beside the predicted memory. Raises
    ValueError where there is none.
    """
    from matplotlib.figure import Figure

    ways = list(ways)
    if not ways:
        raise ValueError("draw_ways: there is nothing to draw")
    figure = Figure(figsize=(11, 1.4 + 0.4 * len(ways)), dpi=110, layout="constrained")
    panels = figure.subplots(1, len(PANELS), sharey=True)
    names = [way.name for way in ways]
    for axes, (attribute, unit, divisor), colour in zip(panels, PANELS, COLOURS, strict=False):
        values = [getattr(way, attribute) for way in ways]
        shown = [value / divisor if value is not None else 0 for value in values]
        least = min((value for value in shown if value > 0), default=1)
        axes.barh(names, [max(bar, least / 3) for bar in shown], color=colour)
        axes.set_xscale("log")
        axes.set_xlim(least / 3, 20 * max(*shown, least))
        for i, (value, bar) in enumerate(zip(values, shown, strict=True)):
            text = _number(bar) if value is not None else "not measured"
            if attribute == "memory" and ways[i].peak is not None:
                text += f"; found {_number(ways[i].peak / divisor)}"
            axes.text(max(bar, least / 3) * 1.15, i, text, va="center", fontsize=8)
        axes.set_xlabel(unit)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].invert_yaxis()
    figure.suptitle(title)
    save_figure(path, figure)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
