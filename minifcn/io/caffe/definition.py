"""Definitions of networks (.prototxt): from the text to a list of layers in one form.

Caffe has had two ways to write a layer: today's ``layer { type: "ReLU" }`` and, until 2014,
``layers { type: RELU }``, with the factors on the learning rate under other names. Both come out
as ``Layer``. What a layer reads and writes are *blobs*, named independently of the layers; many
layers write over the blob that they read.
"""

import os
from dataclasses import dataclass
from typing import Any

from ..kinds import WeightsError, describe
from .schema import message_class
from .weights import kind_of

LARGEST = 16 * 2**20  # bytes of text; a large definition has 0.2 million
# Layers without a bottom that bring the images and labels
SOURCES = ("Input", "DummyData", "Data", "ImageData", "HDF5Data", "MemoryData", "Python")


@dataclass
class Layer:
    """One layer of a definition.

    kind: its type ("Convolution"); bottoms, tops: the blobs that it reads and writes; message: its
    settings (``message.convolution_param``); multipliers: for each of its parameters the factors
    on learning rate and weight decay.
    """

    name: str
    kind: str
    bottoms: list[str]
    tops: list[str]
    message: Any
    multipliers: list[tuple[float, float]]


@dataclass
class Source:
    """A blob that comes from outside, and its lengths (N, C, H, W) as far as they are stated."""

    name: str
    shape: tuple[int, ...] | None


def read_definition(
    path: str | os.PathLike, phase: str = "TEST"
) -> tuple[str, list[Source], list[Layer]]:
    """A definition's name, what it is fed with, and its layers in order.

    phase: "TEST" or "TRAIN": layers that are for the other one alone are left out. Raises
    WeightsError, naming the file and the line, for what is no definition.
    """
    net = parse(path)
    sources = [Source(name, shape) for name, shape in zip(net.input, _shapes(net), strict=False)]
    if len(sources) < len(net.input):
        sources += [Source(name, None) for name in net.input[len(sources) :]]
    layers, seen = [], set()
    for message in [*net.layers, *net.layer]:
        if not _included(message, phase):
            continue
        kind = kind_of(message)
        if kind in SOURCES and not message.bottom:
            sources += _sources(kind, message)
            continue
        if message.name in seen:
            raise WeightsError(f"{os.fspath(path)}: two layers are called {message.name!r}")
        seen.add(message.name)
        multipliers = _multipliers(message)
        bottoms, tops = list(message.bottom), list(message.top)
        layers.append(Layer(message.name, kind, bottoms, tops, message, multipliers))
    return net.name, sources, layers


def parse(path: str | os.PathLike):
    """The NetParameter in a text file. Raises WeightsError as above."""
    from google.protobuf import text_format

    path = os.fspath(path)
    net = message_class("NetParameter")()
    try:
        if os.path.getsize(path) > LARGEST:
            raise WeightsError(f"{path}: too large for a definition; it seems to be "
                               f"{describe(path)}")  # fmt: skip
        with open(path, "rb") as file:
            text = file.read().decode("utf-8")
        text_format.Parse(text, net)
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        reason = "no such file" if missing else error.strerror or str(error)
        raise WeightsError(f"{path}: {reason}") from error
    except UnicodeDecodeError as error:
        raise WeightsError(
            f"{path}: no text, so no definition; it seems to be {describe(path)}"
        ) from error
    except text_format.ParseError as error:
        raise WeightsError(f"{path}: line {error}") from error
    if not (net.layer or net.layers):
        raise WeightsError(f"{path}: a definition without layers")
    return net


def _shapes(net) -> list[tuple[int, ...]]:
    """Of the inputs, from input_shape or four old input_dim each."""
    if net.input_shape:
        return [tuple(shape.dim) for shape in net.input_shape]
    dims = list(net.input_dim)
    return [tuple(dims[i : i + 4]) for i in range(0, len(dims) - 3, 4)]


def _sources(kind: str, message) -> list[Source]:
    """What a layer without a bottom brings; one shape given for several blobs is that of each."""
    shapes: list = []
    if kind == "Input":
        shapes = [tuple(shape.dim) for shape in message.input_param.shape]
    elif kind == "DummyData":
        dummy = message.dummy_data_param
        old = zip(dummy.num, dummy.channels, dummy.height, dummy.width, strict=False)
        shapes = [tuple(shape.dim) for shape in dummy.shape] or list(old)
    elif kind == "MemoryData":
        m = message.memory_data_param
        shapes = [(m.batch_size, m.channels, m.height, m.width), (m.batch_size,)]
    elif kind in ("Data", "ImageData"):
        old = message.data_param if kind == "Data" else message.image_data_param
        side = message.transform_param.crop_size or old.crop_size
        shapes = [(old.batch_size, 3, side, side) if side else None, (old.batch_size,)]
    if len(shapes) == 1:
        shapes *= len(message.top)
    shapes += [None] * (len(message.top) - len(shapes))
    return [Source(name, shape) for name, shape in zip(message.top, shapes, strict=False)]


def _included(message, phase: str) -> bool:
    """Does the layer belong to the net of this phase (Caffe's NetStateRule)?"""
    if "phase" in message.DESCRIPTOR.fields_by_name and message.HasField("phase"):
        return _phase(message) == phase
    if message.include:
        return any(_met(rule, phase) for rule in message.include)
    return not any(_met(rule, phase) for rule in message.exclude)


def _met(rule, phase: str) -> bool:
    """Levels and stages are those of a net that sets none: level 0, no stage."""
    return (
        (not rule.HasField("phase") or _phase(rule) == phase)
        and (not rule.HasField("min_level") or rule.min_level <= 0)
        and (not rule.HasField("max_level") or rule.max_level >= 0)
        and not rule.stage
    )


def _phase(message) -> str:
    values = message.DESCRIPTOR.fields_by_name["phase"].enum_type.values_by_number
    return values[message.phase].name


def _multipliers(message) -> list[tuple[float, float]]:
    if "blobs_lr" in message.DESCRIPTOR.fields_by_name:
        rates, decays = list(message.blobs_lr), list(message.weight_decay)
        n = max(len(rates), len(decays))
        rates, decays = rates + [1.0] * (n - len(rates)), decays + [1.0] * (n - len(decays))
        return list(zip(rates, decays, strict=True))
    return [(spec.lr_mult, spec.decay_mult) for spec in message.param]
