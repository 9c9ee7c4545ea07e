"""The end of a net in one operation, against its pieces: upsampling, crop, loss or argmax."""

import numpy as np
import pytest

import minifcn as mf
from minifcn import functions as F
from minifcn.backends import to_numpy

UP = {"factor": (4, 8), "kernel_size": (8, 16), "padding": (0, 1)}
OFFSET, SIZE = (3, 5), (17, 38)


def coarse_scores(N=2, K=5, dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    x = mf.Tensor(3 * rng.standard_normal((N, K, 5, 6)).astype(dtype), requires_grad=True)
    labels = rng.integers(0, K, (N, *SIZE))
    labels[rng.random(labels.shape) < 0.3] = 255
    return x, labels


def pieces(x):
    return F.crop(F.upsample_bilinear(x, **UP), OFFSET, SIZE)


@pytest.mark.parametrize("reduction", ["mean", "sum", "batch", "none"])
@pytest.mark.parametrize("weighted", [False, True])
def test_equals_the_pieces(backend, reduction, weighted):
    x, labels = coarse_scores()
    settings = {"reduction": reduction, "ignore_index": 255}
    settings["weight"] = np.array([0.5, 2.0, 0.25, 1.0, 3.0]) if weighted else None
    results = []
    for loss in (
        F.cross_entropy(pieces(x), labels, **settings),
        F.upsample_cross_entropy(x, labels, **UP, offset=OFFSET, **settings),
    ):
        x.grad = None
        loss.backward(np.random.default_rng(1).standard_normal(loss.shape))
        results.append((loss.numpy(), to_numpy(x.grad)))
    (wanted, wanted_gx), (found, gx) = results
    assert found.shape == wanted.shape
    assert found == pytest.approx(wanted, rel=1e-13)
    assert np.abs(gx - wanted_gx).max() < 1e-13 * np.abs(wanted_gx).max()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_label_map_equals_the_argmax_of_the_pieces(backend, dtype):
    for seed in range(20):
        x, _ = coarse_scores(dtype=dtype, seed=seed)
        best = F.argmax_upsampled(x, SIZE, **UP, offset=OFFSET)
        assert best.dtype.kind == "i"
        assert np.array_equal(to_numpy(best), pieces(x).numpy().argmax(axis=1))


def test_defaults_are_those_of_upsampling(backend):
    x, _ = coarse_scores()
    fine = F.upsample_bilinear(x, 2)
    labels = np.zeros((2, *fine.shape[2:]), np.uint8)
    loss = F.upsample_cross_entropy(x, labels, 2)
    assert loss.item() == pytest.approx(F.cross_entropy(fine, labels).item(), rel=1e-13)
    best = F.argmax_upsampled(x.data, labels.shape[1:], 2)
    assert np.array_equal(to_numpy(best), fine.numpy().argmax(axis=1))


def test_with_every_pixel_ignored_loss_and_gradient_are_zero(backend):
    x, labels = coarse_scores()
    loss = F.upsample_cross_entropy(x, np.full_like(labels, 255), **UP, offset=OFFSET)
    loss.backward()
    assert loss.item() == 0
    assert x.grad.shape == x.shape
    assert not x.grad.any()


def test_labels_that_are_no_class(backend):
    """The message of cross_entropy, word for word."""
    x, labels = coarse_scores()
    labels[1, 2, 3], labels[1, 3, 0] = 5, 7
    messages = []
    for call in (
        lambda: F.cross_entropy(pieces(x), labels),
        lambda: F.upsample_cross_entropy(x, labels, **UP, offset=OFFSET),
    ):
        with pytest.raises(ValueError, match=r"label 5 at \(1, 2, 3\)") as error:
            call()
        messages.append(str(error.value))
    assert messages[0] == messages[1]


def test_wrong_calls():
    x, labels = coarse_scores()

    def loss(labels=labels, **settings):
        return F.upsample_cross_entropy(x, labels, **{**UP, "offset": OFFSET, **settings})

    with pytest.raises(ValueError, match=r"labels must be \(N, H, W\); got shape \(17, 38\)"):
        loss(labels[0])
    with pytest.raises(ValueError, match=r"here \(2, 17, 38\); got \(1, 17, 38\)"):
        loss(labels[:1])
    with pytest.raises(ValueError, match=r"crop: .* reaches beyond \(24, 54\)"):
        loss(offset=(8, 5))
    with pytest.raises(ValueError, match=r"output_padding \(4, 0\) must be below the factor"):
        loss(output_padding=(4, 0))
    with pytest.raises(ValueError, match=r"weight \(2,\) for 5 classes"):
        loss(weight=np.ones(2))
    with pytest.raises(ValueError, match="reduction 'average' is none of"):
        loss(reduction="average")
    with pytest.raises(TypeError, match="labels must be integers; got dtype float64"):
        loss(labels.astype(float))
    with pytest.raises(TypeError, match="got x float64, weight float32"):
        loss(weight=np.ones(5, np.float32))
    with pytest.raises(ValueError, match=r"crop: .* reaches beyond \(24, 54\)"):
        F.argmax_upsampled(x, SIZE, **UP, offset=(8, 5))
    with pytest.raises(TypeError, match=r"argmax_upsampled: .* got x int64"):
        F.argmax_upsampled(labels[:, None], SIZE, **UP)
    with pytest.raises(TypeError, match=r"argmax_classes: .* got scores int64"):
        F.argmax_classes(labels[:, None])
    with pytest.raises(ValueError, match=r"argmax_classes: scores must be \(N, C, H, W\)"):
        F.argmax_classes(x[0])
    with pytest.raises(ValueError, match="argmax_classes: scores is empty"):
        F.argmax_classes(x[:, :0])
