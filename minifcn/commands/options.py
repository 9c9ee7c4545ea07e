"""Option types and errors that several commands share."""

import argparse
import contextlib
import math


class UsageError(ValueError):
    """What was typed cannot be: exit code 2."""


def size(text: str) -> tuple[int, int]:
    """ "HxW" or "N" as (height, width)."""
    parts = text.lower().split("x")
    try:
        numbers = [int(part) for part in parts]
    except ValueError:
        numbers = []
    if len(numbers) not in (1, 2) or min(numbers) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no size: HEIGHTxWIDTH, such as 360x480")
    return numbers[0], numbers[-1]


def model_name(text: str) -> str:
    """A network that takes one photograph and scores its pixels once."""
    from .. import models

    if text.endswith(".prototxt"):
        there_are = ", ".join(models.names())
        raise argparse.ArgumentTypeError(
            f"{text!r}: definitions can be run, not trained; there are: {there_are}"
        )
    others = {"scores whole images": models.classifiers()}
    others["is for the library and 'minifcn geometry' alone"] = models.compositions()
    for why, found in others.items():
        if text in found:
            raise argparse.ArgumentTypeError(
                f"{text!r} {why}; there are: {', '.join(models.names())}"
            )
    return any_model_name(text)


def any_model_name(text: str) -> str:
    """A name that ``models.build`` knows, or a Caffe definition."""
    from .. import models

    if text.endswith(".prototxt"):
        return text

    if text not in [*models.names(), *models.classifiers(), *models.compositions()]:
        try:
            models.build(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None
    return text


def add_net(add) -> None:
    """The options that describe a network of which only the shapes are wanted."""
    add("--size", type=size, metavar="HxW",
        help="default: 500x500, of a classifier the size that it was trained with")  # fmt: skip
    add("--classes", type=positive, metavar="N",
        help="default: 21, of a classifier as published")  # fmt: skip
    add("--padding", choices=("reference", "aligned"), default="reference")
    add("--width", type=above_zero, default=1.0, metavar="F",
        help="factor on the trunk's channels")  # fmt: skip


def build_net(arguments, values: bool = False):
    """That network; without ``values``, as only its shapes are wanted, it takes no memory."""
    from .. import io, models, nn

    settings = {"padding": arguments.padding, "width": arguments.width}
    with contextlib.nullcontext() if values else nn.init.without_values():
        if arguments.model.endswith(".prototxt"):
            return io.load_definition(arguments.model).net
        return models.build(arguments.model, arguments.classes, **settings)


WEIGHTS = "a run's folder, a checkpoint, or weights of Caffe, PyTorch or Keras"


def add_model(add) -> None:
    """The option that says to which net weights belong."""
    add("--model", type=any_model_name, metavar="NAME",
        help="the net, or a Caffe definition (.prototxt); not needed where the weights' file "
        "says it")  # fmt: skip


def positive(text: str) -> int:
    """A whole number, 1 or more."""
    return _whole(text, 1)


def seed(text: str) -> int:
    """A whole number, 0 or more."""
    return _whole(text, 0)


def above_zero(text: str) -> float:
    """A finite number above 0."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return number


def _whole(text: str, least: int) -> int:
    try:
        number = int(text)
    except ValueError:
        number = least - 1
    if number < least:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of {least} or more")
    return number
