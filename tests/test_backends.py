"""The door to the kernels: names, the environment, threads, and what an import costs."""

import importlib.util
import json
import os
import re
import subprocess
import sys
import types

import numpy as np
import pytest

import minifcn as mf
from minifcn import backends, gpu, kernels


def python(code: str, **environment) -> str:
    """What a fresh interpreter prints."""
    kept = {k: v for k, v in os.environ.items() if k != "MINIFCN_BACKEND"}
    result = subprocess.run(
        [sys.executable, "-c", code],
        env={**kept, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


@pytest.fixture
def _restored():
    """Leaves the backend as it was found."""
    before = backends.current_backend()
    yield
    mf.use_backend(before)


@pytest.mark.usefixtures("_restored")
def test_use_backend_sets_or_is_a_context():
    mf.use_backend("reference")
    assert backends.current_backend() == "reference"
    with mf.use_backend("cpu"):
        assert backends.current_backend() == "cpu"
        with mf.use_backend("reference"):
            assert backends.current_backend() == "reference"
        assert backends.current_backend() == "cpu"
    assert backends.current_backend() == "reference"
    with pytest.raises(KeyError), mf.use_backend("cpu"):
        raise KeyError
    assert backends.current_backend() == "reference"


@pytest.mark.usefixtures("_restored")
def test_a_backend_that_cannot_be_changes_nothing():
    mf.use_backend("reference")
    with pytest.raises(ValueError) as error:
        mf.use_backend("gpu")
    assert str(error.value) == "unknown backend 'gpu'; there are: reference, cpu, cuda, emulated"
    assert backends.current_backend() == "reference"


@pytest.mark.usefixtures("_restored")
def test_cpu_without_numba(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda n: None if n == "numba" else find(n))
    with pytest.raises(RuntimeError, match="the cpu backend needs Numba: pip install numba"):
        mf.use_backend("cpu")
    monkeypatch.setattr(backends, "_current", None)
    monkeypatch.delenv("MINIFCN_BACKEND", raising=False)
    assert backends.current_backend() == "reference"
    for call in (lambda: mf.set_num_threads(1), mf.get_num_threads):
        with pytest.raises(RuntimeError, match="the cpu backend needs Numba"):
            call()


class Part(types.SimpleNamespace):
    """A part of a CuPy that is played: its functions return what they are given here, or raise."""

    def __init__(self, **functions):
        super().__init__(**{name: self.function(value) for name, value in functions.items()})

    @staticmethod
    def function(value):
        def called(*_):
            if isinstance(value, Exception):
                raise value
            return value

        return called


def played_cupy(count=1, driver=13010, nvrtc=(13, 0), runtime=13000) -> types.ModuleType:
    """A CuPy that finds what it is told to."""
    facts = {"name": b"NVIDIA H100", "totalGlobalMem": 80 * 2**30, "major": 9, "minor": 0}
    cupy = types.ModuleType("cupy")
    clocks = {"MultiProcessorCount": 132, "ClockRate": 1_980_000, "MemoryClockRate": 2_619_000}
    device = types.SimpleNamespace(id=0, attributes=clocks | {"GlobalMemoryBusWidth": 5120})
    cupy.cuda = Part(Device=device, get_current_stream=Part(synchronize=None))
    cupy.cuda.nvrtc = Part(getVersion=nvrtc)
    cupy.get_default_memory_pool = lambda: Part(total_bytes=3 * 2**20)
    cupy.cuda.runtime = Part(
        getDeviceCount=count,
        driverGetVersion=driver,
        runtimeGetVersion=runtime,
        getDeviceProperties=facts,
    )
    return cupy


@pytest.fixture
def cupy(monkeypatch):
    """Plays a CuPy, or with None its absence, instead of what there is."""
    find = importlib.util.find_spec

    def play(module):
        there = lambda name: module and importlib.machinery.ModuleSpec(name, None)  # noqa: E731
        monkeypatch.setitem(sys.modules, "cupy", module)
        monkeypatch.setattr(
            importlib.util, "find_spec", lambda n: there(n) if n == "cupy" else find(n)
        )
        gpu.lacks.cache_clear()

    yield play
    gpu.lacks.cache_clear()


INSTALL = 'pip install "minifcn[cuda12]", or "minifcn[cuda13]" where nvidia-smi says CUDA 13'
MISSING = {
    "CuPy": (None, f"CuPy: {INSTALL}"),
    "a driver": (
        {"driver": 0},
        "an NVIDIA driver and finds none: is there an NVIDIA GPU in this machine?",
    ),
    "a GPU": (
        {"count": RuntimeError("cudaErrorNoDevice: no CUDA-capable device is detected")},
        "an NVIDIA GPU, and the driver finds none that it may use",
    ),
    "a newer driver": (
        {"count": RuntimeError("cudaErrorInsufficientDriver: CUDA driver version is ...")},
        f"a newer NVIDIA driver, or an older CuPy: {INSTALL}",
    ),
    "a compiler": (
        {"nvrtc": RuntimeError('Failure finding "libnvrtc.so.12":\nNo such file')},
        f"NVRTC, CUDA's compiler, which CuPy does not find: {INSTALL}",
    ),
    "something else": (
        {"count": ImportError("\n=====\nFailed to import CuPy.\n")},
        "CuPy, which cannot be used here: ===== Failed to import CuPy.",
    ),
}


@pytest.mark.parametrize("what", MISSING)
def test_what_cuda_lacks_is_said_in_one_line(what, cupy):
    found, message = MISSING[what]
    cupy(found and played_cupy(**found))
    for ask in (lambda: mf.use_backend("cuda"), lambda: mf.Tensor([1.0]).to("cuda")):
        with pytest.raises(RuntimeError) as error:
            ask()
        assert str(error.value) == f"the cuda backend needs {message}"
    assert gpu.describe() == f"none in use: cuda needs {message}"
    assert backends.current_backend() == "cpu"
    gpu.synchronize()  # there is nothing to wait for


@pytest.mark.usefixtures("_restored")
def test_a_gpu_that_is_there(cupy):
    cupy(played_cupy())
    mf.use_backend("cuda")
    assert backends.current_backend() == backends.current_device() == "cuda"
    assert gpu.describe() == (
        "NVIDIA H100, 80 GiB, compute capability 9.0, CUDA 13.0 (the driver's: 13.1)"
    )
    limits = gpu.limits()
    assert limits[:2] == ("NVIDIA H100", 132)
    assert limits.flops == pytest.approx(66.9e12, rel=1e-3)  # as NVIDIA says
    assert limits.bytes == pytest.approx(3.35e12, rel=1e-3)
    assert gpu.memory_held() == 3 * 2**20


def test_emulated_without_a_compiler(monkeypatch):
    monkeypatch.setattr("minifcn.kernels.cuda.emulator._compiler", lambda: None)
    with pytest.raises(RuntimeError) as error:
        mf.use_backend("emulated")
    assert str(error.value) == (
        "the emulated backend needs a C++ compiler: install g++, or name another in CXX"
    )
    assert backends.current_backend() == "cpu"


def test_precision(monkeypatch):
    """Where there is no GPU, too. Until one is set, it is TF32, for convolutions."""
    monkeypatch.setattr("minifcn.kernels.cuda.precision._chosen", None)
    assert mf.get_precision() == "tf32"
    for name in ("float32", "tf32", "bf16"):
        mf.set_precision(name)
        assert mf.get_precision() == name
    with pytest.raises(ValueError, match="unknown precision 'half'; there are: float32, tf32"):
        mf.set_precision("half")
    assert mf.get_precision() == "bf16"


@pytest.mark.usefixtures("_restored")
def test_kernels_for_an_array():
    for name in ("reference", "cpu"):
        mf.use_backend(name)
        assert backends.kernels_for(np.zeros(1)).__name__ == f"minifcn.kernels.{name}"
    with pytest.raises(TypeError, match=r"no backend computes on a builtins\.list"):
        backends.kernels_for([1.0])
    assert backends.array_module(np.zeros(1)) is np
    assert backends.array_module(np.float32(1)) is np
    with pytest.raises(TypeError, match=r"no backend computes on a builtins\.float"):
        backends.array_module(1.0)


def test_tables_hold_the_same_functions():
    """What the description of the kernel table lists is there, in all."""
    tables = []
    for name in ("reference", "cpu", "cuda"):
        table = importlib.import_module(f"minifcn.kernels.{name}")
        tables.append({n for n in table.__all__ if "num_threads" not in n})
        assert all(callable(getattr(table, n)) for n in tables[-1])
    listed = set(re.findall(r"(\w+)\(", kernels.__doc__))
    assert {"conv2d", "max_pool2d_grad", "confusion_counts"} < listed
    assert tables == [listed, listed, listed | {"keep_mask"}]  # for what a GPU replays


SHOW = "import minifcn as mf; print(mf.backends.current_backend())"
TRY = """
import minifcn as mf
try:
    mf.functions.relu(mf.Tensor([1.0]))
except (ValueError, RuntimeError) as error:
    print(type(error).__name__, error)
"""


def test_the_environment_chooses():
    assert python(SHOW) == "cpu"
    assert python(SHOW, MINIFCN_BACKEND="") == "cpu"
    assert python(SHOW, MINIFCN_BACKEND="reference") == "reference"
    set_later = "import minifcn as mf; mf.use_backend('cpu'); print(mf.backends.current_backend())"
    assert python(set_later, MINIFCN_BACKEND="reference") == "cpu"
    assert python(TRY, MINIFCN_BACKEND="torch") == (
        "ValueError unknown backend 'torch'; there are: reference, cpu, cuda, emulated"
    )
    assert python(TRY, MINIFCN_BACKEND="emulated", CXX="no-such-compiler") == (
        "RuntimeError the emulated backend needs a C++ compiler: install g++, or name another in "
        "CXX"
    )


IMPORT = """
import json, sys, time
started = time.perf_counter()
import minifcn
seconds = time.perf_counter() - started
print(json.dumps([seconds, sorted(sys.modules)]))
"""


def test_import_is_quick_and_loads_nothing_heavy():
    runs = [json.loads(python(IMPORT)) for _ in range(5)]
    assert min(seconds for seconds, _ in runs) < 0.3
    loaded = {name.partition(".")[0] for name in runs[0][1]}
    assert loaded & {"numpy", "minifcn"} == {"numpy", "minifcn"}
    assert not loaded & {"numba", "llvmlite", "matplotlib", "cupy", "PIL", "torch", "tqdm"}
    assert not any(name.startswith("minifcn.kernels.") for name in runs[0][1])


def test_nothing_of_cuda_is_loaded_for_numpy_s_arrays():
    code = """
import sys
import numpy as np
import minifcn as mf
x = mf.Tensor(np.ones((1, 2, 5, 6)), requires_grad=True)
mf.nn.Sequential(mf.nn.Conv2d(2, 3, 3).to(np.float64), mf.nn.ReLU())(x).sum().backward()
mf.metrics.ConfusionMatrix(2).update(np.array([1]), np.array([0]))
print([name for name in sys.modules if "cupy" in name or "kernels.cuda" in name])
"""
    assert python(code) == "[]"


def test_sub_packages_load_when_they_are_used():
    code = """
import sys
import minifcn as mf
before = [m for m in ("minifcn.nn", "minifcn.viz") if m in sys.modules]
mf.nn.ReLU()
print(before, "minifcn.nn" in sys.modules, "nn" in dir(mf), "numba" in sys.modules)
mf.functions.relu(mf.Tensor([1.0]))
print("numba" in sys.modules)
"""
    assert python(code).splitlines() == ["[] True True False", "True"]
    with pytest.raises(AttributeError, match="module 'minifcn' has no attribute 'nothing'"):
        mf.nothing  # noqa: B018


def test_the_reference_needs_no_numba():
    code = """
import sys
import numpy as np
import minifcn as mf
mf.use_backend("reference")
x = mf.Tensor(np.ones((1, 2, 5, 6)), requires_grad=True)
mf.nn.Sequential(mf.nn.MaxPool2d(2), mf.nn.ReLU())(x).sum().backward()
print("numba" in sys.modules)
"""
    assert python(code) == "False"


def test_number_of_threads():
    before = mf.get_num_threads()
    assert before >= 1
    try:
        mf.set_num_threads(1)
        assert mf.get_num_threads() == 1
        for wrong in (0, -1, 1.5, "2", True, None):
            with pytest.raises(ValueError) as error:
                mf.set_num_threads(wrong)
            assert str(error.value) == (
                f"set_num_threads: n must be a whole number, 1 or more; got {wrong!r}"
            )
        assert mf.get_num_threads() == 1
    finally:
        mf.set_num_threads(before)
    assert mf.get_num_threads() == before
