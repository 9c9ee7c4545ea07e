"""Loss and label map straight from the coarse scores: full-resolution scores are never stored
(see reference/scores.py and scores.cu).

A net ends in bilinear upsampling, a crop and the softmax loss, over K numbers for every pixel of
the photograph: at 500x500 and 21 classes 21 MB of scores, and as much of their gradient. Here a
block of threads makes those of some pixels of a row in shared memory and registers.

Their gradient is summed along the row at once, to one number for each coarse column and class; so
a 1/stride of it is stored, and the rows of that are what ``upsample.gather`` sums. A crop is
nothing but more padding: the rows and columns cut off are never made.

Arguments that all three share: x (N, K, h, w) the coarse scores; kernel_size, stride and padding
those of upsample_bilinear; offset the (row, column) of the upsampled map where the crop starts.
"""

import numpy as np

from . import loss
from .device import for_each, launch, module_of
from .layout import channels_last, empty
from .softmax import SOME, lanes_of
from .upsample import gather

Pair = tuple[int, int]
PIXELS = 128  # of a row, that a block has at most; for the gradient it has twice as many
SHARED = 48 * 1024  # bytes that a block takes at most, where SOME classes fit into them
WORKSPACE = 1 << 25  # numbers that the gradient stores on the way, where one image needs no more
LABEL_TYPE = "long long"  # where a kernel of scores.cu takes none


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
    x = channels_last(x)
    results = loss.pixel_arrays(labels, x)
    arguments = *loss.label_arguments(labels, weight, ignore_index, x), *results
    window = kernel_size, stride, _sum(padding, offset)
    kind = loss.label_type(labels)
    _for_pixels("upsample_cross_entropy", x, window, labels.shape[1:], arguments, kind)
    return tuple(results)


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
    x, (N, K, h, w) = channels_last(x), x.shape
    H, W = labels.shape[1:]
    window = kernel_size, stride, _sum(padding, offset)
    *arrays, ignored = loss.grad_arguments(labels, log_sum_exp, pixel_scale, ignore_index, x)
    gx = empty(x.shape, x)
    images = max(1, WORKSPACE // (H * w * K))  # at a time
    for first in range(0, N, images):
        some = slice(first, first + images)
        parts = empty((len(range(N)[some]), K, H, w), x)
        these = *(a[some] for a in arrays), ignored
        _columns_grad(x[some], window, these, parts, W, loss.label_type(labels))
        gx[some] = gather(0, parts, h, [pair[0] for pair in window])
    return gx


def argmax_classes(scores):
    """argmax over k of scores (N, K, H, W): (N, H, W) int64, the first of equal classes and the
    first NaN, as with numpy.argmax."""
    N, K, H, W = scores.shape
    best, lanes = module_of(scores).empty((N, H, W), np.int64), lanes_of(K)
    for_each(best.size * lanes, "scores.cu", "argmax_classes", channels_last(scores), best, K,
             lanes, real=scores.dtype, label_type=LABEL_TYPE)  # fmt: skip
    return best


def argmax_upsampled(
    x, kernel_size: Pair, stride: Pair, padding: Pair, offset: Pair, output_size: Pair
):
    """argmax over k of upsample_bilinear(x)[:, k, top : top + H, left : left + W].

    output_size (H, W); returns (N, H, W) int64. The first of equal classes wins, and the first
    NaN, as with numpy.argmax.
    """
    x, window = channels_last(x), (kernel_size, stride, _sum(padding, offset))
    best = module_of(x).empty((x.shape[0], *output_size), np.int64)
    _for_pixels("argmax_upsampled", x, window, output_size, (best,), LABEL_TYPE)
    return best


def _for_pixels(name: str, x, window, output_size: Pair, arguments, label_type: str) -> None:
    """A kernel of scores.cu with a thread for every pixel of the result."""
    (N, K, h, w), (H, W) = x.shape, output_size
    threads = _threads(_share(W, PIXELS))
    classes, shared = _classes(K, _columns_seen(threads, w, window), window, x.itemsize)
    launch("scores.cu", name, (N * H, -(-W // threads)), (threads,), x, *arguments, H, W, h, w, K,
           *(n for pair in window for n in pair), classes, shared=shared, real=x.dtype,
           label_type=label_type)  # fmt: skip


def _columns_grad(x, window, arguments, parts, W: int, label_type: str) -> None:
    """parts (N, K, H, w): the gradient of the scores, summed along the rows (see scores.cu)."""
    (N, K, h, w), H, ((_, k), (_, s), _) = x.shape, parts.shape[2], window
    columns = _share(w, max(1, (2 * PIXELS - k) // s + 1))
    pixels = min(W, (columns - 1) * s + k)  # that so many columns go to
    room = _columns_seen(pixels, w, window)
    classes, shared = _classes(K, room + pixels, window, x.itemsize)
    threads = min(_threads(pixels), 2 * PIXELS)
    launch("scores.cu", "upsample_cross_entropy_grad", (N * H, -(-w // columns)), (threads,), x,
           *arguments, parts, H, W, h, w, K, *(n for pair in window for n in pair), columns, room,
           classes, shared=shared, real=x.dtype, label_type=label_type)  # fmt: skip


def _share(size: int, most: int) -> int:
    """The size of each of nearly equal pieces, of at most so much."""
    return -(-size // max(1, -(-size // most)))


def _threads(n: int) -> int:
    """n as whole warps."""
    return -(-n // 32) * 32


def _columns_seen(pixels: int, w: int, window) -> int:
    """Coarse columns that so many neighbouring pixels see, at most."""
    (_, k), (_, s), _ = window
    return min(w, -(-(pixels + k - 1) // s))


def _classes(K: int, items: int, window, itemsize: int) -> tuple[int, int]:
    """Classes that a block has at a time, whole SOMEs of them, and the bytes of shared memory for
    them: a number for each tap of a row, and classes + 1 for each of so many coarse and fine
    pixels."""
    taps = window[0][1]
    most = (SHARED // itemsize - taps) // items - 1
    classes = min(-(-K // SOME), max(1, most // SOME)) * SOME
    return classes, (taps + items * (classes + 1)) * itemsize


def _sum(padding: Pair, offset: Pair) -> Pair:
    return padding[0] + offset[0], padding[1] + offset[1]
