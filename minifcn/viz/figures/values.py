"""The values and gradients inside a computation, as nodes and edges to draw.

Nodes that nobody named are v1, v2, ... in the order in which they were computed: the list of
Wengert (1964), which reverse-mode differentiation runs through backwards.
"""

from collections.abc import Iterator, Mapping

from ...autograd import Hook, Tensor
from ...backends import to_numpy
from ..graph import Edge, Node
from .pen import number

SIGNS = {"Add": "+", "Sub": "−", "Mul": "×", "Div": "/", "MatMul": "@"}
UNKNOWN = "·"  # an operand that no gradient goes to, where nobody watched
SHOWN = 6  # numbers of an array that are written out


class Watch(Hook):
    """Remembers the inputs and the output of every operation inside it, so that ``graph_of`` can
    tell their values:

        with mf.viz.Watch() as watch:
            c = (a + a) * b
        figure = mf.viz.figure_graph(c, names={"a": a, "b": b, "c": c}, watch=watch)
    """

    def __init__(self):
        self.calls = {}  # function -> its inputs, its output

    def forward_end(self, function, inputs, output) -> None:
        self.calls[function] = inputs, output


class _Gradients(Hook):
    """The gradient of every function's output, copied: the engine may overwrite it."""

    def __init__(self):
        self.found = {}

    def backward_begin(self, function, gradient) -> None:
        self.found[function] = to_numpy(gradient).copy()


def graph_of(
    tensor: Tensor,
    names: Mapping[str, Tensor] | None = None,
    watch: Watch | None = None,
) -> tuple[list[Node], list[Edge]]:
    """The computation of a one-element tensor, with each node's value and its gradient.

    names: what to call tensors, leaves or not. The gradients are those of ``tensor``, found by a
    backward pass that keeps the graph and leaves every ``grad`` as it was. Values are known of
    leaves, of the tensors in ``names``, and of everything that was computed inside ``watch``,
    which also knows the constants. Raises ValueError for a tensor of more than one element or one
    that nothing was recorded of, RuntimeError for a graph that was freed.
    """
    if not isinstance(tensor, Tensor) or tensor.edge() is None:
        raise ValueError("graph_of wants a tensor that depends on one with requires_grad=True")
    if tensor.size != 1:
        raise ValueError(
            f"graph_of: gradients are those of one number; got a tensor of shape {tensor.shape}: "
            "take its sum"
        )
    calls = watch.calls if watch else {}
    order = list(_in_order(tensor.edge(), calls))
    gradients = _gradients(tensor, [node for node in order if isinstance(node, Tensor)])
    values = {node: node.data for node in order if isinstance(node, Tensor)}
    values |= {node: calls[node][1].data for node in order if node in calls}
    for given in (*(names or {}).values(), tensor):
        values[_node(given)] = given.data
    called = _names(order, names or {})
    nodes, edges = [], []
    for node in order:
        inputs = _inputs(node, calls)
        label = called[node]
        if not isinstance(node, Tensor):
            operands = [called[x] if x is not None else UNKNOWN for x in inputs]
            label += f" = {_written(node, operands)}"
        parts = [f"value {shown(values[node])}"] if node in values else []
        if parts == [f"value {label}"]:  # a constant is called what it is
            parts = []
        parts += [f"gradient {shown(gradients[node])}"] if node in gradients else []
        kind = "output" if node is tensor.edge() else _kind(node)
        nodes.append(Node(len(nodes), label, ", ".join(parts), kind))
        edges += [Edge(order.index(x), len(nodes) - 1) for x in inputs if x is not None]
    return nodes, edges


def shown(array) -> str:
    """The numbers of a small array, the shape of a large one."""
    array = to_numpy(array)
    if array.size == 1:
        return number(array.item())
    if array.size > SHOWN:
        return "×".join(map(str, array.shape)) + " numbers"
    if array.ndim == 1:
        return "[" + " ".join(map(number, array)) + "]"
    return "[" + " ".join(map(shown, array)) + "]"


def _in_order(last, calls) -> Iterator:
    """Functions, leaves and constants, each behind all that it was made from."""
    done, stack = set(), [(last, False)]
    while stack:
        node, visited = stack.pop()
        if node in done:
            continue
        if visited:
            done.add(node)
            yield node
            continue
        stack.append((node, True))
        inputs = [x for x in _inputs(node, calls) if x is not None]
        stack.extend((x, False) for x in reversed(inputs))


def _inputs(node, calls) -> list:
    """For each input of a function the function that made it, or a leaf, or a constant; None for
    constants that nobody watched."""
    if isinstance(node, Tensor):
        return []
    if node.freed:
        raise RuntimeError(
            f"graph_of: {type(node).__name__} was freed by an earlier backward(); call that one "
            "with retain_graph=True, or draw first"
        )
    if node in calls:
        return [_node(x) for x in calls[node][0]]
    return list(node.edges)


def _node(tensor: Tensor):
    """The function that made a tensor, or the tensor itself (whose own truth is that of its
    numbers)."""
    edge = tensor.edge()
    return tensor if edge is None else edge


def _gradients(tensor: Tensor, leaves: list[Tensor]) -> dict:
    """Of every function's output and every leaf that requires one; the leaves' own are kept."""
    kept = [leaf.grad for leaf in leaves]
    for leaf in leaves:
        leaf.grad = None
    try:
        with _Gradients() as watched:
            tensor.backward(retain_graph=True)
        of_leaves = {leaf: to_numpy(leaf.grad) for leaf in leaves if leaf.grad is not None}
    finally:
        for leaf, grad in zip(leaves, kept, strict=True):
            leaf.grad = grad
    return watched.found | of_leaves


def _names(order, names: Mapping[str, Tensor]) -> dict:
    given: dict = {}
    for name, tensor in names.items():
        given.setdefault(_node(tensor), []).append(name)
    found, steps, leaves = {}, 0, 0
    for node in order:
        if node in given:
            found[node] = ", ".join(given[node])
        elif not isinstance(node, Tensor):
            steps += 1
            found[node] = f"v{steps}"
        elif getattr(node, "name", None):
            found[node] = node.name
        elif not node.requires_grad:
            found[node] = shown(node.data)
        else:
            leaves += 1
            found[node] = f"x{leaves}"
    return found


def _written(function, operands: list[str]) -> str:
    """An operation as it is written."""
    kind = type(function).__name__
    if kind in SIGNS and len(operands) == 2:
        return f"{operands[0]} {SIGNS[kind]} {operands[1]}"
    if kind == "Neg":
        return f"−{operands[0]}"
    if kind == "Pow":
        return f"{operands[0]} ** {number(function.exponent)}"
    return f"{kind.lower()}({', '.join(operands)})"


def _kind(node) -> str:
    if not isinstance(node, Tensor):
        return "function"
    if not node.requires_grad:
        return "constant"
    return "input" if type(node) is Tensor else "parameter"
