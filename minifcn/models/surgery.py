"""Net surgery: weights from one net into another, by the names of the layers."""

from dataclasses import dataclass, field

import numpy as np
from tqdm import tqdm

from ..nn import Module


@dataclass
class CopyReport:
    """What ``copy_weights`` did, as names of parameters.

    copied: taken over; reshaped: taken over, from another shape of the same number of values;
    kept: of the net, without a counterpart; zero: weights that are all zero now; unused: of the
    source, without a place; misfits: of both, but of another number of values, (name, source's
    shape, net's shape).
    """

    copied: list[str] = field(default_factory=list)
    reshaped: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    zero: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    misfits: list[tuple[str, tuple, tuple]] = field(default_factory=list)

    def __str__(self) -> str:
        parts = [f"{len(self.copied) + len(self.reshaped)} parameters copied"]
        for names, what in (
            (self.reshaped, "reshaped"),
            (self.kept, "kept"),
            (self.zero, "zero"),
            (self.unused, "unused"),
        ):
            if names:
                more = ", ..." if len(names) > 6 else ""
                parts.append(f"{len(names)} {what} ({', '.join(names[:6])}{more})")
        for name, theirs, ours in self.misfits:
            parts.append(f"{name} not copied: {theirs} does not fill {ours}")
        return "; ".join(parts)


def copy_weights(model: Module, state: dict[str, np.ndarray]) -> CopyReport:
    """Copy every array of ``state`` into the model's parameter of that name, where there is one.

    An array of another shape but the same number of values is reshaped: a fully connected layer
    becomes the convolution that it is (the authors' surgery.py, transplant). What has no
    counterpart keeps its value, so new score layers stay zero: this is how FCN-16s starts from
    FCN-32s, and 8s from 16s.
    """
    report, own = CopyReport(), dict(model.named_parameters())
    size = sum(array.nbytes for array in state.values())
    bar = tqdm(total=size, desc="weights", unit="B", unit_scale=True, delay=2, leave=False,
               disable=None)  # fmt: skip
    for name, array in state.items():
        bar.update(array.nbytes)
        if name not in own:
            report.unused.append(name)
            continue
        parameter = own[name]
        if array.size != parameter.size:
            report.misfits.append((name, array.shape, parameter.shape))
            continue
        fits = array.shape == parameter.shape
        (report.copied if fits else report.reshaped).append(name)
        parameter.assign(array.reshape(parameter.shape))
    bar.close()
    report.kept = [name for name in own if name not in state]
    report.zero = zero_weights(model)
    return report


def zero_weights(model: Module) -> list[str]:
    """Names of the weights (not biases) that are zero everywhere.

    Of a layer that scores that is how it should start. Where a layer of the trunk is zero, nothing
    behind it sees the image and nothing before it ever learns: it usually waits for weights whose
    names did not match.
    """
    weights = ((name, p.data) for name, p in model.named_parameters() if p.ndim > 1)
    return [name for name, data in weights if not data.any()]


def expand_score(weights: np.ndarray, num_classes: int) -> np.ndarray:
    """A score layer's weights (K, ...) or biases (K,) for more classes: the first K rows are kept,
    those of the new classes are zero (the authors' surgery.py).

    Raises ValueError where num_classes is less than K.
    """
    if num_classes < len(weights):
        raise ValueError(f"expand_score: {len(weights)} classes cannot become {num_classes}")
    expanded = np.zeros((num_classes, *weights.shape[1:]), weights.dtype)
    expanded[: len(weights)] = weights
    return expanded


def add_depth(weights: np.ndarray) -> np.ndarray:
    """A first layer's weights (K, 3, KH, KW) for a fourth channel: the mean of the three colours'
    filters, with which the authors' early fusion starts (nyud-fcn32s-color-d/solve.py).

    Raises ValueError for weights of another shape.
    """
    if weights.ndim != 4 or weights.shape[1] != 3:
        raise ValueError(f"add_depth: wants weights (K, 3, KH, KW); got {weights.shape}")
    mean = weights.mean(axis=1, keepdims=True, dtype=weights.dtype)
    return np.concatenate([weights, mean], axis=1)
