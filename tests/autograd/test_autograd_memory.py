"""What is alive when: an array that nobody saved dies with the last variable that names it."""

import gc
import weakref

import numpy as np
import pytest

import minifcn as mf
from minifcn import functions as F
from minifcn import nn
from minifcn.autograd import Hook


@pytest.fixture(autouse=True)
def _no_collector():
    """Reference counts alone must do: a cycle would keep arrays until the collector runs."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def leaf(shape=(2, 3)) -> mf.Tensor:
    return mf.Tensor(np.ones(shape), requires_grad=True)


@pytest.mark.parametrize(
    "consumer",
    [
        lambda h: h + 1.0,
        lambda h: h - h.detach().sum(),
        lambda h: h * 3.0,
        lambda h: h / 3.0,
        lambda h: -h,
        lambda h: h.exp(),
        lambda h: h.sum(),
        lambda h: h.mean(0),
        lambda h: h.max(),
        lambda h: F.relu(h),
        lambda h: F.sigmoid(h),
        lambda h: F.tanh(h),
        lambda h: F.softmax(h),
        lambda h: F.log_softmax(h),
        lambda h: F.dropout(h),
        lambda h: F.cat([h, h]),
        lambda h: h @ np.ones((3, 4)),
        lambda h: F.linear(h, np.ones((4, 3))),
    ],
)
def test_what_nobody_saved_dies_right_after_its_consumer_ran(consumer):
    h = leaf() + 1.0
    alive = weakref.ref(h.data)
    y = consumer(h)
    del h
    assert alive() is None
    assert y.requires_grad


@pytest.mark.parametrize(
    "consumer",
    [
        lambda h: F.max_pool2d(h, (1, 2)),
        lambda h: F.avg_pool2d(h, (2, 1)),
        lambda h: F.upsample_bilinear(h, (2, 3)),
        lambda h: F.conv2d(h, np.ones((1, 2, 1, 2))),
        lambda h: F.conv_transpose2d(h, np.ones((2, 1, 1, 2))),
        lambda h: F.pad(h, (1, 2)),
    ],
)
def test_what_no_windowed_operation_saved_dies(backend, consumer):
    with mf.use_backend(backend):
        h = leaf((1, 2, 3, 4)) + 1.0
        alive = weakref.ref(h.data)
        y = consumer(h)
        del h
        assert alive() is None
        assert y.requires_grad


def test_what_is_saved_dies_after_its_consumer_s_backward():
    class Watch(Hook):
        """Which activations are alive when each function's backward begins."""

        def __init__(self):
            self.seen = []

        def backward_begin(self, function, gradient):
            self.seen.append((type(function).__name__, [r() is not None for r in refs]))

    x = leaf()
    first = x * 2.0
    second = first * first
    third = second.exp()
    refs = [weakref.ref(t.data) for t in (first, second, third)]
    y = third.sum()
    del first, second, third
    # exp saves its output, the square its input, and the sum nothing
    assert [r() is not None for r in refs] == [True, False, True]
    with Watch() as watch:
        y.backward()
    assert watch.seen == [
        ("Sum", [True, False, True]),
        ("Exp", [True, False, True]),
        ("Mul", [True, False, False]),
        ("Mul", [False, False, False]),
    ]


def test_each_gradient_dies_when_it_has_been_used():
    refs, alive = [], []

    class Watch(Hook):
        def backward_begin(self, function, gradient):
            alive.append(sum(r() is not None for r in refs))

        def backward_end(self, function, gradients):
            refs.extend(weakref.ref(g) for g in gradients if g is not None)

    y = leaf()
    for _ in range(20):
        y = y * 2.0
    with Watch():
        y.backward(np.ones((2, 3)))
    assert len(refs) == 20
    assert alive == [0] + [1] * 19  # the one that the function is about to use


def test_a_gradient_dies_when_it_has_been_added_to_another():
    refs, alive = [], {}

    class Watch(Hook):
        def backward_begin(self, function, gradient):
            alive[type(function).__name__] = sum(r() is not None for r in refs)

        def backward_end(self, function, gradients):
            if type(function).__name__ == "Neg":
                refs.append(weakref.ref(gradients[0]))

    h = leaf().exp()
    y = -h + -h
    with Watch():
        y.backward(np.ones((2, 3)))
    assert len(refs) == 2
    assert alive["Exp"] == 1  # the one that came first is the sum now


def test_retain_graph_keeps_what_was_saved():
    x = leaf()
    y = (x * 2.0).exp().sum()
    saved = weakref.ref(y.function.edges[0].saved[0])
    y.backward(retain_graph=True)
    assert saved() is not None
    y.backward()
    assert saved() is None


def test_an_unused_graph_dies_with_its_end():
    y = (leaf() * 2.0).exp().sum()
    saved = weakref.ref(y.function.edges[0].saved[0])
    del y
    assert saved() is None


class Alive(Hook):
    """The largest number of outputs that were alive at once, when one had just been made."""

    def __init__(self):
        self.refs, self.most = [], 0

    def forward_end(self, function, inputs, output):
        self.refs.append(weakref.ref(output.data))
        self.most = max(self.most, sum(r() is not None for r in self.refs))


def layers(count: int):
    for i in range(count):
        yield f"conv{i}", nn.Conv2d(2, 2, (3, 1), padding=(1, 0))
        yield f"relu{i}", nn.ReLU()


def test_without_gradients_a_chain_keeps_two_maps(backend):
    net = nn.Net()
    for name, layer in layers(10):
        net.add(name, layer)
    for model in (nn.Sequential(dict(layers(10))), net):
        with mf.use_backend(backend), mf.no_grad(), Alive() as alive:
            y = model.to(backend)(mf.Tensor(np.ones((1, 2, 5, 4), np.float32)))
        assert len(alive.refs) == 10  # a convolution and its rectifier make one
        assert alive.most == 2  # what a layer reads and what it makes
        assert y.requires_grad is False
        assert y.function is None


def test_with_gradients_relu_and_conv_share_one_map():
    """The convolution saves the map that the rectifier made and saved, and its own dies."""
    model = nn.Sequential(dict(layers(10)))
    with Alive() as alive:
        y = model(mf.Tensor(np.ones((1, 2, 5, 4), np.float32)))
    assert sum(r() is not None for r in alive.refs) == 10
    assert y.requires_grad


def test_a_net_lets_go_of_a_map_after_its_last_reader():
    class Add(nn.Module):
        def forward(self, a, b):
            return a + b

    class Watch(Hook):
        def __init__(self):
            self.refs, self.alive = {}, {}

        def module_begin(self, module):
            names = {id(m): n for n, m in net.named_modules()}
            if module is not net:
                held = {n for n, r in self.refs.items() if r() is not None}
                self.alive[names[id(module)]] = held

        def module_end(self, module, output):
            if module is not net:
                names = {id(m): n for n, m in net.named_modules()}
                self.refs[names[id(module)]] = weakref.ref(output.data)

    net = nn.Net()
    net.add("a", nn.Scale(2.0))
    net.add("b", nn.Scale(2.0))
    net.add("c", nn.Scale(2.0))
    net.add("skip", Add(), "c", "a")
    net.add("unread", nn.Scale(3.0), "skip")
    net.add("end", nn.Scale(1.0), "skip")
    with mf.no_grad(), Watch() as watch:
        y = net(mf.Tensor(np.ones(3)))
    assert watch.alive == {
        "a": set(),
        "b": {"a"},
        "c": {"a", "b"},
        "skip": {"a", "c"},
        "unread": {"skip"},
        "end": {"skip", "unread"},
    }
    assert y.data.tolist() == [10, 10, 10]
