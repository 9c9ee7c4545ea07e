"""A whole image is the minibatch of all its receptive fields."""

import numpy as np
import pytest
from dense_nets import chain, classifier, drawn

from minifcn import Tensor, dense, geometry, nn, use_backend
from minifcn import functions as F


def gradients(net, x, labels):
    """Of the summed loss over all cells: the loss, and every parameter's gradient."""
    for parameter in net.parameters():
        parameter.grad = None
    loss = F.cross_entropy(net(Tensor(x)), labels, reduction="sum")
    loss.backward()
    return loss.item(), {name: p.grad for name, p in net.named_parameters()}


@pytest.mark.parametrize("backend", ["reference", "cpu"])
@pytest.mark.parametrize("seed", range(8))
def test_its_gradient_is_that_of_all_its_patches(seed, backend):
    """The patches are cut out and run on their own, each to one cell."""
    rng = np.random.default_rng(seed)
    net = drawn(chain(rng), seed)
    for _, layer in net.named_modules():
        if hasattr(layer, "ceil_mode"):
            layer.ceil_mode = False
    height, width = geometry.receptive_field(net)
    x = rng.standard_normal((2, 2, height + 7, width + 9))
    with use_backend(backend):
        cells = net(Tensor(x)).shape
        labels = rng.integers(0, cells[1], (2, *cells[2:]))
        labels[0, 0, 0] = 255
        whole, wanted = gradients(net, x, labels)
        patches = dense.receptive_fields(net, x)
        assert patches.shape == (2 * cells[2] * cells[3], 2, height, width)
        found, total = dict.fromkeys(wanted, 0.0), 0.0
        for patch, label in zip(patches, labels.ravel(), strict=True):
            loss, each = gradients(net, patch[None], np.array([[[label]]]))
            total += loss
            found = {name: found[name] + gradient for name, gradient in each.items()}
    assert total == pytest.approx(whole, rel=1e-12)
    for name, gradient in wanted.items():
        scale = np.abs(gradient).max() or 1
        assert np.abs(found[name] - gradient).max() <= 1e-11 * scale, name


def test_lenet_s_patches_are_its_training_images():
    net = classifier("lenet")
    x = np.random.default_rng(0).standard_normal((1, 1, 36, 32))
    patches = dense.receptive_fields(net, x)
    assert patches.shape == (6, 1, 28, 28)
    np.testing.assert_array_equal(patches[3, 0], x[0, 0, 4:32, 4:32])


def test_a_net_that_pads_sees_more_than_there_is():
    net = nn.Sequential(nn.Conv2d(2, 2, 3, padding=1))
    with pytest.raises(ValueError, match="some reach beyond the image: the net pads or rounds up"):
        dense.receptive_fields(net, np.zeros((1, 2, 8, 8)))


def test_cells_are_kept_or_left_out_as_wholes():
    labels = np.arange(2 * 9 * 11, dtype=np.uint8).reshape(2, 9, 11) % 5
    masked = dense.patch_mask(labels, 4, 0.5, np.random.default_rng(0))
    assert masked.dtype == np.uint8
    kept = 0
    for n in range(2):
        for i in range(0, 9, 4):
            for j in range(0, 11, 4):
                cell, before = masked[n, i : i + 4, j : j + 4], labels[n, i : i + 4, j : j + 4]
                assert (cell == before).all() or (cell == 255).all()
                kept += (cell == before).all()
    assert 4 < kept < 14
    np.testing.assert_array_equal(dense.patch_mask(labels, 4, 1, np.random.default_rng(0)), labels)
    share = dense.patch_mask(np.zeros((4, 400, 400), np.uint8), 8, 0.25, np.random.default_rng(1))
    assert (share == 0).mean() == pytest.approx(0.25, abs=0.02)


def test_the_sampled_gradient_is_right_on_average():
    """Over many draws, divided by the probability, it is the whole one's."""
    rng = np.random.default_rng(0)
    net = drawn(nn.Sequential(nn.Conv2d(2, 3, 1)), 0)
    x = rng.standard_normal((1, 2, 6, 8))
    labels = rng.integers(0, 3, (1, 6, 8)).astype(np.uint8)
    _, whole = gradients(net, x, labels)
    draws = [
        gradients(net, x, dense.patch_mask(labels, 2, 0.5, rng))[1]["0.weight"] for _ in range(600)
    ]
    error = np.mean(draws, axis=0) / 0.5 - whole["0.weight"]
    spread = np.std(draws, axis=0) / 0.5 / np.sqrt(600)
    assert (np.abs(error) < 4 * spread).all()


@pytest.mark.parametrize(("stride", "keep"), [(0, 0.5), (4, 0), (4, 1.5), (4, -1)])
def test_what_cannot_be_kept(stride, keep):
    with pytest.raises(ValueError, match="patch_mask: keep is above 0 and at most 1"):
        dense.patch_mask(np.zeros((1, 4, 4), np.uint8), stride, keep, np.random.default_rng(0))
