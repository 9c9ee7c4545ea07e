"""Receptive fields and coordinate maps against what networks do: every random small net is run
with a flash on each row of the image, and the rows of the output that light up are compared."""

import numpy as np
import pytest

from minifcn import Tensor, geometry, models, nn, use_backend
from minifcn import functions as F

SIZE, WIDTH = 72, 40  # of the images; pixels that see beyond the middle third are not compared


def ones(shape):
    return np.ones(shape)


def mean(shape):
    return np.full(shape, 1 / np.prod(shape[1:]))


def random_net(rng, depth, fill=ones, smooth=False):
    """A few layers of any kind with positive weights; smooth: only such as keep averages."""
    net = nn.Net()
    for number in range(depth):
        k, s, d = (tuple(int(v) for v in rng.integers(1, n, 2)) for n in (5, 4, 3))
        p = tuple(int(rng.integers(0, n // 2 + 1)) for n in k)
        extra = tuple(int(rng.integers(0, n)) for n in s)
        layers = [
            lambda k=k, s=s, p=p, d=d: nn.Conv2d(1, 1, k, s, p, d, weight_init=fill),
            lambda k=k, s=s, p=p, d=d: nn.AvgPool2d(k, s, p, 1, ceil_mode=True),
            lambda s=s, p=p: nn.UpsampleBilinear(s, [2 * f - f % 2 for f in s], p),
        ]
        if not smooth:
            layers += [
                lambda k=k, s=s, p=p, d=d: nn.MaxPool2d(k, s, p, d),
                lambda k=k, s=s, p=p, d=d, extra=extra: nn.ConvTranspose2d(
                    1, 1, k, s, p, extra, dilation=d, weight_init=fill
                ),
            ]
        net.add(f"layer{number}", layers[rng.integers(len(layers))]())
    return net.to(np.float64)


def flashed(net):
    """Which rows of the output see which rows of the image: (rows, output rows), bool."""
    x = np.zeros((SIZE, 1, SIZE, WIDTH))
    x[np.arange(SIZE), 0, np.arange(SIZE)] = 1
    return (net(Tensor(x)).data[:, 0] > 0).any(axis=2)


def inner(axis, count):
    """Pixels of a map, and their spans, that see only the middle third of the image."""
    spans = ((o, axis.sees(o)) for o in range(count))
    return [(o, s) for o, s in spans if s and s[0] >= SIZE // 3 and s[1] < SIZE - SIZE // 3]


@pytest.mark.parametrize("seed", range(50))
def test_spans_of_random_nets_are_what_they_see(seed):
    rng = np.random.default_rng(seed)
    compared = 0
    with use_backend("reference"):
        while compared < 3:
            net = random_net(rng, depth=int(rng.integers(1, 5)))
            try:
                traced = geometry.trace(net, (SIZE, WIDTH), channels=1)
            except ValueError:  # nothing is left of the image
                continue
            shape, (axis, across) = traced.output.shape, traced.rows[-1].axes
            if shape[2] > 3 * SIZE or shape[3] > 3 * SIZE:
                continue
            lit = flashed(net)
            assert lit.shape[1] == shape[2]
            if not any(across.spans):  # a column that sees nothing, in every place
                assert not lit.any()
                continue
            for o, span in inner(axis, shape[2]):
                rows = np.flatnonzero(lit[:, o])
                assert (rows[0], rows[-1]) == span, net
                compared += 1
            widths = [len(range(r[0], r[-1] + 1)) for r in map(np.flatnonzero, lit.T) if len(r)]
            assert max(widths) <= axis.field


@pytest.mark.parametrize("seed", range(30))
def test_a_net_of_averages_shows_every_pixel_its_coordinate(seed):
    rng = np.random.default_rng([1, seed])
    ramp = np.broadcast_to(np.arange(float(SIZE))[:, None], (1, 1, SIZE, SIZE))
    compared = 0
    with use_backend("reference"):
        while compared < 3:
            net = random_net(rng, depth=3, fill=mean, smooth=True)
            try:
                axis = geometry.trace(net, (SIZE, SIZE), channels=1).rows[-1].axes
            except ValueError:
                continue
            y = net(Tensor(ramp)).data[0, 0]
            # Any column whose span is whole will do; all of them show the same.
            columns = [o for o, _ in inner(axis[1], y.shape[1])]
            for o, _ in inner(axis[0], y.shape[0]) if columns else ():
                centre = float(axis[0].stride * o + axis[0].start)
                assert y[o, columns[0]] == pytest.approx(centre, abs=1e-9), net
                compared += 1


@pytest.mark.parametrize("backend", ["reference", "cpu"])
def test_the_gradient_of_one_pixel_covers_its_field(backend):
    net = nn.Net()
    net.add("conv1", nn.Conv2d(2, 3, (5, 3), (2, 1), (2, 0), weight_init=ones))
    net.add("relu1", nn.ReLU())
    net.add("pool", nn.AvgPool2d((2, 3), (2, 1)))
    net.add("conv2", nn.Conv2d(3, 1, (3, 2), (1, 2), 0, (2, 3), weight_init=ones))
    net.to(np.float64)
    vertical, horizontal = geometry.trace(net, (60, 50), channels=2).rows[-1].axes
    # by hand: 5 + 2 (2-1) + 4 (3-1) 2 = 23 and 3 + (3-1) + (2-1) 3 = 8; -2 + 2 + 1 + 4*2 = 9 and
    # 1 + 1 + 3/2 = 3.5
    assert (vertical.field, horizontal.field) == (23, 8)
    assert (vertical.stride, vertical.start) == (4, 9)
    assert (horizontal.stride, horizontal.start) == (2, 3.5)
    rng = np.random.default_rng(0)
    with use_backend(backend):
        image = Tensor(rng.random((1, 2, 60, 50)) + 1, requires_grad=True)
        y = net(image)
        y[0, 0, 4, 7].backward()
    rows, columns = (np.flatnonzero(image.grad[0, 0].any(axis=axis)) for axis in (1, 0))
    assert (rows[0], rows[-1]) == vertical.sees(4) == (25 - 11, 25 + 11)
    # 14 + 3.5 = 17.5: between two columns, four to either side
    assert (columns[0], columns[-1]) == horizontal.sees(7) == (14, 21)


def test_pixels_between_coarse_ones_see_different_fields():
    # The tail of FCN-16s: behind upsampling by 2 a pixel sees two coarse ones, behind another by
    # 16 two or three.
    net = nn.Net()
    net.add("upscore2", nn.UpsampleBilinear(2, 4, 0))
    net.add("upscore16", nn.UpsampleBilinear(16, 32, 0))
    traced = geometry.trace(net, (12, 12), channels=1)
    assert traced["upscore2"].axes[0].field == 2
    assert traced["upscore16"].axes[0].field == 3
    widths = {last - first + 1 for first, last in traced["upscore16"].axes[0].spans}
    assert widths == {2, 3}
    fcn16s = models.build("fcn16s-vgg16", 2, width=0.02)
    fields = [geometry.receptive_field(fcn16s, name)[0] for name in ("upscore2", "score")]
    assert fields == [404 + 32, 404 + 2 * 32]


def test_a_pixel_that_nothing_reaches_sees_nothing():
    net = nn.Net()
    net.add("up", nn.ConvTranspose2d(1, 1, 1, 3, weight_init=ones))
    axis = geometry.trace(net, (5, 5), channels=1)["up"].axes[0]
    assert [axis.sees(o) for o in range(4)] == [(0, 0), None, None, (1, 1)]
    assert axis.field == 1


class Moved(nn.Module):
    def forward(self, x):
        return F.crop(F.pad(x, (3, 0, 0, 0)), (1, 2), (x.shape[2], x.shape[3] - 2))


def test_crops_and_margins_move_what_is_seen():
    vertical, horizontal = geometry.trace(Moved(), (9, 9), channels=1).rows[-1].axes
    assert (vertical.start, vertical.sees(5)) == (-2, (3, 3))
    assert (horizontal.start, horizontal.sees(5)) == (2, (7, 7))
