"""Damaged and hostile files of Keras: always one sentence, never other files, crash or hang."""

import struct
import sys

import numpy as np
import pytest

from minifcn.io.keras import load_keras
from minifcn.io.kinds import WeightsError

h5py = pytest.importorskip("h5py")
from keras_files import BIAS, DENSE, KERNEL, keras2, keras3, plain  # noqa: E402


@pytest.fixture
def path(tmp_path):
    return tmp_path / "weights.h5"


def refused(path, text):
    with pytest.raises(WeightsError, match=text) as caught:
        load_keras(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def secret(tmp_path):
    """Another file, which no other may make us read: it holds a layer under the same name."""
    other = tmp_path / "secret.h5"
    with h5py.File(other, "w") as file:
        keras2(file, {"fc": plain("fc", DENSE)})
    return other


def soft(file, tmp_path):
    file["fc"] = h5py.SoftLink("/elsewhere")
    keras2(file.create_group("hidden"), {"fc": plain("fc", DENSE)})
    file["elsewhere"] = file["hidden/fc"]


def external_link(file, tmp_path):
    file["fc"] = h5py.ExternalLink(str(secret(tmp_path)), "/fc")


def external_storage(file, tmp_path):
    (tmp_path / "raw").write_bytes(DENSE.tobytes())
    data = (6, 3), np.float32
    file.create_dataset("fc/fc/kernel:0", *data, external=[(str(tmp_path / "raw"), 0, 72)])


def virtual(file, tmp_path):
    layout = h5py.VirtualLayout((6, 3), np.float32)
    layout[:] = h5py.VirtualSource(str(secret(tmp_path)), "fc/fc/kernel:0", (6, 3))
    file.create_virtual_dataset("fc/fc/kernel:0", layout)


def reference(file, tmp_path):
    file.create_dataset("fc/fc/kernel:0", (6, 3), h5py.ref_dtype)


def region(file, tmp_path):
    file.create_dataset("fc/fc/kernel:0", (6, 3), h5py.regionref_dtype)


def lzf(file, tmp_path):
    file.create_dataset("fc/fc/kernel:0", data=DENSE, compression="lzf")


def unwritten(file, tmp_path):
    file.create_dataset("fc/fc/kernel:0", (6, 3), np.float32)


def nothing(file, tmp_path):
    file["fc/fc/kernel:0"] = h5py.Empty(np.float32)


def zero_sized(file, tmp_path):
    file.create_dataset("fc/fc/kernel:0", (6, 0), np.float32)


def zero_sized_chunks(file, tmp_path):
    file.create_dataset("fc/fc/kernel:0", (6, 0), np.float32, maxshape=(6, None))


def sparse(file, tmp_path):
    file.create_dataset("fc/fc/kernel:0", (2**30, 2**30), np.float32, chunks=(8, 8))


def bomb(file, tmp_path):
    zeros = np.zeros((1024, 1024), np.float32)
    file.create_dataset("fc/fc/kernel:0", data=zeros, compression="gzip")


def group(file, tmp_path):
    file.create_group("fc/fc/kernel:0")


def through_an_array(file, tmp_path):
    file["fc/fc"] = DENSE


def missing(file, tmp_path):
    file.create_group("fc")


def twice(file, tmp_path):
    file["fc/fc/kernel:0"] = DENSE
    file.attrs["layer_names"] = [b"fc", b"fc"]


def numbers(file, tmp_path):
    file.create_group("fc")
    file.attrs["layer_names"] = np.arange(3)


def no_list(file, tmp_path):
    file.attrs["layer_names"] = h5py.Empty("S2")


def unprintable(file, tmp_path):
    del file.attrs["layer_names"]
    file["a\n\x1b[2Jb"] = h5py.SoftLink("/elsewhere")


def references(file, tmp_path):
    file.attrs.create("layer_names", [file.ref], dtype=h5py.ref_dtype)


def not_text(file, tmp_path):
    file["f\nc/fc/kernel:0"] = DENSE
    file["f\nc"].attrs["weight_names"] = [b"fc/kernel:0"]
    file.attrs["layer_names"] = [b"f\nc"]


HOSTILE = {
    soft: "fc is a link",
    external_link: "fc is a link",
    external_storage: "in other files",
    virtual: "in other files",
    reference: "does not hold floats",
    region: "does not hold floats",
    lzf: "compressed by other means",
    unwritten: "no numbers",
    nothing: "no numbers",
    zero_sized: "no numbers",
    zero_sized_chunks: "no numbers",
    sparse: f"{2**62} bytes of weights cannot be in a file of",
    bomb: f"{2**22} bytes of weights cannot be in a file of",
    group: "not an array",
    through_an_array: "fc/kernel:0 is not in the file",
    missing: "fc/kernel:0 is not in the file",
    twice: "two layers have the name 'fc'",
    numbers: "not a list of names",
    no_list: "not a list of names",
    unprintable: r"h5: a\[2Jb is a link",
    references: "not a list of names",
    not_text: "a name that is not text",
}


@pytest.mark.parametrize("case", HOSTILE, ids=lambda case: case.__name__)
def test_hostile(path, tmp_path, case):
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [b"fc"]
        case(file, tmp_path)
        if isinstance(file.get("fc", getlink=True), h5py.HardLink) and "fc" in file:
            file["fc"].attrs["weight_names"] = [b"fc/kernel:0"]
    refused(path, HOSTILE[case])


def test_too_many_names(path):
    with h5py.File(path, "w", libver="latest") as file:
        file.attrs["layer_names"] = np.full(100_001, b"a")
    refused(path, "the attribute layer_names is not a list of names")


def itself(file):
    file["layers/again"] = file["layers"]


def root(file):
    file["layers/conv2d/root"] = file["/"]


def linked(file):
    file["layers/conv2d_1"] = file["layers/conv2d"]


def deep(file):
    file.create_group("/".join(["sequential"] * 5000))


@pytest.mark.parametrize(
    ("case", "text"),
    [(itself, "linked twice"), (root, "linked twice"), (linked, "linked twice"), (deep, "depth")],
)
def test_groups_that_contain_themselves(path, case, text):
    with h5py.File(path, "w") as file:
        keras3(file, {"layers/conv2d": ("conv1", [KERNEL, BIAS])})
        case(file)
    refused(path, text)


def test_forged_shapes(path):
    with h5py.File(path, "w") as file:
        keras2(file, {"conv1": plain("conv1", KERNEL, BIAS)})
    content = path.read_bytes()
    shape = struct.pack("<4Q", *KERNEL.shape)
    assert content.count(shape) >= 1  # the sizes and, right behind, the largest sizes
    for forged in [(3, 2, 4, 6), (2**15,) * 4, (2**60, 1, 1, 1), (2**63, 2, 2, 2), (0, 2, 4, 5)]:
        path.write_bytes(content.replace(shape, struct.pack("<4Q", *forged)))
        with pytest.raises(WeightsError, match=r"weights\.h5: "):
            load_keras(path)


def test_an_array_beyond_the_end(path):
    with h5py.File(path, "w") as file:
        keras2(file, {"conv1": plain("conv1", KERNEL)})
        offset = file["conv1/conv1/kernel:0"].id.get_offset()
    content = path.read_bytes()
    for forged in [len(content) - KERNEL.nbytes + 4, len(content), 2**40, 2**63, 2**64 - 2]:
        there, here = struct.pack("<Q", offset), struct.pack("<Q", forged)
        path.write_bytes(content.replace(there, here))
        refused(path, "damaged HDF5 file: ")


def test_truncated(path):
    with h5py.File(path, "w") as file:
        keras2(file, {"conv1": plain("conv1", KERNEL, BIAS)})
    content = path.read_bytes()
    for n in [*range(0, len(content), len(content) // 12), len(content) - 1]:
        path.write_bytes(content[:n])
        with pytest.raises(WeightsError, match=r"weights\.h5: "):
            load_keras(path)


# In the place of h5py: what keras_child.py imports from it.
PARTS = "h5d = h5l = h5o = h5t = Group = Dataset = None"


@pytest.mark.skipif(sys.platform != "linux", reason="limits of the processor and of memory")
def test_the_library_crashes_or_comes_to_no_end(path, tmp_path, monkeypatch):
    with h5py.File(path, "w") as file:
        keras2(file, {"fc": plain("fc", DENSE)})
    library = tmp_path / "h5py.py"
    monkeypatch.syspath_prepend(tmp_path)
    for code in ["import os; os.abort()", "import os; os._exit(3)"]:
        library.write_text(code)
        refused(path, "damaged HDF5 file: the HDF5 library crashed")
    library.write_text(f"{PARTS}\ndef File(*a, **k):\n    while True: pass")
    refused(path, "the HDF5 library crashed or came to no end")
    library.write_text(f"{PARTS}\ndef File(*a, **k): bytearray(2**30)")
    refused(path, "damaged HDF5 file: MemoryError$")
    monkeypatch.setattr("minifcn.io.keras.WAIT", 0.2)
    library.write_text("import time; time.sleep(60)")
    refused(path, r"damaged HDF5 file: still being read after 0.2 s")


def test_without_h5py(path, monkeypatch):
    with h5py.File(path, "w") as file:
        keras2(file, {"fc": plain("fc", DENSE)})
    monkeypatch.setitem(sys.modules, "h5py", None)
    refused(path, r"reading Keras files needs h5py: pip install 'minifcn\[hdf5\]'$")


def test_missing_files_and_other_kinds(path, tmp_path):
    refused(path, r"weights\.h5: no such file$")
    path.write_bytes(b"<html><body>quota exceeded</body></html>")
    refused(path, "expected an HDF5 file, this seems to be an HTML page")
    with pytest.raises(WeightsError, match="Is a directory"):
        load_keras(tmp_path)
    with h5py.File(path, "w") as file:
        file["conv1"] = KERNEL
    refused(path, "without weights as Keras stores them")
