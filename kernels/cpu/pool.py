"""Max and average pooling with padding, dilation and any output size (see reference/pool.py).

Channels last: the windows of all channels of a pixel lie at the same place, and the innermost
loop runs along the channels, so that it becomes vector instructions whatever the stride.

Forward: output rows (a task each), output pixels, the taps inside the image, channels. Taps
outside are left out, which is the same as minus infinity for the maximum and zero for the average.
The largest so far stays in the first cache; two taps are taken at a time, which halves its way
there and back.

Gradient: input rows (a task each), input pixels, the windows that hold the pixel, channels. Every
pixel gathers its own sum and is written by nobody else: no zeros to fill in first where windows
hold all pixels, no two threads at one place, and always the same order of terms.
"""

import numpy as np

from .compile import kernel
from .layout import empty, nhwc
from .tasks import tasks
from .threads import VECTOR, parallel_for

Pair = tuple[int, int]
CHANNELS = 128  # of a task, where there are few output rows


def max_pool2d(
    x,
    kernel_size: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    output_size: Pair,
    want_argmax: bool = True,
):
    """y[n,c,oh,ow] = max over i, j of x[n,c, oh*SH-PH+i*DH, ow*SW-PW+j*DW].

    x (N, C, H, W). Returns y (N, C, OH, OW) and argmax of the same shape: i*KW + j of the first
    maximal tap in reading order, as uint8 where 256 taps suffice, else int32; None where it is not
    wanted, which is faster. NaN is maximal.
    """
    taps = kernel_size[0] * kernel_size[1]
    shape = (*x.shape[:2], *output_size)
    y, argmax = empty(shape, x.dtype), None
    window = kernel_size, stride, padding, dilation
    arrays = [nhwc(x), _nhwc(y)]
    work = y.shape[1] * y.shape[3] * taps // VECTOR
    if want_argmax:
        argmax = empty(shape, np.uint8 if taps <= 256 else np.int32)
        arrays.append(_nhwc(argmax))
    function = _max_pool if want_argmax else _max_only
    parallel_for(function, y.shape[0] * y.shape[2], *arrays, *window, work=work)
    return y, argmax


def max_pool2d_grad(
    gy, argmax, input_size: Pair, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair
):
    """gx: each gy[n,c,oh,ow] goes to the tap that was maximal. gx (N, C, H, W)."""
    gx = empty((*gy.shape[:2], *input_size), gy.dtype)
    window = kernel_size, stride, padding, dilation
    arrays = nhwc(gy), nhwc(argmax), _nhwc(gx)
    work = gy.size * kernel_size[0] * kernel_size[1] // (gx.shape[0] * gx.shape[2] * VECTOR)
    parallel_for(_max_pool_grad, gx.shape[0] * gx.shape[2], *arrays, *window, work=work)
    return gx


def avg_pool2d(
    x, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair, output_size: Pair
):
    """y[n,c,oh,ow] = sum over i, j of x[n,c, oh*SH-PH+i*DH, ow*SW-PW+j*DW] / count[oh,ow].

    count is the number of taps inside the image or its padding: a window that ceil mode lets
    reach further is divided by fewer (Caffe pooling_layer.cpp).
    """
    N, C, OH, OW = shape = (*x.shape[:2], *output_size)
    y = empty(shape, x.dtype)
    window = kernel_size, stride, padding, dilation
    run = C if N * OH > 16 else min(C, CHANNELS)  # global pooling has one row
    work = kernel_size[0] * kernel_size[1] * OW * run // VECTOR
    parallel_for(_avg_pool, N * OH * -(-C // run), nhwc(x), _nhwc(y), run, *window, work=work)
    return y


def avg_pool2d_grad(
    gy, input_size: Pair, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair
):
    """gx: each gy[n,c,oh,ow] / count[oh,ow] goes to every tap of its window. gx (N, C, H, W)."""
    gx = empty((*gy.shape[:2], *input_size), gy.dtype)
    window = kernel_size, stride, padding, dilation
    work = gy.size * kernel_size[0] * kernel_size[1] // (gx.shape[0] * gx.shape[2] * VECTOR)
    parallel_for(
        _avg_pool_grad, gx.shape[0] * gx.shape[2], nhwc(gy), _nhwc(gx), *window, work=work
    )
    return gx


def _nhwc(a):
    """(N, H, W, C): the view of an array that has its channels last."""
    return a.transpose(0, 2, 3, 1)


@kernel()
def _inside(first, step, pixels, taps):
    """The taps low ... high-1 that lie in the image, tap i at first + i*step."""
    if first >= 0 and first + (taps - 1) * step < pixels:
        return 0, taps
    low = min(taps, max(0, -(first // step)))
    return low, max(low, min(taps, -((first - pixels) // step)))


@kernel()
def _visits(pixels, outputs, taps, stride, padding, dilation):
    """The windows that hold a pixel of one axis: (pixels, taps) outputs and taps, and how many."""
    output, tap = np.empty((pixels, taps), np.int64), np.empty((pixels, taps), np.int64)
    count = np.zeros(pixels, np.int64)
    for o in range(outputs):
        for i in range(taps):
            p = o * stride - padding + i * dilation
            if 0 <= p < pixels:
                output[p, count[p]], tap[p, count[p]] = o, i
                count[p] += 1
    return output, tap, count


@kernel()
def _max_pool(work, x, y, argmax, kernel_size, stride, padding, dilation):
    (KH, KW), (SH, SW), (PH, PW), (DH, DW) = kernel_size, stride, padding, dilation
    _, H, W, _ = x.shape
    _, OH, OW, C = y.shape
    for task in tasks(work):
        n, oh = divmod(task, OH)
        top = oh * SH - PH
        i0, i1 = _inside(top, DH, H, KH)
        for ow in range(OW):
            left = ow * SW - PW
            j0, j1 = _inside(left, DW, W, KW)
            best, which = y[n, oh, ow], argmax[n, oh, ow]
            best[:] = -np.inf
            which[:] = 0
            for i in range(i0, i1):
                row = x[n, top + i * DH]
                for j in range(j0, j1, 2):
                    other = min(j + 1, j1 - 1)  # an odd one out is taken twice, which is no harm
                    a, b = row[left + j * DW], row[left + other * DW]
                    ta, tb = which.dtype.type(i * KW + j), which.dtype.type(i * KW + other)
                    for c in range(C):
                        value, tap = best[c], which[c]
                        # A new one must be larger or NaN, and the first NaN stays
                        larger = not (a[c] <= value) and value == value
                        value, tap = (a[c] if larger else value), (ta if larger else tap)
                        larger = not (b[c] <= value) and value == value
                        best[c], which[c] = (b[c] if larger else value), (tb if larger else tap)


@kernel()
def _max_only(work, x, y, kernel_size, stride, padding, dilation):
    (KH, KW), (SH, SW), (PH, PW), (DH, DW) = kernel_size, stride, padding, dilation
    _, H, W, _ = x.shape
    _, OH, OW, C = y.shape
    for task in tasks(work):
        n, oh = divmod(task, OH)
        top = oh * SH - PH
        i0, i1 = _inside(top, DH, H, KH)
        for ow in range(OW):
            left = ow * SW - PW
            j0, j1 = _inside(left, DW, W, KW)
            best = y[n, oh, ow]
            best[:] = -np.inf
            for i in range(i0, i1):
                row = x[n, top + i * DH]
                for j in range(j0, j1, 2):
                    a, b = row[left + j * DW], row[left + min(j + 1, j1 - 1) * DW]
                    for c in range(C):
                        value = best[c]
                        value = a[c] if a[c] > value or a[c] != a[c] else value
                        best[c] = b[c] if b[c] > value or b[c] != b[c] else value


@kernel()
def _max_pool_grad(work, gy, argmax, gx, kernel_size, stride, padding, dilation):
    (KH, KW), (SH, SW), (PH, PW), (DH, DW) = kernel_size, stride, padding, dilation
    _, OH, OW, C = gy.shape
    _, H, W, _ = gx.shape
    zero = gx.dtype.type(0)
    ohs, rows, down = _visits(H, OH, KH, SH, PH, DH)
    ows, columns, across = _visits(W, OW, KW, SW, PW, DW)
    for task in tasks(work):
        n, h = divmod(task, H)
        for w in range(W):
            total = gx[n, h, w]
            if down[h] * across[w] == 0:
                total[:] = 0
            for p in range(down[h]):
                for q in range(across[w]):
                    oh, ow = ohs[h, p], ows[w, q]
                    g, which = gy[n, oh, ow], argmax[n, oh, ow]
                    tap = which.dtype.type(rows[h, p] * KW + columns[w, q])
                    if p + q == 0:
                        for c in range(C):
                            total[c] = g[c] if which[c] == tap else zero
                    else:
                        for c in range(C):
                            total[c] += g[c] if which[c] == tap else zero


@kernel()
def _avg_pool(work, x, y, run, kernel_size, stride, padding, dilation):
    (KH, KW), (SH, SW), (PH, PW), (DH, DW) = kernel_size, stride, padding, dilation
    _, H, W, _ = x.shape
    _, OH, OW, C = y.shape
    runs = -(-C // run)
    for task in tasks(work):
        row, c0 = task // runs, task % runs * run
        c1, (n, oh) = min(c0 + run, C), divmod(row, OH)
        top = oh * SH - PH
        i0, i1 = _inside(top, DH, H, KH)
        _, down = _inside(oh * SH, DH, H + 2 * PH, KH)
        for ow in range(OW):
            left = ow * SW - PW
            j0, j1 = _inside(left, DW, W, KW)
            _, across = _inside(ow * SW, DW, W + 2 * PW, KW)
            total = y[n, oh, ow, c0:c1]
            total[:] = 0
            for i in range(i0, i1):
                row = x[n, top + i * DH]
                fours = j0 + (j1 - j0) // 4 * 4
                for j in range(j0, fours, 4):
                    w = left + j * DW
                    s0, s1 = row[w, c0:c1], row[w + DW, c0:c1]
                    s2, s3 = row[w + 2 * DW, c0:c1], row[w + 3 * DW, c0:c1]
                    for c in range(len(total)):
                        total[c] += (s0[c] + s1[c]) + (s2[c] + s3[c])
                for j in range(fours, j1):
                    source = row[left + j * DW, c0:c1]
                    for c in range(len(total)):
                        total[c] += source[c]
            count = y.dtype.type(down * across)
            for c in range(len(total)):
                total[c] /= count


@kernel()
def _avg_pool_grad(work, gy, gx, kernel_size, stride, padding, dilation):
    (KH, KW), (SH, SW), (PH, PW), (DH, DW) = kernel_size, stride, padding, dilation
    _, OH, OW, C = gy.shape
    _, H, W, _ = gx.shape
    ohs, _, down = _visits(H, OH, KH, SH, PH, DH)
    ows, _, across = _visits(W, OW, KW, SW, PW, DW)
    for task in tasks(work):
        n, h = divmod(task, H)
        for w in range(W):
            total = gx[n, h, w]
            total[:] = 0
            for p in range(down[h]):
                oh = ohs[h, p]
                _, taps_down = _inside(oh * SH, DH, H + 2 * PH, KH)
                for q in range(across[w]):
                    ow = ows[w, q]
                    _, taps_across = _inside(ow * SW, DW, W + 2 * PW, KW)
                    count, g = gx.dtype.type(taps_down * taps_across), gy[n, oh, ow]
                    for c in range(C):
                        total[c] += g[c] / count
