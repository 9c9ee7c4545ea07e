"""A net without its strides has the same maps, denser."""

import numpy as np
import pytest
from dense_nets import WIDTHS, chain, classifier, drawn, padded

from minifcn import Tensor, dense, geometry, models, nn, no_grad, train, use_backend


def maps(net, x, names):
    """Layers' outputs by their names."""
    with no_grad():
        return {name: net(Tensor(x), until=name).data for name in names}


def ratios(old, new):
    """Layer -> how many times as dense its map is now, along each axis."""
    a, b = geometry.trace(old), geometry.trace(new)
    return {
        name: tuple(
            int(p.stride / q.stride) for p, q in zip(a[name].axes, b[name].axes, strict=True)
        )
        for name in old.reads
    }


def assert_sampled(old, new, x, names=None):
    """The old maps are every r-th pixel of the new ones, and these have no more than that."""
    names = names or list(old.reads)
    before, after, rates = maps(old, x, names), maps(new, x, names), ratios(old, new)
    for name in names:
        r, s = rates[name]
        sampled = after[name][:, :, ::r, ::s]
        assert sampled.shape == before[name].shape, (name, x.shape)
        np.testing.assert_allclose(sampled, before[name], rtol=1e-12, atol=1e-12, err_msg=name)


def test_by_hand():
    """Stride 2, then a difference: y[o] = x[2o+2] - x[2o]; without the stride x[i+2] - x[i]."""
    net = nn.Net((1, None, None))
    net.add("keep", nn.Conv2d(1, 1, 1, stride=(1, 2), bias=False))
    net.add("difference", nn.Conv2d(1, 1, (1, 2), bias=False))
    net.to(np.float64)
    net["keep"].weight.data = np.ones((1, 1, 1, 1))
    net["difference"].weight.data = np.array([[[[-1.0, 1.0]]]])
    x = np.array([[[[1, 10, 100, 1000, 10000, 7.0]]]])
    new = dense.rarefy(net)
    assert new["keep"].stride == (1, 1)
    assert new["difference"].dilation == (1, 2)
    with no_grad():
        np.testing.assert_array_equal(net(Tensor(x)).data, [[[[99, 9900]]]])
        np.testing.assert_array_equal(new(Tensor(x)).data, [[[[99, 990, 9900, 7 - 1000]]]])


@pytest.mark.parametrize("backend", ["reference", "cpu"])
@pytest.mark.parametrize("make", [chain, padded])
@pytest.mark.parametrize("seed", range(12))
def test_random_nets_at_all_sizes(make, seed, backend):
    rng = np.random.default_rng(seed)
    old = drawn(make(rng), seed)
    new = dense.rarefy(old)
    assert {a.stride for a in geometry.trace(new).rows[-1].axes} == {1}
    height, width = geometry.receptive_field(old)
    with use_backend(backend):
        for more in range(13):
            x = rng.standard_normal((2, 2, height + more, width + 5 * more % 13))
            assert_sampled(old, new, x)


STRIDES = {"lenet": (1, 2), "alexnet": (1, 2, 8), "vgg16": (1, 2, 8, 16), "squeezenet": (1, 4)}
STRIDES["googlenet"] = 4, 16


@pytest.mark.parametrize(("name", "to_stride"), [(n, s) for n in WIDTHS for s in STRIDES[n]])
def test_the_papers_nets(name, to_stride):
    old = classifier(name)
    new = dense.rarefy(old, to_stride)
    assert max(row.axes[0].stride for row in geometry.trace(new, (400, 400)).rows) == to_stride
    size = {"lenet": (33, 30), "squeezenet": (230, 227)}.get(name, (251, 240))
    x = np.random.default_rng(0).standard_normal((1, old.input_shape[0], *size))
    with use_backend("cpu"):
        last = list(old.reads)[-1]
        names = [n for n in old.reads if n == last or n.startswith(("pool", "norm", "conv3"))]
        assert_sampled(old, new, x, names)


@pytest.mark.parametrize("name", ["lenet", "alexnet"])
def test_nothing_sees_more_than_before(name):
    old = classifier(name)
    a, b = (geometry.trace(net, (400, 400)) for net in (old, dense.rarefy(old)))
    for row in a.rows:
        assert [x.field for x in row.axes] == [x.field for x in b[row.name].axes]
        assert [x.start for x in row.axes] == [x.start for x in b[row.name].axes]


FCNS = [("fcn8s-vgg16", 0.02), ("fcn8s-squeezenet", 0.1), ("fcn16s-alexnet", 0.05)]


@pytest.mark.parametrize("padding", ["reference", "aligned"])
@pytest.mark.parametrize(("name", "width"), FCNS)
@pytest.mark.parametrize("to_stride", [2, 4, 16])
def test_nets_with_skips(name, width, padding, to_stride):
    old = drawn(models.build(name, 3, padding=padding, width=width))
    new = dense.rarefy(old, to_stride)
    assert max(row.axes[0].stride for row in geometry.trace(new).rows) == to_stride
    offsets = [offset for pair in geometry.offsets(new).values() for offset in pair]
    with use_backend("cpu"), no_grad():
        for size in ((1, 1), (7, 40), (64, 33)):
            x = np.random.default_rng(0).standard_normal((1, 3, *size))
            assert new(Tensor(x)).shape == (1, 3, *size)
    scores = geometry.trace(new)[list(new.reads)[-2]].axes[0]
    assert scores.start + scores.stride * offsets[-1] == 0  # cut where the image begins


def test_what_is_not_too_coarse_stays():
    old = drawn(models.build("fcn8s-vgg16", 3, width=0.02))
    new = dense.rarefy(old, 32)
    x = np.random.default_rng(0).standard_normal((1, 3, 40, 61))
    with use_backend("cpu"), no_grad():
        np.testing.assert_array_equal(new(Tensor(x)).data, old(Tensor(x)).data)


def test_parameters_are_shared_and_train():
    old = drawn(models.build("fcn16s-squeezenet", 3, padding="aligned", width=0.1)).train()
    new = dense.rarefy(old, 4)
    mine, theirs = dict(old.named_parameters()), dict(new.named_parameters())
    assert mine.keys() == theirs.keys()
    assert all(theirs[name] is parameter for name, parameter in mine.items())
    assert new.training
    rng = np.random.default_rng(0)
    image = Tensor(rng.standard_normal((1, 3, 40, 48)))
    labels = rng.integers(0, 3, (1, 40, 48))
    solver = train.Solver(new, 0.05)
    new.eval()  # no dropout
    losses = []
    for _ in range(4):
        loss = train.pixel_loss(new, image, labels)
        losses.append(loss.item())
        solver.zero_grad()
        loss.backward()
        solver.step()
    assert losses[-1] < losses[0]
    for name, parameter in mine.items():
        assert theirs[name] is parameter
        np.testing.assert_array_equal(old.state_dict()[name], new.state_dict()[name])


def test_the_filter_with_its_zeros():
    weight = np.arange(1.0, 13).reshape(2, 1, 2, 3)
    wide = dense.enlarged(weight, (3, 2))
    assert wide.shape == (2, 1, 4, 5)
    for i, j in np.ndindex(4, 5):  # f'[i, j] = f[i/s, j/s] if s divides i and j, else 0
        kept = i % 3 == 0 and j % 2 == 0
        np.testing.assert_array_equal(
            wide[:, :, i, j], weight[:, :, i // 3, j // 2] if kept else 0
        )
    assert dense.enlarged(weight, (1, 1)).tolist() == weight.tolist()


@pytest.mark.parametrize("backend", ["reference", "cpu"])
@pytest.mark.parametrize("seed", range(6))
def test_literal_filters_do_the_same(seed, backend):
    rng = np.random.default_rng(100 + seed)
    net = drawn(padded(rng), seed)
    x = rng.standard_normal((1, 2, 37, 41))
    with use_backend(backend), no_grad():
        spread = dense.rarefy(net)(Tensor(x)).data
        literal = dense.rarefy(net, literal=True)
        assert not any(
            layer.dilation != (1, 1)
            for _, layer in literal.named_modules()
            if type(layer) is nn.Conv2d
        )
        np.testing.assert_allclose(literal(Tensor(x)).data, spread, rtol=1e-12, atol=1e-12)


def refused(net, message, **settings):
    with pytest.raises(ValueError, match=message):
        dense.rarefy(net, **settings)


def test_what_cannot_be_rarefied():
    net = classifier("alexnet")
    refused(net, "rarefy: layer 'conv1' has stride 4: 3 does not divide it", to_stride=3)
    refused(net, "to_stride must be 1 or more; got 0", to_stride=0)
    refused(models.build("alexnet", 3, width=0.05), "'flatten' .* makes no map of the image")
    refused(nn.ReLU(), "wants a Net or a Sequential")
    pooled = nn.Sequential(nn.Conv2d(3, 2, 3, 2), nn.AvgPool2d(3, 2, ceil_mode=True))
    refused(pooled, r"layer '1' \(AvgPool2d\): averages over windows that hang over the border")
    whole = nn.Sequential(nn.Conv2d(3, 2, 3, 2), nn.GlobalAvgPool2d())
    refused(whole, r"layer '1' \(GlobalAvgPool2d\)")
    learned = models.build("fcn32s-vgg16", 2, width=0.02, upsampling="all-learned")
    refused(learned, r"\(ConvTranspose2d\): learned upsampling fits the strides", to_stride=8)
