"""Batches from a data set: shuffled, transformed, padded to one size, decoded ahead of time."""

from collections.abc import Callable, Iterator

import numpy as np

from .prefetch import Prefetch
from .preprocessing import CAFFE, Preprocessing

CACHE_BYTES = 1 << 30


class Loader:
    """Iterates over batches x (N, 3, H, W) float32, preprocessed, and labels (N, H, W) uint8.

    One ``for`` loop is one epoch, and the next loop the next epoch. What is in a batch depends
    on (seed, epoch, position) alone: the order of an epoch on (seed, epoch), the generator that
    a transform is given on (seed, epoch, index in the data set). Neither prefetching nor caching
    changes a byte. Images of different sizes in a batch are padded at the bottom and right: with
    0, which is the mean, and ignore_index.

    cache: True keeps decoded samples up to CACHE_BYTES, a number up to that many bytes, False
    none. workers: 1 prepares batches on a background thread, 0 on the calling one. The arrays
    given to a transform are read-only. A data set is anything with len, indexing to
    (image, label) and, optionally, ignore_index.

    To continue an interrupted run: ``other.load_state(loader.state())``. Within a loop, the state
    stands behind the batch in hand. Leaving a loop early and looping again begins that epoch anew.
    """

    def __init__(
        self,
        dataset,
        batch_size: int = 1,
        shuffle: bool = False,
        seed: int = 0,
        transform: Callable | None = None,
        preprocessing: Preprocessing = CAFFE,
        drop_last: bool = False,
        cache: bool | int = True,
        workers: int = 1,
    ):
        if batch_size < 1:
            raise ValueError(f"batch_size is 1 or more, not {batch_size}")
        if workers not in (0, 1):
            raise ValueError(f"workers is 0 or 1 background threads, not {workers}")
        if seed < 0:
            raise ValueError(f"a seed is 0 or more, not {seed}")
        self.dataset = dataset
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.seed = seed
        self.transform = transform
        self.preprocessing = preprocessing
        self.drop_last = drop_last
        self.workers = workers
        self.ignore_index = getattr(dataset, "ignore_index", 255)
        self._cache: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        self._room = CACHE_BYTES if cache is True else int(cache)
        self._epoch = 0
        self._position = 0  # batches of this epoch that have been handed out
        self._start = 0  # where the next loop begins
        if len(self) < 1:
            raise ValueError(f"no batch of {batch_size} in {len(dataset)} samples")

    def __len__(self) -> int:
        """Batches an epoch: N / batch_size, rounded up, or down with drop_last."""
        full, rest = divmod(len(self.dataset), self.batch_size)
        return full + (rest > 0 and not self.drop_last)

    @property
    def epoch(self) -> int:
        """The epoch that the batch in hand, or the next one, belongs to."""
        return self._epoch

    def set_epoch(self, epoch: int) -> None:
        """The next loop is this epoch, from its first batch."""
        self.load_state({"seed": self.seed, "epoch": epoch, "position": 0})

    def state(self) -> dict[str, int]:
        """Where the next batch stands, for a checkpoint: {"seed", "epoch", "position"}."""
        more, position = divmod(self._position, len(self))
        return {"seed": self.seed, "epoch": self._epoch + more, "position": position}

    def load_state(self, state: dict[str, int]) -> None:
        """The next loop begins where the state stands. Raises ValueError for another's state."""
        epoch, position = int(state["epoch"]), int(state["position"])
        if epoch < 0 or not 0 <= position < len(self):
            raise ValueError(
                f"epoch {epoch}, batch {position}: this loader has batches 0 to {len(self) - 1}"
            )
        self.seed, self._epoch = int(state["seed"]), epoch
        self._position = self._start = position

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        epoch, start, self._start = self._epoch, self._start, 0
        self._position = start
        if not self.workers:
            yield from self._hand_out(self._batches(epoch, start))
            return
        with Prefetch(lambda: self._batches(epoch, start)) as batches:
            yield from self._hand_out(batches)

    def forever(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Epoch after epoch without end, for training by iterations."""
        while True:
            yield from self

    def order(self, epoch: int) -> np.ndarray:
        """The indices of an epoch in the order they are visited, (N,) int64."""
        if not self.shuffle:
            return np.arange(len(self.dataset))
        return np.random.default_rng([0, self.seed, epoch]).permutation(len(self.dataset))

    def _hand_out(self, batches):
        for batch in batches:
            self._position += 1
            yield batch
        self._epoch, self._position = self._epoch + 1, 0

    def _batches(self, epoch: int, start: int):
        order = self.order(epoch).tolist()
        for b in range(start, len(self)):
            chosen = order[b * self.batch_size : (b + 1) * self.batch_size]
            yield self._collate([self._sample(epoch, index) for index in chosen])

    def _sample(self, epoch: int, index: int):
        image, label = self._read(index)
        if self.transform is not None:
            rng = np.random.default_rng([1, self.seed, epoch, index])
            image, label = self.transform(image, label, rng)
        return image, label

    def _read(self, index: int):
        """The decoded sample, kept while there is room."""
        if index in self._cache:
            return self._cache[index]
        image, label = (array.view() for array in self.dataset[index])
        image.flags.writeable = label.flags.writeable = False
        if image.nbytes + label.nbytes <= self._room:
            self._room -= image.nbytes + label.nbytes
            self._cache[index] = image, label
        return image, label

    def _collate(self, samples):
        H = max(label.shape[0] for _, label in samples)
        W = max(label.shape[1] for _, label in samples)
        x = np.zeros((len(samples), 3, H, W), np.float32)
        labels = np.full((len(samples), H, W), self.ignore_index, np.uint8)
        for n, (image, label) in enumerate(samples):
            h, w = label.shape
            x[n, :, :h, :w] = self.preprocessing.to_input(image)
            labels[n, :h, :w] = label
        return x, labels
