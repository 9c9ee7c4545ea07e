"""Channels last: how the maps of this backend lie in memory.

An array has the shape (N, C, H, W) everywhere; here its strides are those of an (N, H, W, C)
array. The channels of a pixel are then neighbours. A vector of channels is one load, a pixel and
its neighbour to the right lie at a fixed distance, and whether a loop runs over a 3x3 or a 1x1
window, over a row or over a column, its innermost part is the same run along the channels.
"""

import ctypes
import math

import numpy as np

from .compile import kernel
from .tasks import tasks
from .threads import parallel_for
from .workspace import LINE

STREAMED = 2**25  # bytes of a map that is written past the caches


def empty(shape: tuple[int, int, int, int], dtype) -> np.ndarray:
    """An uninitialised array of shape (N, C, H, W) with channels last in memory."""
    N, C, H, W = shape
    dtype = np.dtype(dtype)
    buffer, start, _ = _room(N * C * H * W * dtype.itemsize)
    pixel = C * dtype.itemsize
    return np.ndarray(
        shape, dtype, buffer, start, (H * W * pixel, dtype.itemsize, W * pixel, pixel)
    )


def aligned(shape, dtype, strides=None) -> np.ndarray:
    """An uninitialised array that starts where a cache line does: a vector is then never torn
    between two lines, which would cost two accesses. strides: of the axes in another order."""
    dtype = np.dtype(dtype)
    buffer, start, _ = _room(math.prod(shape) * dtype.itemsize)
    return np.ndarray(shape, dtype, buffer, start, strides)


def _room(size: int):
    """An array of bytes, where in it ``size`` of them start on a cache line, and their address."""
    buffer = np.empty(size + LINE, np.uint8)
    address = pointer(buffer)
    start = -address % LINE
    return buffer, start, address + start


def pointer(array) -> int:
    """The address of an array's first number: ``array.ctypes.data`` in a fifth of the time.

    It is the first field of an array behind what every object of Python starts with
    (PyArrayObject in NumPy's C interface).
    """
    return _word_at(id(array) + object.__basicsize__).value


_word_at = ctypes.c_size_t.from_address
_probe = np.empty(1)
if pointer(_probe) != _probe.ctypes.data:  # another Python, another order

    def pointer(array) -> int:
        return array.ctypes.data


def scratch(size: int, cleared: int):
    """An array of bytes, which holds the memory, and the address of ``size`` of them on a cache
    line, the first ``cleared`` zero."""
    buffer, start, address = _room(size)
    buffer[start : start + cleared] = 0
    return buffer, address


def is_channels_last(x) -> bool:
    """Whether (N, C, H, W) maps lie channels last, without gaps."""
    return x.transpose(0, 2, 3, 1).flags.c_contiguous


def streams(y) -> bool:
    """Whether y is too large to be found in a cache later, and whole vectors start where cache
    lines do: then it is better stored past the caches."""
    if y.nbytes <= STREAMED:
        return False
    steps = (s for i, s in enumerate(y.strides) if i != 1)
    return all(s % LINE == 0 for s in (pointer(y), *steps))


def channels_last(x) -> np.ndarray:
    """(N, C, H, W) maps with channels last in memory: x itself where they do, else a copy."""
    if is_channels_last(x):
        return x
    y = empty(x.shape, x.dtype)
    N, C, H, W = x.shape
    along = x.strides[1] == x.itemsize  # channels are neighbours, pixels are not
    parallel_for(_copy, N * H, x, y.transpose(0, 2, 3, 1), along, work=4 * C * W)
    return y


def nhwc(x) -> np.ndarray:
    """(N, H, W, C): the view of ``channels_last(x)`` whose axes are in the order of memory."""
    y = x.transpose(0, 2, 3, 1)
    return y if y.flags.c_contiguous else channels_last(x).transpose(0, 2, 3, 1)


@kernel()
def _copy(work, x, y, along):
    """Rows of y (N, H, W, C) from x (N, C, H, W), read along channels or along rows."""
    _, C, H, W = x.shape
    for task in tasks(work):
        n, h = divmod(task, H)
        if along:
            for w in range(W):
                for c in range(C):
                    y[n, h, w, c] = x[n, c, h, w]
            continue
        for w0 in range(0, W, 64):
            for c in range(C):
                for w in range(w0, min(w0 + 64, W)):
                    y[n, h, w, c] = x[n, c, h, w]
