"""PyTorch's turns: eager in either layout, or compiled."""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from ..torch_twin import Twin

FORMATS = {"nchw": torch.contiguous_format, "channels-last": torch.channels_last}


class Forward:
    """The twin of one net, evaluation mode, no gradients."""

    def __init__(self, case: str, threads: int, layout: str, compiled: bool = False):
        self.about = begin(threads, layout, compiled)
        self.image = torch.from_numpy(np.load(Path(case) / "input.npy"))
        self.image = self.image.to(memory_format=FORMATS[layout])
        self.net = Twin(Path(case).parent).eval().to(memory_format=FORMATS[layout])
        for parameter in self.net.parameters():
            parameter.requires_grad_(False)
        if compiled:
            import torch._inductor.config as inductor

            inductor.freezing = True  # folds and rearranges the weights once
            self.net = torch.compile(self.net, dynamic=False)

    def run(self):
        with torch.no_grad():
            self.scores = self.net(self.image)

    def result(self):
        return {"score": self.scores.numpy()}


class TrainingStep:
    """Forward, summed loss, backward, momentum SGD in its fused form; see engines/minifcn.py."""

    def __init__(self, case: str, threads: int, layout: str, compiled: bool = False):
        self.about = begin(threads, layout, compiled)
        self.image = torch.from_numpy(np.load(Path(case) / "input.npy"))
        self.image = self.image.to(memory_format=FORMATS[layout])
        self.labels = torch.from_numpy(np.load(Path(case) / "labels.npy").astype(np.int64))
        self.net = Twin(Path(case).parent).eval().to(memory_format=FORMATS[layout])
        groups = {}
        for parameter, factors in self.net.rates.items():
            groups.setdefault(factors, []).append(parameter)
        self.solver = torch.optim.SGD(
            [
                {"params": parameters, "lr": 1e-10 * rate, "weight_decay": 5e-4 * decay}
                for (rate, decay), parameters in groups.items()
            ],
            **{"lr": 1e-10, "momentum": 0.9, "fused": True},
        )
        self.loss = torch.compile(self._loss, dynamic=False) if compiled else self._loss
        self.first = {"loss": np.array([self._backward().item()])}
        for name, parameter in self.net.named_weights().items():
            if parameter.grad is not None and parameter.numel() < 2**22:
                self.first[name] = parameter.grad.numpy().copy()
        self.net.train()

    def _loss(self, image, labels):
        return F.cross_entropy(self.net(image), labels, ignore_index=255, reduction="sum")

    def _backward(self):
        self.solver.zero_grad(set_to_none=True)
        loss = self.loss(self.image, self.labels)
        loss.backward()
        return loss.detach()

    def run(self):
        self._backward()
        self.solver.step()

    def result(self):
        return self.first


def begin(threads: int, layout: str = "", compiled: bool = False) -> dict:
    """Set the threads; what is to be said about this engine."""
    torch.set_num_threads(threads)
    about = {"version": torch.__version__, "threads": torch.get_num_threads()}
    return {**about, "layout": layout, "compiled": compiled}
