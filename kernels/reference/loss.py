"""The per-pixel softmax loss with its ignore mask (Long et al. 2015, section 4; Caffe
softmax_loss_layer.cpp), before any reduction over pixels.

    log_sum_exp[n,h,w] = log sum over k of exp(scores[n,k,h,w])
    losses[n,h,w] = weight[label] * (log_sum_exp[n,h,w] - scores[n,label,h,w]),  0 where ignored
"""

import numpy as np


def cross_entropy(scores, labels, weight, ignore_index: int):
    """scores (N, K, H, W), labels (N, H, W) integers, weight (K,) or None.

    Returns losses and log_sum_exp, both (N, H, W).
    """
    top = scores.max(axis=1, keepdims=True)
    log_sum_exp = np.log(np.exp(scores - top).sum(axis=1)) + top[:, 0]
    valid = labels != ignore_index
    safe = np.where(valid, labels, 0).astype(np.intp)
    losses = log_sum_exp - np.take_along_axis(scores, safe[:, None], axis=1)[:, 0]
    if weight is not None:
        losses = losses * weight[safe]
    return np.where(valid, losses, losses.dtype.type(0)), log_sum_exp


def cross_entropy_grad(scores, labels, log_sum_exp, pixel_scale, ignore_index: int):
    """gscores[n,k,h,w] = pixel_scale[n,h,w] * (softmax(scores)[n,k,h,w] - [k = label]).

    pixel_scale (N, H, W) holds the upstream gradient times the class weight over the divisor.
    Ignored pixels get zeros, whatever their scale.
    """
    valid = labels != ignore_index
    safe = np.where(valid, labels, 0).astype(np.intp)[:, None]
    g = np.exp(scores - log_sum_exp[:, None])
    np.put_along_axis(g, safe, np.take_along_axis(g, safe, axis=1) - 1, axis=1)
    return np.where(valid[:, None], g * pixel_scale[:, None], g.dtype.type(0))
