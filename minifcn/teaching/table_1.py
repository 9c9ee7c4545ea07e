"""Exercises of tutorial 20: parameters, receptive fields, crop offsets, depth."""

from .. import geometry, nn
from .exercise import Case, Exercise


def _parameters(C, K, kernel_size, groups, bias):
    with nn.init.without_values():
        return nn.Conv2d(C, K, kernel_size, groups=groups, bias=bias).num_parameters()


def _draw_layer(rng):
    groups = int(rng.integers(1, 4))
    C, K = (groups * int(n) for n in rng.integers(1, 9, 2))
    return C, K, [int(rng.integers(1, 4)), int(rng.integers(4, 8))], groups, bool(rng.integers(2))


check_parameters = Exercise(
    _parameters,
    hand=[
        Case((3, 64, [3, 3], 1, True), 1792),
        Case((4, 6, [2, 3], 2, True), 78),
        Case((4, 6, [2, 3], 2, False), 72),
    ],
    draw=_draw_layer,
    mistakes={
        "the groups forgotten": lambda C, K, k, groups, bias: _parameters(C, K, k, 1, bias),
        "one bias a layer": lambda C, K, k, groups, bias: (
            _parameters(C, K, k, groups, False) + bias
        ),
        "groups divide the filters too": lambda C, K, k, groups, bias: (
            K // groups * (C // groups) * k[0] * k[1] + K * bias
        ),
    },
    shown=nn.Conv2d,
    hint="each of K filters sees C / groups channels, and has one bias",
)


def _receptive_field(chain):
    axis = geometry.Axis()
    for kernel, stride in chain:
        axis = axis.window(kernel, stride, 0, 1)
    return axis.field


def _draw_chain(rng):
    return ([(int(rng.integers(1, 8)), int(rng.integers(1, 4))) for _ in range(5)],)


def _own_stride_first(chain):
    r, jump = 1, 1
    for kernel, stride in chain:
        jump *= stride
        r += (kernel - 1) * jump
    return r


check_receptive_field = Exercise(
    _receptive_field,
    hand=[
        Case(([(3, 1), (3, 1)],), 5),
        Case(([(3, 2), (3, 1)],), 7),
        Case(([(2, 2), (2, 2), (3, 1)],), 12),
        Case(([],), 1),
    ],
    draw=_draw_chain,
    mistakes={
        "a layer's own stride counted for its own window": _own_stride_first,
        "strides forgotten": lambda chain: 1 + sum(k - 1 for k, _ in chain),
    },
    shown=geometry.Axis.window,
    hint="a window of k pixels reaches k - 1 steps further, each as long as all strides before it",
)


def _crop_offset(chain, kernel):
    axis = geometry.Axis()
    for k, s, p in chain:
        axis = axis.window(k, s, p, 1)
    upsampled = axis.transposed(kernel, int(axis.stride), 0, 1)
    return float(-upsampled.start)


def _draw_windows(rng):
    chain = [tuple(map(int, (rng.integers(1, 7), rng.integers(1, 4), rng.integers(0, 20))))
             for _ in range(4)]  # fmt: skip
    return chain, int(rng.integers(3, 64))


def _paddings_by_layer(chain, kernel):
    return (kernel - 1) / 2 - sum((k - 1) / 2 - p for k, _, p in chain)


check_crop_offset = Exercise(
    _crop_offset,
    hand=[
        Case(([(3, 1, 1), (2, 2, 0)], 4), 1.0),
        Case(([(3, 2, 0)], 4), 0.5),
        Case(([(3, 2, 0)], 3), 0.0),
        Case(([(3, 1, 10), (2, 2, 0), (2, 2, 0)], 8), 11.0),
    ],
    draw=_draw_windows,
    mistakes={
        "steps of the map taken for pixels of the image": _paddings_by_layer,
        "half a kernel too much": lambda chain, kernel: _crop_offset(chain, kernel) + 0.5,
        "the other sign": lambda chain, kernel: -_crop_offset(chain, kernel),
    },
    shown=geometry.Axis,
    hint="where does pixel 0 of the coarse map lie in the image? The kernel is laid around it",
)


def _depth(reads, convolutions):
    net = nn.Net((1, None, None))
    with nn.init.without_values():
        for name, inputs in reads.items():
            layer = nn.Conv2d(1, 1, 1) if name in convolutions else nn.Sum()
            net.add(name, layer, *inputs)
    return geometry.trace(net, (5, 7))[net.tail].depth


def _draw_graph(rng):
    reads, convolutions = {"a": ("data",)}, ["a"]
    for before, name in zip("abcdefg", "bcdefgh", strict=True):
        is_convolution = bool(rng.integers(2))
        others = rng.choice([*reads], min(len(reads), int(rng.integers(1, 4))), replace=False)
        reads[name] = (before,) if is_convolution else tuple(str(n) for n in others)
        convolutions += [name] * is_convolution
    reads["end"] = ("f", "h")
    return reads, convolutions


def _depths(reads, convolutions, choose):
    found = {"data": 0}
    for name, inputs in reads.items():
        found[name] = choose([found[i] for i in inputs]) + (name in convolutions)
    return list(found.values())


_INCEPTION = {
    "1x1": ("data",),
    "reduce": ("data",),
    "3x3": ("reduce",),
    "pool": ("data",),
    "proj": ("pool",),
    "output": ("1x1", "3x3", "proj"),
}

check_depth = Exercise(
    _depth,
    hand=[
        Case(({"a": ("data",), "b": ("a",)}, ["a", "b"]), 2),
        Case((_INCEPTION, ["1x1", "reduce", "3x3", "proj"]), 2),
        Case(({**_INCEPTION, "score": ("output",)}, ["1x1", "reduce", "3x3", "score"]), 3),
        Case(({"a": ("data",), "b": ("a",), "c": ("data",)}, ["a", "b", "c"]), 1),
    ],
    draw=_draw_graph,
    mistakes={
        "all convolutions are counted": lambda reads, convolutions: len(convolutions),
        "the shortest way": lambda reads, convolutions: _depths(reads, convolutions, min)[-1],
        "the first input only": lambda reads, convolutions: _depths(
            reads, convolutions, lambda counts: counts[0]
        )[-1],
        "the deepest of all layers": lambda *graph: max(_depths(*graph, max)),
    },
    shown=geometry.Trace.forward_end,
    hint="a layer is one deeper than the deepest of what it reads, if it is a convolution",
)
