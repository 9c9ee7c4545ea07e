"""Scenes of a few kinds, their colours, and the exercises of tutorial 00: what a prediction is
worth, from two label maps."""

from collections.abc import Sequence

import numpy as np

from ..data.compose import SCENE_CLASSES, draw_scene
from ..data.difficulty import Difficulty
from ..metrics import ConfusionMatrix
from .exercise import Case, Exercise, Law

# Black, and colours that everyone can tell apart (Okabe and Ito 2008)
_HEX = "000000 0072b2 d55e00 009e73 cc79a7 e69f00 56b4e9 f0e442 999999"
VOID = 255
PALETTE = np.array([list(bytes.fromhex(colour)) for colour in _HEX.split()], np.uint8)


def draw_scenes(
    kinds: Sequence[str], count: int, size: tuple[int, int], seed: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Drawn scenes (``minifcn.data.scenes``) with one to four objects of these kinds only.

    Returns a list of pairs: image (H, W, 3) uint8 RGB, and label (H, W) uint8 with 0 for the
    background, 1 for the first kind and so on, 255 (void) around objects. Raises ValueError for a
    kind that is none of ``data.SCENE_CLASSES``.
    """
    numbers = [SCENE_CLASSES.index(kind) for kind in kinds]
    renamed = np.zeros(256, np.uint8)
    renamed[[*numbers, VOID]] = [*range(1, len(kinds) + 1), VOID]
    scenes = []
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        chosen = rng.choice(numbers, rng.integers(1, 5)).tolist()
        image, label = draw_scene(rng, chosen, size, Difficulty())
        scenes.append((image, renamed[label]))
    return scenes


def draw_labels(axes, label: np.ndarray, title: str = "") -> None:
    """A label map in the colours of PALETTE, void white, on Matplotlib axes."""
    from ..viz import colorize

    axes.imshow(colorize(label, PALETTE))
    axes.set_title(title)
    axes.axis("off")


def draw_legend(figure, names: Sequence[str], columns: int | None = None) -> None:
    """The names of the classes with their colours, below a figure's panels."""
    from matplotlib.patches import Patch

    colours = [*(PALETTE[: len(names)] / 255), (1, 1, 1)]
    patches = [
        Patch(facecolor=colour, edgecolor="#888888", label=name)
        for colour, name in zip(colours, [*names, "void"], strict=True)
    ]
    count = columns or len(patches)
    figure.legend(handles=patches, loc="outside lower center", ncols=count, frameon=False)


TRUTH = np.array([[1, 1, 0], [255, 0, 0]])
GUESS = np.array([[1, 0, 0], [1, 1, 0]])


def _counted(labels, predictions, K) -> ConfusionMatrix:
    return ConfusionMatrix(K).update(labels, predictions)


def _draw(rng) -> tuple[np.ndarray, np.ndarray, int]:
    """Of five classes, 3 is predicted where it never is, and 4 occurs in neither map."""
    labels, predictions = rng.integers(0, 3, (5, 7)), rng.integers(0, 4, (5, 7))
    labels[rng.random(labels.shape) < 0.2] = VOID
    labels[0, :3], predictions[0, :4] = (0, 1, 2), (0, 1, 2, 3)
    return labels, predictions, 5


def _void_does_not_matter(attempt, rng):
    labels, predictions, K = _draw(rng)
    others = np.where(labels == VOID, 0, predictions)
    first, second = (attempt(labels, guess, K) for guess in (predictions, others))
    if not abs(first - second) < 1e-12:
        return f"{first} becomes {second} when only predictions at void pixels change"
    return None


def _recall(labels, predictions, K, absent=np.nan) -> list[float]:
    """The share of each class's pixels that was found."""
    found = [predictions[labels == k] == k for k in range(K)]
    return [hits.mean() if hits.size else absent for hits in found]


def _weighted(labels, predictions, K, void=VOID, weigh=lambda labels, predictions: labels):
    """Frequency weighted IU, but pixels labelled ``void`` are left out, others weighed."""
    total, valid = 0.0, labels != void
    weights = weigh(labels, predictions)[labels != VOID]
    for k in range(K):
        truth, guess = (labels == k)[valid], (predictions == k)[valid]
        if truth.any() or guess.any():
            total += (weights == k).mean() * (truth & guess).sum() / (truth | guess).sum()
    return total


check_mean_accuracy = Exercise(
    lambda labels, predictions, K: _counted(labels, predictions, K).mean_accuracy,
    hand=[
        # Of three pixels of class 0 two are found, of two of class 1 one.
        Case((TRUTH, GUESS, 2), (2 / 3 + 1 / 2) / 2),
        # A third class that does not occur changes nothing.
        Case((TRUTH, GUESS, 3), (2 / 3 + 1 / 2) / 2),
    ],
    draw=_draw,
    laws=[Law("void pixels do not matter", _void_does_not_matter)],
    mistakes={
        "pixel accuracy": lambda labels, predictions, K: (labels == predictions)[
            labels != VOID
        ].mean(),
        "a class without pixels counts as 0": lambda labels, predictions, K: np.mean(
            _recall(labels, predictions, K, absent=0.0)
        ),
        "the share of what was claimed that is right": lambda labels, predictions, K: np.nanmean(
            _recall(np.where(labels == VOID, VOID, predictions), labels, K)
        ),
    },
    shown=ConfusionMatrix.accuracy.fget,
    hint="for each k in the labels: the mean of predictions[labels == k] == k",
)

check_weighted_iu = Exercise(
    lambda labels, predictions, K: _counted(labels, predictions, K).frequency_weighted_iu,
    hand=[
        # Class 0: three pixels of five, IU 2/4. Class 1: two pixels of five, IU 1/3.
        Case((TRUTH, GUESS, 2), 3 / 5 * 2 / 4 + 2 / 5 * 1 / 3),
        Case((TRUTH, GUESS, 3), 3 / 5 * 2 / 4 + 2 / 5 * 1 / 3),
    ],
    draw=_draw,
    laws=[Law("void pixels do not matter", _void_does_not_matter)],
    mistakes={
        "void pixels counted into the union": lambda labels, predictions, K: _weighted(
            labels, predictions, K, void=None
        ),
        "weighed by what was predicted": lambda labels, predictions, K: _weighted(
            labels, predictions, K, weigh=lambda labels, predictions: predictions
        ),
        "the share of the truth that was found": lambda labels, predictions, K: np.nansum(
            np.multiply(
                _recall(labels, predictions, K, absent=0.0),
                [(labels == k).sum() / (labels != VOID).sum() for k in range(K)],
            )
        ),
    },
    shown=ConfusionMatrix.frequency_weighted_iu.fget,
    hint="keep the pixels whose label is not void; a class without any has no share, and adds 0",
)
