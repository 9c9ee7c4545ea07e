"""Segment photographs with a trained network.

  minifcn segment photo.jpg --weights runs/train
  minifcn segment *.jpg --weights best.safetensors --out labels
  minifcn segment photo.jpg --weights fcn8s.caffemodel --model deploy.prototxt

For every IMAGE, of any size, two files go to the output folder: NAME.labels.png, the label map as
a palette PNG, and NAME.overlay.png, its colours over the photograph.
"""

from pathlib import Path

from . import options
from .options import UsageError

NAME = "segment"


def add_arguments(parser) -> None:
    """The options."""
    add = parser.add_argument
    add("images", metavar="IMAGE", nargs="+", help="photographs")
    add("--weights", metavar="FILE", required=True, help=options.WEIGHTS)
    options.add_model(add)
    add("--out", metavar="DIR", default=".", help="output folder (default: the current one)")
    add("--alpha", type=float, default=0.5, metavar="A", help="strength of the overlay's colours")


def run(arguments) -> int:
    """One image after the other; names what each one shows."""
    import numpy as np
    from tqdm import tqdm

    from .. import data, train, viz

    stems = {}
    for path in arguments.images:
        other = stems.setdefault(Path(path).stem, path)
        if other is not path:
            raise UsageError(f"{other} and {path}: both would be written to {Path(path).stem}.*")
    out = Path(arguments.out)
    out.mkdir(parents=True, exist_ok=True)
    model, spec = train.load_model(arguments.weights, arguments.model)
    if model.outputs or (model.input_shape and None not in model.input_shape):
        raise UsageError(f"{spec.name} does not score the pixels of a photograph once")
    palette = data.voc_colormap()
    if spec.palette:
        palette[: len(spec.palette)] = spec.palette
    bar = tqdm(arguments.images, "segmenting", unit="image", disable=None, delay=2, leave=False)
    for path in bar:
        image = data.read_image(path)
        labels = train.predict(model, image, spec.preprocessing)
        stem = out / Path(path).stem
        data.write_label(f"{stem}.labels.png", labels, palette)
        overlay = viz.overlay(image, labels, arguments.alpha, palette)
        viz.save_image(f"{stem}.overlay.png", overlay)
        shares = np.bincount(labels.ravel(), minlength=len(spec.class_names)) / labels.size
        order = [k for k in np.argsort(-shares, kind="stable") if shares[k] >= 0.005]
        found = ", ".join(f"{spec.class_names[k]} {shares[k]:.0%}" for k in order)
        bar.write(f"{path}: {found} -> {stem}.labels.png, {stem}.overlay.png")
    return 0
