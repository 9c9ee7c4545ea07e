"""Which tiles are fastest, so that ``tile.choose`` can be set from measurements."""

from .convolutions import TYPICAL, Convolution, layer_of, pairs
from .place import products
from .tile_shapes import name_of, shapes_of, tile_of
from .timing import Entry, contest

SECONDS = 0.25


def cases(place, options):
    """A case for every typical layer and direction."""
    for name, direction in pairs(place, TYPICAL):
        yield f"{name} {direction}", lambda n=name, d=direction: _measure(place, n, d)


def _measure(place, name: str, direction: str) -> dict:
    layer = layer_of(place, name)
    convolution, entries = Convolution(place, layer, direction), {}
    for product in products(place, "tf32"):
        for shape in shapes_of(place, product):
            entries[name_of(product, shape)] = _with_tile(convolution.ours(product), shape)
    results = contest(place, entries, SECONDS, convolution.sets)
    results = {
        name: result
        for name, result in results.items()
        if not result.get("error", "").startswith("Unsuitable")
    }
    for result in results.values():
        if "ms" in result:
            result["TFLOP/s"] = 1e-9 * layer.flops() / result["ms"]
    return {"layer": name, "direction": direction, "contestants": results}


def _with_tile(entry: Entry, shape) -> Entry:
    def call(i):
        with tile_of(shape):
            return entry.function(i)

    return Entry(call, ours=True)
