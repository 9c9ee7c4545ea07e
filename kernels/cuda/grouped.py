"""Convolution with many small groups, such as depthwise: see grouped.cu."""

from .device import BLOCK, for_each, launch, module_of

SMALL = 8  # channels of a group, up to which this is the better way
PIXELS = 1024  # that a thread adds up


def is_small(C: int, K: int, groups: int) -> bool:
    """Whether the groups, of C and K channels, are so many and so small that tiles stay empty."""
    return groups > 1 and C <= SMALL and K <= SMALL


def conv2d(x, w, bias, y, pitch: int, window, groups: int, has_bias: int, relu: int) -> None:
    """Into y, whose pixels are ``pitch`` numbers apart; all arrays channels last."""
    (_, C, H, W), (_, K, OH, OW) = x.shape, y.shape
    sizes = H, W, C, OH, OW, pitch, C // groups, K // groups, *window, groups
    for_each(y.size, "grouped.cu", "conv2d", x, w, bias, y, *sizes, has_bias, relu, real=x.dtype)


def conv2d_grad_input(gy, w, gx, window, groups: int) -> None:
    """Into gx; all arrays channels last."""
    (_, K, OH, OW), (_, C, H, W) = gy.shape, gx.shape
    for_each(gx.size, "grouped.cu", "conv2d_grad_input", gy, w, gx, OH, OW, H, W, K // groups,
             C // groups, *window, groups, real=gy.dtype)  # fmt: skip


def conv2d_grad_weight(gy, x, gw, window, groups: int):
    """The parts (splits, gw.size) that gw is the sum of; all arrays channels last."""
    (N, K, OH, OW), (_, C, H, W) = gy.shape, x.shape
    splits = max(1, N * OH * OW // PIXELS)
    parts = module_of(gy).empty((splits, gw.size), gy.dtype)
    launch("grouped.cu", "conv2d_grad_weight", (-(-gw.size // BLOCK), splits), (BLOCK,), gy, x,
           parts, N, OH, OW, H, W, K // groups, C // groups, *window, groups, splits,
           real=gy.dtype)  # fmt: skip
    return parts
