"""CamVid road scenes as distributed with SegNet: 11 classes, label 11 for void."""

from pathlib import Path

from .dataset import Dataset, entries, paired
from .errors import DataError
from .palette import CAMVID_CLASSES, camvid_colormap

VOID = 11  # the value in the files


class CamVid(Dataset):
    """``train/NAME.png`` (or .jpg) with ``trainannot/NAME.png``, likewise val and test.

    Void, stored as 11, becomes the ignored value 255. Whichever splits exist can be opened;
    DataError names them where another is asked for.
    Brostow, Fauqueur, Cipolla 2009; SegNet's selection of 11 classes, Badrinarayanan et al. 2015.
    """

    def __init__(self, root, split: str = "train"):
        self.root = Path(root)
        self.split = split
        there = camvid_splits(self.root)
        if split not in there:
            raise DataError(
                f"{self.root}: no CamVid split {split!r} ({split}/ with {split}annot/); "
                f"here: {', '.join(there) or 'none'}"
            )
        items = paired(self.root / split, self.root / f"{split}annot")
        super().__init__(items, CAMVID_CLASSES, palette=camvid_colormap(), relabel={VOID: 255})


def camvid_splits(root: Path) -> list[str]:
    """The splits below root: each SPLIT/ that has a SPLITannot/ beside it."""
    names = {path.name for path in entries(root) if path.is_dir()}
    return sorted(name for name in names if f"{name}annot" in names)
