"""What every data set here is: pairs of files with checked labels, indexed by number."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .errors import DataError
from .files import read_image, read_label
from .palette import voc_colormap
from .report import Report, check

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".ppm", ".tif", ".tiff", ".webp")


class Dataset:
    """A list of (name, image file, label file): ``dataset[i]`` is (image, label).

    image is (H, W, 3) uint8 RGB; label is (H, W) uint8 with values below num_classes, or
    ignore_index where no class is known. Files are read, and checked, when indexed.
    Raises DataError from an index whose files are missing, damaged, mislabelled or of two sizes.
    """

    def __init__(
        self,
        items: Sequence[tuple[str, Path, Path]],
        class_names: Sequence[str],
        ignore_index: int = 255,
        palette: np.ndarray | None = None,
        relabel: dict[int, int] | None = None,
    ):
        self._items = list(items)
        self._relabel = relabel
        self.class_names = list(class_names)
        self.num_classes = len(self.class_names)
        self.ignore_index = ignore_index
        self.palette = voc_colormap() if palette is None else palette
        if not 1 <= self.num_classes <= 256:
            raise ValueError(f"labels are bytes: 1 to 256 classes, not {self.num_classes}")
        if not 0 <= ignore_index <= 255:
            raise ValueError(f"ignore_index is a byte, 0 to 255, not {ignore_index}")

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, i: int) -> tuple[np.ndarray, np.ndarray]:
        _, image_path, label_path = self._items[i]
        image = read_image(image_path)
        label = read_label(label_path, self.num_classes, self.ignore_index, self._relabel)
        if label.shape != image.shape[:2]:
            (h, w), (H, W) = label.shape, image.shape[:2]
            turned = "; turned by a quarter: was an EXIF rotation applied to one of them?"
            raise DataError(
                f"{label_path}: label of {h} x {w} (height x width) for an image of {H} x {W}, "
                f"{image_path}{turned if (w, h) == (H, W) else ''}"
            )
        return image, label

    def name(self, i: int) -> str:
        """The id of sample i, for messages and output files."""
        return self._items[i][0]

    def paths(self, i: int) -> tuple[Path, Path]:
        """The image and label file of sample i."""
        return self._items[i][1:]

    def check(self, n: int | None = None, progress: bool = True) -> Report:
        """Reads n samples, spread evenly, or all of them; see minifcn.data.report."""
        return check(self, n, progress)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self)} images, {self.num_classes} classes)"


def listing(folder: Path, suffixes: Sequence[str]) -> dict[str, Path]:
    """The files of a folder with one of the suffixes, by stem, in order of their names.

    Hidden files are passed over. Raises DataError where the folder is missing or unreadable, or
    where two files share a stem.
    """
    found: dict[str, Path] = {}
    for path in sorted(entries(folder)):
        if path.suffix.lower() not in suffixes or path.name.startswith("."):
            continue
        if path.stem in found:
            raise DataError(f"{folder}: both {found[path.stem].name} and {path.name}: which one?")
        found[path.stem] = path
    return found


def entries(folder: Path) -> list[Path]:
    """What a folder holds. Raises DataError where it is missing, a file, or not to be read."""
    try:
        return list(Path(folder).iterdir())
    except FileNotFoundError:
        raise DataError(f"{folder}: no such folder") from None
    except NotADirectoryError:
        raise DataError(f"{folder}: a file where a folder is expected") from None
    except PermissionError:
        raise DataError(f"{folder}: no permission to read this folder") from None


def paired(images: Path, masks: Path) -> list[tuple[str, Path, Path]]:
    """The files of two folders joined by stem: cat.jpg belongs to cat.png.

    Raises DataError where one side has no partner or where there is no pair at all.
    """
    left, right = listing(images, IMAGE_SUFFIXES), listing(masks, IMAGE_SUFFIXES)
    require_partners(left, right, images, masks, "mask")
    require_partners(right, left, masks, images, "image")
    if not left:
        raise DataError(f"{images}: no image ({' '.join(IMAGE_SUFFIXES)}) in this folder")
    return [(stem, path, right[stem]) for stem, path in left.items()]


def require_partners(names, partners, here: Path, there: Path, what: str) -> None:
    """Raises DataError if a name has no partner, with the first and how many there are."""
    alone = [name for name in names if name not in partners]
    if alone:
        more = f" (and for {len(alone) - 1} more)" if len(alone) > 1 else ""
        raise DataError(f"{here}: no {what} for {alone[0]} in {there}{more}")
