"""Max and average pooling."""

from functools import lru_cache

from ..autograd import Function, Tensor
from ..backends import kernels_for
from ..kernels.shapes import pool_size
from ._arguments import image_shape, pair, per_axis, same_dtype


class Pool(Function):
    """What both poolings share: where the windows lie."""

    name: str

    def __init__(self, kernel_size, stride, padding, dilation, ceil_mode: bool):
        self.kernel_size = pair(kernel_size, "kernel_size", 1)
        self.stride = self.kernel_size if stride is None else pair(stride, "stride", 1)
        self.padding = pair(padding, "padding", 0)
        self.dilation = pair(dilation, "dilation", 1)
        self.ceil_mode = bool(ceil_mode)

    def infer_shape(self, x):
        shape = _output_shape(self.name, x, *self.windows, self.ceil_mode)
        self.output_size = shape[2:]
        return shape

    @property
    def windows(self):
        """(kernel_size, stride, padding, dilation), as the kernels take them."""
        return self.kernel_size, self.stride, self.padding, self.dilation


class MaxPool2d(Pool):
    """y = the largest of each window; the gradient goes to the first pixel that was largest."""

    name = "max_pool2d"

    def forward(self, x):
        same_dtype(self.name, x=x)
        settings = *self.windows, self.output_size, any(self.needs_input_grad)
        y, argmax = kernels_for(x).max_pool2d(x, *settings)
        self.save(argmax)
        return y

    def backward(self, gy):
        (argmax,), size = self.saved, self.input_shapes[0][2:]
        return kernels_for(gy).max_pool2d_grad(gy, argmax, size, *self.windows)


class AvgPool2d(Pool):
    """y = the mean of each window; linear, so nothing is saved."""

    name = "avg_pool2d"

    def forward(self, x):
        same_dtype(self.name, x=x)
        return kernels_for(x).avg_pool2d(x, *self.windows, self.output_size)

    def backward(self, gy):
        return kernels_for(gy).avg_pool2d_grad(gy, self.input_shapes[0][2:], *self.windows)


def max_pool2d(
    x, kernel_size, stride=None, padding=0, dilation=1, ceil_mode: bool = False
) -> Tensor:
    """y[n,c,oh,ow] = max over i, j of x[n,c, oh*SH - PH + i*DH, ow*SW - PW + j*DW].

    x (N, C, H, W); stride None means the kernel size; pixels outside x count as minus infinity.
    Returns OH = floor((H + 2PH - DH(KH-1) - 1)/SH) + 1 rows, or with ceil_mode the ceiling, as
    long as the last window starts inside the image or the padding before it (Caffe's rule, which
    the authors' nets depend on). Raises ValueError where a window would see no pixel.
    """
    return MaxPool2d(kernel_size, stride, padding, dilation, ceil_mode)(x)


def avg_pool2d(
    x, kernel_size, stride=None, padding=0, dilation=1, ceil_mode: bool = False
) -> Tensor:
    """The mean of each window; arguments and sizes as ``max_pool2d``.

    Pixels of the padding count as zeros and are counted; what ceil_mode adds beyond is not (Caffe
    pooling_layer.cpp).
    """
    return AvgPool2d(kernel_size, stride, padding, dilation, ceil_mode)(x)


@lru_cache(4096)
def _output_shape(who: str, x, kernel_size, stride, padding, dilation, ceil_mode: bool):
    """The shape of a pooling's output, once for all runs of a layer. Raises ValueError."""
    N, C, H, W = image_shape(x, who)
    axes = (H, W), kernel_size, stride, padding, dilation, (ceil_mode, ceil_mode)
    return N, C, *per_axis(pool_size, *axes, who=who, shape=x)
