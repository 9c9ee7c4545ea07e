"""A thread pool for kernels that run without the GIL.

``parallel_for`` runs a kernel, whose tasks the pool's threads and the calling thread take in
chunks, each from its own share first (tasks.py). Tasks must not share results: then a result does
not depend on the number of threads, bit for bit. A kernel that reduces over tasks partitions its
sum by fixed blocks and adds the blocks in order.

Layer follows layer within microseconds: a thread without work looks out for more for a while
before it sleeps, from which the operating system takes 50 microseconds to wake it.

Why not Numba's own ``prange``: its OpenMP layer does not survive a fork and its workqueue layer
aborts when two Python threads enter at once. Both happen in data loaders and notebooks.
"""

import ctypes
import os
import queue
import threading
from collections.abc import Callable

from . import workspace
from .tasks import ALLOWED, FAILED, TICKET, describe, new_box, new_work, serve

GRAIN = 2**13  # elementary operations that are worth another thread, about 3 microseconds
VECTOR = 8  # numbers that one such operation handles, about
CHUNKS = 8  # chunks of a share: more balance the load better, fewer cost less
PATIENCE = 200_000  # looks before a thread sleeps, a millisecond: more than lies between layers


def parallel_for(
    kernel: Callable, count: int, *args, work: int = 1, room: int | None = None
) -> None:
    """Run kernel(work, *args), which iterates over ``tasks(work)``: range(count) in some order.

    ``work`` is the cost of one task in elementary operations; small loops run in the calling
    thread. ``room``: bytes of memory that every thread shall have of its own (``room_of``). May be
    called from several Python threads at once: while one has the pool, the others run theirs
    alone.
    """
    if not count:
        return
    threads = get_num_threads()
    share = -(-count // threads)
    chunks = min(CHUNKS, share * work // GRAIN)  # of a share
    chunk = -(-share // chunks) if chunks else count
    pool = _pool
    if threads > 1 and chunk < count and pool.lock.acquire(blocking=False):
        try:
            pool.run(kernel, count, chunk, args, room, min(threads, -(-count // chunk)) - 1)
        finally:
            pool.lock.release()
    else:
        _mine.run(kernel, count, args, room)


def set_num_threads(n: int) -> None:
    """Use n threads, the calling one included."""
    global _num_threads
    if n < 1:
        raise ValueError(f"the number of threads must be at least 1, not {n}")
    _num_threads = int(n)


def get_num_threads() -> int:
    """The number of threads that kernels use; at first, of cores that this process may use."""
    return _num_threads


def usable_cores() -> int:
    """Cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class _Alone(threading.local):
    """How a thread runs a kernel by itself."""

    def __init__(self):
        self.box = new_box(0)
        self.work = new_work(self.box, 0)

    def run(self, kernel: Callable, count: int, args, room: int | None) -> None:
        describe(self.box, count, count, 0)
        if room is not None:
            self.work["room"] = workspace.address(room)
        kernel(self.work, *args)


class _Pool:
    """Daemon threads that watch one box of jobs, made when first needed.

    Nobody waits for a thread of the pool, only for tasks that were taken: a thread that comes late
    finds nothing to do, and the kernel is finished by those that came.
    """

    def __init__(self):
        self.box = new_box(_yield_address())
        self.work = new_work(self.box, 0)
        self.helpers: list[_Helper] = []
        self.lock = threading.Lock()  # held while the box has a job

    def run(
        self, kernel: Callable, count: int, chunk: int, args, room: int | None, helpers: int
    ) -> None:
        box = self.box
        helpers = self._make_ready(helpers, room)
        describe(box, count, chunk, helpers)
        try:
            kernel(self.work, *args)
        finally:
            box[ALLOWED] = 0
            box[TICKET] += box[TICKET] % 2  # closed, even if the kernel raised
        if box[FAILED]:
            box[FAILED] = 0
            raise MemoryError(f"{kernel.__name__}: another thread could not run its part")

    def _make_ready(self, helpers: int, room: int | None) -> int:
        """Helpers that are awake or will be soon, with memory for each; how many there are."""
        if room is not None:
            self.work["room"] = workspace.address(room)
        while len(self.helpers) < helpers:
            try:
                self.helpers.append(_Helper(self.box, len(self.helpers) + 1))
            except RuntimeError:  # the interpreter is shutting down: the caller does it all
                break
        for helper in self.helpers[:helpers]:
            helper.make_ready(room)
        return min(helpers, len(self.helpers))


class _Helper:
    """A thread that serves a pool's box."""

    def __init__(self, box, number: int):
        self.box = box
        self.work, self.space = new_work(box, number), workspace.Space()
        self.asleep, self.bell = False, queue.SimpleQueue()
        serve(self.work.ctypes.data, 1)  # compiled by now
        threading.Thread(target=self._serve, name="minifcn", daemon=True).start()

    def make_ready(self, room: int | None) -> None:
        """Called while the box has no job."""
        if room is not None:
            self.work["room"] = self.space.address(room)
        if self.asleep:
            self.asleep = False
            self.bell.put(None)

    def _serve(self) -> None:
        record = self.work.ctypes.data
        while True:
            ticket = self.box[TICKET]
            serve(record, PATIENCE)
            self.asleep = True
            if self.box[TICKET] != ticket and self.asleep:  # a job came meanwhile, perhaps more do
                self.asleep = False
                continue
            self.bell.get()


def _yield_address() -> int:
    """Of the C function that lets another thread run on this core."""
    if os.name == "nt":
        function = ctypes.windll.kernel32.SwitchToThread
    else:
        function = ctypes.CDLL(None).sched_yield
    return ctypes.cast(function, ctypes.c_void_p).value


def _after_fork() -> None:
    """A forked child has none of its parent's threads."""
    global _pool
    _pool = _Pool()


_num_threads = usable_cores()
_mine = _Alone()
_pool = _Pool()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
