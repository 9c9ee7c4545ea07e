"""Exercises of tutorial 09: the bilinear kernel, transposed convolution, where pixels come out."""

from fractions import Fraction

import numpy as np

from ..geometry import Axis
from ..kernels.filters import bilinear_filter, triangle
from ..kernels.reference.conv import conv2d, conv2d_grad_input
from ..kernels.reference.im2col import col2im
from ..kernels.shapes import conv_transpose_size
from .exercise import Case, Exercise, Law, adjoint_law


def _shares(kernel, rng):
    """Every pixel between coarse ones is made of shares that add up to 1."""
    f, g = (int(i) for i in rng.integers(2, 7, 2))
    w = np.asarray(kernel(2 * f, 2 * g - 1))
    sums = [[w[i::f, j::g].sum() for j in range(g)] for i in range(f)]
    if not np.allclose(sums, 1, rtol=0, atol=1e-12):
        return f"kernel {2 * f}x{2 * g - 1}: shares add up to {np.min(sums):g}...{np.max(sums):g}"
    return None


check_kernel = Exercise(
    lambda KH, KW: bilinear_filter((KH, KW)),
    hand=[
        Case((1, 3), [[0.5, 1, 0.5]]),
        Case((3, 4), [[0.125, 0.375, 0.375, 0.125], [0.25, 0.75, 0.75, 0.25],
                      [0.125, 0.375, 0.375, 0.125]]),
    ],
    draw=lambda rng: tuple(int(i) for i in rng.integers(1, 12, 2)),
    laws=[Law("the shares of every pixel add up to 1", _shares)],
    mistakes={
        "the factor of an even kernel": lambda KH, KW: np.outer(
            1 - np.abs(np.arange(KH) - (KH - 1) / 2) / (KH // 2 + 1),
            1 - np.abs(np.arange(KW) - (KW - 1) / 2) / (KW // 2 + 1)),
        "the axes swapped": lambda KH, KW: bilinear_filter((KW, KH)),
        "normed to 1": lambda KH, KW: bilinear_filter((KH, KW)) / bilinear_filter((KH, KW)).sum(),
    },
    shown=triangle,
    hint="along one axis 1 - |i - centre| / factor with factor = (k + 1) // 2; then np.outer",
)  # fmt: skip


def _size(x, w, stride) -> tuple[int, int]:
    axes = zip(x.shape, w.shape, stride, strict=True)
    return tuple(conv_transpose_size(n, k, s, 0, 1) for n, k, s in axes)


def _transposed(x, w, stride):
    """The library's: the gradient of a convolution with respect to its input."""
    x, w = np.asarray(x, float), np.asarray(w, float)
    size = _size(x, w, stride)
    return conv2d_grad_input(x[None, None], w[None, None], size, stride, (0, 0), (1, 1), 1)[0, 0]


def _convolved(y, w, stride):
    return conv2d(y[None, None], w[None, None], None, stride, (0, 0), (1, 1), 1)[0, 0]


def _draw_maps(rng) -> tuple:
    stride = tuple(int(i) for i in rng.integers(1, 4, 2))
    return rng.standard_normal(rng.integers(2, 5, 2)), rng.standard_normal((2, 5)), stride


def _draw_pair(rng) -> tuple:
    x, w, stride = _draw_maps(rng)
    return x, rng.standard_normal(_size(x, w, stride)), w, stride


def _overwritten(x, w, stride):
    y = np.zeros(_size(x, w, stride))
    for (i, j), value in np.ndenumerate(x):
        top, left = i * stride[0], j * stride[1]
        y[top : top + w.shape[0], left : left + w.shape[1]] = value * w
    return y


check_transposed = Exercise(
    _transposed,
    hand=[
        Case((np.array([[2.0, 3.0]]), np.array([[1.0, 10.0, 100.0]]), [1, 2]),
             [[2, 20, 203, 30, 300]]),
        Case((np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0, 1.0]]), [2, 1]),
             [[1, 3, 2], [0, 0, 0], [3, 7, 4]]),
    ],
    draw=_draw_maps,
    laws=[adjoint_law(_convolved, _draw_pair)],
    mistakes={
        "overlaps overwritten": _overwritten,
        "the kernel turned around": lambda x, w, stride: _transposed(x, w[::-1, ::-1], stride),
        "the strides of the two axes swapped": lambda x, w, stride: _transposed(
            x, w, stride[::-1]),
    },
    shown=col2im,
    hint="start with zeros of the output's size; input (i, j) adds x[i, j] * w at (i*SH, j*SW)",
)  # fmt: skip


def _size_and_offset(n: int, start, k: int, f: int) -> tuple[int, Fraction]:
    axis = Axis(Fraction(f), Fraction(start)).transposed(k, f, 0, 1)
    return conv_transpose_size(n, k, f, 0, 1), -axis.start


check_size_and_offset = Exercise(
    _size_and_offset,
    hand=[
        Case((3, Fraction(0), 3, 2), (7, Fraction(1))),
        Case((16, Fraction(25, 2), 64, 32), (544, Fraction(19))),
        Case((16, Fraction(13), 63, 32), (543, Fraction(18))),
    ],
    draw=lambda rng: (int(rng.integers(1, 9)), Fraction(int(rng.integers(-9, 9)), 2),
                      int(rng.integers(1, 9)), int(rng.integers(1, 9))),
    mistakes={
        "k/2 taps before the middle": lambda n, start, k, f: (
            f * (n - 1) + k, Fraction(k, 2) - start),
        "the size of a resized map": lambda n, start, k, f: (f * n, Fraction(k - 1, 2) - start),
    },
    shown=Axis.transposed,
    hint="score 0 is laid down with its middle, tap (k - 1)/2, where pixel `start` is to be",
)  # fmt: skip
