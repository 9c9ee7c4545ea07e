"""Exercises of tutorial 07: weights as filters, the size of the map, a cell's window."""

import numpy as np

from .. import models, nn
from ..geometry import Axis
from ..kernels.reference import conv2d
from ..kernels.shapes import conv_size
from ..models.convolutionalize import _as_convolution
from .exercise import Case, Exercise, Law


def _as_filters(weight, C: int, H: int, W: int) -> np.ndarray:
    """The library's surgery, on a classifier of this one layer."""
    layer = nn.Linear(weight.shape[1], len(weight)).to(np.float64)
    layer.weight.assign(weight)
    classifier = nn.Sequential({"flatten": nn.Flatten(), "fc": layer})
    net = models.convolutionalize(classifier, (C, H, W))
    return net["fc"].weight.numpy()


def _draw_layer(rng) -> tuple:
    C, H, W = (int(n) for n in rng.integers(2, 5, 3))
    return rng.standard_normal((3, C * H * W)), C, H, W


def _same_scores(attempt, rng):
    """On one map the convolution must give what the fully connected layer gives."""
    weight, size = rng.standard_normal((3, 24)), (2, 3, 4)
    x = rng.standard_normal(size)
    filters = np.asarray(attempt(weight, *size))
    found = conv2d(x[None], filters, None, (1, 1), (0, 0), (1, 1), 1)[0, :, 0, 0]
    wanted = weight @ x.reshape(-1)
    wrong = np.abs(found - wanted).max()
    return f"scores differ by up to {wrong:.3g}" if not wrong < 1e-12 else None


check_as_filters = Exercise(
    _as_filters,
    hand=[
        Case((np.arange(4.0).reshape(1, 4), 1, 2, 2), [[[[0, 1], [2, 3]]]]),
        Case((np.arange(6.0).reshape(1, 6), 2, 1, 3), [[[[0, 1, 2]], [[3, 4, 5]]]]),
    ],
    draw=_draw_layer,
    laws=[Law("the convolution gives the same scores", _same_scores)],
    mistakes={
        "channels last": lambda weight, C, H, W: weight.reshape(
            -1, H, W, C).transpose(0, 3, 1, 2),
        "height and width swapped": lambda weight, C, H, W: weight.reshape(
            -1, C, W, H).transpose(0, 1, 3, 2),
    },
    shown=_as_convolution,
    hint="flattening counts columns first, then rows, then channels; so does reshape",
)  # fmt: skip


def _draw_map(rng) -> tuple[int, int, int]:
    window, stride = int(rng.integers(1, 40)), int(rng.integers(1, 9))
    return window + int(rng.integers(0, 80)), window, stride


check_map_size = Exercise(
    lambda n, window, stride: conv_size(n, window, stride, 0, 1),
    hand=[
        Case((28, 28, 4), 1),
        Case((31, 28, 4), 1),
        Case((84, 28, 4), 15),
        Case((10, 3, 1), 8),
    ],
    draw=_draw_map,
    mistakes={
        "image over stride": lambda n, window, stride: n // stride,
        "the first window forgotten": lambda n, window, stride: (n - window) // stride,
        "rounded up": lambda n, window, stride: -(-(n - window) // stride) + 1,
    },
    shown=conv_size,
    hint="how many steps can the window make before its end reaches the image's, and one more",
)


def _window_of(row: int, column: int, layers) -> tuple[int, int, int, int]:
    """The library's axes, the same vertically and horizontally here."""
    axis = Axis()
    for k, s in layers:
        axis = axis.window(k, s, 0, 1)
    return *axis.sees(row), *axis.sees(column)


LENET = [(5, 1), (2, 2), (5, 1), (2, 2), (4, 1)]


def _draw_layers(rng) -> tuple:
    layers = [(int(rng.integers(1, 6)), int(rng.integers(1, 4))) for _ in range(4)]
    return *(int(n) for n in rng.integers(0, 9, 2)), layers


def _last_row_exclusive(row, column, layers):
    top, bottom, left, right = _window_of(row, column, layers)
    return top, bottom + 1, left, right + 1


def _kernels_without_strides(row, column, layers):
    top, _, left, _ = _window_of(row, column, layers)
    reach = sum(k - 1 for k, _ in layers)
    return top, top + reach, left, left + reach


def _cell_without_stride(row, column, layers):
    _, reach, _, _ = _window_of(0, 0, layers)
    return row, row + reach, column, column + reach


check_window_of = Exercise(
    _window_of,
    hand=[
        Case((2, 5, [(3, 1)]), (2, 4, 5, 7)),
        Case((1, 0, [(2, 2), (2, 2)]), (4, 7, 0, 3)),
        Case((0, 1, LENET), (0, 27, 4, 31)),
    ],
    draw=_draw_layers,
    mistakes={
        "one past the last pixel": _last_row_exclusive,
        "kernels added without their strides": _kernels_without_strides,
        "the stride forgotten": _cell_without_stride,
    },
    shown=Axis.window,
    hint="the field grows by (k - 1) steps of the layers before; a cell is the product of all "
    "strides away from its neighbour",
)
