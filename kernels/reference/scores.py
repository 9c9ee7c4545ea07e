"""Loss and label map straight from the coarse scores of a net that ends in upsampling and a crop.

A crop is nothing but more padding: the rows and columns that it cuts off are never made. So all
three are upsampling by a padding of padding + offset to the size of the labels, and what follows.

Arguments that all three share: x (N, K, h, w) the coarse scores; kernel_size, stride and padding
those of upsample_bilinear; offset the (row, column) of the upsampled map where the crop starts.
"""

from .loss import cross_entropy, cross_entropy_grad
from .upsample import upsample_bilinear, upsample_bilinear_grad

Pair = tuple[int, int]


def upsample_cross_entropy(
    x,
    kernel_size: Pair,
    stride: Pair,
    padding: Pair,
    offset: Pair,
    labels,
    weight,
    ignore_index: int,
):
    """cross_entropy(upsample_bilinear(x)[:, :, top : top + H, left : left + W], labels, ...).

    labels (N, H, W) integers, weight (K,) or None. Returns losses and log_sum_exp, both (N, H, W).
    """
    window = kernel_size, stride, _sum(padding, offset)
    scores = upsample_bilinear(x, *window, labels.shape[1:])
    return cross_entropy(scores, labels, weight, ignore_index)


def upsample_cross_entropy_grad(
    x,
    kernel_size: Pair,
    stride: Pair,
    padding: Pair,
    offset: Pair,
    labels,
    log_sum_exp,
    pixel_scale,
    ignore_index: int,
):
    """gx, the gradient of the sum of pixel_scale * losses / weight (see cross_entropy_grad).

    labels, log_sum_exp and pixel_scale (N, H, W); returns gx (N, K, h, w).
    """
    window = kernel_size, stride, _sum(padding, offset)
    scores = upsample_bilinear(x, *window, labels.shape[1:])
    gscores = cross_entropy_grad(scores, labels, log_sum_exp, pixel_scale, ignore_index)
    return upsample_bilinear_grad(gscores, x.shape[2:], *window)


def argmax_classes(scores):
    """argmax over k of scores (N, K, H, W): (N, H, W) int64, the first of equal classes."""
    return scores.argmax(axis=1)


def argmax_upsampled(
    x, kernel_size: Pair, stride: Pair, padding: Pair, offset: Pair, output_size: Pair
):
    """argmax over k of upsample_bilinear(x)[:, k, top : top + H, left : left + W].

    output_size (H, W); returns (N, H, W) int64, the first of equal classes.
    """
    scores = upsample_bilinear(x, kernel_size, stride, _sum(padding, offset), output_size)
    return argmax_classes(scores)


def _sum(padding: Pair, offset: Pair) -> Pair:
    return padding[0] + offset[0], padding[1] + offset[1]
