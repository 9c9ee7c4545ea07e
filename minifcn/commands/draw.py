"""Draw a figure for a lecture, from the nets and the operations themselves.

  minifcn draw fcn --model fcn8s-vgg16 --size 500x500 -o fcn8s.svg
  minifcn draw skips --trunk vgg16 -o skips.png
  minifcn draw convolution --input 7 --kernel 3 --stride 2 --padding 1 -o conv.svg
  minifcn draw transposed --kernel 4 --stride 2 --padding 1 -o up.svg -o up.png
  minifcn draw bilinear --factor 32 -o kernel64.png
  minifcn draw rarefied --rates 2,3 -o rarefied.svg
  minifcn draw shift-and-stitch -o stitch.svg
  minifcn draw receptive-field --model fcn8s-mini --image street.jpg -o field.png
  minifcn draw graph "b = a + a; c = b * b" a=3 -o graph.svg

Every number in a figure is computed when it is drawn. The suffix of -o, which may be given more
than once, decides between SVG, whose text stays text, and PNG; both carry a sentence that says
what is to be seen, for those who cannot see it. Equal commands give equal files.
'minifcn draw NAME --help' explains each figure; in a notebook they are minifcn.viz.figure_fcn and
so on.
"""

import argparse
import json

from ..backends import NAMES
from . import options
from .options import UsageError

NAME = "draw"
READS_FILES = ("receptive-field",)  # what is wrong with a file is not wrong usage


def add_arguments(parser) -> None:
    """A parser for each figure, as each has options of its own."""
    figures = parser.add_subparsers(title="figures", metavar="NAME", required=True)
    for name, (draw, add_options) in FIGURES.items():
        text = draw.__doc__
        figure = figures.add_parser(
            name,
            help=text.split("\n")[0],
            description=text.replace("\n    ", "\n"),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        add_options(figure.add_argument)
        figure.add_argument("-o", "--out", action="append", required=True, metavar="FILE",
            help=".svg or .png; may be given more than once")  # fmt: skip
        common = figure.add_argument_group("common options")
        # As in front of NAME; not given here, they leave alone what was given there.
        common.add_argument("--backend", choices=NAMES, default=argparse.SUPPRESS,
            help="where receptive-field computes (default: cpu)")  # fmt: skip
        common.add_argument("--threads", type=int, metavar="N", default=argparse.SUPPRESS)
        common.add_argument("--traceback", action="store_true", default=argparse.SUPPRESS,
            help="show where an error came from")  # fmt: skip
        figure.set_defaults(draw=draw, figure=name)


def run(arguments) -> int:
    """Draw, then write."""
    from ..viz.figures.saving import save_drawing, suffix_of

    for path in arguments.out:
        try:
            suffix_of(path)
        except ValueError as error:
            raise UsageError(str(error)) from None
    try:
        figure = arguments.draw(arguments)
    except ValueError as error:
        if arguments.figure in READS_FILES:
            raise
        raise UsageError(str(error)) from error
    for path in arguments.out:
        save_drawing(path, figure, f"minifcn draw {arguments.figure}")
        print(f"written: {path}")
    return 0


def _fcn(arguments):
    """An FCN from image to label map, as slabs.

    Each slab is a map, or the maps of a block: its sides grow with height and width, its
    thickness with the channels. Below: channels, height, width and stride of each. Arrows: finer
    scores that are added. Sizes as 'minifcn geometry MODEL --size HxW' tells them.
    """
    from ..viz import figure_fcn

    name = arguments.model.replace("\\", "/").rpartition("/")[2]
    return figure_fcn(options.build_net(arguments), arguments.size or (500, 500), name=name)


def _fcn_options(add) -> None:
    add("--model", type=options.any_model_name, default="fcn32s-vgg16", metavar="MODEL",
        help="a name (see 'minifcn info'; default: fcn32s-vgg16), or a .prototxt")  # fmt: skip
    options.add_net(add)


def _skips(arguments):
    """The nets of a trunk (32s, 16s, 8s) as one graph.

    Where streams fork and fuse: the strides of the maps, the kernels that upsample them, and the
    offsets at which they are cut, derived from the coordinate maps of the net.
    """
    from ..viz import figure_skips

    return figure_skips(arguments.trunk, arguments.size, arguments.padding)


def _skips_options(add) -> None:
    add("--trunk", default="vgg16", metavar="NAME",
        help="vgg16 (default), alexnet, googlenet, mini, squeezenet")  # fmt: skip
    _size_option(add)
    add("--padding", choices=("reference", "aligned"), default="reference")


def _shift_and_stitch(arguments):
    """Shift-and-stitch with real numbers.

    Four shifted copies of an image of digits, the coarse scores of a net of stride 2, and these
    interlaced to a score for every pixel; every colour is a shift.
    """
    from ..viz import figure_shift_and_stitch

    return figure_shift_and_stitch(arguments.input, arguments.seed)


def _shift_and_stitch_options(add) -> None:
    add("--input", type=options.positive, default=6, metavar="N",
        help="rows and columns of the image, 4 to 6 (default: 6)")  # fmt: skip
    add("--seed", type=options.seed, default=0, metavar="N", help="of its digits")


def _rarefied(arguments):
    """A filter with zeros between its numbers, and why it fits the denser map.

    Above: the filter and its rarefied forms. Below: which pixels of the map below and of the
    image one output reads, before and after the stride of the layer below was taken out.
    """
    from ..viz import figure_rarefied

    return figure_rarefied(arguments.weight, arguments.rates, arguments.stride)


def _rarefied_options(add) -> None:
    add("--weight", type=_rows, metavar="ROWS",
        help="the filter, such as '1 2;3 4' (default: 1 to 9)")  # fmt: skip
    add("--rates", type=_rates, default=(2, 3), metavar="N,N", help="default: 2,3")
    add("--stride", type=options.positive, default=2, metavar="N",
        help="of the layer below, 2 (default) or 3")  # fmt: skip


def _transposed(arguments):
    """Transposed convolution: spread through the kernel, overlaps summed.

    Each input is multiplied by the kernel and laid where a convolution would have read it; where
    they overlap, they are summed. That is the backward pass of the convolution.
    """
    from ..viz import figure_transposed

    settings = arguments.kernel, arguments.stride, arguments.padding
    return figure_transposed(arguments.input, *settings, weight=arguments.weight)


def _transposed_options(add) -> None:
    add("--input", type=_rows, metavar="ROWS", help="numbers (default: '1 2;3 4')")
    add("--kernel", type=options.positive, default=3, metavar="N", help="its size (default: 3)")
    add("--weight", type=_rows, metavar="ROWS",
        help="the kernel's numbers (default: bilinear weights)")  # fmt: skip
    add("--stride", type=options.positive, default=2, metavar="N", help="default: 2")
    add("--padding", type=options.seed, default=0, metavar="N", help="default: 0")


def _convolution(arguments):
    """The window of a convolution: which pixels one output reads.

    Three outputs and what each reads of the input and of the zeros around it, with kernel size,
    stride, padding and dilation.
    """
    from ..viz import figure_convolution

    settings = arguments.kernel, arguments.stride, arguments.padding, arguments.dilation
    return figure_convolution(arguments.input, *settings, pixels=arguments.pixel)


def _convolution_options(add) -> None:
    add("--input", type=options.positive, default=5, metavar="N",
        help="its rows and columns (default: 5)")  # fmt: skip
    add("--kernel", type=options.positive, default=3, metavar="N", help="default: 3")
    add("--stride", type=options.positive, default=1, metavar="N", help="default: 1")
    add("--padding", type=options.seed, default=0, metavar="N", help="default: 0")
    add("--dilation", type=options.positive, default=1, metavar="N", help="default: 1")
    add("--pixel", type=_pixel, action="append", metavar="ROW,COLUMN",
        help="an output; up to three times (default: the first, second and last)")  # fmt: skip


def _bilinear(arguments):
    """The bilinear kernel of a factor, as numbers and as a surface.

    What the authors' nets upsample with: the kernel 2f, or 2f - 1 where pixels of the coarse map
    lie on pixels of the fine one.
    """
    from ..viz import figure_bilinear

    return figure_bilinear(arguments.factor, arguments.kernel)


def _bilinear_options(add) -> None:
    add("--factor", type=options.positive, default=2, metavar="F", help="default: 2")
    add("--kernel", type=options.positive, metavar="N",
        help="2F or 2F - 1 (default: 2F - F%%2)")  # fmt: skip


def _receptive_field(arguments):
    """What one pixel of the scores sees, in theory and in effect.

    Left: frames of the pixels that the score and the layers before it can depend on, as geometry
    derives them. Right: the gradient of the score with respect to the image, as heat. Without
    --weights the net is as it starts: random, with random score layers.
    """
    from .. import data, train
    from ..viz import figure_receptive_field
    from ..viz.figures.field import fresh

    image = data.read_image(arguments.image) if arguments.image else None
    settings = {"seed": arguments.seed}
    if arguments.weights:
        model, spec = train.load_model(arguments.weights, arguments.model)
        settings |= {"preprocessing": spec.preprocessing, "name": spec.name}
    else:
        settings["name"] = arguments.model or "fcn8s-mini"
        model = fresh(settings["name"], arguments.seed, arguments.padding)
    return figure_receptive_field(model, image, arguments.pixel, **settings)


def _receptive_field_options(add) -> None:
    add("--model", type=options.model_name, metavar="MODEL",
        help="a name (see 'minifcn info'); default: that of --weights, or fcn8s-mini")  # fmt: skip
    add("--weights", metavar="FILE", help=options.WEIGHTS)
    add("--image", metavar="FILE", help="a photograph (default: a drawn scene)")
    add("--pixel", type=_pixel, metavar="ROW,COLUMN", help="default: the middle")
    add("--padding", choices=("reference", "aligned"), default="aligned",
        help="of a net without --weights (default: aligned)")  # fmt: skip
    add("--seed", type=options.seed, default=0, metavar="N", help="of random weights")


def _graph(arguments):
    """The computational graph of an expression, with values and gradients.

    The expression: assignments separated by semicolons; the last is the result, one number.
    Numbers, names, + - * / ** @ and exp, log, max, mean, relu, sigmoid, sum, tanh. It is parsed
    and computed by minifcn, never run as Python. Each name needs a value: a=3, x=[1,2],
    W=[[1,2],[3,4]]. A node without a name is v1, v2, ...

      minifcn draw graph "z = w * x + b; y = tanh(z); (y - t) ** 2" w=0.5 x=2 b=-1 t=1 -o g.svg
    """
    from ..viz import figure_graph

    values = dict(arguments.values)
    if len(values) < len(arguments.values):
        raise UsageError("a name has two values")
    return figure_graph(arguments.expression, values)


def _graph_options(add) -> None:
    add("expression", metavar="EXPRESSION", help='such as "b = a + a; c = b * b"')
    add("values", type=_assignment, nargs="*", metavar="NAME=NUMBER",
        help="such as a=3 or x=[1,2]")  # fmt: skip


FIGURES = {
    "fcn": (_fcn, _fcn_options),
    "skips": (_skips, _skips_options),
    "shift-and-stitch": (_shift_and_stitch, _shift_and_stitch_options),
    "rarefied": (_rarefied, _rarefied_options),
    "transposed": (_transposed, _transposed_options),
    "convolution": (_convolution, _convolution_options),
    "receptive-field": (_receptive_field, _receptive_field_options),
    "bilinear": (_bilinear, _bilinear_options),
    "graph": (_graph, _graph_options),
}


def _size_option(add) -> None:
    add("--size", type=options.size, default=(500, 500), metavar="HxW",
        help="of the image (default: 500x500)")  # fmt: skip


def _rows(text: str) -> list[list[float]]:
    """ "1 2;3 4" as rows of numbers."""
    try:
        rows = [[float(n) for n in row.replace(",", " ").split()] for row in text.split(";")]
    except ValueError:
        rows = [[]]
    if not rows[0] or len({len(row) for row in rows}) > 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no table: rows such as '1 2;3 4'")
    return rows


def _rates(text: str) -> tuple[int, ...]:
    return tuple(options.positive(part) for part in text.split(","))


def _pixel(text: str) -> tuple[int, int]:
    parts = text.split(",")
    if len(parts) != 2 or not all(part.strip().isdigit() for part in parts):
        raise argparse.ArgumentTypeError(f"{text!r} is no pixel: ROW,COLUMN, such as 0,2")
    return int(parts[0]), int(parts[1])


def _assignment(text: str) -> tuple[str, float | list]:
    """ "a=3" or "x=[1,2]"."""
    name, sign, value = text.partition("=")
    try:
        parsed = json.loads(value)
    except (ValueError, RecursionError):
        parsed = None
    if not sign or isinstance(parsed, bool) or not isinstance(parsed, (int, float, list)):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no value: NAME=NUMBER, such as a=3 or x=[1,2]"
        )
    return name.strip(), parsed
