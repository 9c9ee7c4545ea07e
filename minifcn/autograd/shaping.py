"""Reductions, and operations that only move elements. All but the maximum are linear."""

import numpy as np

from ..backends import array_module
from .function import Function
from .tensor import Tensor


class Sum(Function):
    """y = sum of x over axes: every summand gets the sum's gradient."""

    def __init__(self, axis, keepdims: bool):
        self.axis, self.keepdims = axis, keepdims

    def infer_shape(self, shape):
        self.axes = _axes(self.axis, len(shape))
        return _reduced(shape, self.axes, self.keepdims)

    def forward(self, x):
        return array_module(x).asarray(x.sum(axis=self.axes, keepdims=self.keepdims))

    def backward(self, gy):
        (shape,) = self.input_shapes
        gy = gy.reshape(_reduced(shape, self.axes, keepdims=True))
        return array_module(gy).broadcast_to(gy, shape)


class Max(Function):
    """y = max of x over one axis or all: the gradient goes to the first maximal element."""

    def __init__(self, axis: int | None, keepdims: bool):
        self.axis, self.keepdims = axis, keepdims

    def infer_shape(self, shape):
        axes = _axes(self.axis, len(shape))
        if any(shape[a] == 0 for a in axes):
            raise ValueError(f"max: shape {shape} is empty along the reduced axes {axes}")
        return _reduced(shape, axes, self.keepdims)

    def forward(self, x):
        flat, axis = (x.reshape(-1), 0) if self.axis is None else (x, self.axis)
        where = array_module(x).expand_dims(flat.argmax(axis=axis), axis)
        self.save(where)
        y = array_module(x).take_along_axis(flat, where, axis)
        return y.reshape(_reduced(x.shape, _axes(self.axis, x.ndim), self.keepdims))

    def backward(self, gy):
        (where,), (shape,) = self.saved, self.input_shapes
        xp = array_module(gy)
        gx = xp.zeros(shape, gy.dtype)
        flat, axis = (gx.reshape(-1), 0) if self.axis is None else (gx, self.axis)
        xp.put_along_axis(flat, where, gy.reshape(where.shape), axis)
        return gx


class Reshape(Function):
    """The same elements in another shape."""

    def __init__(self, shape: tuple[int, ...]):
        self.target = tuple(shape)

    def infer_shape(self, shape):
        try:
            return np.broadcast_to(np.zeros(()), shape).reshape(self.target).shape
        except ValueError:
            raise ValueError(
                f"reshape: {shape} has {np.prod(shape, dtype=int)} elements,"
                f" which do not fill {self.target}"
            ) from None

    def forward(self, x):
        return x.reshape(self.target)

    def backward(self, gy):
        return gy.reshape(self.input_shapes[0])


class Transpose(Function):
    """The axes in another order: y's axis i is x's axis axes[i]."""

    def __init__(self, axes: tuple[int, ...] | None):
        self.axes = axes

    def infer_shape(self, shape):
        axes = tuple(reversed(range(len(shape)))) if self.axes is None else self.axes
        self.order = tuple(a % len(shape) if -len(shape) <= a < len(shape) else a for a in axes)
        if sorted(self.order) != list(range(len(shape))):
            raise ValueError(f"transpose: {axes} is not an order of the axes of {shape}")
        return tuple(shape[a] for a in self.order)

    def forward(self, x):
        return x.transpose(self.order)

    def backward(self, gy):
        return gy.transpose([self.order.index(axis) for axis in range(len(self.order))])


class GetItem(Function):
    """y = x[index] for integers, slices, None and Ellipsis; the rest of x gets zeros."""

    def __init__(self, index):
        self.index = index

    def infer_shape(self, shape):
        return np.broadcast_to(np.zeros(()), shape)[self.index].shape

    def forward(self, x):
        return array_module(x).asarray(x[self.index])

    def backward(self, gy):
        gx = array_module(gy).zeros(self.input_shapes[0], gy.dtype)
        gx[self.index] = gy
        return gx


def sum(x, axis=None, keepdims: bool = False) -> Tensor:
    """Sum over all axes, one, or a tuple of them."""
    return Sum(axis, keepdims)(x)


def mean(x, axis=None, keepdims: bool = False) -> Tensor:
    """Mean over all axes, one, or a tuple of them. Raises ValueError for a mean of nothing."""
    total = Sum(axis, keepdims)(x)
    count = x.size // total.size if total.size else 0
    if count == 0:
        raise ValueError(f"mean: shape {x.shape} has no elements along axis {axis}")
    return total * (1 / count)


def max(x, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """Maximum over one axis or all; ties: the first in reading order gets the gradient."""
    return Max(axis, keepdims)(x)


def reshape(x, shape: tuple[int, ...]) -> Tensor:
    """The same elements in another shape; one length may be -1."""
    return Reshape(shape)(x)


def transpose(x, axes: tuple[int, ...] | None = None) -> Tensor:
    """The axes in another order; None reverses them."""
    return Transpose(axes)(x)


def getitem(x, index) -> Tensor:
    """x[index] with integers, slices, None and Ellipsis.

    Raises TypeError for index arrays, which could name an element twice.
    """
    parts = index if isinstance(index, tuple) else (index,)
    for part in parts:
        if not (part is None or part is Ellipsis or isinstance(part, (int, np.integer, slice))):
            raise TypeError(
                f"a Tensor is indexed by integers, slices, None and ...; got {type(part).__name__}"
            )
    return GetItem(index)(x)


def _axes(axis, ndim: int) -> tuple[int, ...]:
    if axis is None:
        return tuple(range(ndim))
    axes = axis if isinstance(axis, tuple) else (axis,)
    for a in axes:
        if not -ndim <= a < ndim:
            raise ValueError(f"axis {a} does not exist: there are {ndim} axes")
    return tuple(sorted({a % ndim for a in axes}))


def _reduced(shape, axes, keepdims: bool) -> tuple[int, ...]:
    kept = (1 if i in axes else n for i, n in enumerate(shape) if keepdims or i not in axes)
    return tuple(kept)
