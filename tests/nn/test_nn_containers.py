"""Networks in a row and as a table; the layers that bring maps onto each other."""

import numpy as np
import pytest

import minifcn as mf
from minifcn import nn
from minifcn.autograd import Hook, Timer


class Add(nn.Module):
    def forward(self, a, b):
        return a + b


def image(*shape, dtype=np.float64) -> mf.Tensor:
    return mf.Tensor(np.arange(np.prod(shape), dtype=dtype).reshape(shape), requires_grad=True)


def test_sequential_with_numbers_or_names():
    x = mf.Tensor([1.0, -2.0])
    chain = nn.Sequential(nn.Scale(-3.0), nn.ReLU(), nn.Scale(10.0))
    assert chain(x).data.tolist() == [0, 60]
    assert chain["2"].factor == 10
    named = nn.Sequential({"act": nn.ReLU(), "double": nn.Scale(2.0)})
    assert named(x).data.tolist() == [2, 0]
    assert named["double"] is named.double
    assert nn.Sequential()(x) is x


def test_net_is_a_table_of_what_reads_what():
    net = nn.Net()
    x = mf.Tensor([1.0, 2.0])
    assert net(x) is x
    assert net.add("double", nn.Scale(2.0)) == "double"
    net.add("triple", nn.Scale(3.0), "data")
    net.add("negate", nn.Scale(-1.0))  # reads what was added last
    net.add("sum", Add(), "double", "negate")
    net.add("twice", Add(), "sum", "sum")
    net.add("all", Add(), "twice", "data")
    assert net.reads == {
        "double": ("data",),
        "triple": ("data",),
        "negate": ("triple",),
        "sum": ("double", "negate"),
        "twice": ("sum", "sum"),
        "all": ("twice", "data"),
    }
    # 2 * (2x - 3x) + x
    assert net(x).data.tolist() == [-1, -2]
    assert net(x).data.tolist() == [-1, -2]


def test_the_output_of_a_layer_inside():
    net, x = nn.Net(), mf.Tensor([1.0, -2.0])
    net.add("double", nn.Scale(2.0))
    net.add("triple", nn.Scale(3.0), "data")
    net.add("sum", Add(), "double", "triple")
    assert net(x, until="data") is x
    assert net(x, until="double").data.tolist() == [2, -4]
    assert net(x, until="sum").data.tolist() == net(x).data.tolist() == [5, -10]
    with pytest.raises(KeyError, match="no layer 'quadruple'; there are: double, triple, sum"):
        net(x, until="quadruple")


def test_a_convolution_inside_is_not_yet_rectified():
    net, x = nn.Net(), mf.Tensor(-np.ones((1, 1, 1, 1), np.float32))
    net.add("conv", nn.Conv2d(1, 1, 1, weight_init=nn.init.bilinear))
    net.add("relu", nn.ReLU())
    assert net(x, until="conv").item() == -1
    assert net(x, until="relu").item() == net(x).item() == 0


def forked(*cats, squeezed=5, kernels=((1, 1), (3, 1))):
    """A rectified convolution, two that read it, and every Cat that is asked for."""
    mf.manual_seed(4)
    net = nn.Net()
    net.add("squeeze", nn.Conv2d(3, squeezed, 1))
    net.add("thin", nn.ReLU())
    for name, channels, kernel in zip("ab", (4, 7), kernels, strict=True):
        padding = tuple(k // 2 for k in kernel)
        net.add(f"conv_{name}", nn.Conv2d(squeezed, channels, kernel, padding=padding), "thin")
        net.add(name, nn.ReLU())
    for i, inputs in enumerate(cats):
        net.add(f"cat{i}", nn.Cat(), *inputs)
    return net


def layer_by_layer(net, x):
    """Every output of a ``forked`` net, each operation on its own."""
    maps = {"data": x}
    for name, inputs in net.reads.items():
        maps[name] = net[name](*(maps[source] for source in inputs))
    return maps


@pytest.mark.parametrize(
    ("cats", "copies"),
    [
        ([("a", "b")], 0),
        ([("b", "a")], 0),
        ([("b", "a"), ("a", "b")], 1),  # only one of the two can be their place
        ([("a", "b", "a")], 1),
        ([("thin", "a", "b")], 0),  # read by a and b as well
        ([("data", "a", "b")], 1),
    ],
)
def test_maps_to_be_joined_are_written_side_by_side(cats, copies, backend, monkeypatch):
    joined = []
    with mf.backends.use_backend(backend):
        net = forked(*cats)
        for name, readers in list(net.reads.items()):
            if name.startswith("cat"):
                net.add(f"score_{name}", nn.Conv2d(sum_of_channels(net, readers), 2, 1), name)
        values = np.random.default_rng(1).standard_normal((2, 3, 6, 5)).astype(np.float32)
        x = mf.Tensor(values, requires_grad=True)
        expected = layer_by_layer(net, x)[net.tail]
        upstream = np.random.default_rng(2).standard_normal(expected.shape).astype(np.float32)
        expected.backward(upstream)
        tensors = dict(net.named_parameters()) | {"x": x}
        gradients = {name: t.grad for name, t in tensors.items()}
        for tensor in tensors.values():
            tensor.grad = None

        kernels = mf.backends.kernels_for(x.data)
        cat = kernels.cat

        def counted(arrays, axis):
            joined.append(len(arrays))
            return cat(arrays, axis)

        with monkeypatch.context() as patch:
            patch.setattr(kernels, "cat", counted)
            y = net(x)
        assert len(joined) == copies
        assert np.array_equal(y.numpy(), expected.numpy())
        y.backward(upstream)
        for name, tensor in tensors.items():
            if gradients[name] is None:
                assert tensor.grad is None
            else:
                pair = map(mf.backends.to_numpy, (tensor.grad, gradients[name]))
                np.testing.assert_allclose(*pair, rtol=2e-5, atol=2e-5)
        with mf.no_grad():
            assert np.array_equal(net(x).numpy(), expected.numpy())


def sum_of_channels(net, names) -> int:
    of = {"data": 3, "thin": 5, "a": 4, "b": 7}
    return sum(of[name] for name in names)


def test_maps_of_different_sizes_are_not_joined():
    net = forked(("a", "b"))
    net["conv_b"].padding = (0, 0)
    message = r"cat along axis 1: shapes \(1, 4, 6, 5\), \(1, 7, 4, 5\) differ elsewhere"
    with pytest.raises(ValueError, match=message):
        net(mf.Tensor(np.zeros((1, 3, 6, 5), np.float32)))
    assert net(mf.Tensor(np.zeros((1, 3, 6, 5), np.float32)), until="b").shape == (1, 7, 4, 5)


def test_gradients_flow_through_the_table():
    net = nn.Net()
    net.add("double", nn.Scale(2.0))
    net.add("triple", nn.Scale(3.0), "data")
    net.add("sum", Add(), "double", "triple")
    x = mf.Tensor([1.0, 2.0], requires_grad=True)
    net(x).backward(np.array([1.0, 10.0]))
    assert x.grad.tolist() == [5, 50]


def test_net_refuses_what_does_not_fit():
    net = nn.Net()
    net.add("a", nn.ReLU())
    with pytest.raises(ValueError, match="layer 'b' reads 'c', which has not been added"):
        net.add("b", nn.ReLU(), "a", "c")
    with pytest.raises(ValueError, match="layer 'b' reads 'b', which has not been added"):
        net.add("b", nn.ReLU(), "b")
    with pytest.raises(ValueError, match="Net has a 'a' already"):
        net.add("a", nn.ReLU())
    with pytest.raises(ValueError, match="'data' is the name of the net's input"):
        net.add("data", nn.ReLU())
    for taken in ("tail", "reads", "training"):
        with pytest.raises(ValueError, match=f"Net has a '{taken}' already"):
            net.add(taken, nn.ReLU())
    assert net.reads == {"a": ("data",)}
    assert [name for name, _ in net.named_modules()] == ["", "a"]
    assert net.tail == "a"


# -- alignment ----------------------------------------------------------------------------------


class Geometry(Hook):
    """Knows every offset."""

    def __init__(self, offset):
        self.offset, self.asked = offset, 0

    def align(self, x, reference):
        self.asked += 1
        return self.offset


@pytest.mark.parametrize("layer", [nn.Crop, nn.Fuse])
def test_without_an_offset_there_is_no_alignment(layer):
    with pytest.raises(RuntimeError) as error:
        layer()(image(1, 1, 6, 7), image(1, 1, 3, 4))
    assert str(error.value) == (
        f"{layer.__name__} does not know its offset: "
        "call geometry.derive_offsets(net) once the net is built"
    )


def test_the_offset_is_asked_for_once_and_kept():
    crop, geometry = nn.Crop(), Geometry((1, 2))
    assert repr(crop) == "Crop(offset None)"
    for _ in range(2):
        with geometry:
            crop(image(1, 1, 6, 7), image(1, 1, 3, 4))
    assert geometry.asked == 1
    assert repr(crop) == "Crop(offset (1, 2))"
    crop(image(1, 1, 6, 7), image(1, 1, 3, 4))


def test_any_hook_may_know_the_offset():
    for hooks in ((Geometry((0, 0)), Timer()), (Timer(), Geometry((0, 0)))):
        crop = nn.Crop()
        with hooks[0], hooks[1]:
            crop(image(1, 1, 6, 7), image(1, 1, 3, 4))
        assert crop.offset == (0, 0)


def test_crop_by_hand():
    crop = nn.Crop()
    crop.offset = (1, 2)
    x = image(1, 2, 3, 5)
    y = crop(x, image(1, 7, 2, 1))
    assert y.data.tolist() == [[[[7], [12]], [[22], [27]]]]
    y.sum().backward()
    assert np.flatnonzero(x.grad).tolist() == [7, 12, 22, 27]


@pytest.mark.parametrize(
    ("offset", "coarse", "fine", "wanted"),
    [
        # the finer map is larger and is cut at the offset
        ((1, 2), (2, 2), (4, 5), [[0 + 7, 1 + 8], [2 + 12, 3 + 13]]),
        # the upsampled map is larger and starts where the other does
        ((0, 0), (2, 3), (2, 2), [[0 + 0, 1 + 1], [3 + 2, 4 + 3]]),
        # the finer map starts inside the other
        ((-1, 0), (3, 2), (2, 2), [[2 + 0, 3 + 1], [4 + 2, 5 + 3]]),
        # one axis each way
        ((1, -1), (1, 3), (2, 2), [[1 + 2, 2 + 3]]),
        ((0, 0), (1, 2), (1, 2), [[0, 2]]),
    ],
)
def test_fuse_by_hand(offset, coarse, fine, wanted):
    fuse = nn.Fuse()
    fuse.offset = offset
    y = fuse(image(1, 1, *coarse), image(1, 1, *fine))
    assert y.data[0, 0].tolist() == wanted
