"""Who owns a gradient: what nobody else holds may be overwritten, and nothing else ever is.

The rectifier's backward pass works in place where it owns its gradient, and a second gradient is
added in place to a first one. Neither may reach an array that somebody still holds.
"""

import numpy as np
import pytest

import minifcn as mf
from minifcn import functions as F
from minifcn.autograd import Function, Hook
from minifcn.backends import array_module, device_of, kernels_for, moved, to_numpy

SHAPE = (2, 4, 6, 6)


@pytest.fixture(autouse=True)
def backend(backend):
    with mf.use_backend(backend):
        yield backend


def array(*shape, seed: int = 0):
    """Numbers with quarters, far from 0: sums of a few are exact, and no two signs are unsure."""
    rng = np.random.default_rng(seed)
    return rng.choice([-1.0, 1.0], shape) * rng.integers(1, 9, shape) / 4


def leaf(*shape, seed: int = 0) -> mf.Tensor:
    return mf.Tensor(array(*shape, seed=seed), requires_grad=True)


def same(a, b) -> bool:
    return np.array_equal(to_numpy(a), to_numpy(b))


def beside(x: mf.Tensor, numbers):
    """An array that lives where a tensor does."""
    return moved(numbers, x.data)


def channels_last(x):
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)


class Identity(Function):
    """Passes its gradient on as it is."""

    def forward(self, x):
        return x.copy()

    def backward(self, gy):
        return gy


class Remembered(Hook):
    """Every function that ran, and what it saved: as it was then."""

    def __init__(self):
        self.functions, self.saved = [], []

    def forward_end(self, function, inputs, output):
        self.functions.append(function)
        arrays = [a for a in function.saved if a is not None]
        self.saved += [(function, a, a.copy()) for a in (*arrays, *(x.data for x in inputs))]

    def check(self):
        for function, now, before in self.saved:
            assert same(now, before), type(function).__name__


# -- real operations ----------------------------------------------------------------------------

W = array(3, 4, 3, 3, seed=1)
OPERATIONS = {
    "add itself": lambda h: h + h,
    "subtract itself": lambda h: h - h * 3.0,
    "add a broadcast": lambda h: h + h.sum(axis=1, keepdims=True),
    "multiply by itself": lambda h: h * h,
    "negate": lambda h: -h,
    "sum": lambda h: h.sum(axis=(0, 2)),
    "mean": lambda h: h.mean(axis=3, keepdims=True),
    "max": lambda h: h.max(axis=1),
    "reshape": lambda h: h.reshape(8, 36),
    "transpose": lambda h: h.transpose(0, 2, 3, 1),
    "slice": lambda h: h[:, 1:3],
    "cat": lambda h: F.cat([h, h * 2.0, h]),
    "crop": lambda h: F.crop(h, (1, 2), (3, 3)),
    "pad": lambda h: F.pad(h, 2),
    "relu": F.relu,
    "relu twice": lambda h: F.relu(h) + F.relu(h),
    "sigmoid": F.sigmoid,
    "tanh": F.tanh,
    "softmax": F.softmax,
    "log_softmax": F.log_softmax,
    "conv2d": lambda h: F.conv2d(h, mf.Tensor(W), padding=1),
    "conv2d_relu": lambda h: F.conv2d_relu(h, mf.Tensor(W), padding=1),
    "conv2d of one pixel": lambda h: F.conv2d(h, mf.Tensor(W[:, :, :1, :1])),
    "conv_transpose2d": lambda h: F.conv_transpose2d(h, mf.Tensor(W.swapaxes(0, 1)), stride=2),
    "max_pool2d": lambda h: F.max_pool2d(h, 2),
    "avg_pool2d": lambda h: F.avg_pool2d(h, 2),
    "upsample_bilinear": lambda h: F.upsample_bilinear(h, 2),
    "local_response_norm": lambda h: F.local_response_norm(h, 3),
    "linear": lambda h: F.linear(h.reshape(8, 36), mf.Tensor(array(5, 36))),
    "matmul": lambda h: h @ mf.Tensor(array(6, 5)),
    "cross_entropy": lambda h: F.cross_entropy(h, np.ones((2, 6, 6), int), reduction="none"),
}


@pytest.mark.parametrize("last", [False, True], ids=["nchw", "nhwc"])
@pytest.mark.parametrize("name", OPERATIONS)
def test_what_others_hold_survives(name, last):
    """The upstream gradient, all inputs and all that was saved; the graph gives the same again."""
    operation = OPERATIONS[name]
    data = channels_last(array(*SHAPE)) if last else array(*SHAPE)
    x = mf.Tensor(data, requires_grad=True)
    with Remembered() as remembered:
        h = operation(F.relu(x * 0.5))
        y = F.relu(h) - F.relu(-h) * 2.0
    upstream = array(*y.shape, seed=2)
    if last and y.ndim == 4:
        upstream = channels_last(upstream)
    copy = upstream.copy()
    y.backward(upstream, retain_graph=True)
    first = x.grad.copy()
    assert first.any()
    y.backward(upstream, retain_graph=True)
    assert same(x.grad, 2 * first)
    assert same(upstream, copy)
    remembered.check()
    x.grad = None
    y.backward(upstream)
    assert same(x.grad, first)
    assert same(upstream, copy)


def test_ownership_is_made_use_of(monkeypatch):
    """A gradient that a function has just made is overwritten: or all else here proves nothing."""
    kernels = kernels_for(leaf(1).data)
    seen, relu_grad = [], kernels.relu_grad

    def watch(gy, y, out=None):
        seen.append(out is gy)
        return relu_grad(gy, y, out=out)

    monkeypatch.setattr(kernels, "relu_grad", watch)
    for operation, here in (
        (lambda h: h * 3.0, True),
        (lambda h: F.max_pool2d(h, 2), True),
        (lambda h: F.conv2d(h, mf.Tensor(W)), True),
        (lambda h: h + 1.0, False),  # the gradient that the caller gave
    ):
        seen.clear()
        y = operation(F.relu(leaf(*SHAPE)))
        y.backward(array(*y.shape))
        assert seen == [here]


# -- gradients that a user gives ----------------------------------------------------------------

STEPS = {
    "nothing": lambda h: h,
    "identity": lambda h: Identity()(h),
    "identity twice": lambda h: Identity()(Identity()(h)),
    "reshape": lambda h: h.reshape(4, 2, 6, 6).reshape(*SHAPE),
    "transpose": lambda h: h.transpose(1, 0, 3, 2).transpose(1, 0, 3, 2),
    "add": lambda h: h + 1.0,
    "cat of one": lambda h: F.cat([h]),
    "pad by nothing": lambda h: F.pad(h, 0),
    "sum over an axis of one": lambda h: h.reshape(1, *SHAPE).sum(axis=0),
}
GIVEN = {
    "array": lambda xp, g: g,
    "view": lambda xp, g: xp.stack([g, g])[1],
    "view of a view": lambda xp, g: xp.stack([g, g])[1][:, :, :],
    "channels last": lambda xp, g: channels_last(to_numpy(g)),
    "tensor": lambda xp, g: mf.Tensor(g),
    "from a buffer": lambda xp, g: np.frombuffer(bytearray(g.tobytes())).reshape(g.shape),
    "read-only": lambda xp, g: np.frombuffer(g.tobytes()).reshape(g.shape),
    "broadcast": lambda xp, g: xp.broadcast_to(g[:1, :1], g.shape),
}


@pytest.mark.parametrize("given", GIVEN)
@pytest.mark.parametrize("step", STEPS)
def test_the_gradient_that_was_given_is_left_alone(step, given):
    x = leaf(*SHAPE)
    upstream = GIVEN[given](array_module(x.data), beside(x, array(*SHAPE, seed=2)))
    numbers = upstream.data if isinstance(upstream, mf.Tensor) else upstream
    copy = numbers.copy()
    for times in (1, 2):
        STEPS[step](F.relu(x)).backward(upstream)
        assert same(numbers, copy)
        assert same(x.grad, times * to_numpy(copy) * (x.numpy() > 0))


def test_the_gradient_of_one_net_starts_another():
    """A leaf's own grad as the upstream gradient: of another leaf, and of itself."""
    x, z = leaf(*SHAPE), leaf(*SHAPE, seed=3)
    (F.relu(x) * 2.0).backward(array(*SHAPE, seed=2))
    given, copy = x.grad, x.grad.copy()
    F.relu(z).backward(x.grad)
    assert same(given, copy)
    assert same(z.grad, to_numpy(copy) * (z.numpy() > 0))
    z.grad *= 100
    assert same(given, copy)
    F.relu(x).backward(x.grad.copy())
    assert same(x.grad, to_numpy(copy) * (1 + (x.numpy() > 0)))


# -- gradients that two share -------------------------------------------------------------------


@pytest.mark.parametrize("owned", [False, True])
@pytest.mark.parametrize(
    ("join", "factors"),
    [
        (lambda a, b: a + b, (1, 1)),
        (lambda a, b: b + a, (1, 1)),
        (lambda a, b: a - b, (1, -1)),
        (lambda a, b: a + b + a, (2, 1)),
        (lambda a, b: a + (b + a), (2, 1)),
        (lambda a, b: Identity()(a) + Identity()(b), (1, 1)),
        (lambda a, b: a + b.reshape(8, 36).reshape(*SHAPE), (1, 1)),
        (lambda a, b: a.reshape(8, 36) + b.reshape(8, 36), (1, 1)),
        (lambda a, b: F.cat([a, b])[:, :4] + F.cat([a, b])[:, 4:], (1, 1)),
    ],
)
def test_two_rectifiers_that_share_a_gradient(join, factors, owned):
    """The one that comes first does not take from the other."""
    x, z = leaf(*SHAPE, seed=3), leaf(*SHAPE, seed=4)
    y = join(F.relu(x), F.relu(z))
    g = array(*y.shape, seed=5)
    (y * 1.0 if owned else y).backward(g)
    g = g.reshape(SHAPE)
    assert same(x.grad, factors[0] * g * (x.numpy() > 0))
    assert same(z.grad, factors[1] * g * (z.numpy() > 0))


def test_the_same_leaf_twice():
    x = leaf(*SHAPE)
    g = array(*SHAPE, seed=2)
    y = F.relu(x)
    ((y + y) * 1.0).backward(g)
    assert same(x.grad, 2 * g * (x.numpy() > 0))


# -- gradients that a function still holds --------------------------------------------------------

BUFFER = bytearray(np.arange(1.0, 5.0).tobytes())
CONSTANTS = {
    "itself": lambda held: held,
    "view": lambda held: held[:],
    "reshaped": lambda held: held.reshape(2, 2).reshape(4),
    "broadcast": lambda held: array_module(held).broadcast_to(held, (4,)),
    "as strided": lambda held: np.lib.stride_tricks.as_strided(held, (4,), (8,)),
    "sliding windows": lambda held: np.lib.stride_tricks.sliding_window_view(held, 1)[:, 0],
    "memory view": lambda held: np.asarray(memoryview(held)),
    "buffer": lambda held: np.frombuffer(BUFFER),
}
USES = {
    "a leaf, twice": lambda f, x: f(x) + f(x),
    "a rectifier": lambda f, x: f(F.relu(x)),
    "a sum, first": lambda f, x: (lambda h: (f(h) + f(h)) + h * 2.0)(x * 1.0),
    "a sum, last": lambda f, x: (lambda h: h * 2.0 + (f(h) + f(h)))(x * 1.0),
}


ON_DEVICES = "itself", "view", "reshaped", "broadcast"  # NumPy's arrays can be viewed in more ways


@pytest.mark.parametrize("use", USES)
def test_a_gradient_may_be_a_constant(use):
    """A linear function's gradient may be an array, or a view of one, that the program keeps."""
    before = np.arange(1.0, 5.0)
    on_device = device_of(beside(mf.Tensor(before), before))
    for name in ON_DEVICES if on_device else CONSTANTS:
        x = mf.Tensor(np.array([-1.0, 1, -1, 1]), requires_grad=True)
        np.frombuffer(BUFFER)[:] = before
        held = beside(x, before.copy())

        class Linear(Function):
            def forward(self, x, held=held):
                return x * held

            def backward(self, gy, view=CONSTANTS[name], held=held):
                return view(held)

        expected = 0
        for _ in range(2):
            USES[use](lambda h, Linear=Linear: Linear()(h), x).backward(np.ones(4))
            n = 1 if use == "a rectifier" else 2
            expected = expected + n * before * ((x.numpy() > 0) if n == 1 else 1)
            expected = expected + (2.0 if "sum" in use else 0.0)
            assert same(held, before), name
            assert same(np.frombuffer(BUFFER), before), name
            assert same(x.grad, expected), name


@pytest.mark.parametrize("new", [False, True])
@pytest.mark.parametrize("use", USES)
def test_a_function_may_keep_its_gradients(use, new):
    """In a list, say, to look at them later."""
    kept, copies = [], []

    class Keeping(Function):
        def forward(self, x):
            return x.copy()

        def backward(self, gy):
            gx = gy * 1.0 if new else gy
            kept.extend([gy, gx])
            copies.extend([gy.copy(), gx.copy()])
            return gx

    x = mf.Tensor(np.array([-1.0, 1, -1, 1]), requires_grad=True)
    for _ in range(2):
        (USES[use](lambda h: Keeping()(h), x) * 3.0).backward(np.ones(4))
    for now, before in zip(kept, copies, strict=True):
        assert same(now, before)


@pytest.mark.parametrize("name", ["add itself", "conv2d", "multiply by itself", "relu twice"])
def test_a_hook_may_keep_gradients(name):
    kept = []

    class Watch(Hook):
        def backward_begin(self, function, gradient):
            kept.append((function, gradient, gradient.copy()))

        def backward_end(self, function, gradients):
            kept.extend((function, g, g.copy()) for g in gradients if g is not None)

    y = OPERATIONS[name](F.relu(leaf(*SHAPE) * 0.5))
    with Watch():
        y.backward(array(*y.shape, seed=2))
    assert len(kept) > 3
    for function, now, before in kept:
        assert same(now, before), type(function).__name__


def test_what_a_function_has_saved_may_be_its_gradient():
    class Saved(Function):
        def forward(self, x):
            self.save(np.full_like(x, 2.0))
            return x * 2

        def backward(self, gy):
            (two,) = self.saved
            return two if self.whole else two[:]

    for whole in (True, False):
        x, function = leaf(*SHAPE), Saved()
        function.whole = whole
        y = function(F.relu(x)) + F.relu(x)
        for times in (1, 2):
            y.backward(np.ones(SHAPE), retain_graph=True)
            assert np.all(function.saved[0] == 2)
            assert same(x.grad, times * 3 * (x.numpy() > 0))


@pytest.mark.parametrize("use", USES)
def test_a_broadcast_gradient_is_not_written(use):
    """Nobody else holds it, but its numbers share their memory; CuPy would write them."""

    class Mean(Function):
        def forward(self, x):
            return x * 1

        def backward(self, gy):
            return array_module(gy).broadcast_to(gy.mean(), gy.shape)

    x = mf.Tensor(np.array([-1.0, 1, -1, 1]), requires_grad=True)
    USES[use](lambda h: Mean()(h), x).backward(np.array([1.0, 2, 3, 6]))
    wanted = {"a leaf, twice": [6] * 4, "a rectifier": [0, 3, 0, 3]}
    assert x.grad.tolist() == wanted.get(use, [8, 10, 12, 18])
    x.grad += np.float64(1)  # and it can be written


def test_a_leaf_s_gradient_is_its_own():
    """Not that of another leaf, of the caller or of the graph, which is run again."""
    x, z = leaf(*SHAPE), leaf(*SHAPE, seed=1)
    upstream = array(*SHAPE, seed=2)
    y = Identity()(x + z)
    y.backward(upstream, retain_graph=True)
    x.grad[...] = 99
    assert same(z.grad, upstream)
    z.grad[...] = 98
    x.grad = z.grad = None
    y.backward(upstream)
    assert same(x.grad, upstream)
    assert same(z.grad, upstream)
