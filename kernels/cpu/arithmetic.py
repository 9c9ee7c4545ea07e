"""Sums and products of large arrays, and the mask of dropout: walked flat (flat.py), by all
threads. Small arrays, and those that lie in different orders, are left to NumPy.

What works in place has a kernel of its own: where two arrays share memory, the compiler's vector
instructions are not safe, and a scalar loop runs instead.
"""

import numpy as np

from .compile import kernel
from .flat import empty_like, flat, for_blocks
from .tasks import tasks


def add(x, y):
    """x + y. Both have one shape."""
    arrays = flat(x, y)
    if arrays is None:
        return x + y
    total, numbers = empty_like(x)
    for_blocks(_add, *arrays, numbers)
    return total


def add_(x, y):
    """x += y, in place; returns x. Both have one shape."""
    arrays = flat(x, y)
    if arrays:
        for_blocks(_add_here, *arrays)
    else:
        x += y
    return x


def scale(x, number):
    """x * number."""
    arrays = flat(x)
    if arrays is None:
        return x * number
    y, numbers = empty_like(x)
    for_blocks(_scale, *arrays, numbers, x.dtype.type(number))
    return y


def dropout(x, keep, factor):
    """x * factor where keep is true, else 0. Both have one shape."""
    arrays = flat(x, keep)
    if arrays is None:
        return np.where(keep, x * factor, x.dtype.type(0))
    y, numbers = empty_like(x)
    for_blocks(_dropout, *arrays, numbers, x.dtype.type(factor))
    return y


@kernel()
def _add(work, size, x, y, total):
    for block in tasks(work):
        part = slice(block * size, (block + 1) * size)
        a, b, target = x[part], y[part], total[part]
        for p in range(len(a)):
            target[p] = a[p] + b[p]


@kernel()
def _add_here(work, size, x, y):
    for block in tasks(work):
        part = slice(block * size, (block + 1) * size)
        total, some = x[part], y[part]
        for p in range(len(total)):
            total[p] += some[p]


@kernel()
def _scale(work, size, x, y, number):
    for block in tasks(work):
        part = slice(block * size, (block + 1) * size)
        some, target = x[part], y[part]
        for p in range(len(some)):
            target[p] = some[p] * number


@kernel()
def _dropout(work, size, x, keep, y, factor):
    zero = x.dtype.type(0)
    for block in tasks(work):
        part = slice(block * size, (block + 1) * size)
        some, kept, target = x[part], keep[part], y[part]
        for p in range(len(some)):
            target[p] = some[p] * factor if kept[p] else zero
