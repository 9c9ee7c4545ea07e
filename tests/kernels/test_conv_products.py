"""What multiplies the tiles of a convolution on a GPU: ordinary multiply-adds and tensor cores."""

import numpy as np
import pytest
from geometries import array, check_close
from minifcn.kernels import reference
from minifcn.kernels.cuda import conv
from on_device import DEVICES, table

# x, w, stride, padding, dilation, groups: all tiles, rows that begin anywhere, phases, and groups
CASES = [
    ((2, 24, 9, 11), (20, 24, 3, 2), (1, 1), (1, 0), (1, 1), 1),
    ((1, 20, 8, 13), (50, 20, 2, 3), (2, 3), (1, 1), (1, 2), 1),
    ((1, 17, 7, 6), (130, 17, 1, 3), (1, 2), (0, 2), (2, 1), 1),
    ((2, 40, 6, 7), (24, 20, 3, 3), (2, 1), (2, 1), (2, 1), 2),
    ((1, 3, 12, 15), (18, 3, 5, 4), (3, 2), (2, 1), (1, 1), 1),
]
# x, w, stride, padding, dilation; BN = 64 and 128, chunks and rows of patches that are not full,
# pixels as one row, sums in parts, and the kernels that run: forward and gradients
HOPPERS = {
    "wide": ((2, 72, 9, 11), (132, 72, 3, 2), (1, 1), (1, 0), (1, 2)),
    "patches": ((1, 64, 20, 37), (64, 64, 3, 3), (1, 1), (1, 1), (1, 1)),
    "one row": ((2, 40, 18, 23), (132, 40, 1, 1), (1, 1), (0, 0), (1, 1)),
    "strides": ((1, 36, 19, 22), (48, 36, 5, 2), (2, 3), (2, 1), (1, 1)),
    "parts": ((1, 160, 8, 7), (144, 160, 2, 3), (1, 1), (1, 4), (2, 1)),
}
LONG = 2e-6  # up to 960 float32 numbers are added one after another
# Largest difference from the reference in float64 on numbers rounded as tensor cores take them
PRODUCTS = [("FMA", 1e-6), ("TF32X3", 2e-6), ("TF32", 1e-6), ("BF16", 1e-6)]


def rounded(x, product):
    """x as the product takes it: TF32 has 10 bits of fraction, bfloat16 has 7."""
    if product not in ("TF32", "BF16"):
        return x.astype(np.float64)
    bits, drop = x.view(np.uint32).astype(np.uint64), 13 if product == "TF32" else 16
    even = 0 if product == "TF32" else 1 - (bits >> np.uint64(drop) & np.uint64(1))  # of ties
    bits += np.uint64(1 << (drop - 1)) - np.uint64(1) * even
    kept = (bits >> np.uint64(drop)) << np.uint64(drop)
    return kept.astype(np.uint32).view(np.float32).astype(np.float64)


@pytest.fixture(params=PRODUCTS, ids=lambda pair: pair[0])
def product(request):
    """A product, in use during the test, and how exact it must be."""
    from minifcn.kernels.cuda import precision, tile

    chosen = precision._chosen
    name, tolerance = request.param
    precision.set_precision({"TF32": "tf32", "BF16": "bf16"}.get(name, "float32"))
    before = dict(tile._products)
    tile.set_product(precision.precision(), name)
    yield name, tolerance
    tile._products.update(before)
    precision._chosen = chosen


def test_rounding_by_hand():
    x = np.array([1 + 2**-11, 1 + 2**-10 + 2**-11, -1 - 2**-12, 1 + 2**-8, 1 + 3 * 2**-8], "f4")
    tf32 = [1 + 2**-10, 1 + 2 * 2**-10, -1, 1 + 2**-8, 1 + 3 * 2**-8]
    np.testing.assert_array_equal(rounded(x, "TF32"), tf32)
    np.testing.assert_array_equal(rounded(x, "BF16"), [1, 1, -1, 1, 1 + 2 * 2**-7])


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_all_three_derivatives(case, product, device):
    backend, (name, tolerance), rng = table(device), product, np.random.default_rng(3)
    shape, weight_shape, *window, groups = case
    x, w = array(rng, shape, np.float32), array(rng, weight_shape, np.float32)
    b = array(rng, weight_shape[:1], np.float32)
    rx, rw = rounded(x, name), rounded(w, name)
    expected = reference.conv2d(rx, rw, b.astype(np.float64), *window, groups, relu=True)
    actual = backend.conv2d(x, w, b, *window, groups, relu=True)
    assert actual.dtype == np.float32
    check_close(actual, expected, tolerance, case)
    gy = array(rng, actual.shape, np.float32)
    rgy = rounded(gy, name)
    expected = reference.conv2d_grad_input(rgy, rw, shape[2:], *window, groups)
    check_close(backend.conv2d_grad_input(gy, w, shape[2:], *window, groups), expected, tolerance)
    expected = reference.conv2d_grad_weight(rgy, rx, weight_shape[2:], *window, groups)
    actual = backend.conv2d_grad_weight(gy, x, weight_shape[2:], *window, groups)
    check_close(actual, expected, tolerance, case)
    again = backend.conv2d_grad_weight(gy, x, weight_shape[2:], *window, groups)
    assert np.array_equal(actual, again)  # to the bit: parts of sums are added in order


def between(x):
    """x without numbers half-way between two of TF32: how the copy engine rounds these is not
    documented."""
    return (x.view(np.uint32) | np.uint32(1)).view(np.float32)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("case", HOPPERS.values(), ids=HOPPERS)
def test_hoppers_products(case, device, monkeypatch):
    """All derivatives; a gradient of the input with strides is left to another kernel."""
    from minifcn.kernels.cuda import hopper, precision, tile

    backend, rng = table(device), np.random.default_rng(4)
    if not hopper.is_hopper(backend.module.zeros(1)):
        pytest.skip("wgmma needs a GPU of compute capability 9.0")
    monkeypatch.setattr(precision, "_chosen", "tf32")
    monkeypatch.setitem(tile._products, "tf32", "WGMMA")
    for name, least in {"FEWEST": 1, "TURN": 1, "USED": 0}.items():  # nothing is too small
        monkeypatch.setattr(hopper, name, least)
    used, launch = [], hopper.launch
    monkeypatch.setattr(hopper, "launch", lambda *a, **k: used.append(a[1]) or launch(*a, **k))
    shape, weight_shape, *window = case
    x, w = between(array(rng, shape, np.float32)), between(array(rng, weight_shape, np.float32))
    b, (rx, rw) = array(rng, weight_shape[:1], np.float32), (rounded(a, "TF32") for a in (x, w))
    for bias, relu in ((b, True), (None, False)):
        exact = None if bias is None else bias.astype(np.float64)
        expected = reference.conv2d(rx, rw, exact, *window, 1, relu)
        check_close(backend.conv2d(x, w, bias, *window, 1, relu=relu), expected, LONG, case)
    gy = between(array(rng, expected.shape, np.float32))
    rgy = rounded(gy, "TF32")
    expected = reference.conv2d_grad_input(rgy, rw, shape[2:], *window, 1)
    actual = backend.conv2d_grad_input(gy, w, shape[2:], *window, 1)
    check_close(actual, expected, LONG, case)
    expected = reference.conv2d_grad_weight(rgy, rx, weight_shape[2:], *window, 1)
    first, again = (
        backend.conv2d_grad_weight(gy, x, weight_shape[2:], *window, 1) for _ in range(2)
    )
    check_close(first, expected, LONG, case)
    assert np.array_equal(first, again)  # to the bit: parts of sums are added in order
    if shape[0] > 1:
        monkeypatch.setattr(hopper, "TURNED", 1)  # image by image
        again = backend.conv2d_grad_weight(gy, x, weight_shape[2:], *window, 1)
        check_close(again, expected, LONG, case)
        assert not np.array_equal(first, again)
        del used[-2 * shape[0] :]
    maps = ["conv2d_hopper"] * 2
    if window[0] == (1, 1):
        maps += ["turn_filters", "conv2d_hopper"]
    assert used == maps + ["turn_patches", "conv2d_grad_weight_hopper"] * 2


@pytest.mark.parametrize("device", DEVICES)
def test_other_gpus_have_no_hoppers_products(device, monkeypatch):
    """Where they are asked for, the portable ones do it."""
    from minifcn.kernels.cuda import hopper, precision, tile

    monkeypatch.setattr(precision, "_chosen", "tf32")
    monkeypatch.setitem(tile._products, "tf32", "WGMMA")
    monkeypatch.setattr(hopper, "is_hopper", lambda x: False)
    monkeypatch.setattr(hopper, "FEWEST", 1)
    backend, used, launch, rng = table(device), [], conv.launch, np.random.default_rng(8)
    monkeypatch.setattr(conv, "launch", lambda *a, **k: used.append(a[1]) or launch(*a, **k))
    x, w = array(rng, (1, 64, 9, 8), np.float32), array(rng, (64, 64, 3, 3), np.float32)
    window = (1, 1), (1, 1), (1, 1), 1
    expected = reference.conv2d(rounded(x, "TF32"), rounded(w, "TF32"), None, *window)
    check_close(backend.conv2d(x, w, None, *window), expected, 1e-6)
    backend.conv2d_grad_input(x, w, (9, 8), *window)
    backend.conv2d_grad_weight(x, x, (3, 3), *window)
    assert used == ["conv2d", "conv2d_grad_input", "conv2d_grad_weight"]


@pytest.mark.parametrize("device", DEVICES)
def test_precision_decides_the_rounding(device):
    """1 + 2^-11 is itself in float32, one step more in TF32, and 1 in bfloat16."""
    from minifcn.kernels.cuda import precision

    backend, chosen = table(device), precision._chosen
    x, w = np.full((1, 16, 1, 1), 1 + 2**-11, "f4"), np.zeros((1, 16, 1, 1), "f4")
    w[0, 5] = 1
    try:
        for name, expected in (("float32", 1 + 2**-11), ("tf32", 1 + 2**-10), ("bf16", 1)):
            precision.set_precision(name)
            y = backend.conv2d(x, w, None, (1, 1), (0, 0), (1, 1), 1)
            assert y.item() == expected
    finally:
        precision._chosen = chosen


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("groups", [1, 16])
def test_written_between_other_channels(groups, device):
    """Into some channels of larger maps, whose pixels are further apart; the others are kept."""
    from minifcn.kernels.cuda import conv2d, empty_maps

    xp, rng = table(device).module, np.random.default_rng(0)
    shapes = [(1, 16, 5, 4), (1, 16, 1, 1), (2, 16, 1, 1), (1, 16, 3, 1)]
    w = xp.asarray(array(rng, (16, 16 // groups, 1, 1), np.float64))
    for shape in shapes:
        x = xp.asarray(array(rng, shape, np.float64))
        maps = empty_maps((shape[0], 30, *shape[2:]), x)
        maps[...] = 7
        window = (1, 1), (0, 0), (1, 1)
        y = conv2d(x, w, None, *window, groups, out=maps[:, 3:19])
        assert (maps[:, :3] == 7).all()
        assert (maps[:, 19:] == 7).all()
        assert (maps[:, 3:19] == y).all()
        assert (y == conv2d(x, w, None, *window, groups)).all()


@pytest.mark.parametrize("device", DEVICES)
def test_large_1x1_windows_are_products_of_matrices(device, monkeypatch, dtype):
    """By cuBLAS, from so many channels on: the same, into maps of their own or larger ones."""
    from minifcn.kernels.cuda import empty_maps

    backend, rng, taken = table(device), np.random.default_rng(6), []
    x, w = array(rng, (2, 12, 5, 3), dtype), array(rng, (10, 12, 1, 1), dtype)
    b, gy = array(rng, (10,), dtype), array(rng, (2, 10, 5, 3), dtype)
    plain = (1, 1), (0, 0), (1, 1), 1

    def all_three():
        maps = empty_maps((2, 16, 5, 3), backend.module.asarray(x)).get()
        return [
            backend.conv2d(x, w, b, *plain, relu=True),
            backend.conv2d(x, w, None, *plain),
            backend.conv2d(x, w, b, *plain, out=maps[:, 4:14]),
            backend.conv2d_grad_input(gy, w, (5, 3), *plain),
            backend.conv2d_grad_weight(gy, x, (1, 1), *plain),
        ]

    expected = all_three()
    gemm = conv.gemm
    monkeypatch.setattr(conv, "LARGE", 10)
    monkeypatch.setattr(conv, "gemm", lambda *a, **k: taken.append(1) or gemm(*a, **k))
    for a, e in zip(all_three(), expected, strict=True):
        check_close(a, e, 4 * np.finfo(dtype).eps * 12)
    assert len(taken) == 5


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("groups", [1, 2])
def test_long_sums_are_cut_among_blocks(groups, device, monkeypatch):
    """Few pixels, many terms: the parts are added in order, then the bias; the same in any cut."""
    backend, rng = table(device), np.random.default_rng(7)
    x, w = array(rng, (1, 36, 6, 5), np.float64), array(rng, (20, 36 // groups, 3, 2), np.float64)
    b, gy = array(rng, (20,), np.float64), array(rng, (1, 20, 3, 5), np.float64)
    window, used, launch = ((2, 1), (1, 0), (1, 1), groups), [], conv.launch
    gy = gy[:, :, :, :4]
    monkeypatch.setattr(conv, "launch", lambda *a, **k: used.append(a[2][2]) or launch(*a, **k))
    for steps in (1, 2, 100):
        monkeypatch.setattr(conv, "STEPS", steps)
        y = backend.conv2d(x, w, b, *window, relu=True)
        check_close(y, reference.conv2d(x, w, b, *window, relu=True), 1e-13, steps)
        gx = backend.conv2d_grad_input(gy, w, (6, 5), *window)
        check_close(gx, reference.conv2d_grad_input(gy, w, (6, 5), *window), 1e-13, steps)
    phases = 2
    assert used[-2:] == [groups, groups * phases]  # in one part each
    assert all(now > then for now, then in zip(used[:2], used[-2:], strict=True))
