"""What goes wrong on the command line: the exit code, and one line that says what to do."""

from pathlib import Path

import numpy as np
import pytest
from cli_program import NARROW, subprocess_of
from PIL import Image

from minifcn import data, io, models

# Wrong use: exit code 2


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["paint"], "invalid choice: 'paint'"),
        (["geometry"], "which MODEL? There are: fcn32s-vgg16"),
        (["geometry", "fcn32s-vgg16", "--pixel", "3"], "'3' is no pixel: ROW,COLUMN"),
        (
            ["train", "--data", ".", "--model", "vgg16"],
            "'vgg16' scores whole images; there are: fcn",
        ),
        (
            ["train", "--data", ".", "--model", "siftflow-fcn8s"],
            "'siftflow-fcn8s' is for the library and 'minifcn geometry' alone; there are: fcn",
        ),
        (
            ["train", "--data", ".", "--model", "deploy.prototxt"],
            "'deploy.prototxt': definitions can be run, not trained; there are: fcn",
        ),
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
    assert "which net are these weights for? Say so with --model" in text


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
