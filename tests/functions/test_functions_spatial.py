"""Cutting, framing, joining, bilinear upsampling and the fully connected layer, by hand."""

import numpy as np
import pytest
from operations import OPERATIONS

import minifcn as mf
from minifcn import functions as F
from minifcn.backends import to_numpy


def count_up(*shape) -> mf.Tensor:
    """0, 1, 2, ... in reading order."""
    return mf.Tensor(np.arange(np.prod(shape), dtype=float).reshape(shape), requires_grad=True)


def test_crop_by_hand(backend):
    x = count_up(1, 1, 3, 4)
    y = F.crop(x, (1, 2), (2, 1))
    assert y.data.tolist() == [[[[6], [10]]]]
    y.backward(np.array([[[[5.0], [7.0]]]]))
    assert x.grad.tolist() == [[[[0, 0, 0, 0], [0, 0, 5, 0], [0, 0, 7, 0]]]]
    assert F.crop(x, 1, 2).data.tolist() == [[[[5, 6], [9, 10]]]]


def test_crop_beyond_the_image():
    with pytest.raises(ValueError) as error:
        F.crop(count_up(1, 1, 3, 4), (1, 2), (3, 2))
    assert str(error.value) == (
        "crop: x (1, 1, 3, 4): offset (1, 2) + size (3, 2) = (4, 4) reaches beyond (3, 4)"
    )
    with pytest.raises(ValueError, match="offset must be 0 or more; got -1"):
        F.crop(count_up(1, 1, 3, 4), -1, 2)
    with pytest.raises(ValueError, match="size must be 1 or more; got 0"):
        F.crop(count_up(1, 1, 3, 4), 1, 0)


def test_pad_by_hand(backend):
    x = count_up(1, 1, 1, 2)
    y = F.pad(x, (1, 0, 0, 2), value=9.0)
    assert y.data.tolist() == [[[[9, 9, 9, 9], [0, 1, 9, 9]]]]
    y.backward(np.array([[[[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]]]]))
    assert x.grad.tolist() == [[[[5, 6]]]]
    assert F.pad(x, (1, 2)).shape == (1, 1, 3, 6)
    assert F.pad(x, 3).shape == (1, 1, 7, 8)
    with pytest.raises(ValueError, match="padding must be 0 or more"):
        F.pad(x, (1, 0, -1, 0))


def test_cat_by_hand(backend):
    a, b = count_up(2, 1), count_up(2, 3)
    y = F.cat([a, b])
    assert y.data.tolist() == [[0, 0, 1, 2], [1, 3, 4, 5]]
    y.backward(np.arange(8.0).reshape(2, 4))
    assert a.grad.tolist() == [[0], [4]]
    assert b.grad.tolist() == [[1, 2, 3], [5, 6, 7]]


def test_cat_of_the_same_tensor_twice(backend):
    a = count_up(1, 2)
    F.cat([a, a], axis=0).backward(np.array([[1.0, 2.0], [30.0, 40.0]]))
    assert a.grad.tolist() == [[31, 42]]


def test_cat_of_what_does_not_fit():
    with pytest.raises(ValueError, match=r"axis 1: shapes \(2, 3\), \(4, 3\) differ elsewhere"):
        F.cat([count_up(2, 3), count_up(4, 3)])
    with pytest.raises(ValueError, match=r"cat: axis 2 does not exist in shape \(2, 3\)"):
        F.cat([count_up(2, 3)], axis=2)
    with pytest.raises(ValueError, match="nothing to join"):
        F.cat([])


def channels_last(*shape) -> np.ndarray:
    N, C, H, W = shape
    numbers = np.random.default_rng(7).standard_normal((N, H, W, C))
    return numbers.transpose(0, 3, 1, 2)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: F.crop(x, (1, 2), (3, 3)),
        lambda x: F.pad(x, (1, 2), 5.0),
        lambda x: F.cat([x, x * 2, x]),
        lambda x: F.dropout(x, 0.3),
        lambda x: F.relu(x) * 3 + F.softmax(x),
    ],
    ids=["crop", "pad", "cat", "dropout", "relu"],
)
def test_maps_and_gradients_keep_their_layout(function, backend):
    """A copy into another order would cost more than the operation."""
    check_layout(function)


@pytest.mark.parametrize(
    "function", [lambda x: F.sigmoid(x) + F.tanh(x) * F.softmax(x), lambda x: F.relu(-x) / 3]
)
def test_numpy_s_own_arithmetic_keeps_the_layout(function):
    """CuPy's does not."""
    check_layout(function)


def check_layout(function):
    x = mf.Tensor(channels_last(2, 3, 5, 7), requires_grad=True)
    y = function(x * 2)  # a leaf's own gradient may be a copy
    y.backward(channels_last(*y.shape))
    for strides in (y.data.strides, x.grad.strides):
        assert sorted(strides, reverse=True) == [strides[i] for i in (0, 2, 3, 1)]


def test_upsample_bilinear_by_hand(backend):
    x = mf.Tensor(np.array([[[[4.0, 8.0]]]]), requires_grad=True)
    y = F.upsample_bilinear(x, (1, 2))
    # the taps 1/4 3/4 3/4 1/4, one column cut off on each side
    assert y.data.tolist() == [[[[3, 3 + 2, 1 + 6, 6]]]]
    y.backward(np.array([[[[4.0, 0.0, 8.0, 0.0]]]]))
    assert x.grad.tolist() == [[[[3 + 2, 6]]]]


def test_bilinear_filter_by_hand():
    assert F.bilinear_filter((1, 4)).tolist() == [[1 / 4, 3 / 4, 3 / 4, 1 / 4]]
    assert F.bilinear_filter((3, 2)).tolist() == [[1 / 4, 1 / 4], [1 / 2, 1 / 2], [1 / 4, 1 / 4]]


def test_upsampling_is_a_transposed_convolution_of_each_channel(backend):
    """With bilinear_filter as the weight and as many groups as channels."""
    for case in OPERATIONS["upsample_bilinear"].cases():
        s, (data,) = case.settings, case.inputs
        C = data.shape[1]
        w = mf.Tensor(
            np.broadcast_to(F.bilinear_filter(s["kernel_size"]), (C, 1, *s["kernel_size"]))
        )
        results = []
        for compute in (
            case.run,
            lambda x, s=s, w=w, C=C: F.conv_transpose2d(
                x, w, None, s["factor"], s["padding"], s["output_padding"], groups=C
            ),
        ):
            x = mf.Tensor(data, requires_grad=True)
            y = compute(x)
            y.backward(np.random.default_rng(5).standard_normal(y.shape))
            results.append((y.numpy(), to_numpy(x.grad)))
        (y, gx), (wanted, wanted_gx) = results
        assert np.abs(y - wanted).max() < 1e-13, str(case)
        assert np.abs(gx - wanted_gx).max() < 1e-13, str(case)


@pytest.mark.parametrize("factor", [1, 2, 3, 4, (2, 5), (32, 3)])
def test_upsampling_multiplies_sizes_and_keeps_planes(backend, factor):
    """Between the centres of the outer pixels, a linear function stays linear."""
    fv, fh = (factor, factor) if isinstance(factor, int) else factor
    row, column = np.arange(4.0)[:, None], np.arange(6.0)
    x = mf.Tensor((2 * row - 3 * column)[None, None])
    y = F.upsample_bilinear(x, factor)
    assert y.shape == (1, 1, 4 * fv, 6 * fh)
    # output pixel o is centred on input (o + 1/2)/f - 1/2
    v, h = ((np.arange(n * f) + 0.5) / f - 0.5 for n, f in ((4, fv), (6, fh)))
    inside = np.ix_((v >= 0) & (v <= 3), (h >= 0) & (h <= 5))
    wanted = 2 * v[:, None] - 3 * h
    assert np.abs(y.numpy()[0, 0][inside] - wanted[inside]).max() < 1e-12


def test_upsampling_that_leaves_nothing():
    x = count_up(1, 1, 2, 3)
    with pytest.raises(ValueError) as error:
        F.upsample_bilinear(x, (2, 1), kernel_size=(2, 1), padding=(2, 0))
    assert str(error.value) == (
        "upsample_bilinear: x (1, 1, 2, 3), vertically: empty output: "
        "(2-1)*2 - 2*2 + 1*(2-1) + 1 + 0 = 0"
    )
    with pytest.raises(ValueError, match=r"output_padding \(2, 0\) must be below the factor \(2"):
        F.upsample_bilinear(x, (2, 3), output_padding=(2, 0))


def test_linear_by_hand(backend):
    x = mf.Tensor(np.array([[1.0, 2.0, 3.0]]), requires_grad=True)
    w = mf.Tensor(np.array([[1.0, 0.0, -1.0], [10.0, 20.0, 30.0]]), requires_grad=True)
    b = mf.Tensor(np.array([5.0, 6.0]), requires_grad=True)
    y = F.linear(x, w, b)
    assert y.data.tolist() == [[1 - 3 + 5, 10 + 40 + 90 + 6]]
    y.backward(np.array([[1.0, 2.0]]))
    assert x.grad.tolist() == [[1 + 20, 40, -1 + 60]]
    assert w.grad.tolist() == [[1, 2, 3], [2, 4, 6]]
    assert b.grad.tolist() == [1, 2]


def test_linear_is_a_convolution_that_covers_its_input(backend):
    rng = np.random.default_rng(2)
    x, w = rng.standard_normal((2, 3, 4, 5)), rng.standard_normal((6, 3, 4, 5))
    convolved = F.conv2d(mf.Tensor(x), mf.Tensor(w)).numpy()
    product = F.linear(mf.Tensor(x.reshape(2, -1)), mf.Tensor(w.reshape(6, -1))).numpy()
    assert convolved.reshape(2, 6) == pytest.approx(product, abs=1e-13)


def test_linear_of_what_does_not_fit():
    with pytest.raises(ValueError, match=r"linear: x \(2, 3\) @ weight \(3, 2\)\^T"):
        F.linear(count_up(2, 3), count_up(3, 2))
    with pytest.raises(ValueError, match=r"linear: bias \(3,\) for 4 outputs"):
        F.linear(count_up(2, 3), count_up(4, 3), count_up(3))
