"""The networks, by name.

model = build("fcn8s-vgg16", num_classes=21, padding="aligned", width=0.25)
"""

import difflib

from .. import nn
from .fcn import UPSAMPLING, add_head, bilinear_fit
from .mini import mini_trunk
from .squeezenet import squeezenet_trunk
from .surgery import CopyReport, copy_weights
from .trunk import Trunk
from .vgg import vgg16_trunk

__all__ = ["CopyReport", "Trunk", "bilinear_fit", "build", "copy_weights", "names"]

PADDINGS = ("reference", "aligned")

# name -> (trunk, number of skips, trained at once); the number in a name is the output's stride
_FCNS = {
    "fcn32s-vgg16": (vgg16_trunk, 0, False),
    "fcn16s-vgg16": (vgg16_trunk, 1, False),
    "fcn8s-vgg16": (vgg16_trunk, 2, False),
    "fcn8s-atonce-vgg16": (vgg16_trunk, 2, True),
    "fcn32s-mini": (mini_trunk, 0, False),
    "fcn16s-mini": (mini_trunk, 1, False),
    "fcn8s-mini": (mini_trunk, 2, False),
    "fcn16s-squeezenet": (squeezenet_trunk, 0, False),
    "fcn8s-squeezenet": (squeezenet_trunk, 1, False),
    "fcn4s-squeezenet": (squeezenet_trunk, 2, False),
}


def names() -> list[str]:
    """Every name that ``build`` knows."""
    return list(_FCNS)


def build(
    name: str,
    num_classes: int = 21,
    *,
    padding: str = "reference",
    width: float = 1.0,
    upsampling: str = "fixed",
) -> nn.Net:
    """A network with fresh weights: images (N, 3, H, W) to scores (N, num_classes, H, W).

    Input: BGR 0..255 minus the mean (``data.to_input``), any height and width. padding:
    "reference", the authors' 100 pixels and crops, or "aligned", without waste and with every
    offset 0. width: factor on the channels of the trunk. upsampling: "fixed", "learned" or
    "all-learned" (see ``models.fcn``). Trunk weights start He-normal, score layers at zero.

    Raises ValueError for a name, padding, width or number of classes that cannot be.
    """
    if name not in _FCNS:
        near = difflib.get_close_matches(name, _FCNS, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}? " if near else ""
        raise ValueError(f"unknown model {name!r}: {hint}There are: {', '.join(_FCNS)}")
    if padding not in PADDINGS:
        raise ValueError(f"padding {padding!r} is none of {', '.join(PADDINGS)}")
    if upsampling not in UPSAMPLING:
        raise ValueError(f"upsampling {upsampling!r} is none of {', '.join(UPSAMPLING)}")
    if not 0 < width <= 8:
        raise ValueError(f"width must be above 0 and at most 8; got {width}")
    if not 1 <= num_classes <= 255:
        raise ValueError(
            f"num_classes must be 1 to 255 (255 is the ignored label); got {num_classes}"
        )
    make_trunk, skips, at_once = _FCNS[name]
    return add_head(
        make_trunk(padding, width),
        skips,
        num_classes,
        aligned=padding == "aligned",
        upsampling=upsampling,
        at_once=at_once,
    )
