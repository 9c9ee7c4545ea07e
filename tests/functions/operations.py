"""All differentiable operations, by name."""

import plain_operations  # noqa: F401 - fills the table
import windowed_operations  # noqa: F401
from drawing import OPERATIONS

__all__ = ["OPERATIONS"]
