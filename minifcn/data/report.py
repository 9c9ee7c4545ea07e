"""A look through a whole data set before training on it: class shares, and every bad file."""

from dataclasses import dataclass, field

import numpy as np

from .errors import DataError


@dataclass
class Report:
    """What ``dataset.check()`` found; ``print(report)`` shows it as a table.

    pixels[k] counts the pixels of class k, ignored those of the ignore index, over all readable
    samples. errors holds one line for each sample that cannot be used, warnings one for each
    oddity that training survives. ok is True where there are no errors.
    """

    class_names: list[str]
    checked: int = 0
    pixels: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    ignored: int = 0
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.errors

    @property
    def ignored_share(self) -> float:
        """ignored / (ignored + sum of pixels), 0 where nothing was read."""
        return self.ignored / max(1, self.ignored + int(self.pixels.sum()))

    @property
    def shares(self) -> np.ndarray:
        """pixels[k] / sum of pixels: each class's share of the labelled pixels, (K,) float64."""
        return self.pixels / max(1, int(self.pixels.sum()))

    def __str__(self) -> str:
        width = max(map(len, self.class_names))
        rows = zip(self.class_names, self.shares, strict=True)
        lines = [f"{self.checked} samples, {self.ignored_share:.2%} of the pixels ignored"]
        lines += [f"  {name:{width}}  {share:7.2%}" for name, share in rows]
        lines += [f"warning: {text}" for text in self.warnings]
        lines += [f"error: {text}" for text in self.errors]
        return "\n".join(lines)


def check(dataset, n: int | None = None, progress: bool = True) -> Report:
    """Reads n samples of a data set, spread evenly over it, or all where n is None.

    A sample that cannot be read becomes a line in the report's errors and the look goes on. With
    progress, a bar on standard error appears if it is a terminal and the work takes a while.
    """
    from tqdm import tqdm

    report = Report(dataset.class_names, pixels=np.zeros(dataset.num_classes, np.int64))
    report.checked = len(dataset) if n is None else min(n, len(dataset))
    indices = np.linspace(0, len(dataset) - 1, report.checked).round().astype(int).tolist()
    hidden = None if progress else True  # None: hidden unless standard error is a terminal
    for i in tqdm(indices, "checking labels", unit="image", disable=hidden, delay=2):
        try:
            _, label = dataset[i]
        except DataError as error:
            report.errors.append(str(error))
            continue
        counts = np.bincount(label.ravel(), minlength=256)
        ignored = int(counts[dataset.ignore_index])
        counts[dataset.ignore_index] = 0
        report.pixels += counts[: dataset.num_classes]
        report.ignored += ignored
        if ignored == label.size:
            report.warnings.append(f"{dataset.name(i)}: every pixel is ignored, nothing to learn")
    _warn_of_shares(report, whole=n is None or n >= len(dataset))
    return report


def _warn_of_shares(report: Report, whole: bool) -> None:
    present = np.flatnonzero(report.pixels)
    if len(present) == 1:
        only = report.class_names[present[0]]
        report.warnings.append(
            f"every labelled pixel is {only!r}: is another class stored as the ignored value?"
        )
    absent = [n for n, c in zip(report.class_names, report.pixels, strict=True) if not c]
    if absent and len(present) > 1 and whole:
        report.warnings.append(f"no pixel of {', '.join(absent)}")
    if report.ignored_share > 0.5:
        report.warnings.append(f"{report.ignored_share:.0%} of all pixels are ignored")
