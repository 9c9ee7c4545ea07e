"""Weights of torchvision's nets, from files that PyTorch wrote: the same scores come out."""

import numpy as np
import pytest
from test_torchvision import RULES

from minifcn import Tensor, data, models, no_grad, train
from minifcn.io import load_weights

torch = pytest.importorskip("torch")
import torchvision_by_hand as by_hand  # noqa: E402 - it imports torch

NETS = {
    "vgg16": lambda: by_hand.vgg16(0.05),
    "alexnet-torchvision": lambda: by_hand.alexnet(0.1),
    "googlenet-torchvision": lambda: by_hand.GoogLeNet(0.1),
    "squeezenet-torchvision": lambda: by_hand.SqueezeNet("1_0", 0.25),
    "squeezenet1.1": lambda: by_hand.SqueezeNet("1_1", 0.25),
}
WIDTHS = {"vgg16": 0.05, "alexnet-torchvision": 0.1, "googlenet-torchvision": 0.1}


@pytest.mark.oracle
@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("model", NETS)
def test_the_same_scores_from_the_same_file(tmp_path, model, legacy):
    torch.manual_seed(0)
    theirs = NETS[model]().double()
    for module in theirs.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
            module.weight.data.uniform_(0.5, 2)
            module.bias.data.normal_()
        elif isinstance(module, (torch.nn.Conv2d, torch.nn.Linear)):
            torch.nn.init.kaiming_normal_(module.weight)
    theirs.eval()
    path = tmp_path / "net.pth"
    torch.save(theirs.state_dict(), path, _use_new_zipfile_serialization=not legacy)
    weights = load_weights(path)
    assert weights.model == model
    assert data.Preprocessing(**weights.preprocessing) == RULES[model]
    ours = models.build(model, 5, width=WIDTHS.get(model, 0.25)).eval().to(np.float64)
    report = models.copy_weights(ours, weights.arrays)
    left = report.kept, report.unused, report.misfits, report.reshaped
    assert left == ([], [], [], [])
    image = np.random.default_rng(1).standard_normal((2, 3, 224, 224))
    x, ours_x = torch.tensor(image, requires_grad=True), Tensor(image, requires_grad=True)
    wanted, found = theirs(x), ours(ours_x)
    scale = float(wanted.detach().abs().max())
    assert np.abs(found.data - wanted.detach().numpy()).max() < 1e-10 * scale
    gy = np.random.default_rng(2).standard_normal(found.shape)
    wanted.backward(torch.tensor(gy))
    found.backward(gy)
    gx = x.grad.numpy()
    assert np.abs(ours_x.grad - gx).max() < 1e-9 * np.abs(gx).max()


@pytest.mark.oracle
def test_a_photograph_is_prepared_as_torchvision_does_it(tmp_path):
    """From the file alone: red, green, blue, the mean, the deviation."""
    torch.manual_seed(0)
    theirs = by_hand.SqueezeNet("1_1", 1.0, classes=1000).eval()
    torch.save(theirs.state_dict(), tmp_path / "net.pth")
    net, spec = train.load_model(tmp_path / "net.pth")
    assert spec.name == "squeezenet1.1"
    photo = np.random.default_rng(0).integers(0, 256, (227, 227, 3), dtype=np.uint8)
    x = torch.tensor(photo.transpose(2, 0, 1)[None] / 255).float()
    mean = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
    x = (x - mean) / torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    with torch.no_grad(), no_grad():
        wanted = theirs(x).numpy()
        found = net(Tensor(spec.preprocessing.to_input(photo)[None])).data
    np.testing.assert_allclose(found, wanted, atol=2e-5 * np.abs(wanted).max())
