"""The tensor: an array, its gradient, and the function that made it."""

import numpy as np

from ..backends import current_device, device_of, placed, to_numpy
from . import mode


class Tensor:
    """An array that remembers how it was made, so that gradients can flow back to its origins.

    data: anything that NumPy makes an array of; arrays are not copied, but for NumPy's where the
    backend in use computes on arrays of its own (cuda): they go there. An array of a device stays
    on it. requires_grad: whether ``backward`` shall leave a gradient in ``grad``; needs a
    floating-point dtype. Operations on tensors give tensors; ``data`` and ``grad`` are plain
    arrays, which live where the tensor does.
    """

    __array_ufunc__ = None  # so that array + tensor asks the tensor

    def __init__(self, data, requires_grad: bool = False):
        if isinstance(data, Tensor):
            raise TypeError("a Tensor of a Tensor: use x.detach() for the same values, unrecorded")
        if type(data) is not np.ndarray and not device_of(data):
            data = data if isinstance(data, np.ndarray) else np.asarray(data)
        if data.dtype.kind not in "fiub":
            raise TypeError(f"a Tensor holds numbers; got dtype {data.dtype}")
        if requires_grad and data.dtype.kind != "f":
            raise TypeError(
                f"only floating-point tensors can require a gradient; got dtype {data.dtype}"
            )
        device = current_device()
        if device and not device_of(data) and not mode.is_shapes_only():
            data = placed(data, device)
        self.data = data
        self.requires_grad = requires_grad
        self.grad = None
        self.function = None  # the Function that made this tensor; None for a leaf

    @classmethod
    def of(cls, array, requires_grad: bool = False):
        """A tensor of an array as it is, wherever that lives."""
        made = cls.__new__(cls)
        made.data = array
        made.requires_grad = requires_grad
        made.grad = None
        made.function = None
        return made

    shape = property(lambda self: self.data.shape, doc="Lengths of the axes.")
    dtype = property(lambda self: self.data.dtype, doc="Type of the elements.")
    ndim = property(lambda self: self.data.ndim, doc="Number of axes.")
    size = property(lambda self: self.data.size, doc="Number of elements.")

    def edge(self):
        """Where a gradient of this tensor goes: its function, itself if a leaf, or nowhere."""
        if not self.requires_grad:
            return None
        return self.function if self.function is not None else self

    def backward(self, grad=None, retain_graph: bool = False) -> None:
        """Leave in every leaf x that requires it the gradient of <grad, self> (added to x.grad).

        grad has this tensor's shape, and may live elsewhere; it may be left out where that is one
        element, and is then 1. The graph is freed on the way unless retain_graph. Raises
        RuntimeError where nothing was recorded, and on a graph that was freed before.
        """
        backward(self, grad, retain_graph)

    def numpy(self) -> np.ndarray:
        """The values as a NumPy array: not a copy, unless they live on a device."""
        return to_numpy(self.data)

    def item(self) -> float:
        """The one value of a one-element tensor."""
        return self.data.item()

    def detach(self) -> "Tensor":
        """The same values as a leaf that requires no gradient."""
        return Tensor.of(self.data)

    def to(self, target) -> "Tensor":
        """The same values where a backend ("cpu", "cuda") wants them, or in a dtype (np.float64),
        as a leaf.

        Raises ValueError for an unknown backend, RuntimeError for one that cannot run here, and
        TypeError where a gradient is required of integers.
        """
        if isinstance(target, str) and not target.startswith("float"):
            return Tensor.of(placed(self.data, target), self.requires_grad)
        data = self.data.astype(target)
        if self.requires_grad and data.dtype.kind != "f":
            raise TypeError(f"{data.dtype} numbers have no gradient, which this tensor requires")
        return Tensor.of(data, self.requires_grad)

    def __repr__(self) -> str:
        note = f", made by {type(self.function).__name__}" if self.function is not None else ""
        note = note or (", requires_grad=True" if self.requires_grad else "")
        return f"Tensor({np.array2string(self.numpy(), threshold=20, precision=4)}{note})"

    def __len__(self) -> int:
        return len(self.data)

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __add__(self, other):
        return arithmetic.add(self, other)

    __radd__ = __add__

    def __sub__(self, other):
        return arithmetic.sub(self, other)

    def __rsub__(self, other):
        return arithmetic.sub(other, self)

    def __mul__(self, other):
        return arithmetic.mul(self, other)

    __rmul__ = __mul__

    def __truediv__(self, other):
        return arithmetic.div(self, other)

    def __rtruediv__(self, other):
        return arithmetic.div(other, self)

    def __pow__(self, exponent):
        return arithmetic.pow(self, exponent)

    def __neg__(self):
        return arithmetic.neg(self)

    def __matmul__(self, other):
        return arithmetic.matmul(self, other)

    def __rmatmul__(self, other):
        return arithmetic.matmul(other, self)

    def __getitem__(self, index):
        return shaping.getitem(self, index)

    def exp(self) -> "Tensor":
        """Elementwise e^x."""
        return arithmetic.exp(self)

    def log(self) -> "Tensor":
        """Elementwise natural logarithm."""
        return arithmetic.log(self)

    def sum(self, axis=None, keepdims: bool = False) -> "Tensor":
        """Sum over axes; see ``autograd.shaping.sum``."""
        return shaping.sum(self, axis, keepdims)

    def mean(self, axis=None, keepdims: bool = False) -> "Tensor":
        """Mean over axes; see ``autograd.shaping.mean``."""
        return shaping.mean(self, axis, keepdims)

    def max(self, axis=None, keepdims: bool = False) -> "Tensor":
        """Maximum over one axis or all; see ``autograd.shaping.max``."""
        return shaping.max(self, axis, keepdims)

    def reshape(self, *shape) -> "Tensor":
        """The same elements in another shape; one length may be -1."""
        return shaping.reshape(self, shape[0] if isinstance(shape[0], tuple) else shape)

    def transpose(self, *axes) -> "Tensor":
        """The axes in another order; without arguments reversed."""
        return shaping.transpose(self, axes or None)

    T = property(lambda self: self.transpose(), doc="The axes reversed.")


def as_tensor(x, like: Tensor | None = None) -> Tensor:
    """x as a tensor; a number gets the dtype of ``like``, so that it widens nothing. Beside a
    tensor on a device it stays a number, which needs no way there."""
    if isinstance(x, Tensor):
        return x
    if like is not None and isinstance(x, (int, float, np.number)):
        number = np.asarray(x, like.dtype if like.dtype.kind == "f" else None)
        return Tensor.of(number[()] if device_of(like.data) else number)
    return Tensor(x)


# These three are written in terms of Tensor, and Tensor's operators in terms of them.
from . import arithmetic, shaping  # noqa: E402
from .engine import backward  # noqa: E402
