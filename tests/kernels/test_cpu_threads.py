"""The thread pool, and what does not depend on the number of threads."""

import ctypes
import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from minifcn.kernels import cpu, reference
from minifcn.kernels.cpu import compile, threads, workspace
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


def test_no_directory_for_compiled_code(monkeypatch):
    """Where nothing can be written, kernels are compiled for the process."""
    njit = compile.numba.njit

    def no_cache(*args, cache=False, **options):
        if cache:
            return lambda function: (_ for _ in ()).throw(RuntimeError("no locator available"))
        return njit(*args, **options)

    monkeypatch.setattr(compile.numba, "njit", no_cache)

    @compile.kernel()
    def double(x):
        return 2 * x

    assert double(21) == 42


def _everything(dtype):
    """Name and result of every kernel, on arrays large enough for several threads."""
    rng = np.random.default_rng(1)

    def array(*shape):
        return rng.standard_normal(shape).astype(dtype)

    for algorithm, shape, weight_shape, *window in (
        ("direct", (2, 16, 61, 83), (20, 16, 3, 3), (1, 1), (1, 1), (1, 1), 1),
        ("direct", (1, 48, 17, 23), (80, 48, 3, 3), (1, 1), (1, 1), (1, 1), 1),
        ("direct", (2, 3, 90, 120), (33, 3, 7, 7), (2, 2), (3, 3), (1, 1), 1),
        ("direct", (1, 48, 9, 11), (230, 48, 3, 3), (1, 1), (1, 1), (1, 1), 1),
        ("direct", (3, 40, 9, 7), (128, 40, 5, 5), (1, 1), (2, 2), (1, 1), 1),
        ("direct", (2, 64, 30, 41), (80, 64, 1, 1), (1, 1), (0, 0), (1, 1), 1),
        ("direct", (4, 24, 6, 7), (160, 24, 6, 7), (1, 1), (0, 0), (1, 1), 1),
        ("direct", (2, 32, 40, 50), (32, 1, 3, 3), (1, 1), (1, 1), (1, 1), 32),
        ("direct", (2, 32, 20, 26), (21, 32, 4, 4), (2, 2), (1, 1), (1, 1), 1),
        ("direct", (1, 520, 6, 6), (300, 520, 3, 3), (1, 1), (1, 1), (1, 1), 1),  # a panel a task
        ("winograd", (2, 64, 41, 50), (64, 64, 3, 3), (1, 1), (1, 2), (1, 1), 1),  # own sums
        ("winograd", (1, 128, 41, 50), (112, 128, 3, 3), (1, 1), (1, 1), (1, 1), 1),  # shared ones
        ("winograd", (1, 128, 9, 11), (240, 128, 3, 3), (1, 1), (1, 1), (1, 1), 1),  # panels
        ("winograd", (3, 48, 9, 7), (128, 48, 5, 5), (1, 1), (2, 2), (1, 1), 1),
    ):
        cpu.conv.set_algorithm(algorithm)
        x, w, b = array(*shape), array(*weight_shape), array(weight_shape[0])
        y = cpu.conv2d(x, w, b, *window, relu=True)
        yield f"conv2d {shape}", y
        gy = array(*y.shape)
        yield f"grad_input {shape}", cpu.conv2d_grad_input(gy, w, shape[2:], *window)
        yield f"grad_weight {shape}", cpu.conv2d_grad_weight(gy, x, weight_shape[2:], *window)
    yield "matmul", cpu.matmul(array(200, 90), array(90, 170))
    yield "matmul of a transposed matrix", cpu.matmul(array(900, 110).T, array(900, 70))

    x, window = array(2, 12, 60, 80), ((3, 3), (2, 2), (0, 0), (1, 1))
    y, argmax = cpu.max_pool2d(x, *window, (30, 40))
    yield "max_pool2d", np.stack([y, argmax])
    yield "max_pool2d_grad", cpu.max_pool2d_grad(y, argmax, (60, 80), *window)
    yield "avg_pool2d", cpu.avg_pool2d(x, *window, (30, 40))
    yield "avg_pool2d_grad", cpu.avg_pool2d_grad(y, (60, 80), *window)
    yield "relu", cpu.relu(x)
    yield "relu_grad", cpu.relu_grad(x[::-1], x)
    y, scale = cpu.local_response_norm(x, 5, 0.1, 0.75, 1.0)
    yield "local_response_norm", y
    gx = cpu.local_response_norm_grad(x[::-1], x, y, scale, 5, 0.1, 0.75)
    yield "local_response_norm_grad", gx
    labels = rng.integers(0, 12, (2, 60, 80))
    losses, lse = cpu.cross_entropy(x, labels, None, 255)
    yield "cross_entropy", losses
    yield "cross_entropy_grad", cpu.cross_entropy_grad(x, labels, lse, losses, 255)
    y = cpu.upsample_bilinear(x, (8, 6), (4, 3), (2, 1), (240, 241))
    yield "upsample_bilinear", y
    yield "upsample_bilinear_grad", cpu.upsample_bilinear_grad(y, (60, 80), (8, 6), (4, 3), (2, 1))
    w, g, v, s = x, x[::-1].copy(), x[:, ::-1].copy(), x**2
    cpu.sgd_step(w, g, v, 0.1, 0.9, 0.01)
    cpu.adamw_step(w, g, v, s, 0.1, 0.9, 0.99, 1e-8, 0.01, 3)
    yield "solver", np.stack([w, v, s])
    counts = cpu.confusion_counts(np.tile(labels, 40), np.tile(labels[::-1], 40), 12, 255)
    yield "confusion_counts", counts


def test_results_do_not_depend_on_the_number_of_threads(dtype):
    """Bit for bit, convolution by either algorithm included."""
    cpu.set_num_threads(1)
    expected = dict(_everything(dtype))
    for n in (2, 3, 7):
        cpu.set_num_threads(n)
        for name, result in _everything(dtype):
            assert np.array_equal(result, expected[name]), (name, n)


def test_several_python_threads_at_once(algorithm):
    """Their workspaces and the pool do not get in each other's way."""
    cpu.set_num_threads(2)
    rng = np.random.default_rng(2)
    window = (1, 1), (1, 1), (1, 1), 1
    cases = []
    for channels in (3, 16, 20, 48):
        x = rng.standard_normal((2, channels, 30 + channels, 41))
        w = rng.standard_normal((channels + 16, channels, 3, 3))
        y = reference.conv2d(x, w, None, *window)
        gw = reference.conv2d_grad_weight(y, x, (3, 3), *window)
        gx = reference.conv2d_grad_input(y, w, x.shape[2:], *window)
        cases.append((x, w, y, gw, gx))
    errors = []

    def work(x, w, y, gw, gx):
        end = time.monotonic() + 0.5
        while time.monotonic() < end:
            errors.append(abs(cpu.conv2d(x, w, None, *window) - y).max() / abs(y).max())
            ours = cpu.conv2d_grad_weight(y, x, (3, 3), *window)
            errors.append(abs(ours - gw).max() / abs(gw).max())
            ours = cpu.conv2d_grad_input(y, w, x.shape[2:], *window)
            errors.append(abs(ours - gx).max() / abs(gx).max())
            errors.append(abs(cpu.relu(x) - reference.relu(x)).max())

    workers = [threading.Thread(target=work, args=case) for case in cases]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(errors) >= 4 * len(cases)
    assert max(errors) < 1e-12


FORK = """
import os, threading, warnings
import numpy as np
from minifcn.kernels import cpu
from minifcn.kernels.cpu import threads

warnings.simplefilter("ignore")  # Python 3.12 warns of every fork of a process with threads
cpu.set_num_threads(2)
rng = np.random.default_rng(0)
x, w = rng.standard_normal((2, 16, 60, 60)), rng.standard_normal((16, 16, 3, 3))
window = (1, 1), (1, 1), (1, 1), 1
expected = cpu.conv2d(x, w, None, *window)
assert len(threads._pool.helpers) == 1

def child():
    ok = np.array_equal(cpu.conv2d(x, w, None, *window), expected)
    ok = ok and np.array_equal(cpu.relu(x), np.maximum(x, 0)) and len(threads._pool.helpers) == 1
    os._exit(0 if ok else 1)

def check():
    pid = os.fork()
    if pid == 0:
        child()
    assert os.waitpid(pid, 0)[1] == 0, "the child failed"

check()
stop = threading.Event()

def busy():
    while not stop.is_set():
        cpu.conv2d(x, w, None, *window)

worker = threading.Thread(target=busy)
worker.start()
for _ in range(20):
    check()
stop.set()
worker.join()
assert np.array_equal(cpu.conv2d(x, w, None, *window), expected)
print("survived")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_makes_its_own_pool():
    """Also where another thread of the parent is inside a kernel at that moment."""
    run = subprocess.run(
        [sys.executable, "-c", FORK], capture_output=True, text=True, timeout=60, check=False
    )
    assert (run.returncode, run.stdout) == (0, "survived\n"), run.stderr


WORKSPACES = """
import os, sys, time
import numpy as np
from minifcn.kernels import cpu

cpu.set_num_threads(1)  # the thread that forks is the one that works, on both sides
cpu.conv.set_algorithm(sys.argv[1])
rng = np.random.default_rng(0)
x, w = rng.standard_normal((2, 1, 16, 40, 40)), rng.standard_normal((40, 16, 3, 3))
if sys.argv[1] == "winograd":
    w = w[:32].copy()
window = (1, 1), (1, 1), (1, 1), 1
expected = [cpu.conv2d(one, w, None, *window) for one in x]

def right(which, seconds):
    end = time.monotonic() + seconds
    results = []
    while time.monotonic() < end:
        results.append(np.array_equal(cpu.conv2d(x[which], w, None, *window), expected[which]))
    return all(results) and len(results) > 0

pid = os.fork()
if pid == 0:
    os._exit(0 if right(1, 0.7) else 1)
parent = right(0, 0.7)
child = os.waitpid(pid, 0)[1]
assert parent, "the child wrote into its parent's workspace"
assert child == 0, "the parent wrote into its child's workspace"
print("apart")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("name", ["direct", "winograd"])
def test_parent_and_child_compute_at_once(name):
    """A thread's workspace is not shared with the process that it was forked into."""
    run = subprocess.run(
        [sys.executable, "-c", WORKSPACES, name],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (run.returncode, run.stdout) == (0, "apart\n"), run.stderr


def test_workspaces_are_carved_on_cache_lines():
    starts, total = workspace.carve(1, 64, 0, 65, 1000)
    assert starts == (0, 64, 128, 128, 256)
    assert total == 256 + 1024
    assert workspace.carve() == ((), 0)


def test_a_workspace_is_a_thread_s_own_and_grows():
    """What one thread writes, no other overwrites; a larger room is there to its last byte."""
    found, ready, both = {(0, 1): workspace.address(1)}, threading.Barrier(2), []

    def work(name):
        for size in (1, 10**6, 5 * 10**6, 10**6):
            address = workspace.address(size)
            room = np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(address))
            room[:] = name
            ready.wait(30)  # the other has written, too
            both.append(bool((room == name).all()))
            found[name, size] = address
            ready.wait(30)
        assert workspace.address(1) == address  # what is there is kept

    workers = [threading.Thread(target=work, args=(name,)) for name in (1, 2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert both == [True] * 8
    assert all(address % 64 == 0 for address in found.values())
    for size in (1, 10**6, 5 * 10**6):
        assert len({found[0, 1], found[1, size], found[2, size]}) == 3
