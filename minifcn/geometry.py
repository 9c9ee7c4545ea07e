"""Where every pixel of every map looks: sizes, strides, receptive fields, offsets, derived.

One axis of a map is an affine coordinate map: pixel o of the map is centred on pixel

    x = stride * o + start

of the image. Exact fractions, composed along the net:

    window (k, s, p, d)    stride' = stride s, start' = start + stride ((k-1)d/2 - p)
    its transpose          stride' = stride/s, start' = start + stride/s (p - (k-1)d/2)

(Caffe's coord_map.py states the same as y = (x - start) / stride.) What a pixel sees is the union
of what its taps see. Windows make that field + (k-1)d stride, the same for every pixel; behind a
transposed convolution it depends on where between two coarse pixels a pixel lies, so an axis keeps
one span of the image for each of these places.

A trace computes nothing: it asks every operation for shapes only, so a net of any size is walked
through at once.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from .autograd import Hook, Tensor, shapes_only
from .autograd.shaping import Transpose
from .functions.conv import Conv2d, Conv2dWeight, ConvTranspose2d
from .functions.linear import Linear
from .functions.pool import Pool
from .functions.spatial import Crop, Pad
from .functions.upsample import UpsampleBilinear

TRACE_SIZE = (500, 500)  # any size gives the same maps; this is the paper's


Span = tuple[int, int] | None  # first and last pixel of the image, or none at all


@dataclass(frozen=True)
class Axis:
    """One axis of a map: pixel o is centred on image pixel stride*o + start.

    spans: what the pixels 0, 1, ... of the map see; the next ones see the same, moved on.
    """

    stride: Fraction = Fraction(1)
    start: Fraction = Fraction(0)
    spans: tuple[Span, ...] = ((0, 0),)

    @property
    def field(self) -> int:
        """Pixels of the image that one pixel sees; where they differ, the one that sees most."""
        return max((last - first + 1 for first, last in filter(None, self.spans)), default=0)

    def sees(self, o: int) -> Span:
        """First and last pixel of the image, as if it had no borders, that pixel o sees."""
        turn, place = divmod(o, len(self.spans))
        moved = int(turn * len(self.spans) * self.stride)
        span = self.spans[place]
        return span and (span[0] + moved, span[1] + moved)

    def window(self, k: int, s: int, p: int, d: int) -> "Axis":
        """After a convolution or pooling."""
        start = self.start + self.stride * (Fraction((k - 1) * d, 2) - p)
        places = range(len(self.spans) // math.gcd(len(self.spans), s))
        taps = ((o * s - p + i * d for i in range(k)) for o in places)
        return Axis(self.stride * s, start, tuple(_union(map(self.sees, t)) for t in taps))

    def transposed(self, k: int, s: int, p: int, d: int) -> "Axis":
        """After a transposed convolution."""
        start = self.start + self.stride / s * (p - Fraction((k - 1) * d, 2))
        taps = ([o + p - i * d for i in range(k)] for o in range(len(self.spans) * s))
        sources = ([t // s for t in ts if t % s == 0] for ts in taps)
        return Axis(self.stride / s, start, tuple(_union(map(self.sees, t)) for t in sources))

    def shifted(self, pixels: int) -> "Axis":
        """After the first ``pixels`` were cut off (negative: added)."""
        spans = tuple(self.sees(o + pixels) for o in range(len(self.spans)))
        return Axis(self.stride, self.start + self.stride * pixels, spans)

    def __str__(self) -> str:
        if self.start == 0:
            return "x" if self.stride == 1 else f"x/{_divisor(self.stride)}"
        sign, size = ("-", self.start) if self.start > 0 else ("+", -self.start)
        top = f"x {sign} {float(size):g}"
        return top if self.stride == 1 else f"({top})/{_divisor(self.stride)}"


@dataclass
class Row:
    """One layer of a trace. axes: (vertical, horizontal), None where a map has no place in the
    image any more; macs: multiply-adds; memory: bytes of the output."""

    name: str
    kind: str
    shape: tuple[int, ...]
    axes: tuple[Axis, Axis] | None
    parameters: int
    macs: int
    memory: int


class Trace(Hook):
    """Walks through a model with shapes only; ``rows`` has a Row a layer, in order."""

    def __init__(self, model, size=TRACE_SIZE, channels: int = 3, batch: int = 1):
        self.names = {id(module): name for name, module in model.named_modules()}
        self.rows: list[Row] = []
        self._open = []  # modules that are being called, each with the multiply-adds inside it
        self._maps = {}  # id of a tensor -> its axes
        self._alive = []  # so that no id is used twice
        dtype = next((parameter.dtype for parameter in model.parameters()), np.float32)
        data = np.broadcast_to(np.zeros((), dtype), (batch, channels, *size))
        image = self._remember(Tensor(data), (Axis(), Axis()))
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
        return self._maps.get(id(tensor))

    def forward_end(self, function, inputs, output) -> None:
        self._remember(output, self._compose(function, inputs))
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
            self._add_row(name, kind, output, parameters, macs)

    def align(self, x, reference) -> tuple[int, int]:
        """Offset of reference's first pixel in x, whole and the same for every pixel.

        Raises ValueError, with the arithmetic, where strides differ or the offset is not whole.
        """
        pairs = zip(self._placed(x), self._placed(reference), strict=True)
        return tuple(_offset(*pair) for pair in pairs)

    def _placed(self, tensor):
        axes = self.axes(tensor)
        if axes is None:
            raise ValueError(f"a map of shape {tensor.shape} has no place in the image")
        return axes

    def _remember(self, tensor, axes):
        self._alive.append(tensor)
        self._maps[id(tensor)] = axes
        return tensor

    def _add_row(self, name, kind, output, parameters, macs) -> None:
        memory = output.size * output.dtype.itemsize
        self.rows.append(
            Row(name, kind, output.shape, self.axes(output), parameters, macs, memory)
        )

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


def trace(model, size=TRACE_SIZE, channels: int = 3, batch: int = 1) -> Trace:
    """Walk through a model with an image of ``size`` (height, width); see ``Trace``."""
    return Trace(model, size, channels, batch)


def derive_offsets(model, channels: int = 3) -> None:
    """Tell every Crop and Fuse layer of a model its offset, from the coordinate maps.

    Offsets from an earlier call are derived anew: a net may have been changed since. Raises
    ValueError, with the arithmetic, for a net whose maps do not meet on whole pixels.
    """
    for _, module in model.named_modules():
        if hasattr(module, "offset"):
            module.offset = None
    Trace(model, channels=channels)


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


def summary(model, size=TRACE_SIZE, channels: int = 3) -> str:
    """A table: each layer's output, stride, receptive field, coordinate map, parameters, cost."""
    rows = Trace(model, size, channels).rows
    widths = max(len(row.name) for row in rows), max(len(row.kind) for row in rows)
    lines = [
        f"{'layer':{widths[0]}}  {'kind':{widths[1]}}  {'channels':>8} {'height':>6} {'width':>6} "
        f"{'stride':>6} {'field':>6}  {'pixel x of the image':22} {'parameters':>11} "
        f"{'MACs (M)':>9} {'MB':>7}"
    ]
    for row in rows:
        C, H, W = (*row.shape[1:], "", "")[:3] if len(row.shape) > 1 else ("", "", "")
        vertical = row.axes[0] if row.axes else None
        place = (
            f"{vertical.stride!s:>6} {vertical.field:6}  {vertical!s:22}"
            if vertical
            else f"{'-':>6} {'-':>6}  {'-':22}"
        )
        lines.append(
            f"{row.name:{widths[0]}}  {row.kind:{widths[1]}}  {C:8} {H:6} {W:6} {place} "
            f"{row.parameters:11,} {row.macs / 1e6:9.1f} {row.memory / 2**20:7.1f}"
        )
    totals = sum(row.parameters for row in rows), sum(row.macs for row in rows)
    lines.append(
        f"{totals[0]:,} parameters, {totals[1] / 1e9:.1f} G multiply-adds for one {size[0]}x"
        f"{size[1]} image, {sum(row.memory for row in rows) / 2**20:.0f} MB of maps"
    )
    return "\n".join(lines)


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
        if _offset(other, first) != 0:
            raise ValueError(f"maps {first} and {other} are joined, but lie apart")
    places = range(math.lcm(*(len(axis.spans) for axis in axes)))
    spans = tuple(_union(axis.sees(o) for axis in axes) for o in places)
    return Axis(first.stride, first.start, spans)


def _union(spans: Iterable[Span]) -> Span:
    """From the first pixel of the first span to the last of the last."""
    seen = [span for span in spans if span]
    return (min(first for first, _ in seen), max(last for _, last in seen)) if seen else None


def _divisor(stride: Fraction) -> str:
    return f"{stride}" if stride.denominator == 1 else f"({stride})"


def _offset(x: Axis, reference: Axis) -> int:
    if x.stride != reference.stride:
        raise ValueError(f"maps {x} and {reference} have strides {x.stride}, {reference.stride}")
    offset = (reference.start - x.start) / x.stride
    if offset.denominator != 1:
        raise ValueError(
            f"maps {x} and {reference} do not meet on whole pixels: "
            f"({reference.start} - {x.start}) / {x.stride} = {float(offset):g}"
        )
    return int(offset)


def _multiply_adds(function, output) -> int:
    if isinstance(function, (Conv2d, ConvTranspose2d)):
        pixels = output if isinstance(function, Conv2d) else None
        N, _, H, W = pixels.shape if pixels is not None else function.input_shapes[0]
        return N * H * W * int(np.prod(function.input_shapes[1]))
    if isinstance(function, Linear):
        return function.input_shapes[0][0] * int(np.prod(function.input_shapes[1]))
    return 0
