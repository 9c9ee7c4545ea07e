"""Convolution, its two gradients, and the columns that the reference makes of it."""

import itertools

import numpy as np
import pytest
from geometries import LARGE, array, check_adjoint, check_close, convolutions, inner
from minifcn.kernels import cpu, reference
from minifcn.kernels.cpu import direct, gradient, layout
from minifcn.kernels.reference.im2col import col2im, im2col, strips

PLAIN = (1, 1), (0, 0), (1, 1), 1  # stride, padding, dilation, groups


def test_exact(backend, dtype):
    x = np.array([[[[1, 2, 3], [4, 5, 6]]]], dtype)
    w = np.array([[[[1, 10], [100, 1000]]]], dtype)
    y = backend.conv2d(x, w, np.array([0.5], dtype), *PLAIN)
    expected = [[[[1 + 20 + 400 + 5000 + 0.5, 2 + 30 + 500 + 6000 + 0.5]]]]
    assert y.dtype == dtype
    assert np.array_equal(y, expected)

    gy = np.array([[[[7, 9]]]], dtype)
    gx = backend.conv2d_grad_input(gy, w, (2, 3), *PLAIN)
    expected = [[[[7 * 1, 7 * 10 + 9 * 1, 9 * 10], [7 * 100, 7 * 1000 + 9 * 100, 9 * 1000]]]]
    assert gx.dtype == dtype
    assert np.array_equal(gx, expected)

    gw = backend.conv2d_grad_weight(gy, x, (2, 2), *PLAIN)
    expected = [[[[7 * 1 + 9 * 2, 7 * 2 + 9 * 3], [7 * 4 + 9 * 5, 7 * 5 + 9 * 6]]]]
    assert gw.dtype == dtype
    assert np.array_equal(gw, expected)


def test_exact_stride_padding_dilation(backend, dtype):
    """One row, kernel 1x2 with taps 2 apart, one pixel of padding: y[o] = x[2o-1] + 10 x[2o+1]."""
    x = np.array([[[[1, 2, 3, 4, 5]]]], dtype)
    w = np.array([[[[1, 10]]]], dtype)
    window = (1, 2), (0, 1), (1, 2), 1
    y = backend.conv2d(x, w, None, *window)
    assert np.array_equal(y, [[[[0 + 10 * 2, 2 + 10 * 4, 4 + 10 * 0]]]])

    gy = np.array([[[[3, 5, 7]]]], dtype)
    gx = backend.conv2d_grad_input(gy, w, (1, 5), *window)
    assert np.array_equal(gx, [[[[0, 10 * 3 + 5, 0, 10 * 5 + 7, 0]]]])
    gw = backend.conv2d_grad_weight(gy, x, (1, 2), *window)
    assert np.array_equal(gw, [[[[5 * 2 + 7 * 4, 3 * 2 + 5 * 4]]]])


def test_exact_gradient_of_which_a_phase_has_one_tap(backend, dtype):
    """Stride 2, kernel 1x2, one pixel of padding: y[o] = x[2o-1] + 10 x[2o], and the last is
    beyond. Even pixels see one tap of all columns but the last."""
    gy = np.array([[[[1, 2, 3], [4, 5, 6]]]], dtype)
    w = np.array([[[[1, 10]]]], dtype)
    gx = backend.conv2d_grad_input(gy, w, (2, 4), (1, 2), (0, 1), (1, 1), 1)
    assert np.array_equal(gx, [[[[10, 2, 20, 3], [40, 5, 50, 6]]]])


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("K", [1, 2, 3, 4])
def test_all_small_windows_agree_with_the_reference(axis, K, dtype):
    """Along one axis: every stride, padding and dilation up to 3, maps of 1 to 7 pixels."""
    rng = np.random.default_rng(K)

    def pair(along, across):
        return (along, across) if axis == 0 else (across, along)

    w = array(rng, (2, 2, *pair(K, 1)), dtype)
    for length, S, P, D in itertools.product(range(1, 8), range(1, 4), range(3), range(1, 4)):
        out = (length + 2 * P - D * (K - 1) - 1) // S + 1
        if out < 1:
            continue
        window = pair(S, 1), pair(P, 0), pair(D, 1), 1
        x = array(rng, (2, 2, *pair(length, 3)), dtype)
        gy = array(rng, (2, 2, *pair(out, 3)), dtype)
        size = x.shape[2:]
        for name, arguments in (
            ("conv2d", (x, w, None, *window)),
            ("conv2d_grad_input", (gy, w, size, *window)),
            ("conv2d_grad_weight", (gy, x, w.shape[2:], *window)),
        ):
            found, wanted = (getattr(k, name)(*arguments) for k in (cpu, reference))
            tolerance = 1e-5 if dtype == np.float32 else 1e-13
            check_close(found, wanted, tolerance, name, length, S, P, D)


def test_exact_groups_and_batch(backend, dtype):
    """Two images of two channels in two groups, one pixel each: k = 0, 1 see c = 0; 2, 3 see 1."""
    x = np.array([[2, 3], [5, 7]], dtype).reshape(2, 2, 1, 1)
    w = np.array([1, 10, 100, 1000], dtype).reshape(4, 1, 1, 1)
    b = np.array([0, 1, 2, 3], dtype)
    window = (1, 1), (0, 0), (1, 1), 2
    y = backend.conv2d(x, w, b, *window)
    assert np.array_equal(y[:, :, 0, 0], [[2, 20 + 1, 300 + 2, 3003], [5, 51, 702, 7003]])

    gy = np.array([[1, 2, 3, 4], [5, 6, 7, 8]], dtype).reshape(2, 4, 1, 1)
    gx = backend.conv2d_grad_input(gy, w, (1, 1), *window)
    assert np.array_equal(gx[:, :, 0, 0], [[1 + 20, 300 + 4000], [5 + 60, 700 + 8000]])
    gw = backend.conv2d_grad_weight(gy, x, (1, 1), *window)
    expected = [1 * 2 + 5 * 5, 2 * 2 + 6 * 5, 3 * 3 + 7 * 7, 4 * 3 + 8 * 7]
    assert np.array_equal(gw[:, 0, 0, 0], expected)


def test_agrees_with_reference(compared):
    backend, dtype, tolerance = compared
    for geometry, rng in convolutions(seed=1):
        x, w, b, gy = geometry.arrays(rng)
        size, kernel, window = geometry.size, geometry.kernel_size, geometry.window
        b = b if rng.random() < 0.5 else None
        expected = (
            reference.conv2d(x, w, b, *window),
            reference.conv2d_grad_input(gy, w, size, *window),
            reference.conv2d_grad_weight(gy, x, kernel, *window),
        )
        x, w, gy = (a.astype(dtype) for a in (x, w, gy))
        b = None if b is None else b.astype(dtype)
        actual = (
            backend.conv2d(x, w, b, *window),
            backend.conv2d_grad_input(gy, w, size, *window),
            backend.conv2d_grad_weight(gy, x, kernel, *window),
        )
        for a, e in zip(actual, expected, strict=True):
            assert a.dtype == dtype
            check_close(a, e, tolerance, geometry)


@pytest.mark.parametrize("case", LARGE, ids=str)
def test_agrees_with_reference_on_larger_arrays(compared, case):
    backend, dtype, tolerance = compared
    (shape, weight_shape, *window), rng = case, np.random.default_rng(2)
    x, w, b = (rng.standard_normal(s) for s in (shape, weight_shape, weight_shape[:1]))
    expected = reference.conv2d(x, w, b, *window)
    gy = rng.standard_normal(expected.shape)
    actual = backend.conv2d(*(a.astype(dtype) for a in (x, w, b)), *window)
    check_close(actual, expected, tolerance)
    size, kernel = shape[2:], weight_shape[2:]
    expected = reference.conv2d_grad_input(gy, w, size, *window)
    actual = backend.conv2d_grad_input(gy.astype(dtype), w.astype(dtype), size, *window)
    check_close(actual, expected, tolerance)
    expected = reference.conv2d_grad_weight(gy, x, kernel, *window)
    actual = backend.conv2d_grad_weight(gy.astype(dtype), x.astype(dtype), kernel, *window)
    check_close(actual, expected, tolerance)


def test_the_three_are_derivatives_of_one_form(backend):
    """<gy, conv(x, w)> = <conv2d_grad_input(gy, w), x> = <conv2d_grad_weight(gy, x), w>."""
    for geometry, rng in convolutions(seed=3):
        x, w, _, gy = geometry.arrays(rng)
        form = inner(gy, backend.conv2d(x, w, None, *geometry.window))
        scale = inner(abs(gy), reference.conv2d(abs(x), abs(w), None, *geometry.window))
        gx = backend.conv2d_grad_input(gy, w, geometry.size, *geometry.window)
        check_adjoint(inner(gx, x), form, scale, geometry)
        gw = backend.conv2d_grad_weight(gy, x, geometry.kernel_size, *geometry.window)
        check_adjoint(inner(gw, w), form, scale, geometry)


def test_arguments_are_left_alone(backend):
    for geometry, rng in convolutions(seed=4, count=20):
        arrays = geometry.arrays(rng)
        copies = [a.copy() for a in arrays]
        for a in arrays:
            a.flags.writeable = False
        x, w, b, gy = arrays
        backend.conv2d(x, w, b, *geometry.window)
        backend.conv2d_grad_input(gy, w, geometry.size, *geometry.window)
        backend.conv2d_grad_weight(gy, x, geometry.kernel_size, *geometry.window)
        for a, copy in zip(arrays, copies, strict=True):
            assert np.array_equal(a, copy), geometry


def test_a_tiny_workspace_changes_nothing(monkeypatch):
    """The reference with strips of one row gives what it gives with whole images."""
    for geometry, rng in convolutions(seed=5, count=60):
        x, w, b, gy = geometry.arrays(rng)

        def run(x=x, w=w, b=b, gy=gy, geometry=geometry):
            size, kernel, window = geometry.size, geometry.kernel_size, geometry.window
            return (
                reference.conv2d(x, w, b, *window),
                reference.conv2d_grad_input(gy, w, size, *window),
                reference.conv2d_grad_weight(gy, x, kernel, *window),
            )

        expected = run()
        with monkeypatch.context() as patch:
            patch.setattr(reference.conv, "WORKSPACE", 1)
            actual = run()
        for a, e in zip(actual, expected, strict=True):
            check_close(a, e, 1e-13, geometry)


def test_how_the_direct_kernels_cut_their_work_changes_nothing(monkeypatch, dtype, settings):
    """Strips of one row, blocks of sixteen channels, panels packed by their task or by all
    threads, shares, with a border and without."""
    cpu.conv.set_algorithm("direct")
    small = (
        {(direct, "STRIP"): 1, (direct, "FLAT"): 5, (gradient, "STRIP"): 1},
        {(direct, "PANEL"): 2000, (gradient, "SUMS"): 2000, (gradient, "CHANNELS"): 3},
        {(direct, "PANEL"): 2000, (direct, "TASKS"): 1, (gradient, "TASKS"): 1},
        {(direct, "TASKS"): 1000, (gradient, "TASKS"): 1000, (gradient, "STRIP"): 1},
        {(direct, "OWN"): 0, (gradient, "SMALL"): 0, (gradient, "ENOUGH"): 1000},
        {(gradient, "SMALL"): 10**6, (gradient, "ENOUGH"): 0, (gradient, "TORN"): 1},
    )
    shapes = [*convolutions(seed=5, count=30)]
    shapes = [(g.window, g.arrays(rng, dtype)) for g, rng in shapes]
    rng = np.random.default_rng(6)
    for C, K, size in ((40, 70, 3), (21, 33, 1), (19, 5, 2), (70, 9, 1)):
        x, w = array(rng, (2, C, 9, 7), dtype), array(rng, (K, C, size, size), dtype)
        gy = array(rng, (2, K, 10 - size, 8 - size), dtype)
        shapes.append((PLAIN, (x, w, array(rng, (K,), dtype), gy)))
    for window, (x, w, b, gy) in shapes:

        def run(x=x, w=w, b=b, gy=gy, window=window):
            return (
                cpu.conv2d(x, w, b, *window),
                cpu.conv2d_grad_input(gy, w, x.shape[2:], *window),
                cpu.conv2d_grad_weight(gy, x, w.shape[2:], *window),
            )

        expected = run()
        for limits in small:
            with monkeypatch.context() as patch:
                for (module, name), value in limits.items():
                    patch.setattr(module, name, value)
                direct._plan.cache_clear()
                gradient._plan.cache_clear()
                actual = run()
            direct._plan.cache_clear()
            gradient._plan.cache_clear()
            for a, e in zip(actual, expected, strict=True):
                tolerance = {"float32": 2e-6, "float64": 1e-14}[dtype.name]
                check_close(a, e, tolerance, window, x.shape, w.shape, limits)


@pytest.mark.parametrize("relu", [False, True])
def test_maps_stored_past_the_caches_are_the_same(monkeypatch, dtype, algorithm, relu):
    """For any number of filters: some start where no vector may be stored so."""
    rng = np.random.default_rng(10)
    for shape, weight_shape, *window in (
        ((2, 16, 9, 10), (64, 16, 3, 3), *PLAIN),
        ((2, 16, 9, 10), (32, 16, 1, 1), *PLAIN),
        ((1, 16, 9, 10), (48, 16, 3, 3), (2, 1), (1, 1), (1, 1), 1),
        ((2, 16, 9, 10), (24, 16, 3, 3), *PLAIN),
        ((2, 16, 9, 10), (37, 16, 3, 2), *PLAIN),
        ((1, 16, 9, 10), (80, 8, 3, 3), (1, 1), (1, 1), (1, 1), 2),  # groups of 40
        ((1, 16, 9, 10), (64, 8, 3, 3), (1, 1), (1, 1), (1, 1), 2),
        ((1, 700, 4, 5), (64, 700, 3, 3), (1, 1), (1, 1), (1, 1), 1),  # in two blocks of channels
    ):
        x, w, b = (array(rng, s, dtype) for s in (shape, weight_shape, weight_shape[:1]))
        expected = cpu.conv2d(x, w, b, *window, relu=relu)
        gx = cpu.conv2d_grad_input(expected, w, shape[2:], *window)
        with monkeypatch.context() as patch:
            patch.setattr(layout, "STREAMED", -1)
            assert np.array_equal(cpu.conv2d(x, w, b, *window, relu=relu), expected)
            assert np.array_equal(cpu.conv2d_grad_input(expected, w, shape[2:], *window), gx)


# x, w, padding, and every way in which the CPU backend runs it: 3x3 with and without whole vectors
# of channels, filters that outweigh the map, a window that makes rows of any length
RECTIFIED = [
    ((2, 16, 13, 11), (48, 16, 3, 3), (1, 2), "winograd"),
    ((1, 64, 5, 6), (80, 64, 3, 3), (1, 1), "winograd"),
    ((1, 16, 12, 11), (48, 16, 7, 7), (0, 3), "winograd"),
    ((1, 16, 12, 11), (48, 16, 5, 5), (2, 0), "winograd"),
    ((2, 16, 13, 11), (48, 16, 3, 3), (1, 2), "direct"),
    ((2, 5, 13, 11), (37, 5, 4, 3), (0, 1), "direct"),
    ((3, 40, 13, 11), (37, 40, 1, 1), (0, 0), "direct"),
    ((1, 520, 5, 5), (300, 520, 3, 3), (1, 1), "direct"),
]


@pytest.mark.parametrize("case", RECTIFIED, ids=str)
def test_a_rectified_convolution_is_the_rectified_convolution(case, dtype, settings):
    """Bit for bit, with and without a bias; NaN stays."""
    (shape, weight_shape, padding, algorithm), rng = case, np.random.default_rng(7)
    cpu.conv.set_algorithm(algorithm)
    x, w, b = (array(rng, s, dtype) for s in (shape, weight_shape, weight_shape[:1]))
    window = (1, 1), padding, (1, 1), 1
    for bias in (None, b):
        y = cpu.conv2d(x, w, bias, *window)
        rectified = cpu.conv2d(x, w, bias, *window, relu=True)
        assert 0.2 < np.mean(y < 0) < 0.8
        assert np.array_equal(rectified, np.maximum(y, 0))
        assert rectified.dtype == dtype
    b[3] = np.nan
    rectified = cpu.conv2d(x, w, b, *window, relu=True)
    assert np.isnan(rectified[:, 3]).all()
    assert not np.isnan(rectified[:, :3]).any()


@pytest.mark.parametrize("case", RECTIFIED, ids=str)
def test_written_between_other_channels(case, dtype, settings):
    """The same bits among the channels of larger maps, and nothing else is touched."""
    (shape, weight_shape, padding, algorithm), rng = case, np.random.default_rng(8)
    cpu.conv.set_algorithm(algorithm)
    x, w, b = (array(rng, s, dtype) for s in (shape, weight_shape, weight_shape[:1]))
    for backend, before in ((cpu, 3), (cpu, 16), (reference, 3)):
        y = backend.conv2d(x, w, b, (1, 1), padding, (1, 1), 1, relu=True)
        N, K, *size = y.shape
        maps = backend.empty_maps((N, before + K + 16, *size), x)
        maps[...] = 777
        out = maps[:, before : before + K]
        result = backend.conv2d(x, w, b, (1, 1), padding, (1, 1), 1, relu=True, out=out)
        assert np.shares_memory(result, maps)
        assert np.array_equal(result, y)
        assert np.all(maps[:, :before] == 777)
        assert np.all(maps[:, before + K :] == 777)


def test_rectified_in_the_reference(dtype):
    x, w = np.array([[[[1, -2, np.nan]]]], dtype), np.ones((2, 1, 1, 1), dtype)
    w[1] = -1
    y = reference.conv2d(x, w, None, *PLAIN, relu=True)
    assert np.array_equal(y, [[[[1, 0, np.nan]], [[0, 2, np.nan]]]], equal_nan=True)


def views(rng, shape, dtype, last: bool):
    """Arrays of one shape with many kinds of strides, cut from maps with NCHW or NHWC strides."""
    N, C, H, W = shape

    def cut(*extra):
        return array(rng, tuple(n + e for n, e in zip(shape, extra, strict=True)), dtype, last)

    yield "whole", cut(0, 0, 0, 0)
    yield "crop", cut(0, 0, 3, 4)[:, :, 1:-2, 3:-1]
    yield "channels", cut(0, 7, 0, 0)[:, 3:-4]
    yield "images", cut(2 * N, 0, 0, 0)[1::3]
    yield "every second pixel", cut(0, 0, H, W)[:, :, ::2, ::2]
    yield "every second column", cut(0, 0, 0, W)[:, :, :, ::2]
    yield "every second row", cut(0, 0, H, 0)[:, :, ::2]
    yield "every second channel", cut(0, C, 0, 0)[:, ::2]
    yield "mirrored", cut(0, 0, 0, 0)[:, :, ::-1, ::-1]
    yield "rows mirrored", cut(0, 0, 0, 0)[:, :, ::-1]
    yield "columns mirrored", cut(0, 0, 0, 0)[:, :, :, ::-1]
    yield "backwards", cut(0, 0, 0, 0)[::-1, ::-1]
    yield "transposed", array(rng, (N, C, W, H), dtype, last).swapaxes(2, 3)
    yield "one image", np.broadcast_to(cut(0, 0, 0, 0)[:1], shape)
    yield "one pixel", np.broadcast_to(cut(0, 0, 0, 0)[:, :, :1, :1], shape)


VIEWED = [
    ((2, 16, 9, 10), (32, 16, 3, 3), ((1, 1), (1, 1), (1, 1), 1)),
    ((2, 5, 8, 7), (35, 5, 3, 3), ((1, 1), (1, 0), (1, 1), 1)),
    ((2, 6, 9, 7), (8, 3, 2, 3), ((2, 1), (0, 2), (1, 2), 2)),
    ((2, 19, 6, 5), (34, 19, 1, 1), ((1, 1), (0, 0), (1, 1), 1)),
    ((2, 1, 9, 8), (3, 1, 3, 2), ((1, 1), (0, 0), (1, 1), 1)),
    ((2, 16, 9, 8), (16, 16, 7, 7), ((1, 1), (1, 0), (1, 1), 1)),
    ((2, 7, 6, 1), (20, 7, 3, 1), ((1, 1), (0, 0), (1, 1), 1)),
    ((2, 7, 1, 6), (5, 7, 1, 3), ((1, 1), (0, 0), (1, 1), 1)),
]


@pytest.mark.parametrize("last", [False, True], ids=["nchw", "nhwc"])
@pytest.mark.parametrize("case", VIEWED, ids=str)
def test_views_of_larger_arrays(case, last, dtype, algorithm):
    """x, gy and w may have any strides: crops, every second pixel, channels among others."""
    (shape, weight_shape, window), rng = case, np.random.default_rng(8)
    w = array(rng, weight_shape, dtype)
    tolerance = {"float32": 2e-5, "float64": 1e-12}[dtype.name]

    def check(x, w, gy, name):
        x64, w64, gy64 = (np.ascontiguousarray(a, float) for a in (x, w, gy))
        y = reference.conv2d(x64, w64, None, *window)
        check_close(cpu.conv2d(x, w, None, *window), y, tolerance, name)
        gx = reference.conv2d_grad_input(gy64, w64, shape[2:], *window)
        actual = cpu.conv2d_grad_input(gy, w, shape[2:], *window)
        check_close(actual, gx, tolerance, name)
        gw = reference.conv2d_grad_weight(gy64, x64, weight_shape[2:], *window)
        actual = cpu.conv2d_grad_weight(gy, x, weight_shape[2:], *window)
        check_close(actual, gw, tolerance, name)

    x0 = array(rng, shape, dtype)
    output_shape = cpu.conv2d(x0, w, None, *window).shape
    gy0 = array(rng, output_shape, dtype)
    for name, x in views(rng, shape, dtype, last):
        check(x, w, gy0, f"x: {name}")
    for name, gy in views(rng, output_shape, dtype, last):
        check(x0, w, gy, f"gy: {name}")
    for name, filters in views(rng, weight_shape, dtype, last):
        check(x0, filters, gy0, f"w: {name}")


@pytest.mark.parametrize("last", [False, True], ids=["nchw", "nhwc"])
def test_a_bias_may_be_a_view(last, dtype, algorithm):
    rng = np.random.default_rng(9)
    x, w = array(rng, (1, 16, 7, 8), dtype, last), array(rng, (32, 16, 3, 3), dtype)
    y = cpu.conv2d(x, w, None, *PLAIN)
    for b in (array(rng, (64,), dtype)[::2], array(rng, (32,), dtype)[::-1]):
        assert np.allclose(cpu.conv2d(x, w, b, *PLAIN), y + b[:, None, None], 1e-5, 1e-4)


def test_strips_cover_every_row_within_the_workspace():
    for workspace in (1, 100, 1000, 10**9):
        parts = list(strips(12, 17, 5, workspace))
        assert [row for part in parts for row in part] == list(range(17))
        assert all(len(part) == 1 or len(part) * 5 * 12 <= workspace for part in parts)


def test_im2col_exact():
    """Kernel 1x2 on one row: a column holds a pixel and its right neighbour."""
    x = np.array([[[1.0, 2.0, 3.0]]])
    assert np.array_equal(im2col(x, (1, 2), (1, 1), (1, 1), range(1), 2), [[1, 2], [2, 3]])
    out = np.zeros_like(x)
    col2im(np.array([[10.0, 20.0], [3.0, 4.0]]), out, (1, 2), (1, 1), (1, 1), range(1), 2)
    assert np.array_equal(out, [[[10, 20 + 3, 4]]])


def test_im2col_and_col2im_are_adjoint():
    for geometry, rng in convolutions(seed=6):
        (OH, OW), (PH, PW) = geometry.output_size, geometry.padding
        x = rng.standard_normal(
            (geometry.Cg, geometry.size[0] + 2 * PH, geometry.size[1] + 2 * PW)
        )
        rows = range(OH // 2, OH)
        window = geometry.kernel_size, geometry.stride, geometry.dilation, rows, OW
        cols = im2col(x, *window)
        other = rng.standard_normal(cols.shape)
        back = np.zeros_like(x)
        col2im(other, back, *window)
        check_adjoint(inner(cols, other), inner(x, back), inner(abs(cols), abs(other)), geometry)
