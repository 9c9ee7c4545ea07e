"""Local response normalisation across channels (see reference/lrn.py), channels last.

    scale[n,c] = k + alpha/size * sum over c' in window(c) of x[n,c']^2
    y[n,c] = x[n,c] * scale[n,c]^-beta

Loop nest: pixels, any run of them a task; the places in the window; the channels. The window
slides along the run of a pixel's channels. Their squares are laid into a line with zeros at both
ends, and ``size`` pieces of that line, each one place further, are added: every inner loop runs
over neighbours in memory and the line stays in the first cache.
"""

import numpy as np

from .compile import kernel
from .layout import channels_last, empty
from .tasks import tasks
from .threads import parallel_for


def local_response_norm(x, size: int, alpha: float, beta: float, k: float):
    """x (N, C, H, W); returns y and scale of the same shape."""
    x = channels_last(x)
    y, scale = empty(x.shape, x.dtype), empty(x.shape, x.dtype)
    real = x.dtype.type
    _for_pixels(_norm, (x, y, scale), size, real(alpha / size), real(beta), real(k))
    return y, scale


def local_response_norm_grad(gy, x, y, scale, size: int, alpha: float, beta: float):
    """gx[c] = gy[c] * scale[c]^-beta - 2 alpha beta/size * x[c] * sum of gy[c'] y[c'] / scale[c'].

    The sum is over the c' whose window holds c: the window of c, mirrored.
    """
    arrays = [channels_last(a) for a in (gy, x, y, scale)]
    gx = empty(x.shape, x.dtype)
    real = x.dtype.type
    _for_pixels(_norm_grad, (*arrays, gx), size, real(2 * alpha * beta / size), real(beta))
    return gx


def _for_pixels(function, arrays, size: int, *constants) -> None:
    C = arrays[0].shape[1]
    arrays = [a.transpose(0, 2, 3, 1).reshape(-1, C) for a in arrays]
    parallel_for(function, len(arrays[0]), *arrays, size, *constants, work=C * (size + 10) // 8)


@kernel()
def _norm(work, x, y, scale, size, alpha, beta, k):
    C = x.shape[1]
    squares = np.zeros(C + size - 1, x.dtype)
    inside = squares[size // 2 : size // 2 + C]
    for p in tasks(work):
        values, out, total = x[p], y[p], scale[p]
        for c in range(C):
            inside[c] = values[c] * values[c]
        _add_window(squares, size, total)
        if beta == 0.75:
            for c in range(C):
                s = k + alpha * total[c]
                root = np.sqrt(s)
                total[c] = s
                out[c] = values[c] / (root * np.sqrt(root))
        else:
            for c in range(C):
                total[c] = k + alpha * total[c]
                out[c] = values[c] * total[c] ** -beta


@kernel()
def _norm_grad(work, gy, x, y, scale, gx, size, factor, beta):
    C = x.shape[1]
    ratios = np.zeros(C + size - 1, x.dtype)
    inside = ratios[(size - 1) // 2 : (size - 1) // 2 + C]
    for p in tasks(work):
        g, values, out, s, total = gy[p], x[p], y[p], scale[p], gx[p]
        for c in range(C):
            inside[c] = g[c] * out[c] / s[c]
        _add_window(ratios, size, total)
        if beta == 0.75:
            for c in range(C):
                root = np.sqrt(s[c])
                total[c] = g[c] / (root * np.sqrt(root)) - factor * values[c] * total[c]
        else:
            for c in range(C):
                total[c] = g[c] * s[c] ** -beta - factor * values[c] * total[c]


@kernel()
def _add_window(line, size, total):
    """total[c] = line[c] + ... + line[c + size - 1]"""
    C = len(total)
    total[:] = 0
    for first in range(size):
        shifted = line[first : first + C]
        for c in range(C):
            total[c] += shifted[c]
