"""Kernels on the CPU: the same .cu files, compiled by g++ with emulator.h in place of CUDA.

A library is compiled for every file and set of macros, once: it is kept in the folder that
``MINIFCN_CACHE`` names, else in ~/.cache/minifcn, under a name made of all that went into it.
``MINIFCN_SANITIZE=1`` compiles with the address sanitizer, which then watches every access (Python
has to be started with libasan preloaded).
"""

import ctypes
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import threading
from functools import cache
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent
_FIELDS = "first u8 1", "sizes u8 5", "strides u8 4", "box u4 5", "axes u4 1", "unused u1 24"
# emulator_hopper.h's. The driver makes 128 bytes too, which are its own secret.
TENSOR_MAP = np.dtype([(name, kind, int(n)) for name, kind, n in map(str.split, _FIELDS)])
C_TYPES = {
    "int": np.int32, "unsigned": np.uint32, "long long": np.int64, "float": np.float32,
    "double": np.float64, "unsigned char": np.uint8, "signed char": np.int8,
    "TensorMap": TENSOR_MAP,
}  # fmt: skip

_one_at_a_time = threading.Lock()  # a library has one grid, one block, one thread


def available() -> bool:
    """Whether there is a compiler."""
    return _compiler() is not None


def launch(file: str, name: str, grid, block, arguments, shared: int, macros: dict) -> None:
    """Run a kernel of a .cu file on all threads of a grid.

    arguments: arrays and NumPy scalars. Raises TypeError where they are not what the kernel
    declares, RuntimeError where some threads miss a barrier that others wait at.
    """
    library, declared = _library(file, tuple(sorted(macros.items())))
    _check(f"{file}: {name}", arguments, declared[name])
    values = [
        ctypes.c_void_p(x.ctypes.data) if _is_array(x)
        else (ctypes.c_byte * x.nbytes).from_buffer(x) if isinstance(x, np.ndarray)
        else np.ctypeslib.as_ctypes_type(x.dtype)(x.item())
        for x in arguments
    ]  # fmt: skip
    addresses = (ctypes.c_void_p * len(values))(*(ctypes.addressof(v) for v in values))
    three = ctypes.c_uint * 3
    with _one_at_a_time:
        error = getattr(library, f"launch_{name}")(three(*grid), three(*block), shared, addresses)
    if error:
        raise RuntimeError(f"{file}: {name}: {error.decode()}")


def _is_array(x) -> bool:
    """Whether a kernel takes x by its address, and not by value, as it takes tensor maps."""
    return isinstance(x, np.ndarray) and x.dtype != TENSOR_MAP


def _check(who: str, arguments, declared) -> None:
    if len(arguments) != len(declared):
        raise TypeError(f"{who}: {len(declared)} arguments; got {len(arguments)}")
    for x, (kind, pointer, label) in zip(arguments, declared, strict=True):
        got = f"{'array' if _is_array(x) else 'number'} of {x.dtype}"
        if _is_array(x) != pointer or (kind is not None and x.dtype != kind):
            raise TypeError(f"{who}: {label} is {kind}{'*' if pointer else ''}; got an {got}")


@cache
def _compiler() -> str | None:
    return shutil.which(os.environ.get("CXX", "g++"))


@cache
def _library(file: str, macros: tuple[tuple[str, str], ...]):
    """A compiled file, and for each kernel what its parameters are."""
    text = (FOLDER / file).read_text()
    names = kernels_of(text)
    declared = {name: _parameters(text, name, dict(macros)) for name in names}
    launchers = "".join(
        f'extern "C" __attribute__((visibility("default"))) const char* launch_{name}('
        f"const unsigned* grid, const unsigned* block, int shared, void** arguments) {{\n"
        f"  return emulator::launch({name}, grid, block, shared, arguments);\n}}\n"
        for name in names
    )
    source = f'#include "{file}"\n{launchers}'
    library = ctypes.CDLL(str(_compiled(file, source, macros)))
    for name in names:
        getattr(library, f"launch_{name}").restype = ctypes.c_char_p
    return library, declared


def kernels_of(text: str) -> list[str]:
    """The names of all kernels of a .cu file."""
    return re.findall(r'extern "C" __global__ void (?:__launch_bounds__\([^)]*\)\s)?(\w+)\(', text)


def _parameters(text: str, name: str, macros: dict) -> list[tuple]:
    """(dtype, whether a pointer, declaration) of every parameter; the dtype of others is None."""
    listed = re.search(rf"\s{name}\(([^)]*)\)", text).group(1)
    found = []
    for one in re.sub(r"\s+", " ", listed).split(","):
        words = re.sub(r"\bconst\b|__restrict__|__grid_constant__", "", one).strip()
        kind, pointer, _ = re.fullmatch(r"(.*?)\s*(\*?)\s*(\w+)", words).groups()
        kind = macros.get(kind, kind)
        found.append((C_TYPES.get(kind) and np.dtype(C_TYPES[kind]), bool(pointer), one.strip()))
    return found


def _compiled(file: str, source: str, macros) -> Path:
    if not available():
        raise RuntimeError("the emulated backend needs a C++ compiler: g++, or the one CXX names")
    sanitize = os.environ.get("MINIFCN_SANITIZE") == "1"
    options = ["-std=c++17", "-fPIC", "-shared", "-w", "-ffp-contract=off", "-DEMULATED"]
    options += ["-fvisibility=hidden"]  # else all libraries of a process share static variables
    options += ["-O1", "-g", "-fsanitize=address", "-DSANITIZED"] if sanitize else ["-O2"]
    options += [f"-D{name}={value}" for name, value in macros]
    headers = sorted([*FOLDER.glob("*.h"), *FOLDER.glob("*.cuh"), FOLDER / file])
    parts = [source, *options, _version(), *(path.read_text() for path in headers)]
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:20]
    library = _folder() / f"{Path(file).stem}-{digest}.so"
    if not library.exists():
        with tempfile.TemporaryDirectory(dir=library.parent) as folder:
            made = Path(folder) / "made.so"
            command = [_compiler(), *options, "-I", str(FOLDER), "-x", "c++", "-", "-o", str(made)]
            plain = os.environ | {"LD_PRELOAD": ""}  # the compiler is not what is watched
            done = subprocess.run(command, input=source, capture_output=True, text=True, env=plain)
            if done.returncode:
                raise RuntimeError(f"{file}: {_compiler()} refuses it:\n{done.stderr}")
            os.replace(made, library)
    return library


@cache
def _version() -> str:
    return subprocess.run([_compiler(), "--version"], capture_output=True, text=True).stdout


def _folder() -> Path:
    folder = Path(os.environ.get("MINIFCN_CACHE") or Path.home() / ".cache" / "minifcn")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            return folder
    except OSError:
        pass
    return Path(_temporary().name)


@cache
def _temporary() -> tempfile.TemporaryDirectory:
    return tempfile.TemporaryDirectory(prefix="minifcn-")
