"""The matrix product: every order in memory, stacks, and lengths of 0 and 1."""

import importlib
from itertools import product

import numpy as np
import pytest
from geometries import check_close
from minifcn.kernels import cpu
from on_device import DEVICES, native_table, to_numpy

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


def matrices(rng, rows: int, columns: int, dtype, xp=np):
    """Matrices of one shape, in every order in memory. xp: the module that makes their arrays."""

    def normal(*shape):
        return xp.asarray(rng.standard_normal(shape).astype(dtype))

    yield normal(rows, columns)
    yield normal(columns, rows).T
    yield normal(2 * rows, 3 * columns)[::2, ::3]
    yield normal(rows, columns + 3)[:, 2:-1]
    yield normal(columns + 3, rows)[2:-1].T
    yield normal(rows, columns)[::-1, ::-1]
    yield xp.broadcast_to(normal(rows, 1), (rows, columns))
    yield xp.broadcast_to(normal(columns), (rows, columns))


def test_exact(backend, dtype):
    a = np.array([[1, 2, 3], [4, 5, 6]], dtype)
    b = np.array([[1, 10], [100, 1000], [7, 9]], dtype)
    y = backend.matmul(a, b)
    assert y.dtype == dtype
    assert y.tolist() == [[1 + 200 + 21, 10 + 2000 + 27], [4 + 500 + 42, 40 + 5000 + 54]]
    gram = backend.matmul(a.T, a)
    assert gram.tolist() == [[17, 22, 27], [22, 29, 36], [27, 36, 45]]


@pytest.mark.parametrize("native", ["reference", "cpu", *DEVICES], indirect=True)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_agrees_with_numpy_in_every_order(native, dtype, size):
    (kernels, xp), (rows, depth, columns), rng = native, size, np.random.default_rng(1)
    pairs = product(
        matrices(rng, rows, depth, dtype, xp), matrices(rng, depth, columns, dtype, xp)
    )
    for i, (a, b) in enumerate(pairs):
        left, right = to_numpy(a.copy()), to_numpy(b.copy())
        y = to_numpy(kernels.matmul(a, b))
        assert y.dtype == dtype
        check_close(y, left.astype(float) @ right.astype(float), TOLERANCE[dtype.name], i)
        assert np.array_equal(to_numpy(a), left)
        assert np.array_equal(to_numpy(b), right)


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


@pytest.fixture(params=DEVICES)
def gpu(request):
    """The module whose arrays live on the GPU."""
    _, module = native_table(request.param)
    return module


def test_added_to_what_is_there(gpu, dtype):
    """In some columns of a larger matrix; without beta, NaN that was there does not matter."""
    from minifcn.kernels.cuda.matmul import gemm

    a, b = (gpu.asarray(np.array(rows, dtype)) for rows in ([[1, 2]], [[3, 4, 5], [6, 7, 8]]))
    out = gpu.asarray(np.full((1, 5), np.nan, dtype))
    part = out[:, 1:4]
    assert gemm(a, b, out=part) is part
    assert to_numpy(part).tolist() == [[15, 18, 21]]
    gemm(a, b, out=part, beta=0.5)
    assert to_numpy(part).tolist() == [[22.5, 27, 31.5]]
    gemm(a[:, :0], b[:0], out=part, beta=2)
    assert to_numpy(part).tolist() == [[45, 54, 63]]
    gemm(a[:, :0], b[:0], out=part)
    assert np.array_equal(to_numpy(out), [[np.nan, 0, 0, 0, np.nan]], equal_nan=True)
    down = gemm(b.T, a.T, out=gpu.asarray(np.ones((3, 2), dtype))[:, 1:], beta=1)
    assert to_numpy(down).tolist() == [[16], [19], [22]]


def test_only_gaps_are_copied(gpu, dtype):
    """Rows or columns that are runs of numbers are multiplied where they are."""
    from minifcn.kernels.cuda.matmul import _operand

    kept = [_operand(m)[0] is m for m in matrices(np.random.default_rng(5), 3, 4, dtype, gpu)]
    assert kept == [True, True, False, True, True, False, False, False]
    column = gpu.asarray(np.zeros((6, 8), dtype))[::2, 1:2]
    assert [_operand(m)[1:] for m in (column, column.T)] == [(False, 16), (True, 16)]
    row = gpu.asarray(np.zeros((1, 5), dtype))
    assert [_operand(m)[1:] for m in (row, row.T)] == [(False, 5), (False, 1)]


def test_how_exactly_cublas_is_asked_to_multiply(monkeypatch):
    """float32 until something else is set; float64 whatever is set."""
    from minifcn.kernels.cuda import matmul as function
    from minifcn.kernels.cuda import precision

    _, arrays = native_table("emulated")
    module, asked = importlib.import_module("minifcn.kernels.cuda.matmul"), []
    monkeypatch.setattr(module, "_numpy", lambda *arguments: asked.append(arguments[-1]))
    for chosen, expected in ((None, 68), ("float32", 68), ("tf32", 77), ("bf16", 75)):
        monkeypatch.setattr(precision, "_chosen", chosen)
        for dtype in (np.float32, np.float64):
            a = arrays.asarray(np.ones((2, 2), dtype))
            function(a, a)
            function(a[None], a)
        assert asked[-4:] == [expected, expected, 70, 70]


def test_the_precision_that_is_set(monkeypatch):
    from minifcn.kernels.cuda import precision

    monkeypatch.setattr(precision, "_chosen", None)
    assert precision.precision() == "tf32"  # of convolutions
    assert precision.precision("float32") == "float32"  # of matrix products
    for name in precision.NAMES:
        precision.set_precision(name)
        assert precision.precision() == precision.precision("float32") == name
    with pytest.raises(ValueError) as error:
        precision.set_precision("fp8")
    assert str(error.value) == "unknown precision 'fp8'; there are: float32, tf32, bf16"
    assert precision.precision() == "bf16"
