"""Networks as ONNX files: what is in them, what they compute elsewhere, and what cannot be one."""

import argparse
import re
import sys

import numpy as np
import pytest

from minifcn import models, nn
from minifcn.commands import export
from minifcn.geometry.trace import channels_of
from minifcn.io import describe, save_checkpoint
from minifcn.io import onnx_export as module
from minifcn.io.onnx_export import export_onnx, interface
from minifcn.train import ModelSpec

onnx = pytest.importorskip("onnx")

from onnx_engines import (  # noqa: E402
    check,
    in_onnxruntime,
    in_python,
    photograph,
    randomized,
    table,
    written,
)

# Networks


def narrow(name, num_classes=5, **options):
    """Few channels, but so many that some survive the rectifiers."""
    width = 0.25 if "squeezenet" in name else 0.05
    return randomized(models.build(name, num_classes, width=width, **options))


@pytest.mark.parametrize("name", ["fcn8s-mini", "fcn4s-squeezenet", "nyud-fcn32s-color-hha"])
def test_a_network_in_python(tmp_path, name):
    net = narrow(name, padding="aligned")
    run = in_python(written(tmp_path, net))
    for size in ((33, 40), (39, 27)):
        check(run, net, photograph(1, channels_of(net), *size, contrast=50), 1e-4)


@pytest.mark.oracle
@pytest.mark.parametrize("padding", ["reference", "aligned"])
@pytest.mark.parametrize("name", [*models.names(), *models.compositions()])
def test_networks_that_score_pixels(tmp_path, name, padding):
    net = narrow(name, padding=padding)
    run, C = in_onnxruntime(written(tmp_path, net)), channels_of(net)
    for size in ((37, 50), (64, 33), (90, 41)):
        check(run, net, photograph(2, C, *size, contrast=50), 1e-4)
    assert run(photograph(3, C, 1, 2))[0].shape == (3, 5, 1, 2)


@pytest.mark.oracle
@pytest.mark.parametrize("upsampling", ["learned", "all-learned"])
def test_learned_upsampling(tmp_path, upsampling):
    net = narrow("fcn8s-vgg16", upsampling=upsampling)
    path = written(tmp_path, net)
    names = {weight.name for weight in onnx.load(path).graph.initializer}
    assert names >= net.state_dict().keys()
    check(in_onnxruntime(path), net, photograph(1, 3, 41, 50, contrast=50), 1e-4)


@pytest.mark.oracle
@pytest.mark.parametrize("name", models.classifiers())
def test_classifiers_and_their_convolutional_form(tmp_path, name):
    net = narrow(name)
    C, H, W = net.input_shape
    run = in_onnxruntime(written(tmp_path, net))
    check(run, net, photograph(2, C, H, W, contrast=50), 1e-4)
    net = models.convolutionalize(net).eval()
    run = in_onnxruntime(written(tmp_path, net))
    for size in ((H, W), (H + 45, W + 1), (H + 2, W + 70)):
        check(run, net, photograph(1, C, *size, contrast=50), 1e-4)


@pytest.mark.oracle
def test_several_heads(tmp_path):
    net = models.build("googlenet", 5, width=0.05)
    models.add_auxiliary_heads(net, 5, 0.05)
    run = in_onnxruntime(written(tmp_path, randomized(net)))
    check(run, net, photograph(1, 3, 224, 224, contrast=50), 1e-4)


def test_nets_inside_nets(tmp_path):
    """Every map has the name of a layer, with those of the nets that it is in before it."""
    relu = nn.ReLU()  # the same layer at two places
    inner = nn.Sequential(nn.Conv2d(6, 6, 3, padding=1), relu, nn.Sequential(nn.Scale(2.0)))
    body = table(("a", nn.Conv2d(6, 6, 1)), ("sum", nn.Sum(), "a", "data"), ("drop", nn.Dropout()))
    net = randomized(nn.Sequential({"first": inner, "body": body, "relu": relu, "last": inner}))
    path = written(tmp_path, net, input_shape=(6, None, None))
    graph = onnx.load(path).graph
    names = ["first.0", "first.1", "first.2.0", "body.a", "body.sum", "relu"]
    assert [n.name for n in graph.node] == [*names, "last.0", "last.1", "last.2.0", "last"]
    assert {w.name for w in graph.initializer if "weight" in w.name} == {
        "first.0.weight",
        "body.a.weight",
    }
    check(in_python(path), net, photograph(1, 6, 5, 7), 1e-5)


def test_what_only_training_does_is_not_written(tmp_path):
    net = randomized(models.build("fcn32s-vgg16", 2, width=0.05)).train()
    path = written(tmp_path, net)
    operators = {node.op_type for node in onnx.load(path).graph.node}
    assert operators == {"Conv", "Relu", "MaxPool", "ConvTranspose", "Shape", "Add", "Slice"}
    net.eval()
    check(in_python(path), net, photograph(1, 3, 9, 8, contrast=50), 1e-4)


def test_what_no_output_needs_is_not_written(tmp_path):
    net = randomized(models.build("alexnet", 2, width=0.05))
    net.outputs = ("pool5",)
    graph = onnx.load(written(tmp_path, net)).graph
    assert graph.node[-1].name == "pool5"
    assert not any(weight.name.startswith("fc") for weight in graph.initializer)


def test_double_precision_is_rounded(tmp_path):
    net = randomized(models.build("fcn8s-mini", 2, width=0.1))
    x, path = photograph(1, 3, 9, 8), written(tmp_path, net.to(np.float64))
    check(in_python(path), net.to(np.float32), x, 1e-5)


# Files


def shapes(values):
    dimensions = {v.name: v.type.tensor_type.shape.dim for v in values}
    return {name: [d.dim_param or d.dim_value for d in ds] for name, ds in dimensions.items()}


@pytest.mark.parametrize(
    ("name", "data", "outputs"),
    [
        ("fcn8s-vgg16", ["N", 3, "H", "W"], {"score": ["N", 5, "H", "W"]}),
        (
            "siftflow-fcn16s",
            ["N", 3, "H", "W"],
            {"score_sem": ["N", 5, "H", "W"], "score_geo": ["N", 3, "H", "W"]},
        ),
        ("googlenet", ["N", 3, 224, 224], {"loss3/classifier": ["N", 5]}),
    ],
)
def test_inputs_and_outputs(tmp_path, name, data, outputs):
    net = models.build(name, 5, width=0.05)
    graph = onnx.load(written(tmp_path, net)).graph
    assert shapes(graph.input) == {"data": data}
    assert shapes(graph.output) == outputs
    wanted = {"data": tuple(data)}, {name: tuple(shape) for name, shape in outputs.items()}
    assert interface(net) == wanted


def test_inputs_and_outputs_that_differ_in_size(tmp_path):
    pool = nn.Sequential({"conv": nn.Conv2d(3, 4, 1), "pool": nn.MaxPool2d(2)})
    assert interface(pool) == ({"data": ("N", 3, "H", "W")}, {"pool": ("N", 4, "?", "?")})
    assert shapes(onnx.load(written(tmp_path, pool)).graph.output) == {"pool": ["N", 4, 0, 0]}
    shape = {"input_shape": (3, None, 10)}
    assert interface(pool, **shape) == (
        {"data": ("N", 3, "H", 10)},
        {"pool": ("N", 4, "?", 5)},
    )
    graph = onnx.load(written(tmp_path, pool, **shape)).graph
    assert shapes(graph.input) == {"data": ["N", 3, "H", 10]}


def test_a_size_that_no_layer_needs_is_not_asked_for():
    net = nn.Net((3, 20, 30))
    net.add("conv", nn.Conv2d(3, 4, 3, padding=1))
    net.add("relu", nn.ReLU())
    net.add("pool", nn.GlobalAvgPool2d())
    assert interface(net)[0] == {"data": ("N", 3, "H", "W")}
    net.add("flatten", nn.Flatten())
    assert interface(net) == ({"data": ("N", 3, 20, 30)}, {"flatten": ("N", 4)})


def test_weights_and_constants(tmp_path):
    net = models.build("nyud-fcn32s-color-hha", 5, width=0.05)
    net.add("again", nn.UpsampleBilinear(32, 64, 0), "score_fused")
    net.outputs = "score", "again"
    model = onnx.load(written(tmp_path, net))
    stored = {w.name: onnx.numpy_helper.to_array(w) for w in model.graph.initializer}
    for name, array in net.state_dict().items():
        np.testing.assert_array_equal(stored.pop(name), array)
    filters = [name for name, array in stored.items() if array.ndim == 4]
    assert filters == ["upscore.filter"]  # one for both layers
    assert stored["upscore.filter"].shape == (5, 1, 64, 64)


def test_about_the_file(tmp_path):
    texts = {"model": "pool", "class_names": '["sky", "Straße"]', "preprocessing": ""}
    path = written(tmp_path, nn.Sequential(nn.MaxPool2d(2)), metadata=texts)
    model = onnx.load(path)
    assert {p.key: p.value for p in model.metadata_props} == texts
    assert (model.producer_name, model.ir_version) == ("minifcn", 8)
    assert model.opset_import[0].version == 17
    assert describe(path) == "an ONNX model"


def test_the_same_net_gives_the_same_bytes(tmp_path):
    net = models.build("fcn8s-mini", 2, width=0.1)
    first = written(tmp_path, net).read_bytes()
    assert written(tmp_path, net).read_bytes() == first


# Errors


class Swish(nn.Module):
    """A layer that nobody knows."""

    def forward(self, x):
        return x * nn.Sigmoid()(x)


class Backwards(nn.Sequential):
    """A container that computes something else."""

    def forward(self, x):
        return x


@pytest.mark.parametrize(
    ("net", "options", "message"),
    [
        (
            nn.Sequential(Swish(), nn.ReLU(), nn.Sequential({"b": Backwards(nn.ReLU())})),
            {},
            r"export_onnx: no converter for 0 \(Swish\), 2\.b \(Backwards\)$",
        ),
        (nn.ReLU(), {}, "export_onnx: wants a Net or a Sequential; got a ReLU"),
        (Backwards(nn.ReLU()), {}, "wants a Net or a Sequential; got a Backwards"),
        (nn.Sequential(nn.ReLU()), {"opset": 16}, "opset must be 17 or later; got 16"),
        (
            nn.Sequential(nn.Flatten()),
            {},
            r"layer '0' wants images of one size: give input_shape=\(channels, height, width\)",
        ),
        (nn.Sequential(nn.Conv2d(4, 2, 1)), {}, r"conv2d: "),
        (nn.Sequential({"data": nn.ReLU()}), {}, "'data' is the name of the input"),
        (
            nn.Sequential({"norm": nn.LocalResponseNorm(4)}),
            {},
            "layer 'norm': ONNX normalises over odd numbers of channels alone",
        ),
        (
            nn.Sequential(nn.AvgPool2d(3, 2, dilation=2, ceil_mode=True)),
            {},
            "layer '0': ONNX has no dilated average pool with ceil mode",
        ),
    ],
)
def test_what_cannot_be_written(tmp_path, net, options, message):
    with pytest.raises(ValueError, match=message) as error:
        export_onnx(tmp_path / "net.onnx", net, **options)
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_more_than_the_format_holds(tmp_path):
    with nn.init.without_values():
        net = models.build("vgg16", width=2.1)  # 4.4 times the weights
    with pytest.raises(ValueError, match=r"an ONNX file holds 2 GiB, this net 2\.\d$"):
        export_onnx(tmp_path / "net.onnx", net)
    assert list(tmp_path.iterdir()) == []


def test_the_package_is_missing(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r"pip install 'minifcn\[onnx\]'"):
        export_onnx(tmp_path / "net.onnx", nn.Sequential(nn.ReLU()))
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_to(tmp_path):
    net = nn.Sequential(nn.ReLU())
    with pytest.raises(FileNotFoundError, match="the folder does not exist"):
        export_onnx(tmp_path / "none" / "net.onnx", net)
    with pytest.raises(IsADirectoryError, match="it is a folder"):
        export_onnx(tmp_path, net)
    assert list(tmp_path.iterdir()) == []


def test_an_older_file_survives_a_failure(tmp_path, monkeypatch):
    path = written(tmp_path, nn.Sequential(nn.ReLU()))
    before = path.read_bytes()
    monkeypatch.setattr(module.np, "ascontiguousarray", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        export_onnx(path, nn.Sequential(nn.Scale(2.0)))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


# The command


@pytest.fixture
def command(tmp_path, capsys):
    """Runs ``minifcn export`` on a checkpoint; what it prints."""
    spec = ModelSpec("fcn8s-mini", ["sky", "sea"], width=0.1)
    net, run, path = randomized(spec.build()), tmp_path / "run.safetensors", tmp_path / "net.onnx"
    save_checkpoint(run, net.state_dict(), {}, {"model": spec.as_dict()})
    parser = argparse.ArgumentParser()
    export.add_arguments(parser)

    def command():
        assert export.run(parser.parse_args([str(run), "--onnx", str(path)])) == 0
        return capsys.readouterr().out.replace(str(path), "FILE").splitlines()

    return command


def test_what_the_command_writes(command, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert command() == ["FILE: 0.0 MB, data (N, 3, H, W) -> score (N, 2, H, W)"]
    found = {p.key: p.value for p in onnx.load(tmp_path / "net.onnx").metadata_props}
    assert found["model"] == "fcn8s-mini"
    assert found["class_names"] == '["sky", "sea"]'
    assert found["preprocessing"].startswith("BGR, 0 to 255, ")
    assert "116.66" in found["preprocessing"]


@pytest.mark.oracle
def test_the_command_compares(command, monkeypatch):
    pytest.importorskip("onnxruntime")
    line = command()[1]
    assert re.match(r"onnxruntime's output and ours differ by \S+e-0[78] of the largest n", line)
    monkeypatch.setattr(export, "TOLERANCE", 1e-12)
    with pytest.raises(ValueError, match=r"net\.onnx: computes something else than the network"):
        command()
