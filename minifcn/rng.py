"""The one source of randomness of dropout and initialisers; seed it for repeatable runs."""

import numpy as np

_generator = np.random.default_rng(0)


def manual_seed(n: int) -> None:
    """Restart the generator: the same seed gives the same dropout masks and initial weights."""
    global _generator
    _generator = np.random.default_rng(n)


def generator() -> np.random.Generator:
    """The generator in use."""
    return _generator


def get_state() -> dict:
    """State of the generator as plain numbers and strings, for a checkpoint."""
    return _generator.bit_generator.state


def set_state(state: dict) -> None:
    """Continue from a state that ``get_state`` returned."""
    _generator.bit_generator.state = state
