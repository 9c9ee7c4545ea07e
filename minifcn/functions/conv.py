"""Convolution, transposed convolution and weight gradient: three siblings, closed under backward.

With the trilinear form T(x, w, y) = <y, conv(x, w)>,

    conv2d(x, w)           = dT/dy,    backward: the other two
    conv_transpose2d(y, w) = dT/dx,    backward: the other two
    conv2d_weight(x, y)    = dT/dw,    backward: the other two

"Deconvolution" is convolution with its forward and backward passes swapped (Long et al. 2015,
section 3.3); rarefaction is the dilation (section 3.2).
"""

from functools import lru_cache

from ..autograd import Function, Tensor, as_tensor
from ..backends import kernels_for
from ..kernels.shapes import conv_size, conv_transpose_size
from ._arguments import image_shape, pair, per_axis, same_dtype


class Windowed(Function):
    """What the three siblings share: where the windows lie."""

    def __init__(self, stride, padding, dilation, groups: int):
        self.stride = pair(stride, "stride", 1)
        self.padding = pair(padding, "padding", 0)
        self.dilation = pair(dilation, "dilation", 1)
        if not isinstance(groups, int) or groups < 1:
            raise ValueError(f"groups must be a whole number, 1 or more; got {groups!r}")
        self.groups = groups

    @property
    def windows(self):
        """(stride, padding, dilation, groups), as the kernels take them."""
        return self.stride, self.padding, self.dilation, self.groups


class Conv2d(Windowed):
    """y = conv(x, w) + b. Backward: gx = conv_transpose(gy, w), gw = conv_weight(x, gy).

    With ``relu`` y = max(conv(x, w) + b, 0), in one pass; gy is then 0 where y is. into: where to
    write y, a part of ``joined`` maps.
    """

    def __init__(self, stride, padding, dilation, groups: int, relu: bool = False, into=None):
        super().__init__(stride, padding, dilation, groups)
        self.relu, self.into = relu, into

    def infer_shape(self, x, weight, *bias):
        self.kernel_size = weight[2:]
        self.shape = _output_shape(x, weight, bias, *self.windows)
        return self.shape

    def forward(self, x, w, b=None):
        same_dtype("conv2d", x=x, weight=w, bias=b)
        need_x, need_w, *_ = (*self.needs_input_grad, False)
        kernels = kernels_for(x)
        out = self.into(self.shape, kernels, x) if self.into else None
        y = kernels.conv2d(x, w, b, *self.windows, relu=self.relu, out=out)
        self.save(x if need_w else None, w if need_x else None, y if self.relu else None)
        return y

    def backward(self, gy):
        (x, w, y), kernels = self.saved, kernels_for(gy)
        size, gb = self.input_shapes[0][2:], None
        needs_bias, out = any(self.needs_input_grad[2:]), gy if self.owns_gradient else None
        if self.relu and needs_bias:
            gy, gb = kernels.relu_bias_grad(gy, y, out=out)
        elif self.relu:
            gy = kernels.relu_grad(gy, y, out=out)
        elif needs_bias:
            gb = kernels.bias_grad(gy)
        gx = None if w is None else kernels.conv2d_grad_input(gy, w, size, *self.windows)
        gw = (
            None
            if x is None
            else kernels.conv2d_grad_weight(gy, x, self.kernel_size, *self.windows)
        )
        return (gx, gw, gb)[: len(self.input_shapes)]


class ConvTranspose2d(Windowed):
    """y = conv_transpose(x, w) + b. Backward: gx = conv(gy, w), gw = conv_weight(gy, x)."""

    def __init__(self, stride, padding, output_padding, dilation, groups: int):
        super().__init__(stride, padding, dilation, groups)
        self.output_padding = pair(output_padding, "output_padding", 0)
        for extra, step in zip(self.output_padding, self.stride, strict=True):
            if extra >= step:
                raise ValueError(
                    f"conv_transpose2d: output_padding {self.output_padding} must be below the "
                    f"stride {self.stride}: it names one of the sizes that convolve to the input's"
                )

    def infer_shape(self, x, weight, *bias):
        N, C, H, W = image_shape(x, "conv_transpose2d")
        _check_weight("conv_transpose2d", weight, C, 0, self.groups, x)
        _check_bias("conv_transpose2d", bias, weight[1] * self.groups)
        self.kernel_size = weight[2:]
        axes = (H, W), weight[2:], self.stride, self.padding, self.dilation, self.output_padding
        self.output_size = per_axis(conv_transpose_size, *axes, who="conv_transpose2d", shape=x)
        return (N, weight[1] * self.groups, *self.output_size)

    def forward(self, x, w, b=None):
        same_dtype("conv_transpose2d", x=x, weight=w, bias=b)
        need_x, need_w, *_ = (*self.needs_input_grad, False)
        self.save(x if need_w else None, w if need_x else None)
        y = kernels_for(x).conv2d_grad_input(x, w, self.output_size, *self.windows)
        return y if b is None else y + b[:, None, None]

    def backward(self, gy):
        (x, w), kernels = self.saved, kernels_for(gy)
        gx = None if w is None else kernels.conv2d(gy, w, None, *self.windows)
        gw = (
            None
            if x is None
            else kernels.conv2d_grad_weight(x, gy, self.kernel_size, *self.windows)
        )
        gb = tuple(
            kernels.bias_grad(gy) if needed else None for needed in self.needs_input_grad[2:]
        )
        return gx, gw, *gb


class Conv2dWeight(Windowed):
    """w = conv_weight(x, y). Backward: gx = conv_transpose(y, gw), gy = conv(x, gw)."""

    def __init__(self, kernel_size, stride, padding, dilation, groups: int):
        super().__init__(stride, padding, dilation, groups)
        self.kernel_size = pair(kernel_size, "kernel_size", 1)

    def infer_shape(self, x, y):
        N, C, H, W = image_shape(x, "conv2d_weight")
        M, K, *size = image_shape(y, "conv2d_weight", "y")
        if C % self.groups or K % self.groups:
            raise ValueError(f"conv2d_weight: {C} and {K} channels in {self.groups} groups")
        axes = (H, W), self.kernel_size, self.stride, self.padding, self.dilation
        wanted = per_axis(conv_size, *axes, who="conv2d_weight", shape=x)
        if M != N or tuple(size) != wanted:
            raise ValueError(
                f"conv2d_weight: x {x} convolves to ({N}, {K}, {wanted[0]}, {wanted[1]}), "
                f"but y is {y}"
            )
        return (K, C // self.groups, *self.kernel_size)

    def forward(self, x, y):
        same_dtype("conv2d_weight", x=x, y=y)
        self.save(x if self.needs_input_grad[1] else None, y if self.needs_input_grad[0] else None)
        return kernels_for(x).conv2d_grad_weight(y, x, self.kernel_size, *self.windows)

    def backward(self, gw):
        (x, y), kernels = self.saved, kernels_for(gw)
        size = self.input_shapes[0][2:]
        gx = None if y is None else kernels.conv2d_grad_input(y, gw, size, *self.windows)
        gy = None if x is None else kernels.conv2d(x, gw, None, *self.windows)
        return gx, gy


def conv2d(x, weight, bias=None, stride=1, padding=0, dilation=1, groups: int = 1) -> Tensor:
    """Convolution (cross-correlation) of images with filters.

        y[n,k,oh,ow] = bias[k] + sum over c, i, j of
                       weight[k,c,i,j] * x[n,c, oh*SH - PH + i*DH, ow*SW - PW + j*DW]

    x (N, C, H, W), weight (K, C/groups, KH, KW), bias (K,) or None; pixels outside x count as 0.
    stride, padding and dilation: an int or a pair (vertical, horizontal), in pixels. Returns
    (N, K, OH, OW) with OH = floor((H + 2PH - DH(KH-1) - 1)/SH) + 1. Raises ValueError for shapes
    that do not fit, TypeError for mixed dtypes.
    """
    inputs = (x, weight) if bias is None else (x, weight, bias)
    return Conv2d(stride, padding, dilation, groups)(*inputs)


def conv2d_relu(
    x, weight, bias=None, stride=1, padding=0, dilation=1, groups: int = 1, into=None
) -> Tensor:
    """max(conv2d(x, ...), 0): the two operations in one pass over memory, the same to the bit.

    into: a part of the maps that ``cat`` will return (see ``Joined``), where y is to lie.
    """
    inputs = (x, weight) if bias is None else (x, weight, bias)
    return Conv2d(stride, padding, dilation, groups, True, into)(*inputs)


def conv_transpose2d(
    x, weight, bias=None, stride=1, padding=0, output_padding=0, dilation=1, groups: int = 1
) -> Tensor:
    """Transposed convolution: upsampling by a (learned) filter; the adjoint of ``conv2d`` in x.

        y[n,c, h*SH - PH + i*DH, w*SW - PW + j*DW] += x[n,k,h,w] * weight[k,c,i,j]

    x (N, K, H, W), weight (K, C/groups, KH, KW), bias (C,) or None. Returns (N, C, OH, OW) with
    OH = (H-1)SH - 2PH + DH(KH-1) + 1 + output_padding. Raises as ``conv2d`` does.
    """
    inputs = (x, weight) if bias is None else (x, weight, bias)
    return ConvTranspose2d(stride, padding, output_padding, dilation, groups)(*inputs)


def conv2d_weight(x, y, kernel_size, stride=1, padding=0, dilation=1, groups: int = 1) -> Tensor:
    """The third sibling, linear in x and in y: the gradient of <y, conv2d(x, w)> in w.

        w[k,c,i,j] = sum over n, oh, ow of y[n,k,oh,ow] * x[n,c, oh*SH-PH+i*DH, ow*SW-PW+j*DW]

    x (N, C, H, W), y (N, K, OH, OW) of the size that conv2d would make; returns
    (K, C/groups, KH, KW).
    """
    return Conv2dWeight(kernel_size, stride, padding, dilation, groups)(x, as_tensor(y))


@lru_cache(4096)
def _output_shape(x, weight, bias, stride, padding, dilation, groups: int):
    """The shape of a convolution's output, once for all runs of a layer. Raises ValueError."""
    N, C, H, W = image_shape(x, "conv2d")
    _check_weight("conv2d", weight, C, 1, groups, x)
    _check_bias("conv2d", bias, weight[0])
    axes = (H, W), weight[2:], stride, padding, dilation
    return N, weight[0], *per_axis(conv_size, *axes, who="conv2d", shape=x)


def _check_weight(who: str, weight, channels: int, axis: int, groups: int, x) -> None:
    """Raises ValueError unless the weight's axis fits the input's channels and the groups.

    axis 1 is a convolution's (weight holds C/groups there), axis 0 a transposed one's.
    """
    if len(weight) != 4 or 0 in weight:
        raise ValueError(f"{who}: weight must be (K, C/groups, KH, KW); got shape {weight}")
    if weight[0] % groups:
        raise ValueError(
            f"{who}: weight {weight}: {weight[0]} filters do not divide into {groups} groups"
        )
    wanted = weight[1] * groups if axis == 1 else weight[0]
    if channels != wanted:
        sum_ = f"{weight[1]}*{groups} = {wanted}" if axis == 1 else f"{wanted}"
        raise ValueError(
            f"{who}: x {x} has {channels} channels, but weight {weight} with "
            f"groups={groups} takes {sum_}"
        )


def _check_bias(who: str, bias, channels: int) -> None:
    """Raises ValueError unless the bias, if there is one, has one number a channel."""
    if bias and bias[0] != (channels,):
        raise ValueError(f"{who}: bias {bias[0]} for {channels} output channels")
