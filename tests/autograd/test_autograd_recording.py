"""Graphs of any depth, recording switched off, and threads."""

import threading

import numpy as np
import pytest

import minifcn as mf
from minifcn import functions as F
from minifcn.autograd import Function, is_recording


def leaf(*values) -> mf.Tensor:
    return mf.Tensor(np.array(values, float), requires_grad=True)


# -- depth --------------------------------------------------------------------------------------

DEEP = 50_000


def chain(x, depth: int = DEEP):
    for _ in range(depth):
        x = -x
    return x


def test_a_deep_chain_forward_and_backward():
    x = leaf(1.0, 2.0)
    y = chain(x)
    y.backward(np.array([3.0, 4.0]))
    assert y.data.tolist() == [1, 2]
    assert x.grad.tolist() == [3, 4]


def test_a_deep_chain_may_be_dropped_without_a_backward():
    y = chain(leaf(1.0))
    function = y.function
    del y
    assert function.edges != ()
    del function  # frees 50000 functions, one inside the other


def test_a_wide_sum_of_deep_chains():
    x = leaf(1.0)
    y = chain(x, 10_000) + chain(x, 10_001) + chain(x, 10_000)
    y.backward()
    assert x.grad.tolist() == [1]


# -- recording ----------------------------------------------------------------------------------


def test_no_grad_records_and_saves_nothing():
    x = leaf(1.0, 2.0)
    seen = []

    class Watched(Function):
        def forward(self, a):
            self.save(a)
            seen.append(self)
            return a * 2

    with mf.no_grad():
        assert not is_recording()
        y = Watched()(x)
    assert is_recording()
    assert y.requires_grad is False
    assert y.function is None
    assert seen[0].saved == ()
    assert seen[0].edges == ()
    assert seen[0].needs_input_grad == (False,)


def test_no_grad_ends_with_an_error_and_nests():
    with pytest.raises(KeyError), mf.no_grad(), mf.no_grad():
        raise KeyError
    assert is_recording()
    with mf.no_grad():
        with mf.no_grad():
            pass
        assert not is_recording()


def test_no_grad_as_a_decorator():
    @mf.no_grad()
    def double(x):
        return x * 2.0

    assert not double(leaf(1.0)).requires_grad
    assert not double(leaf(1.0)).requires_grad
    assert is_recording()


def test_no_grad_is_a_matter_of_one_thread():
    inside, done, found = threading.Event(), threading.Event(), {}

    def record():
        found["before"] = is_recording()
        with mf.no_grad():
            inside.set()
            done.wait(10)
            found["within"] = is_recording()

    with mf.no_grad():
        thread = threading.Thread(target=record)
        thread.start()
    assert inside.wait(10)
    assert is_recording()  # while the other thread is inside no_grad
    assert (leaf(1.0) * 2.0).requires_grad
    done.set()
    thread.join()
    assert found == {"before": True, "within": False}


def test_threads_differentiate_graphs_of_their_own():
    results = {}

    def work(number: int):
        x = mf.Tensor(np.full((2, 3), float(number)), requires_grad=True)
        for _ in range(50):
            x.grad = None
            F.relu(x * x).sum().backward()
        results[number] = x.grad.tolist()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {n: [[2.0 * n] * 3] * 2 for n in range(1, 5)}
