"""What the layers of a network compute, and how long they take: a hook that looks on.

An operation that multiplies is a ``Layer``: a convolution, with the ReLU that may be fused to it,
a learned upsampling or a fully connected layer. Its floating-point operations are a direct
algorithm's, two a multiply-add, whatever algorithm runs. Its bytes are those of input, weights and
output, each moved once: no algorithm can do with less unless it finds them in a cache.
"""

import math
import time
from dataclasses import dataclass, field
from statistics import median

from ..autograd import Hook
from ..backends import current_backend
from ..functions.conv import Conv2d, ConvTranspose2d
from ..functions.linear import Linear
from ..gpu import synchronize


@dataclass
class Layer:
    """One operation. forward, backward: seconds, one a round; flops_backward: of the gradients
    that were asked for; saving: times fewer multiplications than the direct algorithm."""

    name: str
    shape: tuple[int, ...]
    window: str
    algorithm: str
    flops: int
    bytes: int
    saving: float = 1.0
    flops_backward: int = 0
    forward: list[float] = field(default_factory=list)
    backward: list[float] = field(default_factory=list)

    @property
    def intensity(self) -> float:
        """Floating-point operations for every byte."""
        return self.flops / self.bytes


class LayerTimes(Hook):
    """Watches any number of forward passes of one model, and backward passes behind them.

    layers: in the order in which they run; forward, backward: seconds of the whole passes.
    """

    def __init__(self, model):
        self.model = model
        self.names = {id(module): name for name, module in model.named_modules()}
        self.layers: list[Layer] = []
        self.forward: list[float] = []
        self.backward: list[float] = []

    def run_forward(self, x):
        """The model's output; its time is a round."""
        self._open, self._layers_of, self._next = [], {}, 0
        with self:
            start = now()
            output = self.model(x)
            self.forward.append(now() - start)
        return output

    def run_backward(self, output, gradient) -> None:
        """Backwards through the graph that the last ``run_forward`` recorded."""
        with self:
            start = now()
            output.backward(gradient)
            self.backward.append(now() - start)

    def forget(self) -> None:
        """No round has been run: what was measured so far was the warm-up."""
        for times in (self, *self.layers):
            times.forward, times.backward = [], []

    def rest(self, direction: str) -> float:
        """Seconds of everything that is no layer here: median of the rounds."""
        rounds = zip(*(getattr(layer, direction) for layer in self.layers), strict=True)
        totals = getattr(self, direction)
        return median(total - sum(layers) for total, layers in zip(totals, rounds, strict=True))

    def module_begin(self, module) -> None:
        self._open.append(module)

    def module_end(self, module, output) -> None:
        self._open.pop()

    def forward_begin(self, function, inputs) -> None:
        self._started = now()

    def forward_end(self, function, inputs, output) -> None:
        seconds = now() - self._started
        if not isinstance(function, Conv2d | ConvTranspose2d | Linear):
            return
        if self._next == len(self.layers):
            name = self.names.get(id(self._open[-1]), "") if self._open else ""
            self.layers.append(_layer(name, function, inputs, output))
        layer = self.layers[self._next]
        layer.forward.append(seconds)
        layer.flops_backward = layer.flops * sum(function.needs_input_grad[:2])
        self._layers_of[function] = layer
        self._next += 1

    def backward_begin(self, function, gradient) -> None:
        self._started = now()

    def backward_end(self, function, gradients) -> None:
        if function in self._layers_of:
            self._layers_of[function].backward.append(now() - self._started)


def now() -> float:
    """Seconds on a clock that is read when the GPU, if there is one, has done its work."""
    synchronize()
    return time.perf_counter()


def _layer(name: str, function, inputs, output) -> Layer:
    x, weight = inputs[:2]
    pixels = x if isinstance(function, ConvTranspose2d) else output
    moved = sum(array.data.nbytes for array in (*inputs, output))
    flops = 2 * pixels.size * math.prod(weight.shape[1:])
    window = "x".join(map(str, weight.shape[2:])) or "all"
    if max(getattr(function, "stride", (1, 1))) > 1:
        window += f" /{'x'.join(map(str, dict.fromkeys(function.stride)))}"
    m = winograd_tile(function, weight, output)
    if m:
        r = weight.shape[2]
        return Layer(name or "?", output.shape, window, f"Winograd {m}x{m}", flops, moved,
                     saving=(m * r / (m + r - 1)) ** 2)  # fmt: skip
    algorithm = "direct" if current_backend() == "cpu" else current_backend()
    return Layer(name or "?", output.shape, window, algorithm, flops, moved)


def winograd_tile(function, weight, output) -> int:
    """The tile size of Winograd's algorithm where the cpu backend computes a function with it,
    else 0."""
    if current_backend() != "cpu" or not isinstance(function, Conv2d):
        return 0
    from ..kernels.cpu import conv

    G, (K, *filters) = function.groups, weight.shape
    w = weight.data.reshape(G, K // G, *filters)
    return conv.winograd_tile(w, output.shape, function.stride, function.dilation)
