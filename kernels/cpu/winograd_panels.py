"""Winograd's algorithm where the filters outweigh the map: fc6, with 7x7x512x4096 weights and a
map of 16x16, and convolutions like it.

Transformed, such filters are larger still (fc6: 537 MB), and each of their numbers meets few
tiles. Writing them to memory and reading them back would take longer than the products. So they
are never stored: a task takes one panel of filters, transforms a block of its channels into the
second-level cache, multiplies it with all tiles and forgets it.

    all tiles: x -> V[position][tile][channel]                shared by all tasks
    for panel of 32 filters                                   task of a thread
        for block of channels
            G w G^T -> U[position][channel][filter]
            for position
                for rows of tiles                             micro-kernel, added to M[position]
        for tile: A^T M A -> y, bias, rectifier

and for the gradient of the weights, with gy transformed for all tiles too (Z):

    for panel of 32 filters, block of channels                task of a thread
        for position
            for some channels                                 micro-kernel: V[position]^T Z[position]
        A^T (...) A -> taps -> gw
"""

import numpy as np

from .compile import kernel
from .layout import aligned
from .packing import pack_block, panels_of, unpack_block, width_of
from .threads import parallel_for
from .tile import ACCUMULATE, ROWS, STEPS, tile
from .transforms import FILTER, GRADIENT, INPUT, OUTPUT, RELU, TAP, transform
from .vectors import itemsize, kind, lanes, line_of, move, panel_width, tile_rows
from .winograd import to_positions

Pair = tuple[int, int]

BLOCK = 3 * 2**17  # bytes of transformed filters, or of sums, that stay in the second-level cache
TILES = 8  # tiles a task transforms


def correlate(x, w, y, bias=None, *, origin: Pair, m: int, relu: bool = False) -> None:
    """Fill y (N, K, OH, OW) from x (N, C, H, W) and w (1, K, C, r, r), as ``winograd.correlate``;
    (m, r) is one of ``transforms.SIZES``."""
    form, item, r = kind(x.dtype), x.itemsize, w.shape[3]
    (N, C, H, W), K, (OH, OW) = x.shape, w.shape[1], y.shape[2:]
    width, n = width_of(form), m + r - 1
    panels, grid = -(-K // width), (-(-OH // m), -(-OW // m))
    tiles = N * grid[0] * grid[1]
    v = _positions(form, INPUT, (m, r, n), x, origin, grid)
    block = _even(C, BLOCK // (n * n * width * item))
    biases = panels_of(bias, 1, K, panels, width) if bias is not None else None
    parallel_for(
        _panels,
        *(panels, form, (m, r), v.ctypes.data, (w.ctypes.data, *w.strides)),
        (y.ctypes.data, *(y.strides[i] for i in (0, 2, 3))),
        0 if biases is None else biases.ctypes.data,
        (C, K, OH, OW, tiles, *grid, block),
        RELU if relu else 0,
        work=n * n * tiles * C,
    )


def correlate_weights(x, gy, gw, *, origin: Pair, m: int) -> None:
    """Fill gw (1, K, C, r, r) from x (N, C, H, W) and gy (N, K, OH, OW)."""
    form, item, r = kind(x.dtype), x.itemsize, gw.shape[3]
    (_, C, _, _), (_, K, OH, OW) = x.shape, gy.shape
    width, n = width_of(form), m + r - 1
    panels, grid = -(-K // width), (-(-OH // m), -(-OW // m))
    tiles = len(x) * grid[0] * grid[1]
    v = _positions(form, INPUT, (m, r, n), x, origin, grid)
    z = _positions(form, GRADIENT, (m, r, m), gy, (0, 0), grid, panels)
    block = _even(C, BLOCK // (n * n * width * item))
    parallel_for(
        _blocks,
        panels * -(-C // block),
        *(form, (m, r), v.ctypes.data, z.ctypes.data, (gw.ctypes.data, *gw.strides[1:])),
        (C, K, tiles, block),
        work=n * n * tiles * block,
    )


def _even(count: int, most: int) -> int:
    """The size of blocks of at most ``most``, all nearly alike."""
    return -(-count // -(-count // max(1, most)))


def _positions(form, what: int, size, x, origin: Pair, grid: Pair, panels: int = 0):
    """All tiles of x transformed: [position][tile][channel], or [position][panel][tile][filter].

    Rows of channels are a cache line longer, so that their distance is no power of two.
    """
    m, r, _ = size
    (N, C, H, W), item = x.shape, x.itemsize
    tiles, n = N * grid[0] * grid[1], m + r - 1
    if panels:
        width = width_of(form)
        out = aligned((n * n, panels, tiles, width), x.dtype)
        strides = width * item, panels * tiles * width * item, tiles * width * item
    else:
        out = aligned((n * n, tiles, C + 64 // item), x.dtype)
        strides = out.strides[1], out.strides[0], 0
    place = x.ctypes.data, *(x.strides[i] for i in (0, 2, 3))
    parallel_for(
        _transform_tiles,
        -(-tiles // TILES),
        *(form, what, size, place, (H, W, C), origin, grid, tiles, out.ctypes.data, strides),
        work=TILES * n * n * C,
    )
    return out


@kernel()
def _transform_tiles(
    start, stop, form, what, size, x, shape, origin, grid, tiles, target, strides
):  # fmt: skip
    """Some tiles a task."""
    side = size[2]
    patch = np.empty(side * side * shape[2] * itemsize(form) + 64, np.uint8)
    for task in range(start, stop):
        first = task * TILES
        some = first, min(TILES, tiles - first)
        there = target + first * strides[0]
        if what == INPUT:
            to_positions(
                form, INPUT, size, x, shape, origin, grid, some, there, strides, line_of(patch)
            )
        else:
            to_positions(
                form, GRADIENT, size, x, shape, origin, grid, some, there, strides, line_of(patch)
            )


@kernel()
def _panels(start, stop, form, size, v, w, y, biases, shape, flags):
    """Panels of filters."""
    (m, r), (C, K, OH, OW, tiles, down, across, block) = size, shape
    width, item, high = panel_width(form), itemsize(form), tile_rows(form)
    vector, n = lanes(form) * itemsize(form), m + r - 1
    v_row = C * item + 64
    taps = np.empty(r * r * block * width * item + 64, np.uint8)
    u = np.empty(n * n * block * width * item + 64, np.uint8)
    sums = np.empty(n * n * tiles * width * item + 64, np.uint8)
    piece = np.empty(m * m * width * item + 64, np.uint8)
    position, heights = tiles * width * item, -(-tiles // high)
    for p in range(start, stop):
        k0 = p * width
        filters = min(width, K - k0)
        for c0 in range(0, C, block):
            depth = min(block, C - c0)
            row = depth * width * item
            pack_block(form, w, 0, (k0, filters), (c0, c0 + depth), (r, r), line_of(taps))
            transform(
                form, FILTER, m, r, line_of(taps), r * row, row, vector,
                line_of(u), n * row, row, vector, row // vector, 0, 0,
            )  # fmt: skip
            for e in range(n * n):
                for i in range(heights):
                    t, end = tiles * i // heights, tiles * (i + 1) // heights
                    tile(
                        form, ROWS, end - t,
                        v + (e * tiles + t) * v_row + c0 * item, v_row, 0, 0, 0,
                        line_of(u) + e * row, 0, 0, 0, depth, 1, 1,
                        line_of(sums) + e * position + t * width * item, width * item, 0,
                        ACCUMULATE if c0 > 0 else 0,
                    )  # fmt: skip
        for t in range(tiles):
            image, place = divmod(t, down * across)
            h, q = place // across * m, place % across * m
            there = y[0] + image * y[1] + h * y[2] + q * y[3] + k0 * item
            to, row, column = there, y[2], y[3]
            whole = h + m <= OH and q + m <= OW and filters * item % vector == 0
            if not whole:
                to, row, column = line_of(piece), m * width * item, width * item
            transform(
                form, OUTPUT, m, r, line_of(sums) + t * width * item, n * position, position,
                vector, to, row, column, vector,
                (filters if whole else width) * item // vector,
                biases + k0 * item if biases != 0 else 0, flags,
            )  # fmt: skip
            if not whole:
                for i in range(min(m, OH - h)):
                    for j in range(min(m, OW - q)):
                        source = line_of(piece) + (i * m + j) * width * item
                        move(there + i * y[2] + j * y[3], source, filters * item)


@kernel()
def _blocks(start, stop, form, size, v, z, gw, shape):
    """A panel of filters and a block of channels a task."""
    (m, r), (C, K, tiles, block) = size, shape
    width, item, high = panel_width(form), itemsize(form), tile_rows(form)
    vector, n = lanes(form) * itemsize(form), m + r - 1
    v_row, blocks, panels = C * item + 64, -(-C // block), -(-K // width)
    sums = np.empty(n * n * block * width * item + 64, np.uint8)
    taps = np.empty(r * r * block * width * item + 64, np.uint8)
    for task in range(start, stop):
        p, c0 = task // blocks, task % blocks * block
        depth = min(block, C - c0)
        row, heights = depth * width * item, -(-depth // high)
        for e in range(n * n):
            b = z + (e * panels + p) * tiles * width * item
            for i in range(heights):
                c, end = depth * i // heights, depth * (i + 1) // heights
                tile(
                    form, STEPS, end - c,
                    v + e * tiles * v_row + (c0 + c) * item, 0, v_row, 0, 0,
                    b, width * item, 0, 0, tiles, 1, 1,
                    line_of(sums) + e * row + c * width * item, width * item, 0, 0,
                )  # fmt: skip
        transform(
            form, TAP, m, r, line_of(sums), n * row, row, vector,
            line_of(taps), r * row, row, vector, row // vector, 0, 0,
        )  # fmt: skip
        unpack_block(
            form, line_of(taps), gw[0] + p * width * gw[1] + c0 * gw[2],
            (gw[1], gw[2], gw[3], gw[4]), (min(width, K - p * width), depth, r, r),
        )  # fmt: skip
