"""Sums and products of large arrays, and the mask of dropout: CuPy's own arithmetic, along memory.

Numbers are made ones of the array's type first: CuPy, as NumPy, would widen float32 for float64.
"""

from .device import module_of
from .flat import in_memory_order


def add(x, y):
    """x + y, in the memory layout of x. Both have one shape."""
    (x, y), back = in_memory_order(x, y)
    return back(x + y)


def add_(x, y):
    """x += y, in place; returns x. Both have one shape."""
    (total, y), _ = in_memory_order(x, y)
    total += y
    return x


def scale(x, number):
    """x * number, in the memory layout of x. The number may be an array of no axes on the GPU."""
    (x,), back = in_memory_order(x)
    if not isinstance(number, module_of(x).ndarray):
        number = x.dtype.type(number)
    return back(x * number)


def dropout(x, keep, factor):
    """x * factor where keep is true, else 0, in the memory layout of x. Both have one shape."""
    (x, keep), back = in_memory_order(x, keep)
    real = x.dtype.type
    return back(module_of(x).where(keep, x * real(factor), real(0)))
