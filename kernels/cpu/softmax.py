"""Softmax and its logarithm along an axis, with their gradients (see reference/softmax.py).

The axis is made the innermost one, and then it is the loss's way (loss.py): a task takes PIXELS
rows of K scores and turns them into a tile (K, PIXELS), whose loops over rows are vector
instructions. The gradients, which need no exponential or one, are made row by row.
"""

import numpy as np

from .compile import checksum_of, kernel
from .layout import aligned, nhwc
from .loss import PIXELS, exp, load_tile, log, store_tile
from .tasks import tasks
from .threads import parallel_for

# The kernels below call compiled functions of another file: see checksum_of
CODE = np.empty(0, [(f"code_{checksum_of('loss.py')}", np.uint8)])


def softmax(x, axis: int):
    """y, of the shape of x; safe for large x."""
    return _for_tiles(_softmax, False, axis, x)


def softmax_grad(gy, y, axis: int):
    """gx from gy and y."""
    return _for_tiles(_softmax_grad, False, axis, gy, y)


def log_softmax(x, axis: int):
    """y, of the shape of x, without computing small probabilities on the way."""
    return _for_tiles(_softmax, True, axis, x)


def log_softmax_grad(gy, y, axis: int):
    """gx from gy and y."""
    return _for_tiles(_softmax_grad, True, axis, gy, y)


def _for_tiles(function, logarithm: bool, axis: int, *arrays):
    """A new array, from arrays of its shape whose rows along the axis are made flat."""
    rows = [_innermost(a, axis) for a in arrays]
    result, K = aligned(rows[0].shape, rows[0].dtype), rows[0].shape[-1]
    views = [a.reshape(-1) for a in (*rows, result)]
    tiles = -(-result.size // max(1, K * PIXELS))
    parallel_for(function, tiles, CODE, K, logarithm, *views, work=4 * K * PIXELS)
    return np.moveaxis(result, -1, axis)


def _innermost(x, axis: int):
    """x without gaps, the axis last."""
    if x.ndim == 4 and axis % 4 == 1:
        return nhwc(x)
    return np.ascontiguousarray(np.moveaxis(x, axis, -1))


@kernel()
def _softmax(work, code, K, logarithm, x, y):
    """x and y (P * K,)."""
    one = x.dtype.type(1)
    tile = np.empty((K, PIXELS), x.dtype)
    top, total = np.empty(PIXELS, x.dtype), np.empty(PIXELS, x.dtype)
    for task in tasks(work):
        first = task * PIXELS
        size = min(PIXELS, len(x) // K - first)
        load_tile(tile, x, first * K, size)
        for p in range(size):
            top[p], total[p] = tile[0, p], 0
        for k in range(1, K):
            line = tile[k]
            for p in range(size):
                top[p] = top[p] if line[p] <= top[p] else line[p]
        for k in range(K):
            line = tile[k]
            for p in range(size):
                below = line[p] - top[p]
                e = exp(below)
                total[p] += e
                line[p] = below if logarithm else e
        for p in range(size):
            total[p] = log(total[p]) if logarithm else one / total[p]
        for k in range(K):
            line = tile[k]
            for p in range(size):
                line[p] = line[p] - total[p] if logarithm else line[p] * total[p]
        store_tile(tile, y, first * K, size)


@kernel(fastmath={"contract", "reassoc"})
def _softmax_grad(work, code, K, logarithm, gy, y, gx):
    """gy, y and gx (P * K,), row by row: a sum over K is short, a tile would cost more."""
    zero = y.dtype.type(0)
    for task in tasks(work):
        for first in range(task * PIXELS * K, min((task + 1) * PIXELS * K, len(y)), K):
            row = slice(first, first + K)
            upstream, some, target, total = gy[row], y[row], gx[row], zero
            if logarithm:
                for k in range(K):
                    total += upstream[k]
                for k in range(K):
                    target[k] = upstream[k] - exp(some[k]) * total
            else:
                for k in range(K):
                    total += upstream[k] * some[k]
                for k in range(K):
                    target[k] = some[k] * (upstream[k] - total)
