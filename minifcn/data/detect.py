"""Opening a data set by its folder alone."""

from pathlib import Path

from .camvid import CamVid, camvid_splits
from .dataset import Dataset, entries
from .errors import DataError
from .folder import ImageFolder
from .scenes import RECORD, Scenes
from .voc import LISTS, VOCSegmentation, find_voc

_KINDS = {"scenes": Scenes, "voc": VOCSegmentation, "camvid": CamVid}


def open_dataset(root, split: str = "train", kind: str = "auto", **options) -> Dataset:
    """Opens the data set in root: kind "scenes", "voc", "camvid", or "auto" to look which.

    "auto" takes a scenes.json for drawn scenes, ImageSets/Segmentation (also below a VOCdevkit)
    for VOC, and SPLIT/ beside SPLITannot/ for CamVid. kind="folder" opens the subfolders images/
    and masks/ of root, or of root/SPLIT where that exists; it needs num_classes or class_names.
    options go to the data set's class. Raises DataError where the layout is none of these.
    """
    if kind == "folder":
        base = Path(root) / split if (Path(root) / split).is_dir() else Path(root)
        return ImageFolder(base / "images", base / "masks", **options)
    if kind == "auto":
        kind = detect(root)
    if kind not in _KINDS:
        raise ValueError(f"kind {kind!r} is none of auto, {', '.join(_KINDS)}, folder")
    return _KINDS[kind](root, split, **options)


def detect(root) -> str:
    """ "scenes", "voc" or "camvid", by what the folder holds; DataError where it is neither."""
    root = Path(root)
    names = sorted(path.name for path in entries(root))
    if RECORD in names:
        return "scenes"
    try:
        find_voc(root)
    except DataError:
        if camvid_splits(root):
            return "camvid"
    else:
        return "voc"
    some = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
    raise DataError(
        f"{root}: no known data set: neither {RECORD} (drawn scenes), nor {LISTS} (VOC), nor "
        f"train/ beside trainannot/ (CamVid); it holds {some or 'nothing'}"
    )
