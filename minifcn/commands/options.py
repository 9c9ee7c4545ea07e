"""Option types and errors that several commands share."""

import argparse


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
    """A name that ``models.build`` knows."""
    from .. import models

    if text not in models.names():
        try:
            models.build(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None
    return text


def positive(text: str) -> int:
    """A whole number, 1 or more."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 1 or more")
    return number
