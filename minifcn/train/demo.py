"""The demo: FCN-32s, 16s and 8s on drawn scenes, each from the one before (paper, section 4.2)."""

import shutil
import time
from pathlib import Path

import numpy as np

from .. import rng
from ..data import HorizontalFlip, Loader, Scenes
from ..metrics import ConfusionMatrix
from ..models import copy_weights
from .evaluate import predict
from .run import ModelSpec
from .schedules import poly, warmup
from .solver import Adam
from .trainer import Trainer

SIZE = (96, 128)  # of the scenes, height and width
SCENES = (1600, 200)  # for training and for validation
BATCH = 8
STAGES = (  # net, iterations, learning rate
    ("fcn32s-mini", 800, 3e-3),
    ("fcn16s-mini", 250, 1e-3),
    ("fcn8s-mini", 250, 1e-3),
)
WARMUP = 30  # iterations


def demo(folder, *, seed: int = 0, quick: int | None = None, progress: bool = True) -> list:
    """Draw the scenes, train the three nets, print the table, draw the picture.

    quick: that many iterations a net on a tenth of the scenes. Returns the three confusion
    matrices. What an earlier demo left in the folder is replaced, except its scenes.
    """
    started = time.perf_counter()
    folder = Path(folder)
    count = SCENES if quick is None else tuple(n // 10 for n in SCENES)
    scenes = folder / ("scenes" if quick is None else "scenes-quick") / f"seed{seed}"
    options = {"num_train": count[0], "num_val": count[1], "size": SIZE, "seed": seed}
    print(f"drawing {sum(count)} scenes of {SIZE[0]}x{SIZE[1]} pixels into {scenes}")
    train, val = (Scenes(scenes, split, **options) for split in ("train", "val"))
    rng.manual_seed(seed)
    previous, matrices, predictions = None, [], []
    for name, iterations, rate in STAGES:
        run = folder / name
        shutil.rmtree(run, ignore_errors=True)
        palette = train.palette[: train.num_classes].tolist()
        spec = ModelSpec(name, train.class_names, "aligned", palette=palette)
        model = spec.build()
        if previous is not None:
            copy_weights(model, previous.state_dict())
        trainer = Trainer(
            model,
            Adam(model, rate),
            Loader(train, BATCH, shuffle=True, seed=seed, transform=HorizontalFlip()),
            iterations=iterations if quick is None else quick,
            spec=spec,
            folder=run,
            schedule=warmup(poly(), WARMUP),
            validation=val,
            validate_every=10**9,  # at the end
            config={"model": name, "iterations": iterations, "lr": rate, "seed": seed},
            progress=progress,
            title=name,
        )
        print(f"{name}: {trainer.iterations} iterations of {BATCH} scenes")
        matrices.append(trainer.fit())
        predictions.append((name.split("-")[0].replace("fcn", "FCN-"), model.eval()))
        previous = model
    labels = [val[i][1] for i in range(len(val))]
    picture = _draw(folder / "demo.png", val, labels, predictions)
    guess = ConfusionMatrix(val.num_classes, val.ignore_index)
    for label in labels:
        guess.update(label, np.zeros_like(label))
    titles = ["all background", *(title for title, _ in predictions)]
    print()
    print(_table(titles, [guess, *matrices]))
    print(f"\n{picture}: image, truth and the three predictions")
    print(f"{time.perf_counter() - started:.0f} s in all")
    return matrices


def _draw(path: Path, val, labels, nets, count: int = 5) -> Path:
    """The scenes with the most classes, which show most, and every net's prediction."""
    from .. import viz

    richness = [len(np.unique(label)) for label in labels]
    chosen = np.argsort(richness, kind="stable")[::-1][:count]
    images = [val[i][0] for i in chosen]
    columns = [(title, [predict(model, image) for image in images]) for title, model in nets]
    truths = [labels[i] for i in chosen]
    viz.draw_samples(path, images, truths, columns, val.class_names, val.palette)
    return path


def _table(titles, matrices) -> str:
    measures = ("pixel_accuracy", "mean_accuracy", "mean_iu", "frequency_weighted_iu")
    heads = ("pixel acc.", "mean acc.", "mean IU", "f.w. IU")
    lines = [f"{'':14}" + "".join(f"{head:>12}" for head in heads)]
    for title, matrix in zip(titles, matrices, strict=True):
        values = (100 * getattr(matrix, measure) for measure in measures)
        lines.append(f"{title:14}" + "".join(f"{value:12.1f}" for value in values))
    return "\n".join(lines)
