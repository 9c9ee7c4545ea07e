"""Exercises of tutorial 04: output sizes, groups, columns of a strip, gradient of the input."""

import math

import numpy as np

from ..kernels import shapes
from ..kernels.reference import conv, im2col
from .exercise import Case, Exercise, Law, adjoint_law


def _draw_axis(rng) -> tuple:
    n, k, s, p, d = (int(i) for i in rng.integers((9, 1, 1, 0, 1), (40, 5, 4, 4, 3)))
    return n, k, s, p, d


check_output_size = Exercise(
    shapes.conv_size,
    hand=[
        Case((7, 3, 1, 0, 1), 5),
        Case((8, 3, 2, 1, 1), 4),
        Case((10, 3, 1, 2, 2), 10),
        Case((500, 3, 1, 100, 1), 698),
    ],
    draw=_draw_axis,
    mistakes={
        "the dilation forgotten": lambda n, k, s, p, d: (n + 2 * p - k) // s + 1,
        "padding on one side only": lambda n, k, s, p, d: (n + p - d * (k - 1) - 1) // s + 1,
        "rounded up": lambda n, k, s, p, d: math.ceil((n + 2 * p - d * (k - 1) - 1) / s) + 1,
    },
    hint="how many pixels does the window cover, from its first tap to its last?",
)


def _grouped(x, w, groups: int):
    return conv.conv2d(x, w, None, (1, 1), (0, 0), (1, 1), groups)


def _grouped_transposed(u, x_shape, w, groups: int):
    return conv.conv2d_grad_input(u, w, x_shape[2:], (1, 1), (0, 0), (1, 1), groups)


def _draw_groups(rng) -> tuple:
    groups, c, k = (int(n) for n in rng.integers((2, 2, 2), (4, 4, 4)))
    x = rng.standard_normal((2, groups * c, 5, 6))
    return x, rng.standard_normal((groups * k, c, 3, 2)), groups


def _sees_only_its_group(attempt, rng) -> str | None:
    """The filters of the last group must not notice what happens in the channels of the first."""
    x, w, groups = _draw_groups(rng)
    changed = x.copy()
    changed[:, : w.shape[1]] += 1
    own = slice(len(w) - len(w) // groups, None)
    moved = np.abs(attempt(changed, w, groups)[:, own] - attempt(x, w, groups)[:, own]).max()
    return f"the first group's channels move it by {moved:.3g}" if moved > 1e-9 else None


def _transposed_law() -> Law:
    def draw(rng):
        x, w, groups = _draw_groups(rng)
        u = rng.standard_normal(_grouped(x, w, groups).shape)
        return x, u, w, groups

    shape = [0, 0, 5, 6]
    return adjoint_law(lambda u, w, groups: _grouped_transposed(u, shape, w, groups), draw)


def _filters_dealt_out(x, w, groups: int):
    """Filter k to group k modulo groups."""
    order = np.argsort(np.arange(len(w)) % groups, kind="stable")
    y = np.empty((len(x), len(w), x.shape[2] - w.shape[2] + 1, x.shape[3] - w.shape[3] + 1))
    y[:, order] = _grouped(x, w[order], groups)
    return y


check_groups = Exercise(
    _grouped,
    hand=[
        Case(
            (
                np.array([[[[1.0, 2.0, 3.0]], [[4.0, 5.0, 6.0]]]]),
                np.array([[[[1.0, 10.0]]], [[[100.0, 1.0]]]]),
                2,
            ),
            [[[[21.0, 32.0]], [[405.0, 506.0]]]],
        )
    ],
    draw=_draw_groups,
    laws=[Law("a group does not see the others", _sees_only_its_group), _transposed_law()],
    mistakes={
        "all filters see the first channels": lambda x, w, groups: _grouped(
            x[:, : w.shape[1]], w, 1
        ),
        "filters dealt out in turn": _filters_dealt_out,
    },
    shown=conv.conv2d,
    hint="x has groups * C channels, a filter C; filter k belongs to group k // (K // groups)",
)


def _columns_of_rows(x, KH: int, KW: int, first: int, last: int):
    return im2col.im2col(x, (KH, KW), (1, 1), (1, 1), range(first, last), x.shape[2] - KW + 1)


def _draw_columns(rng) -> tuple:
    KH, KW, first = (int(n) for n in rng.integers((1, 2, 0), (4, 4, 3)))
    return rng.standard_normal((3, 7, 6)), KH, KW, first, first + int(rng.integers(1, 3))


def _back(cols, KH: int, KW: int, first: int, last: int):
    x = np.zeros((3, 7, 6))
    im2col.col2im(cols, x, (KH, KW), (1, 1), (1, 1), range(first, last), 6 - KW + 1)
    return x


def _draw_columns_and_back(rng) -> tuple:
    x, *rest = _draw_columns(rng)
    return x, rng.standard_normal(_columns_of_rows(x, *rest).shape), *rest


check_im2col_rows = Exercise(
    _columns_of_rows,
    hand=[
        Case(
            (np.arange(8.0).reshape(1, 2, 4), 1, 2, 1, 2),
            [[4.0, 5.0, 6.0], [5.0, 6.0, 7.0]],
        ),
        Case(
            (np.arange(12.0).reshape(1, 3, 4), 2, 2, 1, 2),
            [[4.0, 5.0, 6.0], [5.0, 6.0, 7.0], [8.0, 9.0, 10.0], [9.0, 10.0, 11.0]],
        ),
    ],
    draw=_draw_columns,
    laws=[adjoint_law(_back, _draw_columns_and_back)],
    mistakes={
        "windows as rows": lambda *args: _columns_of_rows(*args).T,
        "taps before channels": lambda x, KH, KW, *rows: (
            _columns_of_rows(x, KH, KW, *rows)
            .reshape(len(x), KH * KW, -1)
            .swapaxes(0, 1)
            .reshape(len(x) * KH * KW, -1)
        ),
        "always from the top": lambda x, KH, KW, first, last: _columns_of_rows(
            x, KH, KW, 0, last - first
        ),
    },
    shown=im2col.im2col,
    hint="row (c, i, j) is a piece of x[c]: rows first + i up to last + i, OW columns from j on",
)


def _gradient(gy, w, H: int, W: int, stride: int):
    return conv.conv2d_grad_input(gy, w, (H, W), (stride, stride), (0, 0), (1, 1), 1)


def _forward(x, w, H: int, W: int, stride: int):
    return conv.conv2d(x, w, None, (stride, stride), (0, 0), (1, 1), 1)


def _draw_gradient(rng) -> tuple:
    stride, KH, KW = (int(n) for n in rng.integers((1, 2, 1), (4, 4, 4)))
    H, W = 7, 8
    size = shapes.conv_size(H, KH, stride, 0, 1), shapes.conv_size(W, KW, stride, 0, 1)
    gy, w = rng.standard_normal((2, 3, *size)), rng.standard_normal((3, 2, KH, KW))
    return gy, w, H, W, stride


def _draw_gradient_and_input(rng) -> tuple:
    gy, *rest = _draw_gradient(rng)
    return gy, rng.standard_normal((2, 2, 7, 8)), *rest


check_gather = Exercise(
    _gradient,
    hand=[
        Case(
            (np.array([[[[1.0, 10.0]]]]), np.array([[[[1.0, 2.0, 3.0]]]]), 1, 5, 2),
            [[[[1.0, 2.0, 13.0, 20.0, 30.0]]]],
        ),
        Case(
            (np.array([[[[1.0, 10.0]]]]), np.array([[[[1.0, 2.0]]]]), 1, 3, 1),
            [[[[1.0, 12.0, 20.0]]]],
        ),
    ],
    draw=_draw_gradient,
    laws=[adjoint_law(_forward, _draw_gradient_and_input)],
    mistakes={
        "the filter not turned": lambda gy, w, H, W, stride: _gradient(
            gy, w[:, :, ::-1, ::-1], H, W, stride
        ),
        "the last one to write wins": lambda gy, w, H, W, stride: np.where(
            _gradient(np.ones_like(gy), np.ones_like(w), H, W, stride) > len(w),
            0,
            _gradient(gy, w, H, W, stride),
        ),
    },
    shown=conv.conv2d_grad_input,
    hint="output r reads row h with tap i where r * stride + i = h: stride must divide h - i",
)
