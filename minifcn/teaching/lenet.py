"""Exercises of tutorial 06: the loss of one digit, a step with momentum, counts, initial scale."""

import numpy as np

from .. import rng as library_rng
from ..kernels.reference import confusion_counts, cross_entropy, cross_entropy_grad, sgd_step
from ..kernels.reference import loss as loss_kernels
from ..nn.init import he_normal
from .exercise import Case, Exercise, Law


def _loss_and_gradient(scores, label: int) -> tuple[float, np.ndarray]:
    """The library's kernels on an image of one pixel."""
    scores = np.array(scores, np.float64).reshape(1, -1, 1, 1)
    labels, scale = np.full((1, 1, 1), label), np.ones((1, 1, 1))
    losses, log_sum_exp = cross_entropy(scores, labels, None, -1)
    gradient = cross_entropy_grad(scores, labels, log_sum_exp, scale, -1)
    return float(losses[0, 0, 0]), gradient[0, :, 0, 0]


def _follows_the_loss(attempt, rng):
    """Move the scores a little: does the loss change by what the gradient says?"""
    scores, label = 3 * rng.standard_normal(7), int(rng.integers(7))
    v, h = rng.standard_normal(7), 1e-5
    ends = [attempt(scores + t * v, label)[0] for t in (h, -h)]
    numeric, found = (ends[0] - ends[1]) / (2 * h), np.vdot(attempt(scores, label)[1], v)
    if not abs(found - numeric) <= 1e-6 * max(abs(numeric), 1e-2):
        return f"along a direction: {found:.6g}; numerically {numeric:.6g}"
    return None


def _loss_without_maximum(scores, label):
    with np.errstate(all="ignore"):
        e = np.exp(scores)
        p = e / e.sum()
        return -np.log(p[label]), p - (np.arange(len(scores)) == label)


def _loss_with_the_wrong_sign(scores, label):
    loss, gradient = _loss_and_gradient(scores, label)
    return loss, -gradient


def _loss_whose_gradient_forgets_the_label(scores, label):
    loss, gradient = _loss_and_gradient(scores, label)
    return loss, gradient + (np.arange(len(scores)) == label)


check_loss = Exercise(
    _loss_and_gradient,
    hand=[
        Case((np.array([0.0, 0.0]), 1), (np.log(2), [0.5, -0.5])),
        Case((np.array([0.0, np.log(3)]), 0), (np.log(4), [-0.75, 0.75])),
        Case((np.array([1000.0, 0.0, 0.0]), 1), (1000.0, [1.0, -1.0, 0.0])),
    ],
    draw=lambda rng: (3 * rng.standard_normal(7), int(rng.integers(7))),
    laws=[Law("the gradient is the slope of the loss", _follows_the_loss)],
    mistakes={
        "exponentials overflow": _loss_without_maximum,
        "the sign of the gradient": _loss_with_the_wrong_sign,
        "the gradient without the label": _loss_whose_gradient_forgets_the_label,
    },
    shown=loss_kernels,
    hint="subtract the largest score first; the gradient: probabilities, less 1 at the label",
)


def _momentum_step(w, g, v, lr, momentum, decay):
    """The library's step on copies: it works in place."""
    w, v = np.array(w, np.float64), np.array(v, np.float64)
    sgd_step(w, np.asarray(g, np.float64), v, lr, momentum, decay)
    return w, v


def _rate_outside(w, g, v, lr, momentum, decay):
    v = momentum * v + g + decay * w
    return w - lr * v, v


def _old_velocity(w, g, v, lr, momentum, decay):
    return w - v, momentum * v + lr * (g + decay * w)


def _no_decay(w, g, v, lr, momentum, decay):
    v = momentum * v + lr * g
    return w - v, v


check_momentum_step = Exercise(
    _momentum_step,
    hand=[
        Case((np.array([1.0]), np.array([2.0]), np.array([0.0]), 0.1, 0.9, 0.0), ([0.8], [0.2])),
        Case((np.array([0.8]), np.array([2.0]), np.array([0.2]), 0.1, 0.9, 0.0), ([0.42], [0.38])),
        Case((np.array([4.0]), np.array([0.0]), np.array([0.0]), 0.5, 0.9, 0.25), ([3.5], [0.5])),
    ],
    draw=lambda rng: (*rng.standard_normal((3, 4)), 0.1, 0.9, 0.01),
    mistakes={
        "the learning rate outside the velocity": _rate_outside,
        "the weights move by the old velocity": _old_velocity,
        "no weight decay": _no_decay,
    },
    shown=sgd_step,
    hint="the velocity first, with the old weights; then the weights move by the new velocity",
)


def _every_place_once(labels, predictions, num_classes):
    counts = np.zeros((num_classes, num_classes), int)
    counts[labels, predictions] += 1  # a place that is named twice is still added to once
    return counts


def _classes_that_occur(labels, predictions, num_classes):
    return np.histogram2d(labels, predictions, bins=num_classes)[0]  # bins from least to largest


check_counts = Exercise(
    lambda labels, predictions, num_classes: confusion_counts(
        labels, predictions, num_classes, -1
    ),
    hand=[
        Case((np.array([0, 1, 1]), np.array([0, 1, 0]), 2), [[1, 0], [1, 1]]),
        Case((np.array([2, 2, 0, 2]), np.array([1, 1, 0, 2]), 3),
             [[1, 0, 0], [0, 0, 0], [0, 2, 1]]),
        Case((np.array([1, 0, 1]), np.array([0, 0, 0]), 3),  # nothing is of class 2
             [[1, 0, 0], [2, 0, 0], [0, 0, 0]]),
    ],
    draw=lambda rng: (rng.integers(0, 4, 30), rng.integers(0, 4, 30), 4),
    mistakes={
        "rows and columns swapped": lambda labels, predictions, num_classes: confusion_counts(
            predictions, labels, num_classes, -1),
        "each place counted once": _every_place_once,
        "only the classes that occur": _classes_that_occur,
    },
    shown=confusion_counts,
    hint="row: what it is; column: what it was read as; np.add.at adds as often as it is told",
)  # fmt: skip


def _he_scale(shape) -> float:
    """How many times standard normal noise the library's initial weights are."""
    state = library_rng.get_state()
    try:
        library_rng.manual_seed(0)
        weights = he_normal(tuple(shape))
        library_rng.manual_seed(0)
        noise = library_rng.generator().standard_normal(tuple(shape), dtype=np.float32)
    finally:
        library_rng.set_state(state)
    return float(np.linalg.norm(weights) / np.linalg.norm(noise))


def _keeps_the_scale(scale, rng):
    """Behind twenty layers of ReLUs the numbers are as large as before."""
    x = rng.standard_normal((300, 120))
    for _ in range(20):
        w = scale([300, 300]) * rng.standard_normal((300, 300))
        x = np.maximum(w @ x, 0)
    ratio = np.sqrt(np.mean(np.square(x)))
    if not 0.4 < ratio < 2.5:
        return f"behind 20 layers of 300 numbers the activations are {ratio:.2g} times as large"
    return None


check_he_scale = Exercise(
    _he_scale,
    hand=[
        Case(([3, 8],), 0.5),
        Case(([6, 2, 3, 3],), 1 / 3),
        Case(([500, 800],), 0.05),
    ],
    draw=lambda rng: ([int(n) for n in rng.integers(1, 7, 4)],),
    laws=[Law("activations keep their scale", _keeps_the_scale)],
    mistakes={
        "the number of outputs": lambda shape: np.sqrt(2 / shape[0]),
        "the variance instead of its root": lambda shape: 2 / np.prod(shape[1:]),
        "without ReLU's factor of 2": lambda shape: np.sqrt(1 / np.prod(shape[1:])),
    },
    shown=he_normal,
    hint="one output sums over all axes but the first; variance 2 over that number",
    tolerance=1e-6,  # the library's weights are float32
)
