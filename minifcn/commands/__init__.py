"""The commands, one a file: what each can be told, and what it calls."""

from . import bench, demo, evaluate, info, segment, summary, train
from .options import UsageError

COMMANDS = (demo, train, evaluate, segment, summary, bench, info)

__all__ = ["COMMANDS", "UsageError"]
