"""FCNs written down in plain PyTorch, with every number typed from the published definitions.

Nothing here is asked of minifcn but the weights: an FCN is a function of an image (N, 3, H, W) and
of a dictionary of tensors with the authors' names.
"""

import torch
import torch.nn.functional as F


def conv(x, w, name, **settings):
    return F.conv2d(x, w[f"{name}.weight"], w[f"{name}.bias"], **settings)


def upsample(x, k, s, p=0, extra=0):
    """A transposed convolution whose filter is, channel by channel, a pyramid (surgery.py)."""
    factor = (k + 1) // 2
    centre = factor - 1 if k % 2 == 1 else factor - 0.5
    ramp = torch.tensor([1 - abs(i - centre) / factor for i in range(k)], dtype=x.dtype)
    filters = torch.zeros(x.shape[1], x.shape[1], k, k, dtype=x.dtype)
    for channel in range(x.shape[1]):
        filters[channel, channel] = ramp[:, None] * ramp[None, :]
    return F.conv_transpose2d(x, filters, stride=s, padding=p, output_padding=extra)


def cut(x, offset, like):
    return x[:, :, offset : offset + like.shape[2], offset : offset + like.shape[3]]


def vgg16(image, w, first_pad, fc6_pad):
    """pool3, pool4 and score_fr (voc-fcn32s/net.py)."""
    x = F.relu(conv(image, w, "conv1_1", padding=first_pad))
    x = F.relu(conv(x, w, "conv1_2", padding=1))
    x = F.max_pool2d(x, 2, 2, ceil_mode=True)
    for name in ("conv2_1", "conv2_2"):
        x = F.relu(conv(x, w, name, padding=1))
    x = F.max_pool2d(x, 2, 2, ceil_mode=True)
    for name in ("conv3_1", "conv3_2", "conv3_3"):
        x = F.relu(conv(x, w, name, padding=1))
    pool3 = x = F.max_pool2d(x, 2, 2, ceil_mode=True)
    for name in ("conv4_1", "conv4_2", "conv4_3"):
        x = F.relu(conv(x, w, name, padding=1))
    pool4 = x = F.max_pool2d(x, 2, 2, ceil_mode=True)
    for name in ("conv5_1", "conv5_2", "conv5_3"):
        x = F.relu(conv(x, w, name, padding=1))
    x = F.max_pool2d(x, 2, 2, ceil_mode=True)
    x = F.relu(conv(x, w, "fc6", padding=fc6_pad))
    x = F.relu(conv(x, w, "fc7"))
    return pool3, pool4, conv(x, w, "score_fr")


def fcn32s(image, w):
    _, _, score = vgg16(image, w, 100, 0)
    return cut(upsample(score, 64, 32), 19, image)


def fcn16s(image, w):
    _, pool4, score = vgg16(image, w, 100, 0)
    up = upsample(score, 4, 2)
    fused = up + cut(conv(pool4, w, "score_pool4"), 5, up)
    return cut(upsample(fused, 32, 16), 27, image)


def fcn8s(image, w, scale_pool4=1, scale_pool3=1):
    pool3, pool4, score = vgg16(image, w, 100, 0)
    up = upsample(score, 4, 2)
    fused = up + cut(conv(scale_pool4 * pool4, w, "score_pool4"), 5, up)
    up = upsample(fused, 4, 2)
    fused = up + cut(conv(scale_pool3 * pool3, w, "score_pool3"), 9, up)
    return cut(upsample(fused, 16, 8), 31, image)


def fcn8s_atonce(image, w):
    return fcn8s(image, w, 0.01, 0.0001)


def fcn8s_atonce_aligned(image, w):
    """Padding as in the "SAME" ports: 1 at first, 3 at fc6, half the factor when upsampling."""
    pool3, pool4, score = vgg16(image, w, 1, 3)
    fine = conv(0.01 * pool4, w, "score_pool4")
    fused = cut(upsample(score, 4, 2, 1), 0, fine) + fine
    fine = conv(0.0001 * pool3, w, "score_pool3")
    fused = cut(upsample(fused, 4, 2, 1), 0, fine) + fine
    return cut(upsample(fused, 16, 8, 4), 0, image)


def fcn8s_mini(image, w):
    """fc6 of 3 pixels, not 7: scores start 64 pixels earlier than VGG's, and so do the crops."""
    pools, x = [], image
    for number, padding in ((1, 100), (2, 1), (3, 1), (4, 1), (5, 1)):
        x = F.relu(conv(x, w, f"conv{number}", padding=padding))
        x = F.max_pool2d(x, 2, 2, ceil_mode=True)
        pools.append(x)
    x = F.relu(conv(F.relu(conv(x, w, "fc6")), w, "fc7"))
    up = upsample(conv(x, w, "score_fr"), 4, 2)
    fine = cut(conv(pools[3], w, "score_pool4"), 1, up)
    up = upsample(cut(up, 0, fine) + fine, 4, 2)
    fine = cut(conv(pools[2], w, "score_pool3"), 1, up)  # may end a pixel before the coarse map
    return cut(upsample(cut(up, 0, fine) + fine, 16, 8), 95, image)


def fire(x, w, number):
    x = F.relu(conv(x, w, f"fire{number}/squeeze1x1"))
    left = F.relu(conv(x, w, f"fire{number}/expand1x1"))
    right = F.relu(conv(x, w, f"fire{number}/expand3x3", padding=1))
    return torch.cat([left, right], dim=1)


def fcn4s_squeezenet_aligned(image, w):
    x = F.relu(conv(image, w, "conv1", stride=2, padding=3))
    x = F.max_pool2d(x, 3, 2, 1)
    fire4 = x = fire(fire(fire(x, w, 2), w, 3), w, 4)
    x = F.max_pool2d(x, 3, 2, 1)
    fire8 = x = fire(fire(fire(fire(x, w, 5), w, 6), w, 7), w, 8)
    x = fire(F.max_pool2d(x, 3, 2, 1), w, 9)
    fine = conv(fire8, w, "score_fire8")
    fused = cut(upsample(conv(x, w, "score_fr"), 3, 2, 1, 1), 0, fine) + fine
    fine = conv(fire4, w, "score_fire4")
    fused = cut(upsample(fused, 3, 2, 1, 1), 0, fine) + fine
    return cut(upsample(fused, 7, 4, 3, 3), 0, image)


def fcn4s_squeezenet(image, w):
    """With a padding of 100 and pools that round up: the maps meet 98 pixels before the image."""
    x = F.relu(conv(image, w, "conv1", stride=2, padding=100))
    x = F.max_pool2d(x, 3, 2, ceil_mode=True)
    fire4 = x = fire(fire(fire(x, w, 2), w, 3), w, 4)
    x = F.max_pool2d(x, 3, 2, ceil_mode=True)
    fire8 = x = fire(fire(fire(fire(x, w, 5), w, 6), w, 7), w, 8)
    x = fire(F.max_pool2d(x, 3, 2, ceil_mode=True), w, 9)
    up, fine = upsample(conv(x, w, "score_fr"), 3, 2), conv(fire8, w, "score_fire8")
    fused = cut(up, 0, fine) + cut(fine, 0, up)
    up, fine = upsample(fused, 3, 2), conv(fire4, w, "score_fire4")
    fused = cut(up, 0, fine) + cut(fine, 0, up)
    return cut(upsample(fused, 7, 4), 98, image)
