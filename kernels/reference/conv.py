"""Convolution, and the two other derivatives of its trilinear form.

    T(x, w, y) = <y, conv(x, w)>
               = sum over n, k, c, i, j, oh, ow of
                 y[n,k,oh,ow] * w[k,c,i,j] * x[n,c, oh*SH - PH + i*DH, ow*SW - PW + j*DW]

``conv2d`` is dT/dy, ``conv2d_grad_input`` dT/dx (the transposed convolution) and
``conv2d_grad_weight`` dT/dw. Each is one matrix product a strip of output rows; the columns are
made for a strip, used and thrown away, so the workspace is bounded whatever the image's size.

With groups, the channels are cut into that many parts that do not see each other.
"""

import numpy as np

from ..shapes import conv_size
from .im2col import col2im, im2col, strips

Pair = tuple[int, int]

WORKSPACE = 32 * 2**20  # bytes of columns alive at a time


def empty_maps(shape: tuple[int, int, int, int], like):
    """An uninitialised array of maps (N, C, H, W) of like's dtype, laid out as these kernels lay
    out theirs."""
    return np.empty(shape, like.dtype)


def conv2d(
    x, w, b, stride: Pair, padding: Pair, dilation: Pair, groups: int, relu=False, out=None
):
    """y[n,k,oh,ow] = b[k] + sum over c, i, j of w[k,c,i,j] * x[n,c,oh*SH-PH+i*DH,ow*SW-PW+j*DW].

    x (N, C, H, W), w (K, C/groups, KH, KW), b (K,) or None; returns y (N, K, OH, OW), or max(y, 0)
    with ``relu``; in ``out``, some channels of an array of ``empty_maps``, if that is given.
    """
    (N, _, H, W), (K, Cg, KH, KW) = x.shape, w.shape
    OH, OW = _output_size((H, W), (KH, KW), stride, padding, dilation)
    x = _pad(x, padding)
    y = empty_maps((N, K, OH, OW), x) if out is None else out
    w = w.reshape(groups, K // groups, Cg * KH * KW)
    for n in range(N):
        for g in range(groups):
            xg, yg = _group(x[n], g, groups), _group(y[n], g, groups)
            for rows in strips(Cg * KH * KW * x.itemsize, OH, OW, WORKSPACE):
                cols = im2col(xg, (KH, KW), stride, dilation, rows, OW)
                yg[:, rows.start : rows.stop] = (w[g] @ cols).reshape(-1, len(rows), OW)
    if b is not None:
        y += b[:, None, None]
    return np.maximum(y, 0, out=y) if relu else y


def conv2d_grad_input(
    gy, w, input_size: Pair, stride: Pair, padding: Pair, dilation: Pair, groups: int
):
    """gx = dT/dx: every gy[n,k,oh,ow] * w[k,c,i,j] goes back to the pixel that it came from.

    gy (N, K, OH, OW), w (K, C/groups, KH, KW), input_size (H, W); returns gx (N, C, H, W). This
    is the transposed convolution of gy.
    """
    (N, _, OH, OW), (K, Cg, KH, KW), (H, W) = gy.shape, w.shape, input_size
    PH, PW = padding
    gx = np.zeros((N, Cg * groups, H + 2 * PH, W + 2 * PW), gy.dtype)
    w = w.reshape(groups, K // groups, Cg * KH * KW)
    for n in range(N):
        for g in range(groups):
            gxg, gyg = _group(gx[n], g, groups), _group(gy[n], g, groups)
            for rows in strips(Cg * KH * KW * gy.itemsize, OH, OW, WORKSPACE):
                strip = gyg[:, rows.start : rows.stop].reshape(K // groups, -1)
                col2im(w[g].T @ strip, gxg, (KH, KW), stride, dilation, rows, OW)
    return np.ascontiguousarray(gx[:, :, PH : PH + H, PW : PW + W])


def conv2d_grad_weight(
    gy, x, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair, groups: int
):
    """gw = dT/dw: gw[k,c,i,j] = sum of gy[n,k,oh,ow] * x[n,c,oh*SH-PH+i*DH,ow*SW-PW+j*DW].

    gy (N, K, OH, OW), x (N, C, H, W); returns gw (K, C/groups, KH, KW).
    """
    (N, K, OH, OW), C, (KH, KW) = gy.shape, x.shape[1], kernel_size
    Cg = C // groups
    x = _pad(x, padding)
    gw = np.zeros((groups, K // groups, Cg * KH * KW), gy.dtype)
    for n in range(N):
        for g in range(groups):
            xg, gyg = _group(x[n], g, groups), _group(gy[n], g, groups)
            for rows in strips(Cg * KH * KW * x.itemsize, OH, OW, WORKSPACE):
                cols = im2col(xg, kernel_size, stride, dilation, rows, OW)
                gw[g] += gyg[:, rows.start : rows.stop].reshape(K // groups, -1) @ cols.T
    return gw.reshape(K, Cg, KH, KW)


def _output_size(size: Pair, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair):
    axes = zip(size, kernel_size, stride, padding, dilation, strict=True)
    return tuple(conv_size(*axis) for axis in axes)


def _pad(x, padding: Pair):
    PH, PW = padding
    return np.pad(x, ((0, 0), (0, 0), (PH, PH), (PW, PW))) if PH or PW else x


def _group(image, g: int, groups: int):
    """The g-th of ``groups`` equal parts of the channels of (C, H, W), as a view."""
    step = image.shape[0] // groups
    return image[g * step : (g + 1) * step]
