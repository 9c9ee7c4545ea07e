"""What the machine can do at most: multiply-adds a second, and bytes a second from memory.

No kernel can do better, whatever its algorithm: it computes at ``peak`` where its numbers are at
hand, and waits at ``bandwidth`` for those that are not (the two roofs of Williams, Waterman and
Patterson 2009, "Roofline").

``peak`` is measured with the micro-kernel itself (tile.py): the highest tile, over and over two
small operands that never leave the first-level cache. Its accumulators stay in their registers and
nothing is packed, cut or copied; what remains is how fast multiply-adds can start. The operands
hold numbers of usual size, for a processor can slow down, or not, by what it multiplies.

``bandwidth`` reads, writes and copies arrays that are larger than the caches. A byte is counted
once when it is read and once when it is written, as the kernel sees it; a processor that fetches a
line before it writes to it moves more.

Both take the best of many rounds: whatever else runs on the machine only makes them slower.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .compile import kernel
from .layout import aligned
from .tasks import tasks
from .threads import get_num_threads, parallel_for, usable_cores
from .tile import NOTHING, ROWS, WIDE, tiles
from .vectors import itemsize, kind, line_of, move, panel_width, tile_rows

RUN = 96  # steps: 14 rows of A and a panel of B are 18 KiB, with what is fetched ahead 26
TASK = 2**27  # floating-point operations of a task: a millisecond of a fast core
ALWAYS = 10**9  # of parallel_for's ``work``: every task is worth a thread
BLOCK = 2**18  # numbers that a thread reads or writes at a time
SMALLEST, LARGEST = 2**26, 2**28  # bytes of an array from memory: a machine should have four


@dataclass(frozen=True)
class Peak:
    """Floating-point operations a second of one core, and of all threads at once; a multiply-add
    is two. granted: the share of the cores' time that the threads got; the rest went to other
    programs, and then the peak is really higher."""

    core: float
    threads: float
    granted: float


@dataclass(frozen=True)
class Bandwidth:
    """Bytes a second of all threads at once, on arrays of ``size`` bytes; a copy reads and
    writes."""

    read: float
    write: float
    copy: float
    size: int

    @property
    def best(self) -> float:
        """The fastest of the three: a roof."""
        return max(self.read, self.write, self.copy)


def peak(dtype=np.float32, seconds: float = 0.3) -> Peak:
    """Measure for ``seconds`` each what one core and what all threads can do."""
    form, count = kind(np.dtype(dtype)), 8 * get_num_threads()
    rows, vectors, lanes = form.dtype[0].shape
    rng = np.random.default_rng(0)
    a, b = aligned((rows, RUN), dtype), aligned((RUN, vectors * lanes), dtype)
    a[...], b[...] = rng.uniform(-1, 1, a.shape), rng.uniform(-1, 1, b.shape)
    turns = max(1, TASK // (2 * rows * b.size))
    operations = 2 * rows * b.size * turns
    arguments = form, a.ctypes.data, b.ctypes.data, RUN, turns
    alone = _best(lambda: parallel_for(_multiply_adds, 1, *arguments), seconds)
    wall, busy = time.perf_counter(), time.process_time()
    together = _best(lambda: parallel_for(_multiply_adds, count, *arguments, work=ALWAYS), seconds)
    wall, busy = time.perf_counter() - wall, time.process_time() - busy
    granted = min(1.0, busy / (wall * min(get_num_threads(), usable_cores())))
    return Peak(operations / alone, operations * count / together, granted)


def bandwidth(seconds: float = 0.3, size: int | None = None) -> Bandwidth:
    """Measure for ``seconds`` each how fast all threads read, write and copy arrays of ``size``
    bytes; without one, of four times the largest cache, 64 MiB at least and 256 MiB at most."""
    if size is None:
        size = min(max(4 * _largest_cache(), SMALLEST), LARGEST)
    count = max(1, size // (4 * BLOCK))
    size = count * 4 * BLOCK
    x, y = aligned((count * BLOCK,), np.float32), aligned((count * BLOCK,), np.float32)
    sums = np.empty(count, np.float32)
    for fresh in (x, y):  # memory is there only once it has been written to
        parallel_for(_write, count, fresh, np.float32(1), work=ALWAYS)
    both = x.ctypes.data, y.ctypes.data
    read = _best(lambda: parallel_for(_read, count, x, sums, work=ALWAYS), seconds)
    write = _best(lambda: parallel_for(_write, count, y, np.float32(2), work=ALWAYS), seconds)
    copy = _best(lambda: parallel_for(_copy, count, *both, work=ALWAYS), seconds)
    return Bandwidth(size / read, size / write, 2 * size / copy, size)


def _best(run: Callable[[], None], seconds: float) -> float:
    """The shortest time of a run, among those that fit into ``seconds``, two at least."""
    run()  # compiles
    times, end = [], time.perf_counter() + seconds
    while len(times) < 2 or time.perf_counter() < end:
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


def _largest_cache() -> int:
    """Bytes of the last-level cache where Linux tells them, else 0."""
    sizes = [0]
    for path in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size"):
        try:
            text = path.read_text().strip()
            sizes.append(int(text.rstrip("KM")) * {"K": 2**10, "M": 2**20}.get(text[-1], 1))
        except (OSError, ValueError):
            continue
    return max(sizes)


@kernel()
def _multiply_adds(work, form, a, b, run, turns):
    """Tasks: the highest tile, of a (rows, run) and b (run, width), the same sum ``turns`` times
    on top of itself: the distance to the next turn is 0."""
    rows, width, item = tile_rows(form), panel_width(form), itemsize(form)
    c = np.empty(rows * width * item + 64, np.uint8)
    for _ in tasks(work):
        tiles(
            form, ROWS, WIDE, rows, 1, a, run * item, 0, 0, 0, 0, b, 0, 0, 0,
            run, turns, 1, line_of(c), width * item, 0, 0, 0, NOTHING, 0,
        )  # fmt: skip


@kernel(fastmath={"contract", "reassoc", "nsz"})
def _read(work, x, sums):
    """Blocks of x, each summed up: a loop that must look at every number."""
    for block in tasks(work):
        part = x[block * BLOCK : (block + 1) * BLOCK]
        total = np.float32(0)
        for i in range(BLOCK):
            total += part[i]
        sums[block] = total


@kernel()
def _write(work, y, value):
    for block in tasks(work):
        part = y[block * BLOCK : (block + 1) * BLOCK]
        for i in range(BLOCK):
            part[i] = value


@kernel()
def _copy(work, x, y):
    """Blocks of x, an address, to y, another."""
    for block in tasks(work):
        move(y + block * BLOCK * 4, x + block * BLOCK * 4, BLOCK * 4)
