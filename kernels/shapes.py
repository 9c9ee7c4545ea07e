"""Output sizes of windowed operations, the same for every backend.

A window of ``k`` taps, ``d`` apart, covers ``d(k-1)+1`` pixels; it starts ``p`` pixels before the
image and moves ``s`` pixels a step. One axis at a time; errors print the arithmetic.
"""


def extent(k: int, d: int) -> int:
    """Pixels covered by k taps that are d apart: d(k-1)+1."""
    return d * (k - 1) + 1


def conv_size(n: int, k: int, s: int, p: int, d: int) -> int:
    """Steps of a window over n pixels: floor((n + 2p - d(k-1) - 1)/s) + 1.

    Raises ValueError where not one window fits.
    """
    if n + 2 * p < extent(k, d):
        raise ValueError(
            f"no window fits: size {n} + 2*{p} padding = {n + 2 * p} is smaller than the window, "
            f"{d}*({k}-1)+1 = {extent(k, d)}"
        )
    return (n + 2 * p - extent(k, d)) // s + 1


def conv_transpose_size(n: int, k: int, s: int, p: int, d: int, extra: int = 0) -> int:
    """Size that a transposed convolution makes: (n-1)s - 2p + d(k-1) + 1 + extra.

    ``extra`` is the output padding, below s: of the sizes that a convolution maps to n, which one.
    Raises ValueError where nothing is left.
    """
    size = (n - 1) * s - 2 * p + extent(k, d) + extra
    if size < 1:
        raise ValueError(f"empty output: ({n}-1)*{s} - 2*{p} + {d}*({k}-1) + 1 + {extra} = {size}")
    return size


def pool_size(n: int, k: int, s: int, p: int, d: int, ceil_mode: bool) -> int:
    """Steps of a pooling window; with ceil_mode the last one may reach past the padding.

    Caffe's rule: the last window still starts inside the image or the padding before it, that is
    (out-1)s < n + p (Caffe pooling_layer.cpp, which always rounds up).
    Raises ValueError where not one window fits or where a window would see padding alone.
    """
    room = n + 2 * p - extent(k, d)
    out = room // s + 1
    if ceil_mode:
        out = -(-room // s) + 1
        if (out - 1) * s >= n + p:
            out -= 1
    if out < 1:
        conv_size(n, k, s, p, d)  # raises, with the arithmetic
    for o in range(out):
        start = o * s - p
        if not any(0 <= start + i * d < n for i in range(k)):
            raise ValueError(
                f"window {o} sees only padding: its {k} taps at {start}, {start}+{d}, ... "
                f"all lie outside the {n} pixels (padding {p}, stride {s})"
            )
    return out
