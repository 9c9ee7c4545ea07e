"""minifcn: fully convolutional networks for semantic segmentation, every line readable.

    import minifcn as mf
    model = mf.models.build("fcn8s-vgg16", num_classes=21)
    scores = model(mf.Tensor(image))          # (N, 3, H, W) -> (N, 21, H, W)

Sub-packages load when they are first used; Numba or CuPy with the first kernel, Matplotlib with
the first picture.
"""

import importlib

from .autograd import Tensor, capture, no_grad
from .backends import (
    get_num_threads,
    get_precision,
    set_algorithm,
    set_num_threads,
    set_precision,
    use_backend,
)
from .rng import manual_seed

__version__ = "0.1.0"

_SUBMODULES = (
    "autograd",
    "backends",
    "data",
    "dense",
    "functions",
    "geometry",
    "io",
    "metrics",
    "models",
    "nn",
    "train",
    "viz",
)

__all__ = [
    "Tensor",
    "capture",
    "get_num_threads",
    "get_precision",
    "manual_seed",
    "no_grad",
    "set_algorithm",
    "set_num_threads",
    "set_precision",
    "use_backend",
    *_SUBMODULES,
]


def __getattr__(name: str):
    if name in _SUBMODULES:
        return importlib.import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
