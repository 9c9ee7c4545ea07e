"""Max and average pooling and their gradients."""

import numpy as np
import pytest
from geometries import array, channels_last, check_adjoint, check_close, inner, poolings
from minifcn.kernels import cpu, reference
from minifcn.kernels.cpu import layout

IMAGE = [[[[1, 5, 2, 0], [4, 3, 8, 8], [7, 6, 9, 1]]]]
HALVES = (2, 2), (2, 2), (0, 0), (1, 1)  # kernel size, stride, padding, dilation


def test_max_exact(backend, dtype):
    y, argmax = backend.max_pool2d(np.array(IMAGE, dtype), *HALVES, (1, 2))
    assert y.dtype == dtype
    assert argmax.dtype == np.uint8
    assert np.array_equal(y, [[[[5, 8]]]])
    assert np.array_equal(argmax, [[[[0 * 2 + 1, 1 * 2 + 0]]]])  # of the two eights the first

    gx = backend.max_pool2d_grad(np.array([[[[10, 20]]]], dtype), argmax, (3, 4), *HALVES)
    assert gx.dtype == dtype
    assert np.array_equal(gx, [[[[0, 10, 0, 0], [0, 0, 20, 0], [0, 0, 0, 0]]]])


def test_max_exact_ceil_mode_and_padding(backend, dtype):
    """Ceil mode lets the last row of windows reach past the image; padding is never the maximum,
    even of negative pixels."""
    y, argmax = backend.max_pool2d(-np.array(IMAGE, dtype), *HALVES, (2, 2))
    assert np.array_equal(y, [[[[-1, -0.0], [-6, -1]]]])
    assert np.array_equal(argmax, [[[[0, 1], [1, 1]]]])

    window = (2, 2), (2, 2), (1, 1), (1, 1)
    y, argmax = backend.max_pool2d(-np.array(IMAGE, dtype), *window, (2, 3))
    assert np.array_equal(y, [[[[-1, -2, 0], [-4, -3, -1]]]])
    assert np.array_equal(argmax, [[[[3, 3, 2], [1, 0, 2]]]])
    gy = np.array([[[[1, 2, 3], [4, 5, 6]]]], dtype)
    gx = backend.max_pool2d_grad(gy, argmax, (3, 4), *window)
    assert np.array_equal(gx, [[[[1, 0, 2, 3], [4, 5, 0, 0], [0, 0, 0, 6]]]])


def test_max_overlapping_windows_add_up(backend, dtype):
    window = (1, 3), (1, 1), (0, 0), (1, 1)
    y, argmax = backend.max_pool2d(np.array([[[[1, 2, 9, 3, 4]]]], dtype), *window, (1, 3))
    assert np.array_equal(y, [[[[9, 9, 9]]]])
    assert np.array_equal(argmax, [[[[2, 1, 0]]]])
    gx = backend.max_pool2d_grad(np.array([[[[1, 10, 100]]]], dtype), argmax, (1, 5), *window)
    assert np.array_equal(gx, [[[[0, 0, 1 + 10 + 100, 0, 0]]]])


def test_max_of_special_values(backend, dtype):
    """The first NaN is maximal; of a window of minus infinities tap 0 is, where it lies outside
    the image too, and then nothing comes back."""
    nan, inf = np.nan, np.inf
    x = np.array([[[[1, nan, 2, nan], [inf, nan, -inf, 3]]]], dtype)
    y, argmax = backend.max_pool2d(x, *HALVES, (1, 2))
    assert np.array_equal(y, [[[[nan, nan]]]], equal_nan=True)
    assert np.array_equal(argmax, [[[[1, 1]]]])

    x = np.full((1, 1, 2, 2), -inf, dtype)
    window = (2, 2), (2, 2), (1, 1), (1, 1)
    y, argmax = backend.max_pool2d(x, *window, (2, 2))
    assert np.array_equal(y, np.full((1, 1, 2, 2), -inf))
    assert np.array_equal(argmax, np.zeros((1, 1, 2, 2)))
    gx = backend.max_pool2d_grad(np.array([[[[1, 2], [3, 4]]]], dtype), argmax, (2, 2), *window)
    assert np.array_equal(gx, [[[[0, 0], [0, 4]]]])


def test_more_taps_than_a_byte_holds(backend, dtype):
    for width, kind in ((16, np.uint8), (17, np.int32)):
        x = np.arange(16 * width, dtype=dtype).reshape(1, 1, 16, width)
        window = (16, width), (1, 1), (0, 0), (1, 1)
        y, argmax = backend.max_pool2d(x, *window, (1, 1))
        assert argmax.dtype == kind
        assert (y.item(), argmax.item()) == (16 * width - 1, 16 * width - 1)
        gx = backend.max_pool2d_grad(np.ones((1, 1, 1, 1), dtype), argmax, (16, width), *window)
        assert np.array_equal(np.flatnonzero(gx), [16 * width - 1])


def test_average_exact(backend, dtype):
    y = backend.avg_pool2d(np.array(IMAGE, dtype), *HALVES, (1, 2))
    assert y.dtype == dtype
    assert np.array_equal(y, [[[[(1 + 5 + 4 + 3) / 4, (2 + 0 + 8 + 8) / 4]]]])
    gx = backend.avg_pool2d_grad(np.array([[[[8, 12]]]], dtype), (3, 4), *HALVES)
    assert gx.dtype == dtype
    assert np.array_equal(gx, [[[[2, 2, 3, 3], [2, 2, 3, 3], [0, 0, 0, 0]]]])


def test_average_counts_padding_but_not_what_ceil_mode_adds(backend, dtype):
    """Three rows, kernel and stride 2 with padding 1: rows (pad, 0), (1, 2). Four columns, no
    padding, kernel 3, stride 2, ceil mode: columns (0, 1, 2), (2, 3, nothing)."""
    window = (2, 3), (2, 2), (1, 0), (1, 1)
    y = backend.avg_pool2d(np.array(IMAGE, dtype), *window, (2, 2))
    expected = [
        [(1 + 5 + 2) / (2 * 3), (2 + 0) / (2 * 2)],
        [(4 + 3 + 8 + 7 + 6 + 9) / (2 * 3), (8 + 8 + 9 + 1) / (2 * 2)],
    ]
    check_close(y, [[expected]], 2 * np.finfo(dtype).eps)
    gx = backend.avg_pool2d_grad(np.array([[[[6, 4], [12, 8]]]], dtype), (3, 4), *window)
    expected = [[1, 1, 1 + 1, 1], [2, 2, 2 + 2, 2], [2, 2, 2 + 2, 2]]
    check_close(gx, [[expected]], 2 * np.finfo(dtype).eps)


def test_max_agrees_with_reference(dtype):
    """Exactly, argmax included; the gradient up to the order of its sums."""
    for pool, rng in poolings(seed=1):
        x, gy = pool.arrays(rng, dtype)
        if rng.random() < 0.3:
            x = np.round(x)  # ties
        expected = reference.max_pool2d(x, *pool.window, pool.output_size)
        actual = cpu.max_pool2d(x, *pool.window, pool.output_size)
        for a, e in zip(actual, expected, strict=True):
            assert a.dtype == e.dtype
            assert np.array_equal(a, e), pool
        expected = reference.max_pool2d_grad(gy, expected[1], pool.size, *pool.window)
        actual = cpu.max_pool2d_grad(gy, actual[1], pool.size, *pool.window)
        assert actual.dtype == dtype
        check_close(actual, expected, 4 * np.finfo(dtype).eps, pool)


def test_average_agrees_with_reference(compared):
    backend, dtype, tolerance = compared
    for pool, rng in poolings(seed=2):
        x, gy = pool.arrays(rng)
        expected = reference.avg_pool2d(x, *pool.window, pool.output_size)
        actual = backend.avg_pool2d(x.astype(dtype), *pool.window, pool.output_size)
        assert actual.dtype == dtype
        check_close(actual, expected, tolerance, pool)
        expected = reference.avg_pool2d_grad(gy, pool.size, *pool.window)
        actual = backend.avg_pool2d_grad(gy.astype(dtype), pool.size, *pool.window)
        assert actual.dtype == dtype
        check_close(actual, expected, tolerance, pool)


@pytest.mark.parametrize("shape", [(2, 5, 40, 50), (1, 70, 23, 31)], ids=str)
@pytest.mark.parametrize("kernel", [2, 3])
def test_larger_arrays_agree_with_reference(shape, kernel, dtype):
    """Long enough rows for vector instructions and enough planes for several threads."""
    rng = np.random.default_rng(kernel)
    x = rng.standard_normal(shape).astype(dtype)
    window = (kernel, kernel), (2, 2), (0, 0), (1, 1)
    size = tuple(-(-(n - kernel) // 2) + 1 for n in shape[2:])
    for a, e in zip(
        cpu.max_pool2d(x, *window, size), reference.max_pool2d(x, *window, size), strict=True
    ):
        assert np.array_equal(a, e)
    tolerance = 10 * np.finfo(dtype).eps
    gy = rng.standard_normal((*shape[:2], *size)).astype(dtype)
    argmax = rng.integers(0, kernel, gy.shape).astype(np.uint8)
    check_close(
        cpu.max_pool2d_grad(gy, argmax, shape[2:], *window),
        reference.max_pool2d_grad(gy, argmax, shape[2:], *window),
        tolerance,
    )
    check_close(
        cpu.avg_pool2d(x, *window, size), reference.avg_pool2d(x, *window, size), tolerance
    )
    check_close(
        cpu.avg_pool2d_grad(gy, shape[2:], *window),
        reference.avg_pool2d_grad(gy, shape[2:], *window),
        tolerance,
    )


def test_gradients_are_adjoint(backend):
    """With the argmax fixed, max pooling is linear: <gy, pool(x)> = <gx, x>."""
    for pool, rng in poolings(seed=3):
        x, gy = pool.arrays(rng)
        y, argmax = backend.max_pool2d(x, *pool.window, pool.output_size)
        gx = backend.max_pool2d_grad(gy, argmax, pool.size, *pool.window)
        check_adjoint(inner(gy, y), inner(gx, x), inner(abs(gy), abs(y)), pool)
        y = backend.avg_pool2d(x, *pool.window, pool.output_size)
        gx = backend.avg_pool2d_grad(gy, pool.size, *pool.window)
        scale = inner(abs(gy), backend.avg_pool2d(abs(x), *pool.window, pool.output_size))
        check_adjoint(inner(gy, y), inner(gx, x), scale, pool)


def test_max_gradient_is_the_derivative(backend):
    """Central difference along a random direction; elements are 0.02 apart, the step is 1e-4."""
    for pool, rng in poolings(seed=4, count=50):
        x, gy = pool.arrays(rng)
        direction = rng.uniform(-1, 1, x.shape)

        def loss(x, pool=pool, gy=gy):
            return inner(gy, backend.max_pool2d(x, *pool.window, pool.output_size)[0])

        h = 1e-4
        slope = (loss(x + h * direction) - loss(x - h * direction)) / (2 * h)
        argmax = backend.max_pool2d(x, *pool.window, pool.output_size)[1]
        gx = backend.max_pool2d_grad(gy, argmax, pool.size, *pool.window)
        assert abs(slope - inner(gx, direction)) <= 1e-6 * max(1, abs(slope)), pool


def test_max_without_argmax(backend, dtype):
    """The same values, NaN and windows beyond the image included, and None."""
    for pool, rng in poolings(seed=5):
        x, _ = pool.arrays(rng, dtype)
        x[rng.random(x.shape) < 0.05] = np.nan
        x[rng.random(x.shape) < 0.05] = -np.inf
        y, argmax = backend.max_pool2d(x, *pool.window, pool.output_size)
        alone, nothing = backend.max_pool2d(x, *pool.window, pool.output_size, want_argmax=False)
        expected = reference.max_pool2d(x, *pool.window, pool.output_size)
        assert nothing is None
        assert np.array_equal(alone, y, equal_nan=True), pool
        assert np.array_equal(y, expected[0], equal_nan=True), pool
        assert np.array_equal(argmax, expected[1]), pool


@pytest.mark.parametrize("channels", [1, 3, 8, 21, 40])
def test_layouts(channels, dtype):
    """From any strides the same bits, with channels last."""
    rng = np.random.default_rng(6)
    window = (3, 2), (2, 3), (1, 0), (1, 2)
    x, gy = array(rng, (2, channels, 11, 14), dtype), array(rng, (2, channels, 6, 4), dtype)
    wide = np.zeros((2, channels, 11, 28), dtype)
    wide[..., ::2] = x
    results = []
    for given in (x, channels_last(x), wide[..., ::2]):
        y, argmax = cpu.max_pool2d(given, *window, (6, 4))
        for g in (gy, channels_last(gy)):
            results.append(
                (
                    *(y, argmax, cpu.max_pool2d_grad(g, argmax, (11, 14), *window)),
                    cpu.max_pool2d_grad(g, np.ascontiguousarray(argmax), (11, 14), *window),
                    cpu.avg_pool2d(given, *window, (6, 4)),
                    cpu.avg_pool2d_grad(g, (11, 14), *window),
                )
            )
    for result in results:
        for a, e in zip(result, results[0], strict=True):
            assert layout.is_channels_last(a)
            assert np.array_equal(a, e)


@pytest.mark.parametrize(
    ("shape", "window"),
    [
        ((1, 48, 61, 83), ((2, 2), (2, 2), (0, 0), (1, 1))),
        ((2, 40, 37, 44), ((3, 3), (1, 1), (1, 1), (1, 1))),
        ((1, 300, 20, 24), ((20, 24), (1, 1), (0, 0), (1, 1))),
    ],
    ids=["halves", "overlapping", "global"],
)
def test_pooling_does_not_depend_on_the_number_of_threads(shape, window, dtype, each_thread_count):
    rng = np.random.default_rng(7)
    x, size = array(rng, shape, dtype, True), shape[2:]
    out = tuple((n + 2 * p - k) // s + 1 for n, k, s, p in zip(size, *window[:3], strict=True))
    gy = array(rng, (*shape[:2], *out), dtype)

    def run():
        y, argmax = cpu.max_pool2d(x, *window, out)
        return (
            *(y, argmax, cpu.max_pool2d_grad(gy, argmax, size, *window)),
            cpu.max_pool2d(x, *window, out, want_argmax=False)[0],
            *(cpu.avg_pool2d(x, *window, out), cpu.avg_pool2d_grad(gy, size, *window)),
        )

    expected, *others = (run() for _ in each_thread_count)
    for other in others:
        for a, e in zip(other, expected, strict=True):
            assert np.array_equal(a, e)
