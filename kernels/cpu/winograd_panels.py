"""Winograd's algorithm where the filters outweigh the map: fc6, with 7x7x512x4096 weights and a
map of 16x16, and convolutions like it.

Transformed, such filters are larger still (fc6: 537 MB), and each of their numbers meets few
tiles. Writing them to memory and reading them back would take longer than the products. So they
are never stored: a task takes one panel of filters, transforms a block of its channels into the
second-level cache, multiplies it with all tiles and forgets it.

    all tiles: x -> V[position][tile][channel]                shared by all tasks
    for panel of 32 filters, some tiles                       task of a thread
        for block of channels
            G w G^T -> U[position][channel][filter]
            for position
                for rows of tiles                             micro-kernel, added to M[position]
        for tile: A^T M A -> y, bias, rectifier

and for the gradient of the weights, with gy transformed for all tiles too (Z):

    for panel of 32 filters, block of channels                task of a thread
        for position
            for some channels                                 micro-kernel: V^T Z of the position
        A^T (...) A -> taps -> gw
"""

from math import ceil

import numpy as np

from .compile import kernel
from .layout import aligned, pointer
from .packing import pack_block, panels_of, unpack_block, width_of
from .tasks import room_of, tasks
from .threads import parallel_for
from .tile import ACCUMULATE, RELU, ROWS, STEPS, WIDE, heights, tiles
from .transforms import (
    COLLECT,
    FILTER,
    GRADIENT,
    INPUT,
    OUTPUT,
    SPREAD,
    TAP,
    outputs,
    taps,
    tiles_of,
    transform,
)
from .vectors import (
    add_to,
    clear,
    itemsize,
    kind,
    lanes,
    line_of,
    move,
    panel_width,
    spaced,
    tile_rows,
)
from .winograd import to_positions
from .workspace import LINE, carve

Pair = tuple[int, int]

BLOCK = 2**17  # bytes of transformed filters, or of sums, that stay in the second-level cache
TILES = 8  # tiles a task transforms
TASKS = 8  # enough to keep the threads busy
SHARE = 56  # tiles of a share at least: for each, the filters are transformed again
SUM = 64  # tiles that are added up before they are added to what is there: rounding errors


def correlate(x, w, y, bias=None, *, origin: Pair, m: int, relu: bool = False) -> None:
    """Fill y (N, K, OH, OW) from x (N, C, H, W) and w (1, K, C, r, r), as ``winograd.correlate``;
    (m, r) is one of ``transforms.SIZES``."""
    grid = -(-y.shape[2] // m), -(-y.shape[3] // m)
    _multiply(INPUT, x, w, y, bias, origin, (0, 0), grid, m, relu)


def correlate_input(gy, w, gx, *, origin: Pair, m: int) -> None:
    """Fill gx (N, C, H, W), the gradient of ``correlate``'s x, from gy (N, K, OH, OW) and w
    (1, K, C, r, r).

    Flipped filters would do as well, but a map of 22x22 has twice as many tiles as one of 16x16.
    """
    grid = -(-gy.shape[2] // m), -(-gy.shape[3] // m)
    _multiply(SPREAD, gy, w.swapaxes(1, 2), gx, None, (0, 0), origin, grid, m, False)


def _multiply(what, x, w, y, bias, origin: Pair, corner: Pair, grid: Pair, m: int, relu) -> None:
    """The tiles of x in the grid, transformed, times w (1, K, C, r, r), into y (N, K, OH, OW).

    what: INPUT or SPREAD. Tiles of x start at ``origin``, what is collected for y at ``corner``.
    """
    form, item, r = kind(x.dtype), x.itemsize, w.shape[3]
    (N, C), K, (OH, OW) = x.shape[:2], w.shape[1], y.shape[2:]
    width, n = width_of(form), m + r - 1
    panels, tiles = -(-K // width), N * grid[0] * grid[1]
    block = _even(C, BLOCK // (n * n * width * item), form)
    v = _positions(form, what, (m, r), x, origin, grid, block)
    adjoint = what == SPREAD
    # What tiles give back to an input overlaps, so they stay together there
    shares = 1 if adjoint else min(-(-TASKS // panels), -(-tiles // SHARE))
    biases = panels_of(bias, 1, K, width) if bias is not None else None
    places, room = carve(
        r * r * spaced(block * width * item),  # filters
        n * n * spaced(block * width * item),  # U
        n * n * spaced(-(-tiles // shares) * width * item),  # M
        n * n * width * item,  # a tile of y that is cut off, or is to be added
    )
    parallel_for(
        _panels,
        *(panels * shares, places, form, tiles_of(m, r), pointer(v), (pointer(w), *w.strides)),
        (pointer(y), *(y.strides[i] for i in (0, 2, 3))),
        0 if biases is None else pointer(biases),
        (N, C, K, OH, OW, tiles, shares, *grid, block),
        (adjoint, *corner),
        RELU if relu else 0,
        work=n * n * tiles * C // shares,
        room=room,
    )


def correlate_weights(x, gy, gw, *, origin: Pair, m: int) -> None:
    """Fill gw (1, K, C, r, r) from x (N, C, H, W) and gy (N, K, OH, OW)."""
    form, item, r = kind(x.dtype), x.itemsize, gw.shape[3]
    (_, C, _, _), (_, K, OH, OW) = x.shape, gy.shape
    width, n = width_of(form), m + r - 1
    grid = -(-OH // m), -(-OW // m)
    panels, tiles = -(-K // width), len(x) * grid[0] * grid[1]
    block = _even(C, BLOCK // (n * n * width * item), form)
    v = _positions(form, INPUT, (m, r), x, origin, grid, block)
    z = _positions(form, GRADIENT, (m, r), gy, (0, 0), grid, width)
    row = spaced(block * width * item)
    places, room = carve(n * n * row, r * r * row)
    parallel_for(
        _blocks,
        panels * -(-C // block),
        *(
            places,
            form,
            tiles_of(m, r),
            pointer(v),
            pointer(z),
            (pointer(gw), *gw.strides[1:]),
        ),
        (C, K, tiles, block),
        work=n * n * tiles * block,
        room=room,
    )


def _even(count: int, most: int, form) -> int:
    """The size of blocks of at most about ``most``, all nearly alike, in whole vectors."""
    lanes = form.dtype[0].shape[2]
    return ceil(count / ceil(count / max(most, lanes)) / lanes) * lanes


def _positions(form, what: int, size, x, origin: Pair, grid: Pair, width: int):
    """All tiles of x transformed: [block of ``width`` channels][position][tile][channel], the
    positions spaced.

    What a task reads at a time lies together: spread over pages, it would cost an entry of the
    table of pages for every row.
    """
    m, r = size
    N, C, H, W = x.shape
    tiles, n = N * grid[0] * grid[1], m + r - 1
    row = width * x.itemsize
    position = spaced(tiles * row)
    out = aligned((-(-C // width), n * n * position // x.itemsize), x.dtype)
    strides = row, position, n * n * position, width
    place = pointer(x), *(x.strides[i] for i in (0, 2, 3))
    parallel_for(
        _transform_tiles,
        -(-tiles // TILES),
        *(
            form,
            what,
            tiles_of(m, r),
            place,
            (H, W, C),
            origin,
            grid,
            tiles,
            pointer(out),
            strides,
        ),
        work=TILES * n * n * C,
    )
    return out


@kernel()
def _transform_tiles(
    work, form, what, size, x, shape, origin, grid, tiles, target, strides
):  # fmt: skip
    """Some tiles a task."""
    side = outputs(size) + taps(size) - 1 if what == INPUT else outputs(size)
    patch = np.empty(side * side * shape[2] * itemsize(form) + 64, np.uint8)
    for task in tasks(work):
        first = task * TILES
        some = first, min(TILES, tiles - first)
        there = target + first * strides[0]
        # What is transformed is a constant of the code: a branch for each
        if what == INPUT:
            to_positions(
                form, INPUT, size, side, x, shape, origin, grid, some, there, strides,
                line_of(patch),
            )  # fmt: skip
        elif what == GRADIENT:
            to_positions(
                form, GRADIENT, size, side, x, shape, origin, grid, some, there, strides,
                line_of(patch),
            )  # fmt: skip
        else:
            to_positions(
                form, SPREAD, size, side, x, shape, origin, grid, some, there, strides,
                line_of(patch),
            )  # fmt: skip


@kernel()
def _panels(work, places, form, size, v, w, y, biases, shape, spread, flags):
    """A panel of filters and a share of the tiles a task."""
    room = room_of(work)
    m, r = outputs(size), taps(size)
    N, C, K, OH, OW, all_tiles, shares, down, across, block = shape
    adjoint, top, left = spread
    width, item, high = panel_width(form), itemsize(form), tile_rows(form)
    vector, n = lanes(form) * itemsize(form), m + r - 1
    v_row = block * item
    v_position = spaced(all_tiles * v_row)
    filters, u, sums, piece = (
        room + places[0],
        room + places[1],
        room + places[2],
        room + places[3],
    )
    for task in tasks(work):
        share, k0 = task % shares, task // shares * width
        begin, end = all_tiles * share // shares, all_tiles * (share + 1) // shares
        number = end - begin
        position = spaced(number * width * item)
        low, higher, others = heights(number, high)
        count = min(width, K - k0)
        for c0 in range(0, C, block):
            depth = min(block, C - c0)
            tap = spaced(depth * width * item)
            pack_block(form, width, w, 0, (k0, count), (c0, c0 + depth), (r, r), filters, tap)
            transform(
                form, FILTER, size, filters, r * tap, tap, vector,
                u, n * tap, tap, vector, depth * width * item // vector, 0, 0,
            )  # fmt: skip
            for e in range(n * n):
                a = v + (c0 // block * n * n + e) * v_position + begin * v_row
                c = sums + e * position
                for height, times, t in (
                    (low + 1, higher, 0),
                    (low, others, higher * (low + 1)),
                ):
                    if times > 0:
                        tiles(
                            form, ROWS, WIDE, height, times,
                            a + t * v_row, v_row, 0, 0, 0, height * v_row,
                            u + e * tap, 0, 0, 0, depth, 1, 1,
                            c + t * width * item, width * item, height * width * item, 0,
                            ACCUMULATE if c0 > 0 else 0, a + v_position + t * v_row, LINE,
                        )  # fmt: skip
        if adjoint:
            for pixel in range(N * OH * OW):
                image, place = divmod(pixel, OH * OW)
                there = y[0] + image * y[1] + place // OW * y[2] + place % OW * y[3]
                clear(there + k0 * item, count * item)
            for t in range(number):
                image, place = divmod(t, down * across)
                h, q = place // across * m + top, place % across * m + left
                transform(
                    form, COLLECT, size, sums + t * width * item, n * position, position,
                    vector, piece, n * width * item, width * item, vector,
                    count * item // vector, 0, 0,
                )  # fmt: skip
                for i in range(max(0, -h), min(n, OH - h)):
                    for j in range(max(0, -q), min(n, OW - q)):
                        there = y[0] + image * y[1] + (h + i) * y[2] + (q + j) * y[3]
                        source = piece + (i * n + j) * width * item
                        add_to(form, there + k0 * item, source, count * item // vector)
            continue
        for t in range(number):
            image, place = divmod(begin + t, down * across)
            h, q = place // across * m, place % across * m
            there = y[0] + image * y[1] + h * y[2] + q * y[3] + k0 * item
            to, row, column = there, y[2], y[3]
            whole = h + m <= OH and q + m <= OW and count * item % vector == 0
            if not whole:
                to, row, column = piece, m * width * item, width * item
            transform(
                form, OUTPUT, size, sums + t * width * item, n * position, position,
                vector, to, row, column, vector,
                (count if whole else width) * item // vector,
                biases + k0 * item if biases != 0 else 0, flags,
            )  # fmt: skip
            if not whole:
                for i in range(min(m, OH - h)):
                    for j in range(min(m, OW - q)):
                        source = piece + (i * m + j) * width * item
                        move(there + i * y[2] + j * y[3], source, count * item)


@kernel()
def _blocks(work, places, form, size, v, z, gw, shape):
    """A panel of filters and a block of channels a task."""
    room = room_of(work)
    m, r = outputs(size), taps(size)
    C, K, number, block = shape
    width, item, high = panel_width(form), itemsize(form), tile_rows(form)
    vector, n = lanes(form) * itemsize(form), m + r - 1
    v_row, blocks = block * item, -(-C // block)
    v_position, z_position = spaced(number * v_row), spaced(number * width * item)
    sums, filters = room + places[0], room + places[1]
    for task in tasks(work):
        p, c0 = task // blocks, task % blocks * block
        depth = min(block, C - c0)
        row = depth * width * item
        tap = spaced(row)
        low, higher, others = heights(depth, high)
        for e in range(n * n):
            a = v + (c0 // block * n * n + e) * v_position
            b = z + (p * n * n + e) * z_position
            for first in range(0, number, SUM):
                some = min(SUM, number - first)
                for height, times, c in ((low + 1, higher, 0), (low, others, higher * (low + 1))):
                    if times > 0:
                        tiles(
                            form, STEPS, WIDE, height, times,
                            a + first * v_row + c * item, 0, v_row, 0, 0, height * item,
                            b + first * width * item, width * item, 0, 0, some, 1, 1,
                            sums + e * tap + c * width * item, width * item, height * width * item,
                            0, ACCUMULATE if first > 0 else 0,
                            a + v_position + first * v_row + c * some * item, LINE,
                        )  # fmt: skip
        transform(
            form, TAP, size, sums, n * tap, tap, vector,
            filters, r * tap, tap, vector, row // vector, 0, 0,
        )  # fmt: skip
        unpack_block(
            form, width, filters, tap, gw[0] + p * width * gw[1] + c0 * gw[2],
            (gw[1], gw[2], gw[3], gw[4]), (min(width, K - p * width), depth, r, r),
        )  # fmt: skip
