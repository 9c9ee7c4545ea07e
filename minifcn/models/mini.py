"""A trunk for teaching: the shape of VGG-16, one convolution a block, trained in a minute.

Five pools make the stride 32 of the paper's nets, with skips at 16 and 8; few enough layers that
it learns from scratch, without the ImageNet weights that VGG-16 starts from. Pools are as in VGG,
so kernels, offsets and their arithmetic are the same.
"""

import numpy as np

from .. import nn
from .trunk import Trunk, add_conv_relu, scaled

PIXELS = 64  # about the standard deviation of a picture's pixels
CHANNELS = (24, 48, 64, 96, 128)  # of the five blocks
HIDDEN = 256  # of fc6 and fc7


def mini_trunk(padding: str, width: float = 1.0) -> Trunk:
    """conv1 ... pool5, fc6 (3x3), fc7; padding as in ``vgg16_trunk``.

    conv1 starts with weights, and learns at a rate, PIXELS times smaller than the other layers:
    with Adam, whose steps do not depend on the size of a gradient, that is the same as dividing
    the image by PIXELS, so that all layers see numbers of about 1.
    """
    net, channels, aligned = nn.Net(), 3, padding == "aligned"
    for block, wanted in enumerate(CHANNELS, start=1):
        out = scaled(wanted, width)
        pad = 100 if block == 1 and not aligned else 1
        add_conv_relu(net, f"conv{block}", f"relu{block}", channels, out, 3, padding=pad)
        net.add(f"pool{block}", nn.MaxPool2d(2, 2, ceil_mode=True))
        channels = out
    first = net["conv1"].weight
    first.data = first.data / np.float32(PIXELS)
    first.rate /= PIXELS
    hidden = scaled(HIDDEN, width)
    add_conv_relu(net, "fc6", "relu6", channels, hidden, 3, padding=1 if aligned else 0)
    add_conv_relu(net, "fc7", "relu7", hidden, hidden, 1)
    return Trunk(net, coarse="relu7", skips=("pool4", "pool3"))
