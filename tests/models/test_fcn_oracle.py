"""Whole networks, forward and backward, against PyTorch ones written down by hand."""

import numpy as np
import pytest

from minifcn import Tensor, geometry, models, use_backend
from minifcn.models.composed import ALIASES

torch = pytest.importorskip("torch")
import fcn_by_hand  # noqa: E402 - it imports torch

pytestmark = pytest.mark.oracle

CASES = {  # name + padding -> the same by hand
    "fcn32s-vgg16": fcn_by_hand.fcn32s,
    "fcn16s-vgg16": fcn_by_hand.fcn16s,
    "fcn8s-vgg16": fcn_by_hand.fcn8s,
    "fcn8s-atonce-vgg16": fcn_by_hand.fcn8s_atonce,
    "fcn8s-atonce-vgg16+aligned": fcn_by_hand.fcn8s_atonce_aligned,
    "fcn32s-alexnet": fcn_by_hand.fcn32s_alexnet,
    "fcn16s-alexnet": fcn_by_hand.fcn16s_alexnet,
    "fcn8s-alexnet": fcn_by_hand.fcn8s_alexnet,
    "fcn32s-alexnet+aligned": fcn_by_hand.fcn32s_alexnet_aligned,
    "fcn32s-googlenet": fcn_by_hand.fcn32s_googlenet,
    "fcn16s-googlenet": fcn_by_hand.fcn16s_googlenet,
    "fcn8s-googlenet": fcn_by_hand.fcn8s_googlenet,
    "fcn8s-googlenet+aligned": fcn_by_hand.fcn8s_googlenet_aligned,
    "fcn32s-alexnet-torchvision": fcn_by_hand.fcn32s_alexnet_torchvision,
    "fcn32s-alexnet-torchvision+aligned": fcn_by_hand.fcn32s_alexnet_torchvision_aligned,
    "fcn32s-googlenet-torchvision": fcn_by_hand.fcn32s_googlenet_torchvision,
    "fcn32s-googlenet-torchvision+aligned": fcn_by_hand.fcn32s_googlenet_torchvision_aligned,
    "fcn32s-mini": fcn_by_hand.fcn32s_mini,
    "fcn16s-mini": fcn_by_hand.fcn16s_mini,
    "fcn8s-mini": fcn_by_hand.fcn8s_mini,
    "fcn16s-squeezenet": fcn_by_hand.fcn16s_squeezenet,
    "fcn8s-squeezenet": fcn_by_hand.fcn8s_squeezenet,
    "fcn4s-squeezenet": fcn_by_hand.fcn4s_squeezenet,
    "fcn4s-squeezenet+aligned": fcn_by_hand.fcn4s_squeezenet_aligned,
    "nyud-fcn32s-color-d": fcn_by_hand.color_d,
    "nyud-fcn32s-color-hha": fcn_by_hand.color_hha,
    "siftflow-fcn32s": fcn_by_hand.siftflow_32s,
    "siftflow-fcn16s": fcn_by_hand.siftflow_16s,
    "siftflow-fcn8s": fcn_by_hand.siftflow_8s,
}


def test_every_net_is_compared():
    other_classes_alone = {name for name in models.compositions() if name not in CASES}
    assert other_classes_alone == set(ALIASES)
    assert {*models.names(), *models.compositions()} - set(ALIASES) <= CASES.keys()


def compare(case, backend, dtype, size=(45, 38), alive=True):
    """Largest relative errors: of the scores, the image's gradient and every parameter's.

    alive: nothing may be compared in a place where no gradient arrives.
    """
    by_hand, (name, _, padding) = CASES[case], case.partition("+")
    padding = padding or "reference"
    rng = np.random.default_rng(7)
    narrow = any(part in name for part in ("vgg16", "nyud", "siftflow"))
    width = 0.03 if narrow else 0.3 if "googlenet" in name else 0.1
    net = models.build(name, 3, padding=padding, width=width).eval().to(dtype)
    for parameter in net.parameters():  # score layers too; biases that keep narrow layers alive
        if parameter.ndim == 1:
            values = rng.uniform(0.1, 0.5, parameter.shape)
        else:
            values = rng.standard_normal(parameter.shape) * np.sqrt(2 / parameter[0].size)
        parameter.data = values.astype(dtype)
    N = 2 if padding == "aligned" else 1  # the padding makes them large
    image = rng.standard_normal((N, geometry.channels_of(net), *size)).astype(dtype)

    weights = {n: torch.tensor(a, requires_grad=True) for n, a in net.state_dict().items()}
    theirs = torch.tensor(image, requires_grad=True)
    wanted = by_hand(theirs, weights)
    wanted = wanted if isinstance(wanted, tuple) else (wanted,)
    upstream = [rng.standard_normal(tuple(head.shape)).astype(dtype) for head in wanted]
    torch.autograd.backward(wanted, [torch.tensor(g) for g in upstream])
    with use_backend(backend):
        ours = Tensor(image, requires_grad=True)
        scores = net(ours)
        scores = scores if isinstance(scores, tuple) else (scores,)
        terms = [(s * Tensor(g)).sum() for s, g in zip(scores, upstream, strict=True)]
        sum(terms[1:], start=terms[0]).backward()

    heads = enumerate(zip(scores, wanted, strict=True))
    pairs = {f"scores {i}": (head.data, right.detach()) for i, (head, right) in heads}
    pairs |= {"image": (ours.grad, theirs.grad)}
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
@pytest.mark.parametrize("case", ["fcn32s-vgg16", "fcn8s-vgg16", "fcn4s-squeezenet+aligned"])
def test_they_agree_in_single_precision(case, backend):
    errors = compare(case, backend, np.float32)
    assert max(errors.values()) < 1e-4, errors


@pytest.mark.parametrize("size", [(1, 1), (7, 64)])
@pytest.mark.parametrize(
    "case", ["fcn8s-vgg16", "fcn8s-atonce-vgg16+aligned", "fcn4s-squeezenet+aligned"]
)
def test_they_agree_at_any_size(case, size):
    errors = compare(case, "cpu", np.float64, size, alive=min(size) > 1)
    assert max(errors.values()) < 1e-12, errors
