"""Convolution as a matrix product: windows laid out as columns, and the way back.

One padded image (C, H, W) becomes a matrix whose column (oh, ow) holds the C*KH*KW pixels that
the window at output position (oh, ow) sees. ``col2im`` is its adjoint: <im2col(x), c> equals
<x, col2im(c)>.
"""

import numpy as np

Pair = tuple[int, int]


def im2col(x: np.ndarray, kernel_size: Pair, stride: Pair, dilation: Pair, rows: range, ow: int):
    """Columns of a padded image for the output rows ``rows``.

        cols[c, i, j, r, q] = x[c, (rows[r])*SH + i*DH, q*SW + j*DW]

    x (C, H, W), already padded; returns (C*KH*KW, len(rows)*OW).
    """
    C = x.shape[0]
    (KH, KW), (SH, SW), (DH, DW) = kernel_size, stride, dilation
    cols = np.empty((C, KH, KW, len(rows), ow), x.dtype)
    for i in range(KH):
        top = rows.start * SH + i * DH
        for j in range(KW):
            cols[:, i, j] = x[
                :,
                top : top + (len(rows) - 1) * SH + 1 : SH,
                j * DW : j * DW + (ow - 1) * SW + 1 : SW,
            ]
    return cols.reshape(C * KH * KW, len(rows) * ow)


def col2im(
    cols: np.ndarray,
    x: np.ndarray,
    kernel_size: Pair,
    stride: Pair,
    dilation: Pair,
    rows: range,
    ow: int,
) -> None:
    """Add columns back onto the padded image ``x`` (C, H, W), where their pixels came from.

    x[c, (rows[r])*SH + i*DH, q*SW + j*DW] += cols[c, i, j, r, q]
    """
    C = x.shape[0]
    (KH, KW), (SH, SW), (DH, DW) = kernel_size, stride, dilation
    cols = cols.reshape(C, KH, KW, len(rows), ow)
    for i in range(KH):
        top = rows.start * SH + i * DH
        for j in range(KW):
            x[
                :,
                top : top + (len(rows) - 1) * SH + 1 : SH,
                j * DW : j * DW + (ow - 1) * SW + 1 : SW,
            ] += cols[:, i, j]


def strips(column_bytes: int, oh: int, ow: int, workspace: int):
    """Cut the output rows into ranges whose columns fit the workspace (bytes); at least one row.

    column_bytes is the size of one column, C*KH*KW elements.
    """
    step = max(1, workspace // max(1, column_bytes * ow))
    for start in range(0, oh, step):
        yield range(start, min(start + step, oh))
