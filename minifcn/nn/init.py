"""Initial weights. Random ones come from the generator that ``minifcn.manual_seed`` seeds."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps

import numpy as np

from .. import rng
from ..kernels.filters import bilinear_filter

_valueless = ContextVar("minifcn_valueless", default=False)


@contextmanager
def without_values() -> Iterator[None]:
    """Nets that are built inside take no time and no memory: their weights have shapes, are zero
    and cannot be written. For those who ask about geometry alone."""
    token = _valueless.set(True)
    try:
        yield
    finally:
        _valueless.reset(token)


def is_valueless() -> bool:
    """Whether this is inside ``without_values``."""
    return _valueless.get()


def _initialiser(fill: Callable) -> Callable:
    @wraps(fill)
    def wrapped(shape: tuple[int, ...]) -> np.ndarray:
        return np.broadcast_to(np.float32(0), shape) if is_valueless() else fill(shape)

    return wrapped


@_initialiser
def he_normal(shape: tuple[int, ...]) -> np.ndarray:
    """Normal with variance 2 / fan-in, which keeps the scale of activations through ReLUs.

    fan-in: what one output sums over, the product of all lengths but the first (He et al. 2015;
    Caffe's "msra" filler). float32.
    """
    fan_in = int(np.prod(shape[1:])) or 1
    weights = rng.generator().standard_normal(shape, dtype=np.float32)
    weights *= np.float32(np.sqrt(2 / fan_in))
    return weights


@_initialiser
def xavier_uniform(shape: tuple[int, ...]) -> np.ndarray:
    """Uniform in +-sqrt(3 / fan-in) (Caffe's "xavier" filler). float32."""
    bound = np.sqrt(3 / (int(np.prod(shape[1:])) or 1))
    return rng.generator().uniform(-bound, bound, shape).astype(np.float32)


def constant(shape: tuple[int, ...], value: float) -> np.ndarray:
    """One value everywhere. float32."""
    return (
        np.broadcast_to(np.float32(value), shape)
        if is_valueless()
        else np.full(shape, value, np.float32)
    )


@_initialiser
def zeros(shape: tuple[int, ...]) -> np.ndarray:
    """Zeros: score layers start so, and predict nothing until they are trained. float32."""
    return np.zeros(shape, np.float32)


@_initialiser
def bilinear(shape: tuple[int, int, int, int]) -> np.ndarray:
    """Bilinear interpolation as a transposed convolution's weight (K, K, KH, KW), float32.

    The filter stands on the diagonal: every channel is upsampled on its own (the authors'
    surgery.py). With as many groups as channels the weight is (K, 1, KH, KW), all diagonal.
    Raises ValueError for any other shape.
    """
    K, channels = shape[:2]
    if channels not in (1, K):
        raise ValueError(f"bilinear: a weight {shape} needs as many channels in as out")
    weights = np.zeros(shape, np.float32)
    diagonal = np.arange(K)
    weights[diagonal, diagonal % channels] = bilinear_filter(shape[2:])
    return weights
