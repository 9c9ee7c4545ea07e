"""Max and average pooling with padding, dilation and any output size.

A tap that falls outside the image counts as minus infinity for the maximum and as zero for the
average. ``output_size`` comes from ``kernels.shapes.pool_size``: with ceil mode the last window
may reach past the padding (Caffe pooling_layer.cpp).
"""

import numpy as np

Pair = tuple[int, int]


def max_pool2d(
    x,
    kernel_size: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    output_size: Pair,
    want_argmax: bool = True,
):
    """y[n,c,oh,ow] = max over i, j of x[n,c, oh*SH-PH+i*DH, ow*SW-PW+j*DW].

    x (N, C, H, W). Returns y (N, C, OH, OW) and argmax of the same shape: i*KW + j of the first
    maximal tap in reading order, as uint8 where 256 taps suffice, else int32; None where it is not
    wanted. NaN is maximal.
    """
    windows = _windows(x, -np.inf, kernel_size, stride, padding, dilation, output_size)
    y = windows[0].copy()
    argmax = np.zeros(y.shape, np.uint8 if len(windows) <= 256 else np.int32)
    for tap, window in enumerate(windows):
        larger = ~(window <= y) & (y == y)  # than all taps before; after a NaN, none is
        np.copyto(y, window, where=larger)
        np.copyto(argmax, tap, where=larger)
    return y, argmax if want_argmax else None


def max_pool2d_grad(
    gy, argmax, input_size: Pair, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair
):
    """gx: each gy[n,c,oh,ow] goes to the tap that was maximal. gx (N, C, H, W)."""
    taps = range(kernel_size[0] * kernel_size[1])
    windows = (np.where(argmax == tap, gy, gy.dtype.type(0)) for tap in taps)
    return _add_windows(windows, gy, input_size, kernel_size, stride, padding, dilation)


def avg_pool2d(
    x, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair, output_size: Pair
):
    """y[n,c,oh,ow] = sum over i, j of x[n,c, oh*SH-PH+i*DH, ow*SW-PW+j*DW] / count[oh,ow].

    count is the number of taps inside the image or its padding: a window that ceil mode lets
    reach further is divided by fewer (Caffe pooling_layer.cpp).
    """
    windows = _windows(x, 0, kernel_size, stride, padding, dilation, output_size)
    count = _tap_counts(x.shape[2:], kernel_size, stride, padding, dilation, output_size)
    return sum(windows) / count.astype(x.dtype)


def avg_pool2d_grad(
    gy, input_size: Pair, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair
):
    """gx: each gy[n,c,oh,ow] / count[oh,ow] goes to every tap of its window. gx (N, C, H, W)."""
    count = _tap_counts(input_size, kernel_size, stride, padding, dilation, gy.shape[2:])
    windows = [gy / count.astype(gy.dtype)] * (kernel_size[0] * kernel_size[1])
    return _add_windows(windows, gy, input_size, kernel_size, stride, padding, dilation)


def _taps(kernel_size: Pair, stride: Pair, dilation: Pair, output_size: Pair):
    """For each tap (i, j) in reading order, the slices of the padded image that it visits."""
    (KH, KW), (SH, SW), (DH, DW), (OH, OW) = kernel_size, stride, dilation, output_size
    for i in range(KH):
        for j in range(KW):
            yield (
                slice(i * DH, i * DH + (OH - 1) * SH + 1, SH),
                slice(j * DW, j * DW + (OW - 1) * SW + 1, SW),
            )


def _padded_size(
    input_size: Pair,
    kernel_size: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    output_size: Pair,
):
    """Size of the image with its padding and with what the last window sees beyond it."""
    axes = zip(input_size, kernel_size, stride, padding, dilation, output_size, strict=True)
    return tuple(max(n + 2 * p, (o - 1) * s + (k - 1) * d + 1) for n, k, s, p, d, o in axes)


def _windows(x, fill, kernel_size, stride, padding, dilation, output_size):
    """Every tap's view of the padded image: KH*KW of (N, C, OH, OW)."""
    (N, C, H, W), (PH, PW) = x.shape, padding
    size = _padded_size((H, W), kernel_size, stride, padding, dilation, output_size)
    padded = np.full((N, C, *size), fill, x.dtype)
    padded[:, :, PH : PH + H, PW : PW + W] = x
    taps = _taps(kernel_size, stride, dilation, output_size)
    return [padded[:, :, rows, columns] for rows, columns in taps]


def _add_windows(windows, gy, input_size, kernel_size, stride, padding, dilation):
    """The adjoint of _windows: every tap, shaped like gy, is added to the pixel that it saw."""
    (N, C, *output_size), (H, W), (PH, PW) = gy.shape, input_size, padding
    size = _padded_size(input_size, kernel_size, stride, padding, dilation, output_size)
    taps = _taps(kernel_size, stride, dilation, output_size)
    padded = np.zeros((N, C, *size), gy.dtype)
    for window, (rows, columns) in zip(windows, taps, strict=True):
        padded[:, :, rows, columns] += window
    return np.ascontiguousarray(padded[:, :, PH : PH + H, PW : PW + W])


def _tap_counts(input_size, kernel_size, stride, padding, dilation, output_size):
    """Taps of each window that lie inside the image or its padding: (OH, OW)."""
    counts = []
    for n, k, s, p, d, o in zip(
        input_size, kernel_size, stride, padding, dilation, output_size, strict=True
    ):
        taps = np.arange(o)[:, None] * s - p + np.arange(k) * d
        counts.append((taps < n + p).sum(axis=1))
    return np.outer(*counts)
