"""The rectifier, local response normalisation and the parameter updates."""

import numpy as np
import pytest
from geometries import array, channels_last, check_adjoint, check_close, distinct, inner
from minifcn.kernels import cpu, reference
from minifcn.kernels.cpu import layout
from on_device import DEVICES, to_numpy


def test_relu_exact(backend, dtype):
    x = np.array([[-2, -0.0, 0, 3, np.inf, -np.inf, np.nan]], dtype)
    y = backend.relu(x)
    assert y.dtype == dtype
    assert np.array_equal(y, [[0, 0, 0, 3, np.inf, 0, np.nan]], equal_nan=True)
    gx = backend.relu_grad(np.array([[1, 2, 3, 4, 5, 6, 7]], dtype), y)
    assert gx.dtype == dtype
    assert np.array_equal(gx, [[0, 0, 0, 4, 5, 0, 0]])


def test_relu_agrees_with_reference(fast, dtype):
    for shape, last, rng in _shapes(seed=1):
        x, gy = array(rng, shape, dtype, last), array(rng, shape, dtype, not last)
        y = fast.relu(x)
        assert np.array_equal(y, reference.relu(x)), (shape, last)
        assert np.array_equal(fast.relu_grad(gy, y), reference.relu_grad(gy, y)), (shape, last)


def test_relu_gradient_is_the_derivative(backend):
    rng = np.random.default_rng(2)
    x, gy, direction = distinct(rng, (2, 3, 5, 7)), *rng.uniform(-1, 1, (2, 2, 3, 5, 7))
    h = 1e-4
    ahead, behind = backend.relu(x + h * direction), backend.relu(x - h * direction)
    slope = inner(gy, ahead - behind) / (2 * h)
    assert abs(slope - inner(backend.relu_grad(gy, backend.relu(x)), direction)) < 1e-9


def test_relu_gradient_into_an_array(backend, dtype):
    """Into gy itself, into a third array, and where y lies in another order."""
    for shape, last, rng in _shapes(seed=8, count=40):
        y = cpu.relu(array(rng, shape, dtype, last))
        for other in (last, not last):
            gy = array(rng, shape, dtype, other)
            expected = reference.relu_grad(gy, y)
            out = np.full_like(gy, 9)
            assert backend.relu_grad(gy, y, out=out) is out
            assert np.array_equal(out, expected)
            assert backend.relu_grad(gy, y, out=gy) is gy
            assert np.array_equal(gy, expected)


def test_relu_keeps_the_layout(dtype):
    """Every dense one, without copying; what has gaps becomes channels last."""
    x = np.random.default_rng(9).standard_normal((2, 3, 5, 7)).astype(dtype)
    for order in ((0, 1, 2, 3), (0, 2, 3, 1), (3, 1, 0, 2), (1, 0, 3, 2)):
        laid = np.ascontiguousarray(x.transpose(order)).transpose(np.argsort(order))
        y = cpu.relu(laid)
        assert y.strides == laid.strides
        assert np.array_equal(y, np.maximum(x, 0))
        gx = cpu.relu_grad(x, y)
        assert gx.strides == y.strides
        assert np.array_equal(gx, np.maximum(x, 0))
    y = cpu.relu(x[:, :, :, ::2])
    assert layout.is_channels_last(y)
    assert np.array_equal(y, np.maximum(x[:, :, :, ::2], 0))


def test_relu_of_any_strides(native, dtype):
    """A scalar, gaps, backwards, one number many times; the gradient into each of these."""
    kernels, xp = native
    x, g = (xp.asarray(a) for a in array(np.random.default_rng(14), (2, 3, 4, 5, 6), dtype)[:2])
    for part in (
        lambda a: a[0, 0, 0, 0, ...],
        lambda a: a[:, 1:, ::2, 1:-1],
        lambda a: a[:, ::-1, :, ::-1],
        lambda a: xp.broadcast_to(a[:1, :, :1], a.shape),
    ):
        some, slopes = part(x), part(g)
        y = kernels.relu(some)
        assert np.array_equal(to_numpy(y), np.maximum(to_numpy(some), 0))
        expected = reference.relu_grad(to_numpy(slopes), to_numpy(y))
        assert np.array_equal(to_numpy(kernels.relu_grad(slopes, y)), expected)
        whole = xp.asarray(np.full(g.shape, 7, dtype))
        out = whole if 0 in part(whole).strides else part(whole)
        assert kernels.relu_grad(slopes, y, out=out) is out
        assert np.array_equal(to_numpy(out), expected)
        assert (to_numpy(whole) == 7).sum() == whole.size - out.size


def test_bias_gradient_exact(backend, dtype):
    """Two images, two channels, 1x2 pixels; the rectifier was closed at two places."""
    gy = np.array([[[[1, 2]], [[3, 4]]], [[[10, 20]], [[30, np.nan]]]], dtype)
    y = np.array([[[[5, 0]], [[6, 7]]], [[[8, 9]], [[1, 0]]]], dtype)
    for g in (gy, channels_last(gy)):
        gb = backend.bias_grad(g)
        assert gb.dtype == dtype
        assert np.array_equal(gb, [1 + 2 + 10 + 20, np.nan], equal_nan=True)
        gx, gb = backend.relu_bias_grad(g, y)
        assert gx.dtype == gb.dtype == dtype
        assert np.array_equal(gx, [[[[1, 0]], [[3, 4]]], [[[10, 20]], [[30, 0]]]])
        assert np.array_equal(gb, [1 + 10 + 20, 3 + 4 + 30])


@pytest.mark.parametrize("channels", [1, 3, 21, 64, 600])
def test_bias_gradient_of_long_sums(fast, channels, dtype):
    """As near to the sum in float64 as sums of 16 numbers in the array's own precision are."""
    rng = np.random.default_rng(10)
    shape = 2, channels, 61, 83
    gy, y = rng.uniform(0, 1, shape).astype(dtype), array(rng, shape, dtype, True)
    tolerance = 16 * np.finfo(dtype).eps

    def exact(g):  # along contiguous numbers NumPy sums in pairs
        return np.ascontiguousarray(g.swapaxes(0, 1), "f8").reshape(channels, -1).sum(axis=1)

    for g in (gy, channels_last(gy)):
        check_close(fast.bias_grad(g), exact(g), tolerance, channels)
        expected = reference.relu_grad(g, y)
        own = g.copy(order="K")
        for gx, gb in (fast.relu_bias_grad(g, y), fast.relu_bias_grad(own, y, out=own)):
            assert np.array_equal(gx, expected)
            check_close(gb, exact(expected), tolerance, channels)
        assert gx is own


@pytest.mark.parametrize("shape", [(2, 5, 7, 9), (1, 64, 11, 13), (3, 700, 3, 2), (2, 4, 0, 3)])
def test_bias_gradient_among_other_channels(native, shape, dtype):
    """Some channels of larger maps: the same bits, gx without gaps; into gy, among the others."""
    (kernels, xp), rng, (N, C, H, W) = native, np.random.default_rng(13), shape
    wide = array(rng, (N, H, W, C + 9), dtype), array(rng, (N, H, W, C + 9), dtype)
    (gy, y), some = (xp.asarray(a) for a in wide), slice(4, 4 + C)
    gy, y = (a.transpose(0, 3, 1, 2)[:, some] for a in (gy, y))
    expected = [to_numpy(a) for a in kernels.relu_bias_grad(gy.copy(), y.copy())]
    assert np.array_equal(expected[0], reference.relu_grad(to_numpy(gy), to_numpy(y)))
    for g, values in ((gy, y), (gy.copy(), y), (gy, y.copy())):
        gx, gb = kernels.relu_bias_grad(g, values)
        assert gx.transpose(0, 2, 3, 1).flags.c_contiguous
        assert np.array_equal(to_numpy(gx), expected[0])
        assert np.array_equal(to_numpy(gb), expected[1])
        plain, among = (to_numpy(kernels.bias_grad(a)) for a in (gy.copy(), g))
        assert np.array_equal(plain, among)
    for order in ((0, 2, 3, 1), (0, 1, 2, 3)):
        own = xp.asarray(wide[0].transpose(0, 3, 1, 2).transpose(order).copy())
        own = own.transpose(tuple(np.argsort(order)))
        part = own[:, some]
        gx, gb = kernels.relu_bias_grad(part, y, out=part)
        assert gx is part
        assert np.array_equal(to_numpy(gb), expected[1])
        after = wide[0].transpose(0, 3, 1, 2).copy()
        after[:, some] = expected[0]
        assert np.array_equal(to_numpy(own), after)


@pytest.mark.parametrize("blocks", [1, 3])
@pytest.mark.parametrize("native", DEVICES, indirect=True)
def test_bias_gradient_of_few_blocks_of_threads(native, blocks, dtype, monkeypatch):
    """A thread of a GPU then adds up many pixels, some at a time: whole numbers, exactly."""
    from minifcn.kernels.cuda import activation

    monkeypatch.setattr(activation, "BLOCKS", blocks)
    (kernels, xp), rng = native, np.random.default_rng(16)
    for channels in (3, 64):
        gy = rng.integers(-9, 10, (2, channels, 61, 47)).astype(dtype)
        y = rng.integers(-1, 2, gy.shape).astype(dtype)
        expected = reference.relu_grad(gy, y)
        gx, gb = kernels.relu_bias_grad(xp.asarray(gy), xp.asarray(y))
        assert np.array_equal(to_numpy(gx), expected)
        assert np.array_equal(to_numpy(gb), expected.sum(axis=(0, 2, 3)))
        assert np.array_equal(to_numpy(kernels.bias_grad(xp.asarray(gy))), gy.sum(axis=(0, 2, 3)))


def test_bias_gradient_of_one_number_many_times(native, dtype):
    """As the gradient of a sum is stored: without steps in memory."""
    kernels, xp = native
    for C in (1, 3):
        gy = xp.broadcast_to(xp.asarray(np.array(0.5, dtype)), (2, C, 3, 5))
        y = xp.asarray(np.ones((2, C, 3, 5), dtype))
        assert to_numpy(kernels.bias_grad(gy)).tolist() == [15] * C
        gx, gb = kernels.relu_bias_grad(gy, y)
        assert to_numpy(gb).tolist() == [15] * C
        assert np.array_equal(to_numpy(gx), np.full((2, C, 3, 5), 0.5))


def test_pointwise_does_not_depend_on_the_number_of_threads(dtype, each_thread_count):
    rng = np.random.default_rng(11)
    x, gy = array(rng, (2, 24, 71, 83), dtype, True), array(rng, (2, 24, 71, 83), dtype, True)

    def run():
        y, scale = cpu.local_response_norm(x, 5, 0.1, 0.75, 1.0)
        gx = cpu.local_response_norm_grad(gy, x, y, scale, 5, 0.1, 0.75)
        out = cpu.relu_grad(gy, x, out=gy.copy(order="K"))
        relus = cpu.relu(x), cpu.relu_grad(gy, x), out
        return y, scale, gx, *relus, cpu.bias_grad(gy), *cpu.relu_bias_grad(gy, x)

    expected, *others = (run() for _ in each_thread_count)
    for other in others:
        for a, e in zip(other, expected, strict=True):
            assert np.array_equal(a, e)


def test_lrn_layouts(native, dtype):
    """From any strides the same bits, with channels last."""
    (kernels, xp), rng = native, np.random.default_rng(12)
    x, gy = (xp.asarray(array(rng, (2, 9, 5, 7), dtype)) for _ in range(2))
    x_last, gy_last = (
        xp.asarray(to_numpy(a).transpose(0, 2, 3, 1).copy()).transpose(0, 3, 1, 2) for a in (x, gy)
    )
    expected = None
    for a, g in ((x, gy), (x_last, gy), (x, gy_last), (x_last, gy_last)):
        y, scale = kernels.local_response_norm(a, 5, 0.1, 0.75, 1.0)
        result = y, scale, kernels.local_response_norm_grad(g, a, y, scale, 5, 0.1, 0.75)
        expected = expected or result
        for r, e in zip(result, expected, strict=True):
            assert r.transpose(0, 2, 3, 1).flags.c_contiguous
            assert np.array_equal(to_numpy(r), to_numpy(e))


@pytest.mark.parametrize("size", [1, 5, 64, 2001])
def test_lrn_of_many_channels(compared, size):
    """More than a block of threads has, and windows wider than all of them."""
    (backend, dtype, tolerance), rng = compared, np.random.default_rng(15)
    for channels in (96, 257, 600):
        x, gy = (array(rng, (2, channels, 1, 3), last=True) for _ in range(2))
        expected = reference.local_response_norm(x, size, 0.5, 0.75, 1.0)
        gx = reference.local_response_norm_grad(gy, x, *expected, size, 0.5, 0.75)
        x, gy = x.astype(dtype), gy.astype(dtype)
        actual = backend.local_response_norm(x, size, 0.5, 0.75, 1.0)
        for a, e in zip(actual, expected, strict=True):
            check_close(a, e, tolerance, channels)
        actual = backend.local_response_norm_grad(gy, x, *actual, size, 0.5, 0.75)
        check_close(actual, gx, tolerance, channels)


def test_lrn_of_special_values(backend, dtype):
    """A NaN reaches the channels whose window holds it and no other, nor another pixel."""
    x = np.ones((1, 9, 1, 3), dtype)
    x[0, 4, 0, 1] = np.nan
    y, _ = backend.local_response_norm(x, 3, 0.1, 0.75, 1.0)
    assert np.array_equal(np.argwhere(np.isnan(y))[:, 1], [3, 4, 5])
    assert np.isnan(y[0, :, 0, 1]).sum() == 3


def test_lrn_exact(backend, dtype):
    """Three channels, a window of two: each channel and the one before it."""
    x = np.array([1, 2, 4], dtype).reshape(1, 3, 1, 1)
    y, scale = backend.local_response_norm(x, 2, 0.5, 1.0, 2.0)
    assert y.dtype == dtype
    expected = np.array([2 + 0.25 * 1, 2 + 0.25 * (1 + 4), 2 + 0.25 * (4 + 16)])
    assert np.array_equal(scale.ravel(), expected)
    check_close(y.ravel(), np.array([1, 2, 4]) / expected, 2 * np.finfo(dtype).eps)

    gy = np.array([1, 10, 100], dtype).reshape(1, 3, 1, 1)
    gx = backend.local_response_norm_grad(gy, x, y, scale, 2, 0.5, 1.0)
    ratio = np.array([1, 10, 100]) * (np.array([1, 2, 4]) / expected) / expected
    back = np.array([ratio[0] + ratio[1], ratio[1] + ratio[2], ratio[2]])
    expected = np.array([1, 10, 100]) / expected - 2 * 0.5 / 2 * np.array([1, 2, 4]) * back
    check_close(gx.ravel(), expected, 8 * np.finfo(dtype).eps)


def test_lrn_agrees_with_reference(compared):
    backend, dtype, tolerance = compared
    for shape, last, rng in _shapes(seed=3):
        x, gy = array(rng, shape, last=last), array(rng, shape, last=last)
        size, alpha, k = int(rng.integers(1, 8)), rng.uniform(0.01, 1), rng.uniform(0.5, 2)
        beta = float(rng.choice([0.75, 0.5, 0.3]))
        context = (shape, last, size, alpha, beta, k)
        expected = reference.local_response_norm(x, size, alpha, beta, k)
        gx = reference.local_response_norm_grad(gy, x, *expected, size, alpha, beta)
        x, gy = x.astype(dtype), gy.astype(dtype)
        actual = backend.local_response_norm(x, size, alpha, beta, k)
        for a, e in zip(actual, expected, strict=True):
            assert a.dtype == dtype
            check_close(a, e, tolerance, *context)
        actual = backend.local_response_norm_grad(gy, x, *actual, size, alpha, beta)
        assert actual.dtype == dtype
        check_close(actual, gx, tolerance, *context)


def test_lrn_gradient_is_the_derivative(backend):
    for shape, last, rng in _shapes(seed=4, count=40):
        x, gy = array(rng, shape, last=last), array(rng, shape, last=last)
        direction = rng.uniform(-1, 1, shape)
        size, beta = int(rng.integers(1, 7)), float(rng.choice([0.75, 0.5, 0.3]))
        y, scale = backend.local_response_norm(x, size, 0.5, beta, 1.0)
        gx = backend.local_response_norm_grad(gy, x, y, scale, size, 0.5, beta)
        h = 1e-5
        ahead = backend.local_response_norm(x + h * direction, size, 0.5, beta, 1.0)[0]
        behind = backend.local_response_norm(x - h * direction, size, 0.5, beta, 1.0)[0]
        slope = inner(gy, ahead - behind) / (2 * h)
        scale = inner(abs(gx), abs(direction))
        assert abs(slope - inner(gx, direction)) <= 1e-6 * scale, (shape, size, beta)


def test_lrn_gradient_without_its_nonlinear_part_is_adjoint(backend):
    """At beta = 0 the operation is the identity, and so is its gradient."""
    rng = np.random.default_rng(5)
    x, gy = rng.standard_normal((2, 2, 5, 3, 4))
    y, scale = backend.local_response_norm(x, 5, 0.1, 0.0, 1.0)
    gx = backend.local_response_norm_grad(gy, x, y, scale, 5, 0.1, 0.0)
    check_adjoint(inner(gy, y), inner(gx, x), inner(abs(gy), abs(y)))


def test_sgd_exact(backend, dtype):
    w, g, v = (np.array([[a]], dtype) for a in (8, 4, 2))
    backend.sgd_step(w, g, v, 0.5, 0.25, 0.125)
    velocity = 0.25 * 2 + 0.5 * (4 + 0.125 * 8)
    assert (v.item(), w.item(), g.item()) == (velocity, 8 - velocity, 4)


def test_adamw_exact(backend, dtype):
    """All decimals but the last quotient are exact in binary."""
    w, g, m, s = (np.array([[a]], dtype) for a in (8, 4, 2, 6))
    backend.adamw_step(w, g, m, s, 0.5, 0.75, 0.5, 1.0, 0.25, 2)
    mean, square = 0.75 * 2 + 0.25 * 4, 0.5 * 6 + 0.5 * 4 * 4
    assert (m.item(), s.item(), g.item()) == (mean, square, 4)
    step = 0.5 * (mean / (1 - 0.75**2)) / (np.sqrt(square / (1 - 0.5**2)) + 1.0)
    assert abs(w.item() - (8 - 0.5 * 0.25 * 8 - step)) <= 8 * np.finfo(dtype).eps


def test_updates_agree_with_reference(compared):
    backend, dtype, tolerance = compared
    for shape, last, rng in _shapes(seed=6):
        arrays = [array(rng, shape, last=last) for _ in range(3)]
        arrays.append(abs(array(rng, shape)))  # the mean square is not negative
        ours = [a.astype(dtype) for a in arrays]  # keeps the strides
        kept = ours[1].copy()
        rate, momentum, decay = rng.uniform(0, 1, 3)
        step = int(rng.integers(1, 1000))
        for table, (w, g, m, s) in ((reference, arrays), (backend, ours)):
            table.sgd_step(w, g, m, rate, momentum, decay)
            table.adamw_step(w, g, m, s, rate, momentum, 0.99, 1e-3, decay, step)
        for a, e in zip(ours, arrays, strict=True):
            assert a.dtype == dtype
            check_close(a, e, tolerance, shape, last, rate, momentum, decay, step)
        assert np.array_equal(ours[1], kept)


@pytest.mark.parametrize("size", [1, 31, 100_003])
def test_long_arrays(fast, size, dtype):
    """Lengths beside those of vectors, and long enough for several threads."""
    rng = np.random.default_rng(7)
    x = array(rng, (size,), dtype)
    assert np.array_equal(fast.relu(x), reference.relu(x))
    ours, theirs = [[x.copy(), x[::-1].copy(), x**2] for _ in range(2)]
    fast.sgd_step(*ours, 0.1, 0.9, 0.01)
    reference.sgd_step(*theirs, 0.1, 0.9, 0.01)
    for a, e in zip(ours, theirs, strict=True):
        check_close(a, e, 4 * np.finfo(dtype).eps)


def _shapes(seed: int, count: int = 200):
    rng = np.random.default_rng(seed)
    for _ in range(count):
        shape = tuple(int(n) for n in rng.integers((1, 1, 1, 1), (4, 9, 12, 15)))
        yield shape, bool(rng.random() < 0.3), rng
