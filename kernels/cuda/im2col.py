"""Convolution as a matrix product: windows laid out as rows, and the way back (see im2col.cu).

The reference lays a window out as a column, channels slowest; here it is a row, channels fastest,
because the maps lie with their channels last. ``col2im`` is the adjoint of ``im2col``:
<im2col(x), c> equals <x, col2im(c)>.
"""

from .device import for_each, module_of
from .layout import channels_last, empty

Pair = tuple[int, int]


def im2col(
    x,
    kernel_size: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    output_size: Pair,
    width: int | None = None,
):
    """cols[(n*OH + oh)*OW + ow, (i*KW + j)*C + c] = x[n, c, oh*SH-PH+i*DH, ow*SW-PW+j*DW].

    Zero where that lies outside the image. x (N, C, H, W); returns (N*OH*OW, width): KH*KW*C
    numbers of each window, then zeros where ``width`` asks for longer rows.
    """
    x, (N, C, H, W) = channels_last(x), x.shape
    (KH, KW), (OH, OW) = kernel_size, output_size
    width = KH * KW * C if width is None else width
    cols = module_of(x).empty((N * OH * OW, width), x.dtype)
    sizes = H, W, OH, OW, C, KH, KW, *stride, *padding, *dilation
    for_each(cols.size, "im2col.cu", "im2col", x, cols, width, *sizes, real=x.dtype)
    return cols


def col2im(
    cols,
    shape: tuple[int, int, int, int],
    kernel_size: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    output_size: Pair,
):
    """x[n, c, h, w] = the sum of all numbers of cols that im2col would have copied from there.

    cols (N*OH*OW, at least KH*KW*C); returns maps of ``shape`` (N, C, H, W).
    """
    cols, (_, C, H, W) = module_of(cols).ascontiguousarray(cols), shape
    x = empty(shape, cols)
    sizes = H, W, *output_size, C, *kernel_size, *stride, *padding, *dilation
    for_each(x.size, "im2col.cu", "col2im", cols, x, cols.shape[1], *sizes, real=cols.dtype)
    return x
