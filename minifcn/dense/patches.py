"""A whole image is a minibatch of patches (Long et al. 2015, sections 3.4 and 4.2).

The loss of an image is a sum over the cells of the coarse output, and each cell sees its own
receptive field. So the gradient of a whole image is the gradient of the minibatch of all its
receptive fields; computing it at once computes what they share once. Patchwise training draws some
of them: here, by leaving cells out of the loss.
"""

import numpy as np

from .. import geometry


def receptive_fields(model, images: np.ndarray) -> np.ndarray:
    """What each cell of the coarse output sees: (N, C, H, W) to (N * cells, C, FH, FW), the cells
    row by row; for nets without padding: with it cells see zeros that no patch has.

    Raises ValueError for a net of which some cell sees beyond the image: one that pads, or rounds
    up.
    """
    trace = geometry.trace(model, images.shape[2:])
    row = trace.rows[-1]
    spans = [axis.spans[0] for axis in row.axes]
    strides = [int(axis.stride) for axis in row.axes]
    reaches = [
        first < 0 or last + stride * (count - 1) >= n
        for (first, last), stride, count, n in zip(
            spans, strides, row.shape[2:], images.shape[2:], strict=True
        )
    ]
    if any(reaches):
        raise ValueError(
            "receptive_fields: some reach beyond the image: the net pads or rounds up"
        )
    (top, bottom), (left, right) = spans
    sizes = bottom - top + 1, right - left + 1
    windows = np.lib.stride_tricks.sliding_window_view(images, sizes, axis=(2, 3))
    windows = windows[:, :, top :: strides[0], left :: strides[1]]
    windows = windows[:, :, : row.shape[2], : row.shape[3]]
    return windows.transpose(0, 2, 3, 1, 4, 5).reshape(-1, images.shape[1], *sizes)


def patch_mask(
    labels: np.ndarray,
    stride: int,
    keep: float,
    rng: np.random.Generator,
    ignore_index: int = 255,
) -> np.ndarray:
    """Labels (N, H, W) in which each cell of stride x stride pixels is kept with the probability
    ``keep``, and otherwise ignored: the loss then samples patches.

    To keep the effective size of a minibatch, take 1/keep times as many images (section 4.2).
    Raises ValueError for a probability that is not above 0 and at most 1, or a stride below 1.
    """
    if not 0 < keep <= 1 or stride < 1:
        raise ValueError(
            f"patch_mask: keep is above 0 and at most 1, stride 1 or more; got {keep}, {stride}"
        )
    N, H, W = labels.shape
    cells = rng.random((N, -(-H // stride), -(-W // stride))) < keep
    kept = cells.repeat(stride, axis=1).repeat(stride, axis=2)[:, :H, :W]
    return np.where(kept, labels, labels.dtype.type(ignore_index))
