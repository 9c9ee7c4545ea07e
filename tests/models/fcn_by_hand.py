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


def vgg16_pools(image, w, first_pad, end="", first="conv1_1"):
    """pool3, pool4 and pool5 (voc-fcn32s/net.py). end: of all layers' names."""
    x = F.relu(conv(image, w, first + end, padding=first_pad))
    x = F.relu(conv(x, w, "conv1_2" + end, padding=1))
    x = F.max_pool2d(x, 2, 2, ceil_mode=True)
    for name in ("conv2_1", "conv2_2"):
        x = F.relu(conv(x, w, name + end, padding=1))
    x = F.max_pool2d(x, 2, 2, ceil_mode=True)
    for name in ("conv3_1", "conv3_2", "conv3_3"):
        x = F.relu(conv(x, w, name + end, padding=1))
    pool3 = x = F.max_pool2d(x, 2, 2, ceil_mode=True)
    for name in ("conv4_1", "conv4_2", "conv4_3"):
        x = F.relu(conv(x, w, name + end, padding=1))
    pool4 = x = F.max_pool2d(x, 2, 2, ceil_mode=True)
    for name in ("conv5_1", "conv5_2", "conv5_3"):
        x = F.relu(conv(x, w, name + end, padding=1))
    return pool3, pool4, F.max_pool2d(x, 2, 2, ceil_mode=True)


def vgg16(image, w, first_pad, fc6_pad, end="", first="conv1_1", score="score_fr"):
    """pool3, pool4 and score_fr (voc-fcn32s/net.py)."""
    pool3, pool4, x = vgg16_pools(image, w, first_pad, end, first)
    x = F.relu(conv(x, w, "fc6" + end, padding=fc6_pad))
    x = F.relu(conv(x, w, "fc7" + end))
    return pool3, pool4, conv(x, w, score + end)


def color_d(image, w):
    """nyud-fcn32s-color-d/net.py."""
    _, _, score = vgg16(image, w, 100, 0, first="conv1_1_bgrd")
    return cut(upsample(score, 64, 32), 19, image)


def color_hha(image, w):
    """nyud-fcn32s-color-hha/net.py: color are the first three channels, hha the others."""
    scores = [
        vgg16(part, w, 100, 0, end)[2]
        for part, end in ((image[:, :3], "color"), (image[:, 3:], "hha"))
    ]
    return cut(upsample(0.5 * scores[0] + 0.5 * scores[1], 64, 32), 19, image)


def siftflow(image, w, skips):
    """siftflow-fcn32s, 16s and 8s: one trunk, heads for semantic and for geometric classes."""
    heads = []
    for end in ("_sem", "_geo"):
        pool3, pool4, x = vgg16(image, w, 100, 0, score="score_fr" + end)
        if skips == 0:
            heads.append(cut(upsample(x, 64, 32), 19, image))
            continue
        up = upsample(x, 4, 2)
        fused = up + cut(conv(pool4, w, "score_pool4" + end), 5, up)
        if skips == 1:
            heads.append(cut(upsample(fused, 32, 16), 27, image))
            continue
        up = upsample(fused, 4, 2)
        fused = up + cut(conv(pool3, w, "score_pool3" + end), 9, up)
        heads.append(cut(upsample(fused, 16, 8), 31, image))
    return tuple(heads)


def siftflow_32s(image, w):
    return siftflow(image, w, 0)


def siftflow_16s(image, w):
    return siftflow(image, w, 1)


def siftflow_8s(image, w):
    return siftflow(image, w, 2)


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


def mini(image, w):
    """The five pools and the scores."""
    pools, x = [], image
    for number, padding in ((1, 100), (2, 1), (3, 1), (4, 1), (5, 1)):
        x = F.relu(conv(x, w, f"conv{number}", padding=padding))
        x = F.max_pool2d(x, 2, 2, ceil_mode=True)
        pools.append(x)
    x = F.relu(conv(F.relu(conv(x, w, "fc6")), w, "fc7"))
    return pools, conv(x, w, "score_fr")


def fcn32s_mini(image, w):
    """fc6 of 3 pixels, not 7: scores start 64 pixels earlier than VGG's, and so do the crops."""
    return cut(upsample(mini(image, w)[1], 64, 32), 83, image)


def fcn16s_mini(image, w):
    pools, x = mini(image, w)
    up = upsample(x, 4, 2)
    fine = cut(conv(pools[3], w, "score_pool4"), 1, up)
    return cut(upsample(cut(up, 0, fine) + fine, 32, 16), 91, image)


def fcn8s_mini(image, w):
    pools, x = mini(image, w)
    up = upsample(x, 4, 2)
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


def squeezenet(image, w):
    """fire4, fire8 and the scores, with a padding of 100 and pools that round up: all maps meet 98
    pixels before the image."""
    x = F.relu(conv(image, w, "conv1", stride=2, padding=100))
    x = F.max_pool2d(x, 3, 2, ceil_mode=True)
    fire4 = x = fire(fire(fire(x, w, 2), w, 3), w, 4)
    x = F.max_pool2d(x, 3, 2, ceil_mode=True)
    fire8 = x = fire(fire(fire(fire(x, w, 5), w, 6), w, 7), w, 8)
    x = fire(F.max_pool2d(x, 3, 2, ceil_mode=True), w, 9)
    return fire4, fire8, conv(x, w, "score_fr")


def fcn16s_squeezenet(image, w):
    return cut(upsample(squeezenet(image, w)[2], 31, 16), 98, image)


def fused_at_8(fire8, scores, w):
    up, fine = upsample(scores, 3, 2), conv(fire8, w, "score_fire8")
    return cut(up, 0, fine) + cut(fine, 0, up)


def fcn8s_squeezenet(image, w):
    _, fire8, scores = squeezenet(image, w)
    return cut(upsample(fused_at_8(fire8, scores, w), 15, 8), 98, image)


def fcn4s_squeezenet(image, w):
    fire4, fire8, scores = squeezenet(image, w)
    fused = fused_at_8(fire8, scores, w)
    up, fine = upsample(fused, 3, 2), conv(fire4, w, "score_fire4")
    fused = cut(up, 0, fine) + cut(fine, 0, up)
    return cut(upsample(fused, 7, 4), 98, image)


def norm(x):
    return F.local_response_norm(x, 5, 1e-4, 0.75, 1.0)


def caffenet(image, w, first_pad, pool):
    """conv1 ... pool5 (Caffe's bvlc_reference_caffenet): the pools come before the norms."""
    x = F.relu(conv(image, w, "conv1", stride=4, padding=first_pad))
    pool1 = F.max_pool2d(x, 3, 2, **pool)
    x = F.relu(conv(norm(pool1), w, "conv2", padding=2, groups=2))
    pool2 = F.max_pool2d(x, 3, 2, **pool)
    x = F.relu(conv(norm(pool2), w, "conv3", padding=1))
    x = F.relu(conv(x, w, "conv4", padding=1, groups=2))
    x = F.relu(conv(x, w, "conv5", padding=1, groups=2))
    return pool1, pool2, F.max_pool2d(x, 3, 2, **pool)


def alexnet_scores(x, w, fc6_pad):
    x = F.relu(conv(F.relu(conv(x, w, "fc6", padding=fc6_pad)), w, "fc7"))
    return conv(x, w, "score_fr")


def fcn32s_alexnet(image, w):
    """voc-fcn-alexnet/net.py."""
    *_, pool5 = caffenet(image, w, 100, {"ceil_mode": True})
    return cut(upsample(alexnet_scores(pool5, w, 0), 63, 32), 18, image)


def fcn8s_alexnet(image, w):
    """First pixels lie at 13 (scores), -83 (pool2) and -91 (pool1); the kernels of 3, 3 and 15
    reach 1 of 16, 1 of 8 and 7 pixels back: to -3, 5 pixels into pool2, -11, 10 into pool1, and
    -18."""
    pool1, pool2, pool5 = caffenet(image, w, 100, {"ceil_mode": True})
    up = upsample(alexnet_scores(pool5, w, 0), 3, 2)
    fine = cut(conv(pool2, w, "score_pool2"), 5, up)
    up = upsample(cut(up, 0, fine) + fine, 3, 2)
    fine = cut(conv(pool1, w, "score_pool1"), 10, up)
    return cut(upsample(cut(up, 0, fine) + fine, 15, 8), 18, image)


def fcn16s_alexnet(image, w):
    """The same up to pool2, at -83 + 16 * 5 = -3; the kernel of 31 reaches 15 back, to -18."""
    _, pool2, pool5 = caffenet(image, w, 100, {"ceil_mode": True})
    up = upsample(alexnet_scores(pool5, w, 0), 3, 2)
    fine = cut(conv(pool2, w, "score_pool2"), 5, up)
    return cut(upsample(cut(up, 0, fine) + fine, 31, 16), 18, image)


def fcn32s_alexnet_aligned(image, w):
    """Scores lie at -16, 16, 48, ...: 47 pixels of the upsampled map are before the image."""
    *_, pool5 = caffenet(image, w, 5, {"padding": 1})
    return cut(upsample(alexnet_scores(pool5, w, 3), 63, 32, 47, 31), 0, image)


def alexnet_torchvision(image, w, first_pad, fc6_pad, pool):
    """torchvision's, whose pools round down there and up in an FCN without padding."""
    x = F.relu(conv(image, w, "conv1", stride=4, padding=first_pad))
    x = F.relu(conv(F.max_pool2d(x, 3, 2, **pool), w, "conv2", padding=2))
    x = F.max_pool2d(x, 3, 2, **pool)
    for name in ("conv3", "conv4", "conv5"):
        x = F.relu(conv(x, w, name, padding=1))
    return alexnet_scores(F.max_pool2d(x, 3, 2, **pool), w, fc6_pad)


def fcn32s_alexnet_torchvision(image, w):
    scores = alexnet_torchvision(image, w, 100, 0, {"ceil_mode": True})
    return cut(upsample(scores, 63, 32), 18, image)


def fcn32s_alexnet_torchvision_aligned(image, w):
    scores = alexnet_torchvision(image, w, 5, 3, {"padding": 1})
    return cut(upsample(scores, 63, 32, 47, 31), 0, image)


def inception(x, w, number, large=5):
    def way(y, what, pad=0):
        return F.relu(conv(y, w, f"inception_{number}/{what}", padding=pad))

    ways = [
        way(x, "1x1"),
        way(way(x, "3x3_reduce"), "3x3", 1),
        way(way(x, "5x5_reduce"), "5x5", large // 2),
        way(F.max_pool2d(x, 3, 1, 1), "pool_proj"),
    ]
    return torch.cat(ways, dim=1)


def googlenet(image, w, first_pad, pool):
    """3b, 4a, 4d, 4e and 5b (Caffe's bvlc_googlenet)."""
    x = F.relu(conv(image, w, "conv1/7x7_s2", stride=2, padding=first_pad))
    x = norm(F.max_pool2d(x, 3, 2, **pool))
    x = F.relu(conv(F.relu(conv(x, w, "conv2/3x3_reduce")), w, "conv2/3x3", padding=1))
    x = F.max_pool2d(norm(x), 3, 2, **pool)
    b3 = inception(inception(x, w, "3a"), w, "3b")
    a4 = inception(F.max_pool2d(b3, 3, 2, **pool), w, "4a")
    d4 = inception(inception(inception(a4, w, "4b"), w, "4c"), w, "4d")
    e4 = inception(d4, w, "4e")
    x = inception(F.max_pool2d(e4, 3, 2, **pool), w, "5a")
    return b3, a4, d4, e4, inception(x, w, "5b")


def fcn32s_googlenet(image, w):
    """Scores of 5b lie at -16, 16, 48, ...; the kernel of 63 reaches 31 pixels back."""
    *_, b5 = googlenet(image, w, 18, {"ceil_mode": True})
    return cut(upsample(conv(b5, w, "score_fr"), 63, 32), 16, image)


def fcn16s_googlenet(image, w):
    """First pixels lie at 15 (5b), -1 (4e) and -9 (3b); the kernels of 3 reach one coarse pixel
    back, to -1 and -9, that of 31 fifteen pixels, to -16, as that of 15 does from -9."""
    _, _, _, e4, b5 = googlenet(image, w, 18, {"ceil_mode": True})
    up, fine = upsample(conv(b5, w, "score_fr"), 3, 2), conv(e4, w, "score_inception_4e")
    fused = cut(up, 0, fine) + cut(fine, 0, up)
    return cut(upsample(fused, 31, 16), 16, image)


def fcn8s_googlenet(image, w):
    b3, _, _, e4, b5 = googlenet(image, w, 18, {"ceil_mode": True})
    up, fine = upsample(conv(b5, w, "score_fr"), 3, 2), conv(e4, w, "score_inception_4e")
    fused = cut(up, 0, fine) + cut(fine, 0, up)
    up, fine = upsample(fused, 3, 2), conv(b3, w, "score_inception_3b")
    fused = cut(up, 0, fine) + cut(fine, 0, up)
    return cut(upsample(fused, 15, 8), 16, image)


def googlenet_torchvision(image, w, first_pad, pool):
    """5b of torchvision's: no norms, windows of 3 called 5x5, a last pool of 2."""
    x = F.relu(conv(image, w, "conv1/7x7_s2", stride=2, padding=first_pad))
    x = F.max_pool2d(x, 3, 2, **pool)
    x = F.relu(conv(F.relu(conv(x, w, "conv2/3x3_reduce")), w, "conv2/3x3", padding=1))
    x = F.max_pool2d(x, 3, 2, **pool)
    x = F.max_pool2d(inception(inception(x, w, "3a", 3), w, "3b", 3), 3, 2, **pool)
    for number in ("4a", "4b", "4c", "4d", "4e"):
        x = inception(x, w, number, 3)
    x = F.max_pool2d(x, 2, 2, ceil_mode=True)
    return inception(inception(x, w, "5a", 3), w, "5b", 3)


def fcn32s_googlenet_torchvision(image, w):
    """First pixels lie at -7 (conv1), -5, -1, 7 and 15 (pool4, between the first two of pool3's
    stride of 16); the kernel of 63 reaches 31 pixels back, to -16."""
    x = googlenet_torchvision(image, w, 10, {"ceil_mode": True})
    return cut(upsample(conv(x, w, "score_fr"), 63, 32), 16, image)


def fcn32s_googlenet_torchvision_aligned(image, w):
    """The pool of 2 lies at 8, 40, ...: the kernel reaches 31 pixels back, 23 before the image."""
    x = googlenet_torchvision(image, w, 3, {"padding": 1})
    return cut(upsample(conv(x, w, "score_fr"), 63, 32, 23, 15), 0, image)


def fcn8s_googlenet_aligned(image, w):
    b3, _, _, e4, b5 = googlenet(image, w, 3, {"padding": 1})
    fine = conv(e4, w, "score_inception_4e")
    fused = cut(upsample(conv(b5, w, "score_fr"), 3, 2, 1, 1), 0, fine) + fine
    fine = conv(b3, w, "score_inception_3b")
    fused = cut(upsample(fused, 3, 2, 1, 1), 0, fine) + fine
    return cut(upsample(fused, 15, 8, 7, 7), 0, image)
