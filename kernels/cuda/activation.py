"""The rectifier, its gradient, and the gradient of the bias that a layer adds before it.

The bias gradient is a sum over all pixels, in two steps: every block of threads adds up some
pixels of some channels (activation.cu), and a second launch adds up what the blocks found. How the
pixels are cut depends on the shape alone, so that the sum repeats to the bit.
"""

from .device import launch, module_of
from .flat import dense, for_vectors, in_memory_order
from .layout import channels_last, empty

THREADS, SHORT = 256, 16  # as in activation.cu
ACROSS = 32  # threads side by side along the channels, at most
BLOCKS = 1024  # that a sum is cut into, at most


def relu(x):
    """y = max(x, 0), in the memory layout of x. NaN stays."""
    (x,), back = in_memory_order(x)
    return back(module_of(x).maximum(x, x.dtype.type(0)))


def relu_grad(gy, y, out=None):
    """gx = gy where y > 0, else 0: at the kink itself the gradient is 0.

    gx has the layout of y, or is ``out``, which may be gy itself.
    """
    (y, gy, target), back = in_memory_order(y, gy, gy if out is None else out)
    here = out is not None and target.flags.c_contiguous
    gx = target if here else module_of(y).empty(y.shape, y.dtype)
    for_vectors(gx.size, "activation.cu", "relu_grad", dense(gy), dense(y), gx, real=y.dtype)
    if out is None:
        return back(gx)
    if not here:
        target[...] = gx
    return out


def bias_grad(gy):
    """gb[c] = sum over n, h, w of gy[n,c,h,w]. gy (N, C, H, W), gb (C,)."""
    N, C, H, W = gy.shape
    gy, pitch = _pixels(gy)
    return _sum_pixels("bias_grad", [gy], [pitch], C, N * H * W)


def relu_bias_grad(gy, y, out=None):
    """gx = relu_grad(gy, y) and gb = bias_grad(gx), in one pass over memory.

    gy and y (N, C, H, W), perhaps some channels of larger maps. gx has its channels last, or is
    ``out``, which may be gy itself.
    """
    N, C, H, W = gy.shape
    here = out is not None and _pitch(out) is not None
    gx = out if here else empty(gy.shape, gy)
    arrays, pitches = zip(_pixels(gy), _pixels(y), _pixels(gx), strict=True)
    gb = _sum_pixels("relu_bias_grad", arrays, pitches, C, N * H * W)
    if out is None or here:
        return gx, gb
    out[...] = gx
    return out, gb


def _sum_pixels(name: str, arrays, pitches, C: int, P: int):
    """gb, by a kernel of activation.cu on arrays of P pixels."""
    dtype = arrays[0].dtype
    vectors = -(-C * dtype.itemsize // 16)
    across = min(vectors, ACROSS)
    lanes, tiles = THREADS // across, -(-vectors // across)
    least = SHORT * lanes  # pixels of a block
    pixels = least * max(1, -(-P // (least * max(1, BLOCKS // tiles))))
    blocks = max(1, -(-P // pixels))
    sums = module_of(arrays[0]).empty((blocks, C), dtype)
    launch("activation.cu", name, (blocks, tiles), (across, lanes), *arrays, sums, *pitches, C,
           pixels, P, real=dtype)  # fmt: skip
    if blocks == 1:
        return sums.reshape(C)
    total = module_of(sums).empty(C, dtype)
    launch("activation.cu", "bias_grad", (1, tiles), (across, lanes), sums, total, C, C,
           blocks, blocks, real=dtype)  # fmt: skip
    return total


def _pixels(x):
    """x, or a copy with channels last, and its pitch."""
    pitch = _pitch(x)
    return (x, pitch) if pitch is not None else (channels_last(x), x.shape[1])


def _pitch(x) -> int | None:
    """Numbers from a pixel of x (N, C, H, W) to the next, C or more where x is some channels of
    larger maps; None where its pixels do not lie one after the other, with channels last."""
    _, C, H, W = x.shape
    item, pitch = x.itemsize, None
    for axis, pixels in ((3, 1), (2, W), (0, H * W)):
        if x.shape[axis] > 1:
            if pitch is None:
                pitch = x.strides[axis] // (pixels * item)
            if x.strides[axis] != pitch * pixels * item:
                return None
    pitch = C if pitch is None else pitch
    return pitch if pitch >= C and (C == 1 or x.strides[1] == item) else None
