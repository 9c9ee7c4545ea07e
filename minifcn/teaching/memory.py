"""Exercises of tutorial 17: bytes of maps, what is saved, accumulated gradients, recomputing."""

import numpy as np

from .. import functions as F
from .. import geometry, nn
from ..autograd import Tensor
from ..backends import use_backend
from ..functions import activation
from ..geometry.trace import Trace
from .exercise import Case, Exercise, Law, library_backward


def _bytes_of_maps(layers, size, channels=3):
    net = nn.Net((channels, None, None))
    with nn.init.without_values():
        for number, (K, k, s, p) in enumerate(layers):
            net.add(f"conv{number}", nn.Conv2d(channels, K, k, s, p))
            channels = K
    return sum(row.memory for row in geometry.trace(net, size).rows)  # float32


def _draw_layers(rng) -> tuple[list, list]:
    layers = [
        (int(K), int(k), int(s), int(k) // 2)
        for K, k, s in zip(
            rng.integers(1, 9, 4), rng.choice([1, 3, 5], 4), rng.integers(1, 3, 4), strict=True
        )
    ]
    return layers, [int(rng.integers(20, 40)), int(rng.integers(41, 60))]


def _all_one_size(layers, size):
    return 4 * sum(K for K, *_ in layers) * size[0] * size[1]


check_bytes_of_maps = Exercise(
    _bytes_of_maps,
    hand=[
        Case(([(8, 3, 1, 1)], [4, 5]), 640),
        Case(([(8, 3, 1, 1), (2, 3, 2, 0)], [5, 7]), 8 * 35 * 4 + 2 * 6 * 4),
        Case(([(1, 5, 1, 0), (3, 2, 2, 1)], [6, 9]), 2 * 5 * 4 + 3 * 2 * 3 * 4),
    ],
    draw=_draw_layers,
    mistakes={
        "numbers, not bytes": lambda layers, size: _bytes_of_maps(layers, size) // 4,
        "every map as large as the image": _all_one_size,
    },
    shown=Trace._add_row,
    hint="a map has K * OH * OW numbers of 4 bytes, with OH = (H + 2p - k) // s + 1",
)


_OPERATIONS = {  # made from a and b, which both want a gradient
    "a + b": F.add,
    "a * b": F.mul,
    "-a": lambda a, b: F.neg(a),
    "exp(a)": lambda a, b: F.exp(a),
    "sum(a)": lambda a, b: F.sum(a),
    "relu(a)": lambda a, b: F.relu(a),
    "sigmoid(a)": lambda a, b: F.sigmoid(a),
    "tanh(a)": lambda a, b: F.tanh(a),
    "dropout(a)": lambda a, b: F.dropout(a, 0.5),
    "conv2d(a, b)": F.conv2d,
    "conv_transpose2d(a, b)": F.conv_transpose2d,
    "max_pool2d(a)": lambda a, b: F.max_pool2d(a, 2),
    "avg_pool2d(a)": lambda a, b: F.avg_pool2d(a, 2),
}


def _what_is_saved(operation):
    with use_backend("reference"):
        a, b = (Tensor(np.full((1, 1, 2, 2), 0.5), requires_grad=True) for _ in "ab")
        y = _OPERATIONS[operation](a, b)
    names = {id(a.data): "a", id(b.data): "b", id(y.data): "y"}
    return {names.get(id(array), "other") for array in y.function.saved if array is not None}


def _every_operation(attempt, rng) -> str | None:
    for operation in _OPERATIONS:
        found, expected = attempt(operation), _what_is_saved(operation)
        if not isinstance(found, (set, frozenset)):
            return f"{operation}: {found!r} is no set"
        if found != expected:
            more, less = sorted(found - expected), sorted(expected - found)
            which = f"{more} need not be saved" if more else f"without {less} it cannot be done"
            return f"{operation}: {which}"
    return None


def _inputs_of(operation):
    return {name for name in "ab" if name in operation.split("(")[-1]}


check_what_to_save = Exercise(
    _what_is_saved,
    hand=[
        Case(("a + b",), set()),
        Case(("a * b",), {"a", "b"}),
        Case(("tanh(a)",), {"y"}),
        Case(("max_pool2d(a)",), {"other"}),
    ],
    laws=[Law(f"all {len(_OPERATIONS)} operations", _every_operation)],
    mistakes={
        "all inputs, always": _inputs_of,
        "relu needs a sign of its own": lambda o: {"other"} if "relu" in o else _what_is_saved(o),
        "a mean needs what it was the mean of": lambda o: (
            {"a"} if "avg" in o else _what_is_saved(o)
        ),
    },
    shown=activation,
    hint="write down the gradient of a, and of b: which arrays occur in it, besides gy?",
)


def accumulated(gradients, counts):
    """The gradient of a mean over all valid pixels, from those of the parts' means.

    A mean times its count is a sum, and sums may be added: sum_i n_i g_i / max(1, sum_i n_i).
    """
    total = sum(count * gradient for gradient, count in zip(gradients, counts, strict=True))
    return total / max(1, sum(counts))


def _parts_make_the_whole(attempt, rng) -> str | None:
    """Against the loss of the library: a batch of three at once, and its images one by one."""
    scores, labels = rng.standard_normal((3, 4, 2, 5)), rng.integers(0, 4, (3, 2, 5))
    labels[0, :, 1:], labels[1] = 255, 255  # two pixels of the first image count, none of the next
    backward = library_backward(lambda s, t: F.cross_entropy(s, t))
    whole = backward(1.0, scores, labels)
    gradients, counts = [], []
    for n in range(3):
        alone = np.zeros_like(scores)
        alone[n] = backward(1.0, scores[n : n + 1], labels[n : n + 1])[0]
        gradients.append(alone)
        counts.append(int((labels[n] != 255).sum()))
    error = np.abs(attempt(gradients, counts) - whole).max()
    return f"it differs from the whole batch's by {error:.2g}" if not error < 1e-12 else None


def _sum_of_means(gradients, counts):
    return sum(gradients)


check_accumulated = Exercise(
    accumulated,
    hand=[
        Case(([np.array([1.0, 2.0]), np.array([4.0, 8.0])], [3, 1]), np.array([1.75, 3.5])),
        Case(([np.array([6.0]), np.array([0.0])], [5, 0]), np.array([6.0])),
        Case(([np.array([0.0, 0.0])], [0]), np.array([0.0, 0.0])),
    ],
    draw=lambda rng: (list(rng.standard_normal((4, 3))), rng.integers(0, 9, 4).tolist()),
    laws=[Law("the gradient of the whole batch", _parts_make_the_whole)],
    mistakes={
        "the mean of the means": lambda gradients, counts: sum(gradients) / len(gradients),
        "the sum of the means": _sum_of_means,
        "divided by one too many": lambda gradients, counts: (
            accumulated(gradients, counts) * max(1, sum(counts)) / (sum(counts) + 1)
        ),
    },
    hint="a mean times its count is a sum; sums may be added, means may not",
)


def maps_kept(layers, every):
    """How many maps are kept at most while a chain of layers is computed again, in segments of
    ``every`` layers: in the s-th segment, s inputs and the outputs of its own layers."""
    starts = range(0, layers, every)
    lengths = [min(every, layers - start) for start in starts]
    return max(number + length for number, length in enumerate(lengths, start=1))


check_maps_kept = Exercise(
    maps_kept,
    hand=[
        Case((12, 3), 7),
        Case((12, 12), 13),
        Case((5, 1), 6),
        Case((12, 5), 7),
    ],
    draw=lambda rng: (int(rng.integers(2, 60)), int(rng.integers(1, 20))),
    mistakes={
        "only the last segment is looked at": lambda layers, every: (
            -(-layers // every) + (layers % every or min(every, layers))
        ),
        "the inputs forgotten": lambda layers, every: min(every, layers),
    },
    hint="while segment s is computed again, the inputs of segments 1 to s are there, "
    "and the outputs of its own layers",
)
