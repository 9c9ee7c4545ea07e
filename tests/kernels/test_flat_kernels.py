"""Sums, products and masks of arrays in every order in memory, and arrays side by side."""

from itertools import product

import numpy as np
import pytest
from geometries import array, channels_last
from minifcn.kernels import cpu, reference
from minifcn.kernels.cpu import flat, layout
from on_device import to_numpy

SHAPES = [(), (1,), (7,), (100_003,), (3, 5), (2, 33, 41, 7), (1, 21, 70, 70), (0, 4)]


def test_exact(backend, dtype):
    x, y = np.array([[1, -2, np.nan]], dtype), np.array([[10, np.inf, 3]], dtype)
    total = backend.add(x, y)
    assert total.dtype == dtype
    assert np.array_equal(total, [[11, np.inf, np.nan]], equal_nan=True)
    scaled = backend.scale(x, 0.5)
    assert scaled.dtype == dtype
    assert np.array_equal(scaled, [[0.5, -1, np.nan]], equal_nan=True)
    kept = backend.dropout(x, np.array([[True, True, False]]), 4)
    assert kept.dtype == dtype
    assert np.array_equal(kept, [[4, -8, 0]])
    assert backend.add_(x, y) is x
    assert np.array_equal(x, total, equal_nan=True)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_agrees_with_reference(fast, shape, dtype):
    """To the bit, whatever the orders of the two."""
    rng = np.random.default_rng(1)
    a, b, keep = array(rng, shape, dtype), array(rng, shape, dtype), rng.random(shape) < 0.4
    for x, y in product(_orders(a), _orders(b)):
        total = fast.add(x, y)
        assert np.array_equal(total, reference.add(a, b))
        assert np.array_equal(fast.scale(x, 0.3), reference.scale(a, 0.3))
        for mask in _orders(keep):
            expected = reference.dropout(a, keep, 1 / 0.7)
            assert np.array_equal(fast.dropout(x, mask, 1 / 0.7), expected)
        before = x.copy(order="K")
        assert fast.add_(before, y) is before
        assert np.array_equal(before, total)


def test_results_lie_as_their_arguments_do(native, dtype):
    (kernels, xp), x = native, array(np.random.default_rng(2), (2, 3, 5, 7), dtype)
    for order in ((0, 1, 2, 3), (3, 2, 1, 0), (1, 2, 3, 0), (0, 2, 3, 1)):
        laid = xp.asarray(x.transpose(order).copy()).transpose(tuple(np.argsort(order)))
        results = kernels.add(laid, laid), kernels.scale(laid, 3), kernels.relu(laid)
        for y, expected in zip(results, (x + x, 3 * x, np.maximum(x, 0)), strict=True):
            assert y.dtype == dtype
            assert y.strides == laid.strides
            assert np.array_equal(to_numpy(y), expected)
        dropped = kernels.dropout(laid, xp.asarray(x) > 0, 2)
        assert np.array_equal(to_numpy(dropped), 2 * np.maximum(x, 0))


def test_results_of_the_cpu_start_where_cache_lines_do(dtype):
    x = array(np.random.default_rng(2), (2, 3, 5, 7), dtype)
    for laid in _orders(x):
        for y in (cpu.add(laid, laid), cpu.scale(laid, 3), cpu.relu(laid)):
            assert y.strides == laid.strides
            assert y.ctypes.data % 64 == 0
        empty, numbers = flat.empty_like(laid)
        numbers[:] = np.arange(x.size)
        assert empty.strides == laid.strides
        assert np.array_equal(flat.flat(empty)[0], numbers)


def test_views_of_dense_arrays_share_their_memory(dtype):
    """Of every order; axes of one element may have any stride."""
    x = array(np.random.default_rng(7), (2, 3, 5, 7), dtype)
    odd = np.lib.stride_tricks.as_strided(x, (1, 7, 1, 5), (999, x.itemsize, 4, 7 * x.itemsize))
    for laid in (*_orders(x), odd):
        (numbers,) = flat.flat(laid)
        assert np.shares_memory(numbers, laid)
        assert numbers.size == laid.size
        assert numbers[-1] == laid[tuple(n - 1 for n in laid.shape)]
    for gaps in (x[:, :2], x[..., ::2], np.broadcast_to(x[:1], x.shape), x[:, ::-1]):
        assert flat.flat(gaps) is None


def test_parts_are_added_up_in_order(dtype, each_thread_count):
    """To the bit, and into an array of any strides."""
    rng = np.random.default_rng(8)
    parts = array(rng, (5, 33, 70, 9), dtype)
    expected = parts[0].copy()
    for part in parts[1:]:
        expected += part
    target = array(rng, (70, 33, 18), dtype).transpose(1, 0, 2)[:, :, ::2]

    for _ in each_thread_count:
        total = np.full(parts.shape[1:], np.nan, dtype)
        target[...] = np.nan
        flat.add_up(parts, total)
        flat.add_up(parts, target)
        assert np.array_equal(total, expected)
        assert np.array_equal(target, expected)


def test_in_place_among_gaps(backend, dtype):
    rng = np.random.default_rng(3)
    x, y = array(rng, (2, 33, 41, 7), dtype), array(rng, (2, 33, 41, 7), dtype, True)
    for a, b in ((x[:, :-1:2], y[:, 1::2]), (x[0, 0, 0], y[1, 0, 0])):
        expected, kept = a + b, a.copy()
        assert backend.add_(kept, b) is kept
        assert np.array_equal(kept, expected)
        assert np.array_equal(backend.add(a, b), expected)
        assert np.array_equal(backend.scale(b, 2), 2 * b)
    whole = np.zeros((4, 6), dtype)
    backend.add_(whole[:, 1:3], np.ones((4, 2), dtype))
    assert whole.sum() == whole[:, 1:3].sum() == 8


def test_side_by_side_exact(backend, dtype):
    a, b = np.array([[1, 2]], dtype), np.array([[3, 4], [5, 6]], dtype)
    assert backend.cat([a, b], 0).tolist() == [[1, 2], [3, 4], [5, 6]]
    assert backend.cat([a.T, b], -1).tolist() == [[1, 3, 4], [2, 5, 6]]
    maps = [np.full((1, C, 1, 2), C, dtype) for C in (1, 3, 2)]
    y = backend.cat([channels_last(m) for m in maps], 1)
    assert y.dtype == dtype
    assert y[0, :, 0, 1].tolist() == [1, 3, 3, 3, 2, 2]


def test_a_number_that_is_an_array(native, dtype):
    """On a GPU it need not come back to be multiplied by; a float64 does not widen float32."""
    kernels, xp = native
    x = xp.asarray(np.array([1, -2, 4], dtype))
    for number in (xp.asarray(np.array(0.5, dtype)), np.float64(0.5), 0.5):
        y = kernels.scale(x, number)
        assert y.dtype == dtype
        assert to_numpy(y).tolist() == [0.5, -1, 2]


def test_in_place_in_parts_of_other_arrays(native, dtype):
    """Every order of the two; what lies between is left alone."""
    kernels, xp = native
    wide = xp.asarray(np.arange(2 * 3 * 4 * 10, dtype=dtype).reshape(2, 3, 4, 10))
    part, before = wide.transpose(0, 3, 1, 2)[:, 2:7], to_numpy(wide).copy()
    y = xp.asarray(np.arange(2 * 5 * 3 * 4, dtype=dtype).reshape(2, 5, 3, 4))
    assert kernels.add_(part, y) is part
    expected = before.transpose(0, 3, 1, 2)[:, 2:7] + to_numpy(y)
    assert np.array_equal(to_numpy(part), expected)
    after = to_numpy(wide)
    assert np.array_equal(after[..., :2], before[..., :2])
    assert np.array_equal(after[..., 7:], before[..., 7:])
    assert np.array_equal(to_numpy(kernels.add(part, y)), expected + to_numpy(y))


@pytest.mark.parametrize("axis", [0, 1, 2, 3, -1, -3])
def test_side_by_side(fast, axis, dtype):
    """Parts that lie channels last, or not, or among other channels, or are empty."""
    rng = np.random.default_rng(4)
    for count in (1, 2, 5):
        for _ in range(10):
            shape = [int(n) for n in rng.integers(1, 7, 4)]
            parts = []
            for _ in range(count):
                shape[axis] = int(rng.integers(0, 9))
                wide = array(rng, (shape[0], shape[1] + 5, *shape[2:]), dtype, True)
                choices = array(rng, shape, dtype), array(rng, shape, dtype, True)
                parts.append((*choices, wide[:, 2 : 2 + shape[1]])[int(rng.integers(3))])
            y = fast.cat(parts, axis)
            assert y.dtype == dtype
            assert np.array_equal(y, np.concatenate(parts, axis))


def test_side_by_side_lies_channels_last(native, dtype):
    """Where its parts do, one of them with a single channel."""
    (kernels, xp), rng = native, np.random.default_rng(9)
    parts = [array(rng, (2, C, 3, 5), dtype) for C in (1, 4, 2)]
    last = [xp.asarray(p.transpose(0, 2, 3, 1).copy()).transpose(0, 3, 1, 2) for p in parts]
    y = kernels.cat(last, 1)
    assert y.transpose(0, 2, 3, 1).flags.c_contiguous
    assert np.array_equal(to_numpy(y), np.concatenate(parts, 1))
    if xp is np:
        assert y.ctypes.data % 64 == 0


@pytest.mark.parametrize("channels", [(16, 32), (64, 16, 48), (16, 5), (1,)])
def test_side_by_side_past_the_caches(channels, dtype, monkeypatch):
    """As large maps are stored, where vectors are whole."""
    rng = np.random.default_rng(6)
    parts = [array(rng, (2, C, 9, 7), dtype, True) for C in channels]
    expected = cpu.cat(parts, 1)
    assert np.array_equal(expected, np.concatenate(parts, 1))
    monkeypatch.setattr(layout, "STREAMED", 0)
    assert np.array_equal(cpu.cat(parts, 1), expected)


def test_does_not_depend_on_the_number_of_threads(dtype, each_thread_count):
    rng = np.random.default_rng(5)
    x, y = (array(rng, (2, 24, 71, 83), dtype, True) for _ in range(2))

    def run():
        return cpu.add(x, y), cpu.scale(x, 0.1), cpu.dropout(x, y > 0, 2), cpu.cat([x, y, x], 1)

    expected, *others = (run() for _ in each_thread_count)
    for other in others:
        for a, e in zip(other, expected, strict=True):
            assert np.array_equal(a, e)


def _orders(x):
    """x in other orders in memory."""
    yield x
    if x.ndim > 1:
        for order in (range(x.ndim)[::-1], (*range(1, x.ndim), 0), (0, *range(2, x.ndim), 1)):
            order = tuple(order)
            yield np.ascontiguousarray(x.transpose(order)).transpose(np.argsort(order))
