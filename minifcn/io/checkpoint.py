"""A checkpoint: one safetensors file holding the model, the solver and the state of the run.

The model's arrays keep their own names, so every checkpoint is also a file of plain weights. The
solver's carry the prefix ``solver.``; whatever is neither is JSON in the file's metadata.
"""

import json
import os
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from .kinds import WeightsError
from .tensors import load_tensors, save_tensors

PREFIX = "solver."
KEY = "minifcn.checkpoint"


class CheckpointState(NamedTuple):
    """What a checkpoint holds: the arrays of the model, those of the solver, and the rest."""

    model: dict[str, np.ndarray]
    solver: dict[str, np.ndarray]
    info: dict[str, Any]


def save_checkpoint(
    path: str | os.PathLike,
    model_state: Mapping[str, np.ndarray],
    solver_state: Mapping[str, np.ndarray],
    info: Mapping[str, Any],
    *,
    check_finite: bool = False,
) -> None:
    """Write a checkpoint, whole: an interrupted save leaves the previous one as it was.

    ``info`` holds texts, numbers, booleans, None, lists and dicts with text keys (epoch,
    iteration, best score, states of random generators, configuration). NaN and infinite numbers
    are kept; tuples come back as lists and NumPy numbers as Python's.

    Raises ValueError where a model name begins with ``solver.`` or, with ``check_finite``, an
    array holds NaN or infinity; TypeError for what cannot be stored, saying where it is.
    """
    for name in model_state:
        if name.startswith(PREFIX):
            raise ValueError(f"the model has {name}; names beginning with {PREFIX} are taken")
    tensors = dict(model_state) | {PREFIX + name: a for name, a in solver_state.items()}
    if check_finite:
        for name, array in tensors.items():
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                count = np.count_nonzero(~np.isfinite(array))
                raise ValueError(f"{name} has {count} of {array.size} values that are not finite")
    save_tensors(path, tensors, {KEY: json.dumps(_plain(dict(info), "info"))})


def load_checkpoint(path: str | os.PathLike) -> CheckpointState:
    """Read a checkpoint; its arrays and its ``info`` are exactly those that were saved.

    Raises WeightsError, naming ``path``, for a file that cannot be read (see ``load_tensors``)
    or that holds plain weights without the state of a run.
    """
    tensors, metadata = load_tensors(path, widen=False)
    info = info_of(metadata, path)
    if info is None:
        raise WeightsError(
            f"{os.fspath(path)}: holds weights but not the state of a training run; "
            "read it with load_weights"
        )
    solver = {n.removeprefix(PREFIX): a for n, a in tensors.items() if n.startswith(PREFIX)}
    model = {n: a for n, a in tensors.items() if not n.startswith(PREFIX)}
    return CheckpointState(model, solver, info)


def info_of(metadata: Mapping[str, str], path: str | os.PathLike) -> dict[str, Any] | None:
    """The ``info`` in a file's metadata; None where it is no checkpoint. Raises WeightsError,
    naming ``path``, where it is damaged."""
    if KEY not in metadata:
        return None
    try:
        info = json.loads(metadata[KEY])
    except (json.JSONDecodeError, RecursionError) as error:
        raise WeightsError(f"{os.fspath(path)}: damaged checkpoint state: {error}") from error
    if not isinstance(info, dict) or not isinstance(info.get("model", {}), dict):
        raise WeightsError(f"{os.fspath(path)}: damaged checkpoint state: no table of names")
    return info


def _plain(value: Any, where: str) -> Any:
    """``value`` in the types that JSON gives back unchanged; ``where`` names it in an error."""
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"{where} has the key {key!r}; keys must be text")
        return {key: _plain(item, f"{where}[{key!r}]") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, f"{where}[{i}]") for i, item in enumerate(value)]
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, str | int | float):
        return value
    raise TypeError(f"{where} is a {type(value).__name__}, which a checkpoint cannot hold")
