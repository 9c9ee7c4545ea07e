"""The CPU backend: Numba loops on a thread pool, and one micro-kernel for all products.

The files of the kernel table are those of reference/. Behind them, in the order to read:

    layout.py             channels last: how maps lie in memory
    compile.py            the decorator of every kernel
    tasks.py, threads.py  how threads share the tasks of a kernel; a pool of them
    workspace.py          memory that each of them keeps
    isa.py, vectors.py    the vector instructions of this machine, and how kernels get at them
    tile.py               the micro-kernel: a tile of a product, from memory to registers and back
    packing.py            filters in the order in which the micro-kernel reads them
    frame.py, direct.py   convolution around the micro-kernel, without columns
    gradient.py           the gradient of the weights, likewise
    transforms.py         Winograd's transforms, derived and emitted
    winograd.py, winograd_gradient.py, winograd_panels.py    his algorithm around the micro-kernel
    memo.py               transformed filters, kept while filters do not change
    conv.py               which of them runs
    thin.py               products that memory bounds: fully connected layers of one image
    flat.py               arrays walked from end to end
    warm.py               a second process compiles, the first time
    peak.py               what this machine could do

What it reaches is measured beside PyTorch, ONNX Runtime, OpenVINO, ncnn and MNN in benchmarks/,
and layer by layer on your machine by ``minifcn bench``.
"""

from .activation import bias_grad, relu, relu_bias_grad, relu_grad
from .arithmetic import add, add_, dropout, scale
from .cat import cat
from .confusion import confusion_counts
from .conv import conv2d, conv2d_grad_input, conv2d_grad_weight, empty_maps
from .loss import cross_entropy, cross_entropy_grad
from .lrn import local_response_norm, local_response_norm_grad
from .matmul import matmul
from .memory import keep_freed_memory
from .pool import avg_pool2d, avg_pool2d_grad, max_pool2d, max_pool2d_grad
from .scores import (
    argmax_classes,
    argmax_upsampled,
    upsample_cross_entropy,
    upsample_cross_entropy_grad,
)
from .softmax import log_softmax, log_softmax_grad, softmax, softmax_grad
from .solver import adamw_step, adamw_steps, sgd_step, sgd_steps
from .threads import get_num_threads, set_num_threads
from .upsample import upsample_bilinear, upsample_bilinear_grad
from .warm import start as start_warming

keep_freed_memory()
start_warming()

__all__ = [
    "adamw_step",
    "adamw_steps",
    "add",
    "add_",
    "argmax_classes",
    "argmax_upsampled",
    "avg_pool2d",
    "avg_pool2d_grad",
    "bias_grad",
    "cat",
    "confusion_counts",
    "conv2d",
    "conv2d_grad_input",
    "conv2d_grad_weight",
    "cross_entropy",
    "cross_entropy_grad",
    "dropout",
    "empty_maps",
    "get_num_threads",
    "local_response_norm",
    "local_response_norm_grad",
    "log_softmax",
    "log_softmax_grad",
    "matmul",
    "max_pool2d",
    "max_pool2d_grad",
    "relu",
    "relu_bias_grad",
    "relu_grad",
    "scale",
    "set_num_threads",
    "sgd_step",
    "sgd_steps",
    "softmax",
    "softmax_grad",
    "upsample_bilinear",
    "upsample_bilinear_grad",
    "upsample_cross_entropy",
    "upsample_cross_entropy_grad",
]
