"""Batches on their way to the GPU while it still computes with the one before.

A copy to a GPU runs beside its kernels where the memory that it comes from is pinned (the system
may not move it) and it has a stream of its own. Three slots, each of pinned memory and of room on
the GPU, take turns: one is being filled, one is handed out, and of one the GPU may not have read
the last. Nobody waits for a copy but those who need it: the streams do, on the GPU.
"""

import numpy as np

from . import arrays

SLOTS = 3


def uploaded(batches, module):
    """The batches, tuples of NumPy arrays, as arrays of a device, one ahead of the caller.

    module: CuPy, or the emulated arrays' stand-in, which has nothing to wait for. What is handed
    out is overwritten ``SLOTS - 1`` batches later.
    """
    if module is arrays:
        for batch in batches:
            yield tuple(map(arrays.asarray, batch))
        return
    stream = module.cuda.Stream(non_blocking=True)
    slots, before = [_Slot(module, stream) for _ in range(SLOTS)], None
    try:
        for i, batch in enumerate(batches):
            slots[i % SLOTS].fill(batch)
            if before is not None:
                yield before.arrived()
                before.release()
            before = slots[i % SLOTS]
        if before is not None:
            yield before.arrived()
    finally:
        stream.synchronize()  # nothing is being copied any more


class _Slot:
    def __init__(self, module, stream):
        self.module, self.stream = module, stream
        self.pinned, self.there, self.copied, self.used = (), (), None, None

    def fill(self, batch) -> None:
        """Start to copy a batch, once the GPU has done with the one that was here."""
        if self.copied is not None:
            self.copied.synchronize()  # the pinned memory is read no more
        if [(x.shape, x.dtype) for x in batch] != [(x.shape, x.dtype) for x in self.there]:
            self.module.cuda.get_current_stream().synchronize()
            self.pinned = tuple(map(self._pinned, batch))
            self.there = tuple(self.module.empty(x.shape, x.dtype) for x in batch)
        for room, x in zip(self.pinned, batch, strict=True):
            room[...] = x
        if self.used is not None:
            self.stream.wait_event(self.used)
        for room, there in zip(self.pinned, self.there, strict=True):
            there.set(room, stream=self.stream)
        self.copied = self.stream.record()

    def _pinned(self, x):
        memory = self.module.cuda.alloc_pinned_memory(max(1, x.nbytes))
        return np.frombuffer(memory, x.dtype, x.size).reshape(x.shape)

    def arrived(self) -> tuple:
        """The arrays; the caller's stream goes on when they are there."""
        self.module.cuda.get_current_stream().wait_event(self.copied)
        return self.there

    def release(self) -> None:
        """The caller has told the GPU all that it is to do with the arrays."""
        self.used = self.module.cuda.get_current_stream().record()
