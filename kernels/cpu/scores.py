"""Loss and label map straight from the coarse scores: full-resolution scores are never stored.

A net ends in bilinear upsampling, a crop and the softmax loss, over K numbers for every pixel of
the photograph: at 500x500 and 21 classes 21 MB of scores, and as much of their gradient. Here
they live for one row of pixels at a time, in a cache:

    line = two coarse rows combined          (w pixels of K scores)
    row  = the line stretched                (W pixels of K scores)
    tile = 64 pixels of the row, transposed: softmax loss, its gradient, or the best class

For the gradient the row is made again and overwritten by its own gradient, which is folded back to
a coarse line by the transposed taps, and the line added to the coarse rows that it came from. A
crop is nothing but more padding: the rows and columns cut off are never made.

Arguments that all three share: x (N, K, h, w) the coarse scores; kernel_size, stride and padding
those of upsample_bilinear; offset the (row, column) of the upsampled map where the crop starts.
"""

import numpy as np

from . import loss
from .compile import checksum_of, kernel
from .layout import nhwc
from .loss import PIXELS, load_tile, store_tile, tile_grad, tile_log_sum_exp
from .tasks import tasks
from .threads import parallel_for
from .upsample import combine, taps, taps_grad

Pair = tuple[int, int]
BAND = 8  # rows of pixels whose gradient is summed on its own

# The kernels below call compiled functions of two other files: see checksum_of
CODE = np.empty(0, [(f"code_{checksum_of('loss.py', 'upsample.py')}", np.uint8)])


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
    losses = np.empty(labels.shape, x.dtype)
    log_sum_exp = np.empty_like(losses)
    axes = _axes(taps, x, kernel_size, stride, padding, offset, labels.shape[1:])
    arrays = loss.label_array(labels), loss.weight_array(weight, x), ignore_index
    _for_rows(_losses, x, axes, (*arrays, losses, log_sum_exp))
    return losses, log_sum_exp


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

    labels, log_sum_exp and pixel_scale (N, H, W); returns gx (N, K, h, w). Loop nest: bands of
    BAND rows of pixels, one a task; rows; tiles. Each band has its own sum over the few coarse
    rows that it sees; the sums are added in order.
    """
    N, K, h, w = x.shape
    _, H, W = labels.shape
    axes = _axes(taps, x, kernel_size, stride, padding, offset, (H, W))
    back = _axes(taps_grad, x, kernel_size, stride, padding, offset, (H, W))[1]
    rows, row_weights = axes[0]
    base = rows[::BAND]  # the first coarse row that each band sees
    count = np.append(rows[BAND - 1 :: BAND], rows[-1:])[: len(base)] - base + row_weights.shape[1]
    sums = np.zeros((N, len(base), count.max(), w * K), x.dtype)
    log_sum_exp = np.ascontiguousarray(log_sum_exp)
    pixel_scale = np.ascontiguousarray(pixel_scale, x.dtype)
    parallel_for(
        _gradient,
        N * len(base),
        *(CODE, _lines(x), K, *axes[0], *axes[1], *back),
        *(loss.label_array(labels), log_sum_exp, pixel_scale, ignore_index, base, sums),
        work=BAND * W * K * 8,
    )
    gx = np.zeros((N, h, w * K), x.dtype)
    for band, (first, size) in enumerate(zip(base, count, strict=True)):
        gx[:, first : first + size] += sums[:, band, :size]
    return gx.reshape(N, h, w, K).transpose(0, 3, 1, 2)


def argmax_classes(scores) -> np.ndarray:
    """argmax over k of scores (N, K, H, W): (N, H, W) int64, the first of equal classes and the
    first NaN, as with numpy.argmax."""
    N, K, H, W = scores.shape
    best = np.empty((N, H, W), np.int64)
    arrays = nhwc(scores).reshape(-1), K, best.reshape(-1)
    parallel_for(_best_of_tiles, -(-best.size // PIXELS), CODE, *arrays, work=K * PIXELS)
    return best


def argmax_upsampled(
    x, kernel_size: Pair, stride: Pair, padding: Pair, offset: Pair, output_size: Pair
) -> np.ndarray:
    """argmax over k of upsample_bilinear(x)[:, k, top : top + H, left : left + W].

    output_size (H, W); returns (N, H, W) int64. The first of equal classes wins, and the first
    NaN, as with numpy.argmax.
    """
    best = np.empty((x.shape[0], *output_size), np.int64)
    axes = _axes(taps, x, kernel_size, stride, padding, offset, output_size)
    _for_rows(_best_classes, x, axes, (best,))
    return best


def _axes(make, x, kernel_size, stride, padding, offset, size):
    """The taps of both axes, those of the crop."""
    padding = tuple(p + o for p, o in zip(padding, offset, strict=True))
    axes = zip(x.shape[2:], kernel_size, stride, padding, size, strict=True)
    return [make(*axis, x.dtype) for axis in axes]


def _lines(x):
    """(N, h, w*K)"""
    N, K, h, w = x.shape
    return nhwc(x).reshape(N, h, w * K)


def _for_rows(function, x, axes, arrays) -> None:
    """A task is one row of pixels."""
    N, K = x.shape[:2]
    H, W = (len(first) for first, _ in axes)
    arguments = CODE, _lines(x), K, *axes[0], *axes[1], *arrays
    parallel_for(function, N * H, *arguments, work=8 * W * K)


@kernel()
def _buffers(x, K, W):
    """A coarse line, a row of whole tiles of pixels, a tile, and two numbers for each pixel."""
    tiles = -(-W // PIXELS)
    row, tile = np.zeros(tiles * PIXELS * K, x.dtype), np.empty((K, PIXELS), x.dtype)
    a, b = np.empty(PIXELS, x.dtype), np.empty(PIXELS, x.dtype)
    return np.empty(x.shape[2], x.dtype), row, tile, a, b


@kernel()
def _fine_row(row, line, x, r, K, rows, row_weights, columns, column_weights):
    """Row r of the pixels (W*K,) from x (h, w*K), by way of one coarse line (w*K,)."""
    combine(line, x.reshape(-1), len(line), rows[r : r + 1], row_weights[r : r + 1])
    combine(row, line, K, columns, column_weights)


@kernel()
def _losses(
    work, code, x, K, rows, row_weights, columns, column_weights,
    labels, weight, ignore_index, losses, log_sum_exp,
):  # fmt: skip
    """Rows of losses and log_sum_exp (N, H, W)."""
    _, H, W = labels.shape
    line, row, tile, top, lse = _buffers(x, K, W)
    for task in tasks(work):
        n, r = divmod(task, H)
        _fine_row(row, line, x[n], r, K, rows, row_weights, columns, column_weights)
        for first in range(0, W, PIXELS):
            load_tile(tile, row, first * K, PIXELS)
            tile_log_sum_exp(tile, top, lse)
            for p in range(min(PIXELS, W - first)):
                q, label = first + p, np.int64(labels[n, r, first + p])
                log_sum_exp[n, r, q] = lse[p]
                losses[n, r, q] = 0
                if label != ignore_index:
                    losses[n, r, q] = weight[label] * (lse[p] - tile[label, p])


@kernel()
def _gradient(
    work, code, x, K, rows, row_weights, columns, column_weights, back, back_weights,
    labels, log_sum_exp, pixel_scale, ignore_index, base, sums,
):  # fmt: skip
    """Bands of sums (N, bands, coarse rows, w*K)."""
    _, H, W = labels.shape
    line, row, tile, lse, scale = _buffers(x, K, W)
    label = np.empty(PIXELS, np.int32)
    for task in tasks(work):
        n, band = divmod(task, len(base))
        for r in range(band * BAND, min((band + 1) * BAND, H)):
            _fine_row(row, line, x[n], r, K, rows, row_weights, columns, column_weights)
            for first in range(0, W, PIXELS):
                load_tile(tile, row, first * K, PIXELS)
                for p in range(min(PIXELS, W - first)):
                    value = np.int64(labels[n, r, first + p])
                    label[p] = -1 if value == ignore_index else value
                    lse[p] = log_sum_exp[n, r, first + p]
                    scale[p] = pixel_scale[n, r, first + p]
                tile_grad(tile, label, lse, scale)
                store_tile(tile, row, first * K, PIXELS)
            combine(line, row, K, back, back_weights)
            for t in range(row_weights.shape[1]):
                total, w = sums[n, band, rows[r] - base[band] + t], row_weights[r, t]
                for c in range(len(line)):
                    total[c] += w * line[c]


@kernel()
def _best_class(tile, top, label):
    """label[p]: the first k with the largest of tile[k, p]."""
    for p in range(PIXELS):
        top[p], label[p] = tile[0, p], 0
    for k in range(1, len(tile)):
        scores, this = tile[k], np.int32(k)
        for p in range(PIXELS):
            # not "<=" rather than ">": NaN wins; but the first of them stays
            better = not (scores[p] <= top[p]) and top[p] == top[p]
            top[p] = scores[p] if better else top[p]
            label[p] = this if better else label[p]


@kernel()
def _best_of_tiles(work, code, scores, K, best):
    """scores (P * K,), best (P,)."""
    tile, top = np.empty((K, PIXELS), scores.dtype), np.empty(PIXELS, scores.dtype)
    label = np.empty(PIXELS, np.int32)
    tile[:] = 0
    for task in tasks(work):
        first = task * PIXELS
        size = min(PIXELS, len(best) - first)
        load_tile(tile, scores, first * K, size)
        _best_class(tile, top, label)
        for p in range(size):
            best[first + p] = label[p]


@kernel()
def _best_classes(work, code, x, K, rows, row_weights, columns, column_weights, best):
    """Rows of best (N, H, W)."""
    _, H, W = best.shape
    line, row, tile, top, _ = _buffers(x, K, W)
    label = np.empty(PIXELS, np.int32)
    for task in tasks(work):
        n, r = divmod(task, H)
        _fine_row(row, line, x[n], r, K, rows, row_weights, columns, column_weights)
        for first in range(0, W, PIXELS):
            load_tile(tile, row, first * K, PIXELS)
            _best_class(tile, top, label)
            for p in range(min(PIXELS, W - first)):
                best[n, r, first + p] = label[p]
