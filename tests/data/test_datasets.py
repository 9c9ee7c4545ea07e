"""Data sets on disk: what pairs with what, what is missing, what a check reports."""

import re

import numpy as np
import pytest
from PIL import Image

from minifcn.data import (
    CAMVID_CLASSES,
    VOC_CLASSES,
    CamVid,
    DataError,
    ImageFolder,
    VOCSegmentation,
    open_dataset,
    voc_colormap,
    write_label,
)


def grey(path, value=0, size=(6, 8)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full(size, value, np.uint8)).save(path)


# VOC


def test_voc_follows_its_list(voc_root):
    data = VOCSegmentation(voc_root)
    assert len(data) == 3
    assert [data.name(i) for i in range(3)] == ["c", "a", "b"]
    assert (data.class_names, data.num_classes, data.ignore_index) == (VOC_CLASSES, 21, 255)
    np.testing.assert_array_equal(data.palette, voc_colormap())
    image, label = data[1]
    assert (image.shape, image.dtype) == ((6, 8, 3), np.uint8)
    assert (label.shape, label.dtype) == ((6, 8), np.uint8)
    assert label[0, 0] == 255
    assert data.paths(1)[0].name == "a.png"
    assert len(list(data)) == 3  # an index past the end is an IndexError, which ends a loop


@pytest.mark.parametrize("nest", ["VOCdevkit/VOC2012", "VOC2011", "TrainVal/VOCdevkit/VOC2011"])
def test_voc_is_found_below(voc_root, tmp_path_factory, nest):
    top = tmp_path_factory.mktemp("top")
    (top / nest).parent.mkdir(parents=True, exist_ok=True)
    voc_root.rename(top / nest)
    assert len(VOCSegmentation(top)) == 3


def test_the_newest_voc_is_taken(tmp_path):
    for year in (2011, 2012):
        base = tmp_path / "VOCdevkit" / f"VOC{year}"
        grey(base / "JPEGImages" / f"in{year}.jpg")
        grey(base / "SegmentationClass" / f"in{year}.png")
        (base / "ImageSets/Segmentation").mkdir(parents=True)
        (base / "ImageSets/Segmentation/train.txt").write_text(f"in{year}\n")
    assert VOCSegmentation(tmp_path).name(0) == "in2012"


def test_voc_missing_list_names_those_there(voc_root):
    with pytest.raises(DataError, match=r"val\.txt: no such list; this folder has: train"):
        VOCSegmentation(voc_root, "val")


def test_voc_empty_and_repeating_lists(voc_root):
    path = voc_root / "ImageSets/Segmentation/train.txt"
    path.write_text("\n \n")
    with pytest.raises(DataError, match="this list is empty"):
        VOCSegmentation(voc_root)
    path.write_text("a\nb\na\n")
    with pytest.raises(DataError, match="a is listed twice"):
        VOCSegmentation(voc_root)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"train\.txt: this list cannot be read"):
        VOCSegmentation(voc_root)


@pytest.mark.parametrize(
    ("folder", "word"), [("JPEGImages", "image"), ("SegmentationClass", "mask")]
)
def test_voc_missing_partner(voc_root, folder, word):
    (voc_root / folder / "b.png").unlink()
    (voc_root / folder / "c.png").unlink()
    with pytest.raises(DataError, match=rf"no {word} for c in .*{folder} \(and for 1 more\)"):
        VOCSegmentation(voc_root)


def test_voc_not_here(tmp_path):
    with pytest.raises(DataError, match="no ImageSets/Segmentation here"):
        VOCSegmentation(tmp_path)
    with pytest.raises(DataError, match="nowhere: no such folder"):
        VOCSegmentation(tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="a file where a folder is expected"):
        VOCSegmentation(tmp_path / "file")


# CamVid


@pytest.fixture
def camvid_root(tmp_path):
    for name, suffix in (("b", "png"), ("a", "jpg")):
        grey(tmp_path / "train" / f"{name}.{suffix}", 90)
        grey(tmp_path / "trainannot" / f"{name}.png")
        write_label(tmp_path / "trainannot" / f"{name}.png", np.array([[3, 11] * 4] * 6, np.uint8))
    return tmp_path


def test_camvid_takes_either_format_and_ignores_void(camvid_root):
    data = CamVid(camvid_root)
    assert [data.name(i) for i in range(len(data))] == ["a", "b"]
    assert (data.class_names, data.num_classes) == (CAMVID_CLASSES, 11)
    _, label = data[0]
    np.testing.assert_array_equal(label[0, :2], [3, 255])


def test_camvid_missing_split_names_those_there(camvid_root):
    (camvid_root / "test").mkdir()
    with pytest.raises(DataError, match=r"no CamVid split 'val' .*; here: train$"):
        CamVid(camvid_root, "val")


def test_camvid_label_above_void_is_refused(camvid_root):
    write_label(camvid_root / "trainannot" / "a.png", np.full((6, 8), 12, np.uint8))
    with pytest.raises(DataError, match=r"a\.png: label 12 in a set of 11 classes"):
        CamVid(camvid_root)[0]


# two folders


def test_image_folder_pairs_by_stem(folders):
    grey(folders / "images" / ".hidden.png")
    (folders / "images" / "notes.txt").write_text("")
    data = ImageFolder(folders / "images", folders / "masks", 3)
    assert [data.name(i) for i in range(len(data))] == ["a", "b", "c"]
    assert data.class_names == ["class 0", "class 1", "class 2"]
    named = ImageFolder(folders / "images", folders / "masks", class_names=["x", "y", "z"])
    assert named.num_classes == 3
    assert "3 images, 3 classes" in repr(named)


def test_image_folder_wrong_calls(folders):
    images, masks = folders / "images", folders / "masks"
    with pytest.raises(ValueError, match="give num_classes or class_names"):
        ImageFolder(images, masks)
    with pytest.raises(ValueError, match="num_classes 4, but 1 class names"):
        ImageFolder(images, masks, 4, ["x"])
    with pytest.raises(ValueError, match="not 300"):
        ImageFolder(images, masks, 300)
    with pytest.raises(ValueError, match="ignore_index is a byte"):
        ImageFolder(images, masks, 3, ignore_index=-1)


def test_image_folder_missing_partners(folders):
    images, masks = folders / "images", folders / "masks"
    (masks / "b.png").rename(masks / "d.png")
    with pytest.raises(DataError, match=r"images: no mask for b in .*masks$"):
        ImageFolder(images, masks, 3)
    (images / "b.png").unlink()
    with pytest.raises(DataError, match=r"masks: no image for d in .*images$"):
        ImageFolder(images, masks, 3)


def test_image_folder_two_images_of_one_name(folders):
    grey(folders / "images" / "a.jpg")
    with pytest.raises(DataError, match=r"both a\.jpg and a\.png: which one"):
        ImageFolder(folders / "images", folders / "masks", 3)


def test_image_folder_empty_missing_and_unreadable(tmp_path, monkeypatch):
    for sub in ("images", "masks"):
        (tmp_path / sub).mkdir()
    with pytest.raises(DataError, match="images: no image"):
        ImageFolder(tmp_path / "images", tmp_path / "masks", 3)
    with pytest.raises(DataError, match="elsewhere: no such folder"):
        ImageFolder(tmp_path / "images", tmp_path / "elsewhere", 3)

    def refuse(_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.iterdir", refuse)
    with pytest.raises(DataError, match="no permission to read this folder"):
        ImageFolder(tmp_path / "images", tmp_path / "masks", 3)


def test_label_of_another_size_is_told(folders):
    write_label(folders / "masks" / "a.png", np.zeros((6, 7), np.uint8))
    write_label(folders / "masks" / "b.png", np.zeros((8, 6), np.uint8))
    data = ImageFolder(folders / "images", folders / "masks", 3)
    words = r"a\.png: label of 6 x 7 \(height x width\) for an image of 6 x 8, .*a\.png$"
    with pytest.raises(DataError, match=words):
        data[0]
    with pytest.raises(DataError, match="EXIF"):
        data[1]


# check


def test_check_counts_every_pixel(folders):
    data = ImageFolder(folders / "images", folders / "masks", 3)
    report = data.check()
    labels = np.stack([label for _, label in data])
    np.testing.assert_array_equal(report.pixels, [(labels == k).sum() for k in range(3)])
    assert report.ignored == 3
    assert report.ignored_share == 3 / 144
    assert report.shares.sum() == pytest.approx(1)
    assert (report.ok, report.checked, report.warnings) == (True, 3, [])
    assert str(report).startswith("3 samples, 2.08% of the pixels ignored\n  class 0 ")


def test_check_goes_on_after_bad_files(folders):
    write_label(folders / "masks" / "a.png", np.full((6, 8), 5, np.uint8))
    (folders / "images" / "c.png").write_bytes(b"no image")
    report = ImageFolder(folders / "images", folders / "masks", 3).check()
    assert not report.ok
    assert len(report.errors) == 2
    assert "label 5" in report.errors[0]
    assert "c.png" in report.errors[1]
    assert report.pixels.sum() + report.ignored == 48
    assert "error: " in str(report)


def test_check_warns_of_files_without_labels_and_absent_classes(folders):
    write_label(folders / "masks" / "b.png", np.full((6, 8), 255, np.uint8))
    report = ImageFolder(folders / "images", folders / "masks", 5).check()
    assert report.ok
    assert "b: every pixel is ignored, nothing to learn" in report.warnings
    assert "no pixel of class 3, class 4" in report.warnings


def test_check_warns_of_a_mask_of_0_and_255(folders):
    for name in "abc":
        label = np.zeros((6, 8), np.uint8)
        label[:, 1:] = 255
        write_label(folders / "masks" / f"{name}.png", label)
    report = ImageFolder(folders / "images", folders / "masks", 2).check()
    assert re.search("every labelled pixel is 'class 0'", report.warnings[0])
    assert report.warnings[-1] == "88% of all pixels are ignored"


def test_check_of_some_is_spread_over_all(folders):
    data = ImageFolder(folders / "images", folders / "masks", 3)
    (folders / "masks" / "b.png").write_bytes(b"")
    assert data.check(2).ok  # the first and the last
    assert not data.check(100).ok
    assert data.check(100).checked == 3


def test_check_with_a_class_for_every_byte(folders):
    data = ImageFolder(folders / "images", folders / "masks", 256)
    assert data.check().ignored == 3


def test_check_is_silent_unless_on_a_terminal(folders, capfd):
    ImageFolder(folders / "images", folders / "masks", 3).check()
    assert capfd.readouterr() == ("", "")


# opening by folder


def test_layouts_are_recognised(voc_root, scenes_root, tmp_path_factory):
    assert type(open_dataset(voc_root)) is VOCSegmentation
    scenes = open_dataset(scenes_root, "val")
    assert (type(scenes).__name__, len(scenes)) == ("Scenes", 20)
    base = tmp_path_factory.mktemp("camvid")
    for sub in ("val", "valannot"):
        grey(base / sub / "x.png")
    assert type(open_dataset(base, "val")) is CamVid


def test_kind_can_be_said(folders, scenes_root):
    assert type(open_dataset(scenes_root, kind="voc")) is VOCSegmentation
    assert len(open_dataset(folders, kind="folder", num_classes=3)) == 3
    with pytest.raises(ValueError, match="kind 'coco' is none of auto, scenes, voc"):
        open_dataset(folders, kind="coco")


def test_folders_below_a_split(folders):
    (folders / "val").mkdir()
    (folders / "images").rename(folders / "val" / "images")
    (folders / "masks").rename(folders / "val" / "masks")
    assert len(open_dataset(folders, "val", "folder", num_classes=3)) == 3


def test_unknown_layout_says_what_was_looked_for(folders):
    words = r"no known data set: neither scenes\.json .* it holds images, masks"
    with pytest.raises(DataError, match=words):
        open_dataset(folders)
    with pytest.raises(DataError, match="no such folder"):
        open_dataset(folders / "nowhere")


# real data


def test_real_camvid(real_data):
    root = real_data / "camvid"
    if not root.is_dir():
        pytest.skip("no camvid/")
    for split, count in (("train", 367), ("val", 101)):
        data = open_dataset(root, split)
        assert (type(data), len(data)) == (CamVid, count)
        image, label = data[0]
        assert image.shape == (360, 480, 3)
        assert set(np.unique(label)) <= {*range(11), 255}
    report = data.check(20)
    assert report.ok
    assert 0 < report.ignored_share < 0.2
    assert data.class_names[int(report.pixels.argmax())] in ("Building", "Road")


def test_real_voc(real_data):
    root = real_data / "voc_animals"
    if not root.is_dir():
        pytest.skip("no voc_animals/")
    for split, count in (("train", 437), ("trainaug", 987), ("val", 217)):
        data = open_dataset(root, split)
        assert (type(data), len(data)) == (VOCSegmentation, count)
    report = data.check(30)
    assert report.ok
    assert 0.01 < report.ignored_share < 0.15
    assert report.shares[0] > 0.4
    assert report.pixels[[3, 8, 10, 12, 13, 17]].sum() > report.pixels[[1, 4, 6, 19]].sum()
