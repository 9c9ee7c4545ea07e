"""The classifiers: published numbers. (test_classifiers_oracle.py: agreement with PyTorch.)"""

import numpy as np
import pytest

from minifcn import Tensor, geometry, models, nn
from minifcn.autograd import shapes_only
from minifcn.geometry import trace

PARAMETERS = {  # weights and biases of the published files
    "lenet": 431_080,
    "alexnet": 60_965_224,
    "vgg16": 138_357_544,
    "googlenet": 6_998_552,
    "squeezenet": 1_248_424,
    "squeezenet1.1": 1_235_496,
    "alexnet-torchvision": 61_100_840,
    "googlenet-torchvision": 6_624_904 - 7_280,  # one number a channel fewer: see io.torchvision
    "squeezenet-torchvision": 1_248_424,
}
CONVOLUTIONS = {
    "lenet": 2,
    "alexnet": 5,
    "vgg16": 13,
    "googlenet": 57,
    "squeezenet": 26,
    "squeezenet1.1": 26,
    "alexnet-torchvision": 5,
    "googlenet-torchvision": 57,
    "squeezenet-torchvision": 26,
}


@pytest.fixture
def full_size():
    """``models.build`` for whole nets, of which only the shapes are wanted."""

    def build(*args, **settings):
        with nn.init.without_values():
            return models.build(*args, **settings)

    return build


def rows_of(net):
    return trace(net, net.input_shape[1:]).rows


def test_names():
    assert models.classifiers() == list(PARAMETERS)


@pytest.mark.parametrize("name", PARAMETERS)
def test_the_published_numbers(full_size, name):
    net = full_size(name)
    rows = rows_of(net)
    assert net.num_parameters() == PARAMETERS[name]
    assert sum(row.kind == "Conv2d" for row in rows) == CONVOLUTIONS[name]
    assert rows[-1].shape == (1, 10 if name == "lenet" else 1000)


def test_auxiliary_heads(full_size):
    net = full_size("googlenet")
    models.add_auxiliary_heads(net)
    assert net.num_parameters() == 13_378_280
    shapes = {row.name: row.shape for row in rows_of(net)}
    assert shapes["loss1/conv"] == shapes["loss2/conv"] == (1, 128, 4, 4)
    assert shapes["loss1/classifier"] == (1, 1000)
    image = np.broadcast_to(np.float32(0), (2, 3, 224, 224))
    with shapes_only():
        outputs = net(Tensor(image))
        assert [output.shape for output in outputs] == [(2, 1000)] * 3
        outputs = models.convolutionalize(net)(Tensor(image))
        assert [output.shape for output in outputs] == [(2, 1000, 1, 1)] * 3


def test_classes_and_width():
    net = models.build("alexnet", 7, width=0.1)
    assert net["fc8"].weight.shape == (7, 410)
    assert net["conv2"].weight.shape == (26, 5, 5, 5)
    with pytest.raises(ValueError, match="num_classes must be 1 or more; got 0"):
        models.build("alexnet", 0)
    with pytest.raises(ValueError, match="unknown model 'vgg': did you mean vgg16"):
        models.build("vgg")


def test_the_sizes_of_the_maps(full_size):
    """Caffe's: pools round up."""
    alexnet = {row.name: row.shape[2:] for row in rows_of(full_size("alexnet"))}
    found = [alexnet[name][0] for name in ("conv1", "pool1", "pool2", "pool5")]
    assert found == [55, 27, 13, 6]
    squeezenet = {row.name: row.shape[2:] for row in rows_of(full_size("squeezenet"))}
    found = [squeezenet[name][0] for name in ("conv1", "pool1", "pool4", "pool8", "conv10")]
    assert found == [111, 55, 27, 13, 15]


def test_the_paper_s_receptive_fields(full_size):
    assert geometry.receptive_field(full_size("fcn32s-alexnet")) == (355, 355)
    assert geometry.receptive_field(full_size("fcn32s-vgg16")) == (404, 404)
    googlenet = models.convolutionalize(full_size("googlenet"))
    assert geometry.receptive_field(googlenet) == (907, 907)
    assert geometry.receptive_field(googlenet, "inception_5b/output") == (715, 715)
    assert geometry.receptive_field(full_size("fcn32s-googlenet")) == (715, 715)
