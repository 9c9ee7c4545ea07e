"""What a file of weights seems to be, told from its content alone."""

import os
import struct
import zipfile
from collections.abc import Callable

HEAD = 512  # bytes looked at


class WeightsError(ValueError):
    """A file of weights that is missing, damaged or of another kind; the message names it."""


def describe(path: str | os.PathLike) -> str:
    """Say in a few words what kind of file ``path`` seems to be, executing nothing in it.

    Returns "a safetensors file", "a PyTorch file", "a Caffe model" and so on, or
    "a file of an unknown kind". Raises OSError where it cannot be read.
    """
    with open(path, "rb") as file:
        head = file.read(HEAD)
    for kind, fits in KINDS.items():
        if fits(head):
            return _describe_zip(path) if kind == "a zip archive" else kind
    return "a file of an unknown kind"


def _starts(*prefixes: bytes) -> Callable[[bytes], bool]:
    return lambda head: head.startswith(prefixes)


def _is_safetensors(head: bytes) -> bool:
    """Eight bytes of header length, then the header: a JSON object."""
    return len(head) > 8 and head[8:9] == b"{"


def _is_html(head: bytes) -> bool:
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return text.startswith((b"<!doctype html", b"<html", b"<head", b"<?xml"))


def _is_caffemodel(head: bytes) -> bool:
    """A protobuf NetParameter: field 1, its name, a text; then field 2, 3, 4, 5 or 100."""
    if head[:1] != b"\x0a" or len(head) < 3:
        return False
    end = 2 + head[1]
    name, following = head[2:end], head[end : end + 2]
    keys = (b"\x12", b"\x1a", b"\x20", b"\x28", b"\xa2\x06")
    return name.isascii() and name.decode("ascii").isprintable() and following.startswith(keys)


def _is_onnx(head: bytes) -> bool:
    """A protobuf ModelProto: field 1, a small version number; then field 2, 7 or 8."""
    return len(head) > 2 and head[0] == 0x08 and head[1] < 64 and head[2] in (0x12, 0x3A, 0x42)


def _describe_zip(path: str | os.PathLike) -> str:
    """PyTorch's, NumPy's and Keras's archives are told apart by the names of their members."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, struct.error, NotImplementedError, OverflowError, ValueError):
        return "a truncated zip archive (such as a PyTorch or .npz file cut short)"
    if any(name.endswith("data.pkl") for name in names):
        return "a PyTorch file (zip archive with a pickle)"
    if names and all(name.endswith(".npy") for name in names):
        return "a NumPy .npz archive"
    if "model.weights.h5" in names:
        return "a Keras file"
    return "a zip archive"


KINDS: dict[str, Callable[[bytes], bool]] = {
    "an empty file": lambda head: not head,
    "a safetensors file": _is_safetensors,
    "a zip archive": _starts(b"PK\x03\x04", b"PK\x05\x06"),
    "an old PyTorch file (pickle)": _starts(
        b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50"
    ),
    "a Python pickle": _starts(b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"),
    "a NumPy .npy array": _starts(b"\x93NUMPY"),
    "an HDF5 file (such as Keras weights)": _starts(b"\x89HDF\r\n\x1a\n"),
    "a Caffe model": _is_caffemodel,
    "an ONNX model": _is_onnx,
    "an HTML page (the download answered with a web page)": _is_html,
    "a Git LFS pointer (the large file itself was not fetched)": _starts(
        b"version https://git-lfs"
    ),
    "a gzip archive": _starts(b"\x1f\x8b"),
    "a tar archive (such as a PyTorch file from before 0.2)": lambda head: (
        head[257:262] == b"ustar"
    ),
    "a picture": _starts(b"\x89PNG\r\n", b"\xff\xd8\xff"),
    "a MATLAB file": _starts(b"MATLAB 5.0 MAT-file"),
}
