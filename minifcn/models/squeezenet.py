"""SqueezeNet 1.0 and 1.1: classifiers of ImageNet in 1.2 million parameters.

(Iandola et al. 2016, and the Caffe models of these names.) A fire module squeezes its input to
few channels with a 1x1 convolution and expands it with 1x1 and 3x3 ones side by side. There is no
fully connected layer: conv10 scores every pixel, and the scores are averaged. All kernels are odd,
so all maps lie on pixels.
"""

from .. import nn
from .convolutionalize import convolutionalize
from .trunk import Trunk, add_conv_relu, scaled

FIRES = {  # channels squeezed to, channels of each expansion
    2: (16, 64),
    3: (16, 64),
    4: (32, 128),
    5: (32, 128),
    6: (48, 192),
    7: (48, 192),
    8: (64, 256),
    9: (64, 256),
}


def squeezenet(num_classes: int = 1000, width: float = 1.0) -> nn.Net:
    """Version 1.0: images (N, 3, 227, 227), BGR minus the mean, to scores (N, num_classes).

    conv10 is padded by 1, as it was published: a border of nothing but biases is averaged, too.
    """
    return _classifier(num_classes, width, 96, 7, pools=(4, 8), padding=1)


def squeezenet_torchvision(num_classes: int = 1000, width: float = 1.0) -> nn.Net:
    """Version 1.0 as torchvision has it: images (N, 3, 224, 224), and conv10 is not padded."""
    return _classifier(num_classes, width, 96, 7, pools=(4, 8), padding=0, size=224)


def squeezenet1_1(num_classes: int = 1000, width: float = 1.0) -> nn.Net:
    """Version 1.1: a smaller first layer and earlier pools, 2.4 times less to compute."""
    return _classifier(num_classes, width, 64, 3, pools=(3, 5), padding=0)


def squeezenet_trunk(padding: str, width: float = 1.0) -> Trunk:
    """Version 1.0, conv1, fire2 ... fire9, with dropout at the end; stride 16, skips at 8 and 4.

    padding "reference": conv1 is padded by 100 and the pools round up, unpadded, as the classifier
    does it. "aligned": conv1 is padded by 3 and the pools by 1, so that every map covers the image
    exactly and its pixel o lies on the image's pixel o * stride.
    """
    net, aligned = convolutionalize(squeezenet(width=width), until="drop9"), padding == "aligned"
    net["conv1"].padding = (3, 3) if aligned else (100, 100)
    if aligned:
        for name in ("pool1", "pool4", "pool8"):
            net[name].padding, net[name].ceil_mode = (1, 1), False
    return Trunk(net, coarse="drop9", skips=("fire8/concat", "fire4/concat"))


def _classifier(
    num_classes: int,
    width: float,
    first: int,
    kernel: int,
    pools: tuple[int, int],
    padding: int,
    size: int = 227,
) -> nn.Net:
    """pools: the fire modules that a pool follows; padding: of conv10; size: of the images."""
    net, channels = nn.Net((3, size, size)), scaled(first, width)
    add_conv_relu(net, "conv1", "relu_conv1", 3, channels, kernel, 2)
    net.add("pool1", nn.MaxPool2d(3, 2, ceil_mode=True))
    for number, (squeeze, expand) in FIRES.items():
        channels = _add_fire(net, number, channels, scaled(squeeze, width), scaled(expand, width))
        if number in pools:
            net.add(f"pool{number}", nn.MaxPool2d(3, 2, ceil_mode=True))
    net.add("drop9", nn.Dropout(0.5))
    add_conv_relu(net, "conv10", "relu_conv10", channels, num_classes, 1, padding=padding)
    net.add("pool10", nn.GlobalAvgPool2d())
    net.add("flatten", nn.Flatten())
    return net


def _add_fire(net: nn.Net, number: int, channels: int, squeeze: int, expand: int) -> int:
    fire = f"fire{number}"
    squeezed = add_conv_relu(
        net, f"{fire}/squeeze1x1", f"{fire}/relu_squeeze1x1", channels, squeeze, 1
    )
    branches = [
        add_conv_relu(
            net,
            f"{fire}/expand{k}x{k}",
            f"{fire}/relu_expand{k}x{k}",
            *(squeeze, expand, k),
            padding=k // 2,
            source=squeezed,
        )
        for k in (1, 3)
    ]
    net.add(f"{fire}/concat", nn.Cat(), *branches)
    return 2 * expand
