"""Automatic differentiation: tensors, functions, the backward pass, and checks of gradients.

Read in this order: ``tensor``, ``function``, ``engine``, ``arithmetic``, ``check``.
"""

from .capture import capture
from .check import GradientError, GradientReport, adjoint_check, gradcheck
from .function import Function
from .graph import walk
from .hooks import Hook, Timer
from .mode import is_recording, no_grad, shapes_only
from .tensor import Tensor, as_tensor

__all__ = [
    "Function",
    "GradientError",
    "GradientReport",
    "Hook",
    "Tensor",
    "Timer",
    "adjoint_check",
    "as_tensor",
    "capture",
    "gradcheck",
    "is_recording",
    "no_grad",
    "shapes_only",
    "walk",
]
