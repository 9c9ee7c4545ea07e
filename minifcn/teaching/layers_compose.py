"""Exercises of tutorial 05: composed layers, sizes of maps, where their pixels lie."""

from fractions import Fraction

from ..geometry import Axis
from ..kernels.shapes import conv_size, pool_size
from .exercise import Case, Exercise, Law


def _compose(inner: tuple[int, int], outer: tuple[int, int]) -> tuple[int, int]:
    """The library's way: the field and the stride of an axis behind both layers."""
    axis = Axis()
    for k, s in (inner, outer):
        axis = axis.window(k, s, 0, 1)
    return axis.field, int(axis.stride)


def _draw_layer(rng) -> tuple[int, int]:
    return int(rng.integers(1, 8)), int(rng.integers(1, 4))


def _associative(compose, rng):
    """Of three layers it does not matter which two are composed first."""
    a, b, c = (_draw_layer(rng) for _ in range(3))
    left, right = compose(compose(a, b), c), compose(a, compose(b, c))
    if tuple(left) != tuple(right):
        return f"{a}, {b}, {c}: {tuple(left)} from the left, {tuple(right)} from the right"
    return None


check_compose = Exercise(
    _compose,
    hand=[
        Case(([3, 1], [3, 1]), (5, 1)),
        Case(([3, 2], [2, 2]), (5, 4)),
        Case(([2, 2], [3, 1]), (6, 2)),
    ],
    draw=lambda rng: (_draw_layer(rng), _draw_layer(rng)),
    laws=[Law("three layers compose from either side", _associative)],
    mistakes={
        "the strides of the two swapped": lambda inner, outer: (
            inner[0] + (outer[0] - 1) * outer[1], inner[1] * outer[1]),
        "as if strides were 1": lambda inner, outer: (
            inner[0] + outer[0] - 1, inner[1] * outer[1]),
        "strides added": lambda inner, outer: (_compose(inner, outer)[0], inner[1] + outer[1]),
    },
    shown=Axis,
    hint="two neighbours of the inner map are s' pixels apart: how far apart are k of them?",
)  # fmt: skip


def _draw_pool(rng) -> tuple[int, int, int, int]:
    k = int(rng.integers(1, 5))
    p = int(rng.integers(0, k // 2 + 1))
    return int(rng.integers(k, 20)), k, int(rng.integers(1, 4)), p


check_pool_size = Exercise(
    lambda n, k, s, p: pool_size(n, k, s, p, 1, True),
    hand=[
        Case((6, 2, 2, 0), 3),
        Case((7, 2, 2, 0), 4),
        Case((7, 3, 3, 1), 3),
        Case((5, 2, 2, 1), 3),  # a fourth window would begin where the image has ended
    ],
    draw=_draw_pool,
    mistakes={
        "rounded down": lambda n, k, s, p: conv_size(n, k, s, p, 1),
        "a last window of padding alone": lambda n, k, s, p: -(-(n + 2 * p - k) // s) + 1,
    },
    shown=pool_size,
    hint="round up, then take the last window back if it begins at or behind pixel n",
)


def _window(stride, start, k: int, s: int, p: int) -> tuple[Fraction, Fraction]:
    axis = Axis(Fraction(stride), Fraction(start)).window(k, s, p, 1)
    return axis.stride, axis.start


def _draw_window(rng) -> tuple:
    stride, start = Fraction(int(rng.integers(1, 9))), Fraction(int(rng.integers(-9, 9)), 2)
    return stride, start, *_draw_layer(rng), int(rng.integers(0, 3))


check_window = Exercise(
    _window,
    hand=[
        Case((Fraction(1), Fraction(0), 3, 1, 1), (Fraction(1), Fraction(0))),
        Case((Fraction(1), Fraction(0), 2, 2, 0), (Fraction(2), Fraction(1, 2))),
        Case((Fraction(4), Fraction(3, 2), 5, 2, 1), (Fraction(8), Fraction(11, 2))),
    ],
    draw=_draw_window,
    mistakes={
        "steps counted as pixels of the image": lambda stride, start, k, s, p: (
            stride * s, start + Fraction(k - 1, 2) - p),
        "the middle of k taps at k/2": lambda stride, start, k, s, p: (
            stride * s, start + stride * (Fraction(k, 2) - p)),
        "whole pixels": lambda stride, start, k, s, p: (
            stride * s, start + stride * ((k - 1) // 2 - p)),
    },
    shown=Axis.window,
    hint="output 0 lies (k - 1)/2 - p pixels of the map behind pixel 0, each of them a stride",
)  # fmt: skip
