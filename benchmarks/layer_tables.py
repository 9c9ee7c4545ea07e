"""Every convolution of VGG-16, AlexNet and GoogLeNet as FCNs, for a 500x500 image.

The first layer is padded by 100 as in the authors' nets (fcn.berkeleyvision.org, voc-fcn32s,
voc-fcn-alexnet and voc-fcn-googlenet), pools round up, so the maps have these sizes:

    VGG-16     698, 349, 175, 88, 44, 22 after the pools; fc6 makes 16
    AlexNet    173 after conv1 (11x11, stride 4), then 86, 43, 21; fc6 makes 16
    GoogLeNet  347 after conv1 (7x7, stride 2), then 173, 86, 43, 21

Channels: Simonyan, Zisserman 2015, table 1, D; Krizhevsky et al. 2012 and Caffe's
bvlc_reference_caffenet (two groups in conv2, conv4, conv5); Szegedy et al. 2015, table 1, and
Caffe's bvlc_googlenet.
"""

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Layer:
    """A convolution's geometry: input channels, output channels, input size, window."""

    C: int
    K: int
    size: int
    kernel: int
    stride: int = 1
    padding: int = 0
    groups: int = 1

    @property
    def output(self) -> int:
        return (self.size + 2 * self.padding - self.kernel) // self.stride + 1

    def flops(self, batch: int = 1) -> int:
        """Of a direct convolution, a multiplication and an addition each counted as one."""
        taps = self.C // self.groups * self.kernel**2
        return 2 * batch * self.K * self.output**2 * taps

    def settings(self) -> dict:
        return asdict(self)

    def __str__(self) -> str:
        window = f"{self.kernel}x{self.kernel}" + (f" s{self.stride}" if self.stride > 1 else "")
        groups = f" g{self.groups}" if self.groups > 1 else ""
        return f"{self.C}->{self.K} {window}{groups} @{self.size}"


VGG = {
    "conv1_1": Layer(3, 64, 500, 3, padding=100),
    "conv1_2": Layer(64, 64, 698, 3, padding=1),
    "conv2_1": Layer(64, 128, 349, 3, padding=1),
    "conv2_2": Layer(128, 128, 349, 3, padding=1),
    "conv3_1": Layer(128, 256, 175, 3, padding=1),
    "conv3_2": Layer(256, 256, 175, 3, padding=1),
    "conv4_1": Layer(256, 512, 88, 3, padding=1),
    "conv4_2": Layer(512, 512, 88, 3, padding=1),
    "conv5_1": Layer(512, 512, 44, 3, padding=1),
    "fc6": Layer(512, 4096, 22, 7),
    "fc7": Layer(4096, 4096, 16, 1),
    "score_fr": Layer(4096, 21, 16, 1),
    "score_pool4": Layer(512, 21, 44, 1),
    "score_pool3": Layer(256, 21, 88, 1),
}

ALEXNET = {
    "conv1": Layer(3, 96, 500, 11, stride=4, padding=100),
    "conv2": Layer(96, 256, 86, 5, padding=2, groups=2),
    "conv3": Layer(256, 384, 43, 3, padding=1),
    "conv4": Layer(384, 384, 43, 3, padding=1, groups=2),
    "conv5": Layer(384, 256, 43, 3, padding=1, groups=2),
    "fc6": Layer(256, 4096, 21, 6),
    "fc7": Layer(4096, 4096, 16, 1),
    "score_fr": Layer(4096, 21, 16, 1),
}

# Input size and channels; channels of 1x1, of 3x3 behind its reduction, of 5x5 behind its
# reduction, of the 1x1 behind the pool
INCEPTIONS = {
    "3a": (86, 192, 64, (96, 128), (16, 32), 32),
    "3b": (86, 256, 128, (128, 192), (32, 96), 64),
    "4a": (43, 480, 192, (96, 208), (16, 48), 64),
    "4b": (43, 512, 160, (112, 224), (24, 64), 64),
    "4c": (43, 512, 128, (128, 256), (24, 64), 64),
    "4d": (43, 512, 112, (144, 288), (32, 64), 64),
    "4e": (43, 528, 256, (160, 320), (32, 128), 128),
    "5a": (21, 832, 256, (160, 320), (32, 128), 128),
    "5b": (21, 832, 384, (192, 384), (48, 128), 128),
}


def _googlenet() -> dict[str, Layer]:
    layers = {
        "conv1": Layer(3, 64, 500, 7, stride=2, padding=100),
        "conv2_reduce": Layer(64, 64, 173, 1),
        "conv2": Layer(64, 192, 173, 3, padding=1),
    }
    for name, (size, C, one, (reduce3, three), (reduce5, five), pool) in INCEPTIONS.items():
        layers |= {
            f"{name}/1x1": Layer(C, one, size, 1),
            f"{name}/3x3_reduce": Layer(C, reduce3, size, 1),
            f"{name}/3x3": Layer(reduce3, three, size, 3, padding=1),
            f"{name}/5x5_reduce": Layer(C, reduce5, size, 1),
            f"{name}/5x5": Layer(reduce5, five, size, 5, padding=2),
            f"{name}/pool_proj": Layer(C, pool, size, 1),
        }
    return layers


NETS = {"vgg16": VGG, "alexnet": ALEXNET, "googlenet": _googlenet()}


def distinct(nets) -> dict[Layer, list[str]]:
    """Geometry -> names of the layers that have it, in the order of the nets."""
    found: dict[Layer, list[str]] = {}
    for net in nets:
        for name, layer in NETS[net].items():
            found.setdefault(layer, []).append(f"{net} {name}")
    return found
