"""Weights in Keras's HDF5 files, turned to the order of axes that minifcn's layers have.

Keras 1 and 2   a group for every layer; attributes list the layers (layer_names) and the arrays
                in their groups (weight_names); all inside model_weights if the model was saved
Keras 3         layers/CLASS/vars/0 and 1; CLASS/layers/... where a model is used as a layer

keras_child.py finds the arrays, in a process of its own: of 20,000 files damaged at random, 46
kept the HDF5 library (2.0) busy for ever and 2 crashed it.
"""

import importlib.util
import json
import math
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np

from .kinds import WeightsError, describe

CHILD = Path(__file__).with_name("keras_child.py")
WAIT = 60  # seconds for the child, which limits its own processor time where the platform can

# How Keras calls a layer's two arrays: conv/kernel:0, conv_W_1:0 (Keras 1), vars/0 (Keras 3).
ROLES = {
    "kernel": "weight", "W": "weight", "0": "weight", "bias": "bias", "b": "bias", "1": "bias",
}  # fmt: skip
AXES = {4: (3, 2, 0, 1), 2: (1, 0), 1: (0,)}  # of convolutions, dense layers and biases

VGG16_CONVOLUTIONS = {
    f"block{block}_conv{n}": f"conv{block}_{n}"
    for block, depth in enumerate((2, 2, 3, 3, 3), 1)
    for n in range(1, depth + 1)
}
VGG16_NAMES = VGG16_CONVOLUTIONS | {"fc1": "fc6", "fc2": "fc7", "predictions": "fc8"}


def load_keras(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """Read the convolutions and dense layers of a Keras file: LAYER.weight and LAYER.bias.

    Kernels (kh, kw, in, out) come as (out, in, kh, kw), those of transposed convolutions
    (kh, kw, out, in) as (in, out, kh, kw), those of dense layers (in, out) as (out, in); float16
    as float32. Most arrays are strided views of a private map of the file: it is read when they
    are, and writing to them leaves it alone. A VGG-16 gets the names of ``rename_vgg16``.

    Raises WeightsError, naming ``path``, for a file that is missing, damaged or of another kind,
    that refers to other files or has layers of other kinds, and where h5py is not installed.
    """
    path = os.fspath(path)
    try:
        _check(path)
        arrays = _convert(_by_layer(_read(path)))
        is_vgg16 = all(f"{name}.weight" in arrays for name in VGG16_CONVOLUTIONS)
        return rename_vgg16(arrays) if is_vgg16 else arrays
    except FileNotFoundError as error:
        raise WeightsError(f"{path}: no such file") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise WeightsError(f"{path}: {reason}") from error


def rename_vgg16(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The layers of keras-applications' VGG-16 by the paper's names: conv1_1, fc6; others as is.

    The inputs of fc1 (out, h * w * c), h == w, are ordered (h, w, c); those of fc6 are ordered
    (c, h, w), and its weight is the one array that is copied. conv1_1 expects BGR in both.

    Raises ValueError where fc1's inputs are no square map, or two layers get the same name.
    """
    arrays = dict(arrays)
    fc1 = arrays.get("fc1.weight")
    if fc1 is not None and fc1.ndim == 2:
        channels = len(arrays["block5_conv3.weight"])
        side = math.isqrt(fc1.shape[1] // channels)
        if side * side * channels != fc1.shape[1]:
            raise ValueError(
                f"fc1 has {fc1.shape[1]} inputs: no square map of {channels} channels"
            )
        maps = fc1.reshape(-1, side, side, channels).transpose(0, 3, 1, 2)
        arrays["fc1.weight"] = maps.reshape(fc1.shape)
    renamed = {}
    for key, array in arrays.items():
        layer, _, role = key.rpartition(".")
        renamed[f"{VGG16_NAMES.get(layer, layer)}.{role}"] = array
    if len(renamed) < len(arrays):
        raise ValueError("some layers have both Keras's name and the paper's")
    return renamed


def _check(path: str) -> None:
    """Raise ValueError or OSError unless ``path`` seems to be HDF5, and h5py is there."""
    kind = describe(path)
    if not kind.startswith("an HDF5 file"):
        raise ValueError(f"expected an HDF5 file, this seems to be {kind}")
    if importlib.util.find_spec("h5py") is None:
        raise ValueError("reading Keras files needs h5py: pip install 'minifcn[hdf5]'")


def _read(path: str) -> Iterator[tuple[str, str, np.ndarray]]:
    """(layer, weight, array) of all arrays as Keras stores them, the contiguous ones mapped."""
    with tempfile.TemporaryFile() as output:
        _run_child(path, output)
        output.seek(0)
        table = json.loads(output.readline())
        rest = np.fromfile(output, np.uint8)
    file = np.asarray(np.memmap(path, np.uint8, mode="c"))
    for layer, weight, dtype, shape, offset in table:
        size = math.prod(shape) * np.dtype(dtype).itemsize
        if offset is None:
            raw, rest = rest[:size], rest[size:]
        else:
            raw = file[offset : offset + size]
        if len(raw) != size:
            raise ValueError(f"damaged HDF5 file: it ends inside the weights of {layer}")
        array = raw.view(dtype).reshape(shape)
        native = "f4" if array.dtype.itemsize == 2 else array.dtype.newbyteorder("=")
        yield layer, weight, array.astype(native, copy=False)


def _run_child(path: str, output: BinaryIO) -> None:
    """Let keras_child.py write to ``output`` what it finds; ValueError with its reason if not."""
    try:
        status, errors = _child_process(path, output)
    except subprocess.TimeoutExpired as error:
        raise ValueError(f"damaged HDF5 file: still being read after {WAIT} s") from error
    if status == 1:
        lines = errors.decode(errors="replace").splitlines()
        raise ValueError(lines[-1] if lines else "damaged HDF5 file")
    if status:
        raise ValueError(
            f"damaged HDF5 file: the HDF5 library crashed or came to no end (exit status {status})"
        )


def _child_process(path: str, output: BinaryIO) -> tuple[int, bytes]:
    """Exit status and standard error of keras_child.py, which writes to ``output``."""
    # The child finds the same h5py; -P: but not the modules beside it under its own folder's.
    paths = os.pathsep.join(filter(None, sys.path))
    command = [sys.executable, "-P", str(CHILD), path]
    # More threads of NumPy's BLAS would only take time and memory.
    environment = {**os.environ, "PYTHONPATH": paths, "OPENBLAS_NUM_THREADS": "1"}
    pipes = {"stdin": subprocess.DEVNULL, "stdout": output, "stderr": subprocess.PIPE}
    child = subprocess.run(command, env=environment, timeout=WAIT, check=False, **pipes)
    return child.returncode, child.stderr


def _by_layer(found: Iterable[tuple[str, str, np.ndarray]]) -> dict[str, dict[str, np.ndarray]]:
    """{layer: {"weight": array, "bias": array}}; arrays of other roles keep Keras's names."""
    groups: dict[str, list] = {}
    for layer, name, array in found:
        # conv/kernel_1:0 and conv_W_1:0 both give "conv" and the role "weight".
        owner, _, last = re.sub(r"(_\d+)?(:\d+)?$", "", name).rpartition("/")
        if last[-2:] in ("_W", "_b"):
            owner, last = last[:-2], last[-1]
        groups.setdefault(layer, []).append((owner, ROLES.get(last, name), array))
    layers: dict[str, dict[str, np.ndarray]] = {}
    for group, members in groups.items():
        # Several owners: a model used as a layer, which Keras stores in one group.
        nested = len({owner for owner, _, _ in members}) > 1
        for owner, role, array in members:
            layer = owner if nested else group
            if role in layers.setdefault(layer, {}):
                raise ValueError(f"two layers have the name {layer!r}")
            layers[layer][role] = array
    return layers


def _convert(layers: Mapping[str, Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """LAYER.weight and LAYER.bias with minifcn's axes; ValueError lists all other layers."""
    if not layers:
        raise ValueError("an HDF5 file, but without weights as Keras stores them")
    others = ", ".join(name for name, weights in layers.items() if not _is_known(weights))
    if others:
        raise ValueError(f"only convolutions and dense layers are read, not {others}")
    return {
        f"{name}.{role}": array.transpose(AXES[array.ndim])
        for name, weights in layers.items()
        for role, array in weights.items()
    }


def _is_known(weights: Mapping[str, np.ndarray]) -> bool:
    """Whether these are the arrays of a convolution or a dense layer.

    A depthwise kernel (kh, kw, c, 1) looks like that of a convolution to one channel, but has c
    biases; without biases both are refused, unless kh and kw are 1.
    """
    kernel, bias = weights.get("weight"), weights.get("bias")
    if not weights.keys() <= {"weight", "bias"} or kernel is None or kernel.ndim not in (2, 4):
        return False
    inputs, outputs = kernel.shape[-2:]
    if bias is None:
        return kernel.ndim == 2 or outputs > 1 or inputs == 1 or kernel.shape[:2] == (1, 1)
    # A transposed convolution has its outputs last but one.
    transposed = kernel.ndim == 4 and outputs > 1 and bias.size == inputs
    return bias.ndim == 1 and (bias.size == outputs or transposed)
