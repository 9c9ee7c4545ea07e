"""The rectifier, its gradient, and the gradient of the bias that a layer adds before it.

The rectifier and its gradient are walked flat (flat.py). What works in place has a kernel of its
own: where two arrays share memory, the compiler's vector instructions are not safe, and a scalar
loop runs instead.

The bias gradient sums over all pixels. Loop nest: parts of the map, one a task; blocks of 16
pixels, which are summed in the array's own precision; their sums are added up in float64. The cuts
depend on the shape alone: the sum is the same for every number of threads. Where channels are no
whole vectors, a block has 16 lines of several pixels, some 512 numbers long, and a line is made in
a buffer first, so that gx may lie where gy does.
"""

import numpy as np

from .compile import kernel
from .flat import dense, empty_like, flat, for_blocks, like
from .layout import channels_last, empty, is_channels_last, pointer
from .tasks import tasks
from .threads import VECTOR, parallel_for
from .vectors import (
    add_to,
    add_to_doubles,
    address_of,
    clear,
    itemsize,
    kind,
    lanes,
    line_of,
    rectify_and_add,
)

WIDTH, LINES = 512, 16
PARTS = 64


def relu(x):
    """y = max(x, 0), in the memory layout of x. NaN stays."""
    x = dense(x)
    y, numbers = empty_like(x)
    for_blocks(_relu, *flat(x), numbers)
    return y


def relu_grad(gy, y, out=None):
    """gx = gy where y > 0, else 0: at the kink itself the gradient is 0.

    gx has the layout of y, or is ``out``, which may be gy itself.
    """
    if out is not None and out is gy and (arrays := flat(gy, y)):
        for_blocks(_relu_grad_here, *arrays)
        return gy
    y = dense(y)
    gx, numbers = empty_like(y)
    for_blocks(_relu_grad, *flat(y, like(gy, y)), numbers)
    if out is None:
        return gx
    out[...] = gx
    return out


def bias_grad(gy):
    """gb[c] = sum over n, h, w of gy[n,c,h,w]. gy (N, C, H, W), gb (C,)."""
    return _sum_pixels(gy, gy, gy, False)


def relu_bias_grad(gy, y, out=None):
    """gx = relu_grad(gy, y) and gb = bias_grad(gx), in one pass over memory.

    gy and y (N, C, H, W), perhaps some channels of larger maps. gx has its channels last, or is
    ``out``, which may be gy itself.
    """
    here = out is not None and is_channels_last(out)
    gx = out if here else empty(gy.shape, gy.dtype)
    gb = _sum_pixels(gy, y, gx, True)
    if out is None or here:
        return gx, gb
    out[...] = gx
    return out, gb


def _pixels(x):
    """x (N, C, H, W) as one run of numbers from its first to its last, and the distance of
    pixels in it."""
    _, C, H, W = x.shape
    n, c, h, w = x.strides
    if c != x.itemsize or h != W * w or n != H * h or w % x.itemsize or 0 in x.shape:
        x = channels_last(x)
        w = C * x.itemsize
    apart = w // x.itemsize
    size = max(0, x.size // max(1, C) - 1) * apart + C if x.size else 0
    return np.lib.stride_tricks.as_strided(x, (size,), (x.itemsize,)), apart


def _sum_pixels(gy, y, gx, rectify: bool):
    C = gy.shape[1]
    P = gy.size // max(1, C)
    (gy, gy_apart), (y, y_apart) = _pixels(gy), _pixels(y)
    gx, _ = _pixels(gx)
    least = LINES * max(1, WIDTH // max(1, C))  # pixels of a block
    part = least * max(1, -(-P // (PARTS * least)))
    sums = np.zeros((-(-P // part), C))
    work, form = part * C // VECTOR, kind(gy.dtype)
    if C % form.dtype[0].shape[2] == 0:
        item = gy.itemsize
        places = (pointer(gy), gy_apart * item), (pointer(y), y_apart * item)
        places = *places, (pointer(gx), C * item), sums
        parallel_for(_sum_vectors, len(sums), form, *places, P, part, rectify, work=work)
    else:
        arrays = gy, gy_apart, y, y_apart, gx, sums
        parallel_for(_sum_parts, len(sums), *arrays, P, part, rectify, work=work)
    return sums.sum(axis=0).astype(gy.dtype)


@kernel()
def _relu(work, size, x, y):
    zero = x.dtype.type(0)
    for block in tasks(work):
        some, target = x[block * size :][:size], y[block * size :][:size]
        for p in range(len(some)):
            target[p] = zero if some[p] <= 0 else some[p]  # NaN comes through


@kernel()
def _relu_grad(work, size, y, gy, gx):
    zero = gy.dtype.type(0)
    for block in tasks(work):
        part = slice(block * size, (block + 1) * size)
        source, values, target = gy[part], y[part], gx[part]
        for p in range(len(source)):
            target[p] = source[p] if values[p] > 0 else zero


@kernel()
def _relu_grad_here(work, size, gy, y):
    zero = gy.dtype.type(0)
    for block in tasks(work):
        part = slice(block * size, (block + 1) * size)
        some, values = gy[part], y[part]
        for p in range(len(some)):
            some[p] = some[p] if values[p] > 0 else zero


@kernel()
def _sum_vectors(work, form, gy, y, gx, sums, P, part, rectify):
    """Pixels of whole vectors. gy, y, gx: address and distance of pixels."""
    C, item = sums.shape[1], itemsize(form)
    vectors, buffer = C // lanes(form), np.empty(C * item + 64, np.uint8)
    total = line_of(buffer)
    for task in tasks(work):
        end = min((task + 1) * part, P)
        for block in range(task * part, end, LINES):
            clear(total, C * item)
            for p in range(block, min(block + LINES, end)):
                source = gy[0] + p * gy[1]
                if rectify:
                    target, mask = gx[0] + p * gx[1], y[0] + p * y[1]
                    rectify_and_add(form, target, source, mask, total, vectors)
                else:
                    add_to(form, total, source, vectors)
            add_to_doubles(form, address_of(sums) + task * C * 8, total, vectors)


@kernel()
def _sum_parts(work, gy, gy_apart, y, y_apart, gx, sums, P, part, rectify):
    C = sums.shape[1]
    pixels = max(1, WIDTH // C)  # of a line
    buffer, total = np.empty(pixels * C, gy.dtype), np.empty(pixels * C, gy.dtype)
    exact = np.empty(pixels * C)
    zero = gy.dtype.type(0)
    # Pixels without gaps are walked as if a line were one
    run = pixels if gy_apart == C and y_apart == C else 1
    for task in tasks(work):
        exact[:] = 0
        end = min((task + 1) * part, P)
        for block in range(task * part, end, LINES * pixels):
            total[:] = 0
            for first in range(block, min(block + LINES * pixels, end), pixels):
                last = min(first + pixels, end)
                line = buffer[: (last - first) * C]
                for p in range(first, last, run):
                    size = min(run, last - p) * C
                    some = line[(p - first) * C :][:size]
                    source = gy[p * gy_apart :][:size]
                    if rectify:
                        values = y[p * y_apart :][:size]
                        for k in range(size):
                            some[k] = source[k] if values[k] > 0 else zero
                    else:
                        for k in range(size):
                            some[k] = source[k]
                if rectify:
                    target = gx[first * C : last * C]
                    for k in range(len(line)):
                        target[k] = line[k]
                for k in range(len(line)):
                    total[k] += line[k]
            for k in range(pixels * C):
                exact[k] += total[k]
        for p in range(pixels):
            for c in range(C):
                sums[task, c] += exact[p * C + c]
