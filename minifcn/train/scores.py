"""What a net's scores are for: the loss, or the label map.

A net that ends in fixed interpolation and a crop to its image is asked for its coarse scores
alone, and the rest is one operation, which never stores the scores of all pixels. Any other net
computes them.
"""

import numpy as np

from .. import functions as F
from .. import nn
from ..autograd import Tensor, hooks, no_grad
from ..backends import to_numpy


def pixel_loss(model, images, labels, **settings) -> Tensor:
    """``functions.cross_entropy(model(images), labels, **settings)``, by the shorter way if any.

    images (N, C, H, W), labels (N, H, W).
    """
    ending = _ending(model)
    shape = labels.shape if hasattr(labels, "shape") else np.shape(labels)
    if ending is None or shape != (images.shape[0], *images.shape[2:]):
        return F.cross_entropy(model(images), labels, **settings)
    coarse, *ending = ending
    return F.upsample_cross_entropy(model(images, until=coarse), labels, *ending, **settings)


def label_maps(model, images) -> np.ndarray:
    """For every pixel the class with the highest score, the first of equal ones.

    images (N, C, H, W); returns (N, H, W) integers, a NumPy array.
    """
    ending = _ending(model)
    with no_grad():
        if ending is None:
            return to_numpy(F.argmax_classes(model(images)))
        coarse, *ending = ending
        size = images.shape[2:]
        return to_numpy(F.argmax_upsampled(model(images, until=coarse), size, *ending))


def _ending(model) -> tuple | None:
    """The layer with the coarse scores; factor, kernel size, paddings and offset of what follows.

    None for a net that ends in something else, and where hooks watch: they are to see every
    layer.
    """
    if type(model) is not nn.Net or len(model.reads) < 2 or hooks.active():
        return None
    *_, up, crop = model.reads
    layer, last = model[up], model[crop]
    if type(layer) is not nn.UpsampleBilinear or type(last) is not nn.Crop:
        return None
    if model.reads[crop] != (up, "data") or last.offset is None:
        return None
    (coarse,) = model.reads[up]
    return (
        coarse,
        layer.factor,
        layer.kernel_size,
        layer.padding,
        layer.output_padding,
        last.offset,
    )
