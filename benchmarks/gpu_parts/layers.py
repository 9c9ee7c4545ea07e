"""Every distinct convolution of FCN-8s / VGG-16 at 500x500, and three more, batch 1."""

from .convolutions import LAYERS, Convolution, layer_of, pairs
from .place import difference, products
from .timing import contest

SECONDS = 0.25


def cases(place, options):
    """A case for every layer and direction."""
    for name, direction in pairs(place, LAYERS):
        yield f"{name} {direction}", lambda n=name, d=direction: _measure(place, n, d)


def _measure(place, name: str, direction: str) -> dict:
    """All products of ours and PyTorch's two precisions, in turns; who differs by how much from
    PyTorch's float32."""
    layer = layer_of(place, name)
    convolution = Convolution(place, layer, direction)
    entries = {}
    for precision in ("tf32", "float32"):
        for product in products(place, precision):
            entries[f"ours {product}"] = convolution.ours(product)
        entries[f"PyTorch {precision}"] = convolution.theirs(precision)
    results = contest(place, entries, SECONDS, convolution.sets)
    exact = entries["PyTorch float32"].function(0)
    for key, entry in entries.items():
        if "ms" in results[key]:
            actual = entry.function(0)
            place.synchronize()
            results[key]["difference"] = difference(place, actual, exact)
            results[key]["TFLOP/s"] = 1e-9 * layer.flops() / results[key]["ms"]
    return {"layer": name, "direction": direction, "about": str(layer), "flops": layer.flops(),
            "contestants": results}  # fmt: skip
