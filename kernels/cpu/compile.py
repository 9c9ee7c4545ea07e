"""The decorator of every compiled kernel."""

import zlib
from pathlib import Path

import numba


def kernel(**options):
    """Compile for each dtype at its first call, without the GIL, and keep the code on disk.

    The cache is beside the source or, where that cannot be written, in NUMBA_CACHE_DIR or the
    user's cache directory; without any of them the code is compiled once a process. Its key is
    the kernel's own file: a kernel therefore calls compiled functions of its own file only, and
    the options are written there.

    A kernel that iterates over ``tasks`` (tasks.py) raises nothing once it has asked for the
    first: other threads may be at work on its arguments.

    There is no ``fastmath=True``: NaN and infinity must come through. "contract" (fused multiply
    and add) is safe everywhere, "reassoc" only where the order of a sum does not matter.
    """
    options = {"nogil": True, "error_model": "numpy", "fastmath": {"contract"}} | options

    def decorate(function):
        try:
            return numba.njit(cache=True, **options)(function)
        except RuntimeError:  # no directory can be written
            return numba.njit(**options)(function)

    return decorate


def checksum_of(*files: str) -> str:
    """A checksum of files of this folder, eight digits.

    Kernels that call compiled functions of other files take an argument whose *type* holds it, as
    the name of a field. It is then part of the key of Numba's cache, which looks only at the file
    in which a kernel stands and would go on using code made from older ones.
    """
    here = Path(__file__).parent
    return f"{zlib.crc32(b''.join((here / name).read_bytes() for name in files)):08x}"
