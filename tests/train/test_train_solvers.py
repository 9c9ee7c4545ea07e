"""Solvers: the published rules, step by step, with a rate and a decay for each parameter."""

import numpy as np
import pytest

from minifcn import nn, use_backend
from minifcn.backends import moved, to_numpy
from minifcn.train import Adam, Solver


class Weights(nn.Module):
    """Parameters of all kinds: as a weight, as a bias, and a frozen one."""

    def __init__(self, dtype=np.float64):
        super().__init__()
        rng = np.random.default_rng(0)
        self.weight = nn.Parameter(rng.standard_normal((4, 3, 2, 2)).astype(dtype))
        self.bias = nn.Parameter(rng.standard_normal(4).astype(dtype), rate=2, decay=0)
        self.frozen = nn.Parameter(rng.standard_normal(3).astype(dtype), rate=0)
        self.slow = nn.Parameter(rng.standard_normal((5, 7)).astype(dtype), rate=0.1, decay=3)


def set_gradients(model, seed):
    rng = np.random.default_rng(seed)
    for parameter in model.parameters():
        gradient = rng.standard_normal(parameter.shape).astype(parameter.dtype)
        parameter.grad = moved(gradient, parameter.data)


def state(model):
    return {name: p.numpy().copy() for name, p in model.named_parameters()}


def test_sgd_is_caffes(backend):
    model = Weights().to(backend)
    solver = Solver(model, lr=0.1, momentum=0.8, weight_decay=0.02)
    w = state(model)
    v = {name: np.zeros_like(array) for name, array in w.items()}
    with use_backend(backend):
        for step, lr in enumerate((0.1, 0.05, 0.05, 0.2, 0.01)):  # inside the velocity
            set_gradients(model, step)
            solver.lr = lr
            solver.step()
            for name, parameter in model.named_parameters():
                rate = {"weight": 1, "bias": 2, "frozen": 0, "slow": 0.1}[name]
                decay = {"weight": 1, "bias": 0, "frozen": 1, "slow": 3}[name]
                g = to_numpy(parameter.grad) + 0.02 * decay * w[name]
                v[name] = 0.8 * v[name] + lr * rate * g
                w[name] = w[name] - v[name]
                np.testing.assert_allclose(parameter.numpy(), w[name], rtol=1e-13, atol=1e-13)


def test_layers_biases_learn_twice_as_fast_and_do_not_decay():
    layer = nn.Conv2d(2, 3, 3)
    layer.weight.data[:] = layer.bias.data[:] = 1
    layer.weight.grad, layer.bias.grad = (np.ones_like(p.data) for p in layer.parameters())
    Solver(layer, lr=0.1, momentum=0.9, weight_decay=0.5).step()
    np.testing.assert_allclose(layer.weight.data, 1 - 0.1 * 1.5, rtol=1e-6)
    np.testing.assert_allclose(layer.bias.data, 1 - 0.2, rtol=1e-6)


@pytest.mark.oracle
def test_adam_is_torchs_adamw(backend):
    torch = pytest.importorskip("torch")
    model = Weights().to(backend)
    theirs = {
        name: torch.tensor(array, requires_grad=True) for name, array in state(model).items()
    }
    settings = {"weight": (1, 1), "bias": (2, 0), "slow": (0.1, 3)}
    optimizer = torch.optim.AdamW(
        [
            {"params": [theirs[name]], "weight_decay": 0.03 * d}
            for name, (_, d) in settings.items()
        ],
        betas=(0.8, 0.95),
        eps=1e-6,
    )
    solver = Adam(model, lr=0.1, betas=(0.8, 0.95), weight_decay=0.03, epsilon=1e-6)
    with use_backend(backend):
        for step, lr in enumerate((0.1, 0.05, 0.3, 0.01, 0.02)):
            set_gradients(model, step)
            solver.lr = lr
            for group, (rate, _) in zip(optimizer.param_groups, settings.values(), strict=True):
                group["lr"] = lr * rate
            for name, parameter in model.named_parameters():
                theirs[name].grad = torch.tensor(to_numpy(parameter.grad))
            solver.step()
            optimizer.step()
            for name, parameter in model.named_parameters():
                wanted = theirs[name].detach().numpy()
                np.testing.assert_allclose(parameter.numpy(), wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("make", [Solver, Adam])
def test_what_has_no_gradient_stays(make):
    model = Weights()
    solver, before = make(model, 0.1), state(model)
    set_gradients(model, 0)
    model.bias.grad = None
    solver.step()
    after = state(model)
    np.testing.assert_array_equal(after["bias"], before["bias"])
    np.testing.assert_array_equal(after["frozen"], before["frozen"])
    assert (after["weight"] != before["weight"]).all()
    solver.zero_grad()
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("make", [Solver, Adam])
def test_a_state_continues_exactly(make, dtype, backend):
    def steps(model, solver, numbers):
        for number in numbers:
            set_gradients(model, number)
            solver.step()

    whole = Weights(dtype).to(backend)
    solver = make(whole, 0.1)
    steps(whole, solver, range(3))
    middle = Weights(dtype).to(backend)
    middle.load_state_dict(whole.state_dict())
    continued = make(middle, 0.1)
    continued.load_state_dict({name: a.copy() for name, a in solver.state_dict().items()})
    steps(whole, solver, range(3, 6))
    steps(middle, continued, range(3, 6))
    for name, array in state(whole).items():
        np.testing.assert_array_equal(state(middle)[name], array)
        assert array.dtype == dtype
    fresh = Weights(dtype).to(backend)
    fresh.load_state_dict(whole.state_dict())
    before = state(fresh)["weight"]
    steps(fresh, make(fresh, 0.1), [6])
    steps(whole, solver, [6])
    assert (state(fresh)["weight"] != state(whole)["weight"]).any()  # the state matters
    assert (before != state(fresh)["weight"]).any()


def test_names_in_a_state():
    model = Weights()
    assert set(Solver(model, 1).state_dict()) == {
        "weight.velocity", "bias.velocity", "slow.velocity",
    }  # fmt: skip
    assert {"weight.mean", "weight.square", "steps"} < set(Adam(model, 1).state_dict())


def test_a_state_of_another_solver_or_net_is_refused():
    model, adam, sgd = Weights(), Adam(Weights(), 0.1), Solver(Weights(), 0.1)
    with pytest.raises(ValueError, match=r"state \(7 arrays\) does not fit .* \(3 arrays\)"):
        sgd.load_state_dict(adam.state_dict())
    other = Solver(model, 0.1).state_dict()
    other["bias.velocity"] = np.zeros(5)
    with pytest.raises(ValueError, match="does not fit this net and solver"):
        sgd.load_state_dict(other)


@pytest.mark.parametrize(
    ("make", "settings", "message"),
    [
        (Solver, {"lr": 0}, "learning rate must be above 0; got 0"),
        (Adam, {"lr": -1e-3}, r"learning rate must be above 0; got -0\.001"),
        (Adam, {"lr": float("nan")}, "learning rate must be above 0; got nan"),
        (Solver, {"lr": 1, "weight_decay": -1}, "weight_decay must be 0 or more; got -1"),
        (Solver, {"lr": 1, "momentum": 1}, "momentum must be at least 0 and below 1; got 1"),
        (Solver, {"lr": 1, "momentum": -0.1}, r"momentum must be .* got -0\.1"),
    ],
)
def test_settings_that_cannot_be(make, settings, message):
    with pytest.raises(ValueError, match=message):
        make(Weights(), **settings)
