"""Exercises of tutorial 03: differences, directions, the adjoint identity, and kinks."""

from collections.abc import Callable

import numpy as np

from ..autograd import adjoint_check, check
from .exercise import Case, Exercise, Law


class Named:
    """A function that prints as its formula, the same in every run."""

    def __init__(self, formula: str, function: Callable):
        self.formula, self.function = formula, function

    def __call__(self, *args):
        return self.function(*args)

    def __repr__(self) -> str:
        return f"({self.formula})"


FOURTH = Named("x^4", lambda x: x**4)
LINE = Named("3x + 1", lambda x: 3 * x + 1)
RELU = Named("max(x, 0)", lambda x: max(x, 0.0))
ABS = Named("|x|", abs)
SQUARE = Named("x^2", lambda x: x * x)
SMOOTH = (Named("sin x", np.sin), Named("tanh x", np.tanh), Named("e^x", np.exp))


def five_point(f, x, h):
    """f'(x) = (8 (f(x+h) - f(x-h)) - (f(x+2h) - f(x-2h))) / 12h, with an error of order h^4.

    A central difference of step h has the error c h^2 + ..., one of step 2h has 4 c h^2 + ...:
    4/3 of the first less 1/3 of the second has none of it (Richardson).
    """
    near, far = f(x + h) - f(x - h), f(x + 2 * h) - f(x - 2 * h)
    return (8 * near - far) / (12 * h)


def _fourth_order(attempt, rng) -> str | None:
    x = rng.uniform(0, 1)
    wide, narrow = (abs(attempt(np.exp, x, h) - np.exp(x)) for h in (0.2, 0.1))
    if not 14 < wide / narrow < 18:
        return f"half the step makes the error {wide / narrow:.3g} times smaller, expected 16"
    return None


check_five_point = Exercise(
    five_point,
    hand=[Case((FOURTH, 1.0, 1.0), 4.0), Case((SQUARE, 3.0, 0.5), 6.0)],
    draw=lambda rng: (SMOOTH[rng.integers(3)], float(rng.standard_normal()), 0.1),
    laws=[Law("the error is of fourth order", _fourth_order)],
    mistakes={
        "two points only": lambda f, x, h: (f(x + h) - f(x - h)) / (2 * h),
        "the weights swapped": lambda f, x, h: (
            five_point(f, x, h) * 12 / -6 + (f(x + h) - f(x - h)) / h
        ),
        "divided by 6h": lambda f, x, h: 2 * five_point(f, x, h),
    },
    hint="four thirds of the difference of step h, less one third of that of step 2h",
)


def _slope_of_two(f, a, b, va, vb, u, h):
    ahead, behind = f(a + h * va, b + h * vb), f(a - h * va, b - h * vb)
    return (np.vdot(u, ahead) - np.vdot(u, behind)) / (2 * h)


PRODUCT = Named("a @ b", np.matmul)


def _two_inputs(rng) -> tuple:
    shapes = (2, 3), (3, 4), (2, 3), (3, 4), (2, 4)
    return PRODUCT, *map(rng.standard_normal, shapes), 1e-2


def _is_the_gradients(attempt, rng) -> str | None:
    """It must be <ga, va> + <gb, vb> for the gradients that are known of a product."""
    f, a, b, va, vb, u, h = _two_inputs(rng)
    expected = np.vdot(u @ b.T, va) + np.vdot(a.T @ u, vb)
    found = attempt(f, a, b, va, vb, u, h)
    if not abs(found - expected) <= 1e-9 * max(1, abs(expected)):
        return f"{found:.6g} for a @ b, whose gradients say {expected:.6g}"
    return None


def _in_two_evaluations(attempt, rng) -> str | None:
    f, *args = _two_inputs(rng)
    calls = []
    attempt(Named("a @ b", lambda a, b: calls.append(1) or f(a, b)), *args)
    return None if len(calls) == 2 else f"f was called {len(calls)} times, expected 2"


def _rows(*arrays) -> tuple[np.ndarray, ...]:
    return tuple(np.array(a, float) for a in arrays)


check_two_inputs = Exercise(
    _slope_of_two,
    hand=[
        Case((PRODUCT, *_rows([[1, 2]], [[3], [4]], [[1, 0]], [[0], [1]], [[10]]), 0.5), 50.0),
        Case(
            (PRODUCT, *_rows([[2]], [[1, 0]], [[0]], [[1, 3]], [[1, -1]]), 0.25),
            -4.0,
        ),
    ],
    draw=_two_inputs,
    laws=[
        Law("it is what the gradients say", _is_the_gradients),
        Law("two evaluations do", _in_two_evaluations),
    ],
    mistakes={
        "only one input moves": lambda f, a, b, va, vb, u, h: _slope_of_two(
            f, a, b, va, 0 * vb, u, h
        ),
        "each input on its own, then the sum": lambda f, a, b, va, vb, u, h: (
            _slope_of_two(f, a, b, va, 0 * vb, u, h) + _slope_of_two(f, a, b, 0 * va, vb, u, h)
        ),
        "u forgotten": lambda f, a, b, va, vb, u, h: _slope_of_two(
            f, a, b, va, vb, np.ones_like(u), h
        ),
        "one-sided": lambda f, a, b, va, vb, u, h: (
            (np.vdot(u, f(a + h * va, b + h * vb)) - np.vdot(u, f(a, b))) / h
        ),
    },
    shown=check._compare,
    hint="both inputs move at once, each along its own direction; u weighs the outputs",
)


def _adjoint_error(f, backward, x, u):
    return abs(np.vdot(u, f(x)) - np.vdot(backward(u), x))


TURN = Named("roll by 1", lambda x: np.roll(x, 1))
TURN_BACK = Named("roll by -1", lambda x: np.roll(x, -1))


def _linear_maps(rng) -> tuple:
    """A matrix, and its transposed with or without a mistake."""
    matrix, wrong = rng.standard_normal((3, 5)), rng.integers(2) * rng.standard_normal((5, 3))
    forward = Named("A x", lambda x: matrix @ x)
    backward = Named("B u", lambda u: (matrix.T + wrong) @ u)
    return forward, backward, rng.standard_normal(5), rng.standard_normal(3)


check_adjoint = Exercise(
    _adjoint_error,
    hand=[
        Case((TURN, TURN, *_rows([1, 2, 3], [1, 0, 10])), 11.0),
        Case((TURN, TURN_BACK, *_rows([1, 2, 3], [1, 0, 10])), 0.0),
        Case((TURN, TURN, *_rows([0, 1, 0], [1, 0, 0])), 1.0),
    ],
    draw=_linear_maps,
    mistakes={
        "u = 1": lambda f, backward, x, u: _adjoint_error(f, backward, x, np.ones_like(u)),
        "the sign is kept": lambda f, backward, x, u: np.vdot(u, f(x)) - np.vdot(backward(u), x),
        "x and u mixed up": lambda f, backward, x, u: (
            abs(np.vdot(x, f(x)) - np.vdot(backward(u), u)) if x.size == u.size else 0.0
        ),
    },
    shown=adjoint_check,
    tolerance=1e-6,
    hint="two scalar products: one where the outputs live, one where the inputs do",
)


def _is_kink(f, x, h):
    return check._is_kink(lambda t: f(x + t), f(x + h), f(x - h), h, scale=1e-3)


def _jump(f, x, h):
    return ((f(x + h) - f(x)) - (f(x) - f(x - h))) / h


def _ratio_alone(f, x, h):
    with np.errstate(all="ignore"):
        ratio = np.divide(_jump(f, x, h / 2), _jump(f, x, h))
    return not 0.4 < ratio < 0.6


def _place(rng) -> tuple:
    """A smooth function anywhere, or one with a kink there, or far from there."""
    if rng.integers(2):
        return SMOOTH[rng.integers(3)], float(rng.standard_normal()), 1e-3
    at = float(rng.choice([0.0, 0.0, 0.8e-3, -0.8e-3, 0.3, -0.3]))
    return (RELU, ABS)[rng.integers(2)], at, 1e-3


check_kink = Exercise(
    _is_kink,
    hand=[
        Case((ABS, 0.0, 0.5), True),
        Case((SQUARE, 1.0, 0.5), False),
        Case((RELU, 1.0, 0.5), False),
        Case((RELU, 0.375, 0.5), True),
        Case((LINE, 0.1, 1e-3), False),
    ],
    draw=_place,
    mistakes={
        "any jump is a kink": lambda f, x, h: bool(abs(_jump(f, x, h)) > 1e-9),
        "a jump that stays, but not one that vanishes": lambda f, x, h: bool(
            abs(_jump(f, x, h)) > 1e-9 and _jump(f, x, h / 2) / _jump(f, x, h) > 0.75
        ),
        "no allowance for rounding": _ratio_alone,
    },
    shown=check._is_kink,
    hint="a smooth function's jump is h f'', so half the step halves it; 1e-9 is rounding",
)
