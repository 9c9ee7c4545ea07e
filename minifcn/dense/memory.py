"""How much the maps of a net take while it runs, from its geometry alone."""

import numpy as np

from .. import geometry, nn
from .rarefy import DenseMaxPool2d


def bytes_of_maps(net, size: tuple[int, int], N: int = 1, dtype=np.float32) -> int:
    """Bytes of the maps that are alive at once, at most, when a net scores N images of a size
    (height, width) without gradients: those that a layer reads, the one that it makes, a framed
    copy where a rarefied pool needs one, and those that later layers wait for. Kernels need a
    little for themselves on top; a Cat whose parts were written side by side needs less.
    """
    table = nn.table(net)
    rows = {row.name: row for row in geometry.trace(net, size, batch=N).rows}
    itemsize = np.dtype(dtype).itemsize
    sizes = {name: int(np.prod(rows[name].shape)) * itemsize for name, _, _ in table}
    sizes["data"] = N * geometry.channels_of(net) * size[0] * size[1] * itemsize
    last_reader = {source: name for name, _, inputs in table for source in inputs}
    alive, most = {"data"}, 0
    for name, layer, inputs in table:
        alive.add(name)
        frame = sizes[inputs[0]] if isinstance(layer, DenseMaxPool2d) else 0
        most = max(most, sum(sizes[one] for one in alive) + frame)
        alive -= {source for source in inputs if last_reader[source] == name}
    return most
