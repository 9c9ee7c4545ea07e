"""The GPU that the CPU plays: what it finds wrong with a kernel."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from minifcn.kernels.cuda import emulator
from minifcn.kernels.cuda.device import for_each, launch
from on_device import table

FOLDER = Path(emulator.__file__).parent
THREADS = 64


@pytest.fixture
def gpu(monkeypatch, tmp_path):
    """The module of emulated arrays; what is compiled meanwhile is not kept."""
    monkeypatch.setenv("MINIFCN_CACHE", str(tmp_path / "compiled"))
    return table("emulated").module


def written(folder, text: str) -> str:
    """A .cu file of its own: the emulator takes those of any folder."""
    path = folder / "probe.cu"
    path.write_text(f'#include "device.cuh"\n{text}')
    return str(path)


BARRIERS = """
extern "C" __global__ void reversed(const real* x, real* y) {
  __shared__ real shown[64];
  shown[threadIdx.x] = x[blockIdx.x * 64 + threadIdx.x];
  __syncthreads();
  y[blockIdx.x * 64 + threadIdx.x] = shown[63 - threadIdx.x];
}
extern "C" __global__ void block_waits(const real* x, real* y) {
  if (blockIdx.x == 0 || threadIdx.x < 63) __syncthreads();
}
extern "C" __global__ void warp_waits(const real* x, real* y) {
  if (threadIdx.x != 40) __syncwarp();
}
extern "C" __global__ void both_wait(const real* x, real* y) {
  if (threadIdx.x < 32) __syncwarp();
  if (threadIdx.x < 32) __syncthreads(); else __syncwarp();
}
"""


def test_a_barrier_that_some_threads_miss(gpu, tmp_path):
    """The kernel, the barrier and the block are named, and what comes after is not disturbed."""
    file = written(tmp_path, BARRIERS)
    x = gpu.asarray(np.arange(2 * THREADS, dtype=np.float32))
    for name, barrier, place in (
        ("block_waits", "__syncthreads", "block 1,0,0"),
        ("warp_waits", "a warp's barrier", "block 0,0,0, thread 32"),
        ("both_wait", "__syncthreads", "block 0,0,0"),
    ):
        y = gpu.zeros_like(x)
        message = rf"probe\.cu: {name}: {barrier}: not all threads reach it \({place}"
        with pytest.raises(RuntimeError, match=message):
            launch(file, name, (2,), (THREADS,), x, y, real="float")
        launch(file, "reversed", (2,), (THREADS,), x, y, real="float")
        assert np.array_equal(y.get(), x.get().reshape(2, -1)[:, ::-1].ravel())


def test_arguments_are_what_the_kernel_declares(gpu, tmp_path):
    file = written(tmp_path, """
extern "C" __global__ void scaled(const real* __restrict__ x, real* y, real factor,
                                  long long first, int numbers) {
  int t = thread_number();
  if (t < numbers) y[t] = factor * x[first + t];
}
""")  # fmt: skip
    x, y = gpu.asarray(np.arange(5.0)), gpu.zeros(3)

    def call(*arguments):
        for_each(3, file, "scaled", *arguments, real=np.dtype("float64"))

    call(x, y, np.float64(10), np.int64(2))
    assert np.array_equal(y.get(), [20, 30, 40])
    right = x, y, np.float64(10), np.int64(2)
    for position, wrong, message in (
        (
            0,
            x.astype(np.float32),
            r"const real\* __restrict__ x is float64\*; .* array of float32",
        ),
        (0, np.float64(3), r"real\* __restrict__ x is float64\*; .* number of float64"),
        (1, y.astype(np.int64), r"real\* y is float64\*; .* array of int64"),
        (2, np.float32(10), "real factor is float64; .* number of float32"),
        (2, 10, "real factor is float64; .* number of int32"),
        (2, y, "real factor is float64; .* array of float64"),
        (3, 2, "long long first is int64; .* number of int32"),
    ):
        given = [*right]
        given[position] = wrong
        with pytest.raises(TypeError, match=f"probe.cu: scaled: .*{message}"):
            call(*given)
    for given, got in ((right[:-1], 4), ((*right, 1), 6)):
        with pytest.raises(TypeError, match=f"probe.cu: scaled: 5 arguments; got {got}"):
            call(*given)


def test_what_the_compiler_refuses_is_shown_with_its_line(gpu, tmp_path):
    file = written(tmp_path, """
extern "C" __global__ void broken(const real* x, int numbers) {
  int t = thread_numbre();
}
""")  # fmt: skip
    with pytest.raises(RuntimeError) as caught:
        for_each(3, file, "broken", gpu.zeros(3, np.float32), real="float")
    first, *others = str(caught.value).splitlines()
    assert re.fullmatch(r".*probe\.cu: .* refuses it:", first)
    assert any(re.search(r"probe\.cu:4:\d+: error: .*thread_numbre", line) for line in others)
    assert len(others) < 10


def test_copies_that_are_not_waited_for_have_not_arrived(gpu, tmp_path):
    """Nor have the later ones, where only the earlier are waited for."""
    file = written(tmp_path, """
template <int LEFT>
__device__ void copy(const real* x, real* y) {
  DYNAMIC_SHARED(real, tile);
  int t = threadIdx.x;
  for (int half = 0; half < 2; half++) {
    copy_async<4>(tile + 64 * half + t, x + 64 * half + t, t < 60);
    copy_async_commit();
  }
  if (LEFT < 2) copy_async_wait<LEFT>();
  __syncthreads();
  for (int half = 0; half < 2; half++) y[64 * half + t] = tile[64 * half + (t + 1) % 64];
}
extern "C" __global__ void patient(const real* x, real* y) { copy<0>(x, y); }
extern "C" __global__ void hasty(const real* x, real* y) { copy<1>(x, y); }
extern "C" __global__ void forgetful(const real* x, real* y) { copy<2>(x, y); }
""")  # fmt: skip
    x = np.arange(1, 2 * THREADS + 1, dtype=np.float32)
    zeroed = np.where(np.arange(2 * THREADS) % THREADS < 60, x, 0).reshape(2, -1)
    expected = np.roll(zeroed, -1, axis=1).astype(np.float32)
    stale = np.full(THREADS, np.nan)
    for name, parts in (
        ("patient", expected),
        ("hasty", [expected[0], stale]),
        ("forgetful", [stale, stale]),
    ):
        y = gpu.zeros(2 * THREADS, np.float32)
        launch(file, name, (1,), (THREADS,), gpu.asarray(x), y, shared=512, real="float")
        assert np.array_equal(y.get().reshape(2, -1), parts, equal_nan=True), name


# A kernel for each kind of memory, which goes one number too far there
TOO_FAR = """
extern "C" __global__ void beyond_array(const real* x, real* y) { *y = x[threadIdx.x + 1]; }
extern "C" __global__ void before_array(const real* x, real* y) { y[(int)threadIdx.x - 1] = *x; }
extern "C" __global__ void beyond_shared(const real* x, real* y) {
  __shared__ real tile[64];
  tile[threadIdx.x] = *x;
  __syncthreads();
  *y = tile[threadIdx.x + 1];
}
extern "C" __global__ void beyond_dynamic(const real* x, real* y) {
  DYNAMIC_SHARED(real, tile);
  tile[threadIdx.x + 1] = *x;
}
extern "C" __global__ void beyond_own(const real* x, real* y) {
  real numbers[4] = {1, 2, 3, *x};
  __syncthreads();
  *y = numbers[threadIdx.x % 5];
}
"""
RIGHT = "reversed", "missed", "roomy"
MISSED = """
extern "C" __global__ void missed(const real* x, real* y) {
  volatile real numbers[9];
  for (int i = 0; i < 9; i++) numbers[i] = *x;
  if (threadIdx.x < 32) __syncthreads();  // never left: what watches ``numbers`` stays behind
  *y = numbers[3];
}
extern "C" __global__ void roomy(const real* x, real* y) {
  volatile real numbers[90];
  for (int i = 0; i < 90; i++) numbers[i] = *x;
  *y = numbers[3];
}
"""
PROGRAM = """
import sys
from minifcn.kernels.cuda import arrays
from minifcn.kernels.cuda.device import launch

file, *names = sys.argv[1:]
x, y = arrays.zeros(64, "f4"), arrays.zeros(64, "f4")
for name in names:
    print("begins", name, flush=True)
    try:
        launch(file, name, (1,), (64,), x, y, shared=256, real="float")
    except RuntimeError as error:
        assert "not all threads reach it" in str(error), error
print("has ended")
"""


def sanitized() -> dict[str, str]:
    """The environment of a process that runs every kernel under the address sanitizer."""
    if not emulator.available():
        pytest.skip("no C++ compiler")
    compiler = os.environ.get("CXX", "g++")
    command = [compiler, "-print-file-name=libasan.so"]
    library = subprocess.run(command, capture_output=True, text=True).stdout.strip()
    if not Path(library).is_absolute():
        pytest.skip(f"{compiler} has no address sanitizer to preload")
    settings = {"MINIFCN_SANITIZE": "1", "LD_PRELOAD": library, "ASAN_OPTIONS": "detect_leaks=0"}
    return os.environ | settings


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    """Runs kernels of one file in such a process: its exit status and what it says."""
    environment, folder = sanitized(), tmp_path_factory.mktemp("watched")
    file = written(folder, BARRIERS + MISSED + TOO_FAR)
    environment["MINIFCN_CACHE"] = str(folder)

    def run(*names):
        command = [sys.executable, "-c", PROGRAM, file, *names]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    return run


def test_the_sanitizer_lets_right_kernels_pass(watched):
    status, said = watched(*RIGHT)
    assert status == 0, said
    assert "Sanitizer" not in said
    assert said.endswith("has ended\n")


@pytest.mark.parametrize("name", re.findall(r"void (\w+)", TOO_FAR))
def test_the_sanitizer_stops_a_kernel_that_goes_too_far(watched, name):
    """It names the line, after a right kernel and one that missed a barrier too."""
    status, said = watched(*RIGHT, name)
    assert status != 0
    assert f"begins {name}\n" in said
    assert re.search(rf"AddressSanitizer: [a-z]+-buffer-overflow.*\n.*\n +#0 .* {name} ", said)
    assert re.search(r"#0 .*probe\.cu:\d+", said)
    assert "has ended" not in said


# Tests that together run every kernel, in float32
KEPT = "exact or agree or label_map or random or hoppers or BF16 or 1x1"
LEFT_OUT = "float64 or larger or torch"
RECORDED = """
import sys
import pytest
from minifcn.kernels.cuda import emulator

launch = emulator.launch

def recorded(file, name, *others):
    print("\\nran", file, name)
    launch(file, name, *others)

emulator.launch = recorded
sys.exit(pytest.main(["-q", "-rA", "-p", "no:cacheprovider", *sys.argv[1:]]))
"""


@pytest.mark.slow
def test_no_kernel_goes_too_far():
    """Under the sanitizer, which sees every access to every array, of all sizes tested."""
    chosen = f"emulated and ({KEPT}) and not ({LEFT_OUT})"
    command = [sys.executable, "-c", RECORDED, "-k", chosen, str(Path(__file__).parent)]
    done = subprocess.run(command, env=sanitized(), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
    ran = set(re.findall(r"^ran (.*)$", done.stdout, re.MULTILINE))
    every = {
        f"{path.name} {name}"
        for path in FOLDER.glob("*.cu")
        for name in emulator.kernels_of(path.read_text())
    }
    assert every <= ran, every - ran
