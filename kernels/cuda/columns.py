"""Columns of images of few channels, as maps of many: a convolution of them has one tap.

A tile multiplies 16 or 32 terms at a time, for each tap; of an image with three channels most of
them would be missing. The columns of a 3x3 window have 27 channels, made 28 so that 16 bytes can
be copied at once.
"""

from .device import module_of
from .im2col import im2col
from .layout import channels_last

FEW = 16  # channels, below which columns are made


def are_better(C: int, kernel_size, groups: int) -> bool:
    """Whether to make columns: of few channels, and more taps than one."""
    return groups == 1 and C < FEW and tuple(kernel_size) != (1, 1)


def _width(C: int, KH: int, KW: int) -> int:
    return -(-C * KH * KW // 4) * 4


def of_image(x, window, output_size):
    """x (N, C, H, W) as maps (N, width, OH, OW), channels last; window: the sizes of the kernel,
    strides, paddings and dilations, vertical and horizontal."""
    pairs = [window[i : i + 2] for i in (0, 2, 4, 6)]
    width = _width(x.shape[1], *window[:2])
    cols = im2col(x, *pairs, output_size, width)
    return cols.reshape(x.shape[0], *output_size, width).transpose(0, 3, 1, 2)


def of_filters(w):
    """w (K, C, KH, KW) as filters (K, width, 1, 1), channels last."""
    K, C, KH, KW = w.shape
    rows = module_of(w).zeros((K, _width(C, KH, KW)), w.dtype)
    rows[:, : C * KH * KW] = w.transpose(0, 2, 3, 1).reshape(K, -1)
    return rows.reshape(K, -1, 1, 1)


def to_filters(rows, shape):
    """Filters (K, width, 1, 1) as those of a shape (K, C, KH, KW), channels last."""
    K, C, KH, KW = shape
    rows = rows.reshape(K, -1)[:, : C * KH * KW].reshape(K, KH, KW, C)
    return channels_last(rows.transpose(0, 3, 1, 2))
