"""The only door to the kernels: where arrays live, which table serves them, on how many threads.

NumPy's arrays lie in the processor's memory and are served by ``cpu`` (Numba) or ``reference``
(NumPy). CuPy's lie in a GPU's and are served by ``cuda``. ``emulated`` has arrays of its own, in
which the processor plays the GPU, one thread after another: slow, but there to read the kernels,
to step through them, and to test them where there is no GPU.

The backend in use says where new tensors are made. What is computed from them stays where they
are. Arrays of different places do not mix: ``moved`` and ``to_numpy`` take them from one to the
other. No other file of the project knows on what an array is computed.
"""

import importlib
import importlib.util
import os
from functools import cache
from types import ModuleType

import numpy as np

from . import gpu

NAMES = ("reference", "cpu", "cuda", "emulated")
DEVICES = ("cuda", "emulated")  # those with arrays of their own

_current: str | None = (
    None  # None until somebody asks or sets: then MINIFCN_BACKEND or the default
)


def current_backend() -> str:
    """Name of the backend in use: the one set, else MINIFCN_BACKEND, else cpu (or reference where
    Numba is not installed)."""
    global _current
    if _current is None:
        _current = _checked(os.environ.get("MINIFCN_BACKEND") or _default())
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

    NumPy's arrays are served by the backend in use or, where it has arrays of its own, by the
    default one. Raises TypeError for an array that no backend serves.
    """
    if type(array) is not np.ndarray:  # which it nearly always is
        if device_of(array):
            return _table("cuda")
        if not isinstance(array, np.ndarray):
            raise TypeError(_no_backend(array))
    return _table_for_numpy(_current or current_backend())


def prepare() -> None:
    """Load the kernels of the backend in use. On a fresh install that begins to compile them
    beside what follows, such as the making of a net's weights."""
    name = current_backend()
    _table("cuda" if name in DEVICES else name)


@cache
def _table_for_numpy(name: str) -> ModuleType:
    """What serves NumPy's arrays while a backend is in use."""
    return _table(_default() if name in DEVICES else name)


@cache
def _table(name: str) -> ModuleType:
    return importlib.import_module(f"minifcn.kernels.{name}")


# -- where arrays live --------------------------------------------------------------------------


def array_module(array) -> ModuleType:
    """The module whose functions compute on this array: elementwise arithmetic is written once,
    against it."""
    if type(array) is np.ndarray:
        return np
    device = device_of(array)
    if device:
        return _module(device)
    if isinstance(array, (np.ndarray, np.generic)):
        return np
    raise TypeError(_no_backend(array))


def device_of(array) -> str | None:
    """The backend whose own array this is, "cuda" or "emulated"; None for NumPy's, and for what is
    no array."""
    return None if type(array) is np.ndarray else _device_of(type(array))


def moved(x, like):
    """x, which may be anything that NumPy makes an array of, as an array where ``like`` lives: x
    itself where it lives there."""
    if type(x) is type(like) is np.ndarray:
        return x
    return placed(x, device_of(like))


def placed(x, backend: str | None):
    """x as an array of a backend, None standing for NumPy; x itself where it is one.

    A copy lies in memory as the original does, and where that repeats one number, so does it.
    Raises as ``use_backend`` does.
    """
    if backend not in DEVICES:
        backend and _checked(backend)
        return to_numpy(x)
    if device_of(x) == backend:
        return x
    x, module = to_numpy(x), _module(_checked(backend))
    if x.size > 1 and not any(n > 1 and s for n, s in zip(x.shape, x.strides, strict=True)):
        return module.broadcast_to(module.asarray(x[(0,) * x.ndim]), x.shape)
    if x.flags.c_contiguous:
        return module.asarray(x)
    order = sorted(range(x.ndim), key=lambda axis: -abs(x.strides[axis]))  # as in memory
    copy = module.asarray(np.ascontiguousarray(x.transpose(order)))
    return copy.transpose([order.index(axis) for axis in range(x.ndim)])


def comparable(labels):
    """Integers that can be compared with any number: CuPy takes numbers up to 255 alone beside
    bytes, so that those are widened."""
    return labels.astype(np.int64) if device_of(labels) else labels


def repeats(x) -> bool:
    """Whether numbers of an array share their memory: it was broadcast. NumPy protects such arrays
    from being written, CuPy does not."""
    return any(step == 0 and n > 1 for n, step in zip(x.shape, x.strides, strict=True))


def filters_laid_out(w):
    """Filters (K, C, KH, KW) that live on a device, as its kernels want them: channels last, or
    they would be copied at every convolution. All else is returned as it is."""
    if w.ndim != 4 or device_of(w) is None or w.transpose(0, 2, 3, 1).flags.c_contiguous:
        return w
    if repeats(w):  # weights without values, which take no memory
        return w
    laid_out = kernels_for(w).empty_maps(w.shape, w)
    laid_out[...] = w
    return laid_out


def to_numpy(x) -> np.ndarray:
    """x, which may be anything that NumPy makes an array of, as a NumPy array: x itself where it
    is one, a copy of an array that lives on a device."""
    if type(x) is np.ndarray:
        return x
    return x.get() if device_of(x) else np.asarray(x)


def current_device() -> str | None:
    """The backend in use where it has arrays of its own: new tensors are made there. Else None."""
    name = _current or current_backend()
    return name if name in DEVICES else None


@cache
def _device_of(kind: type) -> str | None:
    names = {(base.__module__, base.__name__) for base in kind.__mro__}
    if ("cupy", "ndarray") in names:
        return "cuda"
    return "emulated" if ("minifcn.kernels.cuda.arrays", "EmulatedArray") in names else None


@cache
def _module(device: str) -> ModuleType:
    names = {"cuda": "cupy", "emulated": "minifcn.kernels.cuda.arrays"}
    return importlib.import_module(names[device])


def _no_backend(array) -> str:
    return f"no backend computes on a {type(array).__module__}.{type(array).__name__}"


# -- what runs on a device again and again -------------------------------------------------------


def captured(function):
    """A function of arrays on a device, recorded at its first call with arrays of a shape, and
    replayed from then on: see ``minifcn.kernels.cuda.graph``."""
    return importlib.import_module("minifcn.kernels.cuda.graph").Captured(function)


def uploaded(batches, like):
    """Batches, tuples of NumPy arrays, as arrays where ``like`` lives: on a device one ahead of
    the caller, so that copies run beside the computing. They are overwritten two batches later."""
    if device_of(like) is None:
        return batches
    upload = importlib.import_module("minifcn.kernels.cuda.upload")
    return upload.uploaded(batches, array_module(like))


# -- the processor's threads and algorithms -----------------------------------------------------


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


# -- the GPU ------------------------------------------------------------------------------------


def set_precision(name: str) -> None:
    """How a GPU multiplies float32: "float32" as it is, "tf32" or "bf16" rounded, which its tensor
    cores do several times faster. Until one is set, convolutions use TF32 and matrix products
    float32. Raises ValueError for another name."""
    importlib.import_module("minifcn.kernels.cuda.precision").set_precision(name)


def get_precision() -> str:
    """How a GPU multiplies float32 in convolutions."""
    return importlib.import_module("minifcn.kernels.cuda.precision").precision()


# -- which can run ------------------------------------------------------------------------------


def _default() -> str:
    return "cpu" if importlib.util.find_spec("numba") else "reference"


def _checked(name: str) -> str:
    """The name of a backend that can run here. Raises ValueError for an unknown one, RuntimeError,
    saying what to install, for one that cannot."""
    if name not in NAMES:
        raise ValueError(f"unknown backend {name!r}; there are: {', '.join(NAMES)}")
    if name == "cpu" and not importlib.util.find_spec("numba"):
        raise RuntimeError("the cpu backend needs Numba: pip install numba, or use reference")
    if name == "cuda" and gpu.lacks():
        raise RuntimeError(f"the cuda backend needs {gpu.lacks()}")
    if name == "emulated" and not _emulator().available():
        raise RuntimeError(
            "the emulated backend needs a C++ compiler: install g++, or name another in CXX"
        )
    return name


def _emulator() -> ModuleType:
    return importlib.import_module("minifcn.kernels.cuda.emulator")
