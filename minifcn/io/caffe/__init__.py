"""Caffe's files, without Caffe: weights (.caffemodel) and definitions (.prototxt).

schema.py      the messages of both, for the protobuf library
weights.py     .caffemodel to arrays and back
definition.py  .prototxt to a list of layers
layers.py      a layer of theirs as one of ours
network.py     a definition as a network that runs
"""

from .network import Definition, Loss, load_definition
from .weights import load_caffemodel, save_caffemodel

__all__ = ["Definition", "Loss", "load_caffemodel", "load_definition", "save_caffemodel"]
