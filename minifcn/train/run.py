"""The folder of a training run, and what is needed to use its weights again.

config.json        everything that the run was started with
log.csv            a row an iteration, and one a validation
last.safetensors   checkpoint of the last epoch: weights, solver, random state
best.safetensors   weights of the best validation
curves.png         loss, scores and learning rate
samples.png        images, truths and predictions
"""

import csv
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from ..data import CAFFE, Preprocessing
from ..io import atomic_write, write_json
from ..models import build
from ..nn import Net

COLUMNS = (
    "iteration",
    "epoch",
    "loss",
    "lr",
    "images_per_second",
    "pixel_accuracy",
    "mean_accuracy",
    "mean_iu",
    "frequency_weighted_iu",
)


@dataclass
class ModelSpec:
    """How a net was built and what its classes are: stored in every checkpoint."""

    name: str
    class_names: list[str]
    padding: str = "reference"
    width: float = 1.0
    upsampling: str = "fixed"
    palette: list[list[int]] | None = None
    preprocessing: Preprocessing = CAFFE

    def build(self) -> Net:
        """A net of this kind with fresh weights."""
        return build(
            self.name,
            len(self.class_names),
            padding=self.padding,
            width=self.width,
            upsampling=self.upsampling,
        )

    def as_dict(self) -> dict:
        """As plain values for JSON."""
        rule = asdict(self.preprocessing)
        rule |= {key: list(rule[key]) for key in ("mean", "std")}
        return asdict(self) | {"preprocessing": rule}

    @classmethod
    def from_dict(cls, values: dict) -> "ModelSpec":
        """The way back. Raises TypeError for unknown keys and ValueError for wrong values."""
        preprocessing = Preprocessing(**values.get("preprocessing", {}))
        return cls(**{**values, "preprocessing": preprocessing})


def find_checkpoint(path: str | os.PathLike, prefer: str = "best") -> Path:
    """path itself, or in a run's folder the preferred checkpoint, else the other one."""
    path = Path(path)
    if not path.is_dir():
        return path
    for name in (prefer, "best", "last"):
        if (path / f"{name}.safetensors").is_file():
            return path / f"{name}.safetensors"
    raise FileNotFoundError(f"{path}: no checkpoint in this folder (best or last .safetensors)")


class RunFolder:
    """Writes config.json once and log.csv line by line.

    Raises FileExistsError where the folder holds another run already and this one does not
    continue it.
    """

    def __init__(self, path: str | os.PathLike, config: dict, resume: bool = False):
        self.path = Path(path)
        self.path.mkdir(parents=True, exist_ok=True)
        if not resume and (self.path / "log.csv").exists():
            raise FileExistsError(
                f"{self.path}: holds a run already; choose another folder, or continue it "
                "with --resume"
            )
        if not resume:
            write_json(self.path / "config.json", config)
            with open(self.path / "log.csv", "w", newline="", encoding="utf-8") as file:
                csv.writer(file).writerow(COLUMNS)

    def log(self, rows: list[dict]) -> None:
        """Append rows to log.csv."""
        with open(self.path / "log.csv", "a", newline="", encoding="utf-8") as file:
            csv.DictWriter(file, COLUMNS, restval="").writerows(rows)

    def cut_log(self, iteration: int) -> None:
        """Drop rows after an iteration: a run that continues from there writes them anew."""
        log = self.path / "log.csv"
        with open(log, newline="", encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file) if _is_before(row, iteration)]
        with atomic_write(log) as file:
            lines = [",".join(COLUMNS), *(",".join(row[c] or "" for c in COLUMNS) for row in rows)]
            file.write(("\r\n".join(lines) + "\r\n").encode())


def _is_before(row: dict, iteration: int) -> bool:
    number = row.get("iteration") or ""
    complete = all(value is not None for value in row.values())
    return complete and number.isdigit() and int(number) <= iteration
