"""GoogLeNet: nine inception modules, twenty-two layers deep, in six million parameters.

(Szegedy et al. 2015; Caffe's bvlc_googlenet.) A module looks at its input with windows of 1x1, 3x3
and 5x5 and through a pool, side by side; 1x1 convolutions before the expensive ones reduce the
channels. 57 convolutions, of which the deepest way through the net passes 21, and a classifier.

As a fully convolutional net the paper describes it, and nobody ever published it: the classifier
and the average pool of 7x7 before it are left out, and 1024 channels are scored. Its receptive
field is then 715 pixels; the 907 in the paper's Table 1 count the pool.

torchvision's GoogLeNet comes from TensorFlow and differs: no local response normalisation, 3x3
windows where the paper has 5x5, a last pool of 2x2, and batch normalisation, which is part of the
convolutions' weights once a net is trained (``io.torchvision``).
"""

from .. import nn
from .convolutionalize import convolutionalize
from .trunk import Trunk, add_conv_relu, add_linear_relu, scaled

INPUT = (3, 224, 224)
NORM = {"size": 5, "alpha": 1e-4, "beta": 0.75}

INCEPTIONS = {  # channels: 1x1; 3x3 and its reduction; 5x5 and its reduction; behind the pool
    "3a": (64, (96, 128), (16, 32), 32),
    "3b": (128, (128, 192), (32, 96), 64),
    "4a": (192, (96, 208), (16, 48), 64),
    "4b": (160, (112, 224), (24, 64), 64),
    "4c": (128, (128, 256), (24, 64), 64),
    "4d": (112, (144, 288), (32, 64), 64),
    "4e": (256, (160, 320), (32, 128), 128),
    "5a": (256, (160, 320), (32, 128), 128),
    "5b": (384, (192, 384), (48, 128), 128),
}
POOLS = ("pool1/3x3_s2", "pool2/3x3_s2", "pool3/3x3_s2", "pool4/3x3_s2")
AUXILIARY = {"loss1": "4a", "loss2": "4d"}


def googlenet(num_classes: int = 1000, width: float = 1.0) -> nn.Net:
    """Images (N, 3, 224, 224), BGR minus the mean, to scores (N, num_classes)."""
    return _classifier(num_classes, width, norm=True, large=5, last_pool=3, drop=0.4)


def googlenet_torchvision(num_classes: int = 1000, width: float = 1.0) -> nn.Net:
    """Images (N, 3, 224, 224) to scores (N, num_classes): torchvision's, by the same names."""
    return _classifier(num_classes, width, norm=False, large=3, last_pool=2, drop=0.2)


def _classifier(
    num_classes: int, width: float, norm: bool, large: int, last_pool: int, drop: float
) -> nn.Net:
    """large: the window of the layers called 5x5; last_pool: that of pool4."""
    net = nn.Net(INPUT)
    first, last = scaled(64, width), scaled(192, width)
    add_conv_relu(net, "conv1/7x7_s2", "conv1/relu_7x7", 3, first, 7, 2, 3)
    net.add(POOLS[0], nn.MaxPool2d(3, 2, ceil_mode=True))
    if norm:
        net.add("pool1/norm1", nn.LocalResponseNorm(**NORM))
    add_conv_relu(net, "conv2/3x3_reduce", "conv2/relu_3x3_reduce", first, first, 1)
    add_conv_relu(net, "conv2/3x3", "conv2/relu_3x3", first, last, 3, padding=1)
    if norm:
        net.add("conv2/norm2", nn.LocalResponseNorm(**NORM))
    net.add(POOLS[1], nn.MaxPool2d(3, 2, ceil_mode=True))
    channels = last
    for number in INCEPTIONS:
        channels = _add_inception(net, number, channels, width, large)
        if number in ("3b", "4e"):
            kernel = 3 if number == "3b" else last_pool
            net.add(f"pool{number[0]}/3x3_s2", nn.MaxPool2d(kernel, 2, ceil_mode=True))
    net.add("pool5/7x7_s1", nn.AvgPool2d(7, 1))
    net.add("pool5/drop_7x7_s1", nn.Dropout(drop))
    net.add("flatten", nn.Flatten())
    net.add("loss3/classifier", nn.Linear(channels, num_classes))
    return net


def add_auxiliary_heads(net: nn.Net, num_classes: int = 1000, width: float = 1.0) -> None:
    """Append the two classifiers behind 4a and 4d that only training looks at.

    The net then returns three scores, the main ones first; Caffe adds 0.3 times the others'
    losses to the loss.
    """
    main = net.tail
    for loss, number in AUXILIARY.items():
        channels = _outputs(INCEPTIONS[number], width)
        net.add(f"{loss}/ave_pool", nn.AvgPool2d(5, 3), f"inception_{number}/output")
        reduced, hidden = scaled(128, width), scaled(1024, width)
        add_conv_relu(net, f"{loss}/conv", f"{loss}/relu_conv", channels, reduced, 1)
        net.add(f"{loss}/flatten", nn.Flatten())
        add_linear_relu(net, f"{loss}/fc", f"{loss}/relu_fc", reduced * 4 * 4, hidden)
        net.add(f"{loss}/drop_fc", nn.Dropout(0.7))
        net.add(f"{loss}/classifier", nn.Linear(hidden, num_classes))
    net.outputs = (main, *(f"{loss}/classifier" for loss in AUXILIARY))


def googlenet_torchvision_trunk(padding: str, width: float = 1.0) -> Trunk:
    """The same of torchvision's: padding "reference": conv1 is padded by 10, the least that covers
    images of every size; "aligned": by 3, and the pools of 3x3 by 1."""
    net = convolutionalize(googlenet_torchvision(width=width), until="inception_5b/output")
    net.add("pool5/drop_7x7_s1", nn.Dropout(0.2))
    if padding == "aligned":
        for name in POOLS[:3]:
            net[name].padding, net[name].ceil_mode = (1, 1), False
    else:
        net["conv1/7x7_s2"].padding = (10, 10)
    return Trunk(net, "pool5/drop_7x7_s1", ("inception_4e/output", "inception_3b/output"))


def googlenet_trunk(padding: str, width: float = 1.0) -> Trunk:
    """conv1 ... inception_5b with its dropout; the head at stride 32, skips at 16 and 8.

    padding "reference": conv1 is padded by 18, the least that covers images of every size (AlexNet
    and VGG-16 need 100 because fc6 is not padded; here all windows are but those of the pools).
    "aligned": conv1 by 3 and the pools by 1, so that every map's pixel o lies on the image's pixel
    o * stride.
    """
    net = convolutionalize(googlenet(width=width), until="inception_5b/output")
    net.add("pool5/drop_7x7_s1", nn.Dropout(0.4))
    if padding == "aligned":
        for name in POOLS:
            net[name].padding, net[name].ceil_mode = (1, 1), False
    else:
        net["conv1/7x7_s2"].padding = (18, 18)
    return Trunk(net, "pool5/drop_7x7_s1", ("inception_4e/output", "inception_3b/output"))


def _add_inception(net: nn.Net, number: str, channels: int, width: float, large: int) -> int:
    """The four ways side by side; returns how many channels they make. large: the window of the
    layer called 5x5."""
    name, source = f"inception_{number}", net.tail
    alone, three, five, pooled = INCEPTIONS[number]

    def conv(what: str, inputs: int, outputs: int, kernel: int, source: str) -> str:
        layer = inputs, scaled(outputs, width), kernel
        names = f"{name}/{what}", f"{name}/relu_{what}"
        return add_conv_relu(net, *names, *layer, padding=kernel // 2, source=source)

    ways = [conv("1x1", channels, alone, 1, source)]
    for what, kernel, (reduced, outputs) in (("3x3", 3, three), ("5x5", large, five)):
        fewer = conv(f"{what}_reduce", channels, reduced, 1, source)
        ways.append(conv(what, scaled(reduced, width), outputs, kernel, fewer))
    pool = net.add(f"{name}/pool", nn.MaxPool2d(3, 1, 1, ceil_mode=True), source)
    ways.append(conv("pool_proj", channels, pooled, 1, pool))
    net.add(f"{name}/output", nn.Cat(), *ways)
    return _outputs(INCEPTIONS[number], width)


def _outputs(inception, width: float) -> int:
    """Channels that a module makes."""
    alone, (_, three), (_, five), pooled = inception
    return sum(scaled(channels, width) for channels in (alone, three, five, pooled))
