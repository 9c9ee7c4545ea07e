"""Convolution, and the two other derivatives of its trilinear form (see reference/conv.py).

All three are matrix products over columns (im2col.py). A task is one product small enough for a
core's own cache: it fills its columns, multiplies and forgets them, and the tasks are spread over
the threads (threads.py), with BLAS kept to one thread each (blas.py). How the work is cut depends
on the shapes alone, so the result does not depend on the number of threads.

    conv2d               a task makes one strip of output pixels, all channels; where there are
                         few strips, some output channels of it, from columns that tasks share
    conv2d_grad_input    stride 1: conv2d of gy with the flipped filter. Otherwise a task makes
                         some input channels of an image, strip after strip
    conv2d_grad_weight   a task makes the weights of some input channels from some strips;
                         partial sums are added in order

A 1x1 convolution uses the image itself as columns. Where the kernel covers the whole input, all
three are plain matrix products (fully connected).
"""

import threading

import numpy as np

from ..shapes import conv_size
from . import blas
from .im2col import Strip, add_columns, fill_columns, strips
from .threads import parallel_for

Pair = tuple[int, int]

WORKSPACE = 2**20  # bytes of columns of one task: about half of a core's second-level cache
MIN_COLUMNS = 256  # but at least so many, or BLAS reads the weights too often
MAX_COLUMNS = 2048
ROWS = 256  # rows of columns in one task of a gradient: input channels times taps
STRIPS = 4  # enough strips to make each a task
TASKS = 16  # enough tasks to keep the threads busy
FLOPS = 32  # floating-point operations of a product in the time of one elementary operation


def conv2d(x, w, b, stride: Pair, padding: Pair, dilation: Pair, groups: int):
    """y[n,k,oh,ow] = b[k] + sum over c, i, j of w[k,c,i,j] * x[n,c,oh*SH-PH+i*DH,ow*SW-PW+j*DW].

    x (N, C, H, W), w (K, C/groups, KH, KW), b (K,) or None; returns y (N, K, OH, OW).
    """
    (N, C, H, W), (K, Cg, KH, KW) = x.shape, w.shape
    window = (KH, KW), stride, padding, dilation
    OH, OW = (conv_size(*axis) for axis in zip((H, W), *window, strict=True))
    x, w = np.ascontiguousarray(x), np.ascontiguousarray(w)
    y = np.empty((N, K, OH, OW), x.dtype)
    if _is_whole((H, W), *window, groups):
        _product(x.reshape(N, -1), w.reshape(K, -1).T, y.reshape(N, K))
        return y if b is None else np.add(y, b[:, None, None], out=y)

    w = w.reshape(groups, K // groups, Cg * KH * KW)
    grouped = y.reshape(N, groups, K // groups, OH * OW)
    b = None if b is None else b.reshape(groups, K // groups, 1)

    def multiply(cols, strip: Strip, channels: slice):
        n0, n1, r0, r1 = strip
        out = grouped[n0:n1, :, channels, r0 * OW : r1 * OW]
        if n1 - n0 == 1:
            product = np.matmul(w[:, channels], cols, out=out[0])
            if b is not None:
                product += b[:, channels]
        else:  # images side by side: the product is not in y's order yet
            product = w[:, channels] @ cols
            if b is not None:
                product += b[:, channels]
            out[:] = product.reshape(*product.shape[:2], n1 - n0, -1).transpose(2, 0, 1, 3)

    def whole_strips(start: int, stop: int):
        for strip in parts[start:stop]:
            cols = _columns(x, (0, C), strip, OW, *window)
            multiply(cols.reshape(groups, -1, cols.shape[1]), strip, slice(None))

    def some_channels(start: int, stop: int, cols, strip: Strip):
        for task in range(start, stop):
            multiply(cols, strip, slice(task * step, (task + 1) * step))

    parts = _cut(N, OH, OW, C * KH * KW * x.itemsize)
    # With fewer output channels than pixels in a product BLAS would mostly rearrange columns
    step = max(64, _pixels(parts[0], OW), -(-K // groups // TASKS))
    count = -(-K // groups // step)
    if len(parts) >= STRIPS or count == 1:
        work = y.size // len(parts) * Cg * KH * KW * 2 // FLOPS
        with blas.one_thread():
            parallel_for(whole_strips, len(parts), work=work)
        return y
    for strip in parts:
        cols = _columns(x, (0, C), strip, OW, *window, parallel=True)
        cols = cols.reshape(groups, -1, cols.shape[1])
        work = cols.size * step * 2 // FLOPS
        with blas.one_thread():
            parallel_for(some_channels, count, cols, strip, work=work)
    return y


def conv2d_grad_input(
    gy, w, input_size: Pair, stride: Pair, padding: Pair, dilation: Pair, groups: int
):
    """gx = dT/dx: every gy[n,k,oh,ow] * w[k,c,i,j] goes back to the pixel that it came from.

    gy (N, K, OH, OW), w (K, C/groups, KH, KW), input_size (H, W); returns gx (N, C, H, W). This
    is the transposed convolution of gy.
    """
    (N, K, OH, OW), (_, Cg, KH, KW), (H, W) = gy.shape, w.shape, input_size
    gy, w = np.ascontiguousarray(gy), np.ascontiguousarray(w)
    if _is_whole(input_size, (KH, KW), stride, padding, dilation, groups):
        gx = np.empty((N, Cg, H, W), gy.dtype)
        _product(gy.reshape(N, K), w.reshape(K, -1), gx.reshape(N, -1))
        return gx
    # Flipping costs a pass over the weights, and conv2d makes K*KH*KW columns instead of C*KH*KW
    if tuple(stride) == (1, 1) and K * (Cg + N * OH * OW) <= 2 * Cg * groups * N * OH * OW:
        flipped = w.reshape(groups, K // groups, Cg, KH, KW)[:, :, :, ::-1, ::-1]
        flipped = flipped.transpose(0, 2, 1, 3, 4).reshape(Cg * groups, K // groups, KH, KW)
        extra = tuple(d * (k - 1) - p for k, p, d in zip((KH, KW), padding, dilation, strict=True))
        return conv2d(gy, flipped, None, (1, 1), extra, dilation, groups)

    gx = np.zeros((N, Cg * groups, H, W), gy.dtype)
    w = w.reshape(groups, K // groups, Cg, KH * KW)
    blocks = _channel_blocks(groups, Cg, KH * KW)
    parts = _by_image(_cut(N, OH, OW, ROWS * gy.itemsize))

    def tasks(start: int, stop: int):
        for task in range(start, stop):
            image, (g0, g1, c0, c1) = parts[task // len(blocks)], blocks[task % len(blocks)]
            weights = w[g0:g1, :, c0:c1].reshape(g1 - g0, K // groups, -1).transpose(0, 2, 1)
            for strip in image:
                n0, n1, r0, r1 = strip
                gys = _side_by_side(gy, groups, strip)[g0:g1]
                shape = (*weights.shape[:2], gys.shape[2])
                cols = np.matmul(weights, gys, out=_workspace(shape, gy.dtype))
                cols = cols.reshape(-1, KH, KW, n1 - n0, r1 - r0, OW)
                add_columns(
                    0, len(cols), cols, gx, n0, g0 * Cg + c0, r0, stride, padding, dilation
                )

    count = len(blocks) * len(parts)
    with blas.one_thread():
        parallel_for(tasks, count, work=gy.size * Cg * KH * KW * 2 // FLOPS // count)
    return gx


def conv2d_grad_weight(
    gy, x, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair, groups: int
):
    """gw = dT/dw: gw[k,c,i,j] = sum of gy[n,k,oh,ow] * x[n,c,oh*SH-PH+i*DH,ow*SW-PW+j*DW].

    gy (N, K, OH, OW), x (N, C, H, W); returns gw (K, C/groups, KH, KW).
    """
    (N, K, OH, OW), (_, C, H, W), (KH, KW) = gy.shape, x.shape, kernel_size
    Cg = C // groups
    window = kernel_size, stride, padding, dilation
    gy, x = np.ascontiguousarray(gy), np.ascontiguousarray(x)
    if _is_whole((H, W), *window, groups):
        gw = np.empty((K, Cg, KH, KW), gy.dtype)
        _product(gy.reshape(N, K).T, x.reshape(N, -1), gw.reshape(K, -1))
        return gw

    blocks = _channel_blocks(groups, Cg, KH * KW)
    parts = _cut(N, OH, OW, ROWS * gy.itemsize)
    shares = min(len(parts), -(-TASKS // len(blocks)))  # of the strips; each has its own sum
    sums = np.empty((shares, groups, K // groups, Cg, KH * KW), gy.dtype)

    def tasks(start: int, stop: int):
        for task in range(start, stop):
            share, (g0, g1, c0, c1) = task // len(blocks), blocks[task % len(blocks)]
            channels = g0 * Cg + c0, (g1 - 1) * Cg + c1
            total = sums[share, g0:g1, :, c0:c1]
            first = len(parts) * share // shares
            for p in range(first, len(parts) * (share + 1) // shares):
                cols = _columns(x, channels, parts[p], OW, *window)
                cols = cols.reshape(g1 - g0, -1, cols.shape[1])
                gys = _side_by_side(gy, groups, parts[p])[g0:g1]
                product = (gys @ cols.transpose(0, 2, 1)).reshape(total.shape)
                if p == first:
                    total[:] = product
                else:
                    total += product

    count = len(blocks) * shares
    with blas.one_thread():
        parallel_for(tasks, count, work=gy.size * Cg * KH * KW * 2 // FLOPS // count)
    gw = sums[0] if shares == 1 else sums.sum(axis=0)
    return gw.reshape(K, Cg, KH, KW)


def _is_whole(size: Pair, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair, groups):
    """Whether the one window is the whole input."""
    whole = size == tuple(kernel_size) and not any(padding) and groups == 1
    return whole and all(d == 1 or k == 1 for k, d in zip(kernel_size, dilation, strict=True))


def _product(a, b, out) -> None:
    """out = a @ b, some columns a task."""
    step = max(64, -(-out.shape[1] // (4 * TASKS)))

    def columns(start: int, stop: int):
        for task in range(start, stop):
            span = slice(task * step, (task + 1) * step)
            np.matmul(a, b[:, span], out=out[:, span])

    count = -(-out.shape[1] // step)
    with blas.one_thread():
        parallel_for(columns, count, work=a.size * step * 2 // FLOPS)


def _cut(N: int, OH: int, OW: int, column_bytes: int) -> list[Strip]:
    """Strips whose columns, of column_bytes each, are about the size of the workspace."""
    limit = min(max(WORKSPACE // column_bytes, MIN_COLUMNS), MAX_COLUMNS)
    return strips(N, OH, OW, limit)


def _pixels(strip: Strip, OW: int) -> int:
    n0, n1, r0, r1 = strip
    return (n1 - n0) * (r1 - r0) * OW


def _by_image(parts: list[Strip]) -> list[list[Strip]]:
    """The strips in lists that share no image."""
    images: dict[int, list[Strip]] = {}
    for strip in parts:
        images.setdefault(strip[0], []).append(strip)
    return list(images.values())


def _channel_blocks(groups: int, Cg: int, taps: int) -> list[tuple[int, int, int, int]]:
    """Cut the input channels into blocks (g0, g1, c0, c1) of about ROWS rows of columns: channels
    c0 ... c1-1 of one group g0, or all channels of the groups g0 ... g1-1."""
    channels = max(1, ROWS // taps)
    if channels < Cg:
        return [
            (g, g + 1, c, min(c + channels, Cg))
            for g in range(groups)
            for c in range(0, Cg, channels)
        ]
    step = channels // Cg
    return [(g, min(g + step, groups), 0, Cg) for g in range(0, groups, step)]


def _columns(x, channels: Pair, strip: Strip, OW: int, *window, parallel=False):
    """The columns of one strip for the channels from channels[0] to channels[1]: (rows, pixels).

    They live in the thread's workspace, until the next call, or are a view of the image. With
    ``parallel``, which is for all channels, several threads fill them.
    """
    kernel_size, stride, padding, _ = window
    (c0, c1), (n0, n1, r0, r1), taps = channels, strip, kernel_size[0] * kernel_size[1]
    if taps == 1 and tuple(stride) == (1, 1) and not any(padding) and n1 - n0 == 1:
        return x[n0, c0:c1].reshape(c1 - c0, -1)[:, r0 * OW : r1 * OW]
    rows = (c1 - c0) * taps
    cols = _workspace((rows, n1 - n0, r1 - r0, OW), x.dtype)
    first = c0 * taps
    if parallel:
        parallel_for(fill_columns, rows, 0, x, cols, n0, r0, *window, work=cols[0].size)
    else:
        fill_columns(first, first + rows, first, x, cols, n0, r0, *window)
    return cols.reshape(rows, -1)


def _side_by_side(gy, groups: int, strip: Strip):
    """The output gradient of one strip in the order of columns: (groups, K/groups, pixels)."""
    n0, n1, r0, r1 = strip
    _, K, _, OW = gy.shape
    if n1 - n0 == 1:
        flat = gy[n0].reshape(groups, K // groups, -1)
        return flat[:, :, r0 * OW : r1 * OW]
    return gy[n0:n1].transpose(1, 0, 2, 3).reshape(groups, K // groups, -1)


_buffers = threading.local()


def _workspace(shape, dtype):
    """An uninitialised array in a buffer that the thread keeps, unless it is unusually large."""
    size = int(np.prod(shape)) * dtype.itemsize
    if size > 4 * WORKSPACE:
        return np.empty(shape, dtype)
    if getattr(_buffers, "bytes", None) is None or len(_buffers.bytes) < size:
        _buffers.bytes = np.empty(size, np.uint8)
    return _buffers.bytes[:size].view(dtype).reshape(shape)
