"""Softmax along an axis, its logarithm, and their gradients.

y_k = e^x_k / sum over j of e^x_j          gx_k = y_k * (gy_k - sum over j of gy_j * y_j)
y_k = x_k - log sum over j of e^x_j        gx_k = gy_k - e^y_k * sum over j of gy_j
"""

import numpy as np


def softmax(x, axis: int):
    """y, of the shape of x; safe for large x."""
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def softmax_grad(gy, y, axis: int):
    """gx from gy and y."""
    return y * (gy - (gy * y).sum(axis=axis, keepdims=True))


def log_softmax(x, axis: int):
    """y, of the shape of x, without computing small probabilities on the way."""
    x = x - x.max(axis=axis, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=axis, keepdims=True))


def log_softmax_grad(gy, y, axis: int):
    """gx from gy and y."""
    return gy - np.exp(y) * gy.sum(axis=axis, keepdims=True)
