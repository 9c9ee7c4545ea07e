"""VGG-16: thirteen convolutions of 3x3 in five blocks, and three fully connected layers.

(Simonyan, Zisserman 2015, configuration D; as an FCN the authors' voc-fcn32s/net.py.) Its pools
have even kernels, so its maps lie between pixels: pool5 sees x at (x + 83.5)/32 with the reference
padding.
"""

from .. import nn
from .convolutionalize import convolutionalize
from .trunk import Trunk, add_classifier, add_conv_relu, scaled

INPUT = (3, 224, 224)
BLOCKS = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))  # convolutions, channels
HIDDEN = 4096  # of fc6 and fc7


def vgg16(num_classes: int = 1000, width: float = 1.0, channels: int = 3) -> nn.Net:
    """Images (N, 3, 224, 224), BGR minus the mean, to scores (N, num_classes)."""
    net = nn.Net((channels, *INPUT[1:]))
    for block, (count, wanted) in enumerate(BLOCKS, start=1):
        out = scaled(wanted, width)
        for number in range(1, count + 1):
            name = f"{block}_{number}"
            add_conv_relu(net, f"conv{name}", f"relu{name}", channels, out, 3, padding=1)
            channels = out
        net.add(f"pool{block}", nn.MaxPool2d(2, 2, ceil_mode=True))
    add_classifier(net, channels * 7 * 7, scaled(HIDDEN, width), num_classes)
    return net


def vgg16_trunk(padding: str, width: float = 1.0, channels: int = 3) -> Trunk:
    """conv1_1 ... pool5, fc6, fc7, with dropout after both; skips at stride 16 and 8.

    padding "reference": conv1_1 is padded by 100 and fc6 not, as the authors do it, so that any
    image is large enough for fc6. "aligned": conv1_1 by 1 and fc6 by 3, so that every map covers
    the image exactly, at a fraction of the cost on small images.
    """
    net = convolutionalize(vgg16(width=width, channels=channels), until="drop7")
    if padding == "aligned":
        net["fc6"].padding = (3, 3)
    else:
        net["conv1_1"].padding = (100, 100)
    return Trunk(net, coarse="drop7", skips=("pool4", "pool3"))
