"""Keras's files: both layouts, exact values, layers of other kinds."""

import os

import numpy as np
import pytest

from minifcn.io.keras import load_keras
from minifcn.io.kinds import WeightsError

h5py = pytest.importorskip("h5py")
from keras_files import BIAS, DENSE, KERNEL, keras2, keras3, plain  # noqa: E402


@pytest.fixture
def path(tmp_path):
    return tmp_path / "weights.h5"


def same(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and np.array_equal(a, b)


@pytest.mark.parametrize("texts", [np.bytes_, str])
@pytest.mark.parametrize("inside", ["/", "model_weights"])
def test_keras_2(path, texts, inside):
    layers = {
        "conv1": plain("conv1", KERNEL, BIAS),
        "pool1": {},
        "block/up": plain("block/up_1", KERNEL),
        "fc": plain("fc", DENSE, BIAS[:3]),
    }
    with h5py.File(path, "w") as file:
        keras2(file.require_group(inside), layers, texts)
        file["optimizer_weights/adam/m"] = np.arange(3)
    arrays = load_keras(path)
    assert list(arrays) == [
        *("conv1.weight", "conv1.bias", "block/up.weight", "fc.weight", "fc.bias")
    ]
    assert same(arrays["conv1.weight"], KERNEL.transpose(3, 2, 0, 1))
    assert same(arrays["conv1.bias"], BIAS)
    assert same(arrays["block/up.weight"], KERNEL.transpose(3, 2, 0, 1))
    assert same(arrays["fc.weight"], DENSE.T)
    assert same(arrays["fc.bias"], BIAS[:3])


def test_keras_1_names(path):
    weights = {"block1_conv1_W_1:0": KERNEL, "block1_conv1_b_1:0": BIAS}
    with h5py.File(path, "w") as file:
        keras2(file, {"block1_conv1": weights, "fc1": {"fc1_W:0": DENSE, "fc1_b:0": BIAS[:3]}})
    arrays = load_keras(path)
    assert same(arrays["block1_conv1.weight"], KERNEL.transpose(3, 2, 0, 1))
    assert same(arrays["fc1.bias"], BIAS[:3])
    assert len(arrays) == 4


def test_a_model_used_as_a_layer(path):
    weights = plain("conv1", KERNEL, BIAS) | plain("conv2", KERNEL + 1, BIAS + 1)
    with h5py.File(path, "w") as file:
        keras2(file, {"trunk": weights, "fc": {"sequential/fc/kernel": DENSE}})
    arrays = load_keras(path)
    names = [*("conv1.weight", "conv1.bias", "conv2.weight", "conv2.bias", "fc.weight")]
    assert list(arrays) == names
    assert same(arrays["conv2.bias"], BIAS + 1)


def test_attributes_cut_into_several(path):
    names = [f"layer{n}" for n in range(7)]
    with h5py.File(path, "w") as file:
        keras2(file, {name: plain(name, KERNEL + n) for n, name in enumerate(names)})
        del file.attrs["layer_names"]
        for n in range(3):
            file.attrs[f"layer_names{n}"] = [name.encode() for name in names[3 * n : 3 * n + 3]]
    arrays = load_keras(path)
    assert list(arrays) == [f"{name}.weight" for name in names]
    assert same(arrays["layer6.weight"], (KERNEL + 6).transpose(3, 2, 0, 1))


@pytest.mark.parametrize("layers", ["layers", "_layer_checkpoint_dependencies"])
def test_keras_3(path, layers):
    with h5py.File(path, "w") as file:
        keras3(
            file,
            {
                f"{layers}/conv2d": ("conv1", [KERNEL, BIAS]),
                f"{layers}/max_pooling2d": ("pool1", []),
                f"{layers}/functional/{layers}/dense": ("fc", [DENSE, BIAS[:3]]),
                f"{layers}/dropout/seed_generator": ("seeds", [np.array([1, 2], np.uint32)]),
                "optimizer": ("adam", [np.int64(3), KERNEL, KERNEL]),
            },
            named=layers == "layers",
        )
    arrays = load_keras(path)
    conv, fc = ("conv1", "fc") if layers == "layers" else ("conv2d", "functional/dense")
    assert set(arrays) == {f"{conv}.weight", f"{conv}.bias", f"{fc}.weight", f"{fc}.bias"}
    assert same(arrays[f"{conv}.weight"], KERNEL.transpose(3, 2, 0, 1))
    assert same(arrays[f"{conv}.bias"], BIAS)
    assert same(arrays[f"{fc}.weight"], DENSE.T)


def test_transposed_convolutions(path):
    kernel = KERNEL.transpose(0, 1, 3, 2)  # height, width, outputs, inputs
    with h5py.File(path, "w") as file:
        keras2(file, {"up": plain("up", kernel, BIAS)})
    arrays = load_keras(path)
    assert same(arrays["up.weight"], KERNEL.transpose(2, 3, 0, 1))  # inputs, outputs
    assert same(arrays["up.bias"], BIAS)


@pytest.mark.parametrize("dtype", ["<f2", ">f2", "<f4", ">f4", "<f8", ">f8"])
def test_types(path, dtype):
    array = np.array([[1.5, -0.0, np.inf], [6e-8, 65504, -2]], dtype)
    with h5py.File(path, "w") as file:
        keras2(file, {"fc": plain("fc", array)})
    expected = np.float64 if dtype[1:] == "f8" else np.float32
    assert same(load_keras(path)["fc.weight"], array.T.astype(expected))


@pytest.mark.parametrize("dtype", [np.int32, bool, np.complex64, "S4", "V2"])
def test_other_types_are_refused(path, dtype):
    with h5py.File(path, "w") as file:
        keras2(file, {"fc": plain("fc", np.zeros((2, 3), dtype))})
    with pytest.raises(WeightsError, match=r"weights\.h5: /fc/fc/kernel:0 does not hold floats"):
        load_keras(path)


@pytest.mark.parametrize(
    "options",
    [
        {"chunks": True},
        {"chunks": True, "compression": "gzip", "shuffle": True},
        {"chunks": True, "maxshape": None},
    ],
)
def test_chunks(path, options):
    with h5py.File(path, "w") as file:
        keras2(file, {"a": plain("a", KERNEL, BIAS), "b": plain("b", DENSE)}, **options)
    arrays = load_keras(path)
    assert same(arrays["a.weight"], KERNEL.transpose(3, 2, 0, 1))
    assert same(arrays["a.bias"], BIAS)
    assert same(arrays["b.weight"], DENSE.T)


def test_what_compresses_well(path):
    few = np.arange(2**14, dtype=np.float32).reshape(2**7, 2**7) % 5
    with h5py.File(path, "w") as file:
        keras2(file, {"fc": plain("fc", few * few.T)}, compression="gzip", shuffle=True)
    assert path.stat().st_size < few.nbytes / 2
    assert same(load_keras(path)["fc.weight"], (few * few.T).T)


def test_arrays_are_mapped_and_writing_to_them_leaves_the_file_alone(path):
    with h5py.File(path, "w") as file:
        keras2(file, {"fc": plain("fc", DENSE)})
    content = path.read_bytes()
    weight = load_keras(path)["fc.weight"]
    base = weight
    while isinstance(base, np.ndarray) and base.base is not None:
        base = base.base
    assert type(base).__name__ == "mmap"
    weight[...] = 7
    assert path.read_bytes() == content


C = np.ones((3, 3, 4, 1), np.float32)
ONES = np.ones(4, np.float32)
OTHERS = {  # layers of Keras 1, 2 and 3
    "bn": {f"bn/{name}:0": ONES for name in ("gamma", "beta", "moving_mean", "moving_variance")},
    "bn1": {f"bn1_{name}:0": ONES for name in ("gamma", "beta", "running_mean", "running_std")},
    "dw": {"dw/depthwise_kernel:0": C, "dw/bias:0": ONES},
    "dw3": {"dw3/kernel": C, "dw3/bias": ONES},
    "dw3_without_bias": {"dw3/kernel": C},
    "sep": {"sep/depthwise_kernel:0": C, "sep/pointwise_kernel:0": C[:1, :1], "sep/bias:0": ONES},
    "lstm": {f"lstm/lstm_cell/{name}:0": C[0, 0] for name in ("kernel", "recurrent_kernel")},
    "conv1d": {"conv1d/kernel:0": C[0]},
    "conv3d": {"conv3d/kernel:0": C[None]},
    "bias_only": {"bias_only/bias:0": ONES},
    "wrong_bias": {"wrong_bias/kernel:0": DENSE, "wrong_bias/bias:0": ONES},
    "scale": {"scale/gamma:0": ONES},
}


def test_layers_of_other_kinds_are_all_named(path):
    layers = {"conv1": plain("conv1", KERNEL, BIAS), **OTHERS, "fc": plain("fc", DENSE)}
    with h5py.File(path, "w") as file:
        keras2(file, layers)
    with pytest.raises(WeightsError, match=rf"weights\.h5: only .*, not {', '.join(OTHERS)}$"):
        load_keras(path)
    layers = {f"layers/{name}": (name, arrays.values()) for name, arrays in OTHERS.items()}
    with h5py.File(path, "w") as file:
        keras3(file, {"layers/conv2d": ("conv1", [KERNEL, BIAS]), **layers})
    with pytest.raises(WeightsError) as caught:
        load_keras(path)
    named = str(caught.value).split(" not ")[1].split(", ")
    assert set(named) == set(OTHERS)


def test_convolutions_to_one_channel_are_not_depthwise(path):
    layers = {
        "score": plain("score", C, ONES[:1]),
        "mask": plain("mask", C[:1, :1]),
        "up": plain("up", C[:, :, :1]),
    }
    with h5py.File(path, "w") as file:
        keras2(file, layers)
    arrays = load_keras(path)
    assert arrays["score.weight"].shape == (1, 4, 3, 3)
    assert arrays["mask.weight"].shape == (1, 4, 1, 1)
    assert arrays["up.weight"].shape == (1, 1, 3, 3)


def test_relative_paths_and_odd_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ["-c", "weights ü.h5"]:
        with h5py.File(os.path.join(tmp_path, name), "w") as file:
            keras2(file, {"fc": plain("fc", DENSE)})
        assert same(load_keras(name)["fc.weight"], DENSE.T)
