"""Small expressions as computations. The text is parsed, and what the tree may hold is counted
out here: nothing of it is ever run as Python."""

import ast
import math
import operator
import warnings
from collections.abc import Mapping

import numpy as np

from ... import functions as F
from ...autograd import Tensor
from ...backends import use_backend
from ..graph import Edge, Node
from .values import Watch, graph_of

FUNCTIONS = {
    "exp": F.exp, "log": F.log, "max": F.max, "mean": F.mean, "relu": F.relu,
    "sigmoid": F.sigmoid, "sum": F.sum, "tanh": F.tanh,
}  # fmt: skip
OPERATORS = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul,
    ast.Div: operator.truediv, ast.MatMult: operator.matmul,
}  # fmt: skip
LONGEST = 1000  # letters
QUOTED = 60  # letters of it in an error
LARGEST = 250  # nodes of the syntax tree; a page holds less
ALLOWED = f"numbers, names, + - * / ** @ and {', '.join(FUNCTIONS)}"


def graph_of_expression(
    text: str, values: Mapping[str, float | list] | None = None
) -> tuple[list[Node], list[Edge]]:
    """The graph of an expression such as "b = a + a; c = b * b" at values such as {"a": 3}.

    text: assignments, separated by semicolons; the last one, or an expression at the end, is the
    result, one number. Numbers, names, + - * / ** @, and exp, log, max, mean, relu, sigmoid, sum,
    tanh are allowed. values: for every name that is not assigned a number, or numbers in (nested)
    lists. Returns nodes and edges as ``graph_of`` does. Raises ValueError for anything else, and
    where a value is not finite.
    """
    given = values or {}
    with use_backend("reference"), Watch() as watch, np.errstate(all="ignore"):
        known = {name: _leaf(name, value) for name, value in given.items()}
        result = _run(_parsed(text), known)
    if result.size != 1:
        raise ValueError(f"the result has shape {result.shape}: take its sum()")
    if result.edge() is None:
        raise ValueError(f"the result of {_short(text)!r} depends on no name with a value")
    for function, (_, output) in watch.calls.items():
        if not np.isfinite(output.data).all():
            made = type(function).__name__
            raise ValueError(f"{made} gives {output.data}, which is no finite number")
    nodes, edges = graph_of(result, known, watch)
    reached = {name for node in nodes for name in node.label.split(" = ")[0].split(", ")}
    for name in sorted(known):
        if name not in reached:
            done = "given, but not used" if name in given else "computed, but not used"
            raise ValueError(f"{name} is {done}: the result does not depend on it")
    return nodes, edges


def _parsed(text: str) -> list[ast.stmt]:
    if len(text) > LONGEST:
        raise ValueError(f"an expression of {len(text)} letters; a figure takes {LONGEST}")
    try:
        with warnings.catch_warnings(action="ignore"):  # of odd literals, which are refused below
            tree = ast.parse(text.strip(), mode="exec")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = getattr(error, "msg", None) or str(error) or type(error).__name__
        raise ValueError(f"{_short(text)!r} cannot be read: {reason}") from None
    count = sum(1 for _ in ast.walk(tree))
    if count > LARGEST:
        raise ValueError(f"an expression of {count} parts; a figure takes {LARGEST}")
    if not tree.body:
        raise ValueError('no expression: write one such as "b = a + a; c = b * b"')
    return tree.body


def _run(statements: list[ast.stmt], known: dict[str, Tensor]) -> Tensor:
    """The last statement's value; ``known`` gets every name that is assigned."""
    for number, statement in enumerate(statements, start=1):
        last = number == len(statements)
        if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            (target,) = statement.targets
            if not isinstance(target, ast.Name):
                raise _refused(target)
            if target.id in known or target.id in FUNCTIONS:
                raise ValueError(f"{target.id!r} has a meaning already: take another name")
            result = known[target.id] = _tensor(_value(statement.value, known))
        elif isinstance(statement, ast.Expr) and last:
            result = _tensor(_value(statement.value, known))
        else:
            raise _refused(statement)
    return result


def _value(node: ast.expr, known: dict[str, Tensor]) -> Tensor | float:
    """The value of a tree; of numbers alone a float, which cannot grow without bounds."""
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return _finite(value)
        case ast.Name(id=name) if name in known:
            return known[name]
        case ast.Name(id=name):
            hint = "is a function" if name in FUNCTIONS else f"has no value: add {name}=NUMBER"
            raise ValueError(f"{name!r} {hint}")
        case ast.UnaryOp(op=ast.USub(), operand=x):
            return -_value(x, known)
        case ast.UnaryOp(op=ast.UAdd(), operand=x):
            return _value(x, known)
        case ast.BinOp(left=a, op=ast.Pow(), right=b):
            return _power(_value(a, known), _value(b, known))
        case ast.BinOp(left=a, op=op, right=b) if type(op) in OPERATORS:
            return _both(OPERATORS[type(op)], _value(a, known), _value(b, known))
        case ast.Call(func=ast.Name(id=name), args=[x], keywords=[]) if name in FUNCTIONS:
            return FUNCTIONS[name](_tensor(_value(x, known)))
    raise _refused(node)


def _both(apply, a, b):
    if apply is operator.matmul:
        return _tensor(a) @ _tensor(b)
    if isinstance(a, Tensor) or isinstance(b, Tensor):
        return apply(a, b)
    try:
        return _finite(apply(a, b))
    except ZeroDivisionError:
        raise ValueError(f"{a:g} is divided by 0") from None


def _power(x, exponent):
    if isinstance(exponent, Tensor):
        raise ValueError("an exponent is a number here: write exp(b * log(a)) for a ** b")
    if isinstance(x, Tensor):
        return x**exponent
    try:
        return _finite(math.pow(x, exponent))
    except (OverflowError, ValueError):
        raise ValueError(f"{x:g} ** {exponent:g} is no finite number") from None


def _finite(value) -> float:
    try:
        value = float(value)
    except OverflowError:
        value = math.inf
    if not math.isfinite(value):
        raise ValueError("a number of the expression is not finite")
    return value


def _leaf(name: str, value) -> Tensor:
    if not name.isidentifier() or name in FUNCTIONS:
        raise ValueError(f"{name!r} cannot be the name of a value")
    try:
        array = np.asarray(value, np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{name}: {value!r} is neither a number nor rows of numbers") from None
    if not (array.size and np.isfinite(array).all()):
        raise ValueError(f"{name}: a value is a finite number or several; got {value!r}")
    return Tensor(array, requires_grad=True)


def _tensor(value) -> Tensor:
    return value if isinstance(value, Tensor) else Tensor(np.float64(value))


def _refused(node: ast.AST) -> ValueError:
    return ValueError(f"{_short(ast.unparse(node))!r} cannot be drawn: allowed are {ALLOWED}")


def _short(text: str) -> str:
    return text if len(text) <= QUOTED else text[:QUOTED] + "..."
