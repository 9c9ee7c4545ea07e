"""VGG-16 as a trunk: thirteen convolutions, and fc6 and fc7 as convolutions.

(Simonyan, Zisserman 2015; as an FCN the authors' voc-fcn32s/net.py.) Its pools have even kernels,
so its maps lie between pixels: pool5 sees x at (x + 83.5)/32 with the reference padding.
"""

from .. import nn
from .trunk import Trunk, add_conv_relu, scaled

BLOCKS = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))  # convolutions, channels
HIDDEN = 4096  # channels of fc6 and fc7


def vgg16_trunk(padding: str, width: float = 1.0) -> Trunk:
    """conv1_1 ... pool5, fc6, fc7, with dropout after both.

    padding "reference": conv1_1 is padded by 100 and fc6 not, as the authors do it, so that any
    image is large enough for fc6. "aligned": conv1_1 by 1 and fc6 by 3, so that every map covers
    the image exactly, at a fraction of the cost on small images.
    """
    net, channels = nn.Net(), 3
    aligned = padding == "aligned"
    for block, (count, wanted) in enumerate(BLOCKS, start=1):
        for number in range(1, count + 1):
            first = block == number == 1
            out, name = scaled(wanted, width), f"{block}_{number}"
            pad = 100 if first and not aligned else 1
            add_conv_relu(net, f"conv{name}", f"relu{name}", channels, out, 3, padding=pad)
            channels = out
        net.add(f"pool{block}", nn.MaxPool2d(2, 2, ceil_mode=True))
    hidden = scaled(HIDDEN, width)
    add_conv_relu(net, "fc6", "relu6", channels, hidden, 7, padding=3 if aligned else 0)
    net.add("drop6", nn.Dropout(0.5))
    add_conv_relu(net, "fc7", "relu7", hidden, hidden, 1)
    net.add("drop7", nn.Dropout(0.5))
    return Trunk(net, coarse="drop7", skips=("pool4", "pool3"))
