"""The functions of every backend are called the same way: as the contract says."""

import inspect
import re

import pytest
from minifcn.kernels import cpu, cuda, reference

from minifcn import kernels


@pytest.mark.parametrize("backend", [cpu, cuda], ids=["cpu", "cuda"])
def test_the_signatures_are_the_same(backend):
    assert set(reference.__all__) <= set(backend.__all__)
    for name in reference.__all__:
        one, other = (inspect.signature(getattr(b, name)).parameters for b in (reference, backend))
        assert list(one) == list(other), name
        assert [p.default for p in one.values()] == [p.default for p in other.values()], name


def test_the_contract_lists_the_table():
    """Names, and arguments where they are spelled out."""
    contract = re.sub(r"\s+", " ", kernels.__doc__)
    for name in reference.__all__:
        arguments = inspect.signature(getattr(reference, name)).parameters.values()
        written = ", ".join(
            p.name if p.default is p.empty else f"{p.name}={p.default}" for p in arguments
        )
        assert f"{name}({written})" in contract
