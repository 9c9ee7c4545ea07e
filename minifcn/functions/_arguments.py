"""Arguments that every windowed operation shares: pairs, and the checks of arrays."""

import numpy as np

Pair = tuple[int, int]


def pair(value, name: str, least: int) -> Pair:
    """An int or a pair (vertical, horizontal) of ints as a pair.

    Raises TypeError for anything else and ValueError below ``least``.
    """
    both = (value, value) if isinstance(value, (int, np.integer)) else value
    if type(both) is tuple and len(both) == 2:  # as nearly always: nothing to convert
        first, second = both
        if type(first) is type(second) is int and first >= least <= second:
            return both
    if (
        not isinstance(both, (tuple, list))
        or len(both) != 2
        or not all(isinstance(v, (int, np.integer)) and not isinstance(v, bool) for v in both)
    ):
        raise TypeError(f"{name} must be an int or a pair (vertical, horizontal); got {value!r}")
    if min(both) < least:
        raise ValueError(f"{name} must be {least} or more; got {value!r}")
    return int(both[0]), int(both[1])


def image_shape(shape: tuple[int, ...], who: str, what: str = "x") -> tuple[int, int, int, int]:
    """The four lengths of an (N, C, H, W) array. Raises ValueError for another number of axes or
    for an empty array."""
    if len(shape) != 4:
        raise ValueError(f"{who}: {what} must be (N, C, H, W); got shape {shape}")
    if 0 in shape:
        raise ValueError(f"{who}: {what} is empty: shape {shape}")
    return shape


def same_dtype(who: str, **arrays) -> None:
    """Raises TypeError unless all arrays (None is passed over) have one floating-point dtype."""
    dtype = next(iter(arrays.values())).dtype
    if dtype.kind == "f" and all(a is None or a.dtype is dtype for a in arrays.values()):
        return  # NumPy has one object for each
    dtypes = {name: a.dtype for name, a in arrays.items() if a is not None}
    if len(set(dtypes.values())) > 1 or next(iter(dtypes.values())).kind != "f":
        found = ", ".join(f"{name} {dtype}" for name, dtype in dtypes.items())
        raise TypeError(f"{who}: wants one floating-point dtype for all; got {found}")


def per_axis(function, *pairs, who: str, shape) -> Pair:
    """Apply a one-axis size rule to both axes; its ValueError is given the operation's name."""
    sizes = []
    for axis, values in zip(("vertically", "horizontally"), zip(*pairs, strict=True), strict=True):
        try:
            sizes.append(function(*values))
        except ValueError as error:
            raise ValueError(f"{who}: x {shape}, {axis}: {error}") from None
    return sizes[0], sizes[1]
