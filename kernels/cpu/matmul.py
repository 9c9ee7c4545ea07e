"""The matrix product, by the micro-kernel: a convolution of one pixel's width.

The rows of a are pixels, its columns channels, the columns of b filters of 1x1 (direct.py). Where
a is stored column by column, as in the gradient of a weight, its rows are channels instead and the
sum runs over pixels (gradient.py): nothing is transposed in either case.
"""

import numpy as np

from . import direct, gradient, thin
from .layout import aligned


def matmul(a, b):
    """y[..., i, j] = sum over k of a[..., i, k] * b[..., k, j]; stacks broadcast."""
    if a.ndim == b.ndim == 2:
        return _product(a, b)
    stack = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    y = np.empty((*stack, a.shape[-2], b.shape[-1]), a.dtype)
    a, b = np.broadcast_to(a, (*stack, *a.shape[-2:])), np.broadcast_to(b, (*stack, *b.shape[-2:]))
    for index in np.ndindex(stack):
        y[index] = _product(a[index], b[index])
    return y


def _product(a, b):
    """(I, K) @ (K, J) -> (I, J)"""
    (rows, depth), columns, item = a.shape, b.shape[1], a.itemsize
    if 0 in (rows, depth, columns):
        return np.zeros((rows, columns), a.dtype)
    y = aligned((rows, columns), a.dtype)
    if thin.product(a, b, y):
        return y
    if a.strides[0] == item and a.strides[1] != item and b.strides[1] == item:
        x, gy = a.T.reshape(1, depth, 1, rows), b.reshape(1, depth, 1, columns)
        gw = y.T.reshape(1, columns, rows, 1, 1)
        gradient.correlate_weights(_pixels(x), _pixels(gy), gw, origin=(0, 0))
        return y
    if a.strides[1] != item:
        a = np.ascontiguousarray(a)
    x, y_map = _pixels(a.reshape(1, rows, 1, depth)), _pixels(y.reshape(1, rows, 1, columns))
    direct.correlate(x, b.T.reshape(1, columns, depth, 1, 1), y_map, origin=(0, 0))
    return y


def _pixels(rows):
    """(1, P, 1, C) as maps of one row: (1, C, 1, P)"""
    return rows.transpose(0, 3, 2, 1)
