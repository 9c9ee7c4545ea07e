"""Weights in Caffe's binary files (.caffemodel), without Caffe.

The file is a NetParameter whose layers carry ``blobs``: first the weight, then the bias. Old files
(V1) keep their layers in another field, number their types, and give every blob four lengths:
fc6 of VGG-16 is 1 x 1 x 4096 x 25088 there. Numbers are float32, packed; some files have doubles.
"""

import os
from collections.abc import Mapping

import numpy as np

from ..atomic import atomic_write
from ..kinds import WeightsError
from ..mapped import map_file
from ..wire import Reader, WireError, encode
from .schema import V1_TYPES, message_class

BLOB = {5: "data", 6: "diff", 8: "double", 9: "double diff"}
LAYERS = {"layers": (2, {6: BLOB}), "layer": (100, {7: BLOB})}  # V1's and today's
TYPES = {"data": np.dtype("<f4"), "double": np.dtype("<f8")}
NAMES = ("weight", "bias")  # of a layer's blobs


def load_caffemodel(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """The arrays of a .caffemodel: "conv1_1.weight", "conv1_1.bias" and so on.

    Weights are (K, C/groups, KH, KW) of convolutions, (C, K/groups, KH, KW) of deconvolutions and
    (O, I) of fully connected layers, biases (K,). The arrays are parts of the mapped file: nothing
    is read before it is used, and what is written to them stays in memory.

    Raises WeightsError, naming the file, for one that is damaged, or in which a blob's shape
    contradicts its data, a layer has more than two blobs or two layers have one name.
    """
    path = os.fspath(path)
    buffer = map_file(path)
    taken = {}
    try:
        rules = dict(LAYERS.values())
        small = Reader(buffer).cut(0, len(buffer), rules, taken)
        net = message_class("NetParameter").FromString(small)
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from error
    except Exception as error:  # the library's DecodeError, and ours
        reason = str(error) if isinstance(error, WireError) else f"no Caffe model ({error})"
        raise WeightsError(f"{path}: damaged: {reason}") from error
    arrays = {}
    for field, (number, rule) in LAYERS.items():
        (blobs_number,) = rule
        for i, layer in enumerate(getattr(net, field)):
            found = taken.get((number, i), {})
            blobs = []
            for j, blob in enumerate(layer.blobs):
                where = f"{path}: layer {layer.name!r}, blob {j}"
                blobs.append(_array(where, buffer, blob, found.get((blobs_number, j), {})))
            if len(blobs) > len(NAMES):
                raise WeightsError(
                    f"{path}: layer {layer.name!r} ({kind_of(layer)}) has {len(blobs)} blobs, "
                    "where a weight and a bias were expected"
                )
            for name, array in zip(NAMES, blobs, strict=False):
                name = f"{layer.name}.{name}"
                if name in arrays:
                    raise WeightsError(f"{path}: two layers are called {layer.name!r}")
                arrays[name] = _plain(array, name, kind_of(layer))
    if not arrays:
        raise WeightsError(f"{path}: a Caffe model in which no layer has weights")
    return arrays


def save_caffemodel(path: str | os.PathLike, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays called LAYER.weight and LAYER.bias as a .caffemodel, whole, layer by layer.

    Raises ValueError for other names and TypeError for arrays that are not float32 or float64,
    before anything is written.
    """
    layers = {}
    for name, array in arrays.items():
        layer, _, which = name.rpartition(".")
        if not layer or which not in NAMES:
            raise ValueError(f"{name!r}: a .caffemodel has weights and biases of layers only")
        if array.dtype not in (np.float32, np.float64):
            raise TypeError(f"{name}: {array.dtype} arrays cannot be stored in a .caffemodel")
        layers.setdefault(layer, {})[which] = array
    for layer, blobs in layers.items():
        if "weight" not in blobs:
            raise ValueError(f"layer {layer!r} has a bias but no weight")
    LayerParameter = message_class("LayerParameter")
    with atomic_write(path) as file:
        file.write(message_class("NetParameter")(name="minifcn").SerializeToString())
        for name, blobs in layers.items():
            kind = "InnerProduct" if blobs["weight"].ndim == 2 else "Convolution"
            head = LayerParameter(name=name, type=kind).SerializeToString()
            blobs = [_blob(blobs[which]) for which in NAMES if which in blobs]
            sizes = [len(small) + len(key) + array.nbytes for small, key, array in blobs]
            keys = [encode(7 << 3 | 2) + encode(size) for size in sizes]
            length = len(head) + sum(map(len, keys)) + sum(sizes)
            file.write(encode(100 << 3 | 2) + encode(length) + head)
            for blob_key, (small, key, array) in zip(keys, blobs, strict=True):
                file.write(blob_key + small + key)
                file.write(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).data)


def kind_of(layer) -> str:
    """A layer's type by its later name: "Convolution" for V1's number 4."""
    numbered = layer.DESCRIPTOR.fields_by_name["type"].enum_type
    if numbered is None:
        return str(layer.type)
    found = numbered.values_by_number.get(layer.type)
    name = found.name if found else str(layer.type)
    return V1_TYPES.get(name, name)


def _array(where: str, buffer, blob, taken: dict) -> np.ndarray:
    """One blob's numbers in its shape: a part of the file, or what the library has parsed."""
    pieces = []
    for key, dtype in TYPES.items():
        for start, end in taken.get(key, ()):
            if (end - start) % dtype.itemsize:
                raise WeightsError(f"{where}: {end - start} bytes are no whole number of {dtype}")
            count = (end - start) // dtype.itemsize
            pieces.append(np.frombuffer(buffer, dtype, count, start))
    for values, dtype in ((blob.data, np.float32), (blob.double_data, np.float64)):
        if len(values):  # not packed: every number has a key of its own
            pieces.append(np.asarray(values, dtype))
    array = pieces[0] if len(pieces) == 1 else np.concatenate(pieces or [np.empty(0, np.float32)])
    old = blob.num, blob.channels, blob.height, blob.width
    has_old = any(blob.HasField(n) for n in ("num", "channels", "height", "width"))
    shape = tuple(blob.shape.dim) if blob.HasField("shape") or not has_old else old
    if min(shape, default=1) < 0 or _product(shape) != array.size or len(shape) > 8:
        raise WeightsError(f"{where}: {array.size} numbers cannot be {shape}")
    return array.reshape(shape)


def _product(lengths) -> int:
    product = 1
    for length in lengths:
        product *= length
    return product


def _plain(array: np.ndarray, name: str, kind: str) -> np.ndarray:
    """Without the lengths of 1 that old files put in front: a bias has one, and a fully connected
    layer's weight two."""
    wanted = 1 if name.endswith(".bias") else 2 if kind == "InnerProduct" else array.ndim
    while array.ndim > wanted and array.shape[0] == 1:
        array = array[0]
    return array


def _blob(array: np.ndarray) -> tuple[bytes, bytes, np.ndarray]:
    """A blob in parts: its shape as a message, the key and length of its data, its data."""
    small = message_class("BlobProto")(shape={"dim": array.shape}).SerializeToString()
    number = 5 if array.dtype == np.float32 else 8
    return small, encode(number << 3 | 2) + encode(array.nbytes), array
