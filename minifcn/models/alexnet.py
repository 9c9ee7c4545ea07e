"""AlexNet as Caffe trained it: the pools come before the normalisation.

(Krizhevsky, Sutskever, Hinton 2012; Caffe's bvlc_reference_caffenet, from which the authors'
voc-fcn-alexnet starts.) conv2, conv4 and conv5 have two groups, a memory of two graphics cards.
Its pools have odd kernels and stride 2, so its maps lie on pixels, and it is upsampled with odd
kernels: 63, where VGG-16 has 64.
"""

from .. import nn
from .convolutionalize import convolutionalize
from .trunk import Trunk, add_classifier, add_conv_relu, scaled

INPUT = (3, 227, 227)
HIDDEN = 4096  # of fc6 and fc7
NORM = {"size": 5, "alpha": 1e-4, "beta": 0.75}


def alexnet(num_classes: int = 1000, width: float = 1.0) -> nn.Net:
    """Images (N, 3, 227, 227), BGR minus the mean, to scores (N, num_classes)."""
    net = nn.Net(INPUT)
    halves = [scaled(channels / 2, width) for channels in (96, 256, 384, 384, 256)]
    c1, c2, c3, c4, c5 = (2 * half for half in halves)  # they fall into two groups
    add_conv_relu(net, "conv1", "relu1", 3, c1, 11, 4)
    net.add("pool1", nn.MaxPool2d(3, 2, ceil_mode=True))
    net.add("norm1", nn.LocalResponseNorm(**NORM))
    add_conv_relu(net, "conv2", "relu2", c1, c2, 5, padding=2, groups=2)
    net.add("pool2", nn.MaxPool2d(3, 2, ceil_mode=True))
    net.add("norm2", nn.LocalResponseNorm(**NORM))
    add_conv_relu(net, "conv3", "relu3", c2, c3, 3, padding=1)
    add_conv_relu(net, "conv4", "relu4", c3, c4, 3, padding=1, groups=2)
    add_conv_relu(net, "conv5", "relu5", c4, c5, 3, padding=1, groups=2)
    net.add("pool5", nn.MaxPool2d(3, 2, ceil_mode=True))
    add_classifier(net, c5 * 6 * 6, scaled(HIDDEN, width), num_classes)
    return net


def alexnet_trunk(padding: str, width: float = 1.0) -> Trunk:
    """conv1 ... pool5, fc6, fc7; the head at stride 32, skips at 16 and 8.

    padding "reference": conv1 is padded by 100, as the authors do it. "aligned": conv1 by 5 and
    the pools by 1, so that every map's pixel o lies on the image's pixel o * stride; fc6, whose
    window of 6 has no middle, by 3, and lies between. The biases learn like weights here, not
    twice as fast: the authors' file says nothing about them.
    """
    net = convolutionalize(alexnet(width=width), until="drop7")
    if padding == "aligned":
        net["conv1"].padding, net["fc6"].padding = (5, 5), (3, 3)
        for name in ("pool1", "pool2", "pool5"):
            net[name].padding, net[name].ceil_mode = (1, 1), False
    else:
        net["conv1"].padding = (100, 100)
    for number in range(1, 8):
        bias = net[f"conv{number}" if number < 6 else f"fc{number}"].bias
        bias.rate, bias.decay = 1, 1
    return Trunk(net, coarse="drop7", skips=("pool2", "pool1"))
