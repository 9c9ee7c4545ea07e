"""Fixed bilinear upsampling: the authors' transposed convolution, weights on the diagonal."""

from ..autograd import Function, Tensor
from ..backends import kernels_for
from ..kernels.filters import bilinear_filter
from ..kernels.shapes import conv_transpose_size
from ._arguments import image_shape, pair, per_axis, same_dtype

__all__ = ["UpsampleBilinear", "bilinear_filter", "upsample_bilinear"]


class UpsampleBilinear(Function):
    """Linear, so nothing is saved; the gradient is the same filter, transposed."""

    def __init__(self, factor, kernel_size, padding, output_padding):
        self.stride = pair(factor, "factor", 1)
        natural = tuple(2 * f - f % 2 for f in self.stride)
        self.kernel_size = natural if kernel_size is None else pair(kernel_size, "kernel_size", 1)
        default = tuple(f // 2 for f in self.stride)
        self.padding = default if padding is None else pair(padding, "padding", 0)
        self.output_padding = pair(output_padding, "output_padding", 0)
        self.dilation = (1, 1)
        if any(e >= s and e for e, s in zip(self.output_padding, self.stride, strict=True)):
            raise ValueError(
                f"upsample_bilinear: output_padding {self.output_padding} must be below the "
                f"factor {self.stride}"
            )

    def infer_shape(self, x):
        N, C, H, W = image_shape(x, "upsample_bilinear")
        axes = (H, W), self.kernel_size, self.stride, self.padding, self.dilation
        size = per_axis(
            conv_transpose_size, *axes, self.output_padding, who="upsample_bilinear", shape=x
        )
        self.output_size = size
        return (N, C, *size)

    @property
    def windows(self):
        """(kernel_size, stride, padding), as the kernels take them."""
        return self.kernel_size, self.stride, self.padding

    def forward(self, x):
        same_dtype("upsample_bilinear", x=x)
        return kernels_for(x).upsample_bilinear(x, *self.windows, self.output_size)

    def backward(self, gy):
        size = self.input_shapes[0][2:]
        return kernels_for(gy).upsample_bilinear_grad(gy, size, *self.windows)


def upsample_bilinear(x, factor, kernel_size=None, padding=None, output_padding=0) -> Tensor:
    """Bilinear interpolation by ``factor``, every channel on its own.

    The same as ``conv_transpose2d(x, w, stride=factor, padding=padding, groups=C)`` with
    ``bilinear_filter(kernel_size)`` for every channel, computed separably.

    x (N, C, H, W). By default kernel_size is 2f - f%2 and padding (f-1)/2 rounded up, for which
    the output is (fH, fW) (Caffe's bilinear filler); the authors' nets use kernel 2f or 2f-1
    without padding and crop. Returns (H-1)f - 2*padding + kernel_size + output_padding rows.
    """
    return UpsampleBilinear(factor, kernel_size, padding, output_padding)(x)
