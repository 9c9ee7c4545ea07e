"""The matrix product: every order in memory, stacks, and lengths of 0 and 1."""

from itertools import product

import numpy as np
import pytest
from geometries import check_close
from minifcn.kernels import cpu

SIZES = [
    (1, 1, 1),
    (3, 5, 7),
    (1, 300, 2),
    (2, 1, 33),
    (100, 33, 65),
    (300, 10, 10),
    (40, 300, 70),
    *[(1, 43, 700), (3, 600, 513), (8, 9, 530), (100, 3, 513), (9, 9, 512)],  # thin, and beside
    *[(37, 40, 700), (520, 17, 90), (16, 16, 512)],  # of many numbers, each of a short sum
]
TOLERANCE = {"float32": 1e-5, "float64": 1e-13}


def matrices(rng, rows: int, columns: int, dtype):
    """Matrices of one shape, in every order in memory."""
    yield rng.standard_normal((rows, columns)).astype(dtype)
    yield rng.standard_normal((columns, rows)).astype(dtype).T
    yield rng.standard_normal((2 * rows, 3 * columns)).astype(dtype)[::2, ::3]
    yield rng.standard_normal((rows, columns + 3)).astype(dtype)[:, 2:-1]
    yield rng.standard_normal((columns + 3, rows)).astype(dtype)[2:-1].T
    yield rng.standard_normal((rows, columns)).astype(dtype)[::-1, ::-1]
    yield np.broadcast_to(rng.standard_normal((rows, 1)).astype(dtype), (rows, columns))
    yield np.broadcast_to(rng.standard_normal(columns).astype(dtype), (rows, columns))


def test_exact(backend, dtype):
    a = np.array([[1, 2, 3], [4, 5, 6]], dtype)
    b = np.array([[1, 10], [100, 1000], [7, 9]], dtype)
    y = backend.matmul(a, b)
    assert y.dtype == dtype
    assert y.tolist() == [[1 + 200 + 21, 10 + 2000 + 27], [4 + 500 + 42, 40 + 5000 + 54]]
    gram = backend.matmul(a.T, a)
    assert gram.tolist() == [[17, 22, 27], [22, 29, 36], [27, 36, 45]]


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_agrees_with_numpy_in_every_order(backend, dtype, size):
    (rows, depth, columns), rng = size, np.random.default_rng(1)
    pairs = product(matrices(rng, rows, depth, dtype), matrices(rng, depth, columns, dtype))
    for i, (a, b) in enumerate(pairs):
        copies = a.copy(), b.copy()
        y = backend.matmul(a, b)
        assert y.dtype == dtype
        check_close(y, a.astype(float) @ b.astype(float), TOLERANCE[dtype.name], i)
        assert np.array_equal(a, copies[0])
        assert np.array_equal(b, copies[1])


@pytest.mark.parametrize("rows", [1, 3, 8])
def test_thin_products_do_not_depend_on_the_number_of_threads(rows, dtype, each_thread_count):
    rng = np.random.default_rng(3)
    x, w = (rng.standard_normal(shape).astype(dtype) for shape in ((rows, 700), (900, 700)))
    gy = rng.standard_normal((rows, 900)).astype(dtype)
    expected, *others = (
        (cpu.matmul(x, w.T), cpu.matmul(gy, w), cpu.matmul(gy.T, x)) for _ in each_thread_count
    )
    for other in others:
        for a, e in zip(other, expected, strict=True):
            assert np.array_equal(a, e)


def test_stacks_broadcast(backend, dtype):
    rng = np.random.default_rng(2)
    for left, right in (
        ((), (2,)),
        ((3,), ()),
        ((2, 1), (5,)),
        ((2, 3), (2, 3)),
        ((1, 3), (4, 1)),
        ((0, 3), (3,)),
    ):
        a = rng.standard_normal((*left, 3, 4)).astype(dtype)
        b = rng.standard_normal((*right, 4, 6)).astype(dtype)
        y = backend.matmul(a, b)
        assert y.dtype == dtype
        check_close(y, a.astype(float) @ b.astype(float), TOLERANCE[dtype.name], left, right)
        back = backend.matmul(y, b.swapaxes(-1, -2))
        expected = y.astype(float) @ b.astype(float).swapaxes(-1, -2)
        check_close(back, expected, TOLERANCE[dtype.name], left, right)


def test_no_rows_no_columns_no_terms(backend, dtype):
    """A sum of nothing is 0."""
    for rows, depth, columns in product((0, 2), (0, 3), (0, 4)):
        y = backend.matmul(np.ones((rows, depth), dtype), np.ones((depth, columns), dtype))
        assert y.dtype == dtype
        assert y.shape == (rows, columns)
        assert np.all(y == depth)


def test_what_is_no_number_stays_where_it_belongs(backend, dtype):
    a, b = np.ones((5, 40), dtype), np.ones((40, 37), dtype)
    a[2, 7], b[11, 36] = np.nan, np.inf
    for left, right in ((a, b), (np.asfortranarray(a), b), (a, np.asfortranarray(b))):
        with np.errstate(invalid="ignore"):
            y = backend.matmul(left, right)
        expected = np.full((5, 37), 40.0)
        expected[:, 36] = np.inf
        expected[2] = np.nan
        assert np.array_equal(y, expected, equal_nan=True)


def test_results_do_not_depend_on_the_number_of_threads(dtype, settings):
    rng = np.random.default_rng(3)
    cases = [(m, n) for m in matrices(rng, 300, 90, dtype) for n in matrices(rng, 90, 170, dtype)]
    cpu.set_num_threads(1)
    expected = [cpu.matmul(a, b) for a, b in cases]
    for threads in (2, 3, 7):
        cpu.set_num_threads(threads)
        for (a, b), y in zip(cases, expected, strict=True):
            assert np.array_equal(cpu.matmul(a, b), y), (threads, a.strides, b.strides)
