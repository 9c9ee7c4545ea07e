"""What the machine can do at most: the measuring kernels compute what they claim to."""

from types import SimpleNamespace

import numpy as np
import pytest
from minifcn.kernels.cpu import get_num_threads, peak, set_num_threads
from minifcn.kernels.cpu.threads import parallel_for

BRIEF = 0.01  # seconds


@pytest.fixture(autouse=True)
def _restore_threads():
    before = get_num_threads()
    yield
    set_num_threads(before)


@pytest.mark.parametrize("threads", [1, 2])
def test_peak_of_both_dtypes(threads, dtype):
    set_num_threads(threads)
    measured = peak.peak(dtype, BRIEF)
    assert measured.core > 1e8  # a tenth of an operation a nanosecond
    assert measured.threads > 1e8
    assert 0 < measured.granted <= 1


def test_bandwidth():
    size = 2**24
    measured = peak.bandwidth(BRIEF, size)
    assert measured.size == size
    assert min(measured.read, measured.write, measured.copy) > 1e7
    assert measured.best == max(measured.read, measured.write, measured.copy)


def test_arrays_are_larger_than_the_caches_and_not_too_large(monkeypatch):
    for cache, size in ((0, 2**26), (2**25, 2**27), (2**30, 2**28)):
        monkeypatch.setattr(peak, "_largest_cache", lambda cache=cache: cache)
        assert peak.bandwidth(BRIEF).size == size


def test_reading_writing_and_copying_reach_every_number():
    x = np.arange(3 * peak.BLOCK, dtype=np.float32) % 1000
    y, sums = np.zeros_like(x), np.zeros(3, np.float32)
    parallel_for(peak._read, 3, x, sums)
    np.testing.assert_allclose(sums, x.reshape(3, -1).sum(1, dtype=np.float64), rtol=1e-3)
    parallel_for(peak._copy, 2, x.ctypes.data, y.ctypes.data)
    assert np.array_equal(y[: 2 * peak.BLOCK], x[: 2 * peak.BLOCK])
    assert not y[2 * peak.BLOCK :].any()
    parallel_for(peak._write, 1, y, np.float32(7))
    assert np.all(y[: peak.BLOCK] == 7)
    assert np.array_equal(y[peak.BLOCK : 2 * peak.BLOCK], x[peak.BLOCK : 2 * peak.BLOCK])


def test_the_best_of_at_least_two_runs(monkeypatch):
    clock = iter([0.0, 1.0, 4.0, 10.0, 12.0, 20.0])
    monkeypatch.setattr(peak, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    runs = []
    assert peak._best(lambda: runs.append(None), 0.5) == 2.0  # 1 to 4, 10 to 12
    assert len(runs) == 3  # the first one compiles
