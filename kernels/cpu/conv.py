"""Convolution, and the two other derivatives of its trilinear form (see reference/conv.py).

This file turns each into correlations on channels-last maps and says which algorithm runs them:

    conv2d               a correlation of x
    conv2d_grad_input    a correlation of gy with the filters flipped and their channels swapped;
                         with a stride, one for each of the SH x SW phases of gx, which see every
                         SH-th row and SW-th column of the filters (of 5x5 to 7x7 windows the
                         adjoint of the forward algorithm, which has fewer tiles)
    conv2d_grad_weight   a correlation of x with gy

    direct               the micro-kernel around the map, for any window (direct.py, gradient.py)
    winograd             windows of 3x3 and of 5x5 to 7x7 at stride 1 and with enough channels
                         (winograd.py; winograd_panels.py where filters outweigh the map); dilated
                         ones by phases, each of which is dense, but for the gradient of weights

Nothing is ever laid out as columns. ``set_algorithm`` forces one of the two; "auto" takes
Winograd's where it was measured to be faster: see ``winograd_tile``.
"""

from functools import lru_cache
from math import gcd

import numpy as np

from ..shapes import conv_size
from . import direct, gradient, winograd, winograd_gradient, winograd_panels
from .layout import channels_last, empty
from .memo import remembered

Pair = tuple[int, int]

ALGORITHMS = ("auto", "direct", "winograd")
TILES = {3: 4, 5: 4, 6: 3, 7: 2}  # taps: outputs of a tile of Winograd's algorithm
_algorithm = "auto"


def set_algorithm(name: str) -> None:
    """ "auto", "direct", or "winograd" wherever its form allows it."""
    global _algorithm
    if name not in ALGORITHMS:
        raise ValueError(f"algorithm {name!r} is none of {', '.join(ALGORITHMS)}")
    _algorithm = name


def empty_maps(shape: tuple[int, int, int, int], like):
    """An uninitialised array of maps (N, C, H, W) of like's dtype, channels last."""
    return empty(shape, like.dtype)


def conv2d(
    x, w, b, stride: Pair, padding: Pair, dilation: Pair, groups: int, relu=False, out=None
):
    """y[n,k,oh,ow] = b[k] + sum over c, i, j of w[k,c,i,j] * x[n,c,oh*SH-PH+i*DH,ow*SW-PW+j*DW].

    x (N, C, H, W), w (K, C/groups, KH, KW), b (K,) or None; returns y (N, K, OH, OW), or max(y, 0)
    with ``relu``; in ``out``, some channels of an array of ``empty_maps``, if that is given.
    """
    shape, filters, origin = _shapes(x.shape, w.shape, *map(tuple, (stride, padding, dilation)))
    y = empty(shape, x.dtype) if out is None else out
    w_g = w.reshape(groups, len(w) // groups, *filters)
    _correlate(_dense_channels(x), w_g, y, b, origin, stride, dilation, relu, keep=w)
    return y


def conv2d_grad_input(
    gy, w, input_size: Pair, stride: Pair, padding: Pair, dilation: Pair, groups: int
):
    """gx = dT/dx: every gy[n,k,oh,ow] * w[k,c,i,j] goes back to the pixel that it came from.

    gy (N, K, OH, OW), w (K, C/groups, KH, KW), input_size (H, W); returns gx (N, C, H, W). This
    is the transposed convolution of gy.
    """
    N, (K, Cg) = len(gy), w.shape[:2]
    gx = empty((N, Cg * groups, *input_size), gy.dtype)
    w = w.reshape(groups, K // groups, *w.shape[1:]).swapaxes(1, 2)
    gy = _dense_channels(gy)
    m = winograd_tile(w, gy.shape, tuple(stride), tuple(dilation))
    dense = tuple(dilation) == (1, 1)
    if m and dense and w.shape[3] > 3 and _has_fewer_tiles(gy.shape, gx.shape, m):
        origin = tuple(-p for p in padding)
        for gy_g, w_g, gx_g in _by_group(gy, w, gx):
            winograd_panels.correlate_input(gy_g, w_g.swapaxes(1, 2), gx_g, origin=origin, m=m)
        return gx
    axes = zip(input_size, stride, padding, dilation, w.shape[3:], strict=True)
    rows, columns = (_phases(*axis) for axis in axes)
    for top, (taps_i, h0, DH) in enumerate(rows):
        for left, (taps_j, w0, DW) in enumerate(columns):
            part = gx[:, :, top :: stride[0], left :: stride[1]]
            filters = w[:, :, :, taps_i, taps_j]
            if filters.size:
                _correlate(gy, filters, part, None, (h0, w0), (1, 1), (DH, DW), False)
            else:  # no tap reaches these pixels
                part[...] = 0
    return gx


def conv2d_grad_weight(
    gy, x, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair, groups: int
):
    """gw = dT/dw: gw[k,c,i,j] = sum of gy[n,k,oh,ow] * x[n,c,oh*SH-PH+i*DH,ow*SW-PW+j*DW].

    gy (N, K, OH, OW), x (N, C, H, W); returns gw (K, C/groups, KH, KW).
    """
    K, C = gy.shape[1], x.shape[1]
    gw = np.empty((groups, K // groups, C // groups, *kernel_size), gy.dtype)
    x, gy, origin = _dense_channels(x), _dense_channels(gy), tuple(-p for p in padding)
    least = 16 if kernel_size[0] == 3 else 32
    m = winograd_tile(gw, gy.shape, tuple(stride), tuple(dilation), least)
    if m and tuple(dilation) == (1, 1):
        for x_g, gw_g, gy_g in _by_group(x, gw, gy):
            if _outweighs(gw, gy.shape):
                winograd_panels.correlate_weights(x_g, gy_g, gw_g, origin=origin, m=m)
            else:
                winograd_gradient.correlate_weights(x_g, gy_g, gw_g, origin=origin)
    else:
        gradient.correlate_weights(x, gy, gw, origin=origin, step=stride, dilation=dilation)
    return gw.reshape(K, C // groups, *kernel_size)


def winograd_tile(w, output_shape, step: Pair, dilation: Pair, least: int = 16) -> int:
    """The tile size of Winograd's algorithm, or 0 where it cannot run this or saves no time.

    w (groups, K, C, KH, KW); output_shape (N, groups*K, OH, OW). Groups are convolutions of
    their own, one after the other. least: channels from which on it pays.

    Measured: it takes half to two thirds of the time of direct sums from 16 channels and filters
    on, of windows larger than 3x3 from a whole panel of 32 filters on; with fewer its transforms
    cost as much as its products save. Maps smaller than a few tiles leave most of a block empty.
    Dilated, the pixels of a tile lie apart, and 32 channels are wanted.
    """
    _, K, C, KH, KW = w.shape
    if _algorithm == "direct" or KH != KW or KH not in TILES:
        return 0
    if step != (1, 1) or not winograd.fits(w):
        return 0
    N, _, OH, OW = output_shape
    phases = dilation[0] * dilation[1]
    channels, filters = (least, 16 if KH == 3 else 32) if phases == 1 else (32, 32)
    enough = min(C // channels, K // filters, N * OH * OW // (256 * phases)) > 0
    worth = w.dtype == np.float32 and enough
    return TILES[KH] if worth or _algorithm == "winograd" else 0


@lru_cache(4096)
def _shapes(x_shape, w_shape, stride: Pair, padding: Pair, dilation: Pair):
    """The output's shape, that of a filter, and where the first window starts."""
    axes = zip(x_shape[2:], w_shape[2:], stride, padding, dilation, strict=True)
    shape = x_shape[0], w_shape[0], *(conv_size(*axis) for axis in axes)
    return shape, w_shape[1:], tuple(-p for p in padding)


def _dense_channels(x):
    """x where its channels are neighbours in memory, else a copy in which they are."""
    if x.strides[1] == x.itemsize or x.shape[1] == 1:
        return x
    return channels_last(x)


@lru_cache(4096)
def _phases(n: int, s: int, p: int, d: int, k: int) -> list[tuple[slice, int, int]]:
    """``_phase`` of every first pixel of an axis, of which there are min(s, n)."""
    return [_phase(start, s, p, d, k) for start in range(min(s, n))]


def _phase(start: int, s: int, p: int, d: int, k: int) -> tuple[slice, int, int]:
    """The taps that reach the pixels start, start+s, ... of gx, backwards, and where in gy they
    read: pixel start + s*q sees gy at q + first, then every ``step``-th further.

    Tap i joins x at h with gy at o where o*s - p + i*d = h: i*d = start + p modulo s.
    """
    taps = [i for i in range(k) if (start + p - i * d) % s == 0]
    if not taps:
        return slice(0, 0), 0, 1
    apart = s // gcd(s, d)  # taps of one phase
    first = (start + p - taps[-1] * d) // s
    end = taps[0] - 1
    return slice(taps[-1], end if end >= 0 else None, -apart), first, apart * d // s


def _correlate(
    x, w, y, b, origin: Pair, step: Pair, dilation: Pair, relu: bool, keep=None
) -> None:
    """y from x and w by the algorithm that is faster. keep: the weights as an array of their own,
    whose transform may be kept."""
    if b is not None:
        b = np.ascontiguousarray(b)
    m = winograd_tile(w, y.shape, tuple(step), tuple(dilation))
    if not m:
        settings = {"origin": tuple(origin), "step": tuple(step), "dilation": tuple(dilation)}
        direct.correlate(x, w, y, b, **settings, relu=relu)
        return
    transformed = None
    for x_phase, y_phase, start in _dense_phases(x, y, origin, dilation):
        outweighs = _outweighs(w, y_phase.shape)
        if transformed is None and len(w) == 1 and not outweighs:
            transformed = _transformed(w, keep, m, several=max(dilation) > 1)
        for g, (x_g, w_g, y_g) in enumerate(_by_group(x_phase, w, y_phase)):
            b_g = None if b is None else b[g * w.shape[1] :][: w.shape[1]]
            settings = {"origin": start, "relu": relu, "m": m}
            if outweighs:
                winograd_panels.correlate(x_g, w_g, y_g, b_g, **settings)
            else:
                winograd.correlate(x_g, w_g, y_g, b_g, **settings, transformed=transformed)


def _transformed(w, keep, m: int, several: bool):
    """The filters transformed, where they can be kept or are used several times."""
    if keep is not None:
        return remembered(keep, m, lambda: winograd.transform_filters(w, m))
    return winograd.transform_filters(w, m) if several else None


def _dense_phases(x, y, origin: Pair, dilation: Pair):
    """A dilated correlation as dense ones: every DH-th row and DW-th column of y sees only every
    DH-th row and DW-th column of x. Yields parts of x and of y, and where the first window of
    the part of y starts in that of x."""
    (h0, w0), (DH, DW) = origin, dilation
    for top in range(min(DH, y.shape[2])):
        for left in range(min(DW, y.shape[3])):
            (row, h), (column, v) = divmod(top + h0, DH), divmod(left + w0, DW)
            yield x[:, :, h::DH, v::DW], y[:, :, top::DH, left::DW], (row, column)


def _by_group(x, w, y):
    """x, w and y of every group: channels of x and of y, and (1, K, C, KH, KW)."""
    groups, K, C = w.shape[:3]
    for g in range(groups):
        yield x[:, g * C : (g + 1) * C], w[g : g + 1], y[:, g * K : (g + 1) * K]


def _has_fewer_tiles(gy_shape, gx_shape, m: int) -> bool:
    """Whether gy has fewer tiles than gx by so much that the adjoint of the forward algorithm is
    faster than flipped filters, for which the tiles can be shared among threads."""
    tiles = [-(-shape[2] // m) * -(-shape[3] // m) for shape in (gy_shape, gx_shape)]
    return 4 * tiles[0] <= 3 * tiles[1]


def _outweighs(w, output_shape) -> bool:
    """Whether transformed filters would be larger than all tiles transformed."""
    _, K, C, KH, _ = w.shape
    N, _, OH, OW = output_shape
    m = TILES[KH]
    return KH > 3 or N * (OH // m) * (OW // m) * (C + K) < K * C
