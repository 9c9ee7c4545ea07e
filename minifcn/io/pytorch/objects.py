"""What a pickle of PyTorch's names: storages, tensors that are windows into them, state dicts.

A storage is a run of numbers of one type, kept outside the pickle. A tensor tells where in its
storage it begins and how far apart neighbours along each axis are, all counted in numbers.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

from .pickles import Global, Refused, fill, opaque

# bfloat16 is the upper half of a float32; NumPy has no type of its own for it.
DTYPES = {
    "float64": "<f8", "float32": "<f4", "float16": "<f2", "bfloat16": "<u2",
    "int64": "<i8", "int32": "<i4", "int16": "<i2", "int8": "|i1",
    "uint64": "<u8", "uint32": "<u4", "uint16": "<u2", "uint8": "|u1", "bool": "|b1",
}  # fmt: skip
STORAGES = {
    "DoubleStorage": "float64", "FloatStorage": "float32", "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16", "LongStorage": "int64", "IntStorage": "int32",
    "ShortStorage": "int16", "CharStorage": "int8", "ByteStorage": "uint8", "BoolStorage": "bool",
}  # fmt: skip
BUILTINS = ("bytes", "bytearray", "dict", "float", "frozenset", "int", "list", "set", "str")
WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "weights")
WORK = 1_000_000  # entries of dictionaries looked at, and letters of their names
LETTERS = 300  # of a tensor's name
KEY = 100  # letters of a storage's key, which is a number in digits
AXES = 64  # NumPy's and PyTorch's limit


@dataclass(frozen=True)
class Storage:
    """``count`` numbers of a type (a key of DTYPES), stored under ``key``."""

    key: str
    dtype: str
    count: int

    @property
    def nbytes(self) -> int:
        return self.count * itemsize(self.dtype)


@dataclass(frozen=True)
class StoredTensor:
    """A tensor in a storage; offset and strides count numbers of its own type."""

    storage: Storage
    dtype: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * itemsize(self.dtype)

    @property
    def end(self) -> int:
        """Bytes from the start of the storage to behind the last number."""
        steps = sum((n - 1) * step for n, step in zip(self.shape, self.strides, strict=True))
        return (self.offset + steps + 1) * itemsize(self.dtype)


def itemsize(dtype: str) -> int:
    """Bytes of a number of one of DTYPES."""
    return int(DTYPES[dtype][2])


def persistent_storage(identity: Any) -> Storage:
    """The storage that a persistent id of torch.save stands for."""
    match identity:
        case ("storage", Global(value=str() as dtype), str(key), _, int(count), *view):
            if len(key) > KEY:
                raise ValueError(f"the key of a storage has {len(key)} letters")
            if view not in ([], [None]):  # written before 0.4
                raise ValueError(f"storage {key!r} is a part of another one")
            return Storage(key, dtype, count)
    raise ValueError("it asks for something else than a storage outside the pickle")


def find_tensors(value: Any) -> dict[str, StoredTensor]:
    """The state dict of a checkpoint: the outermost dictionary, or the one that it wraps.

    Names of nested dictionaries are joined by dots. DataParallel's ``module.`` is removed where
    all names have it. Raises ValueError where there is no tensor, and for a name that is twice.
    """
    if not isinstance(value, dict):
        raise ValueError(f"expected a dictionary of tensors, it holds a {type(value).__name__}")
    for _ in range(3):  # a checkpoint may lie within another
        inner = (value.get(key) for key in WRAPPERS)
        value = next((d for d in inner if isinstance(d, dict) and _named(d)), value)
    found = _named(value)
    if not found:
        raise ValueError("there is no tensor in it")
    if all(name.startswith("module.") for name in found):
        found = {name.removeprefix("module."): tensor for name, tensor in found.items()}
    return found


def _named(value: dict) -> dict[str, StoredTensor]:
    """All tensors in nested dictionaries, in order."""
    found: dict[str, StoredTensor] = {}
    waiting: list[tuple[str, Any]] = [("", value)]
    work = 0
    while waiting:
        name, item = waiting.pop()
        if len(name) > LETTERS:
            raise ValueError(f"the name of a tensor has more than {LETTERS} letters")
        if isinstance(item, dict):
            prefix = f"{name}." if name else ""
            inside = [
                (f"{prefix}{key}", entry)
                for key, entry in item.items()
                if isinstance(entry, dict | StoredTensor)
            ]
            waiting.extend(reversed(inside))
            # A dictionary may lie in many others, or in itself: the walk has to end all the same.
            work += len(item) + sum(len(name) for name, _ in inside)
            if work > WORK:
                raise ValueError("its dictionaries have too many entries")
        elif name in found:
            raise ValueError(f"two tensors have the name {name!r}")
        else:
            found[name] = item
    return found


def _tensor(arguments: tuple) -> StoredTensor:
    """torch._utils._rebuild_tensor, and _rebuild_tensor_v2 with more that concerns training."""
    match arguments:
        case (Storage() as storage, offset, tuple(shape), tuple(strides), *rest):
            return _checked(StoredTensor(storage, storage.dtype, offset, shape, strides), rest[2:])
    raise ValueError("a tensor is rebuilt from something else than a window into a storage")


def _typed_tensor(arguments: tuple) -> StoredTensor:
    """torch._utils._rebuild_tensor_v3, which tells the type; its storage is one of bytes."""
    match arguments:
        case (_, _, _, _, _, _, Global(value=str() as dtype), *metadata):
            return _checked(replace(_tensor(arguments[:4]), dtype=dtype), metadata)
    raise ValueError("a tensor is rebuilt without its type")


def _checked(tensor: StoredTensor, metadata: list) -> StoredTensor:
    """``tensor``, if it lies within its storage and is not larger than that."""
    shape, room = tensor.shape, tensor.storage.nbytes
    numbers = (tensor.offset, *shape, *tensor.strides)
    if not all(isinstance(n, int) and 0 <= n < 2**63 for n in numbers):
        raise ValueError("offset, shape and strides of a tensor are not all natural numbers")
    if len(shape) != len(tensor.strides) or len(shape) > AXES:
        raise ValueError(f"a tensor has {len(shape)} axes and {len(tensor.strides)} strides")
    if any(metadata):
        raise ValueError("a tensor stands for its negative or its conjugate")
    # An expanded tensor (stride 0) may ask for any number of values that are all the same one,
    # and an empty one for axes whose product NumPy cannot count.
    fits = tensor.end <= room if tensor.nbytes else math.prod(n or 1 for n in shape) < 2**48
    if tensor.nbytes > room or not fits:
        raise ValueError(f"a tensor of shape {shape} does not fit in its storage of {room} bytes")
    return tensor


def _parameter(arguments: tuple) -> StoredTensor:
    """torch._utils._rebuild_parameter and its kin: the tensor and what training needs."""
    match arguments:
        case (StoredTensor() as tensor, *_):
            return tensor
    raise ValueError("a parameter is rebuilt from something else than a tensor")


def _dictionary(arguments: tuple) -> dict:
    """OrderedDict(); Python 2 wrote OrderedDict([[key, value], ...])."""
    match arguments:
        case ():
            return {}
        case (list(pairs),) if all(isinstance(p, list | tuple) and len(p) == 2 for p in pairs):
            return fill({}, pairs)
    raise ValueError("an OrderedDict is rebuilt from something else than pairs")


def _size(arguments: tuple) -> tuple:
    """torch.Size: a tuple of its own kind."""
    match arguments:
        case (tuple(sizes),):
            return sizes
    raise ValueError("a torch.Size is rebuilt from something else than a tuple")


KNOWN: dict[str, Any] = {
    **{f"torch.{name}": dtype for name, dtype in STORAGES.items()},
    **{f"torch.{dtype}": dtype for dtype in DTYPES},
    "torch.storage.UntypedStorage": "uint8",
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor_v3": _typed_tensor,
    "torch._utils._rebuild_parameter": _parameter,
    "torch._utils._rebuild_parameter_with_state": _parameter,
    "torch.nn.parameter.Parameter": _parameter,  # before 0.4
    "collections.OrderedDict": _dictionary,
    "collections.defaultdict": lambda arguments: {},
    "torch.Size": _size,
    "torch._utils._rebuild_sparse_tensor": Refused("a sparse tensor"),
    "torch._utils._rebuild_qtensor": Refused("a quantised tensor"),
    "torch._utils._rebuild_nested_tensor": Refused("a nested tensor"),
    "torch.ComplexFloatStorage": Refused("a complex tensor"),
    "torch.ComplexDoubleStorage": Refused("a complex tensor"),
    # Found beside the weights: settings, scores, states of random generators.
    **dict.fromkeys(
        [
            *("torch.device", "argparse.Namespace", "collections.Counter", "_codecs.encode"),
            *("numpy.dtype", "numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar"),
            *(f"builtins.{name}" for name in BUILTINS),
            *(f"__builtin__.{name}" for name in BUILTINS),  # the name of that module in Python 2
        ],
        opaque,
    ),
}
