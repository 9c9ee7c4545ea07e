"""Differentiable operations, one family a file. No file here knows on what device it computes.

import minifcn.functions as F
y = F.relu(F.conv2d(x, weight, bias, padding=1))
"""

from ..autograd.arithmetic import add, div, exp, log, matmul, mul, neg, pow, sub
from ..autograd.shaping import getitem, max, mean, reshape, sum, transpose
from .activation import dropout, log_softmax, relu, sigmoid, softmax, tanh
from .conv import conv2d, conv2d_relu, conv2d_weight, conv_transpose2d
from .linear import linear
from .loss import cross_entropy
from .lrn import local_response_norm
from .pool import avg_pool2d, max_pool2d
from .scores import argmax_classes, argmax_upsampled, upsample_cross_entropy
from .spatial import Joined, cat, crop, pad
from .upsample import bilinear_filter, upsample_bilinear

__all__ = [
    "Joined",
    "add",
    "argmax_classes",
    "argmax_upsampled",
    "avg_pool2d",
    "bilinear_filter",
    "cat",
    "conv2d",
    "conv2d_relu",
    "conv2d_weight",
    "conv_transpose2d",
    "crop",
    "cross_entropy",
    "div",
    "dropout",
    "exp",
    "getitem",
    "linear",
    "local_response_norm",
    "log",
    "log_softmax",
    "matmul",
    "max",
    "max_pool2d",
    "mean",
    "mul",
    "neg",
    "pad",
    "pow",
    "relu",
    "reshape",
    "sigmoid",
    "softmax",
    "sub",
    "sum",
    "tanh",
    "transpose",
    "upsample_bilinear",
    "upsample_cross_entropy",
]
