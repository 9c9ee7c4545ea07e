"""minifcn's side of ``layers`` and ``operations``: one kernel or operation at a time."""

import numpy as np

import minifcn as mf
import minifcn.functions as F
from minifcn.backends import kernels_for

from ..arrays import normal, sample, whole
from .minifcn import begin


class Convolution:
    """One of the three kernels of a convolution, called directly.

    Maps lie in memory as the kernel itself returns them; in a net they come from there.
    """

    def __init__(self, direction, C, K, size, kernel, stride, padding, groups, batch, threads):
        self.about = begin(threads)
        x = normal("x", (batch, C, size, size))
        w = normal("w", (K, C // groups, kernel, kernel), (2 * groups / (C * kernel**2)) ** 0.5)
        b = normal("b", (K,))
        kernels = kernels_for(x)
        window = (stride,) * 2, (padding,) * 2, (1, 1), groups
        y = kernels.conv2d(x, w, b, *window)
        x, gy = as_laid_out(x, y), as_laid_out(normal("gy", y.shape), y)
        self.call = {
            "forward": lambda: kernels.conv2d(x, w, b, *window),
            "grad input": lambda: kernels.conv2d_grad_input(gy, w, (size, size), *window),
            "grad weight": lambda: kernels.conv2d_grad_weight(gy, x, (kernel, kernel), *window),
        }[direction]

    def run(self):
        self.output = self.call()

    def result(self):
        return {"output": sample(self.output)}


class Operation:
    """One operation of ``mf.functions``, forward (nothing recorded) or backward (recorded once,
    the gradient taken again and again)."""

    def __init__(self, op: str, direction: str, case: dict, threads: int):
        self.about, self.random = begin(threads), op == "dropout"
        if op in ACTIONS:
            self.call = ACTIONS[op](case)
            return
        function, inputs = OPERATIONS[op](case)
        if direction == "forward":
            self.call = lambda: _unrecorded(function, inputs)
            return
        for x in inputs:
            x.requires_grad = True
        y = function(*inputs)
        gy = normal("gy", y.shape)
        gy = as_laid_out(gy, y.data) if gy.ndim == 4 else gy

        # The operation's own backward: what the engine adds to a leaf is no part of it
        self.call = lambda: y.function.backward(gy)

    def run(self):
        self.output = self.call()

    def result(self):
        output = self.call()
        if self.random or output is None:
            return {}
        parts = output if isinstance(output, tuple) else (output,)
        return {"output": sample(np.concatenate([sample(p) for p in parts if p is not None]))}


def _unrecorded(function, inputs):
    with mf.no_grad():
        return function(*inputs).data


def as_laid_out(array, like):
    """The array with channels last in memory if ``like`` has them there."""
    if like.ndim == 4 and not like.flags.c_contiguous:
        array = np.ascontiguousarray(array.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    return array


def _map(shape, name: str = "x", maker: str = "conv2d") -> mf.Tensor:
    """A map as a convolution (or upsampling) would have left it in memory."""
    x = normal(name, shape)
    probe = np.zeros((1, 16, 8, 8), np.float32)
    if maker == "conv2d":
        weight = np.zeros((16, 16, 3, 3), np.float32)
        like = kernels_for(x).conv2d(probe, weight, None, (1, 1), (1, 1), (1, 1), 1)
    else:
        like = F.upsample_bilinear(probe, 2).data
    return mf.Tensor(as_laid_out(x, like))


def _pooling(function):
    def make(case):
        window = case["kernel"], case["stride"], case["padding"], 1, True
        return lambda x: function(x, *window), [_map(case["shape"])]

    return make


def _loss(case):
    N, _, H, W = case["shape"]
    labels = whole("labels", (N, H, W), case["shape"][1], ignored=0.1)
    return (
        lambda x: F.cross_entropy(x, labels, reduction="sum"),
        [_map(case["shape"], maker="upsample")],
    )


OPERATIONS = {
    "relu": lambda case: (F.relu, [_map(case["shape"])]),
    "max pool": _pooling(F.max_pool2d),
    "average pool": _pooling(F.avg_pool2d),
    "lrn": lambda case: (
        lambda x: F.local_response_norm(x, case["size"]),
        [_map(case["shape"])],
    ),
    "cross entropy": _loss,
    "softmax": lambda case: (F.softmax, [_map(case["shape"], maker="upsample")]),
    "upsample": lambda case: (
        lambda x: F.upsample_bilinear(x, case["factor"], 2 * case["factor"], 0),
        [_map(case["shape"])],
    ),
    "dropout": lambda case: (lambda x: F.dropout(x, 0.5), [_map(case["shape"])]),
    "cat": lambda case: (
        lambda *xs: F.cat(xs),
        [_map(shape, f"x{i}") for i, shape in enumerate(case["shapes"])],
    ),
    "crop": lambda case: (
        lambda x: F.crop(x, case["offset"], case["size"]),
        [_map(case["shape"], maker="upsample")],
    ),
    "add": lambda case: (lambda a, b: a + b, [_map(case["shape"], "a"), _map(case["shape"], "b")]),
    "scale": lambda case: (lambda x: x * 0.01, [_map(case["shape"])]),
    "linear": lambda case: (
        F.linear,
        [
            mf.Tensor(normal("x", (case["N"], case["I"]))),
            mf.Tensor(normal("w", (case["O"], case["I"]), case["I"] ** -0.5)),
            mf.Tensor(normal("b", (case["O"],))),
        ],
    ),
    "matmul": lambda case: (
        lambda a, b: a @ b,
        [mf.Tensor(normal(name, (case["n"],) * 2, case["n"] ** -0.25)) for name in "ab"],
    ),
}


def _sgd(case):
    net = mf.nn.Module()
    for i, shape in enumerate(case["shapes"]):
        parameter = mf.nn.Parameter(np.ones(shape, np.float32), rate=1 + (len(shape) == 1))
        parameter.grad = np.full(shape, 1e-3, np.float32)
        setattr(net, f"p{i}", parameter)
    solver = mf.train.Solver(net, lr=1e-6, momentum=0.9, weight_decay=5e-4)
    return solver.step


def _argmax(case):
    x = _map(case["shape"], maker="upsample").data
    return lambda: F.argmax_classes(x)


def _confusion(case):
    shape, K = case["shape"], case["classes"]
    labels, predictions = whole("labels", shape, K, ignored=0.1), whole("predicted", shape, K)
    kernels = kernels_for(labels)
    predictions = predictions.astype(np.int64)
    return lambda: kernels.confusion_counts(labels, predictions, K, 255)


ACTIONS = {"sgd": _sgd, "argmax": _argmax, "confusion": _confusion}
