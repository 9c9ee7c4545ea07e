"""The checks of gradients are themselves checked: what is right passes, what is wrong does not."""

import numpy as np
import pytest

import minifcn as mf
from minifcn import functions as F
from minifcn.autograd import Function, GradientError, adjoint_check, gradcheck


def rng():
    return np.random.default_rng(11)


class Product(Function):
    """y = a * b, with a backward that tests make wrong."""

    wrong = staticmethod(lambda ga, gb: (ga, gb))

    def forward(self, a, b):
        self.save(a, b)
        return a * b

    def backward(self, gy):
        a, b = self.saved
        return self.wrong(gy * b, gy * a)


def product(wrong):
    kind = type("Wrong", (Product,), {"wrong": staticmethod(wrong)})
    return lambda a, b: kind()(a, b)


def two(shape=(3, 3)):
    return rng().standard_normal((2, *shape))


def test_a_right_gradient_passes():
    report = gradcheck(product(lambda ga, gb: (ga, gb)), two((2, 3)))
    assert report.ok
    assert report.error < 1e-8
    assert report.checked == 6  # two inputs, three directions
    assert report.kinks == []
    assert str(report).startswith("gradient ok: relative error ")


WRONG = {
    "scaled": (lambda ga, gb: (ga * 1.001, gb), 0),
    "scaled, second input": (lambda ga, gb: (ga, gb * 0.999), 1),
    "negated": (lambda ga, gb: (ga, -gb), 1),
    "transposed": (lambda ga, gb: (ga.T, gb), 0),
    "reversed": (lambda ga, gb: (ga, gb[::-1]), 1),
    "one element off": (lambda ga, gb: (ga + np.eye(3, 3, 2) * 1e-2, gb), 0),
    "missing": (lambda ga, gb: (ga, None), 1),
    "zero": (lambda ga, gb: (ga * 0, gb), 0),
    "swapped": (lambda ga, gb: (gb, gb), 0),
    "NaN": (lambda ga, gb: (ga * np.nan, gb), 0),
    "one NaN": (lambda ga, gb: (ga, np.where(np.eye(3, 3, 1) > 0, np.nan, gb)), 1),
    "infinite": (lambda ga, gb: (ga, gb + np.inf), 1),
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("elementwise", [False, True])
def test_a_wrong_gradient_is_caught_and_its_input_named(name, elementwise):
    wrong, which = WRONG[name]
    with pytest.raises(GradientError) as caught:
        gradcheck(product(wrong), two(), elementwise=elementwise)
    report = caught.value.report
    assert report.worst_input == which
    assert report.error > 1e-6
    assert not report.ok
    assert report.kinks == []
    assert str(caught.value).startswith("gradient WRONG")
    assert f"worst at input {which}" in str(caught.value)


def test_a_gradient_of_the_sum_only_is_caught():
    """u = 1 would not see that the gradient was sent the wrong way."""

    class Shifted(Function):
        def forward(self, x):
            return x[::-1].copy()

        def backward(self, gy):
            return gy  # should be reversed too

    x = mf.Tensor(np.arange(4.0), requires_grad=True)
    Shifted()(x).sum().backward()
    assert x.grad.tolist() == [1, 1, 1, 1]  # right for the sum
    with pytest.raises(GradientError):
        gradcheck(lambda x: Shifted()(x), [np.arange(4.0)])


def test_a_missing_term_is_caught():
    """x^2 + x whose backward forgets the second term."""

    class Half(Function):
        def forward(self, x):
            self.save(x)
            return x * x + x

        def backward(self, gy):
            return 2 * self.saved[0] * gy

    with pytest.raises(GradientError):
        gradcheck(lambda x: Half()(x), [rng().standard_normal((2, 3))])


def test_elementwise_names_the_element():
    wrong = product(lambda ga, gb: (ga, gb + np.eye(2, 3, 2) * 0.5))
    report = gradcheck(wrong, two((2, 3)), elementwise=True, raise_on_error=False)
    assert not report.ok
    assert report.checked == 12
    assert report.worst_input == 1
    assert report.worst_position == (0, 2)
    assert "worst at input 1, element (0, 2)" in str(report)
    report = gradcheck(wrong, two((2, 3)), raise_on_error=False)
    assert report.worst_position in (0, 1, 2)  # a direction
    assert "element" not in str(report)


def test_not_a_number_is_not_forgotten():
    """A later comparison that agrees must not cover it."""
    for wrong in (lambda ga, gb: (ga * np.nan, gb), lambda ga, gb: (ga * np.nan, gb * 2)):
        report = gradcheck(product(wrong), two(), raise_on_error=False)
        assert report.error == np.inf
        assert report.worst_input == 0


def test_a_function_that_is_not_a_number_fails():
    class Undefined(Function):
        def forward(self, x):
            return x * np.nan

        def backward(self, gy):
            return gy

    with pytest.raises(GradientError):
        gradcheck(lambda x: Undefined()(x), [np.ones(3)])


# -- kinks --------------------------------------------------------------------------------------


def absolute(x):
    return F.relu(x) + F.relu(-x)


@pytest.mark.parametrize("function", [F.relu, absolute])
def test_kinks_are_reported(function):
    x = np.array([[-1.0, 0.0, 2.0], [0.0, 3.0, -0.5]])
    report = gradcheck(function, [x], elementwise=True)
    assert report.ok
    assert report.kinks == [(0, (0, 1)), (0, (1, 0))]
    assert report.checked == 4
    assert "4 compared, 2 left out at kinks" in str(report)


def test_a_direction_across_a_kink_is_left_out():
    x = rng().standard_normal((4, 5))
    assert gradcheck(F.relu, [x]).kinks == []
    x[2, 3] = 0
    report = gradcheck(F.relu, [x], raise_on_error=False)
    assert report.kinks == [(0, 0), (0, 1), (0, 2)]
    assert not report.ok
    assert report.checked == 0
    assert str(report).startswith("gradient nothing compared")


@pytest.mark.parametrize("where", [0.1, 0.15, 0.2, 0.25, 0.3, 0.375, 0.45, 0.5, 0.7, 0.9, 0.99])
def test_kinks_anywhere_within_the_step(where):
    """Ahead of the point or behind it."""
    for side in (1, -1):
        x = np.array([side * where * 1e-5, 1.0])
        report = gradcheck(F.relu, [x], elementwise=True)
        assert report.kinks == [(0, (0,))]
        assert report.checked == 1


def test_ties_of_max_pooling_are_kinks():
    x = np.array([[[[1.0, 1.0, 0.0], [0.0, 0.5, 2.0]]]])
    report = gradcheck(lambda x: F.max_pool2d(x, (2, 3), stride=1), [x], elementwise=True)
    assert report.kinks == []  # 2.0 is the maximum, and nothing comes near
    report = gradcheck(lambda x: F.max_pool2d(x, (1, 2), stride=1), [x], elementwise=True)
    assert report.kinks == [(0, (0, 0, 0, 0)), (0, (0, 0, 0, 1))]
    assert report.checked == 4


def test_a_wrong_gradient_is_no_kink():
    """The kinks are seen in the function alone, so no gradient can hide behind one."""

    class Wrong(Function):
        def forward(self, x):
            self.save(x)
            return np.maximum(x, 0)

        def backward(self, gy):
            return gy  # as if x were positive everywhere

    x = np.array([-1.0, 0.0, 2.0])
    report = gradcheck(lambda x: Wrong()(x), [x], elementwise=True, raise_on_error=False)
    assert report.kinks == [(0, (1,))]
    assert not report.ok
    assert report.worst_position == (0,)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: (x * 30.0).exp(),
        lambda x: x**9,
        lambda x: x**3 + 1e3,
        lambda x: F.sigmoid(x * 50.0),
        lambda x: (x * 0.0).sum(),
        lambda x: x.sum() * 1e-9,
    ],
)
def test_curvature_is_no_kink(function):
    report = gradcheck(function, [rng().uniform(0.5, 1, (2, 3))], elementwise=True)
    assert report.kinks == []
    assert report.checked == 6


def test_rounding_is_no_kink():
    """Beside a large constant the differences are rounding, and the check cannot succeed."""
    x = rng().uniform(0.5, 1, (2, 3))
    report = gradcheck(lambda x: x + 1e9, [x], elementwise=True, raise_on_error=False)
    assert report.kinks == []
    assert not report.ok


# -- arguments ----------------------------------------------------------------------------------


def test_inputs_are_checked_in_float64_and_left_alone():
    x = mf.Tensor(rng().standard_normal((2, 3)).astype(np.float32), requires_grad=True)
    before = x.data.copy()
    seen = set()

    def function(x):
        seen.add(x.dtype.name)
        return x * x

    assert gradcheck(function, [x]).error < 1e-8
    assert seen == {"float64"}
    assert np.array_equal(x.data, before)
    assert x.grad is None


def test_integer_inputs_are_passed_on():
    scores, labels = rng().standard_normal((2, 3)), np.array([2, 255])
    report = gradcheck(lambda s, l: F.cross_entropy(s, l), [scores, labels])
    assert report.checked == 3
    with pytest.raises(ValueError, match="no input is floating-point"):
        gradcheck(lambda l: l * 2, [labels])
    with pytest.raises(ValueError, match="no input is floating-point"):
        gradcheck(lambda: None, [])


def test_an_input_that_does_not_matter_has_gradient_zero():
    report = gradcheck(lambda a, b: a * 2.0, two((2, 3)))
    assert report.ok
    assert report.checked == 6


def test_on_a_backend(backend):
    """On the one that is named, or, without a name, where an input lives."""
    found = []

    def function(x, labels=None):
        found.append(mf.backends.current_backend())
        return F.cross_entropy(x * 2.0, labels)

    x, labels = rng().standard_normal((2, 3)), np.array([2, 0])
    for elementwise in (False, True):
        report = gradcheck(function, [x, labels], backend=backend, elementwise=elementwise)
        assert report.ok
    assert set(found) == {backend}
    found.clear()
    gradcheck(lambda x: function(x, labels), [mf.Tensor(x).to(backend)])
    assert set(found) == {backend if backend in mf.backends.DEVICES else "cpu"}


def test_tolerance_and_seed():
    x = rng().standard_normal((2, 3))
    one, same, other = (gradcheck(lambda x: x**3, [x], seed=seed).error for seed in (0, 0, 1))
    assert one == same
    assert one != other
    off = product(lambda ga, gb: (ga * (1 + 1e-4), gb))
    assert gradcheck(off, two(), tolerance=1e-3).ok
    assert not gradcheck(off, two(), tolerance=1e-5, raise_on_error=False).ok
    assert gradcheck(off, two(), tolerance=1e-3, directions=7).checked == 14


def test_nothing_is_recorded_after_a_check():
    gradcheck(F.relu, [np.ones((2, 3))])
    assert mf.autograd.is_recording()


# -- the adjoint identity -----------------------------------------------------------------------


def test_adjoint_check_of_a_matrix():
    A = rng().standard_normal((4, 3))
    x = rng().standard_normal((3, 2))
    assert adjoint_check(lambda x: F.matmul(A, x), x) < 1e-15
    assert adjoint_check(lambda x: F.matmul(A, x), mf.Tensor(x.astype(np.float32))) < 1e-15


@pytest.mark.parametrize(
    "wrong",
    [
        lambda A, gy: (A * (1 + 1e-9)).T @ gy,
        lambda A, gy: A.T @ gy[::-1],
        lambda A, gy: A[::-1].T @ gy,
        lambda A, gy: A.T @ gy * np.nan,
        lambda A, gy: (A + np.eye(4, 3, -3) * 1e-8).T @ gy,
    ],
)
def test_adjoint_check_of_a_wrong_one(wrong):
    A = rng().standard_normal((4, 3))

    class Matrix(Function):
        def forward(self, x):
            return A @ x

        def backward(self, gy):
            return wrong(A, gy)

    assert not adjoint_check(lambda x: Matrix()(x), rng().standard_normal((3, 2))) < 1e-12


def test_adjoint_check_of_what_is_zero():
    assert adjoint_check(lambda x: x * 0.0, np.ones((2, 3))) == 0


def test_adjoint_check_on_a_backend(backend):
    found = []

    def function(x):
        found.append(mf.backends.current_backend())
        return F.avg_pool2d(x, (2, 3))

    assert adjoint_check(function, np.ones((1, 1, 4, 6)), backend=backend) < 1e-15
    assert found == [backend]
    adjoint_check(function, mf.Tensor(np.ones((1, 1, 4, 6))).to(backend))
    assert found[1] == (backend if backend in mf.backends.DEVICES else "cpu")
