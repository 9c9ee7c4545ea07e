"""AlexNet as Caffe trained it: the pools come before the normalisation.

(Krizhevsky, Sutskever, Hinton 2012; Caffe's bvlc_reference_caffenet, from which the authors'
voc-fcn-alexnet starts.) conv2, conv4 and conv5 have two groups, a memory of two graphics cards.
Its pools have odd kernels and stride 2, so its maps lie on pixels, and it is upsampled with odd
kernels: 63, where VGG-16 has 64.

torchvision's AlexNet is another net of the same name (Krizhevsky 2014, "One weird trick"): fewer
channels in front, neither groups nor normalisation.
"""

from .. import nn
from .convolutionalize import convolutionalize
from .trunk import Trunk, add_classifier, add_conv_relu, add_linear_relu, scaled

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


def alexnet_torchvision(num_classes: int = 1000, width: float = 1.0) -> nn.Net:
    """Images (N, 3, 224, 224) to scores (N, num_classes): torchvision's, with names as above.

    Dropout stands before fc6 and fc7, not behind them.
    """
    net, channels = nn.Net((3, 224, 224)), 3
    windows = ((64, 11, 4, 2), (192, 5, 1, 2), (384, 3, 1, 1), (256, 3, 1, 1), (256, 3, 1, 1))
    for number, (outputs, kernel, stride, padding) in enumerate(windows, start=1):
        layer = channels, scaled(outputs, width), kernel, stride, padding
        add_conv_relu(net, f"conv{number}", f"relu{number}", *layer)
        channels = scaled(outputs, width)
        if number in (1, 2, 5):
            net.add(f"pool{number}", nn.MaxPool2d(3, 2))
    net.add("flatten", nn.Flatten())
    inputs, hidden = channels * 6 * 6, scaled(HIDDEN, width)
    for number in (6, 7):
        net.add(f"drop{number}", nn.Dropout(0.5))
        add_linear_relu(net, f"fc{number}", f"relu{number}", inputs, hidden)
        inputs = hidden
    net.add("fc8", nn.Linear(hidden, num_classes))
    return net


def alexnet_torchvision_trunk(padding: str, width: float = 1.0) -> Trunk:
    """conv1 ... fc7 of torchvision's; conv1 is padded by 100, or such that maps lie on pixels.

    The pools round up here, so that images of every size are covered.
    """
    net = convolutionalize(alexnet_torchvision(width=width), until="relu7")
    aligned = padding == "aligned"
    net["conv1"].padding = (5, 5) if aligned else (100, 100)
    net["fc6"].padding = (3, 3) if aligned else (0, 0)
    for name in ("pool1", "pool2", "pool5"):
        net[name].padding, net[name].ceil_mode = ((1, 1), False) if aligned else ((0, 0), True)
    return Trunk(net, coarse="relu7", skips=("pool2", "pool1"))


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
