"""Bilinear upsampling, its gradient, and the filter."""

import numpy as np
import pytest
from geometries import array, channels_last, check_adjoint, check_close, inner, upsamplings
from minifcn.kernels import cpu, cuda, reference
from minifcn.kernels.cpu import layout
from minifcn.kernels.filters import bilinear_filter, triangle
from on_device import DEVICES, table

DOUBLE = (1, 4), (1, 2), (0, 1)  # kernel size, stride, padding


@pytest.fixture(params=["cpu", *DEVICES])
def fast(request):
    """The backends that are compared with the reference."""
    return table(request.param)


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


def test_every_number_of_channels(fast, dtype):
    """From below one vector to beyond four; any strides give the same bits."""
    rng = np.random.default_rng(4)
    window = (5, 4), (3, 2), (1, 1)
    for channels in range(1, 71):
        x, gy = array(rng, (1, channels, 3, 4), dtype), array(rng, (1, channels, 9, 8), dtype)
        y = fast.upsample_bilinear(x, *window, (9, 8))
        gx = fast.upsample_bilinear_grad(gy, (3, 4), *window)
        tolerance = 8 * np.finfo(dtype).eps
        check_close(y, reference.upsample_bilinear(x, *window, (9, 8)), tolerance, channels)
        expected = reference.upsample_bilinear_grad(gy, (3, 4), *window)
        check_close(gx, expected, tolerance, channels)
        assert fast is not cpu or layout.is_channels_last(y)
        assert fast is not cpu or layout.is_channels_last(gx)
        x, gy = channels_last(x), gy[:, ::-1].copy()[:, ::-1]
        assert np.array_equal(fast.upsample_bilinear(x, *window, (9, 8)), y)
        assert np.array_equal(fast.upsample_bilinear_grad(gy, (3, 4), *window), gx)


def test_not_a_number(fast, dtype):
    """NaN and infinity go where their pixel goes, and nowhere near the neighbours' outputs. Not so
    in the reference: its matrix product multiplies infinity by 0."""
    x = np.zeros((1, 9, 1, 8), dtype)
    x[0, 2, 0, 3], x[0, 4, 0, 3] = np.nan, np.inf
    y = fast.upsample_bilinear(x, *DOUBLE, (1, 16))[0, :, 0]
    assert np.array_equal(np.flatnonzero(np.isnan(y[2])), [5, 6, 7, 8])
    assert np.array_equal(np.flatnonzero(np.isinf(y[4])), [5, 6, 7, 8])
    assert np.isfinite(y[[0, 1, 3, 5, 6, 7, 8]]).all()


def test_emulated_planes_beyond_the_grid(dtype, monkeypatch):
    """A thread of the GPU goes through the planes that lie a whole grid apart."""
    from minifcn.kernels.cuda import upsample

    monkeypatch.setattr(upsample, "MOST", 2)
    rng, emulated = np.random.default_rng(5), table("emulated")
    x, gy = array(rng, (5, 3, 7, 4), dtype), array(rng, (5, 3, 15, 8), dtype)
    window = (5, 4), (2, 2), (1, 1)
    tolerance = 8 * np.finfo(dtype).eps
    y = emulated.upsample_bilinear(x, *window, (15, 8))
    check_close(y, reference.upsample_bilinear(x, *window, (15, 8)), tolerance)
    gx = emulated.upsample_bilinear_grad(gy, (7, 4), *window)
    check_close(gx, reference.upsample_bilinear_grad(gy, (7, 4), *window), tolerance)


@pytest.mark.parametrize("name", DEVICES)
def test_arrays_of_the_gpu_with_gaps(name, dtype):
    """The same bits from arrays that do not lie dense there."""
    xp, rng = table(name).module, np.random.default_rng(6)
    x, gy = (xp.asarray(array(rng, (2, 6, *size), dtype)) for size in ((3, 8), (9, 16)))
    window = (5, 4), (3, 2), (1, 1)
    for view in (lambda a: a[:, ::2, :, ::2], lambda a: a[:, ::-1, :, ::2], lambda a: a[..., 4:]):
        dense = [xp.ascontiguousarray(view(a)) for a in (x, gy)]
        W, OW = (a.shape[3] for a in dense)
        y = cuda.upsample_bilinear(view(x), *window, (9, OW))
        expected = cuda.upsample_bilinear(dense[0], *window, (9, OW))
        assert np.array_equal(y.get(), expected.get())
        gx = cuda.upsample_bilinear_grad(view(gy), (3, W), *window)
        expected = cuda.upsample_bilinear_grad(dense[1], (3, W), *window)
        assert np.array_equal(gx.get(), expected.get())
        assert all(a.transpose(0, 2, 3, 1).flags.c_contiguous for a in (y, gx))
