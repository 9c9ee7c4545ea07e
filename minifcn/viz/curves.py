"""What a training log tells: loss, scores and learning rate over the run."""

import csv
import math
import os
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

from .colormap import COLOURS
from .picture import save_figure

# What a quantity may be called in a log; the first name found is taken.
POSITION = ("iteration", "step", "epoch")
LOSS = {
    "training": ("loss", "train_loss", "training_loss"),
    "validation": ("val_loss", "validation_loss"),
}
SCORES = {
    "mean IU": ("mean_iu", "val_mean_iu", "validation_mean_iu"),
    "pixel accuracy": ("pixel_accuracy", "val_pixel_accuracy", "validation_pixel_accuracy"),
    "mean accuracy": ("mean_accuracy", "val_mean_accuracy", "validation_mean_accuracy"),
    "f.w. IU": (
        "frequency_weighted_iu",
        "val_frequency_weighted_iu",
        "validation_frequency_weighted_iu",
    ),
}
RATE = {"learning rate": ("lr", "learning_rate", "rate")}
WIDE = 100  # a ratio of largest to smallest value from which an axis is logarithmic


class Series(NamedTuple):
    """Points of one curve: positions and values, both (n,) float64, positions never nan."""

    x: np.ndarray
    y: np.ndarray


def draw_curves(
    path: str | os.PathLike,
    log: str | os.PathLike | Iterable[Mapping],
    title: str = "",
) -> None:
    """Draw a training log: the loss, raw and smoothed; the validation scores; the learning rate.

    log: rows as dicts, or the path of a CSV file with a header. Rows may lack columns: those of
    iterations and of validations can be mixed. The position is the column iteration, step or
    epoch, else the row's number. Values that are missing or no numbers are left out; where the
    loss is not finite the picture says so. Panels without any data are not drawn.

    Raises ValueError where there is nothing to draw, naming the columns found, and OSError where
    the log cannot be read or the picture not written.
    """
    from matplotlib.figure import Figure

    rows = read_log(log) if isinstance(log, str | os.PathLike) else list(log)
    axis = next((name for name in POSITION if _column(rows, (name,)) is not None), None)
    loss = _columns(rows, axis, LOSS)
    scores = _columns(rows, axis, SCORES)
    scores = {title: s for title, s in scores.items() if np.isfinite(s.y).any()}
    rate = _columns(rows, axis, RATE)
    drawn = [
        (draw, found, share)
        for draw, found, share in [
            (_draw_loss, loss, 3),
            (_draw_scores, scores, 3),
            (_draw_rate, rate, 1.4),
        ]
        if found
    ]
    if not drawn:
        columns = sorted({str(name) for row in rows for name in row})
        raise ValueError(
            f"the log has no loss, score or learning rate: {len(rows)} rows with the columns "
            f"{', '.join(columns) or '(none)'}"
        )
    shares = [share for *_, share in drawn]
    figure = Figure(figsize=(8, 1 + 0.9 * sum(shares)), dpi=110, layout="constrained")
    panels = figure.subplots(len(drawn), sharex=True, squeeze=False, height_ratios=shares)[:, 0]
    for panel, (draw, found, _) in zip(panels, drawn, strict=True):
        panel.grid(color="#dddddd", linewidth=0.6)
        panel.spines[["top", "right"]].set_visible(False)
        draw(panel, found)
    panels[-1].set_xlabel(axis or "row")
    panels[-1].xaxis.get_major_locator().set_params(integer=True)
    if title:
        figure.suptitle(title.replace("$", r"\$"), fontsize=11)
    save_figure(path, figure)


def read_log(path: str | os.PathLike) -> list[dict[str, str]]:
    """The rows of a CSV file with a header; a last line that was cut short lacks columns."""
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, restval=""))


def smooth(y: np.ndarray, span: float) -> np.ndarray:
    """Exponential moving average over about ``span`` values, without a bias to its start.

    s_t = (sum over i of (1 - a)^i y_{t-i}) / (sum over i of (1 - a)^i), a = 2 / (span + 1),
    over the finite values; nan where y is not finite. y (n,), returns (n,) float64.
    """
    keep = 1 - 2 / (span + 1)
    total = weight = 0.0
    out = np.full(len(y), np.nan)
    for t, value in enumerate(y):
        if math.isfinite(value):
            total, weight = keep * total + value, keep * weight + 1
            out[t] = total / weight
    return out


def _draw_loss(panel, found: dict[str, Series]) -> None:
    finite = [series.y[np.isfinite(series.y)] for series in found.values()]
    _maybe_logarithmic(panel, np.concatenate(finite))
    for colour, (name, series) in zip(COLOURS, found.items(), strict=False):
        if name == "training" and len(series.y) >= 20:
            panel.plot(*_shown(series), color=colour, alpha=0.25, linewidth=0.8)
            smoothed = Series(series.x, smooth(series.y, len(series.y) / 20))
            panel.plot(*_shown(smoothed), color=colour, label="training, smoothed")
        else:
            _line(panel, series, colour, name)
        bad = series.x[~np.isfinite(series.y)]
        if bad.size:
            label = f"{name}: not finite from {bad[0]:g} on ({bad.size} of {len(series.y)})"
            panel.axvline(bad[0], color="#aa0000", linestyle=":", linewidth=1, label=label)
    panel.set_ylabel("loss")
    panel.legend(frameon=False, fontsize=9)


def _draw_scores(panel, found: dict[str, Series]) -> None:
    for colour, (name, series) in zip(COLOURS, found.items(), strict=False):
        percent = Series(series.x, 100 * series.y)
        best = percent.y[np.isfinite(percent.y)].max()
        _line(panel, percent, colour, f"{name}, best {best:.1f}")
    panel.set_ylabel("validation [%]")
    panel.set_ylim(0, 100)
    panel.legend(frameon=False, fontsize=9)


def _draw_rate(panel, found: dict[str, Series]) -> None:
    (rate,) = found.values()
    _maybe_logarithmic(panel, rate.y[np.isfinite(rate.y)], wide=9)
    if len(rate.y) == 1:
        _line(panel, rate, COLOURS[2], "")
    else:
        panel.step(*_shown(rate), where="post", color=COLOURS[2])
    panel.set_ylabel("learning rate")


def _line(panel, series: Series, colour: str, label: str) -> None:
    """A line, with its points marked while they are few: a single one has no line."""
    marker = "o" if len(series.y) <= 30 else ""
    panel.plot(*_shown(series), color=colour, marker=marker, markersize=3.5, label=label)


def _shown(series: Series) -> tuple[np.ndarray, np.ndarray]:
    """Infinite values become gaps: an axis cannot hold them."""
    return series.x, np.where(np.isfinite(series.y), series.y, np.nan)


def _maybe_logarithmic(panel, values: np.ndarray, wide: float = WIDE) -> None:
    if values.size and values.min() > 0 and values.max() > wide * values.min():
        panel.set_yscale("log")


def _columns(rows, axis: str | None, names: Mapping[str, tuple[str, ...]]) -> dict[str, Series]:
    """The quantities among ``names`` that the log has."""
    found = {title: _column(rows, columns, axis) for title, columns in names.items()}
    return {title: series for title, series in found.items() if series is not None}


def _column(rows, names: tuple[str, ...], axis: str | None = None) -> Series | None:
    """The first of these columns that holds a number, without the rows where it is empty.

    A value written as nan or inf counts as a result of the run and is kept.
    """
    for name in names:
        points = []
        for number, row in enumerate(rows):
            x = _number(row.get(axis)) if axis else float(number)
            y = _number(row.get(name))
            if x is not None and math.isfinite(x) and y is not None:
                points.append((x, y))
        if points:
            return Series(*np.array(points, np.float64).T)
    return None


def _number(value) -> float | None:
    """``value`` as a float; None where it is missing or is no number."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return None
