"""Softmax and its logarithm along an axis, with their gradients (see reference/softmax.py and
softmax.cu): several threads a row of numbers that lie together, one a row that lies beside others.
"""

from math import prod

from .device import for_each, module_of
from .flat import dense

SOME = 4  # numbers that a thread takes at a time, as in log_sum_exp.cuh


def softmax(x, axis: int):
    """y, of the shape of x; safe for large x."""
    return _for_rows("softmax", False, axis, x)


def softmax_grad(gy, y, axis: int):
    """gx from gy and y."""
    return _for_rows("softmax_grad", False, axis, gy, y)


def log_softmax(x, axis: int):
    """y, of the shape of x, without computing small probabilities on the way."""
    return _for_rows("softmax", True, axis, x)


def log_softmax_grad(gy, y, axis: int):
    """gx from gy and y."""
    return _for_rows("softmax_grad", True, axis, gy, y)


def lanes_of(length: int) -> int:
    """Threads for a row of neighbouring numbers: a power of two, 32 at most."""
    lanes = 1
    while lanes < 32 and SOME * lanes < length:
        lanes *= 2
    return lanes


def _for_rows(name: str, logarithm: bool, axis: int, *arrays):
    """A new array, by a kernel of softmax.cu on arrays of its shape, in the layout of the last.

    With the axes in the order of memory an array is (outer, length, inner).
    """
    x = arrays[-1]
    order = sorted(range(x.ndim), key=lambda i: -abs(x.strides[i]))
    arrays = [dense(a.transpose(order)) for a in arrays]
    y = module_of(x).empty(arrays[0].shape, x.dtype)
    at = order.index(axis % x.ndim)
    length, inner = y.shape[at], prod(y.shape[at + 1 :])
    lanes = lanes_of(length) if inner == 1 else 1
    threads = y.size // length * lanes
    for_each(threads, "softmax.cu", name, *arrays, y, int(logarithm), length, inner, lanes,
             real=x.dtype)  # fmt: skip
    return y.transpose([order.index(i) for i in range(x.ndim)])
