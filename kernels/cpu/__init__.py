"""The CPU backend: Numba loops on a thread pool, and NumPy's BLAS for products."""

from .activation import bias_grad, relu, relu_grad
from .confusion import confusion_counts
from .conv import conv2d, conv2d_grad_input, conv2d_grad_weight
from .loss import cross_entropy, cross_entropy_grad
from .lrn import local_response_norm, local_response_norm_grad
from .matmul import matmul
from .memory import keep_freed_memory
from .pool import avg_pool2d, avg_pool2d_grad, max_pool2d, max_pool2d_grad
from .solver import adamw_step, sgd_step
from .threads import get_num_threads, set_num_threads
from .upsample import upsample_bilinear, upsample_bilinear_grad

keep_freed_memory()

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
    "get_num_threads",
    "local_response_norm",
    "local_response_norm_grad",
    "matmul",
    "max_pool2d",
    "max_pool2d_grad",
    "relu",
    "relu_grad",
    "set_num_threads",
    "sgd_step",
    "upsample_bilinear",
    "upsample_bilinear_grad",
]
