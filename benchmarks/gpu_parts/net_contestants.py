"""A net of minifcn on the GPU and its PyTorch twin: forward passes and training steps of both."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..netfile import SEED, describe
from .place import set_precision, set_torch_precision

RATE, MOMENTUM, DECAY = 1e-20, 0.9, 5e-4  # so small a rate that no weight changes


@dataclass(frozen=True)
class Config:
    """A net at one size. tiny: factor on its channels, and its size, in a dry run."""

    net: str
    classes: int
    padding: str
    size: tuple[int, int]
    batch: int
    tiny: tuple[float, tuple[int, int]]

    def __str__(self) -> str:
        return f"{self.net} {self.size[0]}x{self.size[1]} batch {self.batch}"


CONFIGS = [
    Config("fcn8s-vgg16", 21, "reference", (500, 500), 1, (1 / 16, (32, 40))),
    Config("fcn8s-vgg16", 21, "reference", (500, 500), 8, (1 / 16, (32, 40))),
    Config("fcn4s-squeezenet", 12, "aligned", (360, 480), 4, (1 / 8, (32, 48))),
]


class Contestants:
    """Both nets with the same weights, on the GPU, with images and labels."""

    def __init__(self, place, config: Config, folder: Path):
        import torch

        from ..torch_twin import Twin

        self.place, self.config = place, config
        net, batch = self._seeded(), min(config.batch, 2) if place.tiny else config.batch
        folder = Path(folder) / "nets" / f"{config.net}-{'tiny' if place.tiny else 'whole'}"
        folder.mkdir(parents=True, exist_ok=True)
        np.savez(folder / "weights.npz", **net.state_dict())
        (folder / "net.json").write_text(json.dumps(describe(net)))
        self.net = net.to(place.backend)
        self.twin = Twin(folder).eval().to(place.device, memory_format=torch.channels_last)
        H, W = config.tiny[1] if place.tiny else config.size
        rng = np.random.default_rng(5)
        images = rng.uniform(-120, 130, (batch, H, W, 3)).astype(np.float32)
        self.images = place.module.asarray(images).transpose(0, 3, 1, 2)
        self.labels = place.labels((batch, H, W), config.classes)
        self.their_images = place.tensor(self.images)
        self.their_labels = place.tensor(self.labels)

    def _seeded(self):
        """The net in evaluation mode, with random weights where it would start with zeros."""
        import minifcn as mf

        mf.manual_seed(SEED)
        width, padding = 1.0, self.config.padding
        if self.place.tiny:
            width, padding = self.config.tiny[0], "aligned"
        net = mf.models.build(self.config.net, self.config.classes, padding=padding, width=width)
        rng = np.random.default_rng(SEED)
        for _, p in net.named_parameters():
            if not p.data.any():
                scale = np.sqrt(2 / np.prod(p.shape[1:])) if len(p.shape) > 1 else 0.1
                p.data = rng.standard_normal(p.shape, np.float32) * np.float32(scale)
        return net.eval()

    def train(self, mode: bool) -> None:
        """With dropout, or without."""
        self.net.train(mode)
        self.twin.train(mode)

    # -- ours ---------------------------------------------------------------------------------

    def forward(self, product: str):
        """A function of images, which gives the scores. product: see place.PRODUCTS."""
        import minifcn as mf

        def run(images):
            set_precision(product)
            with mf.no_grad():
                return self.net(mf.Tensor.of(images)).data

        return run

    def gradients(self):
        """A function of images and labels, tensor and array, that leaves the gradients of all
        parameters and gives the loss."""
        from minifcn.train import pixel_loss

        def run(images, labels):
            self.net.zero_grad()
            loss = pixel_loss(self.net, images, labels, reduction="sum")
            loss.backward()
            return loss

        return run

    def recorded_gradients(self):
        """The same as the library records it; ``nbytes`` of ``_replays`` is what that holds."""
        from minifcn.train.gradients import Gradients

        return Gradients(self.net, recorded=True, reduction="sum")

    def step(self, product: str, gradients):
        """A function of images and labels: forward, summed loss, backward, momentum SGD; gives the
        loss."""
        import minifcn as mf
        from minifcn.train import Solver

        solver = Solver(self.net, lr=RATE, momentum=MOMENTUM, weight_decay=DECAY)

        def run(images, labels):
            set_precision(product)
            loss = gradients(mf.Tensor.of(images), labels)
            solver.step()
            return loss.data

        return run

    # -- PyTorch's ----------------------------------------------------------------------------

    def their_forward(self, precision: str, net=None):
        """A function of nothing, which gives the scores."""
        import torch

        net = net or self.twin

        def run():
            set_torch_precision(precision)
            with torch.no_grad():
                return net(self.their_images)

        return run

    def their_step(self, precision: str, loss=None):
        """A function of nothing: a training step; gives the loss."""
        import torch

        groups, loss = {}, loss or self.their_loss
        for parameter, factors in self.twin.rates.items():
            groups.setdefault(factors, []).append(parameter)
        solver = torch.optim.SGD(
            [
                {"params": parameters, "lr": RATE * rate, "weight_decay": DECAY * decay}
                for (rate, decay), parameters in groups.items()
            ],
            **{"lr": RATE, "momentum": MOMENTUM, "fused": True},
        )

        def run():
            set_torch_precision(precision)
            solver.zero_grad(set_to_none=True)
            total = loss(self.their_images, self.their_labels)
            total.backward()
            solver.step()
            return total.detach()

        return run

    def their_loss(self, images, labels):
        """The summed loss."""
        import torch.nn.functional as F

        return F.cross_entropy(self.twin(images), labels, ignore_index=255, reduction="sum")


def unattended(run):
    """``run`` as it has to be to be recorded whole: nobody looks at numbers on the way."""
    from minifcn.autograd import mode

    def recordable(*arrays):
        with mode.unattended():
            return run(*arrays)

    return recordable
