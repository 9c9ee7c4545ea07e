"""What all figures are drawn with: a page measured in inches, and grids of cells on it."""

import numpy as np

from ..colormap import COLOURS

WIDTH, HEIGHT = 12.0, 6.75  # inches: a slide of 16:9; no figure is larger, but for large graphs
DPI = 110
TITLE, TEXT, SMALL = 16, 12.5, 11  # points; nothing is set smaller
INK, MUTED, FAINT, PAPER = "#222222", "#5a5a5a", "#c8c8c8", "#ffffff"
BLUE, ORANGE, GREEN, SKY = (COLOURS[i] for i in (0, 1, 2, 5))
MONO = "DejaVu Sans Mono"  # comes with Matplotlib
ADVANCE = 0.602 / 72  # inches of its letter's width, for every point of its size


class Page:
    """A figure with one pair of axes over all of it: x to the right, y down, both in inches."""

    def __init__(self, width: float = WIDTH, height: float = HEIGHT, title: str = ""):
        from matplotlib.figure import Figure

        self.width, self.height = width, height
        self.figure = Figure(figsize=(width, height), dpi=DPI, facecolor=PAPER)
        self.axes = self.figure.add_axes((0, 0, 1, 1))
        self.axes.set_xlim(0, width)
        self.axes.set_ylim(height, 0)
        self.axes.set_axis_off()
        if title:
            self.text(width / 2, 0.38, title, TITLE)

    def finished(self, label: str):
        """The figure, with its alternative text."""
        self.figure.set_label(label)
        return self.figure

    def text(self, x: float, y: float, text: str, size: float = TEXT, **settings):
        """Letters around a point; colour, alignment and family as Matplotlib names them."""
        settings = {"ha": "center", "va": "center", "color": INK} | settings
        # a dollar is a dollar: nothing here is set as TeX
        return self.axes.text(x, y, text, fontsize=size, parse_math=False, **settings)

    def rectangle(self, left, top, width, height, fill=PAPER, edge=INK, line=1.0, **settings):
        """A box."""
        from matplotlib.patches import Rectangle

        settings = {"facecolor": fill, "edgecolor": edge, "linewidth": line} | settings
        self.axes.add_patch(Rectangle((left, top), width, height, **settings))

    def polygon(self, points, fill, edge=INK, line=0.8, **settings):
        """A closed line through points, filled."""
        from matplotlib.patches import Polygon

        settings = {"facecolor": fill, "edgecolor": edge, "linewidth": line} | settings
        self.axes.add_patch(Polygon(points, closed=True, joinstyle="round", **settings))

    def line(self, xs, ys, colour=MUTED, width=1.4, **settings):
        """A line through points."""
        self.axes.plot(xs, ys, color=colour, linewidth=width, **settings)

    def arrow(self, start, end, colour=MUTED, width=1.4, **settings):
        """A straight arrow between two points."""
        from matplotlib.patches import FancyArrowPatch

        settings = {"zorder": 2} | settings
        patch = FancyArrowPatch(
            start,
            end,
            arrowstyle="-|>",
            mutation_scale=13,
            shrinkA=0,
            shrinkB=0,
            color=colour,
            linewidth=width,
            **settings,
        )
        self.axes.add_patch(patch)

    def cells(self, left, top, side, values, fills=None, edge=INK, line=1.0):
        """A grid of squares with texts in them, row by row.

        values: (H, W) numbers or texts; fills: a colour, or (H, W) of them, None for white.
        """
        values = np.asarray(values, dtype=object)
        rows, columns = values.shape
        for (i, j), value in np.ndenumerate(values):
            fill = _at(fills, i, j) or PAPER
            if fill != PAPER:
                self.rectangle(left + j * side, top + i * side, side, side, fill, "none")
            text = value if isinstance(value, str) else number(value)
            if text:
                ink = PAPER if is_dark(fill) else INK
                place = left + (j + 0.5) * side, top + (i + 0.52) * side
                self.text(*place, text, fitting(text, side), color=ink)
        # every line once: edges of neighbouring squares would round to different pixels
        right, bottom = left + columns * side, top + rows * side
        style = {"colour": edge, "width": line, "solid_capstyle": "projecting"}
        for i in range(rows + 1):
            self.line((left, right), (top + i * side,) * 2, **style)
        for j in range(columns + 1):
            self.line((left + j * side,) * 2, (top, bottom), **style)


def _at(colours, i: int, j: int):
    return colours if colours is None or isinstance(colours, str) else colours[i][j]


def blank(rows: int, columns: int) -> np.ndarray:
    """Cells without texts."""
    return np.full((rows, columns), "", dtype=object)


def fitting(text: str, side: float) -> float:
    """The size of letters with which a text fills a cell; never below SMALL."""
    room = 0.76 * side * 72 / (0.64 * max(len(text), 1))
    return float(np.clip(room, SMALL, 15))


def number(value) -> str:
    """A number as short as it can be told: 3, -1.5, 0.0625, 1.235e+05; "" for None."""
    if value is None:
        return ""
    text = f"{float(value):.4g}"
    return "0" if text == "-0" else text.replace("-", "−", int(text.startswith("-")))


def tint(colour: str, strength: float) -> str:
    """A colour mixed with white: strength 1 is the colour, 0 is white."""
    parts = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return "#" + "".join(f"{round(255 - strength * (255 - part)):02x}" for part in parts)


def is_dark(colour: str) -> bool:
    """Whether white letters are better to read on it (luma below 0.45)."""
    if not colour.startswith("#"):
        return False
    r, g, b = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return 0.2126 * r + 0.7152 * g + 0.0722 * b < 0.45


def table(name: str, values) -> np.ndarray:
    """Rows of numbers as an array. Raises ValueError for anything else."""
    try:
        found = np.array(values, np.float64)
    except (TypeError, ValueError):
        found = np.empty(0)
    if found.ndim != 2 or not found.size or not np.isfinite(found).all():
        raise ValueError(f"{name} must be rows of finite numbers; got {values!r}")
    return found


def drawable(name: str, value: int, most: int, least: int = 1) -> int:
    """``value`` where it lies between least and most, else a ValueError."""
    if isinstance(value, bool) or int(value) != value or not least <= value <= most:
        raise ValueError(f"{name} must be {least} to {most} to be drawn; got {value}")
    return int(value)
