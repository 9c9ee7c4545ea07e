"""NumPy's BLAS, kept to one thread while the kernels' own threads call it.

Convolution runs many independent matrix products, one a thread. If BLAS made threads of its own
for each of them there would be too many, and after a product OpenBLAS's threads keep spinning for
some milliseconds on cores that the next kernel needs: the loops that follow then take half as long
again. One thread a product also makes results independent of the number of threads.

OpenBLAS stops its threads when the process forks, and a product that another thread has under way
may then never end. A fork therefore waits until no kernel is multiplying.
"""

import ctypes
import os
import threading
from contextlib import contextmanager

import threadpoolctl

FORK_PATIENCE = 10.0  # seconds that a fork waits for products to end


@contextmanager
def one_thread():
    """Within this context, in whatever Python thread, a BLAS call runs in its caller's thread."""
    _state.enter()
    try:
        yield
    finally:
        _state.leave()


def set_num_threads(n: int) -> None:
    """Let BLAS use n threads wherever ``one_thread`` does not hold."""
    with _state.changed:
        if _state.depth:
            _state.before = [n] * len(_state.libraries())
        else:
            for library in _state.libraries():
                library.set_num_threads(n)


def get_num_threads() -> list[int]:
    """The number of threads of each BLAS library found, at this moment."""
    return [library.num_threads for library in _state.libraries()]


class _Library:
    """One BLAS library that is loaded, with the number of threads that it may use."""

    def __init__(self, controller):
        self._controller = controller
        self.set_num_threads = self._setter()

    @property
    def num_threads(self) -> int:
        return self._controller.num_threads

    def _setter(self):
        """threadpoolctl lets only the first Python thread that asked change OpenBLAS's number, so
        that threads do not quarrel; here they agree, whichever enters first."""
        if self._controller.internal_api == "openblas":
            handle = ctypes.CDLL(self._controller.filepath)
            for prefix in ("scipy_", ""):
                for suffix in ("64_", "_64", ""):
                    name = f"{prefix}openblas_set_num_threads{suffix}"
                    if hasattr(handle, name):
                        return getattr(handle, name)
        return self._controller.set_num_threads


class _State:
    """How many contexts are open, and how many threads each library had before the first."""

    def __init__(self):
        self.changed = threading.Condition(threading.Lock())
        self.depth = 0
        self.forking = False
        self.before: list[int] = []
        self._libraries: list[_Library] | None = None

    def libraries(self) -> list[_Library]:
        """NumPy's BLAS; every BLAS that is loaded, where it cannot be told which one that is."""
        if self._libraries is None:
            found = threadpoolctl.ThreadpoolController().select(user_api="blas").lib_controllers
            bundled = [library for library in found if "numpy" in library.filepath]
            self._libraries = [_Library(library) for library in bundled or found]
        return self._libraries

    def enter(self) -> None:
        with self.changed:
            while self.forking and not _mine.depth:
                self.changed.wait()
            self.depth += 1
            _mine.depth += 1
            if self.depth == 1:
                self.before = get_num_threads()
                for library in self.libraries():
                    library.set_num_threads(1)

    def leave(self) -> None:
        with self.changed:
            self.depth -= 1
            _mine.depth -= 1
            if self.depth == 0:
                for library, n in zip(self.libraries(), self.before, strict=True):
                    library.set_num_threads(n)
                self.changed.notify_all()

    def before_fork(self) -> None:
        """Let nobody enter, and wait for those inside; not for ever, should the forking thread
        itself be inside (a signal handler, say)."""
        with self.changed:
            self.forking = True
            self.changed.wait_for(lambda: self.depth == _mine.depth, FORK_PATIENCE)
        self.changed.acquire()

    def after_fork(self) -> None:
        self.forking = False
        self.changed.notify_all()
        self.changed.release()


class _Mine(threading.local):
    depth = 0  # contexts that this thread has open


_state = _State()
_mine = _Mine()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_state.before_fork,
        after_in_parent=_state.after_fork,
        after_in_child=_state.after_fork,
    )
