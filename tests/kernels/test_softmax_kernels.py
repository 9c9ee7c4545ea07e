"""Softmax, its logarithm, and their gradients, along every axis."""

import numpy as np
import pytest
from geometries import array, check_close, inner
from minifcn.kernels import cpu, cuda, reference
from on_device import DEVICES, table

TOLERANCE = {"float64": 1e-14, "float32": 2e-6}
SHAPES = [
    *[(1, 1), (1, 1000), (5, 3), (700, 2), (64, 8), (129, 9), (3, 128)],
    *[(7,), (2, 3, 4), (1, 21, 9, 31), (3, 8, 5, 7), (2, 5, 0, 3)],
]
NAMES = ["softmax", "log_softmax"]


def both(table, name: str, x, gy, axis: int):
    y = getattr(table, name)(x, axis)
    return y, getattr(table, f"{name}_grad")(gy, y, axis)


@pytest.fixture(params=["cpu", *DEVICES])
def fast(request):
    """The backends that are compared with the reference."""
    return table(request.param)


def test_exact(backend, dtype):
    """Scores log 1, log 2, log 5, for one pixel of two; the other has twice the same."""
    x = np.log(np.array([[1, 2, 5], [3, 3, 3]], dtype))
    gy = np.array([[8, 0, 0], [1, 1, 4]], dtype)
    eps = 8 * np.finfo(dtype).eps
    y, gx = both(backend, "softmax", x, gy, 1)
    assert y.dtype == gx.dtype == dtype
    check_close(y, [[1 / 8, 2 / 8, 5 / 8], [1 / 3, 1 / 3, 1 / 3]], eps)
    check_close(gx, [[7 / 8, -2 / 8, -5 / 8], [-1 / 3, -1 / 3, 2 / 3]], eps)
    y, gx = both(backend, "log_softmax", x, gy, 1)
    assert y.dtype == gx.dtype == dtype
    check_close(y, np.log([[1 / 8, 2 / 8, 5 / 8], [1 / 3, 1 / 3, 1 / 3]]), eps)
    check_close(gx, [[7, -2, -5], [-1, -1, 2]], eps)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_agrees_with_reference(name, shape, fast, dtype):
    rng = np.random.default_rng(1)
    x, gy = 5 * rng.standard_normal(shape), rng.standard_normal(shape)
    x = x.astype(dtype).astype(float)  # what both shall start from
    for axis in range(-len(shape), len(shape)):
        if shape[axis] == 0:
            continue
        expected = both(reference, name, x, gy, axis)
        for last in (False, True):
            a, g = _laid(x, dtype, last), _laid(gy, dtype, not last)
            y, gx = both(fast, name, a, g, axis)
            assert y.dtype == gx.dtype == dtype
            check_close(y, expected[0], TOLERANCE[dtype.name], axis, last)
            # A difference of terms as large as gy, or as its sums, is as exact as they are
            assert gx.shape == shape
            terms = max(abs(gy).max(initial=0), abs(gy.sum(axis)).max(initial=0))
            error = abs(gx - expected[1]).max(initial=0)
            assert error <= TOLERANCE[dtype.name] * terms, (axis, last)


@pytest.mark.parametrize("name", NAMES)
def test_gradient_is_the_derivative(name, backend):
    rng = np.random.default_rng(2)
    for shape in [(3, 5), (2, 9, 4, 7), (70, 3)]:
        x, gy, direction = rng.standard_normal((3, *shape))
        _, gx = both(backend, name, x, gy, 1)
        h = 1e-5
        ahead, behind = (getattr(backend, name)(x + s * direction, 1) for s in (h, -h))
        slope = inner(gy, ahead - behind) / (2 * h)
        assert abs(slope - inner(gx, direction)) <= 1e-8 * inner(abs(gx), abs(direction))


@pytest.mark.parametrize("name", NAMES)
def test_special_values(name, backend, dtype):
    """Large scores and -inf are nothing special; a NaN is its own pixel's only."""
    x = np.zeros((70, 3), dtype)
    x[0] = 1e4, -1e4, 1e4
    x[1] = -np.inf, 0, 0
    x[2, 1] = np.nan
    y = getattr(backend, name)(x, 1)
    y = np.exp(y) if name == "log_softmax" else y
    check_close(y[0], [0.5, 0, 0.5], 4 * np.finfo(dtype).eps)
    check_close(y[1], [0, 0.5, 0.5], 4 * np.finfo(dtype).eps)
    assert np.isnan(y[2]).all()
    assert np.isnan(y).sum() == 3


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("gpu", DEVICES)
def test_arrays_of_the_gpu_with_gaps(name, gpu, dtype):
    """Rows among others, with gaps, backwards, crosswise."""
    xp, rng = table(gpu).module, np.random.default_rng(5)
    x, gy = rng.standard_normal((2, 6, 21, 18)).astype(dtype)
    for axis in range(3):
        for view in (
            lambda a: a[::2, :, ::2], lambda a: a[:, ::-1], lambda a: a.transpose(2, 0, 1)
        ):  # fmt: skip
            expected = both(reference, name, view(x.astype(float)), view(gy), axis)
            y, gx = both(cuda, name, view(xp.asarray(x)), view(xp.asarray(gy)), axis)
            check_close(y.get(), expected[0], TOLERANCE[dtype.name], axis)
            check_close(gx.get(), expected[1], 4 * TOLERANCE[dtype.name], axis)


@pytest.mark.parametrize("name", NAMES)
def test_infinities_as_in_the_reference(name, fast, dtype):
    """A row with +inf, or of -inf alone, is NaN; one with some -inf has zeros there."""
    for rows in (np.zeros((8, 5), dtype), np.zeros((8, 150), dtype)):
        rows[1, 0], rows[2, -1], rows[3, -1] = np.inf, np.inf, -np.inf
        rows[4], rows[5], rows[5, 3] = -np.inf, -np.inf, 1
        rows[6, 1], rows[6, 2] = np.inf, -np.inf
        for x, axis in ((rows, 1), (np.ascontiguousarray(rows.T), 0)):
            with np.errstate(invalid="ignore"):
                expected = getattr(reference, name)(x, axis)
            y = getattr(fast, name)(x, axis)
            assert np.array_equal(np.isfinite(y), np.isfinite(expected))
            np.testing.assert_allclose(y, expected, 8 * np.finfo(dtype).eps)


@pytest.mark.parametrize("name", NAMES)
def test_does_not_depend_on_the_number_of_threads(name, dtype, each_thread_count):
    rng = np.random.default_rng(3)
    x, gy = (array(rng, (2, 21, 71, 83), dtype, True) for _ in range(2))
    expected, *others = (both(cpu, name, x, gy, 1) for _ in each_thread_count)
    for other in others:
        for a, e in zip(other, expected, strict=True):
            assert np.array_equal(a, e)


@pytest.mark.oracle
@pytest.mark.parametrize("name", NAMES)
def test_pytorch_agrees(name, backend):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(4)
    for _ in range(50):
        shape = tuple(int(n) for n in rng.integers(1, 9, 4))
        axis = int(rng.integers(4))
        x, gy = rng.standard_normal((2, *shape))
        leaf = torch.tensor(x, requires_grad=True)
        wanted = getattr(torch, name)(leaf, axis)
        wanted.backward(torch.tensor(gy))
        y, gx = both(backend, name, x, gy, axis)
        check_close(y, wanted.detach().numpy(), 1e-13, shape, axis)
        check_close(gx, leaf.grad.numpy(), 1e-12, shape, axis)


def _laid(x, dtype, last: bool):
    """x with its second axis last in memory, or as it is."""
    x = x.astype(dtype)
    if x.ndim < 2 or not last:
        return x
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)
