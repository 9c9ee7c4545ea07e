"""Loss and label maps by the shorter way, which never makes scores of all pixels."""

import numpy as np
import pytest

from minifcn import Tensor, manual_seed, models, nn, no_grad, set_num_threads, train, use_backend
from minifcn import functions as F
from minifcn.autograd import Hook, Timer
from minifcn.backends import get_num_threads

NAMES = ("fcn32s-mini", "fcn8s-mini", "fcn16s-squeezenet", "fcn4s-squeezenet", "fcn8s-vgg16")


def net_of(name, **options):
    """A narrow net whose score layers say something, without dropout."""
    manual_seed(1)
    net = models.build(name, 4, **{"width": 0.2, "padding": "aligned", **options})
    rng = np.random.default_rng(2)
    for key, parameter in net.named_parameters():
        if key.startswith("score") and key.endswith("weight"):
            parameter.data = rng.standard_normal(parameter.shape).astype(np.float32)
    return net.eval()


def batch(N=2, size=(37, 50), seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 4, (N, *size)).astype(np.uint8)
    labels[rng.random(labels.shape) < 0.2] = 255
    return Tensor(rng.uniform(-100, 100, (N, 3, *size)).astype(np.float32)), labels


class OtherCrop(nn.Crop):
    """No nn.Crop by type: nothing is known of it."""


@pytest.fixture
def fused(monkeypatch):
    """Counts how often the shorter way is taken."""
    calls = {"loss": 0, "labels": 0}
    loss, labels = F.upsample_cross_entropy, F.argmax_upsampled

    def count(name, function):
        def call(*arguments, **settings):
            calls[name] += 1
            return function(*arguments, **settings)

        return call

    monkeypatch.setattr(F, "upsample_cross_entropy", count("loss", loss))
    monkeypatch.setattr(F, "argmax_upsampled", count("labels", labels))
    return calls


@pytest.mark.parametrize("padding", ["aligned", "reference"])
@pytest.mark.parametrize("name", NAMES)
def test_the_same_loss_gradients_and_labels(name, padding, fused):
    net, (images, labels) = net_of(name, padding=padding), batch()
    settings = {"weight": np.array([1, 2, 0.5, 3], np.float32), "reduction": "sum"}
    results = []
    for loss in (
        F.cross_entropy(net(images), labels, **settings),
        train.pixel_loss(net, images, labels, **settings),
    ):
        net.zero_grad()
        loss.backward()
        results.append((loss.item(), {k: p.grad for k, p in net.named_parameters()}))
    (wanted, wanted_grads), (found, grads) = results
    assert found == pytest.approx(wanted, rel=1e-5)
    for key, grad in wanted_grads.items():
        np.testing.assert_allclose(grads[key], grad, atol=1e-4 * np.abs(grad).max(), rtol=0)
    with no_grad():
        expected = net(images).data.argmax(axis=1)
    assert len(np.unique(expected)) > 1 or padding == "reference"  # whose border outweighs all
    np.testing.assert_array_equal(train.label_maps(net, images), expected)
    assert fused == {"loss": 1, "labels": 1}


def test_the_same_labels_on_every_backend(backend, fused):
    net, (images, _) = net_of("fcn8s-mini").to(backend), batch()
    with use_backend(backend):
        images = images.to(backend)
        found = train.label_maps(net, images)
        with no_grad():
            np.testing.assert_array_equal(found, net(images).numpy().argmax(axis=1))
    assert fused["labels"] == 1


def test_any_number_of_threads_gives_the_same_bits():
    net, (images, labels) = net_of("fcn8s-mini"), batch(size=(90, 110))
    before, results = get_num_threads(), []
    try:
        for n in (1, 2, 3):
            set_num_threads(n)
            net.zero_grad()
            loss = train.pixel_loss(net, images, labels)
            loss.backward()
            gradients = [p.grad for p in net.parameters()]
            results.append([loss.data, *gradients, train.label_maps(net, images)])
    finally:
        set_num_threads(before)
    for result in results[1:]:
        for a, b in zip(result, results[0], strict=True):
            np.testing.assert_array_equal(a, b)


def check_plain(model, fused, hooks=()):
    """The model's scores are computed in full, whoever asks."""
    images, labels = batch()
    wanted = F.cross_entropy(model(images), labels).item()
    expected = model(images).data.argmax(axis=1)
    for hook in hooks:
        hook.__enter__()
    try:
        assert train.pixel_loss(model, images, labels).item() == wanted
        np.testing.assert_array_equal(train.label_maps(model, images), expected)
    finally:
        for hook in reversed(hooks):
            hook.__exit__(None, None, None)
    assert fused == {"loss": 0, "labels": 0}


def test_other_endings_compute_all_scores(fused):
    check_plain(net_of("fcn8s-mini", upsampling="all-learned"), fused)

    net = net_of("fcn8s-mini")
    net.add("more", nn.Scale(2.0))
    check_plain(net, fused)

    net = net_of("fcn8s-mini")
    crop = OtherCrop()
    crop.offset = net["score"].offset
    net._modules["score"] = crop
    check_plain(net, fused)

    net = net_of("fcn8s-mini")
    net.add("again", nn.Fuse(), "upscore8", "data")  # reads the scores before the crop
    net["again"].offset = (0, 0)
    assert train.scores._ending(net) is None

    check_plain(nn.Conv2d(3, 4, 1), fused)
    single = nn.Net()
    single.add("only", nn.Conv2d(3, 4, 1))
    check_plain(single, fused)


def test_hooks_see_every_layer(fused):
    timer = Timer()
    check_plain(net_of("fcn8s-mini"), fused, [Hook(), timer])
    assert timer.calls["CrossEntropy", "forward"] == 1
    assert timer.calls["Crop", "forward"] >= 2


def test_interpolating_the_image_itself(fused):
    """A net of nothing but its ending."""
    net = nn.Net()
    net.add("up", nn.UpsampleBilinear(2))
    net.add("crop", nn.Crop(), "up", "data")
    net["crop"].offset = (1, 1)
    images, _ = batch()
    labels = np.zeros((2, 37, 50), np.uint8)
    loss = train.pixel_loss(net, images, labels)
    assert loss.item() == pytest.approx(F.cross_entropy(net(images), labels).item(), rel=1e-5)
    assert fused["loss"] == 1


def test_errors_are_those_of_the_pieces():
    net, (images, labels) = net_of("fcn8s-mini"), batch()
    with pytest.raises(
        ValueError, match=r"want labels \(N, H, W\), here \(2, 37, 50\); got \(2, 36"
    ):
        train.pixel_loss(net, images, labels[:, 1:])
    with pytest.raises(ValueError, match=r"label 9 at \(0, 0, 0\) is not one of the 4 classes"):
        train.pixel_loss(net, images, np.full_like(labels, 9))
    net["score"].offset = None
    for call in (
        lambda: train.pixel_loss(net, images, labels),
        lambda: train.label_maps(net, images),
    ):
        with pytest.raises(RuntimeError, match="Crop does not know its offset"):
            call()
