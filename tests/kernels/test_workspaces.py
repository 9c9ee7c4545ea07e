"""What threads and processes must not share: a pool with a forked child, a workspace."""

import ctypes
import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from minifcn.kernels.cpu import workspace

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
