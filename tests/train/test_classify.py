"""What a classifier makes of a photograph, and of every window of it."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from minifcn import Tensor, data, nn, no_grad, train
from minifcn import functions as F


def classifier(seed=0, size=(3, 12, 12)):
    """Without padding, so that a window sees no zeros: stride 2, windows of 12x12."""
    net = nn.Net(size)
    net.add("conv1", nn.Conv2d(3, 4, 3))
    net.add("relu1", nn.ReLU())
    net.add("pool1", nn.MaxPool2d(2, 2))
    net.add("flatten", nn.Flatten())
    net.add("fc", nn.Linear(4 * 5 * 5, 6))
    rng = np.random.default_rng(seed)
    for parameter in net.parameters():
        parameter.data = rng.standard_normal(parameter.shape).astype(np.float32) * 0.05
    return net.eval()


def photo(*size):
    return np.random.default_rng(1).integers(0, 256, (*size, 3), dtype=np.uint8)


def probabilities(net, image, rule=data.CAFFE):
    with no_grad():
        return F.softmax(net(Tensor(rule.to_input(image)[None]))).data[0]


def test_the_centre_at_the_usual_size():
    """The shorter side becomes 8/7 of the input; the middle is cut out."""
    net, image = classifier(), photo(28, 49)
    small = Image.fromarray(image).resize((24, 14), Image.Resampling.BILINEAR)
    middle = np.asarray(small)[1:13, 6:18]
    found = train.class_probabilities(net, image)
    np.testing.assert_allclose(found, probabilities(net, middle), rtol=1e-5)
    assert found.sum() == pytest.approx(1)


def test_the_preprocessing_counts():
    net, image = classifier(), photo(14, 14)
    rule = data.Preprocessing("RGB", (127.5,) * 3, (60.0,) * 3)
    found = train.class_probabilities(net, image, rule)
    np.testing.assert_allclose(found, probabilities(net, image[1:13, 1:13], rule), rtol=1e-5)


def test_heat_is_the_classifier_slid_over_the_photograph():
    """Window (i, j) begins at pixel (2i, 2j), and its value stands at its centre, 5.5 further."""
    net, image = classifier(), photo(18, 23)
    coarse, heat = train.class_heat(net, image, 2)
    assert coarse.shape == (4, 6)
    for i, j in np.ndindex(coarse.shape):
        window = image[2 * i : 2 * i + 12, 2 * j : 2 * j + 12]
        assert coarse[i, j] == pytest.approx(probabilities(net, window)[2], rel=1e-4)
    assert heat.shape == (18, 23)
    np.testing.assert_allclose(heat[0, 0], coarse[0, 0])  # outside all centres, the nearest
    np.testing.assert_allclose(heat[-1, -1], coarse[-1, -1])
    between = (coarse[1, 2] + coarse[1, 3] + coarse[2, 2] + coarse[2, 3]) / 4
    around = heat[8, 10], heat[8, 11], heat[9, 10], heat[9, 11]
    assert np.mean(around) == pytest.approx(between)
    across = 0.75 * coarse[1, 2] + 0.25 * coarse[1, 3]
    down = 0.75 * coarse[2, 2] + 0.25 * coarse[2, 3]
    assert heat[8, 10] == pytest.approx(0.75 * across + 0.25 * down)


def test_a_photograph_of_the_training_size_has_one_window():
    net, image = classifier(), photo(12, 12)
    coarse, heat = train.class_heat(net, image, 0)
    assert coarse.shape == (1, 1)
    np.testing.assert_allclose(heat, np.full((12, 12), coarse[0, 0]))
    with pytest.raises(ValueError, match="the photograph, 11x12, is smaller than"):
        train.class_heat(net, image[1:], 0)


needs_files = pytest.mark.skipif(
    not {"MINIFCN_DATA", "MINIFCN_WEIGHTS"} <= os.environ.keys(),
    reason="MINIFCN_DATA and MINIFCN_WEIGHTS are not set",
)


@needs_files
def test_real_weights_name_what_real_photographs_show():
    """SqueezeNet on photographs of cats: one of ImageNet's five house cats is among its first five
    in most of them, and where its heat is high there is a cat."""
    weights = Path(os.environ["MINIFCN_WEIGHTS"], "squeezenet_v1.0.safetensors")
    net, spec = train.load_model(weights, "squeezenet")
    folder = data.VOCSegmentation(Path(os.environ["MINIFCN_DATA"], "voc_animals"), "val")
    cat = folder.class_names.index("cat")
    cats = [i for i in range(len(folder)) if (folder[i][1] == cat).mean() > 0.3][:12]
    assert len(cats) == 12
    named, inside = 0, []
    for i in cats:
        image, label = folder[i]
        shares = train.class_probabilities(net, image, spec.preprocessing)
        house = range(281, 286)
        named += any(k in house for k in np.argsort(-shares)[:5])
        heat = sum(train.class_heat(net, image, k, spec.preprocessing)[1] for k in house)
        share = (label == cat)[heat >= heat.max() * 0.9].mean()
        inside.append(share - (label == cat).mean())
    assert named >= 8
    assert np.mean(inside) > 0.1
