"""Convolutions on Hopper's tensor cores: conv_hopper.cu's patches, and what has to be in memory.

A patch is a rectangle of at most 256 of the pixels that are made. What it sees of the maps that
are read (more, by the window's size) has to be in shared memory, twice, so that the next 32
channels arrive while these are multiplied; beside it the filters' terms of some taps.
"""

import math
from dataclasses import dataclass
from functools import cache

import numpy as np

from . import parts
from .device import address, launch, module_of
from .layout import pitch
from .tensor_map import tensor_map
from .tile import product_of

CHUNK = 32  # channels at a time: rows of 128 bytes
PIXELS = 256  # of a patch, at most
BOX = 256  # the longest side of what is fetched at once
MULTIPROCESSORS = 132  # of an H100
THREADS = 384  # of a block
FEWEST = 64  # blocks, for which it is worth while
TURN = 2048  # pixels, from which filters are turned for the gradient of the input
# Bytes of shared memory for one block of a multiprocessor, and for each of two
ALONE, SHARED = 226 * 1024, 112 * 1024
DEEPEST = 8  # conv_hopper.cu's


@dataclass(frozen=True)
class Plan:
    """patch and seen: (height, width) of what is made, and read for it; columns: channels that a
    block makes; places: how many boxes of pixels, and of filters, have room in shared memory, and
    how many bytes that is; grid: patches, blocks for their channels, parts of their sums."""

    patch: tuple[int, int]
    seen: tuple[int, int]
    columns: int
    places: tuple[int, int]
    shared: int
    grid: tuple[int, int, int]


def conv2d(x, w, bias, y, window, flags):
    """y, made of x (N, C, H, W) and w (K, C, KH, KW), all channels last; None where another kernel
    has to make it.

    window: sizes of the kernel, strides, paddings (of the upper and left border alone: y says how
    much there is to make) and dilations. flags: whether there is a bias, whether to rectify.
    """
    (N, C, H, W), (K, _, *kernel), (OH, OW) = x.shape, w.shape, y.shape[2:]
    if not _suits(x, w, y):
        return None
    if window == (1, 1, 1, 1, 0, 0, 1, 1):  # no pixel sees its neighbours: all are one row
        N, H, W, OH, OW = 1, 1, N * H * W, 1, N * OH * OW
    plan = plan_of(N, OH, OW, C, K, window)
    if plan is None or math.prod(plan.grid) < FEWEST:
        return None
    splits, taps = plan.grid[2], kernel[0] * kernel[1]
    made = parts.room(splits, y)
    pixels = tensor_map(x, (C, W, H, N), (C, W * C, H * W * C), (CHUNK, *plan.seen[::-1], 1))
    filters = tensor_map(w, (C, taps, K), (C, taps * C), (CHUNK, 1, plan.columns))
    pitch_made, last = (pitch(y), flags) if splits == 1 else (K, (0, 0))
    launch("conv_hopper.cu", "conv2d_hopper", plan.grid, (THREADS,), pixels, filters, bias, made, N,
           OH, OW, pitch_made, C, K, *window, *plan.patch, *plan.places, splits, *last,
           shared=plan.shared, BN=plan.columns)  # fmt: skip
    return parts.added_maps(made, bias, y, flags)


def conv2d_grad_input(gy, w, gx, window):
    """gx, made of gy (N, K, OH, OW) and w (K, C, KH, KW), all channels last; None where another
    kernel has to make it.

    With stride 1 this is a convolution too, of filters that are turned: their channels change
    places, and the last tap comes first. It is worth while where each is read by many patches.
    """
    KH, KW, SH, SW, PH, PW, DH, DW = window
    pixels = gx.size // max(1, gx.shape[1])
    if (SH, SW) != (1, 1) or pixels < TURN or not _suits(gy, w, gx):
        return None
    turned = w.transpose(1, 2, 3, 0)[:, ::-1, ::-1]
    turned = module_of(w).ascontiguousarray(turned).transpose(0, 3, 1, 2)
    window = KH, KW, 1, 1, (KH - 1) * DH - PH, (KW - 1) * DW - PW, DH, DW
    return conv2d(gy, turned, gy, gx, window, (0, 0))


def _suits(x, w, y) -> bool:
    """Whether y can be made of x and w: Hopper's product is asked for, the copy engine can read
    them, two numbers are written at once, and tiles are not mostly empty."""
    if product_of(x.dtype) != "WGMMA" or any(address(a) % 16 for a in (x, w, y)):
        return False
    C, K = x.shape[1], y.shape[1]
    return C % 4 == K % 4 == pitch(y) % 4 == 0 and K > 32 and x.size > 0 and y.size > 0


@cache
def plan_of(N: int, OH: int, OW: int, C: int, K: int, window) -> Plan | None:
    """How the work is cut; None where what a patch sees has no room."""
    KH, KW, SH, SW, _, _, DH, DW = window
    patch = _patch((OH, OW), window)
    seen = (patch[0] - 1) * SH + (KH - 1) * DH + 1, (patch[1] - 1) * SW + (KW - 1) * DW + 1
    columns = 64 if K <= 64 else 128
    x_size, w_size = -(-seen[0] * seen[1] * 4 * CHUNK // 1024) * 1024, columns * 4 * CHUNK
    if max(seen) > BOX:
        return None
    for limit in (SHARED, ALONE) if columns == 64 else (ALONE,):
        if KH * KW == 1:  # both are fetched anew each time
            pixels = filters = min(DEEPEST, limit // (x_size + w_size))
        else:
            pixels, filters = 2, min(DEEPEST, (limit - 2 * x_size) // w_size)
        if filters >= 2:
            break
    else:
        return None
    blocks = N * -(-OH // patch[0]) * -(-OW // patch[1]), -(-K // columns)
    wanted = MULTIPROCESSORS * (2 if limit == SHARED else 1)
    splits = max(1, min(wanted // math.prod(blocks), -(-C // CHUNK) // 2))
    shared = pixels * x_size + filters * w_size
    return Plan(patch, seen, columns, (pixels, filters), shared, (*blocks, splits))


def _patch(size, window) -> tuple[int, int]:
    """The patch for maps of a size: few that cover them, each of which sees little."""
    KH, KW, SH, SW, _, _, DH, DW = window
    (H, W), best = size, None
    for h in range(1, min(H, PIXELS) + 1):
        down, across = -(-H // h), -(-W // min(W, PIXELS // h))
        w = -(-W // across)
        seen = ((h - 1) * SH + (KH - 1) * DH + 1) * ((w - 1) * SW + (KW - 1) * DW + 1)
        cost = down * across * (PIXELS * KH * KW + seen)
        best = min(best or (np.inf,), (cost, (h, w)))
    return best[-1]
