"""Kernel tables for tests that know NumPy's arrays alone."""

import functools
import importlib.util

import numpy as np
import pytest

# Without CuPy nobody expects a GPU
DEVICES = ("emulated", "cuda") if importlib.util.find_spec("cupy") else ("emulated",)


def table(name: str):
    """The kernel table of a backend. Those of a GPU, real or emulated, take NumPy's arrays there
    and back. Skips the test where there is no GPU, or no compiler to emulate one."""
    if name in ("reference", "cpu"):
        return importlib.import_module(f"minifcn.kernels.{name}")
    return OnDevice(_arrays(name))


def native_table(name: str):
    """The kernel table of a backend as it is, and the module of its arrays, for tests that lay
    them out themselves. Skips as ``table`` does."""
    if name in ("reference", "cpu"):
        return table(name), np
    module = _arrays(name)
    return importlib.import_module("minifcn.kernels.cuda"), module


def to_numpy(x):
    """A NumPy array, of an array of any place."""
    return x.get() if hasattr(x, "get") else x


def _arrays(name: str):
    if name == "cuda":
        cupy = pytest.importorskip("cupy")
        try:
            cupy.cuda.runtime.getDeviceCount()
        except cupy.cuda.runtime.CUDARuntimeError as error:
            pytest.skip(f"no GPU: {error}")
        return cupy
    from minifcn.kernels.cuda import arrays, emulator

    if not emulator.available():
        pytest.skip("no C++ compiler to emulate a GPU with")
    return arrays


class OnDevice:
    """The functions of kernels.cuda on NumPy's arrays: what they change is changed here too.

    float32 is multiplied as it is, but where a test sets another precision.
    """

    def __init__(self, module):
        self.module = module

    def __getattr__(self, name: str):
        function = getattr(importlib.import_module("minifcn.kernels.cuda"), name)
        precision = importlib.import_module("minifcn.kernels.cuda.precision")

        @functools.wraps(function)
        def called(*arguments, **settings):
            moved, chosen = {}, precision._chosen
            arguments = self._there(arguments, moved)
            settings = {key: self._there(value, moved) for key, value in settings.items()}
            precision._chosen = chosen or "float32"
            try:
                result = function(*arguments, **settings)
            finally:
                precision._chosen = chosen
            for original, copy, before in moved.values():
                after = copy.get()
                if after.tobytes() != before:
                    original[...] = after
            return self._back(result, moved)

        return called

    def _there(self, x, moved):
        """Arrays on the device, with axes in the same order in memory; one for each array."""
        if isinstance(x, (list, tuple)):
            return type(x)(self._there(one, moved) for one in x)
        if not isinstance(x, np.ndarray):
            return x
        if id(x) not in moved:
            order = sorted(range(x.ndim), key=lambda axis: -abs(x.strides[axis]))
            copy = self.module.asarray(x.transpose(order).copy())
            copy = copy.transpose(np.argsort(order))
            moved[id(x)] = x, copy, np.ascontiguousarray(x).tobytes()
        return moved[id(x)][1]

    def _back(self, x, moved):
        if isinstance(x, tuple):
            return tuple(self._back(one, moved) for one in x)
        for original, copy, _ in moved.values():
            if x is copy:
                return original
        return x.get() if isinstance(x, self.module.ndarray) else x
