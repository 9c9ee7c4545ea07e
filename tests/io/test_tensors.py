"""Safetensors files: exact, deterministic, and safe against damaged and hostile ones."""

import errno
import json
import os
import pickle
import struct

import numpy as np
import pytest
import safetensors.numpy

from minifcn.io.kinds import WeightsError
from minifcn.io.tensors import load_tensors, save_tensors

rng = np.random.default_rng(0)
DTYPES = [
    *("float64", "float32", "bool"),
    *("int64", "int32", "int16", "int8", "uint64", "uint32", "uint16", "uint8"),
]


def raw(path, header, data=b"", length=None):
    """A file with exactly this header and these bytes, sound or not."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + data)
    return path


def entry(dtype, shape, start, end):
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


def same(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (5,), (2, 3, 4)])
def test_round_trip(tmp_path, dtype, shape):
    array = (rng.random(shape) * 100 - 20 * (dtype[0] in "fi")).astype(dtype)
    save_tensors(tmp_path / "f", {"a": array})
    tensors, metadata = load_tensors(tmp_path / "f")
    assert same(tensors["a"], array)
    assert metadata == {}
    tensors["a"][...] = 1  # the arrays are writable


def test_special_values_survive(tmp_path):
    array = np.array([np.nan, -np.inf, np.inf, -0.0, 5e-324, np.finfo(np.float64).max])
    save_tensors(tmp_path / "f", {"a": array})
    assert same(load_tensors(tmp_path / "f")[0]["a"], array)


@pytest.mark.parametrize(
    "array",
    [
        np.arange(24.0).reshape(2, 3, 4).transpose(2, 0, 1),
        np.arange(24.0)[::-3],
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.broadcast_to(np.float32(3), (2, 2)),
        np.arange(5, dtype=">f4"),
        np.arange(5, dtype=">i8")[::2],
    ],
)
def test_any_strides_and_byte_order(tmp_path, array):
    save_tensors(tmp_path / "f", {"a": array})
    got = load_tensors(tmp_path / "f")[0]["a"]
    np.testing.assert_array_equal(got, array)
    assert got.dtype == array.dtype.newbyteorder("=")


def test_order_metadata_and_bytes_are_deterministic(tmp_path):
    tensors = {name: rng.random(3, dtype=np.float32) for name in ["z", "conv1_1.weight", "a", "ö"]}
    metadata = {"k2": "v", "k1": 'quoted "text" ü\n'}
    save_tensors(tmp_path / "f", tensors, metadata)
    save_tensors(tmp_path / "g", tensors, metadata)
    assert (tmp_path / "f").read_bytes() == (tmp_path / "g").read_bytes()
    got, texts = load_tensors(tmp_path / "f")
    assert list(got) == list(tensors)
    assert texts == metadata


def test_empty_dictionary(tmp_path):
    save_tensors(tmp_path / "f", {}, {"a": "b"})
    assert load_tensors(tmp_path / "f") == ({}, {"a": "b"})
    save_tensors(tmp_path / "f", {})
    assert load_tensors(tmp_path / "f") == ({}, {})


def test_the_library_reads_what_is_written_and_the_other_way_round(tmp_path):
    tensors = {
        "u": np.arange(3, dtype=np.uint8),
        "d": rng.random((2, 3)),
        "f": rng.random((2, 5), dtype=np.float32),
        "b": np.array([True, False]),
        "h": np.array([1.5, -2], np.float16),
    }
    save_tensors(tmp_path / "f", tensors, {"a": "b"})
    theirs = safetensors.numpy.load_file(tmp_path / "f")
    assert all(same(theirs[name], tensors[name]) for name in tensors)
    safetensors.numpy.save_file(tensors, tmp_path / "g", {"a": "b"})
    ours, metadata = load_tensors(tmp_path / "g", widen=False)
    assert ours.keys() == tensors.keys()
    assert all(same(ours[name], tensors[name]) for name in tensors)
    assert metadata == {"a": "b"}


def test_every_array_starts_at_a_multiple_of_its_element(tmp_path):
    save_tensors(tmp_path / "f", {"u": np.zeros(3, np.uint8), "d": np.zeros(2), "i": np.arange(3)})
    content = (tmp_path / "f").read_bytes()
    n = int.from_bytes(content[:8], "little")
    for item in json.loads(content[8 : 8 + n]).values():
        size = {"U8": 1, "F64": 8, "I64": 8}[item["dtype"]]
        assert (8 + n + item["data_offsets"][0]) % size == 0


def test_half_precision_is_widened_exactly(tmp_path):
    half = np.array([0, -0.0, 1.5, 65504, 6e-8, np.inf, np.nan], np.float16)
    save_tensors(tmp_path / "f", {"a": half})
    wide = load_tensors(tmp_path / "f")[0]["a"]
    assert same(wide, half.astype(np.float32))
    assert same(load_tensors(tmp_path / "f", widen=False)[0]["a"], half)


def test_bfloat16_is_widened_exactly(tmp_path):
    values = np.array([[1, -2.5, 3.140625], [np.inf, 2.0**-130, -0.0]], np.float32)
    bits = (values.view(np.uint32) >> 16).astype("<u2")
    raw(tmp_path / "f", {"a": entry("BF16", [2, 3], 0, 12)}, bits.tobytes())
    for widen in (True, False):
        assert same(load_tensors(tmp_path / "f", widen=widen)[0]["a"], values)


@pytest.mark.parametrize(
    ("tensors", "metadata", "text"),
    [
        ({"a": [1, 2]}, None, "a: expected a NumPy array, got list"),
        ({"a": np.zeros(2, complex)}, None, "a: complex128"),
        ({"a": np.array([None])}, None, "a: object"),
        ({"a": np.array(["x"])}, None, "a: <U1"),
        ({3: np.zeros(2)}, None, "3 cannot name"),
        ({"__metadata__": np.zeros(2)}, None, "cannot name"),
        ({}, {"epoch": 3}, "'epoch': int"),
    ],
)
def test_what_cannot_be_stored(tmp_path, tensors, metadata, text):
    with pytest.raises(TypeError, match=text):
        save_tensors(tmp_path / "f", tensors, metadata)
    assert list(tmp_path.iterdir()) == []


def test_full_disk_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "f"
    save_tensors(path, {"a": np.ones(3)})

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="the disk is full"):
        save_tensors(path, {"a": np.zeros(3)})
    np.testing.assert_array_equal(load_tensors(path)[0]["a"], np.ones(3))
    assert list(tmp_path.iterdir()) == [path]


def test_truncated_at_every_length(tmp_path):
    path = tmp_path / "weights"
    save_tensors(path, {"a": rng.random(5), "b": np.arange(3, dtype=np.uint8)}, {"k": "v"})
    content = path.read_bytes()
    for n in range(len(content)):
        path.write_bytes(content[:n])
        with pytest.raises(WeightsError, match="weights"):
            load_tensors(path)
    path.write_bytes(content + b"x")
    with pytest.raises(WeightsError, match="weights"):
        load_tensors(path)


F4 = entry("F32", [2], 0, 8)
HOSTILE = {
    "overlap": ({"a": F4, "b": entry("F32", [2], 4, 12)}, bytes(12)),
    "gap": ({"a": F4, "b": entry("F32", [2], 12, 20)}, bytes(20)),
    "past the end": ({"a": entry("F32", [2], 8, 16)}, bytes(8)),
    "huge offsets": ({"a": entry("F32", [2], 2**62, 2**62 + 8)}, bytes(8)),
    "backwards": ({"a": entry("F32", [2], 8, 0)}, bytes(8)),
    "shape disagrees": ({"a": entry("F32", [3], 0, 8)}, bytes(8)),
    "shape overflows": ({"a": entry("F32", [2**33, 2**33], 0, 8)}, bytes(8)),
    "negative shape": ({"a": entry("F32", [-2], 0, 8)}, bytes(8)),
    "unknown type": ({"a": entry("X7", [2], 0, 8)}, bytes(8)),
    "missing field": ({"a": {"dtype": "F32", "shape": [2]}}, bytes(8)),
    "metadata of numbers": ({"__metadata__": {"a": 1}}, b""),
    "deep nesting": (b'{"a":' + b"[" * 100_000, b""),
    "not JSON": (b"{nonsense}", b""),
    "not text": (b'{"\xff\xfe": 1}', b""),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_header(tmp_path, case):
    path = raw(tmp_path / "weights", *HOSTILE[case])
    with pytest.raises(WeightsError, match=r"weights: damaged"):
        load_tensors(path)


@pytest.mark.parametrize("length", [2**64 - 1, 2**63, 2**40, 10**8 + 1, 1000])
def test_header_length_beyond_the_file(tmp_path, length):
    path = raw(tmp_path / "weights", b"{}", length=length)
    with pytest.raises(WeightsError, match=f"weights: .*{length} bytes, the file has 10"):
        load_tensors(path)


def test_unsupported_type_is_named(tmp_path):
    path = raw(tmp_path / "weights", {"conv1": entry("F8_E4M3", [2], 0, 2)}, bytes(2))
    with pytest.raises(WeightsError, match="weights: conv1 is stored as F8_E4M3"):
        load_tensors(path)


def test_other_kinds_are_named_and_never_run(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "ran"),))

    path = tmp_path / "weights.pth"
    path.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(WeightsError, match=r"weights\.pth: .*seems to be a Python pickle"):
        load_tensors(path)
    assert not (tmp_path / "ran").exists()
    path.write_bytes(b"<html><body>quota exceeded</body></html>")
    with pytest.raises(WeightsError, match=r"weights\.pth: .*an HTML page"):
        load_tensors(path)


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(WeightsError, match="weights: no such file"):
        load_tensors(tmp_path / "weights")
    with pytest.raises(WeightsError, match="Is a directory"):
        load_tensors(tmp_path)
