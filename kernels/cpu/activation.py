"""The rectifier and its gradient."""

import numpy as np

from .compile import kernel
from .threads import parallel_for


def relu(x):
    """y = max(x, 0)."""
    y = np.empty(x.shape, x.dtype)
    parallel_for(_relu, x.size, x.reshape(-1), y.reshape(-1))
    return y


def relu_grad(gy, y):
    """gx = gy where y > 0, else 0: at the kink itself the gradient is 0."""
    gx = np.empty(gy.shape, gy.dtype)
    parallel_for(_relu_grad, gy.size, gy.reshape(-1), y.reshape(-1), gx.reshape(-1))
    return gx


@kernel()
def _relu(start, stop, x, y):
    x, y = x[start:stop], y[start:stop]
    zero = x.dtype.type(0)
    for p in range(len(x)):
        y[p] = zero if x[p] <= 0 else x[p]  # NaN comes through


@kernel()
def _relu_grad(start, stop, gy, y, gx):
    gy, y, gx = gy[start:stop], y[start:stop], gx[start:stop]
    zero = gy.dtype.type(0)
    for p in range(len(gy)):
        gx[p] = gy[p] if y[p] > 0 else zero
