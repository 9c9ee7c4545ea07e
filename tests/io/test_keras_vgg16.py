"""VGG-16 of keras-applications: what it computes is the same by the paper's names and axes."""

import numpy as np
import pytest

from minifcn.io.keras import VGG16_CONVOLUTIONS, load_keras, rename_vgg16
from minifcn.io.kinds import WeightsError

h5py = pytest.importorskip("h5py")
from keras_files import BIAS, KERNEL, keras2, keras3, plain  # noqa: E402

rng = np.random.default_rng(1)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "weights.h5"


def narrow_vgg16(side=2, classes=4):
    """VGG-16 for images of 32 * side pixels, with few channels: {layer: [kernel, bias]}."""
    weights, inputs = {}, 3
    for n, name in enumerate(VGG16_CONVOLUTIONS):
        outputs = 2 + n % 4
        weights[name] = (rng.normal(0, 0.4, (3, 3, inputs, outputs)), rng.normal(0, 1, outputs))
        inputs = outputs
    sizes = [side * side * inputs, 7, 6, classes]
    for name, n, m in zip(["fc1", "fc2", "predictions"], sizes, sizes[1:], strict=False):
        weights[name] = (rng.normal(0, 1, (n, m)), rng.normal(0, 1, m))
    return {name: [array.astype(np.float32) for array in pair] for name, pair in weights.items()}


def convolve(x, kernel, axes, formula):
    padded = np.pad(x, [(1, 1) if axis in axes else (0, 0) for axis in range(3)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axes)
    return np.einsum(formula, windows, kernel.astype(float))


def channels_last(x, weights):
    """Scores of an image (H, W, 3) as Keras computes them."""
    for name in VGG16_CONVOLUTIONS:
        kernel, bias = weights[name]
        x = np.maximum(convolve(x, kernel, (0, 1), "hwcij,ijco->hwo") + bias, 0)
        if name[-1] == {"1": "2", "2": "2"}.get(name[5], "3"):
            h, w, c = x.shape
            x = x.reshape(h // 2, 2, w // 2, 2, c).max((1, 3))
    x = np.maximum(x.reshape(-1) @ weights["fc1"][0] + weights["fc1"][1], 0)
    x = np.maximum(x @ weights["fc2"][0] + weights["fc2"][1], 0)
    return x @ weights["predictions"][0] + weights["predictions"][1]


def channels_first(x, arrays):
    """Scores of an image (3, H, W) as minifcn's layers compute them."""
    for block, depth in enumerate((2, 2, 3, 3, 3), 1):
        for n in range(1, depth + 1):
            kernel, bias = arrays[f"conv{block}_{n}.weight"], arrays[f"conv{block}_{n}.bias"]
            x = convolve(x, kernel, (1, 2), "chwij,ocij->ohw") + bias[:, None, None]
            x = np.maximum(x, 0)
        c, h, w = x.shape
        x = x.reshape(c, h // 2, 2, w // 2, 2).max((2, 4))
    x = np.maximum(arrays["fc6.weight"] @ x.reshape(-1) + arrays["fc6.bias"], 0)
    x = np.maximum(arrays["fc7.weight"] @ x + arrays["fc7.bias"], 0)
    return arrays["fc8.weight"] @ x + arrays["fc8.bias"]


@pytest.mark.parametrize("layout", [2, 3])
def test_vgg16_computes_the_same(path, layout):
    weights = narrow_vgg16()
    with h5py.File(path, "w") as file:
        if layout == 2:
            keras2(file, {name: plain(name, *pair) for name, pair in weights.items()})
        else:
            layers = {f"layers/c_{n}": item for n, item in enumerate(weights.items())}
            keras3(file, layers)
    arrays = load_keras(path)
    assert len(arrays) == 32
    image = rng.random((64, 64, 3))
    expected = channels_last(image, weights)
    assert np.ptp(expected) > 0.1
    np.testing.assert_allclose(
        channels_first(image.transpose(2, 0, 1), arrays), expected, rtol=1e-9
    )


def test_vgg16_without_its_top_and_with_other_layers(path):
    weights = narrow_vgg16()
    layers = {name: plain(name, *pair) for name, pair in weights.items() if name[0] == "b"}
    with h5py.File(path, "w") as file:
        keras2(file, layers | {"score": plain("score", KERNEL, BIAS)})
    arrays = load_keras(path)
    assert {"conv1_1.weight", "conv5_3.bias", "score.weight"} < set(arrays)
    assert len(arrays) == 28
    with h5py.File(path, "w") as file:  # one convolution less: no VGG-16
        del layers["block5_conv3"]
        keras2(file, layers)
    assert "block1_conv1.weight" in load_keras(path)


def test_vgg16_inputs_of_fc1_that_are_no_square_map(path):
    weights = narrow_vgg16()
    weights["fc1"][0] = weights["fc1"][0][:6]
    with h5py.File(path, "w") as file:
        keras2(file, {name: plain(name, *pair) for name, pair in weights.items()})
    with pytest.raises(WeightsError, match=r"weights\.h5: fc1 has 6 inputs: no square map of 2"):
        load_keras(path)


def test_vgg16_names_that_are_taken():
    arrays = {"block1_conv1.weight": KERNEL, "conv1_1.weight": KERNEL}
    with pytest.raises(ValueError, match="both"):
        rename_vgg16(arrays)
