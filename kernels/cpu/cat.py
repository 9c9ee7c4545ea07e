"""Maps side by side: what lies channels last is copied pixel by pixel, all parts in one pass; a
result too large for the caches goes past them.

Loop nest: rows of the result, one a task; parts; pixels, a run of channels each.
"""

import numpy as np

from .compile import kernel
from .layout import LINE, empty, pointer, streams
from .tasks import tasks
from .threads import VECTOR, parallel_for
from .vectors import copy_vectors, itemsize, kind, lanes, move, settle


def cat(arrays, axis: int):
    """The arrays joined along an axis, in order; along the others they have one shape."""
    if axis % arrays[0].ndim != 1 or not all(_has_channels_last(a, arrays[0]) for a in arrays):
        return np.concatenate(arrays, axis=axis)
    N, _, H, W = arrays[0].shape
    y = empty((N, sum(a.shape[1] for a in arrays), H, W), arrays[0].dtype)
    item = y.itemsize
    parts = [(pointer(a), *_steps(a), a.shape[1] * item) for a in arrays]
    work = max(1, y.size // max(1, N * H) // VECTOR)
    target = pointer(y), *_steps(y)
    past_caches = streams(y) and all(a.shape[1] * item % LINE == 0 for a in arrays)
    settings = kind(y.dtype), np.array(parts), target, H, W, past_caches
    parallel_for(_cat, N * H, *settings, work=work)
    return y


def _has_channels_last(a, like) -> bool:
    return (
        a.ndim == 4
        and a.dtype.char in "fd"
        and a.dtype == like.dtype
        and (a.strides[1] == a.itemsize or a.shape[1] == 1)
    )


def _steps(a):
    """Distances of images, rows, pixels."""
    return a.strides[0], a.strides[2], a.strides[3]


@kernel()
def _cat(work, form, parts, y, H, W, past_caches):
    """parts: address, distances of images, rows and pixels, bytes of a pixel's channels."""
    vector = lanes(form) * itemsize(form)
    for task in tasks(work):
        n, h = divmod(task, H)
        row = y[0] + n * y[1] + h * y[2]
        for part in parts:
            source = part[0] + n * part[1] + h * part[2]
            vectors = part[4] // vector
            if vectors * vector == part[4]:
                for w in range(W):
                    here = source + w * part[3]
                    copy_vectors(form, row + w * y[3], here, vectors, past_caches)
            else:
                for w in range(W):
                    move(row + w * y[3], source + w * part[3], part[4])
            row += part[4]
    settle()
