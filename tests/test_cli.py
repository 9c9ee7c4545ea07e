"""The command line: what it prints and writes, its exit codes, and one clear line for an error."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from minifcn import backends, cli, commands, data, io, models

NARROW = ["--model", "fcn4s-squeezenet", "--width", "0.1"]
COMMANDS = [command.NAME for command in commands.COMMANDS]


@pytest.fixture(autouse=True)
def _backend():
    """--backend sets it for good: put it back."""
    with backends.use_backend(backends.current_backend()):
        yield


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    """Twelve drawn scenes of 32x40 pixels."""
    folder = tmp_path_factory.mktemp("data") / "scenes"
    return data.make_scenes(folder, num_train=8, num_val=4, size=(32, 40), progress=False)


@pytest.fixture(scope="module")
def run_folder(scenes, tmp_path_factory):
    """A short training run on them."""
    folder = tmp_path_factory.mktemp("runs") / "train"
    options = ["--iterations", "5", "--batch-size", "3", "--out", str(folder)]
    assert cli.main(["train", "--data", str(scenes), *NARROW, *options]) == 0
    return folder


@pytest.fixture
def voc(scenes, tmp_path):
    """The scenes as a copy that is only a VOC data set, to be damaged."""
    folder = tmp_path / "voc"
    shutil.copytree(scenes, folder)
    (folder / "scenes.json").unlink()
    return folder


@pytest.fixture
def call(capsys):
    """Run a command in this process: (exit code, standard output, standard error)."""

    def call(*argv):
        try:
            code = cli.main([str(a) for a in argv])
        except SystemExit as exit_:
            code = exit_.code
        return (code, *capsys.readouterr())

    return call


@pytest.fixture
def error(call):
    """Run a command that must fail: its exit code and the one line that it says."""

    def error(*argv):
        code, _, text = call(*argv)
        assert code != 0
        assert text.endswith("\n")
        assert text.count("\n") == 1, text
        assert re.match(r"minifcn( \w+)?: error: ", text)
        return code, text

    return error


def subprocess_of(*argv, **options):
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"}
    command = [sys.executable, "-m", "minifcn.cli", *map(str, argv)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, env=environment, **pipes | options)


def read_csv(path):
    """The rows of log.csv as lists, without the column that measures time."""
    rows = [line.split(",") for line in Path(path).read_text().splitlines()]
    return [row[:4] + row[5:] for row in rows]


# Right use


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_an_example(call, command):
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
    assert (code, out) == (0, f"minifcn {__import__('minifcn').__version__}\n")


def test_summary_prints_layers_and_offsets(call, monkeypatch):
    class Zeros:  # in place of a hundred million random numbers
        def standard_normal(self, shape, dtype):
            return np.zeros(shape, dtype)

    monkeypatch.setattr("minifcn.rng.generator", Zeros)
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


def test_info(call):
    code, out, _ = call("info", "--backend", "reference")
    assert code == 0
    assert "backend reference" in out
    assert "models: " + ", ".join(models.names()) in out
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
    assert re.search(r"last\.safetensors: \d\d parameters copied; \d+ unused \(solver", out)


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


# Continuing


def test_resume(call, error, scenes, tmp_path):
    run = tmp_path / "run"
    options = ["--iterations", "4", "--batch-size", "3", "--out", run]
    assert call("train", "--data", scenes, *NARROW, *options)[0] == 0
    code, text = error("train", "--data", scenes, *NARROW, *options)
    assert code == 1
    assert "holds a run already; choose another folder, or continue it with --resume" in text
    config = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps(config | {"iterations": 6}))
    code, out, _ = call("train", "--resume", run)
    assert code == 0
    assert "6 iterations" in out
    assert io.load_checkpoint(run / "last.safetensors").info["iteration"] == 6


def test_resume_with_data_that_moved(call, error, scenes, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(scenes, tmp_path / "old")
    options = ["--iterations", "1", *NARROW, "--out", run]
    assert call("train", "--data", tmp_path / "old", *options)[0] == 0
    (tmp_path / "old").rename(tmp_path / "new")
    code, text = error("train", "--resume", run)
    assert code == 1
    assert f"{tmp_path / 'old'}: no such folder" in text
    assert call("train", "--resume", run, "--data", tmp_path / "new")[0] == 0


def test_resume_takes_no_other_settings(error, run_folder):
    for option in (["--epochs", "60"], ["--batch-size", "2"], ["--out", "x"]):
        code, text = error("train", "--resume", run_folder, *option)
        assert code == 2
        assert f"{option[0]} cannot be given with --resume" in text


def test_resume_without_a_run(error, tmp_path):
    code, text = error("train", "--resume", tmp_path / "nothing")
    assert code == 1
    assert "nothing/config.json: no run to continue" in text


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_ctrl_c_leaves_a_run_that_continues(call, scenes, tmp_path):
    run = tmp_path / "run"
    options = ["--iterations", "5000", "--batch-size", "2", "--out", run]
    process = subprocess_of("train", "--data", scenes, *NARROW, *options)
    try:
        deadline = time.monotonic() + 60
        while not (run / "log.csv").exists() or len(read_csv(run / "log.csv")) < 12:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline, "no training within a minute"
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert err.strip() == "minifcn: interrupted"
    assert out.endswith(f"stopped; continue with: minifcn train --resume {run}\n")
    state = io.load_checkpoint(run / "last.safetensors")
    assert state.info["iteration"] >= 4
    assert not list(run.glob(".*.tmp"))
    config = json.loads((run / "config.json").read_text())
    more = state.info["iteration"] + 2
    (run / "config.json").write_text(json.dumps(config | {"iterations": more}))
    assert call("train", "--resume", run)[0] == 0
    assert io.load_checkpoint(run / "last.safetensors").info["iteration"] == more


def test_a_pipe_that_is_closed_is_no_error():
    read, write = os.pipe()
    os.close(read)
    process = subprocess_of("info", stdout=write)
    os.close(write)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (1, "")


# Wrong use: exit code 2


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["paint"], "invalid choice: 'paint' (choose from 'demo', 'train'"),
        (["summary"], "the following arguments are required: MODEL"),
        (["summary", "fcn8-vgg16"], "unknown model 'fcn8-vgg16': did you mean fcn8s-vgg16?"),
        (["train", "--model", "unet"], "unknown model 'unet': There are: fcn32s-vgg16, "),
        (["summary", "fcn32s-vgg16", "--size", "0x40"], "'0x40' is no size"),
        (["summary", "fcn32s-vgg16", "--size", "40x"], "'40x' is no size"),
        (["summary", "fcn32s-vgg16", "--size", "1x2x3"], "'1x2x3' is no size"),
        (["summary", "fcn32s-vgg16", "--size", "big"], "'big' is no size: HEIGHTxWIDTH"),
        (["summary", "fcn32s-vgg16", "--width", "0"], "'0' is not a number above 0"),
        (["summary", "fcn32s-vgg16", "--classes", "0"], "'0' is not a whole number of 1"),
        (["train"], "train needs --data DIR (or --resume DIR)"),
        (["train", "--data", "x", "--lr", "-1"], "'-1' is not a number above 0"),
        (["train", "--data", "x", "--lr", "nan"], "'nan' is not a number above 0"),
        (["train", "--data", "x", "--seed", "-1"], "'-1' is not a whole number of 0 or more"),
        (["train", "--data", "x", "--epochs", "1.5"], "'1.5' is not a whole number of 1"),
        (["train", "--data", "x", "--recipe", "best"], "invalid choice: 'best'"),
        (["evaluate", "run"], "the following arguments are required: --data"),
        (["segment", "--weights", "run"], "the following arguments are required: IMAGE"),
        (["info", "--threads", "0"], "--threads must be 1 or more; got 0"),
        (["info", "--backend", "gpu"], "invalid choice: 'gpu'"),
        (["demo", "--quick", "0"], "'0' is not a whole number of 1 or more"),
        (["segment", "a/x.jpg", "b/x.png", "--weights", "run"], "a/x.jpg and b/x.png: both"),
    ],
)
def test_wrong_use(error, argv, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, text = error(*argv)
    assert code == 2
    assert message in text
    assert list(tmp_path.iterdir()) == []


# Runs that fail: exit code 1


def training_error(error, folder, tmp_path, *more):
    code, text = error("train", "--data", folder, *NARROW, "--out", tmp_path / "run", *more)
    assert code == 1
    assert not (tmp_path / "run").exists()
    return text


def test_a_missing_data_folder(error, tmp_path):
    text = training_error(error, tmp_path / "no data", tmp_path)
    assert f"{tmp_path / 'no data'}: no such folder" in text


def test_a_folder_that_is_no_data_set(error, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").touch()
    text = training_error(error, tmp_path / "photos", tmp_path)
    assert "photos: no known data set: " in text
    assert "it holds cat.jpg" in text


def test_an_unreadable_folder(error, tmp_path, voc, monkeypatch):
    iterdir = Path.iterdir

    def denied(path):
        if path == voc / "JPEGImages":
            raise PermissionError(13, "Permission denied", str(path))
        return iterdir(path)

    monkeypatch.setattr(Path, "iterdir", denied)
    text = training_error(error, voc, tmp_path)
    assert "JPEGImages: no permission to read this folder" in text


def test_a_label_that_is_no_class(error, tmp_path, voc):
    label = np.zeros((32, 40), np.uint8)
    label[5, 7:9] = 21
    data.write_label(voc / "SegmentationClass" / "train_000003.png", label)
    text = training_error(error, voc, tmp_path)
    assert "train_000003.png: label 21 in a set of 21 classes (0..20, ignored: 255)" in text
    assert "2 pixels, the first at row 5, column 7" in text


def test_bad_labels_of_the_validation_set_are_found_before_training(error, tmp_path, voc):
    for i in (1, 2):
        path = voc / "SegmentationClass" / f"val_00000{i}.png"
        data.write_label(path, np.full((32, 40), 77, np.uint8))
    text = training_error(error, voc, tmp_path)
    assert "val_000001.png: label 77" in text
    assert "(and 1 more files)" in text


def test_a_mask_of_colours(error, tmp_path, voc):
    colours = np.zeros((32, 40, 3), np.uint8)
    colours[3] = 128, 0, 0
    Image.fromarray(colours).save(voc / "SegmentationClass" / "train_000000.png")
    text = training_error(error, voc, tmp_path)
    assert "train_000000.png: a mask of mode RGB, 2 distinct colours" in text


def test_a_missing_mask(error, tmp_path, voc):
    (voc / "SegmentationClass" / "train_000005.png").unlink()
    text = training_error(error, voc, tmp_path)
    assert "no mask for train_000005" in text


def test_a_mask_of_another_size(error, tmp_path, voc):
    label = np.zeros((40, 32), np.uint8)
    data.write_label(voc / "SegmentationClass" / "train_000005.png", label)
    text = training_error(error, voc, tmp_path)
    assert "label of 40 x 32 (height x width) for an image of 32 x 40" in text


def test_a_truncated_photograph(error, tmp_path, voc):
    path = voc / "JPEGImages" / "train_000002.jpg"
    path.write_bytes(path.read_bytes()[:300])
    text = training_error(error, voc, tmp_path)
    assert "train_000002.jpg: damaged or incomplete image" in text


def test_a_missing_split(error, tmp_path, scenes):
    text = training_error(error, scenes, tmp_path, "--split", "test")
    assert "test.txt: no such list; this folder has: train, trainval, val" in text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file"),
        (b"", "this seems to be an empty file"),
        (b"\x80\x02}q\x00.", "this seems to be a Python pickle"),
        (b"<!DOCTYPE html><html>", "this seems to be an HTML page"),
        (b"\x00\x01\x02\x03" * 99, "this seems to be a file of an unknown kind"),
    ],
)
def test_weights_of_another_kind(error, scenes, tmp_path, content, message):
    path = tmp_path / "weights"
    if content is not None:
        path.write_bytes(content)
    text = training_error(error, scenes, tmp_path, "--init", path)
    assert f"{path}: " in text
    assert message in text
    photo = scenes / "JPEGImages" / "val_000000.jpg"
    for command in (["segment", photo, "--weights", path, "--out", tmp_path / "labels"],
                    ["evaluate", path, "--data", scenes]):  # fmt: skip
        code, text = error(*command)
        assert code == 1
        assert message in text


def test_truncated_weights(error, scenes, run_folder, tmp_path):
    path = tmp_path / "cut.safetensors"
    path.write_bytes((run_folder / "last.safetensors").read_bytes()[:-1000])
    code, text = error("evaluate", path, "--data", scenes)
    assert code == 1
    assert f"{path}: damaged safetensors file" in text
    assert "damaged" in training_error(error, scenes, tmp_path, "--init", path)


def test_weights_that_fit_nowhere(error, scenes, tmp_path):
    path = tmp_path / "other.safetensors"
    io.save_tensors(path, {"encoder.0.weight": np.ones((3, 3), np.float32)})
    text = training_error(error, scenes, tmp_path, "--init", path)
    assert "no array has the name of a layer of fcn4s-squeezenet" in text
    code, text = error("evaluate", path, "--data", scenes)
    assert code == 1
    assert "holds weights but not the state of a training run" in text


def test_a_net_of_other_classes(error, voc, tmp_path, scenes):
    two = models.build("fcn4s-squeezenet", 2, padding="aligned", width=0.1)
    spec = {"name": "fcn4s-squeezenet", "class_names": ["a", "b"], "padding": "aligned"}
    path = tmp_path / "two.safetensors"
    io.save_checkpoint(path, two.state_dict(), {}, {"model": spec | {"width": 0.1}})
    code, text = error("evaluate", path, "--data", scenes)
    assert code == 1
    assert f"{path}: a net of 2 classes; {scenes} has 21" in text


def test_a_photograph_that_is_none(error, run_folder, tmp_path):
    path = tmp_path / "note.jpg"
    path.write_text("not a picture")
    for image, message in ((path, "not an image of a known"), (tmp_path / "x", "no such file")):
        code, text = error("segment", image, "--weights", run_folder, "--out", tmp_path)
        assert code == 1
        assert f"{image}: {message}" in text


@pytest.mark.parametrize("backend", ["reference", "cpu"])
def test_a_rate_that_is_too_high_ends_with_advice(error, scenes, tmp_path, backend):
    options = ["--lr", "1e30", "--schedule", "fixed", "--out", tmp_path / "run"]
    code, text = error("train", "--data", scenes, *NARROW, *options, "--backend", backend)
    assert code == 1
    assert text.endswith("learning rate 1e+30: try a lower one\n")
    assert io.load_checkpoint(tmp_path / "run" / "last.safetensors").info["iteration"] == 0


def test_traceback_shows_where_an_error_came_from(call, tmp_path):
    with pytest.raises(data.DataError, match="no such folder"):
        call("train", "--data", tmp_path / "nothing", "--traceback")
    process = subprocess_of("train", "--data", tmp_path / "nothing", "--traceback")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert err.startswith("Traceback (most recent call last):")
    assert "detect.py" in err
