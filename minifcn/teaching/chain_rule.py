"""Exercises of tutorial 01: slopes of operations, and how often a number is used."""

import numpy as np

from .. import functions as F
from ..autograd import arithmetic, engine
from ..functions.activation import Tanh
from .exercise import Case, Exercise, gradient_law, library_backward

check_product = Exercise(
    library_backward(F.mul, wanted=(0, 1)),
    hand=[Case((1.0, 2.0, 3.0), (3.0, 2.0)), Case((10.0, 2.0, 3.0), (30.0, 20.0))],
    draw=lambda rng: (rng.standard_normal(4), rng.standard_normal(4), rng.standard_normal(4)),
    laws=[
        gradient_law(np.multiply, lambda rng: tuple(rng.standard_normal((2, 3))), wanted=(0, 1))
    ],
    mistakes={
        "the slopes swapped": lambda gy, a, b: (gy * a, gy * b),
        "gy forgotten": lambda gy, a, b: (b, a),
    },
    shown=arithmetic.Mul,
    hint="if b stays and a grows by h, a * b grows by h * b",
)

check_tanh = Exercise(
    lambda gy, y: library_backward(F.tanh)(gy, np.arctanh(y)),
    hand=[Case((1.0, 0.0), 1.0), Case((2.0, 0.5), 1.5)],
    draw=lambda rng: (rng.standard_normal(4), np.tanh(rng.standard_normal(4))),
    mistakes={
        "the slope at y instead of x": lambda gy, y: gy * (1 - np.tanh(y) ** 2),
        "gy forgotten": lambda gy, y: 1 - y * y,
    },
    shown=Tanh,
    hint="tanh'(x) = 1 - tanh(x)^2, and y is tanh(x) already",
)


class _Node:
    """What the engine needs to know of a function: what it was made from."""

    def __init__(self, name: str):
        self.name = name


def _count_uses(end: str, inputs: dict) -> dict:
    """The library's count, over a graph given by the names of each node's inputs."""
    nodes = {name: _Node(name) for name in inputs}
    for name, made_from in inputs.items():
        nodes[name].edges = [nodes[i] for i in made_from]
    return {node.name: count for node, count in engine._count_uses(nodes[end]).items()}


def _draw_graph(rng) -> tuple[str, dict]:
    """Eight nodes, each but the first made from up to three earlier ones."""
    names = "abcdefgh"
    made_from = {
        name: tuple(names[i] for i in rng.integers(0, n, rng.integers(1, 4))) if n else ()
        for n, name in enumerate(names)
    }
    return names[-1], made_from


def _without_repeats(end: str, inputs: dict) -> dict:
    return {i: sum(i in made_from for made_from in inputs.values()) for i in inputs}


def _once_a_path(end: str, inputs: dict) -> dict:
    uses, stack = {}, [end]
    while stack:
        for i in inputs[stack.pop()]:
            uses[i] = uses.get(i, 0) + 1
            stack.append(i)
    return uses


check_count_uses = Exercise(
    _count_uses,
    hand=[
        Case(("c", {"a": (), "b": ("a", "a"), "c": ("b", "b")}), {"a": 2, "b": 2}),
        Case(
            ("d", {"a": (), "b": ("a",), "c": ("a", "b"), "d": ("c",)}), {"a": 2, "b": 1, "c": 1}
        ),
    ],
    draw=_draw_graph,
    mistakes={"a + a counts once": _without_repeats, "every path counts": _once_a_path},
    shown=engine._count_uses,
    hint="follow a node's inputs only when you meet the node for the first time",
)
