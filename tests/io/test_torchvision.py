"""Weights of torchvision's nets, under our names. (test_torchvision_oracle.py: their scores.)"""

import numpy as np
import pytest

from minifcn import data, models
from minifcn.io import WeightsError, load_weights, save_tensors, torchvision

IMAGENET = data.Preprocessing("RGB", (123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
CENTRED = data.Preprocessing("RGB", (127.5,) * 3, (127.5,) * 3)
RULES = dict.fromkeys(torchvision.NETS, IMAGENET) | {"googlenet-torchvision": CENTRED}


def arrays_for(model):
    """Arrays with torchvision's names for a narrow net of ours."""
    net = models.build(model, 4, width=0.05)
    state = net.state_dict()
    names = torchvision.NETS[model][0]
    return {
        f"{theirs}.{which}": state[f"{ours}.{which}"]
        for theirs, ours in names.items()
        for which in ("weight", "bias")
    }, state


@pytest.mark.parametrize("model", [name for name in torchvision.NETS if "goog" not in name])
def test_files_are_recognised_by_their_names(tmp_path, model):
    theirs, ours = arrays_for(model)
    save_tensors(tmp_path / "f", theirs)
    found = load_weights(tmp_path / "f")
    assert found.model == model
    assert found.kind == "a safetensors file, torchvision's"
    assert data.Preprocessing(**found.preprocessing) == RULES[model]
    assert found.arrays.keys() == ours.keys()
    for name, array in found.arrays.items():
        np.testing.assert_array_equal(array, ours[name])


def test_batch_normalisation_becomes_part_of_the_weights():
    rng = np.random.default_rng(0)
    arrays = {
        "c.conv.weight": rng.standard_normal((2, 3, 1, 1)),
        "c.bn.weight": np.array([2.0, -1.0]),
        "c.bn.bias": np.array([0.5, 0.0]),
        "c.bn.running_mean": np.array([1.0, 4.0]),
        "c.bn.running_var": np.array([0.249, 3.999]),
    }
    (_, weight), (_, bias) = torchvision._layer(arrays, "c")
    x = rng.standard_normal(3)
    y = arrays["c.conv.weight"][:, :, 0, 0] @ x
    wanted = (y - (1, 4)) / (0.5, 2.0) * (2, -1) + (0.5, 0)
    np.testing.assert_allclose(weight[:, :, 0, 0] @ x + bias, wanted, atol=1e-12)


def test_an_array_that_is_missing_is_named(tmp_path):
    theirs, _ = arrays_for("vgg16")
    del theirs["features.2.bias"]
    save_tensors(tmp_path / "f", theirs)
    with pytest.raises(WeightsError, match=r"torchvision's vgg16, but no array 'features.2.bias'"):
        load_weights(tmp_path / "f")


def test_other_nets_are_not_mistaken_for_them(tmp_path):
    theirs, _ = arrays_for("vgg16")
    theirs["features.30.weight"] = np.zeros(3, np.float32)  # VGG-19's
    save_tensors(tmp_path / "f", theirs)
    found = load_weights(tmp_path / "f")
    assert found.model is None
    assert found.preprocessing is None
    assert "features.30.weight" in found.arrays
