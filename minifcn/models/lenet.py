"""LeNet, in the form that Caffe's users know: digits of 28 x 28 pixels.

(LeCun et al. 1998; Caffe's examples/mnist/lenet.prototxt: maxima instead of trained averages, one
rectifier, and softmax at the end.) The first net that was slid over larger images, to read whole
strings of digits (Matan et al. 1992).
"""

from .. import nn
from .trunk import add_linear_relu, scaled

INPUT = (1, 28, 28)


def lenet(num_classes: int = 10, width: float = 1.0) -> nn.Net:
    """Grey images (N, 1, 28, 28), 0 to 1, to scores (N, num_classes)."""
    net = nn.Net(INPUT)
    first, second, hidden = (scaled(channels, width) for channels in (20, 50, 500))
    net.add("conv1", nn.Conv2d(1, first, 5))
    net.add("pool1", nn.MaxPool2d(2, 2, ceil_mode=True))
    net.add("conv2", nn.Conv2d(first, second, 5))
    net.add("pool2", nn.MaxPool2d(2, 2, ceil_mode=True))
    net.add("flatten", nn.Flatten())
    add_linear_relu(net, "ip1", "relu1", second * 4 * 4, hidden)
    net.add("ip2", nn.Linear(hidden, num_classes))
    return net
