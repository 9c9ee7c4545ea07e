"""Output sizes: the arithmetic, and what is refused."""

import re

import pytest
from minifcn.kernels.shapes import conv_size, conv_transpose_size, extent, pool_size

SIZES = [
    (n, k, s, p, d)
    for n in range(1, 10)
    for k in range(1, 5)
    for s in range(1, 5)
    for p in range(5)
    for d in range(1, 4)
]


def test_extent():
    assert [extent(1, 5), extent(3, 1), extent(3, 2), extent(7, 1)] == [1, 3, 2 * 2 + 1, 7]


def test_conv_size_exact():
    assert conv_size(500, 3, 1, 100, 1) == 500 + 200 - 3 + 1
    assert conv_size(224, 7, 2, 3, 1) == (224 + 6 - 7) // 2 + 1
    assert conv_size(9, 3, 2, 0, 3) == (9 - 7) // 2 + 1


def test_conv_size_counts_windows():
    for n, k, s, p, d in SIZES:
        starts = [o for o in range(-p, n + p, s) if o + extent(k, d) <= n + p]
        if starts:
            assert conv_size(n, k, s, p, d) == len(starts), (n, k, s, p, d)
        else:
            with pytest.raises(ValueError, match="no window fits"):
                conv_size(n, k, s, p, d)


def test_conv_transpose_size_inverts_conv_size():
    """Of the sizes that a convolution maps to one, the transposed makes each for some extra."""
    for n, k, s, p, d in SIZES:
        if n + 2 * p >= extent(k, d):
            out = conv_size(n, k, s, p, d)
            sizes = [_or_none(conv_transpose_size, out, k, s, p, d, extra) for extra in range(s)]
            assert sizes.count(n) == 1, (n, k, s, p, d)


def test_conv_transpose_size_exact():
    assert conv_transpose_size(16, 64, 32, 0, 1) == 15 * 32 + 64
    assert conv_transpose_size(34, 16, 8, 4, 1) == 33 * 8 - 2 * 4 + 16
    assert conv_transpose_size(5, 3, 2, 1, 2, 1) == 4 * 2 - 2 + 5 + 1


def test_refusals_print_the_arithmetic():
    message = "size 3 + 2*1 padding = 5 is smaller than the window, 2*(4-1)+1 = 7"
    with pytest.raises(ValueError, match=re.escape(message)):
        conv_size(3, 4, 1, 1, 2)
    with pytest.raises(ValueError, match=re.escape(message)):
        pool_size(3, 4, 1, 1, 2, False)
    message = "empty output: (1-1)*2 - 2*1 + 1*(2-1) + 1 + 0 = 0"
    with pytest.raises(ValueError, match=re.escape(message)):
        conv_transpose_size(1, 2, 2, 1, 1)
    message = "window 0 sees only padding: its 2 taps at -2"
    with pytest.raises(ValueError, match=message):
        pool_size(4, 2, 2, 2, 1, False)


def test_pool_size_exact():
    assert [pool_size(7, 2, 2, 0, 1, mode) for mode in (False, True)] == [3, 4]
    assert [pool_size(6, 3, 2, 0, 1, mode) for mode in (False, True)] == [2, 3]
    assert [pool_size(6, 2, 2, 0, 1, mode) for mode in (False, True)] == [3, 3]
    # a last window that would start in the padding after the image is dropped again
    assert [pool_size(5, 2, 4, 1, 1, mode) for mode in (False, True)] == [2, 2]
    # smaller than the window: ceil mode makes one
    assert pool_size(2, 3, 2, 0, 1, True) == 1


def test_pool_size_counts_windows():
    """Without ceil mode the windows that fit. With it, one more where the last ends before the
    padding does, if that one more starts before the padding after the image."""
    for n, k, s, p, d in SIZES:
        fitting = [o for o in range(-p, n + p, s) if o + extent(k, d) <= n + p]
        last = fitting[-1] if fitting else -p - s
        over = [last + s] if last + extent(k, d) < n + p and last + s < n else []
        for starts, ceil_mode in ((fitting, False), (fitting + over, True)):
            empty = [t for t in starts if not any(0 <= t + i * d < n for i in range(k))]
            if starts and not empty:
                assert pool_size(n, k, s, p, d, ceil_mode) == len(starts), (n, k, s, p, d)
            else:
                with pytest.raises(ValueError, match=r"sees only padding|no window fits"):
                    pool_size(n, k, s, p, d, ceil_mode)


def _or_none(function, *args):
    try:
        return function(*args)
    except ValueError:
        return None
