"""Sums and products of large arrays, and the mask of dropout."""

import numpy as np


def add(x, y):
    """x + y. Both have one shape."""
    return x + y


def add_(x, y):
    """x += y, in place; returns x. Both have one shape."""
    x += y
    return x


def scale(x, number):
    """x * number."""
    return x * number


def dropout(x, keep, factor):
    """x * factor where keep is true, else 0. Both have one shape."""
    return np.where(keep, x * factor, x.dtype.type(0))
