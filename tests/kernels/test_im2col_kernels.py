"""Windows laid out as rows, on a GPU, real or emulated."""

import numpy as np
import pytest
from geometries import array, channels_last, check_adjoint, convolutions, inner
from im2col_rows import add_rows, rows_of
from minifcn.kernels.cuda.im2col import col2im, im2col
from on_device import DEVICES, table


@pytest.fixture(params=DEVICES)
def gpu(request):
    """The module whose arrays live on the GPU."""
    return table(request.param).module


def test_exact(gpu, dtype):
    """Kernel 1x2 with taps 2 apart, stride 2, one column of padding, two channels."""
    x = gpu.asarray(np.array([[[[1, 2, 3, 4, 5]], [[10, 20, 30, 40, 50]]]], dtype))
    window = (1, 2), (1, 2), (0, 1), (1, 2), (1, 3)
    cols = im2col(x, *window)
    assert cols.dtype == dtype
    assert np.array_equal(cols.get(), [[0, 0, 2, 20], [2, 20, 4, 40], [4, 40, 0, 0]])

    wider = im2col(x, *window, width=7)
    assert np.array_equal(wider.get()[:, :4], cols.get())
    assert np.array_equal(wider.get()[:, 4:], np.zeros((3, 3)))

    cols = np.arange(12).reshape(3, 4)
    expected = [[[[0, 2 + 4, 0, 6 + 8, 0]], [[0, 3 + 5, 0, 7 + 9, 0]]]]
    for more in (0, 3):  # numbers at the end of each row, which nobody reads
        rows = np.pad(cols, ((0, 0), (0, more)), constant_values=999).astype(dtype)
        back = col2im(gpu.asarray(rows), (1, 2, 1, 5), *window)
        assert back.dtype == dtype
        assert np.array_equal(back.get(), expected)


def test_agrees_with_the_reference(gpu, dtype):
    """Bit for bit: the sums run in the same order."""
    for geometry, rng in convolutions(seed=1, count=60):
        window, x, _, _, moved = _given(geometry, rng, dtype, gpu)
        cols = im2col(moved, *window).get()
        assert np.array_equal(cols, rows_of(x, *window)), geometry
        c = array(rng, cols.shape, dtype)
        back = col2im(gpu.asarray(c), x.shape, *window).get()
        assert np.array_equal(back, add_rows(c, x.shape, *window)), geometry


def test_adjoint(gpu):
    """<im2col(x), c> = <x, col2im(c)>, for rows of any width."""
    for geometry, rng in convolutions(seed=2, count=60):
        window, x, width, used, moved = _given(geometry, rng, np.float64, gpu)
        cols = im2col(moved, *window, width=width)
        assert not cols.get()[:, used:].any(), geometry
        c = array(rng, cols.shape)
        back = col2im(gpu.asarray(c), x.shape, *window)
        scale = inner(abs(cols.get()), abs(c))
        check_adjoint(inner(cols.get(), c), inner(x, back.get()), scale, geometry)


def test_any_strides_give_the_same_bits(gpu, dtype):
    """Each time the same, from channels first, channels last, and every second number."""
    rng = np.random.default_rng(3)
    window = (3, 2), (2, 1), (1, 2), (1, 2), (5, 8)
    x, c = array(rng, (2, 5, 9, 6), dtype), array(rng, (2 * 5 * 8, 30), dtype)
    wide, long = np.zeros((2, 5, 9, 12), dtype), np.zeros((2 * 5 * 8, 60), dtype)
    wide[..., ::2], long[:, ::2] = x, c
    last = gpu.asarray(channels_last(x).transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    results = [
        im2col(given, *window).get().tobytes()
        for given in (gpu.asarray(x), gpu.asarray(x), last, gpu.asarray(wide)[..., ::2])
    ]
    assert len(set(results)) == 1
    results = [
        col2im(given, x.shape, *window).get().tobytes()
        for given in (gpu.asarray(c), gpu.asarray(c), gpu.asarray(long)[:, ::2])
    ]
    assert len(set(results)) == 1


def _given(geometry, rng, dtype, gpu):
    """The window, maps here and on the GPU, and how wide a row is and how much of it is used."""
    x = geometry.arrays(rng, dtype)[0]
    window = *(geometry.kernel_size, *geometry.window[:3]), geometry.output_size
    used = x.shape[1] * geometry.kernel_size[0] * geometry.kernel_size[1]
    return window, x, used + int(rng.integers(0, 9)), used, gpu.asarray(x)
