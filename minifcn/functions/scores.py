"""The end of a net in one operation: upsampling, crop, and loss or label map.

Where a net ends in fixed interpolation, its coarse scores say everything. Full-resolution ones,
K numbers for every pixel of the photograph, need not be stored, nor their gradient.
"""

from ..autograd import Tensor, as_tensor
from ..backends import kernels_for
from ._arguments import image_shape, same_dtype
from .loss import PixelLoss
from .spatial import Crop
from .upsample import UpsampleBilinear


class UpsampleCrossEntropy(PixelLoss):
    """cross_entropy(crop(upsample_bilinear(x))); saved are x and a number a pixel."""

    def __init__(self, upsampling: UpsampleBilinear, offset, labels, *settings):
        super().__init__(labels, *settings)
        if self.labels.ndim != 3:
            raise ValueError(
                f"upsample_cross_entropy: labels must be (N, H, W); got shape {self.labels.shape}"
            )
        self.upsampling, self.crop = upsampling, Crop(offset, self.labels.shape[1:])

    def infer_shape(self, x):
        return self.loss_shape(self.crop.infer_shape(self.upsampling.infer_shape(x)))

    @property
    def windows(self):
        """(kernel_size, stride, padding, offset), as the kernels take them."""
        return *self.upsampling.windows, self.crop.offset

    def forward(self, x):
        same_dtype("upsample_cross_entropy", x=x, weight=self.weight)
        self.settle(x)
        losses, log_sum_exp = kernels_for(x).upsample_cross_entropy(
            x, *self.windows, self.labels, self.weight, self.ignore_index
        )
        self.save(x, log_sum_exp)
        return self.reduced(losses)

    def backward(self, gy):
        x, log_sum_exp = self.saved
        return kernels_for(x).upsample_cross_entropy_grad(
            *(x, *self.windows, self.labels, log_sum_exp),
            *(self.pixel_scale(gy), self.ignore_index),
        )


def upsample_cross_entropy(
    x,
    labels,
    factor,
    kernel_size=None,
    padding=None,
    output_padding=0,
    offset=0,
    weight=None,
    ignore_index: int = 255,
    reduction: str = "mean",
) -> Tensor:
    """The loss of a net that ends in bilinear upsampling and a crop, from its coarse scores.

        cross_entropy(crop(upsample_bilinear(x, factor, kernel_size, padding, output_padding),
                           offset, size of the labels),
                      labels, weight, ignore_index, reduction)

    without storing the scores of all pixels. x (N, K, h, w), labels (N, H, W). Raises what the
    three raise.
    """
    upsampling = UpsampleBilinear(factor, kernel_size, padding, output_padding)
    return UpsampleCrossEntropy(upsampling, offset, labels, weight, ignore_index, reduction)(x)


def argmax_classes(scores):
    """The label map of scores (N, K, H, W): at every pixel the class with the highest score.

    Returns a plain array (N, H, W) of int64 where the scores live, the first of equal classes.
    Raises ValueError for scores of another shape and TypeError for integers.
    """
    scores = as_tensor(scores).data
    same_dtype("argmax_classes", scores=scores)
    image_shape(scores.shape, "argmax_classes", "scores")
    return kernels_for(scores).argmax_classes(scores)


def argmax_upsampled(x, size, factor, kernel_size=None, padding=None, output_padding=0, offset=0):
    """The label map of such a net: at every pixel the class with the highest score.

        argmax over k of crop(upsample_bilinear(x, factor, ...), offset, size)

    x (N, K, h, w), size (H, W); returns a plain array (N, H, W) of int64 where x lives, the first
    of equal classes. Raises what the two raise.
    """
    x = as_tensor(x).data
    same_dtype("argmax_upsampled", x=x)
    upsampling, crop = (
        UpsampleBilinear(factor, kernel_size, padding, output_padding),
        Crop(offset, size),
    )
    crop.infer_shape(upsampling.infer_shape(x.shape))
    return kernels_for(x).argmax_upsampled(x, *upsampling.windows, crop.offset, crop.size)
