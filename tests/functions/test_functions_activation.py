"""Nonlinearities, softmax, dropout and local response normalisation, by hand."""

import math

import numpy as np
import pytest

import minifcn as mf
from minifcn import functions as F
from minifcn.backends import to_numpy


def leaf(values) -> mf.Tensor:
    return mf.Tensor(np.array(values, float), requires_grad=True)


def test_relu_by_hand(backend):
    x = leaf([[-2.0, -0.0, 0.0], [0.5, 3.0, -1.0]])
    y = F.relu(x)
    assert y.data.tolist() == [[0, 0, 0], [0.5, 3, 0]]
    y.backward(np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]))
    assert x.grad.tolist() == [[0, 0, 0], [4, 5, 0]]  # 0 at the kink


def test_sigmoid_by_hand(backend):
    x = leaf([math.log(3), 0.0, -math.log(4)])
    y = F.sigmoid(x)
    assert y.data == pytest.approx([3 / 4, 1 / 2, 1 / 5], abs=1e-15)
    y.backward(np.ones(3))
    assert x.grad == pytest.approx([3 / 16, 1 / 4, 4 / 25], abs=1e-15)


def test_sigmoid_does_not_overflow(backend):
    for dtype in (np.float32, np.float64):
        y = F.sigmoid(mf.Tensor(np.array([-1e4, 1e4], dtype)))
        assert y.data.tolist() == [0, 1]
        assert y.dtype == dtype


def test_tanh_by_hand(backend):
    x = leaf([math.log(2)])
    y = F.tanh(x)
    assert y.data == pytest.approx([3 / 5], abs=1e-15)  # (2 - 1/2) / (2 + 1/2)
    y.backward(np.ones(1))
    assert x.grad == pytest.approx([16 / 25], abs=1e-15)


def test_softmax_by_hand(backend):
    x = leaf([[0.0, math.log(2), math.log(5)]])
    y = F.softmax(x)
    assert y.data[0] == pytest.approx([1 / 8, 2 / 8, 5 / 8], abs=1e-15)
    y.backward(np.array([[8.0, 0.0, 0.0]]))
    # y_i * (gy_i - sum of gy*y) with sum 1
    assert x.grad[0] == pytest.approx([7 / 8, -2 / 8, -5 / 8], abs=1e-15)


def test_log_softmax_by_hand(backend):
    x = leaf([[0.0, math.log(2), math.log(5)]])
    y = F.log_softmax(x)
    assert y.data[0] == pytest.approx([-math.log(8), -math.log(4), math.log(5 / 8)], abs=1e-15)
    y.backward(np.array([[1.0, 0.0, 2.0]]))
    assert x.grad[0] == pytest.approx([1 - 3 / 8, -3 * 2 / 8, 2 - 3 * 5 / 8], abs=1e-15)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_softmax_of_large_scores(backend, axis):
    x = mf.Tensor(np.array([[1e4, -1e4], [1e4, 1e4]]))
    y, logs = F.softmax(x, axis), F.log_softmax(x, axis)
    assert y.data.sum(axis=axis).tolist() == [1, 1]
    assert np.isfinite(logs.data).all()
    assert logs.data.min() == -2e4
    with pytest.raises(ValueError, match=r"softmax: axis 2 does not exist in shape \(2, 2\)"):
        F.softmax(x, 2)


def test_dropout_keeps_the_mean_and_scales_what_it_keeps(backend):
    mf.manual_seed(3)
    x = mf.Tensor(np.full((100, 200), 2.0), requires_grad=True)
    y = F.dropout(x, 0.3)
    kept = y.numpy() != 0
    assert set(np.unique(y.numpy())) == {0.0, 2 * (1 / (1 - 0.3))}
    # 20000 draws of probability 0.7: standard deviation 0.0032
    assert kept.mean() == pytest.approx(0.7, abs=0.013)
    y.backward(np.full(x.shape, 5.0))
    assert np.array_equal(to_numpy(x.grad), np.where(kept, 5 * (1 / (1 - 0.3)), 0))


def test_dropout_is_repeatable_and_elementwise(backend):
    x = mf.Tensor(np.ones((2, 3, 4, 5), np.float32))
    masks = []
    for seed in (1, 1, 2):
        mf.manual_seed(seed)
        masks.append(F.dropout(x, 0.5).numpy())
    assert np.array_equal(masks[0], masks[1])
    assert not np.array_equal(masks[0], masks[2])
    assert not np.array_equal(masks[0][0, 0], masks[0][0, 1])  # not the same in every channel
    assert 0 < (masks[0][0, 0] == 0).sum() < 20
    assert not np.array_equal(F.dropout(x, 0.5).numpy(), F.dropout(x, 0.5).numpy())


@pytest.mark.parametrize("shape", [(), (5,), (4, 5), (3, 4, 5), (2, 3, 4, 5)], ids=str)
def test_dropout_masks_depend_neither_on_the_layout_nor_on_the_backend(shape, backend):
    mf.manual_seed(4)
    masks = [F.dropout(mf.Tensor(np.ones(shape)).to("cpu"), 0.5).numpy()]
    for order in ("C", "F"):
        mf.manual_seed(4)
        masks.append(F.dropout(mf.Tensor(np.ones(shape, order=order)), 0.5).numpy())
        assert masks[-1].shape == shape
    assert all(np.array_equal(mask, masks[0]) for mask in masks)


def test_dropout_outside_training_is_the_identity():
    x = mf.Tensor(np.ones((2, 3)))
    state = mf.rng.get_state()
    assert F.dropout(x, 0.5, training=False) is x
    assert F.dropout(x, 0.0) is x
    assert mf.rng.get_state() == state  # and draws nothing


@pytest.mark.parametrize("p", [-0.1, 1, 1.5, math.nan])
def test_dropout_probability(p):
    with pytest.raises(ValueError, match="p must be at least 0 and below 1"):
        F.dropout(mf.Tensor(np.ones(3)), p)


def test_local_response_norm_by_hand(backend):
    x = leaf([1.0, 2.0, 3.0, 4.0]).reshape(1, 4, 1, 1)
    y = F.local_response_norm(x, size=3, alpha=3.0, beta=1.0, k=2.0)
    # alpha/size = 1: the squares of the channel and its neighbours
    scales = [2 + 1 + 4, 2 + 1 + 4 + 9, 2 + 4 + 9 + 16, 2 + 9 + 16]
    assert y.data.ravel() == pytest.approx(
        [n / s for n, s in zip([1, 2, 3, 4], scales, strict=True)], abs=1e-15
    )


def test_an_even_window_reaches_further_before_than_after(backend):
    x = mf.Tensor(np.array([1.0, 2.0, 3.0]).reshape(1, 3, 1, 1))
    y = F.local_response_norm(x, size=2, alpha=2.0, beta=1.0, k=1.0)
    assert y.data.ravel() == pytest.approx(
        [1 / (1 + 1), 2 / (1 + 1 + 4), 3 / (1 + 4 + 9)], abs=1e-15
    )


def test_local_response_norm_gradient_by_hand(backend):
    x = leaf(np.array([1.0, 2.0]).reshape(1, 2, 1, 1))
    F.local_response_norm(x, size=3, alpha=3.0, beta=1.0, k=0.0).sum().backward()
    # y = (a + b) / (a^2 + b^2) at a=1, b=2: dy/da = (5 - 2*1*3) / 25, dy/db = (5 - 2*2*3) / 25
    assert x.grad.ravel() == pytest.approx([-1 / 25, -7 / 25], abs=1e-15)


def test_local_response_norm_widens_nothing(backend):
    x = mf.Tensor(np.ones((1, 3, 2, 4), np.float32), requires_grad=True)
    y = F.local_response_norm(x, 3, np.float64(0.1), np.float64(0.75), np.float64(2))
    y.sum().backward()
    assert y.dtype == x.grad.dtype == np.float32
    with pytest.raises(ValueError, match="size must be 1 or more channels; got 0"):
        F.local_response_norm(x, 0)
    with pytest.raises(ValueError, match=r"x must be \(N, C, H, W\); got shape \(2, 3\)"):
        F.local_response_norm(mf.Tensor(np.ones((2, 3))), 3)


def test_relu_of_a_single_number(backend):
    x = mf.Tensor(np.array(3.0), requires_grad=True)
    F.relu(x).backward()
    assert x.grad == 1
    assert x.grad.shape == ()
