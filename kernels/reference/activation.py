"""The rectifier and its gradient."""

import numpy as np


def relu(x):
    """y = max(x, 0)."""
    return np.maximum(x, 0)


def relu_grad(gy, y, out=None):
    """gx = gy where y > 0, else 0: at the kink itself the gradient is 0. ``out``, such as gy
    itself, is filled and returned."""
    return np.multiply(gy, y > 0, out=out)


def bias_grad(gy):
    """gb[k] = sum of gy[n,k,h,w] over n, h, w: the gradient of a bias (K,)."""
    return gy.sum(axis=(0, 2, 3))
