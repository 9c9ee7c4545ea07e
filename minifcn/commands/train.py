"""Train a network on a data set.

  minifcn train --data camvid --model fcn4s-squeezenet --init squeezenet_v1.0.safetensors
  minifcn train --data VOCdevkit/VOC2011 --recipe voc-fcn32s --init VGG_ILSVRC_16_layers.caffemodel
  minifcn train --data photos --kind folder --classes sky,road,car --epochs 20
  minifcn train --resume runs/train

DATA is a folder in the layout of PASCAL VOC, of CamVid (train/ beside trainannot/), or of drawn
scenes; which, is found out. --kind folder takes images/ and masks/ of one's own. Labels are
checked before training starts. The run's folder gets config.json, log.csv, checkpoints
(last, best), curves.png and samples.png; a run that was cut off continues with --resume.
"""

import argparse
import json
import sys
from pathlib import Path

from . import options

NAME = "train"

DEFAULTS = {
    "model": "fcn4s-squeezenet",
    "padding": "aligned",
    "width": 1.0,
    "upsampling": "fixed",
    "solver": "adamw",
    "lr": 3e-4,
    "momentum": 0.9,
    "weight_decay": 1e-4,
    "schedule": "poly",
    "loss": "mean",
    "batch_size": 4,
    "accumulate": 1,
    "epochs": 30,
    "iterations": None,
    "flip": True,
    "crop": None,
    "seed": 0,
    "split": "train",
    "val_split": "val",
    "validate_every": 1,
    "kind": "auto",
    "classes": None,
    "init": None,
    "recorded": False,
}


def add_arguments(parser) -> None:
    """The options; those that a recipe may set have no default of their own here."""
    from ..train.recipes import RECIPES

    add = parser.add_argument
    add("--data", metavar="DIR", help="the data set's folder (with --resume only if it moved)")
    add("--kind", choices=("auto", "scenes", "voc", "camvid", "folder"), help="default: auto")
    add("--classes", metavar="A,B,...", help="class names, for --kind folder")
    add("--split", help="default: train")
    add("--val-split", metavar="SPLIT", help="default: val; 'none' for no validation")
    add("--out", metavar="DIR", help="the run's folder (default: runs/train)")
    add("--resume", metavar="DIR", help="continue the run in this folder")
    add("--recipe", choices=sorted(RECIPES), help="settings by name; other options override them")
    add("--model", type=options.model_name, metavar="NAME", help="see 'minifcn info'")
    add("--padding", choices=("reference", "aligned"),
        help="the authors' 100 pixels and crops, or no waste (default)")  # fmt: skip
    add("--width", type=options.above_zero, metavar="F",
        help="factor on the trunk's channels (default: 1)")  # fmt: skip
    add("--upsampling", choices=("fixed", "learned", "all-learned"), help="default: fixed")
    add("--init", metavar="FILE", help="weights to start from, by the names of the layers: "
        "safetensors, .caffemodel, .pth or Keras's .h5")  # fmt: skip
    add("--epochs", type=options.positive, metavar="N", help="default: 30")
    add("--iterations", type=options.positive, metavar="N", help="solver steps, instead of epochs")
    add("--batch-size", type=options.positive, metavar="N", help="default: 4")
    add("--accumulate", type=options.positive, metavar="N", help="batches a step (default: 1)")
    add("--solver", choices=("sgd", "adamw"), help="default: adamw")
    add("--lr", type=options.above_zero, help="learning rate (default: 3e-4)")
    add("--momentum", type=float, help="for sgd (default: 0.9)")
    add("--weight-decay", type=float, help="default: 1e-4")
    add("--schedule", choices=("poly", "step", "fixed"), help="default: poly")
    add("--loss", choices=("mean", "sum", "batch"),
        help="over valid pixels (default), summed, or summed over pixels and divided by the "
        "batch as the authors do")  # fmt: skip
    add("--flip", action=argparse.BooleanOptionalAction, default=None,
        help="flip half the images (default)")  # fmt: skip
    add("--crop", type=options.size, metavar="HxW", help="train on random crops of this size")
    add("--seed", type=options.seed, metavar="N", help="default: 0")
    add("--recorded", action="store_true", default=None,
        help="on a GPU, record a step's work and replay it: for batches of one size")  # fmt: skip
    add("--validate-every", type=options.positive, metavar="EPOCHS", help="default: 1")


def run(arguments) -> int:
    """Gather the settings, open the data, train."""
    from .. import backends, data, gpu, io, rng, train

    config, folder = _settings(arguments)
    dataset, validation = _open_data(config)
    rng.manual_seed(config["seed"])
    palette = dataset.palette[: dataset.num_classes].tolist()
    how = (config[key] for key in ("padding", "width", "upsampling"))
    spec = train.ModelSpec(config["model"], dataset.class_names, *how, palette)
    weights = None
    if config["init"] and not arguments.resume:
        weights = io.load_weights(config["init"])
        config["preprocessing"] = weights.preprocessing
    spec.preprocessing = data.Preprocessing(**(config.get("preprocessing") or {}))
    model = _build(spec, config["init"], weights)
    loader = _loader(config, dataset, spec.preprocessing)
    steps = -(-len(loader) // config["accumulate"])
    trainer = train.Trainer(
        model,
        _solver(config, model),
        loader,
        iterations=config["iterations"] or config["epochs"] * steps,
        spec=spec,
        folder=folder,
        schedule=train.SCHEDULES[config["schedule"]](),
        accumulate=config["accumulate"],
        reduction=config["loss"],
        validation=validation,
        validate_every=config["validate_every"],
        config=config,
        resume=bool(arguments.resume),
        recorded=config["recorded"],
    )
    print(
        f"{spec.name}: {model.num_parameters():,} parameters; {len(dataset)} images of "
        f"{dataset.num_classes} classes; {trainer.iterations} iterations into {folder}"
    )
    try:
        matrix = trainer.fit()
    except KeyboardInterrupt:
        if (Path(folder) / "last.safetensors").exists():
            print(f"\nstopped; continue with: minifcn train --resume {folder}")
        raise
    if matrix is not None:
        print(matrix.per_class_table(dataset.class_names))
        print(matrix.summary())
    if backends.current_device() == "cuda":
        held = gpu.memory_held() + trainer.gradients.nbytes
        print(f"GPU memory held: {held / 2**20:.0f} MB")
    print(f"wrote {folder}: " + ", ".join(sorted(path.name for path in Path(folder).iterdir())))
    return 0


def _open_data(config: dict):
    """The training and the validation set (or None), every label of both looked at."""
    from .. import data

    extra = {}
    if config["kind"] == "folder":
        if not config["classes"]:
            raise options.UsageError("--kind folder needs --classes")
        extra["class_names"] = config["classes"].split(",")
    opened = [
        data.open_dataset(config["data"], split, config["kind"], **extra)
        for split in (config["split"], config["val_split"])
        if split != "none"
    ]
    for dataset in opened:
        _check(dataset)
    return opened[0], opened[1] if len(opened) > 1 else None


def _build(spec, init: str | None, weights):
    """The net, with the weights of the file ``init`` where there are some. Raises ValueError where
    none is for it."""
    from .. import models

    model = spec.build()
    if weights:
        report = models.copy_weights(model, weights.arrays)
        print(f"{init}: {report}")
        if not report.copied and not report.reshaped:
            raise ValueError(f"{init}: no array has the name of a layer of {spec.name}")
        idle = [name for name in report.zero if not name.startswith("score")]
        if idle:
            print(
                f"warning: {init} leaves {', '.join(idle[:6])} all zero: "
                "nothing behind them sees the image, and nothing before them learns",
                file=sys.stderr,
            )
    return model


def _solver(config: dict, model):
    from .. import train

    if config["solver"] == "sgd":
        return train.Solver(model, config["lr"], config["momentum"], config["weight_decay"])
    return train.Adam(model, config["lr"], weight_decay=config["weight_decay"])


def _loader(config: dict, dataset, preprocessing):
    from .. import data

    size = config["crop"]
    transforms = [data.RandomCrop(tuple(size), preprocessing)] if size else []
    transforms += [data.HorizontalFlip()] if config["flip"] else []
    return data.Loader(
        dataset,
        config["batch_size"],
        shuffle=True,
        seed=config["seed"],
        transform=data.Compose(*transforms) if transforms else None,
        preprocessing=preprocessing,
    )


def _settings(arguments) -> tuple[dict, str]:
    """Options over recipe over defaults; or, resuming, what the run was started with."""
    from ..train.recipes import RECIPES

    given = {key: getattr(arguments, key) for key in (*DEFAULTS, "out", "recipe")}
    given = {key: value for key, value in given.items() if value is not None}
    if arguments.resume:
        if given:
            option = next(iter(given)).replace("_", "-")
            raise options.UsageError(
                f"--{option} cannot be given with --resume, which continues a run as it was begun"
            )
        path = Path(arguments.resume) / "config.json"
        try:
            config = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise FileNotFoundError(f"{path}: no run to continue ({error})") from None
        return config | ({"data": arguments.data} if arguments.data else {}), arguments.resume
    if not arguments.data:
        raise options.UsageError("train needs --data DIR (or --resume DIR)")
    folder, recipe = given.pop("out", "runs/train"), RECIPES.get(given.pop("recipe", None), {})
    config = {**DEFAULTS, **recipe, **given, "data": arguments.data}
    if "epochs" in given and "iterations" not in given:
        config["iterations"] = None
    return config, folder


def _check(dataset) -> None:
    """Look through all labels; raises DataError with the first error, prints warnings."""
    from ..data import DataError

    report = dataset.check()
    if not report.ok:
        more = f" (and {len(report.errors) - 1} more files)" if len(report.errors) > 1 else ""
        raise DataError(report.errors[0] + more)
    for warning in report.warnings:
        print(f"warning: {warning}")
