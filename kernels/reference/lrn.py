"""Local response normalisation across channels (Krizhevsky et al. 2012; Caffe lrn_layer.cpp).

    scale[n,c] = k + alpha/size * sum over c' in window(c) of x[n,c']^2
    y[n,c] = x[n,c] * scale[n,c]^-beta

window(c) is the ``size`` channels c - size//2 ... c + (size-1)//2 that exist. alpha is divided by
the window's size, as Caffe and PyTorch do; Krizhevsky's formula does not.
"""

import numpy as np


def local_response_norm(x, size: int, alpha: float, beta: float, k: float):
    """x (N, C, H, W); returns y and scale of the same shape."""
    scale = k + alpha / size * _window_sum(x * x, size // 2, (size - 1) // 2)
    return x * scale**-beta, scale


def local_response_norm_grad(gy, x, y, scale, size: int, alpha: float, beta: float):
    """gx[c] = gy[c] * scale[c]^-beta - 2 alpha beta/size * x[c] * sum of gy[c'] y[c'] / scale[c'].

    The sum is over the c' whose window holds c: the window of c, mirrored.
    """
    ratio = _window_sum(gy * y / scale, (size - 1) // 2, size // 2)
    return gy * scale**-beta - (2 * alpha * beta / size) * x * ratio


def _window_sum(x, before: int, after: int):
    """out[n,c] = sum of x[n,c-before] ... x[n,c+after], as far as those channels exist."""
    C = x.shape[1]
    out = np.zeros_like(x)
    for shift in range(-before, after + 1):
        low, high = max(0, -shift), min(C, C - shift)
        if low < high:
            out[:, low:high] += x[:, low + shift : high + shift]
    return out
