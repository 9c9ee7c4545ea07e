"""Train FCN-32s, 16s and 8s on drawn scenes and compare them, in a few minutes.

  minifcn demo

Draws a data set of 21 classes and trains a small FCN-32s on it from scratch, then FCN-16s from its
weights and FCN-8s from those, as the paper does; prints the paper's four measures for the three.
The folder gets the scenes, a run for each net, and demo.png: their predictions side by side.
"""

from . import options

NAME = "demo"


def add_arguments(parser) -> None:
    """The options."""
    add = parser.add_argument
    add("--out", metavar="DIR", default="runs/demo", help="default: runs/demo")
    add("--seed", type=options.seed, default=0, metavar="N", help="of the scenes and training")
    add("--quick", type=options.positive, default=None, metavar="N",
        help="only N iterations a net, on few scenes: to see that everything runs")  # fmt: skip


def run(arguments) -> int:
    """Run the demo."""
    from ..train.demo import demo

    demo(arguments.out, seed=arguments.seed, quick=arguments.quick)
    return 0
