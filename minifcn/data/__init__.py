"""Data: drawn scenes, VOC, CamVid and one's own folders; transforms; batches.

A data set indexes to (image (H, W, 3) uint8 RGB, label (H, W) uint8). Everything that is wrong
with a file on disk is a DataError of one line that names the file.
"""

from .camvid import CamVid
from .dataset import Dataset
from .detect import open_dataset
from .difficulty import Difficulty
from .errors import DataError
from .files import read_image, read_label, write_label
from .folder import ImageFolder
from .loader import Loader
from .palette import (
    CAMVID_CLASSES,
    VOC_CLASSES,
    camvid_colormap,
    colours_to_label,
    voc_colormap,
)
from .preprocessing import CAFFE, MEAN_BGR, RAW, Preprocessing, to_image, to_input
from .report import Report
from .scenes import SCENE_CLASSES, Scenes, make_scenes, scene
from .transforms import (
    Compose,
    HorizontalFlip,
    RandomCrop,
    Resize,
    Scale,
    Shift,
)
from .voc import VOCSegmentation

__all__ = [
    "CAFFE",
    "CAMVID_CLASSES",
    "MEAN_BGR",
    "RAW",
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
    "Preprocessing",
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
