"""Interpolation by its formula, by a transposed convolution, and learned."""

import numpy as np
import pytest
from minifcn.kernels.filters import bilinear_filter
from PIL import Image

from minifcn import Tensor, dense, nn, no_grad, train, use_backend
from minifcn import functions as F

rng = np.random.default_rng(0)


def test_by_hand():
    x = np.array([[[[0.0, 4.0, 8.0]]]])
    near = dense.interpolate(x, (1, 2), "nearest")
    np.testing.assert_array_equal(near, [[[[0, 0, 4, 4, 8, 8]]]])
    linear = dense.interpolate(x, (1, 2), outside="edge")
    np.testing.assert_array_equal(linear, [[[[0, 1, 3, 5, 7, 8]]]])
    zeros = dense.interpolate(x, (1, 2))
    np.testing.assert_array_equal(zeros, [[[[0, 1, 3, 5, 7, 6]]]])


@pytest.mark.parametrize("backend", ["reference", "cpu"])
@pytest.mark.parametrize("factor", [1, 2, 3, 4, 5, 8, (2, 3), (4, 1)])
def test_bilinear_is_the_fixed_transposed_convolution(factor, backend):
    x = rng.standard_normal((2, 3, 4, 5))
    f = (factor, factor) if isinstance(factor, int) else factor
    kernel = tuple(2 * n - n % 2 for n in f)
    padding = tuple(n // 2 for n in f)
    wanted = dense.interpolate(x, factor)
    with use_backend(backend), no_grad():
        fixed = F.upsample_bilinear(Tensor(x), f, kernel, padding).data
        layer = nn.ConvTranspose2d(3, 3, kernel, f, padding).to(np.float64)
        layer.weight.data = nn.init.bilinear(layer.weight.shape).astype(np.float64)
        weight = np.zeros(layer.weight.shape)
        weight[range(3), range(3)] = bilinear_filter(kernel)
        layer.weight.data = weight
        np.testing.assert_allclose(fixed, wanted, atol=1e-12)
        np.testing.assert_allclose(layer(Tensor(x)).data, wanted, atol=1e-12)


@pytest.mark.parametrize(
    ("kind", "theirs"),
    [("nearest", Image.NEAREST), ("bilinear", Image.BILINEAR), ("bicubic", Image.BICUBIC)],
)
def test_another_library_interpolates_the_same(kind, theirs):
    """Pillow leaves out what lies beyond the border and divides by the sum of the rest. With two
    pixels that is the nearest one's value; with four it is not: there the border is left out."""
    x = rng.standard_normal((1, 1, 7, 9)).astype(np.float32)
    wanted = np.asarray(Image.fromarray(x[0, 0]).resize((36, 28), theirs))
    found = dense.interpolate(x, 4, kind, "edge")[0, 0]
    edge = 8 if kind == "bicubic" else 0
    inner = slice(edge, 28 - edge), slice(edge, 36 - edge)
    np.testing.assert_allclose(found[inner], wanted[inner], atol=1e-5)


@pytest.mark.parametrize("kind", ["nearest", "bilinear", "bicubic"])
@pytest.mark.parametrize("factor", [1, 2, 3, 7])
def test_a_constant_stays_and_factor_one_changes_nothing(kind, factor):
    flat = np.full((1, 2, 3, 4), 2.5)
    found = dense.interpolate(flat, factor, kind, "edge")
    np.testing.assert_allclose(found, np.full((1, 2, 3 * factor, 4 * factor), 2.5), atol=1e-12)
    if factor == 1:
        x = rng.standard_normal((1, 2, 3, 4))
        np.testing.assert_allclose(dense.interpolate(x, 1, kind), x, atol=1e-12)


def test_bicubic_keeps_a_parabola_and_bilinear_does_not():
    x = (np.arange(12.0) ** 2).reshape(1, 1, 1, 12)
    place = (np.arange(36) + 0.5) / 3 - 0.5
    inner = slice(9, 27)
    cubic = dense.interpolate(x, (1, 3), "bicubic")[0, 0, 0, inner]
    np.testing.assert_allclose(cubic, place[inner] ** 2, atol=1e-12)
    linear = dense.interpolate(x, (1, 3))[0, 0, 0, inner]
    assert np.abs(linear - place[inner] ** 2).max() > 0.2


def test_what_cannot_be_interpolated():
    with pytest.raises(ValueError, match="'cubic', 'zeros' are none of"):
        dense.interpolate(np.zeros((1, 1, 2, 2)), 2, "cubic")
    with pytest.raises(ValueError, match="'bilinear', 'wrap' are none of"):
        dense.interpolate(np.zeros((1, 1, 2, 2)), 2, outside="wrap")
    with pytest.raises(ValueError, match=r"maps \(2, 2\) by 2"):
        dense.interpolate(np.zeros((2, 2)), 2)
    with pytest.raises(ValueError, match="by 0"):
        dense.interpolate(np.zeros((1, 1, 2, 2)), 0)
    with pytest.raises(ValueError, match=r"the factor is 2, 4, 8, \.\.\.; got 6"):
        dense.learned_upsampling(3, 6)


def test_learned_upsampling_starts_as_interpolation():
    stack = dense.learned_upsampling(3, 4).to(np.float64)
    x = rng.uniform(0, 1, (1, 3, 5, 6))
    with no_grad():
        found = stack(Tensor(x)).data
    twice = dense.interpolate(dense.interpolate(x, 2), 2)
    np.testing.assert_allclose(found, twice, atol=1e-12)
    assert [type(layer) for layer in stack._modules.values()] == [
        nn.ConvTranspose2d,
        nn.ReLU,
        nn.ConvTranspose2d,
    ]


def test_learned_upsampling_learns_what_is_not_linear():
    """A target that no linear map of the coarse scores gives: the absolute value of interpolation.
    The stack, with an activation, comes nearer to it than the best linear one of its form."""
    draw = np.random.default_rng(1)
    x = draw.standard_normal((8, 2, 6, 7))
    target = np.abs(dense.interpolate(x[:, :1], 4) - dense.interpolate(x[:, 1:], 4))
    errors = {}
    for name, activation in (("relu", nn.ReLU), ("none", lambda: nn.Power())):
        stack = dense.learned_upsampling(2, 4, activation).to(np.float64)
        noise = np.random.default_rng(2)
        for parameter in stack.parameters():
            parameter.data = parameter.data + 0.1 * noise.standard_normal(parameter.shape)
        solver = train.Adam(stack, 0.02)
        for _ in range(150):
            difference = stack(Tensor(x))[:, :1] - Tensor(target)
            loss = (difference * difference).mean()
            solver.zero_grad()
            loss.backward()
            solver.step()
        errors[name] = loss.item()
    assert errors["relu"] < 0.75 * errors["none"]
