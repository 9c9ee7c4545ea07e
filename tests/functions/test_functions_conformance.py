"""Every operation against PyTorch, every backend against the reference, and gradients against
finite differences and adjoint identities: 200 random geometries each, or 20 where a GPU is
emulated."""

import re

import numpy as np
import pytest
from operations import OPERATIONS

import minifcn as mf
from minifcn.autograd import adjoint_check, gradcheck
from minifcn.backends import to_numpy

EVERY = pytest.mark.parametrize("name", OPERATIONS)
LINEAR = [name for name, operation in OPERATIONS.items() if operation.linear]
COMPUTING = [name for name, operation in OPERATIONS.items() if not operation.integers]
# Python's operators follow NumPy, where integers divide and exponentiate to float64
REFUSING_INTEGERS = sorted(set(COMPUTING) - {"div", "exp", "log", "matmul", "mean", "pow"})
SEVERAL = [n for n, o in OPERATIONS.items() if any(len(c.inputs) > 1 for c in o.cases(20))]


def cases_of(name: str, backend: str):
    return OPERATIONS[name].cases()[: 20 if backend == "emulated" else None]


def forward_backward(case, gy_seed: int, dtype=np.float64):
    """y and the gradients of <gy, y> in all inputs, gy random: NumPy arrays."""
    tensors = [mf.Tensor(a.astype(dtype), requires_grad=True) for a in case.inputs]
    y = case.run(*tensors)
    gy = np.random.default_rng(gy_seed).standard_normal(y.shape).astype(dtype)
    y.backward(gy)
    return [y.numpy(), *(to_numpy(t.grad) for t in tensors)]


def check(found, wanted, tolerance: float, *context) -> None:
    """Equal shapes, and no element further off than the tolerance times max(1, |wanted|)."""
    assert found.shape == wanted.shape, (found.shape, wanted.shape, *map(str, context))
    error = np.abs(found - wanted).max(initial=0)
    assert error <= tolerance * max(1, np.abs(wanted).max(initial=0)), (error, *map(str, context))


@pytest.mark.oracle
@EVERY
def test_pytorch_agrees(name, backend, torch):
    for number, case in enumerate(cases_of(name, backend)):
        found = forward_backward(case, number)
        tensors = [torch.from_numpy(a.copy()).requires_grad_() for a in case.inputs]
        y = case.oracle(torch, *tensors)
        gy = np.random.default_rng(number).standard_normal(tuple(y.shape))
        y.backward(torch.from_numpy(gy))
        for part, wanted in zip(found, [y.detach(), *(t.grad for t in tensors)], strict=True):
            assert part.dtype == np.float64
            assert np.abs(part - wanted.numpy()).max() < 1e-10, str(case)
            assert part.shape == tuple(wanted.shape), str(case)


@EVERY
def test_backends_agree(name, backend):
    """In float64 to rounding, in float32 to its own; and no dtype changes on the way."""
    for number, case in enumerate(cases_of(name, backend)):
        with mf.use_backend("reference"):
            exact = forward_backward(case, number)
            single = forward_backward(case, number, np.float32)
        fast = forward_backward(case, number)
        fast_single = forward_backward(case, number, np.float32)
        for wanted, *found in zip(exact, fast, single, fast_single, strict=True):
            assert wanted.dtype == found[0].dtype == np.float64, str(case)
            assert found[1].dtype == found[2].dtype == np.float32, str(case)
            check(found[0], wanted, 1e-13, case, backend, "float64")
            check(found[1], wanted, 1e-5, case, "reference, float32")
            check(found[2], wanted, 1e-5, case, backend, "float32")
            check(found[2], found[1], 1e-5, case, backend, "and reference, float32")


@EVERY
def test_finite_differences_agree(name, backend):
    for number, case in enumerate(cases_of(name, backend)):
        report = gradcheck(case.run, case.inputs, seed=number, raise_on_error=False)
        assert report.error < 1e-6, f"{report}: {case}"
        assert report.checked == 3 * len(case.inputs), f"{report}: {case}"


@pytest.mark.parametrize("name", LINEAR)
def test_adjoint_identity(name, backend):
    terms = [[int(i) for i in term] for term in OPERATIONS[name].linear.split("+")]
    for number, case in enumerate(cases_of(name, backend)):
        for term in terms:
            for i in term:
                if i < len(case.inputs):
                    error = adjoint_check(alone(case, terms, term, i), case.inputs[i], seed=number)
                    assert error <= 1e-12, (i, str(case))


def alone(case, terms, term, i):
    """The case as a function of input i: inputs of other terms are zero, the others stay."""
    zero = {j for other in terms if other is not term for j in other}
    inputs = [a * 0 if j in zero else a for j, a in enumerate(case.inputs)]

    def function(x):
        return case.run(*(x if j == i else mf.Tensor(a) for j, a in enumerate(inputs)))

    return function


@pytest.mark.parametrize("name", SEVERAL)
def test_mixed_dtypes_are_refused(name, backend):
    for case in OPERATIONS[name].cases()[:20]:
        for odd in range(len(case.inputs)):
            dtypes = [np.float32 if i == odd else np.float64 for i in range(len(case.inputs))]
            if len(dtypes) == 1:
                continue
            tensors = [mf.Tensor(a.astype(t)) for a, t in zip(case.inputs, dtypes, strict=True)]
            with pytest.raises(TypeError, match=re.compile("float32.*float64|float64.*float32")):
                case.run(*tensors)


@pytest.mark.parametrize("name", REFUSING_INTEGERS)
def test_integers_are_refused(name, backend):
    for case in OPERATIONS[name].cases()[:5]:
        tensors = [mf.Tensor(a.astype(np.int64)) for a in case.inputs]
        with pytest.raises(TypeError, match="int64"):
            case.run(*tensors)


def test_the_table_is_complete():
    """Every function of the package is in the table, but those that return plain arrays."""
    assert set(OPERATIONS) == set(mf.functions.__all__) - {
        "Joined",
        "argmax_classes",
        "argmax_upsampled",
        "bilinear_filter",
    }
