"""Every operation is tested on every backend that runs on a processor."""

import pytest

import minifcn as mf


@pytest.fixture(params=["reference", "cpu"])
def backend(request):
    """The name of a backend, which is in use during the test."""
    with mf.use_backend(request.param):
        yield request.param


@pytest.fixture(scope="session")
def torch():
    """PyTorch, an engine of its own to compare with; a thread suffices for images this small."""
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    return torch
