"""Building networks by name: what there is, what can be chosen, and what is refused."""

import numpy as np
import pytest

from minifcn import Tensor, geometry, manual_seed, models, nn, no_grad, use_backend
from minifcn import functions as F
from minifcn.nn import init

NAMES = [
    "fcn32s-vgg16",
    "fcn16s-vgg16",
    "fcn8s-vgg16",
    "fcn8s-atonce-vgg16",
    "fcn32s-alexnet",
    "fcn16s-alexnet",
    "fcn8s-alexnet",
    "fcn32s-googlenet",
    "fcn16s-googlenet",
    "fcn8s-googlenet",
    "fcn32s-alexnet-torchvision",
    "fcn32s-googlenet-torchvision",
    "fcn32s-mini",
    "fcn16s-mini",
    "fcn8s-mini",
    "fcn16s-squeezenet",
    "fcn8s-squeezenet",
    "fcn4s-squeezenet",
]


def narrow(name, **options):
    return models.build(name, **{"num_classes": 3, "padding": "aligned", "width": 0.05} | options)


def randomized(net, seed=0):
    rng = np.random.default_rng(seed)
    for name, parameter in net.named_parameters():
        if not name.startswith("up"):
            parameter.data = rng.standard_normal(parameter.shape, dtype=np.float32)
    return net


def test_names():
    assert models.names() == NAMES


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "fcn8-vgg16"}, r"unknown model 'fcn8-vgg16': did you mean fcn8s-vgg16\? There"),
        ({"name": "unet"}, "unknown model 'unet': There are: fcn32s-vgg16, fcn16s-vgg16, "),
        ({"padding": "same"}, "padding 'same' is none of reference, aligned"),
        ({"upsampling": "cubic"}, "upsampling 'cubic' is none of fixed, learned, all-learned"),
        ({"width": 0}, "width must be above 0 and at most 8; got 0"),
        ({"width": -1.5}, r"width must be above 0 and at most 8; got -1\.5"),
        ({"width": float("nan")}, "width must be above 0 and at most 8; got nan"),
        ({"num_classes": 0}, "num_classes must be 1 to 255 .*; got 0"),
        ({"num_classes": 256}, "num_classes must be 1 to 255 .*; got 256"),
    ],
)
def test_what_cannot_be_built(arguments, message):
    with pytest.raises(ValueError, match=message):
        models.build(**{"name": "fcn32s-vgg16", "width": 0.05} | arguments)


def test_width_scales_channels():
    net = models.build("fcn32s-vgg16", 21, width=0.25)
    shapes = {name: parameter.shape for name, parameter in net.named_parameters()}
    assert shapes["conv1_1.weight"] == (16, 3, 3, 3)
    assert shapes["conv5_3.weight"] == (128, 128, 3, 3)
    assert shapes["fc6.weight"] == (1024, 128, 7, 7)
    assert shapes["score_fr.weight"] == (21, 1024, 1, 1)
    assert models.build("fcn32s-vgg16", 21, width=1e-9)["conv1_1"].weight.shape[0] == 1


@pytest.mark.parametrize("name", NAMES)
def test_names_and_policies_of_the_parameters(name):
    net = narrow(name)
    # the teaching trunk takes pixels of 0 to 255 as if they were divided by 64
    slow = {"conv1.weight": 1 / 64} if name.endswith("mini") else {}
    for layer, parameter in net.named_parameters():
        bias = layer.endswith(".bias")
        wanted = (2, 0) if bias else (slow.get(layer, 1), 1)
        if name.endswith("alexnet") and not layer.startswith("score"):
            wanted = (1, 1)  # voc-fcn-alexnet/net.py says nothing of its first layers
        assert (parameter.rate, parameter.decay) == wanted, layer
        if layer.startswith("score") or bias:
            assert not parameter.data.any(), layer
        else:
            assert parameter.data.any(), layer
    scores = [layer for layer in net.state_dict() if layer.startswith("score")]
    coarsest = 16 if "squeezenet" in name else 32
    finest = int(name.removeprefix("fcn").split("s-")[0])
    # a weight and a bias for the coarsest map, and for each halving of the stride
    assert len(scores) == 2 * (1 + int(np.log2(coarsest // finest)))


def test_weights_start_by_the_seed():
    nets = []
    for seed in (3, 3, 4):
        manual_seed(seed)
        nets.append(narrow("fcn32s-vgg16")["fc6"].weight.data)
    np.testing.assert_array_equal(nets[0], nets[1])
    assert (nets[0] != nets[2]).any()


def test_weights_start_he_normal():
    manual_seed(3)
    weights = narrow("fcn32s-vgg16", width=0.1)["fc6"].weight.data
    assert weights.shape == (410, 51, 7, 7)
    assert weights.std() == pytest.approx(np.sqrt(2 / (51 * 7 * 7)), rel=0.01)
    assert abs(weights.mean()) < 5 * weights.std() / np.sqrt(weights.size)


@pytest.mark.parametrize("padding", ["reference", "aligned"])
@pytest.mark.parametrize("name", NAMES)
def test_a_fresh_net_scores_nothing(name, padding):
    net = narrow(name, padding=padding)
    with no_grad():
        scores = net(Tensor(np.ones((1, 3, 33, 20), np.float32)))
    assert scores.shape == (1, 3, 33, 20)
    assert not scores.data.any()


@pytest.mark.parametrize("padding", ["reference", "aligned"])
@pytest.mark.parametrize("name", ["fcn8s-vgg16", "fcn4s-squeezenet"])
@pytest.mark.parametrize("size", [(1, 1), (1, 50), (31, 2), (33, 65)])
def test_any_size_is_scored_and_trained(name, padding, size):
    net = randomized(narrow(name, padding=padding)).eval()
    x = np.random.default_rng(1).standard_normal((2, 3, *size), dtype=np.float32)
    scores = net(Tensor(x))
    assert scores.shape == (2, 3, *size)
    F.cross_entropy(scores, np.ones((2, *size), np.uint8)).backward()
    assert all(parameter.grad.shape == parameter.shape for parameter in net.parameters())
    # Images of a batch know nothing of each other.
    with no_grad():
        alone = net(Tensor(x[1:])).data
    np.testing.assert_allclose(scores.data[1:], alone, rtol=1e-4, atol=1e-5 * abs(alone).max())


def test_dropout_is_for_training():
    net = randomized(narrow("fcn32s-vgg16", width=0.1))
    x = Tensor(np.random.default_rng(1).standard_normal((1, 3, 40, 40), dtype=np.float32))
    with no_grad():
        manual_seed(1)
        dropped = net(x).data
        assert (net(x).data != dropped).any()
        manual_seed(1)
        np.testing.assert_array_equal(net(x).data, dropped)
        net.eval()
        np.testing.assert_array_equal(net(x).data, net(x).data)


def test_skips_are_scaled_when_all_is_trained_at_once():
    atonce = randomized(narrow("fcn8s-atonce-vgg16")).eval()
    plain = narrow("fcn8s-vgg16").eval()
    state = {name: array.copy() for name, array in atonce.state_dict().items()}
    state["score_pool4.weight"] *= np.float32(0.01)
    state["score_pool3.weight"] *= np.float32(0.0001)
    plain.load_state_dict(state)
    x = Tensor(np.random.default_rng(1).standard_normal((1, 3, 40, 40), dtype=np.float32))
    with no_grad():
        one, other = atonce(x).data, plain(x).data
    np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5 * np.abs(other).max())


LEARNED = {  # names of the transposed convolutions that are trained
    ("fcn8s-vgg16", "fixed"): [],
    ("fcn8s-vgg16", "learned"): ["upscore2.weight", "upscore_pool4.weight"],
    ("fcn8s-vgg16", "all-learned"): [
        "upscore2.weight",
        "upscore_pool4.weight",
        "upscore8.weight",
    ],
    ("fcn32s-vgg16", "learned"): [],
    ("fcn32s-vgg16", "all-learned"): ["upscore.weight"],
    ("fcn4s-squeezenet", "all-learned"): [
        "upscore2.weight",
        "upscore_fire8.weight",
        "upscore4.weight",
    ],
}


@pytest.mark.parametrize("padding", ["reference", "aligned"])
@pytest.mark.parametrize(("name", "upsampling"), LEARNED)
def test_learned_upsampling_starts_as_the_fixed_one(name, upsampling, padding):
    learned = randomized(narrow(name, upsampling=upsampling, padding=padding)).eval()
    fixed = narrow(name, padding=padding).eval()
    report = models.copy_weights(fixed, learned.state_dict())
    assert report.unused == LEARNED[name, upsampling]
    assert not report.kept
    assert geometry.offsets(learned) == geometry.offsets(fixed)
    x = np.random.default_rng(1).standard_normal((1, 3, 37, 50), dtype=np.float32)
    with use_backend("reference"):
        scores = learned(Tensor(x))
        with no_grad():
            wanted = fixed(Tensor(x)).data
        np.testing.assert_allclose(scores.data, wanted, rtol=0, atol=1e-5 * abs(wanted).max())
        scores.backward(np.random.default_rng(2).standard_normal(scores.shape))
    for layer in LEARNED[name, upsampling]:
        weight = dict(learned.named_parameters())[layer]
        np.testing.assert_array_equal(weight.data, init.bilinear(weight.shape))
        assert weight.grad.any(), layer


def test_a_trunk_names_what_heads_read():
    from minifcn.models.vgg import vgg16_trunk

    trunk = vgg16_trunk("reference", 0.05)
    assert (trunk.coarse, trunk.skips) == ("drop7", ("pool4", "pool3"))
    assert isinstance(trunk.net, nn.Net)
    assert trunk.net.tail == "drop7"
