"""Arrays of a GPU that is played by the CPU: NumPy arrays that keep to themselves.

CuPy refuses to mix its arrays with NumPy's. An ``EmulatedArray`` does the same, so that code which
works on it works on a GPU too, as far as where arrays live goes. The functions of this module are
those that the project calls of an array's module: NumPy's own, whose results are emulated.
"""

import functools

import numpy as np


class EmulatedArray(np.ndarray):
    """A NumPy array that computes with its own kind and with numbers alone."""

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **settings):
        _refuse_plain(ufunc.__name__, (*inputs, *(out or ())))
        if out is not None:
            settings["out"] = tuple(map(_plain, out))
        elif method == "__call__":
            settings.setdefault("order", "C")  # as CuPy, whatever the order of the inputs
        result = getattr(ufunc, method)(*map(_plain, inputs), **settings)
        return out[0] if out is not None else _emulated(result)

    def __array_function__(self, function, types, arguments, settings):
        return _called(function, arguments, settings)

    def __getitem__(self, index):
        return _emulated(super().__getitem__(index))  # one number too: an array without axes

    def get(self) -> np.ndarray:
        """As a NumPy array, a copy."""
        return np.array(self, subok=False)


def asarray(x, dtype=None) -> EmulatedArray:
    """The same numbers on the GPU; x itself where they are there."""
    if isinstance(x, EmulatedArray):
        return x if dtype is None else x.astype(dtype, copy=False)
    return np.array(x, dtype).view(EmulatedArray)


ndarray = EmulatedArray


def __getattr__(name: str):
    """Everything else is NumPy's."""
    found = getattr(np, name)
    if isinstance(found, type) or not callable(found):
        return found

    @functools.wraps(found)
    def function(*arguments, **settings):
        return _called(found, arguments, settings)

    return function


def _called(function, arguments, settings):
    """The result of a function of NumPy's, which itself sees plain arrays: it makes some too."""
    _refuse_plain(function.__name__, _flat((arguments, settings)))
    return _emulated(function(*_plain(arguments), **_plain(settings)))


def _plain(x):
    if isinstance(x, (tuple, list)):
        return type(x)(map(_plain, x))
    if isinstance(x, dict):
        return {key: _plain(value) for key, value in x.items()}
    return x.view(np.ndarray) if isinstance(x, EmulatedArray) else x


def _emulated(x):
    if isinstance(x, (tuple, list)):
        return type(x)(map(_emulated, x))
    return np.asarray(x).view(EmulatedArray) if isinstance(x, (np.ndarray, np.generic)) else x


def _flat(arguments):
    for x in arguments.values() if isinstance(arguments, dict) else arguments:
        if isinstance(x, (list, tuple, dict)):
            yield from _flat(x)
        else:
            yield x


def _refuse_plain(who: str, arguments) -> None:
    for x in arguments:
        if isinstance(x, np.ndarray) and not isinstance(x, EmulatedArray):
            raise TypeError(f"{who}: an array of the GPU and one of NumPy: convert one of them")
