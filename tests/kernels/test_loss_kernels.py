"""The softmax loss with its ignore mask, and the confusion matrix."""

import numpy as np
import pytest
from geometries import array, channels_last, check_close, inner
from minifcn.kernels import cpu, cuda, reference
from minifcn.kernels.cpu import layout
from on_device import DEVICES, table

KINDS = (np.uint8, np.int32, np.int64, np.uint16)


@pytest.fixture(params=["cpu", *DEVICES])
def fast(request):
    """The backends that are compared with the reference."""
    return table(request.param)


def test_exact(backend, dtype):
    """Two classes, three pixels; scores (0, 0), (log 3, 0), anything where ignored."""
    scores = np.array([[0, np.log(3), 7], [0, 0, 9]], dtype).reshape(1, 2, 1, 3)
    labels = np.array([[[1, 0, 255]]], np.uint8)
    eps = np.finfo(dtype).eps
    losses, lse = backend.cross_entropy(scores, labels, None, 255)
    assert losses.dtype == lse.dtype == dtype
    check_close(lse[0, 0, :2], [np.log(2), np.log(4)], 4 * eps)
    check_close(losses, [[[np.log(2), np.log(4 / 3), 0]]], 4 * eps)
    assert losses[0, 0, 2] == 0

    weight = np.array([10, 100], dtype)
    losses, _ = backend.cross_entropy(scores, labels, weight, 255)
    check_close(losses, [[[100 * np.log(2), 10 * np.log(4 / 3), 0]]], 4 * eps)

    scale = np.array([[[1, 8, 5]]], dtype)
    gscores = backend.cross_entropy_grad(scores, labels, lse, scale, 255)
    assert gscores.dtype == dtype
    expected = [[1 / 2, 8 * (3 / 4 - 1), 0], [1 / 2 - 1, 8 / 4, 0]]
    check_close(gscores[0, :, 0], expected, 4 * eps)


def test_extreme_scores(backend, dtype):
    """Large scores neither overflow nor lose the loss; a class of minus infinity has no share."""
    inf = np.inf
    scores = np.array([[1e4, -1e4, -inf], [-1e4, -1e4, 2], [0, -1e4, 2]], dtype)
    scores = scores.reshape(1, 3, 1, 3)
    labels = np.array([[[0, 1, 2]]])
    losses, lse = backend.cross_entropy(scores, labels, None, 255)
    eps = np.finfo(dtype).eps
    check_close(lse, [[[1e4, -1e4 + np.log(3), 2 + np.log(2)]]], 4 * eps)
    expected = [0, np.log(3), np.log(2)]
    assert np.abs(losses[0, 0] - expected).max() <= 1e4 * eps
    gscores = backend.cross_entropy_grad(scores, labels, lse, np.ones((1, 1, 3), dtype), 255)
    expected = [[1 - 1, 1 / 3, 0], [0, 1 / 3 - 1, 1 / 2], [0, 1 / 3, 1 / 2 - 1]]
    assert np.abs(gscores[0, :, 0] - expected).max() <= 1e4 * eps
    assert gscores[0, 0, 0, 2] == 0


def test_not_a_number(backend, dtype):
    """NaN in a score comes through, but not out of an ignored pixel."""
    scores = np.zeros((1, 2, 1, 3), dtype)
    scores[0, 1, 0, :2] = np.nan
    labels = np.array([[[0, 7, 0]]])
    losses, lse = backend.cross_entropy(scores, labels, None, 7)
    assert np.array_equal(np.isnan(losses), [[[True, False, False]]])
    assert np.array_equal(np.isnan(lse), [[[True, True, False]]])
    gscores = backend.cross_entropy_grad(scores, labels, lse, np.ones((1, 1, 3), dtype), 7)
    assert np.array_equal(np.isnan(gscores[0, 0]), [[True, False, False]])
    assert np.array_equal(gscores[0, :, 0, 1], [0, 0])


def test_infinities_as_in_the_reference(fast, dtype):
    """A pixel with +inf, or of -inf alone, is NaN, but where it is ignored; -inf has no share, and
    the loss of its class is infinite."""
    inf = np.inf
    for K in (3, 40):
        scores = np.zeros((7, K), dtype)
        scores[1, 0], scores[2, 2], scores[3], scores[4, 1], scores[5] = inf, inf, -inf, -inf, -inf
        scores[5, 1], scores[6, :2] = 4, (inf, -inf)
        scores = scores.T.reshape(1, K, 1, 7).copy()
        for label in (0, 1, 2, 255):
            labels = np.full((1, 1, 7), label)
            with np.errstate(invalid="ignore"):
                expected = reference.cross_entropy(scores, labels, None, 255)
                rest = labels, expected[1], np.ones((1, 1, 7), dtype), 255
                gscores = reference.cross_entropy_grad(scores, *rest)
            for a, e in zip(
                (*fast.cross_entropy(scores, labels, None, 255),
                 fast.cross_entropy_grad(scores, *rest)),
                (*expected, gscores), strict=True,
            ):  # fmt: skip
                np.testing.assert_allclose(a, e, 8 * np.finfo(dtype).eps)


@pytest.mark.parametrize("kind", [*KINDS, np.int8, np.int16, np.uint32])
def test_labels_of_any_type(kind, backend):
    """The largest number is no class: it is ignored, and nothing else is. Where the ignored number
    is one that the type does not hold, no pixel is."""
    scores = np.log([[1.0, 1, 1], [1, 3, 3]]).reshape(1, 2, 1, 3)
    top = int(np.iinfo(kind).max)
    for ignore, middle in ((top, top), (-1, 1)):
        labels = np.array([[[0, middle, 1]]], kind)
        losses, lse = backend.cross_entropy(scores, labels, None, ignore)
        expected = np.log([2, 1 if middle == top else 4 / 3, 4 / 3])
        check_close(losses, [[expected]], 1e-15)
        g = backend.cross_entropy_grad(scores, labels, lse, np.ones((1, 1, 3)), ignore)
        expected = [1 / 2 - 1, 0 if middle == top else 1 / 4, 1 / 4]
        check_close(g[0, 0, 0], expected, 1e-15)


@pytest.mark.parametrize("name", DEVICES)
def test_arrays_of_the_gpu_with_gaps(name, dtype):
    """The same bits from arrays that do not lie dense there; a scale may be one number for all."""
    xp, rng = table(name).module, np.random.default_rng(7)
    scores = xp.asarray(array(rng, (2, 10, 6, 8), dtype))
    labels = xp.asarray(rng.integers(0, 4, (2, 12, 8)))
    weight = xp.asarray(rng.uniform(1, 2, 10).astype(dtype))
    arguments = scores[:, ::2, :, ::2], labels[:, ::2, ::2], weight[::2], 3
    dense = [xp.ascontiguousarray(a) for a in arguments[:3]]
    expected = cuda.cross_entropy(*dense, 3)
    for a, e in zip(cuda.cross_entropy(*arguments), expected, strict=True):
        assert np.array_equal(a.get(), e.get())
    lse = xp.asarray(np.repeat(expected[1].get(), 2, axis=2))[:, :, ::2]
    scale = xp.broadcast_to(weight[3], lse.shape)
    g = cuda.cross_entropy_grad(*arguments[:2], lse, scale, 3)
    expected = cuda.cross_entropy_grad(*dense[:2], expected[1], xp.ascontiguousarray(scale), 3)
    assert np.array_equal(g.get(), expected.get())
    assert g.transpose(0, 2, 3, 1).flags.c_contiguous


def test_agrees_with_reference(compared):
    backend, dtype, tolerance = compared
    for scores, labels, weight, scale, ignore in _cases(seed=1):
        context = (scores.shape, labels.dtype, weight is None, ignore)
        expected = reference.cross_entropy(scores, labels, weight, ignore)
        gscores = reference.cross_entropy_grad(scores, labels, expected[1], scale, ignore)
        scores, scale = scores.astype(dtype), scale.astype(dtype)
        weight = None if weight is None else weight.astype(dtype)
        actual = backend.cross_entropy(scores, labels, weight, ignore)
        for a, e in zip(actual, expected, strict=True):
            assert a.dtype == dtype
            check_close(a, e, tolerance, *context)
        actual = backend.cross_entropy_grad(scores, labels, actual[1], scale, ignore)
        assert actual.dtype == dtype
        check_close(actual, gscores, tolerance, *context)


def test_gradient_is_the_derivative(backend):
    for scores, labels, weight, upstream, ignore in _cases(seed=2, count=40):
        weight = np.ones(scores.shape[1]) if weight is None else weight
        valid = labels != ignore
        scale = upstream * weight[np.where(valid, labels, 0)]

        def loss(scores, rest=(labels, weight, ignore), upstream=upstream):
            return inner(upstream, backend.cross_entropy(scores, *rest)[0])

        _, lse = backend.cross_entropy(scores, labels, weight, ignore)
        gscores = backend.cross_entropy_grad(scores, labels, lse, scale, ignore)
        direction = np.random.default_rng(3).uniform(-1, 1, scores.shape)
        h = 1e-4
        slope = (loss(scores + h * direction) - loss(scores - h * direction)) / (2 * h)
        size = max(1e-3, inner(abs(gscores), abs(direction)))
        assert abs(slope - inner(gscores, direction)) <= 1e-6 * size, scores.shape


@pytest.mark.parametrize("K", [1, 2, 7, 8, 9, 16, 21, 60, 150])
@pytest.mark.parametrize("size", [(1, 1), (7, 9), (8, 8), (9, 15)])
def test_numbers_of_classes_and_pixels(K, size, fast, dtype):
    """Beside those of vectors and of the tiles of 64 pixels; any strides give the same bits."""
    rng = np.random.default_rng(5)
    scores, labels = array(rng, (2, K, *size)), rng.integers(0, K, (2, *size))
    expected = reference.cross_entropy(scores, labels, None, 255)
    scale = array(rng, labels.shape)
    gscores = reference.cross_entropy_grad(scores, labels, expected[1], scale, 255)
    scores, scale = scores.astype(dtype), scale.astype(dtype)
    tolerance = 1e-12 if dtype == np.float64 else 1e-5
    losses, lse = fast.cross_entropy(scores, labels, None, 255)
    check_close(losses, expected[0], tolerance)
    check_close(lse, expected[1], tolerance)
    ours = fast.cross_entropy_grad(scores, labels, lse, scale, 255)
    check_close(ours, gscores, tolerance)
    for same in (channels_last(scores), scores[..., ::-1].copy()[..., ::-1]):
        assert np.array_equal(fast.cross_entropy(same, labels, None, 255)[1], lse)
        assert np.array_equal(fast.cross_entropy_grad(same, labels, lse, scale, 255), ours)


def test_layout():
    """The gradient has channels last, and scores that have them are not copied, also where all
    pixels are one axis."""
    scores = channels_last(array(np.random.default_rng(6), (2, 5, 6, 7)))
    labels = np.zeros((2, 6, 7), np.uint8)
    _, lse = cpu.cross_entropy(scores, labels, None, 255)
    gscores = cpu.cross_entropy_grad(scores, labels, lse, lse, 255)
    assert layout.is_channels_last(gscores)
    flat = scores.reshape(2, 5, 42, 1)
    assert np.shares_memory(flat, scores)
    assert np.shares_memory(layout.nhwc(flat), scores)
    gflat = cpu.cross_entropy_grad(flat, *(a.reshape(2, 42, 1) for a in (labels, lse, lse)), 255)
    assert np.array_equal(gflat.reshape(scores.shape), gscores)
    assert np.shares_memory(gflat, gflat.reshape(scores.shape))


def test_float32_exponential_and_logarithm(fast):
    """Over their whole range they are within two units in the last place.

    A pixel of the scores (0, x) has log-sum-exp log(1 + e^x); one of the score x and the
    log-sum-exp 0 has the gradient e^x.
    """
    x = np.concatenate([np.linspace(-110, 0, 200_001), -np.logspace(-8, 2, 5000)])
    x = x.astype(np.float32)
    eps, tiny = np.finfo(np.float32).eps, np.finfo(np.float32).tiny
    zero, labels = np.zeros_like(x), np.full((1, 1, x.size), 1)
    gscores = fast.cross_entropy_grad(
        x.reshape(1, 1, 1, -1), labels, zero.reshape(1, 1, -1), np.ones((1, 1, x.size), "f"), 255
    )
    expected = np.exp(x.astype(np.float64))
    assert np.all(np.abs(gscores.ravel() - expected) <= 2 * eps * expected + 2 * tiny)

    scores = np.stack([zero, x]).reshape(1, 2, 1, -1)
    _, lse = fast.cross_entropy(scores, np.zeros((1, 1, x.size), np.uint8), None, 255)
    expected = np.log1p(np.exp(x.astype(np.float64)))
    assert np.all(np.abs(lse.ravel() - expected) <= eps * (1 + expected))

    many = np.zeros((1, 1000, 1, 1), np.float32)
    for classes in range(1, 1001):
        _, lse = fast.cross_entropy(many[:, :classes], np.zeros((1, 1, 1), np.uint8), None, 255)
        assert abs(lse.item() - np.log(classes)) <= eps * max(1, np.log(classes)), classes


def test_confusion_exact(backend):
    labels = np.array([[0, 1, 1, 255], [2, 2, 0, 1]], np.uint8)
    predictions = np.array([[0, 1, 2, 1], [2, 2, 1, 1]])
    counts = backend.confusion_counts(labels, predictions, 3, 255)
    assert counts.dtype == np.int64
    assert np.array_equal(counts, [[1, 1, 0], [0, 2, 1], [0, 0, 2]])
    counts = backend.confusion_counts(np.array([-1, 1]), np.array([0, 0]), 2, -1)
    assert np.array_equal(counts, [[0, 0], [1, 0]])
    counts = backend.confusion_counts(labels[:0], predictions[:0], 3, 255)
    assert np.array_equal(counts, np.zeros((3, 3)))


@pytest.mark.parametrize("kind", KINDS)
def test_confusion_agrees_with_counting(backend, kind):
    rng = np.random.default_rng(4)
    for _ in range(50):
        shape = tuple(int(n) for n in rng.integers(1, 20, 2))
        classes = int(rng.integers(1, 20))
        labels = rng.integers(0, classes + 1, shape).astype(kind)  # the last one is ignored
        predictions = rng.integers(0, classes, shape[::-1]).astype(rng.choice(KINDS)).T
        expected = np.zeros((classes, classes))
        for i, j in zip(labels.ravel(), predictions.ravel(), strict=True):
            if i < classes:
                expected[i, j] += 1
        counts = backend.confusion_counts(labels, predictions, classes, classes)
        assert np.array_equal(counts, expected), (shape, classes)


def test_confusion_of_many_classes(backend):
    """More than a block of a GPU's threads can count, and one of them is ignored."""
    rng = np.random.default_rng(5)
    labels, predictions = rng.integers(0, 200, (2, 3, 31, 101))
    labels[0, 0], predictions[0, 0] = 199, 198  # near the end of the matrix
    counts = backend.confusion_counts(labels, predictions, 200, 17)
    expected = np.zeros((200, 200))
    np.add.at(expected, (labels, predictions), 1)
    expected[17] = 0
    assert expected[199, 198] >= 101
    assert np.array_equal(counts, expected)


def test_confusion_of_many_pixels(backend):
    """Partial counts add up: one pixel in a million is found."""
    labels, predictions = np.zeros((2, 1_000_003), np.uint8)
    labels[[0, -1]], predictions[[0, 777_777]] = 1, 1
    counts = backend.confusion_counts(labels, predictions, 2, 255)
    assert np.array_equal(counts, [[1_000_003 - 3, 1], [1, 1]])


def _cases(seed: int, count: int = 200):
    """scores, labels, weight or None, upstream gradient and ignore_index."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        N, K, H, W = (int(n) for n in rng.integers((1, 1, 1, 1), (4, 25, 30, 40)))
        kind = rng.choice(KINDS)
        ignore = int(rng.choice([255, K - 1])) if kind in (np.uint8, np.uint16) else -1
        labels = rng.integers(0, K, (N, H, W))
        labels[rng.random(labels.shape) < 0.2] = ignore
        scores = rng.uniform(0.1, 10) * array(rng, (N, K, H, W), last=rng.random() < 0.3)
        weight = rng.uniform(0.1, 3, K) if rng.random() < 0.5 else None
        yield scores, labels.astype(kind), weight, array(rng, (N, H, W)), ignore
