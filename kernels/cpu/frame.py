"""The zero border of a map: copies of its rows with zeros around them."""

from .compile import kernel
from .layout import aligned, pointer
from .tasks import tasks
from .threads import parallel_for
from .vectors import clear, itemsize, move

Pair = tuple[int, int]


def reach(size: Pair, output_size: Pair, window: Pair, origin: Pair, step: Pair, dilation: Pair):
    """The first input row and column that a window sees, one past the last, and whether any of
    them is outside."""
    axes = list(zip(size, output_size, window, origin, step, dilation, strict=True))
    first = tuple(h0 for _, _, _, h0, _, _ in axes)
    last = tuple((o - 1) * s + h0 + (k - 1) * d + 1 for _, o, k, h0, s, d in axes)
    outside = any(a < 0 or b > n for a, b, n in zip(first, last, size, strict=True))
    return first, last, outside


def columns_seen(W: int, OW: int, KW: int, w0: int, SW: int, DW: int) -> Pair:
    """The first output column whose window sees one of W input columns, and the first after it
    that sees none."""
    first = min(OW, max(0, -((w0 + (KW - 1) * DW) // SW)))
    return first, max(first, min(OW, -(-(W - w0) // SW)))


@kernel()
def rows_seen(h, DH, KH, H):
    """Of a window that starts at row h, the first of its rows inside H, and one past the last."""
    return max(0, -(h // DH)), min(KH, -(-(H - h) // DH))


def framed(form, x, first: Pair, last: Pair):
    """A copy of x from row and column ``first`` to before ``last``, with zeros outside x."""
    N, C, H, W = x.shape
    OH, OW = (b - a for a, b in zip(first, last, strict=True))
    y = aligned((N, OH, OW, C), x.dtype)
    place = (pointer(x), x.strides[0], x.strides[2], x.strides[3])
    parallel_for(
        _frame_rows, N * OH, form, place, (H, W, C), first, (OH, OW), pointer(y), work=OW * C
    )
    return y.transpose(0, 3, 1, 2)


@kernel()
def copy_frame(x, shape, first, size, target):
    """Rows and columns of an image, zeros outside it, densely to ``target``.

    x: address, distance of rows and pixels; shape: (H, W, bytes a pixel).
    """
    (address, x_h, x_w), (H, W, pixel) = x, shape
    rows, columns = size
    low, high = min(max(0, -first[1]), columns), max(0, min(columns, W - first[1]))
    high = max(low, high)
    for r in range(rows):
        h = first[0] + r
        row = target + r * columns * pixel
        if h < 0 or h >= H or low == high:
            clear(row, columns * pixel)
            continue
        clear(row, low * pixel)
        source = address + h * x_h + (first[1] + low) * x_w
        if x_w == pixel:
            move(row + low * pixel, source, (high - low) * pixel)
        else:
            for q in range(high - low):
                move(row + (low + q) * pixel, source + q * x_w, pixel)
        clear(row + high * pixel, (columns - high) * pixel)


@kernel()
def _frame_rows(work, form, x, shape, first, size, target):
    """``copy_frame`` of all images: rows from start to stop."""
    (address, x_n, x_h, x_w), (H, W, C), (OH, OW) = x, shape, size
    pixel = C * itemsize(form)
    for row in tasks(work):
        n, r = row // OH, row % OH
        copy_frame(
            (address + n * x_n, x_h, x_w), (H, W, pixel),
            (first[0] + r, first[1]), (1, OW), target + row * OW * pixel,
        )  # fmt: skip
