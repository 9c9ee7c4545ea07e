"""Winograd's matrices, and the transforms that are emitted from them."""

from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from minifcn.kernels.cpu import (
    layout,
)
from minifcn.kernels.cpu.compile import kernel
from minifcn.kernels.cpu.transforms import (
    COLLECT,
    FILTER,
    GRADIENT,
    INPUT,
    OUTPUT,
    RELU,
    SIZES,
    SPREAD,
    STREAM,
    TAP,
    matrices,
    tiles_of,
    transform,
)
from minifcn.kernels.cpu.vectors import kind

pytestmark = pytest.mark.usefixtures("settings")

# -- the matrices -------------------------------------------------------------------------------


def test_two_outputs_of_three_taps_by_hand():
    """The points 0, 1, -1 and infinity. Lagrange's polynomials of the first three are 1 - p^2,
    (p^2 + p)/2 and (p^2 - p)/2, and infinity's is p^3 - p."""
    half = Fraction(1, 2)
    by_hand = {
        INPUT: [[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, -1, 0, 1]],
        FILTER: [[1, 0, 0], [half, half, half], [half, -half, half], [0, 0, 1]],
        OUTPUT: [[1, 1, 1, 0], [0, 1, -1, 1]],
        GRADIENT: [[1, 0], [half, half], [half, -half], [0, 1]],
        TAP: [[1, 1, 1, 0], [0, 1, -1, 0], [0, 1, 1, 1]],
        SPREAD: [[1, 0], [1, 1], [1, -1], [0, 1]],
        COLLECT: [[1, 0, 0, 0], [0, 1, -1, -1], [-1, 1, 1, 0], [0, 0, 0, 1]],
    }
    assert matrices(2, 3) == by_hand


@pytest.mark.parametrize("size", [(2, 3), *SIZES], ids=str)
def test_the_matrices_correlate_exactly(size):
    """For every pair of a tap and an input: it gives the outputs that a correlation gives."""
    m, r = size
    n, M = m + r - 1, matrices(m, r)
    shapes = {what: (len(matrix), len(matrix[0])) for what, matrix in M.items()}
    assert shapes == {
        **{INPUT: (n, n), FILTER: (n, r), OUTPUT: (m, n)},
        **{GRADIENT: (n, m), TAP: (r, n)},
        **{SPREAD: (n, m), COLLECT: (n, n)},
    }
    assert all(x == int(x) for row in M[INPUT] for x in row)
    for p, i, k in product(range(m), range(r), range(n)):
        y = sum(M[OUTPUT][p][e] * M[FILTER][e][i] * M[INPUT][e][k] for e in range(n))
        assert y == (k == p + i), "y[p] = sum over i of w[i] x[p + i]"
        w = sum(M[TAP][i][e] * M[GRADIENT][e][p] * M[INPUT][e][k] for e in range(n))
        assert w == (k == p + i), "w[i] = sum over p of gy[p] x[p + i]"
        x = sum(M[COLLECT][k][e] * M[FILTER][e][i] * M[SPREAD][e][p] for e in range(n))
        assert x == (k == p + i), "x[k] = sum over i of w[i] gy[k - i]"


# -- the transforms that are emitted --------------------------------------------------------------


def transform_of(what):
    """A kernel for one transform: which one is a constant."""

    @kernel()
    def run(form, size, source, target, count, bias, flags):
        transform(
            form, what, size, source[0], source[1], source[2], source[3],
            target[0], target[1], target[2], target[3], count, bias, flags,
        )  # fmt: skip

    return run


KINDS = INPUT, FILTER, OUTPUT, GRADIENT, TAP, SPREAD, COLLECT
TRANSFORMS = {what: transform_of(what) for what in KINDS}
NAMES = ["input", "filter", "output", "gradient", "tap", "spread", "collect"]


class Squares:
    """Squares of vectors, scattered over an array: element (i, j) of vector v.

    whole: each vector starts where a cache line does; else anywhere.
    """

    def __init__(self, side: int, count: int, dtype, rng=None, whole: bool = False):
        lanes, item = kind(dtype).dtype[0].shape[2], dtype.itemsize
        apart, self.first = (128 // item, 64 // item) if whole else (lanes + 3, 5)
        extra = apart if whole else 1
        self.steps = apart * side * (count + 1) + extra, apart * (count + 1), apart
        i, j, v, lane = np.ogrid[:side, :side, :count, :lanes]
        places = i * self.steps[0] + j * self.steps[1] + v * self.steps[2] + lane
        self.places = self.first + places
        self.array = layout.aligned((int(self.places.max()) + 10,), dtype)
        self.array[:] = 777 if rng is None else np.nan
        if rng is not None:
            self.array[self.places] = rng.standard_normal(self.places.shape)

    @property
    def where(self):
        item = self.array.itemsize
        return self.array.ctypes.data + self.first * item, *(s * item for s in self.steps)

    @property
    def numbers(self):
        return self.array[self.places].astype(float)


@pytest.mark.parametrize("what", TRANSFORMS, ids=NAMES)
def test_transforms_multiply_by_their_matrix_from_both_sides(dtype, what):
    form, lanes = kind(dtype), kind(dtype).dtype[0].shape[2]
    tolerance = {"float32": 2e-6, "float64": 1e-14}[dtype.name]
    rng = np.random.default_rng(1)
    for m, r in SIZES:
        matrix = np.array(matrices(m, r)[what], float)
        for count, bias, flags in (
            *((1, False, 0), (3, False, 0), (2, True, 0), (2, True, RELU)),
            *((2, True, STREAM), (2, True, RELU | STREAM)),
        ):
            if what != OUTPUT and bias:
                continue
            source = Squares(matrix.shape[1], count, dtype, rng)
            target = Squares(matrix.shape[0], count, dtype, whole=bool(flags & STREAM))
            before = target.array.copy()
            b = 3 * rng.standard_normal((count, lanes)).astype(dtype)
            TRANSFORMS[what](
                *(form, tiles_of(m, r), source.where, target.where, count),
                *(b.ctypes.data if bias else 0, flags),
            )
            expected = np.einsum("ai,ijvl,bj->abvl", matrix, source.numbers, matrix)
            expected += b if bias else 0
            scale = np.abs(expected).max()
            expected = np.maximum(expected, 0) if flags & RELU else expected
            assert np.abs(target.numbers - expected).max() <= tolerance * scale, (m, r, count)
            target.array[target.places] = 777
            assert np.array_equal(target.array, before)  # nothing beside the squares


def test_the_rectifier_of_a_transform_keeps_nan(dtype):
    source, target = Squares(6, 1, dtype, np.random.default_rng(2)), Squares(4, 1, dtype)
    source.array[source.places[0, 0, 0, 1]] = np.nan  # of one lane
    TRANSFORMS[OUTPUT](kind(dtype), tiles_of(4, 3), source.where, target.where, 1, 0, RELU)
    assert np.isnan(target.numbers[0, 0, 0, 1])
    assert not np.isnan(target.numbers[:, :, 0, 0]).any()
    assert not np.isnan(target.numbers[:, :, 0, 2:]).any()
