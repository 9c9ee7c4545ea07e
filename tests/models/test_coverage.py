"""Scores for every pixel of an image of any size: why pools round up and the padding is 100.

Shapes alone are inferred here: a net of any size is walked through in a millisecond.
"""

import numpy as np
import pytest

from minifcn import Tensor, geometry, models
from minifcn.autograd import shapes_only

SIZES = range(1, 701)
PAIRS = [(s, 701 - s) if s % 2 else (701 - s, s) for s in range(1, 351)]  # each size once


def narrow(name, **options):
    return models.build(name, 2, width=0.02, **options)


def uncovered(net, sizes):
    """The sizes (height, width) of images for which a net has no score for some pixel."""
    missed = []
    with shapes_only():
        for size in sizes:
            try:
                image = np.broadcast_to(np.zeros((), np.float32), (1, 3, *size))
                whole = net(Tensor(image)).shape == (1, 2, *size)
            except ValueError:  # a window or a crop does not fit
                whole = False
            if not whole:
                missed.append(size)
    return missed


@pytest.mark.parametrize("padding", ["reference", "aligned"])
@pytest.mark.parametrize("name", models.names())
def test_every_size_is_covered(name, padding):
    net = narrow(name, padding=padding)
    assert uncovered(net, PAIRS) == []


@pytest.mark.parametrize(
    ("name", "count", "usual"),
    [
        ("fcn32s-vgg16", 277, {375, 500}),  # the sides of most VOC images
        ("fcn16s-vgg16", 109, {375}),
        ("fcn8s-vgg16", 25, set()),  # the 25 too small for fc6
    ],
)
def test_pools_that_round_down_would_not_cover(name, count, usual):
    net = narrow(name)
    for number in range(1, 6):
        net[f"pool{number}"].ceil_mode = False
    missed = {height for height, _ in uncovered(net, [(s, s) for s in SIZES])}
    assert len(missed) == count
    assert {375, 500} & missed == usual
    assert set(range(1, 26)) <= missed


@pytest.mark.parametrize("name", ["fcn32s-vgg16", "fcn16s-vgg16", "fcn8s-vgg16"])
def test_the_smallest_sufficient_padding(name):
    def missed(pad, sizes):
        net = narrow(name)
        net["conv1_1"].padding = (pad, pad)
        geometry.derive_offsets(net)
        return uncovered(net, sizes)

    squares = [(s, s) for s in range(1, 101)]
    assert missed(97, PAIRS) == []
    assert missed(96, squares) == squares[:2]
    assert missed(81, squares) == squares[:32]


def test_without_padding_enough_there_is_no_offset():
    # FCN-32s with a first padding of 80 would have to be cropped one pixel before its start.
    net = narrow("fcn32s-vgg16")
    net["conv1_1"].padding = (80, 80)
    with pytest.raises(ValueError, match=r"offset must be 0 or more; got \(-1, -1\)"):
        geometry.derive_offsets(net)
