"""Every operation is tested on every backend."""

import pytest

import minifcn as mf


@pytest.fixture
def backend(backend):
    """The name of a backend, which is in use during the test."""
    with mf.use_backend(backend):
        yield backend


@pytest.fixture(scope="session")
def torch():
    """PyTorch, an engine of its own to compare with; a thread suffices for images this small."""
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    return torch
