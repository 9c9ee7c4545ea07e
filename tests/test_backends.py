"""The door to the kernels: names, the environment, threads, and what an import costs."""

import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest

import minifcn as mf
from minifcn import backends, kernels


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
    assert str(error.value) == "unknown backend 'gpu'; there are: reference, cpu, cuda"
    with pytest.raises(RuntimeError) as error:
        mf.use_backend("cuda")
    assert str(error.value) == ("the cuda backend is not part of this version of minifcn: use cpu")
    assert backends.current_backend() == "reference"


@pytest.mark.usefixtures("_restored")
def test_cpu_without_numba(monkeypatch):
    find = backends.importlib.util.find_spec
    monkeypatch.setattr(
        backends.importlib.util, "find_spec", lambda n: None if n == "numba" else find(n)
    )
    with pytest.raises(RuntimeError, match="the cpu backend needs Numba: pip install numba"):
        mf.use_backend("cpu")
    monkeypatch.setattr(backends, "_current", None)
    monkeypatch.delenv("MINIFCN_BACKEND", raising=False)
    assert backends.current_backend() == "reference"
    for call in (lambda: mf.set_num_threads(1), mf.get_num_threads):
        with pytest.raises(RuntimeError, match="the cpu backend needs Numba"):
            call()


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
    """What the description of the kernel table lists is there, in both."""
    tables = []
    for name in ("reference", "cpu"):
        with mf.use_backend(name):
            table = backends.kernels_for(np.zeros(1))
        tables.append({n for n in table.__all__ if "num_threads" not in n})
        assert all(callable(getattr(table, n)) for n in tables[-1])
    listed = set(re.findall(r"(\w+)\(", kernels.__doc__))
    assert {"conv2d", "max_pool2d_grad", "confusion_counts"} < listed
    assert tables == [listed, listed]


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
        "ValueError unknown backend 'torch'; there are: reference, cpu, cuda"
    )
    assert python(TRY, MINIFCN_BACKEND="cuda") == (
        "RuntimeError the cuda backend is not part of this version of minifcn: use cpu"
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
