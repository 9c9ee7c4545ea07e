"""Filter rarefaction: the same net without its strides.

A layer with stride s keeps every s-th output. Without the stride it makes all of them, and what
follows has to look at every s-th again:

    f'[i, j] = f[i/s, j/s] if s divides i and j, else 0

(Long et al. 2015, section 3.2; the algorithme a trous). f' is never built: a convolution of
dilation s multiplies by the same numbers and leaves out the zeros. Pools are spread in the same
way, paddings are s times as wide, and what a pool sees is not more than before; only the output
has no gaps any more. Behind a second stride the dilation is the product of both.

Let r be how much denser a map has become. Then the new map at [r*i, r*j] is the old one at [i, j],
for images of every size, borders included. Pools that round up are what makes this delicate: the
last window of an old pool may hang over the border, and which pixel it starts at depends on the
size. Of a map of n pixels, n' = n + 2rp - r(k-1) + r(s-1) windows have to be made, but none that
begins beyond the border: then each of the r*s interleaved maps ends where it ended before.
"""

import copy

import numpy as np

from .. import functions as F
from .. import geometry, nn
from ..backends import array_module
from ..geometry import TRACE_SIZE, Axis
from ..models import bilinear_fit

POINTWISE = (
    nn.Cat, nn.ChannelScale, nn.Channels, nn.Dropout, nn.LocalResponseNorm, nn.Power, nn.ReLU,
    nn.Scale, nn.Sigmoid, nn.Softmax, nn.Sum, nn.Tanh,
)  # fmt: skip


class DenseMaxPool2d(nn.MaxPool2d):
    """A max pool that rounded up, without its stride: ``kept`` is the stride that it had."""

    def __init__(self, pool: nn.MaxPool2d, rate: tuple[int, int], kept: tuple[int, int]):
        settings = pool.kernel_size, kept, pool.padding, pool.dilation, pool.ceil_mode
        super().__init__(*settings)
        self.rate, self.old_stride = rate, pool.stride

    def forward(self, x):
        dilation = tuple(d * r for d, r in zip(self.dilation, self.rate, strict=True))
        framed = F.pad(x, self.frame(x.shape[2:]), -np.inf)
        return F.max_pool2d(framed, self.kernel_size, self.stride, 0, dilation)

    def frame(self, size: tuple[int, int]) -> list[int]:
        """Pixels that a map of a size needs [above, below, left, right] for all windows to fit."""
        pixels = []
        for n, k, s, new, p, d, r in zip(
            size, self.kernel_size, self.old_stride, self.stride, self.padding,
            self.dilation, self.rate, strict=True,
        ):  # fmt: skip
            starts = n + 2 * r * p - r * d * (k - 1) + r * (s - 1)
            starts = min(starts, n + r * p)  # none beyond the border and the padding before it
            last = (-(-starts // new) - 1) * new
            pixels += [r * p, max(0, last + r * d * (k - 1) + 1 - n - r * p)]
        return pixels

    def describe(self) -> str:
        return f"{super().describe()}, {self.rate[0]}x{self.rate[1]} denser input"


def rarefy(model: nn.Module, to_stride: int = 1, *, literal: bool = False) -> nn.Net:
    """A net whose maps have strides of at most ``to_stride`` pixels; it shares all parameters.

    model: a ``Net``, or a ``Sequential`` of layers, of which every map has a place in the image
    (turn classifiers into FCNs first: ``models.convolutionalize``). Strides are taken out from the
    end: maps of stride to_stride and below stay as they are. Fixed interpolation is fitted to the
    new strides, and images are padded more where its result would not cover them any more.
    literal: enlarge the filters with zeros, as the formula says, instead of dilating them; such a
    net has parameters of its own.

    Raises ValueError, naming the layer and the reason, for a net that cannot be rarefied.
    """
    table = nn.table(model)
    traced = _traced(model)
    strides = _strides(traced, table, to_stride)
    channels = geometry.channels_of(model)
    net = nn.Net((channels, None, None))
    for name, layer, inputs in table:
        try:
            rate, kept = _change(strides, name, inputs)
            if isinstance(layer, nn.UpsampleBilinear):
                new = _refitted(layer, rate, kept, net, inputs[0], _target(table, traced, name))
            else:
                new = _rarefied(layer, rate, kept, literal)
            net.add(name, new, *inputs)
        except ValueError as error:
            raise ValueError(f"rarefy: layer {name!r} ({type(layer).__name__}): {error}") from None
    net.outputs = getattr(model, "outputs", ())
    net.train(model.training)
    if any(isinstance(layer, (nn.Crop, nn.Fuse)) for _, layer, _ in table):
        _align(net)
    return net


def enlarged(weight: np.ndarray, rate: tuple[int, int]) -> np.ndarray:
    """The filter f' with its zeros: (K, C, KH, KW) to (K, C, (KH-1)*rate + 1, ...)."""
    K, C, KH, KW = weight.shape
    size = (KH - 1) * rate[0] + 1, (KW - 1) * rate[1] + 1
    zeros = array_module(weight).zeros((K, C, *size), weight.dtype)
    zeros[:, :, :: rate[0], :: rate[1]] = weight
    return zeros


def _traced(model):
    size = (getattr(model, "input_shape", None) or (None,))[1:]
    return geometry.trace(model, size if size and None not in size else TRACE_SIZE)


def _strides(traced, table, to_stride: int) -> dict:
    """Name of a map -> its strides before and after, each (vertical, horizontal)."""
    if to_stride < 1:
        raise ValueError(f"rarefy: to_stride must be 1 or more; got {to_stride}")
    found = {"data": ((1, 1), (1, 1))}
    for name, layer, _ in table:
        axes = traced[name].axes
        if axes is None:
            raise ValueError(
                f"rarefy: layer {name!r} ({type(layer).__name__}) makes no map of the image; "
                "models.convolutionalize turns classifiers into nets of maps"
            )
        old = tuple(axis.stride for axis in axes)
        for stride in old:
            if stride > to_stride and stride % to_stride:
                raise ValueError(
                    f"rarefy: layer {name!r} has stride {stride}: {to_stride} does not divide it"
                )
        found[name] = old, tuple(min(stride, to_stride) for stride in old)
    return found


def _change(strides, name: str, inputs) -> tuple[tuple, tuple]:
    """How much denser the maps that a layer reads are now, and the strides that it keeps (below 1
    where it upsamples)."""
    rates = {tuple(a / b for a, b in zip(*strides[source], strict=True)) for source in inputs}
    if len(rates) > 1:
        raise ValueError("reads maps of which one is denser than the other")
    before, after = strides[inputs[0]][1], strides[name][1]
    return rates.pop(), tuple(a / b for a, b in zip(after, before, strict=True))


def _rarefied(layer, rate, kept, literal: bool) -> nn.Module:
    """A layer for maps that are ``rate`` times as dense, with the stride that it keeps."""
    rate = tuple(map(int, rate))
    if isinstance(layer, POINTWISE):
        return copy.copy(layer)
    if isinstance(layer, (nn.Crop, nn.Fuse)):
        return type(layer)()  # its offset is derived anew
    if isinstance(layer, nn.ConvTranspose2d):
        if rate != (1, 1) or any(k * s != 1 for k, s in zip(kept, layer.stride, strict=True)):
            raise ValueError("learned upsampling fits the strides that it was trained for")
        return copy.copy(layer)
    if not isinstance(layer, (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d)):
        raise ValueError("there is no denser form of it")
    kept = tuple(map(int, kept))
    if rate == (1, 1) and kept == layer.stride:
        return copy.copy(layer)
    if getattr(layer, "ceil_mode", False):
        if isinstance(layer, nn.AvgPool2d):
            raise ValueError("averages over windows that hang over the border have no denser form")
        return DenseMaxPool2d(layer, rate, kept)
    new = copy.copy(layer)
    new.stride = kept
    new.padding = tuple(p * r for p, r in zip(layer.padding, rate, strict=True))
    spread = tuple(d * r for d, r in zip(layer.dilation, rate, strict=True))
    if literal and isinstance(layer, nn.Conv2d):
        new.__dict__["_parameters"] = dict(layer._parameters)
        new.weight = layer.weight.with_data(enlarged(layer.weight.data, spread))
        new.kernel_size, new.dilation = new.weight.shape[2:], (1, 1)
    else:
        new.dilation = spread
    return new


def _target(table, traced, name: str) -> tuple[Axis, Axis]:
    """Where the pixels of the map lie that an upsampled one is brought onto, before."""
    for _, layer, inputs in table:
        if name in inputs and isinstance(layer, (nn.Crop, nn.Fuse)):
            other = next(source for source in inputs if source != name)
            return (Axis(), Axis()) if other == "data" else traced[other].axes
    raise ValueError("nothing tells onto which map it should be fitted")


def _refitted(layer, rate, kept, net, source: str, target) -> nn.UpsampleBilinear:
    """Interpolation by what is left of the factor, so that the maps meet on whole pixels."""
    factor = tuple(int(1 / k) for k in kept)
    if rate == (1, 1) and factor == layer.factor:
        return copy.copy(layer)
    coarse = geometry.trace(net)[source].axes
    fits = []
    for c, fine, f in zip(coarse, target, factor, strict=True):
        denser = Axis(c.stride / f, fine.start)
        fits.append(bilinear_fit(c, denser, aligned=False))
    factor, kernel, padding, extra = zip(*fits, strict=True)
    return nn.UpsampleBilinear(factor, kernel, padding, extra)


def _align(net) -> None:
    """Derive the offsets; pad the first layer more where a map would have to be cropped before its
    start, or would end before the image does."""
    sizes = (1, 2, 3, 5, 16, 31, 64, 100, 333)
    try:
        geometry.derive_offsets(net)
        if all(geometry.covers(net, (side, side)) for side in sizes):
            return
    except ValueError:
        pass
    name, least = geometry.smallest_padding(net, sizes)
    net[name].padding = least, least
    geometry.derive_offsets(net)
