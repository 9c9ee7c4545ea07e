"""The backends that everything above the kernels is tested on."""

import importlib.util

import pytest
import wall

from minifcn import use_backend
from minifcn.backends import DEVICES, NAMES

GPU = importlib.util.find_spec("cupy") is not None  # without CuPy, nobody expects one


@pytest.fixture(params=[name for name in NAMES if name != "cuda" or GPU])
def backend(request, monkeypatch):
    """The name of each backend that can run here; not in use yet."""
    return _ready(request.param, monkeypatch)


@pytest.fixture(params=[name for name in DEVICES if name != "cuda" or GPU])
def device(request, monkeypatch):
    """The name of each backend with arrays of its own that can run here; not in use yet."""
    return _ready(request.param, monkeypatch)


def _ready(name: str, monkeypatch) -> str:
    """A GPU multiplies float32 as it is. Where it is emulated, NumPy refuses its arrays."""
    try:
        with use_backend(name):
            pass
    except RuntimeError as error:
        pytest.skip(str(error))
    if name in DEVICES:
        monkeypatch.setattr("minifcn.kernels.cuda.precision._chosen", "float32")
    if name == "emulated":
        wall.build(monkeypatch)
    return name


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """With ``-n``, the tests of a file stay in one process: what they compile is compiled once."""
    from xdist.scheduler import LoadFileScheduling

    return LoadFileScheduling(config, log)
