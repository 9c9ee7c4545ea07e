"""Into which patches Hopper's kernels cut maps, and what has to be in memory (hopper.py).

A patch is a rectangle of at most 256 of the pixels that are made. What it sees of the maps that
are read (more, by the window's size) has to be in shared memory, twice, so that the next 32
channels arrive while these are multiplied; beside it the filters' terms of some taps. The gradient
of the filters has patches of 64.
"""

import math
from dataclasses import dataclass
from functools import cache

CHUNK = 32  # channels at a time
ROW = 4 * CHUNK  # bytes
PIXELS = 256  # of a patch, at most
FEW_PIXELS = 64  # of one, for the gradient of the filters
TAPS = 9  # of a block there
BOX = 256  # the longest side of what is fetched at once
DEEPEST = 8  # boxes in shared memory: as many as have a barrier
MULTIPROCESSORS = 132  # of an H100
# Bytes of shared memory for one block of a multiprocessor, and for each of two
ALONE, SHARED = 226 * 1024, 112 * 1024


@dataclass(frozen=True)
class Plan:
    """patch and seen: (height, width) of what is made, and read for it; columns: channels that a
    block makes; places: how many boxes of pixels, and of filters, have room in shared memory, and
    how many bytes that is; grid: patches, blocks for their channels, parts of their sums (for the
    filters' gradient: blocks of channels and filters, of taps, parts); used: what is wanted of all
    products, for tiles are full."""

    patch: tuple[int, int]
    seen: tuple[int, int]
    columns: int
    places: tuple[int, int]
    shared: int
    grid: tuple[int, int, int]
    used: float


@cache
def plan(N: int, OH: int, OW: int, C: int, K: int, window) -> Plan | None:
    """How a convolution that makes (N, K, OH, OW) of C channels is cut; None where what a patch
    sees has no room. window: sizes of the kernel, strides, paddings, dilations."""
    columns = 64 if K <= 64 else 128
    tile, chunks, plans = columns * ROW, -(-C // CHUNK), []
    for limit in (SHARED, ALONE) if columns == 64 else (ALONE,):
        patch = _patch((OH, OW), window, PIXELS, limit // 2 - tile)
        if patch is None:
            continue
        seen = _seen(patch, window)
        box = _rounded(math.prod(seen) * ROW)
        if window[:2] == (1, 1):  # both are fetched anew each time
            boxes = tiles = min(DEEPEST, limit // (box + tile))
        else:
            boxes, tiles = 2, min(DEEPEST, (limit - 2 * box) // tile)
        blocks = N * count((OH, OW), patch), -(-K // columns)
        wanted = MULTIPROCESSORS * (2 if limit == SHARED else 1)
        splits = max(1, min(wanted // math.prod(blocks), chunks // 2))
        used = N * OH * OW * K * C / (math.prod(blocks) * PIXELS * columns * chunks * CHUNK)
        shared, grid = boxes * box + tiles * tile, (*blocks, splits)
        plans.append(Plan(patch, seen, columns, (boxes, tiles), shared, grid, used))
    return max(plans, key=lambda one: one.used, default=None)


@cache
def weight_plan(N: int, OH: int, OW: int, C: int, K: int, window) -> Plan | None:
    """The same for the gradient of its filters."""
    tile, taps, columns = 64 * ROW, math.prod(window[:2]), 64
    patch = _patch((OH, OW), window, FEW_PIXELS, ALONE // 4 - DEEPEST * tile // 8)
    if patch is None:
        return None
    seen = _seen(patch, window)
    pair = 2 * _rounded(math.prod(seen) * ROW)  # two boxes of 32 channels
    tiles = min(DEEPEST, (ALONE - 2 * pair) // tile)
    boxes = min(DEEPEST, (ALONE - tiles * tile) // pair)
    blocks, patches = (-(-C // 64) * -(-K // 64), -(-taps // TAPS)), N * count((OH, OW), patch)
    splits = max(1, min(MULTIPROCESSORS // math.prod(blocks), patches // 2))
    used = N * OH * OW * K * C * taps / (math.prod(blocks) * 64**2 * TAPS * patches * FEW_PIXELS)
    shared, grid = boxes * pair + tiles * tile, (*blocks, splits)
    return Plan(patch, seen, columns, (boxes, tiles), shared, grid, used)


def count(size, patch) -> int:
    """How many patches cover maps of a size."""
    return -(-size[0] // patch[0]) * -(-size[1] // patch[1])


def _patch(size, window, pixels: int, room: int) -> tuple[int, int] | None:
    """The patch of at most so many pixels for maps of a size: few that cover them, which see
    little, and what they see fits into so many bytes. None where not one pixel does."""
    (H, W), best = size, (math.inf, None)
    for h in range(1, min(H, pixels) + 1):
        rows, tap = _seen((h, 1), window)
        widest = min(room // 1024 * 1024 // (rows * ROW), BOX)  # columns that can be seen
        if rows > BOX or widest < tap:
            break
        w = min(W, pixels // h, (widest - tap) // window[3] + 1)
        patch = h, -(-W // -(-W // w))  # as wide as the others of its row
        each = pixels * window[0] * window[1] + math.prod(_seen(patch, window))
        best = min(best, (count(size, patch) * each, patch))
    return best[1]


def _seen(patch, window) -> tuple[int, int]:
    """How many rows and columns of pixels a patch sees."""
    size, stride, dilation = window[:2], window[2:4], window[6:]
    axes = zip(patch, size, stride, dilation, strict=True)
    return tuple((n - 1) * s + (k - 1) * d + 1 for n, k, s, d in axes)


def _rounded(size: int) -> int:
    """Bytes of a box with those that are left free behind it."""
    return -(-size // 1024) * 1024
