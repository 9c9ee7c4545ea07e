"""Shift-and-stitch: a net of stride f, run f x f times, scores every pixel.

Move the image y pixels down and x to the right, and the net's grid falls on other pixels: on those
whose coordinates, plus y and x, f divides (up to where the grid begins). Over all 0 <= x, y < f
the grids interlace, and every pixel of the image is the centre of one receptive field. (Long et
al. 2015, section 3.2; from OverFeat.)

What lies outside the image counts as zeros, the mean colour, as far as any pixel sees. So the
image is set into a canvas of zeros that holds every receptive field; what the net makes of the
canvas's own borders is thrown away. That makes the result one function of the image, whatever its
size: the same for a net and for any rarefied form of it.
"""

import itertools
import math

import numpy as np
from tqdm import tqdm

from .. import geometry, nn
from ..autograd import Tensor, no_grad
from ..backends import array_module, to_numpy
from .memory import bytes_of_maps

MEMORY = 1 << 30


def shift_and_stitch(
    model: nn.Module,
    images,
    *,
    until: str | None = None,
    memory: int = MEMORY,
    progress: bool = True,
) -> np.ndarray:
    """The scores of every pixel: images (N, C, H, W) to (N, K, H, W), a NumPy array.

    model: any net whose output has a place in the image, and one stride; it is run as it is, in
    evaluation mode or not. Of an FCN that ends in upsampling, say the scores before it: ``until``.
    Every pixel gets the score whose receptive field is centred on it, or, where that is of an even
    size, half a pixel further down and to the right. memory: bytes that the maps of the passes
    which run at once may take (``dense.memory``); at least one pass runs at a time. A progress bar
    is shown where it takes over two seconds.

    Raises ValueError for a net whose output is no map, and for one that upsamples.
    """
    x = model.tensor(images).data
    xp = array_module(x)
    if x.ndim != 4:
        raise ValueError(f"shift_and_stitch: images are (N, C, H, W); got shape {x.shape}")
    net = model if until is None else shortened(model, until)
    layout = layout_of(net, x.shape[2:])
    passes = list(itertools.product(*(axis.moves for axis in layout)))
    canvas = xp.zeros((*x.shape[:2], *(axis.canvas for axis in layout)), x.dtype)
    canvas[:, :, *(axis.image for axis in layout)] = x
    window = tuple(axis.window for axis in layout)
    at_once = max(1, memory // bytes_of_maps(net, window, x.shape[0], x.dtype))
    scores = None
    bar = tqdm(total=len(passes), desc="shift and stitch", unit="pass", delay=2, leave=False,
               disable=None if progress else True)  # fmt: skip
    with no_grad(), bar:
        for first in range(0, len(passes), at_once):
            moved = passes[first : first + at_once]
            batch = xp.concatenate([canvas[:, :, *_each("moved", layout, s)] for s in moved])
            found = net(Tensor.of(batch)).data
            found = found.reshape(len(moved), len(x), *found.shape[1:])
            if scores is None:
                scores = xp.empty((len(x), found.shape[2], *x.shape[2:]), found.dtype)
            for shift, one in zip(moved, found, strict=True):
                pixels = _each("pixels", layout, shift)
                scores[:, :, *pixels] = one[:, :, *_each("outputs", layout, shift)]
            bar.update(len(moved))
    return to_numpy(scores)


def layout_of(net, size: tuple[int, int]) -> list["Layout"]:
    """Where images of a size (height, width) lie in the canvas, along both axes."""
    return [Layout(n, axis) for n, axis in zip(size, _axes(net), strict=True)]


class Layout:
    """Along one axis: where the image lies in the canvas, and which pixels a pass scores.

    Output k of a pass sees the pixels a + f*k to b + f*k of the window that it is given. Pixel p
    of the image, moved by x, is at p + x + floor(start) - a of that, so that nothing is seen
    outside, and output k = (p + x - a) / f is centred on it.
    """

    def __init__(self, n: int, axis):
        (self.a, b), self.stride, self.n = axis.spans[0], int(axis.stride), n
        self.window = n + b - self.a + self.stride - 1
        self.canvas = self.window + self.stride - 1
        before = math.floor(axis.start) - self.a + self.stride - 1
        self.image = slice(before, before + n)

    @property
    def moves(self) -> list[int]:
        """0, ..., f-1, without those that would score no pixel of a small image."""
        return [x for x in range(self.stride) if range(self.n)[self.pixels(x)]]

    def moved(self, x: int) -> slice:
        """The part of the canvas in which the image is moved by x pixels."""
        return slice(self.stride - 1 - x, self.stride - 1 - x + self.window)

    def pixels(self, x: int) -> slice:
        """The pixels of the image that the outputs of this pass are centred on."""
        return slice((self.a - x) % self.stride, None, self.stride)

    def outputs(self, x: int) -> slice:
        """Those outputs."""
        pixels = range(self.n)[self.pixels(x)]
        first = (pixels.start + x - self.a) // self.stride
        return slice(first, first + len(pixels))


def _each(what: str, layout, shift) -> tuple[slice, ...]:
    return tuple(getattr(axis, what)(x) for axis, x in zip(layout, shift, strict=True))


def shortened(net: nn.Net, name: str) -> nn.Net:
    """The layers of a net up to one of them, the very same ones. Raises ValueError where there is
    none of that name."""
    if name not in net.reads:
        raise ValueError(f"no layer {name!r}; there are: {', '.join(net.reads)}")
    short = nn.Net(net.input_shape)
    short.training = net.training
    for layer, reads in net.reads.items():
        short.add(layer, net[layer], *reads)
        if layer == name:
            return short
    raise AssertionError(name)


def _axes(net):
    last = nn.table(net)[-1][0]
    axes = geometry.trace(net)[last].axes
    if axes is None:
        raise ValueError(
            f"shift_and_stitch: layer {last!r} makes no map of the image; "
            "models.convolutionalize turns classifiers into nets of maps"
        )
    for axis in axes:
        if len(axis.spans) > 1 or axis.spans[0] is None or axis.stride.denominator > 1:
            raise ValueError(
                f"shift_and_stitch: the pixels of {last!r} see differently placed parts of the "
                "image, as behind upsampling: give the layer before it as until="
            )
    return axes
