"""Layers and networks: modules that own parameters."""

from . import init
from .align import Crop, Fuse
from .containers import Net, Sequential, table
from .layers import (
    AvgPool2d,
    Cat,
    Channels,
    ChannelScale,
    Conv2d,
    ConvTranspose2d,
    Dropout,
    Flatten,
    GlobalAvgPool2d,
    Linear,
    LocalResponseNorm,
    MaxPool2d,
    Power,
    ReLU,
    Scale,
    Sigmoid,
    Softmax,
    Sum,
    Tanh,
    UpsampleBilinear,
)
from .module import Module, Parameter

__all__ = [
    "AvgPool2d",
    "Cat",
    "ChannelScale",
    "Channels",
    "Conv2d",
    "ConvTranspose2d",
    "Crop",
    "Dropout",
    "Flatten",
    "Fuse",
    "GlobalAvgPool2d",
    "Linear",
    "LocalResponseNorm",
    "MaxPool2d",
    "Module",
    "Net",
    "Parameter",
    "Power",
    "ReLU",
    "Scale",
    "Sequential",
    "Sigmoid",
    "Softmax",
    "Sum",
    "Tanh",
    "UpsampleBilinear",
    "init",
    "table",
]
