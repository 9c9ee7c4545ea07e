"""The least padding that covers every image, and what a pixel of the scores sees."""

import numpy as np
import pytest

from minifcn import Tensor, geometry, models, nn


def shapes(name, **options):
    with nn.init.without_values():
        return models.build(name, 2, width=0.02, **options)


LEAST = {  # Long et al. pad by 100
    "fcn32s-vgg16": ("conv1_1", 97),
    "fcn16s-vgg16": ("conv1_1", 97),
    "fcn8s-vgg16": ("conv1_1", 97),
    "fcn32s-alexnet": ("conv1", 99),
    "fcn32s-googlenet": ("conv1/7x7_s2", 18),
}


@pytest.mark.parametrize("name", LEAST)
def test_the_least_padding(name):
    net = shapes(name)
    layer, least = LEAST[name]
    before, tried = geometry.offsets(net), []
    sizes = [*range(1, 120), 223, 224, 375, 500, 700]
    assert geometry.smallest_padding(net, sizes, progress=lambda: tried.append(1)) == (
        layer,
        least,
    )
    assert len(tried) > len(sizes)
    assert geometry.offsets(net) == before
    assert net[layer].padding == ((18, 18) if "googlenet" in name else (100, 100))


def test_what_no_padding_covers():
    net = nn.Net()
    net.add("conv", nn.Conv2d(3, 2, 3, padding=1))
    net.add("pool", nn.MaxPool2d(2))  # halves every image
    with pytest.raises(ValueError, match="no padding of conv up to 1000 covers all sizes"):
        geometry.smallest_padding(net, [8])
    assert net["conv"].padding == (1, 1)
    with pytest.raises(ValueError, match="the model has no layer that pads"):
        geometry.smallest_padding(nn.Sequential(nn.ReLU()))


def test_covers():
    net = shapes("fcn32s-vgg16")
    assert geometry.covers(net, (1, 700))
    net["conv1_1"].padding = (96, 96)
    geometry.derive_offsets(net)
    assert not geometry.covers(net, (2, 2))
    assert geometry.covers(net, (3, 3))


@pytest.mark.parametrize("pixel", [(0, 0), (11, 17), (12, 18), (23, 35)])
def test_fields_are_the_pixels_that_matter(pixel):
    """All of them and no others, where no weight is zero: cut to the image, the spans agree."""
    net = nn.Net((1, None, None))
    net.add("conv1", nn.Conv2d(1, 2, (3, 5), 2, padding=(1, 2)))
    net.add("conv2", nn.Conv2d(2, 2, (3, 1), padding=(2, 0), dilation=(2, 1)))
    net.add("up", nn.ConvTranspose2d(2, 1, 4, 2, padding=1))
    rng = np.random.default_rng(0)
    for parameter in net.parameters():
        parameter.data = rng.uniform(0.1, 1, parameter.shape)
    x = Tensor(np.ones((1, 1, 24, 36)), requires_grad=True)
    net(x)[0, 0, pixel[0], pixel[1]].backward()
    seen = np.argwhere(x.grad[0, 0] > 0)
    top, bottom, left, right = geometry.fields_at(net, (24, 36), pixel)["up"]
    assert seen.min(axis=0).tolist() == [max(0, top), max(0, left)]
    assert seen.max(axis=0).tolist() == [min(23, bottom), min(35, right)]
    assert bottom - top == 12
    assert right - left == 6


def test_fields_of_the_layers():
    fields = geometry.fields_at(shapes("fcn32s-vgg16"), (500, 500), (250, 300))
    for name, side in (("pool3", 44), ("pool4", 100), ("pool5", 212), ("fc7", 404)):
        top, bottom, left, right = fields[name]
        assert (bottom - top + 1, right - left + 1) == (side, side)
        assert abs((top + bottom) / 2 - 250) <= 16
        assert abs((left + right) / 2 - 300) <= 16


def test_why_alexnet_is_upsampled_with_63_and_vgg_with_64():
    (alexnet,) = geometry.why_these_kernels(shapes("fcn32s-alexnet"))
    assert alexnet == (
        "upscore: kernel 63, because pixel o of score_fr lies at 32 o + 13 and so the offset is "
        "18; with 64 it would be 18.5"
    )
    (vgg,) = geometry.why_these_kernels(shapes("fcn32s-vgg16"))
    assert vgg.startswith("upscore: kernel 64, because pixel o of score_fr lies at 32 o + 12.5")
    assert vgg.endswith("so the offset is 19; with 63 it would be 18.5")
    eight = geometry.why_these_kernels(shapes("fcn8s-vgg16"))
    assert [line.split(",")[0] for line in eight] == [
        "upscore2: kernel 4",
        "upscore_pool4: kernel 4",
        "upscore8: kernel 16",
    ]
    assert geometry.why_these_kernels(nn.Sequential(nn.Conv2d(3, 4, 3))) == []


def test_depth_is_the_longest_way():
    net = nn.Net()
    net.add("conv1", nn.Conv2d(3, 4, 3))
    net.add("conv2", nn.Conv2d(4, 4, 1))
    net.add("cat", nn.Cat(), "conv1", "conv2")
    net.add("pool", nn.MaxPool2d(2))
    net.add("flatten", nn.Flatten())
    net.add("linear", nn.Linear(8 * 2 * 2, 3))
    depths = {row.name: row.depth for row in geometry.trace(net, (6, 6)).rows}
    assert depths["conv1"] == 1
    assert depths["conv2"] == depths["cat"] == depths["pool"] == 2
    assert depths["linear"] == 3
