"""The backward pass: every path counted once, gradients kept apart, errors that say why."""

import numpy as np
import pytest

import minifcn as mf
from minifcn.autograd import Function


def leaf(*values) -> mf.Tensor:
    return mf.Tensor(np.array(values, float), requires_grad=True)


class Identity(Function):
    """Passes its gradient on as it is."""

    def forward(self, x):
        return x.copy()

    def backward(self, gy):
        return gy


# -- paths --------------------------------------------------------------------------------------


def test_a_tensor_used_twice_at_every_step():
    a = leaf(1.0, 2.0)
    b = a + a
    c = b + b
    c.backward(np.array([1.0, 10.0]))
    assert c.data.tolist() == [4, 8]
    assert a.grad.tolist() == [4, 40]


def test_two_paths_of_different_length():
    x = leaf(3.0)
    y = x * x * x + x  # 3x^2 + 1
    y.backward()
    assert x.grad.tolist() == [28]


def test_a_diamond_runs_its_top_once():
    """x -> h -> (p, q) -> y: h must wait for p and q."""
    runs = []

    class Counted(Identity):
        def backward(self, gy):
            runs.append(gy.tolist())
            return gy

    x = leaf(2.0)
    h = Counted()(x)
    p, q = h * 3.0, h * h * 5.0
    (p + q).backward()
    assert runs == [[3 + 2 * 2 * 5]]
    assert x.grad.tolist() == [23]


def test_a_ladder_of_diamonds_takes_linear_time():
    """2^200 paths, 400 functions."""
    x = y = leaf(1.0)
    for _ in range(200):
        y = y * 0.5 + y * 0.5
    y.backward()
    assert x.grad.tolist() == [1]


def test_inputs_that_need_no_gradient_get_none():
    x, constant = leaf(2.0), mf.Tensor(np.array([5.0]))
    (x * constant).backward()
    assert x.grad.tolist() == [5]
    assert constant.grad is None


def test_a_function_may_pass_nothing_on():
    class Nothing(Identity):
        def backward(self, gy):
            return None

    x, other = leaf(2.0), leaf(1.0)
    h = x * 3.0
    (Nothing()(h) + other).backward()
    assert x.grad is None
    assert other.grad.tolist() == [1]
    h = x * 3.0
    (Nothing()(h) + h).backward()
    assert x.grad.tolist() == [3]


# -- aliasing -----------------------------------------------------------------------------------


def test_gradients_of_leaves_are_their_own_arrays():
    x1, x2, upstream = leaf(1.0, 2.0), leaf(3.0, 4.0), np.array([1.0, 1.0])
    y = x1 + x2
    y.backward(upstream)
    x1.grad *= 100
    assert x2.grad.tolist() == [1, 1]
    assert upstream.tolist() == [1, 1]
    x2.grad += 7
    assert x1.grad.tolist() == [100, 100]


def test_a_leaf_s_gradient_is_not_the_upstream_one():
    x, upstream = leaf(1.0, 2.0), np.array([3.0, 4.0])
    Identity()(x).backward(upstream)
    x.grad[0] = -1
    assert upstream.tolist() == [3, 4]
    z = leaf(1.0, 2.0)
    z.backward(upstream)  # a leaf itself
    z.grad[0] = -1
    assert upstream.tolist() == [3, 4]


class Views(Function):
    """a + b, with the same new array as the gradient of both, once as a view."""

    def forward(self, a, b):
        return a + b.reshape(a.shape)

    def backward(self, gy):
        gx = gy * 1
        return gx, gx.reshape(self.input_shapes[1])


class SwappedViews(Views):
    def forward(self, a, b):
        return a.reshape(b.shape) + b

    def backward(self, gy):
        gx = gy * 1
        return gx.reshape(self.input_shapes[0]), gx


@pytest.mark.parametrize("join", [lambda h, k: h + k.reshape(2), Views, SwappedViews])
@pytest.mark.parametrize("order", range(4))
def test_adding_to_one_gradient_leaves_the_others(join, order):
    """h and k receive the same array; each then receives another gradient, in every order."""
    a, b, upstream = leaf(1.0, 2.0), leaf([1.0], [2.0]), np.array([1.0, 1.0])
    h, k = Identity()(a), Identity()(b)
    joined = (join() if isinstance(join, type) else join)(h, k).reshape(2)
    more, also = h * 10.0, (k * 100.0).reshape(2)
    total = [
        lambda: (also + more) + joined,
        lambda: (more + also) + joined,
        lambda: joined + (also + more),
        lambda: (joined + also) + more,
    ][order]()
    total.backward(upstream)
    assert a.grad.tolist() == [11, 11]
    assert b.grad.tolist() == [[101], [101]]
    assert upstream.tolist() == [1, 1]


def test_saved_arrays_survive_accumulation():
    """exp returns what it saved; gradients that pass by must not be added into it."""

    class Saved(Function):
        def forward(self, x):
            self.save(np.full_like(x, 2.0))
            return x * 2

        def backward(self, gy):
            return self.saved[0]

    x = leaf(1.0, 1.0)
    first = Saved()(x)
    y = first.sum() + (x * 5.0).sum()
    y.backward(retain_graph=True)
    assert x.grad.tolist() == [7, 7]
    assert first.function.saved[0].tolist() == [2, 2]
    y.backward()
    assert x.grad.tolist() == [14, 14]


def test_the_gradient_of_a_sum_can_be_written_to():
    """Backward of a sum broadcasts one number; the leaf must still own an array."""
    x = mf.Tensor(np.ones((2, 3)), requires_grad=True)
    x.sum().backward()
    x.grad[1, 2] = 5
    assert x.grad.tolist() == [[1, 1, 1], [1, 1, 5]]


def test_gradients_of_tensors_without_axes_are_arrays():
    x = mf.Tensor(3.0, requires_grad=True)
    (x * x).backward()
    assert isinstance(x.grad, np.ndarray)
    assert x.grad.shape == ()
    assert x.grad == 6
    kept = x.grad
    (x * x * x + x).backward()
    assert x.grad is kept  # added in place
    assert kept == 6 + 27 + 1


# -- accumulation, freeing, errors --------------------------------------------------------------


def test_gradients_accumulate_over_calls():
    x = leaf(1.0, 2.0)
    (x * 3.0).sum().backward()
    first = x.grad
    (x * x).sum().backward()
    assert x.grad.tolist() == [3 + 2, 3 + 4]
    assert x.grad is first


def test_a_second_backward_says_what_to_do():
    x = leaf(1.0, 2.0)
    y = (x * x).sum()
    y.backward()
    with pytest.raises(RuntimeError) as error:
        y.backward()
    assert str(error.value) == (
        "backward: Sum was freed by an earlier backward(); "
        "call that one with retain_graph=True, or run the forward pass again"
    )
    assert x.grad.tolist() == [2, 4]


def test_a_second_backward_through_a_shared_part_changes_nothing():
    x, w = leaf(1.0, 2.0), leaf(1.0, 1.0)
    h = x * x
    h.sum().backward()
    other = (h * w).sum()
    with pytest.raises(RuntimeError, match="Mul was freed by an earlier backward"):
        other.backward()
    assert w.grad is None
    assert x.grad.tolist() == [2, 4]


def test_retain_graph():
    x = leaf(1.0, 2.0)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward(retain_graph=True)
    assert x.grad.tolist() == [4, 8]
    y.backward()
    assert x.grad.tolist() == [6, 12]
    with pytest.raises(RuntimeError, match="freed"):
        y.backward()


def test_backward_needs_something_to_differentiate():
    message = "does not depend on anything that requires a gradient"
    with pytest.raises(RuntimeError, match=message):
        (mf.Tensor(1.0) * 2.0).backward()
    x = leaf(1.0)
    with mf.no_grad():
        y = x * 2.0
    with pytest.raises(RuntimeError, match=message):
        y.backward()
    with pytest.raises(RuntimeError, match=message):
        (x * 2.0).detach().backward()


def test_backward_needs_a_gradient_of_the_right_shape():
    x = mf.Tensor(np.ones((2, 3)), requires_grad=True)
    with pytest.raises(RuntimeError) as error:
        (x * 2.0).backward()
    assert str(error.value) == (
        "backward: a tensor of shape (2, 3) needs a gradient of that shape; "
        "only one-element tensors may go without"
    )
    with pytest.raises(ValueError, match=r"backward: gradient \(3, 2\) for a tensor \(2, 3\)"):
        (x * 2.0).backward(np.ones((3, 2)))
    with pytest.raises(ValueError, match=r"backward: gradient \(\) for a tensor \(2, 3\)"):
        (x * 2.0).backward(1.0)
    assert x.grad is None
    one = mf.Tensor(np.ones((1, 1)), requires_grad=True)
    (one * 2.0).backward()
    assert one.grad.tolist() == [[2]]


@pytest.mark.parametrize("grad", [[1, 2], (1.0, 2.0), mf.Tensor([1.0, 2.0]), np.array([1, 2])])
def test_the_starting_gradient_may_be_anything_like_an_array(grad):
    x = mf.Tensor(np.ones(2, np.float32), requires_grad=True)
    (x * 3.0).backward(grad)
    assert x.grad.tolist() == [3, 6]
    assert x.grad.dtype == np.float32


def test_a_gradient_of_the_wrong_shape_is_reported():
    class Wrong(Function):
        def forward(self, a, b):
            return a + b

        def backward(self, gy):
            return gy, gy.sum()

    with pytest.raises(RuntimeError) as error:
        Wrong()(leaf(1.0, 2.0), leaf(3.0, 4.0)).backward(np.ones(2))
    assert str(error.value) == "Wrong.backward: gradient () for an input (2,)"


def test_too_few_gradients_are_reported():
    class Few(Function):
        def forward(self, a, b):
            return a + b

        def backward(self, gy):
            return gy

    with pytest.raises(RuntimeError, match=r"Few\.backward: 1 gradients for 2 inputs"):
        Few()(leaf(1.0), leaf(2.0)).backward()


def test_a_function_is_applied_once():
    square = Identity()
    x = leaf(1.0)
    y = square(x)
    with pytest.raises(RuntimeError, match="Identity: make a new one for every application"):
        square(y)


def test_functions_without_forward_or_backward():
    with pytest.raises(NotImplementedError, match="Function has no forward"):
        Function()(leaf(1.0))

    class Half(Function):
        def forward(self, x):
            return x / 2

    with pytest.raises(NotImplementedError, match="Half has no backward"):
        Half()(leaf(1.0)).backward()
