"""Filters as panels: what the micro-kernel reads step by step lies in a row.

A panel holds as many filters as a tile has columns. Of a panel's filters all first weights come
first, then all second ones, so that a step of the reduction loads whole vectors. The last panel of
a group is filled up with zeros; where one vector holds all of its filters, its rows are one vector
long, for the narrow tile.
"""

import numpy as np

from .compile import kernel
from .vectors import (
    address_of,
    clear,
    copy_vectors,
    get,
    itemsize,
    lanes,
    move,
    panel_width,
    put,
    transpose,
    transpose_back,
)

PIECE = 512  # channels that a thread packs


def width_of(form) -> int:
    """Numbers in a row of the tile."""
    _, vectors, lanes = form.dtype[0].shape
    return vectors * lanes


def panels_of(bias, G: int, K: int, width: int):
    """A bias (G*K,) as (G, panels * width), zeros behind the last filter of a group."""
    if K % width == 0:
        return bias.reshape(G, K)
    padded = np.zeros((G, -(-K // width) * width), bias.dtype)
    padded[:, :K] = bias.reshape(G, K)
    return padded


@kernel()
def pieces_of(C, window):
    """How many pieces of channels a panel is packed in: of windows of one pixel they lie one
    behind the other."""
    return -(-C // PIECE) if window == (1, 1) else 1


@kernel()
def pack_piece(form, w, shape, packed, block, number):
    """A piece of a panel of w (G, K, C, KH, KW) to its place in ``packed``, which holds all of
    them: [g][panel][block of channels][i][j][c][filter]. w: address and strides."""
    K, C, KH, KW = shape
    width, item = panel_width(form), itemsize(form)
    panels, pieces = -(-K // width), pieces_of(C, (KH, KW))
    p, k0 = number // pieces, number // pieces % panels * width
    first, last = 0, C
    if pieces > 1:
        first, block = number % pieces * PIECE, PIECE
        last = min(first + PIECE, C)
    for c0 in range(first, last, block):
        span = c0, min(c0 + block, last)
        filters = k0, min(width, K - k0)
        row = row_of(form, filters[1])
        target = packed + (p * C * width + c0 * row) * KH * KW * item
        tap = (span[1] - c0) * row * item
        pack_block(form, row, w, p // panels, filters, span, (KH, KW), target, tap)


@kernel()
def row_of(form, filters):
    """Numbers in a row of a panel with so many filters: those of the tile that suits it."""
    return lanes(form) if filters <= lanes(form) else panel_width(form)


@kernel()
def pack_block(form, width, w, g, filters, channels, window, target, tap):
    """[i][j][c][filter] for some filters (first, count) and channels (first, end).

    width: numbers in a row of the panel; tap: bytes from a tap [i][j] to the next.
    """
    item, vector = itemsize(form), lanes(form)
    (k0, count), (c0, c1), (KH, KW) = filters, channels, window
    address, w_g, w_k, w_c, w_i, w_j = w
    source = address + g * w_g + k0 * w_k + c0 * w_c
    depth = c1 - c0
    runs, run = _runs(item, (w_c, w_i, w_j), depth, (KH, KW))
    backwards = run > 0 and w_j < 0 and KW > 1  # the distance along an axis of 1 says nothing
    # Squares of filters and of numbers that follow each other; the last ones overlap. A short run
    # is read together with what lies behind it or, of the last channel, before it
    beside = runs > 1 and w_c >= vector * item
    squares = count >= vector and run > 0 and (run >= vector or beside)
    if count < width:
        clear(target, KH * KW * tap)
    if squares:
        table = np.empty(3 * vector, np.int64)
        for c in range(runs):
            start = source + c * w_c
            if backwards:
                start += (KH - 1) * w_i + (KW - 1) * w_j
            for first in range(0, run, vector):
                f = first
                if run >= vector or c == runs - 1:
                    f = min(first, run - vector)
                _places(table, target, c, f, run, (KH, KW), backwards, tap, width * item)
                for k in range(0, count, vector):
                    k = min(k, count - vector)
                    here = start + k * w_k + f * item
                    transpose(form, here, w_k, address_of(table), k * item)
        return
    # else whole rows where filters are neighbours, or number by number
    for c in range(depth):
        for i in range(KH):
            for j in range(KW):
                here = source + c * w_c + i * w_i + j * w_j
                there = target + (i * KW + j) * tap + c * width * item
                if w_k == item and count == width:
                    copy_vectors(form, there, here, width // vector, False)
                elif w_k == item:
                    move(there, here, count * item)
                else:
                    for k in range(count):
                        put(form, there + k * item, get(form, here + k * w_k))


@kernel()
def unpack_block(form, width, panel, tap, target, strides, shape):
    """[i][j][c][filter] of one panel to weights with these distances of filter, channel, i, j.

    tap: bytes from a tap [i][j] of the panel to the next.
    """
    (w_k, w_c, w_i, w_j), (filters, depth, KH, KW) = strides, shape
    item, vector = itemsize(form), lanes(form)
    runs, run = _runs(item, (w_c, w_i, w_j), depth, (KH, KW))
    if filters >= vector and run >= vector and w_j >= 0:
        table = np.empty(3 * vector, np.int64)
        for c in range(runs):
            for f in range(0, run, vector):
                f = min(f, run - vector)
                _places(table, panel, c, f, run, (KH, KW), False, tap, width * item)
                for k in range(0, filters, vector):
                    k = min(k, filters - vector)
                    there = target + k * w_k + c * w_c + f * item
                    transpose_back(form, address_of(table), k * item, there, w_k)
        return
    for c in range(depth):
        for i in range(KH):
            for j in range(KW):
                here = panel + (i * KW + j) * tap + c * width * item
                there = target + c * w_c + i * w_i + j * w_j
                if w_k == item:
                    move(there, here, filters * item)
                else:
                    for k in range(filters):
                        put(form, there + k * w_k, get(form, here + k * item))


@kernel()
def _runs(item, strides, depth, window):
    """How many runs of neighbouring numbers a filter's block is, and how long one is.

    A filter as it is stored is one run over channels and taps; the taps of a channel may also
    follow each other backwards. 0 numbers long: neither.
    """
    (w_c, w_i, w_j), (KH, KW) = strides, window
    taps = KH * KW
    if (KW == 1 or w_j == item) and (KH == 1 or w_i == KW * item):
        if depth == 1 or w_c == taps * item:
            return 1, depth * taps
        return depth, taps if taps > 1 else 0
    if (KW == 1 or w_j == -item) and (KH == 1 or w_i == -KW * item) and KW > 1:
        return depth, taps
    return depth, 0


@kernel()
def _places(table, panel, c, f, run, window, backwards, tap_bytes, row):
    """The addresses in a panel [i][j][c] of as many numbers as the table is long, f, f + 1, ... of
    a run that starts at channel c; rows of the panel are ``row`` bytes, taps lie ``tap_bytes``
    apart. Numbers before and behind the run go where nobody reads them, to the last two thirds of
    the table."""
    taps, places = window[0] * window[1], len(table) // 3
    unread = address_of(table) + places * 8
    first, tap = divmod(max(f, 0), taps)
    c += first
    for v in range(places):
        if not 0 <= f + v < run:
            table[v] = unread
            continue
        table[v] = panel + (taps - 1 - tap if backwards else tap) * tap_bytes + c * row
        tap += 1
        if tap == taps:
            c, tap = c + 1, 0
