"""The second process that compiles for a fresh install."""

import sys

import numpy as np
import pytest
from minifcn.kernels import cpu
from minifcn.kernels.cpu import gradient, warm
from numba.core.event import RecordingListener, install_listener


@pytest.fixture
def started(monkeypatch):
    """What would have been started, with a cache that holds nothing yet."""
    commands = []

    class Process:
        def __init__(self, command, **_):
            commands.append(command)

        def wait(self):
            return 0

    monkeypatch.delenv(warm.SWITCH, raising=False)
    monkeypatch.setattr(warm.subprocess, "Popen", Process)
    return commands


def cache_is(monkeypatch, place):
    stats = gradient._correlate_weights.stats._replace(cache_path=place)
    monkeypatch.setattr(type(gradient._correlate_weights), "stats", property(lambda _: stats))


def test_starts_once_an_install(started, monkeypatch, tmp_path):
    cache_is(monkeypatch, str(tmp_path))
    assert warm.start()
    ((interpreter, _, code),) = started
    assert interpreter == sys.executable
    assert code == "import minifcn.kernels.cpu.warm as w; w.compile_the_rest()"
    (tmp_path / "gradient._correlate_weights-1.py311.nbi").touch()
    assert not warm.start()
    assert len(started) == 1


def test_does_not_start(started, monkeypatch, tmp_path):
    """Where nothing is kept on disk, where it is switched off, and where there is no room."""
    cache_is(monkeypatch, None)
    assert not warm.start()
    cache_is(monkeypatch, str(tmp_path))
    monkeypatch.setenv(warm.SWITCH, "0")
    assert not warm.start()
    assert started == []
    monkeypatch.delenv(warm.SWITCH)

    def fail(*_, **__):
        raise OSError

    monkeypatch.setattr(warm.subprocess, "Popen", fail)
    assert not warm.start()


def test_compiles_what_a_backward_pass_runs(settings):
    """After it, the gradients of layers as VGG has them find all their kernels."""
    warm.compile_the_rest()
    x, gy = np.ones((1, 64, 60, 44), np.float32), np.ones((1, 64, 60, 44), np.float32)
    x, gy = (np.ascontiguousarray(a.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2) for a in (x, gy))
    recorder = RecordingListener()
    with install_listener("numba:compile", recorder):
        cpu.conv2d_grad_weight(gy, x, (3, 3), (1, 1), (1, 1), (1, 1), 1)
        cpu.conv2d_grad_weight(gy[:, :21], x, (1, 1), (1, 1), (0, 0), (1, 1), 1)
        cpu.relu_bias_grad(gy, x)
    assert not recorder.buffer
