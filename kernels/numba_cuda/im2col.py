"""Windows laid out as the rows of a matrix, and the way back: a thread a number.

Row (n, oh, ow) holds what the window at that place of the output sees, in the order of its taps
(i, j) and of the channels c. ``col2im`` is the adjoint of ``im2col``: <im2col(x), c> equals
<x, col2im(c)>.
"""

from numba import cuda

from .device import for_each, module_of, nhwc, place_of

Pair = tuple[int, int]


def im2col(x, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair, output_size: Pair):
    """cols[(n*OH + oh)*OW + ow, (i*KW + j)*C + c] = x[n, c, oh*SH-PH+i*DH, ow*SW-PW+j*DW].

    Zero where that lies outside the image. x (N, C, H, W); returns (N*OH*OW, KH*KW*C).
    """
    (N, C, _, _), (KH, KW), (OH, OW) = x.shape, kernel_size, output_size
    cols = module_of(x).empty((N * OH * OW, KH * KW * C), x.dtype)
    window = kernel_size, stride, padding, dilation, output_size
    for_each(cols.size, _im2col, nhwc(x), cols, *window)
    return cols


def col2im(
    cols,
    shape: tuple[int, int, int, int],
    kernel_size: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    output_size: Pair,
):
    """x[n, c, h, w] = the sum of all numbers of cols that im2col would have copied from there.

    cols (N*OH*OW, KH*KW*C); returns maps of ``shape`` (N, C, H, W).
    """
    (N, C, H, W), module = shape, module_of(cols)
    x = module.empty((N, H, W, C), cols.dtype)
    window = kernel_size, stride, padding, dilation, output_size
    for_each(x.size, _col2im, module.ascontiguousarray(cols), x, *window)
    return x.transpose(0, 3, 1, 2)


@cuda.jit
def _im2col(x, cols, kernel_size, stride, padding, dilation, output_size):
    """x (N, H, W, C). Thread t writes number t of cols, counted along its rows."""
    t = cuda.grid(1)
    if t >= cols.size:
        return
    (_, KW), (SH, SW), (PH, PW), (DH, DW) = kernel_size, stride, padding, dilation
    _, H, W, C = x.shape
    OH, OW = output_size
    row, column = t // cols.shape[1], t % cols.shape[1]
    n, oh, ow = row // OW // OH, row // OW % OH, row % OW  # row = (n*OH + oh)*OW + ow
    i, j, c = column // C // KW, column // C % KW, column % C  # column = (i*KW + j)*C + c
    h, w = oh * SH - PH + i * DH, ow * SW - PW + j * DW
    if 0 <= h < H and 0 <= w < W:
        cols[row, column] = x[n, h, w, c]
    else:
        cols[row, column] = 0


@cuda.jit
def _col2im(cols, x, kernel_size, stride, padding, dilation, output_size):
    """x (N, H, W, C). Thread t writes number t of x: it looks for the windows that saw it.

    Tap (i, j) of a window sees pixel (h, w) if oh*SH - PH + i*DH = h, and likewise for ow: so
    h + PH - i*DH has to be a multiple of SH, and oh a row of the output. A window that added to
    its pixels instead would meet others at the same pixel, and need atomic additions, whose order
    is another one every time.
    """
    t = cuda.grid(1)
    if t >= x.size:
        return
    (KH, KW), (SH, SW), (PH, PW), (DH, DW) = kernel_size, stride, padding, dilation
    n, h, w, c = place_of(t, x.shape)
    C = x.shape[3]
    OH, OW = output_size
    total = x.dtype.type(0)
    for i in range(KH):
        oh = (h + PH - i * DH) // SH
        if oh * SH != h + PH - i * DH or oh < 0 or oh >= OH:
            continue
        for j in range(KW):
            ow = (w + PW - j * DW) // SW
            if ow * SW != w + PW - j * DW or ow < 0 or ow >= OW:
                continue
            total += cols[(n * OH + oh) * OW + ow, (i * KW + j) * C + c]
    x[n, h, w, c] = total
