"""The recorded graph as plain nodes and edges, for drawing and counting."""

from .tensor import Tensor


def walk(tensor: Tensor) -> tuple[list[tuple[int, str, str]], list[tuple[int, int]]]:
    """Every function and leaf that ``tensor`` was made from.

    Returns nodes (number, name, note), inputs before what uses them, and edges (from, to). Leaves
    are noted by their shape, functions by the shapes that they took in.
    """
    if tensor.edge() is None:
        return [], []
    number, nodes, edges, stack = {}, [], [], [(tensor.edge(), False)]
    while stack:
        node, visited = stack.pop()
        if node in number:
            continue
        inputs = [edge for edge in getattr(node, "edges", ()) if edge is not None]
        if not visited:
            stack.append((node, True))
            stack.extend((edge, False) for edge in reversed(inputs))
            continue
        number[node] = len(nodes)
        if isinstance(node, Tensor):
            name, note = getattr(node, "name", None) or "leaf", str(node.shape)
        else:
            name, note = type(node).__name__, " ".join(map(str, node.input_shapes))
        nodes.append((number[node], name, note))
        edges.extend((number[edge], number[node]) for edge in inputs)
    return nodes, edges
