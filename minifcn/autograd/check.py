"""Are the gradients right? Checks against finite differences and against the adjoint identity.

``gradcheck`` compares, for a random direction v and a random upstream gradient u, two numbers that
must agree:

    <J^T u, v>                              from the backward pass
    (<u, f(x + hv)> - <u, f(x - hv)>) / 2h  from two forward passes

A random u sees gradients that are permuted or sent the wrong way, which u = 1 (the gradient of a
sum) cannot. ``adjoint_check`` needs no step h: for linear f, <u, f(x)> = <f^T u, x> exactly.
"""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..backends import device_of, to_numpy, use_backend
from . import mode
from .tensor import Tensor

STEP = 1e-5  # of the finite difference; error h^2 from the third derivative, 1e-16/h from rounding


@dataclass
class GradientReport:
    """What ``gradcheck`` found.

    error: the largest relative error over the directions, infinite where a gradient is NaN;
    worst_input: the input it belongs to, worst_position: the element's position or the direction's
    number. checked: comparisons made. kinks: (input, position or direction's number) of
    comparisons left out because the function is not differentiable within a step of the point.
    """

    error: float = 0.0
    worst_input: int | None = None
    worst_position: tuple[int, ...] | int | None = None
    checked: int = 0
    kinks: list = field(default_factory=list)
    tolerance: float = 1e-6

    @property
    def ok(self) -> bool:
        """Something was compared, and everything that was agrees."""
        return self.checked > 0 and self.error <= self.tolerance

    def __str__(self) -> str:
        verdict = "ok" if self.ok else "WRONG" if self.checked else "nothing compared"
        where = "" if self.worst_input is None else f", worst at input {self.worst_input}"
        if isinstance(self.worst_position, tuple):
            where += f", element {self.worst_position}"
        kinks = f", {len(self.kinks)} left out at kinks" if self.kinks else ""
        return (
            f"gradient {verdict}: relative error {self.error:.1e}{where} "
            f"(tolerance {self.tolerance:.0e}), {self.checked} compared{kinks}"
        )


class GradientError(AssertionError):
    """A gradient that does not agree with its function; ``report`` has the figures."""

    def __init__(self, report: GradientReport):
        super().__init__(str(report))
        self.report = report


def gradcheck(
    function: Callable[..., Tensor],
    inputs: Sequence,
    *,
    backend: str | None = None,
    elementwise: bool = False,
    directions: int = 3,
    tolerance: float = 1e-6,
    step: float = STEP,
    seed: int = 0,
    raise_on_error: bool = True,
) -> GradientReport:
    """Compare the backward pass of ``function(*inputs)`` with central differences, in float64.

    inputs: arrays or tensors; floating-point ones are checked, others passed on. Each is moved
    along ``directions`` random directions of unit length, or, with ``elementwise``, along every
    axis in turn (slow; it names the element). The relative error of a comparison is the difference
    over the larger of the two numbers and of 1e-3 |u| |v|. backend: on which the function is
    checked, if not where its inputs live.

    Raises GradientError where an error exceeds the tolerance, unless raise_on_error is False, and
    ValueError where no input is floating-point.
    """
    rng = np.random.default_rng(seed)
    given = [x.data if isinstance(x, Tensor) else x for x in inputs]
    backend = backend or next(filter(None, map(device_of, given)), None)
    arrays = [np.array(to_numpy(x)) for x in given]
    arrays = [a.astype(np.float64) if a.dtype.kind == "f" else a for a in arrays]
    checked = [i for i, a in enumerate(arrays) if a.dtype.kind == "f"]
    if not checked:
        raise ValueError("gradcheck: no input is floating-point, so there is no gradient to check")
    with contextlib.ExitStack() as stack:
        if backend is not None:
            stack.enter_context(use_backend(backend))
        tensors = [Tensor(a.copy(), requires_grad=i in checked) for i, a in enumerate(arrays)]
        y = function(*tensors)
        u = rng.standard_normal(y.shape)
        y.backward(u)
        stack.enter_context(mode.no_grad())
        report = GradientReport(tolerance=tolerance)
        for i in checked:
            gradient = tensors[i].grad
            gradient = np.zeros_like(arrays[i]) if gradient is None else to_numpy(gradient)
            for name, v in _directions(arrays[i].shape, elementwise, directions, rng):
                _compare(report, function, arrays, i, name, v, u, gradient, step)
    if raise_on_error and not report.ok:
        raise GradientError(report)
    return report


def adjoint_check(
    function: Callable[[Tensor], Tensor], x, *, backend: str | None = None, seed: int = 0
) -> float:
    """|<u, f(x)> - <f^T u, x>| / (|u| |f(x)|) for a linear f, a random u, in float64.

    f^T is f's backward pass. The result is rounding error, below 1e-12, where backward is right.
    """
    rng = np.random.default_rng(seed)
    data = x.data if isinstance(x, Tensor) else x
    backend = backend or device_of(data)
    with contextlib.ExitStack() as stack:
        if backend is not None:
            stack.enter_context(use_backend(backend))
        tensor = Tensor(np.array(to_numpy(data), np.float64), requires_grad=True)
        y = function(tensor)
        u = rng.standard_normal(y.shape)
        y.backward(u)
    fx, gx = y.numpy(), to_numpy(tensor.grad)
    forward, backward = np.vdot(u, fx), np.vdot(gx, tensor.numpy())
    scale = np.linalg.norm(u) * np.linalg.norm(fx)
    return float(abs(forward - backward) / scale) if scale else float(abs(forward - backward))


def _directions(shape, elementwise: bool, count: int, rng):
    if elementwise:
        for position in np.ndindex(*shape):
            v = np.zeros(shape)
            v[position] = 1
            yield position, v
    else:
        for number in range(count):
            v = rng.standard_normal(shape)
            yield number, v / (np.linalg.norm(v) or 1)


def _compare(report, function, arrays, i, name, v, u, gradient, step) -> None:
    def value(t: float):
        moved = [Tensor(a + t * v) if j == i else Tensor(a) for j, a in enumerate(arrays)]
        return np.vdot(u, function(*moved).numpy())

    scale = 1e-3 * np.linalg.norm(u) * np.linalg.norm(v)
    ahead, behind = value(step), value(-step)
    if _is_kink(value, ahead, behind, step, scale):
        report.kinks.append((i, name))
        return
    numeric = (ahead - behind) / (2 * step)
    analytic = np.vdot(gradient, v)
    error = abs(numeric - analytic) / max(abs(numeric), abs(analytic), scale, 1e-300)
    report.checked += 1
    error = np.inf if np.isnan(error) else float(error)
    if error > report.error:
        report.error, report.worst_input, report.worst_position = error, i, name


def _is_kink(value: Callable, ahead: float, behind: float, step: float, scale: float) -> bool:
    """Does the slope of ``value`` jump within a step of 0, where ``ahead`` and ``behind`` are its
    values at the two ends?

    The slope ahead minus the slope behind is h f'' for a smooth f, so halving the step halves it.
    At a kink it stays as it is; with a kink between the two steps it vanishes; with one a third
    of a step away it is halved by chance, but not a second time.
    """
    here = value(0)
    eps = np.finfo(float).eps * max(abs(here), abs(ahead), abs(behind))
    jump = ((ahead - here) - (here - behind)) / step
    if abs(jump) <= 1e-4 * max(abs(ahead - behind) / (2 * step), scale) + 64 * eps / step:
        return False  # the slopes agree
    for h in (step / 2, step / 4):
        smaller = ((value(h) - here) - (here - value(-h))) / h
        if abs(smaller - jump / 2) > 0.1 * abs(jump) + 8 * eps / h:
            return True
        jump = smaller
    return False
