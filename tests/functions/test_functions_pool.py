"""Max and average pooling by hand; sizes with ceil_mode as Caffe computes them."""

import numpy as np
import pytest

import minifcn as mf
from minifcn import functions as F


def maps(*rows) -> mf.Tensor:
    return mf.Tensor(np.array([[rows]], float), requires_grad=True)


def test_max_pool2d_by_hand(backend):
    x = maps([1, 9, 2, 8, 3], [7, 4, 6, 5, 0], [-1, -2, -3, -4, -5])
    y = F.max_pool2d(x, (2, 3), stride=(1, 2))
    assert y.data.tolist() == [[[[9, 8], [7, 6]]]]
    y.backward(np.array([[[[1.0, 2.0], [3.0, 4.0]]]]))
    assert x.grad.tolist() == [[[[0, 1, 0, 2, 0], [3, 0, 4, 0, 0], [0, 0, 0, 0, 0]]]]


def test_gradients_of_overlapping_windows_add_up(backend):
    x = maps([0, 5, 0, 1])
    F.max_pool2d(x, (1, 2), stride=1).backward(np.array([[[[1.0, 10.0, 100.0]]]]))
    assert x.grad.tolist() == [[[[0, 11, 0, 100]]]]


def test_the_first_of_equal_pixels_gets_the_gradient(backend):
    x = maps([2, 2], [2, 2], [2, 2])
    F.max_pool2d(x, (3, 2)).backward(np.array([[[[1.0]]]]))
    assert x.grad.tolist() == [[[[1, 0], [0, 0], [0, 0]]]]


def test_padding_counts_as_minus_infinity(backend):
    x = maps([-3, -1], [-2, -4])
    y = F.max_pool2d(x, (2, 3), stride=(2, 2), padding=(1, 1))
    assert y.data.tolist() == [[[[-1], [-2]]]]  # rows -1 and 0, then 1 and 2


def test_max_pool2d_dilated_by_hand(backend):
    x = maps([1, 2, 3, 4], [8, 7, 6, 5], [9, 11, 10, 12])
    y = F.max_pool2d(x, 2, stride=1, dilation=(2, 3))
    assert y.data.tolist() == [[[[12]]]]  # of 1, 4, 9, 12
    y.backward(np.array([[[[1.0]]]]))
    assert x.grad[0, 0, 2].tolist() == [0, 0, 0, 1]


def test_avg_pool2d_by_hand(backend):
    x = maps([1, 2, 3, 4], [5, 6, 7, 8])
    y = F.avg_pool2d(x, (2, 3), stride=1)
    assert y.data.tolist() == [[[[(1 + 2 + 3 + 5 + 6 + 7) / 6, (2 + 3 + 4 + 6 + 7 + 8) / 6]]]]
    y.backward(np.array([[[[6.0, 12.0]]]]))
    assert x.grad.tolist() == [[[[1, 3, 3, 2], [1, 3, 3, 2]]]]


def test_padding_is_counted_and_what_ceil_mode_adds_is_not(backend):
    x = maps([8, 8, 8, 8])
    y = F.avg_pool2d(x, (1, 3), stride=(1, 2), padding=(0, 1), ceil_mode=True)
    # columns -1..1, 1..3 and 3..5, of which 4 is padding and 5 lies beyond it
    assert y.data.tolist() == [[[[16 / 3, 24 / 3, 8 / 2]]]]
    y.backward(np.array([[[[3.0, 6.0, 10.0]]]]))
    assert x.grad.tolist() == [[[[1, 3, 2, 2 + 5]]]]


def test_avg_pool2d_dilated_by_hand(backend):
    x = maps([1, 2, 3, 4, 5])
    y = F.avg_pool2d(x, (1, 2), stride=1, dilation=(1, 3))
    assert y.data.tolist() == [[[[(1 + 4) / 2, (2 + 5) / 2]]]]


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding", "floor", "ceil"),
    [
        # VGG and AlexNet in Caffe: (n + 2p - k)/s + 1, rounded up
        (227, 3, 2, 0, 113, 113),
        (224, 3, 2, 0, 111, 112),
        (7, 2, 2, 0, 3, 4),
        (6, 2, 2, 0, 3, 3),
        (5, 2, 4, 0, 1, 2),
        # the last window would start in the padding after the image, so it is left out
        (4, 2, 3, 1, 2, 2),
        (3, 2, 2, 1, 2, 2),
        # the window is larger than the image: with ceil_mode one that overhangs by less than s
        (2, 3, 2, 0, None, 1),
    ],
)
def test_sizes(size, kernel, stride, padding, floor, ceil):
    """Vertically as given; horizontally a window of one pixel."""
    x = mf.Tensor(np.zeros((1, 1, size, 3)))
    arguments = x, (kernel, 1), (stride, 1), (padding, 0)
    for mode, rows in ((False, floor), (True, ceil)):
        if rows is None:
            with pytest.raises(ValueError, match="no window fits: size 2"):
                F.max_pool2d(*arguments, ceil_mode=mode)
        else:
            assert F.max_pool2d(*arguments, ceil_mode=mode).shape == (1, 1, rows, 3)


@pytest.mark.parametrize("name", ["max_pool2d", "avg_pool2d"])
def test_what_does_not_fit_is_refused_with_the_arithmetic(name):
    pool = getattr(F, name)
    x = mf.Tensor(np.zeros((1, 2, 5, 3)))
    with pytest.raises(ValueError) as error:
        pool(x, (2, 4), dilation=(1, 2), padding=(0, 1))
    assert str(error.value) == (
        f"{name}: x (1, 2, 5, 3), horizontally: no window fits: size 3 + 2*1 padding = 5 is "
        "smaller than the window, 2*(4-1)+1 = 7"
    )
    with pytest.raises(ValueError) as error:
        pool(x, (2, 1), stride=1, padding=(3, 0))
    assert str(error.value) == (
        f"{name}: x (1, 2, 5, 3), vertically: window 0 sees only padding: its 2 taps at -3, "
        "-3+1, ... all lie outside the 5 pixels (padding 3, stride 1)"
    )
    with pytest.raises(ValueError, match=r"x is empty: shape \(1, 0, 5, 3\)"):
        pool(mf.Tensor(np.zeros((1, 0, 5, 3))), 2)
    with pytest.raises(ValueError, match="kernel_size must be 1 or more; got 0"):
        pool(x, 0)


def test_without_a_stride_windows_do_not_overlap(backend):
    x = maps([1, 2, 3, 4, 5, 6], [6, 5, 4, 3, 2, 1])
    assert F.max_pool2d(x, (1, 3)).data.tolist() == [[[[3, 6], [6, 3]]]]
    assert F.avg_pool2d(x, (2, 3)).data.tolist() == [[[[21 / 6, 21 / 6]]]]


def test_nan_is_maximal(backend):
    x = maps([1, np.nan, 3], [4, 5, 6])
    y = F.max_pool2d(x, (1, 3))
    assert np.isnan(y.data[0, 0, 0, 0])
    assert y.data[0, 0, 1, 0] == 6
