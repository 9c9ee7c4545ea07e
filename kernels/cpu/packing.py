"""Filters as panels: what the micro-kernel reads step by step lies in a row.

A panel holds as many filters as a tile has columns. Of a panel's filters all first weights come
first, then all second ones, so that a step of the reduction loads whole vectors. The last panel of
a group is filled up with zeros.
"""

import numpy as np

from .compile import kernel
from .layout import aligned
from .threads import parallel_for
from .vectors import clear, get, itemsize, panel_width, put


def pack(form, w, block: int):
    """w (G, K, C, KH, KW) in panels: [g][panel][block of channels][i][j][c][filter]."""
    G, K, C, KH, KW = w.shape
    width = width_of(form)
    panels = -(-K // width)
    packed = aligned((G * panels, C * KH * KW * width), w.dtype)
    where = (w.ctypes.data, *w.strides)
    parallel_for(
        _pack, G * panels, form, where, (K, C, KH, KW), packed.ctypes.data, block, work=packed[0].size
    )
    return packed


def width_of(form) -> int:
    """Numbers in a row of the tile."""
    _, vectors, lanes = form.dtype[0].shape
    return vectors * lanes


def panels_of(bias, G: int, K: int, panels: int, width: int):
    """A bias (G*K,) as (G*panels, width), zeros behind the last filter of a group."""
    padded = np.zeros((G, panels * width), bias.dtype)
    padded[:, :K] = bias.reshape(G, K)
    return padded


@kernel()
def _pack(start, stop, form, w, shape, packed, block):
    """Panels from start to stop."""
    K, C, KH, KW = shape
    width, item = panel_width(form), itemsize(form)
    panels = -(-K // width)
    for p in range(start, stop):
        k0 = p % panels * width
        for c0 in range(0, C, block):
            span = c0, min(c0 + block, C)
            target = packed + (p * C + c0) * KH * KW * width * item
            pack_block(form, w, p // panels, (k0, min(width, K - k0)), span, (KH, KW), target)


@kernel()
def pack_block(form, w, g, filters, channels, window, target):
    """[i][j][c][filter] for some filters (first, count) and channels (first, end)."""
    width, item = panel_width(form), itemsize(form)
    (k0, count), (c0, c1), (KH, KW) = filters, channels, window
    address, w_g, w_k, w_c, w_i, w_j = w
    source = address + g * w_g + k0 * w_k
    for c in range(c0, c1):
        for i in range(KH):
            for j in range(KW):
                here = source + c * w_c + i * w_i + j * w_j
                there = target + ((i * KW + j) * (c1 - c0) + c - c0) * width * item
                for k in range(count):
                    put(form, there + k * item, get(form, here + k * w_k))
                clear(there + count * item, (width - count) * item)


@kernel()
def unpack_block(form, panel, target, strides, shape):
    """[i][j][c][filter] of one panel to weights with these distances of filter, channel, i, j."""
    (w_k, w_c, w_i, w_j), (filters, channels, KH, KW) = strides, shape
    width, item = panel_width(form), itemsize(form)
    for k in range(filters):
        for c in range(channels):
            for i in range(KH):
                for j in range(KW):
                    here = panel + (((i * KW + j) * channels + c) * width + k) * item
                    put(form, target + k * w_k + c * w_c + i * w_i + j * w_j, get(form, here))
