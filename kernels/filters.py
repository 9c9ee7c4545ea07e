"""The bilinear filter, the same for every backend (the authors' surgery.py, upsample_filt)."""

import numpy as np


def triangle(kernel_size: int) -> np.ndarray:
    """1 - |i - centre| / factor for the taps i of one axis, float64, shape (kernel_size,).

    factor = (kernel_size + 1) // 2; the centre is a tap for odd sizes and between two for even
    ones. With kernel size 2f or 2f-1, transposed convolution by the stride f interpolates
    linearly.
    """
    factor = (kernel_size + 1) // 2
    centre = factor - 1 if kernel_size % 2 else factor - 0.5
    return 1 - np.abs(np.arange(kernel_size) - centre) / factor


def bilinear_filter(kernel_size: tuple[int, int]) -> np.ndarray:
    """The two-dimensional filter: the product of its axes' triangles, shape (KH, KW)."""
    return np.outer(triangle(kernel_size[0]), triangle(kernel_size[1]))
