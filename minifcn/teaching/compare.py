"""The first place where two results differ, in a line."""

import contextlib

import numpy as np


def first_difference(found, expected, tolerance: float = 1e-9, *, hint: str = "") -> str | None:
    """None where ``found`` is ``expected``; otherwise what differs, and where first.

    Numbers and arrays are compared by value, floating-point ones up to ``tolerance`` times the
    largest magnitude expected; tuples, lists and dictionaries entry by entry, the rest with ==.
    """
    wrong = _difference(found, expected, tolerance, "")
    if wrong and hint and found is not None and found is not Ellipsis:  # nobody likes to be told
        wrong += f" (hint: {hint})"
    return wrong


def frozen(value):
    """The same with its arrays copied and not writeable."""
    if isinstance(value, np.ndarray):
        value = value.copy()
        value.flags.writeable = False
        return value
    if type(value) in (tuple, list):
        return type(value)(map(frozen, value))
    return value


def _difference(found, expected, tolerance, place) -> str | None:
    at = f" at {place}" if place else ""
    if found is None or found is Ellipsis or found is NotImplemented:
        return None if expected is None else f"nothing came back{at}"
    if isinstance(expected, (tuple, list)) and not _is_numbers(expected):
        return _sequence_difference(found, expected, tolerance, place, at)
    if isinstance(expected, dict):
        if not isinstance(found, dict) or found.keys() != expected.keys():
            keys = sorted(map(str, found)) if isinstance(found, dict) else found
            return f"keys {keys}, expected {sorted(map(str, expected))}{at}"
        pairs = ((found[k], expected[k], f"{place}[{k!r}]") for k in expected)
        return next(filter(None, (_difference(f, e, tolerance, p) for f, e, p in pairs)), None)
    try:
        want, have = np.asarray(expected), np.asarray(found)
    except ValueError:  # rows of different lengths
        return f"{found!r}, expected {expected!r}{at}"
    if want.dtype.kind not in "biufc":
        return None if found == expected else f"{found!r}, expected {expected!r}{at}"
    return _array_difference(have, want, tolerance, place, at)


def _sequence_difference(found, expected, tolerance, place, at) -> str | None:
    if not isinstance(found, (tuple, list)):
        return f"a {type(found).__name__}, expected {len(expected)} results{at}"
    if len(found) != len(expected):
        return f"{len(found)} results, expected {len(expected)}{at}"
    pairs = zip(found, expected, strict=True)
    places = (_difference(f, e, tolerance, f"{place}[{i}]") for i, (f, e) in enumerate(pairs))
    return next(filter(None, places), None)


def _array_difference(have, want, tolerance, place, at) -> str | None:
    if have.dtype.kind == "O":  # of fractions, say
        with contextlib.suppress(TypeError, ValueError):
            have = have.astype(float)
    if have.dtype.kind not in "biufc":
        return f"{have!r} is no array of numbers{at}"
    if have.shape != want.shape:
        return f"shape {have.shape}, expected {want.shape}{at}"
    if want.size == 0:
        return None
    if want.dtype.kind in "biu":
        wrong = have != want
    else:
        finite = np.abs(want[np.isfinite(want)])
        scale = max(float(finite.max(initial=0)), 1e-12)
        with np.errstate(invalid="ignore"):
            wrong = ~((have == want) | (np.abs(have - want) <= tolerance * scale))
        wrong &= ~(np.isnan(have) & np.isnan(want))
    if not wrong.any():
        return None
    first = tuple(int(i) for i in np.argwhere(wrong)[0])
    where = place + ("[" + ", ".join(map(str, first)) + "]" if first else "")
    text = f"{_number(have[first])}, expected {_number(want[first])}"
    text += f" at {where}" if where else ""
    count = int(wrong.sum())
    return text + (f"; {count} of {want.size} numbers differ" if want.size > 1 else "")


def _number(value) -> str:
    return str(bool(value)) if value.dtype.kind == "b" else f"{value:.6g}"


def _is_numbers(value) -> bool:
    """Whether a list or tuple stands for one array: of numbers, or of rows of equal length."""
    return all(isinstance(v, (int, float, np.number)) for v in value) or (
        all(isinstance(v, (list, tuple)) and _is_numbers(v) for v in value)
        and len({len(v) for v in value}) == 1
    )
