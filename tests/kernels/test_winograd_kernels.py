"""Winograd's algorithm: its error, and that it agrees with the direct kernels."""

import numpy as np
import pytest
from geometries import array, check_close
from minifcn.kernels import cpu, reference
from minifcn.kernels.cpu import (
    conv,
    layout,
    winograd,
    winograd_gradient,
    winograd_panels,
)
from minifcn.kernels.cpu.transforms import (
    SIZES,
)
from minifcn.kernels.cpu.vectors import kind

pytestmark = pytest.mark.usefixtures("settings")

# -- the error ----------------------------------------------------------------------------------


def forward(module, x, w, b, padding, m, relu=False):
    """A convolution by one of the modules, into memory that holds NaN."""
    (N, _, H, W), (K, _, r, _) = x.shape, w.shape
    y = layout.empty(
        (N, K, *(n + 2 * p - r + 1 for n, p in zip((H, W), padding, strict=True))), x.dtype
    )
    y[...] = np.nan
    origin = tuple(-p for p in padding)
    module.correlate(layout.channels_last(x), w[None], y, b, origin=origin, m=m, relu=relu)
    return y


def input_gradient(module, gy, w, size, padding, m):
    """As ``conv2d_grad_input``: a convolution of gy by w backwards."""
    r = w.shape[2]
    gx = layout.empty((len(gy), w.shape[1], *size), gy.dtype)
    gx[...] = np.nan
    filters = w[None].swapaxes(1, 2)[:, :, :, ::-1, ::-1]
    origin = tuple(p - r + 1 for p in padding)
    module.correlate(layout.channels_last(gy), filters, gx, origin=origin, m=m)
    return gx


def adjoint(gy, w, size, padding, m):
    """The same as the adjoint of a convolution by w: tiles of gx overlap and are added up."""
    gx = layout.empty((len(gy), w.shape[1], *size), gy.dtype)
    gx[...] = np.nan
    origin = tuple(-p for p in padding)
    winograd_panels.correlate_input(layout.channels_last(gy), w[None], gx, origin=origin, m=m)
    return gx


def weight_gradient(module, x, gy, r, padding, m):
    gw = np.full((gy.shape[1], x.shape[1], r, r), np.nan, x.dtype)
    x, gy = layout.channels_last(x), layout.channels_last(gy)
    module.correlate_weights(x, gy, gw[None], origin=tuple(-p for p in padding), m=m)
    return gw


MODULES = {  # forward and input gradient, weight gradient, tiles
    "winograd": (winograd, winograd_gradient, [(4, 3), (6, 3)]),
    "panels": (winograd_panels, winograd_panels, SIZES),
}
RUNS = [(name, size) for name, (_, _, sizes) in MODULES.items() for size in sizes]

# N, C, H, W and K: many pixels and few channels, as early in a net, and the other way round
MAPS = [((1, 64, 50, 46), 64), ((1, 512, 12, 9), 96), ((2, 128, 19, 14), 256)]


@pytest.mark.parametrize("shape", MAPS, ids=str)
@pytest.mark.parametrize("run", RUNS, ids=str)
def test_error_in_float32(run, shape):
    """Relative to the root mean square of what it computes: 6e-6 in the mean, 1e-4 at most."""
    (name, (m, r)), ((N, C, H, W), K), rng = run, shape, np.random.default_rng(3)
    module, gradient_module, _ = MODULES[name]
    padding = r // 2, r // 2
    x = np.maximum(array(rng, (N, C, H, W), np.float32), 0)
    w = array(rng, (K, C, r, r), np.float32) * np.float32(np.sqrt(2 / (C * r * r)))
    b, gy = array(rng, (K,), np.float32), array(rng, (N, K, H, W), np.float32)
    gy[rng.random(gy.shape) < 0.5] = 0  # as behind a rectifier
    x64, w64, b64, gy64 = (a.astype(float) for a in (x, w, b, gy))
    window = (1, 1), padding, (1, 1), 1
    results = {
        "forward": (
            forward(module, x, w, b, padding, m),
            reference.conv2d(x64, w64, b64, *window),
        ),
        "input gradient": (
            input_gradient(module, gy, w, (H, W), padding, m),
            reference.conv2d_grad_input(gy64, w64, (H, W), *window),
        ),
        "weight gradient": (
            weight_gradient(gradient_module, x, gy, r, padding, m),
            reference.conv2d_grad_weight(gy64, x64, (r, r), *window),
        ),
    }
    if name == "panels":
        results["adjoint"] = adjoint(gy, w, (H, W), padding, m), results["input gradient"][1]
    for what, (actual, expected) in results.items():
        error = np.abs(actual - expected) / np.sqrt(np.mean(expected**2))
        assert np.sqrt(np.mean(error**2)) < 6e-6, what
        assert error.max() < 1e-4, what


# -- the direct kernels agree ---------------------------------------------------------------------


def random_maps(seed: int, count: int, r: int, lanes: int):
    """Shapes that need not divide into tiles: x, K and a padding, which may exceed the window."""
    rng = np.random.default_rng(seed)
    while count:
        N, C, K = int(rng.integers(1, 4)), *(lanes * int(n) for n in rng.integers(1, 8, 2))
        H, W, PH, PW = (int(n) for n in rng.integers((1, 1, 0, 0), (19, 19, r + 3, r + 3)))
        if min(H + 2 * PH, W + 2 * PW) < r:
            continue
        count -= 1
        yield (N, C, H, W), K, (PH, PW), rng


@pytest.mark.parametrize("run", RUNS, ids=str)
def test_float64_agrees_with_the_direct_kernels(run):
    """Random sizes: channels in whole vectors, K in part of a panel, borders of all widths."""
    name, (m, r) = run
    module, gradient_module, _ = MODULES[name]
    lanes = kind(np.float64).dtype[0].shape[2]
    for shape, K, padding, rng in random_maps(r * 10 + m, 12, r, lanes):
        x, w, b = (array(rng, s) for s in (shape, (K, shape[1], r, r), (K,)))
        b = b if rng.random() < 0.7 else None
        relu, window = bool(rng.random() < 0.5), ((1, 1), padding, (1, 1), 1)
        conv.set_algorithm("direct")
        y = cpu.conv2d(x, w, b, *window)
        gy = array(rng, y.shape)
        context = shape, K, padding, b is None, relu
        actual = forward(module, x, w, b, padding, m, relu)
        check_close(actual, np.maximum(y, 0) if relu else y, 1e-12, *context)
        gx = cpu.conv2d_grad_input(gy, w, shape[2:], *window)
        actual = input_gradient(module, gy, w, shape[2:], padding, m)
        check_close(actual, gx, 1e-12, *context)
        if name == "panels":
            check_close(adjoint(gy, w, shape[2:], padding, m), gx, 1e-12, *context)
        gw = cpu.conv2d_grad_weight(gy, x, (r, r), *window)
        check_close(weight_gradient(gradient_module, x, gy, r, padding, m), gw, 1e-12, *context)


@pytest.mark.parametrize("run", RUNS, ids=str)
def test_rectified_bit_for_bit(run, dtype):
    name, (m, r) = run
    module, lanes = MODULES[name][0], kind(dtype).dtype[0].shape[2]
    for shape, K, padding, rng in random_maps(r, 4, r, lanes):
        x, w, b = (array(rng, s, dtype) for s in (shape, (K, shape[1], r, r), (K,)))
        for bias in (None, b):
            y = forward(module, x, w, bias, padding, m)
            assert np.array_equal(
                forward(module, x, w, bias, padding, m, relu=True), np.maximum(y, 0)
            )


def test_how_the_work_is_cut_changes_nothing(monkeypatch, dtype):
    """One tile a block, one vector of channels, sums of a task's own or shared, many chunks."""
    rng, lanes = np.random.default_rng(4), kind(dtype).dtype[0].shape[2]
    x, K, r = array(rng, (2, 3 * lanes, 14, 17), dtype), 5 * lanes, 3
    w, gy = array(rng, (K, x.shape[1], r, r), dtype), array(rng, (2, K, 14, 17), dtype)

    def run():
        for name, (m, _) in ((n, size) for n, size in RUNS if size[1] == r):
            module, gradient_module, _ = MODULES[name]
            yield forward(module, x, w, None, (1, 1), m)
            yield weight_gradient(gradient_module, x, gy, r, (1, 1), m)
            yield adjoint(gy, w, (14, 17), (1, 1), m)

    expected = list(run())
    for limits in (
        {(winograd, "WORKSPACE"): 1, (winograd, "MIN_TILES"): (1, 1)},
        {(winograd, "WORKSPACE"): 1, (winograd, "MIN_TILES"): (3, 2), (winograd, "LARGE"): 1},
        {(winograd_panels, "BLOCK"): 1, (winograd_gradient, "SUMS"): 0},
        {(winograd_panels, "SHARE"): 1},
        {(winograd_panels, "SHARE"): 7, (winograd_panels, "TASKS"): 100},
        {(winograd_gradient, "SUMS"): 0, (winograd_gradient, "CHUNK"): 1},
        {(winograd_gradient, "SUMS"): 10**9, (winograd_gradient, "BLOCK"): 1},
        {(winograd_gradient, "SUMS"): 10**9, (winograd_gradient, "SHARES"): 1},
    ):
        with monkeypatch.context() as patch:
            for (module, name), value in limits.items():
                patch.setattr(module, name, value)
            actual = list(run())
        for a, e in zip(actual, expected, strict=True):
            check_close(a, e, {"float32": 1e-5, "float64": 1e-13}[dtype.name], limits)


def test_stored_past_the_caches(monkeypatch, dtype):
    """The same numbers, also where a tile is cut off, and where vectors do not start a line."""
    rng, lanes = np.random.default_rng(9), kind(dtype).dtype[0].shape[2]
    for K in (lanes, 3 * lanes, 5 * lanes):
        x, w = array(rng, (2, 2 * lanes, 11, 14), dtype), array(rng, (K, 2 * lanes, 3, 3), dtype)
        b = array(rng, (K,), dtype)
        expected = [forward(winograd, x, w, b, (1, 1), m, relu=True) for m in (4, 6)]
        with monkeypatch.context() as patch:
            patch.setattr(layout, "STREAMED", -1)
            assert layout.streams(layout.empty(expected[0].shape, dtype))
            actual = [forward(winograd, x, w, b, (1, 1), m, relu=True) for m in (4, 6)]
            spaced = layout.empty((2, K + 1, 11, 14), dtype)[:, 1:]
            assert not layout.streams(spaced)
            where = {"origin": (-1, -1), "m": 4, "relu": True}
            winograd.correlate(layout.channels_last(x), w[None], spaced, b, **where)
        for a, e in zip((*actual, spaced), (*expected, expected[0]), strict=True):
            assert np.array_equal(a, e), K


def test_weight_gradients_into_any_strides(dtype):
    """gw as an array with its channels last, and as every second filter of a larger one."""
    rng, lanes = np.random.default_rng(5), kind(dtype).dtype[0].shape[2]
    K, C = 3 * lanes, 2 * lanes
    x = layout.channels_last(array(rng, (1, C, 9, 8), dtype))
    gy = layout.channels_last(array(rng, (1, K, 7, 6), dtype))
    for module in (winograd_gradient, winograd_panels):
        gw = np.empty((1, K, C, 3, 3), dtype)
        module.correlate_weights(x, gy, gw, origin=(0, 0), m=4)
        last = np.empty((1, K, 3, 3, C), dtype).transpose(0, 1, 4, 2, 3)
        spaced = np.full((1, 2 * K, C, 3, 4), 777, dtype)
        for other in (last, spaced[:, ::2, :, :, :3]):
            module.correlate_weights(x, gy, other, origin=(0, 0), m=4)
            assert np.array_equal(other, gw)
        assert np.all(spaced[:, 1::2] == 777)
        assert np.all(spaced[..., 3] == 777)
