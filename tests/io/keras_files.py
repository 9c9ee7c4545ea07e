"""Files written by h5py as the versions of Keras write them, for the tests."""

from collections.abc import Mapping, Sequence

import h5py
import numpy as np

rng = np.random.default_rng(0)
KERNEL = rng.random((3, 2, 4, 5), dtype=np.float32)  # height, width, inputs, outputs
BIAS = rng.random(5, dtype=np.float32)
DENSE = rng.random((6, 3), dtype=np.float32)  # inputs, outputs


def keras2(
    group: h5py.Group,
    layers: Mapping[str, Mapping[str, np.ndarray]],
    texts: type = np.bytes_,
    **options,
) -> None:
    """Write {layer: {name: array}} as Keras 1 and 2 do, and Keras 3 by model.save("x.h5")."""
    kind = h5py.string_dtype() if texts is str else None
    group.attrs["layer_names"] = np.array([texts(name) for name in layers], dtype=kind)
    for layer, weights in layers.items():
        inside = group.create_group(layer)
        names = [texts(name) for name in weights]
        inside.attrs["weight_names"] = np.array(names, dtype=kind) if names else []
        for name, array in weights.items():
            inside.create_dataset(name, data=array, **options)


def keras3(
    group: h5py.Group,
    layers: Mapping[str, tuple[str, Sequence[np.ndarray]]],
    named: bool = True,
) -> None:
    """Write {path: (name, arrays)} as Keras 3 does by model.save_weights("x.weights.h5")."""
    for path, (name, arrays) in layers.items():
        inside = group.create_group(f"{path}/vars")
        if named:
            inside.attrs["name"] = name
        for n, array in enumerate(arrays):
            inside[str(n)] = array


def plain(name: str, kernel: np.ndarray, bias: np.ndarray | None = None) -> dict:
    """A layer's arrays as Keras 2 calls them."""
    weights = {f"{name}/kernel:0": kernel}
    return weights if bias is None else weights | {f"{name}/bias:0": bias}
