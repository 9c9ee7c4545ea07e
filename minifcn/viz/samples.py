"""Photographs, truths and predictions side by side in one picture."""

import os
from collections.abc import Sequence

import numpy as np

from .colormap import IGNORED, colorize, voc_colormap
from .picture import save_figure

DPI = 100
GAP, MARGIN, TITLE = 8, 14, 26  # pixels between panels, around all, and for the column titles
FONT = 9  # points
LINE = 22  # pixels a legend line
PHOTO_PIXELS = 350_000  # of all photographs together: a PNG holds about two bytes for each
SMALLEST, LARGEST = 48, 420  # longest side of a panel, in pixels


def draw_samples(
    path: str | os.PathLike,
    images: Sequence[np.ndarray],
    truths: Sequence[np.ndarray] | None = None,
    predictions: Sequence | None = None,
    class_names: Sequence[str] | None = None,
    palette: np.ndarray | None = None,
    *,
    ignore_index: int = 255,
    row_titles: Sequence[str] | None = None,
) -> None:
    """Draw one row a sample (image, truth, prediction) and a legend of the classes that occur.

    images: (H, W, 3) uint8 RGB each, of any sizes. truths: (H, W) integer label maps, or None.
    predictions: label maps likewise, or several columns as pairs (title, label maps), or None.
    Small pictures are enlarged by whole factors and large ones reduced, labels always by the
    nearest pixel, so that no colour appears that is no class. Ignored pixels are white.

    Raises ValueError where the columns differ in length or a label map in size from its image.
    """
    columns = _columns(truths, predictions)
    _check(images, columns, row_titles)
    palette = voc_colormap() if palette is None else np.asarray(palette, np.uint8)
    scale = _scale(images)
    rows = [
        [_resize(image, scale, smooth=True)]
        + [
            _resize(colorize(maps[i], palette, ignore_index), scale, smooth=False)
            for _, maps in columns
        ]
        for i, image in enumerate(images)
    ]
    titles = ["image", *(title for title, _ in columns)]
    occurring = sorted({int(k) for _, maps in columns for m in maps for k in np.unique(m)})
    entries = [_entry(k, class_names, palette) for k in occurring if k != ignore_index]
    if ignore_index in occurring:
        entries.append(("ignored", np.array(IGNORED) / 255))
    save_figure(path, _compose(rows, titles, entries, row_titles))


def _columns(truths, predictions) -> list[tuple[str, Sequence[np.ndarray]]]:
    """All columns of label maps as (title, label maps)."""
    columns = [] if truths is None else [("truth", truths)]
    if predictions is None or len(predictions) == 0:
        return columns
    named = [isinstance(p, tuple) and len(p) == 2 and isinstance(p[0], str) for p in predictions]
    if named and all(named):
        return columns + list(predictions)
    return [*columns, ("prediction", predictions)]


def _check(images, columns, row_titles) -> None:
    if len(images) == 0:
        raise ValueError("there is no sample to draw")
    for title, maps in columns:
        if len(maps) != len(images):
            raise ValueError(f"{len(images)} images but {len(maps)} label maps under {title!r}")
        for i, (image, label) in enumerate(zip(images, maps, strict=True)):
            if image.shape != (*np.shape(label), 3):
                raise ValueError(
                    f"sample {i}: image {image.shape} and {title!r} {np.shape(label)} differ in "
                    "size"
                )
    if row_titles is not None and len(row_titles) != len(images):
        raise ValueError(f"{len(images)} images but {len(row_titles)} row titles")


def _scale(images) -> float:
    """One factor for all panels: whole where it enlarges, else whatever fits the budget."""
    longest = max(max(image.shape[:2]) for image in images)
    pixels = sum(image.shape[0] * image.shape[1] for image in images)
    scale = min(LARGEST / longest, (PHOTO_PIXELS / pixels) ** 0.5)
    scale = max(scale, min(1, SMALLEST / longest))
    return int(scale) if scale >= 1 else scale


def _resize(rgb: np.ndarray, scale: float, smooth: bool) -> np.ndarray:
    """The picture at this scale; ``smooth`` only matters where it is reduced."""
    from PIL import Image

    if scale >= 1:
        return rgb.repeat(scale, axis=0).repeat(scale, axis=1)
    size = [max(1, round(side * scale)) for side in (rgb.shape[1], rgb.shape[0])]
    how = Image.Resampling.LANCZOS if smooth else Image.Resampling.NEAREST
    return np.asarray(Image.fromarray(rgb).resize(size, how))


def _entry(k: int, names, palette) -> tuple[str, np.ndarray]:
    """Name and colour, as three numbers from 0 to 1, of class k in the legend."""
    name = names[k] if names is not None and k < len(names) else f"class {k}"
    return name, palette[k] / 255


def _compose(rows, titles, entries, row_titles):
    """Place the panels pixel by pixel, the titles above them and the legend below.

    rows: for every sample its cells, RGB arrays; entries: (name, colour) of the legend. Pixels
    count from the lower left corner, as Matplotlib's do. Returns the Figure.
    """
    from matplotlib.figure import Figure

    panel = max(cells[0].shape[1] for cells in rows)
    panel = max(panel, *(_text_width(title) for title in titles))
    left = MARGIN
    if row_titles is not None:
        left += GAP + max(_text_width(title) for title in row_titles)
    width = left + len(titles) * (panel + GAP) - GAP + MARGIN
    per_line, column = _legend_columns(entries, width - 2 * MARGIN)
    width = max(width, column + 2 * MARGIN)
    lines = -(-len(entries) // per_line)
    heights = [cells[0].shape[0] for cells in rows]
    height = TITLE + sum(heights) + GAP * len(rows) + lines * LINE + MARGIN

    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor="white")
    text = {"fontsize": FONT, "color": "#222222"}
    for c, title in enumerate(titles):
        x = left + c * (panel + GAP) + panel / 2
        figure.text(
            x / width, 1 - TITLE / 2 / height, _literal(title), ha="center", va="center", **text
        )
    top = height - TITLE
    for r, cells in enumerate(rows):
        top -= heights[r]
        if row_titles is not None:
            y = (top + heights[r] / 2) / height
            figure.text(MARGIN / width, y, _literal(row_titles[r]), ha="left", va="center", **text)
        for c, cell in enumerate(cells):
            indent = (panel - cell.shape[1]) // 2
            _paste(figure, cell, left + c * (panel + GAP) + indent, top)
        top -= GAP
    for i, (name, colour) in enumerate(entries):
        x = MARGIN + (i % per_line) * column
        y = top - (i // per_line + 0.5) * LINE
        _swatch(figure, x, y, colour)
        figure.text((x + 22) / width, y / height, _literal(name), va="center", **text)
    return figure


def _text_width(text: str) -> int:
    """Width of a text in pixels, of its longest line if it has several."""
    from matplotlib.textpath import TextPath

    lines = [line for line in _literal(text).splitlines() if line.strip()]
    points = [TextPath((0, 0), line, size=FONT).get_extents().width for line in lines]
    return int(max(points, default=0) * DPI / 72) + 4


def _literal(text: str) -> str:
    """A dollar sign in a name is a dollar sign, not the start of a formula."""
    return text.replace("$", r"\$")


def _legend_columns(entries, available: int) -> tuple[int, int]:
    """How many entries fit on a line, and the pixels that each one takes: the box, 6 pixels, the
    longest name, and 16 pixels before the next."""
    column = max((_text_width(name) for name, _ in entries), default=0) + 22 + 16
    return max(1, min(available // column, len(entries))), column


def _paste(figure, rgb: np.ndarray, x: int, y: int) -> None:
    """Put pixels into the figure as they are, framed: a white map must not melt into the page."""
    from matplotlib.patches import Rectangle

    height, width = rgb.shape[:2]
    # Behind the picture and one pixel larger: an outline drawn on top would cover its rim.
    frame = Rectangle((x - 1, y - 1), width + 2, height + 2, facecolor="#888888", zorder=-1)
    figure.add_artist(frame)
    frame.set_transform(None)
    figure.figimage(rgb, x, y, origin="upper")


def _swatch(figure, x: int, y: float, colour) -> None:
    """A small box of the colour, its middle at height y."""
    from matplotlib.patches import Rectangle

    patch = Rectangle((x, y - 6), 16, 12, facecolor=colour, edgecolor="#888888", lw=0.7)
    figure.add_artist(patch)
    patch.set_transform(None)
