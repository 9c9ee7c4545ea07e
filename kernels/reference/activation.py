"""The rectifier and its gradient."""

import numpy as np


def relu(x):
    """y = max(x, 0)."""
    return np.maximum(x, 0)


def relu_grad(gy, y):
    """gx = gy where y > 0, else 0: at the kink itself the gradient is 0."""
    return gy * (y > 0)
