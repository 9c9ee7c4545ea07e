import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from minifcn.data import make_scenes, write_label


@pytest.fixture(scope="session")
def scenes_root(tmp_path_factory):
    """A small set of drawn scenes: 60 to train, 20 to validate, 96 x 128."""
    return make_scenes(tmp_path_factory.mktemp("drawn") / "scenes", 60, 20, seed=3)


@pytest.fixture
def folders(tmp_path):
    """images/ and masks/ with a, b, c: random pictures of 6 x 8 with classes 0..2 and 255."""
    rng = np.random.default_rng(0)
    for sub in ("images", "masks"):
        (tmp_path / sub).mkdir()
    for name in "abc":
        picture = rng.integers(0, 256, (6, 8, 3), np.uint8)
        Image.fromarray(picture).save(tmp_path / "images" / f"{name}.png")
        label = rng.integers(0, 3, (6, 8)).astype(np.uint8)
        label[0, 0] = 255
        write_label(tmp_path / "masks" / f"{name}.png", label)
    return tmp_path


@pytest.fixture
def voc_root(folders):
    """The same three as a VOC folder, in the list "train"."""
    (folders / "images").rename(folders / "JPEGImages")
    (folders / "masks").rename(folders / "SegmentationClass")
    lists = folders / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("c\na\nb\n")
    return folders


@pytest.fixture(scope="session")
def real_data():
    """The folder of real data, where there is one."""
    root = os.environ.get("MINIFCN_DATA")
    if not root or not Path(root).is_dir():
        pytest.skip("MINIFCN_DATA is not set")
    return Path(root)
