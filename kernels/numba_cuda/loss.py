"""The per-pixel softmax loss with its ignore mask (see reference/loss.py): a thread a pixel.

The maps are one long row of P pixels here, each with its K scores side by side. Neighbouring
threads read addresses that are K numbers apart: kernels/cuda shows how a warp reads them better.
"""

import math

from numba import cuda

from .device import for_each, module_of, nhwc


def cross_entropy(scores, labels, weight, ignore_index: int):
    """scores (N, K, H, W), labels (N, H, W) integers, weight (K,) or None.

    Returns losses and log_sum_exp, both (N, H, W).
    """
    K, module = scores.shape[1], module_of(scores)
    losses = module.empty(labels.size, scores.dtype)
    log_sum_exp = module.empty_like(losses)
    weight = module.ones(K) if weight is None else weight
    weight = module.ascontiguousarray(weight, scores.dtype)
    rows, labels_row = nhwc(scores).reshape(-1, K), module.ascontiguousarray(labels).reshape(-1)
    outputs = losses, log_sum_exp
    for_each(losses.size, _cross_entropy, rows, labels_row, weight, ignore_index, *outputs)
    return losses.reshape(labels.shape), log_sum_exp.reshape(labels.shape)


def cross_entropy_grad(scores, labels, log_sum_exp, pixel_scale, ignore_index: int):
    """gscores[n,k,h,w] = pixel_scale[n,h,w] * (softmax(scores)[n,k,h,w] - [k = label]).

    pixel_scale (N, H, W) holds the upstream gradient times the class weight over the divisor.
    Ignored pixels get zeros, whatever their scale.
    """
    (N, K, H, W), module = scores.shape, module_of(scores)
    gscores = module.empty((N * H * W, K), scores.dtype)
    rows, labels = nhwc(scores).reshape(-1, K), module.ascontiguousarray(labels).reshape(-1)
    log_sum_exp, pixel_scale = (
        module.ascontiguousarray(a, scores.dtype).reshape(-1) for a in (log_sum_exp, pixel_scale)
    )
    inputs = rows, labels, log_sum_exp, pixel_scale, ignore_index
    for_each(labels.size, _cross_entropy_grad, *inputs, gscores)
    return gscores.reshape(N, H, W, K).transpose(0, 3, 1, 2)


@cuda.jit
def _cross_entropy(scores, labels, weight, ignore_index, losses, log_sum_exp):
    """scores (P, K), labels, losses and log_sum_exp (P,). Thread p has pixel p.

    The largest score is subtracted before exp and added after log: exp of a large one would be
    infinite.
    """
    p = cuda.grid(1)
    if p >= labels.size:
        return
    K = scores.shape[1]
    top = scores[p, 0]
    for k in range(1, K):
        if scores[p, k] > top:
            top = scores[p, k]
    total = scores.dtype.type(0)
    for k in range(K):
        total += math.exp(scores[p, k] - top)
    log_sum_exp[p] = math.log(total) + top
    label = int(labels[p])
    if label == ignore_index:
        losses[p] = 0
    else:
        losses[p] = weight[label] * (log_sum_exp[p] - scores[p, label])


@cuda.jit
def _cross_entropy_grad(scores, labels, log_sum_exp, pixel_scale, ignore_index, gscores):
    """scores and gscores (P, K), the others (P,). Thread p has pixel p."""
    p = cuda.grid(1)
    if p >= labels.size:
        return
    label = int(labels[p])
    zero, one = gscores.dtype.type(0), gscores.dtype.type(1)
    for k in range(scores.shape[1]):
        if label == ignore_index:
            gscores[p, k] = zero
        else:
            softmax = math.exp(scores[p, k] - log_sum_exp[p])
            gscores[p, k] = pixel_scale[p] * (softmax - (one if k == label else zero))
