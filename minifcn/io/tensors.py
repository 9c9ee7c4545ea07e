"""Named arrays in a file: the safetensors format, which holds numbers and names and no code.

8 bytes                n, the length of the header, little-endian
n bytes                JSON: name -> {dtype, shape, data_offsets}, and __metadata__
the remaining bytes    the arrays, one after the other, little-endian, in C order
"""

import json
import os
from collections.abc import Mapping

import numpy as np

from .atomic import atomic_write
from .kinds import WeightsError, describe
from .mapped import map_file

# bfloat16 is the upper half of a float32 and is read as such; NumPy has no type of its own for it.
DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2",
    "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "|i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "|u1", "BOOL": "|b1",
}  # fmt: skip
NAMES = {np.dtype(code): name for name, code in DTYPES.items() if name != "BF16"}


def save_tensors(
    path: str | os.PathLike,
    tensors: Mapping[str, np.ndarray],
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write named arrays and a few texts to a safetensors file, whole (see ``atomic_write``).

    Arrays of any strides; floats, integers and bool. Equal arguments give equal bytes: the
    arrays keep the order of the mapping, wider types first so that each one is aligned.

    Raises TypeError for an array, a name or a metadata entry that the format cannot hold, before
    anything is written, and OSError naming ``path`` where it cannot be written.
    """
    for key, text in (metadata or {}).items():
        if not (isinstance(key, str) and isinstance(text, str)):
            raise TypeError(f"metadata must map text to text, got {key!r}: {type(text).__name__}")
    arrays = {name: _storable(name, array) for name, array in tensors.items()}
    ordered = sorted(arrays, key=lambda name: -arrays[name].itemsize)

    header: dict = {"__metadata__": dict(metadata)} if metadata else {}
    offset = 0
    for name in ordered:
        array = arrays[name]
        end = offset + array.nbytes
        header[name] = {
            "dtype": NAMES[array.dtype],
            "shape": list(array.shape),
            "data_offsets": [offset, end],
        }
        offset = end
    text = json.dumps(header, separators=(",", ":")).encode("utf-8")
    text += b" " * (-len(text) % 8)
    with atomic_write(path) as file:
        file.write(len(text).to_bytes(8, "little"))
        file.write(text)
        for name in ordered:
            # One array at a time: strided ones need a copy, and only one copy is held.
            file.write(np.asarray(arrays[name], order="C").data)


def load_tensors(
    path: str | os.PathLike, *, widen: bool = True, mapped: bool = False
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Read a safetensors file: ``(tensors, metadata)``, in the order in which they are stored.

    bfloat16 comes as float32, exactly; float16 too unless ``widen`` is false. The arrays are
    new, or, if ``mapped``, parts of the mapped file: then nothing is read before it is used. They
    are writable; what is written stays in memory. The header is checked by the safetensors library
    before any array is made.

    Raises WeightsError, naming ``path``, for a file that is missing, of another kind, cut short,
    with a header that contradicts itself, or with numbers of a type that is not supported.
    """
    path = os.fspath(path)
    _check(path)
    tensors, buffer = {}, map_file(path)
    length = int.from_bytes(buffer[:8], "little")
    header = json.loads(buffer[8 : 8 + length])
    metadata = header.pop("__metadata__", None) or {}
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        if entry["dtype"] not in DTYPES:
            raise WeightsError(
                f"{path}: {name} is stored as {entry['dtype']}; supported are {', '.join(DTYPES)}"
            )
        first, last = (8 + length + offset for offset in entry["data_offsets"])
        dtype = np.dtype(DTYPES[entry["dtype"]])
        array = np.frombuffer(buffer, dtype, (last - first) // dtype.itemsize, first)
        array = _native(array.reshape(entry["shape"]), entry["dtype"], widen)
        shares = mapped or entry["dtype"] == "BF16"
        tensors[name] = array if shares else np.array(array)
    return tensors, metadata


def _storable(name: str, array: np.ndarray) -> np.ndarray:
    """``array`` in little-endian order, refused where the format has no name for its type."""
    if not isinstance(name, str) or name == "__metadata__":
        raise TypeError(f"{name!r} cannot name an array in a safetensors file")
    if not isinstance(array, np.ndarray | np.generic):
        raise TypeError(f"{name}: expected a NumPy array, got {type(array).__name__}")
    little = array.dtype.newbyteorder("<")
    if little not in NAMES:
        raise TypeError(f"{name}: {array.dtype} arrays cannot be stored in a safetensors file")
    return np.asarray(array, dtype=little)


def _native(array: np.ndarray, dtype: str, widen: bool) -> np.ndarray:
    if dtype == "BF16":
        return (array.astype(np.uint32) << 16).view(np.float32)
    if dtype == "F16" and widen:
        return array.astype(np.float32)
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _check(path: str) -> None:
    """Raise WeightsError unless ``path`` is a sound safetensors file."""
    import safetensors

    try:
        kind = describe(path)
    except OSError as error:
        reason = (
            "no such file" if isinstance(error, FileNotFoundError) else error.strerror or error
        )
        raise WeightsError(f"{path}: {reason}") from error
    if kind != "a safetensors file":
        raise WeightsError(f"{path}: expected a safetensors file, this seems to be {kind}")
    try:
        with safetensors.safe_open(path, framework="np"):
            pass
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        raise WeightsError(f"{path}: damaged safetensors file: {_explain(path, error)}") from error


def _explain(path: str, error: Exception) -> str:
    """The library's finding, and the arithmetic where the file is simply cut short."""
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
    if 8 + length > size:
        return f"the header should take {length} bytes, the file has {size} ({error})"
    return str(error)
