"""The thread pool, and what does not depend on the number of threads."""

import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from minifcn.kernels import cpu, reference
from minifcn.kernels.cpu import blas, compile, threads
from minifcn.kernels.cpu.threads import parallel_for


@pytest.fixture(autouse=True)
def _restore_threads():
    before = cpu.get_num_threads()
    yield
    cpu.set_num_threads(before)


@pytest.mark.parametrize("n", [1, 2, 3, 7])
def test_every_item_once(n):
    cpu.set_num_threads(n)
    for count in (0, 1, 2, 15, 16, 17, 1000):
        for work in (1, 100, 10**6):
            seen = np.zeros(count, int)

            def visit(start, stop, step, seen=seen):
                seen[start:stop] += step

            parallel_for(visit, count, 3, work=work)
            assert np.all(seen == 3), (count, work)


def test_several_threads_take_part():
    cpu.set_num_threads(3)
    meeting = threading.Barrier(3, timeout=30)  # passed only by three threads at a time
    parallel_for(lambda start, stop: meeting.wait(), 3, work=10**9)


def test_small_loops_stay_in_the_calling_thread():
    cpu.set_num_threads(2)
    seen = []
    parallel_for(lambda start, stop: seen.append((start, stop, threading.get_ident())), 1000)
    assert seen == [(0, 1000, threading.get_ident())]


def test_an_exception_is_raised_in_the_caller():
    def fail(start, stop):
        raise ZeroDivisionError(start)

    for n in (1, 4):
        cpu.set_num_threads(n)
        with pytest.raises(ZeroDivisionError):
            parallel_for(fail, 100, work=10**9)
    seen = []
    parallel_for(lambda start, stop: seen.append(stop - start), 100, work=10**9)
    assert sum(seen) == 100  # the pool still works


def test_a_loop_inside_a_loop():
    cpu.set_num_threads(2)
    seen = np.zeros((20, 30), int)

    def inner(start, stop, row):
        seen[row, start:stop] += 1

    def outer(start, stop):
        for row in range(start, stop):
            parallel_for(inner, 30, row, work=10**9)

    parallel_for(outer, 20, work=10**9)
    assert np.all(seen == 1)


def test_number_of_threads():
    for n in (1, 5):
        cpu.set_num_threads(n)
        assert cpu.get_num_threads() == n
    with pytest.raises(ValueError, match="at least 1, not 0"):
        cpu.set_num_threads(0)
    assert cpu.get_num_threads() == 5
    assert 1 <= threads.usable_cores() <= os.cpu_count()


def test_blas_is_limited_and_let_go():
    """NumPy's BLAS has one thread inside, and outside as many as set_num_threads said."""
    now = blas.get_num_threads
    if not now():
        pytest.skip("threadpoolctl knows nothing of this BLAS")
    two, one = [2] * len(now()), [1] * len(now())

    def check():
        cpu.set_num_threads(2)
        assert now() == two
        with blas.one_thread():
            with blas.one_thread():
                assert now() == one
            assert now() == one
            cpu.set_num_threads(1)
            cpu.set_num_threads(2)  # takes effect when the context is left
            assert now() == one
        assert now() == two
        with pytest.raises(KeyError), blas.one_thread():
            raise KeyError
        assert now() == two

    check()
    with ThreadPoolExecutor(1) as other:  # from whatever Python thread
        other.submit(check).result()


def test_blas_is_limited_in_convolutions(monkeypatch):
    """Also in those that other Python threads start."""
    seen = []
    matmul = np.matmul

    def spy(*args, **kwargs):
        seen.append(blas.get_num_threads())
        return matmul(*args, **kwargs)

    if not blas.get_num_threads():
        pytest.skip("threadpoolctl knows nothing of this BLAS")
    cpu.set_num_threads(2)
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((2, 8, 40, 40)), rng.standard_normal((8, 8, 3, 3))
    monkeypatch.setattr(np, "matmul", spy)
    with ThreadPoolExecutor(3) as others:
        for _ in range(20):
            others.submit(cpu.conv2d, x, w, None, (1, 1), (1, 1), (1, 1), 1)
    assert len(seen) >= 20
    assert set(map(tuple, seen)) == {(1,) * len(seen[0])}
    assert set(blas.get_num_threads()) == {2}


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

    for shape, weight_shape, *window in (
        ((2, 16, 61, 83), (20, 16, 3, 3), (1, 1), (1, 1), (1, 1), 1),
        ((1, 48, 17, 23), (80, 48, 3, 3), (1, 1), (1, 1), (1, 1), 1),
        ((2, 3, 90, 120), (33, 3, 7, 7), (2, 2), (3, 3), (1, 1), 1),
        ((1, 48, 9, 11), (230, 48, 3, 3), (1, 1), (1, 1), (1, 1), 1),
        ((3, 40, 9, 7), (128, 40, 5, 5), (1, 1), (2, 2), (1, 1), 1),
        ((2, 64, 30, 41), (80, 64, 1, 1), (1, 1), (0, 0), (1, 1), 1),
        ((4, 24, 6, 7), (160, 24, 6, 7), (1, 1), (0, 0), (1, 1), 1),
        ((2, 32, 40, 50), (32, 1, 3, 3), (1, 1), (1, 1), (1, 1), 32),
        ((2, 32, 20, 26), (21, 32, 4, 4), (2, 2), (1, 1), (1, 1), 1),
    ):
        x, w, b = array(*shape), array(*weight_shape), array(weight_shape[0])
        y = cpu.conv2d(x, w, b, *window)
        yield f"conv2d {shape}", y
        gy = array(*y.shape)
        yield f"grad_input {shape}", cpu.conv2d_grad_input(gy, w, shape[2:], *window)
        yield f"grad_weight {shape}", cpu.conv2d_grad_weight(gy, x, weight_shape[2:], *window)

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
    """Bit for bit, convolution included: each matrix product runs in one thread of BLAS."""
    cpu.set_num_threads(1)
    expected = dict(_everything(dtype))
    for n in (2, 3, 8):
        cpu.set_num_threads(n)
        for name, result in _everything(dtype):
            assert np.array_equal(result, expected[name]), (name, n)


def test_several_python_threads_at_once():
    """Their workspaces, the pool and the BLAS limit do not get in each other's way."""
    cpu.set_num_threads(2)
    rng = np.random.default_rng(2)
    window = (1, 1), (1, 1), (1, 1), 1
    cases = []
    for channels in (3, 8, 20, 33):
        x = rng.standard_normal((2, channels, 30 + channels, 41))
        w = rng.standard_normal((channels + 5, channels, 3, 3))
        y = reference.conv2d(x, w, None, *window)
        gw = reference.conv2d_grad_weight(y, x, (3, 3), *window)
        gx = reference.conv2d_grad_input(y, w, x.shape[2:], *window)
        cases.append((x, w, y, gw, gx))
    errors = []

    def work(x, w, y, gw, gx):
        end = time.monotonic() + 1.0
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
from minifcn.kernels.cpu import blas, threads

warnings.simplefilter("ignore")  # Python 3.12 warns of every fork of a process with threads
cpu.set_num_threads(2)
rng = np.random.default_rng(0)
x, w = rng.standard_normal((2, 16, 60, 60)), rng.standard_normal((16, 16, 3, 3))
window = (1, 1), (1, 1), (1, 1), 1
expected = cpu.conv2d(x, w, None, *window)
assert threads._pool.size == 1

def child():
    ok = np.array_equal(cpu.conv2d(x, w, None, *window), expected)
    ok = ok and np.array_equal(cpu.relu(x), np.maximum(x, 0)) and threads._pool.size == 1
    ok = ok and set(blas.get_num_threads()) <= {2}
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
