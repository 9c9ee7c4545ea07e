"""Fixed bilinear upsampling, one axis after the other (see reference/upsample.py).

Along one axis each output is a sum of at most ceil(k/s) inputs, two for the kernels of bilinear
interpolation:

    y[o] = sum over t of weight[o, t] * x[first[o] + t]

The narrow image is stretched horizontally first; the long vertical pass then combines whole rows.
"""

import numpy as np

from ..filters import triangle
from .compile import kernel
from .threads import parallel_for

Pair = tuple[int, int]


def upsample_bilinear(x, kernel_size: Pair, stride: Pair, padding: Pair, output_size: Pair):
    """y = U_v x U_h^T. x (N, C, H, W); returns y (N, C, *output_size)."""
    x = np.ascontiguousarray(x)
    y = np.empty((*x.shape[:2], *output_size), x.dtype)
    taps = _taps(x.shape[2:], kernel_size, stride, padding, output_size, x.dtype)
    work = 2 * output_size[0] * output_size[1]
    parallel_for(_upsample, x.shape[0] * x.shape[1], _planes(x), _planes(y), *taps, work=work)
    return y


def upsample_bilinear_grad(gy, input_size: Pair, kernel_size: Pair, stride: Pair, padding: Pair):
    """gx = U_v^T gy U_h. gy (N, C, OH, OW); returns gx (N, C, *input_size)."""
    gy = np.ascontiguousarray(gy)
    gx = np.empty((*gy.shape[:2], *input_size), gy.dtype)
    taps = _taps(input_size, kernel_size, stride, padding, gy.shape[2:], gy.dtype)
    work = 2 * gy.shape[2] * gy.shape[3]
    parallel_for(
        _upsample_grad, gy.shape[0] * gy.shape[1], _planes(gy), _planes(gx), *taps, work=work
    )
    return gx


def _planes(x):
    """(N*C, H, W)"""
    return x.reshape(-1, *x.shape[2:])


def _taps(input_size, kernel_size, stride, padding, output_size, dtype) -> list:
    """first (o,) and weight (o, taps) of both axes."""
    axes = zip(input_size, kernel_size, stride, padding, output_size, strict=True)
    return [part for axis in axes for part in _axis_taps(*axis, dtype)]


def _axis_taps(n: int, k: int, s: int, p: int, o: int, dtype):
    """The inputs that each output of one axis sees, U[o, h] = triangle[o + p - h*s].

    All outputs have as many, some of weight 0; where an axis has fewer inputs than that, all.
    """
    count = min(n, -(-k // s))
    position = np.arange(o) + p
    first = ((position - k) // s + 1).clip(0, n - count)  # smallest h with position - h*s < k
    tap = position[:, None] - (first[:, None] + np.arange(count)) * s
    weight = np.where((tap >= 0) & (tap < k), triangle(k)[tap.clip(0, k - 1)], 0.0)
    return first, weight.astype(dtype)


@kernel()
def _upsample(start, stop, x, y, rows, row_weights, columns, column_weights):
    _, H, _ = x.shape
    _, OH, OW = y.shape
    wide = np.empty((H, OW), x.dtype)
    for plane in range(start, stop):
        for h in range(H):
            line, source = wide[h], x[plane, h]
            for q in range(OW):
                total = column_weights[q, 0] * source[columns[q]]
                for t in range(1, column_weights.shape[1]):
                    total += column_weights[q, t] * source[columns[q] + t]
                line[q] = total
        for r in range(OH):
            line, source, weight = y[plane, r], wide[rows[r]], row_weights[r, 0]
            for q in range(OW):
                line[q] = weight * source[q]
            for t in range(1, row_weights.shape[1]):
                source, weight = wide[rows[r] + t], row_weights[r, t]
                for q in range(OW):
                    line[q] += weight * source[q]


@kernel()
def _upsample_grad(start, stop, gy, gx, rows, row_weights, columns, column_weights):
    _, H, _ = gx.shape
    _, OH, OW = gy.shape
    wide = np.empty((H, OW), gy.dtype)
    for plane in range(start, stop):
        wide[:] = 0
        for r in range(OH):
            source = gy[plane, r]
            for t in range(row_weights.shape[1]):
                line, weight = wide[rows[r] + t], row_weights[r, t]
                for q in range(OW):
                    line[q] += weight * source[q]
        gx[plane] = 0
        for h in range(H):
            line, source = gx[plane, h], wide[h]
            for q in range(OW):
                for t in range(column_weights.shape[1]):
                    line[columns[q] + t] += column_weights[q, t] * source[q]
