"""Which algorithm convolves."""

import numpy as np
import pytest
from minifcn.kernels import cpu, reference
from minifcn.kernels.cpu import (
    conv,
    direct,
    gradient,
    winograd,
    winograd_gradient,
    winograd_panels,
)

import minifcn as mf

pytestmark = pytest.mark.usefixtures("settings")


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
    ((1, 16, 7, 6), (16, 16, 6, 6)),
    ((1, 16, 6, 6), (16, 16, 7, 7)),
]
REFUSED = [  # a stride, other windows, and parts of vectors, also of a group
    ((1, 16, 9, 8), (16, 16, 3, 3), ((2, 2), (1, 1), (1, 1), 1)),
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


def test_dilated_windows_are_dense_ones_by_phases(ran):
    """But for the gradient of the weights, which would have to be added up over the phases."""
    conv.set_algorithm("winograd")
    three((1, 16, 9, 8), (16, 16, 3, 3), ((1, 1), (1, 1), (1, 2), 1))
    assert ran == ["winograd"] * 4 + ["direct"]
    ran.clear()
    conv.set_algorithm("auto")
    three((1, 32, 40, 41), (32, 32, 3, 3), ((1, 1), (2, 2), (2, 2), 1))
    assert ran == ["winograd"] * 8 + ["direct"]
    ran.clear()
    three((1, 32, 20, 41), (32, 32, 3, 3), ((1, 1), (2, 2), (2, 2), 1))  # small phases
    three((1, 16, 90, 90), (16, 16, 3, 3), ((1, 1), (2, 2), (2, 2), 1))  # few channels
    assert ran == ["direct"] * 6


DILATED = [  # size, padding, dilation: all phases and their borders, maps smaller than a phase
    ((23, 18), (2, 3), (2, 3)),
    ((11, 14), (0, 4), (3, 1)),
    ((5, 3), (4, 3), (4, 3)),
    ((1, 40), (5, 1), (5, 7)),
]


@pytest.mark.parametrize(("size", "padding", "dilation"), DILATED)
@pytest.mark.parametrize("taps", [3, 5])
@pytest.mark.parametrize("groups", [1, 2])
def test_dilated_winograd_agrees_with_the_reference(size, padding, dilation, taps, groups, dtype):
    rng, reach = np.random.default_rng(5), taps - 1
    padding = tuple(p * reach // 2 for p in padding)
    if any(n + 2 * p < d * reach + 1 for n, p, d in zip(size, padding, dilation, strict=True)):
        size = tuple(n + d * reach for n, d in zip(size, dilation, strict=True))
    window = (1, 1), padding, dilation, groups
    x = rng.standard_normal((2, 32 * groups, *size)).astype(dtype)
    w = rng.standard_normal((48 * groups, 32, taps, taps)).astype(dtype)
    b = rng.standard_normal(len(w)).astype(dtype)
    y = reference.conv2d(x, w, b, *window)
    gy = rng.standard_normal(y.shape).astype(dtype)
    gx = reference.conv2d_grad_input(gy, w, size, *window)
    conv.set_algorithm("winograd")
    bound = {"float32": 1e-4, "float64": 1e-11}[dtype.name]
    for _ in range(3):  # the transformed filters are kept from the second time on
        ours = cpu.conv2d(x, w, b, *window)
        assert abs(ours - y).max() < bound * y.std()
    ours = cpu.conv2d(x, w, b, *window, relu=True)
    assert abs(ours - np.maximum(y, 0)).max() < bound * y.std()
    ours = cpu.conv2d_grad_input(gy, w, size, *window)
    assert abs(ours - gx).max() < bound * gx.std()


def test_windows_of_5x5_want_a_panel_of_filters(ran):
    """16 channels are enough to see, but 16 filters too few: so for both gradients."""
    conv.set_algorithm("auto")
    three((1, 16, 40, 40), (32, 16, 5, 5), PLAIN)
    assert ran == ["winograd", "direct", "direct"]
    ran.clear()
    three((1, 32, 40, 40), (32, 32, 5, 5), PLAIN)
    assert ran == ["winograd"] * 3


def test_the_adjoint_is_taken_where_it_has_fewer_tiles(monkeypatch):
    conv.set_algorithm("auto")
    taken = []
    for name in ("correlate", "correlate_input"):
        function = getattr(winograd_panels, name)
        monkeypatch.setattr(
            winograd_panels,
            name,
            lambda *a, name=name, function=function, **k: taken.append(name) or function(*a, **k),
        )
    w = np.ones((32, 32, 7, 7), np.float32)
    for size in ((22, 22), (60, 60)):
        gy = np.ones((1, 32, size[0] - 6, size[1] - 6), np.float32)
        cpu.conv2d_grad_input(gy, w, size, (1, 1), (0, 0), (1, 1), 1)
    assert taken == ["correlate_input", "correlate"]


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
