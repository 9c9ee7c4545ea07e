"""Files of torch.save to arrays, and arrays to files that torch.load reads."""

import math
import os
import struct
import zipfile
from collections.abc import Mapping

import numpy as np

from ..atomic import atomic_write
from ..kinds import WeightsError, describe
from ..mapped import map_file
from .files import MAGIC, ZIP, Place, add_member, read_legacy, read_zip
from .objects import DTYPES, STORAGES, StoredTensor, find_tensors

NAMES = {np.dtype(DTYPES[t]): name for name, t in STORAGES.items() if t != "bfloat16"}


def load_pytorch(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """Read the state dict of a file of torch.save, in its order: name -> array.

    The dictionary may lie in a checkpoint, as its ``state_dict``, ``model_state_dict``,
    ``model``, ``net`` or ``weights``; nested names are joined by dots. DataParallel's prefix
    ``module.`` is removed where all names have it. What is not a tensor is passed over.

    float16 and bfloat16 come as float32, exactly. All other arrays that lie dense in the file are
    views of it, writable and read when they are used (see ``map_file``); those of a legacy file
    may begin at any byte, so that ``flags.aligned`` is false. Equal tensors of one storage (tied
    weights) are one array.

    Raises WeightsError, naming ``path``, for a file that is missing, damaged, of another kind, or
    asks for anything but tensors.
    """
    path = os.fspath(path)
    file = map_file(path)
    try:
        if file[:2] == ZIP[:2]:
            value, place = read_zip(file)
        elif MAGIC in file[:32]:
            value, place = read_legacy(file)
        else:
            raise ValueError(f"expected a PyTorch file, this seems to be {describe(path)}")
        return _arrays(find_tensors(value), np.frombuffer(file, np.uint8), place)
    except ValueError as error:
        raise WeightsError(f"{path}: {error}") from error


def _arrays(
    tensors: dict[str, StoredTensor], content: np.ndarray, place: Place
) -> dict[str, np.ndarray]:
    """The numbers of each tensor: a view of the file where they lie dense in it, else a copy."""
    arrays: dict[str, np.ndarray] = {}
    copied = 0
    for tensor in tensors.values():
        if repr(tensor) in arrays:
            continue
        start, size = place(tensor.storage.key)
        if size < tensor.storage.nbytes:
            raise ValueError(f"a storage has {size} bytes instead of {tensor.storage.nbytes}")
        dtype = np.dtype(DTYPES[tensor.dtype])
        if tensor.nbytes:
            # Along an axis of length 1 nobody steps, and a stride there may be of any size.
            steps = [
                step * dtype.itemsize if n > 1 else 0
                for n, step in zip(tensor.shape, tensor.strides, strict=True)
            ]
            start += tensor.offset * dtype.itemsize
            array = np.ndarray(tensor.shape, dtype, content, start, steps)
        else:
            array = np.empty(tensor.shape, dtype)
        is_half = tensor.dtype in ("float16", "bfloat16")
        if is_half or not array.flags.c_contiguous:
            # Thousands of tensors may show the same storage, each in another order.
            copied += array.nbytes
            if copied > content.nbytes:
                raise ValueError("copies of its tensors would be larger than the file")
        if tensor.dtype == "bfloat16":
            array = (array.astype(np.uint32) << 16).view(np.float32)
        arrays[repr(tensor)] = np.asarray(array, np.float32 if is_half else None, order="C")
    return {name: arrays[repr(tensor)] for name, tensor in tensors.items()}


def save_pytorch(path: str | os.PathLike, tensors: Mapping[str, np.ndarray]) -> None:
    """Write named arrays to a file that torch.load reads, whole (see ``atomic_write``).

    torch.load returns an OrderedDict of tensors with the same names, order, types and values,
    also with ``weights_only=True`` and ``mmap=True``. Arrays of any strides: floats, signed
    integers, uint8 and bool. Equal arguments give equal bytes.

    Raises TypeError for an array or a name that cannot be stored, before anything is written, and
    OSError naming ``path`` where it cannot be written.
    """
    arrays = {name: _storable(name, array) for name, array in tensors.items()}
    with atomic_write(path) as file, zipfile.ZipFile(file, "w") as archive:
        add_member(archive, "data.pkl", _pickle(arrays))
        add_member(archive, "byteorder", b"little")
        for key, array in enumerate(arrays.values()):
            # One array at a time: strided ones need a copy, and only one copy is held.
            dense = np.asarray(array, order="C").reshape(-1)
            add_member(archive, f"data/{key}", dense.view(np.uint8))
        add_member(archive, "version", b"3\n")


def _storable(name: str, array: np.ndarray) -> np.ndarray:
    """``array`` in little-endian order, refused where PyTorch has no storage of its type."""
    if not isinstance(name, str):
        raise TypeError(f"{name!r} cannot name a tensor")
    if not isinstance(array, np.ndarray | np.generic):
        raise TypeError(f"{name}: expected a NumPy array, got {type(array).__name__}")
    little = array.dtype.newbyteorder("<")
    if little not in NAMES:
        raise TypeError(f"{name}: {array.dtype} arrays cannot be stored in a PyTorch file")
    return np.asarray(array, dtype=little)


def _pickle(arrays: dict[str, np.ndarray]) -> bytes:
    """OrderedDict([(name, tensor), ...]) in the instructions of a pickle, protocol 2."""
    nothing = b"ccollections\nOrderedDict\n)R"  # GLOBAL, EMPTY_TUPLE, REDUCE
    parts = [b"\x80\x02", nothing, b"("]
    for key, (name, array) in enumerate(arrays.items()):
        strides = tuple(math.prod(array.shape[axis + 1 :]) for axis in range(array.ndim))
        parts += [
            _text(name),
            b"ctorch._utils\n_rebuild_tensor_v2\n(",
            *(b"(", _text("storage"), b"ctorch\n%s\n" % NAMES[array.dtype].encode()),
            *(_text(str(key)), _text("cpu"), _integer(array.size), b"tQ"),  # TUPLE, BINPERSID
            *(_integer(0), _integers(array.shape), _integers(strides)),
            *(b"\x89", nothing, b"tR"),  # no gradient, no hooks; TUPLE, REDUCE
        ]
    return b"".join([*parts, b"u."])  # SETITEMS, STOP


def _text(text: str) -> bytes:
    content = text.encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<I", len(content)) + content


def _integer(value: int) -> bytes:
    return b"\x8a\x08" + struct.pack("<q", value)


def _integers(values: tuple[int, ...]) -> bytes:
    return b"(" + b"".join(map(_integer, values)) + b"t"
