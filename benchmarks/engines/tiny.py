"""Chains of scalar additions, recorded and run backward, in three engines."""

import sys

import numpy as np


class Chain:
    """y = x + x + ... + x: as many additions as asked for. dy/dx is their number plus one."""

    def __init__(self, engine: str, additions: int):
        make, self.backward = ENGINES[engine]()
        self.x = make(np.zeros((), np.float32))
        self.additions = additions
        self.about = {"version": self.version, "threads": 1}

    version = property(lambda self: _version(type(self.x).__module__.split(".")[0]))

    def run(self):
        x = y = self.x
        x.grad = None
        for _ in range(self.additions):
            y = y + x
        self.backward(y)

    def result(self):
        grad = self.x.grad
        return {"grad": np.asarray(grad.numpy() if hasattr(grad, "numpy") else grad)[None]}


def _minifcn():
    import minifcn as mf

    return (lambda a: mf.Tensor(a, requires_grad=True)), (lambda y: y.backward())


def _pytorch():
    import torch

    torch.set_num_threads(1)
    return (lambda a: torch.tensor(a, requires_grad=True)), (lambda y: y.backward())


def _dezero():
    from .dezero_style import Variable

    # A chain of a million objects is also taken apart by recursion
    sys.setrecursionlimit(10**4)
    return Variable, (lambda y: y.backward())


def _version(module: str) -> str:
    return getattr(sys.modules[module], "__version__", "")


ENGINES = {"minifcn": _minifcn, "pytorch": _pytorch, "dezero-style": _dezero}
