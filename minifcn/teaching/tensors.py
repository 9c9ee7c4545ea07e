"""Exercises of tutorial 02: gradients of layers and means, and sums that belong to nobody else."""

import functools
import operator
import tracemalloc

import numpy as np

from .. import functions as F
from ..autograd import engine
from ..autograd.shaping import Sum
from ..functions.linear import Linear
from .compare import first_difference
from .exercise import Case, Exercise, Law, adjoint_law, gradient_law, library_backward


def _arrays(*rows) -> tuple[np.ndarray, ...]:
    return tuple(np.array(r, float) for r in rows)


def _linear(x, weight, bias):
    return x @ weight.T + bias


def _layer(rng) -> tuple:
    """Input, weight and bias of a layer with three inputs and two outputs."""
    return rng.standard_normal((4, 3)), rng.standard_normal((2, 3)), rng.standard_normal(2)


check_linear = Exercise(
    library_backward(F.linear, wanted=(0, 1, 2)),
    hand=[
        Case(
            _arrays([[1, 10]], [[1, 2, 3]], [[1, 0, 2], [3, 1, 0]], [5, 7]),
            ([[31.0, 10.0, 2.0]], [[1.0, 2.0, 3.0], [10.0, 20.0, 30.0]], [1.0, 10.0]),
        ),
        Case(_arrays([[1], [2]], [[3], [4]], [[5]], [0]), ([[5.0], [10.0]], [[11.0]], [3.0])),
    ],
    draw=lambda rng: (rng.standard_normal((4, 2)), *_layer(rng)),
    laws=[gradient_law(_linear, _layer, wanted=(0, 1, 2))],
    mistakes={
        "weight's gradient transposed": lambda gy, x, w, b: (gy @ w, x.T @ gy, gy.sum(axis=0)),
        "the bias gets gy as it is": lambda gy, x, w, b: (gy @ w, gy.T @ x, gy),
        "the bias gets the mean": lambda gy, x, w, b: (gy @ w, gy.T @ x, gy.mean(axis=0)),
    },
    shown=Linear,
    hint="the shapes of x, weight and bias leave one order for each product; the bias is repeated",
)


def _mean(x, axis):
    return np.mean(x, axis=axis)


check_mean = Exercise(
    library_backward(F.mean),
    hand=[
        Case((*_arrays([3, 6], np.zeros((2, 3))), 1), [[1.0, 1.0, 1.0], [2.0, 2.0, 2.0]]),
        Case((*_arrays([2, 4, 6], np.zeros((2, 3))), 0), [[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]]),
    ],
    draw=lambda rng: (rng.standard_normal((4, 5)), rng.standard_normal((4, 3, 5)), 1),
    laws=[
        gradient_law(_mean, lambda rng: (rng.standard_normal((2, 5, 3)), 1)),
        adjoint_law(
            lambda u, _, axis: _mean(u, axis),
            lambda rng: (
                rng.standard_normal((2, 3)),
                rng.standard_normal((2, 5, 3)),
                np.ones((2, 5, 3)),
                1,
            ),
        ),
    ],
    mistakes={
        "the sum's gradient": lambda gy, x, axis: library_backward(F.sum)(gy, x, axis),
        "divided by the size of x": lambda gy, x, axis: (
            library_backward(F.sum)(gy, x, axis) / x.size
        ),
        "repeated along a new last axis": lambda gy, x, axis: np.broadcast_to(
            np.expand_dims(np.asarray(gy) / x.shape[axis], -1), (*np.shape(gy), x.shape[axis])
        ),
    },
    shown=Sum,
    hint="put the axis back with length 1, repeat along it, divide by its length",
)


def _add_up(arrivals):
    """What the engine has in its table when all gradients of a tensor have arrived."""
    gradients = {}
    for gx in arrivals:
        engine._accumulate(gradients, "x", gx, fresh=False)
    return gradients["x"][0]


def _arrays_held(attempt, arrivals) -> float:
    """What the attempt allocates at its peak, in arrays of the size of those that arrive."""
    tracing = tracemalloc.is_tracing()
    if not tracing:
        tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    tracemalloc.reset_peak()
    attempt(arrivals)
    peak = tracemalloc.get_traced_memory()[1]
    if not tracing:
        tracemalloc.stop()
    return (peak - before) / arrivals[0].nbytes


def _one_twice(attempt, rng) -> str | None:
    a, b = rng.standard_normal((2, 2, 3))
    total = attempt([a, b, a])  # x + x sends the very same array twice
    return first_difference(total, 2 * a + b, hint="an array that arrives twice counts twice")


def _one_new_array(attempt, rng) -> str | None:
    alone = rng.standard_normal((2, 3))
    if attempt([alone]) is not alone:
        return "a gradient that is the only one is to be returned itself, not copied"
    arrivals = [rng.standard_normal((100, 150)) for _ in range(5)]
    held = _arrays_held(attempt, arrivals)
    if held > 1.5:
        return f"{held:.0f} new arrays at a time for {len(arrivals)} gradients, expected 1"
    return None


def _some(rng) -> tuple:
    """Four gradients."""
    return (list(rng.standard_normal((4, 2, 5))),)


_G, _H = np.array([[1.0, 2.0, 3.0]]), np.array([[10.0, 20.0, 30.0]])

check_add_up = Exercise(
    _add_up,
    hand=[
        Case(([_G],), [[1.0, 2.0, 3.0]]),
        Case(([_G, _H, _G],), [[12.0, 24.0, 36.0]]),
    ],
    draw=_some,
    laws=[Law("the same array twice", _one_twice), Law("one new array", _one_new_array)],
    mistakes={
        "a new array at every addition": lambda arrivals: functools.reduce(operator.add, arrivals),
        "the only one is copied": lambda arrivals: np.sum(arrivals, axis=0),
        "all of them stacked first": lambda arrivals: (
            np.sum(arrivals, axis=0) if len(arrivals) > 1 else arrivals[0]
        ),
        "the same array counts once": lambda arrivals: functools.reduce(
            operator.add, {id(gx): gx for gx in arrivals}.values()
        ),
    },
    shown=engine._accumulate,
    hint="the array that the first addition makes is yours: add the rest to it with +=",
)
