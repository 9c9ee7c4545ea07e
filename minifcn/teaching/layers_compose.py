"""Exercises of tutorial 05: composed layers, sizes of maps, where their pixels lie."""

from fractions import Fraction

from ..geometry import Axis
from ..kernels.shapes import conv_size, pool_size
from .exercise import Case, Exercise, Law


def _image_size(layers, m: int) -> int:
    """The library's way: the last pixel that output m - 1 sees."""
    axis = Axis()
    for k, s in layers:
        axis = axis.window(k, s, 0, 1)
    return axis.sees(m - 1)[1] + 1


def _draw_layers(rng) -> tuple:
    layers = [(int(rng.integers(2, 8)), int(rng.integers(1, 4))) for _ in range(3)]
    return layers, int(rng.integers(2, 9))


def _enough_and_not_too_much(attempt, rng):
    """The net makes m outputs of an image of that size, and fewer of one that is smaller by 1."""
    layers, m = _draw_layers(rng)
    n = size = attempt(layers, m)
    outputs = []
    for size in (n, n - 1):
        for k, s in layers:
            size = (size - k) // s + 1
        outputs.append(size)
    if outputs[0] != m or outputs[1] >= m:
        return f"{layers}: {n} pixels give {outputs[0]} outputs, {n - 1} give {outputs[1]}"
    return None


def _field_and_stride(layers) -> tuple[int, int]:
    axis = Axis()
    for k, s in layers:
        axis = axis.window(k, s, 0, 1)
    return axis.field, int(axis.stride)


def _one_stride_too_many(layers, m):
    field, stride = _field_and_stride(layers)
    return field + m * stride


def _windows_side_by_side(layers, m):
    return m * _field_and_stride(layers)[0]


check_image_size = Exercise(
    _image_size,
    hand=[
        Case(([(3, 1)], 4), 6),
        Case(([(3, 2), (2, 2)], 1), 5),
        Case(([(3, 2), (2, 2)], 3), 13),
        Case(([(2, 2), (3, 1)], 2), 8),
    ],
    draw=_draw_layers,
    laws=[Law("so many pixels are enough, one less is not", _enough_and_not_too_much)],
    mistakes={
        "windows laid side by side": _windows_side_by_side,
        "one stride too many": _one_stride_too_many,
        "as if strides were 1": lambda layers, m: sum(k - 1 for k, _ in layers) + m,
        "the layers in the wrong order": lambda layers, m: _image_size(layers[::-1], m),
    },
    shown=Axis,
    hint="all layers are one layer (k, s): the first window is k long, each further one adds s",
)


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


def _window(stride, start, k: int, s: int, p: int, d: int) -> tuple[Fraction, Fraction]:
    axis = Axis(Fraction(stride), Fraction(start)).window(k, s, p, d)
    return axis.stride, axis.start


def _draw_window(rng) -> tuple:
    stride, start = Fraction(int(rng.integers(1, 9))), Fraction(int(rng.integers(-9, 9)), 2)
    k, s, p, d = (int(n) for n in rng.integers((1, 1, 0, 1), (8, 4, 3, 4)))
    return stride, start, k, s, p, d


check_window = Exercise(
    _window,
    hand=[
        Case((Fraction(1), Fraction(0), 3, 1, 1, 1), (Fraction(1), Fraction(0))),
        Case((Fraction(1), Fraction(0), 2, 2, 0, 1), (Fraction(2), Fraction(1, 2))),
        Case((Fraction(4), Fraction(3, 2), 5, 2, 1, 1), (Fraction(8), Fraction(11, 2))),
        Case((Fraction(1), Fraction(0), 2, 1, 0, 3), (Fraction(1), Fraction(3, 2))),
        Case((Fraction(1, 3), Fraction(0), 2, 1, 0, 1), (Fraction(1, 3), Fraction(1, 6))),
    ],
    draw=_draw_window,
    mistakes={
        "steps counted as pixels of the image": lambda stride, start, k, s, p, d: (
            stride * s, start + Fraction(d * (k - 1), 2) - p),
        "the middle of k taps at k/2": lambda stride, start, k, s, p, d: (
            stride * s, start + stride * (Fraction(d * k, 2) - p)),
        "whole pixels": lambda stride, start, k, s, p, d: (
            stride * s, start + stride * (d * (k - 1) // 2 - p)),
        "the dilation forgotten": lambda stride, start, k, s, p, d: _window(
            stride, start, k, s, p, 1),
        "floating-point numbers": lambda stride, start, k, s, p, d: (
            float(stride * s), float(start + stride * (Fraction(d * (k - 1), 2) - p))),
    },
    shown=Axis.window,
    hint="output 0 lies d(k - 1)/2 - p pixels of the map behind pixel 0, each of them a stride",
)  # fmt: skip
