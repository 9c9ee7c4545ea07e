"""Random geometries and arrays for the kernel tests, reproducible and printable.

A geometry holds plain ints and pairs, so that a failing one can be read off the message. Sizes,
kernels, strides, paddings and dilations differ between the axes.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from minifcn.kernels.shapes import conv_size, conv_transpose_size, pool_size

Pair = tuple[int, int]
COUNT = 200


# Sizes at which the CPU backend cuts its work differently: many strips, few strips of many
# channels, images side by side, kernel as large as the input, several channel blocks, wide groups
# x, w, stride, padding, dilation, groups
LARGE = [
    ((2, 3, 61, 83), (20, 3, 3, 3), (1, 1), (1, 1), (1, 1), 1),
    ((1, 40, 37, 53), (64, 40, 3, 3), (1, 1), (1, 1), (1, 1), 1),
    ((3, 70, 9, 7), (96, 70, 3, 3), (1, 1), (1, 1), (1, 1), 1),
    ((3, 70, 29, 31), (33, 70, 3, 5), (2, 3), (1, 2), (1, 1), 1),
    ((2, 31, 30, 41), (70, 31, 1, 1), (1, 1), (0, 0), (1, 1), 1),
    ((1, 48, 9, 11), (230, 48, 3, 3), (1, 1), (1, 1), (1, 1), 1),
    ((2, 20, 5, 6), (200, 20, 3, 3), (1, 1), (1, 1), (1, 1), 1),
    ((1, 24, 7, 8), (300, 12, 3, 3), (1, 1), (1, 1), (1, 1), 2),
    ((5, 16, 7, 6), (150, 16, 7, 6), (1, 1), (0, 0), (1, 1), 1),
    ((5, 16, 7, 6), (90, 16, 7, 6), (2, 1), (3, 3), (1, 1), 1),
    ((2, 64, 30, 40), (64, 1, 3, 3), (1, 1), (1, 1), (1, 1), 64),
    ((2, 120, 20, 30), (80, 60, 3, 3), (1, 1), (1, 1), (1, 1), 2),
    ((1, 3, 90, 120), (32, 3, 7, 7), (2, 2), (3, 3), (1, 1), 1),
    ((2, 4, 12, 11), (6, 4, 2, 2), (1, 1), (3, 4), (1, 1), 1),  # padding beyond the kernel
    ((2, 64, 21, 19), (96, 32, 3, 3), (1, 1), (1, 0), (1, 1), 2),  # groups by Winograd's algorithm
    ((1, 96, 17, 18), (96, 32, 5, 5), (1, 1), (2, 1), (1, 1), 3),
    # Windows, rows and columns of them, that see nothing of x
    ((2, 3, 9, 13), (20, 3, 7, 5), (4, 3), (21, 17), (2, 1), 1),
    ((1, 17, 3, 40), (48, 17, 3, 3), (1, 2), (9, 11), (1, 3), 1),
    # A last panel of at most one vector: its tile takes steps two by two, here odd numbers of them
    ((2, 27, 30, 41), (48, 27, 1, 1), (1, 1), (0, 0), (1, 1), 1),
    ((2, 13, 19, 23), (45, 13, 3, 5), (2, 1), (1, 2), (1, 2), 1),
    ((1, 470, 8, 9), (16, 470, 3, 3), (1, 1), (1, 1), (1, 1), 1),
    ((1, 470, 8, 9), (304, 470, 3, 3), (1, 1), (1, 1), (1, 1), 1),  # whole panels, some blocks
]


@dataclass(frozen=True)
class Conv:
    """A convolution of x (N, groups*Cg, *size) by w (groups*Kg, Cg, *kernel_size)."""

    N: int
    Cg: int
    Kg: int
    size: Pair
    kernel_size: Pair
    stride: Pair
    padding: Pair
    dilation: Pair
    groups: int
    channels_last: bool

    @property
    def window(self):
        """The arguments that all three convolution kernels end with."""
        return self.stride, self.padding, self.dilation, self.groups

    @property
    def output_size(self) -> Pair:
        return _each(conv_size, self.size, self.kernel_size, *self.window[:3])

    def arrays(self, rng, dtype=np.float64):
        """x, w, b and gy."""
        C, K = self.groups * self.Cg, self.groups * self.Kg
        return (
            array(rng, (self.N, C, *self.size), dtype, self.channels_last),
            array(rng, (K, self.Cg, *self.kernel_size), dtype, self.channels_last),
            array(rng, (K,), dtype),
            array(rng, (self.N, K, *self.output_size), dtype, self.channels_last),
        )


@dataclass(frozen=True)
class Pool:
    """A pooling of x (N, C, *size)."""

    N: int
    C: int
    size: Pair
    kernel_size: Pair
    stride: Pair
    padding: Pair
    dilation: Pair
    ceil_mode: bool
    channels_last: bool

    @property
    def window(self):
        return self.kernel_size, self.stride, self.padding, self.dilation

    @property
    def output_size(self) -> Pair:
        return _each(lambda *axis: pool_size(*axis, self.ceil_mode), self.size, *self.window)

    def arrays(self, rng, dtype=np.float64):
        """x, without equal elements, and gy."""
        shape = (self.N, self.C, *self.size)
        x = distinct(rng, shape).astype(dtype)
        gy = array(rng, (self.N, self.C, *self.output_size), dtype, self.channels_last)
        return (channels_last(x) if self.channels_last else x), gy


@dataclass(frozen=True)
class Upsampling:
    """A bilinear upsampling of x (N, C, *size), with ``extra`` rows and columns of output."""

    N: int
    C: int
    size: Pair
    kernel_size: Pair
    stride: Pair
    padding: Pair
    extra: Pair
    channels_last: bool

    @property
    def window(self):
        return self.kernel_size, self.stride, self.padding

    @property
    def output_size(self) -> Pair:
        return _each(conv_transpose_size, self.size, *self.window, (1, 1), self.extra)

    def arrays(self, rng, dtype=np.float64):
        """x and gy."""
        return (
            array(rng, (self.N, self.C, *self.size), dtype, self.channels_last),
            array(rng, (self.N, self.C, *self.output_size), dtype, self.channels_last),
        )


def convolutions(seed: int, count: int = COUNT) -> Iterator[tuple[Conv, np.random.Generator]]:
    def draw(rng):
        return Conv(
            N=_int(rng, 1, 3),
            Cg=_int(rng, 1, 5),
            Kg=_int(rng, 1, 6) if rng.random() < 0.8 else _int(rng, 33, 40),
            size=_pair(rng, 1, 17),
            kernel_size=_pair(rng, 1, 5),
            stride=_pair(rng, 1, 3) if rng.random() < 0.6 else (1, 1),
            padding=_pair(rng, 0, 4) if rng.random() < 0.7 else (0, 0),
            dilation=_pair(rng, 1, 3) if rng.random() < 0.5 else (1, 1),
            groups=_int(rng, 1, 3) if rng.random() < 0.5 else 1,
            channels_last=bool(rng.random() < 0.3),
        )

    return _valid(draw, seed, count)


def poolings(seed: int, count: int = COUNT, *, valid=lambda pool: True, dilated=True):
    """``valid`` may refuse more geometries than pool_size does."""

    def draw(rng):
        pool = Pool(
            N=_int(rng, 1, 3),
            C=_int(rng, 1, 4),
            size=_pair(rng, 1, 19),
            kernel_size=_pair(rng, 1, 5),
            stride=_pair(rng, 1, 4),
            padding=_pair(rng, 0, 3) if rng.random() < 0.7 else (0, 0),
            dilation=_pair(rng, 1, 3) if dilated and rng.random() < 0.5 else (1, 1),
            ceil_mode=bool(rng.random() < 0.5),
            channels_last=bool(rng.random() < 0.3),
        )
        if not valid(pool):
            raise ValueError
        return pool

    return _valid(draw, seed, count)


def upsamplings(seed: int, count: int = COUNT):
    def draw(rng):
        stride = _pair(rng, 1, 6)
        kernel_size = tuple(2 * s - _int(rng, 0, 1) for s in stride)
        return Upsampling(
            N=_int(rng, 1, 3),
            C=_int(rng, 1, 4),
            size=_pair(rng, 1, 9),
            kernel_size=kernel_size if rng.random() < 0.5 else _pair(rng, 1, 13),
            stride=stride,
            padding=_pair(rng, 0, 4),
            extra=tuple(_int(rng, 0, s - 1) for s in stride),
            channels_last=bool(rng.random() < 0.3),
        )

    return _valid(draw, seed, count)


def _valid(draw, seed: int, count: int):
    """Draw until ``count`` geometries had an output size; each with a generator for its arrays."""
    rng = np.random.default_rng(seed)
    while count:
        try:
            geometry = draw(rng)
            geometry.output_size  # noqa: B018 - raises where no window fits
        except ValueError:
            continue
        count -= 1
        yield geometry, rng


def array(rng, shape, dtype=np.float64, last: bool = False):
    """Normally distributed numbers; with ``last``, of channels-last strides."""
    x = rng.standard_normal(shape).astype(dtype)
    return channels_last(x) if last else x


def distinct(rng, shape):
    """Numbers at least 0.01 apart and as far from 0, in random order: no ties, no kinks near."""
    size = int(np.prod(shape))
    return ((rng.permutation(size) - size // 2 + 0.5) * 0.02).reshape(shape)


def channels_last(x):
    """The same elements of (N, C, H, W), with the channels next to each other in memory."""
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)


def check_close(actual, expected, tolerance: float, *context) -> None:
    """|actual - expected| <= tolerance * max|expected|, everywhere, and equal shapes."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape, (actual.shape, expected.shape, *context)
    error = np.abs(actual - expected).max(initial=0)
    bound = tolerance * np.abs(expected).max(initial=1e-300)
    assert error <= bound, (f"error {error} > {bound}", *context)


def check_adjoint(left: float, right: float, scale: float, *context) -> None:
    """Two inner products of an adjoint pair: equal to 1e-12 of ``scale``, the sum of the
    absolute terms of one of them."""
    assert abs(left - right) <= 1e-12 * scale, (left, right, *context)


def inner(a, b) -> float:
    return float(np.sum(a * b))


def _int(rng, low: int, high: int) -> int:
    return int(rng.integers(low, high + 1))


def _pair(rng, low: int, high: int) -> Pair:
    return _int(rng, low, high), _int(rng, low, high)


def _each(size, *axes):
    return tuple(size(*axis) for axis in zip(*axes, strict=True))
