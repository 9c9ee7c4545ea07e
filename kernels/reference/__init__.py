"""The reference backend: NumPy, the specification that the others must agree with."""

from .activation import bias_grad, relu, relu_bias_grad, relu_grad
from .arithmetic import add, add_, dropout, scale
from .cat import cat
from .confusion import confusion_counts
from .conv import conv2d, conv2d_grad_input, conv2d_grad_weight, empty_maps
from .loss import cross_entropy, cross_entropy_grad
from .lrn import local_response_norm, local_response_norm_grad
from .matmul import matmul
from .pool import avg_pool2d, avg_pool2d_grad, max_pool2d, max_pool2d_grad
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
