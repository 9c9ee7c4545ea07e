"""Memory for temporary arrays, which every thread keeps for its next kernel.

A kernel that works on blocks needs room for a block, megabytes, at every call. Each thread keeps
one piece of memory for that, in pages of two megabytes where the system has them: what a block's
transform touches lies far apart, and with pages of four kilobytes the processor would look up an
address in its tables at almost every access.
"""

import mmap
import os
import threading

import numpy as np

PAGE = 2**21  # bytes of a large page
LINE = 64  # bytes of a cache line


def carve(*sizes: int) -> tuple[tuple[int, ...], int]:
    """Where parts of so many bytes start, each on a cache line, and what they take together."""
    starts, total = [], 0
    for size in sizes:
        starts.append(total)
        total += -(-size // LINE) * LINE
    return tuple(starts), total


class Space:
    """One piece of memory, which grows."""

    def __init__(self):
        self._memory, self._size, self._address = None, 0, 0

    def address(self, size: int) -> int:
        """The address of at least ``size`` bytes; what was there may be lost."""
        if self._size < size:
            size = -(-size // PAGE) * PAGE
            self._memory = None  # the old piece goes before the new one comes
            # Private, or a forked child would write into its parent's
            anonymous = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS if os.name == "posix" else None
            flags = {} if anonymous is None else {"flags": anonymous}
            memory = mmap.mmap(-1, size + PAGE, **flags)
            if hasattr(mmap, "MADV_HUGEPAGE"):
                memory.madvise(mmap.MADV_HUGEPAGE)
            start = np.frombuffer(memory, np.uint8).ctypes.data
            self._memory, self._size, self._address = memory, size, -(-start // PAGE) * PAGE
        return self._address


class _Mine(threading.local):
    def __init__(self):
        self.space = Space()


def address(size: int) -> int:
    """The address of at least ``size`` bytes of the calling thread's own."""
    return _mine.space.address(size)


_mine = _Mine()
