"""Fixed bilinear upsampling, one axis after the other, channels last (see reference/upsample.py
and upsample.cu)."""

from .device import BLOCK, launch
from .layout import channels_last, empty

Pair = tuple[int, int]
MOST = 65535  # of a grid's second dimension
PLANES = 4  # that a thread of ``spread`` goes through, which finds its taps once


def upsample_bilinear(x, kernel_size: Pair, stride: Pair, padding: Pair, output_size: Pair):
    """y = U_v x U_h^T. x (N, C, H, W); returns y (N, C, *output_size).

    Rows first: they are few then, and the second launch writes whole lines of them.
    """
    for axis, window in enumerate(zip(kernel_size, stride, padding, strict=True)):
        x = _along(axis, "spread", x, output_size[axis], window, PLANES)
    return x


def upsample_bilinear_grad(gy, input_size: Pair, kernel_size: Pair, stride: Pair, padding: Pair):
    """gx = U_v^T gy U_h. gy (N, C, OH, OW); returns gx (N, C, *input_size).

    Rows first: gy is read as it lies, and a 1/stride of it is left for the second launch.
    """
    for axis, window in enumerate(zip(kernel_size, stride, padding, strict=True)):
        gy = gather(axis, gy, input_size[axis], window)
    return gy


def gather(axis: int, gy, size: int, window: tuple[int, int, int]):
    """The gradient of upsampling along one axis: U_v^T gy, or gy U_h.

    axis: 0 for rows, 1 for columns. size: rows or columns of the result. window: kernel size,
    stride and padding of this axis.
    """
    return _along(axis, "gather", gy, size, window, 1)


def _along(axis: int, name: str, x, size: int, window: tuple[int, int, int], planes: int):
    x, (N, C, H, W) = channels_last(x), x.shape
    y = empty((N, C, H, size) if axis else (N, C, size, W), x)
    outer, n, inner = (N * H, W, C) if axis else (N, H, W * C)
    grid = -(-size * inner // BLOCK), min(-(-outer // planes), MOST)
    launch("upsample.cu", name, grid, (BLOCK,), x, y, outer, n, size, inner, *window, real=x.dtype)
    return y
