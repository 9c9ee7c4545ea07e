"""Local response normalisation across channels (see reference/lrn.py).

    scale[n,c] = k + alpha/size * sum over c' in window(c) of x[n,c']^2
    y[n,c] = x[n,c] * scale[n,c]^-beta

A task is a run of pixels of one image: its channels stay in the cache while the windows slide.
"""

import numpy as np

from .compile import kernel
from .threads import parallel_for

PIXELS = 1024


def local_response_norm(x, size: int, alpha: float, beta: float, k: float):
    """x (N, C, H, W); returns y and scale of the same shape."""
    x = np.ascontiguousarray(x)
    y, scale = np.empty_like(x), np.empty_like(x)
    real = x.dtype.type
    arrays = _flat(x), _flat(y), _flat(scale)
    _for_runs(_norm, arrays, size, real(alpha / size), real(beta), real(k))
    return y, scale


def local_response_norm_grad(gy, x, y, scale, size: int, alpha: float, beta: float):
    """gx[c] = gy[c] * scale[c]^-beta - 2 alpha beta/size * x[c] * sum of gy[c'] y[c'] / scale[c'].

    The sum is over the c' whose window holds c: the window of c, mirrored.
    """
    gy, x, y, scale = (np.ascontiguousarray(a) for a in (gy, x, y, scale))
    gx = np.empty_like(x)
    real = x.dtype.type
    arrays = _flat(gy), _flat(x), _flat(y), _flat(scale), _flat(gx)
    _for_runs(_norm_grad, arrays, size, real(2 * alpha * beta / size), real(beta))
    return gx


def _flat(x):
    """(N, C, H*W)"""
    return x.reshape(*x.shape[:2], -1)


def _for_runs(function, arrays, size: int, *constants) -> None:
    N, C, P = arrays[0].shape
    work = C * (size + 10) * min(P, PIXELS) // 4
    parallel_for(function, N * -(-P // PIXELS), *arrays, size, *constants, work=work)


@kernel()
def _norm(start, stop, x, y, scale, size, alpha, beta, k):
    _, C, P = x.shape
    runs = -(-P // PIXELS)
    for task in range(start, stop):
        n, first = task // runs, task % runs * PIXELS
        last = min(first + PIXELS, P)
        for c in range(C):
            total, out = scale[n, c, first:last], y[n, c, first:last]
            total[:] = 0
            for other in range(max(0, c - size // 2), min(C, c + (size - 1) // 2 + 1)):
                values = x[n, other, first:last]
                for p in range(len(total)):
                    total[p] += values[p] * values[p]
            values = x[n, c, first:last]
            for p in range(len(total)):
                total[p] = k + alpha * total[p]
            if beta == 0.75:
                for p in range(len(total)):
                    root = np.sqrt(total[p])
                    out[p] = values[p] / (root * np.sqrt(root))
            else:
                for p in range(len(total)):
                    out[p] = values[p] * total[p] ** -beta


@kernel()
def _norm_grad(start, stop, gy, x, y, scale, gx, size, factor, beta):
    _, C, P = x.shape
    runs = -(-P // PIXELS)
    ratio = np.empty((C, PIXELS), x.dtype)
    for task in range(start, stop):
        n, first = task // runs, task % runs * PIXELS
        last = min(first + PIXELS, P)
        for c in range(C):
            g, out, total = gy[n, c, first:last], y[n, c, first:last], scale[n, c, first:last]
            line = ratio[c]
            for p in range(len(g)):
                line[p] = g[p] * out[p] / total[p]
        for c in range(C):
            total, values = gx[n, c, first:last], x[n, c, first:last]
            total[:] = 0
            for other in range(max(0, c - (size - 1) // 2), min(C, c + size // 2 + 1)):
                line = ratio[other]
                for p in range(len(total)):
                    total[p] += line[p]
            g, s = gy[n, c, first:last], scale[n, c, first:last]
            if beta == 0.75:
                for p in range(len(total)):
                    root = np.sqrt(s[p])
                    total[p] = g[p] / (root * np.sqrt(root)) - factor * values[p] * total[p]
            else:
                for p in range(len(total)):
                    total[p] = g[p] * s[p] ** -beta - factor * values[p] * total[p]
