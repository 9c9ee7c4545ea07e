"""The weights that torchvision publishes, under our names.

torchvision numbers layers ("features.24.weight") or names them after its own classes
("inception4e.branch3.1.bn.running_var"). Which of its nets a file holds is told from the names and
the first layer's shape; batch normalisation, which a trained net does with fixed numbers,

    y = (w * x - mean) / sqrt(variance + 0.001) * gamma + beta

is one convolution with the weight w * g and the bias beta - mean * g, g = gamma / sqrt(...).
"""

from collections.abc import Iterator, Mapping

import numpy as np

EPSILON = 0.001  # of GoogLeNet's batch normalisation

VGG16 = dict(
    zip(
        [f"features.{i}" for i in (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)]
        + [f"classifier.{i}" for i in (0, 3, 6)],
        [f"conv{block}_{i}" for block, n in enumerate((2, 2, 3, 3, 3), 1) for i in range(1, n + 1)]
        + ["fc6", "fc7", "fc8"],
        strict=True,
    )
)
ALEXNET = dict(
    zip(
        [f"features.{i}" for i in (0, 3, 6, 8, 10)] + [f"classifier.{i}" for i in (1, 4, 6)],
        ["conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8"],
        strict=True,
    )
)
GOOGLENET_BRANCHES = {
    "branch1": "1x1",
    "branch2.0": "3x3_reduce",
    "branch2.1": "3x3",
    "branch3.0": "5x5_reduce",
    "branch3.1": "5x5",
    "branch4.1": "pool_proj",
}
MODULES = ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b")
GOOGLENET = (
    {"conv1": "conv1/7x7_s2", "conv2": "conv2/3x3_reduce", "conv3": "conv2/3x3"}
    | {
        f"inception{number}.{theirs}": f"inception_{number}/{ours}"
        for number in MODULES
        for theirs, ours in GOOGLENET_BRANCHES.items()
    }
    | {"fc": "loss3/classifier"}
)


def _squeezenet(fires: tuple[int, ...]) -> dict[str, str]:
    """fires: the positions of fire2 to fire9 in torchvision's ``features``."""
    names = {"features.0": "conv1", "classifier.1": "conv10"}
    for number, i in enumerate(fires, start=2):
        for theirs, ours in (
            ("squeeze", "squeeze1x1"), ("expand1x1", "expand1x1"), ("expand3x3", "expand3x3")
        ):  # fmt: skip
            names[f"features.{i}.{theirs}"] = f"fire{number}/{ours}"
    return names


# model -> its layers' names there and here, and how images are prepared for it: channels of bytes
# less the mean, divided by std
IMAGENET = {
    "order": "RGB",
    "mean": [123.675, 116.28, 103.53],  # 255 times 0.485, 0.456, 0.406
    "std": [58.395, 57.12, 57.375],  # 255 times 0.229, 0.224, 0.225
}
CENTRED = {"order": "RGB", "mean": [127.5] * 3, "std": [127.5] * 3}
NETS = {
    "vgg16": (VGG16, IMAGENET),
    "alexnet-torchvision": (ALEXNET, IMAGENET),
    "googlenet-torchvision": (GOOGLENET, CENTRED),
    "squeezenet-torchvision": (_squeezenet((3, 4, 5, 7, 8, 9, 10, 12)), IMAGENET),
    "squeezenet1.1": (_squeezenet((3, 4, 6, 7, 9, 10, 11, 12)), IMAGENET),
}
IGNORED = ("num_batches_tracked",)
HEADS = ("aux1.", "aux2.")  # GoogLeNet's, which only training looks at


def recognise(arrays: Mapping[str, np.ndarray]) -> str | None:
    """Which of torchvision's nets has arrays of exactly these names; None for no such net.

    "vgg16", "alexnet-torchvision" and so on: the names that ``models.build`` knows them by.
    """
    layers = {layer for layer, _ in map(_split, _needed(arrays))}
    for model, (names, _) in NETS.items():
        if layers == set(names):
            return model
    return None


def renamed(arrays: Mapping[str, np.ndarray], model: str) -> dict[str, np.ndarray]:
    """The arrays under our names, batch normalisation put into the weights.

    Raises ValueError where a layer of ``model`` lacks an array.
    """
    names, _ = NETS[model]
    found = {}
    for theirs, ours in names.items():
        for which, array in _layer(arrays, theirs):
            found[f"{ours}.{which}"] = array
    return found


def _layer(arrays, name: str) -> Iterator[tuple[str, np.ndarray]]:
    """("weight", array) and ("bias", array) of one of their layers."""
    try:
        if f"{name}.conv.weight" not in arrays:
            yield "weight", arrays[f"{name}.weight"]
            yield "bias", arrays[f"{name}.bias"]
            return
        weight = arrays[f"{name}.conv.weight"]
        gamma, beta, mean, variance = (
            np.asarray(arrays[f"{name}.bn.{which}"], np.float64)
            for which in ("weight", "bias", "running_mean", "running_var")
        )
    except KeyError as error:
        raise ValueError(f"no array {error.args[0]!r}") from None
    factor = gamma / np.sqrt(variance + EPSILON)
    yield "weight", (weight * factor[:, None, None, None]).astype(weight.dtype)
    yield "bias", (beta - mean * factor).astype(weight.dtype)


def _needed(arrays) -> Iterator[str]:
    return (name for name in arrays if not name.startswith(HEADS) and not name.endswith(IGNORED))


def _split(name: str) -> tuple[str, str]:
    """ "inception3a.branch1.conv.weight" as the layer and the rest."""
    layer, _, which = name.rpartition(".")
    for part in (".conv", ".bn"):
        if layer.endswith(part):
            return layer.removesuffix(part), f"{part[1:]}.{which}"
    return layer, which
