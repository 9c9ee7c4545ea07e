"""The rectifier, its gradient, and the gradient of the bias that a layer adds before it."""

import numpy as np


def relu(x):
    """y = max(x, 0)."""
    return np.maximum(x, 0)


def relu_grad(gy, y, out=None):
    """gx = gy where y > 0, else 0: at the kink itself the gradient is 0. ``out``, such as gy
    itself, is filled and returned."""
    gx = np.where(y > 0, gy, gy.dtype.type(0))
    if out is None:
        return gx
    out[...] = gx
    return out


def bias_grad(gy):
    """gb[k] = sum of gy[n,k,h,w] over n, h, w: the gradient of a bias (K,)."""
    return gy.sum(axis=(0, 2, 3))


def relu_bias_grad(gy, y, out=None):
    """gx = relu_grad(gy, y, out) and gb = bias_grad(gx)."""
    gx = relu_grad(gy, y, out)
    return gx, bias_grad(gx)
