"""The micro-kernel: tiles in both forms and widths, at every height, and nothing beside them.

All numbers are small and whole, so that sums are exact in whatever order they are added up. What
a tile must not read is NaN, and what it must not write is compared as well.
"""

from itertools import product

import numpy as np
import pytest
from minifcn.kernels.cpu import isa
from minifcn.kernels.cpu.compile import kernel
from minifcn.kernels.cpu.layout import aligned
from minifcn.kernels.cpu.tile import (
    ACCUMULATE,
    NARROW,
    RELU,
    ROWS,
    STEPS,
    STREAM,
    WIDE,
    heights,
    tiles,
)
from minifcn.kernels.cpu.vectors import kind

LOOPS = ((1, 1, 1), (7, 1, 1), (3, 2, 1), (1, 1, 4), (4, 3, 2))  # run, inner, outer
GUARD = 777.0

all_forms = pytest.mark.parametrize(
    "form",
    [(ROWS, WIDE), (ROWS, NARROW), (STEPS, WIDE), (STEPS, NARROW)],
    ids=["rows", "narrow-rows", "steps", "narrow-steps"],
)


@kernel()
def rows_tiles(kind, narrow, rows, count, a, b, loops, c, bias, flags):
    (address, row, run, inner, outer, a_next), (address_b, run_b, inner_b, outer_b) = a, b
    tiles(
        kind, ROWS, narrow, rows, count, address, row, run, inner, outer, a_next,
        address_b, run_b, inner_b, outer_b,
        loops[0], loops[1], loops[2], c[0], c[1], c[2], bias, flags, address, 64,
    )  # fmt: skip


@kernel()
def steps_tiles(kind, narrow, rows, count, a, b, loops, c, bias, flags):
    (address, row, run, inner, outer, a_next), (address_b, run_b, inner_b, outer_b) = a, b
    tiles(
        kind, STEPS, narrow, rows, count, address, row, run, inner, outer, a_next,
        address_b, run_b, inner_b, outer_b,
        loops[0], loops[1], loops[2], c[0], c[1], c[2], bias, flags, address, 64,
    )  # fmt: skip


class Problem:
    """``count`` tiles: operands scattered over NaN, and C within guards."""

    def __init__(self, form, rows: int, loops, dtype, count=1, sign=1, whole=False):
        (self.form, self.narrow), self.rows, self.count, self.loops = form, rows, count, loops
        self.kind = kind(dtype)
        _, vectors, lanes = self.kind.dtype[0].shape
        self.width = lanes if self.narrow else vectors * lanes
        self.rng = np.random.default_rng(rows)
        run, inner, outer = loops
        # Distances in numbers: odd, and different for all loops
        if self.form == ROWS:
            a_row, a_run, b_run = 41, 1, self.width
            a_inner, a_outer = sign * 5, 13
        else:
            a_row, a_run, b_run = 1, rows + 2, self.width + 3
            a_inner = sign * (run * a_run + 3)
            a_outer = inner * (run * a_run + 3) + 5
        b_inner = run * b_run + 1
        b_outer = sign * (inner * b_inner + 7)
        a_next, c_row, self.c_first = 997, self.width + 5, 3
        c_next = rows * c_row + 3
        if whole:  # as stores past the caches want it
            c_row, self.c_first = self.width + 64 // dtype.itemsize, 64 // dtype.itemsize
            c_next = (rows + 1) * c_row
        self.a_steps, self.b_steps = (
            (a_row, a_run, a_inner, a_outer, a_next),
            (b_run, b_inner, b_outer),
        )
        n, r, o, i, t = np.ogrid[:count, :rows, :outer, :inner, :run]
        a_at = n * a_next + r * a_row + o * a_outer + i * a_inner + t * a_run
        o, i, t, column = np.ogrid[:outer, :inner, :run, : self.width]
        b_at = o * b_outer + i * b_inner + t * b_run + column
        self.a, self.a_first, a = self._scattered(a_at, dtype)
        self.b, self.b_first, b = self._scattered(b_at, dtype)
        self.sum = np.einsum("nroit,oitc->nrc", a, b)
        self.bias = self._whole(self.width).astype(dtype)
        self.c_steps = c_row, c_next
        n, r, column = np.ogrid[:count, :rows, : self.width]
        self.inside = self.c_first + n * c_next + r * c_row + column
        self.c = aligned((int(self.inside.max()) + 20,), dtype)
        self.c[:] = GUARD
        self.before = self._whole(count, rows, self.width).astype(dtype)

    def _whole(self, *shape):
        return self.rng.integers(-4, 5, shape).astype(float)

    def _scattered(self, places, dtype):
        """NaN with whole numbers at these places, the index of place 0, and the numbers."""
        first = 3 - places.min()
        array = np.full(places.max() + first + 4, np.nan, dtype)
        array[places + first] = self._whole(*places.shape)
        return array, first, array[places + first].astype(float)

    def run(self, bias: bool, flags: int):
        """C with its guards, after the tiles, and what it should be."""
        item, expected = self.c.itemsize, self.c.copy()
        self.c[self.inside] = self.before
        a_steps, b_steps, c_steps = (
            [step * item for step in steps] for steps in (self.a_steps, self.b_steps, self.c_steps)
        )
        unread = 10**9 + 7
        if self.form == ROWS:
            a_steps[1] = b_steps[0] = unread
        else:
            a_steps[0] = unread
        operands = (self.a, self.a_first), (self.b, self.b_first), (self.c, self.c_first)
        a, b, c = (array.ctypes.data + first * item for array, first in operands)
        run = rows_tiles if self.form == ROWS else steps_tiles
        run(
            *(
                self.kind,
                self.narrow,
                self.rows,
                self.count,
                (a, *a_steps),
                (b, *b_steps),
                self.loops,
            ),
            *((c, *c_steps), self.bias.ctypes.data if bias else 0, flags),
        )
        total = self.sum + (self.before if flags & ACCUMULATE else 0)
        total = total + (self.bias if bias else 0)
        expected[self.inside] = np.where(total < 0, 0, total) if flags & RELU else total
        return self.c, expected


@pytest.fixture(params=[i.name for i in isa.available()])
def instructions(request, settings):
    isa.set_isa(request.param)


@pytest.mark.usefixtures("instructions")
@all_forms
def test_every_height(dtype, form):
    for rows in range(1, isa.current().rows + 1):
        for loops in LOOPS:
            for bias, flags in product((False, True), (0, ACCUMULATE, RELU, ACCUMULATE | RELU)):
                actual, expected = Problem(form, rows, loops, dtype).run(bias, flags)
                assert np.array_equal(actual, expected), (rows, loops, bias, flags)


@pytest.mark.usefixtures("instructions")
@all_forms
def test_several_tiles(dtype, form):
    """Each starts anew, from zeros or from its own part of C."""
    for rows, count, flags in product((1, isa.current().rows), (2, 5), (0, ACCUMULATE | RELU)):
        actual, expected = Problem(form, rows, (3, 2, 2), dtype, count).run(True, flags)
        assert np.array_equal(actual, expected), (rows, count, flags)


@pytest.mark.usefixtures("instructions")
@all_forms
def test_stored_past_the_caches(dtype, form):
    for rows, flags in product((1, isa.current().rows), (STREAM, STREAM | ACCUMULATE | RELU)):
        problem = Problem(form, rows, (3, 2, 2), dtype, 3, whole=True)
        actual, expected = problem.run(True, flags)
        assert np.array_equal(actual, expected), (rows, flags)


@all_forms
def test_distances_may_be_negative(dtype, form):
    actual, expected = Problem(form, 5, (3, 2, 4), dtype, 2, sign=-1).run(True, 0)
    assert np.array_equal(actual, expected)


@all_forms
def test_rectifier_at_its_kink(dtype, form):
    """NaN and infinity come through, minus infinity becomes 0, and each row keeps to itself."""
    problem = Problem(form, 6, (3, 1, 1), dtype)
    problem.before[0, :4, 0] = np.nan, np.inf, -np.inf, -0.0
    actual, expected = problem.run(False, ACCUMULATE | RELU)
    assert np.array_equal(actual, expected, equal_nan=True)
    assert np.isnan(actual[problem.inside[0, 0, 0]])
    assert actual[problem.inside[0, 1:3, 0]].tolist() == [np.inf, 0]
    problem = Problem(form, 6, (3, 1, 1), dtype)
    problem.bias[1] = np.nan
    actual, _ = problem.run(True, RELU)
    nan = np.isnan(actual[problem.inside])
    assert nan[:, :, 1].all()
    assert nan.sum() == 6


@pytest.mark.skipif(isa.current().name == "portable", reason="may have no such instruction")
def test_multiplication_and_addition_are_one_instruction(dtype):
    """-round(x*y) + x*y is what rounding lost, where the product is not rounded by itself."""
    problem = Problem((ROWS, WIDE), 1, (2, 1, 1), dtype)
    x, y = (dtype.type(1 + n * np.finfo(dtype).eps) for n in (3, 5))
    problem.a[problem.a_first :][:2] = 1, x
    panel = problem.b[problem.b_first :][: 2 * problem.width]
    panel[: problem.width], panel[problem.width :] = -(x * y), y
    actual, _ = problem.run(False, 0)
    assert np.all(actual[problem.inside] == 15 * float(np.finfo(dtype).eps) ** 2)


def test_rows_are_cut_into_tiles_of_nearly_equal_height():
    for most in (1, 6, 14):
        for rows in range(1, 60):
            height, higher, others = heights(rows, most)
            assert higher * (height + 1) + others * height == rows
            assert higher + others == -(-rows // most)  # as few as there can be
            assert 1 <= height + (higher > 0) <= most
