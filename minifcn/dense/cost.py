"""What dense prediction costs, each way: counted from the geometry, and measured.

Shift-and-stitch with a net of stride t takes t x t passes. The net may be the original one, or
rarefied in part, or fully (t = 1, one pass). All give the same scores; they differ in how often
the same products are computed, and in how large the maps are that have to be kept.
"""

import time
import tracemalloc
from dataclasses import dataclass

import numpy as np

from .. import geometry, nn
from ..autograd import no_grad
from ..backends import device_of
from ..gpu import synchronize
from .memory import bytes_of_maps
from .rarefy import rarefy
from .stitch import layout_of


@dataclass
class Way:
    """One way to score every pixel of an image.

    name; stride: of the net's output, in pixels; passes: runs of the net; macs: multiply-adds in
    all; memory: bytes of the maps of one pass; field: pixels (vertical, horizontal) that a score
    sees; step: pixels from one that is computed to the next, the finest that the scores can tell
    apart. Measured, and None where it was not: seconds of all passes; peak, bytes that NumPy's
    arrays took at most during one, not where the maps live on a device.
    """

    name: str
    stride: int
    passes: int
    macs: int
    memory: int
    field: tuple[int, int]
    step: int
    seconds: float | None = None
    peak: int | None = None


def ways(
    model: nn.Module, size: tuple[int, int], *, most: int = 0, measure: bool = True
) -> list[Way]:
    """Interpolation, shift-and-stitch, partial and full rarefaction of a net, on one image size.

    model: as for ``shift_and_stitch``, with one stride for both axes. measure: run a pass of each
    way on noise a few times, and take its time as often as there are passes; a way whose maps need
    more than ``most`` bytes (0: any number) is only counted. Raises ValueError for a net that
    ``rarefy`` refuses.
    """
    axes = geometry.trace(model).rows[-1].axes
    if axes is None or axes[0].stride != axes[1].stride:
        raise ValueError("ways: the net's output has no stride, or not the same along both axes")
    stride, field = int(axes[0].stride), (axes[0].field, axes[1].field)
    found = []
    for t in (None, *_divisors(stride)):
        net = model if t in (None, stride) else rarefy(model, t)
        window = tuple(axis.window for axis in layout_of(net, size))
        passes = 1 if t is None else t * t
        name = f"rarefied to {t}"
        if net is model:
            name = "interpolation" if t is None else "shift-and-stitch"
        way = Way(
            name,
            t or stride,
            passes,
            passes * sum(row.macs for row in geometry.trace(net, window).rows),
            bytes_of_maps(net, window),
            field,
            step=stride if t is None else 1,
        )
        if measure and (not most or way.memory <= most):
            seconds, way.peak = _measured(net, window)
            way.seconds = passes * seconds
        found.append(way)
    return found


def _divisors(stride: int) -> list[int]:
    """f, f/2, f/4, ..., as long as they are whole, and 1."""
    steps = [stride]
    while steps[-1] % 2 == 0:
        steps.append(steps[-1] // 2)
    return steps if steps[-1] == 1 else [*steps, 1]


def table(found: list[Way]) -> str:
    """As text."""
    lines = [
        f"{'way':18} {'passes':>6} {'G multiply-adds':>15} {'MB of maps':>10} {'measured':>8} "
        f"{'seconds':>8} {'sees':>11} {'every':>5}"
    ]
    for way in found:
        seconds = "-" if way.seconds is None else f"{way.seconds:.3g}"
        peak = "-" if way.peak is None else f"{way.peak / 2**20:.1f}"
        lines.append(
            f"{way.name:18} {way.passes:6} {way.macs / 1e9:15.2f} {way.memory / 2**20:10.1f} "
            f"{peak:>8} {seconds:>8} {way.field[0]:5}x{way.field[1]:<5} {way.step:5}"
        )
    return "\n".join(lines)


def _measured(net, size: tuple[int, int]) -> tuple[float, int | None]:
    """Seconds of one run on noise, the least of three, or the first if it is long; and bytes."""
    shape = 1, geometry.channels_of(net), *size
    noise = net.tensor(np.random.default_rng(0).standard_normal(shape, np.float32))
    times = []
    with no_grad():
        while len(times) < 3 and sum(times) < 5:  # the first one compiles and fills caches
            started = time.perf_counter()
            net(noise)
            synchronize()
            times.append(time.perf_counter() - started)
        if device_of(noise.data):
            return min(times), None
        tracemalloc.start()
        try:
            net(noise)
            return min(times), tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
