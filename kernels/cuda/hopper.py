"""Convolutions on Hopper's tensor cores: conv_hopper.cu and conv_weight_hopper.cu.

Each function returns None where another kernel has to make its result: the copy engine reads what
begins at multiples of 16 bytes, and tiles that are mostly empty are not worth while.
"""

import math

from . import parts, patches
from .device import address, is_hopper, launch, module_of
from .layout import empty, pitch
from .tensor_map import tensor_map
from .tile import product_of

FEWEST = 64  # blocks, for which it is worth while
USED = 0.5  # of the products that they make, at least, is wanted
POINTWISE = 1, 1, 1, 1, 0, 0, 1, 1  # a window of one tap: size, stride, padding, dilation
TURNED = 256 << 20  # bytes of gy at most that are turned at a time, but for one image
TURN = 1024  # pixels, from which filters are turned for the gradient of the input


def conv2d(x, w, bias, y, window, flags):
    """y, made of x (N, C, H, W) and w (K, C, KH, KW), all channels last.

    window: sizes of the kernel, strides, paddings (of the upper and left border alone: y says how
    much there is to make) and dilations. flags: whether there is a bias, whether to rectify.
    """
    (N, C, H, W), (K, _, *kernel), (OH, OW) = x.shape, w.shape, y.shape[2:]
    if window == POINTWISE:  # no pixel sees its neighbours: all are one row
        N, H, W, OH, OW = 1, 1, N * H * W, 1, N * OH * OW
    plan = _plan(x, w, y, (N, OH, OW), window)
    if plan is None:
        return None
    splits, taps = plan.grid[2], kernel[0] * kernel[1]
    made = parts.room(splits, y)
    pixels = _what_patches_see(x, (N, H, W, C), plan)
    filters = tensor_map(w, (C, taps, K), (C, taps * C), (patches.CHUNK, 1, plan.columns))
    made_pitch, last = (pitch(y), flags) if splits == 1 else (K, (0, 0))
    launch("conv_hopper.cu", "conv2d_hopper", plan.grid, (384,), pixels, filters, bias, made, N,
           OH, OW, made_pitch, C, K, *window, *plan.patch, *plan.places, splits, *last,
           shared=plan.shared, BN=plan.columns)  # fmt: skip
    return parts.added_maps(made, bias, y, flags)


def conv2d_grad_input(gy, w, gx, window):
    """gx, made of gy (N, K, OH, OW) and w (K, C, KH, KW), all channels last.

    With stride 1 this is a convolution too, of filters that are turned: their channels change
    places, and the last tap comes first. It is worth while where each is read by many patches.
    """
    (KH, KW, SH, SW, PH, PW, DH, DW), (N, _, H, W) = window, gx.shape
    window = KH, KW, 1, 1, (KH - 1) * DH - PH, (KW - 1) * DW - PW, DH, DW
    if (SH, SW) != (1, 1) or N * H * W < TURN or not _plan(gy, w, gx, (N, H, W), window):
        return None
    K, C = w.shape[:2]
    turned = empty((C, K, KH, KW), w)
    grid = -(-C // 32), -(-K // 32), KH * KW
    launch("turn.cu", "turn_filters", grid, (32, 8), w, turned, K, C, real=w.dtype)
    return conv2d(gy, turned, gy, gx, window, (0, 0))


def conv2d_grad_weight(gy, x, gw, window):
    """gw (K, C, KH, KW), made of gy (N, K, OH, OW) and x (N, C, H, W), all channels last.

    gy is turned first (turn.cu), some images at a time, so that the memory for it is bounded.
    """
    (N, K, OH, OW), C = gy.shape, x.shape[1]
    if not _is_asked_for(x) or address(x) % 16 or C % 4 or not gy.size * x.size:
        return None
    plan = patches.weight_plan(N, OH, OW, C, K, window)
    if not _is_worth_while(plan):
        return None
    pixels = patches.FEW_PIXELS * patches.count((OH, OW), plan.patch)  # of an image, in rows
    most = min(N, max(1, TURNED // (K * pixels * gy.itemsize)))
    groups, splits = range(0, N, most), plan.grid[2]
    rows = module_of(gy).empty(K * most * pixels, gy.dtype)
    made = parts.room(len(groups) * splits, gw)
    for group, first in enumerate(groups):
        images = slice(first, min(first + most, N))
        n = images.stop - first
        _gradient(gy[images], x[images], rows, (n * pixels, K), window, plan,
                  made if made is gw else made[group * splits :])  # fmt: skip
    return parts.added(made, gw)


def _gradient(gy, x, rows, size, window, plan, made) -> None:
    """The parts of a gradient of some images, whose gy in ``rows`` has a size (pixels, K)."""
    (N, K, OH, OW), (_, C, H, W), splits = gy.shape, x.shape, plan.grid[2]
    grid = size[0] // patches.FEW_PIXELS, -(-K // 32)
    launch("turn.cu", "turn_patches", grid, (256,), gy, rows, N, OH, OW, K, *plan.patch,
           real=gy.dtype)  # fmt: skip
    pixels = _what_patches_see(x, (N, H, W, C), plan)
    gradients = tensor_map(rows, size, size[:1], (patches.CHUNK, plan.columns))
    launch("conv_weight_hopper.cu", "conv2d_grad_weight_hopper", plan.grid, (512,), pixels,
           gradients, made, N, OH, OW, C, K, *window, *plan.patch, *plan.places, splits,
           shared=plan.shared)  # fmt: skip


def _what_patches_see(x, size, plan):
    """x (N, H, W, C) in boxes of 32 channels of the pixels that a patch sees."""
    _, H, W, C = size
    return tensor_map(x, size[::-1], (C, W * C, H * W * C), (patches.CHUNK, *plan.seen[::-1], 1))


def _plan(x, w, y, size, window):
    """The plan of a convolution that makes maps of size (N, OH, OW); None where x or w cannot be
    read or it is not worth while."""
    C, K = x.shape[1], y.shape[1]
    if not _is_asked_for(x) or any(address(a) % 16 for a in (x, w, y)):
        return None
    if C % 4 or K % 4 or pitch(y) % 4 or not x.size * y.size:
        return None
    if window == POINTWISE:
        size = 1, 1, math.prod(size)
    plan = patches.plan(*size, C, K, window)
    return plan if _is_worth_while(plan) else None


def _is_asked_for(x) -> bool:
    """Whether Hopper's products were chosen (tile.set_product), and x lives on such a GPU."""
    return product_of(x.dtype) == "WGMMA" and is_hopper(x)


def _is_worth_while(plan) -> bool:
    return plan is not None and math.prod(plan.grid) >= FEWEST and plan.used >= USED
