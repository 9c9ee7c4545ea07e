"""The layers: each one operation of ``minifcn.functions`` with its settings and parameters."""

from .. import functions as F
from ..functions._arguments import pair
from . import init
from .module import Module, Parameter


class Conv2d(Module):
    """``functions.conv2d`` with a weight (K, C/groups, KH, KW) and a bias (K,).

    Weights start He-normal, or as ``weight_init(shape)`` makes them, biases at zero. As in the
    authors' nets the bias learns at twice the rate and does not decay.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size,
        stride=1,
        padding=0,
        dilation=1,
        groups: int = 1,
        bias: bool = True,
        weight_init=init.he_normal,
    ):
        super().__init__()
        _check_groups(self, in_channels, out_channels, groups)
        self.kernel_size = pair(kernel_size, "kernel_size", 1)
        self.stride, self.padding = pair(stride, "stride", 1), pair(padding, "padding", 0)
        self.dilation, self.groups = pair(dilation, "dilation", 1), groups
        shape = (out_channels, in_channels // groups, *self.kernel_size)
        self.weight = Parameter(weight_init(shape))
        self.bias = Parameter(init.zeros((out_channels,)), rate=2, decay=0) if bias else None

    def forward(self, x, relu: bool = False, into=None):
        """With ``relu``, followed by it in one operation: a net asks so where one reads this;
        ``into`` says where to write the result, as for ``functions.conv2d_relu``."""
        settings = self.stride, self.padding, self.dilation, self.groups
        if relu:
            return F.conv2d_relu(x, self.weight, self.bias, *settings, into=into)
        return F.conv2d(x, self.weight, self.bias, *settings)

    def describe(self) -> str:
        K, C = self.weight.shape[:2]
        return f"{C * self.groups} -> {K}, {_settings(self)}"


class ConvTranspose2d(Module):
    """``functions.conv_transpose2d`` with a weight (K, C/groups, KH, KW).

    The weight starts as bilinear interpolation (``weight_init``); there is no bias unless asked
    for, as in the authors' nets.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size,
        stride=1,
        padding=0,
        output_padding=0,
        groups: int = 1,
        bias: bool = False,
        dilation=1,
        weight_init=init.bilinear,
    ):
        super().__init__()
        _check_groups(self, in_channels, out_channels, groups)
        self.kernel_size = pair(kernel_size, "kernel_size", 1)
        self.stride, self.padding = pair(stride, "stride", 1), pair(padding, "padding", 0)
        self.output_padding = pair(output_padding, "output_padding", 0)
        self.dilation, self.groups = pair(dilation, "dilation", 1), groups
        shape = (in_channels, out_channels // groups, *self.kernel_size)
        self.weight = Parameter(weight_init(shape))
        self.bias = Parameter(init.zeros((out_channels,)), rate=2, decay=0) if bias else None

    def forward(self, x):
        settings = self.stride, self.padding, self.output_padding, self.dilation, self.groups
        return F.conv_transpose2d(x, self.weight, self.bias, *settings)

    def describe(self) -> str:
        K, C = self.weight.shape[:2]
        return f"{K} -> {C * self.groups}, {_settings(self)}"


class UpsampleBilinear(Module):
    """``functions.upsample_bilinear``: interpolation with a fixed filter, no parameters."""

    def __init__(self, factor, kernel_size=None, padding=None, output_padding=0):
        super().__init__()
        self.stride = self.factor = pair(factor, "factor", 1)
        natural = tuple(2 * f - f % 2 for f in self.factor)
        self.kernel_size = pair(natural if kernel_size is None else kernel_size, "kernel_size", 1)
        default = tuple(f // 2 for f in self.factor)
        self.padding = pair(default if padding is None else padding, "padding", 0)
        self.output_padding = pair(output_padding, "output_padding", 0)

    def forward(self, x):
        return F.upsample_bilinear(
            x, self.factor, self.kernel_size, self.padding, self.output_padding
        )

    def describe(self) -> str:
        return _settings(self)


class Pool2d(Module):
    """The settings of both poolings."""

    def __init__(self, kernel_size, stride=None, padding=0, dilation=1, ceil_mode: bool = False):
        super().__init__()
        self.kernel_size = pair(kernel_size, "kernel_size", 1)
        self.stride = self.kernel_size if stride is None else pair(stride, "stride", 1)
        self.padding, self.dilation = pair(padding, "padding", 0), pair(dilation, "dilation", 1)
        self.ceil_mode = ceil_mode

    def describe(self) -> str:
        return _settings(self) + (", ceil" if self.ceil_mode else "")


class MaxPool2d(Pool2d):
    """``functions.max_pool2d``."""

    def forward(self, x):
        settings = self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode
        return F.max_pool2d(x, *settings)


class AvgPool2d(Pool2d):
    """``functions.avg_pool2d``."""

    def forward(self, x):
        settings = self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode
        return F.avg_pool2d(x, *settings)


class GlobalAvgPool2d(Module):
    """The average of the whole map: (N, C, H, W) -> (N, C, 1, 1)."""

    def forward(self, x):
        return F.avg_pool2d(x, x.shape[2:])


class Linear(Module):
    """``functions.linear`` with a weight (O, I) and a bias (O,)."""

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        weight_init=init.he_normal,
    ):
        super().__init__()
        self.weight = Parameter(weight_init((out_features, in_features)))
        self.bias = Parameter(init.zeros((out_features,)), rate=2, decay=0) if bias else None

    def forward(self, x):
        return F.linear(x, self.weight, self.bias)

    def describe(self) -> str:
        return f"{self.weight.shape[1]} -> {self.weight.shape[0]}"


class LocalResponseNorm(Module):
    """``functions.local_response_norm``."""

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0):
        super().__init__()
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, x):
        return F.local_response_norm(x, self.size, self.alpha, self.beta, self.k)

    def describe(self) -> str:
        return f"size {self.size}, alpha {self.alpha:g}, beta {self.beta:g}"


class ReLU(Module):
    """``functions.relu``."""

    def forward(self, x, done: bool = False):
        """x itself where the layer before has done it."""
        return x if done else F.relu(x)


class Sigmoid(Module):
    """``functions.sigmoid``."""

    def forward(self, x):
        return F.sigmoid(x)


class Tanh(Module):
    """``functions.tanh``."""

    def forward(self, x):
        return F.tanh(x)


class Softmax(Module):
    """``functions.softmax`` over the channels."""

    def forward(self, x):
        return F.softmax(x)


class Dropout(Module):
    """``functions.dropout`` while training, nothing otherwise."""

    def __init__(self, p: float = 0.5):
        super().__init__()
        self.p = p

    def forward(self, x):
        return F.dropout(x, self.p, self.training)

    def describe(self) -> str:
        return f"p {self.p:g}"


class Scale(Module):
    """Multiply by a fixed number (the authors' at-once nets scale their skips)."""

    def __init__(self, factor: float):
        super().__init__()
        self.factor = factor

    def forward(self, x):
        return x * self.factor

    def describe(self) -> str:
        return f"by {self.factor:g}"


class ChannelScale(Module):
    """Multiply each channel by a number of its own, a parameter (C,), and add another one where a
    bias is asked for (Caffe's Scale)."""

    def __init__(self, channels: int, value: float = 1.0, bias: bool = False):
        super().__init__()
        self.weight = Parameter(init.constant((channels,), value))
        self.bias = Parameter(init.zeros((channels,))) if bias else None

    def forward(self, x):
        shape = (-1, *(1,) * (x.ndim - 2))
        y = x * self.weight.reshape(shape)
        return y if self.bias is None else y + self.bias.reshape(shape)

    def describe(self) -> str:
        return f"{self.weight.size} channels"


class Power(Module):
    """(shift + scale * x) ** power, with fixed numbers (Caffe's Power)."""

    def __init__(self, power: float = 1.0, scale: float = 1.0, shift: float = 0.0):
        super().__init__()
        self.power, self.scale, self.shift = power, scale, shift

    def forward(self, x):
        y = x if self.scale == 1 else x * self.scale
        y = y if self.shift == 0 else y + self.shift
        return y if self.power == 1 else y**self.power

    def describe(self) -> str:
        return f"power {self.power:g}, scale {self.scale:g}, shift {self.shift:g}"


class Flatten(Module):
    """(N, C, H, W) -> (N, C*H*W)."""

    def forward(self, x):
        return x.reshape(x.shape[0], -1)


class Cat(Module):
    """``functions.cat`` along the channels."""

    def forward(self, *inputs, joined=None):
        return F.cat(inputs, joined=joined)


class Sum(Module):
    """The sum of maps of one size, each times a fixed coefficient, 1 if none are given (Caffe's
    Eltwise)."""

    def __init__(self, *coefficients: float):
        super().__init__()
        self.coefficients = coefficients

    def forward(self, *inputs):
        coefficients = self.coefficients or (1,) * len(inputs)
        if len(coefficients) != len(inputs):
            raise ValueError(f"Sum: {len(inputs)} maps for {len(coefficients)} coefficients")
        first, *others = (
            x if c == 1 else x * c for x, c in zip(inputs, coefficients, strict=True)
        )
        return sum(others, start=first)

    def describe(self) -> str:
        return ", ".join(f"{c:g}" for c in self.coefficients)


class Channels(Module):
    """Some channels of a map, first to last - 1: (N, C, H, W) -> (N, last - first, H, W)."""

    def __init__(self, first: int, last: int):
        super().__init__()
        self.first, self.last = first, last

    def forward(self, x):
        if x.shape[1] < self.last:
            raise ValueError(f"Channels: {self.last} wanted, but the map is {x.shape}")
        return x[:, self.first : self.last]

    def describe(self) -> str:
        return f"{self.first} to {self.last - 1}"


def _check_groups(layer: Module, in_channels: int, out_channels: int, groups: int) -> None:
    if in_channels % groups or out_channels % groups:
        raise ValueError(
            f"{type(layer).__name__}: {in_channels} and {out_channels} channels do not divide "
            f"into {groups} groups"
        )


def _settings(layer: Module) -> str:
    """Kernel, stride, padding and dilation, where they are not the usual ones."""
    parts = [f"kernel {_short(layer.kernel_size)}"]
    for name, usual in (("stride", 1), ("padding", 0), ("output_padding", 0), ("dilation", 1)):
        value = getattr(layer, name, (usual, usual))
        if value != (usual, usual):
            parts.append(f"{name.replace('_', ' ')} {_short(value)}")
    if getattr(layer, "groups", 1) != 1:
        parts.append(f"groups {layer.groups}")
    return ", ".join(parts)


def _short(value: tuple[int, int]) -> str:
    return str(value[0]) if value[0] == value[1] else f"{value[0]}x{value[1]}"
