"""A wall between NumPy's arrays and those of an emulated GPU, as high as CuPy's.

CuPy's arrays refuse to become NumPy's unless they are told to (``get``). The emulated ones are
NumPy's underneath, and ``np.asarray`` takes them apart unasked. Behind the wall it does not: every
file of the project above the kernels sees a NumPy that refuses.
"""

import functools
import importlib
import pkgutil
import sys
import types

import numpy as np

import minifcn

CONVERSIONS = ("array", "asarray", "asanyarray", "ascontiguousarray", "copy", "require")


class Strict(types.ModuleType):
    """NumPy, but for what makes arrays of arrays."""

    def __getattr__(self, name: str):
        return getattr(np, name)


def _refusing(convert):
    @functools.wraps(convert)
    def wrapped(x, *arguments, **settings):
        if hasattr(x, "get") and isinstance(x, np.ndarray):
            raise TypeError(f"np.{convert.__name__}: an array of the GPU is no NumPy array")
        return convert(x, *arguments, **settings)

    return wrapped


@functools.cache
def _strict() -> Strict:
    strict = Strict("numpy")
    for name in CONVERSIONS:
        setattr(strict, name, _refusing(getattr(np, name)))
    return strict


@functools.cache
def _files() -> list[types.ModuleType]:
    """Every module above the kernels that knows NumPy, but the one that may know the kernels."""
    for found in pkgutil.walk_packages(minifcn.__path__, "minifcn."):
        if not found.name.startswith(("minifcn.kernels", "minifcn.cli", "minifcn.io.caffe")):
            importlib.import_module(found.name)
    return [
        module
        for name, module in sys.modules.items()
        if name.startswith("minifcn.")
        and not name.startswith(("minifcn.kernels", "minifcn.backends"))
        if getattr(module, "np", None) is np
    ]


def build(monkeypatch) -> None:
    """Put it up, until monkeypatch takes it down."""
    for module in _files():
        monkeypatch.setattr(module, "np", _strict())
