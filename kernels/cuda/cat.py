"""Arrays side by side."""

from .device import module_of

CHANNELS_LAST = 0, 2, 3, 1


def cat(arrays, axis: int):
    """The arrays joined along an axis, in order; along the others they have one shape.

    Maps (N, C, H, W) come out with channels last, so that a pixel's channels are copied as runs.
    """
    axes = CHANNELS_LAST if arrays[0].ndim == 4 else tuple(range(arrays[0].ndim))
    parts = [a.transpose(axes) for a in arrays]
    along = axes.index(axis % len(axes))
    joined = module_of(arrays[0]).concatenate(parts, axis=along)
    return joined.transpose(tuple(axes.index(i) for i in range(len(axes))))
