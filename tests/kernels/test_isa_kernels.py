"""Every instruction set that this machine can run gives the reference's convolutions."""

import os
import subprocess
import sys
from functools import cache

import numpy as np
import pytest
from geometries import LARGE, check_close, convolutions
from minifcn.kernels import cpu, reference
from minifcn.kernels.cpu import conv, isa, winograd
from minifcn.kernels.cpu.vectors import kind

# Channels in whole vectors of every instruction set: Winograd's algorithm takes these
WINOGRAD = [
    ((2, 16, 13, 17), (32, 16, 3, 3), (1, 1), (1, 1), (1, 1), 1),
    ((1, 48, 9, 11), (80, 48, 3, 3), (1, 1), (2, 0), (1, 1), 1),
    ((1, 32, 29, 30), (16, 32, 3, 3), (1, 1), (0, 4), (1, 1), 1),
    ((1, 32, 11, 14), (48, 32, 5, 5), (1, 1), (2, 1), (1, 1), 1),
    ((1, 16, 13, 10), (48, 16, 6, 6), (1, 1), (3, 2), (1, 1), 1),
    ((2, 16, 12, 10), (48, 16, 7, 7), (1, 1), (0, 3), (1, 1), 1),
]

pytestmark = pytest.mark.usefixtures("settings")


@pytest.fixture(params=[i.name for i in isa.available()])
def instructions(request):
    isa.set_isa(request.param)
    return isa.current()


@cache
def cases():
    """(a name, a window, x, w, b and gy, what the reference makes of them)"""
    made = []
    for shape, weight_shape, *window in (*LARGE, *WINOGRAD):
        rng = np.random.default_rng(1)
        x, w, b = (rng.standard_normal(s) for s in (shape, weight_shape, weight_shape[:1]))
        gy = rng.standard_normal(reference.conv2d(x, w, b, *window).shape)
        made.append((f"{shape} {weight_shape} {window}", window, (x, w, b, gy)))
    for geometry, rng in convolutions(seed=21, count=40):
        made.append((str(geometry), geometry.window, geometry.arrays(rng)))
    return [(*case, three(reference, case[1], *case[2])) for case in made]


def three(backend, window, x, w, b, gy):
    """A convolution and both of its gradients."""
    return (
        backend.conv2d(x, w, b, *window),
        backend.conv2d_grad_input(gy, w, x.shape[2:], *window),
        backend.conv2d_grad_weight(gy, x, w.shape[2:], *window),
    )


def runs():
    """Every instruction set, algorithm and dtype; of Winograd's algorithm under the narrower sets
    one dtype each, for every one of them is compiled for a quarter of a minute."""
    for i, which in enumerate(isa.available()):
        for algorithm in ("direct", "winograd"):
            for j, dtype in enumerate(("float32", "float64")):
                if i == 0 or algorithm == "direct" or (i + j) % 2:
                    yield which.name, algorithm, dtype


@pytest.mark.parametrize("run", list(runs()), ids="-".join)
def test_convolutions_agree_with_the_reference(run):
    which, algorithm, name = run
    isa.set_isa(which)
    conv.set_algorithm(algorithm)
    dtype, tolerance = np.dtype(name), {"float32": 2e-5, "float64": 1e-12}[name]
    for name, window, arrays, expected in cases():
        actual = three(cpu, window, *(a.astype(dtype, order="K") for a in arrays))
        for a, e in zip(actual, expected, strict=True):
            assert a.dtype == dtype
            check_close(a, e, tolerance, name)


def test_matmul_agrees_with_numpy(instructions, dtype):
    rng = np.random.default_rng(2)
    a, b = rng.standard_normal((50, 37)).astype(dtype), rng.standard_normal((37, 75)).astype(dtype)
    for left, right in ((a, b), (np.asfortranarray(a), b)):
        check_close(cpu.matmul(left, right), a.astype(float) @ b.astype(float), 1e-6)


def test_the_winograd_cases_are_run_by_it(instructions, monkeypatch, dtype):
    """Or the test above would compare direct convolutions twice."""
    conv.set_algorithm("winograd")
    seen = []
    for module in (conv.winograd, conv.winograd_panels):
        monkeypatch.setattr(module, "correlate", lambda *_, **__: seen.append(True))
    for shape, weight_shape, *window in WINOGRAD:
        cpu.conv2d(np.zeros(shape, dtype), np.zeros(weight_shape, dtype), None, *window)
    assert len(seen) == len(WINOGRAD)


def test_filters_are_transformed_anew_for_other_instructions():
    """What is kept of a convolution under one instruction set is of no use to another."""
    rng, dtype = np.random.default_rng(3), np.float32
    x = rng.standard_normal((1, 32, 9, 40)).astype(dtype)
    w = rng.standard_normal((48, 32, 3, 3)).astype(dtype)
    window = (1, 1), (1, 1), (1, 1), 1
    expected = reference.conv2d(x.astype(float), w.astype(float), None, *window)
    conv.set_algorithm("winograd")
    for which in (*isa.available(), isa.available()[0]):
        isa.set_isa(which.name)
        for _ in range(3):
            check_close(cpu.conv2d(x, w, None, *window), expected, 1e-5, which.name)


def test_the_widest_is_taken_unless_the_environment_says_otherwise(monkeypatch):
    monkeypatch.delenv("MINIFCN_ISA", raising=False)
    monkeypatch.setattr(isa, "_current", None)
    widths = [i.vector_bytes for i in isa.available()]
    assert widths == sorted(widths, reverse=True)
    assert isa.current() is isa.available()[0]
    for which in isa.available():
        monkeypatch.setenv("MINIFCN_ISA", which.name)
        monkeypatch.setattr(isa, "_current", None)
        assert isa.current() is which
        monkeypatch.setenv("MINIFCN_ISA", "")
        assert isa.current() is which  # the environment is asked once


def test_a_name_that_is_not_here_is_refused(monkeypatch):
    before, names = isa.current(), ", ".join(i.name for i in isa.available())
    with pytest.raises(RuntimeError, match=f"instruction set 'mmx': this machine has {names}"):
        isa.set_isa("mmx")
    assert isa.current() is before
    missing = next(i.name for i in isa.KNOWN if i not in isa.available())
    with pytest.raises(RuntimeError, match=f"'{missing}': this machine has {names}"):
        isa.set_isa(missing)
    monkeypatch.setenv("MINIFCN_ISA", "mmx")
    monkeypatch.setattr(isa, "_current", None)
    with pytest.raises(RuntimeError, match="'mmx'"):
        cpu.matmul(np.ones((2, 2)), np.ones((2, 2)))


def test_the_environment_variable_reaches_a_new_process():
    code = "from minifcn.kernels.cpu import isa; print(isa.current().name)"
    run = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"MINIFCN_ISA": "portable"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert run.stdout == "portable\n"


def test_tiles_fit_the_registers():
    """Accumulators, the vectors of B and a number of A together; panels are whole vectors."""
    registers = {"avx512": 32, "avx2": 16, "neon": 32, "portable": 16}
    for which in isa.KNOWN:
        assert which.rows * which.vectors + which.vectors + 1 <= registers[which.name]
        assert which.rows * which.vectors >= 8  # two multiply-adds a cycle, four cycles each
        for itemsize in (4, 8):
            assert which.lanes(itemsize) * itemsize == which.vector_bytes
            assert which.panel(itemsize) == which.vectors * which.lanes(itemsize)


def test_each_dtype_and_instruction_set_has_a_kind_of_its_own(dtype):
    kinds = []
    for which in isa.available():
        isa.set_isa(which.name)
        form = kind(dtype)
        assert form.dtype[0].shape == (which.rows, which.vectors, which.lanes(dtype.itemsize))
        assert form.dtype[0].base == dtype
        assert kind(dtype.name) is form
        kinds.append(form.dtype)
    assert len(set(kinds)) == len(kinds)


def test_winograd_asks_for_whole_vectors(instructions, dtype):
    lanes = instructions.lanes(dtype.itemsize)
    for K, C in ((lanes, 3 * lanes), (lanes + 1, lanes), (lanes, lanes - 1), (lanes // 2, lanes)):
        whole = K % lanes == 0 and C % lanes == 0
        assert winograd.fits(np.zeros((1, K, C, 3, 3), dtype)) == whole
