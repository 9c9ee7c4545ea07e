"""Files: written whole, and read without executing anything in them.

atomic.py      temporary file, fsync, rename
kinds.py       what a file of weights seems to be, told from its first bytes
tensors.py     named arrays in the safetensors format
checkpoint.py  model, solver and run in one such file
"""

from .atomic import atomic_write, write_json, write_text
from .checkpoint import CheckpointState, load_checkpoint, save_checkpoint
from .kinds import WeightsError, describe
from .tensors import load_tensors, save_tensors

__all__ = [
    "CheckpointState",
    "WeightsError",
    "atomic_write",
    "describe",
    "load_checkpoint",
    "load_tensors",
    "save_checkpoint",
    "save_tensors",
    "write_json",
    "write_text",
]
