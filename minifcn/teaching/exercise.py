"""Exercises: a hole in a tutorial, and the check that says where an answer first goes wrong.

    check_relu = Exercise(relu, hand=[Case(([-1.0, 2.0],), [0.0, 2.0])], draw=...)
    check_relu(my_relu)     # Verdict: "not yet: ..." or "right: ..."
    check_relu.solution()   # the library's own function, folded

A check runs hand-sized cases first, then random ones against the answer, then laws such as the
adjoint identity. The answer is the library's own function, so there is nothing to keep in step.
"""

import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from ..autograd import Tensor
from ..backends import use_backend
from .compare import first_difference, frozen
from .source import folded_source

SAMPLES = 5  # random cases of a check


class Case(NamedTuple):
    """Arguments of a size to work out by hand, and what must come out."""

    args: tuple
    expected: object


class Law(NamedTuple):
    """A property: ``test(function, rng)`` returns None, or in a line what is wrong."""

    name: str
    test: Callable


@dataclass(frozen=True)
class Verdict:
    """What a check found; true where all of it was right."""

    ok: bool
    text: str

    def __bool__(self) -> bool:
        return self.ok

    def __repr__(self) -> str:
        return ("right: " if self.ok else "not yet: ") + self.text


@dataclass(frozen=True)
class Exercise:
    """A function to be written, called with an attempt at it.

    answer: the library's function. hand: cases with results worked out by hand. draw: rng ->
    arguments of a random case, whose result is the answer's. laws: properties that must hold
    besides. mistakes: what goes wrong -> a function that does just that, which the check must
    refuse. shown: what ``solution`` unfolds, where that is not the answer itself: a method, say.
    hint: one line for those who are stuck. tolerance: of floating-point numbers, relative to the
    largest.
    """

    answer: Callable
    hand: Sequence[Case]
    draw: Callable | None = None
    laws: Sequence[Law] = ()
    mistakes: Mapping[str, Callable] = field(default_factory=dict)
    shown: object = None
    hint: str = ""
    tolerance: float = 1e-9

    def __call__(self, attempt: Callable) -> Verdict:
        """Try hand-sized cases, random cases and laws, in this order, up to the first failure."""
        if not callable(attempt):
            return Verdict(False, f"a function is wanted; this is {type(attempt).__name__}")
        rng = np.random.default_rng(0)
        for case in self.hand:
            wrong = self._try(attempt, case.args, case.expected)
            if wrong:
                return Verdict(False, f"for {_call(attempt, case.args)}: {wrong}")
        count = SAMPLES if self.draw else 0
        for number in range(count):
            args = self.draw(rng)
            wrong = self._try(attempt, args, self.answer(*frozen(args)))
            if wrong:
                return Verdict(False, f"random case {number + 1}, {_sizes(args)}: {wrong}")
        for law in self.laws:
            wrong = _guarded(law.test, attempt, rng)
            if wrong:
                return Verdict(False, f"{law.name}: {wrong}")
        passed = [f"{len(self.hand)} by hand"]
        passed += [f"{count} random"] * bool(count) + [law.name for law in self.laws]
        return Verdict(True, ", ".join(passed))

    def solution(self):
        """The library's code for it, to be unfolded in a notebook."""
        return folded_source(self.shown or self.answer, "a solution")

    def _try(self, attempt, args, expected) -> str | None:
        given = frozen(args)  # arrays that cannot be written to: an attempt must not change them
        return _guarded(
            lambda: first_difference(attempt(*given), expected, self.tolerance, hint=self.hint)
        )


def library_backward(function: Callable, wanted: Sequence[int] = (0,)) -> Callable:
    """``backward(gy, *args)`` of a differentiable function: the gradients of the arguments
    ``wanted``, one alone or a tuple, by the library's own engine in float64."""

    def backward(gy, *args):
        with use_backend("reference"):
            inputs = [Tensor(np.array(a, np.float64), requires_grad=True) if i in wanted else a
                      for i, a in enumerate(args)]  # fmt: skip
            function(*inputs).backward(np.array(gy, np.float64))
        gradients = tuple(inputs[i].grad for i in wanted)
        return gradients if len(wanted) > 1 else gradients[0]

    return backward


def gradient_law(forward: Callable, draw: Callable, wanted: Sequence[int] = (0,)) -> Law:
    """A backward function must agree with finite differences of its forward function.

    The attempt is called ``backward(gy, *args)`` and returns the gradients of the arguments
    ``wanted``, one alone or a tuple. draw: rng -> args, floating-point arrays where they are
    wanted. Compared along a random direction, under a random upstream gradient.
    """

    def test(backward, rng):
        args = draw(rng)
        y = np.asarray(forward(*args))
        gy = rng.standard_normal(y.shape)
        gradients = backward(gy, *frozen(args))
        many = isinstance(gradients, tuple) or (isinstance(gradients, list) and len(wanted) > 1)
        gradients = gradients if many else (gradients,)
        if len(gradients) != len(wanted):
            return f"{len(gradients)} gradients for {len(wanted)} inputs"
        for i, gradient in zip(wanted, gradients, strict=True):
            x = np.asarray(args[i], np.float64)
            if np.shape(gradient) != x.shape:
                return f"a gradient {np.shape(gradient)} for an input {x.shape}"
            v, h = rng.standard_normal(x.shape), 1e-5
            ends = [forward(*args[:i], x + t * v, *args[i + 1 :]) for t in (h, -h)]
            numeric = np.vdot(gy, np.subtract(*ends)) / (2 * h)
            found = np.vdot(gradient, v)
            if not abs(found - numeric) <= 1e-6 * max(abs(numeric), np.linalg.norm(gy), 1e-3):
                return f"along a direction, input {i}: {found:.6g}; numerically {numeric:.6g}"
        return None

    return Law("the gradient agrees with finite differences", test)


def adjoint_law(other: Callable, draw: Callable) -> Law:
    """<attempt(x), u> = <x, other(u)> for a linear attempt and its transposed ``other``.

    draw: rng -> (x, u) or (x, u, *further arguments of both).
    """

    def test(attempt, rng):
        x, u, *rest = draw(rng)
        left = np.vdot(attempt(*frozen((x, *rest))), u)
        right = np.vdot(x, other(u, *rest))
        if not abs(left - right) <= 1e-9 * max(abs(left), abs(right), 1e-6):
            return f"<f(x), u> is {left:.6g}, but <x, f'(u)> is {right:.6g}"
        return None

    return Law("the adjoint identity holds", test)


def _guarded(test: Callable, *args) -> str | None:
    """What is wrong, an exception in an attempt included."""
    try:
        return test(*args)
    except NotImplementedError:
        return "nothing is written here"
    except Exception as error:
        line = traceback.extract_tb(error.__traceback__)[-1]
        text = str(error)
        if "read-only" in text:
            text = "it writes into its argument; make a new array, or a copy"
        return f"{type(error).__name__}: {text} (line {line.lineno} of {line.name})"


def _call(attempt, args) -> str:
    texts = [_text(a) for a in args]
    name = getattr(attempt, "__name__", "it")
    return f"{name}({', '.join(' '.join(text.split()) for text in texts)})"


def _text(value) -> str:
    if isinstance(value, np.ndarray) and _small(value):
        return np.array2string(value, separator=", ")
    return repr(value) if not isinstance(value, np.ndarray) else _sizes((value,))


def _small(value) -> bool:
    return value.ndim <= 2 and value.size <= 12


def _sizes(args) -> str:
    return ", ".join(
        "x".join(map(str, a.shape)) + " array" if isinstance(a, np.ndarray) else repr(a)
        for a in args
    )
