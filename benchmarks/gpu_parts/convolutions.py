"""The convolution layers of sections 4 and 5: their arrays, ours and PyTorch's calls."""

from dataclasses import replace

from ..layer_tables import ALEXNET, NETS, VGG, Layer
from .place import set_precision, set_torch_precision
from .timing import Entry

DIRECTIONS = ("forward", "grad input", "grad weight")
LAYERS = {
    **VGG,
    "alexnet conv1": ALEXNET["conv1"],
    "alexnet conv2": ALEXNET["conv2"],
    "googlenet 3a/5x5": NETS["googlenet"]["3a/5x5"],
}
TYPICAL = ("conv1_2", "conv2_2", "conv3_2", "conv4_2", "conv5_1", "fc6")  # tiles are tried on


def layer_of(place, name: str) -> Layer:
    """The layer, in a dry run a tiny one like it."""
    layer = LAYERS[name]
    if not place.tiny:
        return layer
    most = 132 if name == "conv5_1" else 8  # one that fills a large tile
    few = {"C": min(layer.C, most), "K": min(layer.K, most), "padding": min(layer.padding, 2)}
    return replace(layer, **few, size=layer.kernel + 3)


def pairs(place, names):
    """(layer's name, direction) of all that is measured: nobody wants an image's gradient."""
    for name in names:
        for direction in DIRECTIONS:
            if direction != "grad input" or layer_of(place, name).C != 3:
                yield name, direction


class Convolution:
    """One of the three kernels of a layer, with as many sets of maps as outgrow the cache."""

    def __init__(self, place, layer: Layer, direction: str):
        self.layer, self.direction = layer, direction
        self.window = (layer.stride,) * 2, (layer.padding,) * 2, (1, 1), layer.groups
        x = 1, layer.C, layer.size, layer.size
        y = 1, layer.K, layer.output, layer.output
        w = layer.K, layer.C // layer.groups, layer.kernel, layer.kernel
        taps = w[1] * w[2] * w[3]
        self.sets = place.sets(4 * (_size(x) + _size(y) + _size(w)))
        self.x = [place.maps(x, 1.0, i) for i in range(self.sets)]
        self.gy = [place.maps(y, 1.0, 20 + i) for i in range(self.sets)]
        self.w, self.b = place.maps(w, (2 / taps) ** 0.5, 40), place.normal((layer.K,), 1.0, 50)
        if direction == "forward":
            self.gy = []
        self.tensors = {
            key: [place.tensor(a) for a in arrays]
            for key, arrays in {"x": self.x, "gy": self.gy, "wb": [self.w, self.b]}.items()
        }

    def ours(self, product: str) -> Entry:
        """By our kernel; products: see place.PRODUCTS."""
        from minifcn.kernels import cuda

        def call(i):
            set_precision(product)
            n, layer = i % self.sets, self.layer
            if self.direction == "forward":
                return cuda.conv2d(self.x[n], self.w, self.b, *self.window)
            if self.direction == "grad input":
                size = layer.size, layer.size
                return cuda.conv2d_grad_input(self.gy[n], self.w, size, *self.window)
            kernel = layer.kernel, layer.kernel
            return cuda.conv2d_grad_weight(self.gy[n], self.x[n], kernel, *self.window)

        return Entry(call, ours=True)

    def theirs(self, precision: str) -> Entry:
        """By PyTorch's: cuDNN's fastest algorithm, channels last."""
        import torch
        import torch.nn.functional as F

        stride, padding, dilation, groups = self.window
        x, gy, (w, b) = self.tensors["x"], self.tensors["gy"], self.tensors["wb"]
        mask = [self.direction == "grad input", self.direction == "grad weight", False]

        def call(i):
            set_torch_precision(precision)
            n = i % self.sets
            with torch.no_grad():
                if self.direction == "forward":
                    return F.conv2d(x[n], w, b, stride, padding, dilation, groups)
                results = torch.ops.aten.convolution_backward(
                    gy[n], x[n], w, None, stride, padding, dilation, False, [0, 0], groups, mask
                )
                return results[0] if mask[0] else results[1]

        return Entry(call, ours=False)


def _size(shape) -> int:
    size = 1
    for n in shape:
        size *= n
    return size
