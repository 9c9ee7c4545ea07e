"""The loader: what is in a batch never depends on threads, caches or interruptions."""

import gc
import threading
import time

import numpy as np
import pytest

from minifcn.data import RAW, Compose, HorizontalFlip, Loader, RandomCrop, Shift, to_input
from minifcn.data.prefetch import Prefetch


class Numbers:
    """Sample i is filled with i; reads counts how often each was read."""

    ignore_index = 255

    def __init__(self, n=10, size=lambda i: (4, 6)):
        self.n, self.size, self.reads = n, size, [0] * n

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        self.reads[i] += 1
        h, w = self.size(i)
        return np.full((h, w, 3), i, np.uint8), np.full((h, w), i, np.uint8)


class Patchwork(Numbers):
    """Sample i is a random picture of its own, so that a flip or a crop shows."""

    def __getitem__(self, i):
        rng = np.random.default_rng(i)
        return rng.integers(0, 256, (9, 11, 3), np.uint8), rng.integers(0, 5, (9, 11), np.uint8)


CHANGE = Compose(HorizontalFlip(), Shift(2), RandomCrop((8, 8)))


def prefetch_threads():
    return [t for t in threading.enumerate() if t.name == "minifcn-prefetch"]


@pytest.fixture(autouse=True)
def _no_thread_is_left():
    yield
    gc.collect()
    assert not prefetch_threads()


def same(a, b):
    assert len(a) == len(b)
    for (x, y), (u, v) in zip(a, b, strict=True):
        assert x.dtype == u.dtype == np.float32
        np.testing.assert_array_equal(x, u)
        np.testing.assert_array_equal(y, v)


def firsts(loader):
    """The sample numbers of each batch of an epoch."""
    return [y[:, 0, 0].tolist() for _, y in loader]


def flat(batches):
    return [number for batch in batches for number in batch]


def test_batches_in_order():
    batches = list(Loader(Numbers(), 4))
    assert [x.shape for x, _ in batches] == [(4, 3, 4, 6), (4, 3, 4, 6), (2, 3, 4, 6)]
    x, y = batches[1]
    assert (x.dtype, y.dtype) == (np.float32, np.uint8)
    for n in range(4):
        np.testing.assert_array_equal(x[n], to_input(np.full((4, 6, 3), 4 + n, np.uint8)))
        assert (y[n] == 4 + n).all()


def test_drop_last_and_lengths():
    assert (len(Loader(Numbers(), 4)), len(Loader(Numbers(), 4, drop_last=True))) == (3, 2)
    assert firsts(Loader(Numbers(), 4, drop_last=True)) == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert len(Loader(Numbers(), 5)) == 2


def test_every_epoch_is_another_permutation():
    loader = Loader(Numbers(), 3, shuffle=True, seed=1)
    epochs = [flat(firsts(loader)) for _ in range(4)]
    assert all(sorted(e) == list(range(10)) for e in epochs)
    assert len({tuple(e) for e in epochs}) == 4
    assert flat(firsts(Loader(Numbers(), 3, shuffle=True, seed=2))) not in epochs
    assert loader.epoch == 4


@pytest.mark.parametrize("cache", [True, False, 700])
@pytest.mark.parametrize("workers", [0, 1])
def test_threads_and_caches_change_nothing(cache, workers):
    def run(**options):
        loader = Loader(Patchwork(), 3, shuffle=True, seed=4, transform=CHANGE, **options)
        return [batch for _ in range(3) for batch in loader]

    same(run(cache=cache, workers=workers), run(cache=False, workers=0))


def test_transforms_differ_between_epochs_and_samples():
    loader = Loader(Patchwork(), 1, transform=CHANGE)
    first, second = list(loader), list(loader)
    changed = sum((a[0] != b[0]).any() for a, b in zip(first, second, strict=True))
    assert changed >= 8


def test_sample_rng_does_not_depend_on_the_batch_size():
    def pictures(batch_size):
        loader = Loader(Patchwork(), batch_size, seed=9, transform=CHANGE)
        return [x for batch, _ in loader for x in batch]

    np.testing.assert_array_equal(pictures(1), pictures(4))


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("stop", [0, 1, 2, 3, 4, 7, 8, 11])
def test_interrupted_is_uninterrupted(stop, workers):
    def make():
        return Loader(Patchwork(), 3, shuffle=True, seed=7, transform=CHANGE, workers=workers)

    stream = make().forever()
    whole = [next(stream) for _ in range(13)]
    stream.close()

    loader, head, stream = make(), [], None
    stream = loader.forever()
    for _ in range(stop):
        head.append(next(stream))
    state = loader.state()
    stream.close()
    other = Loader(Patchwork(), 3, shuffle=True, seed=0, transform=CHANGE, workers=workers)
    other.load_state(state)
    assert other.state() == state
    stream = other.forever()
    tail = [next(stream) for _ in range(13 - stop)]
    stream.close()
    same(head + tail, whole)


def test_state_counts_batches_in_hand_not_prefetched():
    loader = Loader(Numbers(), 2, seed=3)
    assert loader.state() == {"seed": 3, "epoch": 0, "position": 0}
    for n, _ in enumerate(loader, 1):
        want = {"epoch": 0, "position": n} if n < 5 else {"epoch": 1, "position": 0}
        assert loader.state() == {"seed": 3, **want}
    assert loader.state() == {"seed": 3, "epoch": 1, "position": 0}


def test_set_epoch_and_an_early_break():
    loader = Loader(Numbers(), 3, shuffle=True, seed=5)
    epochs = [firsts(loader) for _ in range(3)]
    loader.set_epoch(1)
    for _ in loader:
        break
    assert firsts(loader) == epochs[1]  # begun anew
    assert firsts(loader) == epochs[2]


def test_states_of_other_loaders_are_refused():
    loader = Loader(Numbers(), 5)
    for state in ({"epoch": 0, "position": 2}, {"epoch": -1, "position": 0}):
        with pytest.raises(ValueError, match="this loader has batches 0 to 1"):
            loader.load_state({"seed": 0, **state})


def test_sizes_are_padded_to_the_largest():
    data = Numbers(2, size=lambda i: [(4, 6), (5, 3)][i])
    ((x, y),) = Loader(data, 2)
    assert x.shape == (2, 3, 5, 6)
    assert (x[0, :, 4:] == 0).all()
    assert (x[1, :, :, 3:] == 0).all()
    assert (y[0, 4:] == 255).all()
    assert (y[1, :, 3:] == 255).all()
    np.testing.assert_array_equal(x[1, :, :, :3], to_input(data[1][0]))
    assert (y[1, :, :3] == 1).all()


def test_the_mean_can_be_left_out():
    x, _ = next(iter(Loader(Numbers(), 10, preprocessing=RAW, workers=0)))
    np.testing.assert_array_equal(x[:, 0, 0, 0], np.arange(10))


def test_cache_reads_once_and_keeps_to_its_bytes():
    data = Numbers()
    loader = Loader(data, 3, cache=3 * 4 * 6 * 4)  # room for three samples of 4 x 6
    for _ in range(3):
        list(loader)
    assert data.reads == [1] * 3 + [3] * 7
    whole = Numbers()
    loader = Loader(whole, 3)
    for _ in range(3):
        list(loader)
    assert whole.reads == [1] * 10


def test_samples_given_to_a_transform_are_read_only_but_the_data_sets_own_are_not():
    own = np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4), np.uint8)

    def spoil(image, label, rng):
        image[:] = 9
        return image, label

    with pytest.raises(ValueError, match="read-only"):
        list(Loader([own], 1, transform=spoil))
    assert own[0].flags.writeable


@pytest.mark.parametrize("workers", [0, 1])
def test_an_error_comes_after_the_batches_before_it(workers):
    class Broken(Numbers):
        def __getitem__(self, i):
            if i == 5:
                raise OSError("sample five is gone")
            return super().__getitem__(i)

    loader, seen = Loader(Broken(), 2, workers=workers), []
    with pytest.raises(OSError, match="sample five is gone"):
        seen.extend(y[0, 0, 0] for _, y in loader)
    assert seen == [0, 2]
    assert not prefetch_threads()


def test_no_thread_outlives_a_break_or_an_interrupt():
    loader = Loader(Numbers(100), 1)
    for _ in loader:
        assert len(prefetch_threads()) == 1
        break
    gc.collect()
    assert not prefetch_threads()

    def interrupted():
        for _ in loader:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    gc.collect()
    assert not prefetch_threads()


def test_two_loops_at_once_do_not_mix():
    a, b = Loader(Numbers(), 2), Loader(Numbers(), 2)
    pairs = [(x[0].tolist(), y[0].tolist()) for (_, x), (_, y) in zip(a, b, strict=True)]
    assert all(x == y for x, y in pairs)


def test_prefetch_runs_ahead_but_not_far():
    made, ready = [], threading.Event()

    def numbers():
        for i in range(50):
            made.append(i)
            if i == 3:
                ready.set()
            yield i

    with Prefetch(numbers, depth=3) as items:
        assert ready.wait(5)  # three wait in the queue and a fourth in the thread's hand
        assert next(items) == 0
        assert len(made) <= 6
    with pytest.raises(StopIteration):
        next(items)
    items.close()


def test_close_waits_for_the_work_in_hand():
    started, finished = threading.Event(), []

    def slow():
        started.set()
        time.sleep(0.1)
        finished.append(True)
        yield 0

    items = Prefetch(slow)
    assert started.wait(5)
    items.close()
    assert finished
    assert not prefetch_threads()


@pytest.mark.parametrize(
    "options",
    [{"batch_size": 0}, {"workers": 2}, {"seed": -1}, {"batch_size": 11, "drop_last": True}],
)
def test_wrong_settings_are_refused(options):
    with pytest.raises(ValueError, match=r"\d"):
        Loader(Numbers(), **options)


def test_an_empty_data_set_is_refused():
    with pytest.raises(ValueError, match="no batch of 1 in 0 samples"):
        Loader(Numbers(0))


def test_scenes_through_the_loader(scenes_root):
    from minifcn.data import Scenes

    loader = Loader(Scenes(scenes_root), 8, shuffle=True, transform=CHANGE, drop_last=True)
    batches = list(loader)
    assert len(batches) == 7
    assert all(x.shape == (8, 3, 8, 8) and y.shape == (8, 8, 8) for x, y in batches)
