"""Print a network layer by layer.

  minifcn summary fcn8s-vgg16
  minifcn summary fcn4s-squeezenet --padding aligned --size 360x480

For each layer: its output, the stride and the receptive field in pixels of the image, where its
pixel x lies, parameters, multiply-adds and memory. All of it is derived from the layers' settings;
nothing is computed, so any size answers at once.
"""

from . import options

NAME = "summary"


def add_arguments(parser) -> None:
    """The options."""
    add = parser.add_argument
    add(
        "model",
        type=options.any_model_name,
        metavar="MODEL",
        help="a name (see 'minifcn info'), or a .prototxt",
    )
    options.add_net(add)


def run(arguments) -> int:
    """Build, trace, print."""
    from .. import geometry

    model = options.build_net(arguments)
    print(geometry.summary(model, arguments.size))
    for name, (vertical, horizontal) in geometry.offsets(model).items():
        print(f"offset of {name}: {vertical}, {horizontal}")
    return 0
