"""Weights out of any file that holds some: which kind it is, is found out from its content."""

import os
from dataclasses import dataclass, field

import numpy as np

from . import torchvision
from .checkpoint import info_of
from .kinds import WeightsError, describe
from .tensors import load_tensors

CAFFE = {}  # what data.Preprocessing is by itself
KERAS_VGG = {"order": "BGR", "mean": [103.939, 116.779, 123.68], "std": [1.0, 1.0, 1.0]}


@dataclass
class Weights:
    """Named arrays, and what is known of them.

    arrays: by our names, LAYER.weight and LAYER.bias; kind: of the file, in words; model: the net
    that they are known to belong to, a name for ``models.build``; preprocessing: how it wants its
    images (the fields of ``data.Preprocessing``), None where nobody says; spec: of a checkpoint of
    this project, how its net was built.
    """

    arrays: dict[str, np.ndarray]
    kind: str
    model: str | None = None
    preprocessing: dict | None = None
    spec: dict | None = field(default=None, repr=False)


def load_weights(path: str | os.PathLike) -> Weights:
    """Read a file of weights: safetensors, .caffemodel, .pth (both formats) or Keras's HDF5.

    Nothing in the file is executed. The arrays are parts of the mapped file wherever its format
    allows it, so that a large one is not held twice.

    Raises WeightsError, naming the file and what it seems to be, for any other one.
    """
    path = os.fspath(path)
    try:
        kind = describe(path)
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        reason = "no such file" if missing else error.strerror or str(error)
        raise WeightsError(f"{path}: {reason}") from error
    for known, read in READERS.items():
        if kind.startswith(known):
            return read(path, kind)
    raise WeightsError(
        f"{path}: this seems to be {kind}; weights are read from .safetensors, .caffemodel, "
        ".pth and Keras's .h5"
    )


def _safetensors(path: str, kind: str) -> Weights:
    arrays, metadata = load_tensors(path, mapped=True)
    info = info_of(metadata, path) or {}
    spec = info.get("model")
    arrays = {name: array for name, array in arrays.items() if not name.startswith("solver.")}
    if spec:
        return Weights(arrays, kind, spec.get("name"), spec.get("preprocessing"), spec)
    return _known(arrays, kind, path)


def _caffe(path: str, kind: str) -> Weights:
    from .caffe import load_caffemodel

    return Weights(load_caffemodel(path), kind, preprocessing=CAFFE)


def _pytorch(path: str, kind: str) -> Weights:
    from .pytorch import load_pytorch

    return _known(load_pytorch(path), kind, path)


def _keras(path: str, kind: str) -> Weights:
    from .keras import load_keras

    arrays = load_keras(path)
    is_vgg = {"conv1_1.weight", "conv5_3.weight"} <= arrays.keys()
    return Weights(arrays, kind, preprocessing=KERAS_VGG if is_vgg else None)


def _known(arrays: dict, kind: str, path: str) -> Weights:
    """Under our names, where they are those of a net of torchvision."""
    model = torchvision.recognise(arrays)
    if model is None:
        return Weights(arrays, kind)
    try:
        arrays = torchvision.renamed(arrays, model)
    except ValueError as error:
        raise WeightsError(f"{path}: torchvision's {model}, but {error}") from None
    return Weights(arrays, f"{kind}, torchvision's", model, torchvision.NETS[model][1])


READERS = {
    "a safetensors file": _safetensors,
    "a Caffe model": _caffe,
    "a PyTorch file": _pytorch,
    "an old PyTorch file": _pytorch,
    "a Python pickle": _pytorch,
    "an HDF5 file": _keras,
}
