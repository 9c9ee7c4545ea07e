"""The least padding of the first layer with which every image is covered.

The authors pad by 100. Less would do: a net covers an image if its windows fit into the padded
maps, if no map has to be cropped before its start, and if the upsampled scores reach the last
pixel. Whether they do depends on how the sizes round, so all sizes are tried.
"""

import contextlib
from collections.abc import Callable, Iterable

import numpy as np

from ..autograd import Tensor, shapes_only
from .trace import channels_of, derive_offsets

SIZES = range(1, 701)  # sides of images
MOST = 1000  # the largest padding that is tried


def covers(model, size: tuple[int, int]) -> bool:
    """Whether the model has scores for every pixel of an image of this size (height, width)."""
    dtype = next((parameter.dtype for parameter in model.parameters()), np.float32)
    image = np.broadcast_to(np.zeros((), dtype), (1, channels_of(model), *size))
    try:
        with shapes_only():
            return model(Tensor.of(image)).shape[2:] == tuple(size)
    except ValueError:  # a window or a crop does not fit
        return False


def smallest_padding(
    model,
    sizes: Iterable[int] = SIZES,
    progress: Callable[[], None] = lambda: None,
) -> tuple[str, int]:
    """The first padded layer's name, and the least padding of it with which square images of all
    these sides are covered. progress is called after every size.

    The model is left as it was. Raises ValueError where no padding up to MOST will do.
    """
    sizes, name, layer = list(sizes), *_first(model)
    before = layer.padding

    def enough(padding: int) -> bool:
        layer.padding = (padding, padding)
        try:
            derive_offsets(model)
        except ValueError:  # an offset below 0
            return False
        return all(_try(side) for side in sizes)

    def _try(side: int) -> bool:
        progress()
        return covers(model, (side, side))

    try:
        low, high = -1, 1  # never enough, perhaps enough
        while not enough(high):
            low, high = high, 2 * high
            if low > MOST:
                raise ValueError(f"no padding of {name} up to {MOST} covers all sizes")
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if enough(middle) else (middle, high)
        return name, high
    finally:
        layer.padding = before
        with contextlib.suppress(ValueError):  # it may have been too little
            derive_offsets(model)


def _first(model):
    """The first layer that pads: its name and the layer."""
    for name, module in model.named_modules():
        if hasattr(module, "padding"):
            return name, module
    raise ValueError("the model has no layer that pads")
