"""Winograd's convolution for 3x3 windows: fewer multiplications, for some additions before and
after (transforms.py derives them).

    y = A^T [ (G w G^T) * (B^T x B) ] A        tiles of m x m outputs from n x n inputs, n = m + 2

The products are elementwise in the n*n positions of a tile and sums over channels, that is: n*n
matrix products of (tiles x channels) by (channels x filters). m = 4 needs 36 multiplications for
16 outputs instead of 144, m = 6 needs 64 for 36 instead of 324.

    for block of tiles                        task of a thread
        for tile                              x -> V[position][tile][channel]
        for position
            for panel of filters
                for rows of tiles             micro-kernel: V[position] U[position] -> M[position]
        for tile                              M[position][panel][tile] -> y, bias, rectifier

A block is large enough that U, read once a block from the third-level cache, is used often, and
small enough that V[position] stays in the second. V and M are the thread's own; nothing of the
size of the map is stored.

Its error is larger than the direct sum's, for the transforms add and subtract multiples: relative
to the output's root mean square 1e-6 to 2e-6 (m = 4) and 2e-6 to 5e-6 (m = 6) against 3e-7 to
6e-7, with 64 to 512 channels.
"""

import numpy as np

from .compile import kernel
from .layout import aligned, pointer, streams
from .packing import pack_block, panels_of, width_of
from .tasks import room_of, tasks
from .threads import parallel_for
from .tile import PANEL, RELU, ROWS, STREAM, WIDE, heights, tiles
from .transforms import FILTER, INPUT, OUTPUT, outputs, taps, tiles_of, transform
from .vectors import (
    clear,
    itemsize,
    kind,
    lanes,
    line_of,
    move,
    panel_width,
    settle,
    spaced,
    tile_rows,
)
from .workspace import carve

Pair = tuple[int, int]

WORKSPACE = 2**20  # bytes of V and M that a block should not exceed
MIN_TILES = 28, 56  # but at least so many, or U is read too often; more where U is LARGE
LARGE = 2**24  # bytes


def fits(w) -> bool:
    """Whether channels and filters come in whole vectors."""
    vector = kind(w.dtype).dtype[0].shape[2]
    return w.shape[1] % vector == 0 and w.shape[2] % vector == 0


def correlate(
    x, w, y, bias=None, *, origin: Pair, m: int = 4, relu=False, transformed=None
) -> None:
    """Fill y (N, K, OH, OW) from x (N, C, H, W) and w (1, K, C, 3, 3), step and dilation 1.

    As ``direct.correlate``; transformed: what ``transform_filters`` made of w.
    """
    form = kind(x.dtype)
    (N, C, H, W), (_, K, _, _, _), (_, _, OH, OW) = x.shape, w.shape, y.shape
    if transformed is None:
        transformed = transform_filters(w, m)
    width, item = width_of(form), x.itemsize
    panels = -(-K // width)
    down, across = -(-OH // m), -(-OW // m)
    tiles = N * down * across
    per_tile = (m + 2) ** 2 * (C + panels * width) * item
    block = max(MIN_TILES[transformed.nbytes > LARGE], WORKSPACE // per_tile)
    blocks = -(-tiles // block)
    if blocks % 2 and blocks < 16:
        blocks += 1
    block = -(-tiles // blocks)
    biases = panels_of(bias, 1, K, width) if bias is not None else None
    n = m + 2
    parts, room = carve(
        n * n * spaced(block * spaced(C * item)),  # V
        n * n * spaced(block * panels * width * item),  # M
        n * n * C * item,  # a tile of x with zeros
        m * m * panels * width * item,  # a tile of y that is cut off
    )
    parallel_for(
        _correlate,
        -(-tiles // block),
        *(parts, form, tiles_of(m, 3), block),
        (pointer(x), *(s for i, s in enumerate(x.strides) if i != 1)),
        (pointer(y), *(s for i, s in enumerate(y.strides) if i != 1)),
        pointer(transformed),
        0 if biases is None else pointer(biases),
        (N, C, H, W, K, OH, OW),
        origin,
        (RELU if relu else 0) | (STREAM if streams(y) else 0),
        work=block * per_tile,
        room=room,
    )


def transform_filters(w, m: int):
    """U = G w G^T of w (1, K, C, 3, 3): [position][panel][channel][filter], spaced positions."""
    form = kind(w.dtype)
    _, K, C, _, _ = w.shape
    panels = -(-K // width_of(form))
    position = spaced(panels * C * width_of(form) * w.itemsize)
    u = aligned(((m + 2) ** 2, position // w.itemsize), w.dtype)
    where = (pointer(w), *w.strides)
    count = panels * -(-C // 16)
    parallel_for(
        _transform_filters,
        count,
        form,
        tiles_of(m, 3),
        where,
        (K, C),
        pointer(u),
        work=16 * 9 * 64,
    )
    return u


@kernel()
def _transform_filters(work, form, size, w, shape, u):
    """Sixteen channels of a panel a task."""
    K, C = shape
    width, item, vector = panel_width(form), itemsize(form), lanes(form) * itemsize(form)
    panels, chunks = -(-K // width), -(-C // 16)
    filters = np.empty(9 * spaced(16 * width * item) + 64, np.uint8)
    n, position = outputs(size) + 2, spaced(panels * C * width * item)
    for task in tasks(work):
        p, c0 = task // chunks, task % chunks * 16
        c1 = min(c0 + 16, C)
        k0 = p * width
        r = taps(size)
        count, row = min(width, K - k0), (c1 - c0) * width * item
        tap, packed = spaced(row), line_of(filters)
        pack_block(form, width, w, 0, (k0, count), (c0, c1), (r, r), packed, tap)
        target = u + (p * C + c0) * width * item
        transform(
            form, FILTER, size, packed, 3 * tap, tap, vector,
            target, n * position, position, vector, row // vector, 0, 0,
        )  # fmt: skip


@kernel()
def _correlate(work, parts, form, size, block, x, y, u, biases, shape, origin, flags):
    """Blocks of tiles: see the module. x, y: address and distances of images, rows, pixels."""
    room = room_of(work)
    N, C, H, W, K, OH, OW = shape
    width, item, high = panel_width(form), itemsize(form), tile_rows(form)
    vector = lanes(form) * item
    m = outputs(size)
    n, panels, down, across = m + 2, -(-K // width), -(-OH // m), -(-OW // m)
    all_tiles = N * down * across
    columns = panels * width
    v_row = spaced(C * item)
    v, products, patch, piece = (
        room + parts[0],
        room + parts[1],
        room + parts[2],
        room + parts[3],
    )
    v_position, m_position = spaced(block * v_row), spaced(block * columns * item)
    u_position, m_panel = spaced(panels * C * width * item), block * width * item
    for task in tasks(work):
        first = task * block
        count = min(block, all_tiles - first)
        to_positions(
            form, INPUT, size, n, x, (H, W, C), origin, (down, across), (first, count),
            v, (v_row, v_position, 0, C), patch,
        )  # fmt: skip
        low, higher, others = heights(count, high)
        for position in range(n * n):
            a = v + position * v_position
            for p in range(panels):
                b = u + position * u_position + p * C * width * item
                c = products + position * m_position + p * m_panel
                for height, number, t in (
                    (low + 1, higher, 0),
                    (low, others, higher * (low + 1)),
                ):
                    if number > 0:
                        tiles(
                            form, ROWS, WIDE, height, number,
                            a + t * v_row, v_row, 0, 0, 0, height * v_row, b, 0, 0, 0, C, 1, 1,
                            c + t * width * item, width * item, height * width * item, 0, 0,
                            PANEL, 0,
                        )  # fmt: skip
        for t in range(count):
            image, ty = divmod(first + t, down * across)
            ty, tx = divmod(ty, across)
            r, q = ty * m, tx * m
            there, row, column = y[0] + image * y[1] + r * y[2] + q * y[3], y[2], y[3]
            inside = r + m <= OH and q + m <= OW
            if not inside:
                there, row, column = piece, m * columns * item, columns * item
            for p in range(panels):
                offset = p * width * item
                transform(
                    form, OUTPUT, size,
                    products + p * m_panel + t * width * item, n * m_position, m_position, vector,
                    there + offset, row, column, vector,
                    min(width, K - p * width) * item // vector,
                    biases + offset if biases != 0 else 0, flags if inside else flags & RELU,
                )  # fmt: skip
            if not inside:
                there = y[0] + image * y[1] + r * y[2] + q * y[3]
                for i in range(min(m, OH - r)):
                    for j in range(min(m, OW - q)):
                        source = piece + (i * m + j) * columns * item
                        move(there + i * y[2] + j * y[3], source, K * item)
    settle()


@kernel()
def to_positions(
    form, what, size, side, x, shape, origin, grid, some, target, strides, patch
):  # fmt: skip
    """Transform some tiles (first, count) of a map to target[position][panel][tile][channel].

    A tile is ``side`` pixels wide, n of x or m of gy, and starts at origin + m * its place in the
    grid (down, across); outside the map there are zeros, which are put together in ``patch``.
    strides: distances of tiles, positions and panels in the target, and channels of a panel.
    """
    (H, W, C), (h0, w0), (down, across), (first, count) = shape, origin, grid, some
    row, position, panel, width = strides
    m = outputs(size)
    item, vector, n = itemsize(form), lanes(form) * itemsize(form), m + taps(size) - 1
    for t in range(count):
        image, place = divmod(first + t, down * across)
        h, w = place // across * m + h0, place % across * m + w0
        image_at = x[0] + image * x[1]
        here, x_h, x_w = image_at + h * x[2] + w * x[3], x[2], x[3]
        if h < 0 or w < 0 or h + side > H or w + side > W:
            _patch((image_at, x_h, x_w), (H, W, C * item), (h, w), side, patch)
            here, x_h, x_w = patch, side * C * item, C * item
        for p in range(-(-C // width)):
            there, used = target + t * row + p * panel, min(width, C - p * width) * item
            transform(
                form, what, size, here + p * width * item, x_h, x_w, vector,
                there, n * position, position, vector, used // vector, 0, 0,
            )  # fmt: skip
            if used < width * item:
                for i in range(n * n):
                    clear(there + i * position + used, width * item - used)


@kernel()
def _patch(x, shape, first, n, target):
    """n x n pixels of an image, zeros outside it. x: address, distances of rows and pixels."""
    (address, x_h, x_w), (H, W, pixel), (h0, w0) = x, shape, first
    for i in range(n):
        for j in range(n):
            h, w = h0 + i, w0 + j
            there = target + (i * n + j) * pixel
            if 0 <= h < H and 0 <= w < W:
                move(there, address + h * x_h + w * x_w, pixel)
            else:
                clear(there, pixel)
