"""Work that a device replays: the same numbers as when every batch is computed anew."""

import numpy as np
import pytest
from test_networks_on_devices import SIZE, batch, net_of

import minifcn as mf
from minifcn import nn, train, use_backend
from minifcn.backends import to_numpy


def losses_and_gradients(net, gradients, seeds, labels_of=lambda labels: labels):
    """Of batches of one shape, and of another one in between."""
    found = []
    for seed in seeds:
        images, labels = batch(N=1 + seed % 2, seed=seed)
        loss = gradients(net.tensor(images), labels_of(labels))
        found.append([loss.item(), *(to_numpy(p.grad).copy() for p in net.parameters())])
    return found


SETTINGS = [
    {},
    {"reduction": "batch"},
    {"reduction": "sum", "weight": np.array([1.0, 0.5, 2, 3])},
    {"weight": np.array([1.0, 0.5, 2, 3])},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_recorded_gradients_are_the_gradients(device, settings):
    seeds = (1, 2, 3, 4, 3)
    with use_backend("reference"):
        net = net_of().eval()
        wanted = losses_and_gradients(net, train.Gradients(net, **settings), seeds)
    with use_backend(device):
        net = net_of().eval()
        gradients = train.Gradients(net, recorded=True, **settings)
        found = losses_and_gradients(net, gradients, seeds)
    for mine, theirs in zip(found, wanted, strict=True):
        for a, b in zip(mine, theirs, strict=True):
            scale = np.abs(b).max(initial=1e-300) if isinstance(b, np.ndarray) else abs(b)
            np.testing.assert_allclose(a, b, rtol=0, atol=1e-10 * scale)


def test_an_image_without_labels(device):
    """The divisor, counted on the device, is 1 then."""
    with use_backend(device):
        net = net_of().eval()
        gradients = train.Gradients(net, recorded=True)
        images, labels = batch(N=1)
        for ignored in (labels, np.full_like(labels, 255), labels):
            loss = gradients(net.tensor(images), ignored)
            nothing = (ignored == 255).all()
            assert (loss.item() == 0) == nothing
            assert all((to_numpy(p.grad) == 0).all() for p in net.parameters()) == nothing


def test_labels_are_looked_at_before_every_replay(device):
    with use_backend(device):
        net = net_of().eval()
        gradients = train.Gradients(net, recorded=True)
        images, labels = batch(N=1)
        gradients(net.tensor(images), labels)
        labels[0, 3, 5] = 4
        with pytest.raises(ValueError, match=r"label 4 at \(0, 3, 5\) is not one of the 4"):
            gradients(net.tensor(images), labels)


def test_dropout_draws_anew_at_every_replay_and_a_seed_decides(device):
    with use_backend(device):
        net = net_of().train()
        gradients = train.Gradients(net, recorded=True)
        images, labels = batch(N=1)
        images = net.tensor(images)
        gradients(images, labels)
        seeded = []
        for _ in range(2):
            mf.manual_seed(3)
            seeded.append([gradients(images, labels).item() for _ in range(3)])
    assert seeded[0] == seeded[1]
    assert len(set(seeded[0])) == 3


def test_training_with_recorded_work_is_training(device):
    """The same losses, to the bit: the same kernels on the same numbers."""

    def losses(recorded):
        net = net_of().eval()
        solver = train.Solver(net, 1e-5)
        gradients = train.Gradients(net, recorded=recorded)
        found = []
        for seed in (2, 4, 6, 8):
            images, labels = batch(N=1, seed=seed)
            found.append(gradients(net.tensor(images), labels).item())
            solver.step()
        return found

    with use_backend(device):
        assert losses(True) == losses(False)


def test_a_replay_runs_no_python(device, monkeypatch):
    """As on a GPU: only the arrays of the recording change. Gradients that were forgotten between
    two steps, as one does, are there again."""

    class Replayed:
        def __init__(self, function):
            self.function, self.results, self.nbytes = function, None, 0

        def __call__(self, *arrays):
            if self.results is None:
                self.results = self.function(*arrays)
            return self.results

    monkeypatch.setattr("minifcn.train.gradients.captured", Replayed)
    with use_backend(device):
        net = net_of().eval()
        solver = train.Solver(net, 1e-5)
        gradients = train.Gradients(net, recorded=True)
        images, labels = batch(N=1)
        images = net.tensor(images)
        wanted = None
        for _ in range(3):
            gradients(images, labels)
            found = [to_numpy(p.grad) for p in net.parameters()]
            wanted = wanted or found
            assert all(np.array_equal(a, b) for a, b in zip(found, wanted, strict=True))
            solver.zero_grad()


def test_a_captured_net(device):
    net = nn.Sequential(nn.Conv2d(3, 4, 3, 2), nn.ReLU(), nn.MaxPool2d(2)).to(np.float64)
    assert not mf.capture(net)(mf.Tensor(np.ones((1, 3, *SIZE)))).requires_grad
    images = [np.random.default_rng(i).standard_normal((1, 3, *SIZE)) for i in range(3)]
    wanted = [net(mf.Tensor(image)).numpy() for image in images]
    predict = mf.capture(net)
    np.testing.assert_array_equal(predict(mf.Tensor(images[0])).numpy(), wanted[0])
    net.to(device)
    for image, expected in zip(images, wanted, strict=True):
        found = predict(net.tensor(image)).numpy()
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12 * np.abs(expected).max())
    wide = np.random.default_rng(5).standard_normal((2, 3, 9, 14))
    with use_backend("reference"):
        expected = net.to("reference")(mf.Tensor(wide)).numpy()
    found = predict(net.to(device).tensor(wide)).numpy()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


def test_results_are_overwritten_by_the_next_call(device):
    with use_backend(device):
        double = mf.capture(lambda x: x * 2)
        first = double(mf.Tensor(np.ones(3)))
        second = double(mf.Tensor(np.full(3, 5.0)))
        assert first.data is second.data
        assert first.numpy().tolist() == [10, 10, 10]
