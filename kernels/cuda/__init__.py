"""The CUDA backend: hand-written kernels, one idea a file, on CuPy's arrays; on the CPU, emulated.

The files of the kernel table are those of reference/, each with its .cu file where it needs one.
Behind them, in the order to read:

    device.py          where arrays live, and how kernels are launched on them
    layout.py          channels last: how maps lie in memory
    device.cuh         what every .cu file starts with: the instructions that C++ has no words for
    im2col.cu          the plainest kernels, one thread a number: a convolution's columns, and back
    window.cuh         which pixels a window sees, and which windows see a pixel
    pool.cu, vector.cuh    one thread for 16 bytes
    conv.cu, conv_weight.cu    a convolution without columns, by tiles of products
    conv_tile.cuh      how tiles come through shared memory
    product_*.cuh      how they are multiplied: multiply-adds, tensor cores
    tile.py            which of them
    hopper.cuh         Hopper's own instructions: a copy engine, products in the background
    conv_hopper.cu, conv_weight_hopper.cu, hopper.py    convolutions by them, patch by patch
    patches.py, turn.cu, tensor_map.py    the patches, what is turned, what the engine must know
    columns.py, grouped.py, bias.cu    convolutions that go other ways
    sum.cu, parts.py   sums of which several blocks made parts
    log_sum_exp.cuh, triangle.cuh    what several .cu files share: the softmax's sum, the bilinear
                       filter
    flat.py            arrays in the order of memory
    precision.py       float32, TF32 or bfloat16
    random.py          dropout's masks
    graph.py           many launches recorded as one
    emulator.py, emulator.h, emulator_hopper.h, arrays.py    the CPU plays the GPU

In Python, for Numba's compiler and its simulator, four of the kernels stand once more in
../numba_cuda/.
"""

from .activation import bias_grad, relu, relu_bias_grad, relu_grad
from .arithmetic import add, add_, dropout, scale
from .cat import cat
from .confusion import confusion_counts
from .conv import conv2d, conv2d_grad_input, conv2d_grad_weight, empty_maps
from .loss import cross_entropy, cross_entropy_grad
from .lrn import local_response_norm, local_response_norm_grad
from .matmul import matmul
from .pool import avg_pool2d, avg_pool2d_grad, max_pool2d, max_pool2d_grad
from .random import keep_mask
from .scores import (
    argmax_classes,
    argmax_upsampled,
    upsample_cross_entropy,
    upsample_cross_entropy_grad,
)
from .softmax import log_softmax, log_softmax_grad, softmax, softmax_grad
from .solver import adamw_step, adamw_steps, sgd_step, sgd_steps
from .upsample import upsample_bilinear, upsample_bilinear_grad

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
    "keep_mask",
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
    "sgd_step",
    "sgd_steps",
    "softmax",
    "softmax_grad",
    "upsample_bilinear",
    "upsample_bilinear_grad",
    "upsample_cross_entropy",
    "upsample_cross_entropy_grad",
]
