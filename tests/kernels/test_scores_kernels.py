"""Loss, its gradient and the label map straight from coarse backend."""

import numpy as np
import pytest
from geometries import array, channels_last, check_close, inner
from minifcn.kernels import cpu, cuda, reference
from minifcn.kernels.cpu import layout
from on_device import DEVICES, table

TOLERANCE = {"float64": 1e-12, "float32": 1e-5}
DOUBLE = (1, 4), (1, 2), (0, 1)  # kernel size, stride, padding
SAME = (1, 1), (1, 1), (0, 0)


@pytest.fixture(params=["cpu", *DEVICES])
def fast(request):
    """The backends that are compared with the reference."""
    return table(request.param)


def test_exact(backend, dtype):
    """Two classes at two coarse pixels, doubled, without the first and the last fine pixel.

    The scores of class 0 are the logarithms of 1 and 3 at weights (3/4, 1/4) and (1/4, 3/4), those
    of class 1 are 0; the first pixel is ignored in the gradient.
    """
    x = np.array([[0, np.log(3)], [0, 0]], dtype).reshape(1, 2, 1, 2)
    labels, weight = np.array([[[0, 1]]]), np.array([1, 2], dtype)
    eps, odds = np.finfo(dtype).eps, 3 ** np.array([0.25, 0.75])
    losses, lse = backend.upsample_cross_entropy(x, *DOUBLE, (0, 1), labels, weight, 255)
    assert losses.dtype == lse.dtype == dtype
    check_close(lse, [[np.log(1 + odds)]], 4 * eps)
    check_close(
        losses, [[[np.log(1 + odds[0]) - np.log(odds[0]), 2 * np.log(1 + odds[1])]]], 9 * eps
    )

    labels[0, 0, 0] = 255
    scale = np.array([[[7, 4]]], dtype)
    gx = backend.upsample_cross_entropy_grad(x, *DOUBLE, (0, 1), labels, lse, scale, 255)
    assert gx.dtype == dtype
    share = odds[1] / (1 + odds[1])
    expected = np.array([4 * share, -4 * share])[:, None] * [0.25, 0.75]
    check_close(gx[0, :, 0], expected, 8 * eps)

    best = backend.argmax_upsampled(x, *DOUBLE, (0, 1), (1, 2))
    assert best.dtype == np.int64
    assert np.array_equal(best, [[[0, 0]]])
    best = backend.argmax_upsampled(-x, *DOUBLE, (0, 0), (1, 4))
    assert np.array_equal(best, [[[0, 1, 1, 1]]])


def test_equals_the_pieces(backend, dtype):
    """Upsampling, crop and loss of the reference, in float64."""
    tolerance = TOLERANCE[dtype.name]
    for x, window, offset, labels, weight, scale, ignore in _cases(seed=1):
        context = x.shape, window, offset, labels.shape
        fine, grown = _fine(x, window, offset, labels.shape[1:])
        expected = reference.cross_entropy(fine, labels, weight, ignore)
        g = reference.cross_entropy_grad(fine, labels, expected[1], scale, ignore)
        gx = reference.upsample_bilinear_grad(_uncropped(g, grown, offset), x.shape[2:], *window)
        low, scale = x.astype(dtype), scale.astype(dtype)
        weight = None if weight is None else weight.astype(dtype)
        actual = backend.upsample_cross_entropy(low, *window, offset, labels, weight, ignore)
        for a, e in zip(actual, expected, strict=True):
            assert a.dtype == dtype
            check_close(a, e, tolerance, *context)
        actual = backend.upsample_cross_entropy_grad(
            low, *window, offset, labels, actual[1], scale, ignore
        )
        assert actual.dtype == dtype
        assert backend is not cpu or layout.is_channels_last(actual)
        check_close(actual, gx, tolerance, *context)


def test_gradient_is_the_derivative(backend):
    for x, window, offset, labels, weight, upstream, ignore in _cases(seed=2, count=40):
        weight = np.ones(x.shape[1]) if weight is None else weight
        rest = *window, offset, labels

        def loss(x, rest=(*rest, weight, ignore), upstream=upstream):
            return inner(upstream, backend.upsample_cross_entropy(x, *rest)[0])

        _, lse = backend.upsample_cross_entropy(x, *rest, weight, ignore)
        scale = upstream * weight[np.where(labels == ignore, 0, labels)]
        gx = backend.upsample_cross_entropy_grad(x, *rest, lse, scale, ignore)
        direction = np.random.default_rng(3).uniform(-1, 1, x.shape)
        h = 1e-4
        slope = (loss(x + h * direction) - loss(x - h * direction)) / (2 * h)
        size = max(1e-3, inner(abs(gx), abs(direction)))
        assert abs(slope - inner(gx, direction)) <= 1e-6 * size, (x.shape, window, offset)


def test_label_map(backend, dtype):
    """The class that wins, wherever it wins by more than rounding."""
    for x, window, offset, labels, *_ in _cases(seed=4):
        size = labels.shape[1:]
        fine, _ = _fine(x, window, offset, size)
        best = backend.argmax_upsampled(x.astype(dtype), *window, offset, size)
        assert best.shape == labels.shape
        won = np.take_along_axis(fine, best[:, None], axis=1)[:, 0]
        margin = 1e-5 * abs(x).max() if dtype == np.float32 else 1e-13 * abs(x).max()
        assert np.all(won >= fine.max(axis=1) - margin), (x.shape, window, offset)


def test_label_map_of_equal_scores(backend, dtype):
    """The first maximum wins."""
    rng = np.random.default_rng(5)
    x = rng.integers(0, 3, (2, 11, 13, 70)).astype(dtype)
    best = backend.argmax_upsampled(x, *SAME, (0, 0), (13, 70))
    assert np.array_equal(best, x.argmax(axis=1))
    for scores in (x, channels_last(x), x[:, :1], x[:1, :3, ::2, 1::3]):
        best = backend.argmax_classes(scores)
        assert best.dtype == np.int64
        assert np.array_equal(best, scores.argmax(axis=1))
    best = backend.argmax_upsampled(x, *SAME, (2, 3), (9, 66))
    assert np.array_equal(best, x.argmax(axis=1)[:, 2:11, 3:69])


def test_label_map_of_nan(fast, dtype):
    """The first NaN wins before every number. (A matrix product spreads it along its row.)"""
    rng = np.random.default_rng(8)
    x = rng.integers(0, 3, (2, 11, 13, 70)).astype(dtype)
    x[rng.random(x.shape) < 0.05] = np.nan
    best = fast.argmax_upsampled(x, *SAME, (0, 0), (13, 70))
    assert np.array_equal(best, x.argmax(axis=1))
    for scores in (x, channels_last(x), np.tile(x, (1, 20, 1, 1)), np.full_like(x, -np.inf)):
        assert np.array_equal(fast.argmax_classes(scores), scores.argmax(axis=1))


def test_ignored_pixels(backend, dtype):
    """A map with every pixel ignored has no loss and no gradient, whatever the scale."""
    x = array(np.random.default_rng(6), (1, 5, 3, 4), dtype)
    window = (4, 4), (2, 2), (1, 1)
    labels = np.full((1, 6, 8), 3, np.uint8)
    losses, lse = backend.upsample_cross_entropy(x, *window, (0, 0), labels, None, 3)
    scale = np.full(labels.shape, np.inf, dtype)
    gx = backend.upsample_cross_entropy_grad(x, *window, (0, 0), labels, lse, scale, 3)
    assert not losses.any()
    assert not gx.any()
    assert np.isfinite(lse).all()


# x, kernel size, stride, padding, offset, size of the labels
WIDE = {
    "strides of the nets": ((1, 21, 3, 18), (16, 16), (8, 8), (0, 0), (5, 11), (4, 131)),
    "few coarse pixels": ((2, 5, 2, 5), (6, 64), (3, 32), (0, 0), (1, 19), (7, 160)),
    "many classes": ((1, 170, 2, 300), (3, 4), (2, 1), (1, 1), (0, 1), (3, 300)),
    "more classes than memory": ((1, 300, 2, 5), (1, 64), (1, 32), (0, 0), (0, 19), (2, 160)),
    "a large kernel": ((1, 5, 2, 3), (6, 300), (3, 150), (0, 0), (1, 19), (4, 520)),
    "pixels that see nothing": ((1, 3, 2, 40), (2, 1), (3, 5), (0, 0), (0, 2), (4, 190)),
    "beyond the end": ((1, 3, 2, 9), (2, 4), (1, 2), (0, 0), (1, 12), (2, 140)),
}


@pytest.mark.parametrize("case", WIDE)
def test_rows_of_many_pixels(case, fast, dtype):
    """Rows that several blocks of threads share, and classes that they take in turn."""
    shape, *window, offset, size = WIDE[case]
    rng = np.random.default_rng(9)
    x, tolerance = array(rng, shape).astype(dtype), TOLERANCE[dtype.name]
    labels = rng.integers(0, shape[1], (shape[0], *size))
    labels[rng.random(labels.shape) < 0.2] = 255
    scale, weight = array(rng, labels.shape, dtype), rng.uniform(0.1, 3, shape[1])
    expected = reference.upsample_cross_entropy(x, *window, offset, labels, weight, 255)
    actual = fast.upsample_cross_entropy(x, *window, offset, labels, weight.astype(dtype), 255)
    for a, e in zip(actual, expected, strict=True):
        check_close(a, e, tolerance)
    rest = *window, offset, labels, expected[1].astype(dtype), scale, 255
    gx = reference.upsample_cross_entropy_grad(x.astype(float), *rest)
    check_close(fast.upsample_cross_entropy_grad(x, *rest), gx, tolerance)
    x = np.round(x)  # and ties, which rounding may not decide where weights are halves
    best = reference.argmax_upsampled(x, *window, offset, size)
    fine = reference.upsample_bilinear(x, *window[:2], offset, size).astype(float)
    actual = fast.argmax_upsampled(x, *window, offset, size)
    won = np.take_along_axis(fine, actual[:, None], axis=1)[:, 0]
    lost = np.take_along_axis(fine, best[:, None], axis=1)[:, 0]
    assert np.all(won >= lost - 8 * np.finfo(dtype).eps)


def test_emulated_gradient_of_some_images_at_a_time(dtype, monkeypatch):
    """The GPU's workspace has a bound: the bits stay."""
    from minifcn.kernels.cuda import scores

    rng, emulated = np.random.default_rng(10), table("emulated")
    x, labels = array(rng, (5, 3, 4, 6), dtype), rng.integers(0, 3, (5, 8, 9))
    labels[rng.random(labels.shape) < 0.2] = 1
    rest = (4, 4), (2, 2), (1, 1), (0, 1), labels
    _, lse = emulated.upsample_cross_entropy(x, *rest, None, 1)
    rest = *rest, lse, array(rng, labels.shape, dtype), 1
    expected = emulated.upsample_cross_entropy_grad(x, *rest)
    for images in (0, 1, 2, 5):
        monkeypatch.setattr(scores, "WORKSPACE", images * 8 * 6 * 3)
        assert np.array_equal(emulated.upsample_cross_entropy_grad(x, *rest), expected)


@pytest.mark.parametrize("name", DEVICES)
def test_arrays_of_the_gpu_with_gaps(name, dtype):
    """The same bits from arrays that do not lie dense there; a scale may be one number for all."""
    xp, rng = table(name).module, np.random.default_rng(11)
    x = xp.asarray(array(rng, (2, 22, 7, 18), dtype))
    labels = xp.asarray(rng.integers(0, 11, (31, 20, 2))).T
    window, offset = ((8, 8), (4, 4), (0, 0)), (3, 5)

    def everything(x, labels, scale):
        losses, lse = cuda.upsample_cross_entropy(x, *window, offset, labels, None, 1)
        gx = cuda.upsample_cross_entropy_grad(x, *window, offset, labels, lse, scale, 1)
        best = cuda.argmax_upsampled(x, *window, offset, labels.shape[1:])
        return losses, lse, gx, best, cuda.argmax_classes(x)

    scale = xp.broadcast_to(x[0, 0, 0, 0], labels.shape)
    for view in (x[:, ::2, :, ::2], x[:, 10::-1, :, :9], x.transpose(0, 1, 3, 2)[:, 3:14]):
        dense = [xp.ascontiguousarray(a) for a in (view, labels, scale)]
        actual = everything(view, labels, scale)
        assert actual[2].transpose(0, 2, 3, 1).flags.c_contiguous
        for a, e in zip(actual, everything(*dense), strict=True):
            assert np.array_equal(a.get(), e.get())


@pytest.mark.parametrize("K", [3, 21])
def test_any_strides_and_any_number_of_threads(K, dtype):
    """Bit for bit."""
    rng = np.random.default_rng(7)
    x = array(rng, (2, K, 23, 19), dtype)
    labels = rng.integers(0, K, (2, 150, 131))
    scale = array(rng, labels.shape, dtype)
    window, offset = ((16, 16), (8, 8), (0, 0)), (19, 11)

    def everything(x):
        losses, lse = cpu.upsample_cross_entropy(x, *window, offset, labels, None, 1)
        gx = cpu.upsample_cross_entropy_grad(x, *window, offset, labels, lse, scale, 1)
        best = cpu.argmax_upsampled(x, *window, offset, labels.shape[1:]), cpu.argmax_classes(x)
        return losses, lse, gx, *best

    before = cpu.get_num_threads()
    try:
        cpu.set_num_threads(1)
        expected = everything(x)
        for n in (1, 2, 5):
            cpu.set_num_threads(n)
            for same in (x, channels_last(x), x[:, ::-1].copy()[:, ::-1]):
                for a, e in zip(everything(same), expected, strict=True):
                    assert np.array_equal(a, e), n
    finally:
        cpu.set_num_threads(before)


def _cases(seed: int, count: int = 100):
    """x, window, offset, labels, weight or None, upstream gradient and ignore_index.

    Strides and kernels as in the nets and others; crops that leave a part of the upsampled map.
    """
    rng = np.random.default_rng(seed)
    for _ in range(count):
        N, K, h, w = (int(n) for n in rng.integers((1, 1, 1, 1), (3, 23, 9, 12)))
        stride = tuple(int(n) for n in rng.integers(1, 10, 2))
        kernel = tuple(2 * s - int(rng.integers(0, 2)) for s in stride)
        if rng.random() < 0.3:
            kernel = tuple(int(n) for n in rng.integers(1, 12, 2))
        window = kernel, stride, (0, 0)
        grown = _grown((h, w), window)
        offset = tuple(int(rng.integers(0, max(1, n // 2))) for n in grown)
        size = tuple(int(rng.integers(1, n - o + 1)) for n, o in zip(grown, offset, strict=True))
        padding = tuple(int(rng.integers(0, o + 1)) for o in offset)
        window = kernel, stride, padding
        offset = tuple(o - p for o, p in zip(offset, padding, strict=True))
        kind = rng.choice((np.uint8, np.int32, np.int64))
        ignore = int(rng.choice([255, K - 1])) if kind == np.uint8 else -1
        labels = rng.integers(0, K, (N, *size))
        labels[rng.random(labels.shape) < 0.2] = ignore
        x = rng.uniform(0.1, 10) * array(rng, (N, K, h, w), last=rng.random() < 0.5)
        weight = rng.uniform(0.1, 3, K) if rng.random() < 0.5 else None
        yield x, window, offset, labels.astype(kind), weight, array(rng, labels.shape), ignore


def _grown(size, window):
    """The size of the whole upsampled map."""
    axes = zip(size, *window, strict=True)
    return tuple((n - 1) * s - 2 * p + k for n, k, s, p in axes)


def _fine(x, window, offset, size):
    """The cropped fine scores, and the size before the crop, made large enough for it."""
    (top, left), (H, W) = offset, size
    grown = _grown(x.shape[2:], window)
    grown = max(grown[0], top + H), max(grown[1], left + W)
    y = reference.upsample_bilinear(x, *window, grown)
    return y[:, :, top : top + H, left : left + W], grown


def _uncropped(g, grown, offset):
    (top, left), (H, W) = offset, g.shape[2:]
    whole = np.zeros((*g.shape[:2], *grown))
    whole[:, :, top : top + H, left : left + W] = g
    return whole
