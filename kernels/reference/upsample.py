"""Fixed bilinear upsampling: the transposed convolution with a bilinear filter on its diagonal,
one channel at a time and separably (the authors' surgery.py; Caffe's bilinear filler).

Along one axis, with the triangle t of the kernel size,

    y[o] = sum over h of x[h] * t[o + p - h*s],    so   y = U x   with   U[o, h] = t[o + p - h*s]

and in two dimensions y = U_v x U_h^T: two matrix products, whose adjoint is the same transposed.
"""

import numpy as np

from ..filters import triangle

Pair = tuple[int, int]


def upsample_bilinear(x, kernel_size: Pair, stride: Pair, padding: Pair, output_size: Pair):
    """y = U_v x U_h^T. x (N, C, H, W); returns y (N, C, *output_size)."""
    vertical, horizontal = _matrices(
        x.shape[2:], kernel_size, stride, padding, output_size, x.dtype
    )
    return vertical @ x @ horizontal.T


def upsample_bilinear_grad(gy, input_size: Pair, kernel_size: Pair, stride: Pair, padding: Pair):
    """gx = U_v^T gy U_h. gy (N, C, OH, OW); returns gx (N, C, *input_size)."""
    vertical, horizontal = _matrices(
        input_size, kernel_size, stride, padding, gy.shape[2:], gy.dtype
    )
    return vertical.T @ gy @ horizontal


def _matrices(input_size, kernel_size, stride, padding, output_size, dtype):
    axes = zip(input_size, kernel_size, stride, padding, output_size, strict=True)
    return [_matrix(*axis).astype(dtype) for axis in axes]


def _matrix(n: int, k: int, s: int, p: int, o: int):
    """U (o, n) of one axis."""
    tap = np.arange(o)[:, None] + p - np.arange(n) * s
    return np.where((tap >= 0) & (tap < k), triangle(k)[tap.clip(0, k - 1)], 0.0)
