"""Transformed filters, kept while the filters do not change.

A net that only predicts convolves with the same filters again and again; transforming them anew
would take a few hundredths of its time. Whoever holds an array may change it in place at any time,
so a stored transform stands beside a checksum of the filters that it was made of, and is used only
where their checksum is the same. That costs one pass over the filters.

A transform is stored when the same filters come a second time: filters that are being trained
never do, and take no memory here.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable

import numpy as np

from . import isa
from .compile import kernel
from .layout import pointer
from .tasks import tasks
from .threads import parallel_for

LIMIT = 2**28  # bytes kept; the longest unused go first
BLOCK = 2**14  # numbers summed a task

_lock = threading.Lock()
_kept: OrderedDict[tuple, tuple[int, np.ndarray | None]] = OrderedDict()


def remembered(w, what, make: Callable[[], np.ndarray]) -> np.ndarray:
    """``make()``, or what it returned before for the same filters w and the same ``what``."""
    if not w.flags.c_contiguous:
        return make()
    key = pointer(w), w.shape, w.dtype, isa.current(), what
    now = checksum(w)
    with _lock:
        before, made = _kept.pop(key, (None, None))
        if before == now and made is not None:
            _kept[key] = before, made
            return made
    made = make()
    with _lock:
        _kept[key] = now, made if before == now else None
        while (
            sum(a.nbytes for _, a in _kept.values() if a is not None) > LIMIT or len(_kept) > 999
        ):
            _kept.popitem(last=False)
    return made


def forget() -> None:
    """Let go of everything."""
    with _lock:
        _kept.clear()


def checksum(w) -> int:
    """Sum over i of bits(w[i]) * (an odd number that depends on i), modulo 2^64.

    One changed number always changes it; several do so but for one chance in 2^64, nearly.
    """
    numbers = w.reshape(-1).view(np.uint32)
    sums = np.empty(-(-numbers.size // BLOCK), np.uint64)
    parallel_for(_checksums, sums.size, numbers, sums, work=BLOCK // 8)
    return int(sums.sum(dtype=np.uint64))


@kernel()
def _checksums(work, numbers, sums):
    for task in tasks(work):
        total, first = np.uint64(0), task * BLOCK
        for i in range(first, min(first + BLOCK, numbers.size)):
            weight = np.uint64(2 * i + 1) * np.uint64(0x9E3779B97F4A7C15)
            total += np.uint64(numbers[i]) * weight
        sums[task] = total
