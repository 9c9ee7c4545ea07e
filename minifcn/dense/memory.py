"""How much the maps of a net take while it runs, from its geometry alone."""

import math

import numpy as np

from .. import geometry, nn
from .rarefy import DenseMaxPool2d


def bytes_of_maps(model, size: tuple[int, int], N: int = 1, dtype=np.float32) -> int:
    """Bytes of the maps that are alive at once, at most, when a net scores N images of a size
    (height, width) without gradients: those that a layer reads, the one that it makes, a framed
    copy where a rarefied pool needs one, and those that later layers wait for. The weights come on
    top, and what kernels need for themselves: scratch, and filters that they keep transformed (at
    most 256 MB).
    """
    table = nn.table(model)
    shapes = {row.name: row.shape for row in geometry.trace(model, size, batch=N).rows}
    shapes["data"] = N, geometry.channels_of(model), *size
    home = _homes(model)
    last_reader = {
        home.get(source, source): name for name, _, inputs in table for source in inputs
    }
    alive, most = {"data"}, 0
    for name, layer, inputs in table:
        alive.add(home.get(name, name))
        numbers = sum(math.prod(shapes[one]) for one in alive)
        if isinstance(layer, DenseMaxPool2d):
            _, C, H, W = shapes[inputs[0]]
            top, bottom, left, right = layer.frame((H, W))
            numbers += N * C * (H + top + bottom) * (W + left + right)
        most = max(most, numbers)
        read = {home.get(source, source) for source in inputs}
        alive -= {one for one in read if last_reader[one] == name}
    return most * np.dtype(dtype).itemsize


def _homes(model) -> dict[str, str]:
    """Layer -> the one in whose map its own lies: a ReLU's in that of the convolution before it;
    those that a Cat joins in the Cat's, which is there from the first of them on."""
    if not isinstance(model, nn.Net):
        return {}
    rectified = model.rectified()
    home = {conv: cat for cat, convs in model.joins().items() for conv in convs}
    for name, reads in model.reads.items():
        if reads[0] in rectified:
            home[name] = home.get(reads[0], reads[0])
    return home
