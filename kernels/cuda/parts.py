"""Sums that are cut among blocks of threads: each writes its part, and the parts are added in
order (sum.cu), so that the result is the same every time."""

from .device import for_each, module_of
from .layout import pitch


def room(splits: int, y):
    """Room for so many parts of what y is the sum of; y itself for one."""
    return y if splits == 1 else module_of(y).empty((splits, y.size), y.dtype)


def added_maps(parts, bias, y, flags):
    """y, maps, the sum of the parts, with a bias and rectified if flags say so."""
    if parts is not y:
        for_each(y.size, "sum.cu", "add_parts_of_maps", parts, bias, y, y.shape[1], pitch(y),
                 len(parts), *flags, real=y.dtype)  # fmt: skip
    return y


def added(parts, gw):
    """The sum of the parts, in gw."""
    if parts is not gw:
        for_each(gw.size, "sum.cu", "add_parts", parts, gw, len(parts), real=gw.dtype)
    return gw
