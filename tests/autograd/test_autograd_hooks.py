"""Watching operations, walking the graph, and computing shapes alone."""

import time

import numpy as np
import pytest

import minifcn as mf
from minifcn import functions as F
from minifcn import nn
from minifcn.autograd import Hook, Timer, shapes_only, walk


class Log(Hook):
    """What it was told, in order, into a list that several may share."""

    def __init__(self, name="", events=None):
        self.name, self.events = name, [] if events is None else events

    def _add(self, what, whom):
        self.events.append(f"{self.name}{what} {type(whom).__name__}")

    def forward_begin(self, function, inputs):
        self._add("forward begins", function)

    def forward_end(self, function, inputs, output):
        self._add("forward ends", function)

    def backward_begin(self, function, gradient):
        self._add("backward begins", function)

    def backward_end(self, function, gradients):
        self._add("backward ends", function)

    def module_begin(self, module):
        self._add("module begins", module)

    def module_end(self, module, output):
        self._add("module ends", module)


def leaf(*values) -> mf.Tensor:
    return mf.Tensor(np.array(values, float), requires_grad=True)


def test_order_of_events():
    model = nn.Sequential(nn.ReLU(), nn.Scale(2.0))
    with Log() as log:
        model(leaf(1.0, 2.0)).sum().backward()
    assert log.events == [
        "module begins Sequential",
        "module begins ReLU",
        "forward begins ReLU",
        "forward ends ReLU",
        "module ends ReLU",
        "module begins Scale",
        "forward begins Mul",
        "forward ends Mul",
        "module ends Scale",
        "module ends Sequential",
        "forward begins Sum",
        "forward ends Sum",
        "backward begins Sum",
        "backward ends Sum",
        "backward begins Mul",
        "backward ends Mul",
        "backward begins ReLU",
        "backward ends ReLU",
    ]


def test_the_outermost_hook_is_told_first_and_only_while_it_is_open():
    events = []
    x = leaf(1.0)
    x * 2.0
    with Log("outer: ", events):
        with Log("inner: ", events):
            x * 2.0
        F.neg(x)
    x * 2.0
    assert events == [
        "outer: forward begins Mul",
        "inner: forward begins Mul",
        "outer: forward ends Mul",
        "inner: forward ends Mul",
        "outer: forward begins Neg",
        "outer: forward ends Neg",
    ]


def test_hooks_see_inputs_outputs_and_gradients():
    seen = {}

    class Watch(Hook):
        def forward_end(self, function, inputs, output):
            seen["inputs"] = [x.data.tolist() for x in inputs]
            seen["output"] = output.data.tolist(), output.requires_grad, output.function

        def backward_begin(self, function, gradient):
            seen["gradient"] = gradient.tolist()

        def backward_end(self, function, gradients):
            seen["gradients"] = [g if g is None else g.tolist() for g in gradients]

    x = leaf(3.0, 4.0)
    with Watch():
        y = x * mf.Tensor(np.array([5.0, 6.0]))
        y.backward(np.array([1.0, 2.0]))
    assert seen == {
        "inputs": [[3, 4], [5, 6]],
        "output": ([15, 24], True, y.function),
        "gradient": [1, 2],
        "gradients": [[5, 12], None],
    }


def test_timer_counts_calls_and_seconds():
    x = leaf(1.0, 2.0)
    with Timer() as timer:
        y = F.relu(F.relu(x) * 2.0)
        time.sleep(0.02)
        y.sum().backward()
    assert dict(timer.calls) == {
        ("ReLU", "forward"): 2,
        ("Mul", "forward"): 1,
        ("Sum", "forward"): 1,
        ("Sum", "backward"): 1,
        ("Mul", "backward"): 1,
        ("ReLU", "backward"): 2,
    }
    assert timer.seconds.keys() == timer.calls.keys()
    assert all(seconds > 0 for seconds in timer.seconds.values())
    lines = str(timer).splitlines()
    assert lines[0].split() == ["operation", "calls", "seconds", "share"]
    assert sorted(line.split()[:3] for line in lines[1:]) == sorted(
        [name, direction, str(n)] for (name, direction), n in timer.calls.items()
    )
    shares = [float(line.split()[-1].rstrip("%")) for line in lines[1:]]
    assert sum(shares) == pytest.approx(100, abs=0.5)
    assert shares == sorted(shares, reverse=True)
    assert len(str(Timer()).splitlines()) == 1


def test_timer_measures_the_operation_alone():
    class Sleepy(mf.autograd.Function):
        def forward(self, x):
            time.sleep(0.03)
            return x * 2

        def backward(self, gy):
            time.sleep(0.01)
            return gy * 2

    with Timer() as timer:
        y = Sleepy()(leaf(1.0))
        time.sleep(0.03)
        y.backward()
    assert timer.seconds["Sleepy", "forward"] >= 0.03
    assert timer.seconds["Sleepy", "backward"] >= 0.01


# -- the graph ----------------------------------------------------------------------------------


def test_walk_a_small_expression():
    x, w = leaf(1.0, 2.0, 3.0), leaf(4.0, 5.0, 6.0)
    h = x * w
    y = (h + h).sum()
    nodes, edges = walk(y)
    assert nodes == [
        (0, "leaf", "(3,)"),
        (1, "leaf", "(3,)"),
        (2, "Mul", "(3,) (3,)"),
        (3, "Add", "(3,) (3,)"),
        (4, "Sum", "(3,)"),
    ]
    assert edges == [(0, 2), (1, 2), (2, 3), (2, 3), (3, 4)]


def test_walk_leaves_out_what_needs_no_gradient():
    x = leaf(1.0)
    assert walk(x * mf.Tensor([2.0])) == ([(0, "leaf", "(1,)"), (1, "Mul", "(1,) (1,)")], [(0, 1)])
    assert walk(x) == ([(0, "leaf", "(1,)")], [])
    assert walk(mf.Tensor([2.0])) == ([], [])


def test_walk_a_deep_graph():
    y = leaf(1.0)
    for _ in range(20_000):
        y = -y
    nodes, edges = walk(y)
    assert len(nodes) == 20_001
    assert edges == [(i, i + 1) for i in range(20_000)]


# -- shapes only --------------------------------------------------------------------------------


def test_shapes_only_computes_nothing():
    """A convolution of 10^13 multiply-adds over 26 GB of zeros that are not there."""
    x = mf.Tensor(np.broadcast_to(np.zeros((), np.float32), (1, 64, 10_000, 10_000)))
    w = mf.Tensor(np.broadcast_to(np.zeros((), np.float32), (96, 64, 3, 5)), requires_grad=True)
    started = time.perf_counter()
    with shapes_only():
        y = F.relu(F.conv2d(x, w, stride=(1, 2), padding=(1, 0)))
        z = F.max_pool2d(y, (2, 3))
        up = F.conv_transpose2d(z, w, stride=2)
        loss = F.cross_entropy(up, np.broadcast_to(np.zeros((), np.uint8), (1, 10_001, 3_335)))
    assert time.perf_counter() - started < 1
    assert y.shape == (1, 96, 10_000, 4_998)
    assert z.shape == (1, 96, 5_000, 1_666)
    assert up.shape == (1, 64, 10_001, 3_335)
    assert loss.shape == ()
    for tensor in (y, z, up):
        assert tensor.dtype == np.float32
        assert tensor.requires_grad is False
        assert set(tensor.data.strides) == {0}  # one number stands for all


def test_shapes_only_checks_shapes():
    x = mf.Tensor(np.zeros((1, 3, 4, 5)))
    with shapes_only(), pytest.raises(ValueError, match="no window fits"):
        F.max_pool2d(x, (5, 1))


def test_shapes_only_agrees_with_computing():
    x = mf.Tensor(np.random.default_rng(0).standard_normal((2, 3, 5, 7)).astype(np.float32))
    for function in (
        lambda x: F.softmax(x).sum((0, 2)),
        lambda x: x.mean(1, keepdims=True) * 2.0,
        lambda x: F.dropout(x).max(3),
        lambda x: F.cat([x, x[:, :1]]).reshape(2, -1) @ np.ones((140, 2), np.float32),
        lambda x: F.pad(F.crop(x, (1, 2), (3, 4)), (1, 2)).transpose(3, 2, 0, 1),
        lambda x: F.local_response_norm(x, 3) / x.exp(),
        lambda x: F.upsample_bilinear(x, (2, 3)),
    ):
        y = function(x)
        with shapes_only():
            z = function(x)
        assert (z.shape, z.dtype) == (y.shape, y.dtype)
        assert not z.data.any()
