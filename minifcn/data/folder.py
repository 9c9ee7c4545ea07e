"""One's own data: a folder of images and a folder of masks."""

from collections.abc import Sequence
from pathlib import Path

from .dataset import Dataset, paired


class ImageFolder(Dataset):
    """``images/cat.jpg`` with ``masks/cat.png``: two folders, paired by the stem of the names.

    Give class_names, or num_classes where the classes have no names. Masks hold class numbers
    0..num_classes-1, one byte a pixel, and ignore_index where a pixel has no class.
    Raises DataError where an image has no mask or a mask no image.
    """

    def __init__(
        self,
        images,
        masks,
        num_classes: int | None = None,
        class_names: Sequence[str] | None = None,
        ignore_index: int = 255,
    ):
        if class_names is None:
            if num_classes is None:
                raise ValueError("give num_classes or class_names")
            class_names = [f"class {k}" for k in range(num_classes)]
        elif num_classes not in (None, len(class_names)):
            raise ValueError(f"num_classes {num_classes}, but {len(class_names)} class names")
        super().__init__(paired(Path(images), Path(masks)), class_names, ignore_index)
