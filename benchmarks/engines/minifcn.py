"""minifcn's turns."""

from pathlib import Path

import numpy as np

import minifcn as mf
from minifcn.train import pixel_loss

from ..netfile import seeded


class Forward:
    """One net, evaluation mode, no gradients."""

    def __init__(self, case: str, net: str, classes: int, padding: str, threads: int):
        self.about = begin(threads)
        self.net = seeded(net, classes, padding)
        self.image = mf.Tensor(np.load(Path(case) / "input.npy"))

    def run(self):
        with mf.no_grad():
            self.scores = self.net(self.image)

    def result(self):
        return {"score": self.scores.data}


class TrainingStep:
    """Forward, summed loss, backward, momentum SGD.

    The first step runs without dropout, whose masks nobody shares: its loss and gradients are the
    result that is compared.
    """

    def __init__(self, case: str, net: str, classes: int, padding: str, threads: int):
        self.about = begin(threads)
        self.net = seeded(net, classes, padding)
        self.image = mf.Tensor(np.load(Path(case) / "input.npy"))
        self.labels = np.load(Path(case) / "labels.npy")
        self.solver = mf.train.Solver(self.net, lr=1e-10, momentum=0.9, weight_decay=5e-4)
        loss = self._backward()
        self.first = {"loss": np.array([float(loss.data)])}
        for name, parameter in self.net.named_parameters():
            if parameter.grad is not None and parameter.size < 2**22:  # fc6 would be 411 MB
                self.first[name] = np.array(parameter.grad)
        self.net.train()

    def _backward(self):
        self.solver.zero_grad()
        loss = pixel_loss(self.net, self.image, self.labels, reduction="sum")
        loss.backward()
        return loss

    def run(self):
        self._backward()
        self.solver.step()

    def result(self):
        return self.first


def begin(threads: int) -> dict:
    """Set the threads; what is to be said about this engine."""
    mf.set_num_threads(threads)
    backend = mf.backends.current_backend()
    return {"version": mf.__version__, "threads": threads, "backend": backend}
