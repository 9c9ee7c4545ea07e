"""PyTorch's files: both formats read exactly, without PyTorch; and the files written."""

import argparse
import collections
import errno
import io
import os
import pickle
import zipfile

import numpy as np
import pytest
from pytorch_writer import STORAGES, Call, Name, Numbers, tensor, write_legacy, write_zip

from minifcn.io.kinds import describe
from minifcn.io.pytorch import load_pytorch, save_pytorch

rng = np.random.default_rng(0)
FORMATS = pytest.mark.parametrize("write", [write_zip, write_legacy])
EXACT = [name for name in STORAGES if name not in ("HalfStorage", "BFloat16Storage")]
DTYPES = ["float64", "float32", "float16", "int64", "int32", "int16", "int8", "uint8", "bool"]


def same(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def random(dtype, shape=(2, 3)):
    dtype = np.dtype(dtype)
    return (rng.random(shape) * 100 - 20 * (dtype.kind in "fi")).astype(dtype)


@FORMATS
@pytest.mark.parametrize("kind", EXACT)
@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (5,), (2, 3, 4)])
def test_every_storage(tmp_path, write, kind, shape):
    array = random(STORAGES[kind], shape)
    got = load_pytorch(write(tmp_path / "f", {"a": tensor(Numbers(array, kind), shape)}))
    assert same(got["a"], array)
    got["a"][...] = 1  # the arrays are writable


@FORMATS
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_protocol(tmp_path, write, protocol):
    arrays = {f"layer{i}.weight": rng.random((2, i)) for i in range(1, 200)}
    state = {name: tensor(array) for name, array in arrays.items()}
    got = load_pytorch(write(tmp_path / "f", state, protocol))
    assert list(got) == list(arrays)
    assert all(same(got[name], arrays[name]) for name in arrays)


@FORMATS
@pytest.mark.parametrize("dtype", [*DTYPES, "uint64", "uint32", "uint16"])
def test_typed_tensors_in_untyped_storages(tmp_path, write, dtype):
    """What torch.save writes of types that were added after its storages."""
    array = random(dtype, (4, 3))
    numbers = Numbers(array.reshape(-1).view(np.uint8), "torch.storage.UntypedStorage")
    value = tensor(numbers, (2, 3), (3, 1), 6, "_rebuild_tensor_v3", [Name(f"torch.{dtype}")])
    got = load_pytorch(write(tmp_path / "f", {"a": value}))["a"]
    assert same(got, array[2:].astype(np.float32) if dtype == "float16" else array[2:])


@FORMATS
def test_half_precision_is_widened_exactly(tmp_path, write):
    half = np.array([[0, -0.0, 1.5], [65504, 6e-8, np.inf]], np.float16)
    wide = np.array([[1, -2.5, 3.140625], [np.inf, 2.0**-130, -0.0]], np.float32)
    bits = (wide.view(np.uint32) >> 16).astype(np.uint16)
    turned = tensor(Numbers(bits, "BFloat16Storage"), (3, 2), (1, 3))
    state = {"h": tensor(half), "b": tensor(Numbers(bits, "BFloat16Storage"), (2, 3)), "t": turned}
    got = load_pytorch(write(tmp_path / "f", state))
    assert same(got["h"], half.astype(np.float32))
    assert same(got["b"], wide)
    assert same(got["t"], np.ascontiguousarray(wide.T))


@FORMATS
@pytest.mark.parametrize(
    ("shape", "strides", "offset"),
    [
        ((4, 6), (1, 4), 0),
        ((3, 2), (4, 12), 3),
        ((2, 3), (0, 1), 2),
        ((4, 3), (1, 0), 0),
        ((2, 1, 3), (3, 2**62, 1), 1),
        ((1, 1), (0, 2**40), 23),
        ((5,), (5,), 3),
        ((0, 7), (2**62, 2**62), 2**62),
    ],
)
def test_strides(tmp_path, write, shape, strides, offset):
    numbers = rng.random(24, dtype=np.float32)
    value = tensor(Numbers(numbers), shape, strides, offset)
    got = load_pytorch(write(tmp_path / "f", {"a": value}))["a"]
    expected = np.zeros(shape, np.float32)
    for index in np.ndindex(shape):
        expected[index] = numbers[offset + sum(i * s for i, s in zip(index, strides, strict=True))]
    assert same(got, expected)
    assert got.flags.c_contiguous


@FORMATS
def test_views_of_one_private_mapping(tmp_path, write):
    array, shared = rng.random((3, 4)), Numbers(rng.random(6))
    state = {"a": tensor(array), "b": tensor(shared, (2, 3)), "c": tensor(shared, (3,), offset=3)}
    content = write(tmp_path / "f", {**state, "tied": tensor(shared, (2, 3))}).read_bytes()
    got = load_pytorch(tmp_path / "f")
    assert not any(array.flags.owndata for array in got.values())
    got["b"][1] = 7
    np.testing.assert_array_equal(got["c"], [7, 7, 7])
    np.testing.assert_array_equal(got["tied"], got["b"])
    assert same(load_pytorch(tmp_path / "f")["a"], array)
    assert (tmp_path / "f").read_bytes() == content


@FORMATS
def test_tied_weights_of_half_precision_are_copied_once(tmp_path, write):
    half = Numbers(np.arange(1000, dtype=np.float16))
    state = {str(i): tensor(half, (20, 50)) for i in range(9)}
    got = load_pytorch(write(tmp_path / "f", state))
    assert len(got) == 9
    assert all(array is got["0"] for array in got.values())
    assert same(got["0"], np.arange(1000, dtype=np.float32).reshape(20, 50))


@FORMATS
def test_parameters(tmp_path, write):
    hooks = Call("collections.OrderedDict")
    array = rng.random((2, 2))
    parameters = {
        "a": Call("torch._utils._rebuild_parameter", tensor(array), True, hooks),
        "b": Call(
            "torch._utils._rebuild_parameter_with_state", tensor(array), True, hooks, {"x": 1}
        ),
        "c": Call("torch.nn.parameter.Parameter", tensor(array), state=(True, False, hooks)),
        "d": tensor(array, rebuild="_rebuild_tensor"),
    }
    got = load_pytorch(write(tmp_path / "f", parameters))
    assert list(got) == list("abcd")
    assert all(same(value, array) for value in got.values())


def test_file_of_python_2(tmp_path):
    """Texts of one byte per letter, long integers, and an OrderedDict made of pairs."""
    facts = b"\x80\x02}q\x01(U\x0dlittle_endianq\x02\x88U\x10protocol_versionq\x03M\xe9\x03u."
    one = b"U\x06conv.bq\x02ctorch._utils\n_rebuild_tensor\nq\x03((U\x07storageq\x04ctorch\n"
    one += b"FloatStorage\nq\x05U\x0212q\x06U\x03cpuq\x07\x8a\x01\x02NtQK\x00\x8a\x01\x02\x85"
    pairs = b"\x80\x02ccollections\nOrderedDict\nq\x00]q\x01]q\x02(" + one + b"K\x01\x85tRea\x85R."
    magic = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03."
    numbers = np.array([1.5, -2], np.float32)
    keys = b"\x80\x02]q\x00U\x0212q\x01a." + (2).to_bytes(8, "little") + numbers.tobytes()
    (tmp_path / "f").write_bytes(magic + facts + pairs + keys)
    assert describe(tmp_path / "f").startswith("an old PyTorch file")
    got = load_pytorch(tmp_path / "f")
    assert list(got) == ["conv.b"]
    assert same(got["conv.b"], numbers)


@FORMATS
def test_names(tmp_path, write):
    names = ["ö.wëight", "", "重み", "a.b.c", "x y\n", 7]
    got = load_pytorch(write(tmp_path / "f", {name: tensor(np.ones(1)) for name in names}))
    assert list(got) == [str(name) for name in names]


W, V, U = (rng.random(n) for n in (2, 3, 4))
CHECKPOINTS = {
    "plain": ({"w": W, "v": V}, {"w": W, "v": V}),
    "among other things": ({"epoch": 3, "w": W, "x": [V], "y": None, "z": {}}, {"w": W}),
    "state_dict": ({"state_dict": {"w": W}, "best": U, "optimizer": {"v": V}}, {"w": W}),
    "model_state_dict": ({"epoch": 1, "model_state_dict": {"a.b": W}}, {"a.b": W}),
    "model": ({"model": {"w": W}, "optimizer": {"state": {0: {"exp": V}}}}, {"w": W}),
    "net": ({"net": {"w": W}}, {"w": W}),
    "weights": ({"weights": {"w": W}}, {"w": W}),
    "weights is a tensor": ({"weights": W, "net": V}, {"weights": W, "net": V}),
    "model without tensors": ({"model": {"name": "vgg"}, "w": W}, {"w": W}),
    "two levels": ({"model": {"state_dict": {"w": W}, "ema": {"w": V}}}, {"w": W}),
    "nested": ({"a": {"b": {"w": W}, "v": V}, 0: {1: U}}, {"a.b.w": W, "a.v": V, "0.1": U}),
    "DataParallel": ({"module.w": W, "module.module.v": V}, {"w": W, "module.v": V}),
    "nested DataParallel": ({"net": {"module": {"w": W}}}, {"w": W}),
    "only one module": ({"module.w": W, "v": V}, {"module.w": W, "v": V}),
}


def tensors(value):
    if isinstance(value, dict):
        return {key: tensors(item) for key, item in value.items()}
    if isinstance(value, list):
        return [tensors(item) for item in value]
    return tensor(value) if isinstance(value, np.ndarray) else value


@FORMATS
@pytest.mark.parametrize("case", CHECKPOINTS)
def test_checkpoints(tmp_path, write, case):
    value, expected = CHECKPOINTS[case]
    got = load_pytorch(write(tmp_path / "f", tensors(value)))
    assert list(got) == list(expected)
    assert all(same(got[name], expected[name]) for name in expected)


@FORMATS
@pytest.mark.parametrize("protocol", [2, 4])
def test_other_values_are_passed_over(tmp_path, write, protocol):
    groups = collections.defaultdict(list)
    groups["lr"].append(0.1)
    state = collections.OrderedDict(w=tensor(W))
    state._metadata = {"": {"version": 1}}
    value = {
        "args": argparse.Namespace(lr=0.1, layers=[1, 2], nested=argparse.Namespace(a={3, 4})),
        "groups": groups,
        "milestones": collections.Counter({30: 1}),
        "score": np.float64(0.5),
        "type": np.dtype(">i4"),
        "raw": (b"\xff\x00", b"", frozenset([1])),
        "device": Call("torch.device", "cuda", 0),
        "size": Call("torch.Size", (2, 3)),
        "dtype": Name("torch.float16"),
        "untouched": tensor(Numbers(V, key="none")),
        "state_dict": state,
    }
    got = load_pytorch(write(tmp_path / "f", value, protocol))
    assert list(got) == ["w"]
    assert same(got["w"], W)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (5,), (2, 3, 4)])
def test_round_trip(tmp_path, dtype, shape):
    array = random(dtype, shape)
    save_pytorch(tmp_path / "f", {"a": array})
    got = load_pytorch(tmp_path / "f")["a"]
    assert same(got, array.astype(np.float32) if dtype == "float16" else array)


@pytest.mark.parametrize(
    "array",
    [
        np.arange(24.0).reshape(2, 3, 4).transpose(2, 0, 1),
        np.arange(24.0)[::-3],
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.broadcast_to(np.float32(3), (2, 2)),
        np.arange(5, dtype=">f4"),
        np.float32(2),
        np.array([np.nan, -np.inf, -0.0, 5e-324]),
    ],
)
def test_any_strides_and_byte_order(tmp_path, array):
    save_pytorch(tmp_path / "f", {"a": array})
    got = load_pytorch(tmp_path / "f")["a"]
    np.testing.assert_array_equal(got, array)
    assert got.dtype == array.dtype.newbyteorder("=")


def rebuild(array, offset, shape, strides, gradient, hooks):
    assert (gradient, hooks) == (False, collections.OrderedDict())
    steps = [array.itemsize * step for step in strides]
    return np.lib.stride_tricks.as_strided(array[offset:], shape, steps)


def read_with_python(path):
    """What Python's own unpickler finds in a file, with nothing of PyTorch."""
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert archive.read("archive/byteorder") == b"little"
        assert archive.read("archive/version") == b"3\n"

        class Reader(pickle.Unpickler):
            def find_class(self, module, name):
                if name == "_rebuild_tensor_v2":
                    assert module == "torch._utils"
                    return rebuild
                if module == "torch":
                    return STORAGES[name]
                assert (module, name) == ("collections", "OrderedDict")
                return collections.OrderedDict

            def persistent_load(self, identity):
                word, dtype, key, location, count = identity
                assert (word, location) == ("storage", "cpu")
                array = np.frombuffer(archive.read(f"archive/data/{key}"), dtype)
                assert array.size == count
                return array

        return Reader(io.BytesIO(archive.read("archive/data.pkl"))).load()


def test_what_is_written(tmp_path):
    arrays = {f"a.{dtype}": random(dtype) for dtype in DTYPES}
    arrays |= {"ö": np.zeros((0, 3)), "scalar": np.array(2.5), "t": np.arange(6).reshape(2, 3).T}
    save_pytorch(tmp_path / "f", arrays)
    got = read_with_python(tmp_path / "f")
    assert type(got) is collections.OrderedDict
    assert list(got) == list(arrays)
    assert all(same(got[name], arrays[name]) for name in arrays)
    assert describe(tmp_path / "f").startswith("a PyTorch file")


def test_data_is_aligned_and_bytes_are_deterministic(tmp_path):
    arrays = {str(n): rng.random(n, dtype=np.float32) for n in range(20)}
    save_pytorch(tmp_path / "f", arrays)
    save_pytorch(tmp_path / "other name", arrays)
    assert (tmp_path / "f").read_bytes() == (tmp_path / "other name").read_bytes()
    with zipfile.ZipFile(tmp_path / "f") as archive:
        for member in archive.infolist():  # nothing of the day or the system
            assert (member.date_time[0], member.create_system) == (1980, 0)
    for array in load_pytorch(tmp_path / "f").values():
        assert array.size == 0 or array.ctypes.data % 64 == 0


@pytest.mark.parametrize(
    ("tensors", "text"),
    [
        ({"a": [1, 2]}, "a: expected a NumPy array, got list"),
        ({"a": np.zeros(2, complex)}, "a: complex128"),
        ({"a": np.zeros(2), "b": np.zeros(2, np.uint16)}, "b: uint16"),
        ({"a": np.array([None])}, "a: object"),
        ({"a": np.array(["x"])}, "a: <U1"),
        ({3: np.zeros(2)}, "3 cannot name"),
    ],
)
def test_what_cannot_be_stored(tmp_path, tensors, text):
    with pytest.raises(TypeError, match=text):
        save_pytorch(tmp_path / "f", tensors)
    assert list(tmp_path.iterdir()) == []


def test_full_disk_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "f"
    save_pytorch(path, {"a": np.ones(3)})

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="the disk is full"):
        save_pytorch(path, {"a": np.zeros(3)})
    np.testing.assert_array_equal(load_pytorch(path)["a"], np.ones(3))
    assert list(tmp_path.iterdir()) == [path]
