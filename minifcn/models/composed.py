"""The authors' nets for other datasets, out of the same parts: two images in, or two maps out.

    nyud-fcn32s-color-d     early fusion: colours and depth are one image of four channels
    nyud-fcn32s-color-hha   late fusion: two whole nets, one for colours and one for HHA (depth as
                            disparity, height above ground, angle with gravity), whose scores are
                            averaged before they are upsampled
    siftflow-fcn8s ...      one trunk, two heads: 33 classes of things, 3 of geometry
    pascalcontext-fcn8s ... 59 classes and a background that is learned, 60 in all

The names are those of the authors' folders (fcn.berkeleyvision.org). Long et al. 2015, section 5.
"""

from functools import partial

from .. import nn
from .fcn import add_head, add_upsampling
from .trunk import Trunk
from .vgg import vgg16_trunk

GEOMETRIC = 3  # classes of SIFT Flow's second head: horizontal, vertical, sky


def color_d(num_classes: int, padding: str, width: float, upsampling: str) -> nn.Net:
    """Images (N, 4, H, W), BGR and depth, to scores; the first layer is ``conv1_1_bgrd``."""
    trunk = vgg16_trunk(padding, width, channels=4)
    net = nn.Net(trunk.net.input_shape)
    graft(net, trunk.net, "data", rename={"conv1_1": "conv1_1_bgrd"})
    settings = {"aligned": padding == "aligned", "upsampling": upsampling}
    return add_head(Trunk(net, trunk.coarse, ()), 0, num_classes, **settings)


def color_hha(num_classes: int, padding: str, width: float, upsampling: str) -> nn.Net:
    """Images (N, 6, H, W), BGR and HHA, to scores; layers end in "color" and in "hha"."""
    net, scores = nn.Net((6, None, None)), []
    for number, name in enumerate(("color", "hha")):
        trunk = vgg16_trunk(padding, width)
        channels = 3 * number, 3 * number + 3
        source = net.add(name, nn.Channels(*channels), "data")
        graft(net, trunk.net, source, suffix=name)
        outputs = trunk.net["fc7"].weight.shape[0]
        score = nn.Conv2d(outputs, num_classes, 1, weight_init=nn.init.zeros)
        scores.append(net.add(f"score_fr{name}", score, f"{trunk.coarse}{name}"))
    fused = net.add("score_fused", nn.Sum(0.5, 0.5), *scores)
    settings = {"aligned": padding == "aligned", "learned": upsampling == "all-learned"}
    return add_upsampling(net, fused, num_classes, **settings)


def two_heads(num_classes: int, padding: str, width: float, upsampling: str, skips: int) -> nn.Net:
    """Images (N, 3, H, W) to two scores, ``score_sem`` of num_classes and ``score_geo`` of 3."""
    trunk = vgg16_trunk(padding, width)
    settings = {"aligned": padding == "aligned", "upsampling": upsampling}
    for classes, suffix in ((num_classes, "_sem"), (GEOMETRIC, "_geo")):
        net = add_head(trunk, skips, classes, suffix=suffix, **settings)
    net.outputs = "score_sem", "score_geo"
    return net


def graft(
    net: nn.Net, other: nn.Net, source: str, suffix: str = "", rename: dict | None = None
) -> None:
    """Append the layers of another net, which then reads ``source`` in place of its data."""
    names = {"data": source}
    for name, inputs in other.reads.items():
        new = (rename or {}).get(name, name) + suffix
        names[name] = net.add(new, other[name], *(names[i] for i in inputs))


COMPOSITIONS = {  # name -> what makes it, its number of classes
    "nyud-fcn32s-color-d": (color_d, 40),
    "nyud-fcn32s-color-hha": (color_hha, 40),
    "siftflow-fcn32s": (partial(two_heads, skips=0), 33),
    "siftflow-fcn16s": (partial(two_heads, skips=1), 33),
    "siftflow-fcn8s": (partial(two_heads, skips=2), 33),
}
ALIASES = {  # name -> the net that it is, its number of classes
    "nyud-fcn32s-color": ("fcn32s-vgg16", 40),
    "nyud-fcn32s-hha": ("fcn32s-vgg16", 40),
    "pascalcontext-fcn32s": ("fcn32s-vgg16", 60),
    "pascalcontext-fcn16s": ("fcn16s-vgg16", 60),
    "pascalcontext-fcn8s": ("fcn8s-vgg16", 60),
}
