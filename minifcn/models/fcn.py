"""The heads: from a trunk's coarse map to scores for every pixel (Long et al. 2015, section 4).

A 1x1 convolution scores the coarsest map. Then, skip by skip, the scores are upsampled by bilinear
interpolation to the next finer map and added to what a 1x1 convolution scores there; at last they
are upsampled to the image and cut to its size. Nothing here is typed that the coordinate maps of
the trunk can tell: neither kernel sizes, nor paddings, nor offsets.
"""

from fractions import Fraction

from .. import nn
from ..geometry import Axis, derive_offsets, trace
from .trunk import Trunk

AT_ONCE_SCALES = (0.01, 0.0001)  # of the skips, coarsest first (voc-fcn8s-atonce/net.py)
UPSAMPLING = ("fixed", "learned", "all-learned")


def add_head(
    trunk: Trunk,
    skips: int,
    num_classes: int,
    *,
    aligned: bool = False,
    upsampling: str = "fixed",
    at_once: bool = False,
    suffix: str = "",
) -> nn.Net:
    """Append scores, ``skips`` fusions and upsampling to a trunk; returns its net.

    aligned: upsample such that every offset is 0, by padding the transposed convolutions; else
    they are not padded and their output is cropped, as the authors do it. upsampling: "fixed"
    interpolation; "learned" between the heads and fixed at the end, as in the CVPR paper;
    "all-learned". at_once scales the skips so that all can be trained from the start. suffix:
    behind the names of all layers, so that a trunk can have several heads.

    Score layers start at zero: a new skip leaves the scores that it is added to unchanged, and a
    net that starts from the coarser one's weights predicts what that one does. Exactly so where
    pixels of a map lie on pixels of the image (SqueezeNet). Where they lie between (VGG),
    interpolating by 2 and then by 16 is not quite interpolating by 32: the peak of the filter is
    cut flat, and labels can differ along the borders of regions.
    """
    net, coarse = trunk.net, trunk.coarse
    scores = _score_layer(net, coarse, num_classes)
    layer = net.add(f"score_fr{suffix}", scores, coarse)
    upscore = "upscore2"
    for number in range(skips):
        skip = trunk.skips[number]
        name = skip.split("/")[0]
        if at_once:
            scale = nn.Scale(AT_ONCE_SCALES[number])
            skip = net.add(f"scale_{name}{suffix}", scale, skip)
        up = _upsampling(net, layer, skip, num_classes, aligned, upsampling != "fixed")
        up = net.add(upscore + suffix, up, layer)
        scores = _score_layer(net, skip, num_classes)
        fine = net.add(f"score_{name}{suffix}", scores, skip)
        layer = net.add(f"fuse_{name}{suffix}", nn.Fuse(), up, fine)
        upscore = f"upscore_{name}"
    learned = upsampling == "all-learned"
    return add_upsampling(
        net,
        layer,
        num_classes,
        aligned=aligned,
        learned=learned,
        numbered=skips > 0,
        suffix=suffix,
    )


def add_upsampling(
    net: nn.Net,
    scores: str,
    num_classes: int,
    *,
    aligned: bool = False,
    learned: bool = False,
    numbered: bool = False,
    suffix: str = "",
) -> nn.Net:
    """Upsample scores to the image and cut them to its size; derive all offsets. numbered: the
    stride is part of the upsampling layer's name; the others as in ``add_head``."""
    up = _upsampling(net, scores, "data", num_classes, aligned, learned)
    number = str(up.stride[0]) if numbered else ""
    layer = net.add(f"upscore{number}{suffix}", up, scores)
    net.add(f"score{suffix}", nn.Crop(), layer, "data")
    derive_offsets(net)
    return net


def _score_layer(net: nn.Net, source: str, num_classes: int) -> nn.Conv2d:
    channels = trace(net)[source].shape[1]
    return nn.Conv2d(channels, num_classes, 1, weight_init=nn.init.zeros)


def _upsampling(net, source: str, target: str, num_classes: int, aligned: bool, learned: bool):
    """A transposed convolution from one map's grid to another's."""
    traced = trace(net)
    coarse = traced[source].axes
    fine = traced[target].axes if target != "data" else (Axis(), Axis())
    fits = [bilinear_fit(c, f, aligned) for c, f in zip(coarse, fine, strict=True)]
    factor, kernel_size, padding, output_padding = zip(*fits, strict=True)
    if learned:
        return nn.ConvTranspose2d(
            num_classes, num_classes, kernel_size, factor, padding, output_padding
        )
    return nn.UpsampleBilinear(factor, kernel_size, padding, output_padding)


def bilinear_fit(coarse: Axis, fine: Axis, aligned: bool) -> tuple[int, int, int, int]:
    """Factor, kernel size, padding and output padding that interpolate from one grid to another.

    With the factor f, the kernel size is 2f where pixels of the coarse map lie between those of
    the fine one, and 2f - 1 where they lie on them: the one of the two for which the maps meet on
    whole pixels. That is why the authors' VGG nets have 64 and their AlexNet 63. Aligned, the
    padding is what makes the offset 0, and the output f times as large as the map, or, where its
    first pixels lie outside the image (AlexNet's fc6), as what follows them.

    Raises ValueError, with the arithmetic, where neither fits.
    """
    factor = coarse.stride / fine.stride
    if factor.denominator != 1:
        raise ValueError(f"strides {coarse.stride} and {fine.stride} have no whole ratio")
    f, distance = int(factor), (fine.start - coarse.start) / fine.stride
    for k in (2 * f, 2 * f - 1):
        padding = distance + Fraction(k - 1, 2)  # for which pixel 0 of both would lie together
        if padding.denominator != 1:
            continue
        if not aligned:
            return f, k, 0, 0
        extra = f + 2 * padding - k  # so that the output is f times as large as the map
        if padding >= 0 and extra >= 0:
            return f, k, int(padding), int(extra % f)
    raise ValueError(
        f"no bilinear filter for the factor {f} takes the map {coarse} to {fine}: their first "
        f"pixels are {float(distance):g} fine pixels apart, and kernel {2 * f} wants a half, "
        f"{2 * f - 1} a whole number" + (", and neither negative padding" if aligned else "")
    )
