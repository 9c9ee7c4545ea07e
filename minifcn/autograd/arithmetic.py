"""Broadcasting arithmetic: elementwise operations, and the matrix product.

Where broadcasting repeated an input along an axis, its gradient is the sum over that axis.
"""

import numpy as np

from ..backends import array_module, device_of, kernels_for
from .function import Function
from .tensor import Tensor, as_tensor

MANY = 2**15  # numbers from which on a kernel is faster than the array's own arithmetic


def sum_of(a, b):
    """a + b, of large arrays by a kernel."""
    if _wants_kernel(a) and a.shape == b.shape and a.dtype == b.dtype and a.dtype.char in "fd":
        return kernels_for(a).add(a, b)
    return a + b


def product_of(a, b):
    """a * b, of a large array and a number by a kernel."""
    many, number = (b, a) if a.ndim == 0 else (a, b)
    if _wants_kernel(many) and number.ndim == 0 and a.dtype == b.dtype and a.dtype.char in "fd":
        return kernels_for(many).scale(many, number)
    return a * b


def _wants_kernel(a) -> bool:
    """On a device every array does: CuPy's own results do not lie in memory as what they are made
    of does, and maps would lose their layout."""
    return a.size > MANY or (type(a) is not np.ndarray and device_of(a) is not None)


def unbroadcast(g, shape: tuple[int, ...]):
    """Sum a gradient over the axes along which an input of this shape was repeated."""
    if g.shape == shape:
        return g
    extra = g.ndim - len(shape)
    axes = tuple(range(extra))
    axes += tuple(extra + i for i, n in enumerate(shape) if n == 1 and g.shape[extra + i] != 1)
    return g.sum(axis=axes, keepdims=True).reshape(shape)


class Elementwise(Function):
    """An operation whose inputs broadcast against each other."""

    def infer_shape(self, *shapes):
        if all(shape == shapes[0] for shape in shapes):
            return shapes[0]
        try:
            return np.broadcast_shapes(*shapes)
        except ValueError:
            text = " and ".join(map(str, shapes))
            raise ValueError(f"{type(self).__name__}: shapes {text} do not broadcast") from None

    def backward(self, gy):
        gradients = self.elementwise_backward(gy)
        return tuple(
            unbroadcast(g, shape) if needed else None
            for g, shape, needed in zip(
                gradients, self.input_shapes, self.needs_input_grad, strict=True
            )
        )


class Add(Elementwise):
    """y = a + b."""

    def forward(self, a, b):
        return sum_of(a, b)

    def elementwise_backward(self, gy):
        return gy, gy


class Sub(Elementwise):
    """y = a - b."""

    def forward(self, a, b):
        return a - b

    def elementwise_backward(self, gy):
        return gy, -gy


class Mul(Elementwise):
    """y = a * b: ga = gy * b, gb = gy * a."""

    def forward(self, a, b):
        self.save(a if self.needs_input_grad[1] else None, b if self.needs_input_grad[0] else None)
        return product_of(a, b)

    def elementwise_backward(self, gy):
        a, b = self.saved
        return None if b is None else product_of(gy, b), None if a is None else product_of(gy, a)


class Div(Elementwise):
    """y = a / b: ga = gy / b, gb = -gy * a / b^2."""

    def forward(self, a, b):
        self.save(a if self.needs_input_grad[1] else None, b)
        return a / b

    def elementwise_backward(self, gy):
        a, b = self.saved
        ga = gy / b
        return ga, None if a is None else -ga * a / b


class Neg(Elementwise):
    """y = -x."""

    def forward(self, x):
        return -x

    def elementwise_backward(self, gy):
        return (-gy,)


class Pow(Elementwise):
    """y = x^c for a fixed number c: gx = gy * c * x^(c-1)."""

    def __init__(self, exponent: float):
        self.exponent = exponent

    def forward(self, x):
        self.save(x)
        return x**self.exponent

    def elementwise_backward(self, gy):
        (x,) = self.saved
        if self.exponent == 0:  # x^-1 is infinite at 0
            return (array_module(gy).zeros_like(gy),)
        return (gy * (self.exponent * x ** (self.exponent - 1)),)


class Exp(Elementwise):
    """y = e^x: gx = gy * y."""

    def forward(self, x):
        y = array_module(x).exp(x)
        self.save(y)
        return y

    def elementwise_backward(self, gy):
        (y,) = self.saved
        return (gy * y,)


class Log(Elementwise):
    """y = ln x: gx = gy / x."""

    def forward(self, x):
        self.save(x)
        return array_module(x).log(x)

    def elementwise_backward(self, gy):
        (x,) = self.saved
        return (gy / x,)


class MatMul(Function):
    """y = a b for matrices or stacks of them: ga = gy b^T, gb = a^T gy."""

    def infer_shape(self, a, b):
        if len(a) < 2 or len(b) < 2:
            raise ValueError(f"matmul: wants matrices or stacks of them; got {a} and {b}")
        if a[-1] != b[-2]:
            raise ValueError(f"matmul: {a} @ {b}: {a[-1]} columns meet {b[-2]} rows")
        try:
            return (*np.broadcast_shapes(a[:-2], b[:-2]), a[-2], b[-1])
        except ValueError:
            raise ValueError(f"matmul: {a} @ {b}: the stacks do not broadcast") from None

    def forward(self, a, b):
        self.save(a if self.needs_input_grad[1] else None, b if self.needs_input_grad[0] else None)
        if a.dtype != b.dtype or a.dtype.kind != "f":
            return a @ b  # whole numbers, say
        return kernels_for(a).matmul(a, b)

    def backward(self, gy):
        (a, b), product = self.saved, kernels_for(gy).matmul
        shape_a, shape_b = self.input_shapes
        ga = None if b is None else unbroadcast(product(gy, b.swapaxes(-1, -2)), shape_a)
        gb = None if a is None else unbroadcast(product(a.swapaxes(-1, -2), gy), shape_b)
        return ga, gb


def add(a, b) -> Tensor:
    """a + b, broadcasting."""
    return Add()(*_both(a, b))


def sub(a, b) -> Tensor:
    """a - b, broadcasting."""
    return Sub()(*_both(a, b))


def mul(a, b) -> Tensor:
    """a * b, broadcasting."""
    return Mul()(*_both(a, b))


def div(a, b) -> Tensor:
    """a / b, broadcasting."""
    return Div()(*_both(a, b))


def neg(x) -> Tensor:
    """-x."""
    return Neg()(x)


def pow(x, exponent: float) -> Tensor:
    """x ** exponent, elementwise, for a fixed number. Raises TypeError for anything else."""
    if not isinstance(exponent, (int, float, np.number)):
        raise TypeError(f"pow: the exponent must be a number; got {type(exponent).__name__}")
    # A NumPy number would widen x, a Python number does not
    return Pow(exponent.item() if isinstance(exponent, np.number) else exponent)(x)


def exp(x) -> Tensor:
    """e^x, elementwise."""
    return Exp()(x)


def log(x) -> Tensor:
    """Natural logarithm, elementwise."""
    return Log()(x)


def matmul(a, b) -> Tensor:
    """Matrix product: (..., L, M) @ (..., M, N) -> (..., L, N)."""
    return MatMul()(a, b)


def _both(a, b) -> tuple[Tensor, Tensor]:
    a = as_tensor(a, like=b if isinstance(b, Tensor) else None)
    return a, as_tensor(b, like=a)
