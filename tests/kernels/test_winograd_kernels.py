"""Winograd's algorithm: its matrices, its transforms, its error, and when it runs."""

import threading
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from geometries import array, check_close
from minifcn.kernels import cpu, reference
from minifcn.kernels.cpu import (
    conv,
    direct,
    gradient,
    layout,
    memo,
    winograd,
    winograd_gradient,
    winograd_panels,
)
from minifcn.kernels.cpu.compile import kernel
from minifcn.kernels.cpu.transforms import (
    COLLECT,
    FILTER,
    GRADIENT,
    INPUT,
    OUTPUT,
    RELU,
    SIZES,
    SPREAD,
    STREAM,
    TAP,
    matrices,
    tiles_of,
    transform,
)
from minifcn.kernels.cpu.vectors import kind

import minifcn as mf

pytestmark = pytest.mark.usefixtures("settings")

# -- the matrices -------------------------------------------------------------------------------


def test_two_outputs_of_three_taps_by_hand():
    """The points 0, 1, -1 and infinity. Lagrange's polynomials of the first three are 1 - p^2,
    (p^2 + p)/2 and (p^2 - p)/2, and infinity's is p^3 - p."""
    half = Fraction(1, 2)
    by_hand = {
        INPUT: [[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, -1, 0, 1]],
        FILTER: [[1, 0, 0], [half, half, half], [half, -half, half], [0, 0, 1]],
        OUTPUT: [[1, 1, 1, 0], [0, 1, -1, 1]],
        GRADIENT: [[1, 0], [half, half], [half, -half], [0, 1]],
        TAP: [[1, 1, 1, 0], [0, 1, -1, 0], [0, 1, 1, 1]],
        SPREAD: [[1, 0], [1, 1], [1, -1], [0, 1]],
        COLLECT: [[1, 0, 0, 0], [0, 1, -1, -1], [-1, 1, 1, 0], [0, 0, 0, 1]],
    }
    assert matrices(2, 3) == by_hand


@pytest.mark.parametrize("size", [(2, 3), *SIZES], ids=str)
def test_the_matrices_correlate_exactly(size):
    """For every pair of a tap and an input: it gives the outputs that a correlation gives."""
    m, r = size
    n, M = m + r - 1, matrices(m, r)
    shapes = {what: (len(matrix), len(matrix[0])) for what, matrix in M.items()}
    assert shapes == {
        **{INPUT: (n, n), FILTER: (n, r), OUTPUT: (m, n)},
        **{GRADIENT: (n, m), TAP: (r, n)},
        **{SPREAD: (n, m), COLLECT: (n, n)},
    }
    assert all(x == int(x) for row in M[INPUT] for x in row)
    for p, i, k in product(range(m), range(r), range(n)):
        y = sum(M[OUTPUT][p][e] * M[FILTER][e][i] * M[INPUT][e][k] for e in range(n))
        assert y == (k == p + i), "y[p] = sum over i of w[i] x[p + i]"
        w = sum(M[TAP][i][e] * M[GRADIENT][e][p] * M[INPUT][e][k] for e in range(n))
        assert w == (k == p + i), "w[i] = sum over p of gy[p] x[p + i]"
        x = sum(M[COLLECT][k][e] * M[FILTER][e][i] * M[SPREAD][e][p] for e in range(n))
        assert x == (k == p + i), "x[k] = sum over i of w[i] gy[k - i]"


# -- the transforms that are emitted --------------------------------------------------------------


@kernel()
def transform_input(form, size, source, target, count, bias, flags):
    transform(
        form, INPUT, size, source[0], source[1], source[2], source[3],
        target[0], target[1], target[2], target[3], count, bias, flags,
    )  # fmt: skip


@kernel()
def transform_filter(form, size, source, target, count, bias, flags):
    transform(
        form, FILTER, size, source[0], source[1], source[2], source[3],
        target[0], target[1], target[2], target[3], count, bias, flags,
    )  # fmt: skip


@kernel()
def transform_output(form, size, source, target, count, bias, flags):
    transform(
        form, OUTPUT, size, source[0], source[1], source[2], source[3],
        target[0], target[1], target[2], target[3], count, bias, flags,
    )  # fmt: skip


@kernel()
def transform_gradient(form, size, source, target, count, bias, flags):
    transform(
        form, GRADIENT, size, source[0], source[1], source[2], source[3],
        target[0], target[1], target[2], target[3], count, bias, flags,
    )  # fmt: skip


@kernel()
def transform_tap(form, size, source, target, count, bias, flags):
    transform(
        form, TAP, size, source[0], source[1], source[2], source[3],
        target[0], target[1], target[2], target[3], count, bias, flags,
    )  # fmt: skip


@kernel()
def transform_spread(form, size, source, target, count, bias, flags):
    transform(
        form, SPREAD, size, source[0], source[1], source[2], source[3],
        target[0], target[1], target[2], target[3], count, bias, flags,
    )  # fmt: skip


@kernel()
def transform_collect(form, size, source, target, count, bias, flags):
    transform(
        form, COLLECT, size, source[0], source[1], source[2], source[3],
        target[0], target[1], target[2], target[3], count, bias, flags,
    )  # fmt: skip


TRANSFORMS = {
    INPUT: transform_input,
    FILTER: transform_filter,
    OUTPUT: transform_output,
    GRADIENT: transform_gradient,
    TAP: transform_tap,
    SPREAD: transform_spread,
    COLLECT: transform_collect,
}
NAMES = ["input", "filter", "output", "gradient", "tap", "spread", "collect"]


class Squares:
    """Squares of vectors, scattered over an array: element (i, j) of vector v.

    whole: each vector starts where a cache line does; else anywhere.
    """

    def __init__(self, side: int, count: int, dtype, rng=None, whole: bool = False):
        lanes, item = kind(dtype).dtype[0].shape[2], dtype.itemsize
        apart, self.first = (128 // item, 64 // item) if whole else (lanes + 3, 5)
        extra = apart if whole else 1
        self.steps = apart * side * (count + 1) + extra, apart * (count + 1), apart
        i, j, v, lane = np.ogrid[:side, :side, :count, :lanes]
        places = i * self.steps[0] + j * self.steps[1] + v * self.steps[2] + lane
        self.places = self.first + places
        self.array = layout.aligned((int(self.places.max()) + 10,), dtype)
        self.array[:] = 777 if rng is None else np.nan
        if rng is not None:
            self.array[self.places] = rng.standard_normal(self.places.shape)

    @property
    def where(self):
        item = self.array.itemsize
        return self.array.ctypes.data + self.first * item, *(s * item for s in self.steps)

    @property
    def numbers(self):
        return self.array[self.places].astype(float)


@pytest.mark.parametrize("what", TRANSFORMS, ids=NAMES)
def test_transforms_multiply_by_their_matrix_from_both_sides(dtype, what):
    form, lanes = kind(dtype), kind(dtype).dtype[0].shape[2]
    tolerance = {"float32": 2e-6, "float64": 1e-14}[dtype.name]
    rng = np.random.default_rng(1)
    for m, r in SIZES:
        matrix = np.array(matrices(m, r)[what], float)
        for count, bias, flags in (
            *((1, False, 0), (3, False, 0), (2, True, 0), (2, True, RELU)),
            *((2, True, STREAM), (2, True, RELU | STREAM)),
        ):
            if what != OUTPUT and bias:
                continue
            source = Squares(matrix.shape[1], count, dtype, rng)
            target = Squares(matrix.shape[0], count, dtype, whole=bool(flags & STREAM))
            before = target.array.copy()
            b = 3 * rng.standard_normal((count, lanes)).astype(dtype)
            TRANSFORMS[what](
                *(form, tiles_of(m, r), source.where, target.where, count),
                *(b.ctypes.data if bias else 0, flags),
            )
            expected = np.einsum("ai,ijvl,bj->abvl", matrix, source.numbers, matrix)
            expected += b if bias else 0
            scale = np.abs(expected).max()
            expected = np.maximum(expected, 0) if flags & RELU else expected
            assert np.abs(target.numbers - expected).max() <= tolerance * scale, (m, r, count)
            target.array[target.places] = 777
            assert np.array_equal(target.array, before)  # nothing beside the squares


def test_the_rectifier_of_a_transform_keeps_nan(dtype):
    source, target = Squares(6, 1, dtype, np.random.default_rng(2)), Squares(4, 1, dtype)
    source.array[source.places[0, 0, 0, 1]] = np.nan  # of one lane
    transform_output(kind(dtype), tiles_of(4, 3), source.where, target.where, 1, 0, RELU)
    assert np.isnan(target.numbers[0, 0, 0, 1])
    assert not np.isnan(target.numbers[:, :, 0, 0]).any()
    assert not np.isnan(target.numbers[:, :, 0, 2:]).any()


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


# -- which algorithm runs -------------------------------------------------------------------------

ENTRIES = [
    (direct, "correlate"),
    (gradient, "correlate_weights"),
    (winograd, "correlate"),
    (winograd_gradient, "correlate_weights"),
    (winograd_panels, "correlate"),
    (winograd_panels, "correlate_input"),
    (winograd_panels, "correlate_weights"),
]


@pytest.fixture
def ran(monkeypatch):
    """What runs, as it runs: "direct" or "winograd"."""
    names = []

    def watch(module, name):
        function = getattr(module, name)

        def watched(*args, **kwargs):
            names.append("winograd" if "winograd" in module.__name__ else "direct")
            return function(*args, **kwargs)

        monkeypatch.setattr(module, name, watched)

    for entry in ENTRIES:
        watch(*entry)
    return names


def three(shape, weight_shape, window, dtype=np.float32):
    """Run a convolution and both gradients of it."""
    x, w = np.ones(shape, dtype), np.ones(weight_shape, dtype)
    y = cpu.conv2d(x, w, None, *window)
    cpu.conv2d_grad_input(y, w, shape[2:], *window)
    cpu.conv2d_grad_weight(y, x, weight_shape[2:], *window)


PLAIN = (1, 1), (1, 1), (1, 1), 1
ALLOWED = [  # in whole vectors of channels: Winograd's form
    ((1, 32, 6, 5), (16, 32, 3, 3)),
    ((1, 128, 6, 5), (128, 128, 3, 3)),
    ((1, 16, 6, 5), (16, 16, 5, 5)),
    ((1, 16, 6, 6), (16, 16, 7, 7)),
]
REFUSED = [  # a stride, a dilation, other windows, and parts of vectors, also of a group
    ((1, 16, 9, 8), (16, 16, 3, 3), ((2, 2), (1, 1), (1, 1), 1)),
    ((1, 16, 9, 8), (16, 16, 3, 3), ((1, 1), (1, 1), (1, 2), 1)),
    ((1, 32, 9, 8), (48, 16, 3, 3), ((1, 1), (1, 1), (1, 1), 2)),
    ((1, 32, 9, 8), (32, 1, 3, 3), ((1, 1), (1, 1), (1, 1), 32)),
    ((1, 16, 9, 8), (16, 16, 3, 1), PLAIN),
    ((1, 16, 9, 8), (16, 16, 1, 1), PLAIN),
    ((1, 16, 9, 8), (16, 16, 2, 2), PLAIN),
    ((1, 17, 9, 8), (16, 17, 3, 3), PLAIN),
    ((1, 16, 9, 8), (21, 16, 3, 3), PLAIN),
]


def test_winograd_runs_where_it_is_asked_for(ran, dtype):
    conv.set_algorithm("winograd")
    for shape, weight_shape in ALLOWED:
        three(shape, weight_shape, PLAIN, dtype)
    assert ran == ["winograd"] * 3 * len(ALLOWED)


def test_every_group_by_winograd(ran):
    conv.set_algorithm("winograd")
    three((1, 48, 9, 8), (48, 16, 3, 3), ((1, 1), (1, 1), (1, 1), 3))
    assert ran == ["winograd"] * 9


def test_direct_runs_where_it_is_asked_for(ran, dtype):
    conv.set_algorithm("direct")
    for shape, weight_shape in ALLOWED:
        three(shape, weight_shape, PLAIN, dtype)
    three((1, 64, 40, 40), (64, 64, 3, 3), PLAIN, dtype)
    assert ran == ["direct"] * 3 * (len(ALLOWED) + 1)


@pytest.mark.parametrize("name", ["auto", "winograd"])
def test_what_winograd_cannot_do_is_direct(ran, name):
    conv.set_algorithm(name)
    for shape, weight_shape, window in REFUSED:
        three(shape, weight_shape, window)
        assert set(ran) == {"direct"}, (shape, weight_shape, window)


def test_what_is_faster_is_taken(ran):
    """The middle layers of a net on a photograph; not its first, not small maps, not float64."""
    conv.set_algorithm("auto")
    three((1, 64, 56, 56), (64, 64, 3, 3), PLAIN)
    three((1, 256, 28, 28), (128, 256, 3, 3), PLAIN)
    assert ran == ["winograd"] * 6
    ran.clear()
    three((1, 3, 56, 56), (64, 3, 3, 3), PLAIN)
    three((1, 64, 4, 4), (64, 64, 3, 3), PLAIN)
    three((1, 64, 56, 56), (64, 64, 3, 3), PLAIN, np.float64)
    assert ran == ["direct"] * 9


def test_set_algorithm_of_the_package(ran):
    for name in ("direct", "winograd"):
        mf.set_algorithm(name)
        three(*ALLOWED[0], PLAIN)
    assert ran == ["direct"] * 3 + ["winograd"] * 3
    with pytest.raises(ValueError, match="'fft'"):
        mf.set_algorithm("fft")


def test_an_algorithm_that_there_is_not(ran):
    conv.set_algorithm("winograd")
    with pytest.raises(ValueError, match="algorithm 'fft' is none of auto, direct, winograd"):
        conv.set_algorithm("fft")
    three(*ALLOWED[0], PLAIN)
    assert ran == ["winograd"] * 3  # what was set before stays


# -- filters that are remembered ------------------------------------------------------------------


@pytest.fixture
def transforms(monkeypatch):
    """How often filters were transformed, in an empty memory."""
    memo.forget()
    made, function = [], winograd.transform_filters

    def counted(*args, **kwargs):
        made.append(1)
        return function(*args, **kwargs)

    monkeypatch.setattr(winograd, "transform_filters", counted)
    yield made
    memo.forget()


def test_filters_that_come_again_are_not_transformed_again(transforms):
    conv.set_algorithm("winograd")
    rng = np.random.default_rng(6)
    x, w = array(rng, (1, 16, 20, 30), np.float32), array(rng, (16, 16, 3, 3), np.float32)
    y = [cpu.conv2d(x, w, None, *PLAIN) for _ in range(5)]
    assert len(transforms) == 2  # the second is kept
    assert all(np.array_equal(y[0], other) for other in y)
    memo.forget()
    cpu.conv2d(x, w, None, *PLAIN)
    assert len(transforms) == 3


def test_filters_changed_in_place_are_transformed_anew(transforms, dtype):
    """Even where one number has changed, or two have changed places."""
    conv.set_algorithm("winograd")
    rng = np.random.default_rng(7)
    x, w = array(rng, (1, 16, 20, 30), dtype), array(rng, (16, 16, 3, 3), dtype)

    def check():
        conv.set_algorithm("direct")
        expected = cpu.conv2d(x, w, None, *PLAIN)
        conv.set_algorithm("winograd")
        check_close(cpu.conv2d(x, w, None, *PLAIN), expected, 1e-5)

    for _ in range(3):
        check()
    for change in range(4):
        for _ in range(2):
            if change == 0:
                w[3, 5, 1, 2] += 1
            elif change == 1:
                w[0, 0, 0, 0], w[9, 1, 2, 2] = w[9, 1, 2, 2], w[0, 0, 0, 0]
            elif change == 2:
                w *= -1
            else:
                w[...] = w[::-1].copy()
            check()
        check()
        check()


def test_what_is_remembered_is_bounded(monkeypatch):
    memo.forget()
    arrays = [np.full((1, 1, 3, 3), i, np.float32) for i in range(10)]
    makes = []

    def remembered(w):
        def make():
            makes.append(1)
            return np.zeros(100, np.uint8)

        memo.remembered(w, "something", make)

    def fill():
        for w in arrays:
            remembered(w)

    fill(), fill(), fill()
    assert len(makes) == 20
    memo.forget()
    makes.clear()
    monkeypatch.setattr(memo, "LIMIT", 450)
    for _ in range(3):
        for w in arrays[:4]:
            remembered(w)
    assert len(makes) == 8
    fill(), fill(), fill()
    assert sum(a.nbytes for _, a in memo._kept.values() if a is not None) <= 450
    memo.forget()
    assert not memo._kept


def test_several_python_threads_remember_at_once(transforms):
    conv.set_algorithm("winograd")
    rng = np.random.default_rng(8)
    x = array(rng, (1, 16, 20, 30), np.float32)
    filters = [array(rng, (16, 16, 3, 3), np.float32) for _ in range(4)]
    expected = [cpu.conv2d(x, w.copy(), None, *PLAIN) for w in filters]
    wrong = []

    def work():
        for _ in range(20):
            for w, y in zip(filters, expected, strict=True):
                wrong.append(not np.array_equal(cpu.conv2d(x, w, None, *PLAIN), y))

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(wrong) == 4 * 20 * 4
    assert not any(wrong)
