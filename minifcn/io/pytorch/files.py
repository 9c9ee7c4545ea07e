"""The two formats of torch.save: a pickle, and where in the file the numbers of storages lie.

zip, since 1.6      NAME/data.pkl     the pickle of what was saved
                    NAME/byteorder    "little" (since 2.0)
                    NAME/data/KEY     the numbers of a storage, never compressed
legacy, before      five pickles: a magic number, a version, facts about the machine, what was
                    saved, the list of keys; for each key 8 bytes, how many numbers, and these
"""

import io
import mmap
import struct
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np

from .objects import KNOWN, Storage, itemsize, persistent_storage
from .pickles import read_pickle

ZIP = b"PK\x03\x04"  # begins the header before every member of an archive
MAGIC = bytes.fromhex("6cfc9c46f9206aa85019")  # the number in the first pickle of a legacy file
DAMAGED = (zipfile.BadZipFile, ValueError, NotImplementedError, OverflowError, struct.error)
ALIGNMENT = 64  # bytes: where torch.save lets the data of members begin
LARGE = 2**31 - 1  # bytes of a member whose header has 32 bits for its size
Place = Callable[[str], tuple[int, int]]  # key -> first byte and number of bytes of a storage


def read_zip(file: mmap.mmap) -> tuple[Any, Place]:
    """What was saved, and a function that tells where in the file the numbers of a storage lie.

    Raises ValueError for a file that is damaged, and so does the function.
    """
    try:
        members = {info.filename: info for info in zipfile.ZipFile(file).infolist()}
    except DAMAGED as error:
        raise ValueError(f"a damaged zip archive, perhaps cut short: {error}") from error
    pickles = [name for name in members if name.endswith("/data.pkl")]
    if not pickles:
        raise ValueError("a zip archive without the data.pkl that torch.save writes")
    folder = pickles[0].removesuffix("data.pkl")

    def member(name: str) -> tuple[int, int]:
        """First byte and size of a member. The header before it has a length of its own."""
        info, shown = members.get(folder + name), repr(name)
        if info is None:
            raise ValueError(f"the archive has no {shown}")
        if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1:
            raise ValueError(f"{shown} is compressed or encrypted, as torch.save never does")
        header = info.header_offset
        if not 0 <= header <= len(file) - 30 or file[header : header + 4] != ZIP:
            raise ValueError(f"the archive has no {shown} where it should be")
        start = header + 30 + sum(struct.unpack_from("<HH", file, header + 26))
        if start + info.file_size > len(file):
            raise ValueError(f"the file ends inside {shown}")
        return start, info.file_size

    if folder + "byteorder" in members:
        start, size = member("byteorder")
        _check_order(file[start : start + min(size, 8)] == b"little")
    start, size = member("data.pkl")
    value = read_pickle(io.BytesIO(file[start : start + size]), KNOWN, persistent_storage)
    return value, lambda key: member(f"data/{key}")


def read_legacy(file: mmap.mmap) -> tuple[Any, Place]:
    """The same of a legacy file. Its storages may begin at any byte."""
    storages: dict[str, Storage] = {}
    places: dict[str, tuple[int, int]] = {}

    def persistent(identity: Any) -> Storage:
        storage = persistent_storage(identity)
        return storages.setdefault(storage.key, storage)

    def place(key: str) -> tuple[int, int]:
        if key not in places:
            raise ValueError(f"the file has no storage {key!r}")
        return places[key]

    for _ in ("magic number", "version"):
        read_pickle(file, {})
    facts = read_pickle(file, {})
    _check_order(isinstance(facts, dict) and facts.get("little_endian") is True)
    value = read_pickle(file, KNOWN, persistent)
    keys = read_pickle(file, {})
    for key in keys if isinstance(keys, list) else [None]:
        if not isinstance(key, str) or key not in storages:
            raise ValueError("its list of storages does not fit its tensors")
        count = file.read(8)
        size = int.from_bytes(count, "little", signed=True) * itemsize(storages[key].dtype)
        start = file.tell()
        if len(count) < 8 or not 0 <= size <= len(file) - start:
            raise ValueError(f"the file ends inside storage {key!r}")
        places[key] = start, size
        file.seek(start + size)
    return value, place


def _check_order(is_little: bool) -> None:
    if not is_little:
        raise ValueError("its numbers are not in little-endian order, the only one supported")


def add_member(archive: zipfile.ZipFile, name: str, data: bytes | np.ndarray) -> None:
    """Write bytes to an archive of torch.save, padded so that they begin at ALIGNMENT."""
    info = zipfile.ZipInfo(f"archive/{name}")  # dated 1980: equal data gives equal files
    info.create_system = 0
    large = len(data) > LARGE
    start = archive.fp.tell() + 30 + len(info.filename) + 20 * large + 4
    padding = -start % ALIGNMENT
    info.extra = b"FB" + struct.pack("<H", padding) + bytes(padding)
    with archive.open(info, "w", force_zip64=large) as member:
        member.write(data)
