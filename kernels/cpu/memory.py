"""Keeping freed memory for the next array.

glibc takes every large array fresh from the system and gives it back when it is freed. The system
hands out zeroed pages one by one, as they are first touched, and for a network's maps, freed and
made again in every step, that costs more than many a kernel: writing an array of 30 MB took 27 ms
fresh and 5 ms in memory used before. So glibc is told to keep what was freed. The process then
stays as large as it once was. Where a MALLOC_... environment variable is set, or the C library is
another one, nothing is changed.
"""

import ctypes
import os
import sys

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # malloc.h


def keep_freed_memory() -> bool:
    """Tell glibc, if it is glibc; returns whether it was told."""
    if not sys.platform.startswith("linux") or any(k.startswith("MALLOC_") for k in os.environ):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(M_MMAP_MAX, 0)) and bool(mallopt(M_TRIM_THRESHOLD, -1))
