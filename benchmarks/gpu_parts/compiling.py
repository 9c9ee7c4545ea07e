"""Before all else the convolutions are compiled for every tile that the other sections use, by
several processes: they keep the results in a folder, where the sections find them.

What is needed is found by calling the convolutions with launching switched off.
"""

import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from unittest import mock

from .checks import checked
from .convolutions import LAYERS, Convolution, layer_of, pairs
from .place import products, set_precision
from .tile_shapes import Unsuitable, shapes_of, tile_of

MOST = 12  # processes


def cases(place, options):
    """One case: how long each took, and what failed."""
    yield "convolutions", lambda: _compile(place)


def _compile(place) -> dict:
    files = {(file, macros): name for file, name, macros in _launches(place)}
    jobs = [(file, name, macros) for (file, macros), name in files.items()]  # brings all kernels
    place.free()
    seconds, failed = {}, {}
    workers = min(len(jobs), MOST, os.cpu_count() or 1)
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        futures = {pool.submit(_one, place.emulated, *job): _name(*job) for job in jobs}
        for future in as_completed(futures):
            try:
                seconds[futures[future]] = round(future.result(), 1)
            except Exception as error:
                failed[futures[future]] = str(error)[:2000]
                print(f"{futures[future]}: {str(error)[:500]}", file=sys.stderr)
    return {"processes": workers, "seconds": seconds, "failed": failed}


def _launches(place):
    """(file, kernel, macros) of all that would be launched."""
    from minifcn.kernels.cuda import conv, device, hopper

    found = []

    def launch(file, name, grid, block, *arguments, shared=0, **macros):
        macros = {key: device.REAL.get(str(value), str(value)) for key, value in macros.items()}
        found.append((file, name, tuple(sorted(macros.items()))))

    with mock.patch.object(conv, "launch", launch), mock.patch.object(hopper, "launch", launch):
        for name, direction in pairs(place, LAYERS):
            convolution = Convolution(place, layer_of(place, name), direction)
            for precision in ("tf32", "float32"):
                for product in products(place, precision):
                    _call(convolution.ours(product).function, 0)
                    for shape in shapes_of(place, product) if precision == "tf32" else ():
                        with tile_of(shape):
                            _call(convolution.ours(product).function, 0)
            del convolution
            place.free()
        for precision, kernel, arguments, settings in checked(place):
            if kernel.startswith("conv2d"):
                set_precision(precision)
                _call(getattr(conv, kernel), *arguments, **settings)
    return found


def _call(function, *arguments, **settings) -> None:
    """A call that may fail: the section that measures it will say so."""
    try:
        function(*arguments, **settings)
    except Unsuitable:
        pass
    except Exception as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)


def _one(emulated: bool, file: str, name: str, macros) -> float:
    """Compile, exactly as kernels/cuda/device.py will ask for it."""
    from minifcn.kernels.cuda import device, emulator

    begun = time.perf_counter()
    if emulated:
        emulator._library(file, macros)
    else:
        device._kernel(file, name, macros)
    return time.perf_counter() - begun


def _name(file: str, name: str, macros) -> str:
    return " ".join([file, *(f"{key}={value}" for key, value in macros if key != "real")])
