"""Caffe's binary files of weights: written with the protobuf library, read without Caffe."""

import numpy as np
import pytest

pytest.importorskip("google.protobuf")
import caffe_messages as messages

from minifcn.io import WeightsError, load_caffemodel, load_weights, save_caffemodel

CLASSES = messages.classes()
rng = np.random.default_rng(0)
W = rng.standard_normal((4, 3, 3, 5)).astype(np.float32)
B = rng.standard_normal(4).astype(np.float32)
FC = rng.standard_normal((6, 7)).astype(np.float32)


def blob(array, old=False, double=False):
    data = {"double_data" if double else "data": array.ravel().tolist()}
    if old:
        lengths = (1,) * (4 - array.ndim) + array.shape
        return data | dict(zip(("num", "channels", "height", "width"), lengths, strict=True))
    return data | {"shape": {"dim": array.shape}}


def written(path, **fields):
    path.write_bytes(CLASSES["NetParameter"](**fields).SerializeToString())
    return path


def layer(name, *blobs, **fields):
    return {"name": name, "type": "Convolution", "blobs": list(blobs)} | fields


def same(found, wanted):
    assert found.dtype == wanted.dtype
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("double", [False, True])
def test_todays_layers(tmp_path, old, double):
    how = {"old": old, "double": double}
    silent = {"name": "relu1", "type": "ReLU", "bottom": ["conv1"], "top": ["conv1"]}
    layers = [layer("conv1", blob(W, **how), blob(B, **how)), silent]
    layers.append(layer("fc", blob(FC, **how), blob(FC[:, 0], **how), type="InnerProduct"))
    found = load_caffemodel(written(tmp_path / "f", name="net", layer=layers))
    dtype = np.float64 if double else np.float32
    assert list(found) == ["conv1.weight", "conv1.bias", "fc.weight", "fc.bias"]
    same(found["conv1.weight"], W.astype(dtype))
    same(found["conv1.bias"], B.astype(dtype))
    same(found["fc.weight"], FC.astype(dtype))
    same(found["fc.bias"], FC[:, 0].astype(dtype))


def test_layers_of_old_files(tmp_path):
    layers = [
        {
            "name": "conv1",
            "type": messages.V1_CONVOLUTION,
            "blobs": [blob(W, True), blob(B, True)],
        },
        {"name": "relu1", "type": messages.V1_RELU},
        {"name": "fc", "type": messages.V1_INNER_PRODUCT, "blobs": [blob(FC, True)]},
    ]
    found = load_caffemodel(written(tmp_path / "f", name="net", layers=layers))
    assert list(found) == ["conv1.weight", "conv1.bias", "fc.weight"]
    same(found["conv1.weight"], W)
    same(found["conv1.bias"], B)
    same(found["fc.weight"], FC)


def test_one_filter_of_one_channel_stays_a_filter(tmp_path):
    one = W[:1, :1]
    layers = [{"name": "c", "type": messages.V1_CONVOLUTION, "blobs": [blob(one, True)]}]
    found = load_caffemodel(written(tmp_path / "f", layers=layers))
    same(found["c.weight"], one)


def test_numbers_that_are_not_packed(tmp_path):
    net = CLASSES["LooseNet"](layer=[{"name": "conv1", "blobs": [blob(W)]}])
    (tmp_path / "f").write_bytes(net.SerializeToString())
    same(load_caffemodel(tmp_path / "f")["conv1.weight"], W)


def test_differences_are_left_out(tmp_path):
    with_diff = blob(W) | {"diff": W.ravel().tolist()}
    found = load_caffemodel(written(tmp_path / "f", layer=[layer("conv1", with_diff)]))
    same(found["conv1.weight"], W)


def test_the_arrays_are_parts_of_the_file_and_the_file_is_safe(tmp_path):
    path = written(tmp_path / "f", layer=[layer("conv1", blob(W))])
    before = path.read_bytes()
    found = load_caffemodel(path)["conv1.weight"]
    assert not found.flags.owndata
    found[...] = 7
    assert path.read_bytes() == before


def test_round_trip_and_the_library_reads_it(tmp_path):
    arrays = {"conv1.weight": W, "conv1.bias": B, "fc.weight": FC.astype(np.float64)}
    arrays["strided.weight"] = W.transpose(3, 0, 2, 1)
    save_caffemodel(tmp_path / "f", arrays)
    found = load_weights(tmp_path / "f")
    assert found.kind == "a Caffe model"
    assert found.arrays.keys() == arrays.keys()
    for name, array in arrays.items():
        same(found.arrays[name], array)
    net = CLASSES["NetParameter"].FromString((tmp_path / "f").read_bytes())
    assert [(one.name, one.type) for one in net.layer] == [
        ("conv1", "Convolution"),
        ("fc", "InnerProduct"),
        ("strided", "Convolution"),
    ]
    assert list(net.layer[0].blobs[0].shape.dim) == [4, 3, 3, 5]
    np.testing.assert_array_equal(np.array(net.layer[0].blobs[1].data, np.float32), B)
    np.testing.assert_array_equal(net.layer[1].blobs[0].double_data, FC.ravel())


@pytest.mark.parametrize(
    ("arrays", "kind", "message"),
    [
        ({"weight": W}, ValueError, "'weight': a .caffemodel has weights and biases"),
        ({"a.gamma": W}, ValueError, "'a.gamma': a .caffemodel has weights and biases"),
        ({"a.bias": B}, ValueError, "layer 'a' has a bias but no weight"),
        ({"a.weight": W.astype(np.int32)}, TypeError, "a.weight: int32 arrays cannot be stored"),
    ],
)
def test_what_cannot_be_written(tmp_path, arrays, kind, message):
    with pytest.raises(kind, match=message):
        save_caffemodel(tmp_path / "f", arrays)
    assert list(tmp_path.iterdir()) == []


WRONG = {
    "no numbers": (layer("a", {"shape": {"dim": [2, 3]}}), r"layer 'a', blob 0: 0 numbers"),
    "too few": (layer("a", blob(W) | {"shape": {"dim": [4, 3, 3, 6]}}), "180 numbers cannot be"),
    "too many axes": (layer("a", blob(W[:1, :1, :1, :1]) | {"shape": {"dim": [1] * 9}}), "cannot"),
    "negative": (layer("a", blob(W) | {"shape": {"dim": [-4, -3, 3, 5]}}), "180 numbers cannot"),
    "huge": (layer("a", blob(W) | {"shape": {"dim": [2**62] * 4}}), "180 numbers cannot be"),
    "three blobs": (layer("bn", blob(B), blob(B), blob(B), type="BatchNorm"),
                    r"layer 'bn' \(BatchNorm\) has 3 blobs"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_files_that_contradict_themselves(tmp_path, case):
    wrong, message = WRONG[case]
    with pytest.raises(WeightsError, match=f"^{tmp_path}/f: .*{message}"):
        load_caffemodel(written(tmp_path / "f", layer=[wrong]))


def test_two_layers_of_one_name(tmp_path):
    layers = [layer("a", blob(W)), layer("a", blob(B))]
    with pytest.raises(WeightsError, match="f: two layers are called 'a'"):
        load_caffemodel(written(tmp_path / "f", layer=layers))


def test_a_file_cut_short_anywhere(tmp_path):
    path = written(tmp_path / "f", name="net", layer=[layer("conv1", blob(W[:1, :1]), blob(B))])
    whole = path.read_bytes()
    for end in range(1, len(whole)):
        path.write_bytes(whole[:end])
        with pytest.raises(WeightsError, match=f"^{path}: (damaged|.* no layer has weights)"):
            load_caffemodel(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "an empty file"),
        (b"\xa2\x06\xff\xff\xff\xff\xff\xff\xff\xff\x7f", "ends at byte 9223372036854775818"),
        (b"\x0a" + b"\xff" * 11, "a number of more than ten bytes"),
        (b"\x0b\x00", "wire type 3 at byte 0"),
        (b"\x50\x00" * 1_000_001, "more than 1,000,000 fields"),
        (b"\x0a\x03net", "no layer has weights"),
    ],
)
def test_bytes_that_are_no_message(tmp_path, content, message):
    (tmp_path / "f").write_bytes(content)
    with pytest.raises(WeightsError, match=f"^{tmp_path}/f: .*{message}"):
        load_caffemodel(tmp_path / "f")


def test_a_missing_file(tmp_path):
    with pytest.raises(WeightsError, match="f: no such file"):
        load_caffemodel(tmp_path / "f")
