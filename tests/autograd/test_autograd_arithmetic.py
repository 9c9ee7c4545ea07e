"""Arithmetic, reductions and moves of elements, by hand; what dtypes become of each other."""

import math

import numpy as np
import pytest

import minifcn as mf
from minifcn import functions as F

T = mf.Tensor


def leaf(values, dtype=float) -> mf.Tensor:
    return T(np.array(values, dtype), requires_grad=True)


# -- by hand ------------------------------------------------------------------------------------


def test_the_four_operations():
    a, b = leaf([6.0, 8.0]), leaf([2.0, 4.0])
    gy = np.array([1.0, 10.0])
    cases = [
        (lambda: a + b, [8, 12], [1, 10], [1, 10]),
        (lambda: a - b, [4, 4], [1, 10], [-1, -10]),
        (lambda: a * b, [12, 32], [2, 40], [6, 80]),
        (lambda: a / b, [3, 2], [1 / 2, 10 / 4], [-6 / 4, -80 / 16]),
    ]
    for compute, y, ga, gb in cases:
        a.grad = b.grad = None
        result = compute()
        result.backward(gy)
        assert result.data.tolist() == y
        assert a.grad.tolist() == ga
        assert b.grad.tolist() == gb


def test_broadcasting_sums_the_gradient_over_what_was_repeated():
    column, row, one = leaf([[1.0], [2.0]]), leaf([10.0, 20.0, 30.0]), leaf(5.0)
    y = (column + row) * one
    assert y.data.tolist() == [[55, 105, 155], [60, 110, 160]]
    y.backward(np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]))
    assert column.grad.tolist() == [[5 * (1 + 2 + 3)], [5 * (4 + 5 + 6)]]
    assert row.grad.tolist() == [5 * (1 + 4), 5 * (2 + 5), 5 * (3 + 6)]
    assert one.grad == 11 + 2 * 21 + 3 * 31 + 4 * 12 + 5 * 22 + 6 * 32


def test_operators_with_numbers_and_arrays_on_either_side():
    x, array = leaf([1.0, 2.0]), np.array([10.0, 20.0])
    cases = [
        (3 + x, [4, 5], 1),
        (3 - x, [2, 1], -1),
        (3 * x, [3, 6], 3),
        (array + x, [11, 22], 1),
        (array - x, [9, 18], -1),
        (x - array, [-9, -18], 1),
        (np.float32(2) * x, [2, 4], 2),
        (x / 2, [0.5, 1], 0.5),
        (-x, [-1, -2], -1),
    ]
    for y, values, slope in cases:
        assert isinstance(y, mf.Tensor)
        assert y.data.tolist() == values
        x.grad = None
        y.backward(np.ones(2))
        assert x.grad.tolist() == [slope, slope]
    x.grad = None
    y = 12 / x
    y.backward(np.ones(2))
    assert y.data.tolist() == [12, 6]
    assert x.grad.tolist() == [-12, -3]
    x.grad = None
    (array * x).backward(np.ones(2))
    assert x.grad.tolist() == [10, 20]


def test_pow_exp_log():
    x = leaf([1.0, 2.0, 4.0])
    for compute, y, slope in [
        (lambda: x**3, [1, 8, 64], [3, 12, 48]),
        (lambda: x**0.5, [1, math.sqrt(2), 2], [1 / 2, 1 / (2 * math.sqrt(2)), 1 / 4]),
        (lambda: x**-1, [1, 1 / 2, 1 / 4], [-1, -1 / 4, -1 / 16]),
        (lambda: x.exp(), [math.e, math.e**2, math.e**4], [math.e, math.e**2, math.e**4]),
        (lambda: x.log(), [0, math.log(2), math.log(4)], [1, 1 / 2, 1 / 4]),
    ]:
        x.grad = None
        result = compute()
        result.backward(np.ones(3))
        assert result.data == pytest.approx(y, rel=1e-15)
        assert x.grad == pytest.approx(slope, rel=1e-15)


def test_powers_at_zero():
    x = leaf([0.0, 2.0])
    for exponent, y, slope in [(0, [1, 1], [0, 0]), (1, [0, 2], [1, 1]), (2, [0, 4], [0, 4])]:
        x.grad = None
        result = x**exponent
        result.backward(np.ones(2))
        assert result.data.tolist() == y
        assert x.grad.tolist() == slope
    with pytest.raises(TypeError, match="exponent must be a number; got Tensor"):
        x**x
    with pytest.raises(TypeError, match="exponent must be a number; got list"):
        F.pow(x, [1, 2])


def test_matmul():
    a, b = leaf([[1.0, 2.0, 3.0]]), leaf([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0]])
    y = a @ b
    y.backward(np.array([[1.0, 100.0]]))
    assert y.data.tolist() == [[14, 140]]
    assert a.grad.tolist() == [[1 + 1000, 2 + 2000, 3 + 3000]]
    assert b.grad.tolist() == [[1, 100], [2, 200], [3, 300]]
    assert (np.ones((4, 1)) @ a).shape == (4, 3)
    assert (a @ np.ones((5, 3, 2))).shape == (5, 1, 2)


def test_sum_mean_max():
    x = leaf([[1.0, 5.0, 3.0], [5.0, 2.0, 6.0]])
    cases = [
        (lambda: x.sum(), 22, [[1, 1, 1], [1, 1, 1]]),
        (lambda: x.sum(0), [6, 7, 9], [[1, 10, 100], [1, 10, 100]]),
        (lambda: x.sum(-1), [9, 13], [[1, 1, 1], [10, 10, 10]]),
        (lambda: x.sum((0, 1), keepdims=True), [[22]], [[1, 1, 1], [1, 1, 1]]),
        (lambda: x.mean(), 22 / 6, [[1 / 6] * 3] * 2),
        (lambda: x.mean(1, keepdims=True), [[3], [13 / 3]], [[1 / 3] * 3, [10 / 3] * 3]),
        (lambda: x.max(), 6, [[0, 0, 0], [0, 0, 1]]),
        (lambda: x.max(0), [5, 5, 6], [[0, 10, 0], [1, 0, 100]]),
        (lambda: x.max(1, keepdims=True), [[5], [6]], [[0, 1, 0], [0, 0, 10]]),
    ]
    for compute, y, gx in cases:
        x.grad = None
        result = compute()
        result.backward(10.0 ** np.arange(result.size).reshape(result.shape))
        assert result.data == pytest.approx(np.array(y), rel=1e-15)
        assert x.grad == pytest.approx(np.array(gx), rel=1e-15)


def test_the_first_of_equal_elements_is_the_maximum():
    x = leaf([[7.0, 7.0], [7.0, 1.0]])
    x.max().backward()
    assert x.grad.tolist() == [[1, 0], [0, 0]]
    x.grad = None
    x.max(0).backward(np.array([1.0, 10.0]))
    assert x.grad.tolist() == [[1, 10], [0, 0]]


def test_reshape_transpose_getitem():
    x = leaf([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    cases = [
        (lambda: x.reshape(3, 2), [[1, 2], [3, 4], [5, 6]], [[1, 2, 3], [4, 5, 6]]),
        (lambda: x.reshape((-1,)), [1, 2, 3, 4, 5, 6], [[1, 2, 3], [4, 5, 6]]),
        (lambda: x.T, [[1, 4], [2, 5], [3, 6]], [[1, 3, 5], [2, 4, 6]]),
        (lambda: x.transpose(1, 0), [[1, 4], [2, 5], [3, 6]], [[1, 3, 5], [2, 4, 6]]),
        (lambda: x[1], [4, 5, 6], [[0, 0, 0], [1, 2, 3]]),
        (lambda: x[:, ::2], [[1, 3], [4, 6]], [[1, 0, 2], [3, 0, 4]]),
        (lambda: x[::-1, -1], [6, 3], [[0, 0, 2], [0, 0, 1]]),
        (lambda: x[None, ..., 1], [[2, 5]], [[0, 1, 0], [0, 2, 0]]),
    ]
    for compute, y, gx in cases:
        x.grad = None
        result = compute()
        result.backward(1.0 + np.arange(result.size).reshape(result.shape))
        assert result.data.tolist() == y
        assert x.grad.tolist() == gx
    assert x[1, 2].shape == ()
    assert [row.data.tolist() for row in x] == [[1, 2, 3], [4, 5, 6]]


def test_what_does_not_fit_is_refused():
    x = leaf(np.ones((2, 3)))
    for call, message in [
        (lambda: x + np.ones((3, 2)), r"Add: shapes \(2, 3\) and \(3, 2\) do not broadcast"),
        (lambda: x @ x, r"matmul: \(2, 3\) @ \(2, 3\): 3 columns meet 2 rows"),
        (lambda: x @ np.ones(3), r"wants matrices or stacks of them; got \(2, 3\) and \(3,\)"),
        (
            lambda: F.matmul(np.ones((2, 1, 1)), np.ones((3, 1, 1))),
            r"\(2, 1, 1\) @ \(3, 1, 1\): the stacks do not broadcast",
        ),
        (lambda: x.sum(2), "axis 2 does not exist: there are 2 axes"),
        (lambda: x.max(-3), "axis -3 does not exist: there are 2 axes"),
        (lambda: T(np.ones((0, 3))).max(0), r"max: shape \(0, 3\) is empty along .* \(0,\)"),
        (lambda: T(np.ones((0, 3))).mean(), r"mean: shape \(0, 3\) has no elements along"),
        (lambda: T(np.ones((0, 3))).mean(1), r"mean: shape \(0, 3\) has no elements along"),
        (lambda: x.reshape(4, 2), r"\(2, 3\) has 6 elements, which do not fill \(4, 2\)"),
        (lambda: x.transpose(0, 0), r"transpose: \(0, 0\) is not an order of the axes of"),
        (lambda: x.transpose(0, 2), r"transpose: \(0, 2\) is not an order of the axes of"),
    ]:
        with pytest.raises(ValueError, match=message):
            call()
    with pytest.raises(IndexError, match="index 2 is out of bounds"):
        x[2]
    for index in ([0, 1], np.array([0]), (0, [1]), 1.5):
        with pytest.raises(TypeError, match="indexed by integers, slices, None and"):
            x[index]


# -- dtypes -------------------------------------------------------------------------------------

ON_FLOAT32 = {
    "number": lambda x: x * 2.5 + 1 - 0.5,
    "divided by a number": lambda x: 1 / (x / 3),
    "numpy number": lambda x: np.float64(2) * x + np.sqrt(2.0) + np.int64(1),
    "power": lambda x: x**2.5,
    "power, numpy number": lambda x: x ** np.float64(2.5),
    "power, numpy integer": lambda x: x ** np.int64(2),
    "power 0": lambda x: x**0,
    "exp": lambda x: x.exp(),
    "log": lambda x: x.log(),
    "neg": lambda x: -x,
    "sum": lambda x: x.sum(),
    "mean": lambda x: x.mean(1),
    "max": lambda x: x.max(),
    "mask": lambda x: x * (x.data > 1),
    "getitem": lambda x: x[0, 0],
    "matmul": lambda x: x @ x,
    "constant": lambda x: x + np.ones(3, np.float32),
}


@pytest.mark.parametrize("name", ON_FLOAT32)
def test_nothing_widens_float32(name):
    x = leaf([[1.0, 2.0, 3.0]] * 3, np.float32)
    y = ON_FLOAT32[name](x)
    assert y.dtype == np.float32
    y.sum().backward()
    assert x.grad.dtype == np.float32


@pytest.mark.parametrize(
    ("compute", "message"),
    [
        (lambda x: x + np.ones(3), "Add: inputs of dtype float32, float64 would give float64"),
        (lambda x: np.ones(3) * x, "Mul: inputs of dtype float32, float64 would give float64"),
        (lambda x: x - np.ones(3, np.int64), "Sub: inputs of dtype float32, int64 would give"),
        (lambda x: x @ np.ones((3, 1)), "MatMul: inputs of dtype float32, float64 would give"),
        (lambda x: F.cat([x, np.ones((2, 3))]), "Cat: inputs of dtype float32, float64 would"),
    ],
)
def test_mixed_dtypes_are_refused(compute, message):
    with pytest.raises(TypeError, match=message):
        compute(leaf(np.ones((2, 3)), np.float32))
    with mf.autograd.shapes_only(), pytest.raises(TypeError, match=message):
        compute(leaf(np.ones((2, 3)), np.float32))


def test_a_function_that_widens_is_refused():
    class Wide(mf.autograd.Function):
        def forward(self, x):
            return x * np.ones(x.shape)

    with pytest.raises(TypeError, match="Wide: inputs of dtype float32 would give float64"):
        Wide()(leaf([1.0], np.float32))


def test_integers_follow_numpy():
    x = T(np.array([1, 2]))
    assert (x + 1).dtype == np.int64
    assert (x * 0.5).data.tolist() == [0.5, 1]
    assert (x * x).sum().item() == 5
    assert x.reshape(2, 1).dtype == np.int64
