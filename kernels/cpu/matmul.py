"""The matrix product, by the micro-kernel: a convolution of one pixel's width.

The rows of a are pixels, its columns channels, the columns of b filters of 1x1 (direct.py). Where
a is stored column by column, as in the gradient of a weight, its rows are channels instead and the
sum runs over pixels (gradient.py). Only where the product is large and its sums are short is a
copied row by row first, in squares that lie in registers: a tile of gradient.py is added to memory
every few terms.
"""

import numpy as np

from . import direct, gradient, thin
from .compile import kernel
from .layout import LINE, aligned, pointer
from .tasks import tasks
from .threads import VECTOR, parallel_for
from .vectors import address_of, itemsize, kind, lanes, transpose

MANY = 2**9  # numbers of the product for each term of a sum from which on a copy is worth it
ROWS = 64  # of a copy that are a task


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
    by_columns = a.strides[0] == item and a.strides[1] != item
    large = rows * columns >= MANY * depth and min(rows, depth) >= LINE // item
    if by_columns and large:
        a = _by_rows(a)
    elif by_columns and b.strides[1] == item:
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


def _by_rows(a):
    """A copy of a (I, K), which is stored by columns, stored by rows: a line apart, so that rows
    of 4 KB do not share a few sets of the caches."""
    form, (rows, depth) = kind(a.dtype), a.shape
    copy = aligned((rows, depth + LINE // a.itemsize), a.dtype)[:, :depth]
    places = pointer(a), a.strides[1], pointer(copy), copy.strides[0]
    work = ROWS * depth // VECTOR
    parallel_for(_transpose, -(-rows // ROWS), form, places, (rows, depth), work=work)
    return copy


@kernel()
def _transpose(work, form, places, shape):
    """ROWS rows of the copy a task, in squares, the last ones of which overlap."""
    (source, column, target, row), (rows, depth) = places, shape
    vector, item = lanes(form), itemsize(form)
    table = np.empty(vector, np.int64)
    for task in tasks(work):
        for i in range(task * ROWS, min((task + 1) * ROWS, rows), vector):
            first = min(i, rows - vector)
            for v in range(vector):
                table[v] = target + (first + v) * row
            for k in range(0, depth, vector):
                k = min(k, depth - vector)
                here = source + k * column + first * item
                transpose(form, here, column, address_of(table), k * item)
