"""The commands, one a file: what each can be told, and what it calls."""

from . import (
    bench,
    classify,
    convert,
    demo,
    draw,
    evaluate,
    export,
    geometry,
    info,
    lectures,
    segment,
    summary,
    train,
)
from .options import UsageError

COMMANDS = (
    demo,
    train,
    evaluate,
    segment,
    classify,
    summary,
    geometry,
    draw,
    convert,
    export,
    bench,
    lectures,
    info,
)

__all__ = ["COMMANDS", "UsageError"]
