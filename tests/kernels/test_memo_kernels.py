"""Transformed filters that are remembered."""

import threading

import numpy as np
import pytest
from geometries import array, check_close
from minifcn.kernels import cpu
from minifcn.kernels.cpu import conv, memo, winograd

pytestmark = pytest.mark.usefixtures("settings")

PLAIN = (1, 1), (1, 1), (1, 1), 1


@pytest.fixture
def transforms(monkeypatch):
    """How often filters were transformed, in an empty memory."""
    memo.forget()
    made, function = [], winograd.transform_filters

    def counted(*args, **kwargs):
        made.append(1)
        return function(*args, **kwargs)

    monkeypatch.setattr(winograd, "transform_filters", counted)
    yield made
    memo.forget()


def test_filters_that_come_again_are_not_transformed_again(transforms):
    conv.set_algorithm("winograd")
    rng = np.random.default_rng(6)
    x, w = array(rng, (1, 16, 20, 30), np.float32), array(rng, (16, 16, 3, 3), np.float32)
    y = [cpu.conv2d(x, w, None, *PLAIN) for _ in range(5)]
    assert len(transforms) == 2  # the second is kept
    assert all(np.array_equal(y[0], other) for other in y)
    memo.forget()
    cpu.conv2d(x, w, None, *PLAIN)
    assert len(transforms) == 3


def test_filters_changed_in_place_are_transformed_anew(transforms, dtype):
    """Even where one number has changed, or two have changed places."""
    conv.set_algorithm("winograd")
    rng = np.random.default_rng(7)
    x, w = array(rng, (1, 16, 20, 30), dtype), array(rng, (16, 16, 3, 3), dtype)

    def check():
        conv.set_algorithm("direct")
        expected = cpu.conv2d(x, w, None, *PLAIN)
        conv.set_algorithm("winograd")
        check_close(cpu.conv2d(x, w, None, *PLAIN), expected, 1e-5)

    for _ in range(3):
        check()
    for change in range(4):
        for _ in range(2):
            if change == 0:
                w[3, 5, 1, 2] += 1
            elif change == 1:
                w[0, 0, 0, 0], w[9, 1, 2, 2] = w[9, 1, 2, 2], w[0, 0, 0, 0]
            elif change == 2:
                w *= -1
            else:
                w[...] = w[::-1].copy()
            check()
        check()
        check()


def test_what_is_remembered_is_bounded(monkeypatch):
    memo.forget()
    arrays = [np.full((1, 1, 3, 3), i, np.float32) for i in range(10)]
    makes = []

    def remembered(w):
        def make():
            makes.append(1)
            return np.zeros(100, np.uint8)

        memo.remembered(w, "something", make)

    def fill():
        for w in arrays:
            remembered(w)

    fill(), fill(), fill()
    assert len(makes) == 20
    memo.forget()
    makes.clear()
    monkeypatch.setattr(memo, "LIMIT", 450)
    for _ in range(3):
        for w in arrays[:4]:
            remembered(w)
    assert len(makes) == 8
    fill(), fill(), fill()
    assert sum(a.nbytes for _, a in memo._kept.values() if a is not None) <= 450
    memo.forget()
    assert not memo._kept


def test_several_python_threads_remember_at_once(transforms):
    conv.set_algorithm("winograd")
    rng = np.random.default_rng(8)
    x = array(rng, (1, 16, 20, 30), np.float32)
    filters = [array(rng, (16, 16, 3, 3), np.float32) for _ in range(4)]
    expected = [cpu.conv2d(x, w.copy(), None, *PLAIN) for w in filters]
    wrong = []

    def work():
        for _ in range(20):
            for w, y in zip(filters, expected, strict=True):
                wrong.append(not np.array_equal(cpu.conv2d(x, w, None, *PLAIN), y))

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(wrong) == 4 * 20 * 4
    assert not any(wrong)
