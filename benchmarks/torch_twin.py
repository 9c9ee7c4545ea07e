"""The PyTorch twin of any net of minifcn, made from its files (see netfile.py).

``Twin`` walks through the same table of named layers, layer by layer. It needs neither minifcn
nor anything but PyTorch and NumPy, so it runs, and is exported, in the rivals' environment.
"""

import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn


class Twin(nn.Module):
    """The net in a folder, as a module: images (N, 3, H, W) to the output of the last layer.

    dense: write fixed upsampling as the authors did, a transposed convolution from all channels
    to all with the filter on the diagonal, instead of one with a group for every channel.
    Raises ValueError for a kind of layer that has no twin yet.
    """

    def __init__(self, folder: str | Path, dense: bool = False):
        super().__init__()
        self.table = json.loads((Path(folder) / "net.json").read_text())["layers"]
        self.layers = nn.ModuleList()
        self.rates = {}  # parameter -> its factors on learning rate and weight decay
        self.last_reader = {s: row["name"] for row in self.table for s in row["reads"]}
        readers = [source for row in self.table for source in row["reads"]]
        channels = {"data": 3}
        with np.load(Path(folder) / "weights.npz") as arrays:
            for row in self.table:
                kind, sources = row["kind"], row["reads"]
                if kind not in TWINS:
                    raise ValueError(f"layer {row['name']!r}: no PyTorch twin for a {kind}")
                weights = {key: arrays[f"{row['name']}.{key}"] for key in row["parameters"]}
                inside = [channels[source] for source in sources]
                # In place where nobody else reads the map, as one writes such nets in PyTorch
                alone = sources[0] != "data" and readers.count(sources[0]) == 1
                layer, channels[row["name"]] = TWINS[kind](row["settings"], weights, inside, alone)
                if dense and isinstance(layer, UpsampleBilinear):
                    layer.make_dense()
                self.layers.append(layer)
                for key, about in row["parameters"].items():
                    self.rates[getattr(layer, key)] = (about["rate"], about["decay"])

    def forward(self, data):
        maps, output = {"data": data}, data
        for row, layer in zip(self.table, self.layers, strict=True):
            name = row["name"]
            output = layer(*(maps[source] for source in row["reads"]))
            for source in set(row["reads"]):
                if self.last_reader[source] == name:
                    del maps[source]
            if name in self.last_reader:
                maps[name] = output
        return output

    def named_weights(self) -> dict[str, torch.Tensor]:
        """minifcn's name -> parameter."""
        return {
            f"{row['name']}.{key}": getattr(layer, key)
            for row, layer in zip(self.table, self.layers, strict=True)
            for key in row["parameters"]
        }


def _with(layer: nn.Module, weights: dict) -> nn.Module:
    """Give a layer that was made without storage its weights, without copying them."""
    for key, array in weights.items():
        setattr(layer, key, nn.Parameter(torch.from_numpy(array)))
    return layer


def _conv(settings, weights, channels, alone):
    K, per_group = weights["weight"].shape[:2]
    window = {k: settings[k] for k in ("kernel_size", "stride", "padding", "dilation", "groups")}
    window = {k: tuple(v) if isinstance(v, list) else v for k, v in window.items()}
    inside = per_group * window["groups"]
    layer = nn.Conv2d(inside, K, bias="bias" in weights, device="meta", **window)
    return _with(layer, weights), K


def _conv_transpose(settings, weights, channels, alone):
    names = ("kernel_size", "stride", "padding", "output_padding", "dilation", "groups")
    window = {k: settings[k] for k in names}
    window = {k: tuple(v) if isinstance(v, list) else v for k, v in window.items()}
    inside, per_group = weights["weight"].shape[:2]
    K = per_group * window["groups"]
    layer = nn.ConvTranspose2d(inside, K, bias="bias" in weights, device="meta", **window)
    return _with(layer, weights), K


class UpsampleBilinear(nn.Module):
    """Fixed bilinear interpolation as a transposed convolution with a group for every channel."""

    def __init__(self, channels: int, kernel_size, stride, padding, output_padding):
        super().__init__()
        filter_ = np.outer(_triangle(kernel_size[0]), _triangle(kernel_size[1]))
        weight = torch.from_numpy(filter_.astype(np.float32)).expand(channels, 1, *kernel_size)
        self.register_buffer("weight", weight.contiguous())
        self.window = tuple(stride), tuple(padding), tuple(output_padding), channels

    def make_dense(self) -> None:
        """One group, zeros beside the diagonal."""
        channels = len(self.weight)
        weight = torch.zeros(channels, channels, *self.weight.shape[2:])
        weight[range(channels), range(channels)] = self.weight[:, 0]
        self.weight, self.window = weight, (*self.window[:3], 1)

    def forward(self, x):
        return F.conv_transpose2d(x, self.weight, None, *self.window)


def _triangle(k: int) -> np.ndarray:
    factor = (k + 1) // 2
    centre = factor - 1 if k % 2 else factor - 0.5
    return 1 - np.abs(np.arange(k) - centre) / factor


def _upsample(settings, weights, channels, alone):
    window = (settings[k] for k in ("kernel_size", "stride", "padding", "output_padding"))
    return UpsampleBilinear(channels[0], *window), channels[0]


def _pool(kind):
    def twin(settings, weights, channels, alone):
        window = {k: settings[k] for k in ("kernel_size", "stride", "padding")}
        window = {k: tuple(v) for k, v in window.items()}
        if kind is nn.MaxPool2d:
            window["dilation"] = tuple(settings["dilation"])
        elif tuple(settings["dilation"]) != (1, 1):
            raise ValueError("PyTorch has no dilated average pooling")
        return kind(ceil_mode=settings["ceil_mode"], **window), channels[0]

    return twin


class Crop(nn.Module):
    """Cut x to the size of a reference map or image, at a fixed offset."""

    def __init__(self, offset):
        super().__init__()
        self.top, self.left = offset

    def forward(self, x, reference):
        # int: while a net is traced for export, sizes become constants
        H, W = int(reference.shape[2]), int(reference.shape[3])
        return x[:, :, self.top : self.top + H, self.left : self.left + W]


class Fuse(nn.Module):
    """The sum of two maps over the pixels that both have; fine's pixel i + offset meets i."""

    def __init__(self, offset):
        super().__init__()
        self.offset = tuple(offset)

    def forward(self, coarse, fine):
        spans = []
        for axis, o in zip((2, 3), self.offset, strict=True):
            a, b = max(0, -o), max(0, o)
            spans.append((a, b, min(int(coarse.shape[axis]) - a, int(fine.shape[axis]) - b)))
        (at, bt, h), (al, bl, w) = spans
        return coarse[:, :, at : at + h, al : al + w] + fine[:, :, bt : bt + h, bl : bl + w]


class Scale(nn.Module):
    """Multiply by a number."""

    def __init__(self, factor: float):
        super().__init__()
        self.factor = factor

    def forward(self, x):
        return x * self.factor


class Cat(nn.Module):
    """Join along the channels."""

    def forward(self, *inputs):
        return torch.cat(inputs, 1)


class Norm(nn.Module):
    """Local response normalisation; in an exported file ONNX's own operator, of which PyTorch
    would make a pool over five axes that not every runtime has."""

    def __init__(self, size: int, alpha: float, beta: float, k: float):
        super().__init__()
        self.numbers = size, alpha, beta, k

    def forward(self, x):
        if torch.onnx.is_in_onnx_export():
            return _OnnxNorm.apply(x, *self.numbers)
        return F.local_response_norm(x, *self.numbers)


class _OnnxNorm(torch.autograd.Function):
    @staticmethod
    def symbolic(graph, x, size, alpha, beta, k):
        return graph.op("LRN", x, size_i=size, alpha_f=alpha, beta_f=beta, bias_f=k)

    @staticmethod
    def forward(ctx, x, size, alpha, beta, k):
        return F.local_response_norm(x, size, alpha, beta, k)


def _linear(settings, weights, channels, alone):
    outside, inside = weights["weight"].shape
    return _with(nn.Linear(inside, outside, device="meta"), weights), outside


def _norm(settings, weights, channels, alone):
    numbers = (settings[k] for k in ("size", "alpha", "beta", "k"))
    return Norm(*numbers), channels[0]


def _same(make):
    return lambda settings, weights, channels, alone: (make(settings, alone), channels[0])


TWINS = {
    "Conv2d": _conv,
    "ConvTranspose2d": _conv_transpose,
    "UpsampleBilinear": _upsample,
    "MaxPool2d": _pool(nn.MaxPool2d),
    "AvgPool2d": _pool(nn.AvgPool2d),
    "LocalResponseNorm": _norm,
    "Linear": _linear,
    "Crop": _same(lambda s, alone: Crop(s["offset"])),
    "Fuse": _same(lambda s, alone: Fuse(s["offset"])),
    "Scale": _same(lambda s, alone: Scale(s["factor"])),
    "Dropout": _same(lambda s, alone: nn.Dropout(s["p"])),
    "ReLU": _same(lambda s, alone: nn.ReLU(inplace=alone)),
    "Sigmoid": _same(lambda s, alone: nn.Sigmoid()),
    "Tanh": _same(lambda s, alone: nn.Tanh()),
    "Flatten": _same(lambda s, alone: nn.Flatten()),
    "Cat": lambda settings, weights, channels, alone: (Cat(), sum(channels)),
}
