"""minifcn draw: files with what was asked for, or one line that says why not."""

import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from PIL import Image

SVG = "{http://www.w3.org/2000/svg}"
COMMANDS = {
    "fcn": ["--model", "fcn8s-mini", "--size", "96x128", "--classes", "5"],
    "skips": ["--trunk", "squeezenet", "--size", "200", "--padding", "aligned"],
    "shift-and-stitch": ["--input", "5", "--seed", "2"],
    "rarefied": ["--weight", "1 2;3 4", "--rates", "2,4", "--stride", "3"],
    "transposed": ["--input", "1 -2", "--kernel", "4", "--padding", "1"],
    "convolution": ["--input", "7", "--stride", "2", "--pixel", "0,0", "--pixel", "2,1"],
    "receptive-field": ["--model", "fcn32s-mini", "--pixel", "50,60"],
    "bilinear": ["--factor", "3", "--kernel", "6"],
    "graph": ["b = a + a; c = b * sum(x)", "a=3", "x=[1,2.5]"],
}


def words(path):
    """Everything that is written in an SVG, and what it says to those who do not see it."""
    root = ElementTree.parse(path).getroot()
    assert root.get("role") == "img"
    description = root.find(f"{SVG}desc").text
    return {text.text for text in root.iter(f"{SVG}text")}, description


@pytest.mark.parametrize("name", COMMANDS)
def test_both_kinds_of_files(name, call, tmp_path):
    paths = [tmp_path / f"a.{suffix}" for suffix in ("svg", "png")]
    code, out, error = call(
        "draw", name, *COMMANDS[name], "--backend", "reference", "-o", paths[0], "-o", paths[1]
    )
    assert (code, error) == (0, "")
    assert out == f"written: {paths[0]}\nwritten: {paths[1]}\n"
    written, description = words(paths[0])
    assert len(written) > 3
    with Image.open(paths[1]) as image:
        assert image.text["Description"] == description
        assert image.text["Title"] == f"minifcn draw {name}"
        assert np.asarray(image.convert("L")).std() > 5
    assert sorted(tmp_path.iterdir()) == sorted(paths)


def test_options_arrive(call, tmp_path):
    path = tmp_path / "a.svg"
    asked = {
        ("fcn", "--model", "fcn32s-mini", "--size", "64x80", "--classes", "7"): {"7", "64", "80"},
        ("convolution", "--input", "9", "--kernel", "2", "--dilation", "3", "--padding", "1"): {
            "input 9 × 9, kernel 2, stride 1, padding 1, dilation 3:  "
            "output ⌊(9 + 2·1 − 3·(2 − 1) − 1) / 1⌋ + 1 = 8"
        },
        ("bilinear", "--factor", "4", "--kernel", "7"): {"weights × 16", "16"},
        ("graph", "a * b", "a=2", "b=-1.5"): {"value −3", "gradient −1.5", "gradient 2"},
    }
    for argv, wanted in asked.items():
        assert call("draw", *argv, "-o", path)[0] == 0
        written, _ = words(path)
        assert wanted <= written, argv


def test_a_photograph(call, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (70, 90, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    argv = ["receptive-field", "--image", tmp_path / "photo.png", "-o", tmp_path / "a.svg"]
    assert call("draw", *argv)[0] == 0
    assert "row 35, column 45 of an image of 70×90" in words(tmp_path / "a.svg")[1]


def test_trained_weights(call, run_folder, tmp_path):
    argv = ["receptive-field", "--weights", run_folder, "-o", tmp_path / "a.svg"]
    code, _, error = call("draw", *argv)
    assert (code, error) == (0, "")
    assert "the score of fcn4s-squeezenet at" in words(tmp_path / "a.svg")[1]


@pytest.mark.parametrize("name", ["graph", "bilinear", "receptive-field"])
def test_equal_commands_give_equal_bytes_in_any_process(name, tmp_path):
    for run, seed in enumerate("12"):
        files = ["-o", f"{run}.svg", "-o", f"{run}.png"]
        command = [sys.executable, "-m", "minifcn.cli", "draw", name, *COMMANDS[name], *files]
        subprocess.run(
            [*command, "--backend", "reference"],
            env=os.environ | {"PYTHONHASHSEED": seed},
            cwd=tmp_path,
            check=True,
            capture_output=True,
        )
    for suffix in ("svg", "png"):
        first, second = ((tmp_path / f"{run}.{suffix}").read_bytes() for run in range(2))
        assert first == second


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "the following arguments are required: NAME"),
        (["paint", "-o", "a.svg"], "invalid choice: 'paint'"),
        (["bilinear"], "the following arguments are required: -o/--out"),
        (["bilinear", "-o", "a.pdf"], "a.pdf: the suffix must be .svg or .png"),
        (["bilinear", "-o", "a.svg", "-o", "b"], "b: the suffix must be .svg or .png"),
        (["bilinear", "--factor", "0", "-o", "a.svg"], "'0' is not a whole number of 1 or more"),
        (["bilinear", "--factor", "65", "-o", "a.svg"], "factor must be 1 to 64"),
        (["bilinear", "--kernel", "9", "-o", "a.svg"], "is 3 or 4; got 9"),
        (["convolution", "--kernel", "9", "-o", "a.svg"], "no window fits"),
        (["convolution", "--pixel", "1", "-o", "a.svg"], "'1' is no pixel"),
        (["rarefied", "--rates", "2,x", "-o", "a.svg"], "'x' is not a whole number"),
        (["rarefied", "--weight", "1 2;3", "-o", "a.svg"], "'1 2;3' is no table"),
        (["transposed", "--input", "1e400", "-o", "a.svg"], "finite numbers"),
        (["transposed", "--factor", "2", "-o", "a.svg"], "unrecognized arguments: --factor"),
        (["shift-and-stitch", "--input", "99", "-o", "a.svg"], "size must be 4 to 6"),
        (["fcn", "--model", "fcn9", "-o", "a.svg"], "unknown model 'fcn9'"),
        (["fcn", "--model", "vgg16", "-o", "a.svg"], "scores whole images, not pixels"),
        (["skips", "--trunk", "resnet", "-o", "a.svg"], "no nets of a trunk 'resnet'"),
        (["receptive-field", "--model", "vgg16", "-o", "a.svg"], "scores whole images"),
        (["graph", "a * a", "-o", "a.svg"], "'a' has no value: add a=NUMBER"),
        (["graph", "a * a", "a", "-o", "a.svg"], "'a' is no value: NAME=NUMBER"),
        (["graph", "a * a", "a=x", "-o", "a.svg"], "'a=x' is no value"),
        (["graph", "a * a", "a=" + "[" * 100_000, "-o", "a.svg"], "is no value"),
        (["graph", "a * a", "a=NaN", "-o", "a.svg"], "finite"),
        (["graph", "a * a", "a=1", "a=2", "-o", "a.svg"], "a name has two values"),
        (["graph", "a * a", "a=[1,2]", "-o", "a.svg"], "take its sum()"),
        (["graph", "__import__('os').mkdir('x')", "-o", "a.svg"], "cannot be drawn"),
        (["graph", "a +\nb", "a=1", "-o", "a.svg"], "cannot be read"),
    ],
)
def test_wrong_use_is_one_line_and_nothing_is_written(argv, message, call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, error = call("draw", *argv)
    assert code == 2
    assert message in error
    assert error.count("\n") == 1
    assert error.startswith("minifcn")
    assert ": error: " in error
    assert out == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["graph", "a * a", "a=1", "-o", "none/a.svg"], "none/a.svg"),
        (["graph", "a * a", "a=1", "-o", "folder.png"], "it is a folder"),
        (["receptive-field", "--image", "none.jpg", "-o", "a.svg"], "none.jpg: no such file"),
        (["receptive-field", "--weights", "none", "-o", "a.svg"], "none"),
        (["receptive-field", "--pixel", "999,0", "-o", "a.svg"], "not in an image of 192 x 256"),
    ],
)
def test_a_run_that_fails(argv, message, call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.png").mkdir()
    code, _, error = call("draw", *argv)
    assert code == 1
    assert message in error
    assert error.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["folder.png"]


def test_help_teaches(call):
    code, out, _ = call("draw", "--help")
    assert code == 0
    for name in COMMANDS:
        assert f"minifcn draw {name} " in out
        code, each, _ = call("draw", name, "--help")
        assert code == 0
        assert "-o FILE" in each
        assert len(each.splitlines()) > 12


def test_common_options_stand_before_or_behind_the_name(call, tmp_path):
    path = tmp_path / "a.svg"
    for argv in (["--threads", "0", "bilinear"], ["bilinear", "--threads", "0"]):
        code, _, error = call("draw", *argv, "-o", path)
        assert (code, error) == (2, "minifcn: error: --threads must be 1 or more; got 0\n")
    with pytest.raises(ValueError, match="is 3 or 4; got 9"):
        call("draw", "bilinear", "--kernel", "9", "--traceback", "-o", path)
