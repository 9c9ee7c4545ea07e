"""Networks made of named layers: in a row, or as a table of what each layer reads."""

from .. import functions as F
from .layers import Cat, Conv2d, ReLU
from .module import Module


class Sequential(Module):
    """Layers one after the other: ``Sequential(layer, ...)`` or ``Sequential({name: layer})``."""

    def __init__(self, *layers):
        super().__init__()
        if len(layers) == 1 and isinstance(layers[0], dict):
            named = layers[0].items()
        else:
            named = ((str(i), layer) for i, layer in enumerate(layers))
        for name, layer in named:
            self.add_module(name, layer)

    def forward(self, x):
        layers = list(self._modules.values())
        for layer, before, after in zip(
            layers, [None, *layers], [*layers[1:], None], strict=False
        ):
            if type(layer) is Conv2d and type(after) is ReLU:
                x = layer(x, relu=True)
            elif type(layer) is ReLU and type(before) is Conv2d:
                x = layer(x, done=True)
            else:
                x = layer(x)
        return x


class Net(Module):
    """A network as a table, as in the authors' net.py: layers by name, and what each reads.

        net = Net()                                  # its input is called "data"
        net.add("conv1", Conv2d(3, 8, 3))            # reads what was added last
        net.add("score", Crop(), "conv1", "data")    # or what it is told to

    Calling the net returns the output of the last layer, or of those named in ``outputs``. The
    output of a layer is let go after the last layer that reads it, so without gradients few maps
    are alive at a time. A convolution that a ReLU alone reads does both in one pass, and the ReLU
    hands on what it is given. Where a ``Cat`` joins such maps, they are written side by side from
    the beginning.
    """

    def __init__(self, input_shape: tuple[int, int, int] | None = None):
        """input_shape: (channels, height, width) of the images that the net is made for; height
        and width are None where any will do."""
        super().__init__()
        self.reads = {}  # layer's name -> names of what it reads
        self.tail, self.input_shape = "data", input_shape
        self.outputs = ()  # names of the layers whose outputs are wanted, where there are several

    def add(self, name: str, layer: Module, *inputs: str) -> str:
        """Append a layer; returns its name. Raises ValueError for an input that is not there and
        for a name that is taken."""
        inputs = inputs or (self.tail,)
        if name == "data":
            raise ValueError("'data' is the name of the net's input")
        for source in inputs:
            if source != "data" and source not in self._modules:
                raise ValueError(f"layer {name!r} reads {source!r}, which has not been added")
        self.add_module(name, layer)
        self.reads[name] = inputs
        self.tail = name
        return name

    def forward(self, data, until: str | None = None):
        """The output of the last layer, or of the one named ``until``: those added after it are
        then not computed. A tuple where the net has several ``outputs``. Raises KeyError where
        there is none of that name."""
        wanted = self.outputs or (self.tail,) if until is None else (until,)
        for name in wanted:
            if name != "data" and name not in self.reads:
                raise KeyError(f"no layer {name!r}; there are: {', '.join(self.reads)}")
        found = {"data": data} if "data" in wanted else {}
        last_reader = {source: name for name, inputs in self.reads.items() for source in inputs}
        maps, rectified = {"data": data}, self.rectified() - set(wanted)
        joined, into = self._joined(rectified)
        for name, inputs in self.reads.items():
            if len(found) == len(wanted):
                break
            settings = {}
            if name in rectified:
                settings = {"relu": True, "into": into.pop(name, None)}
            elif inputs[0] in rectified:
                settings = {"done": True}
            elif name in joined:
                settings = {"joined": joined.pop(name)}
            output = self._modules[name](*(maps[source] for source in inputs), **settings)
            settings.clear()  # so that nothing holds maps that were joined
            if name in wanted:
                found[name] = output
            for source in set(inputs):
                if last_reader[source] == name:
                    del maps[source]
            if name in last_reader:
                maps[name] = output
        outputs = tuple(found[name] for name in wanted)
        return outputs if len(outputs) > 1 else outputs[0]

    def rectified(self) -> set[str]:
        """The convolutions whose one reader is a ReLU: they set negative numbers to 0 themselves,
        and the ReLU passes their maps on."""
        readers = {}
        for name, inputs in self.reads.items():
            for source in inputs:
                readers.setdefault(source, []).append(name)
        return {
            source
            for source, names in readers.items()
            if len(names) == 1
            and type(self._modules.get(source)) is Conv2d
            and type(self._modules[names[0]]) is ReLU
        }

    def _joined(self, rectified) -> tuple[dict, dict]:
        """The maps of every Cat that joins rectified convolutions, and for each convolution its
        part of them."""
        joined, into = {}, {}
        for name, convolutions in self.joins(rectified).items():
            joined[name] = F.Joined([self._modules[conv].weight.shape[0] for conv in convolutions])
            into |= {conv: joined[name].part(i) for i, conv in enumerate(convolutions)}
        return joined, into

    def joins(self, rectified: set[str] | None = None) -> dict[str, list[str]]:
        """Each Cat that reads nothing but rectified convolutions, of which no other Cat reads one:
        the names of these, which write their maps side by side into its own."""
        rectified = self.rectified() if rectified is None else rectified
        found, taken = {}, set()
        for name, inputs in self.reads.items():
            if type(self._modules[name]) is not Cat:
                continue
            before = [self.reads.get(source, (source,))[0] for source in inputs]
            fresh = len(set(before)) == len(before) and not taken & set(before)
            if fresh and rectified.issuperset(before):
                found[name] = before
                taken |= set(before)
        return found


def table(model) -> list[tuple[str, Module, tuple[str, ...]]]:
    """(name, layer, names of what it reads) of all layers in order; the input is called "data".

    model: a ``Net`` or a ``Sequential``, whose inner Sequentials are taken apart. Raises
    ValueError for anything else.
    """
    if isinstance(model, Net):
        return [(name, model[name], reads) for name, reads in model.reads.items()]
    if not isinstance(model, Sequential):
        raise ValueError(f"wants a Net or a Sequential; got a {type(model).__name__}")
    rows, before = [], "data"
    for name, layer in _in_a_row(model):
        rows.append((name, layer, (before,)))
        before = name
    return rows


def _in_a_row(chain: Sequential, prefix: str = ""):
    """The layers of a Sequential and of those in it, by the names that their parameters have."""
    for name, layer in chain._modules.items():
        if isinstance(layer, Sequential):
            yield from _in_a_row(layer, f"{prefix}{name}.")
        else:
            yield prefix + name, layer
