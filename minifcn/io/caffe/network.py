"""A definition (.prototxt) as a network that runs: the authors' nets as they stand."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ... import functions as F
from ... import geometry, nn
from ...autograd import Tensor, shapes_only
from ..kinds import WeightsError
from .definition import Layer, Source, read_definition
from .layers import KINDS, Unsupported

IDLE = ("Silence", "Accuracy")  # layers that compute nothing for others
REDUCTIONS = {1: "mean", 2: "batch", 3: "sum"}  # Caffe's VALID, BATCH_SIZE, NONE
SEVERAL = {"Concat": None, "Eltwise": None, "Crop": 2}  # kinds with other than one bottom


@dataclass
class Loss:
    """A SoftmaxWithLoss: which output it takes, and how (see ``functions.cross_entropy``)."""

    scores: int
    label: str
    weight: float
    ignore_index: int
    reduction: str


@dataclass
class Definition:
    """A definition, built.

    net: its input is all images side by side along the channels, in the order of ``inputs`` (name
    -> number of channels); its outputs are the blobs that nothing reads, by ``outputs``. losses:
    what a training definition minimises.
    """

    name: str
    net: nn.Net
    inputs: dict[str, int]
    outputs: list[str]
    losses: list[Loss]

    def loss(self, images, labels: Mapping[str, np.ndarray]) -> Tensor:
        """The weighted sum of all losses. images (N, C, H, W); labels: name -> (N, H, W)."""
        if not self.losses:
            raise ValueError(f"{self.name}: the definition has no loss")
        found = self.net(images)
        found = found if isinstance(found, tuple) else (found,)
        terms = [
            F.cross_entropy(
                found[loss.scores], labels[loss.label], None, loss.ignore_index, loss.reduction
            ) * loss.weight
            for loss in self.losses
        ]  # fmt: skip
        return sum(terms[1:], start=terms[0])


def load_definition(
    path: str | os.PathLike, phase: str = "TEST", channels: Mapping[str, int] | None = None
) -> Definition:
    """Build the net of a .prototxt, with first values as its fillers say (zeros without one).

    phase: "TEST" or "TRAIN". channels: of images of which the definition does not tell it (Python
    layers, say); 3 where nobody does. A crop keeps its stated offset; without one it is derived.

    Raises WeightsError, naming the file: for a text that is no definition; for a blob that nobody
    writes; for layers or settings that have no counterpart here, all of them in one error.
    """
    path = os.fspath(path)
    name, sources, layers = read_definition(path, phase)
    try:
        return _Builder(name, sources, layers, dict(channels or {})).built()
    except Unsupported as error:
        raise WeightsError(f"{path}: {error}") from error


class _Builder:
    """Adds layer by layer to a net, and knows of every blob which layer wrote it last."""

    def __init__(self, name: str, sources: list[Source], layers: list[Layer], channels: dict):
        self.name, self.layers = name, layers
        self.problems, self.losses = [], []
        read = {blob for layer in layers if layer.kind not in IDLE for blob in _images(layer)}
        images = [source for source in sources if source.name in read]
        self.inputs = {source.name: _channels(source, channels) for source in images}
        if not images:
            raise Unsupported("no layer reads any of the inputs")
        self.size = next((s.shape[2:] for s in images if s.shape and len(s.shape) == 4), None)
        total = sum(self.inputs.values())
        self.net = nn.Net((total, None, None))
        self.writer = {}  # blob -> the layer of ours that makes it
        self.shapes = {"data": (1, total, *(self.size or geometry.TRACE_SIZE))}
        self._add_inputs()

    def _add_inputs(self) -> None:
        first = 0
        for name, channels in self.inputs.items():
            self.writer[name] = "data"
            if len(self.inputs) > 1:
                part = nn.Channels(first, first + channels)
                self.writer[name] = self.net.add(name, part, "data")
                self._trace(name, ["data"])
            first += channels

    def built(self) -> Definition:
        """The net. Raises Unsupported with all that is missing."""
        for layer in self.layers:
            try:
                self._add(layer)
            except (ValueError, OverflowError) as error:  # Unsupported is one
                self.problems.append(f"{layer.name!r} ({layer.kind}): {error}")
                for top in layer.tops:  # what follows is not to blame
                    self.writer[top] = None
        if self.problems:
            raise Unsupported(
                f"cannot build {len(self.problems)} of {len(self.layers)} layers: "
                + "; ".join(self.problems)
            )
        return self._finished()

    def _add(self, layer: Layer) -> None:
        if layer.kind in IDLE:
            return
        bottoms = _images(layer)
        for blob in bottoms:
            if blob not in self.writer:
                raise Unsupported(f"reads {blob!r}, which nothing before it writes")
        if layer.kind not in (*KINDS, "Split", "SoftmaxWithLoss"):
            raise Unsupported("there is no such layer here")
        if layer.kind == "InnerProduct" and self.size is None:
            raise Unsupported("the definition does not say how large the images are")
        writers = [self.writer[blob] for blob in bottoms]
        if None in writers:
            self.writer |= dict.fromkeys(layer.tops)
        elif layer.kind == "Split":
            self.writer |= dict.fromkeys(layer.tops, writers[0])
        elif layer.kind == "SoftmaxWithLoss":
            self._add_loss(layer)
        else:
            _check_arity(layer)
            made = KINDS[layer.kind](layer, [self.shapes[writer] for writer in writers])
            if isinstance(made, nn.Linear) and len(self.shapes[writers[0]]) == 4:
                flat = f"{layer.name}_flatten"  # Caffe does it in silence
                writers = [self.net.add(flat, nn.Flatten(), *writers)]
                self._trace(flat, [self.net.reads[flat][0]])
            self.net.add(layer.name, made, *writers)
            self._trace(layer.name, writers)
            self.writer[layer.tops[0]] = layer.name

    def _trace(self, name: str, writers: list[str]) -> None:
        """Note the shape of a new layer's output."""
        shapes = [self.shapes[writer] for writer in writers]
        if isinstance(self.net[name], nn.Crop):
            self.shapes[name] = (*shapes[0][:2], *shapes[1][2:])
            return
        maps = [Tensor.of(np.broadcast_to(np.float32(0), shape)) for shape in shapes]
        with shapes_only():
            self.shapes[name] = self.net[name](*maps).shape

    def _add_loss(self, layer: Layer) -> None:
        p = layer.message.loss_param
        mode = p.normalization
        if not p.HasField("normalization") and p.HasField("normalize"):
            mode = 1 if p.normalize else 2
        if mode not in REDUCTIONS:
            raise Unsupported("normalisation over ignored pixels, too (FULL)")
        ignored = p.ignore_label if p.HasField("ignore_label") else -1
        weight = layer.message.loss_weight[0] if layer.message.loss_weight else 1.0
        blob, label = layer.bottoms[0], layer.bottoms[1]
        self.losses.append((blob, label, weight, ignored, REDUCTIONS[mode]))

    def _finished(self) -> Definition:
        unread = self._unread()
        if not unread:
            raise Unsupported("the net has no output")
        outputs = [self.writer[blob] for blob in unread]
        self.net.outputs = tuple(outputs) if outputs != [self.net.tail] else ()
        fixed = any(isinstance(self.net[name], nn.Linear) for name in self.net.reads)
        if fixed and self.size:
            self.net.input_shape = (self.net.input_shape[0], *self.size)
        if any(getattr(self.net[name], "offset", 0) is None for name in self.net.reads):
            geometry.trace(self.net, self.size or geometry.TRACE_SIZE)
        losses = [Loss(unread.index(blob), *rest) for blob, *rest in self.losses]
        return Definition(self.name, self.net, self.inputs, unread, losses)

    def _unread(self) -> list[str]:
        """Blobs that are outputs: scored by a loss, or read by no layer after the last that
        writes them."""
        last = {}
        for layer in self.layers:
            if layer.kind in ("SoftmaxWithLoss", *IDLE):
                continue
            for blob in layer.bottoms:
                last.pop(blob, None)
            last |= dict.fromkeys(layer.tops)
        silenced = {b for layer in self.layers if layer.kind == "Silence" for b in layer.bottoms}
        scored = [blob for blob, *_ in self.losses]
        return list(dict.fromkeys([*scored, *(b for b in last if b not in silenced)]))


def _images(layer: Layer) -> list[str]:
    """What a layer reads but labels: of a loss the scores alone."""
    return layer.bottoms[:1] if layer.kind == "SoftmaxWithLoss" else layer.bottoms


def _channels(source: Source, given: dict) -> int:
    known = source.shape[1] if source.shape and len(source.shape) > 1 else None
    channels = known or given.get(source.name, 3)
    if not 1 <= channels <= 4096:
        raise Unsupported(f"input {source.name!r} has {channels} channels")
    if source.shape and len(source.shape) == 4 and not all(0 < n < 2**20 for n in source.shape):
        raise Unsupported(f"input {source.name!r} has the shape {source.shape}")
    return channels


def _check_arity(layer: Layer) -> None:
    wanted = SEVERAL.get(layer.kind, 1)
    if not layer.bottoms or (wanted and len(layer.bottoms) != wanted):
        raise Unsupported(f"has {len(layer.bottoms)} inputs, not {wanted or 'one or more'}")
    if len(layer.tops) != 1:
        raise Unsupported(f"has {len(layer.tops)} outputs, not 1")
