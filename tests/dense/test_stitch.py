"""Shift-and-stitch: every pixel is scored, and rarefaction gives the same to the bit."""

import numpy as np
import pytest
from dense_nets import WIDTHS, chain, classifier, drawn

from minifcn import Tensor, dense, geometry, models, nn, no_grad, use_backend
from minifcn.dense.memory import bytes_of_maps


def one_by_one(net, x):
    """The net on every pixel's own receptive field, cut out of the image in zeros: for nets
    without padding, whose output on it is one pixel."""
    axes = geometry.trace(net).rows[-1].axes
    fields = [axis.field for axis in axes]
    before = [int(np.floor(axis.start)) - axis.spans[0][0] for axis in axes]
    wide = np.zeros((*x.shape[:2], *(n + f for n, f in zip(x.shape[2:], fields, strict=True))))
    wide[:, :, before[0] : before[0] + x.shape[2], before[1] : before[1] + x.shape[3]] = x
    rows = []
    with no_grad():
        for i in range(x.shape[2]):
            cut = [wide[:, :, i : i + fields[0], j : j + fields[1]] for j in range(x.shape[3])]
            found = net(Tensor(np.concatenate(cut))).data
            assert found.shape[2:] == (1, 1)
            rows.append(found.reshape(x.shape[3], len(x), -1).transpose(1, 2, 0))
    return np.stack(rows, axis=2)


@pytest.mark.parametrize("backend", ["reference", "cpu"])
@pytest.mark.parametrize("seed", range(10))
def test_every_pixel_gets_the_score_of_its_own_field(seed, backend):
    rng = np.random.default_rng(seed)
    net = drawn(chain(rng), seed)
    size = tuple(rng.integers(1, 14, 2).tolist())
    x = rng.standard_normal((1, 2, *size))
    with use_backend(backend):
        found = dense.shift_and_stitch(net, x)
        np.testing.assert_allclose(found, one_by_one(net, x), rtol=1e-12, atol=1e-12)


def test_by_hand():
    """y[o] = x[3o-1] + 10 x[3o] + 100 x[3o+1] with zeros outside."""
    net = nn.Net((1, None, None))
    net.add("conv", nn.Conv2d(1, 1, (1, 3), stride=(1, 3), padding=(0, 1), bias=False))
    net.to(np.float64)
    net["conv"].weight.data = np.array([[[[1.0, 10, 100]]]])
    x = np.array([[[[1, 2, 3, 4.0]]]])
    found = dense.shift_and_stitch(net, x)
    np.testing.assert_array_equal(found, [[[[210, 321, 432, 43]]]])


@pytest.mark.parametrize("backend", ["reference", "cpu"])
@pytest.mark.parametrize("seed", range(10))
def test_rarefied_to_any_stride_it_is_the_same(seed, backend):
    rng = np.random.default_rng(50 + seed)
    net = drawn(chain(rng), seed, whole=True)
    x = rng.integers(-3, 4, (2, 2, *rng.integers(1, 20, 2))).astype(np.float64)
    with use_backend(backend):
        found = dense.shift_and_stitch(net, x)
        np.testing.assert_array_equal(dense.shift_and_stitch(dense.rarefy(net), x), found)


@pytest.mark.parametrize("backend", ["reference", "cpu"])
@pytest.mark.parametrize("name", WIDTHS)
def test_full_rarefaction_is_shift_and_stitch(name, backend):
    """To the bit: no sum depends on the order in which a backend makes it."""
    size = (1, 1) if name == "googlenet" else (3, 5)
    net = classifier(name, whole=True)
    x = np.random.default_rng(1).integers(-2, 3, (1, net.input_shape[0], *size)) * 1.0
    with use_backend(backend):
        stitched = dense.shift_and_stitch(net, x)
        rarefied = dense.shift_and_stitch(dense.rarefy(net), x)
    assert np.ptp(stitched) > 0
    np.testing.assert_array_equal(rarefied, stitched)


@pytest.mark.parametrize("backend", ["reference", "cpu"])
@pytest.mark.parametrize("to_stride", [4, 8, 16])
@pytest.mark.parametrize("name", ["vgg16", "googlenet", "squeezenet", "alexnet"])
def test_partial_rarefaction_is_the_partial_stitch(name, to_stride, backend):
    net = classifier(name, whole=True)
    x = np.random.default_rng(1).integers(-2, 3, (1, 3, 2, 3)) * 1.0
    with use_backend(backend):
        stitched = dense.shift_and_stitch(net, x)
        partial = dense.shift_and_stitch(dense.rarefy(net, to_stride), x)
    assert np.ptp(stitched) > 0
    np.testing.assert_array_equal(partial, stitched)


@pytest.mark.parametrize("name", WIDTHS)
def test_with_any_weights_they_differ_by_rounding_alone(name):
    """A sum of rounded products may end on its neighbour where its order is another."""
    net = classifier(name)
    x = np.random.default_rng(1).standard_normal((1, net.input_shape[0], 2, 3))
    with use_backend("cpu"):
        stitched = dense.shift_and_stitch(net, x)
        rarefied = dense.shift_and_stitch(dense.rarefy(net), x)
    largest = np.abs(stitched).max()
    np.testing.assert_allclose(rarefied, stitched, rtol=1e-12, atol=1e-12 * largest)


def test_of_a_net_that_upsamples_the_scores_before_it():
    net = drawn(models.build("fcn32s-vgg16", 3, width=0.02))
    x = np.random.default_rng(0).standard_normal((1, 3, 4, 3))
    with pytest.raises(ValueError, match="as behind upsampling: give the layer before it"):
        dense.shift_and_stitch(net, x)
    with use_backend("cpu"):
        found = dense.shift_and_stitch(net, x, until="score_fr")
        other = dense.shift_and_stitch(dense.rarefy(net), x, until="score_fr")
    np.testing.assert_allclose(other, found, rtol=1e-12, atol=1e-12 * np.abs(found).max())


def test_the_memory_decides_how_many_passes_run_at_once(monkeypatch):
    net = drawn(chain(np.random.default_rng(3)), whole=True)
    x = np.random.default_rng(0).integers(-3, 4, (2, 2, 9, 11)) * 1.0
    batches, run = [], nn.Net.forward

    def noted(self, data, *arguments):
        batches.append(data.shape[0])
        return run(self, data, *arguments)

    whole = dense.shift_and_stitch(net, x)
    monkeypatch.setattr(nn.Net, "forward", noted)
    np.testing.assert_array_equal(dense.shift_and_stitch(net, x, memory=1), whole)
    passes = [n for n in batches if n == 2]
    assert len(passes) >= 4
    batches.clear()
    np.testing.assert_array_equal(dense.shift_and_stitch(net, x), whole)
    assert batches[-1] == 2 * (len(passes) - 1)  # one of them was the trace of the geometry


def test_bytes_of_maps_by_hand():
    """A net whose first map waits for the third layer: 10x10 of 2 channels, 8x8 of 4."""
    net = nn.Net((2, None, None))
    net.add("a", nn.Conv2d(2, 4, 3))  # 2*100 + 4*64
    net.add("b", nn.ReLU())  # 4*64 + 4*64
    net.add("c", nn.Conv2d(4, 4, 1))  # a's map waits: b's, c's and a's
    net.add("d", nn.Sum(), "a", "c")
    assert bytes_of_maps(net, (10, 10)) == 3 * 4 * 64 * 4
    assert bytes_of_maps(net, (10, 10), 5, np.float64) == 2 * 5 * 3 * 4 * 64 * 4


def test_maps_that_are_made_in_another_take_no_memory():
    """ReLUs work in place, and the parts of a Cat are written into its own map."""
    net = nn.Net((2, None, None))
    net.add("a", nn.Conv2d(2, 3, 1), "data")
    net.add("relu_a", nn.ReLU())
    net.add("b", nn.Conv2d(2, 5, 1), "data")
    net.add("relu_b", nn.ReLU())
    net.add("joined", nn.Cat(), "relu_a", "relu_b")
    assert net.joins() == {"joined": ["a", "b"]}
    assert bytes_of_maps(net, (10, 10)) == (200 + 800) * 4
    net.add("c", nn.Conv2d(8, 4, 3))  # 8*100 + 4*64
    net.add("relu_c", nn.ReLU())
    assert bytes_of_maps(net, (10, 10)) == (800 + 256) * 4


def test_what_cannot_be_stitched():
    net = classifier("lenet")
    with pytest.raises(ValueError, match=r"images are \(N, C, H, W\); got shape \(1, 5, 5\)"):
        dense.shift_and_stitch(net, np.zeros((1, 5, 5)))
    with pytest.raises(ValueError, match="no layer 'fc9'; there are: conv1"):
        dense.shift_and_stitch(net, np.zeros((1, 1, 5, 5)), until="fc9")
    plain = models.build("squeezenet", 2, width=0.05)
    with pytest.raises(ValueError, match="layer 'flatten' makes no map of the image"):
        dense.shift_and_stitch(plain, np.zeros((1, 3, 5, 5)))
