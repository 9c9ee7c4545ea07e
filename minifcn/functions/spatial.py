"""Cutting, framing and joining maps. All linear: backward puts back what forward took."""

from functools import partial
from itertools import accumulate

from ..autograd import Function, Tensor
from ..backends import array_module, kernels_for
from ._arguments import image_shape, pair


class Crop(Function):
    """y = x[:, :, top : top+height, left : left+width]."""

    def __init__(self, offset, size):
        self.offset, self.size = pair(offset, "offset", 0), pair(size, "size", 1)

    def infer_shape(self, x):
        N, C, H, W = image_shape(x, "crop")
        (top, left), (height, width) = self.offset, self.size
        if top + height > H or left + width > W:
            raise ValueError(
                f"crop: x {x}: offset {self.offset} + size {self.size} = "
                f"({top + height}, {left + width}) reaches beyond ({H}, {W})"
            )
        self.window = (..., slice(top, top + height), slice(left, left + width))
        return (N, C, height, width)

    def forward(self, x):
        return x[self.window]

    def backward(self, gy):
        gx = array_module(gy).zeros_like(gy, shape=self.input_shapes[0])  # laid out as gy is
        gx[self.window] = gy
        return gx


class Pad(Function):
    """y = x with ``value`` around it."""

    def __init__(self, padding, value: float):
        if isinstance(padding, (tuple, list)) and len(padding) == 4:
            vertical, horizontal = pair(padding[:2], "padding", 0), pair(padding[2:], "padding", 0)
        else:
            vertical, horizontal = ((p, p) for p in pair(padding, "padding", 0))
        self.padding, self.value = (vertical, horizontal), value

    def infer_shape(self, x):
        N, C, H, W = image_shape(x, "pad")
        ((top, bottom), (left, right)) = self.padding
        self.window = (..., slice(top, top + H), slice(left, left + W))
        self.shape = (N, C, top + H + bottom, left + W + right)
        return self.shape

    def forward(self, x):
        y = array_module(x).full_like(x, self.value, shape=self.shape)  # laid out as x is
        y[self.window] = x
        return y

    def backward(self, gy):
        return gy[self.window]


class Joined:
    """Maps whose channels several operations write side by side, so that ``cat`` need not copy.

    channels: of each part. ``part(i)`` is the argument ``into`` of the operation that makes part
    i; the first one to run makes room for all.
    """

    def __init__(self, channels):
        self.ends = list(accumulate(channels))
        self.maps, self.parts = None, {}

    def part(self, i: int):
        return partial(self._place, i)

    def _place(self, i, shape, kernels, like):
        """The channels of part i, or None where they do not fit beside the others."""
        N, C, H, W = shape
        whole = N, self.ends[-1], H, W
        if self.maps is None:
            self.maps = kernels.empty_maps(whole, like)
        if self.maps.shape != whole or self.maps.dtype != like.dtype:
            return None
        self.parts[i] = self.maps[:, self.ends[i] - C : self.ends[i]]
        return self.parts[i]

    def hold(self, arrays) -> bool:
        """Whether these are the parts, all of them in order."""
        return len(arrays) == len(self.ends) and all(
            array is self.parts.get(i) for i, array in enumerate(arrays)
        )


class Cat(Function):
    """y = inputs side by side along an axis; where they lie so already, in ``joined`` maps, there
    is nothing to do."""

    def __init__(self, axis: int, joined: Joined | None = None):
        self.axis, self.joined = axis, joined

    def infer_shape(self, *shapes):
        first = shapes[0]
        if not -len(first) <= self.axis < len(first):
            raise ValueError(f"cat: axis {self.axis} does not exist in shape {first}")
        axis = self.axis % len(first)
        for shape in shapes:
            if len(shape) != len(first) or any(
                a != b for i, (a, b) in enumerate(zip(shape, first, strict=True)) if i != axis
            ):
                text = ", ".join(map(str, shapes))
                raise ValueError(f"cat along axis {axis}: shapes {text} differ elsewhere")
        return (*first[:axis], sum(shape[axis] for shape in shapes), *first[axis + 1 :])

    def forward(self, *arrays):
        joined, self.joined = self.joined, None  # let go of what nobody else may need
        if joined is not None and joined.hold(arrays):
            return joined.maps
        return kernels_for(arrays[0]).cat(arrays, self.axis)

    def backward(self, gy):
        ends = list(accumulate(shape[self.axis] for shape in self.input_shapes))[:-1]
        return tuple(array_module(gy).split(gy, ends, axis=self.axis))


def crop(x, offset, size) -> Tensor:
    """The part of (N, C, H, W) maps that starts at ``offset`` and has ``size``, in pixels.

    offset, size: an int or a pair (vertical, horizontal). The crop is at an offset, not centred:
    this is how the authors align score maps. Raises ValueError where it reaches beyond x.
    """
    return Crop(offset, size)(x)


def pad(x, padding, value: float = 0.0) -> Tensor:
    """Put a frame of ``value`` around (N, C, H, W) maps.

    padding: an int, a pair (vertical, horizontal), or (top, bottom, left, right), in pixels.
    """
    return Pad(padding, value)(x)


def cat(tensors, axis: int = 1, joined: Joined | None = None) -> Tensor:
    """Join tensors along an axis (of (N, C, H, W): the channels).

    joined: maps in which they lie side by side already, if the operations before wrote them there.
    Raises ValueError where they differ along another axis, or where there are none.
    """
    tensors = tuple(tensors)
    if not tensors:
        raise ValueError("cat: there is nothing to join")
    return Cat(axis, joined)(*tensors)
