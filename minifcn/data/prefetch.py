"""Doing the next step's work while this step runs: an iterator on one background thread."""

import queue
import threading
from collections.abc import Callable, Iterator

_END = object()


class Prefetch:
    """Iterates make() on a thread, at most depth items ahead; items come in the same order.

    What make() raises is raised here, after the items before it. close(), which the end of a
    ``with`` block calls, stops the thread after the item it works on and waits for it. A thread,
    never a fork: forking under running threads (a GPU driver's, a BLAS's) can hang.
    """

    def __init__(self, make: Callable[[], Iterator], depth: int = 2):
        self._items: queue.Queue = queue.Queue(max(2, depth))  # room for one item and the end
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=self._work, args=(make,), name="minifcn-prefetch", daemon=True
        )
        self._thread.start()

    def _work(self, make) -> None:
        try:
            for item in make():
                self._items.put((item, None))
                if self._stop.is_set():
                    return
        except BaseException as error:  # handed over, whatever it is
            self._items.put((_END, error))
        else:
            self._items.put((_END, None))

    def __iter__(self):
        return self

    def __next__(self):
        if self._stop.is_set():
            raise StopIteration
        item, error = self._items.get()
        if item is _END:
            self.close()
            if error is not None:
                raise error
            raise StopIteration
        return item

    def close(self) -> None:
        """Ends the thread; more calls do nothing."""
        self._stop.set()
        while True:  # a put that waits for room gets it, and then sees the stop
            try:
                self._items.get_nowait()
            except queue.Empty:
                break
        self._thread.join()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
