"""Exercises of tutorial 11: a photograph's way in, the crop, and the way to a mean IU."""

import numpy as np

from ..data.preprocessing import MEAN_BGR, Preprocessing
from ..geometry.axis import Axis, offset_between
from ..kernels.reference.confusion import confusion_counts
from ..metrics import ConfusionMatrix
from .exercise import Case, Exercise, Law

# -- A photograph becomes an array ---------------------------------------------------------------


def _draw_photograph(rng) -> tuple[np.ndarray, tuple]:
    return rng.integers(0, 256, (3, 5, 3), np.uint8), MEAN_BGR


def _and_back(attempt, rng):
    image, mean = _draw_photograph(rng)
    back = Preprocessing(mean=mean).to_image(np.asarray(attempt(image, mean)))
    return None if np.array_equal(back, image) else "the way back gives another photograph"


_PIXELS = np.array([[[1, 2, 3], [4, 5, 6]]], np.uint8)  # two pixels: red 1 and 4, blue 3 and 6

check_preprocess = Exercise(
    lambda image, mean: Preprocessing(mean=mean).to_input(image),
    hand=[
        Case(
            (_PIXELS, (10.0, 20.0, 30.0)),
            np.array([[[-7.0, -4.0]], [[-18.0, -15.0]], [[-29.0, -26.0]]]),
        )
    ],
    draw=_draw_photograph,
    laws=[Law("and back again", _and_back)],
    mistakes={
        "red, green, blue, less the mean of blue, green, red": lambda image, mean: (
            image.transpose(2, 0, 1) - np.reshape(mean, (3, 1, 1))
        ),
        "reshaped, not transposed": lambda image, mean: (
            image[:, :, ::-1].reshape(3, *image.shape[:2]) - np.reshape(mean, (3, 1, 1))
        ),
        "bytes less bytes": lambda image, mean: (
            image[:, :, ::-1].transpose(2, 0, 1) - np.reshape(mean, (3, 1, 1)).astype(np.uint8)
        ),
    },
    shown=Preprocessing.to_input,
    hint="image[:, :, ::-1] turns the colours around; transpose(2, 0, 1) brings them to the front",
    tolerance=1e-6,  # the library's answer is in float32
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

# -- Counting, and what it is worth --------------------------------------------------------------


def _draw_maps(rng) -> tuple[np.ndarray, np.ndarray, int]:
    labels, predictions = rng.integers(0, 21, (2, 5, 7), np.uint8)  # bytes, as data sets have them
    labels[rng.random(labels.shape) < 0.2] = 255
    return labels, predictions, 21


def _counts_add_up(attempt, rng):
    labels, predictions, K = _draw_maps(rng)
    halves = [attempt(labels[rows], predictions[rows], K) for rows in (slice(2), slice(2, None))]
    whole = attempt(labels, predictions, K)
    if not np.array_equal(halves[0] + halves[1], whole):
        return "the counts of two halves do not add up to those of the whole"
    return None


check_confusion = Exercise(
    lambda labels, predictions, K: confusion_counts(labels, predictions, K, 255),
    hand=[
        Case(
            (np.array([0, 0, 1, 2, 255]), np.array([0, 1, 1, 1, 2]), 3),
            [[1, 1, 0], [0, 1, 0], [0, 1, 0]],
        )
    ],
    draw=_draw_maps,
    laws=[Law("counts add up", _counts_add_up)],
    mistakes={
        "the prediction names the row": lambda labels, predictions, K: (
            confusion_counts(labels, predictions, K, 255).T
        ),
        "void counted as background": lambda labels, predictions, K: confusion_counts(
            np.where(labels == 255, 0, labels), predictions, K, 255
        ),
        "21 times a byte does not fit into a byte": lambda labels, predictions, K: np.bincount(
            (np.uint8(K) * labels + predictions)[labels != 255], minlength=K * K
        )[: K * K].reshape(K, K),
        "too short where the last class is missing": lambda labels, predictions, K: np.bincount(
            (labels * K + predictions)[labels != 255]
        ),
    },
    shown=confusion_counts,
    hint="the pair (i, j) has the number K * i + j; np.bincount counts numbers; bytes end at 255",
)


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
    ],
    draw=_draw_counts,
    laws=[Law("truth and prediction can be exchanged", _same_from_both_sides)],
    mistakes={
        "hits counted twice in the union": lambda counts: _mean_of(
            counts, counts.sum(0) + counts.sum(1)
        ),
        "the share of the truth that was found": lambda counts: _mean_of(counts, counts.sum(1)),
        "a class that occurs nowhere counts as 0": lambda counts: _mean_of(
            counts, counts.sum(0) + counts.sum(1) - np.diagonal(counts), absent=0.0
        ),
    },
    shown=ConfusionMatrix.iu.fget,
    hint="union = row sum + column sum - diagonal; leave out classes whose union is 0",
)
