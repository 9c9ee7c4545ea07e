"""SqueezeNet 1.0 as a trunk: a classifier of ImageNet in 1.2 million parameters.

(Iandola et al. 2016, and the Caffe model of that name.) A fire module squeezes its input to few
channels with a 1x1 convolution and expands it with 1x1 and 3x3 ones side by side. All its kernels
are odd, so its maps lie on pixels.
"""

from .. import nn
from .trunk import Trunk, add_conv_relu, scaled

FIRES = {  # channels squeezed to, channels of each expansion; a pool follows fire4 and fire8
    2: (16, 64),
    3: (16, 64),
    4: (32, 128),
    5: (32, 128),
    6: (48, 192),
    7: (48, 192),
    8: (64, 256),
    9: (64, 256),
}


def squeezenet_trunk(padding: str, width: float = 1.0) -> Trunk:
    """conv1, fire2 ... fire9, with dropout at the end; stride 16, skips at 8 and 4.

    padding "reference": conv1 is padded by 100 and the pools round up, unpadded, as the classifier
    does it. "aligned": conv1 is padded by 3 and the pools by 1, so that every map covers the image
    exactly and its pixel o lies on the image's pixel o * stride.
    """
    net, aligned = nn.Net(), padding == "aligned"
    pool = {"padding": 1} if aligned else {"ceil_mode": True}
    channels = scaled(96, width)
    add_conv_relu(net, "conv1", "relu_conv1", 3, channels, 7, 2, 3 if aligned else 100)
    net.add("pool1", nn.MaxPool2d(3, 2, **pool))
    for number, (squeeze, expand) in FIRES.items():
        channels = _add_fire(net, number, channels, scaled(squeeze, width), scaled(expand, width))
        if number in (4, 8):
            net.add(f"pool{number}", nn.MaxPool2d(3, 2, **pool))
    net.add("drop9", nn.Dropout(0.5))
    return Trunk(net, coarse="drop9", skips=("fire8/concat", "fire4/concat"))


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
