"""Classifiers written down in plain PyTorch, with every number typed from the published files.

Each is a function of images and of a dictionary of tensors with Caffe's names, like the FCNs in
fcn_by_hand.py, of whose parts they are made.
"""

import torch.nn.functional as F
from fcn_by_hand import caffenet, conv, fire, googlenet, vgg16_pools

CEIL = {"ceil_mode": True}


def linear(x, w, name):
    return F.linear(x.flatten(1), w[f"{name}.weight"], w[f"{name}.bias"])


def two_hidden(x, w):
    return linear(F.relu(linear(F.relu(linear(x, w, "fc6")), w, "fc7")), w, "fc8")


def lenet(image, w):
    x = F.max_pool2d(conv(image, w, "conv1"), 2)
    x = F.max_pool2d(conv(x, w, "conv2"), 2)
    return linear(F.relu(linear(x, w, "ip1")), w, "ip2")


def alexnet(image, w):
    return two_hidden(caffenet(image, w, 0, CEIL)[-1], w)


def vgg16(image, w):
    return two_hidden(vgg16_pools(image, w, 1)[-1], w)


def googlenet_scores(image, w):
    *_, x = googlenet(image, w, 3, CEIL)
    return linear(F.avg_pool2d(x, 7, 1), w, "loss3/classifier")


def googlenet_with_heads(image, w):
    _, a4, d4, _, x = googlenet(image, w, 3, CEIL)
    scores = [linear(F.avg_pool2d(x, 7, 1), w, "loss3/classifier")]
    for loss, x in (("loss1", a4), ("loss2", d4)):
        x = F.relu(conv(F.avg_pool2d(x, 5, 3), w, f"{loss}/conv"))
        x = F.relu(linear(x, w, f"{loss}/fc"))
        scores.append(linear(x, w, f"{loss}/classifier"))
    return tuple(scores)


def squeezenet(image, w):
    x = F.max_pool2d(F.relu(conv(image, w, "conv1", stride=2)), 3, 2, **CEIL)
    x = fire(fire(fire(x, w, 2), w, 3), w, 4)
    x = fire(fire(fire(fire(F.max_pool2d(x, 3, 2, **CEIL), w, 5), w, 6), w, 7), w, 8)
    x = fire(F.max_pool2d(x, 3, 2, **CEIL), w, 9)
    return F.relu(conv(x, w, "conv10", padding=1)).mean((2, 3))


def squeezenet1_1(image, w):
    x = F.max_pool2d(F.relu(conv(image, w, "conv1", stride=2)), 3, 2, **CEIL)
    x = F.max_pool2d(fire(fire(x, w, 2), w, 3), 3, 2, **CEIL)
    x = F.max_pool2d(fire(fire(x, w, 4), w, 5), 3, 2, **CEIL)
    x = fire(fire(fire(fire(x, w, 6), w, 7), w, 8), w, 9)
    return F.relu(conv(x, w, "conv10")).mean((2, 3))
