"""The decorator of every compiled kernel."""

import numba


def kernel(**options):
    """Compile for each dtype at its first call, without the GIL, and keep the code on disk.

    The cache is beside the source or, where that cannot be written, in NUMBA_CACHE_DIR or the
    user's cache directory; without any of them the code is compiled once a process. Its key is
    the kernel's own file: a kernel therefore calls compiled functions of its own file only, and
    the options are written there.

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
