"""Convolution and its two gradients (see reference/conv.py): implicit GEMM.

The kernels are in conv.cu and conv_weight.cu. What multiplies the tiles is chosen by the dtype
and by ``precision.set_precision`` (tile.py): ordinary multiply-adds for float64 and for strict
float32, tensor cores for TF32 and bfloat16. Three cases go other ways: with few channels (images
have three) tiles would be mostly empty, so columns are made after all, and multiplied as a 1x1
convolution (columns.py); many small groups need no product (grouped.py); large 1x1 convolutions
are products of matrices as they lie, and cuBLAS's (matmul.py). And Hopper's GPUs have a kernel of
their own, for what it can make (hopper.py).
"""

import math

from ..shapes import conv_size
from . import columns, grouped, hopper, parts
from .device import for_each, launch, module_of
from .hopper import POINTWISE
from .layout import channels_last, empty, pitch
from .matmul import gemm
from .precision import precision
from .tile import Tile, choose

Pair = tuple[int, int]

BLOCKS = 256  # of threads that a GPU wants at once; sums are cut where there are fewer
STEPS = 16  # of a tile's depth, that a part of a sum has at least
LARGE = 512  # channels, read and made, from which a 1x1 convolution is left to cuBLAS


def empty_maps(shape: tuple[int, int, int, int], like):
    """An uninitialised array of maps (N, C, H, W) where like lives, channels last."""
    return empty(shape, like)


def conv2d(
    x, w, b, stride: Pair, padding: Pair, dilation: Pair, groups: int, relu=False, out=None
):
    """y[n,k,oh,ow] = b[k] + sum over c, i, j of w[k,c,i,j] * x[n,c,oh*SH-PH+i*DH,ow*SW-PW+j*DW].

    x (N, C, H, W), w (K, C/groups, KH, KW), b (K,) or None; returns y (N, K, OH, OW), or max(y, 0)
    with ``relu``; in ``out``, some channels of an array of ``empty_maps``, if that is given.
    """
    (N, _, H, W), (K, C, *kernel) = x.shape, w.shape
    axes = zip((H, W), kernel, stride, padding, dilation, strict=True)
    OH, OW = (conv_size(*axis) for axis in axes)
    y = empty((N, K, OH, OW), x) if out is None else out
    window = *kernel, *stride, *padding, *dilation
    x, w = channels_last(x), channels_last(w)
    bias = w if b is None else module_of(b).ascontiguousarray(b)
    flags = int(b is not None), int(relu)
    if grouped.is_small(C, K // groups, groups):
        grouped.conv2d(x, w, bias, y, pitch(y), window, groups, *flags)
        return y
    if columns.are_better(C, kernel, groups):
        x, w = columns.of_image(x, window, (OH, OW)), columns.of_filters(w)
        (C, H, W), window = (x.shape[1], OH, OW), POINTWISE
    if _is_matrix_product(window, groups, C, K):
        gemm(_rows(x), w.reshape(K, C).T, out=_rows(y), precision=precision())
        if any(flags):
            for_each(y.size, "bias.cu", "bias_relu", bias, y, K, pitch(y), *flags, real=y.dtype)
        return y
    if groups == 1 and (made := hopper.conv2d(x, w, bias, y, window, flags)) is not None:
        return made
    tile = choose(K // groups, (x, w), (C, x.shape[1]))
    blocks = -(-N * OH * OW // tile.BM), -(-(K // groups) // tile.BN)
    splits = _splits(math.prod(blocks) * groups, math.prod(window[:2]) * -(-C // tile.BK))
    made = parts.room(splits, y)
    sizes = N, H, W, x.shape[1], OH, OW, pitch(y) if splits == 1 else K, C, K // groups
    last = flags if splits == 1 else (0, 0)
    _launch("conv.cu", "conv2d", (*blocks, groups * splits), tile, (True, True), x, w, bias, made,
            *sizes, *window, groups, splits, *last)  # fmt: skip
    return parts.added_maps(made, bias, y, flags)


def conv2d_grad_input(
    gy, w, input_size: Pair, stride: Pair, padding: Pair, dilation: Pair, groups: int
):
    """gx = dT/dx: every gy[n,k,oh,ow] * w[k,c,i,j] goes back to the pixel that it came from.

    gy (N, K, OH, OW), w (K, C/groups, KH, KW), input_size (H, W); returns gx (N, C, H, W). This
    is the transposed convolution of gy.
    """
    (N, K, OH, OW), (_, C, *kernel), (H, W) = gy.shape, w.shape, input_size
    gy, w, window = channels_last(gy), channels_last(w), (*kernel, *stride, *padding, *dilation)
    gx = empty((N, C * groups, H, W), gy)
    if grouped.is_small(C, K // groups, groups):
        grouped.conv2d_grad_input(gy, w, gx, window, groups)
        return gx
    if _is_matrix_product(window, groups, C, K):
        gemm(_rows(gy), w.reshape(K, C), out=_rows(gx), precision=precision())
        return gx
    if groups == 1 and (made := hopper.conv2d_grad_input(gy, w, gx, window)) is not None:
        return made
    tile = choose(C, (gy, w), (K // groups, K, C))
    phases = math.prod(stride)
    most = N * math.prod(-(-n // s) for n, s in zip(input_size, stride, strict=True))
    blocks, taps = (-(-most // tile.BM), -(-C // tile.BN)), math.prod(kernel) // phases
    splits = _splits(math.prod(blocks) * phases * groups, taps * -(-(K // groups) // tile.BK))
    made = parts.room(splits, gx)
    sizes = N, OH, OW, K, H, W, C * groups, K // groups, C
    grid = *blocks, phases * groups * splits
    _launch("conv.cu", "conv2d_grad_input", grid, tile, (True, False), gy, w, made, *sizes,
            *window, groups, splits)  # fmt: skip
    return parts.added_maps(made, gy, gx, (0, 0))


def conv2d_grad_weight(
    gy, x, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair, groups: int
):
    """gw = dT/dw: gw[k,c,i,j] = sum of gy[n,k,oh,ow] * x[n,c,oh*SH-PH+i*DH,ow*SW-PW+j*DW].

    gy (N, K, OH, OW), x (N, C, H, W); returns gw (K, C/groups, KH, KW), channels last.
    """
    (N, K, OH, OW), (_, channels, H, W) = gy.shape, x.shape
    C, window = channels // groups, (*kernel_size, *stride, *padding, *dilation)
    gy, x = channels_last(gy), channels_last(x)
    gw = empty((K, C, *kernel_size), gy)
    if grouped.is_small(C, K // groups, groups):
        return parts.added(grouped.conv2d_grad_weight(gy, x, gw, window, groups), gw)
    if columns.are_better(C, kernel_size, groups):
        x = columns.of_image(x, window, (OH, OW))
        wide = conv2d_grad_weight(gy, x, *((a, a) for a in (1, 1, 0, 1)), 1)
        return columns.to_filters(wide, gw.shape)
    if _is_matrix_product(window, groups, C, K):
        gemm(_rows(gy).T, _rows(x), out=gw.reshape(K, C), precision=precision())
        return gw
    if groups == 1 and (made := hopper.conv2d_grad_weight(gy, x, gw, window)) is not None:
        return made
    tile = choose(C, (gy, x), (K // groups, K, C, channels))
    blocks = -(-(K // groups) // tile.BM) * -(-C // tile.BN)
    taps, steps = math.prod(kernel_size), max(1, -(-N * OH * OW // tile.BK))
    splits = min(steps, max(1, BLOCKS // (blocks * taps * groups)))
    made = parts.room(splits, gw)
    sizes = N, OH, OW, K, H, W, channels, K // groups, C
    _launch("conv_weight.cu", "conv2d_grad_weight", (blocks, taps, groups * splits), tile,
            (False, False), gy, x, made, *sizes, *window, groups, splits)  # fmt: skip
    return parts.added(made, gw)


def _is_matrix_product(window, groups: int, C: int, K: int) -> bool:
    plain = window[:6] == POINTWISE[:6] and groups == 1
    return plain and min(C, K) >= LARGE


def _rows(x):
    """Maps (N, C, H, W), channels last, as a matrix (N*H*W, C): a view."""
    return x.transpose(0, 2, 3, 1).reshape(-1, x.shape[1])


def _splits(blocks: int, steps: int) -> int:
    """Into how many parts to cut the sums of so many blocks and steps of a tile's depth."""
    return max(1, min(BLOCKS // blocks, steps // STEPS))


def _launch(file: str, name: str, grid, tile: Tile, along: tuple[bool, bool], *arguments) -> None:
    dtype = arguments[0].dtype
    launch(file, name, grid, (tile.threads,), *arguments,
           shared=tile.shared(dtype.itemsize, *along), **tile.macros(dtype))  # fmt: skip
