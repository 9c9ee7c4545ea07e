"""Exercises of tutorial 18: loads of a tile, rows in tiles, intensity, four multiplications."""

from fractions import Fraction

import numpy as np
from llvmlite import ir

from .. import nn
from ..autograd import Tensor, no_grad
from ..backends import use_backend
from ..commands import layer_times
from ..kernels.cpu import tile, transforms
from .exercise import Case, Exercise, Law

LANES = 4  # of the vectors in which a tile is emitted to be counted


def _loads(rows: int, vectors: int) -> float:
    """Counted in what the library emits for a tile: loads of a step, over its multiply-adds."""
    shape = (rows, vectors, vectors, 32, LANES, tile.ROWS, tile.NOTHING)
    blocks = tile._tile_function(ir.Module(), *shape).blocks
    names = [[step.opname for step in block.instructions] for block in blocks]
    step = next(block for block in names if "fmul" in block)
    return step.count("load") / step.count("fmul")


check_loads = Exercise(
    _loads,
    hand=[Case((1, 1), 2.0), Case((2, 2), 1.0), Case((6, 2), 8 / 12), Case((14, 2), 16 / 28)],
    draw=lambda rng: (int(rng.integers(1, 11)), int(rng.integers(1, 4))),
    mistakes={
        "a load for every multiply-add": lambda rows, vectors: 1.0,
        "the loads alone": lambda rows, vectors: rows + vectors,
        "multiply-adds for every load": lambda rows, vectors: rows * vectors / (rows + vectors),
    },
    shown=tile._Tile._step,
    hint="a step loads each vector of B once, and one number for each row",
)


def _add_up(attempt, rng) -> str | None:
    for rows in (1, 13, 14, 15, 175, 698):
        height, higher, others = attempt(rows, 14)
        if higher * (height + 1) + others * height != rows:
            return f"of {rows} rows {higher} x {height + 1} + {others} x {height} are cut"
        if height + (higher > 0) > 14:
            return f"a tile of {height + (higher > 0)} rows, where 14 fit"
    return None


def _rounded_down(rows: int, most: int):
    number = max(1, rows // most)
    return rows // number, rows % number, number - rows % number


check_heights = Exercise(
    tile.heights,
    hand=[
        Case((30, 14), (10, 0, 3)),
        Case((15, 14), (7, 1, 1)),
        Case((20, 6), (5, 0, 4)),
        Case((5, 6), (5, 0, 1)),
    ],
    draw=lambda rng: (int(rng.integers(1, 700)), int(rng.integers(1, 15))),
    laws=[Law("tiles add up and fit", _add_up)],
    mistakes={
        "too few tiles": _rounded_down,
        "higher and lower ones confused": lambda rows, most: (
            rows // -(-rows // most),
            -(-rows // most) - rows % -(-rows // most),
            rows % -(-rows // most),
        ),
    },
    hint="first how many tiles, rounded up; then what a division by that number leaves over",
)


def _intensity(C: int, K: int, H: int, W: int, k: int) -> float:
    """What ``minifcn bench`` finds for such a layer."""
    with use_backend("reference"), no_grad():
        model = nn.Conv2d(C, K, k, padding=k // 2, bias=False)
        watch = layer_times.LayerTimes(model)
        watch.run_forward(Tensor(np.zeros((1, C, H, W), np.float32)))
    return watch.layers[0].intensity


def _draw_layer(rng) -> tuple:
    C, K, H, W, half = (int(n) for n in rng.integers((1, 1, 3, 3, 0), (9, 9, 12, 12, 3)))
    return C, K, H, W, 2 * half + 1


check_intensity = Exercise(
    _intensity,
    hand=[Case((1, 1, 2, 3, 1), 12 / 52), Case((2, 3, 4, 5, 3), 2160 / 616)],
    draw=_draw_layer,
    mistakes={
        "a multiply-add counts once": lambda *shape: _intensity(*shape) / 2,
        "numbers, not bytes": lambda *shape: _intensity(*shape) * 4,
        "the output forgotten": lambda C, K, H, W, k: (
            2 * K * C * k * k * H * W / (4 * (C * H * W + K * C * k * k))
        ),
    },
    shown=layer_times._layer,
    hint="input, weights and output are each moved once, 4 bytes a number",
)


class _Counted:
    """A number that counts how often two such numbers are multiplied; constants are free."""

    def __init__(self, value, counts: list):
        self.value, self.counts = value, counts

    def _with(self, value):
        return _Counted(value, self.counts)

    def __add__(self, other):
        return self._with(self.value + getattr(other, "value", other))

    def __sub__(self, other):
        return self._with(self.value - getattr(other, "value", other))

    def __rsub__(self, other):
        return self._with(other - self.value)

    def __neg__(self):
        return self._with(-self.value)

    def __mul__(self, other):
        if isinstance(other, _Counted):
            self.counts.append(1)
        return self._with(self.value * getattr(other, "value", other))

    def __truediv__(self, number):
        return self._with(self.value / number)

    __radd__, __rmul__ = __add__, __mul__


def _winograd(x, w) -> list:
    """The library's transforms for two outputs of three taps, on single numbers."""
    made = transforms.matrices(2, 3)

    def times(matrix, numbers):
        return [sum(m * n for m, n in zip(row, numbers, strict=True) if m) for row in matrix]

    pixels, weights = times(made[transforms.INPUT], x), times(made[transforms.FILTER], w)
    return times(made[transforms.OUTPUT], [a * b for a, b in zip(pixels, weights, strict=True)])


def _direct(x, w) -> list:
    return [sum(x[i + j] * w[j] for j in range(3)) for i in range(2)]


def _four_are_enough(attempt, rng) -> str | None:
    counts: list = []
    x, w = ([_Counted(Fraction(int(n)), counts) for n in rng.integers(-9, 9, k)] for k in (4, 3))
    found = [getattr(number, "value", number) for number in attempt(x, w)]
    number = len(counts)
    wanted = [n.value for n in _direct(x, w)]
    if any(abs(float(a) - float(b)) > 1e-9 for a, b in zip(found, wanted, strict=True)):
        return f"{found[0]} and {found[1]}, expected {wanted[0]} and {wanted[1]}"
    return f"{number} multiplications of pixels and weights" if number > 4 else None


check_winograd = Exercise(
    _winograd,
    hand=[
        Case(([1.0, 0.0, 0.0, 0.0], [1.0, 2.0, 3.0]), [1.0, 0.0]),
        Case(([1.0, 2.0, 3.0, 4.0], [1.0, 1.0, 1.0]), [6.0, 9.0]),
        Case(([1.0, 10.0, 100.0, 1000.0], [1.0, 2.0, 3.0]), [321.0, 3210.0]),
    ],
    draw=lambda rng: (list(rng.standard_normal(4)), list(rng.standard_normal(3))),
    laws=[Law("four multiplications", _four_are_enough)],
    mistakes={
        "six multiplications": _direct,
        "the last product with the wrong sign": lambda x, w: [
            _winograd(x, w)[0],
            _direct(x, w)[1] - 2 * (x[1] - x[3]) * w[2],
        ],
    },
    shown=transforms.matrices,
    hint="(x0 - x2) w0, then two products that hold (w0 + w1 + w2)/2 and (w0 - w1 + w2)/2",
)
