"""Exercises of tutorial 08: back through log-softmax; the mean loss, its gradient, its rates."""

import numpy as np

from .. import functions as F
from ..autograd import Tensor
from ..backends import use_backend
from ..functions.loss import PixelLoss
from ..kernels.reference import (
    cross_entropy_grad,
    log_softmax,
    log_softmax_grad,
    softmax_grad,
)
from .exercise import Case, Exercise, Law, gradient_law, library_backward

VOID = 255


def _draw_log_softmax(rng) -> tuple[np.ndarray, np.ndarray]:
    """gy, and y = log p of random scores: (N, K, H, W)."""
    gy, scores = rng.standard_normal((2, 2, 3, 2, 4))
    return gy, log_softmax(4 * scores, 1)


def _agrees_with_differences(attempt, rng):
    """backward(gy, y) knows the scores by their y alone: gradient_law wants the scores."""
    law = gradient_law(
        lambda scores: log_softmax(scores, 1),
        lambda rng: (2 * rng.standard_normal((1, 3, 2, 4)),),
    )
    return law.test(lambda gy, scores: attempt(gy, log_softmax(scores, 1)), rng)


def _sums_to_zero(attempt, rng):
    """The same number added to all classes of a pixel changes nothing."""
    sums = np.sum(attempt(*_draw_log_softmax(rng)), axis=1)
    if not np.abs(sums).max() <= 1e-9:
        return f"over the classes of a pixel they add up to {sums.flat[np.abs(sums).argmax()]:.3g}"
    return None


_LOG_HALVES = np.full((1, 2, 1, 1), -np.log(2))
_LOG_QUARTERS = np.log([0.25, 0.75]).reshape(1, 2, 1, 1)

check_log_softmax_gradient = Exercise(
    lambda gy, y: log_softmax_grad(gy, y, 1),
    hand=[
        # what the first class's logarithm asks for: 1 - p there, and - p of the others
        Case((np.array([[[[1.0]], [[0.0]]]]), _LOG_HALVES), [[[[0.5]], [[-0.5]]]]),
        Case((np.array([[[[4.0]], [[8.0]]]]), _LOG_QUARTERS), [[[[1.0]], [[-1.0]]]]),
        Case((np.array([[[[-1.0]], [[-1.0]]]]), _LOG_HALVES), [[[[0.0]], [[0.0]]]]),
    ],
    draw=_draw_log_softmax,
    laws=[
        Law("the gradients of a pixel's classes add up to 0", _sums_to_zero),
        Law("the gradient agrees with finite differences", _agrees_with_differences),
    ],
    mistakes={
        "softmax's gradient, of p": lambda gy, y: softmax_grad(gy, np.exp(y), 1),
        "p without the sum of gy": lambda gy, y: gy - np.exp(y),
        "y taken for p": lambda gy, y: gy - y * gy.sum(axis=1, keepdims=True),
        "over the columns instead of the classes": lambda gy, y: log_softmax_grad(gy, y, -1),
        "the other classes forgotten": lambda gy, y: gy * (1 - np.exp(y)),
    },
    shown=log_softmax_grad,
    hint="y_k = s_k - log(sum of e^s_j): every y of the pixel depends on s_k; p = np.exp(y)",
)


def _mean_loss(scores, labels, weight) -> float:
    """The library's loss in float64."""
    with use_backend("reference"):
        scores = Tensor(np.array(scores, np.float64))
        return float(F.cross_entropy(scores, labels, np.asarray(weight, np.float64)).data)


def _chosen(scores, labels, weight):
    """-log softmax at the label, of void pixels at class 0; the weights there; which are valid."""
    valid = labels != VOID
    index = np.where(valid, labels, 0)
    losses = -np.take_along_axis(log_softmax(scores, 1), index[:, None], axis=1)[:, 0]
    return losses, weight[index], valid


def _void_is_background(scores, labels, weight):
    losses, weights, _ = _chosen(scores, labels, weight)
    return (losses * weights).sum() / weights.sum()


def _over_all_pixels(scores, labels, weight):
    losses, weights, valid = _chosen(scores, labels, weight)
    return (losses * weights * valid).sum() / weights.sum()


def _over_the_number_of_pixels(scores, labels, weight):
    losses, weights, valid = _chosen(scores, labels, weight)
    return (losses * weights * valid).sum() / max(1, valid.sum())


def _weights_at_least_1(scores, labels, weight):
    losses, weights, valid = _chosen(scores, labels, weight)
    return (losses * weights * valid).sum() / max(1, (weights * valid).sum())


def _nan_without_valid(scores, labels, weight):
    losses, weights, valid = _chosen(scores, labels, weight)
    with np.errstate(all="ignore"):
        return (losses * weights)[valid].sum() / weights[valid].sum()


def _draw_pixels(rng) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    labels = rng.integers(0, 3, (2, 3, 4))
    labels[rng.random(labels.shape) < 0.3] = VOID
    return 2 * rng.standard_normal((2, 3, 3, 4)), labels, rng.uniform(0.2, 3, 3)


_ONES = np.ones(2)
_UNEQUAL = np.array([[[[np.log(3), 0.0]], [[0.0, 5.0]]]])  # e^score: 3 to 1 in the first column
_TWO = np.array([[[[np.log(3), 0.0]], [[0.0, 0.0]]]])  # 3 to 1, and 1 to 1

check_mean_loss = Exercise(
    _mean_loss,
    hand=[
        Case((np.zeros((1, 2, 1, 2)), np.array([[[0, 1]]]), _ONES), np.log(2)),
        Case((_UNEQUAL, np.array([[[1, VOID]]]), _ONES), np.log(4)),
        Case((_TWO, np.array([[[1, 0]]]), np.array([1.0, 3.0])), (3 * np.log(4) + np.log(2)) / 4),
        Case((np.zeros((1, 2, 1, 1)), np.array([[[0]]]), np.array([0.5, 1.0])), np.log(2)),
        Case((np.zeros((1, 2, 1, 2)), np.array([[[VOID, VOID]]]), _ONES), 0.0),
    ],
    draw=_draw_pixels,
    mistakes={
        "void taught as class 0": _void_is_background,
        "divided by all pixels' weights": _over_all_pixels,
        "divided by the number of valid pixels": _over_the_number_of_pixels,
        "a divisor of at least 1": _weights_at_least_1,
        "nothing over nothing": _nan_without_valid,
        "no weights": lambda scores, labels, weight: _mean_loss(scores, labels, _one_each(weight)),
    },
    shown=PixelLoss,
    hint="sum weight[label] times loss over the pixels that are not 255; divide by the sum of "
    "their weights, or by 1 if there are none",
)


def _one_each(weight):
    return np.ones(len(weight))


def _gradient(gy, scores, labels, weight):
    backward = library_backward(F.cross_entropy, wanted=(0,))
    return backward(gy, scores, np.asarray(labels), np.asarray(weight, np.float64))


def _gradient_over_all(gy, scores, labels, weight):
    _, weights, valid = _chosen(scores, labels, weight)
    return _gradient(gy, scores, labels, weight) * (weights * valid).sum() / weights.sum()


def _gradient_without_mask(gy, scores, labels, weight):
    return _gradient(gy, scores, np.where(labels != VOID, labels, 0), weight)


def _gradient_without_weights(gy, scores, labels, weight):
    return _gradient(gy, scores, labels, _one_each(weight))


def _gradient_upside_down(gy, scores, labels, weight):
    return -_gradient(gy, scores, labels, weight)


check_loss_gradient = Exercise(
    _gradient,
    hand=[
        Case((1.0, np.zeros((1, 2, 1, 1)), np.array([[[1]]]), _ONES), [[[[0.5]], [[-0.5]]]]),
        Case(
            (1.0, np.zeros((1, 2, 1, 2)), np.array([[[0, VOID]]]), _ONES),
            [[[[-0.5, 0.0]], [[0.5, 0.0]]]],
        ),
        Case(
            (8.0, np.zeros((1, 2, 1, 2)), np.array([[[0, 1]]]), np.array([1.0, 3.0])),
            [[[[-1.0, 3.0]], [[1.0, -3.0]]]],
        ),
        Case((2.0, np.zeros((1, 2, 1, 1)), np.array([[[VOID]]]), _ONES), [[[[0.0]], [[0.0]]]]),
    ],
    draw=lambda rng: (float(rng.standard_normal()), *_draw_pixels(rng)),
    laws=[gradient_law(_mean_loss, _draw_pixels)],
    mistakes={
        "void pixels learn class 0": _gradient_without_mask,
        "divided by all pixels' weights": _gradient_over_all,
        "no weights": _gradient_without_weights,
        "labels minus probabilities": _gradient_upside_down,
    },
    shown=cross_entropy_grad,
    hint="softmax, less 1 at the label; 0 where void; times gy and weight[label], over the sum of "
    "the valid pixels' weights",
)


def _rates(lr: float, pixels: int, momentum: float) -> tuple[float, float]:
    """What the library's losses and solver make of it, measured: the rate of a mean loss that
    gives the same step, and the rate of a step under a gradient that stays."""
    from .. import nn
    from ..train import Solver

    with use_backend("reference"):
        scores = Tensor(np.array([[[[1.0]], [[0.0]]]]) * np.ones((1, 1, 1, pixels)), True)
        labels, grads = np.zeros((1, 1, pixels), np.int64), {}
        for reduction in ("sum", "mean"):
            scores.grad = None
            F.cross_entropy(scores, labels, reduction=reduction).backward()
            grads[reduction] = scores.grad[0, 0, 0, 0]
        model = nn.Module()
        model.w = nn.Parameter(np.zeros((1, 1)))
        solver, before = Solver(model, lr, momentum, weight_decay=0.0), 0.0
        for _ in range(round(40 / (1 - momentum))):
            before = model.w.data.item()
            model.w.grad = np.full((1, 1), -1.0)
            solver.step()
    mean_rate = lr * float(grads["sum"] / grads["mean"])
    steady = (model.w.data.item() - before) / lr
    return mean_rate, mean_rate * steady


check_rates = Exercise(
    _rates,
    hand=[
        Case((0.25, 8, 0.5), (2.0, 4.0)),
        Case((1e-10, 500 * 375, 0.99), (1.875e-5, 1.875e-3)),
    ],
    draw=lambda rng: (
        10.0 ** -rng.integers(2, 9), int(rng.integers(2, 500)), float(rng.choice([0.0, 0.5, 0.9]))
    ),
    mistakes={
        "divided by the pixels": lambda lr, pixels, momentum: (
            lr / pixels, lr / pixels / (1 - momentum)),
        "momentum makes steps smaller": lambda lr, pixels, momentum: (
            lr * pixels, lr * pixels * (1 - momentum)),
    },
    shown=PixelLoss,
    hint="lr times sum = (lr times pixels) times mean; 1 + m + m^2 + ... = 1/(1 - m)",
    tolerance=1e-6,
)  # fmt: skip
