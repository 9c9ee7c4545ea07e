"""The command line in right use: what it prints and writes."""

import json
import os
import re

import numpy as np
import pytest
from cli_program import NARROW, read_csv, subprocess_of
from PIL import Image

import minifcn
from minifcn import commands, data, io, models
from minifcn.models import paper

COMMANDS = [command.NAME for command in commands.COMMANDS]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_an_example(call, command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    code, out, err = call(command, "--help")
    assert (code, err) == (0, "")
    assert re.search(rf"^  minifcn {command}\b", out, re.MULTILINE)
    assert "--traceback" in out
    assert max(map(len, out.splitlines())) <= 100


def test_help_and_version(call):
    code, out, _ = call("--help")
    assert code == 0
    assert all(re.search(rf"^    {name} +\w", out, re.MULTILINE) for name in COMMANDS)
    code, out, _ = call("--version")
    assert (code, out) == (0, f"minifcn {minifcn.__version__}\n")


def test_summary_prints_layers_and_offsets(call):
    code, out, err = call("summary", "fcn32s-vgg16")
    assert (code, err) == (0, "")
    assert "134,346,581 parameters" in out
    assert "500x500 image" in out
    assert "offset of score: 19, 19" in out


def test_summary_options(call):
    options = ["--size", "36x48", "--padding", "aligned", "--width", "0.1", "--classes", "7"]
    code, out, _ = call("summary", "fcn8s-vgg16", *options)
    assert code == 0
    assert "36x48 image" in out
    last = next(line for line in out.splitlines() if line.startswith("score "))
    assert last.split()[:5] == ["score", "Crop", "7", "36", "48"]
    assert out.splitlines()[-3:] == [
        "offset of fuse_pool4: 0, 0",
        "offset of fuse_pool3: 0, 0",
        "offset of score: 0, 0",
    ]


def test_geometry_says_why(call):
    code, out, err = call("geometry", "fcn32s-alexnet", "--width", "0.05", "--size", "90x61")
    assert (code, err) == (0, "")
    lines = {line.split()[0]: line for line in out.splitlines() if line.strip()}
    assert "355" in lines["fc6"].split()
    assert lines["score"].split()[2:5] == ["21", "90", "61"]
    assert "18" in lines["score"].split()
    assert "upscore: kernel 63, because pixel o of score_fr lies at 32 o + 13" in out


def test_geometry_of_a_classifier(call):
    code, out, _ = call("geometry", "squeezenet1.1")
    assert code == 0
    assert "1,235,496 parameters" in out
    assert "227x227" in out


def test_geometry_of_six_channels_and_of_two_heads(call):
    code, out, _ = call("geometry", "nyud-fcn32s-color-hha", "--size", "60x70")
    assert code == 0
    assert "score_fused" in out
    assert "60x70 image" in out
    code, out, _ = call("geometry", "siftflow-fcn16s", "--width", "0.1")
    assert code == 0
    assert "upscore16_geo: kernel 32" in out


def test_geometry_finds_the_least_padding(call):
    code, out, _ = call("geometry", "fcn32s-googlenet", "--width", "0.02", "--least-padding")
    assert code == 0
    assert out.endswith(
        "conv1/7x7_s2 needs a padding of 18: it covers images of 1 to 700 pixels\n"
    )


def test_geometry_table(call):
    code, out, _ = call("geometry", "--table")
    assert code == 0
    assert out == paper.table1() + "\n"


def test_geometry_draws_fields(call, tmp_path):
    photo, drawn = tmp_path / "photo.png", tmp_path / "field.png"
    Image.fromarray(np.full((120, 150, 3), 90, np.uint8)).save(photo)
    options = ["--image", photo, "--pixel", "40,100", "--out", drawn]
    code, out, _ = call("geometry", "fcn8s-vgg16", *options)
    assert code == 0
    assert f"written: {drawn}" in out
    top, bottom = map(int, out.split("fc7: rows ")[1].split(",")[0].split(" to "))
    assert bottom - top + 1 == 404
    assert top < 40 < bottom
    assert len(np.unique(np.asarray(Image.open(drawn).convert("RGB")).reshape(-1, 3), axis=0)) > 50


def test_info(call):
    code, out, _ = call("info", "--backend", "reference")
    assert code == 0
    assert "backend reference" in out
    assert "models: " + ", ".join(models.names()) in out
    assert "classifiers: " + ", ".join(models.classifiers()) in out
    assert f"numpy        {np.__version__}" in out


def test_a_run_has_its_files(run_folder):
    names = {path.name for path in run_folder.iterdir()}
    assert names >= {"config.json", "log.csv", "last.safetensors", "curves.png", "samples.png"}
    config = json.loads((run_folder / "config.json").read_text())
    assert (config["model"], config["width"], config["iterations"]) == (
        "fcn4s-squeezenet",
        0.1,
        5,
    )


def test_train_says_what_it_does(call, scenes, tmp_path):
    options = ["--iterations", "2", "--out", tmp_path / "run"]
    code, out, err = call("train", "--data", scenes, *NARROW, *options)
    assert (code, err) == (0, "")
    assert re.search(r"fcn4s-squeezenet: [\d,]+ parameters; 8 images of 21 classes; 2 iter", out)
    assert re.search(r"^background +[\d,]+ +\d", out, re.MULTILINE)
    assert f"wrote {tmp_path / 'run'}: " in out


def test_every_option_reaches_the_training(call, scenes, tmp_path):
    options = (
        "--solver sgd --lr 1e-4 --momentum 0.5 --weight-decay 0.01 --schedule step --loss batch "
        "--no-flip --crop 32x33 --seed 3 --validate-every 2 --batch-size 2 --accumulate 2 "
        "--upsampling all-learned --padding reference --epochs 2 --val-split none"
    )
    out = tmp_path / "run"
    code, text, _ = call("train", "--data", scenes, *NARROW, *options.split(), "--out", out)
    assert code == 0
    assert "4 iterations" in text  # two epochs of four batches, two a step
    state = io.load_checkpoint(out / "last.safetensors")
    assert state.info["loader"] == {"seed": 3, "epoch": 2, "position": 0}
    assert "upscore4.weight" in state.model
    assert "upscore4.weight.velocity" in state.solver
    assert state.info["model"]["padding"] == "reference"
    assert not (out / "best.safetensors").exists()
    rates = [row[3] for row in read_csv(out / "log.csv")[1:]]
    assert rates == ["0.0001", "0.0001", "1e-05", "1e-06"]


def test_recipes_are_overridden_by_options(call, scenes, tmp_path):
    options = ["--recipe", "voc-fcn16s", *NARROW, "--iterations", "1", "--out", tmp_path / "run"]
    assert call("train", "--data", scenes, *options)[0] == 0
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert (config["lr"], config["loss"], config["momentum"]) == (1e-12, "batch", 0.99)
    assert (config["model"], config["iterations"]) == ("fcn4s-squeezenet", 1)


def test_evaluate(call, scenes, run_folder, tmp_path):
    code, out, _ = call("evaluate", run_folder, "--data", scenes, "--json", tmp_path / "m.json")
    assert code == 0
    measures = json.loads((tmp_path / "m.json").read_text())
    assert f"mean IU {100 * measures['mean_iu']:.2f}" in out
    assert len(measures["iu"]) == 21
    # What the run's own validation found at the epoch of its best checkpoint.
    logged = [row[6] for row in read_csv(run_folder / "log.csv")[1:] if row[6]]
    assert f"{measures['mean_iu']:.5f}" in logged
    last = run_folder / "last.safetensors"
    code, limited, _ = call("evaluate", last, "--data", scenes, "--limit", "1")
    assert code == 0
    assert limited != out


def test_segment(call, scenes, run_folder, tmp_path):
    photo = tmp_path / "a photo.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (23, 57, 3), np.uint8)).save(photo)
    first = scenes / "JPEGImages" / "val_000000.jpg"
    out = tmp_path / "labels"
    code, text, _ = call("segment", first, photo, "--weights", run_folder, "--out", out)
    assert code == 0
    names = ["a photo.labels.png", "a photo.overlay.png", "val_000000.labels.png"]
    assert sorted(path.name for path in out.iterdir()) == [*names, "val_000000.overlay.png"]
    assert re.search(r"val_000000\.jpg: \w+ \d+%", text)
    for name, size in (("a photo", (57, 23)), ("val_000000", (40, 32))):
        with Image.open(out / f"{name}.labels.png") as labels:
            assert (labels.mode, labels.size) == ("P", size)
            assert labels.getpalette()[:6] == [0, 0, 0, 128, 0, 0]
        with Image.open(out / f"{name}.overlay.png") as overlay:
            assert (overlay.mode, overlay.size) == ("RGB", size)
        assert data.read_label(out / f"{name}.labels.png", 21).shape == size[::-1]


def test_the_same_seed_gives_the_same_log(call, scenes, tmp_path):
    for name, seed in (("a", 4), ("b", 4), ("c", 5)):
        options = ["--iterations", 4, "--seed", seed, "--out", tmp_path / name]
        assert call("train", "--data", scenes, *NARROW, *options)[0] == 0
    a, b, c = (tmp_path / name for name in "abc")
    assert read_csv(a / "log.csv") == read_csv(b / "log.csv") != read_csv(c / "log.csv")
    assert (a / "last.safetensors").read_bytes() == (b / "last.safetensors").read_bytes()


def test_init_takes_weights_by_name(call, scenes, run_folder, tmp_path):
    weights = run_folder / "last.safetensors"
    options = ["--iterations", "1", "--out", tmp_path / "run", "--init", weights]
    code, out, _ = call("train", "--data", scenes, *NARROW, *options)
    assert code == 0
    assert re.search(r"last\.safetensors: \d\d parameters copied$", out, re.MULTILINE)


def test_a_folder_of_ones_own(call, error, tmp_path):
    rng = np.random.default_rng(0)
    for sub in ("images", "masks"):
        (tmp_path / sub).mkdir()
    for i in range(3):
        image = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(image).save(tmp_path / f"images/{i}.png")
        data.write_label(tmp_path / f"masks/{i}.png", (image[:, :, 0] > 99).astype(np.uint8))
    options = ["--data", tmp_path, "--kind", "folder", "--val-split", "train"]
    run = tmp_path / "run"
    train = ["train", *options, "--classes", "sky,road", *NARROW, "--epochs", "1", "--out", run]
    assert call(*train)[0] == 0
    code, out, _ = call("evaluate", run, "--data", tmp_path, "--kind", "folder")
    assert code == 0
    assert "road" in out
    assert error("train", *options) == (2, "minifcn: error: --kind folder needs --classes\n")


@pytest.mark.slow
def test_demo(call, tmp_path):
    code, out, _ = call("demo", "--quick", "1", "--out", tmp_path / "demo")
    assert code == 0
    with Image.open(tmp_path / "demo" / "demo.png") as picture:
        assert min(picture.size) > 100
    for name in ("FCN-32s", "FCN-16s", "FCN-8s"):
        assert re.search(rf"^{name}( +\d+\.\d){{4}}$", out, re.MULTILINE)


def test_a_pipe_that_is_closed_is_no_error():
    read, write = os.pipe()
    os.close(read)
    process = subprocess_of("info", stdout=write)
    os.close(write)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (1, "")


def test_geometry_compares_dense_predictions(call, tmp_path):
    options = ["--dense", "--size", "12x16", "--width", "0.1", "--out", tmp_path / "d.png"]
    code, out, _ = call("geometry", "squeezenet", *options)
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == "scores of every pixel of a 12x16 image by squeezenet"
    assert [line.split()[0] for line in lines[2:4]] == ["interpolation", "shift-and-stitch"]
    assert lines[-2].startswith("rarefied to 1 ")
    assert lines[-1] == f"written: {tmp_path / 'd.png'}"
    with Image.open(tmp_path / "d.png") as picture:
        assert picture.width > 600
    code, out, _ = call("geometry", "fcn8s-vgg16", *options, "--memory", "1")
    assert code == 0
    assert " - " in out
