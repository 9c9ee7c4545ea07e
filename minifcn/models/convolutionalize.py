"""A fully connected layer is a convolution whose window is the whole map.

    linear   y[o] = b[o] + sum over c, i, j of w[o, (c, i, j)] x[c, i, j]
    conv     y[o, r, q] = b[o] + sum over c, i, j of w[o, c, i, j] x[c, r+i, q+j]

On a map of the size that the classifier was trained with, both are the same numbers. On a larger
one the convolution is the classifier slid over it, all positions at once, and what their windows
share is computed once (Long et al. 2015, section 3.1, figure 2). VGG-16's fc6, 4096 x 25088,
becomes 4096 x 512 x 7 x 7; what follows it sees one pixel and becomes 1x1.
"""

import copy

import numpy as np

from .. import nn
from ..autograd import Hook, Tensor, shapes_only
from ..nn import Parameter

EACH_ALONE = (nn.ReLU, nn.Sigmoid, nn.Tanh, nn.Dropout, nn.Scale)  # on vectors as on maps


def convolutionalize(
    classifier: nn.Module, input_shape: tuple[int, int, int] | None = None, until: str = ""
) -> nn.Net:
    """The classifier as a fully convolutional net: images of any size to a map of its outputs.

    classifier: a ``Net`` or a ``Sequential`` of layers, in which ``Flatten`` and ``Linear`` turn
    a map into a vector. input_shape: (channels, height, width) that it was trained with; its own
    ``input_shape`` where it has one. until: the last layer that is wanted.

    The result has the same layers by the same names, without ``Flatten``, and shares the memory of
    the weights. A ``GlobalAvgPool2d`` becomes the pool of the size that it had. Where layers pad
    their maps, a window inside a larger image sees its neighbours there, and the classifier zeros.

    Raises ValueError, naming the layer, for a net that is no such chain.
    """
    table = nn.table(classifier)
    shapes = _shapes_of(classifier, input_shape or getattr(classifier, "input_shape", None))
    net = nn.Net((shapes[None][0], None, None))
    places, sizes = {"data": "data"}, {"data": shapes[None]}
    for name, layer, inputs in table:
        sources = [places[source] for source in inputs]
        size, traced = sizes[inputs[0]], shapes.get(id(layer))
        if isinstance(layer, nn.Flatten):
            places[name], sizes[name] = sources[0], size
        elif isinstance(layer, nn.Linear):
            layer = _as_convolution(layer, size)
            places[name] = net.add(name, layer, *sources)
            sizes[name] = len(layer.weight), 1, 1
        elif isinstance(layer, nn.GlobalAvgPool2d):
            places[name] = net.add(name, nn.AvgPool2d(size[1:], 1), *sources)
            sizes[name] = size[0], 1, 1
        elif len(traced) == 4 or isinstance(layer, EACH_ALONE):
            places[name] = net.add(name, _sharing(layer), *sources)
            sizes[name] = traced[1:] if len(traced) == 4 else size
        else:
            raise ValueError(
                f"convolutionalize: layer {name!r} ({type(layer).__name__}) makes {traced[1:]}, "
                "which is no map; only Flatten and Linear may"
            )
        if name == until:
            return net
    if until:
        raise ValueError(f"convolutionalize: no layer {until!r} in the classifier")
    net.outputs = tuple(places[name] for name in getattr(classifier, "outputs", ()))
    return net


class _Shapes(Hook):
    """Notes the shape of every layer's output."""

    def __init__(self):
        self.shapes = {}

    def module_end(self, module, output) -> None:
        if isinstance(output, Tensor):  # a net with several outputs returns a tuple
            self.shapes[id(module)] = output.shape


def _shapes_of(classifier, input_shape) -> dict:
    """id of a layer -> its output's shape on an image of the training size; None -> that size."""
    if input_shape is None or None in input_shape:
        raise ValueError(
            "convolutionalize: the classifier does not say for which images it was made: "
            "give input_shape=(channels, height, width)"
        )
    dtype = next((parameter.dtype for parameter in classifier.parameters()), np.float32)
    image = np.broadcast_to(np.zeros((), dtype), (1, *input_shape))
    with shapes_only(), _Shapes() as hook:
        classifier(Tensor.of(image))
    return hook.shapes | {None: tuple(input_shape)}


def _as_convolution(linear: nn.Linear, size: tuple[int, int, int]) -> nn.Conv2d:
    """The convolution that covers a map of this size (channels, height, width)."""
    outputs = linear.weight.shape[0]
    shape = (outputs, *size)
    layer = nn.Conv2d(size[0], outputs, size[1:], weight_init=nn.init.zeros)
    layer.weight = _parameter(linear.weight, shape)
    layer.bias = _parameter(linear.bias, (outputs,))
    return layer


def _sharing(layer: nn.Module) -> nn.Module:
    """A layer with the same settings and the same memory, but parameters of its own."""
    twin = copy.copy(layer)
    twin.__dict__ |= {
        "_parameters": {n: _parameter(p, p.shape) for n, p in layer._parameters.items()},
        "_modules": {n: _sharing(inner) for n, inner in layer._modules.items()},
    }
    return twin


def _parameter(parameter: Parameter, shape: tuple[int, ...]) -> Parameter:
    return parameter.with_data(parameter.data.reshape(shape))
