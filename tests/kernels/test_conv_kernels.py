"""Convolution, its two gradients, and the columns that the reference makes of it."""

import importlib

import numpy as np
import pytest
from geometries import check_adjoint, check_close, convolutions, inner
from minifcn.kernels import reference
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


# Sizes at which the CPU backend cuts its work differently: many strips, few strips of many
# channels, images side by side, kernel as large as the input, several channel blocks, wide groups
LARGE = [
    ((2, 3, 61, 83), (20, 3, 3, 3), (1, 1), (1, 1), (1, 1), 1),
    ((1, 40, 37, 53), (64, 40, 3, 3), (1, 1), (1, 1), (1, 1), 1),
    ((3, 70, 9, 7), (96, 70, 3, 3), (1, 1), (1, 1), (1, 1), 1),
    ((3, 70, 29, 31), (33, 70, 3, 5), (2, 3), (1, 2), (1, 1), 1),
    ((2, 31, 30, 41), (70, 31, 1, 1), (1, 1), (0, 0), (1, 1), 1),
    ((1, 48, 9, 11), (230, 48, 3, 3), (1, 1), (1, 1), (1, 1), 1),
    ((2, 20, 5, 6), (200, 20, 3, 3), (1, 1), (1, 1), (1, 1), 1),
    ((1, 24, 7, 8), (300, 12, 3, 3), (1, 1), (1, 1), (1, 1), 2),
    ((5, 16, 7, 6), (150, 16, 7, 6), (1, 1), (0, 0), (1, 1), 1),
    ((5, 16, 7, 6), (90, 16, 7, 6), (2, 1), (3, 3), (1, 1), 1),
    ((2, 64, 30, 40), (64, 1, 3, 3), (1, 1), (1, 1), (1, 1), 64),
    ((2, 120, 20, 30), (80, 60, 3, 3), (1, 1), (1, 1), (1, 1), 2),
    ((1, 3, 90, 120), (32, 3, 7, 7), (2, 2), (3, 3), (1, 1), 1),
    ((2, 4, 12, 11), (6, 4, 2, 2), (1, 1), (3, 4), (1, 1), 1),  # padding beyond the kernel
]


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


def test_a_tiny_workspace_changes_nothing(backend, monkeypatch):
    """Strips of one row, or of a few columns, give what whole images give."""
    module = importlib.import_module(f"{backend.__name__}.conv")
    limits = {"WORKSPACE": 1}
    if hasattr(module, "MIN_COLUMNS"):
        limits |= {"MIN_COLUMNS": 5, "MAX_COLUMNS": 5, "ROWS": 3}
    for geometry, rng in convolutions(seed=5, count=60):
        x, w, b, gy = geometry.arrays(rng)

        def run(x=x, w=w, b=b, gy=gy, geometry=geometry):
            size, kernel, window = geometry.size, geometry.kernel_size, geometry.window
            return (
                backend.conv2d(x, w, b, *window),
                backend.conv2d_grad_input(gy, w, size, *window),
                backend.conv2d_grad_weight(gy, x, kernel, *window),
            )

        expected = run()
        with monkeypatch.context() as patch:
            for name, value in limits.items():
                patch.setattr(module, name, value)
            actual = run()
        for a, e in zip(actual, expected, strict=True):
            check_close(a, e, 1e-13, geometry)


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


def test_cpu_columns_are_the_reference_columns():
    """fill_columns and add_columns, strip by strip, against im2col and col2im of a padded x."""
    from minifcn.kernels.cpu.im2col import add_columns, fill_columns
    from minifcn.kernels.cpu.im2col import strips as cut

    for geometry, rng in convolutions(seed=7):
        x, *_ = (np.ascontiguousarray(a) for a in geometry.arrays(rng))
        (N, C, H, W), (OH, OW), (PH, PW) = x.shape, geometry.output_size, geometry.padding
        kernel, window = geometry.kernel_size, geometry.window[:3]
        padded = np.pad(x, ((0, 0), (0, 0), (PH, PH), (PW, PW)))
        back, seen = np.zeros_like(x), []
        for n0, n1, r0, r1 in cut(N, OH, OW, int(rng.integers(1, 3 * OH * OW))):
            cols = np.full((C * kernel[0] * kernel[1], n1 - n0, r1 - r0, OW), np.nan)
            fill_columns(0, len(cols), 0, x, cols, n0, r0, kernel, *window)
            seen += [(n, r) for n in range(n0, n1) for r in range(r0, r1)]
            for n in range(n0, n1):
                rows = range(r0, r1)
                expected = im2col(padded[n], kernel, window[0], window[2], rows, OW)
                actual = cols[:, n - n0].reshape(expected.shape)
                assert np.array_equal(actual, expected), geometry
            channels = cols.reshape(C, *kernel, *cols.shape[1:])
            add_columns(0, C, channels, back, n0, 0, r0, *window)
        assert sorted(seen) == [(n, r) for n in range(N) for r in range(OH)], geometry
        expected = np.zeros_like(padded)
        for n in range(N):
            cols = im2col(padded[n], kernel, window[0], window[2], range(OH), OW)
            col2im(cols, expected[n], kernel, window[0], window[2], range(OH), OW)
        check_close(back, expected[:, :, PH : PH + H, PW : PW + W], 1e-14, geometry)
