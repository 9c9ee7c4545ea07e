"""Windows laid out as columns, and the way back, for a strip of output pixels at a time.

A strip is (n0, n1, r0, r1): the output rows r0 ... r1-1 of the images n0 ... n1-1. Its columns
stand side by side, image after image:

    cols[(c*KH + i)*KW + j, n, r, q] = x[n0+n, c, (r0+r)*SH - PH + i*DH, q*SW - PW + j*DW]

with zeros outside the image. The image is not padded beforehand: which output columns a tap serves
is worked out once a row, and what lies between is a plain copy.
"""

from .compile import kernel

Pair = tuple[int, int]
Strip = tuple[int, int, int, int]


def strips(images: int, rows: int, columns: int, limit: int) -> list[Strip]:
    """Cut the output into strips of about ``limit`` pixels: rows of one image, at least one row,
    or several whole images where they are so small that products would be tiny."""
    size = rows * columns
    if 2 * size <= limit:
        step = limit // size
        return [(n, min(n + step, images), 0, rows) for n in range(0, images, step)]
    count = min(rows, -(-size // limit))
    edges = [rows * part // count for part in range(count + 1)]
    return [
        (n, n + 1, edges[part], edges[part + 1]) for n in range(images) for part in range(count)
    ]


@kernel()
def fill_columns(
    start,
    stop,
    first,
    x,
    cols,
    n0,
    r0,
    kernel_size: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
):
    """Fill cols[row - first] for the rows (c, i, j) from start to stop.

    x (N, C, H, W), cols (rows, images, R, OW). The padding may be negative: a crop.
    """
    (KH, KW), (SH, SW), (PH, PW), (DH, DW) = kernel_size, stride, padding, dilation
    _, _, H, W = x.shape
    _, images, R, OW = cols.shape
    for row in range(start, stop):
        c, tap = divmod(row, KH * KW)
        i, j = divmod(tap, KW)
        left = j * DW - PW  # the pixel that output column 0 sees
        low = min(OW, max(0, -(left // SW)))  # output columns low ... high-1 see a pixel
        high = max(low, min(OW, -((left - W) // SW)))
        for n in range(images):
            for r in range(R):
                line = cols[row - first, n, r]
                h = (r0 + r) * SH - PH + i * DH
                if h < 0 or h >= H:
                    line[:] = 0
                    continue
                line[:low] = 0
                line[high:] = 0
                target = line[low:high]
                source = x[n0 + n, c, h, max(0, left + low * SW) :]
                if SW == 1:
                    for q in range(high - low):
                        target[q] = source[q]
                else:
                    for q in range(high - low):
                        target[q] = source[q * SW]


@kernel()
def add_columns(start, stop, cols, gx, n0, c0, r0, stride: Pair, padding: Pair, dilation: Pair):
    """The adjoint, for some channels: add every column back to the pixels that it came from.

    gx[n0+n, c0+c, (r0+r)*SH - PH + i*DH, q*SW - PW + j*DW] += cols[c, i, j, n, r, q]

    for the channels c from start to stop. cols (channels, KH, KW, images, R, OW).
    """
    (SH, SW), (PH, PW), (DH, DW) = stride, padding, dilation
    _, _, H, W = gx.shape
    _, KH, KW, images, R, OW = cols.shape
    for c in range(start, stop):
        for i in range(KH):
            for j in range(KW):
                left = j * DW - PW
                low = min(OW, max(0, -(left // SW)))
                high = max(low, min(OW, -((left - W) // SW)))
                for n in range(images):
                    for r in range(R):
                        h = (r0 + r) * SH - PH + i * DH
                        if h < 0 or h >= H:
                            continue
                        source = cols[c, i, j, n, r, low:high]
                        target = gx[n0 + n, c0 + c, h, max(0, left + low * SW) :]
                        if SW == 1:
                            for q in range(high - low):
                                target[q] += source[q]
                        else:
                            for q in range(high - low):
                                target[q * SW] += source[q]
