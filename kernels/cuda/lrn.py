"""Local response normalisation across channels (see reference/lrn.py and lrn.cu).

    scale[n,c] = k + alpha/size * sum over c' in window(c) of x[n,c']^2
    y[n,c] = x[n,c] * scale[n,c]^-beta

A block of threads has all channels of some pixels; where they are too many, some of one pixel's.
"""

from .device import launch
from .layout import channels_last, empty

THREADS = 256
ROOM = 48 * 1024  # bytes of shared memory that several pixels share


def local_response_norm(x, size: int, alpha: float, beta: float, k: float):
    """x (N, C, H, W); returns y and scale of the same shape."""
    x = channels_last(x)
    y, scale = empty(x.shape, x), empty(x.shape, x)
    _for_pixels("normalise", (x, y, scale), (alpha / size, beta, k), size // 2, (size - 1) // 2)
    return y, scale


def local_response_norm_grad(gy, x, y, scale, size: int, alpha: float, beta: float):
    """gx[c] = gy[c] * scale[c]^-beta - 2 alpha beta/size * x[c] * sum of gy[c'] y[c'] / scale[c'].

    The sum is over the c' whose window holds c: the window of c, mirrored.
    """
    arrays = [channels_last(a) for a in (gy, x, y, scale)]
    gx = empty(x.shape, x)
    numbers = 2 * alpha * beta / size, beta
    _for_pixels("normalise_grad", (*arrays, gx), numbers, (size - 1) // 2, size // 2)
    return gx


def _for_pixels(name: str, arrays, numbers, before: int, after: int) -> None:
    """Launch a kernel of lrn.cu on all channels of all pixels, as many side by side as fit."""
    dtype, (N, C, H, W) = arrays[0].dtype, arrays[0].shape
    pixels, numbers = N * H * W, [dtype.type(x) for x in numbers]
    before, after = min(before, C - 1), min(after, C - 1)  # no window holds more
    tiles = -(-C // THREADS)
    across = -(-C // tiles)
    line = (across + before + after) * dtype.itemsize
    lanes = max(1, min(THREADS // across, ROOM // line))
    launch("lrn.cu", name, (-(-pixels // lanes), tiles), (across, lanes), *arrays, *numbers, C,
           before, after, pixels, shared=lanes * line, real=dtype)  # fmt: skip
