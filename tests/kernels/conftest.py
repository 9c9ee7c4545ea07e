"""The backends, dtypes and settings that the kernels are tested with."""

import numpy as np
import pytest
from on_device import DEVICES, native_table, table

BACKENDS = ("reference", "cpu", *DEVICES)


@pytest.fixture(params=BACKENDS)
def backend(request):
    """The kernel table of each backend."""
    return table(request.param)


@pytest.fixture(params=BACKENDS[1:])
def fast(request):
    """The kernel table of each backend but the reference, which they are compared with."""
    return table(request.param)


@pytest.fixture(params=BACKENDS[1:])
def native(request):
    """The same tables for arrays of their own, and the module that makes those."""
    return native_table(request.param)


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    return np.dtype(request.param)


@pytest.fixture(
    params=[
        ("reference", "float32"),
        *((name, dtype) for name in BACKENDS[1:] for dtype in ("float64", "float32")),
    ],
    ids="-".join,
)
def compared(request):
    """A backend, a dtype and how near it must be to the reference in float64.

    The tolerance is relative to the largest element. The reference in float64 is what the others
    are compared with, so it is not in this list.
    """
    backend, name = request.param
    tolerance = {"float64": 1e-12, "float32": 1e-5}[name]
    return table(backend), np.dtype(name), tolerance


@pytest.fixture
def settings():
    """The cpu backend's settings (instruction set, algorithm, threads) may be changed: they are
    put back after the test."""
    from minifcn.kernels.cpu import conv, isa, threads

    before = isa.current().name, conv._algorithm, threads.get_num_threads()
    yield
    for restore, value in zip(
        (isa.set_isa, conv.set_algorithm, threads.set_num_threads), before, strict=True
    ):
        restore(value)


@pytest.fixture
def each_thread_count(settings):
    """Sets the number of threads to one after another."""
    from minifcn.kernels.cpu import threads

    def counts():
        for n in (1, 2, 3, 8):
            threads.set_num_threads(n)
            yield n

    return counts()


@pytest.fixture(params=["direct", "winograd"])
def algorithm(request, settings):
    """The name of each convolution algorithm, which is in use during the test."""
    from minifcn.kernels.cpu import conv

    conv.set_algorithm(request.param)
    return request.param
