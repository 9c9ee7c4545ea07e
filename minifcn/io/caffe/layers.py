"""Caffe's layers as ours: what each kind's settings mean.

Every function takes a ``Layer`` of a definition and the shapes of what it reads, and returns one
of our layers. One that this project does not have raises ``Unsupported``, and the builder lists
all of them in one error.
"""

import numpy as np

from ... import nn, rng
from ...kernels.filters import bilinear_filter

MOST = 2**16  # a kernel, padding, stride or number of channels beyond it is a mistake


class Unsupported(ValueError):
    """A layer, or a setting of one, that has no counterpart here; the text names the setting."""


def convolution(layer, shapes):
    """(N, C, H, W) -> (N, K, OH, OW)."""
    p = layer.message.convolution_param
    settings = _window(layer, p)
    inputs, outputs = _channels(layer, shapes), _number(layer, "num_output", p.num_output)
    fill = _filler(p.weight_filler)
    made = nn.Conv2d(
        inputs, outputs, **settings, groups=_number(layer, "group", p.group),
        bias=p.bias_term, weight_init=fill,
    )  # fmt: skip
    return _finished(made, layer, p.bias_filler)


def deconvolution(layer, shapes):
    """The transposed convolution. Without a filler, a layer with "up" in its name starts as
    bilinear interpolation, as the authors' solve.py does it, and any other at zero."""
    p = layer.message.convolution_param
    settings = _window(layer, p)
    inputs, outputs = _channels(layer, shapes), _number(layer, "num_output", p.num_output)
    group = _number(layer, "group", p.group)
    interpolates = "up" in layer.name and inputs == outputs and group in (1, inputs)
    fill = _filler(p.weight_filler)
    if interpolates and not p.HasField("weight_filler"):
        fill = nn.init.bilinear
    made = nn.ConvTranspose2d(
        inputs, outputs, **settings, groups=group, bias=p.bias_term, weight_init=fill
    )
    return _finished(made, layer, p.bias_filler)


def inner_product(layer, shapes):
    """(N, ...) -> (N, O), of all that an image has."""
    p = layer.message.inner_product_param
    if p.axis != 1 or p.transpose:
        raise Unsupported("an axis other than 1" if p.axis != 1 else "transpose")
    inputs = int(np.prod(shapes[0][1:], dtype=object))
    outputs = _number(layer, "num_output", p.num_output)
    made = nn.Linear(inputs, outputs, p.bias_term, _filler(p.weight_filler))
    return _finished(made, layer, p.bias_filler)


def pooling(layer, shapes):
    """Rounded up, as Caffe does, unless round_mode says FLOOR."""
    p = layer.message.pooling_param
    if p.pool > 1:
        raise Unsupported("stochastic pooling")
    if p.global_pooling:
        if p.pool == 0:
            raise Unsupported("global pooling of maxima")
        return nn.GlobalAvgPool2d()
    kind = nn.MaxPool2d if p.pool == 0 else nn.AvgPool2d
    return kind(
        _pair(layer, p, "kernel", p.kernel_size, 0),
        _pair(layer, p, "stride", p.stride, 1),
        _pair(layer, p, "pad", p.pad, 0),
        ceil_mode=p.round_mode == 0,
    )


def lrn(layer, shapes):
    p = layer.message.lrn_param
    if p.norm_region:
        raise Unsupported("normalisation within channels")
    return nn.LocalResponseNorm(_number(layer, "local_size", p.local_size), p.alpha, p.beta, p.k)


def relu(layer, shapes):
    slope = layer.message.relu_param.negative_slope
    if slope:
        raise Unsupported(f"negative_slope {slope:g}")
    return nn.ReLU()


def dropout(layer, shapes):
    ratio = layer.message.dropout_param.dropout_ratio
    if not 0 <= ratio < 1:
        raise Unsupported(f"dropout_ratio {ratio:g}")
    return nn.Dropout(ratio)


def concat(layer, shapes):
    p = layer.message.concat_param
    axis = p.axis if p.HasField("axis") else p.concat_dim
    if axis != 1:
        raise Unsupported(f"axis {axis}")
    return nn.Cat()


def eltwise(layer, shapes):
    p = layer.message.eltwise_param
    if p.operation != 1:
        raise Unsupported("products or maxima")
    if p.coeff and len(p.coeff) != len(layer.bottoms):
        raise Unsupported(f"{len(p.coeff)} coefficients for {len(layer.bottoms)} inputs")
    return nn.Sum(*p.coeff)


def crop(layer, shapes):
    """With the stated offset; without one it is derived, as the authors' branch of Caffe did."""
    p = layer.message.crop_param
    if p.axis not in (2, -2):
        raise Unsupported(f"axis {p.axis}")
    if len(p.offset) > 2:
        raise Unsupported(f"{len(p.offset)} offsets")
    made = nn.Crop()
    if p.offset:
        made.offset = p.offset[0], p.offset[-1]
    return made


def scale(layer, shapes):
    p = layer.message.scale_param
    if len(layer.bottoms) != 1 or p.axis != 1 or p.num_axes != 1:
        raise Unsupported("by anything but a number for each channel")
    value = p.filler.value if p.HasField("filler") else 1.0
    if p.filler.type != "constant":
        raise Unsupported(f"filler {p.filler.type!r}")
    made = nn.ChannelScale(_channels(layer, shapes), value, bias=p.bias_term)
    return _finished(made, layer, p.bias_filler)


def power(layer, shapes):
    p = layer.message.power_param
    return nn.Power(p.power, p.scale, p.shift)


def flatten(layer, shapes):
    p = layer.message.flatten_param
    if p.axis != 1 or p.end_axis != -1:
        raise Unsupported(f"axes {p.axis} to {p.end_axis}")
    return nn.Flatten()


def softmax(layer, shapes):
    axis = layer.message.softmax_param.axis
    if axis != 1:
        raise Unsupported(f"axis {axis}")
    return nn.Softmax()


KINDS = {
    "Convolution": convolution,
    "Deconvolution": deconvolution,
    "InnerProduct": inner_product,
    "Pooling": pooling,
    "LRN": lrn,
    "ReLU": relu,
    "Sigmoid": lambda layer, shapes: nn.Sigmoid(),
    "TanH": lambda layer, shapes: nn.Tanh(),
    "Dropout": dropout,
    "Concat": concat,
    "Eltwise": eltwise,
    "Crop": crop,
    "Scale": scale,
    "Power": power,
    "Flatten": flatten,
    "Softmax": softmax,
}


def _window(layer, p) -> dict:
    """Kernel, stride, padding and dilation of a convolution as (vertical, horizontal)."""
    if p.axis != 1:
        raise Unsupported(f"axis {p.axis}")
    return {
        "kernel_size": _pair(layer, p, "kernel", p.kernel_size, 0),
        "stride": _pair(layer, p, "stride", p.stride, 1),
        "padding": _pair(layer, p, "pad", p.pad, 0),
        "dilation": _spread(layer, "dilation", p.dilation, 1),
    }


def _pair(layer, p, name: str, both, default: int) -> tuple[int, int]:
    """kernel_size, or kernel_h and kernel_w; stride and pad likewise."""
    if p.HasField(f"{name}_h") or p.HasField(f"{name}_w"):
        both = [getattr(p, f"{name}_h"), getattr(p, f"{name}_w")]
    return _spread(layer, name, both, default)


def _spread(layer, name: str, values, default: int) -> tuple[int, int]:
    values = [values] if isinstance(values, int) else list(values) or [default]
    if len(values) > 2:
        raise Unsupported(f"{len(values)} values of {name}")
    least = 0 if name == "pad" else 1
    return tuple(_number(layer, name, values[i], least) for i in (0, -1))


def _number(layer, name: str, value: int, least: int = 1) -> int:
    if not least <= value <= MOST:
        raise Unsupported(f"{name} {value}")
    return value


def _channels(layer, shapes) -> int:
    if len(shapes[0]) != 4:
        raise Unsupported(f"on what is no map: {shapes[0]}")
    return shapes[0][1]


def _finished(made, layer, bias_filler):
    """With the definition's factors on learning rate and weight decay, and its first biases."""
    for (name, parameter), (rate, decay) in zip(
        list(made.named_parameters()),
        [*layer.multipliers, (1.0, 1.0), (1.0, 1.0)],
        strict=False,
    ):
        data = _filler(bias_filler)(parameter.shape) if name == "bias" else parameter.data
        setattr(made, name, nn.Parameter(data, rate, decay))
    return made


def _filler(filler):
    """What makes first values: a filler of Caffe as a function of the shape. Caffe's default is a
    constant 0."""
    known = {"constant", "gaussian", "uniform", "xavier", "msra", "bilinear"}
    if filler.type not in known:
        raise Unsupported(f"filler {filler.type!r}")

    def fill(shape):
        if nn.init.is_valueless():
            return nn.init.zeros(shape)
        if filler.type == "constant":
            if filler.value == 0:
                return nn.init.zeros(shape)  # takes no time and no memory until it is written
            return np.full(shape, filler.value, np.float32)
        if filler.type == "bilinear":
            return np.broadcast_to(bilinear_filter(shape[2:]), shape).astype(np.float32)
        if filler.type in ("xavier", "msra"):
            named = {"xavier": nn.init.xavier_uniform, "msra": nn.init.he_normal}
            return named[filler.type](shape)
        draw = rng.generator()
        if filler.type == "uniform":
            return draw.uniform(filler.min, filler.max, shape).astype(np.float32)
        return draw.normal(filler.mean, filler.std, shape).astype(np.float32)

    return fill
