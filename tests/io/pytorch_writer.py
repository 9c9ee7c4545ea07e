"""Files as torch.save writes them, made with Python's own pickler and without PyTorch."""

import io
import pickle
import struct
import zipfile

import numpy as np

STORAGES = {
    "DoubleStorage": "f8", "FloatStorage": "f4", "HalfStorage": "f2", "BFloat16Storage": "u2",
    "LongStorage": "i8", "IntStorage": "i4", "ShortStorage": "i2", "CharStorage": "i1",
    "ByteStorage": "u1", "BoolStorage": "b1",
}  # fmt: skip


class Name:
    """Pickled as a global of that name, whatever it may be."""

    def __init__(self, name):
        self.name = name

    def __call__(self):
        raise AssertionError("the pickler only asks whether this can be called")


class Call:
    """Pickled as a call of a global with arguments, and perhaps a state for BUILD."""

    def __init__(self, name, *arguments, state=None):
        self.reduced = (Name(name), arguments) if state is None else (Name(name), arguments, state)


class Numbers:
    """Pickled as a storage; what the pickle says of it may be a lie."""

    def __init__(self, array, kind=None, key=None, count=None):
        self.array = np.ascontiguousarray(array).reshape(-1)
        code = self.array.dtype.str[1:]
        kind = kind or next(name for name, c in STORAGES.items() if c == code)
        self.kind = kind if "." in kind else f"torch.{kind}"
        self.key = key
        self.count = self.array.size if count is None else count


def tensor(numbers, shape=None, strides=None, offset=0, rebuild="_rebuild_tensor_v2", more=()):
    """A tensor of an array, or of Numbers with any shape, strides and offset."""
    if isinstance(numbers, np.ndarray | np.generic):
        shape = numbers.shape if shape is None else shape
        numbers = Numbers(numbers)
    shape = numbers.array.shape if shape is None else shape
    if strides is None:
        strides = tuple(int(np.prod(shape[i + 1 :])) for i in range(len(shape)))
    gradient = () if rebuild == "_rebuild_tensor" else (False, Call("collections.OrderedDict"))
    arguments = (numbers, offset, shape, strides, *gradient, *more)
    return Call(f"torch._utils.{rebuild}", *arguments)


class _Pickler(pickle._Pickler):
    def __init__(self, file, protocol, tail):
        super().__init__(file, protocol)
        self.tail = tail
        self.storages = {}

    def persistent_id(self, value):
        if isinstance(value, Numbers):
            if value.key is None:
                value.key = str(len(self.storages))
            self.storages[value.key] = value
            return ("storage", Name(value.kind), value.key, "cpu", value.count, *self.tail)
        return None

    def reducer_override(self, value):
        if isinstance(value, Call):
            return value.reduced
        return value.name if isinstance(value, Name) else NotImplemented

    def save_global(self, value, name=None):
        if not isinstance(value, Name):
            return super().save_global(value, name)
        module, _, attribute = value.name.rpartition(".")
        if self.proto >= 4:
            self.save(module)
            self.save(attribute)
            self.write(pickle.STACK_GLOBAL)
        else:
            self.write(f"c{module}\n{attribute}\n".encode())
        return self.memoize(value)


def pickled(value, protocol=2, tail=()):
    """The pickle of a value, and the storages in it by their keys."""
    file = io.BytesIO()
    pickler = _Pickler(file, protocol, tail)
    pickler.dump(value)
    return file.getvalue(), pickler.storages


def zip_members(value, protocol=2):
    """name -> content of the members of a zip file."""
    content, storages = pickled(value, protocol)
    data = {f"x/data/{key}": numbers.array.tobytes() for key, numbers in storages.items()}
    return {"x/data.pkl": content, "x/byteorder": b"little", **data, "x/version": b"3\n"}


def write_members(path, members, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, compression)
    return path


def write_zip(path, value, protocol=2):
    return write_members(path, zip_members(value, protocol))


def write_legacy(
    path, value, protocol=2, little_endian=True, keys=None, counts=None, tail=(None,)
):
    """``keys`` and ``counts`` replace the true list of storages and numbers of values."""
    content, storages = pickled(value, protocol, tail)
    facts = {"protocol_version": 1001, "little_endian": little_endian, "type_sizes": {"int": 4}}
    keys = sorted(storages) if keys is None else keys
    parts = [pickle.dumps(v, protocol) for v in (0x1950A86A20F9469CFC6C, 1001, facts)]
    parts += [content, pickle.dumps(keys, protocol)]
    for i, key in enumerate(k for k in keys if isinstance(k, str) and k in storages):
        array = storages[key].array
        parts += [struct.pack("<q", counts[i] if counts else array.size), array.tobytes()]
    path.write_bytes(b"".join(parts))
    return path
