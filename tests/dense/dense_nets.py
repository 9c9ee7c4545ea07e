"""Nets for the tests of dense prediction, whose arithmetic is exact where they want it."""

import numpy as np

from minifcn import Tensor, models, nn

WIDTHS = {"lenet": 1, "alexnet": 0.05, "vgg16": 0.02, "googlenet": 0.05, "squeezenet": 0.15}


def drawn(net, seed=0, whole=False):
    """Random parameters; ``whole``: -1, 0 and 1 alone, few enough that all sums of products of
    whole numbers are exact, in whatever order they are made."""
    rng = np.random.default_rng(seed)
    net.eval().to(np.float64)
    for parameter in net.parameters():
        if whole:
            fan = max(1, parameter[0].size) if parameter.ndim > 1 else 1
            values = rng.integers(-1, 2, parameter.shape) * (rng.random(parameter.shape) < 5 / fan)
        elif parameter.ndim > 1:
            values = rng.standard_normal(parameter.shape) * np.sqrt(2 / parameter[0].size)
        else:
            values = rng.uniform(0, 0.5, parameter.shape)
        parameter.data = np.asarray(values, np.float64)
    return net


def classifier(name, whole=False, seed=0):
    """One of the paper's classifiers, narrow, as a net of maps. ``whole``: all its sums are exact;
    what local response normalisation and averaging make is rounded to sixty-fourths for that."""
    net = models.convolutionalize(models.build(name, 3, width=WIDTHS[name]))
    for _, layer in net.named_modules():
        if whole and type(layer) in ROUNDED:
            layer.__class__ = ROUNDED[type(layer)]
    return drawn(net, seed, whole)


class RoundedNorm(nn.LocalResponseNorm):
    def forward(self, x):
        return Tensor(np.round(super().forward(x).data * 64) / 64)


class RoundedMean(nn.AvgPool2d):
    def forward(self, x):
        return Tensor(np.round(super().forward(x).data * 64) / 64)


ROUNDED = {nn.LocalResponseNorm: RoundedNorm, nn.AvgPool2d: RoundedMean}


def chain(rng):
    """A random chain without padding: strides, dilations, groups, nothing square."""
    net, channels = nn.Net((2, None, None)), 2
    for i in range(rng.integers(2, 5)):
        kernel, stride = rng.integers(1, 4, 2), rng.integers(1, 4, 2)
        if rng.random() < 0.6:
            groups, outputs = int(rng.choice([1, 2])), int(2 * rng.integers(1, 3))
            settings = {"dilation": tuple(rng.integers(1, 3, 2).tolist()), "groups": groups}
            layer = nn.Conv2d(channels, outputs, tuple(kernel.tolist()), tuple(stride.tolist()),
                              **settings)  # fmt: skip
            channels = outputs
        else:
            stride = np.minimum(kernel, stride)
            kind = nn.MaxPool2d if rng.random() < 0.7 else nn.AvgPool2d
            ceil = bool(rng.random() < 0.5) and kind is nn.MaxPool2d
            layer = kind(tuple(kernel.tolist()), tuple(stride.tolist()), ceil_mode=ceil)
        net.add(f"layer{i}", layer)
        if rng.random() < 0.4:
            net.add(f"relu{i}", nn.ReLU())
    return net


def padded(rng):
    """The same with paddings, and pools that round up behind them."""
    net = chain(rng)
    for _, layer in net.named_modules():
        if hasattr(layer, "kernel_size"):
            reach = [
                (k - 1) * d // 2 for k, d in zip(layer.kernel_size, layer.dilation, strict=True)
            ]
            if not isinstance(layer, nn.Conv2d):
                reach = [min(r, k // 2) for r, k in zip(reach, layer.kernel_size, strict=True)]
            layer.padding = tuple(int(rng.integers(0, r + 1)) for r in reach)
    return net
