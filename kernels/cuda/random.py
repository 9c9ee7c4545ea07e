"""Random masks for dropout, made where they are used (see random.cu).

The key of a mask is drawn by the project's generator on the processor, so that a seed and a
checkpoint decide all masks; the mask itself is made by the GPU. While a function is recorded
(graph.py), its keys lie in one array on the GPU, and are drawn anew before every replay.
"""

import numpy as np

from .device import BLOCK, launch, module_of

_recording: "Keys | None" = None


class Keys:
    """The keys of all masks that one recorded function makes, in an array on the GPU."""

    MOST = 256

    def __init__(self, module):
        self.module, self.count, self.generator = module, 0, None
        self.array = module.zeros(2 * self.MOST, np.uint32)

    def __enter__(self) -> "Keys":
        global _recording
        _recording, self.count = self, 0
        return self

    def __exit__(self, *exception) -> None:
        global _recording
        _recording = None

    def add(self, generator) -> int:
        """The index of one more key."""
        if self.count == self.MOST:
            raise RuntimeError(f"a recorded function makes {self.MOST} random masks at most")
        self.generator, self.count = generator, self.count + 1
        return self.count - 1

    def draw(self) -> None:
        """New keys for all masks, in the order in which they are made."""
        if self.count:
            keys = np.stack([_key(self.generator()) for _ in range(self.count)])
            self.array[: keys.size] = self.module.asarray(keys.reshape(-1))


def keep_mask(shape, p: float, generator, like):
    """An array of True with probability 1 - p and False else, where ``like`` lives; of maps
    (N, C, H, W) with channels last.

    generator: called, gives the NumPy generator that draws the key: of a recorded function the one
    that is there when it is replayed.
    """
    module = module_of(like)
    last = (shape[0], *shape[2:], shape[1]) if len(shape) > 2 else shape
    keep = module.empty(last, np.uint8)
    if _recording is None:
        keys, index = module.asarray(_key(generator())), 0
    else:
        keys, index = _recording.array, _recording.add(generator)
    limit = np.uint32(min(round(p * 2**32), 2**32 - 1))
    blocks = -(-keep.size // (4 * BLOCK))
    launch("random.cu", "keep_mask", (blocks,), (BLOCK,), keys, keep, limit, index, keep.size)
    keep = keep.view(np.bool_)
    return module.moveaxis(keep, -1, 1) if len(shape) > 2 else keep


def _key(generator) -> np.ndarray:
    return generator.integers(0, 2**32, 2, np.uint32)
