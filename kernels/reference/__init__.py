"""The reference backend: NumPy, the specification that the others must agree with."""

from .activation import bias_grad, relu, relu_grad
from .confusion import confusion_counts
from .conv import conv2d, conv2d_grad_input, conv2d_grad_weight
from .loss import cross_entropy, cross_entropy_grad
from .lrn import local_response_norm, local_response_norm_grad
from .matmul import matmul
from .pool import avg_pool2d, avg_pool2d_grad, max_pool2d, max_pool2d_grad
from .solver import adamw_step, sgd_step
from .upsample import upsample_bilinear, upsample_bilinear_grad

__all__ = [
    "adamw_step",
    "avg_pool2d",
    "avg_pool2d_grad",
    "bias_grad",
    "confusion_counts",
    "conv2d",
    "conv2d_grad_input",
    "conv2d_grad_weight",
    "cross_entropy",
    "cross_entropy_grad",
    "local_response_norm",
    "local_response_norm_grad",
    "matmul",
    "max_pool2d",
    "max_pool2d_grad",
    "relu",
    "relu_grad",
    "sgd_step",
    "upsample_bilinear",
    "upsample_bilinear_grad",
]
