"""The backward pass: the graph from its end to its leaves, every function once.

A function may run when all that used its output have run: its gradient is then complete. So the
uses of every function are counted first, and a function is taken up when its count reaches zero.
Both passes are loops, not recursions: a graph may be as deep as memory allows.
"""

import sys
from collections import defaultdict

import numpy as np

from ..backends import array_module, device_of, kernels_for, moved, repeats
from . import hooks
from .arithmetic import MANY, sum_of


def backward(tensor, grad=None, retain_graph: bool = False) -> None:
    """See ``Tensor.backward``."""
    if not tensor.requires_grad:
        raise RuntimeError(
            "backward: this tensor does not depend on anything that requires a gradient"
            " (requires_grad=False everywhere, or computed under no_grad)"
        )
    root, gradients = tensor.edge(), {}
    gradients[root] = _starting_gradient(tensor, grad), False
    uses = _count_uses(root)
    ready = [root]
    while ready:
        node = ready.pop()
        gy, owned = gradients.pop(node, (None, False))
        if not hasattr(node, "edges"):  # a leaf tensor
            _add_to_leaf(node, gy, owned)
            continue
        edges, node.owns_gradient = node.edges, owned
        made = _run(node, gy)
        for i, edge in enumerate(edges):
            if edge is None:
                continue
            gx = made[i]
            fresh = _is_fresh(gx, _ALONE + (gx is gy)) and (owned or gx is not gy)
            _accumulate(gradients, edge, gx, fresh)
            uses[edge] -= 1
            if uses[edge] == 0:
                ready.append(edge)
        if not retain_graph:
            node.free()
        gy = gx = edges = made = None  # what was consumed dies before the next function runs


def _starting_gradient(tensor, grad):
    if grad is None:
        if tensor.size != 1:
            raise RuntimeError(
                f"backward: a tensor of shape {tensor.shape} needs a gradient of that shape; "
                "only one-element tensors may go without"
            )
        return array_module(tensor.data).ones_like(tensor.data)
    grad = moved(grad.data if hasattr(grad, "requires_grad") else grad, tensor.data)
    if grad.shape != tensor.shape:
        raise ValueError(f"backward: gradient {grad.shape} for a tensor {tensor.shape}")
    return grad.astype(tensor.dtype, copy=False)


def _count_uses(root) -> dict:
    """How many inputs of the functions below ``root`` each function or leaf is."""
    uses, stack = defaultdict(int), [root]
    while stack:
        node = stack.pop()
        if getattr(node, "freed", False):
            raise RuntimeError(
                f"backward: {type(node).__name__} was freed by an earlier backward(); "
                "call that one with retain_graph=True, or run the forward pass again"
            )
        for edge in getattr(node, "edges", ()):
            if edge is not None:
                uses[edge] += 1
                if uses[edge] == 1:
                    stack.append(edge)
    return uses


def _run(function, gy):
    """The gradients of a function's inputs."""
    if gy is None:  # nothing that used this output passed anything on
        return [None] * len(function.edges)
    watchers = hooks.active()
    for hook in watchers:
        hook.backward_begin(function, gy)
    if watchers and function.owns_gradient:  # unless a hook keeps it: this and backward's variable
        function.owns_gradient = sys.getrefcount(gy) <= _ALONE
    gradients = function.backward(gy)
    if not isinstance(gradients, tuple):
        gradients = (gradients,)
    # NumPy's arithmetic turns arrays without axes into scalars
    gradients = tuple(g if g is None else array_module(g).asarray(g) for g in gradients)
    if len(gradients) != len(function.input_shapes):
        raise RuntimeError(
            f"{type(function).__name__}.backward: {len(gradients)} gradients for "
            f"{len(function.input_shapes)} inputs"
        )
    for gx, shape in zip(gradients, function.input_shapes, strict=True):
        if gx is not None and gx.shape != shape:
            raise RuntimeError(
                f"{type(function).__name__}.backward: gradient {gx.shape} for an input {shape}"
            )
    for hook in watchers:
        hook.backward_end(function, gradients)
    return list(gradients)


def _is_fresh(gx, alone: int) -> bool:
    """Whether nobody else holds the memory of a gradient, so that it may be changed in place.

    ``alone``: how many references there are to an array that only the caller knows. The gradient
    may be a view, as channels-last maps are, of memory that it alone holds.
    """
    if gx is None or sys.getrefcount(gx) > alone + 1:
        return False
    if repeats(gx) if device_of(gx) else not gx.flags.writeable:
        return False
    base = gx.base
    while base is not None:
        known = isinstance(base, np.ndarray) or device_of(base)
        if not known or sys.getrefcount(base) > _VIEWED:
            return False
        base = base.base
    return True


def _references_to_one() -> int:
    """What getrefcount says of an array that a list and a variable hold."""
    made = [np.empty(0)]
    array = made[0]
    return sys.getrefcount(array)


def _references_to_a_base() -> int:
    """And of memory that a view and a variable hold."""
    view = np.empty(1)[:]
    base = view.base
    return sys.getrefcount(base)


_ALONE, _VIEWED = _references_to_one(), _references_to_a_base()


def _accumulate(gradients: dict, node, gx, fresh: bool) -> None:
    """The first gradient is kept, the second added into a new array, later ones in place."""
    if gx is None:
        return
    if node not in gradients:
        gradients[node] = gx, fresh
        return
    total, owned = gradients[node]
    if owned and gx.size > MANY:
        total = kernels_for(gx).add_(total, gx)
    elif owned:
        total += gx
    else:
        total = array_module(gx).asarray(sum_of(total, gx))
    gradients[node] = total, True


def _add_to_leaf(leaf, gx, owned: bool) -> None:
    if gx is None:
        return
    if leaf.grad is None:
        leaf.grad = gx if owned else gx.copy(order="K")
    else:
        leaf.grad += gx
