"""Arrays as runs of numbers in the order in which they lie in memory, whatever their shape.

What acts on every number alike is bound by memory: each array is walked once, from its first
number to its last, in blocks that are the tasks of threads.
"""

import math
from functools import lru_cache

import numpy as np

from .compile import kernel
from .layout import aligned, channels_last, is_channels_last
from .tasks import tasks
from .threads import VECTOR, parallel_for

BLOCK = 4096  # numbers of a task: some of three arrays fit in a small first cache


def flat(*arrays):
    """The arrays as one-dimensional views in the memory order of the first.

    None where it has gaps or where another lies in another order.
    """
    first = arrays[0]
    same = all(a.strides == first.strides for a in arrays)
    if same and _is_dense(first.shape, first.strides, first.itemsize):
        return [a.ravel(order="K") for a in arrays]  # views: there are no gaps
    if not all(a.flags.c_contiguous for a in arrays):
        order, _, _ = _order(first.shape, first.strides)
        arrays = [a.transpose(order) for a in arrays]
        if not all(a.flags.c_contiguous for a in arrays):
            return None
    return [a.reshape(-1) for a in arrays]


def empty_like(x):
    """An array in the layout of the dense x that starts where a cache line does, and its numbers
    as one run."""
    y = aligned(x.shape, x.dtype, x.strides)
    return y, y.ravel(order="K")


def for_blocks(function, *arguments) -> None:
    """function(work, BLOCK, *arguments) by all threads; the first argument is a flat array."""
    tasks = -(-arguments[0].size // BLOCK)
    arrays = sum(isinstance(a, np.ndarray) for a in arguments)  # each is a way to memory
    parallel_for(function, tasks, BLOCK, *arguments, work=BLOCK * arrays // VECTOR)


def add_up(parts, total) -> None:
    """total = parts[0] + parts[1] + ..., in this order. parts: without gaps."""
    in_place = total.flags.c_contiguous
    numbers = total.reshape(-1) if in_place else aligned((total.size,), total.dtype)
    some = parts.reshape(len(parts), total.size)
    work = len(parts) * BLOCK // VECTOR
    parallel_for(_add_up, -(-total.size // BLOCK), BLOCK, some, numbers, work=work)
    if not in_place:
        total[...] = numbers.reshape(total.shape)


@kernel()
def _add_up(work, block, parts, total):
    for task in tasks(work):
        some = slice(task * block, (task + 1) * block)
        numbers, all_parts = total[some], parts[:, some]
        for p in range(len(all_parts)):
            part = all_parts[p]
            for i in range(len(numbers)):
                numbers[i] = numbers[i] + part[i] if p > 0 else part[i]


def dense(x):
    """x itself, or where it has gaps a copy."""
    if flat(x) is not None:
        return x
    return channels_last(x) if x.ndim == 4 else np.ascontiguousarray(x)


def like(x, y):
    """x in the layout of the dense y."""
    if flat(y, x) is not None:
        return x
    if y.ndim == 4 and is_channels_last(y):
        return channels_last(x)
    copy, _ = empty_like(y)
    copy[...] = x
    return copy


@lru_cache(4096)
def _is_dense(shape, strides, itemsize: int) -> bool:
    """Whether an array like this has no gaps, nor one number twice."""
    _, lengths, _ = _order(shape, strides)
    steps = sorted((s for n, s in zip(shape, strides, strict=True) if n > 1), reverse=True)
    inner = [n for n in lengths if n > 1]
    return steps == [itemsize * math.prod(inner[i + 1 :]) for i in range(len(inner))]


@lru_cache(4096)
def _order(shape, strides):
    """The axes from the one with the longest steps to the one with the shortest, their lengths,
    and the axes back in the order of the shape."""
    axes = range(len(shape))
    order = sorted(axes, key=lambda axis: -abs(strides[axis]))
    return order, [shape[axis] for axis in order], sorted(axes, key=order.__getitem__)
