"""NumPy's BLAS, kept to one thread while the kernels' own threads call it.

Convolution runs many independent matrix products, one a thread. If BLAS made threads of its own
for each of them there would be too many, and after a product OpenBLAS's threads keep spinning for
some milliseconds on cores that the next kernel needs: the loops that follow then run half as fast
again. One thread a product also makes results independent of the number of threads.
"""

import os
import threading
from contextlib import contextmanager

import threadpoolctl


@contextmanager
def one_thread():
    """Within this context, in whatever Python thread, a BLAS call runs in its caller's thread."""
    with _state.lock:
        _state.depth += 1
        if _state.depth == 1:
            _state.limit()
    try:
        yield
    finally:
        with _state.lock:
            _state.depth -= 1
            if _state.depth == 0:
                _state.restore()


def set_num_threads(n: int) -> None:
    """Let BLAS use n threads wherever ``one_thread`` does not hold."""
    with _state.lock:
        if _state.depth:
            _state.before = [n] * len(_state.libraries())
        else:
            for library in _state.libraries():
                library.set_num_threads(n)


class _State:
    """How many contexts are open, and how many threads each library had before the first."""

    def __init__(self):
        self.lock = threading.Lock()
        self.depth = 0
        self.before: list[int] = []
        self._libraries: list | None = None

    def libraries(self) -> list:
        """NumPy's BLAS; every BLAS that is loaded, where it cannot be told which one that is."""
        if self._libraries is None:
            found = threadpoolctl.ThreadpoolController().select(user_api="blas").lib_controllers
            bundled = [library for library in found if "numpy" in library.filepath]
            self._libraries = bundled or found
        return self._libraries

    def limit(self) -> None:
        self.before = [library.num_threads for library in self.libraries()]
        for library in self.libraries():
            library.set_num_threads(1)

    def restore(self) -> None:
        for library, n in zip(self.libraries(), self.before, strict=True):
            library.set_num_threads(n)


def _after_fork() -> None:
    """A context that another thread of the parent had open is never closed in the child."""
    _state.lock = threading.Lock()
    if _state.depth:
        _state.depth = 0
        _state.restore()


_state = _State()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
