"""Files of weights are told apart by their content."""

import pickle
import struct
import zipfile

import numpy as np
import pytest

from minifcn.io.kinds import describe


def message(field, body):
    return bytes([field << 3 | 2, len(body)]) + body


CAFFE_NAME = message(1, b"VGG_ILSVRC_16_layers")
CASES = {
    "an empty file": b"",
    "a safetensors file": struct.pack("<Q", 2) + b"{}",
    "an old PyTorch file (pickle)": bytes.fromhex("80028a0a6cfc9c46f9206aa850192e"),
    "a Python pickle": pickle.dumps({"a": 1}),
    "an HDF5 file (such as Keras weights)": b"\x89HDF\r\n\x1a\n" + bytes(20),
    "an ONNX model": b"\x08\x08\x12\x07pytorch\x1a\x032.0",
    "an HTML page (the download answered with a web page)": b"\n<!DOCTYPE html>\n<html>",
    "a gzip archive": b"\x1f\x8b\x08\x00",
    "a tar archive (such as a PyTorch file from before 0.2)": bytes(257) + b"ustar\x0000",
    "a picture": b"\x89PNG\r\n\x1a\n",
    "a MATLAB file": b"MATLAB 5.0 MAT-file, Platform",
    "a file of an unknown kind": b"layer { name: 'conv1_1' }",
}


@pytest.mark.parametrize("kind", CASES)
def test_by_first_bytes(tmp_path, kind):
    (tmp_path / "f").write_bytes(CASES[kind])
    assert describe(tmp_path / "f") == kind


@pytest.mark.parametrize(
    "content",
    [
        CAFFE_NAME + b"\xa2\x06\x05\x0a\x03abc",  # layer, field 100
        CAFFE_NAME + b"\x12\x05\x0a\x03abc",  # V1 layers, field 2
        CAFFE_NAME + b"\x1a\x04data",  # input, field 3
        message(1, b"{et") + b"\x12\x05\x0a\x03abc",
    ],
)
def test_caffe_model(tmp_path, content):
    (tmp_path / "f").write_bytes(content)
    assert describe(tmp_path / "f") == "a Caffe model"


@pytest.mark.parametrize(
    "content", [b"\x0a", b"\x0a\x03", b"\n\n\nlayers", b"\x0a\x02\xff\xfe\x12"]
)
def test_not_a_caffe_model(tmp_path, content):
    (tmp_path / "f").write_bytes(content)
    assert describe(tmp_path / "f") == "a file of an unknown kind"


def test_archives_by_their_members(tmp_path):
    path = tmp_path / "f"
    for members, kind in {
        ("m/data.pkl", "m/data/0"): "a PyTorch file (zip archive with a pickle)",
        ("config.json", "model.weights.h5"): "a Keras file",
        ("readme.txt",): "a zip archive",
        (): "a zip archive",
    }.items():
        with zipfile.ZipFile(path, "w") as archive:
            for name in members:
                archive.writestr(name, b"x")
        assert describe(path) == kind
    with open(path, "wb") as file:
        np.savez(file, a=np.zeros(3))
    assert describe(path) == "a NumPy .npz archive"
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 6] = 200  # the version that it needs
    for damaged in (content, content[:60]):
        path.write_bytes(damaged)
        assert describe(path).startswith("a truncated zip archive")


def test_npy(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros(3))
    assert describe(tmp_path / "a.npy") == "a NumPy .npy array"


def test_lfs_pointer(tmp_path):
    (tmp_path / "f").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    assert "Git LFS" in describe(tmp_path / "f")


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        describe(tmp_path / "f")
