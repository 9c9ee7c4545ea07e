"""PyTorch's side of ``layers`` and ``operations``; see engines/minifcn_operations.py."""

import numpy as np
import torch
import torch.nn.functional as F

from ..arrays import normal, sample, whole
from .pytorch import FORMATS, begin


class Convolution:
    """One of the three operators of a convolution, in one layout."""

    def __init__(
        self, direction, C, K, size, kernel, stride, padding, groups, batch, threads, layout
    ):
        self.about = begin(threads, layout)
        x = normal("x", (batch, C, size, size))
        w = normal("w", (K, C // groups, kernel, kernel), (2 * groups / (C * kernel**2)) ** 0.5)
        x, w = (torch.from_numpy(a).to(memory_format=FORMATS[layout]) for a in (x, w))
        b = torch.from_numpy(normal("b", (K,)))
        with torch.no_grad():
            shape = F.conv2d(x, w, b, stride, padding, 1, groups).shape
        gy = torch.from_numpy(normal("gy", shape)).to(memory_format=FORMATS[layout])
        window = [stride] * 2, [padding] * 2, [1, 1], False, [0, 0], groups
        backward = torch.ops.aten.convolution_backward
        self.call = {
            "forward": lambda: F.conv2d(x, w, b, stride, padding, 1, groups),
            "grad input": lambda: backward(gy, x, w, None, *window, [True, False, False])[0],
            "grad weight": lambda: backward(gy, x, w, None, *window, [False, True, False])[1],
        }[direction]

    def run(self):
        with torch.no_grad():
            self.output = self.call()

    def result(self):
        return {"output": sample(self.output.numpy())}


class Operation:
    """One operation, forward (nothing recorded) or backward (recorded once)."""

    def __init__(self, op: str, direction: str, case: dict, threads: int, layout: str):
        self.about, self.random = begin(threads, layout), op == "dropout"
        self.memory = FORMATS[layout]
        if op in ACTIONS:
            self.call = ACTIONS[op](case, self.memory)
            return
        function, inputs = OPERATIONS[op](case, self.memory)
        if direction == "forward":
            self.call = lambda: _unrecorded(function, inputs)
            return
        for x in inputs:
            x.requires_grad_(True)
        y = function(*inputs)
        gy = torch.from_numpy(normal("gy", y.shape))
        gy = gy.to(memory_format=self.memory) if gy.ndim == 4 else gy
        self.call = lambda: torch.autograd.grad(y, inputs, gy, retain_graph=True)

    def run(self):
        self.output = self.call()

    def result(self):
        output = self.call()
        if self.random or output is None:
            return {}
        parts = output if isinstance(output, tuple) else (output,)
        return {"output": sample(np.concatenate([sample(p.numpy()) for p in parts]))}


def _unrecorded(function, inputs):
    with torch.no_grad():
        return function(*inputs)


def _map(shape, memory, name: str = "x") -> torch.Tensor:
    return torch.from_numpy(normal(name, shape)).to(memory_format=memory)


def _pooling(function):
    def make(case, memory):
        window = case["kernel"], case["stride"], case["padding"]
        return lambda x: function(x, *window, ceil_mode=True), [_map(case["shape"], memory)]

    return make


def _loss(case, memory):
    N, K, H, W = case["shape"]
    labels = torch.from_numpy(whole("labels", (N, H, W), K, ignored=0.1).astype(np.int64))
    return (
        lambda x: F.cross_entropy(x, labels, ignore_index=255, reduction="sum"),
        [_map(case["shape"], memory)],
    )


def _upsample(case, memory):
    f, C = case["factor"], case["shape"][1]
    line = 1 - np.abs(np.arange(2 * f) - (f - 0.5)) / f
    filter_ = torch.from_numpy(np.outer(line, line).astype(np.float32))
    weight = filter_.expand(C, 1, 2 * f, 2 * f).contiguous(memory_format=memory)
    return (
        lambda x: F.conv_transpose2d(x, weight, None, f, groups=C),
        [_map(case["shape"], memory)],
    )


def _crop(case, memory):
    (top, left), (H, W) = case["offset"], case["size"]
    return lambda x: x[:, :, top : top + H, left : left + W], [_map(case["shape"], memory)]


OPERATIONS = {
    "relu": lambda case, memory: (F.relu, [_map(case["shape"], memory)]),
    "max pool": _pooling(F.max_pool2d),
    "average pool": _pooling(F.avg_pool2d),
    "lrn": lambda case, memory: (
        lambda x: F.local_response_norm(x, case["size"]),
        [_map(case["shape"], memory)],
    ),
    "cross entropy": _loss,
    "softmax": lambda case, memory: (
        lambda x: F.softmax(x, dim=1),
        [_map(case["shape"], memory)],
    ),
    "upsample": _upsample,
    "dropout": lambda case, memory: (lambda x: F.dropout(x, 0.5), [_map(case["shape"], memory)]),
    "cat": lambda case, memory: (
        lambda *xs: torch.cat(xs, 1),
        [_map(shape, memory, f"x{i}") for i, shape in enumerate(case["shapes"])],
    ),
    "crop": _crop,
    "add": lambda case, memory: (
        torch.add,
        [_map(case["shape"], memory, "a"), _map(case["shape"], memory, "b")],
    ),
    "scale": lambda case, memory: (lambda x: x * 0.01, [_map(case["shape"], memory)]),
    "linear": lambda case, memory: (
        F.linear,
        [
            torch.from_numpy(normal("x", (case["N"], case["I"]))),
            torch.from_numpy(normal("w", (case["O"], case["I"]), case["I"] ** -0.5)),
            torch.from_numpy(normal("b", (case["O"],))),
        ],
    ),
    "matmul": lambda case, memory: (
        torch.matmul,
        [torch.from_numpy(normal(n, (case["n"],) * 2, case["n"] ** -0.25)) for n in "ab"],
    ),
}


def _sgd(case, memory):
    """The two fast forms of the optimiser stand in for the two layouts: foreach, then fused."""
    form = "fused" if memory is torch.channels_last else "foreach"
    groups = {1.0: [], 2.0: []}
    for shape in case["shapes"]:
        parameter = torch.nn.Parameter(torch.ones(shape))
        parameter.grad = torch.full(shape, 1e-3)
        groups[1.0 + (len(shape) == 1)].append(parameter)
    solver = torch.optim.SGD(
        [{"params": p, "lr": 1e-6 * rate} for rate, p in groups.items()],
        **{"lr": 1e-6, "momentum": 0.9, "weight_decay": 5e-4, form: True},
    )
    return solver.step


def _argmax(case, memory):
    x = _map(case["shape"], memory)
    return lambda: x.argmax(dim=1)


def _confusion(case, memory):
    shape, K = case["shape"], case["classes"]
    labels = torch.from_numpy(whole("labels", shape, K, ignored=0.1).astype(np.int64))
    predictions = torch.from_numpy(whole("predicted", shape, K).astype(np.int64))

    def count():
        valid = labels != 255
        pairs = labels[valid] * K + predictions[valid]
        return torch.bincount(pairs, minlength=K * K).reshape(K, K)

    return count


ACTIONS = {"sgd": _sgd, "argmax": _argmax, "confusion": _confusion}
