"""Arguments for a call of every kernel of the table: random, not square, with awkward sizes.

``calls(rng, reference)`` yields (kernel, note, arguments, settings) with NumPy's arrays: float64
for numbers, whatever the kernel takes for labels and masks. What a gradient needs of its forward
pass is made by the reference.
"""

import numpy as np
from minifcn.kernels.shapes import conv_size, pool_size

ONE, NONE = (1, 1), (0, 0)

# x, w, stride, padding, dilation, groups: 16-byte copies, single ones, sums in parts, many blocks,
# groups, an image, depthwise
CONVOLUTIONS = {
    "vectors": ((2, 20, 13, 17), (24, 20, 3, 2), (2, 1), (1, 2), (1, 2), 1),
    "scalars": ((2, 17, 13, 17), (131, 17, 1, 3), (1, 2), (0, 2), (2, 1), 1),
    "deep": ((1, 132, 9, 11), (140, 132, 3, 3), ONE, ONE, ONE, 1),
    "large": ((1, 36, 97, 93), (132, 36, 3, 3), ONE, ONE, ONE, 1),
    "groups": ((2, 40, 13, 17), (24, 20, 3, 3), (2, 1), (2, 1), (2, 1), 2),
    "image": ((2, 3, 19, 23), (18, 3, 5, 4), (3, 2), (2, 1), ONE, 1),
    "depthwise": ((2, 18, 13, 17), (18, 1, 3, 2), (2, 1), (1, 0), ONE, 18),
}
MAPS = (2, 19, 13, 17)
UPSAMPLE = (6, 4), (3, 2), (1, 1)  # kernel size, stride, padding


def calls(rng, reference):
    """All of them; gradients with what the reference says of their forward pass."""

    def normal(*shape):
        return rng.standard_normal(shape)

    for note, (shape, weights, *window, groups) in CONVOLUTIONS.items():
        x, w, b = normal(*shape), normal(*weights), normal(weights[0])
        axes = zip(shape[2:], weights[2:], *window, strict=True)
        gy = normal(shape[0], weights[0], *(conv_size(*axis) for axis in axes))
        yield "conv2d", note, (x, w, b, *window, groups), {"relu": note == "deep"}
        yield "conv2d_grad_input", note, (gy, w, shape[2:], *window, groups), {}
        yield "conv2d_grad_weight", note, (gy, x, weights[2:], *window, groups), {}
    yield "matmul", "plain", (normal(37, 53), normal(53, 29)), {}
    yield "matmul", "stack", (normal(3, 1, 37, 53), normal(2, 53, 29)), {}
    yield from _pools(normal, reference)
    yield from _pointwise(rng, normal)
    yield from _channels(normal, reference)
    yield from _losses(rng, normal, reference)
    yield from _solvers(normal)


def _pools(normal, reference):
    window = (3, 2), (2, 2), (1, 1), ONE
    axes = list(zip(MAPS[2:], *window, strict=True))
    size = tuple(pool_size(*axis, True) for axis in axes)
    x, gy = normal(*MAPS), normal(*MAPS[:2], *size)
    yield "max_pool2d", "", (x, *window, size), {}
    _, argmax = reference.max_pool2d(x, *window, size)
    yield "max_pool2d_grad", "", (gy, argmax, MAPS[2:], *window), {}
    yield "avg_pool2d", "", (x, *window, size), {}
    yield "avg_pool2d_grad", "", (gy, MAPS[2:], *window), {}


def _pointwise(rng, normal):
    x, y = normal(*MAPS), normal(*MAPS)
    yield "relu", "", (x,), {}
    yield "relu_grad", "", (x, y), {}
    yield "bias_grad", "", (x,), {}
    yield "relu_bias_grad", "", (x, y), {}
    yield "add", "", (x, y), {}
    yield "add_", "", (x, y), {}
    yield "scale", "", (x, 0.01), {}
    yield "dropout", "", (x, rng.random(MAPS) < 0.5, 2.0), {}
    yield "cat", "", ([x, normal(2, 5, *MAPS[2:])], 1), {}


def _channels(normal, reference):
    x, gy = normal(*MAPS), normal(*MAPS)
    for name in ("softmax", "log_softmax"):
        yield name, "", (x, 1), {}
        yield f"{name}_grad", "", (gy, getattr(reference, name)(x, 1), 1), {}
    y, scale = reference.local_response_norm(x, 5, 1e-2, 0.75, 1.0)
    yield "local_response_norm", "", (x, 5, 1e-2, 0.75, 1.0), {}
    yield "local_response_norm_grad", "", (gy, x, y, scale, 5, 1e-2, 0.75), {}
    yield "upsample_bilinear", "", (x, *UPSAMPLE, (40, 34)), {}
    yield "upsample_bilinear_grad", "", (normal(*MAPS[:2], 40, 34), MAPS[2:], *UPSAMPLE), {}


def _losses(rng, normal, reference):
    (N, K, H, W), x = MAPS, normal(*MAPS)
    labels = rng.integers(0, K, (N, H, W))
    labels[rng.random(labels.shape) < 0.2] = 255
    weight, scale = rng.random(K) + 0.5, normal(N, H, W)
    yield "cross_entropy", "weights", (x, labels, weight, 255), {}
    _, lse = reference.cross_entropy(x, labels, weight, 255)
    yield "cross_entropy_grad", "", (x, labels, lse, scale, 255), {}
    yield "argmax_classes", "", (x,), {}
    crop, size = (*UPSAMPLE, (2, 1)), (36, 31)
    labels = rng.integers(0, K, (N, *size)).astype(np.uint8)
    labels[rng.random(labels.shape) < 0.2] = 255
    yield "upsample_cross_entropy", "", (x, *crop, labels, None, 255), {}
    _, lse = reference.upsample_cross_entropy(x, *crop, labels, None, 255)
    scale = normal(N, *size)
    yield "upsample_cross_entropy_grad", "", (x, *crop, labels, lse, scale, 255), {}
    yield "argmax_upsampled", "", (x, *crop, size), {}
    truth, guess = rng.integers(0, K, (2, 5000))
    truth[rng.random(5000) < 0.2] = 255
    yield "confusion_counts", "", (truth.astype(np.uint8), guess, K, 255), {}


def _solvers(normal):
    shapes = [(24, 20, 3, 2), (37,), (1,)]
    sgd = [(normal(*s), normal(*s), normal(*s), 0.01, 0.9, 5e-4) for s in shapes]
    yield "sgd_step", "", sgd[0], {}
    yield "sgd_steps", "", (sgd,), {}
    numbers = 1e-3, 0.9, 0.999, 1e-8, 1e-4, 3
    adam = [(normal(*s), normal(*s), 0.1 * normal(*s), normal(*s) ** 2, *numbers) for s in shapes]
    yield "adamw_step", "", adam[0], {}
    yield "adamw_steps", "", (adam,), {}
