"""Damaged and hostile files of PyTorch: one sentence that names the file, and nothing runs."""

import contextlib
import os
import random
import struct
import zipfile

import numpy as np
import pytest
from pytorch_writer import (
    Call,
    Name,
    Numbers,
    tensor,
    write_legacy,
    write_members,
    write_zip,
    zip_members,
)

from minifcn.io.kinds import WeightsError
from minifcn.io.pytorch import load_pytorch

FORMATS = pytest.mark.parametrize("write", [write_zip, write_legacy])
ONES = np.ones(4, np.float32)
HOOKS = Call("collections.OrderedDict")


def failure(path):
    """The one sentence that says why a file cannot be read."""
    with pytest.raises(WeightsError) as caught:
        load_pytorch(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert "\n" not in text
    assert len(text) < 700
    return text


def attempt(path):
    """Load and use a file that may be sound or not; any other error fails the test."""
    with contextlib.suppress(WeightsError), np.errstate(all="ignore"):
        assert all(np.isscalar(array.sum()) for array in load_pytorch(path).values())


@FORMATS
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_nothing_runs(tmp_path, write, protocol):
    class Bomb:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "ran"),))

    text = failure(write(tmp_path / "f", {"a": tensor(ONES), "b": [Bomb()]}, protocol))
    assert f"it asks for {os.mkdir.__module__}.mkdir, and only tensors can be rebuilt" in text
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


@FORMATS
@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize(
    "name",
    [
        *("os.system", "builtins.eval", "builtins.getattr", "builtins.__import__", "torch.load"),
        *("torch._utils.os.system", "collections.OrderedDict.__class__", "runpy.run_path"),
        *("torch.hub.load", "numpy.load", "numpy.testing._private.utils.runstring"),
    ],
)
def test_other_names_are_refused(tmp_path, write, protocol, name):
    value = {"a": tensor(ONES), "b": Call(name, "touch ran")}
    assert f"it asks for {name}, and only" in failure(write(tmp_path / "f", value, protocol))


@FORMATS
def test_whole_models_are_explained(tmp_path, write):
    model = Call("torch.nn.modules.conv.Conv2d", 3, 4, 3, state={"weight": tensor(ONES)})
    text = failure(write(tmp_path / "f", model))
    assert "asks for torch.nn.modules.conv.Conv2d" in text
    assert "save model.state_dict() instead" in text


@FORMATS
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("torch._utils._rebuild_sparse_tensor", "a sparse tensor cannot be read"),
        ("torch._utils._rebuild_qtensor", "a quantised tensor cannot be read"),
        ("torch.ComplexFloatStorage", "a complex tensor cannot be read"),
    ],
)
def test_tensors_of_other_kinds(tmp_path, write, name, text):
    assert text in failure(write(tmp_path / "f", {"a": Call(name, Name("torch.sparse_coo"))}))


@FORMATS
def test_cut_short_everywhere(tmp_path, write):
    state = {"ä": tensor(ONES), "b": tensor(np.arange(3)), "e": tensor(np.zeros((0, 2)))}
    content = write(tmp_path / "f", state).read_bytes()
    for n in range(len(content)):
        (tmp_path / "f").write_bytes(content[:n])
        failure(tmp_path / "f")


@FORMATS
@pytest.mark.parametrize("protocol", [2, 4])
def test_a_wrong_bit_anywhere(tmp_path, write, protocol):
    state = {"a": tensor(ONES, (2, 2), (1, 2)), "h": tensor(np.ones(3, np.float16))}
    content = write(tmp_path / "f", {"net": state, "x": [1.5]}, protocol).read_bytes()
    generator = random.Random(0)
    for n in range(len(content)):
        for _ in range(2):
            damaged = bytearray(content)
            damaged[n] ^= 1 << generator.randrange(8)
            (tmp_path / "f").write_bytes(damaged)
            attempt(tmp_path / "f")


def window(storage, offset, shape, strides, *more):
    arguments = (storage, offset, shape, strides, False, HOOKS, *more)
    return Call("torch._utils._rebuild_tensor_v2", *arguments)


def of_type(dtype, *arguments):
    storage = Numbers(ONES.view(np.uint8), "torch.storage.UntypedStorage")
    return Call("torch._utils._rebuild_tensor_v3", storage, *arguments, False, HOOKS, dtype)


F = Numbers(ONES)
UNFIT = {
    "too long": window(F, 0, (5,), (1,)),
    "too far": window(F, 1, (4,), (1,)),
    "too far apart": window(F, 0, (2,), (4,)),
    "huge": window(F, 0, (2**62,), (1,)),
    "product overflows": window(F, 0, (2**32, 2**32), (0, 0)),
    "huge offset": window(F, 2**62, (1,), (1,)),
    "huge stride": window(F, 0, (2,), (2**62,)),
    "beyond 64 bits": window(F, 2**70, (1,), (1,)),
    "beyond 64 bits, not walked": window(F, 0, (1,), (2**70,)),
    "beyond 64 bits, empty": window(F, 0, (0, 2**100), (1, 1)),
    "empty and huge": window(F, 0, (0, 2**40, 2**40), (1, 1, 1)),
    "expanded": window(F, 0, (2**40,), (0,)),
    "expanded a little": window(F, 0, (5,), (0,)),
    "negative size": window(F, 0, (-1,), (1,)),
    "negative offset": window(F, -1, (1,), (1,)),
    "negative stride": window(F, 3, (4,), (-1,)),
    "fraction": window(F, 0, (2.0,), (1,)),
    "nothing": window(F, None, (2,), (1,)),
    "sizes in a list": window(F, 0, [2], (1,)),
    "fewer strides": window(F, 0, (2, 2), (1,)),
    "65 axes": window(F, 0, (1,) * 65, (1,) * 65),
    "without storage": window("storage", 0, (1,), (1,)),
    "without arguments": Call("torch._utils._rebuild_tensor_v2"),
    "storage in place of a tensor": Call("torch._utils._rebuild_parameter", F, False, HOOKS),
    "wider type": of_type(Name("torch.float64"), 0, (3,), (1,)),
    "unaligned end": of_type(Name("torch.int16"), 7, (2,), (1,)),
    "type is a text": of_type("float32", 0, (2,), (1,)),
    "no type": of_type(None, 0, (2,), (1,)),
    "type with a function": of_type(Name("torch.Size"), 0, (2,), (1,)),
    "negative view": window(F, 0, (2,), (1,), {"neg": True}),
    "negative storage": window(Numbers(ONES, count=-4), 0, (0,), (1,)),
    "storage of a fraction": window(Numbers(ONES, count=4.0), 0, (0,), (1,)),
    "storage of a long key": window(Numbers(ONES, key="9" * 101), 0, (0,), (1,)),
    "storage without key": window(Numbers(ONES, key=("a",)), 0, (0,), (1,)),
    "storage of functions": window(Numbers(ONES, "torch.Size"), 0, (0,), (1,)),
    "storage of dictionaries": window(Numbers(ONES, "collections.OrderedDict"), 0, (0,), (1,)),
    "size of a text": Call("torch.Size", "abc"),
    "dictionary of numbers": Call("collections.OrderedDict", [1, 2]),
    "dictionary of triples": Call("collections.OrderedDict", [[1, 2, 3]]),
    "dictionary of lists": Call("collections.OrderedDict", [[[], 1]]),
}  # fmt: skip


@FORMATS
@pytest.mark.parametrize("case", UNFIT)
def test_tensors_that_do_not_fit(tmp_path, write, case):
    text = failure(write(tmp_path / "f", {"a": UNFIT[case]}))
    assert "beyond byte" in text
    assert case != "fewer strides" or "has 2 axes and 1 strides" in text


@pytest.mark.parametrize("count", [5, 2**40, 2**62, 2**63, 2**64])
def test_storages_shorter_than_said(tmp_path, count):
    value = {"a": window(Numbers(ONES, count=count), 0, (3,), (1,))}
    text = failure(write_zip(tmp_path / "f", value))
    assert f"a storage has 16 bytes instead of {4 * count}" in text
    text = failure(write_legacy(tmp_path / "f", value))
    assert f"a storage has 16 bytes instead of {4 * count}" in text


def test_no_copies_larger_than_the_file(tmp_path):
    storage = Numbers(np.zeros(10_000))
    state = {str(i): window(storage, i, (90 + i % 9, 90), (1, 100)) for i in range(90)}
    assert "larger than the file" in failure(write_zip(tmp_path / "f", state))


STATES = {
    "a list": ([tensor(ONES)], "it holds a list"),
    "a tensor": (tensor(ONES), "it holds a StoredTensor"),
    "nothing": ({}, "no tensor"),
    "no tensor": ({"epoch": 3, "model": {"name": "vgg"}}, "no tensor"),
    "a name twice": ({1: tensor(ONES), "1": tensor(ONES)}, "two tensors have the name '1'"),
    "a joined name twice": ({"a": {"b": tensor(ONES)}, "a.b": tensor(ONES)}, "name 'a.b'"),
    "a long name": ({"x" * 301: tensor(ONES)}, "more than 300 letters"),
}


@FORMATS
@pytest.mark.parametrize("case", STATES)
def test_no_state_dict(tmp_path, write, case):
    value, text = STATES[case]
    assert text in failure(write(tmp_path / "f", value))


@FORMATS
def test_dictionaries_within_each_other(tmp_path, write):
    state = {"a": tensor(ONES)}
    for key in range(60):  # 2**60 names
        state = {"a": state, f"b{key}": state}
    assert "too many entries" in failure(write(tmp_path / "f", state))
    state = {"a": tensor(ONES)}
    state["model"] = state
    assert "letters" in failure(write(tmp_path / "f", state))
    state = {"": None, "x" * 299: tensor(ONES)}
    state[""] = state
    assert "too many entries" in failure(write(tmp_path / "f", state))


def altered(path, **changes):
    """A zip file with some members replaced, or left out where None."""
    members = zip_members({"a": tensor(Numbers(ONES, key="0"))})
    members |= {f"x/{name.replace('_', '/')}": content for name, content in changes.items()}
    return write_members(path, {name: c for name, c in members.items() if c is not None})


def test_members(tmp_path):
    path = tmp_path / "f"
    assert len(load_pytorch(altered(path))) == 1
    assert len(load_pytorch(altered(path, byteorder=None, version=None))) == 1
    assert "little-endian" in failure(altered(path, byteorder=b"big"))
    assert "little-endian" in failure(altered(path, byteorder=b"littler"))
    assert "no 'data/0'" in failure(altered(path, data_0=None))
    assert "15 bytes instead of 16" in failure(altered(path, data_0=bytes(15)))
    assert "without the data.pkl" in failure(write_members(path, {"data.pkl": b"}."}))
    deflated = write_members(path, zip_members({"a": tensor(ONES)}), zipfile.ZIP_DEFLATED)
    assert "compressed" in failure(deflated)


@pytest.mark.parametrize("place", ["local", "central"])
@pytest.mark.parametrize("value", [0, 1, 2**15, 2**16 - 1, 2**31, 2**32 - 1])
def test_headers_of_members(tmp_path, place, value):
    """Every field of every header replaced by numbers that lead elsewhere."""
    path = tmp_path / "f"
    content = altered(path).read_bytes()
    central = content.index(b"PK\x01\x02")
    fields = range(central, len(content) - 1)
    if place == "local":
        starts = [n for n in range(central) if content.startswith(b"PK\x03\x04", n)]
        fields = [start + field for start in starts for field in range(30)]
    for offset in fields:
        for form in ("<H", "<I"):
            damaged = bytearray(content)
            number = struct.pack(form, value % 2 ** (8 * struct.calcsize(form)))
            damaged[offset : offset + len(number)] = number
            path.write_bytes(damaged)
            attempt(path)


def test_headers_that_lead_astray(tmp_path):
    path = tmp_path / "f"
    content = altered(path).read_bytes()
    central = content.index(b"PK\x01\x02")
    assert content[central + 46 :].startswith(b"x/data.pkl")

    def changed(start, new, tail=b""):
        path.write_bytes(content[:start] + new + content[start + len(new) :] + tail)
        return failure(path)

    assert "encrypted" in changed(central + 8, b"\x01")
    assert "no 'data.pkl' where it should be" in changed(0, b"PKxx")
    assert "no 'data.pkl' where it should be" in changed(central + 42, b"\x01")
    assert "ends inside 'data.pkl'" in changed(26, b"\xff\xff")
    # A header in the comment at the end of the file, which is too short for it.
    comment = content[:-2] + struct.pack("<H", 4) + b"PK\x03\x04"
    header = struct.pack("<I", len(content))
    path.write_bytes(comment[: central + 42] + header + comment[central + 46 :])
    assert "no 'data.pkl' where it should be" in failure(path)


def test_views_of_storages(tmp_path):
    state = {"a": tensor(ONES)}
    path = write_legacy(tmp_path / "f", state, tail=(("7", 0, 2),))
    assert "part of another one" in failure(path)


def test_legacy_storages(tmp_path):
    path, state = tmp_path / "f", {"a": tensor(Numbers(ONES, key="0"))}
    assert len(load_pytorch(write_legacy(path, state, keys=["0"], counts=[4]))) == 1
    assert "little-endian" in failure(write_legacy(path, state, little_endian=False))
    assert "has no storage '0'" in failure(write_legacy(path, state, keys=[]))
    for keys in (["1"], [["0"]], [0], "0", {"0": 1}):
        assert "list of storages" in failure(write_legacy(path, state, keys=keys))
    assert "8 bytes instead of 16" in failure(write_legacy(path, state, counts=[2]))
    for count in (5, 2**40, 2**61, 2**63 - 1, -1, -(2**63)):
        assert "ends inside storage '0'" in failure(write_legacy(path, state, counts=[count]))


def test_other_kinds_are_named(tmp_path):
    path = tmp_path / "f"
    for content, text in [
        (b"", "an empty file"),
        (b"<html><body>quota exceeded</body></html>", "this seems to be an HTML page"),
        (b"\x80\x04K\x01.", "this seems to be a Python pickle"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
        (b"PKnothing at all", "a damaged zip archive"),
    ]:
        path.write_bytes(content)
        assert text in failure(path)
    assert "no such file" in failure(tmp_path / "missing")
    assert "Is a directory" in failure(tmp_path)
