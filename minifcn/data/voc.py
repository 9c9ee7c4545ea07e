"""PASCAL VOC segmentation, and any data set laid out like it."""

from collections.abc import Sequence
from pathlib import Path

from .dataset import IMAGE_SUFFIXES, Dataset, entries, listing, require_partners
from .errors import DataError
from .palette import VOC_CLASSES

LISTS = Path("ImageSets/Segmentation")
# where the archives of the challenge unpack to, below the folder one is given
_NESTED = ("VOCdevkit/VOC20*", "VOC20*", "TrainVal/VOCdevkit/VOC20*", "VOCtrainval*/VOC20*")


class VOCSegmentation(Dataset):
    """``JPEGImages/ID.jpg`` with ``SegmentationClass/ID.png``, the IDs in one list a split.

    root holds these folders and ``ImageSets/Segmentation/SPLIT.txt``, or holds a ``VOCdevkit``
    (the newest year in it is taken). Labels are palette PNGs read as indices, 255 ignored.
    Raises DataError where the list, an image or a mask is missing, or the list is empty.
    Everingham et al., The PASCAL Visual Object Classes challenge.
    """

    def __init__(self, root, split: str = "train", class_names: Sequence[str] = VOC_CLASSES):
        self.root = find_voc(root)
        self.split = split
        names = _read_list(self.root, split)
        images = listing(self.root / "JPEGImages", IMAGE_SUFFIXES)
        masks = listing(self.root / "SegmentationClass", (".png",))
        where = self.root / LISTS / f"{split}.txt"
        require_partners(names, images, where, self.root / "JPEGImages", "image")
        require_partners(names, masks, where, self.root / "SegmentationClass", "mask")
        super().__init__([(n, images[n], masks[n]) for n in names], class_names)


def find_voc(root) -> Path:
    """The folder with ImageSets/Segmentation: root, or the newest VOC20.. below it."""
    root = Path(root)
    entries(root)  # a clear error if there is no such folder
    found = [p for pattern in _NESTED for p in root.glob(pattern) if (p / LISTS).is_dir()]
    if (root / LISTS).is_dir():
        return root
    if not found:
        raise DataError(f"{root}: no {LISTS} here or in a VOCdevkit/VOC20.. below")
    return max(found, key=lambda path: path.name)


def _read_list(root: Path, split: str) -> list[str]:
    """The ids in a split's list, one a line."""
    path = root / LISTS / f"{split}.txt"
    try:
        names = path.read_text(encoding="utf-8").split()
    except FileNotFoundError:
        there = ", ".join(sorted(p.stem for p in entries(root / LISTS) if p.suffix == ".txt"))
        raise DataError(f"{path}: no such list; this folder has: {there or 'none'}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: this list cannot be read ({error})") from None
    if not names:
        raise DataError(f"{path}: this list is empty")
    if len(set(names)) < len(names):
        twice = next(name for i, name in enumerate(names) if name in names[:i])
        raise DataError(f"{path}: {twice} is listed twice")
    return names
