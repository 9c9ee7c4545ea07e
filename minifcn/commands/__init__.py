"""The commands, one a file: what each can be told, and what it calls."""

from . import (
    bench,
    classify,
    convert,
    demo,
    evaluate,
    export,
    geometry,
    info,
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
    convert,
    export,
    bench,
    info,
)

__all__ = ["COMMANDS", "UsageError"]
