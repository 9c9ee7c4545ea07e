"""The loss of semantic segmentation: softmax cross-entropy at every pixel that is not ignored."""

import numpy as np

from ..autograd import Function, Tensor, mode
from ..backends import array_module, comparable, kernels_for, moved
from ._arguments import same_dtype

REDUCTIONS = ("mean", "sum", "batch", "none")


class PixelLoss(Function):
    """What losses over labelled pixels share: their settings, and the reduction.

    loss = sum over valid pixels of weight[label] * -log softmax(scores)[label] / divisor
    """

    def __init__(self, labels, weight=None, ignore_index: int = 255, reduction: str = "mean"):
        if reduction not in REDUCTIONS:
            raise ValueError(f"cross_entropy: reduction {reduction!r} is none of {REDUCTIONS}")
        self.labels = _array(labels)
        if self.labels.dtype.kind not in "iu":
            raise TypeError(
                f"cross_entropy: labels must be integers; got dtype {self.labels.dtype}"
            )
        self.labels = comparable(self.labels)
        self.weight = None if weight is None else _array(weight)
        self.ignore_index, self.reduction = ignore_index, reduction

    def loss_shape(self, scores):
        """The loss's shape, for scores of this shape; a ValueError where the labels do not fit."""
        labels = self.labels.shape
        if 0 in scores:
            raise ValueError(f"cross_entropy: scores are empty: shape {scores}")
        if len(scores) < 2 or labels != (scores[0], *scores[2:]):
            raise ValueError(
                f"cross_entropy: scores {scores} are (N, K, H, W) and want labels (N, H, W), "
                f"here {(scores[0], *scores[2:])}; got {labels}"
            )
        if self.weight is not None and self.weight.shape != (scores[1],):
            raise ValueError(f"cross_entropy: weight {self.weight.shape} for {scores[1]} classes")
        return labels if self.reduction == "none" else ()

    def settle(self, scores) -> None:
        """Look at the labels and weights where they were made, then bring them to the scores.

        A GPU would have to be waited for: where nobody may do that, the labels are not looked at,
        and the divisor stays there. Raises ValueError for a label that is no class.
        """
        if not mode.is_unattended():
            check_labels(self.labels, scores.shape[1], self.ignore_index)
        self.divisor = self._divisor()
        self.labels = moved(self.labels, scores)
        self.weight = None if self.weight is None else moved(self.weight, scores)

    def reduced(self, losses):
        """The loss from the weighted losses of all pixels, 0 where ignored."""
        if self.reduction == "none":
            return losses.reshape(self.labels.shape)
        total = losses.sum(dtype=np.float64) / self.divisor  # many pixels: not in float32
        return array_module(losses).asarray(total, dtype=losses.dtype)

    def pixel_scale(self, gy):
        """What multiplies softmax - [k = label] at every pixel, for the loss's gradient gy."""
        xp, labels = array_module(gy), self.labels
        divisor = xp.asarray(self.divisor, dtype=gy.dtype)
        scale = xp.broadcast_to(gy / divisor, labels.shape)
        if self.weight is None:
            return scale
        labels = labels.astype(np.int64)
        return scale * self.weight[xp.where(labels == self.ignore_index, 0, labels)]

    def _divisor(self):
        """A number, or where nobody may look at it an array without axes."""
        if self.reduction == "batch":
            return float(len(self.labels))
        if self.reduction != "mean":
            return 1.0
        xp, valid = array_module(self.labels), self.labels != self.ignore_index
        if self.weight is None:
            total = valid.sum(dtype=np.float64)
        else:
            weight = moved(self.weight, self.labels)
            of_pixels = weight[xp.where(valid, self.labels, 0)]
            total = xp.where(valid, of_pixels, 0).sum(dtype=np.float64)
        if mode.is_unattended():
            return xp.where(total > 0, total, 1.0)
        return float(total) or 1.0


class CrossEntropy(PixelLoss):
    """The softmax loss of scores that are there. Backward: scale * (softmax - [k = label])."""

    def infer_shape(self, scores):
        return self.loss_shape(scores)

    def forward(self, scores):
        same_dtype("cross_entropy", scores=scores, weight=self.weight)
        self.settle(scores)
        N, K = scores.shape[:2]
        self.maps = N, K, *(scores.shape[2:] if scores.ndim == 4 else (-1, 1))
        scores, labels = scores.reshape(self.maps), self.labels.reshape(N, *self.maps[2:])
        losses, log_sum_exp = kernels_for(scores).cross_entropy(
            scores, labels, self.weight, self.ignore_index
        )
        self.save(scores, labels, log_sum_exp)
        return self.reduced(losses)

    def backward(self, gy):
        scores, labels, log_sum_exp = self.saved
        pixel_scale = self.pixel_scale(gy).reshape(labels.shape)
        gscores = kernels_for(scores).cross_entropy_grad(
            scores, labels, log_sum_exp, pixel_scale, self.ignore_index
        )
        return gscores.reshape(self.input_shapes[0])


def cross_entropy(
    scores, labels, weight=None, ignore_index: int = 255, reduction: str = "mean"
) -> Tensor:
    """Softmax cross-entropy at every pixel, without those labelled ignore_index.

        l[n,h,w] = weight[label] * (log sum over k of exp(scores[n,k,h,w]) - scores[n,label,h,w])

    scores (N, K, H, W), or (N, K) for whole images; labels an integer array (N, H, W), or (N,);
    weight (K,) or None. Reductions, of the sum over the pixels that are not ignored:

        mean    divided by their number, or by the sum of their weights (Caffe's normalize: true)
        sum     as it is
        batch   divided by N (Caffe's normalize: false, the authors' VOC nets)
        none    (N, H, W), zeros where ignored

    An image with every pixel ignored has loss 0 and gradient 0. Raises ValueError for shapes that
    do not fit and for a label that is no class, TypeError for labels that are not integers.
    (Long et al. 2015, section 3.3; Caffe softmax_loss_layer.cpp.)
    """
    return CrossEntropy(labels, weight, ignore_index, reduction)(scores)


def check_labels(labels, num_classes: int, ignore_index: int = 255) -> None:
    """Raises ValueError for labels that are no class: value, first position and number."""
    wrong = (labels != ignore_index) & ((labels < 0) | (labels >= num_classes))
    if not wrong.any():
        return
    first = tuple(int(i) for i in array_module(wrong).argwhere(wrong)[0])
    raise ValueError(
        f"cross_entropy: label {int(labels[first])} at {first} is not one of the {num_classes} "
        f"classes 0..{num_classes - 1} nor the ignored {ignore_index} "
        f"({int(wrong.sum())} such pixels)"
    )


def _array(x):
    """A plain array, where x lives."""
    x = x.data if isinstance(x, Tensor) else x
    return moved(x, x)
