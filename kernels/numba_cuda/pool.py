"""Max pooling and its gradient (see reference/pool.py): a thread a number."""

import math

import numpy as np
from numba import cuda

from .device import for_each, module_of, nhwc, place_of

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
    (N, C, _, _), module = x.shape, module_of(x)
    shape = N, *output_size, C
    taps = np.uint8 if kernel_size[0] * kernel_size[1] <= 256 else np.int32
    y = module.empty(shape, x.dtype)
    argmax = module.empty(shape if want_argmax else (1, 1, 1, 1), taps)
    window = kernel_size, stride, padding, dilation
    for_each(y.size, _max_pool, nhwc(x), y, argmax, want_argmax, *window)
    return y.transpose(0, 3, 1, 2), argmax.transpose(0, 3, 1, 2) if want_argmax else None


def max_pool2d_grad(
    gy, argmax, input_size: Pair, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair
):
    """gx: each gy[n,c,oh,ow] goes to the tap that was maximal. gx (N, C, H, W)."""
    (N, C, _, _), (H, W) = gy.shape, input_size
    gx = module_of(gy).empty((N, H, W, C), gy.dtype)
    window = kernel_size, stride, padding, dilation
    for_each(gx.size, _max_pool_grad, nhwc(gy), nhwc(argmax), gx, *window)
    return gx.transpose(0, 3, 1, 2)


@cuda.jit
def _max_pool(x, y, argmax, want_argmax, kernel_size, stride, padding, dilation):
    """x (N, H, W, C), y (N, OH, OW, C). Thread t writes number t of y: it walks over its window.

    argmax is i*KW + j of the first maximal tap, as a window is read. The first NaN is maximal:
    no comparison with it is true, so ``best == best`` fails from then on.
    """
    t = cuda.grid(1)
    if t >= y.size:
        return
    (KH, KW), (SH, SW), (PH, PW), (DH, DW) = kernel_size, stride, padding, dilation
    n, oh, ow, c = place_of(t, y.shape)
    _, H, W, _ = x.shape
    best = x.dtype.type(-math.inf)
    best_tap = 0
    for i in range(KH):
        h = oh * SH - PH + i * DH
        if h < 0 or h >= H:
            continue
        for j in range(KW):
            w = ow * SW - PW + j * DW
            if w < 0 or w >= W:
                continue
            value = x[n, h, w, c]
            if not value <= best and best == best:
                best = value
                best_tap = i * KW + j
    y[n, oh, ow, c] = best
    if want_argmax:
        argmax[n, oh, ow, c] = best_tap


@cuda.jit
def _max_pool_grad(gy, argmax, gx, kernel_size, stride, padding, dilation):
    """gx (N, H, W, C), gy (N, OH, OW, C). Thread t writes number t of gx: the sum of the gy of
    all windows whose maximum that pixel was. It finds them as in im2col.py's ``_col2im``."""
    t = cuda.grid(1)
    if t >= gx.size:
        return
    (KH, KW), (SH, SW), (PH, PW), (DH, DW) = kernel_size, stride, padding, dilation
    n, h, w, c = place_of(t, gx.shape)
    _, OH, OW, _ = gy.shape
    total = gx.dtype.type(0)
    for i in range(KH):
        oh = (h + PH - i * DH) // SH
        if oh * SH != h + PH - i * DH or oh < 0 or oh >= OH:
            continue
        for j in range(KW):
            ow = (w + PW - j * DW) // SW
            if ow * SW != w + PW - j * DW or ow < 0 or ow >= OW:
                continue
            if argmax[n, oh, ow, c] == i * KW + j:
                total += gy[n, oh, ow, c]
    gx[n, h, w, c] = total
