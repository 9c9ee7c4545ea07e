"""The gradient of a 3x3 convolution's weights, by Winograd's algorithm (transforms.py).

    gw = A^T [ sum over tiles of (B^T x B) * (G gy G^T) ] A      m x m tiles of gy, n x n of x

In each of the n*n positions that is a product of (channels x tiles) by (tiles x filters), whose
sum over tiles runs in the micro-kernel; the taps are made once, at the end.

    few channels    a task takes a share of the tiles, block after block: both transforms, all
                    positions, sums of its own. All of it stays in the second-level cache.
    many            the sums alone are larger than that. For a chunk of tiles, first all transforms
                    (a task: some tiles), then all products (a task: a position, some panels).
"""

import numpy as np

from .compile import kernel
from .flat import add_up
from .layout import aligned, pointer
from .packing import unpack_block, width_of
from .tasks import room_of, tasks
from .threads import parallel_for
from .tile import ACCUMULATE, NOTHING, STEPS, WIDE, heights, tiles
from .transforms import GRADIENT, INPUT, TAP, outputs, taps, tiles_of, transform
from .vectors import itemsize, kind, lanes, line_of, panel_width, spaced, tile_rows
from .winograd import to_positions
from .workspace import carve

Pair = tuple[int, int]

SUMS = 2**20  # bytes of sums that a task can have of its own
BLOCK = 2**20  # bytes of its transformed tiles
CHUNK = 2**23  # bytes of transformed tiles, where they are shared: they stay in the third level
SIX = 2**17  # channels times filters up to which larger tiles are faster, where sums are shared
SHARES = 16
TILES = 16  # tiles a task transforms


def correlate_weights(x, gy, gw, *, origin: Pair, m: int | None = None) -> None:
    """Fill gw (1, K, C, 3, 3) from x (N, C, H, W) and gy (N, K, OH, OW); step and dilation 1.

    As ``gradient.correlate_weights``; m: 4 or 6, or None for the one that was measured to be
    faster.
    """
    form, item = kind(x.dtype), x.itemsize
    (N, C, H, W), (_, K, OH, OW) = x.shape, gy.shape
    width = width_of(form)
    panels = -(-K // width)
    if m is None:
        few = 36 * panels * C * width * item <= SUMS
        m = 6 if not few and K * C <= SIX else 4
    n, down, across = m + 2, -(-OH // m), -(-OW // m)
    tiles = N * down * across
    per_tile = n * n * (C + panels * width) * item
    shape = n * n, spaced(panels * C * width * item) // item
    alone = n * n * panels * C * width * item <= SUMS
    shares = min(SHARES, -(-tiles // TILES)) if alone else 1
    sums = aligned((shares, *shape), x.dtype)
    where = (
        (pointer(x), *(x.strides[i] for i in (0, 2, 3))),
        (pointer(gy), *(gy.strides[i] for i in (0, 2, 3))),
        (H, W, C, OH, OW, K),
        origin,
        (down, across),
    )
    work = per_tile * TILES
    if alone:
        block = max(TILES, BLOCK // per_tile)
        places, room = carve(
            n * n * spaced(block * spaced(C * item)),
            n * n * spaced(block * panels * width * item),
            n * n * max(C, K) * item,
        )
        sizes = tiles, shares, block, places
        work, target = tiles // shares * per_tile, pointer(sums)
        parallel_for(
            _shares, shares, form, tiles_of(m, 3), sizes, *where, target, work=work, room=room
        )
        if shares > 1:
            parts, sums = sums, aligned(shape, x.dtype)
            add_up(parts, sums)
    else:
        chunk = min(tiles, max(TILES, CHUNK // per_tile))
        v, z = (
            aligned((n * n, spaced(chunk * spaced(C * item)) // item), x.dtype),
            aligned((n * n, spaced(chunk * panels * width * item) // item), x.dtype),
        )
        for first in range(0, tiles, chunk):
            count = min(chunk, tiles - first)
            both = (first, count, chunk), pointer(v), pointer(z)
            parallel_for(
                _transforms, -(-count // TILES), form, tiles_of(m, 3), *where, *both, work=work
            )
            groups = n * n * -(-panels // 4)
            more = pointer(sums), C, panels, 4, first > 0
            parallel_for(_products, groups, form, both, *more, work=count * C * width)
    target = pointer(gw), *gw.strides[1:]
    count = panels * -(-C // 16)
    parallel_for(
        _taps,
        count,
        form,
        tiles_of(m, 3),
        pointer(sums),
        (K, C),
        target,
        work=n * n * 16 * width,
    )


@kernel()
def _shares(work, form, size, sizes, x, gy, shape, origin, grid, sums):
    """Shares of the tiles, each with sums of its own."""
    room = room_of(work)
    (all_tiles, shares, block, places), (H, W, C, OH, OW, K) = sizes, shape
    m = outputs(size)
    n, width, item = m + 2, panel_width(form), itemsize(form)
    panels = -(-K // width)
    v, z, patch = room + places[0], room + places[1], room + places[2]
    v_strides, z_strides = _distances(block, C, panels, width, item)
    for share in tasks(work):
        begin, end = all_tiles * share // shares, all_tiles * (share + 1) // shares
        own = sums + share * n * n * spaced(panels * C * width * item)
        for first in range(begin, end, block):
            some = first, min(block, end - first)
            to_positions(
                form, INPUT, size, n, x, (H, W, C), origin, grid, some,
                v, v_strides, patch,
            )  # fmt: skip
            to_positions(
                form, GRADIENT, size, m, gy, (OH, OW, K), (0, 0), grid, some,
                z, z_strides, patch,
            )  # fmt: skip
            for position in range(n * n):
                _product(
                    form, position, (0, panels), some[1], v, v_strides, z,
                    z_strides, own, C, panels, first > begin,
                )  # fmt: skip


@kernel()
def _distances(some, C, panels, width, item):
    """Of V and Z with room for ``some`` tiles: from a tile, position, panel to the next, and the
    channels of a panel (see ``to_positions``)."""
    row, panel = spaced(C * item), some * width * item
    return (row, spaced(some * row), 0, C), (width * item, spaced(panels * panel), panel, width)


@kernel()
def _transforms(work, form, size, x, gy, shape, origin, grid, some_tiles, v, z):
    """Some tiles a task, of a chunk."""
    (H, W, C, OH, OW, K), (first, count, chunk) = shape, some_tiles
    m = outputs(size)
    n, width, item = m + 2, panel_width(form), itemsize(form)
    patch = np.empty(n * n * max(C, K) * item + 64, np.uint8)
    v_strides, z_strides = _distances(chunk, C, -(-K // width), width, item)
    for task in tasks(work):
        t = task * TILES
        some = first + t, min(TILES, count - t)
        to_positions(
            form, INPUT, size, n, x, (H, W, C), origin, grid, some,
            v + t * v_strides[0], v_strides, line_of(patch),
        )  # fmt: skip
        to_positions(
            form, GRADIENT, size, m, gy, (OH, OW, K), (0, 0), grid, some,
            z + t * z_strides[0], z_strides, line_of(patch),
        )  # fmt: skip


@kernel()
def _products(work, form, both, sums, C, panels, group, more):
    """A position and some panels a task, of a chunk."""
    (_, count, chunk), v, z = both
    width, item = panel_width(form), itemsize(form)
    groups = -(-panels // group)
    v_strides, z_strides = _distances(chunk, C, panels, width, item)
    for task in tasks(work):
        p = task % groups * group
        _product(
            form, task // groups, (p, min(p + group, panels)), count,
            v, v_strides, z, z_strides, sums, C, panels, more,
        )  # fmt: skip


@kernel()
def _product(
    form, position, some_panels, count, v, v_strides, z, z_strides, sums, C, panels, more
):  # fmt: skip
    """sums[position][panel][channel][filter] (+)= the sum over tiles, for some panels."""
    width, item, high = panel_width(form), itemsize(form), tile_rows(form)
    low, higher, others = heights(C, high)
    for p in range(some_panels[0], some_panels[1]):
        b = z + position * z_strides[1] + p * z_strides[2]
        target = sums + position * spaced(panels * C * width * item) + p * C * width * item
        for height, number, c in ((low + 1, higher, 0), (low, others, higher * (low + 1))):
            if number > 0:
                tiles(
                    form, STEPS, WIDE, height, number,
                    v + position * v_strides[1] + c * item, 0, v_strides[0], 0, 0, height * item,
                    b, z_strides[0], 0, 0, count, 1, 1,
                    target + c * width * item, width * item, height * width * item,
                    0, ACCUMULATE if more else 0, NOTHING, 0,
                )  # fmt: skip


@kernel()
def _taps(work, form, size, sums, shape, gw):
    """The taps of sixteen channels of a panel a task."""
    K, C = shape
    width, item, vector = panel_width(form), itemsize(form), lanes(form) * itemsize(form)
    n, panels, chunks = outputs(size) + 2, -(-K // width), -(-C // 16)
    filters = np.empty(9 * spaced(16 * width * item) + 64, np.uint8)
    for task in tasks(work):
        p, c0 = task // chunks, task % chunks * 16
        count = min(16, C - c0)
        row, position = count * width * item, spaced(panels * C * width * item)
        tap = spaced(row)
        transform(
            form, TAP, size, sums + (p * C + c0) * width * item, n * position, position, vector,
            line_of(filters), 3 * tap, tap, vector, row // vector, 0, 0,
        )  # fmt: skip
        r = taps(size)
        unpack_block(
            form, width, line_of(filters), tap, gw[0] + p * width * gw[1] + c0 * gw[2],
            (gw[1], gw[2], gw[3], gw[4]), (min(width, K - p * width), count, r, r),
        )  # fmt: skip
