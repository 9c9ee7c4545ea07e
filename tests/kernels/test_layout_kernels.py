"""Channels last: arrays that lie so, copies that do, and the zero border of a map."""

import numpy as np
import pytest
from geometries import array
from minifcn.kernels.cpu import layout
from minifcn.kernels.cpu.frame import framed, reach
from minifcn.kernels.cpu.vectors import kind

SHAPES = [(1, 1, 1, 1), (2, 3, 5, 7), (1, 65, 3, 130), (3, 1, 4, 2), (2, 16, 1, 9), (2, 16, 9, 1)]


def test_aligned_arrays_start_a_cache_line(dtype):
    for shape in ((), (1,), (3, 5), (0, 4), (2, 3, 5, 7), (1, 1, 1000)):
        held = [layout.aligned(shape, dtype) for _ in range(5)]  # where they lie differs
        for x in held:
            assert (x.shape, x.dtype, x.flags.c_contiguous) == (shape, dtype, True)
            assert x.ctypes.data % 64 == 0 or x.size == 0
            x[...] = 1  # all of it is memory


def test_pointer_is_the_address_of_the_first_number(dtype):
    x = array(np.random.default_rng(1), (2, 3, 5, 7), dtype)
    views = x, x[1:, 2:], x[:, :, ::-1, ::-2], x.transpose(3, 1, 0, 2), x[0, 0, 0, 0:1], x[:0]
    for view in (*views, np.asarray(x.dtype.type(3)), np.broadcast_to(x[:1], x.shape)):
        assert layout.pointer(view) == view.ctypes.data


def test_empty_has_its_channels_last(dtype):
    for shape in SHAPES:
        x = layout.empty(shape, dtype)
        assert (x.shape, x.dtype) == (shape, dtype)
        assert x.transpose(0, 2, 3, 1).flags.c_contiguous
        assert x.ctypes.data % 64 == 0
        assert layout.is_channels_last(x)


def test_channels_last_or_not():
    x = np.zeros((2, 3, 5, 7))
    last = np.zeros((2, 5, 7, 3)).transpose(0, 3, 1, 2)
    assert not layout.is_channels_last(x)
    assert layout.is_channels_last(last)
    assert not layout.is_channels_last(last[:, :2])  # gaps between pixels
    assert not layout.is_channels_last(last[:, :, 1:])  # and between images
    assert layout.is_channels_last(last[:1, :, 1:])
    assert not layout.is_channels_last(last[:, :, :, ::2])
    assert layout.is_channels_last(x[:1, :1])  # one channel is first and last
    assert layout.is_channels_last(x[:, :, :1, :1].copy())


def test_maps_that_are_stored_past_the_caches(monkeypatch):
    """Large ones, whose pixels all start where a cache line does."""
    small, large = (2, 16, 9, 10), (1, 64, 400, 400)
    assert not layout.streams(layout.empty(small, np.float32))
    assert layout.streams(layout.empty(large, np.float32))
    monkeypatch.setattr(layout, "STREAMED", 2 * 16 * 9 * 10 * 4 - 1)
    assert layout.streams(layout.empty(small, np.float32))
    assert not layout.streams(layout.empty((1, 16, 9, 10), np.float32))
    assert not layout.streams(layout.empty((2, 17, 90, 10), np.float32))
    assert not layout.streams(layout.empty((2, 24, 90, 10), np.float32))
    assert layout.streams(layout.empty((2, 24, 90, 10), np.float64))
    wide = layout.empty((2, 32, 90, 10), np.float32)
    assert layout.streams(wide[:, 16:])
    assert not layout.streams(wide[:, 8:24])
    assert layout.streams(wide[:, :, ::2, 1::2])


def views(x):
    """x (N, C, H, W) itself and views with all kinds of strides."""
    yield x
    yield x[::-1]
    yield x[:, ::-1, ::-1, ::-1]
    yield x[:, :, ::2, ::2]
    yield x[:, 1:, 1:, 1:]
    yield x.transpose(0, 1, 3, 2)
    yield x[:1, :1].repeat(2, 0)
    yield np.broadcast_to(x[:, :1, :, :1], x.shape)


@pytest.mark.parametrize("last", [False, True])
def test_channels_last_copies_what_is_not(dtype, last):
    for shape in SHAPES:
        x = array(np.random.default_rng(1), shape, dtype, last)
        for view in views(x):
            before = view.copy()
            y, z = layout.channels_last(view), layout.nhwc(view)
            assert layout.is_channels_last(y)
            assert np.array_equal(y, before)
            assert (y is view) == layout.is_channels_last(view)
            assert z.flags.c_contiguous
            assert np.array_equal(z, before.transpose(0, 2, 3, 1))


def test_frames_are_zeros_around_a_map(dtype):
    """Also where a frame cuts the map, or lies outside it."""
    rng = np.random.default_rng(2)
    for _ in range(60):
        N, C, H, W = (int(n) for n in rng.integers(1, (3, 6, 8, 8)))
        x = array(rng, (N, C, H, W), dtype, True)
        if rng.random() < 0.5:  # pixels with gaps between them
            wide = array(rng, (N, C + 2, 2 * H, 2 * W), dtype, True)
            x = wide[:, 1 : C + 1, ::2, ::2]
        first = tuple(int(n) for n in rng.integers(-5, 5, 2))
        last = tuple(a + int(n) for a, n in zip(first, rng.integers(1, 12, 2), strict=True))
        padded = np.pad(x, ((0, 0), (0, 0), (20, 20), (20, 20)))
        expected = padded[:, :, 20 + first[0] : 20 + last[0], 20 + first[1] : 20 + last[1]]
        y = framed(kind(dtype), x, first, last)
        assert layout.is_channels_last(y)
        assert np.array_equal(y, expected), (x.shape, x.strides, first, last)


def test_reach_of_windows():
    """Four windows of 3 taps, 2 apart, at every third pixel, from pixel -1 on: -1 ... 12."""
    axes = (4, 4), (3, 3), (-1, 0), (3, 3), (2, 2)
    assert reach((13, 14), *axes) == ((-1, 0), (13, 14), True)
    assert reach((13, 13), *axes) == ((-1, 0), (13, 14), True)
    inside = (4, 4), (3, 3), (0, 0), (3, 3), (2, 2)
    assert reach((14, 14), *inside) == ((0, 0), (14, 14), False)
    assert reach((13, 14), *inside) == ((0, 0), (14, 14), True)
    assert reach((14, 13), *inside) == ((0, 0), (14, 14), True)
