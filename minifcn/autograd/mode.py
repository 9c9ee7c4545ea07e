"""Switches of the engine: are operations recorded, are they computed at all, does anybody look?"""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar

_recording = ContextVar("minifcn_recording", default=True)
_shapes_only = ContextVar("minifcn_shapes_only", default=False)
_unattended = ContextVar("minifcn_unattended", default=False)


def is_recording() -> bool:
    """True where operations on tensors that require a gradient are recorded."""
    return _recording.get()


def is_shapes_only() -> bool:
    """True where operations infer shapes and compute nothing."""
    return _shapes_only.get()


def is_unattended() -> bool:
    """True where operations may not look at numbers, nor draw any themselves."""
    return _unattended.get()


@contextlib.contextmanager
def no_grad() -> Iterator[None]:
    """Record nothing and save nothing: an activation dies with the last variable that names it.

    A ``with`` statement or a function decorator; each thread has its own switch.
    """
    token = _recording.set(False)
    try:
        yield
    finally:
        _recording.reset(token)


@contextlib.contextmanager
def shapes_only() -> Iterator[None]:
    """Compute no values: every operation checks its shapes and returns zeros that take no memory.

    ``geometry`` walks through a network of any size this way, at once.
    """
    tokens = _shapes_only.set(True), _recording.set(False)
    try:
        yield
    finally:
        _shapes_only.reset(tokens[0])
        _recording.reset(tokens[1])


@contextlib.contextmanager
def unattended() -> Iterator[None]:
    """Everything stays on the GPU: what runs here is recorded, and later replayed without Python.

    Labels are not checked, what depends on them is counted there, and dropout draws there.
    """
    token = _unattended.set(True)
    try:
        yield
    finally:
        _unattended.reset(token)
