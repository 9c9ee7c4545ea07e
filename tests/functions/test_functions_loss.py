"""Cross-entropy: the ignore mask, the reductions, the errors."""

import math

import numpy as np
import pytest

import minifcn as mf
from minifcn import functions as F
from minifcn.backends import to_numpy

REDUCTIONS = ("mean", "sum", "batch", "none")


def random_scores(N=2, K=3, H=4, W=5, dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    scores = mf.Tensor(3 * rng.standard_normal((N, K, H, W)).astype(dtype), requires_grad=True)
    labels = rng.integers(0, K, (N, H, W))
    labels[rng.random(labels.shape) < 0.3] = 255
    return scores, labels


def test_by_hand(backend):
    scores = mf.Tensor(np.array([[0.0, math.log(3)], [math.log(4), 0.0]]), requires_grad=True)
    loss = F.cross_entropy(scores, np.array([0, 0]))
    # softmax 1/4, 3/4 and 4/5, 1/5: losses log 4 and log 5/4, together log 5
    assert loss.item() == pytest.approx(math.log(5) / 2, abs=1e-15)
    loss.backward()
    expected = [[(1 / 4 - 1) / 2, 3 / 4 / 2], [(4 / 5 - 1) / 2, 1 / 5 / 2]]
    assert to_numpy(scores.grad) == pytest.approx(np.array(expected), abs=1e-15)


def test_reductions_of_the_same_pixels(backend):
    scores, labels = random_scores()
    pixels = F.cross_entropy(scores, labels, reduction="none")
    valid = labels != 255
    assert pixels.shape == labels.shape
    pixels = pixels.numpy()
    assert (pixels[~valid] == 0).all()
    assert (pixels[valid] > 0).all()
    total = pixels.sum()
    divisors = {"sum": 1, "mean": valid.sum(), "batch": 2}
    for reduction, divisor in divisors.items():
        loss = F.cross_entropy(scores, labels, reduction=reduction)
        assert loss.shape == ()
        assert loss.item() == pytest.approx(total / divisor, rel=1e-14)


def test_class_weights_weight_the_mean(backend):
    scores, labels = random_scores()
    weight = np.array([0.5, 2.0, 0.25])
    plain = F.cross_entropy(scores, labels, reduction="none").numpy()
    valid = labels != 255
    w = np.where(valid, weight[np.where(valid, labels, 0)], 0)
    for reduction, divisor in {"sum": 1, "mean": w.sum(), "batch": 2}.items():
        loss = F.cross_entropy(scores, labels, weight, reduction=reduction)
        assert loss.item() == pytest.approx((w * plain).sum() / divisor, rel=1e-14)
    none = F.cross_entropy(scores, labels, weight, reduction="none")
    assert none.numpy() == pytest.approx(w * plain, rel=1e-14)


def test_equals_a_gather_of_log_softmax(backend):
    scores, labels = random_scores()
    loss = F.cross_entropy(scores, labels, reduction="sum")
    loss.backward()
    same = mf.Tensor(scores.data, requires_grad=True)
    chosen = (labels[:, None] == np.arange(3)[:, None, None]).astype(float)
    gathered = -(F.log_softmax(same) * chosen).sum()
    gathered.backward()
    assert loss.item() == pytest.approx(gathered.item(), rel=1e-14)
    assert to_numpy(scores.grad) == pytest.approx(to_numpy(same.grad), abs=1e-14)


def test_scores_of_whole_images_are_the_same_as_maps_of_one_pixel(backend):
    scores, labels = random_scores(N=4, K=5, H=1, W=1, seed=3)
    labels[0] = 2
    flat = mf.Tensor(scores.data.reshape(4, 5), requires_grad=True)
    for reduction in REDUCTIONS:
        scores.grad = flat.grad = None
        maps = F.cross_entropy(scores, labels, reduction=reduction)
        whole = F.cross_entropy(flat, labels.ravel(), reduction=reduction)
        assert np.array_equal(maps.data.ravel(), whole.data.ravel())
        maps.backward(np.full(maps.shape, 3.0))
        whole.backward(np.full(whole.shape, 3.0))
        assert np.array_equal(scores.grad.ravel(), flat.grad.ravel())


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("weighted", [False, True])
def test_with_every_pixel_ignored_loss_and_gradient_are_zero(backend, reduction, weighted):
    scores, labels = random_scores()
    labels[:] = 255
    weight = np.array([1.0, 2.0, 3.0]) if weighted else None
    loss = F.cross_entropy(scores, labels, weight, reduction=reduction)
    assert (loss.data == 0).all()
    loss.backward(np.full(loss.shape, 7.0))
    assert scores.grad.shape == scores.shape
    assert (scores.grad == 0).all()


def test_weights_of_zero_do_not_divide_by_zero(backend):
    scores, labels = random_scores()
    labels[labels == 1] = 0
    loss = F.cross_entropy(scores, labels, np.array([0.0, 1.0, 0.0]))
    loss.backward()
    assert loss.item() == 0
    assert (scores.grad == 0).all()


def test_ignored_pixels_get_no_gradient_and_matter_to_nobody(backend):
    scores, labels = random_scores()
    ignored = labels == 255
    loss = F.cross_entropy(scores, labels)
    loss.backward()
    gradient = np.moveaxis(to_numpy(scores.grad), 1, -1)
    assert (gradient[ignored] == 0).all()
    assert (gradient[~ignored] != 0).all()
    other = np.where(ignored[:, None], 1e3, scores.numpy())
    assert F.cross_entropy(mf.Tensor(other), labels).item() == loss.item()


def test_large_scores_do_not_overflow(backend):
    scores = mf.Tensor(np.array([[1e4, -1e4], [1e4, -1e4]]), requires_grad=True)
    loss = F.cross_entropy(scores, np.array([0, 1]), reduction="none")
    assert loss.data.tolist() == [0, 2e4]
    loss.backward(np.ones(2))
    assert scores.grad.tolist() == [[0, 0], [1, -1]]
    narrow = mf.Tensor(scores.data.astype(np.float32), requires_grad=True)
    F.cross_entropy(narrow, np.array([0, 1]), reduction="sum").backward()
    assert narrow.grad.dtype == np.float32
    assert narrow.grad.tolist() == [[0, 0], [1, -1]]


def test_labels_of_any_integer_type(backend):
    scores, labels = random_scores()
    wanted = F.cross_entropy(scores, labels).item()
    for dtype in (np.uint8, np.int16, np.int32, np.uint64):
        assert F.cross_entropy(scores, labels.astype(dtype)).item() == wanted
    assert F.cross_entropy(scores, mf.Tensor(labels)).item() == wanted
    shifted = np.where(labels == 255, -1, labels)
    assert F.cross_entropy(scores, shifted, ignore_index=-1).item() == wanted
    # ignore_index may be a class: then that class is left out
    assert F.cross_entropy(scores, np.where(labels == 255, 1, labels), ignore_index=1).item() == (
        F.cross_entropy(scores, np.where(labels == 1, 255, labels)).item()
    )


def test_labels_that_are_no_class(backend):
    scores, labels = random_scores()
    labels[:] = 0
    labels[1, 2, 3], labels[1, 3, 0] = 3, 7
    with pytest.raises(ValueError) as error:
        F.cross_entropy(scores, labels)
    assert str(error.value) == (
        "cross_entropy: label 3 at (1, 2, 3) is not one of the 3 classes 0..2 nor the ignored 255 "
        "(2 such pixels)"
    )
    labels[:] = 0
    labels[0, 1, 4] = -1
    with pytest.raises(ValueError, match=r"label -1 at \(0, 1, 4\) is not .* \(1 such pixels\)"):
        F.cross_entropy(scores, labels)
    labels[0, 1, 4] = 255
    with pytest.raises(ValueError, match=r"label 255 at \(0, 1, 4\) .* nor the ignored 254"):
        F.cross_entropy(scores, labels, ignore_index=254)


def test_wrong_calls():
    scores, labels = random_scores()
    with pytest.raises(ValueError, match=r"scores \(2, 3, 4, 5\) .* here \(2, 4, 5\); got \(2, 5"):
        F.cross_entropy(scores, labels.transpose(0, 2, 1))
    with pytest.raises(ValueError, match=r"weight \(2,\) for 3 classes"):
        F.cross_entropy(scores, labels, np.ones(2))
    with pytest.raises(ValueError, match="reduction 'average' is none of"):
        F.cross_entropy(scores, labels, reduction="average")
    with pytest.raises(TypeError, match="labels must be integers; got dtype float64"):
        F.cross_entropy(scores, labels.astype(float))
    with pytest.raises(TypeError, match="got scores float64, weight float32"):
        F.cross_entropy(scores, labels, np.ones(3, np.float32))
    with pytest.raises(ValueError, match=r"scores are empty: shape \(0, 3, 4, 5\)"):
        F.cross_entropy(mf.Tensor(np.zeros((0, 3, 4, 5))), np.zeros((0, 4, 5), int))


def test_float32_sums_many_pixels_in_float64(backend):
    """A million equal losses: a float32 sum of them would be off in the fourth digit."""
    scores = mf.Tensor(np.zeros((1, 3, 1000, 1000), np.float32))
    loss = F.cross_entropy(scores, np.zeros((1, 1000, 1000), np.uint8))
    assert loss.dtype == np.float32
    assert loss.item() == pytest.approx(math.log(3), rel=1.2e-7)
