"""A classifier and its fully convolutional form: one output where it fits, else a map of them."""

import numpy as np
import pytest

from minifcn import Tensor, manual_seed, models, nn, no_grad
from minifcn import functions as F

WIDTHS = {"lenet": 1.0, "alexnet": 0.05, "vgg16": 0.03, "googlenet": 0.06, "squeezenet": 0.15}
WIDTHS |= {"squeezenet1.1": 0.15}
SLIDING = {  # side of a small image that no pool has to be rounded up for; stride of the net
    "lenet": (28, 4),
    "alexnet": (355, 32),  # the receptive fields of the paper's Table 1
    "vgg16": (404, 32),
    "googlenet": (907, 32),
    "squeezenet": (155 + 2 * 16, 16),  # a map of 3x3 is averaged
    "squeezenet1.1": (207 + 2 * 16, 16),
}


def classifier(name):
    manual_seed(5)
    net = models.build(name, 4, width=WIDTHS[name]).eval().to(np.float64)
    rng = np.random.default_rng(1)
    for parameter in net.parameters():  # narrow layers that live
        if parameter.ndim == 1:
            parameter.data = rng.uniform(0.1, 0.5, parameter.shape)
        else:
            parameter.data = np.where(parameter.data > 0, 1.5, 1) * parameter.data
    return net


def images(net, N=1, size=None):
    channels, *own = net.input_shape
    return np.random.default_rng(2).standard_normal((N, channels, *(size or own)))


@pytest.mark.parametrize("name", WIDTHS)
def test_one_output_on_an_image_of_the_training_size(name):
    net = classifier(name)
    x = Tensor(images(net, 2))
    with no_grad():
        wanted = net(x).data
        scores = models.convolutionalize(net).eval()(x).data
    assert scores.shape == (*wanted.shape, 1, 1)
    np.testing.assert_allclose(scores[:, :, 0, 0], wanted, rtol=0, atol=1e-12 * abs(wanted).max())


class CentredCat(nn.Module):
    """Joins maps of different sizes: what all have around the centre."""

    def forward(self, *maps):
        size = [min(x.shape[axis] for x in maps) for axis in (2, 3)]
        return F.cat([self._middle(x, size) for x in maps])

    @staticmethod
    def _middle(x, size):
        offset = tuple((n - s) // 2 for n, s in zip(x.shape[2:], size, strict=True))
        return F.crop(x, offset, size)


def without_padding(net):
    """The same layers, none of which sees anything beyond a map: then every output is the same
    function of its window. Side by side, windows of different sizes keep their centres."""
    for name, layer in net._modules.items():
        if hasattr(layer, "padding"):
            layer.padding = (0, 0)
        if isinstance(layer, nn.Cat):
            net._modules[name] = CentredCat()
    return net


@pytest.mark.parametrize("name", WIDTHS)
def test_a_larger_image_is_slid_over(name):
    """Output (r, q) is what the classifier says of the window that starts at stride * (r, q)."""
    net = without_padding(classifier(name))
    side, stride = SLIDING[name]
    net.input_shape = (net.input_shape[0], side, side)
    fcn = models.convolutionalize(net).eval()
    x = images(net, 1, (side + 2 * stride, side + stride))
    with no_grad():
        scores = fcn(Tensor(x)).data
        assert scores.shape == (1, 4, 3, 2)
        for r in range(3):
            for q in range(2):
                window = x[:, :, r * stride :, q * stride :][:, :, :side, :side]
                wanted = net(Tensor(np.ascontiguousarray(window))).data
                error = abs(scores[:, :, r, q] - wanted).max()
                assert error < 1e-12 * abs(scores).max(), (r, q)
    assert len({round(score, 9) for score in scores[0, 0].ravel()}) == 6


def test_weights_keep_their_place_and_their_memory():
    net = classifier("vgg16")
    fcn = models.convolutionalize(net)
    assert list(fcn.reads) == [name for name in net.reads if name != "flatten"]
    assert fcn["fc6"].weight.shape == (*net["fc6"].weight.shape[:1], 15, 7, 7)
    assert fcn["fc7"].kernel_size == fcn["fc8"].kernel_size == (1, 1)
    for name, array in net.state_dict().items():
        assert np.shares_memory(array, fcn.state_dict()[name]), name
    net["fc6"].bias.rate = 5
    assert fcn["fc6"].bias.rate == 2
    assert models.convolutionalize(net)["fc6"].bias.rate == 5
    fcn["conv1_1"].padding = (100, 100)
    assert net["conv1_1"].padding == (1, 1)


def test_until():
    fcn = models.convolutionalize(classifier("vgg16"), until="pool5")
    assert fcn.tail == "pool5"
    with pytest.raises(ValueError, match="no layer 'pool6' in the classifier"):
        models.convolutionalize(classifier("vgg16"), until="pool6")


def test_any_chain():
    """Chains in chains, other layers, windows that are not square."""
    manual_seed(1)
    features = nn.Sequential(
        nn.Conv2d(2, 3, (3, 2), padding=(1, 0)), nn.Tanh(), nn.MaxPool2d((2, 3))
    )
    head = {"in": nn.Linear(3 * 4 * 2, 5), "squash": nn.Sigmoid(), "out": nn.Linear(5, 2)}
    net = nn.Sequential(
        {
            "features": features,
            "drop": nn.Dropout(),
            "flat": nn.Flatten(),
            "head": nn.Sequential(head),
        }
    ).eval()
    fcn = models.convolutionalize(net, (2, 8, 7)).eval()
    assert list(fcn.state_dict()) == list(net.state_dict())
    assert fcn["head.in"].kernel_size == (4, 2)
    x = np.random.default_rng(2).standard_normal((3, 2, 8, 7), dtype=np.float32)
    with no_grad():
        np.testing.assert_allclose(fcn(Tensor(x)).data[:, :, 0, 0], net(Tensor(x)).data, atol=1e-6)
        assert fcn(Tensor(np.zeros((1, 2, 12, 13), np.float32))).shape == (1, 2, 3, 3)


def test_what_is_no_such_chain():
    conv, shape = nn.Conv2d(1, 2, 3), (1, 5, 5)

    class Mean(nn.Module):
        def forward(self, x):
            return x.reshape(x.shape[0], -1)

    with pytest.raises(ValueError, match="wants a Net or a Sequential; got a Conv2d"):
        models.convolutionalize(conv, shape)
    with pytest.raises(ValueError, match="give input_shape="):
        models.convolutionalize(nn.Sequential(conv))
    with pytest.raises(ValueError, match=r"layer '1' \(Mean\) makes \(18,\), which is no map"):
        models.convolutionalize(nn.Sequential(conv, Mean()), shape)
    with pytest.raises(ValueError, match=r"linear: x \(1, 18\) @ weight \(3, 17\)\^T"):
        models.convolutionalize(nn.Sequential(conv, nn.Flatten(), nn.Linear(17, 3)), shape)
