"""The per-pixel softmax loss with its ignore mask, channels last (see reference/loss.py).

The K scores of a pixel are neighbours, and K is no multiple of a vector. So a task takes PIXELS
pixels and turns their scores, 8 x 8 at a time in registers, into a small tile (K, PIXELS) that
stays in the first cache. There the loop over classes is outside, the loop over pixels inside, and
becomes vector instructions: a maximum, a sum and a logarithm for every pixel at once.

Numba's exp and log are scalar calls, so that float32 has polynomials of its own here; float64
keeps the exact functions.
"""

import math

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload, register_jitable

from .compile import kernel
from .layout import empty, nhwc
from .tasks import tasks
from .threads import parallel_for

PIXELS = 64  # of a tile: 5 KB for 21 classes
SIDE = 8  # of the squares that are transposed in registers


def cross_entropy(scores, labels, weight, ignore_index: int):
    """scores (N, K, H, W), labels (N, H, W) integers, weight (K,) or None.

    Returns losses and log_sum_exp, both (N, H, W).
    """
    losses = np.empty(labels.shape, scores.dtype)
    log_sum_exp = np.empty_like(losses)
    arrays = label_array(labels), weight_array(weight, scores), ignore_index, losses, log_sum_exp
    _for_tiles(_cross_entropy, scores, arrays)
    return losses, log_sum_exp


def cross_entropy_grad(scores, labels, log_sum_exp, pixel_scale, ignore_index: int):
    """gscores[n,k,h,w] = pixel_scale[n,h,w] * (softmax(scores)[n,k,h,w] - [k = label]).

    pixel_scale (N, H, W) holds the upstream gradient times the class weight over the divisor.
    Ignored pixels get zeros, whatever their scale.
    """
    gscores = empty(scores.shape, scores.dtype)
    log_sum_exp = np.ascontiguousarray(log_sum_exp)
    pixel_scale = np.ascontiguousarray(pixel_scale, scores.dtype)
    arrays = label_array(labels), log_sum_exp, pixel_scale, ignore_index, nhwc(gscores)
    _for_tiles(_cross_entropy_grad, scores, arrays)
    return gscores


def label_array(labels):
    """One of two integer types: each is compiled for itself."""
    return np.ascontiguousarray(labels, None if labels.dtype == np.uint8 else np.int64)


def weight_array(weight, scores):
    """(K,) in the type of the scores, ones for None."""
    if weight is None:
        return np.ones(scores.shape[1], scores.dtype)
    return np.ascontiguousarray(weight, scores.dtype)


def _for_tiles(function, scores, arrays) -> None:
    """Pixels of all images make one row: the arrays are flat, scores too."""
    scores, K = nhwc(scores), scores.shape[1]
    arrays = (a.reshape(-1) if isinstance(a, np.ndarray) else a for a in arrays)
    tiles = -(-scores.size // (K * PIXELS))
    parallel_for(function, tiles, scores.reshape(-1), K, *arrays, work=4 * K * PIXELS)


@kernel()
def _cross_entropy(work, scores, K, labels, weight, ignore_index, losses, log_sum_exp):
    """scores (P * K,), labels, losses and log_sum_exp (P,)."""
    tile = np.empty((K, PIXELS), scores.dtype)
    top, lse = np.empty(PIXELS, scores.dtype), np.empty(PIXELS, scores.dtype)
    for task in tasks(work):
        first = task * PIXELS
        size = min(PIXELS, len(labels) - first)
        load_tile(tile, scores, first * K, size)
        tile_log_sum_exp(tile, top, lse)
        for p in range(size):
            label = np.int64(labels[first + p])
            log_sum_exp[first + p] = lse[p]
            losses[first + p] = 0
            if label != ignore_index:
                losses[first + p] = weight[label] * (lse[p] - tile[label, p])


@kernel()
def _cross_entropy_grad(work, scores, K, labels, log_sum_exp, pixel_scale, ignore_index, gscores):
    """scores and gscores (P * K,), labels, log_sum_exp and pixel_scale (P,)."""
    tile = np.empty((K, PIXELS), scores.dtype)
    label = np.empty(PIXELS, np.int32)
    lse, scale = np.empty(PIXELS, scores.dtype), np.empty(PIXELS, scores.dtype)
    for task in tasks(work):
        first = task * PIXELS
        size = min(PIXELS, len(labels) - first)
        load_tile(tile, scores, first * K, size)
        for p in range(size):
            value = np.int64(labels[first + p])
            label[p] = -1 if value == ignore_index else value
            lse[p], scale[p] = log_sum_exp[first + p], pixel_scale[first + p]
        tile_grad(tile, label, lse, scale)
        store_tile(tile, gscores, first * K, size)


@register_jitable(fastmath={"contract"})
def tile_log_sum_exp(tile, top, lse):
    """top[p] = max over k of tile[k, p]; lse[p] = log sum over k of exp(tile[k, p])."""
    for p in range(PIXELS):
        top[p] = tile[0, p]
        lse[p] = 0
    for k in range(1, len(tile)):
        for p in range(PIXELS):
            top[p] = top[p] if tile[k, p] <= top[p] else tile[k, p]
    for k in range(len(tile)):
        for p in range(PIXELS):
            lse[p] += exp(tile[k, p] - top[p])
    for p in range(PIXELS):
        lse[p] = log(lse[p]) + top[p]


@register_jitable(fastmath={"contract"})
def tile_grad(tile, label, lse, scale):
    """tile[k, p] = scale[p] * (exp(tile[k, p] - lse[p]) - [k = label[p]]), but 0 for label -1."""
    zero, one = tile.dtype.type(0), tile.dtype.type(1)
    for k in range(len(tile)):
        line, this = tile[k], np.int32(k)
        for p in range(PIXELS):
            g = (exp(line[p] - lse[p]) - (one if label[p] == this else zero)) * scale[p]
            line[p] = g if label[p] >= 0 else zero


@register_jitable
def load_tile(tile, scores, at, size):
    """tile (K, PIXELS) from ``size`` pixels of K scores each, which start at scores[at]."""
    K, line = len(tile), tile.reshape(-1)
    if size == PIXELS and K >= SIDE:
        for side in range(0, K, SIDE):
            k = min(side, K - SIDE)  # the last square repeats some of the one before
            for p in range(0, PIXELS, SIDE):
                _transpose(scores, at + p * K + k, K, line, k * PIXELS + p, PIXELS)
        return
    for k in range(K):
        for p in range(size):
            tile[k, p] = scores[at + p * K + k]


@register_jitable
def store_tile(tile, scores, at, size):
    """The way back."""
    K, line = len(tile), tile.reshape(-1)
    if size == PIXELS and K >= SIDE:
        for p in range(0, PIXELS, SIDE):
            for side in range(0, K, SIDE):
                k = min(side, K - SIDE)
                _transpose(line, k * PIXELS + p, PIXELS, scores, at + p * K + k, K)
        return
    for p in range(size):
        for k in range(K):
            scores[at + p * K + k] = tile[k, p]


@intrinsic
def _transpose(typing, source, at, source_row, target, to, target_row):
    """target[to + j * target_row + i] = source[at + i * source_row + j] for i, j < SIDE."""

    def generate(context, builder, signature, arguments):
        real = context.get_data_type(source.dtype)
        vector, number = ir.VectorType(real, SIDE), ir.IntType(32)
        size = context.get_abi_sizeof(real)

        def places(array, first, row):
            data = context.make_array(array)(context, builder, first[0]).data
            for i in range(SIDE):
                index = builder.add(first[1], builder.mul(row, row.type(i)))
                yield builder.bitcast(builder.gep(data, [index]), vector.as_pointer())

        def pick(x, y, lanes):
            return builder.shuffle_vector(x, y, ir.Constant(ir.VectorType(number, SIDE), lanes))

        rows = [builder.load(p, align=size) for p in places(source, arguments[:2], arguments[2])]
        half = SIDE // 2
        while half:  # swap the squares of this side that lie across the diagonal
            for i in range(SIDE):
                if not i & half:
                    x, y = rows[i], rows[i + half]
                    lanes = [j + SIDE - half if j & half else j for j in range(SIDE)]
                    rows[i] = pick(x, y, lanes)
                    rows[i + half] = pick(x, y, [lane + half for lane in lanes])
            half //= 2
        for row, p in zip(rows, places(target, arguments[3:5], arguments[5]), strict=True):
            builder.store(row, p, align=size)
        return context.get_dummy_value()

    return types.void(source, at, source_row, target, to, target_row), generate


def exp(x):
    """exp(x) for x up to 88, as compiled code."""


def log(x):
    """log(x) for x from 1 upwards, as compiled code."""


@intrinsic
def _float_of_bits(context, bits):
    """The float32 that an int32 spells."""
    return types.float32(types.int32), lambda context, builder, signature, args: builder.bitcast(
        args[0], ir.FloatType()
    )


@intrinsic
def _bits_of_float(context, x):
    """The int32 that a float32 is spelled as."""
    return types.int32(types.float32), lambda context, builder, signature, args: builder.bitcast(
        args[0], ir.IntType(32)
    )


f32 = np.float32
LOG2_E, LN2_HIGH, LN2_LOW = f32(1.44269504), f32(0.693359375), f32(-2.12194440e-4)
ROUND = f32(1.5 * 2**23)  # adding it leaves an integer in the low bits of the sum
LOWEST = f32(-87.3)  # exp is below the normal numbers from here on
# Polynomials of the Cephes library (expf, logf); relative error about one unit in the last place
E0, E1, E2 = f32(1.9875691500e-4), f32(1.3981999507e-3), f32(8.3334519073e-3)
E3, E4, E5 = f32(4.1665795894e-2), f32(1.6666665459e-1), f32(5.0000001201e-1)
L0, L1, L2 = f32(7.0376836292e-2), f32(-1.1514610310e-1), f32(1.1676998740e-1)
L3, L4, L5 = f32(-1.2420140846e-1), f32(1.4249322787e-1), f32(-1.6668057665e-1)
L6, L7, L8 = f32(2.0000714765e-1), f32(-2.4999993993e-1), f32(3.3333331174e-1)
ZERO, HALF, ONE, SQRT_HALF, INFINITY = f32(0), f32(0.5), f32(1), f32(0.5**0.5), f32(np.inf)


@overload(exp, jit_options={"fastmath": {"contract"}})
def _exp_of(x):
    if x != types.float32:
        return lambda x: math.exp(x)

    def polynomial(x):
        """2^n * e^r with x = n ln 2 + r, |r| <= ln(2)/2; 2^n is made from its bits."""
        shifted = x * LOG2_E + ROUND
        n = shifted - ROUND
        r = (x - n * LN2_HIGH) - n * LN2_LOW
        p = ((((E0 * r + E1) * r + E2) * r + E3) * r + E4) * r + E5
        power = _float_of_bits(np.int32((_bits_of_float(shifted) << 23) + 0x3F800000))
        value = (p * (r * r) + r + ONE) * power
        return ZERO if x < LOWEST else value

    return polynomial


@overload(log, jit_options={"fastmath": {"contract"}})
def _log_of(x):
    if x != types.float32:
        return lambda x: math.log(x)

    def polynomial(x):
        """n ln 2 + log m with x = 2^n m, sqrt(1/2) <= m < sqrt(2)."""
        bits = _bits_of_float(x)
        n = f32(np.int32((bits >> 23) - 126))
        m = _float_of_bits(np.int32((bits & 0x007FFFFF) | 0x3F000000))
        small = m < SQRT_HALF
        n = n - ONE if small else n
        m = (m + m if small else m) - ONE
        p = (((L0 * m + L1) * m + L2) * m + L3) * m + L4
        p = (((p * m + L5) * m + L6) * m + L7) * m + L8
        square = m * m
        tail = p * m * square + n * LN2_LOW - HALF * square
        return (m + tail) + n * LN2_HIGH if x < INFINITY else x  # infinity and NaN

    return polynomial
