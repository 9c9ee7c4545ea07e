"""A network as an ONNX file, which other engines read.

    nn.Conv2d "conv1_1"   -> Conv "conv1_1", weights "conv1_1.weight" and "conv1_1.bias"
    nn.Crop "score"       -> Shape "score.size", Add "score.end", Slice "score"

Nodes, and the maps that they make, have the names of the layers: two engines can be compared map
by map. ``onnx_layers`` says what becomes of each. A file is for inference, so Dropout vanishes.
"""

import os
from collections.abc import Mapping

import numpy as np

from .. import __version__, nn
from ..autograd import Tensor, shapes_only
from .atomic import atomic_write
from .onnx_layers import CONVERTERS
from .wire import encode

OLDEST_OPSET = 17
LARGEST = 2**31 - 2**10  # bytes of a graph: the protobuf library reads files below 2 GiB
GRAPH, INITIALIZER, RAW_DATA = 7, 5, 9  # fields of ModelProto, GraphProto and TensorProto
TRACED = {"H": 499, "W": 509}  # primes: only what always has the image's size has it here

Shapes = dict[str, tuple[int | str, ...]]


def export_onnx(
    path: str | os.PathLike,
    model: nn.Net | nn.Sequential,
    *,
    input_shape: tuple[int | None, ...] | None = None,
    opset: int = OLDEST_OPSET,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write a network, in float32 and whole (see ``atomic_write``), as an ONNX file.

    Its input is "data", its outputs are named after the layers in ``model.outputs``, or after the
    last one; for their shapes and for input_shape see ``interface``. opset: the version of the
    operators, 17 or later. metadata: texts by name, kept in the file's metadata_props.

    Raises ValueError that names all layers for which there is no converter, for weights of 2 GiB,
    and where images of that shape do not pass through the net; ImportError where the onnx package
    is missing; OSError naming ``path`` where it cannot be written.
    """
    onnx = _package()
    if opset < OLDEST_OPSET:
        raise ValueError(f"export_onnx: opset must be {OLDEST_OPSET} or later; got {opset}")
    _check_layers(model)
    inputs, outputs = interface(model, input_shape)
    graph = _Graph(onnx, model)
    with shapes_only():
        graph.maps["data"] = _image(model, inputs["data"])
        values = graph.convert(model, "data")
    for name, value in zip(outputs, values, strict=True):
        if name != value:  # of a Dropout or a Sequential inside: another layer made it
            graph.add("Identity", [value], name)
    operators = [onnx.helper.make_opsetid("", opset)]
    proto = onnx.helper.make_model(
        onnx.helper.make_graph(graph.nodes, "minifcn", _ends(onnx, inputs), _ends(onnx, outputs)),
        opset_imports=operators,
        ir_version=onnx.helper.find_min_ir_version_for(operators),  # which older readers know
        producer_name="minifcn",
        producer_version=__version__,
    )
    onnx.helper.set_model_props(proto, metadata or {})
    _write(path, onnx, proto, graph.weights)


def interface(
    model: nn.Net | nn.Sequential, input_shape: tuple[int | None, ...] | None = None
) -> tuple[Shapes, Shapes]:
    """Names and shapes of what goes in and of what comes out: {"data": ("N", 3, "H", "W")} and
    {"score": ("N", 21, "H", "W")}. A letter is any number, "?" one that follows from it.

    input_shape: (channels, height, width) of the images, None for any; by default what the net
    says, but any height and width unless a Linear or Flatten makes it a net for one size alone.
    Raises ValueError where that size is not known, or such images do not pass through the net.
    """
    rigid = [n for n, m in model.named_modules() if isinstance(m, (nn.Linear, nn.Flatten))]
    if input_shape is None:
        input_shape = getattr(model, "input_shape", None) or (3, None, None)
        input_shape = input_shape if rigid else (input_shape[0], None, None)
    if rigid and None in input_shape:
        raise ValueError(
            f"export_onnx: layer {rigid[0]!r} wants images of one size: "
            "give input_shape=(channels, height, width)"
        )
    data = "N", *(c if n is None else n for n, c in zip(input_shape, "CHW", strict=False))
    image = _image(model, data)
    with shapes_only():
        found = model(image)
    outputs = {}
    for name, x in zip(_outputs(model), found if type(found) is tuple else [found], strict=True):
        axes = zip(x.shape, image.shape, data, strict=False)
        outputs[name] = tuple(
            n if isinstance(given, int) else given if n == known else "?"
            for n, known, given in axes
        )
    return {"data": data}, outputs


class _Graph:
    """The nodes and weights of a file in the making."""

    def __init__(self, onnx, model):
        self.onnx, self.nodes, self.weights = onnx, [], {}
        self.maps = {}  # name -> a tensor of that shape, without values
        self._names = {id(p): name for name, p in model.named_parameters()}
        self._constants = {}  # content -> name

    def convert(self, model, data: str, prefix: str = "") -> list[str]:
        """Append the layers of a Net or Sequential that reads ``data``; names of its outputs."""
        values = {"data": data}  # layer -> name of the map that it makes
        for name, inputs in _reads(model).items():
            if all(wanted in values for wanted in _outputs(model)):
                break
            layer, sources = model[name], [values[source] for source in inputs]
            if _is_container(layer):
                (values[name],) = self.convert(layer, *sources, f"{prefix}{name}.")
                continue
            output = layer(*(self.maps[source] for source in sources))
            values[name] = CONVERTERS[type(layer)](self, prefix + name, layer, *sources)
            self.maps[values[name]] = output
        return [values[name] for name in _outputs(model)]

    def add(self, operator: str, inputs, name: str, **attributes) -> str:
        """Append a node; returns its name, which is that of its output, too."""
        node = self.onnx.helper.make_node(operator, inputs, [name], name, **attributes)
        self.nodes.append(node)
        return name

    def parameters(self, layer: nn.Module) -> list[str]:
        """Store a layer's weight and, where it has one, its bias; returns their names."""
        found = {self._names[id(p)]: p for p in (layer.weight, layer.bias) if p is not None}
        self.weights |= {name: np.asarray(p.numpy(), np.float32) for name, p in found.items()}
        return list(found)

    def constant(self, name: str, values) -> str:
        """Store an array, unless an equal one is there; returns its name."""
        array = np.asarray(values)
        content = array.dtype, array.shape, array.tobytes()
        if content not in self._constants:
            self._constants[content], self.weights[name] = name, array
        return self._constants[content]


def _write(path, onnx, proto, weights: dict[str, np.ndarray]) -> None:
    """Write a ModelProto and, as initializers of its graph, weights, without copies of them.

    A message can be written in parts, field by field: see ``wire``.
    """
    graph, parts = proto.graph.SerializeToString(), []
    proto.ClearField("graph")
    for name, array in weights.items():
        kind = onnx.helper.np_dtype_to_tensor_dtype(array.dtype)
        tensor = onnx.TensorProto(name=name, dims=array.shape, data_type=kind)
        head = tensor.SerializeToString() + _key(RAW_DATA, array.nbytes)
        parts.append((_key(INITIALIZER, len(head) + array.nbytes) + head, array))
    size = len(graph) + sum(len(head) + array.nbytes for head, array in parts)
    if size > LARGEST:
        raise ValueError(f"export_onnx: an ONNX file holds 2 GiB, this net {size / 2**30:.1f}")
    with atomic_write(path) as file:
        file.write(proto.SerializeToString() + _key(GRAPH, size) + graph)
        for head, array in parts:
            file.write(head)
            file.write(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).data)


def _key(number: int, length: int) -> bytes:
    """What comes before a field of ``length`` bytes."""
    return encode(number << 3 | 2) + encode(length)


def _ends(onnx, maps: Shapes) -> list:
    """Inputs or outputs of a graph. Dimensions without a name may be anything."""
    return [
        onnx.helper.make_tensor_value_info(
            name, onnx.TensorProto.FLOAT, [None if n == "?" else n for n in shape]
        )
        for name, shape in maps.items()
    ]


def _package():
    try:
        import onnx
    except ModuleNotFoundError as error:
        raise ImportError(
            "ONNX files need the onnx package: pip install 'minifcn[onnx]'"
        ) from error
    return onnx


def _check_layers(model) -> None:
    """Raises ValueError naming every layer that has no converter, and for one called "data"."""
    if not _is_container(model):
        raise ValueError(f"export_onnx: wants a Net or a Sequential; got a {type(model).__name__}")
    unknown = [
        f"{name} ({type(module).__name__})"
        for name, module in model.named_modules()
        if type(module) not in CONVERTERS and not _is_container(module)
    ]
    if unknown:
        raise ValueError(f"export_onnx: no converter for {', '.join(unknown)}")
    if any("data" in module._modules for _, module in model.named_modules()):
        raise ValueError("export_onnx: 'data' is the name of the input and cannot be a layer's")


def _is_container(module) -> bool:
    """A Net or a Sequential, whose subclasses may add layers but not compute another way."""
    return type(module).forward in (nn.Net.forward, nn.Sequential.forward)


def _reads(model) -> dict[str, tuple[str, ...]]:
    """Layer -> names of what it reads, "data" or layers before it."""
    if isinstance(model, nn.Net):
        return model.reads
    names = list(model._modules)
    return {name: (before,) for name, before in zip(names, ["data", *names], strict=False)}


def _outputs(model) -> tuple[str, ...]:
    """Names of the layers whose outputs the model returns."""
    return getattr(model, "outputs", ()) or (["data", *_reads(model)][-1],)


def _image(model, shape) -> Tensor:
    """A tensor that stands for images of a shape with letters in it, without values."""
    dtype = next((parameter.dtype for parameter in model.parameters()), np.float32)
    size = (TRACED.get(n, 1) if isinstance(n, str) else n for n in shape)
    return Tensor.of(np.broadcast_to(np.zeros((), dtype), tuple(size)))
