"""The measures of semantic segmentation, all four from one confusion matrix; and how good a
prediction is near boundaries.

With n_ij the number of pixels of class i predicted to be class j, t_i = sum_j n_ij the pixels of
class i and p_i = sum_j n_ji the pixels predicted to be class i (Long et al. 2015, section 5):

    pixel accuracy           sum_i n_ii / sum_i t_i
    mean accuracy            mean over i of n_ii / t_i
    mean IU                  mean over i of n_ii / (t_i + p_i - n_ii)
    frequency weighted IU    sum_i t_i n_ii / (t_i + p_i - n_ii) / sum_i t_i

One matrix is summed over the whole data set; measures averaged over pictures are other numbers.
A mean runs over the classes for which its ratio is defined: the accuracy of a class that never
occurs in the truth is nan and left out, and so is the IU of a class that occurs neither in the
truth nor in a prediction. Without any pixel every measure is nan.
"""

from collections.abc import Sequence

import numpy as np

from .backends import comparable, kernels_for, moved, to_numpy

MEASURES = ("pixel_accuracy", "mean_accuracy", "mean_iu", "frequency_weighted_iu")


class ConfusionMatrix:
    """Counts predictions against the truth, picture by picture: ``counts[i, j]`` = n_ij.

    num_classes: classes are 0 ... num_classes - 1. ignore_index: pixels with this label are left
    out, whatever is predicted there; it may lie outside or inside the range of classes.
    """

    def __init__(self, num_classes: int, ignore_index: int = 255):
        if num_classes < 1:
            raise ValueError(f"num_classes must be at least 1, got {num_classes}")
        self.num_classes = num_classes
        self.ignore_index = ignore_index
        self.reset()

    def reset(self) -> "ConfusionMatrix":
        """Forget all pixels."""
        self.counts = np.zeros((self.num_classes, self.num_classes), np.int64)
        return self

    def update(self, labels, predictions) -> "ConfusionMatrix":
        """Add pixels: two integer arrays of one shape, such as (H, W) or (N, H, W). They are
        counted where the labels live.

        Raises TypeError for arrays that do not hold integers; ValueError where the shapes differ
        or a value is no class (predictions are looked at where the label is not ignored). The
        counts are then as before.
        """
        labels = self._integers(labels, "labels")
        predictions = moved(self._integers(predictions, "predictions"), labels)
        if labels.shape != predictions.shape:
            raise ValueError(
                f"labels {labels.shape} and predictions {predictions.shape} differ in shape"
            )
        valid = labels != self.ignore_index
        self._check(labels[valid], "labels", f" or {self.ignore_index}, which is ignored")
        self._check(predictions[valid], "predictions", "")
        kernels = kernels_for(labels)
        counts = kernels.confusion_counts(labels, predictions, self.num_classes, self.ignore_index)
        self.counts += to_numpy(counts)
        return self

    def merge(self, other: "ConfusionMatrix") -> "ConfusionMatrix":
        """Add the pixels of another matrix, as from another part of the data set.

        Raises ValueError where the two differ in classes or in the ignored label.
        """
        mine, theirs = (m.num_classes for m in (self, other))
        if mine != theirs or self.ignore_index != other.ignore_index:
            raise ValueError(
                f"cannot merge: {mine} classes ignoring {self.ignore_index}, and "
                f"{theirs} classes ignoring {other.ignore_index}"
            )
        self.counts += other.counts
        return self

    @property
    def iu(self) -> np.ndarray:
        """n_ii / (t_i + p_i - n_ii) for every class, (num_classes,) float64."""
        hits = self.counts.diagonal()
        return _ratio(hits, self.counts.sum(axis=1) + self.counts.sum(axis=0) - hits)

    @property
    def accuracy(self) -> np.ndarray:
        """n_ii / t_i for every class, (num_classes,) float64."""
        return _ratio(self.counts.diagonal(), self.counts.sum(axis=1))

    @property
    def pixel_accuracy(self) -> float:
        """sum_i n_ii / sum_i t_i."""
        return float(_ratio(np.trace(self.counts), self.counts.sum()))

    @property
    def mean_accuracy(self) -> float:
        """Mean of ``accuracy`` over the classes that occur in the truth."""
        return _mean_of_defined(self.accuracy)

    @property
    def mean_iu(self) -> float:
        """Mean of ``iu`` over the classes that occur in the truth or in a prediction."""
        return _mean_of_defined(self.iu)

    @property
    def frequency_weighted_iu(self) -> float:
        """sum_i t_i iu_i / sum_i t_i."""
        t = self.counts.sum(axis=1)
        # Where t_i > 0 the IU is defined; elsewhere it is nan and would spoil the sum.
        return float(_ratio((t * np.where(t > 0, self.iu, 0)).sum(), t.sum()))

    def as_dict(self, per_class: bool = False) -> dict:
        """The four measures as plain floats; with ``per_class`` also the lists iu and accuracy."""
        values: dict = {name: getattr(self, name) for name in MEASURES}
        if per_class:
            values |= {"iu": self.iu.tolist(), "accuracy": self.accuracy.tolist()}
        return values

    def summary(self) -> str:
        """The four measures in per cent, on one line."""
        titles = ("pixel acc.", "mean acc.", "mean IU", "f.w. IU")
        values = self.as_dict().values()
        return "   ".join(f"{t} {_percent(v)}" for t, v in zip(titles, values, strict=True))

    def per_class_table(self, names: Sequence[str] | None = None) -> str:
        """A text table: for every class its pixels, their share, accuracy and IU in per cent.

        Undefined values are shown as a dash. The last line holds the means. Raises ValueError
        where ``names`` does not have one name a class.
        """
        names = [f"class {i}" for i in range(self.num_classes)] if names is None else names
        if len(names) != self.num_classes:
            raise ValueError(f"{len(names)} names for {self.num_classes} classes")
        t = self.counts.sum(axis=1)
        share = _ratio(t, t.sum())
        rows = [("class", "pixels", "share", "accuracy", "IU")]
        rows += [
            (name, f"{count:,}", _percent(part), _percent(accuracy), _percent(iu))
            for name, count, part, accuracy, iu in zip(
                names, t, share, self.accuracy, self.iu, strict=True
            )
        ]
        means = (_percent(self.mean_accuracy), _percent(self.mean_iu))
        rows.append(("mean", f"{t.sum():,}", "", *means))
        return _table(rows)

    def __repr__(self) -> str:
        return f"ConfusionMatrix({self.num_classes} classes, {self.counts.sum()} pixels)"

    def _integers(self, array, role: str):
        array = array if hasattr(array, "dtype") else np.asarray(array)
        if array.dtype.kind not in "iu":
            raise TypeError(f"{role} must hold integers, got {array.dtype}")
        # NumPy has no integer type for the sum of int64 and uint64.
        return comparable(array.astype(np.int64) if array.dtype == np.uint64 else array)

    def _check(self, values, role: str, also: str) -> None:
        if values.size == 0:
            return
        low, high = int(values.min()), int(values.max())
        if low < 0 or high >= self.num_classes:
            wrong = low if low < 0 else high
            raise ValueError(
                f"{role} hold the value {wrong}; expected 0 to {self.num_classes - 1}{also}"
            )


def boundary_distance(labels: np.ndarray, most: int) -> np.ndarray:
    """How far every pixel is from a pixel of another label, in steps of one row, column or both.

    labels (H, W) integers, of which the ignored one counts as another label too. Returns (H, W)
    integers: 1 beside a boundary; ``most + 1`` for all that are further away than ``most``. Raises
    ValueError for another number of axes.
    """
    labels = np.asarray(labels)
    if labels.ndim != 2:
        raise ValueError(f"boundary_distance: labels have the shape {labels.shape}, not (H, W)")
    distance = np.full(labels.shape, most + 1)
    reached = np.zeros(labels.shape, bool)
    for window in _neighbours(labels):
        reached |= window != labels
    for step in range(1, most + 1):
        distance[reached & (distance > step)] = step
        reached = np.any(list(_neighbours(reached)), axis=0)
    return distance


def near_boundary_accuracy(
    labels: np.ndarray, predictions: np.ndarray, width: int, ignore_index: int = 255
) -> float:
    """The share of right pixels among those at most ``width`` from a boundary of the truth: in the
    trimap (Kohli, Ladicky, Torr 2009).

    labels, predictions (H, W) integers; pixels labelled ignore_index make boundaries but are not
    counted. nan without any pixel. Raises ValueError for shapes that differ.
    """
    labels, predictions = np.asarray(labels), np.asarray(predictions)
    if labels.shape != predictions.shape:
        raise ValueError(f"labels {labels.shape} and predictions {predictions.shape} differ")
    band = (boundary_distance(labels, width) <= width) & (labels != ignore_index)
    return float((labels == predictions)[band].mean()) if band.any() else float("nan")


def _neighbours(values: np.ndarray):
    """The nine neighbours of every pixel, map by map; outside, the border's own values."""
    H, W = values.shape
    framed = np.pad(values, 1, mode="edge")
    return (framed[i : i + H, j : j + W] for i in range(3) for j in range(3))


def _ratio(part, whole) -> np.ndarray:
    """part / whole, nan where the whole is 0."""
    nan = np.full(np.broadcast(part, whole).shape, np.nan)
    return np.divide(part, whole, out=nan, where=np.asarray(whole) > 0)


def _mean_of_defined(values: np.ndarray) -> float:
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if defined.size else float("nan")


def _percent(value: float) -> str:
    return "-" if np.isnan(value) else f"{100 * value:.2f}"


def _table(rows: list[tuple[str, ...]]) -> str:
    """Text in columns: the first aligned left, the others right; lines under head and body."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(cell.rjust(w) if i else cell.ljust(w) for i, (cell, w) in enumerate(pairs))
        for pairs in (list(zip(row, widths, strict=True)) for row in rows)
    ]
    rule = "-" * len(lines[0])
    return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]])
