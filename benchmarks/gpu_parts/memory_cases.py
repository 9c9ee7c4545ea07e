"""The kernels that move memory: ours, PyTorch's for the same, and the least bytes.

A case is a function of the place that returns its bytes and the two calls. Bytes: every input read
once, every result written once, in float32, with labels as int64. The arrays are larger than the
cache, so a call finds nothing there that an earlier one left.
"""

import torch
import torch.nn.functional as F
from minifcn.kernels import cuda

from ..operations import VGG_PARAMETERS

ONE, NONE = (1, 1), (0, 0)
POOLS = {  # window, stride, maps (N, C, size): VGG-16's first, AlexNet's first of eight images
    "2x2": ((2, 2), (2, 2), (1, 64, 698)),
    "3x3": ((3, 3), (2, 2), (8, 96, 173)),
}
NORM = 5, 1e-4, 0.75, 1.0  # size, alpha, beta, k
BELOW = torch.ops.aten.threshold_backward
POOL_GRAD = torch.ops.aten.max_pool2d_with_indices_backward


def maps(place, shape, skip: int = 0):
    """Random maps with channels last, and the tensor in the same memory."""
    x = place.maps(shape, 1.0, skip)
    return x, place.tensor(x)


def pointwise(name: str):
    """relu, its gradient, a bias's gradient, both at once, or a sum; of conv1_2's maps."""

    def make(place):
        shape = (1, 4, 9, 7) if place.tiny else (1, 64, 698, 698)
        (x, tx), (y, ty) = maps(place, shape), maps(place, shape, 1)

        def both():
            gx = BELOW(tx, ty, 0)
            return gx, gx.sum((0, 2, 3))

        moved, ours, theirs = {
            "relu": (2, lambda: cuda.relu(x), lambda: F.relu(tx)),
            "relu_grad": (3, lambda: cuda.relu_grad(x, y), lambda: BELOW(tx, ty, 0)),
            "bias_grad": (1, lambda: cuda.bias_grad(x), lambda: tx.sum((0, 2, 3))),
            "relu_bias_grad": (3, lambda: cuda.relu_bias_grad(x, y), both),
            "add": (3, lambda: cuda.add(x, y), lambda: tx + ty),
        }[name]
        return 4 * moved * x.size, ours, theirs

    return make


def max_pool(window: str, backward: bool):
    """Max pooling with its argmax, one byte a number, or its gradient."""

    def make(place):
        kernel, stride, (N, C, n) = POOLS[window]
        if place.tiny:
            N, C, n = 1, 4, 10
        size = tuple(-(-(n - k) // s) + 1 for k, s in zip(kernel, stride, strict=True))
        (x, tx), (gy, tgy) = maps(place, (N, C, n, n)), maps(place, (N, C, *size), 1)
        rest = kernel, stride, NONE, ONE

        def theirs():
            return F.max_pool2d(tx, *rest, ceil_mode=True, return_indices=True)

        nbytes = 4 * x.size + 5 * gy.size
        if not backward:
            return nbytes, lambda: cuda.max_pool2d(x, *rest, size), theirs
        (_, argmax), (_, indices) = cuda.max_pool2d(x, *rest, size), theirs()
        return (
            nbytes,
            lambda: cuda.max_pool2d_grad(gy, argmax, (n, n), *rest),
            lambda: POOL_GRAD(tgy, tx, *rest, True, indices),
        )

    return make


def lrn(backward: bool):
    """Local response normalisation at the size of GoogLeNet's second, four images."""

    def make(place):
        shape = (1, 6, 4, 5) if place.tiny else (4, 192, 173, 173)
        x, tx = maps(place, shape)

        def theirs(t=tx):
            return F.local_response_norm(t, *NORM)

        if not backward:
            return 12 * x.size, lambda: cuda.local_response_norm(x, *NORM), theirs
        (gy, tgy), (y, scale) = maps(place, shape, 1), cuda.local_response_norm(x, *NORM)
        return (
            20 * x.size,
            lambda: cuda.local_response_norm_grad(gy, x, y, scale, *NORM[:3]),
            gradient(theirs, tx, tgy),
        )

    return make


def softmax(place):
    """Along the classes, eight images."""
    x, tx = maps(place, (1, 5, 6, 7) if place.tiny else (8, 21, 500, 500))
    return 8 * x.size, lambda: cuda.softmax(x, 1), lambda: F.softmax(tx, 1)


def cross_entropy(backward: bool):
    """The loss of eight images, a number a pixel, or its gradient."""

    def make(place):
        N, K, H, W = (1, 5, 6, 7) if place.tiny else (8, 21, 500, 500)
        (x, tx), labels = maps(place, (N, K, H, W)), place.labels((N, H, W), K)
        theirs = loss_of(place.tensor(labels))
        if not backward:
            return (
                4 * x.size + 16 * labels.size,
                lambda: cuda.cross_entropy(x, labels, None, 255),
                lambda: theirs(tx),
            )
        _, lse = cuda.cross_entropy(x, labels, None, 255)
        scale = place.normal((N, H, W))
        return (
            8 * x.size + 16 * labels.size,
            lambda: cuda.cross_entropy_grad(x, labels, lse, scale, 255),
            gradient(theirs, tx, place.tensor(scale)),
        )

    return make


def upsample(backward: bool):
    """By eight, as the last layer of FCN-8s does it, eight images."""

    def make(place):
        N, C, n = (1, 3, 4) if place.tiny else (8, 21, 70)
        size = 8 * n + 8, 8 * n + 8
        (x, tx), (gy, tgy) = maps(place, (N, C, n, n)), maps(place, (N, C, *size), 1)
        window, up = ((16, 16), (8, 8), NONE), upsampling(place, C)
        if backward:
            return (
                4 * (x.size + gy.size),
                lambda: cuda.upsample_bilinear_grad(gy, (n, n), *window),
                gradient(up, tx, tgy),
            )
        return (
            4 * (x.size + gy.size),
            lambda: cuda.upsample_bilinear(x, *window, size),
            lambda: up(tx),
        )

    return make


def upsample_loss(backward: bool):
    """Upsampling by eight, crop and loss in one, from the coarse scores of eight images."""

    def make(place):
        N, K, n, size, first = (1, 3, 5, 20, 3) if place.tiny else (8, 21, 70, 500, 31)
        (x, tx), labels = maps(place, (N, K, n, n)), place.labels((N, size, size), K)
        crop, up = ((16, 16), (8, 8), NONE, (first, first)), upsampling(place, K)
        loss, cut = loss_of(place.tensor(labels)), slice(first, first + size)

        def theirs(coarse=tx):
            return loss(up(coarse)[:, :, cut, cut])

        if not backward:
            return (
                4 * x.size + 16 * labels.size,
                lambda: cuda.upsample_cross_entropy(x, *crop, labels, None, 255),
                theirs,
            )
        _, lse = cuda.upsample_cross_entropy(x, *crop, labels, None, 255)
        scale = place.normal((N, size, size))
        return (
            8 * x.size + 16 * labels.size,
            lambda: cuda.upsample_cross_entropy_grad(x, *crop, labels, lse, scale, 255),
            gradient(theirs, tx, place.tensor(scale)),
        )

    return make


def sgd(place):
    """All parameters of FCN-8s / VGG-16, in place: w, v and g read, w and v written."""
    shapes = VGG_PARAMETERS
    if place.tiny:
        shapes = [[min(n, 7) for n in shape] for shape in shapes]
    rows, copies = [], []
    for i, shape in enumerate(shapes):
        w, g, v = (place.normal(shape, 0.01, 3 * i + j) for j in range(3))
        rows.append((w, g, v, 1e-6, 0.9, 5e-4))
        copies.append(torch.nn.Parameter(place.tensor(w).clone()))
        copies[-1].grad = place.tensor(g).clone()
    settings = {"lr": 1e-6, "momentum": 0.9, "weight_decay": 5e-4, "fused": True}
    solver = torch.optim.SGD(copies, **settings)
    return 20 * sum(row[0].size for row in rows), lambda: cuda.sgd_steps(rows), solver.step


def loss_of(labels):
    """PyTorch's loss for scores, a number a pixel."""
    return lambda x: F.cross_entropy(x, labels, ignore_index=255, reduction="none")


def gradient(function, x, gy):
    """A call for the gradient of a function that was recorded once."""
    x = x.detach().requires_grad_(True)
    y = function(x)
    return lambda: torch.autograd.grad(y, x, gy, retain_graph=True)


def upsampling(place, C: int):
    """Bilinear upsampling by eight, as benchmarks/torch_twin.py does it."""
    line = 1 - abs(torch.arange(16) - 7.5) / 8
    weight = torch.outer(line, line).to(place.device).expand(C, 1, 16, 16).contiguous()
    return lambda x: F.conv_transpose2d(x, weight, None, 8, groups=C)


POINTWISE = "relu", "relu_grad", "bias_grad", "relu_bias_grad", "add"
CASES = {
    **{name: pointwise(name) for name in POINTWISE},
    "max_pool2d 2x2": max_pool("2x2", False),
    "max_pool2d_grad 2x2": max_pool("2x2", True),
    "max_pool2d 3x3": max_pool("3x3", False),
    "max_pool2d_grad 3x3": max_pool("3x3", True),
    "local_response_norm": lrn(False),
    "local_response_norm_grad": lrn(True),
    "softmax": softmax,
    "cross_entropy": cross_entropy(False),
    "cross_entropy_grad": cross_entropy(True),
    "upsample_bilinear": upsample(False),
    "upsample_bilinear_grad": upsample(True),
    "upsample_cross_entropy": upsample_loss(False),
    "upsample_cross_entropy_grad": upsample_loss(True),
    "sgd_steps": sgd,
}
