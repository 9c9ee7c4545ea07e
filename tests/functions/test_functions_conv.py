"""Convolution, transposed convolution and weight gradient, by hand and by each other."""

import numpy as np
import pytest
from operations import OPERATIONS

import minifcn as mf
from minifcn import functions as F


def maps(*rows) -> mf.Tensor:
    """One image of one channel that requires a gradient."""
    return mf.Tensor(np.array([[rows]], float), requires_grad=True)


def test_conv2d_by_hand(backend):
    x = maps([1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12])
    w = maps([1, 0, -1], [2, 0, 3])
    b = mf.Tensor([100.0], requires_grad=True)
    y = F.conv2d(x, w, b)
    # 1 - 3 + 2*5 + 3*7 = 29; one step right or down adds 5 * (1 - 1 + 2 + 3) and so on
    assert y.data.tolist() == [[[[129.0, 134.0], [149.0, 154.0]]]]
    y.backward(np.array([[[[1.0, 0.0], [0.0, 10.0]]]]))
    # gx: the filter where gy is 1, and ten times the filter one down and one right
    assert x.grad.tolist() == [[[[1, 0, -1, 0], [2, 10, 3, -10], [0, 20, 0, 30]]]]
    # gw: the part of x under the filter where gy is 1, plus ten times that where gy is 10
    assert w.grad.tolist() == [[[[1 + 60, 2 + 70, 3 + 80], [5 + 100, 6 + 110, 7 + 120]]]]
    assert b.grad.tolist() == [11]


def test_conv2d_stride_padding_dilation_by_hand(backend):
    x = maps([1, 2, 3, 4, 5], [6, 7, 8, 9, 10], [11, 12, 13, 14, 15])
    w = maps([1, 10], [100, 1000])
    y = F.conv2d(x, w, stride=(2, 1), padding=(1, 0), dilation=(2, 3))
    # rows -1 and 1, then 1 and 3 (outside); columns c and c+3
    assert y.data.tolist() == [
        [[[100 * 6 + 1000 * 9, 100 * 7 + 1000 * 10], [6 + 10 * 9, 7 + 10 * 10]]]
    ]
    y.backward(np.array([[[[1.0, 2.0], [3.0, 4.0]]]]))
    gw = [3 * 6 + 4 * 7, 3 * 9 + 4 * 10], [1 * 6 + 2 * 7, 1 * 9 + 2 * 10]
    assert w.grad.tolist() == [[[*map(list, gw)]]]
    middle = [100 + 3, 200 + 4, 0, 1000 + 30, 2000 + 40]
    assert x.grad.tolist() == [[[[0] * 5, middle, [0] * 5]]]


def test_conv2d_groups_by_hand(backend):
    x = mf.Tensor(np.array([[[[1.0, 2.0]], [[3.0, 4.0]]]]))
    w = mf.Tensor(np.array([10.0, 20.0, 30.0, 40.0]).reshape(4, 1, 1, 1))
    y = F.conv2d(x, w, groups=2)
    assert y.data[0, :, 0].tolist() == [[10, 20], [20, 40], [90, 120], [120, 160]]


def test_conv_transpose2d_by_hand(backend):
    x = maps([1, 2], [3, 4])
    w = maps([1, 10, 100])
    b = mf.Tensor([0.5], requires_grad=True)
    y = F.conv_transpose2d(x, w, b, stride=(1, 2))
    # every pixel puts down the filter, the second two columns to the right of the first
    assert y.data.tolist() == [
        [[[1.5, 10.5, 102.5, 20.5, 200.5], [3.5, 30.5, 304.5, 40.5, 400.5]]]
    ]
    y.backward(np.array([[[[1.0, 0, 0, 0, 2.0], [0, 0, 3.0, 0, 0]]]]))
    assert x.grad.tolist() == [[[[1, 200], [300, 3]]]]
    assert w.grad.tolist() == [[[[1 * 1 + 4 * 3, 0, 2 * 2 + 3 * 3]]]]
    assert b.grad.tolist() == [6]


def test_output_padding_chooses_among_the_sizes_that_convolve_to_the_input(backend):
    x, w = maps([1, 2]), maps([1, 10])
    sizes = [F.conv_transpose2d(x, w, stride=3, output_padding=e).shape[2:] for e in range(3)]
    assert sizes == [(1, 5), (2, 6), (3, 7)]
    y = F.conv_transpose2d(x, w, stride=3, padding=(0, 1), output_padding=(0, 2))
    assert y.data.tolist() == [[[[10, 0, 2, 20, 0]]]]  # of 1 10 0 2 20 0 0, one cut off each side
    for size in sizes:
        assert F.conv2d(mf.Tensor(np.ones((1, 1, *size))), w, stride=3).shape[2:] == (1, 2)


def test_conv_transpose2d_groups_by_hand(backend):
    x = mf.Tensor(np.array([[[[1.0]], [[2.0]]]]))
    w = mf.Tensor(np.array([[[[1.0, 2.0]], [[3.0, 4.0]]], [[[5.0, 6.0]], [[7.0, 8.0]]]]))
    y = F.conv_transpose2d(x, w, groups=2)
    assert y.data[0, :, 0].tolist() == [[1, 2], [3, 4], [10, 12], [14, 16]]


def test_conv2d_weight_by_hand(backend):
    x = maps([1, 2, 3], [4, 5, 6])
    y = maps([1, 10])
    w = F.conv2d_weight(x, y, (2, 2))
    assert w.data.tolist() == [[[[1 + 20, 2 + 30], [4 + 50, 5 + 60]]]]
    w.backward(np.array([[[[1.0, 0.0], [0.0, 2.0]]]]))
    assert x.grad.tolist() == [[[[1, 10, 0], [0, 2, 20]]]]
    assert y.grad.tolist() == [[[[1 + 2 * 5, 2 + 2 * 6]]]]


def test_siblings_are_closed_under_backward(backend):
    """The backward of each of the three is the other two, to the last bit."""
    for case in OPERATIONS["conv2d"].cases():
        s = case.settings
        window = {name: s[name] for name in ("stride", "padding", "dilation", "groups")}
        x, w = (mf.Tensor(a, requires_grad=True) for a in case.inputs[:2])
        y = F.conv2d(x, w, **window)
        size, kernel_size = x.shape[2:], w.shape[2:]
        gy = np.random.default_rng(7).standard_normal(y.shape)
        y.backward(gy)
        spans = zip(
            y.shape[2:], kernel_size, *(s[n] for n in window if n != "groups"), strict=True
        )
        natural = [(o - 1) * st - 2 * p + d * (k - 1) + 1 for o, k, st, p, d in spans]
        extra = tuple(n - m for n, m in zip(size, natural, strict=True))
        up = F.conv_transpose2d(mf.Tensor(gy), w.detach(), output_padding=extra, **window)
        assert np.array_equal(x.grad, up.data), str(case)
        gw = F.conv2d_weight(x.detach(), mf.Tensor(gy), kernel_size, **window)
        assert np.array_equal(w.grad, gw.data), str(case)

        u = mf.Tensor(gy, requires_grad=True)
        w2 = mf.Tensor(w.data, requires_grad=True)
        F.conv_transpose2d(u, w2, output_padding=extra, **window).backward(x.data)
        assert np.array_equal(u.grad, y.data), str(case)
        assert np.array_equal(w2.grad, gw.data), str(case)

        x3, u3 = mf.Tensor(x.data, requires_grad=True), mf.Tensor(gy, requires_grad=True)
        F.conv2d_weight(x3, u3, kernel_size, **window).backward(w.data)
        assert np.array_equal(x3.grad, up.data), str(case)
        assert np.array_equal(u3.grad, y.data), str(case)


def test_the_three_are_one_trilinear_form(backend):
    """<y, conv(x, w)> = <conv_transpose(y, w), x> = <conv_weight(x, y), w>."""
    for case in OPERATIONS["conv2d_weight"].cases():
        window = dict(case.settings)
        kernel_size, groups = window.pop("kernel_size"), window["groups"]
        x, y = case.inputs
        shape = (y.shape[1], x.shape[1] // groups, *kernel_size)
        w = np.random.default_rng(8).standard_normal(shape)
        forward = F.conv2d(mf.Tensor(x), mf.Tensor(w), **window).numpy()
        scale = np.linalg.norm(y) * np.linalg.norm(forward) + 1e-300
        form = np.vdot(y, forward)
        weight = F.conv2d_weight(mf.Tensor(x), mf.Tensor(y), **case.settings).numpy()
        by_weight = np.vdot(weight, w)
        assert abs(form - by_weight) <= 1e-12 * scale, str(case)


def test_needs_input_grad_spares_the_gradient_of_the_image(backend, monkeypatch):
    kernels = mf.backends.kernels_for(mf.Tensor(np.zeros(1)).data)

    def refuse(*_):
        raise AssertionError("nobody wants this gradient")

    x, w = maps([1, 2, 3], [4, 5, 6]).detach(), maps([1, 2])
    with monkeypatch.context() as patch:
        patch.setattr(kernels, "conv2d_grad_input", refuse)
        F.conv2d(x, w).sum().backward()
        assert w.grad is not None
        assert x.grad is None
    with monkeypatch.context() as patch:
        patch.setattr(kernels, "conv2d_grad_weight", refuse)
        image = maps([1, 2, 3], [4, 5, 6])
        F.conv2d(image, w.detach()).sum().backward()
        assert image.grad.tolist() == [[[[1, 3, 2], [1, 3, 2]]]]


def zeros(*shape) -> mf.Tensor:
    return mf.Tensor(np.zeros(shape))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: F.conv2d(
                zeros(1, 1, 4, 9), zeros(1, 1, 3, 2), padding=(1, 0), dilation=(3, 1)
            ),
            "conv2d: x (1, 1, 4, 9), vertically: no window fits: size 4 + 2*1 padding = 6 is "
            "smaller than the window, 3*(3-1)+1 = 7",
        ),
        (
            lambda: F.conv2d(zeros(1, 1, 9, 4), zeros(1, 1, 2, 5)),
            "conv2d: x (1, 1, 9, 4), horizontally: no window fits: size 4 + 2*0 padding = 4 is "
            "smaller than the window, 1*(5-1)+1 = 5",
        ),
        (
            lambda: F.conv_transpose2d(
                zeros(1, 1, 2, 3), zeros(1, 1, 3, 2), stride=(2, 1), padding=(3, 0)
            ),
            "conv_transpose2d: x (1, 1, 2, 3), vertically: empty output: "
            "(2-1)*2 - 2*3 + 1*(3-1) + 1 + 0 = -1",
        ),
        (
            lambda: F.conv2d_weight(zeros(1, 1, 5, 3), zeros(1, 1, 2, 2), (2, 4)),
            "conv2d_weight: x (1, 1, 5, 3), horizontally: no window fits: size 3 + 2*0 padding = 3"
            " is smaller than the window, 1*(4-1)+1 = 4",
        ),
        (
            lambda: F.conv2d_weight(zeros(1, 2, 5, 4), zeros(1, 3, 4, 4), (2, 3)),
            "conv2d_weight: x (1, 2, 5, 4) convolves to (1, 3, 4, 2), but y is (1, 3, 4, 4)",
        ),
        (
            lambda: F.conv2d_weight(zeros(1, 3, 5, 4), zeros(1, 4, 4, 3), 2, groups=2),
            "conv2d_weight: 3 and 4 channels in 2 groups",
        ),
        (
            lambda: F.conv2d(zeros(2, 3, 5, 6), zeros(4, 2, 1, 1)),
            "conv2d: x (2, 3, 5, 6) has 3 channels, but weight (4, 2, 1, 1) with groups=1 takes "
            "2*1 = 2",
        ),
        (
            lambda: F.conv2d(zeros(2, 4, 5, 6), zeros(3, 2, 1, 1), groups=2),
            "conv2d: weight (3, 2, 1, 1): 3 filters do not divide into 2 groups",
        ),
        (
            lambda: F.conv_transpose2d(zeros(2, 4, 5, 6), zeros(3, 2, 1, 1)),
            "conv_transpose2d: x (2, 4, 5, 6) has 4 channels, but weight (3, 2, 1, 1) with "
            "groups=1 takes 3",
        ),
        (
            lambda: F.conv2d(zeros(1, 2, 3, 4), zeros(3, 2, 1, 1), zeros(2)),
            "conv2d: bias (2,) for 3 output channels",
        ),
        (
            lambda: F.conv_transpose2d(zeros(1, 2, 3, 4), zeros(2, 3, 1, 1), zeros(2), groups=2),
            "conv_transpose2d: bias (2,) for 6 output channels",
        ),
        (
            lambda: F.conv2d(zeros(3, 4), zeros(1, 1, 1, 1)),
            "conv2d: x must be (N, C, H, W); got shape (3, 4)",
        ),
        (
            lambda: F.conv2d(zeros(0, 3, 4, 5), zeros(1, 3, 1, 1)),
            "conv2d: x is empty: shape (0, 3, 4, 5)",
        ),
        (
            lambda: F.conv2d(zeros(1, 3, 4, 5), zeros(0, 3, 1, 1)),
            "conv2d: weight must be (K, C/groups, KH, KW); got shape (0, 3, 1, 1)",
        ),
        (
            lambda: F.conv2d(zeros(1, 1, 4, 5), zeros(1, 1, 1, 1), stride=(1, 0)),
            "stride must be 1 or more; got (1, 0)",
        ),
        (
            lambda: F.conv2d(zeros(1, 1, 4, 5), zeros(1, 1, 1, 1), padding=-1),
            "padding must be 0 or more; got -1",
        ),
        (
            lambda: F.conv2d(zeros(1, 1, 4, 5), zeros(1, 1, 1, 1), groups=0),
            "groups must be a whole number, 1 or more; got 0",
        ),
        (
            lambda: F.conv_transpose2d(
                zeros(1, 1, 4, 5), zeros(1, 1, 1, 1), stride=(3, 2), output_padding=(1, 2)
            ),
            "conv_transpose2d: output_padding (1, 2) must be below the stride (3, 2): it names "
            "one of the sizes that convolve to the input's",
        ),
    ],
)
def test_what_does_not_fit_is_refused_with_the_arithmetic(call, message):
    with pytest.raises(ValueError) as error:
        call()
    assert str(error.value) == message


@pytest.mark.parametrize("value", [1.5, (1, 2, 3), "1", True, (1, True), None])
def test_settings_are_ints_or_pairs(value):
    with pytest.raises(TypeError, match="dilation must be an int or a pair"):
        F.conv2d(zeros(1, 1, 4, 5), zeros(1, 1, 1, 1), dilation=value)


def test_mixed_dtypes_are_named():
    x, w = zeros(1, 1, 4, 5), mf.Tensor(np.zeros((1, 1, 1, 1), np.float32))
    with pytest.raises(TypeError, match=r"conv2d: wants one .* got x float64, weight float32"):
        F.conv2d(x, w)
