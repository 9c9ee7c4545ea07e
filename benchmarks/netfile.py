"""A net of minifcn as files that anybody can read: net.json (the table) and weights.npz.

    python -m benchmarks.netfile fcn8s-vgg16 --padding reference --out FOLDER

``seeded`` makes the same net, number for number, in another process: weights He-normal from a
seed. Score layers and biases, which start at zero, get random numbers too, or every output would
be zero and every comparison idle.
"""

import argparse
import json
import os
import shutil
from pathlib import Path

import numpy as np

SEED = 3


def seeded(name: str, num_classes: int = 21, padding: str = "reference"):
    """The net, in evaluation mode. Arguments as ``models.build``."""
    import minifcn as mf

    mf.manual_seed(SEED)
    net = mf.models.build(name, num_classes, **({"padding": padding} if padding else {}))
    rng = np.random.default_rng(SEED)
    for _, parameter in net.named_parameters():
        if not parameter.data.any():
            fan_in = int(np.prod(parameter.shape[1:]))
            scale = np.sqrt(2 / fan_in) if len(parameter.shape) > 1 else 0.1
            parameter.data = rng.standard_normal(parameter.shape, np.float32) * np.float32(scale)
    return net.eval()


def describe(net) -> dict:
    """The table of a net: every layer's name, kind, settings, what it reads, its parameters.

    The settings are the layer's own attributes, as far as JSON can hold them.
    """
    layers = []
    for name, inputs in net.reads.items():
        layer = net[name]
        settings = {k: v for k, v in vars(layer).items() if _plain(v) and k != "training"}
        layers.append(
            {
                "name": name,
                "kind": type(layer).__name__,
                "reads": list(inputs),
                "settings": settings,
                "parameters": {
                    key: {
                        "shape": list(parameter.shape),
                        "rate": parameter.rate,
                        "decay": parameter.decay,
                        "sum": float(parameter.data.sum(dtype=np.float64)),
                    }
                    for key, parameter in layer.named_parameters()
                },
            }
        )
    return json.loads(json.dumps({"layers": layers}))


def _plain(value) -> bool:
    if isinstance(value, (tuple, list)):
        return all(map(_plain, value))
    return value is None or isinstance(value, (bool, int, float, str))


def write(folder: Path, name: str, num_classes: int, padding: str) -> None:
    """Fill the folder, unless it holds this very net; what was derived from another one goes."""
    net = seeded(name, num_classes, padding)
    table = describe(net)
    if (folder / "net.json").exists():
        if json.loads((folder / "net.json").read_text()) == table:
            return
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "weights.npz", **net.state_dict())
    (folder / "net.json.part").write_text(json.dumps(table, indent=1))
    os.replace(folder / "net.json.part", folder / "net.json")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.netfile", description=__doc__)
    parser.add_argument("net", help="a name that minifcn.models knows")
    parser.add_argument("--classes", type=int, default=21)
    parser.add_argument("--padding", default="reference")
    parser.add_argument("--out", type=Path, required=True, help="the folder to fill")
    options = parser.parse_args()
    write(options.out, options.net, options.classes, options.padding)


if __name__ == "__main__":
    main()
