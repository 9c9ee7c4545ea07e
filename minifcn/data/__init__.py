"""Data: drawn scenes, VOC, CamVid and one's own folders; transforms; batches.

A data set indexes to (image (H, W, 3) uint8 RGB, label (H, W) uint8). Everything that is wrong
with a file on disk is a DataError of one line that names the file.
"""

from minifcn.data.camvid import CamVid
from minifcn.data.dataset import Dataset
from minifcn.data.detect import open_dataset
from minifcn.data.difficulty import Difficulty
from minifcn.data.errors import DataError
from minifcn.data.files import read_image, read_label, write_label
from minifcn.data.folder import ImageFolder
from minifcn.data.loader import Loader
from minifcn.data.palette import (
    CAMVID_CLASSES,
    VOC_CLASSES,
    camvid_colormap,
    colours_to_label,
    voc_colormap,
)
from minifcn.data.report import Report
from minifcn.data.scenes import SCENE_CLASSES, Scenes, make_scenes, scene
from minifcn.data.transforms import (
    MEAN_BGR,
    Compose,
    HorizontalFlip,
    RandomCrop,
    Resize,
    Scale,
    Shift,
    to_image,
    to_input,
)
from minifcn.data.voc import VOCSegmentation

__all__ = [
    "CAMVID_CLASSES",
    "MEAN_BGR",
    "SCENE_CLASSES",
    "VOC_CLASSES",
    "CamVid",
    "Compose",
    "DataError",
    "Dataset",
    "Difficulty",
    "HorizontalFlip",
    "ImageFolder",
    "Loader",
    "RandomCrop",
    "Report",
    "Resize",
    "Scale",
    "Scenes",
    "Shift",
    "VOCSegmentation",
    "camvid_colormap",
    "colours_to_label",
    "make_scenes",
    "open_dataset",
    "read_image",
    "read_label",
    "scene",
    "to_image",
    "to_input",
    "voc_colormap",
    "write_label",
]
