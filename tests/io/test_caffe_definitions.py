"""Caffe's definitions run, and equal our nets layer for layer."""

import numpy as np
import pytest

pytest.importorskip("google.protobuf")
import prototxt

from minifcn import Tensor, geometry, models, nn, no_grad
from minifcn import functions as F
from minifcn.io import WeightsError, load_definition

CLASSIFIERS = ["lenet", "alexnet", "vgg16", "googlenet", "squeezenet", "squeezenet1.1"]
FCNS = [
    *("fcn32s-vgg16", "fcn16s-vgg16", "fcn8s-vgg16", "fcn8s-atonce-vgg16"),
    *("fcn32s-alexnet", "fcn16s-googlenet", "fcn16s-squeezenet", "siftflow-fcn16s"),
]


def write(tmp_path, text):
    path = tmp_path / "net.prototxt"
    path.write_text(text)
    return path


def load(tmp_path, text, **settings):
    return load_definition(write(tmp_path, text), **settings)


def alive(net):
    rng = np.random.default_rng(1)
    net.eval().to(np.float64)
    for parameter in net.parameters():
        scale = np.sqrt(2 / parameter[0].size) if parameter.ndim > 1 else 0.3
        parameter.data = rng.standard_normal(parameter.shape) * scale
    return net


def assert_same_layers(ours, theirs, image, differing=()):
    """Every layer that both have, forward. differing: of ours, names that theirs has otherwise."""
    report = models.copy_weights(theirs, ours.state_dict())
    assert not report.unused
    assert not report.misfits
    theirs.eval()
    compared = 0
    with no_grad():
        for name in ours.reads:
            if isinstance(ours[name], nn.Flatten) or name in differing:
                continue
            wanted = ours(Tensor(image), until=name).data
            found = theirs(Tensor(image), until=name).data
            assert found.shape == wanted.shape, name
            assert np.abs(found - wanted).max() <= 1e-6 * np.abs(wanted).max(), name
            compared += 1
    assert compared > 0.9 * len(ours.reads) - 2


@pytest.mark.parametrize("v1", [False, True])
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_classifiers(tmp_path, name, v1):
    ours = alive(models.build(name, 5, width=1 if name == "lenet" else 0.06))
    built = load(tmp_path, prototxt.definition(ours, v1))
    theirs = built.net.to(np.float64)
    assert theirs.input_shape == ours.input_shape or name.startswith("squeezenet")
    image = np.random.default_rng(2).standard_normal((2, *ours.input_shape))
    assert_same_layers(ours, theirs, image)
    for (name, a), (other, b) in zip(
        ours.named_parameters(), theirs.named_parameters(), strict=True
    ):
        assert name == other
        assert (a.shape, a.rate, a.decay) == (b.shape, b.rate, b.decay), name


@pytest.mark.parametrize("offsets", [True, False])
@pytest.mark.parametrize("name", FCNS)
def test_fully_convolutional_nets(tmp_path, name, offsets):
    """Interpolation is a dense deconvolution there; crops have stated offsets, or derived ones."""
    ours = alive(models.build(name, 3, width=0.04))
    text = prototxt.definition(ours, offsets=offsets).replace("CLASSES", "3")
    theirs = load(tmp_path, text).net.to(np.float64)
    found, wanted = geometry.offsets(theirs), geometry.offsets(ours)
    assert {n.removesuffix("_crop"): tuple(o) for n, o in found.items()} == wanted
    image = np.random.default_rng(2).standard_normal((1, 3, 61, 83))
    assert_same_layers(ours, theirs, image)
    with no_grad():
        ends = ours(Tensor(image)), theirs(Tensor(image))
    ends = [end if isinstance(end, tuple) else (end,) for end in ends]
    assert len(ends[0]) == len(ends[1]) == (2 if name.startswith("siftflow") else 1)


AUTHORS = """
layer { name: "data" type: "Python" top: "data" top: "label"
  python_param { module: "layers" layer: "Data" param_str: "{'seed': 1337}" } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  param { lr_mult: 1 decay_mult: 1 } param { lr_mult: 2 decay_mult: 0 }
  convolution_param { num_output: 4 pad: 5 kernel_size: 3 stride: 1
                      weight_filler { type: "gaussian" std: 0.5 } } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1"
  pooling_param { pool: MAX kernel_size: 2 stride: 2 } }
layer { name: "scale" type: "Scale" bottom: "pool1" top: "scale" param { lr_mult: 0 }
  scale_param { filler { type: "constant" value: 0.25 } } }
layer { name: "score_fr" type: "Convolution" bottom: "scale" top: "score_fr"
  param { lr_mult: 1 decay_mult: 1 } param { lr_mult: 2 decay_mult: 0 }
  convolution_param { num_output: 3 pad: 0 kernel_size: 1 } }
layer { name: "upscore" type: "Deconvolution" bottom: "score_fr" top: "upscore"
  param { lr_mult: 0 }
  convolution_param { num_output: 3 bias_term: false kernel_size: 4 stride: 2 } }
layer { name: "score" type: "Crop" bottom: "upscore" bottom: "data" top: "score"
  crop_param { axis: 2 offset: 5 } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "score" bottom: "label" top: "loss"
  loss_param { ignore_label: 255 normalize: false } }
"""


def test_a_training_definition_in_the_authors_way(tmp_path):
    built = load(tmp_path, AUTHORS, phase="TRAIN")
    net = built.net
    assert built.inputs == {"data": 3}
    assert built.outputs == ["score"]
    assert not net["score_fr"].weight.data.any()  # no filler: zero
    assert 0.3 < net["conv1"].weight.data.std() < 0.7
    np.testing.assert_array_equal(net["scale"].weight.data, np.full(4, 0.25))
    np.testing.assert_array_equal(net["upscore"].weight.data, nn.init.bilinear((3, 3, 4, 4)))
    rates = {name: (p.rate, p.decay) for name, p in net.named_parameters()}
    assert rates == {
        "conv1.weight": (1, 1),
        "conv1.bias": (2, 0),
        "scale.weight": (0, 1),
        "score_fr.weight": (1, 1),
        "score_fr.bias": (2, 0),
        "upscore.weight": (0, 1),
    }
    rng = np.random.default_rng(0)
    net["score_fr"].weight.data = rng.standard_normal((3, 4, 1, 1)).astype(np.float32)
    image = Tensor(rng.standard_normal((2, 3, 7, 9)).astype(np.float32))
    labels = rng.integers(0, 3, (2, 7, 9)).astype(np.uint8)
    labels[0, :2] = 255
    loss = built.loss(image, {"label": labels})
    wanted = F.cross_entropy(net(image), labels, reduction="batch").item()
    assert loss.item() == pytest.approx(wanted, rel=1e-6)
    loss.backward()
    assert net["conv1"].weight.grad.any()
    assert net["upscore"].weight.grad is None


def test_a_scale_by_hand(tmp_path):
    net = load(
        tmp_path, 'input: "x" input_dim: 1 input_dim: 2 input_dim: 1 input_dim: 3\n' + SCALED
    )
    net = net.net
    net["s"].weight.data = np.array([2, -1], np.float32)
    net["s"].bias.data = np.array([0, 10], np.float32)
    x = np.arange(6, dtype=np.float32).reshape(1, 2, 1, 3)
    with no_grad():
        found = net(Tensor(x)).data
    # 2x and 10 - x; then (1 + x / 2)^2
    np.testing.assert_allclose(found, (1 + np.array([[[[0, 2, 4]], [[7, 6, 5]]]]) / 2) ** 2)


SCALED = """
layer { name: "s" type: "Scale" bottom: "x" top: "s" scale_param { bias_term: true } }
layer { name: "p" type: "Power" bottom: "s" top: "p"
  power_param { power: 2 scale: 0.5 shift: 1 } }
"""


@pytest.mark.parametrize(
    ("kind", "function"),
    [
        ("Sigmoid", F.sigmoid),
        ("TanH", F.tanh),
        ("Softmax", F.softmax),
        ("ReLU", F.relu),
        ("Dropout", lambda x: x),
    ],
)
def test_layers_without_settings(tmp_path, kind, function):
    net = load(tmp_path, 'input: "data"\n' + one(kind)).net.eval()
    x = Tensor(np.random.default_rng(0).standard_normal((2, 3, 4, 5)))
    with no_grad():
        np.testing.assert_array_equal(net(x).data, function(x).data)


def conv(name, bottom, outputs=2, more=""):
    settings = f"convolution_param {{ num_output: {outputs} kernel_size: 1 {more} }}"
    return (
        f'layer {{ name: "{name}" type: "Convolution" bottom: "{bottom}" top: "{name}" '
        f"{settings} }}\n"
    )


PYTHON = 'layer {{ name: "d" type: "Python" {} python_param {{ module: "m" layer: "l" }} }}\n'


def test_several_images_lie_side_by_side(tmp_path):
    text = PYTHON.format('top: "color" top: "depth" top: "label"')
    text += conv("a", "color") + conv("b", "depth", 2)
    text += (
        'layer { name: "sum" type: "Eltwise" bottom: "a" bottom: "b" top: "sum" eltwise_param {'
    )
    text += " operation: SUM coeff: 0.5 coeff: -2 } }\n"
    built = load(tmp_path, text, channels={"depth": 1})
    assert built.inputs == {"color": 3, "depth": 1}
    net = alive(built.net)
    x = np.random.default_rng(0).standard_normal((1, 4, 3, 2))
    with no_grad():
        found = net(Tensor(x)).data
        a = F.conv2d(Tensor(x[:, :3]), net["a"].weight, net["a"].bias).data
        b = F.conv2d(Tensor(x[:, 3:]), net["b"].weight, net["b"].bias).data
    np.testing.assert_allclose(found, 0.5 * a - 2 * b, atol=1e-12)


@pytest.mark.parametrize(
    "source",
    [
        'input: "data" input_shape { dim: 1 dim: 2 dim: 5 dim: 6 }',
        'input: "data" input_dim: 1 input_dim: 2 input_dim: 5 input_dim: 6',
        'layer { name: "data" type: "Input" top: "data" '
        "input_param { shape { dim: 1 dim: 2 dim: 5 dim: 6 } } }",
        'layer { name: "data" type: "DummyData" top: "data" '
        "dummy_data_param { shape { dim: 1 dim: 2 dim: 5 dim: 6 } } }",
        'layer { name: "data" type: "DummyData" top: "data" '
        "dummy_data_param { num: 1 channels: 2 height: 5 width: 6 } }",
        'layer { name: "data" type: "MemoryData" top: "data" top: "label" '
        "memory_data_param { batch_size: 1 channels: 2 height: 5 width: 6 } }",
    ],
)
def test_inputs_that_tell_their_size(tmp_path, source):
    text = source + "\n" + conv("c", "data") + 'layer { name: "ip" type: "InnerProduct" '
    text += 'bottom: "c" top: "ip" inner_product_param { num_output: 4 bias_term: false } }'
    net = load(tmp_path, text).net
    assert net.input_shape == (2, 5, 6)
    assert net["ip"].weight.shape == (4, 2 * 5 * 6)
    assert net["ip"].bias is None


def test_phases_splits_and_silence(tmp_path):
    text = 'input: "data" input_dim: 1 input_dim: 3 input_dim: 8 input_dim: 8\n'
    text += 'layer { name: "split" type: "Split" bottom: "data" top: "d0" top: "d1" }\n'
    text += conv("both", "d0") + conv("unused", "d1")
    text += conv("train", "both").replace("layer {", "layer { include { phase: TRAIN }")
    text += conv("test", "both").replace("layer {", "layer { exclude { phase: TRAIN }")
    text += conv("stage", "both").replace("layer {", 'layer { include { stage: "deploy" }')
    text += 'layer { name: "s" type: "Silence" bottom: "unused" }\n'
    text += 'layer { name: "a" type: "Accuracy" bottom: "both" bottom: "label" top: "a" }\n'
    for phase, last in (("TRAIN", "train"), ("TEST", "test")):
        built = load(tmp_path, text, phase=phase)
        assert built.outputs == [last]
        assert set(built.net.reads) == {"both", "unused", last}


def test_losses_with_weights(tmp_path):
    text = (
        PYTHON.format('top: "data" top: "sem" top: "geo"') + conv("a", "data") + conv("b", "data")
    )
    for top, label, settings in (
        ("a", "sem", "normalize: true"),
        ("b", "geo", "normalization: NONE"),
    ):
        text += (
            f'layer {{ name: "l{top}" type: "SoftmaxWithLoss" bottom: "{top}" bottom: "{label}" '
        )
        weight = 0.3 if top == "a" else 2
        text += f'top: "l{top}" loss_weight: {weight} loss_param {{ {settings} }} }}\n'
    built = load(tmp_path, text)
    assert [(loss.label, loss.reduction, loss.weight) for loss in built.losses] == [
        ("sem", "mean", pytest.approx(0.3)),
        ("geo", "sum", 2),
    ]
    net = alive(built.net)
    rng = np.random.default_rng(0)
    x, sem, geo = rng.standard_normal((1, 3, 2, 5)), *rng.integers(0, 2, (2, 1, 2, 5))
    with no_grad():
        a, b = net(Tensor(x))
        wanted = (
            0.3 * F.cross_entropy(a, sem).item()
            + 2 * F.cross_entropy(b, geo, reduction="sum").item()
        )
        assert built.loss(Tensor(x), {"sem": sem, "geo": geo}).item() == pytest.approx(wanted)
    with pytest.raises(ValueError, match="the definition has no loss"):
        load(tmp_path, PYTHON.format('top: "data"') + conv("a", "data")).loss(Tensor(x), {})


def one(kind, settings="", bottoms=("data",), tops=("t",)):
    bottoms = " ".join(f'bottom: "{b}"' for b in bottoms)
    tops = " ".join(f'top: "{t}"' for t in tops)
    return f'layer {{ name: "x" type: "{kind}" {bottoms} {tops} {settings} }}\n'


WINDOW = "convolution_param {{ num_output: 2 kernel_size: 3 {} }}"
REFUSED = {
    one("BatchNorm"): r"'x' \(BatchNorm\): there is no such layer here",
    one("ReLU", "relu_param { negative_slope: 0.5 }"): r"'x' \(ReLU\): negative_slope 0.5",
    one("Convolution"): "kernel 0",
    one("Convolution", WINDOW.format("axis: 2")): "axis 2",
    one("Convolution", WINDOW.format("pad: 4294967295")): "pad 4294967295",
    one("Convolution", WINDOW.format("group: 2")): "do not divide into 2 groups",
    one("Convolution", WINDOW.format('weight_filler { type: "lucky" }')): "filler 'lucky'",
    one("Convolution", WINDOW.format("stride: 1 stride: 2 stride: 3")): "3 values of stride",
    one("Convolution", WINDOW.format("stride: 0")): "stride 0",
    one("Pooling", "pooling_param { pool: STOCHASTIC kernel_size: 2 }"): "stochastic pooling",
    one("Pooling", "pooling_param { pool: MAX global_pooling: true }"): "global pooling of maxima",
    one("LRN", "lrn_param { norm_region: WITHIN_CHANNEL }"): "normalisation within channels",
    one("Concat", "concat_param { axis: 2 }"): "axis 2",
    one("Eltwise", "eltwise_param { operation: MAX }"): "products or maxima",
    one("Eltwise", "eltwise_param { coeff: 1 coeff: 2 }"): "2 coefficients for 1 inputs",
    one("Crop"): "has 1 inputs, not 2",
    one("Crop", "crop_param { axis: 1 }", ("data", "data")): "axis 1",
    one("InnerProduct", "inner_product_param { num_output: 3 }"): "how large the images are",
    one("Softmax", "softmax_param { axis: 2 }"): "axis 2",
    one("Scale", "scale_param { axis: 0 }"): "anything but a number for each channel",
    one("Dropout", "dropout_param { dropout_ratio: 1.5 }"): "dropout_ratio 1.5",
    one("Convolution", WINDOW.format(""), ("nothing",)): "reads 'nothing', which nothing before",
    one("ReLU", tops=("t", "u")): "has 2 outputs, not 1",
    one("SoftmaxWithLoss", "loss_param { normalization: FULL }", ("data", "label")): "FULL",
}


@pytest.mark.parametrize("text", REFUSED, ids=[text[:60] for text in REFUSED])
def test_what_there_is_not(tmp_path, text):
    with pytest.raises(WeightsError, match=f"^{tmp_path}/net.prototxt: .*{REFUSED[text]}"):
        load(tmp_path, PYTHON.format('top: "data" top: "label"') + conv("first", "data") + text)


def test_all_that_is_missing_in_one_error(tmp_path):
    text = PYTHON.format('top: "data"') + conv("a", "data")
    text += one("BatchNorm", bottoms=["a"], tops=["bn"]) + conv("behind", "bn")
    text += one("PReLU", bottoms=["behind"]).replace('"x"', '"y"')
    with pytest.raises(WeightsError, match="cannot build 2 of 4 layers: ") as raised:
        load(tmp_path, text)
    assert "'x' (BatchNorm): " in str(raised.value)
    assert "'y' (PReLU): " in str(raised.value)
    assert "behind" not in str(raised.value)  # it is not to blame


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a definition without layers"),
        ('name: "x"', "a definition without layers"),
        ("layer { name: }", "line 1:15"),
        ("layer {\n  colour: 3 }", 'line 2:3 : .*no field named "colour"'),
        ("layer { pooling_param { pool: MEDIAN } }", "MEDIAN"),
        (conv("a", "data"), "no layer reads any of the inputs"),
        (PYTHON.format('top: "data"'), "no layer reads any of the inputs"),
        (PYTHON.format('top: "data"') + conv("a", "data") * 2, "two layers are called 'a'"),
        (PYTHON.format('top: "data"') + one("Silence", tops=()), "no layer reads any"),
        ("layer { " * 500, "line"),
    ],
)
def test_texts_that_are_no_definition(tmp_path, text, message):
    with pytest.raises(WeightsError, match=f"^{tmp_path}/net.prototxt: .*{message}"):
        load(tmp_path, text)


def test_files_that_are_no_text(tmp_path):
    path = tmp_path / "net.prototxt"
    with pytest.raises(WeightsError, match=r"prototxt: no such file"):
        load_definition(path)
    path.write_bytes(b"\x89PNG\r\n\x1a\n\xff\xfe")
    with pytest.raises(WeightsError, match=r"prototxt: no text.*seems to be a picture"):
        load_definition(path)
    with open(path, "wb") as file:
        file.truncate(17 * 2**20)
    with pytest.raises(WeightsError, match=r"prototxt: too large for a definition"):
        load_definition(path)
