"""Hooks: watch every operation, forward and backward, without touching it.

with Timer() as timer:
    loss = model(x).sum()
    loss.backward()
print(timer)
"""

import time
from collections import defaultdict
from contextvars import ContextVar

from ..gpu import synchronize

_hooks: ContextVar[tuple["Hook", ...]] = ContextVar("minifcn_hooks", default=())


def active() -> tuple["Hook", ...]:
    """The hooks that watch now, the outermost first."""
    return _hooks.get()


class Hook:
    """Base of all hooks: a context manager whose methods the engine calls; each does nothing here.

    ``function`` is the operation (see ``autograd.Function``), ``module`` a layer of ``nn``.
    """

    def __enter__(self):
        self._token = _hooks.set((*_hooks.get(), self))
        return self

    def __exit__(self, *exception) -> None:
        _hooks.reset(self._token)

    def forward_begin(self, function, inputs) -> None:
        """Before an operation computes; inputs are tensors."""

    def forward_end(self, function, inputs, output) -> None:
        """After it has; output is a tensor."""

    def backward_begin(self, function, gradient) -> None:
        """Before an operation's backward; gradient is an array."""

    def backward_end(self, function, gradients) -> None:
        """After it; gradients are arrays, None for inputs that need none."""

    def module_begin(self, module) -> None:
        """A layer of a network starts its forward pass."""

    def module_end(self, module, output) -> None:
        """It has returned ``output``."""

    def align(self, x, reference) -> tuple[int, int] | None:
        """Asked by a layer whose offset is not known yet; geometry's trace answers."""
        return None


class Timer(Hook):
    """Wall time and calls of every kind of operation, forward and backward. A GPU, which computes
    while Python goes on, is waited for."""

    def __init__(self):
        self.seconds = defaultdict(float)
        self.calls = defaultdict(int)
        self._started = []

    def forward_begin(self, function, inputs) -> None:
        self._begin()

    def forward_end(self, function, inputs, output) -> None:
        self._add(function, "forward")

    def backward_begin(self, function, gradient) -> None:
        self._begin()

    def backward_end(self, function, gradients) -> None:
        self._add(function, "backward")

    def _begin(self) -> None:
        synchronize()
        self._started.append(time.perf_counter())

    def _add(self, function, direction: str) -> None:
        synchronize()
        key = type(function).__name__, direction
        self.seconds[key] += time.perf_counter() - self._started.pop()
        self.calls[key] += 1

    def __str__(self) -> str:
        total = sum(self.seconds.values()) or 1.0
        lines = [f"{'operation':24} {'':9}{'calls':>7} {'seconds':>9} {'share':>6}"]
        for key in sorted(self.seconds, key=self.seconds.get, reverse=True):
            name, direction = key
            seconds = self.seconds[key]
            lines.append(
                f"{name:24} {direction:9}{self.calls[key]:7d} {seconds:9.4f} "
                f"{seconds / total:6.1%}"
            )
        return "\n".join(lines)
