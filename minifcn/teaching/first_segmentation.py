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


def _counted(labels, predictions) -> ConfusionMatrix:
    return ConfusionMatrix(max(labels[labels != VOID].max(), predictions.max()) + 1).update(
        labels, predictions
    )


def _draw(rng) -> tuple[np.ndarray, np.ndarray]:
    labels, predictions = rng.integers(0, 3, (2, 5, 7))
    labels[rng.random(labels.shape) < 0.2] = VOID
    labels[0, 0] = predictions[0, 0] = 2  # so that each of the three classes occurs
    return labels, predictions


def _draw_with_class(rng) -> tuple[np.ndarray, np.ndarray, int]:
    return *_draw(rng), int(rng.integers(0, 3))


def _void_does_not_matter(*further) -> Law:
    """further: arguments behind the two maps."""

    def test(attempt, rng):
        labels, predictions = _draw(rng)
        others = np.where(labels == VOID, 0, predictions)
        first, second = (attempt(labels, guess, *further) for guess in (predictions, others))
        if not abs(first - second) < 1e-12:
            return f"{first} becomes {second} when only predictions at void pixels change"
        return None

    return Law("void pixels do not matter", test)


def _share(part: np.ndarray, whole: np.ndarray) -> float:
    return part.sum() / whole.sum()


check_pixel_accuracy = Exercise(
    lambda labels, predictions: _counted(labels, predictions).pixel_accuracy,
    hand=[
        Case((np.array([[0, 1], [1, 255]]), np.array([[0, 1], [0, 1]])), 2 / 3),
        Case((TRUTH, GUESS), 3 / 5),
    ],
    draw=_draw,
    laws=[_void_does_not_matter()],
    mistakes={
        "void pixels counted as wrong": lambda labels, predictions: _share(
            labels == predictions, np.ones_like(labels)
        ),
        "the background left out": lambda labels, predictions: _share(
            (labels == predictions) & (labels > 0), (labels > 0) & (labels != VOID)
        ),
    },
    shown=ConfusionMatrix.pixel_accuracy.fget,
    hint="valid = labels != 255; compare labels[valid] with predictions[valid]",
)

check_iu = Exercise(
    lambda labels, predictions, k: _counted(labels, predictions).iu[k],
    hand=[
        # Class 1: two pixels of truth, two of the guess that are not void, one of both.
        Case((TRUTH, GUESS, 1), 1 / 3),
        # Class 0: three pixels of truth, three of the guess, two of both.
        Case((TRUTH, GUESS, 0), 2 / 4),
    ],
    draw=_draw_with_class,
    laws=[_void_does_not_matter(2)],
    mistakes={
        "void pixels counted into the union": lambda labels, predictions, k: _share(
            (labels == k) & (predictions == k), (labels == k) | (predictions == k)
        ),
        "the intersection counted twice": lambda labels, predictions, k: (
            ((labels == k) & (predictions == k)).sum()
            / ((labels == k).sum() + ((predictions == k) & (labels != VOID)).sum())
        ),
        "the share of the truth that was found": lambda labels, predictions, k: _share(
            (labels == k) & (predictions == k), labels == k
        ),
    },
    shown=ConfusionMatrix.iu.fget,
    hint="first forget the void pixels in both maps; then count 'and' and 'or'",
)
