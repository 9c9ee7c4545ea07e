"""What a head needs to know of a trunk: the layers that scores are taken from."""

from dataclasses import dataclass

from .. import nn


@dataclass
class Trunk:
    """A classifier without its classifier.

    net: the layers; coarse: the one that the coarsest scores are taken from; skips: finer ones,
    the coarsest first, for the heads that fuse them.
    """

    net: nn.Net
    coarse: str
    skips: tuple[str, ...]


def scaled(channels: int, width: float) -> int:
    """Number of channels of a layer in a net of this width (1 is the published net)."""
    return max(1, round(channels * width))


def add_conv_relu(net: nn.Net, name: str, relu: str, *layer, source: str = "", **settings) -> str:
    """Append ``Conv2d(*layer, **settings)`` and its ReLU; returns the ReLU's name."""
    net.add(name, nn.Conv2d(*layer, **settings), *([source] if source else []))
    return net.add(relu, nn.ReLU())


def add_classifier(net: nn.Net, inputs: int, hidden: int, num_classes: int) -> None:
    """Append flatten, fc6, fc7 and fc8, with dropout after the first two: AlexNet's and VGG's."""
    net.add("flatten", nn.Flatten())
    for number in (6, 7):
        add_linear_relu(net, f"fc{number}", f"relu{number}", inputs, hidden)
        net.add(f"drop{number}", nn.Dropout(0.5))
        inputs = hidden
    net.add("fc8", nn.Linear(hidden, num_classes))


def add_linear_relu(net: nn.Net, name: str, relu: str, inputs: int, outputs: int) -> str:
    """Append ``Linear(inputs, outputs)`` and its ReLU; returns the ReLU's name."""
    net.add(name, nn.Linear(inputs, outputs))
    return net.add(relu, nn.ReLU())
