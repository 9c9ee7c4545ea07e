"""Nonlinearities that act on every element, and the softmax, which acts along one axis."""

import numpy as np

from .. import rng
from ..autograd import Function, Tensor, as_tensor, mode
from ..backends import array_module, kernels_for, moved
from ._arguments import same_dtype


class ReLU(Function):
    """y = max(x, 0): gx = gy where y > 0."""

    def forward(self, x):
        same_dtype("relu", x=x)
        y = kernels_for(x).relu(x)
        self.save(y)
        return y

    def backward(self, gy):
        (y,) = self.saved
        return kernels_for(gy).relu_grad(gy, y, out=gy if self.owns_gradient else None)


class Sigmoid(Function):
    """y = 1 / (1 + e^-x): gx = gy * y * (1 - y)."""

    def forward(self, x):
        same_dtype("sigmoid", x=x)
        xp = array_module(x)
        e = xp.exp(-abs(x))  # never overflows
        y = xp.where(x >= 0, 1 / (1 + e), e / (1 + e))
        self.save(y)
        return y

    def backward(self, gy):
        (y,) = self.saved
        return gy * y * (1 - y)


class Tanh(Function):
    """y = tanh x: gx = gy * (1 - y^2)."""

    def forward(self, x):
        same_dtype("tanh", x=x)
        y = array_module(x).tanh(x)
        self.save(y)
        return y

    def backward(self, gy):
        (y,) = self.saved
        return gy * (1 - y * y)


class Dropout(Function):
    """y = x * mask / (1 - p): every element is dropped on its own with probability p."""

    def __init__(self, p: float):
        self.p = p

    def forward(self, x):
        same_dtype("dropout", x=x)
        if mode.is_unattended():
            keep = kernels_for(x).keep_mask(x.shape, self.p, rng.generator, x)
        else:
            keep = moved(self._draw(x.shape), x)
        self.save(keep)
        return self._apply(x, keep)

    def backward(self, gy):
        (keep,) = self.saved
        return self._apply(gy, keep)

    def _draw(self, shape):
        """True with probability 1 - p. All backends draw the same, by the project's generator on
        the processor, but for what a device replays. The channels, axis 1, are drawn innermost
        whatever the layout of x: the mask does not depend on that, and fits the maps of a fast
        backend."""
        last = (shape[0], *shape[2:], shape[1]) if len(shape) > 2 else shape
        keep = rng.generator().random(last, dtype="float32") >= self.p
        return np.moveaxis(keep, -1, 1) if len(shape) > 2 else keep

    def _apply(self, x, keep):
        return kernels_for(x).dropout(x, keep, 1 / (1 - self.p))


class Softmax(Function):
    """y = e^x / sum e^x along an axis: gx = y * (gy - sum gy*y)."""

    def __init__(self, axis: int):
        self.axis = axis

    def infer_shape(self, shape):
        return _with_axis(shape, self.axis, "softmax")

    def forward(self, x):
        same_dtype("softmax", x=x)
        y = kernels_for(x).softmax(x, self.axis)
        self.save(y)
        return y

    def backward(self, gy):
        (y,) = self.saved
        return kernels_for(gy).softmax_grad(gy, y, self.axis)


class LogSoftmax(Function):
    """y = x - log sum e^x along an axis: gx = gy - e^y * sum gy."""

    def __init__(self, axis: int):
        self.axis = axis

    def infer_shape(self, shape):
        return _with_axis(shape, self.axis, "log_softmax")

    def forward(self, x):
        same_dtype("log_softmax", x=x)
        y = kernels_for(x).log_softmax(x, self.axis)
        self.save(y)
        return y

    def backward(self, gy):
        (y,) = self.saved
        return kernels_for(gy).log_softmax_grad(gy, y, self.axis)


def relu(x) -> Tensor:
    """max(x, 0), elementwise; at 0 the gradient is 0."""
    return ReLU()(x)


def sigmoid(x) -> Tensor:
    """1 / (1 + e^-x), elementwise."""
    return Sigmoid()(x)


def tanh(x) -> Tensor:
    """Hyperbolic tangent, elementwise."""
    return Tanh()(x)


def dropout(x, p: float = 0.5, training: bool = True) -> Tensor:
    """Drop every element with probability p and scale the others by 1/(1-p) (inverted dropout).

    Elements, not channels, as Caffe does it. Outside training x itself. Raises ValueError unless
    0 <= p < 1. The mask comes from the generator that ``minifcn.manual_seed`` seeds.
    """
    if not 0 <= p < 1:
        raise ValueError(f"dropout: p must be at least 0 and below 1; got {p}")
    return Dropout(p)(x) if training and p > 0 else as_tensor(x)


def softmax(x, axis: int = 1) -> Tensor:
    """e^x / sum of e^x along an axis (of (N, C, H, W): the classes); safe for large x."""
    return Softmax(axis)(x)


def log_softmax(x, axis: int = 1) -> Tensor:
    """log of ``softmax``, without computing small probabilities on the way."""
    return LogSoftmax(axis)(x)


def _with_axis(shape, axis: int, who: str):
    if not -len(shape) <= axis < len(shape):
        raise ValueError(f"{who}: axis {axis} does not exist in shape {shape}")
    if shape[axis] == 0:
        raise ValueError(f"{who}: there is nothing along axis {axis} of shape {shape}")
    return shape
