"""The commands, one a file: what each can be told, and what it calls."""

from . import bench, demo, evaluate, geometry, info, segment, summary, train
from .options import UsageError

COMMANDS = (demo, train, evaluate, segment, summary, geometry, bench, info)

__all__ = ["COMMANDS", "UsageError"]
