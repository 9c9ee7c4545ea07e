"""The drawn scenes: exact layout, exact repetition, and contents that a network can learn."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from minifcn.data import (
    SCENE_CLASSES,
    DataError,
    Difficulty,
    Scenes,
    VOCSegmentation,
    make_scenes,
    scene,
    voc_colormap,
)
from minifcn.data.compose import KINDS
from minifcn.data.pen import Sketch, unit_area

SMALL = {"num_train": 2, "num_val": 1, "size": (32, 40)}


def contents(root):
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def labels(scenes_root):
    return np.stack(
        [label for split in ("train", "val") for _, label in Scenes(scenes_root, split)]
    )


# layout


def test_the_layout_is_that_of_voc(scenes_root):
    names = {
        "train": [f"train_{i:06d}" for i in range(60)],
        "val": [f"val_{i:06d}" for i in range(20)],
    }
    names["trainval"] = names["train"] + names["val"]
    want = {f"ImageSets/Segmentation/{split}.txt" for split in names} | {"scenes.json"}
    want |= {f"JPEGImages/{name}.jpg" for name in names["trainval"]}
    want |= {f"SegmentationClass/{name}.png" for name in names["trainval"]}
    assert set(contents(scenes_root)) == want
    for split, those in names.items():
        text = (scenes_root / f"ImageSets/Segmentation/{split}.txt").read_text()
        assert text == "".join(f"{name}\n" for name in those)
    assert os.listdir(scenes_root.parent) == ["scenes"]  # nothing temporary is left


def test_files_are_what_voc_readers_expect(scenes_root):
    with Image.open(scenes_root / "JPEGImages/train_000003.jpg") as image:
        assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (128, 96))
    with Image.open(scenes_root / "SegmentationClass/train_000003.png") as image:
        assert (image.format, image.mode, image.size) == ("PNG", "P", (128, 96))
        palette = np.reshape(image.getpalette(), (256, 3))
    np.testing.assert_array_equal(palette, voc_colormap())
    record = json.loads((scenes_root / "scenes.json").read_text())
    assert (record["seed"], record["size"], record["num_train"]) == (3, [96, 128], 60)
    assert record["classes"] == SCENE_CLASSES


def test_scenes_open_as_voc_and_by_their_names(scenes_root):
    scenes, voc = Scenes(scenes_root, "val"), VOCSegmentation(scenes_root, "val")
    np.testing.assert_array_equal(scenes[4][0], voc[4][0])
    assert scenes.class_names == SCENE_CLASSES == ["background", *KINDS]
    assert len(SCENE_CLASSES) == len(set(SCENE_CLASSES)) == scenes.num_classes == 21
    assert len(Scenes(scenes_root, "trainval")) == 80
    with pytest.raises(DataError, match=r"test\.txt: no such list; .* train, trainval, val"):
        Scenes(scenes_root, "test")


# repetition


def test_a_sample_depends_on_seed_split_and_number_alone(tmp_path):
    few = make_scenes(tmp_path / "few", 2, 1, (32, 40), seed=5)
    many = make_scenes(tmp_path / "many", 4, 2, (32, 40), seed=5)
    few, many = contents(few), contents(many)
    shared = [name for name in few if name.endswith((".jpg", ".png"))]
    assert len(shared) == 6
    assert all(few[name] == many[name] for name in shared)
    other = contents(make_scenes(tmp_path / "other", 2, 1, (32, 40), seed=6))
    assert all(few[name] != other[name] for name in shared)


def test_another_process_draws_the_same_bytes(tmp_path):
    make_scenes(tmp_path / "here", **SMALL)
    code = "import sys; from minifcn.data import make_scenes; "
    code += "make_scenes(sys.argv[1], 2, 1, (32, 40))"
    environment = os.environ | {"PYTHONHASHSEED": "77"}
    subprocess.run([sys.executable, "-c", code, tmp_path / "there"], check=True, env=environment)
    assert contents(tmp_path / "here") == contents(tmp_path / "there")


def test_splits_differ_and_no_picture_comes_twice(scenes_root):
    pictures = [
        image.tobytes() for split in ("train", "val") for image, _ in Scenes(scenes_root, split)
    ]
    assert len(set(pictures)) == 80


def test_neighbours_share_nothing():
    bare = Difficulty(foreground=(0.05, 0.05))  # small objects: the backdrops are compared
    which = [("val", 1), *(("train", i) for i in range(5))]
    drawn = [scene(0, split, i, (32, 40), bare)[0].ravel() for split, i in which]
    alike = np.corrcoef(drawn)
    assert np.abs(alike[~np.eye(6, dtype=bool)]).max() < 0.6


def test_scene_is_what_is_written(scenes_root):
    image, label = scene(3, "train", 7)
    stored, stored_label = Scenes(scenes_root)[7]
    np.testing.assert_array_equal(label, stored_label)
    assert np.abs(image.astype(int) - stored).mean() < 6  # a JPEG away


# what is there already


def test_a_complete_set_is_kept(tmp_path, monkeypatch):
    root = make_scenes(tmp_path / "s", **SMALL)
    before = contents(root)
    monkeypatch.setattr("minifcn.data.scenes.scene", None)  # drawing would fail
    make_scenes(root, **SMALL)
    assert len(Scenes(root)) == 2
    assert len(Scenes(root, seed=0, num_train=2, size=(32, 40))) == 2
    assert contents(root) == before


@pytest.mark.parametrize("lost", ["JPEGImages/train_000001.jpg", "ImageSets", "SegmentationClass"])
def test_a_set_with_lost_files_is_drawn_again(tmp_path, lost):
    root = make_scenes(tmp_path / "s", **SMALL)
    before = contents(root)
    if (root / lost).is_dir():
        shutil.rmtree(root / lost)
    else:
        (root / lost).write_bytes(b"")
    Scenes(root)
    assert contents(root) == before


def test_other_scenes_are_refused_or_replaced(tmp_path):
    root = make_scenes(tmp_path / "s", **SMALL)
    before = contents(root)
    words = r"holds other scenes: seed is 0, not 1; num_train is 2, not 3 "
    with pytest.raises(DataError, match=words):
        make_scenes(root, 3, 1, (32, 40), seed=1)
    with pytest.raises(DataError, match=r"size is \[32, 40\], not \[40, 40\]"):
        Scenes(root, size=(40, 40))
    with pytest.raises(DataError, match="another difficulty"):
        Scenes(root, difficulty=Difficulty(noise=(0, 1)))
    assert contents(root) == before
    make_scenes(root, **SMALL, seed=1, overwrite=True)
    assert contents(root) != before
    assert os.listdir(tmp_path) == ["s"]


def test_what_was_not_drawn_here_is_never_touched(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    for overwrite in (False, True):
        with pytest.raises(DataError, match=r"holds no scenes\.json: .* left alone"):
            make_scenes(tmp_path, **SMALL, overwrite=overwrite)
    with pytest.raises(DataError, match="a file where the folder"):
        make_scenes(tmp_path / "thesis.tex", **SMALL)
    with pytest.raises(DataError, match="cannot be written"):
        make_scenes(tmp_path / "thesis.tex" / "below", **SMALL)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"
    assert os.listdir(tmp_path) == ["thesis.tex"]


@pytest.mark.parametrize("text", ["{", "[]", '{"seed": 0}', '{"difficulty": {"nonsense": 1}}'])
def test_a_damaged_record_is_named(tmp_path, text):
    (tmp_path / "scenes.json").write_text(text)
    with pytest.raises(DataError, match=r"scenes\.json: not a record of drawn scenes"):
        Scenes(tmp_path)


def test_an_interrupted_drawing_leaves_nothing(tmp_path, monkeypatch):
    calls = []

    def interrupt(*args):
        calls.append(args)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return scene(*args)

    monkeypatch.setattr("minifcn.data.scenes.scene", interrupt)
    with pytest.raises(KeyboardInterrupt):
        make_scenes(tmp_path / "s", **SMALL)
    assert os.listdir(tmp_path) == []


def test_an_empty_folder_is_filled(tmp_path):
    (tmp_path / "s").mkdir()
    assert len(Scenes(tmp_path / "s", **SMALL)) == 2


@pytest.mark.parametrize(
    "wrong", [{"num_train": 0}, {"num_val": 0}, {"size": (16, 40)}, {"seed": -1}]
)
def test_wrong_numbers_are_refused(tmp_path, wrong):
    with pytest.raises(ValueError, match="at least one image"):
        make_scenes(tmp_path / "s", **(SMALL | wrong))


def test_drawing_is_silent_unless_on_a_terminal(tmp_path, capfd):
    make_scenes(tmp_path / "s", **SMALL)
    assert capfd.readouterr() == ("", "")


# contents


def test_every_class_occurs_and_none_dominates(labels):
    counts = np.bincount(labels.ravel(), minlength=256)
    assert counts[21:255].sum() == 0
    shares = counts[:21] / counts[:21].sum()
    assert shares.min() > 0.003
    assert shares[1:].max() < 0.06
    assert 0.55 < shares[0] < 0.75
    assert 0.02 < counts[255] / counts.sum() < 0.1


def test_one_to_five_objects_an_image(labels):
    kinds = [len(set(np.unique(label)) - {0, 255}) for label in labels]
    assert min(kinds) >= 1
    assert max(kinds) <= 5
    assert len(set(kinds)) >= 4


def test_each_kind_is_dealt_in_every_twenty():
    for block in (0, 1):
        dealt = [
            {int(k) for k in np.unique(scene(8, "train", 20 * block + i, (48, 64))[1])} - {0, 255}
            for i in range(20)
        ]
        assert len(set().union(*dealt)) >= 19  # one may be hidden


def test_the_border_lies_between_regions(labels):
    for label in labels:
        inner = label[1:-1, 1:-1]
        around = [label[1 + i : 95 + i, 1 + j : 127 + j] for i in (-1, 0, 1) for j in (-1, 0, 1)]
        border = inner == 255
        assert border.any()
        objects = np.any([(a > 0) & (a < 255) for a in around], axis=0)
        # one pixel wide at this size: an object is next to it, but for where three meet
        assert objects[border].mean() > 0.97
        touching = np.any([(a != inner) & (a < 255) & (inner < 255) for a in around], axis=0)
        assert touching.mean() < 0.002  # and no two regions meet without one


def test_no_colour_gives_a_class_away(scenes_root):
    """Of pixels in a colour cell that an object often has, a good part belongs to others."""
    table = np.zeros((4096, 256), np.int64)
    for image, label in Scenes(scenes_root, "trainval"):
        cell = (image >> 4).astype(int) @ np.array([256, 16, 1])
        np.add.at(table, (cell.ravel(), label.ravel()), 1)
    table = table[:, :21]
    right = table.max(axis=1).sum() / table.sum()
    assert right < 0.85  # guessing each pixel from its colour, with the answers known
    best = table.argmax(axis=1)
    recall = [table[best == k, k].sum() / table[:, k].sum() for k in range(1, 21)]
    assert np.mean(recall) < 0.6


def test_size_and_border_grow_together():
    image, label = scene(0, "train", 1, (180, 240))
    assert image.shape == (180, 240, 3)
    object_ = (label > 0) & (label < 255)
    reach = np.zeros_like(object_)
    for i in (-2, 0, 2):
        for j in (-2, 0, 2):
            reach |= np.roll(object_, (i, j), (0, 1))
    assert (label[2:-2, 2:-2] == 255)[reach[2:-2, 2:-2] & ~object_[2:-2, 2:-2]].mean() > 0.95


@pytest.mark.parametrize("name", list(KINDS))
def test_each_kind_fills_its_frame(name):
    areas = []
    for seed in range(5):
        sketch = Sketch(np.random.default_rng(seed), Difficulty())
        KINDS[name](sketch)
        points = np.concatenate([points for points, _, _ in sketch.parts])
        assert np.abs(points).max() < 1.75
        areas.append(unit_area(sketch))
    assert 0.5 < np.mean(areas) < 4


def test_difficulty_is_used(tmp_path):
    still = Difficulty(noise=(0, 0.01), object_counts=(1,), clutter=(0, 0))
    image, label = scene(0, "train", 0, difficulty=still)
    assert len(set(np.unique(label)) - {0, 255}) == 1
    plain = scene(0, "train", 0)[0]
    rough = [np.abs(np.diff(i.astype(int), axis=1)).mean() for i in (image, plain)]
    assert rough[0] < rough[1]
    root = make_scenes(tmp_path / "s", **SMALL, difficulty=still)
    assert len(Scenes(root)) == 2  # opened as it is, without naming the difficulty
