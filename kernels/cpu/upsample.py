"""Fixed bilinear upsampling, one axis after the other, channels last (see reference/upsample.py).

Along one axis each output is a weighted sum of neighbouring inputs, and so is each element of the
gradient, which gathers from the outputs that its input went to:

    y[o]  = sum over t of weight[o, t] * x[first[o] + t]         ceil(k/s) taps, mostly two
    gx[h] = sum over t of weight'[h, t] * gy[first'[h] + t]      k taps

So both directions are the same kernel with different taps. A task is one row of the result: rows
are combined first, into one line of pixels, then the pixels of the line.
"""

from functools import lru_cache

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, register_jitable

from ..filters import triangle
from .compile import kernel
from .layout import empty, nhwc
from .tasks import tasks
from .threads import parallel_for

Pair = tuple[int, int]
LANES = 8  # numbers in a vector


def upsample_bilinear(x, kernel_size: Pair, stride: Pair, padding: Pair, output_size: Pair):
    """y = U_v x U_h^T. x (N, C, H, W); returns y (N, C, *output_size)."""
    axes = zip(x.shape[2:], kernel_size, stride, padding, output_size, strict=True)
    return _resampled(x, output_size, [taps(*axis, x.dtype) for axis in axes])


def upsample_bilinear_grad(gy, input_size: Pair, kernel_size: Pair, stride: Pair, padding: Pair):
    """gx = U_v^T gy U_h. gy (N, C, OH, OW); returns gx (N, C, *input_size)."""
    axes = zip(input_size, kernel_size, stride, padding, gy.shape[2:], strict=True)
    return _resampled(gy, input_size, [taps_grad(*axis, gy.dtype) for axis in axes])


@lru_cache(64)  # a net asks for the same few again and again
def taps(n: int, k: int, s: int, p: int, o: int, dtype):
    """first (o,) and weight (o, taps): the inputs that each output of one axis sees.

    U[o, h] = triangle[o + p - h*s]. All outputs have as many taps, some of weight 0; where an
    axis has fewer inputs than that, all.
    """
    count = min(n, -(-k // s))
    position = np.arange(o) + p
    first = ((position - k) // s + 1).clip(0, n - count)  # smallest h with position - h*s < k
    return first, _weights(k, position[:, None] - (first[:, None] + np.arange(count)) * s, dtype)


@lru_cache(64)
def taps_grad(n: int, k: int, s: int, p: int, o: int, dtype):
    """first (n,) and weight (n, taps): the outputs that each input of one axis goes to, U^T."""
    count = min(o, k)
    start = np.arange(n) * s - p
    first = start.clip(0, o - count)
    return first, _weights(k, first[:, None] + np.arange(count) - start[:, None], dtype)


def _weights(k: int, tap, dtype):
    inside = (tap >= 0) & (tap < k)
    return np.where(inside, triangle(k)[tap.clip(0, k - 1)], 0.0).astype(dtype)


def _resampled(x, size: Pair, axes):
    """x (N, C, H, W) brought to ``size`` by the taps of both axes."""
    y = empty((*x.shape[:2], *size), x.dtype)
    (rows, row_weights), (columns, column_weights) = axes
    row = x.shape[3] * row_weights.shape[1] + size[1] * column_weights.shape[1]
    parallel_for(
        _resample,
        x.shape[0] * size[0],
        *(nhwc(x), nhwc(y), rows, row_weights, columns, column_weights),
        work=x.shape[1] * row // LANES,
    )
    return y


@kernel()
def _resample(work, x, y, rows, row_weights, columns, column_weights):
    """Rows of y (N, OH, OW, C) from x (N, H, W, C)."""
    (N, _, W, C), OH = x.shape, y.shape[1]
    x, y, line = x.reshape(N, -1), y.reshape(N * OH, -1), np.empty(W * C, x.dtype)
    for task in tasks(work):
        n, r = divmod(task, OH)
        combine(line, x[n], W * C, rows[r : r + 1], row_weights[r : r + 1])
        combine(y[task], line, C, columns, column_weights)


@register_jitable(fastmath={"contract"})
def combine(out, source, size, first, weight):
    """out[i] = sum over t of weight[i, t] * source[first[i] + t], items of ``size`` numbers.

    out and source are flat. An item is a pixel with its channels, or a whole row of pixels. Inside
    an item up to four vectors of neighbours are summed at a time, over all taps, in registers; the
    last vector ends where the item does and repeats some of the one before.
    """
    taps, last, weights = weight.shape[1], size - LANES, weight.reshape(-1)
    for i in range(len(first)):
        at, to = first[i] * size, i * size
        c = 0
        while c < size - 3 * LANES:
            _four(out, to, source, at, size, weights, i * taps, taps, c, last)
            c += 4 * LANES
        if last < 0:
            for c in range(size):
                total = weight[i, 0] * source[at + c]
                for t in range(1, taps):
                    total += weight[i, t] * source[at + t * size + c]
                out[to + c] = total
        elif c < size - 2 * LANES:
            _three(out, to, source, at, size, weights, i * taps, taps, c, last)
        elif c < size - LANES:
            _two(out, to, source, at, size, weights, i * taps, taps, c, last)
        elif c < size:
            _one(out, to, source, at, size, weights, i * taps, taps, c, last)


def _vector_sums(vectors: int):
    """The inside of ``combine`` for so many vectors from channel c on, none beyond ``last``.

    LLVM would make vectors of the loop along 21 channels too, but with checks, at every pixel,
    that no arrays overlap, and a remainder of single numbers: half the speed.
    """

    @intrinsic
    def sums(typing, out, to, source, at, size, weight, w, taps, c, last):
        def generate(context, builder, signature, arguments):
            arrays = [
                context.make_array(signature.args[i])(context, builder, arguments[i]).data
                for i in (0, 2, 5)
            ]
            out, source, weight = arrays
            _, to, _, at, size, _, w, taps, c, last = arguments
            real, align = out.type.pointee, context.get_abi_sizeof(out.type.pointee)
            vector = ir.VectorType(real, LANES)
            number = ir.IntType(32)
            pick = ir.Constant(ir.VectorType(number, LANES), [0] * LANES)
            flags = ("contract",)

            def place(array, index):
                return builder.bitcast(builder.gep(array, [index]), vector.as_pointer())

            ends = [builder.add(c, c.type(v * LANES)) for v in range(vectors)]
            ends = [builder.select(builder.icmp_signed("<", e, last), e, last) for e in ends]
            totals = [cgutils.alloca_once(builder, vector) for _ in ends]
            for total in totals:
                builder.store(ir.Constant(vector, [0.0] * LANES), total)
            with cgutils.for_range(builder, taps) as loop:
                line = builder.gep(source, [builder.add(at, builder.mul(loop.index, size))])
                x = builder.load(builder.gep(weight, [builder.add(w, loop.index)]))
                x = builder.insert_element(ir.Constant(vector, ir.Undefined), x, number(0))
                x = builder.shuffle_vector(x, x, pick)
                for end, total in zip(ends, totals, strict=True):
                    product = builder.fmul(
                        x, builder.load(place(line, end), align=align), flags=flags
                    )
                    builder.store(builder.fadd(builder.load(total), product, flags=flags), total)
            line = builder.gep(out, [to])
            for end, total in zip(ends, totals, strict=True):
                builder.store(builder.load(total), place(line, end), align=align)
            return context.get_dummy_value()

        return types.void(out, to, source, at, size, weight, w, taps, c, last), generate

    return sums


_one, _two, _three, _four = map(_vector_sums, (1, 2, 3, 4))
