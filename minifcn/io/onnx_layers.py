"""Every layer in ONNX's operators: the one that computes the same, or a few.

A converter is called with the graph that it appends to, the layer's name, the layer, and the names
of the maps that the layer reads; it returns the name of the map that the layer makes. What the
operators do: https://onnx.ai/onnx/operators
"""

import numpy as np

from .. import nn
from ..kernels.filters import bilinear_filter


def _plain(operator: str, **attributes):
    """The converter to an operator that does just what the layer does."""
    return lambda graph, name, layer, *maps: graph.add(operator, maps, name, **attributes)


def _convolution(graph, name, layer, x):
    inputs = x, *graph.parameters(layer)
    return graph.add("Conv", inputs, name, **_windows(layer), group=layer.groups)


def _transposed_convolution(graph, name, layer, x):
    inputs, settings = (x, *graph.parameters(layer)), _windows(layer)
    settings |= {"output_padding": layer.output_padding, "group": layer.groups}
    return graph.add("ConvTranspose", inputs, name, **settings)


def _upsampling(graph, name, layer, x):
    """The transposed convolution that it is, every channel a group of its own."""
    channels = graph.maps[x].shape[1]
    weight = np.tile(np.float32(bilinear_filter(layer.kernel_size)), (channels, 1, 1, 1))
    inputs, settings = (x, graph.constant(f"{name}.filter", weight)), _windows(layer)
    settings |= {"output_padding": layer.output_padding, "group": channels}
    return graph.add("ConvTranspose", inputs, name, **settings)


def _max_pool(graph, name, layer, x):
    padding = (*layer.padding, *_padding_behind(layer))
    if any(p >= k for p, k in zip(padding, layer.kernel_size * 2, strict=True)):
        # A pool of ONNX may not be padded by a kernel or more: only dilated windows are.
        x, padding = _padded(graph, name, x, padding, -np.inf), (0, 0, 0, 0)
    return graph.add("MaxPool", [x], name, **_windows(layer, padding))


def _avg_pool(graph, name, layer, x):
    """Zeros around the map count, what ceil mode adds does not: so only that is the operator's
    own padding. Dilated windows, which it has not always had, are a convolution."""
    beyond = tuple(b - p for b, p in zip(_padding_behind(layer), layer.padding, strict=True))
    settings = _windows(layer)
    if settings.pop("dilations") != (1, 1):
        if any(beyond):
            raise ValueError(f"layer {name!r}: ONNX has no dilated average pool with ceil mode")
        channels = graph.maps[x].shape[1]
        shape = channels, 1, *layer.kernel_size
        weight = np.full(shape, 1 / np.prod(layer.kernel_size), np.float32)
        inputs = x, graph.constant(f"{name}.filter", weight)
        return graph.add("Conv", inputs, name, **_windows(layer), group=channels)
    if any(layer.padding):
        x = _padded(graph, name, x, layer.padding * 2, 0)
    return graph.add("AveragePool", [x], name, **settings | {"pads": (0, 0, *beyond)})


def _local_response_norm(graph, name, layer, x):
    if layer.size % 2 == 0:
        raise ValueError(f"layer {name!r}: ONNX normalises over odd numbers of channels alone")
    settings = {"size": layer.size, "alpha": layer.alpha, "beta": layer.beta, "bias": layer.k}
    return graph.add("LRN", [x], name, **settings)


def _linear(graph, name, layer, x):
    return graph.add("Gemm", [x, *graph.parameters(layer)], name, transB=1)


def _scale(graph, name, layer, x):
    return _with_number(graph, "Mul", name, x, layer.factor)


def _power(graph, name, layer, x):
    x = _with_number(graph, "Mul", f"{name}.scaled", x, layer.scale)
    x = _with_number(graph, "Add", f"{name}.shifted", x, layer.shift)
    return _with_number(graph, "Pow", name, x, layer.power)


def _channel_scale(graph, name, layer, x):
    """The parameters (C,) are laid along axis 1 of maps (N, C, H, W), or of vectors (N, C)."""
    shape = graph.constant(f"{name}.shape", [-1, *(1,) * (graph.maps[x].ndim - 2)])
    factor, *term = graph.parameters(layer)
    factor = graph.add("Reshape", [factor, shape], f"{name}.factor")
    if not term:
        return graph.add("Mul", [x, factor], name)
    term = graph.add("Reshape", [*term, shape], f"{name}.term")
    return graph.add("Add", [graph.add("Mul", [x, factor], f"{name}.scaled"), term], name)


def _sum(graph, name, layer, *maps):
    factors = layer.coefficients or (1,) * len(maps)
    terms = [
        x if factor == 1 else _with_number(graph, "Mul", f"{name}.{i}", x, factor)
        for i, (x, factor) in enumerate(zip(maps, factors, strict=True))
    ]
    return graph.add("Sum", terms, name)


def _channels(graph, name, layer, x):
    ends = {"first": [layer.first], "end": [layer.last], "axis": [1]}
    ends = [graph.constant(f"{name}.{end}", value) for end, value in ends.items()]
    return graph.add("Slice", [x, *ends], name)


def _crop(graph, name, layer, x, reference):
    size = graph.add("Shape", [reference], f"{name}.size", start=2)
    return _cut(graph, name, x, layer.offset, size)


def _fuse(graph, name, layer, coarse, fine):
    """Both are cut to what both have, as ``nn.Fuse`` does it; sizes are known when it runs."""
    starts = [[max(0, -o) for o in layer.offset], [max(0, o) for o in layer.offset]]
    parts = list(zip((f"{name}.coarse", f"{name}.fine"), (coarse, fine), starts, strict=True))
    rooms = []
    for part, x, start in parts:
        size = graph.add("Shape", [x], f"{part}.size", start=2)
        first = graph.constant(f"{part}.first", start)
        rooms.append(graph.add("Sub", [size, first], f"{part}.room"))
    size = graph.add("Min", rooms, f"{name}.size")
    cuts = [_cut(graph, part, x, start, size) for part, x, start in parts]
    return graph.add("Add", cuts, name)


def _cut(graph, name, x, offset, size):
    """Rows and columns of x from an offset on; ``size`` names a map of two numbers."""
    first, axes = graph.constant(f"{name}.first", offset), graph.constant(f"{name}.axes", [2, 3])
    end = graph.add("Add", [size, first], f"{name}.end")
    return graph.add("Slice", [x, first, end, axes], name)


def _with_number(graph, operator, name, x, number):
    """Mul, Add or Pow of all of x and one number."""
    return graph.add(operator, [x, graph.constant(f"{name}.by", np.float32(number))], name)


def _padded(graph, name, x, padding, value):
    """x with rows and columns of a value around it: above, left, below, right."""
    counts = graph.constant(f"{name}.padding", [0, 0, *padding[:2], 0, 0, *padding[2:]])
    value = graph.constant(f"{name}.value", np.float32(value))
    return graph.add("Pad", [x, counts, value], f"{name}.padded")


def _windows(layer, padding=None) -> dict:
    """Where the windows of a layer lie; padding: above, left, below, right."""
    return {
        "kernel_shape": layer.kernel_size,
        "strides": layer.stride,
        "pads": padding or layer.padding * 2,
        "dilations": getattr(layer, "dilation", (1, 1)),
    }


def _padding_behind(pool) -> tuple[int, ...]:
    """Rows below and columns to the right of a map for which rounding down makes as many windows
    as the pool has: floor((H + P + behind - D(K-1) - 1)/S) + 1.

    With ceil mode these are P + S - 1, which rounds up, but at most D(K-1): the last window then
    starts at the last pixel. (ONNX's ceil mode ends differently from version to version.)
    """
    if not pool.ceil_mode:
        return pool.padding
    axes = zip(pool.kernel_size, pool.stride, pool.padding, pool.dilation, strict=True)
    return tuple(min(p + s - 1, d * (k - 1)) for k, s, p, d in axes)


CONVERTERS = {
    nn.AvgPool2d: _avg_pool,
    nn.Cat: _plain("Concat", axis=1),
    nn.Channels: _channels,
    nn.ChannelScale: _channel_scale,
    nn.Conv2d: _convolution,
    nn.ConvTranspose2d: _transposed_convolution,
    nn.Crop: _crop,
    nn.Dropout: lambda graph, name, layer, x: x,
    nn.Flatten: _plain("Flatten"),
    nn.Fuse: _fuse,
    nn.GlobalAvgPool2d: _plain("GlobalAveragePool"),
    nn.Linear: _linear,
    nn.LocalResponseNorm: _local_response_norm,
    nn.MaxPool2d: _max_pool,
    nn.Power: _power,
    nn.ReLU: _plain("Relu"),
    nn.Scale: _scale,
    nn.Sigmoid: _plain("Sigmoid"),
    nn.Softmax: _plain("Softmax", axis=1),
    nn.Sum: _sum,
    nn.Tanh: _plain("Tanh"),
    nn.UpsampleBilinear: _upsampling,
}
