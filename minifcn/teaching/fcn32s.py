"""Exercises of tutorial 11: the way back to a photograph, the crop, and the mean IU."""

import numpy as np

from ..data.preprocessing import MEAN_BGR, Preprocessing
from ..geometry.axis import Axis, offset_between
from ..metrics import ConfusionMatrix
from .exercise import Case, Exercise, Law

# -- The way back to a photograph ----------------------------------------------------------------


def _draw_input(rng) -> tuple[np.ndarray, tuple]:
    return rng.normal(0, 120, (3, 4, 5)), MEAN_BGR  # some above 255 and below 0


def _there_and_back(attempt, rng):
    image = rng.integers(0, 256, (3, 5, 3), np.uint8)
    back = np.asarray(attempt(Preprocessing().to_input(image), MEAN_BGR))
    if back.dtype != np.uint8:
        return f"a photograph is bytes, np.uint8, not {back.dtype}"
    return None if np.array_equal(back, image) else "the way there and back changes a photograph"


def _back(x, mean, rounded=np.rint, low=0, high=255, order=(2, 1, 0)) -> np.ndarray:
    values = rounded(x + np.reshape(mean, (3, 1, 1)))[list(order)]
    return np.clip(values, low, high).astype(np.int64).astype(np.uint8).transpose(1, 2, 0)


# One row of two pixels: blue -7 and -4.4, green -18 and 300, red -29 and -40, less the mean.
_INPUT = np.array([[[-7.0, -4.4]], [[-18.0, 300.0]], [[-29.0, -40.0]]])

check_photograph = Exercise(
    lambda x, mean: Preprocessing(mean=mean).to_image(x),
    hand=[Case((_INPUT, (10.0, 20.0, 30.0)), [[[1, 2, 3], [0, 255, 6]]])],
    draw=_draw_input,
    laws=[Law("there and back again", _there_and_back)],
    mistakes={
        "blue, green, red as it was": lambda x, mean: _back(x, mean, order=(0, 1, 2)),
        "reshaped, not transposed": lambda x, mean: (
            _back(x, mean).transpose(2, 0, 1).reshape(*x.shape[1:], 3)
        ),
        "bytes that start again at 0": lambda x, mean: _back(x, mean, low=-999, high=999),
        "cut to whole numbers, not rounded": lambda x, mean: _back(x, mean, rounded=np.trunc),
    },
    shown=Preprocessing.to_image,
    hint="add the mean; np.rint; np.clip; transpose(1, 2, 0); turn the colours; astype(np.uint8)",
)

# -- Where the crop starts -----------------------------------------------------------------------


def _crop_offset(layers, kernel: int, factor: int) -> int:
    """The library's offset of the image in what ``layers`` and one upsampling make of it."""
    image = axis = Axis()
    for k, s, p in layers:
        axis = axis.window(k, s, p, 1)
    return offset_between(axis.transposed(kernel, factor, 0, 1), image)


def _draw_layers(rng) -> tuple[list, int, int]:
    """Convolutions that pad at will between two or three poolings."""
    layers, factor = [(3, 1, int(rng.integers(20, 100)))], 1
    for _ in range(rng.integers(2, 4)):
        layers += [(3, 1, int(rng.integers(0, 3))), (2, 2, 0)]
        factor *= 2
    return [*layers, (int(rng.choice([1, 3, 7])), 1, 0)], 2 * factor, factor


def _padding_moves_it(attempt, rng):
    layers, kernel, factor = _draw_layers(rng)
    (k, s, p), *rest = layers
    before, after = (attempt([(k, s, q), *rest], kernel, factor) for q in (p, p + 1))
    if after - before != 1:
        return f"one more pixel of padding moves it from {before} to {after}"
    return None


def _places(layers, kernel, factor, half=lambda k: (k - 1) / 2, padded=True, scaled=True):
    start, stride = 0.0, 1
    for k, s, p in layers:
        start += (stride if scaled else 1) * (half(k) - (p if padded else 0))
        stride *= s
    return round(half(kernel) * (stride / factor) - start)


check_crop_offset = Exercise(
    _crop_offset,
    hand=[
        # A pooling puts pixel 0 at 0.5; interpolation by 2 starts 1.5 before it: at -1.
        Case(([(2, 2, 0)], 4, 2), 1),
        # The same behind ten pixels of padding, of which a 3x3 window hides one.
        Case(([(3, 1, 10), (2, 2, 0)], 4, 2), 10),
        # Two poolings: 0.5, then 1 more; by 4 with kernel 8 it starts 3.5 before: at -2.
        Case(([(2, 2, 0), (2, 2, 0)], 8, 4), 2),
    ],
    draw=_draw_layers,
    laws=[Law("one more pixel of padding, one more of offset", _padding_moves_it)],
    mistakes={
        "half a kernel is k / 2": lambda layers, kernel, factor: _places(
            layers, kernel, factor, half=lambda k: k / 2
        ),
        "the padding forgotten": lambda layers, kernel, factor: _places(
            layers, kernel, factor, padded=False
        ),
        "steps of every map counted as pixels": lambda layers, kernel, factor: _places(
            layers, kernel, factor, scaled=False
        ),
    },
    shown=Axis,
    hint="first find the place of pixel 0: a layer adds stride * ((k - 1) / 2 - p) to it",
)

# -- What the counts are worth -------------------------------------------------------------------


def _mean_iu(counts) -> float:
    matrix = ConfusionMatrix(len(counts))
    matrix.counts = np.asarray(counts)
    return matrix.mean_iu


def _draw_counts(rng) -> tuple[np.ndarray]:
    counts = rng.integers(0, 50, (5, 5))
    counts[3] = counts[:, 3] = 0  # a class that occurs nowhere
    return (counts,)


def _same_from_both_sides(attempt, rng):
    (counts,) = _draw_counts(rng)
    here, there = attempt(counts), attempt(counts.T)
    if not abs(here - there) < 1e-12:
        return f"truth and prediction exchanged, {here:.6g} becomes {there:.6g}"
    return None


def _mean_of(counts, union, absent=np.nan) -> float:
    hits = np.diagonal(counts)
    ratios = np.full(len(hits), absent)
    np.divide(hits, union, out=ratios, where=union > 0)
    return float(np.nanmean(ratios))


check_mean_iu = Exercise(
    _mean_iu,
    hand=[
        # 3 / (4 + 4 - 3) and 1 / (2 + 2 - 1), and the mean of the two
        Case((np.array([[3, 1], [1, 1]]),), (3 / 5 + 1 / 3) / 2),
        Case((np.array([[2, 0, 1], [0, 0, 0], [0, 0, 1]]),), (2 / 3 + 1 / 2) / 2),
        # A class that is only claimed has an IU, and it is 0.
        Case((np.array([[2, 1], [0, 0]]),), (2 / 3 + 0) / 2),
    ],
    draw=_draw_counts,
    laws=[Law("truth and prediction can be exchanged", _same_from_both_sides)],
    mistakes={
        "hits counted twice in the union": lambda counts: _mean_of(
            counts, counts.sum(0) + counts.sum(1)
        ),
        "the share of the truth that was found": lambda counts: _mean_of(counts, counts.sum(1)),
        "a class that is only claimed left out": lambda counts: _mean_of(
            counts, (counts.sum(0) + counts.sum(1) - np.diagonal(counts)) * (counts.sum(1) > 0)
        ),
        "a class that occurs nowhere counts as 0": lambda counts: _mean_of(
            counts, counts.sum(0) + counts.sum(1) - np.diagonal(counts), absent=0.0
        ),
    },
    shown=ConfusionMatrix.iu.fget,
    hint="union = row sum + column sum - diagonal; leave out classes whose union is 0",
)
