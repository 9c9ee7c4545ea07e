"""Every kernel of the table against the reference in float64, on fresh numbers.

All arrays that a kernel makes are full of NaN before, so that a number that it does not write is
seen; what it changes in place is compared too.
"""

import importlib

import numpy as np

from .check_cases import calls
from .place import TOLERANCES, products, set_precision

MULTIPLIED = ("conv2d", "conv2d_grad_input", "conv2d_grad_weight", "matmul")
NOT_CALLED = {"empty_maps"}  # makes an array, and fills it with nothing


def cases(place, options):
    """A case for every kernel and precision; first which kernels there are no arguments for."""
    from minifcn.kernels import reference

    seed = int.from_bytes(np.random.default_rng().bytes(4), "little")  # fresh every time
    known = {kernel for kernel, *_ in calls(np.random.default_rng(seed), reference)} | NOT_CALLED
    table = [name for name in reference.__all__ if callable(getattr(reference, name))]
    yield "all kernels", lambda: {"unchecked": sorted(set(table) - known), "seed": seed}
    for precision in _precisions(place):
        for kernel, note, arguments, settings in calls(np.random.default_rng(seed), reference):
            if precision in ("float64", "fma") or kernel in MULTIPLIED:
                name = f"{kernel} {note}".strip() + f", {precision}"
                call = kernel, arguments, settings
                yield name, lambda c=call, p=precision: _check(place, *c, p)


def checked(place):
    """(precision, kernel, arguments on the GPU, settings) of every check."""
    from minifcn.kernels import reference

    for precision in _precisions(place):
        for kernel, _, arguments, settings in calls(np.random.default_rng(0), reference):
            there = _each(_rounded(arguments, precision), lambda x: _placed(place, x))
            yield precision, kernel, there, settings


def _precisions(place) -> list[str]:
    there = [one for name in ("float32", "tf32", "bf16") for one in products(place, name)]
    return ["float64", *sorted(there, key=lambda one: one == "wgmma")]  # which may hang: last


def _check(place, kernel: str, arguments, settings, precision: str) -> dict:
    from minifcn.kernels import reference

    mine = importlib.import_module("minifcn.kernels.cuda")
    rounded = _rounded(arguments, precision)
    exact = _each(rounded, lambda x: x.astype(np.float64) if x.dtype.kind == "f" else x.copy())
    there = _each(rounded, lambda x: _placed(place, x))
    expected = getattr(reference, kernel)(*exact, **settings)
    set_precision(precision)
    with place.poisoned():
        actual = getattr(mine, kernel)(*there, **settings)
        place.synchronize()
    actual, expected = _flat((actual, there)), _flat((expected, exact))
    if len(actual) != len(expected):
        return {"error": f"{len(actual)} arrays for {len(expected)}", "ok": False}
    worst = max(map(_error, actual, expected))
    return {"error": worst, "ok": worst <= TOLERANCES[precision]}


def _rounded(arguments, precision: str):
    """The arguments in the dtype that a precision is one of."""
    dtype = np.float64 if precision == "float64" else np.float32
    return _each(arguments, lambda x: x.astype(dtype) if x.dtype.kind == "f" else x)


def _error(actual, expected) -> float:
    """Relative error of one array; whole numbers are right or wrong."""
    actual, expected = actual.get(), np.asarray(expected)
    if actual.shape != expected.shape:
        return float("inf")
    if expected.dtype.kind != "f":
        return 0.0 if np.array_equal(actual, expected) else float("inf")
    gap = np.linalg.norm((actual.astype(np.float64) - expected).ravel())
    size = np.linalg.norm(expected.ravel())
    error = float(gap / size) if size else float(gap)
    return error if error == error else float("inf")  # NaN never passes


def _placed(place, x):
    """x on the GPU, maps with channels last."""
    if x.ndim != 4:
        return place.module.asarray(x)
    last = np.ascontiguousarray(x.transpose(0, 2, 3, 1))
    return place.module.asarray(last).transpose(0, 3, 1, 2)


def _each(x, change):
    """The arguments with all arrays changed."""
    if isinstance(x, (list, tuple)):
        return type(x)(_each(one, change) for one in x)
    return change(x) if isinstance(x, np.ndarray) else x


def _flat(x) -> list:
    """All arrays in a nest of lists and tuples, in order."""
    if isinstance(x, (list, tuple)):
        return [array for one in x for array in _flat(one)]
    return [x] if hasattr(x, "dtype") and hasattr(x, "shape") and hasattr(x, "ndim") else []
