"""Whole networks, forward and backward, against PyTorch ones written down by hand."""

import numpy as np
import pytest

from minifcn import Tensor, models, use_backend

torch = pytest.importorskip("torch")
import fcn_by_hand  # noqa: E402 - it imports torch

pytestmark = pytest.mark.oracle

CASES = {
    # name, padding, the same by hand
    "32s": ("fcn32s-vgg16", "reference", fcn_by_hand.fcn32s),
    "16s": ("fcn16s-vgg16", "reference", fcn_by_hand.fcn16s),
    "8s": ("fcn8s-vgg16", "reference", fcn_by_hand.fcn8s),
    "8s-atonce": ("fcn8s-atonce-vgg16", "reference", fcn_by_hand.fcn8s_atonce),
    "8s-atonce-aligned": ("fcn8s-atonce-vgg16", "aligned", fcn_by_hand.fcn8s_atonce_aligned),
    "8s-mini": ("fcn8s-mini", "reference", fcn_by_hand.fcn8s_mini),
    "4s-squeezenet": ("fcn4s-squeezenet", "reference", fcn_by_hand.fcn4s_squeezenet),
    "32s-alexnet": ("fcn32s-alexnet", "reference", fcn_by_hand.fcn32s_alexnet),
    "8s-alexnet": ("fcn8s-alexnet", "reference", fcn_by_hand.fcn8s_alexnet),
    "32s-alexnet-aligned": ("fcn32s-alexnet", "aligned", fcn_by_hand.fcn32s_alexnet_aligned),
    "32s-googlenet": ("fcn32s-googlenet", "reference", fcn_by_hand.fcn32s_googlenet),
    "8s-googlenet-aligned": ("fcn8s-googlenet", "aligned", fcn_by_hand.fcn8s_googlenet_aligned),
    "32s-alexnet-torchvision": (
        "fcn32s-alexnet-torchvision",
        "reference",
        fcn_by_hand.fcn32s_alexnet_torchvision,
    ),
    "32s-alexnet-torchvision-aligned": (
        "fcn32s-alexnet-torchvision",
        "aligned",
        fcn_by_hand.fcn32s_alexnet_torchvision_aligned,
    ),
    "32s-googlenet-torchvision": (
        "fcn32s-googlenet-torchvision",
        "reference",
        fcn_by_hand.fcn32s_googlenet_torchvision,
    ),
    "32s-googlenet-torchvision-aligned": (
        "fcn32s-googlenet-torchvision",
        "aligned",
        fcn_by_hand.fcn32s_googlenet_torchvision_aligned,
    ),
    "4s-squeezenet-aligned": ("fcn4s-squeezenet", "aligned", fcn_by_hand.fcn4s_squeezenet_aligned),
}


def compare(case, backend, dtype, size=(45, 38), alive=True):
    """Largest relative errors: of the scores, the image's gradient and every parameter's.

    alive: nothing may be compared in a place where no gradient arrives.
    """
    name, padding, by_hand = CASES[case]
    rng = np.random.default_rng(7)
    width = 0.03 if "vgg16" in name else 0.3 if "googlenet" in name else 0.1
    net = models.build(name, 3, padding=padding, width=width).eval().to(dtype)
    for parameter in net.parameters():  # score layers too; biases that keep narrow layers alive
        if parameter.ndim == 1:
            values = rng.uniform(0.1, 0.5, parameter.shape)
        else:
            values = rng.standard_normal(parameter.shape) * np.sqrt(2 / parameter[0].size)
        parameter.data = values.astype(dtype)
    N = 2 if padding == "aligned" else 1  # the padding makes them large
    image = rng.standard_normal((N, 3, *size)).astype(dtype)
    upstream = rng.standard_normal((N, 3, *size)).astype(dtype)

    weights = {n: torch.tensor(a, requires_grad=True) for n, a in net.state_dict().items()}
    theirs = torch.tensor(image, requires_grad=True)
    wanted = by_hand(theirs, weights)
    wanted.backward(torch.tensor(upstream))
    with use_backend(backend):
        ours = Tensor(image, requires_grad=True)
        scores = net(ours)
        scores.backward(upstream)

    pairs = {"scores": (scores.data, wanted.detach()), "image": (ours.grad, theirs.grad)}
    pairs |= {n: (p.grad, weights[n].grad) for n, p in net.named_parameters()}
    errors = {}
    for what, (got, right) in pairs.items():
        right = right.numpy()
        assert got.shape == right.shape
        assert got.dtype == dtype
        scale = np.abs(right).max()
        assert scale > 0 or not alive, what
        errors[what] = np.abs(got - right).max() / (scale or 1)
    return errors


@pytest.mark.parametrize("backend", ["reference", "cpu"])
@pytest.mark.parametrize("case", CASES)
def test_scores_and_all_gradients_agree(case, backend):
    errors = compare(case, backend, np.float64)
    assert max(errors.values()) < 1e-12, errors


@pytest.mark.parametrize("backend", ["reference", "cpu"])
@pytest.mark.parametrize("case", ["32s", "8s", "4s-squeezenet-aligned"])
def test_they_agree_in_single_precision(case, backend):
    errors = compare(case, backend, np.float32)
    assert max(errors.values()) < 1e-4, errors


@pytest.mark.parametrize("size", [(1, 1), (7, 64)])
@pytest.mark.parametrize("case", ["8s", "8s-atonce-aligned", "4s-squeezenet-aligned"])
def test_they_agree_at_any_size(case, size):
    errors = compare(case, "cpu", np.float64, size, alive=min(size) > 1)
    assert max(errors.values()) < 1e-12, errors
