"""Files: written whole, and read without executing anything in them.

atomic.py      temporary file, fsync, rename
mapped.py      files as bytes that are read when they are used
kinds.py       what a file of weights seems to be, told from its first bytes
tensors.py     named arrays in the safetensors format
checkpoint.py  model, solver and run in one such file
weights.py     weights out of any of the files that follow
wire.py        the wire format of Protocol Buffers, which Caffe and ONNX use
caffe/         Caffe's .caffemodel and .prototxt
pytorch/       PyTorch's .pth, of which nothing is executed
keras.py       Keras's HDF5, with keras_child.py
torchvision.py the nets of torchvision under our names
onnx_export.py networks as ONNX files, with onnx_layers.py
"""

import importlib

from .atomic import atomic_write, write_json, write_text
from .checkpoint import CheckpointState, load_checkpoint, save_checkpoint
from .kinds import WeightsError, describe
from .tensors import load_tensors, save_tensors
from .weights import Weights, load_weights

_HOMES = {  # what needs more than NumPy, loaded when it is asked for
    "export_onnx": "onnx_export",
    "load_caffemodel": "caffe",
    "load_definition": "caffe",
    "load_keras": "keras",
    "load_pytorch": "pytorch",
    "save_caffemodel": "caffe",
    "save_pytorch": "pytorch",
}

__all__ = [
    "CheckpointState",
    "Weights",
    "WeightsError",
    "atomic_write",
    "describe",
    "load_checkpoint",
    "load_tensors",
    "load_weights",
    "save_checkpoint",
    "save_tensors",
    "write_json",
    "write_text",
    *_HOMES,
]


def __getattr__(name: str):
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
