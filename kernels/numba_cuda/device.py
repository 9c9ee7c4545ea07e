"""Where arrays live, how a kernel is launched on them, and which element a thread has."""

import numpy as np
from numba import cuda

BLOCK = 128  # threads of a block


def module_of(array):
    """The module whose functions compute on an array: CuPy, or NumPy in the simulator."""
    if isinstance(array, np.ndarray):
        return np
    import cupy

    return cupy


def nhwc(x):
    """Maps (N, C, H, W) as a dense (N, H, W, C) array: a view if they lie so, else a copy.

    Neighbouring threads take neighbouring channels, so that a warp reads whole lines of memory.
    """
    return module_of(x).ascontiguousarray(x.transpose(0, 2, 3, 1))


def for_each(n: int, kernel, *arguments) -> None:
    """Launch a kernel with one thread for each of n numbers.

    Threads come in blocks of equal size, so that there may be more of them than numbers: those
    beyond the last one have to notice it and do nothing.
    """
    blocks = -(-n // BLOCK)
    if blocks:
        kernel[blocks, BLOCK](*arguments)


@cuda.jit(device=True)
def place_of(t, shape):
    """The indices (n, h, w, c) of element t of a dense array of a shape (N, H, W, C).

    t = ((n*H + h)*W + w)*C + c: each remainder is an index, each quotient counts what is left.
    """
    _, H, W, C = shape
    c = t % C
    w = t // C % W
    h = t // C // W % H
    n = t // C // W // H
    return n, h, w, c
