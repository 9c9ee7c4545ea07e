"""Where arrays live, and how kernels are launched on them.

The functions of this backend compute on CuPy's arrays, on a GPU, and on emulated ones, on the CPU
(``arrays.EmulatedArray``). Both run the same .cu files.
"""

import hashlib
from functools import cache
from pathlib import Path

import numpy as np

from . import arrays, emulator

FOLDER = Path(__file__).parent
BLOCK = 256  # threads of a block, where nothing asks for another number
REAL = {"float32": "float", "float64": "double"}


def module_of(array):
    """The module whose functions compute on an array: CuPy, or its stand-in."""
    if isinstance(array, arrays.EmulatedArray):
        return arrays
    import cupy

    return cupy


def address(array) -> int:
    """Where an array's first number lies, on the GPU or where it is emulated."""
    return array.ctypes.data if isinstance(array, arrays.EmulatedArray) else array.data.ptr


def is_hopper(array) -> bool:
    """Whether an array lives where Hopper's own instructions run: they are emulated, too."""
    return isinstance(array, arrays.EmulatedArray) or _capability() == "90"


def _capability() -> str:
    import cupy

    return cupy.cuda.Device().compute_capability


def launch(file: str, name: str, grid, block, *arguments, shared: int = 0, **macros) -> None:
    """Run kernel ``name`` of ``file`` with a grid of blocks of threads, each 1 to 3 numbers.

    arguments: arrays, which lie dense in memory; ints, which the kernel takes as ``int``; NumPy
    scalars for all else. shared: bytes of dynamic shared memory. macros: what to define; a dtype
    stands for its name in C.
    """
    macros = {key: REAL.get(str(value), str(value)) for key, value in macros.items()}
    arguments = [np.int32(x) if isinstance(x, int) else x for x in arguments]
    grid, block = ((*numbers, 1, 1)[:3] for numbers in (grid, block))
    if 0 in grid:
        return
    if any(isinstance(x, arrays.EmulatedArray) for x in arguments):
        emulator.launch(file, name, grid, block, arguments, shared, macros)
    else:
        kernel = _kernel(file, name, tuple(sorted(macros.items())))
        if shared > 48 * 1024:
            kernel.max_dynamic_shared_size_bytes = shared
        kernel(grid, block, tuple(arguments), shared_mem=shared)


def for_each(n: int, file: str, name: str, *arguments, **macros) -> None:
    """``launch`` with one thread for each of n numbers, and n as the last argument."""
    launch(file, name, (-(-n // BLOCK),), (BLOCK,), *arguments, n, **macros)


@cache
def _kernel(file: str, name: str, macros):
    return _module(file, macros).get_function(name)


@cache
def _module(file: str, macros):
    import cupy

    options = ["-std=c++17", f"-I{FOLDER}", f"-DHEADERS={_digest_of_headers()}"]
    if _capability() == "90":
        options.append("-arch=sm_90a")  # Hopper's own instructions too
    options += [f"-D{key}={value}" for key, value in macros]
    return cupy.RawModule(code=(FOLDER / file).read_text(), options=tuple(options))


@cache
def _digest_of_headers() -> str:
    """CuPy keeps what it compiled under a name made of the source and the options alone."""
    texts = [path.read_bytes() for path in sorted(FOLDER.glob("*.cuh"))]
    return hashlib.sha256(b"".join(texts)).hexdigest()[:16]
