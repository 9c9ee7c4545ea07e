"""The per-pixel softmax loss with its ignore mask, channels last (see reference/loss.py and
loss.cu)."""

import numpy as np

from .device import for_each, module_of
from .layout import channels_last, empty
from .softmax import lanes_of


def cross_entropy(scores, labels, weight, ignore_index: int):
    """scores (N, K, H, W), labels (N, H, W) integers, weight (K,) or None.

    Returns losses and log_sum_exp, both (N, H, W).
    """
    scores, K = channels_last(scores), scores.shape[1]
    losses, log_sum_exp = pixel_arrays(labels, scores)
    lanes = lanes_of(K)
    for_each(losses.size * lanes, "loss.cu", "cross_entropy", scores,
             *label_arguments(labels, weight, ignore_index, scores), losses, log_sum_exp, K, lanes,
             real=scores.dtype, label_type=label_type(labels))  # fmt: skip
    return losses, log_sum_exp


def cross_entropy_grad(scores, labels, log_sum_exp, pixel_scale, ignore_index: int):
    """gscores[n,k,h,w] = pixel_scale[n,h,w] * (softmax(scores)[n,k,h,w] - [k = label]).

    pixel_scale (N, H, W) holds the upstream gradient times the class weight over the divisor.
    Ignored pixels get zeros, whatever their scale.
    """
    scores, gscores = channels_last(scores), empty(scores.shape, scores)
    for_each(gscores.size, "loss.cu", "cross_entropy_grad", scores,
             *grad_arguments(labels, log_sum_exp, pixel_scale, ignore_index, scores), gscores,
             scores.shape[1], real=scores.dtype, label_type=label_type(labels))  # fmt: skip
    return gscores


def pixel_arrays(labels, like):
    """Two uninitialised arrays of a number for each label."""
    return [module_of(like).empty(labels.shape, like.dtype) for _ in range(2)]


def label_arguments(labels, weight, ignore_index: int, like):
    """What the forward kernels take: labels, weight, whether there is one, ignore_index."""
    weighted = weight is not None
    weight = _dense(weight, like.dtype) if weighted else like  # any array stands for none
    return label_array(labels), weight, int(weighted), np.int64(ignore_index)


def grad_arguments(labels, log_sum_exp, pixel_scale, ignore_index: int, like):
    """What the gradient kernels take: labels, log_sum_exp, pixel_scale, ignore_index."""
    pixels = _dense(log_sum_exp, like.dtype), _dense(pixel_scale, like.dtype)
    return label_array(labels), *pixels, np.int64(ignore_index)


def label_array(labels):
    """One of two integer types: each is compiled for itself."""
    return _dense(labels, np.uint8 if labels.dtype == np.uint8 else np.int64)


def label_type(labels) -> str:
    """Its name in C."""
    return "unsigned char" if labels.dtype == np.uint8 else "long long"


def _dense(x, dtype):
    return module_of(x).ascontiguousarray(x, dtype)
