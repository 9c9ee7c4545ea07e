"""A thread pool for kernels that run without the GIL.

``parallel_for`` cuts a range of independent items into chunks, which the pool's threads and the
calling thread take one after another. Items must not share results: then a result does not
depend on the number of threads, bit for bit. A kernel that reduces over items partitions its sum
by fixed blocks and adds the blocks in order.

Why not Numba's own ``prange``: its OpenMP layer does not survive a fork and its workqueue layer
aborts when two Python threads enter at once. Both happen in data loaders and notebooks.
"""

import itertools
import os
import queue
import threading
from collections.abc import Callable

from . import workspace

GRAIN = 2**15  # elementary operations that are worth waking a thread for, about 10 microseconds
CHUNKS = 8  # chunks a thread: more balance the load better, fewer cost less


def parallel_for(
    kernel: Callable, count: int, *args, work: int = 1, room: int | None = None
) -> None:
    """Run kernel(start, stop, *args) over chunks that together make up range(count).

    ``work`` is the cost of one item in elementary operations; small loops run in the calling
    thread. With ``room``, a number of bytes, the kernel's third argument is the address of so many
    that are its thread's own (workspace.py). May be called from several Python threads at once,
    and from inside a kernel, where it runs in the thread that it is called from. An exception in
    a chunk is raised here.
    """
    threads = get_num_threads()
    chunk = max(-(-count // (CHUNKS * threads)), -(-GRAIN // max(1, work)))
    if threads == 1 or chunk >= count or _inside.running:
        if count:
            kernel(0, count, *_with_room(args, room))
        return
    job = _Job(kernel, count, chunk, args, room)
    _pool.offer(job, min(threads, job.pending) - 1)
    job.run()
    job.done.wait()
    if job.error is not None:
        raise job.error


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


def _with_room(args: tuple, room: int | None) -> tuple:
    return args if room is None else (workspace.address(room), *args)


class _Job:
    """One parallel loop: whoever calls ``run`` takes chunks until none is left."""

    def __init__(self, kernel: Callable, count: int, chunk: int, args: tuple, room: int | None):
        self.kernel, self.count, self.chunk, self.args = kernel, count, chunk, args
        self.room = room
        self.starts = itertools.count(0, chunk)
        self.pending = -(-count // chunk)  # chunks not yet finished
        self.lock = threading.Lock()
        self.done = threading.Event()
        self.error: BaseException | None = None

    def run(self) -> None:
        _inside.running = True
        try:
            while (start := self._take()) < self.count:
                try:
                    args = _with_room(self.args, self.room)
                    self.kernel(start, min(start + self.chunk, self.count), *args)
                except BaseException as error:  # handed to the thread that waits
                    self.error = error
                finally:
                    self._finish()
        finally:
            _inside.running = False

    def _take(self) -> int:
        with self.lock:
            return next(self.starts)

    def _finish(self) -> None:
        with self.lock:
            self.pending -= 1
            if self.pending == 0:
                self.done.set()


class _Pool:
    """Daemon threads that serve one queue of jobs, made when first needed.

    Nobody waits for a thread of the pool, only for chunks that were taken: a thread that comes
    late finds nothing to do, and the loop is finished by those that came.
    """

    def __init__(self):
        self.jobs: queue.SimpleQueue[_Job] = queue.SimpleQueue()
        self.size = 0
        self.lock = threading.Lock()

    def offer(self, job: _Job, helpers: int) -> None:
        with self.lock:
            while self.size < helpers:
                try:
                    threading.Thread(target=self._serve, name="minifcn", daemon=True).start()
                except RuntimeError:  # the interpreter is shutting down: the caller does it all
                    break
                self.size += 1
        for _ in range(helpers):
            self.jobs.put(job)

    def _serve(self) -> None:
        while True:
            self.jobs.get().run()


class _Inside(threading.local):
    running = False


def _after_fork() -> None:
    """A forked child has none of its parent's threads."""
    global _pool
    _pool = _Pool()
    _inside.running = False


_num_threads = usable_cores()
_pool = _Pool()
_inside = _Inside()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
