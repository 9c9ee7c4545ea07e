"""The only door to the kernels: which table serves an array, and how many threads it uses.

NumPy arrays are served by the backend that is set, ``cpu`` (Numba) or ``reference`` (NumPy). No
other file of the project knows on what an array is computed.
"""

import importlib
import importlib.util
import os
from functools import cache
from types import ModuleType

import numpy as np

NAMES = ("reference", "cpu", "cuda")

_current: str | None = (
    None  # None until somebody asks or sets: then MINIFCN_BACKEND or the default
)


def current_backend() -> str:
    """Name of the backend in use: the one set, else MINIFCN_BACKEND, else cpu (or reference where
    Numba is not installed)."""
    global _current
    if _current is None:
        default = "cpu" if importlib.util.find_spec("numba") else "reference"
        _current = _checked(os.environ.get("MINIFCN_BACKEND") or default)
    return _current


class use_backend:
    """``use_backend("reference")`` sets the backend from here on; in a ``with`` statement, until
    its end.

    Raises ValueError for an unknown name and RuntimeError for one that cannot run here.
    """

    def __init__(self, name: str):
        global _current
        self.previous = _current
        _current = _checked(name)

    def __enter__(self) -> "use_backend":
        return self

    def __exit__(self, *exception) -> None:
        global _current
        _current = self.previous


def kernels_for(array) -> ModuleType:
    """The kernel table for this array: a module with the functions that ``minifcn.kernels`` lists.

    Raises TypeError for an array that no backend serves.
    """
    if not isinstance(array, np.ndarray):
        raise TypeError(
            f"no backend computes on a {type(array).__module__}.{type(array).__name__}"
        )
    return _table(current_backend())


def prepare() -> None:
    """Load the kernels of the backend in use. On a fresh install that begins to compile them
    beside what follows, such as the making of a net's weights."""
    _table(current_backend())


@cache
def _table(name: str) -> ModuleType:
    return importlib.import_module(f"minifcn.kernels.{name}")


def array_module(array) -> ModuleType:
    """The module whose functions compute on this array: elementwise arithmetic is written once,
    against it."""
    if isinstance(array, (np.ndarray, np.generic)):
        return np
    raise TypeError(f"no backend computes on a {type(array).__module__}.{type(array).__name__}")


def set_num_threads(n: int) -> None:
    """Let the cpu backend use n threads (1 to the number of cores).

    Raises ValueError for n < 1, RuntimeError where Numba is not installed.
    """
    if isinstance(n, bool) or not isinstance(n, int) or n < 1:
        raise ValueError(f"set_num_threads: n must be a whole number, 1 or more; got {n!r}")
    _threads().set_num_threads(n)


def get_num_threads() -> int:
    """Number of threads that the cpu backend uses."""
    return _threads().get_num_threads()


def set_algorithm(name: str) -> None:
    """How the cpu backend convolves: "direct" sums, "winograd" where a window allows it, or
    "auto", the default: whichever was measured to be faster.

    Winograd's algorithm does a 3x3 convolution with a quarter of the multiplications. In float32
    its error, relative to the output's root mean square, is 1e-6 to 2e-6 rms and about 3e-5 at
    most; that of direct sums 3e-7 to 6e-7 and 5e-6 (64 to 512 channels). Raises ValueError for
    another name, RuntimeError where Numba is not installed.
    """
    _checked("cpu")
    importlib.import_module("minifcn.kernels.cpu.conv").set_algorithm(name)


def _threads() -> ModuleType:
    _checked("cpu")
    return importlib.import_module("minifcn.kernels.cpu.threads")


def _checked(name: str) -> str:
    if name not in NAMES:
        raise ValueError(f"unknown backend {name!r}; there are: {', '.join(NAMES)}")
    if name == "cuda":
        raise RuntimeError("the cuda backend is not part of this version of minifcn: use cpu")
    if name == "cpu" and not importlib.util.find_spec("numba"):
        raise RuntimeError("the cpu backend needs Numba: pip install numba, or use reference")
    return name
