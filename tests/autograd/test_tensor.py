"""The tensor itself: what it holds, how it prints, where it goes."""

import numpy as np
import pytest

import minifcn as mf


def test_arrays_are_not_copied():
    data = np.ones((2, 3), np.float32)
    x = mf.Tensor(data)
    assert x.data is data
    assert x.numpy() is data
    assert x.detach().data is data
    assert (x.shape, x.dtype, x.ndim, x.size, len(x)) == ((2, 3), np.float32, 2, 6, 2)
    assert x.grad is None
    assert x.requires_grad is False


def test_lists_and_numbers_become_arrays():
    assert mf.Tensor([[1.0, 2.0]]).data.tolist() == [[1, 2]]
    assert mf.Tensor([1, 2]).dtype == np.int64
    assert mf.Tensor(2.5).item() == 2.5
    assert mf.Tensor(np.float32(2.5)).dtype == np.float32


def test_what_is_no_tensor():
    with pytest.raises(TypeError, match=r"a Tensor of a Tensor: use x\.detach\(\)"):
        mf.Tensor(mf.Tensor(1.0))
    with pytest.raises(TypeError, match="a Tensor holds numbers; got dtype <U1"):
        mf.Tensor(["a"])
    with pytest.raises(TypeError, match="a Tensor holds numbers; got dtype complex128"):
        mf.Tensor([1j])
    with pytest.raises(TypeError, match=r"only floating-point tensors .* got dtype int64"):
        mf.Tensor([1, 2], requires_grad=True)


def test_detach_cuts_the_graph():
    x = mf.Tensor([1.0, 2.0], requires_grad=True)
    y = (x * 3.0).detach()
    assert y.requires_grad is False
    (x * y).sum().backward()
    assert x.grad.tolist() == [3, 6]


def test_to_a_dtype_or_a_backend():
    x = mf.Tensor(np.ones(2, np.float32), requires_grad=True)
    for target in (np.float64, "float64"):
        wide = x.to(target)
        assert wide.dtype == np.float64
        assert wide.requires_grad
        assert wide.function is None
    assert x.to("cpu").data is x.data
    with mf.use_backend("reference"):
        x.to("cpu")
        assert mf.backends.current_backend() == "reference"
    with pytest.raises(ValueError, match="unknown backend 'tpu'"):
        x.to("tpu")
    with pytest.raises(TypeError, match="int64 numbers have no gradient, which this tensor"):
        x.to(np.int64)


def test_repr():
    x = mf.Tensor([1.0, 2.5])
    assert repr(x) == "Tensor([1.  2.5])"
    x = mf.Tensor([1.0, 2.5], requires_grad=True)
    assert repr(x) == "Tensor([1.  2.5], requires_grad=True)"
    assert repr(x * 2.0) == "Tensor([2. 5.], made by Mul)"
    assert len(repr(mf.Tensor(np.zeros((100, 100))))) < 300
