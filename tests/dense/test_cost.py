"""Costs are counted right, and what is counted is what happens."""

import tracemalloc

import numpy as np
import pytest
from dense_nets import classifier, drawn

from minifcn import Tensor, dense, models, nn, no_grad, use_backend


def test_by_hand():
    """A 3x3 convolution to 2 channels with stride 2 on 5x7 pixels of 1 channel, padded by 1.

    Interpolation and stitching: windows of 5+2+1 by 7+2+1 pixels, padded by 1: 4x5 outputs of 9
    products for 2 channels, in one pass or in four. Rarefied: 7x9 pixels, 7x9 outputs.
    """
    net = nn.Net((1, None, None))
    net.add("conv", nn.Conv2d(1, 2, 3, stride=2, padding=1, bias=False))
    one, stitched, rarefied = dense.ways(net, (5, 7), measure=False)
    assert (one.name, one.passes, one.macs, one.step) == ("interpolation", 1, 4 * 5 * 18, 2)
    assert (stitched.name, stitched.stride) == ("shift-and-stitch", 2)
    assert (stitched.passes, stitched.macs) == (4, 4 * 4 * 5 * 18)
    assert (rarefied.name, rarefied.passes, rarefied.macs) == ("rarefied to 1", 1, 7 * 9 * 18)
    assert one.field == stitched.field == rarefied.field == (3, 3)
    assert stitched.step == rarefied.step == 1
    assert one.memory == 4 * (8 * 10 + 2 * 4 * 5)
    assert rarefied.memory == 4 * (7 * 9 + 2 * 7 * 9)
    assert {way.seconds for way in (one, stitched, rarefied)} == {None}


def test_all_strides_between():
    names = [way.name for way in dense.ways(classifier("squeezenet"), (20, 30), measure=False)]
    rarefied = [f"rarefied to {t}" for t in (8, 4, 2, 1)]
    assert names == ["interpolation", "shift-and-stitch", *rarefied]
    three = nn.Sequential(nn.Conv2d(2, 2, 3, 6))
    assert [way.stride for way in dense.ways(three, (9, 9), measure=False)] == [6, 6, 3, 1]


def test_what_is_too_large_is_not_run():
    net = drawn(nn.Sequential(nn.Conv2d(2, 3, 3, 2), nn.Conv2d(3, 3, 3, 2))).to(np.float32)
    found = dense.ways(net, (30, 40))
    assert all(way.seconds > 0 for way in found)
    most = sorted(way.memory for way in found)[1]
    again = dense.ways(net, (30, 40), most=most)
    assert [way.seconds is None for way in again] == [way.memory > most for way in found]
    assert [way.peak is None for way in again] == [way.memory > most for way in found]
    for way in found:  # a few kilobytes are Python's own
        assert 0.5 * way.memory < way.peak < way.memory + 50_000
    lines = dense.table(again).splitlines()
    assert len(lines) == 1 + len(found)
    assert lines[1].startswith("interpolation ")
    assert " - " in lines[-1]


PHOTOGRAPHS = [("squeezenet", "fire8/concat", 1), ("squeezenet", "", 2), ("googlenet", "", 8),
               ("vgg16", "", 8), ("alexnet", "", 4)]  # fmt: skip


@pytest.mark.parametrize(("name", "until", "to_stride"), PHOTOGRAPHS)
def test_the_predicted_memory_is_what_the_maps_take(name, until, to_stride):
    """On a photograph of 480x360: SqueezeNet up to its stride of 8 fully rarefied, and whole nets
    in part. NumPy's peak is the prediction, but for a few kilobytes of Python's own."""
    net = models.build(name, 21)
    net = dense.rarefy(models.convolutionalize(net, until=until).eval(), to_stride)
    size = (360, 480)
    predicted = dense.bytes_of_maps(net, size)
    image = np.random.default_rng(0).standard_normal((1, 3, *size), np.float32)
    with use_backend("cpu"), no_grad():
        for _ in range(2):
            net(Tensor(image))  # transformed filters are kept from the second run on
        tracemalloc.start()
        net(Tensor(image))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert 0.99 * predicted < peak < predicted + 100_000


def test_nets_without_one_stride():
    net = nn.Sequential(nn.Conv2d(3, 2, 3, stride=(1, 2)))
    with pytest.raises(ValueError, match="no stride, or not the same along both axes"):
        dense.ways(net, (9, 9))
