"""A table of differentiable operations, and the random numbers that its geometries are made of.

An ``Operation`` draws a ``Case``: input arrays in float64, how minifcn computes it and how PyTorch
does. Heights and widths, kernels, strides, paddings and dilations differ; inputs of operations
with kinks keep clear of them.
"""

import functools
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

COUNT = 200


@dataclass(frozen=True)
class Case:
    """inputs: float64 arrays. run(*tensors) is the operation; oracle(torch, *tensors) the same in
    PyTorch. settings tells a failing case from the others."""

    inputs: tuple[np.ndarray, ...]
    run: Callable
    oracle: Callable
    settings: dict

    def __str__(self) -> str:
        return f"{' '.join(str(a.shape) for a in self.inputs)} {self.settings}"


@dataclass(frozen=True)
class Operation:
    """linear: the sum of terms that the operation is, each linear in the inputs whose numbers it
    lists ("01+2" for x, w, b of a convolution); inputs that are not listed are held fixed.
    integers: whether it also computes on integers."""

    name: str
    draw: Callable[[np.random.Generator], Case]
    linear: str
    integers: bool

    @functools.cache  # noqa: B019 - the table lives as long as the process
    def cases(self, count: int = COUNT) -> list[Case]:
        rng = np.random.default_rng(zlib.crc32(self.name.encode()))
        return [self._draw_one(rng) for _ in range(count)]

    def _draw_one(self, rng) -> Case:
        while True:
            try:
                return self.draw(rng)
            except NoSuchGeometry:
                continue


class NoSuchGeometry(Exception):
    """The numbers drawn leave no output; draw again."""


OPERATIONS: dict[str, Operation] = {}


def operation(name: str, linear: str = "", integers: bool = False):
    """Put a function rng -> Case into the table."""

    def register(draw):
        OPERATIONS[name] = Operation(name, draw, linear, integers)
        return draw

    return register


def whole(rng, low: int, high: int) -> int:
    return int(rng.integers(low, high + 1))


def pair(rng, low: int, high: int) -> tuple[int, int]:
    return whole(rng, low, high), whole(rng, low, high)


def sometimes(rng, usual, other):
    """``usual`` in half of the cases."""
    return usual if rng.random() < 0.5 else other


def normal(rng, *shape) -> np.ndarray:
    return rng.standard_normal(shape)


def distinct(rng, *shape) -> np.ndarray:
    """Numbers at least 0.01 apart and as far from 0, in random order: no ties, no kinks near."""
    size = int(np.prod(shape))
    return ((rng.permutation(size) - size // 2 + 0.5) * 0.02).reshape(shape)


def away_from_zero(rng, *shape) -> np.ndarray:
    return rng.uniform(0.5, 2, shape) * rng.choice([-1.0, 1.0], shape)


def extent(k: int, d: int) -> int:
    return d * (k - 1) + 1


def windows(n: int, k: int, s: int, p: int, d: int, beyond: int = 0) -> int:
    """How many windows fit, by counting them; the last may reach ``beyond`` the padding."""
    end = n + 2 * p + beyond
    return len([o for o in range(end + 1) if o * s + extent(k, d) <= end])


def pool_windows(n: int, k: int, s: int, p: int, d: int, ceil_mode: bool) -> int:
    """With ceil_mode one more window, if it reaches less than a step beyond the padding and
    starts before the end of the image. No window may see padding alone."""
    count = windows(n, k, s, p, d, s - 1 if ceil_mode else 0)
    if ceil_mode:
        count = len([o for o in range(count) if o * s - p < n])
    for o in range(count):
        if not any(0 <= o * s - p + i * d < n for i in range(k)):
            raise NoSuchGeometry
    return count


def per_axis(count, *pairs) -> tuple[int, int]:
    sizes = tuple(count(*values) for values in zip(*pairs, strict=True))
    if min(sizes) < 1:
        raise NoSuchGeometry
    return sizes
