"""The networks, by name.

model = build("fcn8s-vgg16", num_classes=21, padding="aligned", width=0.25)
classifier = build("vgg16")
fcn = convolutionalize(classifier)
"""

import difflib

from .. import backends, nn
from .alexnet import (
    alexnet,
    alexnet_torchvision,
    alexnet_torchvision_trunk,
    alexnet_trunk,
)
from .composed import ALIASES, COMPOSITIONS
from .convolutionalize import convolutionalize
from .fcn import UPSAMPLING, add_head, bilinear_fit
from .googlenet import (
    add_auxiliary_heads,
    googlenet,
    googlenet_torchvision,
    googlenet_torchvision_trunk,
    googlenet_trunk,
)
from .lenet import lenet
from .mini import mini_trunk
from .squeezenet import squeezenet, squeezenet1_1, squeezenet_torchvision, squeezenet_trunk
from .surgery import CopyReport, add_depth, copy_weights, expand_score, zero_weights
from .trunk import Trunk
from .vgg import vgg16, vgg16_trunk

__all__ = [
    "CopyReport",
    "Trunk",
    "add_auxiliary_heads",
    "add_depth",
    "bilinear_fit",
    "build",
    "classifiers",
    "compositions",
    "convolutionalize",
    "copy_weights",
    "expand_score",
    "names",
    "zero_weights",
]

PADDINGS = ("reference", "aligned")

# name -> (trunk, number of skips, trained at once); the number in a name is the output's stride
_FCNS = {
    "fcn32s-vgg16": (vgg16_trunk, 0, False),
    "fcn16s-vgg16": (vgg16_trunk, 1, False),
    "fcn8s-vgg16": (vgg16_trunk, 2, False),
    "fcn8s-atonce-vgg16": (vgg16_trunk, 2, True),
    "fcn32s-alexnet": (alexnet_trunk, 0, False),
    "fcn16s-alexnet": (alexnet_trunk, 1, False),
    "fcn8s-alexnet": (alexnet_trunk, 2, False),
    "fcn32s-googlenet": (googlenet_trunk, 0, False),
    "fcn16s-googlenet": (googlenet_trunk, 1, False),
    "fcn8s-googlenet": (googlenet_trunk, 2, False),
    "fcn32s-alexnet-torchvision": (alexnet_torchvision_trunk, 0, False),
    "fcn32s-googlenet-torchvision": (googlenet_torchvision_trunk, 0, False),
    "fcn32s-mini": (mini_trunk, 0, False),
    "fcn16s-mini": (mini_trunk, 1, False),
    "fcn8s-mini": (mini_trunk, 2, False),
    "fcn16s-squeezenet": (squeezenet_trunk, 0, False),
    "fcn8s-squeezenet": (squeezenet_trunk, 1, False),
    "fcn4s-squeezenet": (squeezenet_trunk, 2, False),
}

_CLASSIFIERS = {  # name -> what makes it, as it was published
    "lenet": lenet,
    "alexnet": alexnet,
    "vgg16": vgg16,
    "googlenet": googlenet,
    "squeezenet": squeezenet,
    "squeezenet1.1": squeezenet1_1,
    "alexnet-torchvision": alexnet_torchvision,
    "googlenet-torchvision": googlenet_torchvision,
    "squeezenet-torchvision": squeezenet_torchvision,
}


def names() -> list[str]:
    """The networks that score every pixel."""
    return list(_FCNS)


def classifiers() -> list[str]:
    """The networks that score whole images."""
    return list(_CLASSIFIERS)


def compositions() -> list[str]:
    """The authors' networks for NYUDv2, SIFT Flow and PASCAL-Context: see that file."""
    return [*COMPOSITIONS, *ALIASES]


def build(
    name: str,
    num_classes: int | None = None,
    *,
    padding: str = "reference",
    width: float = 1.0,
    upsampling: str = "fixed",
) -> nn.Net:
    """A network with fresh weights: images (N, 3, H, W) to scores (N, num_classes, H, W), or, for
    one of the ``classifiers``, to (N, num_classes).

    num_classes: 21, of a classifier as many as it was published with. Input: BGR 0..255 minus the
    mean (``data.to_input``), any height and width; of a classifier those of its ``input_shape``.
    width: factor on the channels of the trunk. Trunk weights start He-normal, score layers at
    zero. Of networks that score pixels alone: padding: "reference", the authors' 100 pixels and
    crops, or "aligned", without waste and with every offset 0. upsampling: "fixed", "learned" or
    "all-learned" (see ``models.fcn``).

    Raises ValueError for a name, padding, width or number of classes that cannot be.
    """
    if name in ALIASES:
        name, classes = ALIASES[name]
        num_classes = classes if num_classes is None else num_classes
    known = [*names(), *classifiers(), *compositions()]
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.7)
        hint = f"did you mean {near[0]}? " if near else ""
        raise ValueError(f"unknown model {name!r}: {hint}There are: {', '.join(known)}")
    if padding not in PADDINGS:
        raise ValueError(f"padding {padding!r} is none of {', '.join(PADDINGS)}")
    if upsampling not in UPSAMPLING:
        raise ValueError(f"upsampling {upsampling!r} is none of {', '.join(UPSAMPLING)}")
    if not 0 < width <= 8:
        raise ValueError(f"width must be above 0 and at most 8; got {width}")
    if not nn.init.is_valueless():
        backends.prepare()
    if name in _CLASSIFIERS:
        if num_classes is not None and num_classes < 1:
            raise ValueError(f"num_classes must be 1 or more; got {num_classes}")
        wanted = {} if num_classes is None else {"num_classes": num_classes}
        return _CLASSIFIERS[name](width=width, **wanted)
    if num_classes is None:
        num_classes = COMPOSITIONS[name][1] if name in COMPOSITIONS else 21
    if not 1 <= num_classes <= 255:
        raise ValueError(
            f"num_classes must be 1 to 255 (255 is the ignored label); got {num_classes}"
        )
    if name in COMPOSITIONS:
        return COMPOSITIONS[name][0](num_classes, padding, width, upsampling)
    make_trunk, skips, at_once = _FCNS[name]
    return add_head(
        make_trunk(padding, width),
        skips,
        num_classes,
        aligned=padding == "aligned",
        upsampling=upsampling,
        at_once=at_once,
    )
