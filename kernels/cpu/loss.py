"""The per-pixel softmax loss with its ignore mask (see reference/loss.py).

A task is a run of pixels of one image. Inside it the loop over classes is outside and the loop
over pixels inside: scores are read in the order in which they lie in memory, and the inner loop
becomes vector instructions. Numba's exp and log are scalar calls, so that float32 has polynomials
of its own here; float64 keeps the exact functions.
"""

import math

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload

from .compile import kernel
from .threads import parallel_for

PIXELS = 512


def cross_entropy(scores, labels, weight, ignore_index: int):
    """scores (N, K, H, W), labels (N, H, W) integers, weight (K,) or None.

    Returns losses and log_sum_exp, both (N, H, W).
    """
    scores, labels = np.ascontiguousarray(scores), _labels(labels)
    losses = np.empty(labels.shape, scores.dtype)
    log_sum_exp = np.empty_like(losses)
    if weight is None:
        weight = np.ones(scores.shape[1], scores.dtype)
    weight = np.ascontiguousarray(weight, scores.dtype)
    arrays = _flat(scores), _flat(labels), weight, ignore_index, _flat(losses), _flat(log_sum_exp)
    _for_runs(_cross_entropy, scores, arrays)
    return losses, log_sum_exp


def cross_entropy_grad(scores, labels, log_sum_exp, pixel_scale, ignore_index: int):
    """gscores[n,k,h,w] = pixel_scale[n,h,w] * (softmax(scores)[n,k,h,w] - [k = label]).

    pixel_scale (N, H, W) holds the upstream gradient times the class weight over the divisor.
    Ignored pixels get zeros, whatever their scale.
    """
    scores, labels = np.ascontiguousarray(scores), _labels(labels)
    log_sum_exp = np.ascontiguousarray(log_sum_exp)
    pixel_scale = np.ascontiguousarray(pixel_scale, scores.dtype)
    gscores = np.empty_like(scores)
    arrays = (_flat(a) for a in (scores, labels, log_sum_exp, pixel_scale, gscores))
    _for_runs(_cross_entropy_grad, scores, (*arrays, ignore_index))
    return gscores


def _labels(labels):
    """One of two integer types: each is compiled for itself."""
    return np.ascontiguousarray(labels, None if labels.dtype == np.uint8 else np.int64)


def _flat(a):
    """The last two axes as one: pixels."""
    return a.reshape(*a.shape[:-2], a.shape[-2] * a.shape[-1])


def _for_runs(function, scores, arrays) -> None:
    N, K, H, W = scores.shape
    parallel_for(function, N * -(-H * W // PIXELS), *arrays, work=4 * K * min(H * W, PIXELS))


@kernel()
def _cross_entropy(start, stop, scores, labels, weight, ignore_index, losses, log_sum_exp):
    _, K, P = scores.shape
    runs = -(-P // PIXELS)
    top, total = np.empty(PIXELS, scores.dtype), np.empty(PIXELS, scores.dtype)
    for task in range(start, stop):
        n, first = task // runs, task % runs * PIXELS
        last = min(first + PIXELS, P)
        size = last - first
        top[:size] = scores[n, 0, first:last]
        for k in range(1, K):
            line = scores[n, k, first:last]
            for p in range(size):
                top[p] = top[p] if line[p] <= top[p] else line[p]
        total[:size] = 0
        for k in range(K):
            line = scores[n, k, first:last]
            for p in range(size):
                total[p] += _exp(line[p] - top[p])
        line = log_sum_exp[n, first:last]
        for p in range(size):
            line[p] = _log(total[p]) + top[p]
        for p in range(first, last):
            label = np.int64(labels[n, p])
            if label == ignore_index:
                losses[n, p] = 0
            else:
                losses[n, p] = weight[label] * (log_sum_exp[n, p] - scores[n, label, p])


@kernel()
def _cross_entropy_grad(
    start, stop, scores, labels, log_sum_exp, pixel_scale, gscores, ignore_index
):
    _, K, P = scores.shape
    runs = -(-P // PIXELS)
    label = np.empty(PIXELS, np.int32)
    for task in range(start, stop):
        n, first = task // runs, task % runs * PIXELS
        last = min(first + PIXELS, P)
        for p in range(last - first):
            value = np.int64(labels[n, first + p])
            label[p] = -1 if value == ignore_index else value
        lse, scale = log_sum_exp[n, first:last], pixel_scale[n, first:last]
        for k in range(K):
            line, out, this = scores[n, k, first:last], gscores[n, k, first:last], np.int32(k)
            zero, one = out.dtype.type(0), out.dtype.type(1)
            for p in range(len(out)):
                g = _exp(line[p] - lse[p]) - (one if label[p] == this else zero)
                out[p] = zero if label[p] < 0 else g * scale[p]


def _exp(x):
    """exp(x) for x up to 88, as compiled code."""


def _log(x):
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


@overload(_exp)
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


@overload(_log)
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
