"""Derive where every map of a network looks.

  minifcn geometry fcn16s-alexnet --size 480x640
  minifcn geometry --table
  minifcn geometry fcn8s-vgg16 --least-padding
  minifcn geometry fcn8s-vgg16 --image street.jpg --pixel 200,310 --out field.png
  minifcn geometry squeezenet --dense --size 90x120 --out dense.png

Layer by layer: size, stride, receptive field, coordinate map, crop offset, parameters,
multiply-adds and the memory of the map; then, for every upsampling layer, why its kernel has the
size that it has. Nothing is computed but shapes. --table prints the structural rows of the paper's
Table 1; --least-padding the smallest padding of the first layer with which images of every size
are covered; --image draws over a picture what one pixel of the scores, and of the layers before
them, sees. --dense compares the ways to score every pixel, on images of --size: interpolation,
shift-and-stitch, partial and full rarefaction: passes, multiply-adds and memory, counted; memory
and seconds, measured with random weights where the maps take at most --memory; and draws them.
"""

import argparse

from . import options
from .options import UsageError

NAME = "geometry"
LAYERS = ("pool", "fc7", "score")  # whose fields are drawn, by the start of the name


def add_arguments(parser) -> None:
    """The options."""
    add = parser.add_argument
    add("model", type=options.any_model_name, metavar="MODEL", nargs="?",
        help="a name (see 'minifcn info'), or a .prototxt")  # fmt: skip
    add("--table", action="store_true", help="the structural rows of the paper's Table 1")
    options.add_net(add)
    add("--least-padding", action="store_true",
        help="of the first layer, for images of 1 to 700 pixels")  # fmt: skip
    add("--image", metavar="FILE", help="a picture to draw receptive fields over")
    add("--pixel", type=_pixel, metavar="ROW,COLUMN", help="default: the middle of the picture")
    add("--dense", action="store_true", help="what dense prediction costs, each way")
    add("--memory", type=options.positive, default=2048, metavar="MB",
        help="of the maps, up to which --dense runs a way (default: 2048)")  # fmt: skip
    add("--out", metavar="FILE", help="default: field.png, or dense.png")


def run(arguments) -> int:
    """Build without weights, trace, print."""
    from .. import geometry, models
    from ..models import paper

    if arguments.table:
        print(paper.table1())
    if arguments.model is None:
        if not arguments.table:
            raise UsageError("which MODEL? There are: " + ", ".join(models.names()))
        return 0
    if arguments.dense:
        return _dense(arguments)
    model = options.build_net(arguments)
    if arguments.image:
        return _draw(arguments, model)
    print(geometry.summary(model, arguments.size))
    for line in geometry.why_these_kernels(model):
        print(line)
    if arguments.least_padding:
        name, least = _least(geometry, model)
        print(f"{name} needs a padding of {least}: it covers images of 1 to 700 pixels")
    return 0


def _least(geometry, model):
    from tqdm import tqdm

    with tqdm(desc="trying paddings", unit=" sizes", disable=None, delay=2, leave=False) as bar:
        return geometry.smallest_padding(model, progress=bar.update)


def _draw(arguments, model) -> int:
    from .. import data, geometry, viz

    image = data.read_image(arguments.image)
    H, W = image.shape[:2]
    pixel = arguments.pixel or (H // 2, W // 2)
    fields = geometry.fields_at(model, (H, W), pixel)
    drawn = {}
    for name, field in fields.items():
        if name.startswith(LAYERS) and field not in drawn.values():
            drawn[name] = field
    title = f"{arguments.model}: what the score at {pixel[0]}, {pixel[1]} sees"
    out = arguments.out or "field.png"
    viz.draw_fields(out, image, drawn, pixel, title)
    for name, (top, bottom, left, right) in drawn.items():
        print(f"{name}: rows {top} to {bottom}, columns {left} to {right}")
    print(f"written: {out}")
    return 0


def _dense(arguments) -> int:
    """The trunk, without its interpolation, with random weights: they are to be multiplied."""
    from .. import dense, models, nn, viz

    model = options.build_net(arguments, values=True)
    if any(isinstance(m, (nn.Linear, nn.Flatten)) for _, m in model.named_modules()):
        model = models.convolutionalize(model)
    coarse = [name for name in model.reads if name.startswith("score_fr")]
    if coarse:
        model = dense.shortened(model, coarse[0])
    size = arguments.size or (96, 128)
    found = dense.ways(model.eval(), size, most=arguments.memory << 20)
    print(f"scores of every pixel of a {size[0]}x{size[1]} image by {arguments.model}")
    print(dense.table(found))
    out = arguments.out or "dense.png"
    viz.draw_ways(out, found, f"{arguments.model}, {size[0]}x{size[1]}")
    print(f"written: {out}")
    return 0


def _pixel(text: str) -> tuple[int, int]:
    parts = text.split(",")
    if len(parts) != 2 or not all(part.strip().isdigit() for part in parts):
        raise argparse.ArgumentTypeError(f"{text!r} is no pixel: ROW,COLUMN, such as 120,200")
    return int(parts[0]), int(parts[1])
