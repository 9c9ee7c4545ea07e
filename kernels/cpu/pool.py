"""Max and average pooling with padding, dilation and any output size (see reference/pool.py).

One plane (n, c) a task. A row of outputs is made tap by tap, so that the inner loop runs along the
row and becomes vector instructions; taps outside the image are left out, which is the same as
minus infinity for the maximum and zero for the average.
"""

import numpy as np

from .compile import kernel
from .threads import parallel_for

Pair = tuple[int, int]


def max_pool2d(
    x, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair, output_size: Pair
):
    """y[n,c,oh,ow] = max over i, j of x[n,c, oh*SH-PH+i*DH, ow*SW-PW+j*DW].

    x (N, C, H, W). Returns y (N, C, OH, OW) and argmax of the same shape: i*KW + j of the first
    maximal tap in reading order, as uint8 where 256 taps suffice, else int32. NaN is maximal.
    """
    x = np.ascontiguousarray(x)
    taps = kernel_size[0] * kernel_size[1]
    y = np.empty((*x.shape[:2], *output_size), x.dtype)
    argmax = np.empty(y.shape, np.uint8 if taps <= 256 else np.int32)
    window = kernel_size, stride, padding, dilation
    arrays = _flat(x), _flat(y), _flat(argmax)
    parallel_for(_max_pool, len(arrays[0]), *arrays, *window, work=_work(y) * taps)
    return y, argmax


def max_pool2d_grad(
    gy, argmax, input_size: Pair, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair
):
    """gx: each gy[n,c,oh,ow] goes to the tap that was maximal. gx (N, C, H, W)."""
    gy, argmax = np.ascontiguousarray(gy), np.ascontiguousarray(argmax)
    gx = np.empty((*gy.shape[:2], *input_size), gy.dtype)
    window = kernel_size, stride, padding, dilation
    arrays = _flat(gy), _flat(argmax), _flat(gx)
    parallel_for(_max_pool_grad, len(arrays[0]), *arrays, *window, work=_work(gx, gy))
    return gx


def avg_pool2d(
    x, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair, output_size: Pair
):
    """y[n,c,oh,ow] = sum over i, j of x[n,c, oh*SH-PH+i*DH, ow*SW-PW+j*DW] / count[oh,ow].

    count is the number of taps inside the image or its padding: a window that ceil mode lets
    reach further is divided by fewer (Caffe pooling_layer.cpp).
    """
    x = np.ascontiguousarray(x)
    y = np.empty((*x.shape[:2], *output_size), x.dtype)
    window = kernel_size, stride, padding, dilation
    counts = _tap_counts(x.shape[2:], *window, output_size, x.dtype)
    arrays = _flat(x), _flat(y)
    work = _work(y) * kernel_size[0] * kernel_size[1]
    parallel_for(_avg_pool, len(arrays[0]), *arrays, *counts, *window, work=work)
    return y


def avg_pool2d_grad(
    gy, input_size: Pair, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair
):
    """gx: each gy[n,c,oh,ow] / count[oh,ow] goes to every tap of its window. gx (N, C, H, W)."""
    gy = np.ascontiguousarray(gy)
    gx = np.empty((*gy.shape[:2], *input_size), gy.dtype)
    window = kernel_size, stride, padding, dilation
    counts = _tap_counts(input_size, *window, gy.shape[2:], gy.dtype)
    arrays = _flat(gy), _flat(gx)
    work = _work(gx) + _work(gy) * kernel_size[0] * kernel_size[1]
    parallel_for(_avg_pool_grad, len(arrays[0]), *arrays, *counts, *window, work=work)
    return gx


def _flat(x):
    """(N*C, H, W)"""
    return x.reshape(x.shape[0] * x.shape[1], *x.shape[2:])


def _work(*arrays) -> int:
    """Pixels of one plane of each array."""
    return sum(a.shape[2] * a.shape[3] for a in arrays)


def _tap_counts(input_size, kernel_size, stride, padding, dilation, output_size, dtype):
    """Taps inside the image or its padding, along each axis: (OH,) and (OW,)."""
    axes = zip(input_size, kernel_size, stride, padding, dilation, output_size, strict=True)
    return [
        ((np.arange(o)[:, None] * s - p + np.arange(k) * d) < n + p).sum(axis=1).astype(dtype)
        for n, k, s, p, d, o in axes
    ]


@kernel()
def _served(first, step, pixels, outputs):
    """The outputs low ... high-1, of ``outputs``, whose tap o*step + first lies in the image."""
    low = min(outputs, max(0, -(first // step)))
    return low, max(low, min(outputs, -((first - pixels) // step)))


@kernel()
def _max_pool(start, stop, x, y, argmax, kernel_size, stride, padding, dilation):
    (KH, KW), (SH, SW), (PH, PW), (DH, DW) = kernel_size, stride, padding, dilation
    _, H, W = x.shape
    _, OH, OW = y.shape
    for plane in range(start, stop):
        for oh in range(OH):
            y[plane, oh] = -np.inf
            argmax[plane, oh] = 0
            for i in range(KH):
                h = oh * SH - PH + i * DH
                if h < 0 or h >= H:
                    continue
                for j in range(KW):
                    left = j * DW - PW
                    low, high = _served(left, SW, W, OW)
                    source = x[plane, h, max(0, left + low * SW) :]
                    best, which = y[plane, oh, low:high], argmax[plane, oh, low:high]
                    # The stride as a constant lets the compiler vectorise the loop
                    if SW == 1:
                        _take_larger(source, best, which, i * KW + j, 1)
                    elif SW == 2:
                        _take_larger(source, best, which, i * KW + j, 2)
                    else:
                        _take_larger(source, best, which, i * KW + j, SW)


@kernel(inline="always")
def _take_larger(source, best, which, tap, step):
    tap = which.dtype.type(tap)
    for q in range(len(best)):
        value, top = source[q * step], best[q]
        larger = not (value <= top) and top == top  # the first NaN stays
        best[q] = value if larger else top
        which[q] = tap if larger else which[q]


@kernel()
def _max_pool_grad(start, stop, gy, argmax, gx, kernel_size, stride, padding, dilation):
    (KH, KW), (SH, SW), (PH, PW), (DH, DW) = kernel_size, stride, padding, dilation
    _, OH, OW = gy.shape
    _, H, W = gx.shape
    down, right = np.empty(KH * KW, np.int64), np.empty(KH * KW, np.int64)
    for tap in range(KH * KW):
        down[tap], right[tap] = tap // KW * DH - PH, tap % KW * DW - PW
    for plane in range(start, stop):
        gx[plane] = 0
        for oh in range(OH):
            for ow in range(OW):
                tap = argmax[plane, oh, ow]
                h, w = oh * SH + down[tap], ow * SW + right[tap]
                # Of a window that holds nothing above minus infinity, tap 0 may be outside
                if 0 <= h < H and 0 <= w < W:
                    gx[plane, h, w] += gy[plane, oh, ow]


@kernel(fastmath={"contract", "reassoc"})  # a long window's sum as a vector of partial sums
def _avg_pool(start, stop, x, y, rows, columns, kernel_size, stride, padding, dilation):
    (KH, KW), (SH, SW), (PH, PW), (DH, DW) = kernel_size, stride, padding, dilation
    _, H, W = x.shape
    _, OH, OW = y.shape
    for plane in range(start, stop):
        for oh in range(OH):
            y[plane, oh] = 0
            for i in range(KH):
                h = oh * SH - PH + i * DH
                if h < 0 or h >= H:
                    continue
                if OW < KW:  # global pooling, say: the inner loop along the window
                    for ow in range(OW):
                        left = ow * SW - PW
                        low, high = _served(left, DW, W, KW)
                        source = x[plane, h, max(0, left + low * DW) :]
                        total = y[plane, oh, ow]
                        for q in range(high - low):
                            total += source[q * DW]
                        y[plane, oh, ow] = total
                    continue
                for j in range(KW):
                    left = j * DW - PW
                    low, high = _served(left, SW, W, OW)
                    source = x[plane, h, max(0, left + low * SW) :]
                    total = y[plane, oh, low:high]
                    for q in range(high - low):
                        total[q] += source[q * SW]
            for ow in range(OW):
                y[plane, oh, ow] /= rows[oh] * columns[ow]


@kernel()
def _avg_pool_grad(start, stop, gy, gx, rows, columns, kernel_size, stride, padding, dilation):
    (KH, KW), (SH, SW), (PH, PW), (DH, DW) = kernel_size, stride, padding, dilation
    _, OH, OW = gy.shape
    _, H, W = gx.shape
    share = np.empty(OW, gy.dtype)
    for plane in range(start, stop):
        gx[plane] = 0
        for oh in range(OH):
            for ow in range(OW):
                share[ow] = gy[plane, oh, ow] / (rows[oh] * columns[ow])
            for i in range(KH):
                h = oh * SH - PH + i * DH
                if h < 0 or h >= H:
                    continue
                if OW < KW:
                    for ow in range(OW):
                        left = ow * SW - PW
                        low, high = _served(left, DW, W, KW)
                        target = gx[plane, h, max(0, left + low * DW) :]
                        for q in range(high - low):
                            target[q * DW] += share[ow]
                    continue
                for j in range(KW):
                    left = j * DW - PW
                    low, high = _served(left, SW, W, OW)
                    target = gx[plane, h, max(0, left + low * SW) :]
                    for q in range(high - low):
                        target[q * SW] += share[low + q]
