"""Modules: registration, names, state, modes."""

import numpy as np
import pytest

import minifcn as mf
from minifcn import nn


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 3, (3, 1))
        self.scale = nn.Parameter(np.ones(3, np.float32))
        self.drop = nn.Dropout(0.5)
        self.note = "not registered"


class Outer(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = Block()
        self.inner = nn.Sequential({"a/b": nn.Conv2d(3, 4, 1, bias=False), "act": nn.ReLU()})
        self.last = nn.Parameter(np.zeros((2, 5), np.float32))


NAMES = ["last", "first.scale", "first.conv.weight", "first.conv.bias", "inner.a/b.weight"]


# -- registration -------------------------------------------------------------------------------


def test_names_in_the_order_of_registration():
    net = Outer()
    assert [name for name, _ in net.named_parameters()] == NAMES
    assert list(net.state_dict()) == NAMES
    assert [id(p) for p in net.parameters()] == [id(p) for _, p in net.named_parameters()]
    modules = ["", "first", "first.conv", "first.drop", "inner", "inner.a/b", "inner.act"]
    assert [name for name, _ in net.named_modules()] == modules
    assert dict(net.named_modules())["first.conv"] is net.first.conv
    assert dict(net.named_modules("x"))["x.inner"] is net.inner


def test_num_parameters():
    assert Block().num_parameters() == 3 * 2 * 3 * 1 + 3 + 3
    assert Outer().num_parameters() == 24 + 4 * 3 + 10
    assert nn.UpsampleBilinear(2).num_parameters() == 0


def test_a_replaced_attribute_keeps_its_place():
    net = Block()
    net.conv.weight = nn.Parameter(np.zeros((1, 2, 3, 1), np.float32))
    assert list(net.conv.state_dict()) == ["weight", "bias"]
    chain = nn.Sequential({"double": nn.Scale(2.0), "act": nn.ReLU(), "negate": nn.Scale(-1.0)})
    chain.double = nn.Scale(-3.0)
    assert [name for name, _ in chain.named_modules()][1:] == ["double", "act", "negate"]
    assert chain(mf.Tensor([-1.0, 1.0])).data.tolist() == [-3, 0]  # the order of computation too


def test_an_attribute_may_change_its_kind():
    conv = nn.Conv2d(2, 3, 1, bias=False)
    assert conv.bias is None
    conv.bias = nn.Parameter(np.ones(3, np.float32))
    assert conv.bias.data.tolist() == [1, 1, 1]
    assert list(conv.state_dict()) == ["weight", "bias"]
    assert conv(mf.Tensor(np.zeros((1, 2, 1, 1), np.float32))).data.ravel().tolist() == [1, 1, 1]
    conv.bias = None
    assert conv.bias is None
    assert list(conv.state_dict()) == ["weight"]
    conv.bias = nn.ReLU()
    assert list(conv.state_dict()) == ["weight"]
    assert [name for name, _ in conv.named_modules()] == ["", "bias"]
    conv.bias = nn.Parameter(np.ones(3, np.float32))
    assert [name for name, _ in conv.named_modules()] == [""]


def test_super_init_comes_first():
    class Hasty(nn.Module):
        def __init__(self):
            self.conv = nn.Conv2d(1, 1, 1)

    with pytest.raises(RuntimeError, match=r"Hasty: call super\(\)\.__init__\(\) first"):
        Hasty()


def test_add_module_and_getitem():
    net = nn.Module()
    conv = nn.Conv2d(1, 1, 1)
    net.add_module("fire2/squeeze1x1", conv)
    assert net["fire2/squeeze1x1"] is conv
    with pytest.raises(ValueError, match="Module has a 'fire2/squeeze1x1' already"):
        net.add_module("fire2/squeeze1x1", conv)
    with pytest.raises(ValueError, match="Module has a 'training' already"):
        net.add_module("training", conv)
    net.weight = nn.Parameter(np.ones(1))
    with pytest.raises(ValueError, match="Module has a 'weight' already"):
        net.add_module("weight", conv)
    with pytest.raises(KeyError, match="no layer 'fc6'; there are: fire2/squeeze1x1"):
        net["fc6"]


def test_unknown_attributes_and_missing_forward():
    with pytest.raises(AttributeError, match="Block has no attribute 'weigth'"):
        Block().weigth  # noqa: B018
    with pytest.raises(NotImplementedError, match="Block has no forward"):
        Block()(mf.Tensor(1.0))
    assert not hasattr(Block(), "bias")


# -- state --------------------------------------------------------------------------------------


def test_state_round_trip():
    mf.manual_seed(1)
    net, other = Outer(), Outer()
    net.last.data[:] = 7
    state = net.state_dict()
    assert state["last"] is net.last.data  # not a copy
    before = {name: a.copy() for name, a in state.items()}
    other.load_state_dict(state)
    for name, array in other.state_dict().items():
        assert np.array_equal(array, before[name])
        assert not np.shares_memory(array, state[name])  # a copy
    other.last.data[:] = 0
    assert (net.last.data == 7).all()


def test_loading_keeps_the_dtype_and_the_multipliers():
    net = Outer().to(np.float64)
    state = {name: a.astype(np.float32) for name, a in net.state_dict().items()}
    net.load_state_dict(state)
    assert {a.dtype for a in net.state_dict().values()} == {np.dtype(np.float64)}
    assert net.first.conv.bias.rate == 2
    assert net.first.conv.bias.requires_grad


def test_a_state_that_does_not_fit_changes_nothing():
    net = Outer()
    before = {name: a.copy() for name, a in net.state_dict().items()}
    good = {name: a + 1 for name, a in before.items()}
    missing = {name: a for name, a in good.items() if name != "first.conv.bias"}
    shape = {**good, "first.conv.weight": np.zeros((3, 2, 1, 3), np.float32)}
    for state, message in [
        (missing, "state does not fit the net: missing first.conv.bias"),
        ({**good, "fc8.weight": np.zeros(1)}, "state does not fit the net: unknown fc8.weight"),
        (
            shape,
            "state does not fit the net: first.conv.weight is (3, 2, 1, 3), "
            "the net's (3, 2, 3, 1)",
        ),
        (
            {f"x{i}": np.zeros(1) for i in range(3)},
            "state does not fit the net: missing last; missing first.scale; missing "
            "first.conv.weight; missing first.conv.bias; missing inner.a/b.weight and 3 more",
        ),
    ]:
        with pytest.raises(ValueError) as error:
            net.load_state_dict(state)
        assert str(error.value) == message
        for name, array in net.state_dict().items():
            assert np.array_equal(array, before[name])
    net.load_state_dict(good)
    assert np.array_equal(net.last.data, before["last"] + 1)


# -- modes, gradients, dtypes -------------------------------------------------------------------


def test_train_and_eval_reach_every_module():
    net = Outer()
    assert all(m.training for _, m in net.named_modules())
    assert net.eval() is net
    assert not any(m.training for _, m in net.named_modules())
    assert net.train() is net
    assert all(m.training for _, m in net.named_modules())
    net.first.drop.eval()
    assert net.training
    assert not net.first.drop.training


def test_zero_grad():
    net = Block()
    net.conv(mf.Tensor(np.ones((1, 2, 4, 5), np.float32))).sum().backward()
    assert net.conv.bias.grad.tolist() == [10, 10, 10]  # 2 x 5 outputs
    assert net.scale.grad is None
    net.zero_grad()
    assert net.conv.bias.grad is None
    assert net.conv.weight.grad is None


def test_to_float64():
    net = Outer()
    assert net.to(np.float64) is net
    assert {a.dtype for a in net.state_dict().values()} == {np.dtype(np.float64)}
    y = net.first.conv(mf.Tensor(np.ones((1, 2, 4, 5))))
    y.sum().backward()
    assert y.dtype == net.first.conv.weight.grad.dtype == np.float64
    net.to("float32")
    assert net.first.conv.weight.dtype == np.float32
    assert net.first.conv.weight.grad is None  # it was of the other dtype
    assert net.first.conv.bias.rate == 2
    with pytest.raises(RuntimeError, match="cuda"):
        net.to("cuda")


def test_a_parameter_of_rate_zero_is_frozen():
    conv = nn.Conv2d(2, 3, (1, 2))
    conv.weight = nn.Parameter(conv.weight.data, rate=0)
    assert not conv.weight.requires_grad
    x = mf.Tensor(np.ones((1, 2, 3, 4), np.float32))
    conv(x).sum().backward()
    assert conv.weight.grad is None
    assert conv.bias.grad.tolist() == [9, 9, 9]
    assert conv.num_parameters() == 15
    assert list(conv.state_dict()) == ["weight", "bias"]


def test_parameters():
    p = nn.Parameter(np.ones(2))
    assert (p.rate, p.decay, p.requires_grad) == (1, 1, True)
    p = nn.Parameter(np.ones(2), rate=0.1, decay=0)
    assert (p.rate, p.decay, p.requires_grad) == (0.1, 0, True)
    assert isinstance(p * 2.0, mf.Tensor)
    assert not isinstance(p * 2.0, nn.Parameter)


def test_repr():
    assert repr(nn.Conv2d(3, 8, (3, 5), padding=1)) == "Conv2d(3 -> 8, kernel 3x5, padding 1)"
    assert repr(nn.ReLU()) == "ReLU()"
    chain = nn.Sequential({"conv": nn.Conv2d(1, 2, 3), "inner": nn.Sequential(nn.ReLU())})
    assert repr(chain).splitlines() == [
        "Sequential(",
        "  conv: Conv2d(1 -> 2, kernel 3)",
        "  inner: Sequential(",
        "    0: ReLU()",
        "  )",
        ")",
    ]


def test_a_module_that_is_registered_twice_counts_once():
    shared = nn.Linear(3, 3)
    model = nn.Sequential(shared, nn.ReLU(), shared)
    assert [name for name, _ in model.named_parameters()] == ["0.weight", "0.bias"]
    assert model.num_parameters() == 3 * 3 + 3


def test_nets_without_values():
    with nn.init.without_values():
        net = nn.Sequential(nn.Conv2d(3, 2000, 1000), nn.ConvTranspose2d(5, 5, 999), nn.ReLU())
        for fill in (nn.init.he_normal, nn.init.xavier_uniform, nn.init.zeros):
            assert fill((7, 5)).strides == (0, 0)
    assert net.num_parameters() == 2000 * (3 * 10**6 + 1) + 25 * 999**2
    assert not net["0"].weight.data[0, 0].any()
    with pytest.raises(ValueError, match="read-only"):
        net["0"].bias.data[0] = 1
    assert nn.init.he_normal((7, 5)).any()
