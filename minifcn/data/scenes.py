"""Scenes: a data set that draws itself, so that everything here runs without a download.

Twenty kinds of drawn objects over cluttered backdrops, written to disk exactly as PASCAL VOC
is, so that what learns from the one learns from the other. Sample i of a split depends on
(seed, split, i), the size and the difficulty alone, whatever the number of samples; the files
are the same to the byte with the same versions of NumPy and Pillow.
"""

import json
import shutil
import tempfile
from dataclasses import asdict
from pathlib import Path

import numpy as np

from .compose import SCENE_CLASSES, draw_scene
from .difficulty import Difficulty
from .errors import DataError
from .files import indexed
from .voc import LISTS, VOCSegmentation

FORMAT = 1  # raised when the same numbers draw other pictures
RECORD = "scenes.json"
_SPLITS = {"train": 0, "val": 1}


class Scenes(VOCSegmentation):
    """The drawn scenes at root, as a data set of 21 classes; drawn now if root is missing.

    What is there is opened as it is, unless num_train, num_val, size (H, W), seed or difficulty
    ask for something else than what it was drawn with: then a DataError tells the difference.
    Where nothing is there, the defaults of make_scenes apply. split: train, val or trainval.
    """

    def __init__(
        self,
        root,
        split: str = "train",
        *,
        num_train: int | None = None,
        num_val: int | None = None,
        size: tuple[int, int] | None = None,
        seed: int | None = None,
        difficulty: Difficulty | None = None,
    ):
        wanted = {
            "num_train": num_train, "num_val": num_val, "size": size, "seed": seed,
            "difficulty": difficulty,
        }  # fmt: skip
        recorded = _recorded(Path(root))
        if recorded is not None:
            wanted = {k: recorded[k] if v is None else v for k, v in wanted.items()}
        make_scenes(root, **{k: v for k, v in wanted.items() if v is not None})
        super().__init__(root, split, SCENE_CLASSES)


def make_scenes(
    root,
    num_train: int = 800,
    num_val: int = 200,
    size: tuple[int, int] = (96, 128),
    seed: int = 0,
    difficulty: Difficulty | None = None,
    *,
    overwrite: bool = False,
    progress: bool = True,
) -> Path:
    """Draws num_train + num_val scenes of size (H, W) into root, in the layout of VOC 2011.

    JPEGImages/*.jpg, SegmentationClass/*.png (palette, 255 in borders), ImageSets/Segmentation/
    {train,val,trainval}.txt and scenes.json. The folder appears complete or not at all. A data
    set already there is kept where it was drawn from the same numbers, and drawn again where
    files of it have gone. Returns root. Raises DataError where root holds scenes drawn from
    other numbers (overwrite=True replaces them) or anything else (never replaced).
    """
    root = Path(root)
    if min(num_train, num_val) < 1 or len(size) != 2 or min(size) < 32 or seed < 0:
        raise ValueError(
            f"at least one image a split, 32 pixels a side and a seed of 0 or more, not "
            f"{num_train} and {num_val} images of size {tuple(size)}, seed {seed}"
        )
    record = {
        "format": FORMAT, "seed": int(seed), "num_train": int(num_train),
        "num_val": int(num_val), "size": [int(n) for n in size], "classes": SCENE_CLASSES,
        "difficulty": asdict(difficulty or Difficulty()),
    }  # fmt: skip
    record = json.loads(json.dumps(record))
    if _usable(root, record, overwrite):
        return root
    target = root.resolve()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    except OSError as error:
        raise DataError(f"{root}: cannot be written ({error.strerror})") from None
    try:
        draft.chmod(0o755)
        _write_all(draft, record, difficulty or Difficulty(), progress)
        if target.is_dir():
            shutil.rmtree(target)
        draft.rename(target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return root


def scene(seed: int, split: str, i: int, size=(96, 128), difficulty: Difficulty | None = None):
    """Sample i of a split: image (H, W, 3) uint8 RGB and label (H, W) uint8, not yet a JPEG.

    The first kind is dealt from a shuffled pack of all twenty, one pack for every twenty
    samples, so that each kind comes up; the others are drawn evenly. split: train or val.
    """
    difficulty = difficulty or Difficulty()
    number = _SPLITS[split]
    kinds = len(SCENE_CLASSES) - 1
    pack = np.random.default_rng([seed, number, i // kinds, 1]).permutation(kinds)
    rng = np.random.default_rng([seed, number, i, 2])
    chances = np.asarray(difficulty.object_counts) / np.sum(difficulty.object_counts)
    count = 1 + int(rng.choice(len(chances), p=chances))
    chosen = [1 + int(pack[i % kinds]), *(1 + rng.integers(0, kinds, count - 1)).tolist()]
    return draw_scene(rng, rng.permutation(chosen).tolist(), tuple(size), difficulty)


def _write_all(folder: Path, record: dict, difficulty: Difficulty, progress: bool) -> None:
    """Every file of the data set, the record last."""
    from PIL import Image
    from tqdm import tqdm

    for sub in ("JPEGImages", "SegmentationClass", LISTS):
        (folder / sub).mkdir(parents=True)
    tasks = [(split, i) for split in _SPLITS for i in range(record[f"num_{split}"])]
    hidden = None if progress else True  # None: hidden unless standard error is a terminal
    for split, i in tqdm(tasks, "drawing scenes", unit="image", disable=hidden, delay=2):
        image, label = scene(record["seed"], split, i, record["size"], difficulty)
        path = folder / "JPEGImages" / f"{_name(split, i)}.jpg"
        Image.fromarray(image).save(path, quality=92, subsampling=0)
        path = folder / "SegmentationClass" / f"{_name(split, i)}.png"
        indexed(label).save(path)
    lists = {s: [_name(*task) for task in tasks if task[0] == s] for s in _SPLITS}
    lists["trainval"] = [_name(*task) for task in tasks]
    for split, names in lists.items():
        text = "".join(f"{name}\n" for name in names)
        (folder / LISTS / f"{split}.txt").write_text(text, encoding="utf-8")
    (folder / RECORD).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def _name(split: str, i: int) -> str:
    return f"{split}_{i:06d}"


def _usable(root: Path, record: dict, overwrite: bool) -> bool:
    """Whether root holds, complete, what record describes; False where it may be drawn."""
    if root.is_file():
        raise DataError(f"{root}: a file where the folder of the scenes is expected")
    if not root.is_dir() or not any(root.iterdir()):
        return False
    there = _recorded(root)
    if there is None:
        raise DataError(f"{root}: holds no {RECORD}: not drawn here, so it is left alone")
    there["difficulty"] = asdict(there["difficulty"])
    there["difficulty"] = json.loads(json.dumps(there["difficulty"]))
    unlike = [k for k in record if record[k] != there.get(k)]
    if unlike and not overwrite:
        said = "; ".join(_difference(k, there.get(k), record[k]) for k in unlike)
        raise DataError(f"{root}: holds other scenes: {said} (another folder, or overwrite=True)")
    return not unlike and _complete(root, record)


def _difference(key: str, there, wanted) -> str:
    if key in ("difficulty", "classes"):
        return f"another {key}"
    return f"{key} is {there}, not {wanted}"


def _complete(root: Path, record: dict) -> bool:
    """Whether every file that the record speaks of exists and is not empty."""
    names = [_name(s, i) for s in _SPLITS for i in range(record[f"num_{s}"])]
    files = [root / "JPEGImages" / f"{name}.jpg" for name in names]
    files += [root / "SegmentationClass" / f"{name}.png" for name in names]
    files += [root / LISTS / f"{split}.txt" for split in (*_SPLITS, "trainval")]
    return all(path.is_file() and path.stat().st_size for path in files)


def _recorded(root: Path) -> dict | None:
    """The record in root with its difficulty rebuilt, or None where there is no record."""
    try:
        record = json.loads((root / RECORD).read_text(encoding="utf-8"))
        record["difficulty"] = Difficulty(**record["difficulty"])
        for key in ("size", "num_train", "num_val", "seed"):
            record[key]
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{root / RECORD}: not a record of drawn scenes ({error})") from None
    return record
