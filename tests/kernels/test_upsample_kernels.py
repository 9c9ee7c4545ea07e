"""Bilinear upsampling, its gradient, and the filter."""

import numpy as np
import pytest
from geometries import array, channels_last, check_adjoint, check_close, inner, upsamplings
from minifcn.kernels import cpu, reference
from minifcn.kernels.cpu import layout
from minifcn.kernels.filters import bilinear_filter, triangle

DOUBLE = (1, 4), (1, 2), (0, 1)  # kernel size, stride, padding


def test_triangle_exact():
    assert np.array_equal(triangle(1), [1])
    assert np.array_equal(triangle(3), [1 / 2, 1, 1 / 2])
    assert np.array_equal(triangle(4), [1 / 4, 3 / 4, 3 / 4, 1 / 4])
    check_close(triangle(5), [1 / 3, 2 / 3, 1, 2 / 3, 1 / 3], 1e-15)
    assert np.array_equal(bilinear_filter((1, 3)), [[1 / 2, 1, 1 / 2]])
    assert np.array_equal(bilinear_filter((4, 3))[:, 1], triangle(4))


@pytest.mark.parametrize("factor", range(1, 17))
def test_triangles_are_a_partition_of_unity(factor):
    """For each output, the taps that it sees, ``factor`` apart, sum to 1: constants stay."""
    for size in (2 * factor, 2 * factor - 1):
        padded = np.append(triangle(size), np.zeros(2 * factor - size))
        check_close(padded.reshape(2, factor).sum(axis=0), np.ones(factor), 1e-15)


def test_exact(backend, dtype):
    """Doubling (8, 16, 4): weights 3/4 and 1/4, and beyond the ends nothing."""
    y = backend.upsample_bilinear(np.array([[[[8, 16, 4]]]], dtype), *DOUBLE, (1, 6))
    assert y.dtype == dtype
    expected = [6, 6 + 4, 2 + 12, 12 + 1, 4 + 3, 3]
    assert np.array_equal(y, [[[expected]]])
    gy = np.array([[[[4, 8, 16, 32, 64, 128]]]], dtype)
    gx = backend.upsample_bilinear_grad(gy, (1, 3), *DOUBLE)
    assert gx.dtype == dtype
    assert np.array_equal(gx, [[[[3 + 6 + 4, 2 + 12 + 24 + 16, 8 + 48 + 96]]]])


def test_exact_in_two_dimensions(backend, dtype):
    """Kernel 3, stride 2: rows between are means of their neighbours, both ways."""
    x = np.array([[[[0, 4], [8, 20]]]], dtype)
    y = backend.upsample_bilinear(x, (3, 3), (2, 2), (1, 1), (3, 3))
    assert np.array_equal(y, [[[[0, 2, 4], [4, 8, 12], [8, 14, 20]]]])


def test_a_plane_stays_a_plane(backend):
    """x[h, w] = 1 + 2h + 3w, upsampled 4 and 3 times, away from the border."""
    h, w = np.mgrid[:6, :7]
    x = (1.0 + 2 * h + 3 * w)[None, None]
    y = backend.upsample_bilinear(x, (8, 6), (4, 3), (2, 1), (24, 22))[0, 0]
    oh, ow = np.mgrid[:24, :22]
    expected = 1 + 2 * ((oh + 2 - 3.5) / 4) + 3 * ((ow + 1 - 2.5) / 3)
    check_close(y[3:-3, 3:-3], expected[3:-3, 3:-3], 1e-14)


def test_agrees_with_reference(compared):
    backend, dtype, tolerance = compared
    for geometry, rng in upsamplings(seed=1):
        x, gy = geometry.arrays(rng)
        expected = reference.upsample_bilinear(x, *geometry.window, geometry.output_size)
        y = backend.upsample_bilinear(x.astype(dtype), *geometry.window, geometry.output_size)
        assert y.dtype == dtype
        check_close(y, expected, tolerance, geometry)
        expected = reference.upsample_bilinear_grad(gy, geometry.size, *geometry.window)
        gx = backend.upsample_bilinear_grad(gy.astype(dtype), geometry.size, *geometry.window)
        assert gx.dtype == dtype
        check_close(gx, expected, tolerance, geometry)


def test_agrees_with_the_transposed_convolution(backend):
    """It is conv2d_grad_input with the bilinear filter, one channel at a time."""
    for geometry, rng in upsamplings(seed=2, count=60):
        x, gy = geometry.arrays(rng)
        kernel, stride, padding = geometry.window
        w = np.broadcast_to(bilinear_filter(kernel), (geometry.C, 1, *kernel))
        rest = stride, padding, (1, 1), geometry.C
        y = backend.upsample_bilinear(x, *geometry.window, geometry.output_size)
        expected = reference.conv2d_grad_input(x, w, geometry.output_size, *rest)
        check_close(y, expected, 1e-12, geometry)
        gx = backend.upsample_bilinear_grad(gy, geometry.size, *geometry.window)
        check_close(gx, reference.conv2d(gy, w, None, *rest), 1e-12, geometry)


def test_gradient_is_adjoint(backend):
    for geometry, rng in upsamplings(seed=3):
        x, gy = geometry.arrays(rng)
        y = backend.upsample_bilinear(x, *geometry.window, geometry.output_size)
        gx = backend.upsample_bilinear_grad(gy, geometry.size, *geometry.window)
        scale = inner(
            abs(gy), backend.upsample_bilinear(abs(x), *geometry.window, geometry.output_size)
        )
        check_adjoint(inner(gy, y), inner(gx, x), scale, geometry)


def test_every_number_of_channels(dtype):
    """From below one vector to beyond four; any strides give the same bits."""
    rng = np.random.default_rng(4)
    window = (5, 4), (3, 2), (1, 1)
    for channels in range(1, 71):
        x, gy = array(rng, (1, channels, 3, 4), dtype), array(rng, (1, channels, 9, 8), dtype)
        y = cpu.upsample_bilinear(x, *window, (9, 8))
        gx = cpu.upsample_bilinear_grad(gy, (3, 4), *window)
        tolerance = 8 * np.finfo(dtype).eps
        check_close(y, reference.upsample_bilinear(x, *window, (9, 8)), tolerance, channels)
        expected = reference.upsample_bilinear_grad(gy, (3, 4), *window)
        check_close(gx, expected, tolerance, channels)
        assert layout.is_channels_last(y)
        assert layout.is_channels_last(gx)
        x, gy = channels_last(x), gy[:, ::-1].copy()[:, ::-1]
        assert np.array_equal(cpu.upsample_bilinear(x, *window, (9, 8)), y)
        assert np.array_equal(cpu.upsample_bilinear_grad(gy, (3, 4), *window), gx)


def test_not_a_number(dtype):
    """NaN and infinity go where their pixel goes, and nowhere near the neighbours' outputs. Not so
    in the reference: its matrix product multiplies infinity by 0."""
    x = np.zeros((1, 9, 1, 8), dtype)
    x[0, 2, 0, 3], x[0, 4, 0, 3] = np.nan, np.inf
    y = cpu.upsample_bilinear(x, *DOUBLE, (1, 16))[0, :, 0]
    assert np.array_equal(np.flatnonzero(np.isnan(y[2])), [5, 6, 7, 8])
    assert np.array_equal(np.flatnonzero(np.isinf(y[4])), [5, 6, 7, 8])
    assert np.isfinite(y[[0, 1, 3, 5, 6, 7, 8]]).all()
