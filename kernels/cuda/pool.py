"""Max and average pooling (see reference/pool.py and pool.cu): a thread for 16 bytes."""

import numpy as np

from .device import for_each
from .layout import channels_last, empty

Pair = tuple[int, int]


def max_pool2d(
    x,
    kernel_size: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    output_size: Pair,
    want_argmax: bool = True,
):
    """y[n,c,oh,ow] = max over i, j of x[n,c, oh*SH-PH+i*DH, ow*SW-PW+j*DW], and argmax."""
    x, (N, C, H, W) = channels_last(x), x.shape
    shape = N, C, *output_size
    taps = np.uint8 if kernel_size[0] * kernel_size[1] <= 256 else np.int32
    y, argmax = empty(shape, x), empty(shape if want_argmax else (1, 1, 1, 1), x, taps)
    sizes = H, W, *output_size, C, *kernel_size, *stride, *padding, *dilation
    for_each(_vectors(y), "pool.cu", "max_pool", x, y, argmax, int(want_argmax), *sizes,
             real=x.dtype, tap_type=_tap_type(taps))  # fmt: skip
    return y, argmax if want_argmax else None


def max_pool2d_grad(
    gy, argmax, input_size: Pair, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair
):
    """gx: each gy[n,c,oh,ow] goes to the tap that was maximal. gx (N, C, H, W)."""
    gy, argmax, (N, C, OH, OW) = channels_last(gy), channels_last(argmax), gy.shape
    gx = empty((N, C, *input_size), gy)
    sizes = *input_size, OH, OW, C, *kernel_size, *stride, *padding, *dilation
    for_each(_vectors(gx), "pool.cu", "max_pool_grad", gy, argmax, gx, *sizes,
             real=gy.dtype, tap_type=_tap_type(argmax.dtype))  # fmt: skip
    return gx


def avg_pool2d(
    x, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair, output_size: Pair
):
    """y[n,c,oh,ow] = mean over the taps inside the image or its padding."""
    x, (N, C, H, W) = channels_last(x), x.shape
    y = empty((N, C, *output_size), x)
    sizes = H, W, *output_size, C, *kernel_size, *stride, *padding, *dilation
    for_each(_vectors(y), "pool.cu", "avg_pool", x, y, *sizes, real=x.dtype, tap_type="int")
    return y


def avg_pool2d_grad(
    gy, input_size: Pair, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair
):
    """gx: each gy[n,c,oh,ow] / count[oh,ow] goes to every tap of its window. gx (N, C, H, W)."""
    gy, (N, C, OH, OW) = channels_last(gy), gy.shape
    gx = empty((N, C, *input_size), gy)
    sizes = *input_size, OH, OW, C, *kernel_size, *stride, *padding, *dilation
    for_each(
        _vectors(gx), "pool.cu", "avg_pool_grad", gy, gx, *sizes, real=gy.dtype, tap_type="int"
    )
    return gx


def _vectors(y) -> int:
    """Of maps that are made: 16 bytes of channels each, the last of a pixel perhaps less."""
    N, C, H, W = y.shape
    return N * H * W * -(-C * y.itemsize // 16)


def _tap_type(dtype) -> str:
    return "unsigned char" if dtype == np.uint8 else "int"
