"""Commands that take weights from elsewhere: classify, convert, export, segment, train --init."""

import json

import numpy as np
import pytest
from cli_program import NARROW
from PIL import Image

from minifcn import data, io, models, train

pytest.importorskip("google.protobuf")


def alive(net):
    rng = np.random.default_rng(0)
    for parameter in net.parameters():
        scale = np.sqrt(2 / parameter[0].size) if parameter.ndim > 1 else 0.3
        parameter.data = (rng.standard_normal(parameter.shape) * scale).astype(np.float32)
    return net.eval()


@pytest.fixture
def photo(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (240, 290, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


@pytest.fixture
def weights(tmp_path):
    """SqueezeNet 1.1 of four classes, as Caffe stores it."""
    path = tmp_path / "w.caffemodel"
    io.save_caffemodel(path, alive(models.build("squeezenet1.1", 4)).state_dict())
    return path


NAMES = "'n00000001 tabby, tabby cat'\n'n00000002 tiger cat'\nsofa\n\nn0 x\n"


def test_classify(call, photo, weights, tmp_path):
    (tmp_path / "imagenet_classes.txt").write_text(NAMES)
    code, out, _ = call("classify", photo, "--weights", weights, "--model", "squeezenet1.1")
    assert code == 0
    first, *lines = out.splitlines()
    assert first == f"{photo}:"
    shares = [float(line.split("%")[0]) for line in lines]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(100, abs=0.3)
    assert {line.split("%  ")[1] for line in lines} == {
        "tabby, tabby cat",
        "tiger cat",
        "sofa",
        "n0 x",
    }
    code, out, _ = call(
        "classify", photo, "--weights", weights, "--model", "squeezenet1.1", "--top", 1
    )
    assert out.splitlines() == [first, lines[0]]


@pytest.mark.parametrize("wanted", ["sofa", "2", "SOFA"])
def test_classify_draws_heat(call, photo, weights, tmp_path, wanted):
    (tmp_path / "names.txt").write_text(NAMES)
    heat = tmp_path / "heat.png"
    options = ["--model", "squeezenet1.1", "--class-names", tmp_path / "names.txt"]
    options += ["--heatmap", heat, "--class", wanted]
    code, out, _ = call("classify", photo, "--weights", weights, *options)
    assert code == 0
    assert f"{heat}: sofa, up to " in out
    assert out.endswith("1x5 windows in one pass\n")
    with Image.open(heat) as picture:
        assert picture.size == (290, 240)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--class", "cat"], "--class says what --heatmap shall show"),
        (
            ["--heatmap", "h.png", "--class", "cat"],
            "2 classes are called so: 0 tabby, tabby cat;",
        ),
        (["--heatmap", "h.png", "--class", "dog"], "none of the 4 classes is called so"),
        (["--heatmap", "h.png", "--class", "4"], "none of the 4 classes is called so"),
        (["--class-names", "nowhere.txt"], "nowhere.txt: no list of names"),
        (["--model", "vgg16"], "no weights for conv1_1.weight, conv1_1.bias"),
        (["--model", "fcn8s-squeezenet"], "no weights for "),
        (["--model", "squeeze"], "unknown model 'squeeze'"),
    ],
)
def test_classify_refuses(error, photo, weights, tmp_path, options, message):
    (tmp_path / "imagenet_classes.txt").write_text(NAMES)
    options = options if "--model" in options else ["--model", "squeezenet1.1", *options]
    _, text = error("classify", photo, "--weights", weights, *options)
    assert message in text
    assert not list(tmp_path.glob("*.png.*")) + list(tmp_path.glob("h.png"))


def test_nets_are_sent_to_the_right_command(error, photo, weights, run_folder):
    _, text = error("classify", photo, "--weights", run_folder)
    assert "scores every pixel: see 'minifcn segment'" in text
    _, text = error("segment", photo, "--weights", weights, "--model", "squeezenet1.1")
    assert "squeezenet1.1 does not score the pixels of a photograph once" in text
    _, text = error("classify", photo, photo, "--weights", weights, "--heatmap", "h.png")
    assert "--heatmap is of one photograph; got 2" in text


@pytest.mark.parametrize("ending", [".caffemodel", ".pth", ".safetensors"])
def test_convert_there_and_back(call, weights, tmp_path, ending):
    """With the net's name: then safetensors knows how the net is built."""
    first, last = tmp_path / f"a{ending}", tmp_path / "b.safetensors"
    name = "squeezenet1.1"
    code, out, _ = call("convert", weights, first, "--model", name)
    assert code == 0
    assert out.splitlines() == [
        f"{weights}: a Caffe model, {name}",
        f"{first}: 52 arrays, 724,548 values",
    ]
    assert call("convert", first, last, "--model", name)[0] == 0
    wanted, found = io.load_weights(weights), io.load_weights(last)
    assert found.model == name
    assert found.arrays.keys() == wanted.arrays.keys()
    for key, array in wanted.arrays.items():
        np.testing.assert_array_equal(found.arrays[key], array)
    _, spec = train.load_model(last)
    assert spec.name == name
    assert len(spec.class_names) == 4


def test_convert_keeps_what_a_checkpoint_knows(call, run_folder, tmp_path):
    target = tmp_path / "plain.safetensors"
    code, out, _ = call("convert", run_folder, target)
    assert code == 0
    assert "fcn4s-squeezenet" in out
    a, b = (train.load_model(path) for path in (run_folder, target))
    assert a[1] == b[1]
    for name, array in a[0].state_dict().items():
        np.testing.assert_array_equal(b[0].state_dict()[name], array)


def test_convert_of_an_unknown_net(call, tmp_path):
    source, target = tmp_path / "a.safetensors", tmp_path / "b.caffemodel"
    io.save_tensors(source, {"x.weight": np.ones((2, 3), np.float32)})
    code, out, _ = call("convert", source, target)
    assert code == 0
    assert out.startswith(f"{source}: a safetensors file\n")
    np.testing.assert_array_equal(io.load_caffemodel(target)["x.weight"], np.ones((2, 3)))


def test_convert_refuses(error, weights, tmp_path):
    code, text = error("convert", weights, tmp_path / "b.onnx")
    assert code == 2
    assert "the ending is none of .safetensors, .caffemodel, .pth" in text
    code, text = error("convert", weights, weights)
    assert code == 2
    assert "IN and OUT are the same file" in text
    _, text = error("convert", tmp_path / "nothing.pth", tmp_path / "b.pth")
    assert "nothing.pth: no such file" in text
    (tmp_path / "page.pth").write_text("<!DOCTYPE html><html>")
    _, text = error("convert", tmp_path / "page.pth", tmp_path / "b.pth")
    assert "seems to be an HTML page" in text
    io.save_tensors(tmp_path / "odd.safetensors", {"running_mean": np.ones(3, np.float32)})
    _, text = error("convert", tmp_path / "odd.safetensors", tmp_path / "b.caffemodel")
    assert "'running_mean': a .caffemodel has weights and biases of layers only" in text
    assert not (tmp_path / "b.caffemodel").exists()


def test_export(call, run_folder, tmp_path):
    pytest.importorskip("onnx")
    code, out, _ = call("export", run_folder, "--onnx", tmp_path / "net.onnx")
    assert code == 0
    assert out.startswith(f"{tmp_path / 'net.onnx'}: ")
    assert "data (N, 3, H, W) -> score (N, " in out


def test_training_starts_from_caffe_and_keeps_its_rule(call, scenes, tmp_path):
    net = alive(models.build("squeezenet", 10, width=0.1))
    io.save_caffemodel(tmp_path / "w.caffemodel", net.state_dict())
    options = ["--iterations", "1", "--out", tmp_path / "run", "--init", tmp_path / "w.caffemodel"]
    code, out, _ = call("train", "--data", scenes, *NARROW, *options)
    assert code == 0
    assert "2 unused (conv10.weight, conv10.bias)" in out


def test_training_from_torchvision_s_weights_sees_red_first(call, scenes, tmp_path):
    from minifcn.io import torchvision

    net = alive(models.build("squeezenet-torchvision", 10, width=0.1))
    state, names = net.state_dict(), torchvision.NETS["squeezenet-torchvision"][0]
    theirs = {f"{a}.{w}": state[f"{b}.{w}"] for a, b in names.items() for w in ("weight", "bias")}
    io.save_pytorch(tmp_path / "w.pth", theirs)
    run = tmp_path / "run"
    options = ["--iterations", "1", "--out", run, "--init", tmp_path / "w.pth"]
    assert call("train", "--data", scenes, *NARROW, *options)[0] == 0
    (tmp_path / "w.pth").unlink()  # resuming does not want it
    rule = data.Preprocessing("RGB", (123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
    assert train.load_model(run)[1].preprocessing == rule
    assert json.loads((run / "config.json").read_text())["preprocessing"]["order"] == "RGB"
    assert call("train", "--resume", run)[0] == 0


def test_geometry_and_summary_of_a_definition(call, error, tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text(
        'input: "data" input_dim: 1 input_dim: 3 input_dim: 20 input_dim: 30\n'
        'layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1" '
        "convolution_param { num_output: 4 kernel_size: 3 stride: 2 } }"
    )
    for command in ("geometry", "summary"):
        code, out, _ = call(command, path)
        assert code == 0
        assert "conv1" in out
    path.write_text("layer { colour: 3 }")
    _, text = error("summary", path)
    assert (
        'net.prototxt: line 1:9 : Message type "minifcn.caffe.LayerParameter" has no field' in text
    )
