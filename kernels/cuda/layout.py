"""Channels last: how the maps of this backend lie in memory.

An array has the shape (N, C, H, W) everywhere; here its strides are those of an (N, H, W, C)
array. Neighbouring threads take neighbouring channels, then neighbouring pixels, so that a warp
reads whole lines of memory; and a convolution's products run along the channels.
"""

from .device import module_of


def empty(shape: tuple[int, int, int, int], like, dtype=None):
    """An uninitialised array of shape (N, C, H, W) with channels last in memory, where ``like``
    lives and of its dtype, or another."""
    N, C, H, W = shape
    made = module_of(like).empty((N, H, W, C), dtype or like.dtype)
    return made.transpose(0, 3, 1, 2)


def channels_last(x):
    """(N, C, H, W) maps with channels last in memory: x itself where they do, else a copy."""
    y = x.transpose(0, 2, 3, 1)
    if y.flags.c_contiguous:
        return x
    return module_of(x).ascontiguousarray(y).transpose(0, 3, 1, 2)


def pitch(y) -> int:
    """Numbers from a pixel to the next: the channels of the maps that y is all of, or a part."""
    _, C, H, W = y.shape
    for axis, pixels in ((3, 1), (2, W), (0, H * W)):
        if y.shape[axis] > 1:
            return y.strides[axis] // (pixels * y.itemsize)
    return C
