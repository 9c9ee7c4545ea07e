"""Finds the weights in a Keras file, in a process of its own: python keras_child.py FILE.

The HDF5 library is C code that a damaged file can crash or keep busy for ever. So keras.py runs
this file, which imports nothing of minifcn, and reads from its output

one line              JSON: [[layer, weight, dtype, shape, offset], ...]
the remaining bytes   the arrays whose offset is null, one after the other, in C order

A contiguous array lies in FILE, from its offset on, and the parent maps it. Where the file is
refused, the reason goes to the standard error and the exit status is 1.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import os
import signal
import sys
from collections.abc import Iterator

with contextlib.suppress(ImportError):  # optional: keras.py looks for it before it runs this
    import h5py
    from h5py import h5d, h5l, h5o, h5t

FLOATS = {
    "<f2": "IEEE_F16LE", "<f4": "IEEE_F32LE", "<f8": "IEEE_F64LE",
    ">f2": "IEEE_F16BE", ">f4": "IEEE_F32BE", ">f8": "IEEE_F64BE",
}  # fmt: skip
FILTERS = {1, 2}  # deflate and shuffle
COMPRESSION = 16  # trained weights hardly compress: what claims to be more than this is forged
LISTS = {"layers", "_layer_checkpoint_dependencies"}  # groups of layers: Keras 3, Keras 2.13
IGNORED = {"optimizer", "metrics", "seed_generator"}  # groups of a training's state
MOST_NAMES = 100_000  # in one attribute
MEMORY = 100 << 20  # bytes that the library may take besides the arrays it reads
SECONDS, SPEED = 0.25, 2e6  # of the processor: so many, and one more for every so many bytes


class Refused(Exception):
    """The file may be sound HDF5, but holds something that must not be read as weights."""


def main(path: str) -> None:
    """Print the table, and the arrays that are not mapped; Refused or h5py's errors if not."""
    size = os.path.getsize(path)
    limit_memory(MEMORY)
    limit_time(SECONDS + size / SPEED)
    with h5py.File(path, "r", locking=False) as file:
        table, streamed, total = [], [], 0
        for layer, weight, data in find_weights(file):
            if not (layer + weight).isprintable():
                raise Refused("a layer has a name that is not text")
            dtype, offset = locate(data)
            table.append((layer, weight, dtype, data.shape, offset))
            total += math.prod(data.shape) * int(dtype[-1])
            if offset is None:
                streamed.append(data)
        if total > size * (COMPRESSION if streamed else 1):
            raise Refused(f"{total} bytes of weights cannot be in a file of {size} bytes")
        print(json.dumps(table), flush=True)
        limit_memory(MEMORY + 3 * total)
        for data in streamed:
            sys.stdout.buffer.write(data[()])


def find_weights(file: h5py.File) -> Iterator[tuple[str, str, h5py.Dataset]]:
    """(layer, weight, data): ("conv1", "conv1/kernel:0", ...), in Keras 3 ("conv1", "0", ...)."""
    whole = file.id.links.exists(b"model_weights")
    root = enter(file, "model_weights") if whole else file
    layers = read_names(root, "layer_names")
    if layers is None:
        yield from find_vars(root, (), set())
        return
    for layer in layers:
        group = enter(root, layer)
        for weight in read_names(group, "weight_names") or ():
            yield layer, weight, enter(group, weight)


def find_vars(group: h5py.Group, path: tuple[str, ...], seen: set[int]) -> Iterator:
    """As ``find_weights``, for Keras 3: an object's arrays are in vars, its parts beside it.

    vars has the object's name as an attribute; older files have only the path to it.
    """
    address = h5o.get_info(group.id).addr
    if address in seen:
        raise Refused(f"the group {'/'.join(path)} contains itself or is linked twice")
    seen.add(address)
    for name in group:
        if name in IGNORED:
            continue
        part = enter(group, name)
        if name == "vars":
            layer = (read_names(part, "name") or ["/".join(path)])[0]
            yield from ((layer, index, enter(part, index)) for index in part)
        elif isinstance(part, h5py.Group):
            yield from find_vars(part, path if name in LISTS else (*path, name), seen)


def enter(group: h5py.Group, path: str) -> h5py.Group | h5py.Dataset:
    """What lies at ``path``, by hard links only: soft and external ones can leave the file."""
    for name in filter(None, path.split("/")):
        if not isinstance(group, h5py.Group) or not group.id.links.exists(name.encode()):
            raise Refused(f"{path} is not in the file")
        if group.id.links.get_info(name.encode()).type != h5l.TYPE_HARD:
            raise Refused(f"{path} is a link to another place")
        group = group[name]
    return group


def read_names(group: h5py.Group, attribute: str) -> list[str] | None:
    """The names in an attribute, which Keras cuts into name0, name1, ... beyond 64 kB, or None."""
    numbered = (f"{attribute}{n}" for n in itertools.count())
    parts = list(itertools.takewhile(group.attrs.__contains__, numbered))
    parts = [attribute] if attribute in group.attrs else parts
    names = []
    for part in parts:
        shape = group.attrs.get_id(part).shape
        if shape is None or math.prod(shape) > MOST_NAMES:
            raise Refused(f"the attribute {part} is not a list of names")
        values = group.attrs[part] if shape else [group.attrs[part]]
        names += [value.decode() if isinstance(value, bytes) else value for value in values]
    if not all(isinstance(name, str) for name in names):
        raise Refused(f"the attribute {attribute} is not a list of names")
    return names if parts else None


def locate(data: h5py.Dataset) -> tuple[str, int | None]:
    """(dtype, offset); no offset where the library has to read the array."""
    if not isinstance(data, h5py.Dataset):
        raise Refused(f"{data.name} is not an array")
    properties = data.id.get_create_plist()
    layout = properties.get_layout()
    if layout == h5d.VIRTUAL or properties.get_external_count():
        raise Refused(f"the numbers of {data.name} are in other files")
    filters = {properties.get_filter(n)[0] for n in range(properties.get_nfilters())}
    if not filters <= FILTERS:
        raise Refused(f"{data.name} is compressed by other means than deflate")
    stored = data.id.get_type()
    dtype = next((t for t, kind in FLOATS.items() if stored.equal(getattr(h5t, kind))), None)
    if dtype is None:
        raise Refused(f"{data.name} does not hold floats of 16, 32 or 64 bits")
    offset = data.id.get_offset() if layout == h5d.CONTIGUOUS else None
    if not data.size or (layout == h5d.CONTIGUOUS and offset is None):
        raise Refused(f"{data.name} has no numbers in the file")
    return dtype, offset


def limit_memory(extra: int) -> None:
    """Let this process grow by ``extra`` bytes at most; does nothing but on Linux."""
    if sys.platform != "linux":
        return
    import resource

    with open("/proc/self/statm") as file:
        most = int(file.read().split()[0]) * resource.getpagesize() + extra
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(resource.RLIMIT_AS, (most, hard))


def limit_time(seconds: float) -> None:
    """Let this process end after so many seconds of processor time, where the platform can."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_PROF, seconds)


def reason(path: str) -> str | None:
    """Do the work of this file; why it was refused, on one line, or None."""
    try:
        main(path)
    except Refused as error:
        text = str(error)
    except Exception as error:  # h5py raises many kinds for damaged files
        text = f"damaged HDF5 file: {str(error) or type(error).__name__}"
    else:
        return None
    return "".join(filter(str.isprintable, text))


if __name__ == "__main__":
    sys.exit(reason(sys.argv[1]))
