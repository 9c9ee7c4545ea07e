"""torchvision's nets written down once more from their published definitions, in PyTorch.

Only what decides about names and numbers: the modules that own parameters, and what comes between.
"""

import torch
import torch.nn.functional as F
from torch import nn

CEIL = {"ceil_mode": True}


def vgg16(width=1.0, classes=5):
    layers, channels = [], 3
    for count, outputs in ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512)):
        for _ in range(count):
            layers += [nn.Conv2d(channels, round(outputs * width), 3, padding=1), nn.ReLU()]
            channels = round(outputs * width)
        layers.append(nn.MaxPool2d(2, 2))
    hidden = round(4096 * width)
    head = [nn.Linear(channels * 49, hidden), nn.ReLU(), nn.Dropout()]
    head += [nn.Linear(hidden, hidden), nn.ReLU(), nn.Dropout(), nn.Linear(hidden, classes)]
    return TwoParts(layers, head)


def alexnet(width=1.0, classes=5):
    layers, channels = [], 3
    for outputs, kernel, stride, padding, pooled in (
        (64, 11, 4, 2, True), (192, 5, 1, 2, True), (384, 3, 1, 1, False),
        (256, 3, 1, 1, False), (256, 3, 1, 1, True),
    ):  # fmt: skip
        n = round(outputs * width)
        layers += [nn.Conv2d(channels, n, kernel, stride, padding), nn.ReLU()]
        layers += [nn.MaxPool2d(3, 2)] if pooled else []
        channels = n
    hidden = round(4096 * width)
    head = [nn.Dropout(), nn.Linear(channels * 36, hidden), nn.ReLU(), nn.Dropout()]
    head += [nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, classes)]
    return TwoParts(layers, head)


class TwoParts(nn.Module):
    def __init__(self, features, classifier):
        super().__init__()
        self.features, self.classifier = nn.Sequential(*features), nn.Sequential(*classifier)

    def forward(self, x):
        return self.classifier(self.features(x).flatten(1))


class Fire(nn.Module):
    def __init__(self, channels, squeeze, expand):
        super().__init__()
        self.squeeze = nn.Conv2d(channels, squeeze, 1)
        self.expand1x1 = nn.Conv2d(squeeze, expand, 1)
        self.expand3x3 = nn.Conv2d(squeeze, expand, 3, padding=1)

    def forward(self, x):
        x = F.relu(self.squeeze(x))
        return torch.cat([F.relu(self.expand1x1(x)), F.relu(self.expand3x3(x))], 1)


class SqueezeNet(nn.Module):
    def __init__(self, version="1_0", width=1.0, classes=5):
        super().__init__()
        first, kernel = (96, 7) if version == "1_0" else (64, 3)
        pooled = (4, 8) if version == "1_0" else (3, 5)
        channels = round(first * width)
        layers = [nn.Conv2d(3, channels, kernel, 2), nn.ReLU(), nn.MaxPool2d(3, 2, **CEIL)]
        sizes = [
            (16, 64),
            (16, 64),
            (32, 128),
            (32, 128),
            (48, 192),
            (48, 192),
            (64, 256),
            (64, 256),
        ]
        for number, (squeeze, expand) in enumerate(sizes, start=2):
            squeeze, expand = round(squeeze * width), round(expand * width)
            layers.append(Fire(channels, squeeze, expand))
            channels = 2 * expand
            layers += [nn.MaxPool2d(3, 2, **CEIL)] if number in pooled else []
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(
            nn.Dropout(), nn.Conv2d(channels, classes, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1)
        )

    def forward(self, x):
        return self.classifier(self.features(x)).flatten(1)


class Normalised(nn.Module):
    def __init__(self, inputs, outputs, **window):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, bias=False, **window)
        self.bn = nn.BatchNorm2d(outputs, eps=0.001)

    def forward(self, x):
        return F.relu(self.bn(self.conv(x)))


class Inception(nn.Module):
    def __init__(self, inputs, one, three_reduced, three, five_reduced, five, pooled):
        super().__init__()
        self.branch1 = Normalised(inputs, one, kernel_size=1)
        self.branch2 = nn.Sequential(
            Normalised(inputs, three_reduced, kernel_size=1),
            Normalised(three_reduced, three, kernel_size=3, padding=1),
        )
        self.branch3 = nn.Sequential(
            Normalised(inputs, five_reduced, kernel_size=1),
            Normalised(five_reduced, five, kernel_size=3, padding=1),  # of 3, not 5
        )
        self.branch4 = nn.Sequential(
            nn.MaxPool2d(3, 1, 1, **CEIL), Normalised(inputs, pooled, kernel_size=1)
        )

    def forward(self, x):
        return torch.cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], 1)


class GoogLeNet(nn.Module):
    def __init__(self, width=1.0, classes=5, heads=True):
        super().__init__()

        def n(channels):
            return max(1, round(channels * width))

        def inception(inputs, *sizes):
            made = Inception(inputs, *map(n, sizes))
            self.channels = n(sizes[0]) + n(sizes[2]) + n(sizes[4]) + n(sizes[5])
            return made

        self.conv1 = Normalised(3, n(64), kernel_size=7, stride=2, padding=3)
        self.conv2 = Normalised(n(64), n(64), kernel_size=1)
        self.conv3 = Normalised(n(64), n(192), kernel_size=3, padding=1)
        self.inception3a = inception(n(192), 64, 96, 128, 16, 32, 32)
        self.inception3b = inception(self.channels, 128, 128, 192, 32, 96, 64)
        self.inception4a = inception(self.channels, 192, 96, 208, 16, 48, 64)
        aux1 = self.channels
        self.inception4b = inception(self.channels, 160, 112, 224, 24, 64, 64)
        self.inception4c = inception(self.channels, 128, 128, 256, 24, 64, 64)
        self.inception4d = inception(self.channels, 112, 144, 288, 32, 64, 64)
        self.inception4e = inception(self.channels, 256, 160, 320, 32, 128, 128)
        self.inception5a = inception(self.channels, 256, 160, 320, 32, 128, 128)
        self.inception5b = inception(self.channels, 384, 192, 384, 48, 128, 128)
        if heads:  # published with the weights, and not trained
            self.aux1 = nn.ModuleDict({"conv": Normalised(aux1, 8, kernel_size=1)})
        self.fc = nn.Linear(self.channels, classes)

    def forward(self, x):
        x = F.max_pool2d(self.conv1(x), 3, 2, **CEIL)
        x = F.max_pool2d(self.conv3(self.conv2(x)), 3, 2, **CEIL)
        x = F.max_pool2d(self.inception3b(self.inception3a(x)), 3, 2, **CEIL)
        x = self.inception4c(self.inception4b(self.inception4a(x)))
        x = F.max_pool2d(self.inception4e(self.inception4d(x)), 2, 2, **CEIL)
        x = self.inception5b(self.inception5a(x))
        return self.fc(x.mean((2, 3)))
