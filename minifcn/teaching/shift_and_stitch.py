"""Exercises of tutorial 10: rarefied filters, interlaced outputs, which pass scores a pixel."""

from fractions import Fraction

import numpy as np

from ..dense import enlarged, shift_and_stitch
from ..dense.stitch import Layout
from ..geometry import Axis
from ..kernels.reference.conv import conv2d
from .exercise import Case, Exercise, Law


def _rarefy_filter(w, rate):
    return enlarged(np.asarray(w)[None, None], rate)[0, 0]


def _is_dilation(rarefied, rng):
    """A convolution with f' and one with f and a dilation are the same."""
    rate = tuple(int(i) for i in rng.integers(1, 4, 2))
    w, x = rng.standard_normal((3, 2)), rng.standard_normal((1, 1, 9, 8))
    once = (1, 1), (0, 0)
    dilated = conv2d(x, w[None, None], None, *once, rate, 1)
    found = conv2d(x, np.asarray(rarefied(w, rate))[None, None], None, *once, (1, 1), 1)
    if found.shape != dilated.shape or not np.allclose(found, dilated, rtol=0, atol=1e-12):
        return f"rate {rate}: it is not what a dilation of {rate} computes"
    return None


def _spread_with_border(w, rate):
    found = np.zeros((w.shape[0] * rate[0], w.shape[1] * rate[1]))
    found[:: rate[0], :: rate[1]] = w
    return found


check_rarefied_filter = Exercise(
    _rarefy_filter,
    hand=[
        Case((np.array([[1.0, 2.0, 3.0]]), [1, 2]), [[1, 0, 2, 0, 3]]),
        Case((np.array([[1.0, 2.0], [3.0, 4.0]]), [3, 1]),
             [[1, 2], [0, 0], [0, 0], [3, 4]]),
    ],
    draw=lambda rng: (rng.standard_normal((2, 4)), tuple(int(i) for i in rng.integers(1, 4, 2))),
    laws=[Law("it is a dilation", _is_dilation)],
    mistakes={
        "zeros behind the last number too": _spread_with_border,
        "numbers repeated": lambda w, rate: np.kron(w, np.ones(rate))[
            : (w.shape[0] - 1) * rate[0] + 1, : (w.shape[1] - 1) * rate[1] + 1],
    },
    shown=enlarged,
    hint="K numbers with rate - 1 zeros between two of them are (K - 1) * rate + 1 numbers",
)  # fmt: skip


def _interlace(outputs):
    """outputs (f, f, H, W) to (f*H, f*W)."""
    f, g, H, W = outputs.shape
    return outputs.transpose(2, 0, 3, 1).reshape(H * f, W * g)


def _whole_again(interlace, rng):
    """What was taken apart is whole again."""
    f, H, W = int(rng.integers(2, 4)), int(rng.integers(1, 4)), int(rng.integers(1, 4))
    image = rng.standard_normal((f * H, f * W))
    apart = np.array([[image[i::f, j::f] for j in range(f)] for i in range(f)])
    found = np.asarray(interlace(apart))
    if found.shape != image.shape or (found != image).any():
        return f"an image of {f * H}x{f * W}, taken apart by {f}, does not come back"
    return None


check_interlace = Exercise(
    _interlace,
    hand=[
        Case((np.arange(4.0).reshape(2, 2, 1, 1),), [[0, 1], [2, 3]]),
        Case((np.arange(8.0).reshape(2, 2, 1, 2),), [[0, 2, 1, 3], [4, 6, 5, 7]]),
    ],
    draw=lambda rng: (rng.standard_normal((3, 3, 2, 4)),),
    laws=[Law("what was taken apart is whole again", _whole_again)],
    mistakes={
        "blocks side by side": lambda outputs: outputs.transpose(0, 2, 1, 3).reshape(
            outputs.shape[0] * outputs.shape[2], -1),
        "rows and columns of the shift swapped": lambda outputs: _interlace(
            outputs.transpose(1, 0, 2, 3)),
    },
    shown=shift_and_stitch,
    hint="outputs[i, j] belongs to the pixels i, i + f, ... by j, j + f, ...: [i::f, j::f]",
)  # fmt: skip


def _which_pass(p: int, f: int, a: int) -> tuple[int, int]:
    """By the library's layout of passes: the move, and the output's number."""
    layout = Layout(p + 1, Axis(Fraction(f), Fraction(a), ((a, a),)))
    for x in layout.moves:
        pixels = range(p + 1)[layout.pixels(x)]
        if p in pixels:
            return x, layout.outputs(x).start + pixels.index(p)
    raise AssertionError((p, f, a))


check_which_pass = Exercise(
    _which_pass,
    hand=[
        Case((0, 4, 0), (0, 0)),
        Case((5, 4, 0), (3, 2)),
        Case((6, 3, -1), (2, 3)),
    ],
    draw=lambda rng: (int(rng.integers(0, 50)), int(rng.integers(1, 9)), int(rng.integers(-5, 1))),
    mistakes={
        "moved the other way": lambda p, f, a: ((p - a) % f, (p - a) // f),
        "the padding forgotten": lambda p, f, a: _which_pass(p, f, 0),
    },
    shown=Layout,
    hint="moved by x the pixel lies at p + x, and that must be a + f * o for a whole o",
)
