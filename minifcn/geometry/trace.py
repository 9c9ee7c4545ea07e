"""A walk through a net that computes nothing: every operation is asked for shapes only, so a net
of any size is walked through at once."""

import math
from dataclasses import dataclass

import numpy as np

from ..autograd import Hook, Tensor, shapes_only
from ..autograd.shaping import Transpose
from ..functions.conv import Conv2d, Conv2dWeight, ConvTranspose2d
from ..functions.linear import Linear
from ..functions.pool import Pool
from ..functions.spatial import Crop, Pad
from ..functions.upsample import UpsampleBilinear
from .axis import Axis, offset_between, union

TRACE_SIZE = (500, 500)  # any size gives the same maps; this is the paper's


@dataclass
class Row:
    """One layer of a trace. axes: (vertical, horizontal), None where a map has no place in the
    image any more; macs: multiply-adds; memory: bytes of the output; depth: convolutions and
    fully connected layers on the longest way from the image to here; offset: derived, of a layer
    that has one."""

    name: str
    kind: str
    shape: tuple[int, ...]
    axes: tuple[Axis, Axis] | None
    parameters: int
    macs: int
    memory: int
    depth: int
    offset: tuple[int, int] | None = None


class Trace(Hook):
    """Walks through a model with shapes only; ``rows`` has a Row a layer, in order."""

    def __init__(self, model, size=TRACE_SIZE, channels: int | None = None, batch: int = 1):
        channels = channels or channels_of(model)
        self.names = {id(module): name for name, module in model.named_modules()}
        self.rows: list[Row] = []
        self._open = []  # modules that are being called, each with the multiply-adds inside it
        self._maps = {}  # id of a tensor -> its axes, and its depth
        self._alive = []  # so that no id is used twice
        dtype = next((parameter.dtype for parameter in model.parameters()), np.float32)
        data = np.broadcast_to(np.zeros((), dtype), (batch, channels, *size))
        image = self._remember(Tensor.of(data), (Axis(), Axis()), 0)
        with shapes_only(), self:
            self.output = model(image)

    def __getitem__(self, name: str) -> Row:
        """The row of the layer of that name."""
        for row in self.rows:
            if row.name == name:
                return row
        raise KeyError(f"no layer {name!r} in this trace")

    def axes(self, tensor) -> tuple[Axis, Axis] | None:
        """Where a traced tensor's pixels lie."""
        return self._maps.get(id(tensor), (None, 0))[0]

    def forward_end(self, function, inputs, output) -> None:
        depth = max((self._maps.get(id(x), (None, 0))[1] for x in inputs), default=0)
        depth += isinstance(function, (Conv2d, Linear))
        self._remember(output, self._compose(function, inputs), depth)
        macs = _multiply_adds(function, output)
        if self._open and not self._open[-1][0]._modules:
            self._open[-1][1] += macs
        else:
            scope = self.names.get(id(self._open[-1][0]), "") if self._open else ""
            kind = type(function).__name__
            self._add_row(f"{scope}.{kind.lower()}".lstrip("."), kind, output, 0, macs)

    def module_begin(self, module) -> None:
        self._open.append([module, 0])

    def module_end(self, module, output) -> None:
        _, macs = self._open.pop()
        if not module._modules:
            name = self.names.get(id(module), "?")
            kind, parameters = type(module).__name__, module.num_parameters()
            self._add_row(name, kind, output, parameters, macs, getattr(module, "offset", None))

    def align(self, x, reference) -> tuple[int, int]:
        """Offset of reference's first pixel in x, whole and the same for every pixel.

        Raises ValueError, with the arithmetic, where strides differ or the offset is not whole.
        """
        pairs = zip(self._placed(x), self._placed(reference), strict=True)
        return tuple(offset_between(*pair) for pair in pairs)

    def _placed(self, tensor):
        axes = self.axes(tensor)
        if axes is None:
            raise ValueError(f"a map of shape {tensor.shape} has no place in the image")
        return axes

    def _remember(self, tensor, axes, depth: int):
        self._alive.append(tensor)
        self._maps[id(tensor)] = axes, depth
        return tensor

    def _add_row(self, name, kind, output, parameters, macs, offset=None) -> None:
        memory = output.size * output.dtype.itemsize
        axes, depth = self._maps.get(id(output), (None, 0))
        row = Row(name, kind, output.shape, axes, parameters, macs, memory, depth, offset)
        self.rows.append(row)

    def _compose(self, function, inputs):
        placed = [axes for axes in map(self.axes, inputs) if axes is not None]
        if not placed:
            return None
        if isinstance(function, (Conv2d, Pool)):
            return _each(Axis.window, placed[0], function)
        if isinstance(function, (ConvTranspose2d, UpsampleBilinear)):
            return _each(Axis.transposed, placed[0], function)
        if isinstance(function, Crop):
            return tuple(a.shifted(o) for a, o in zip(placed[0], function.offset, strict=True))
        if isinstance(function, Pad):
            return tuple(
                a.shifted(-p[0]) for a, p in zip(placed[0], function.padding, strict=True)
            )
        if len(function.infer_shape(*function.input_shapes)) != 4 or isinstance(
            function, (Linear, Conv2dWeight, Transpose)
        ):
            return None
        return tuple(map(_joined, *placed)) if _same_size(function) else None


def channels_of(model) -> int:
    """Of the images that a model takes: what it says (``input_shape``), or what its first
    convolution takes, or 3."""
    shape = getattr(model, "input_shape", None)
    if shape:
        return shape[0]
    for _, module in model.named_modules():
        if hasattr(module, "weight"):
            is_first = module.weight.ndim == 4 and hasattr(module, "groups")
            return module.weight.shape[1] * module.groups if is_first else 3
    return 3


def trace(model, size=TRACE_SIZE, channels: int | None = None, batch: int = 1) -> Trace:
    """Walk through a model with an image of ``size`` (height, width); see ``Trace``."""
    return Trace(model, size, channels, batch)


def derive_offsets(model) -> None:
    """Tell every Crop and Fuse layer of a model its offset, from the coordinate maps.

    Offsets from an earlier call are derived anew: a net may have been changed since. Raises
    ValueError, with the arithmetic, for a net whose maps do not meet on whole pixels.
    """
    for _, module in model.named_modules():
        if hasattr(module, "offset"):
            module.offset = None
    Trace(model)


def offsets(model) -> dict[str, tuple[int, int]]:
    """The derived offset (vertical, horizontal) of every Crop and Fuse layer, by name."""
    named = model.named_modules()
    return {name: module.offset for name, module in named if hasattr(module, "offset")}


def receptive_field(model, layer: str | None = None) -> tuple[int, int]:
    """Height and width in pixels of what one pixel of a layer sees.

    Without ``layer``: of the coarsest map, the one with the largest stride, at its deepest; this
    is the figure of the paper's Table 1 (404 for VGG-16).
    """
    rows = [row for row in Trace(model).rows if row.axes]
    if layer is not None:
        rows = [row for row in rows if row.name == layer]
        if not rows:
            raise KeyError(f"no layer {layer!r} with a place in the image")
    coarsest = max(row.axes[0].stride for row in rows)
    row = [row for row in rows if row.axes[0].stride == coarsest][-1]
    return row.axes[0].field, row.axes[1].field


def fields_at(
    model, size: tuple[int, int], pixel: tuple[int, int]
) -> dict[str, tuple[int, int, int, int]]:
    """What the network sees at a pixel (row, column) of images of a size (height, width).

    For every layer the span of its pixel that lies nearest: first and last row, first and last
    column of the image, as if that had no borders.
    """
    found = {}
    for row in Trace(model, size).rows:
        if row.axes is not None:
            rows, columns = (a.sees(a.nearest(x)) for a, x in zip(row.axes, pixel, strict=True))
            if rows and columns:
                found[row.name] = *rows, *columns
    return found


def _each(rule, axes, function):
    settings = zip(
        function.kernel_size, function.stride, function.padding, function.dilation, strict=True
    )
    return tuple(rule(axis, *numbers) for axis, numbers in zip(axes, settings, strict=True))


def _same_size(function) -> bool:
    """Do pixels stay where they are: do height and width of input and output agree?"""
    size = function.infer_shape(*function.input_shapes)[2:]
    return all(shape[2:] == size for shape in function.input_shapes if len(shape) == 4)


def _joined(*axes: Axis) -> Axis:
    """Maps that meet in one operation must lie on each other; what either sees counts."""
    first = axes[0]
    for other in axes[1:]:
        if offset_between(other, first) != 0:
            raise ValueError(f"maps {first} and {other} are joined, but lie apart")
    places = range(math.lcm(*(len(axis.spans) for axis in axes)))
    spans = tuple(union(axis.sees(o) for axis in axes) for o in places)
    return Axis(first.stride, first.start, spans)


def _multiply_adds(function, output) -> int:
    if isinstance(function, (Conv2d, ConvTranspose2d)):
        pixels = output if isinstance(function, Conv2d) else None
        N, _, H, W = pixels.shape if pixels is not None else function.input_shapes[0]
        return N * H * W * int(np.prod(function.input_shapes[1]))
    if isinstance(function, Linear):
        return function.input_shapes[0][0] * int(np.prod(function.input_shapes[1]))
    return 0
