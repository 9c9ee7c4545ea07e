"""Tasks, and the pool of threads that takes them."""

import os
import time

import numpy as np
import pytest
from minifcn.kernels import cpu
from minifcn.kernels.cpu import threads, workspace
from minifcn.kernels.cpu.compile import kernel
from minifcn.kernels.cpu.layout import scratch
from minifcn.kernels.cpu.tasks import (
    ALLOWED,
    COUNTERS,
    MOST,
    SHARES,
    _add,
    _look,
    await_all,
    describe,
    finish,
    new_box,
    new_work,
    room_of,
    take,
    tasks,
)
from minifcn.kernels.cpu.threads import parallel_for

pytestmark = pytest.mark.usefixtures("settings")


@kernel()
def count(work, seen, step):
    for task in tasks(work):
        seen[task] += step


@kernel()
def meet(work, place, patience):
    """Every task waits for all three; how many came is left at the place."""
    for _ in tasks(work):
        _add(place, 0, 1)
        for _ in range(patience):
            if _look(place, 0) == 3:
                break


@kernel()
def fail(work, room, seen):
    """Where the thread's own memory is not ``room``."""
    if room_of(work) != room:
        raise ValueError
    for task in tasks(work):
        for i in range(seen.shape[1]):
            seen[task, i] += i


@kernel()
def note(work, order):
    """The tasks in the order in which they came."""
    for i, task in enumerate(tasks(work)):
        order[i] = task


@kernel()
def prepare(work, counters, made, seen):
    """Every task reads what all threads made before, each a part."""
    ready = False
    for task in tasks(work):
        if not ready:
            i = take(counters)
            while i < len(made):
                made[i] += i + 1
                finish(counters)
                i = take(counters)
            await_all(work, counters, len(made))
            ready = True
        seen[task] = made.sum()


@pytest.mark.parametrize("n", [1, 2, 3, 7])
def test_every_task_once(n):
    cpu.set_num_threads(n)
    for number in (0, 1, 2, 15, 16, 17, 1000):
        for work in (1, 100, 10**6):
            seen = np.zeros(number, int)
            parallel_for(count, number, seen, 3, work=work)
            assert np.all(seen == 3), (number, work)


def test_every_task_once_in_many_short_loops():
    """Threads come and go at any moment of a loop, between two, and after a pause asleep."""
    cpu.set_num_threads(3)
    seen = np.zeros(24, int)
    for i in range(20_000):
        parallel_for(count, 24, seen, 1, work=10**9)
        if i % 2000 == 0:
            time.sleep(0.01)
    assert np.all(seen == 20_000)


@pytest.mark.parametrize("number", [0, 1, 2, 3, 10])
def test_own_share_first(number):
    """A thread without company takes its own third of the tasks, then the others' in turn."""
    box = new_box(0)
    describe(box, 100, 7, 2)
    box[ALLOWED] = 0
    work, order = new_work(box, number), np.full(100, -1)
    note(work, order)
    first = [0, 33, 66][number % 3]
    assert order.tolist() == [*range(first, 100), *range(first)]


def test_more_threads_than_shares():
    box = new_box(0)
    describe(box, 1000, 1, 99)
    assert box[SHARES] == MOST
    box[ALLOWED] = 0
    order = np.full(1000, -1)
    note(new_work(box, 70), order)
    assert order[0] == 6 * 1000 // 64
    assert sorted(order) == list(range(1000))


@pytest.mark.parametrize("n", [1, 2, 5])
def test_what_is_prepared_together(n):
    """It is there for everyone before any task goes on, and made once."""
    cpu.set_num_threads(n)
    for _ in range(300):
        buffer, counters = scratch(COUNTERS, COUNTERS)
        made, seen = np.zeros(37, int), np.zeros(16, int)
        parallel_for(prepare, 16, counters, made, seen, work=10**9)
        assert made.tolist() == list(range(1, 38))
        assert np.all(seen == 37 * 38 // 2)
        assert buffer.size > COUNTERS


def test_several_threads_take_part():
    cpu.set_num_threads(3)
    place = np.zeros(1, np.int64)
    for _ in range(100):  # a thread that slept may come late
        place[:] = 0
        parallel_for(meet, 3, place.ctypes.data, 10**7, work=10**9)
        if place[0] == 3 and len(threads._pool.helpers) >= 2:
            return
    raise AssertionError("never three threads at once")


def test_small_loops_stay_in_the_calling_thread(monkeypatch):
    cpu.set_num_threads(2)
    monkeypatch.setattr(threads._Pool, "run", None)
    seen = np.zeros(1000, int)
    parallel_for(count, 1000, seen, 1)
    assert np.all(seen == 1)
    with pytest.raises(TypeError):
        parallel_for(count, 1000, seen, 1, work=10**9)


def test_who_finds_the_pool_busy_works_alone():
    cpu.set_num_threads(2)
    seen = np.zeros(1000, int)
    with threads._pool.lock:
        parallel_for(count, 1000, seen, 1, work=10**9)
    assert np.all(seen == 1)


def test_an_exception_is_raised_in_the_caller():
    seen = np.zeros((100, 1000), int)
    for n in (1, 4):
        cpu.set_num_threads(n)
        with pytest.raises(ValueError):
            parallel_for(fail, 100, -1, seen, work=10**9, room=100)
    assert not seen.any()
    mine = workspace.address(100)

    def until_a_helper_came():
        for _ in range(1000):
            parallel_for(fail, 100, mine, seen, work=10**9, room=100)

    with pytest.raises(MemoryError, match="fail: another thread could not run its part"):
        until_a_helper_came()
    numbers = np.zeros(100, int)
    parallel_for(count, 100, numbers, 1, work=10**9)
    assert np.all(numbers == 1)  # the pool still works


def test_number_of_threads():
    for n in (1, 5):
        cpu.set_num_threads(n)
        assert cpu.get_num_threads() == n
    with pytest.raises(ValueError, match="at least 1, not 0"):
        cpu.set_num_threads(0)
    assert cpu.get_num_threads() == 5
    assert 1 <= threads.usable_cores() <= os.cpu_count()
