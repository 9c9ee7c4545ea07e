"""The classifiers against PyTorch ones written down by hand."""

import numpy as np
import pytest

from minifcn import Tensor, models, use_backend

torch = pytest.importorskip("torch")
import classifiers_by_hand  # noqa: E402 - it imports torch

CASES = {  # classifier -> the same by hand, width, images
    "lenet": (classifiers_by_hand.lenet, 1.0, 3),
    "alexnet": (classifiers_by_hand.alexnet, 0.06, 2),
    "vgg16": (classifiers_by_hand.vgg16, 0.03, 1),
    "googlenet": (classifiers_by_hand.googlenet_scores, 0.1, 1),
    "googlenet+heads": (classifiers_by_hand.googlenet_with_heads, 0.1, 1),
    "squeezenet": (classifiers_by_hand.squeezenet, 0.1, 1),
    "squeezenet1.1": (classifiers_by_hand.squeezenet1_1, 0.1, 1),
}


@pytest.mark.oracle
@pytest.mark.parametrize("backend", ["reference", "cpu"])
@pytest.mark.parametrize("case", CASES)
def test_scores_and_all_gradients_agree_with_torch(case, backend):
    by_hand, width, N = CASES[case]
    name, _, heads = case.partition("+")
    net = models.build(name, 5, width=width)
    if heads:
        models.add_auxiliary_heads(net, 5, width)
    net.eval().to(np.float64)
    rng = np.random.default_rng(3)
    for parameter in net.parameters():
        scale = np.sqrt(2 / parameter[0].size) if parameter.ndim > 1 else 0.1
        parameter.data = rng.standard_normal(parameter.shape) * scale
    image = rng.standard_normal((N, *net.input_shape))
    weights = {n: torch.tensor(a, requires_grad=True) for n, a in net.state_dict().items()}
    theirs = torch.tensor(image, requires_grad=True)
    wanted = by_hand(theirs, weights)
    wanted = wanted if heads else (wanted,)
    upstream = [rng.standard_normal(tuple(scores.shape)) for scores in wanted]
    torch.autograd.backward(wanted, [torch.tensor(g) for g in upstream])
    with use_backend(backend):
        ours = Tensor(image, requires_grad=True)
        scores = net(ours) if heads else (net(ours),)
        loss = sum((s * Tensor(g)).sum() for s, g in zip(scores, upstream, strict=True))
        loss.backward()
    both = enumerate(zip(scores, wanted, strict=True))
    pairs = {f"scores {i}": (got.data, right.detach()) for i, (got, right) in both}
    pairs |= {"image": (ours.grad, theirs.grad)}
    pairs |= {n: (p.grad, weights[n].grad) for n, p in net.named_parameters()}
    for what, (got, right) in pairs.items():
        right = right.numpy()
        assert got.shape == right.shape
        scale = np.abs(right).max()
        assert scale > 0, what
        assert np.abs(got - right).max() < 1e-11 * scale, what
