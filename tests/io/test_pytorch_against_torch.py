"""Files of PyTorch itself, read and written in both directions."""

import argparse
import collections

import numpy as np
import pytest

from minifcn.io.kinds import WeightsError
from minifcn.io.pytorch import load_pytorch, save_pytorch

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.oracle

FORMATS = pytest.mark.parametrize("zipped", [True, False])
DTYPES = [
    *("float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8"),
    *("uint64", "uint32", "uint16", "uint8", "bool"),
]


def save(value, path, zipped, protocol=2):
    torch.save(value, path, _use_new_zipfile_serialization=zipped, pickle_protocol=protocol)
    return path


def check(path, state):
    """What we read equals what PyTorch holds, with half precision widened."""
    got = load_pytorch(path)
    assert list(got) == list(state)
    for name, value in state.items():
        value = value.detach()
        value = value.float() if value.dtype in (torch.float16, torch.bfloat16) else value
        assert got[name].dtype == value.numpy().dtype
        assert got[name].shape == tuple(value.shape)
        np.testing.assert_array_equal(got[name], value.numpy())


def net():
    torch.manual_seed(0)
    layers = [torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Linear(4, 2)]
    return torch.nn.Sequential(*layers)


@FORMATS
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_state_dict(tmp_path, zipped, protocol):
    state = net().state_dict()
    check(save(state, tmp_path / "f", zipped, protocol), state)


@FORMATS
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_type(tmp_path, zipped, dtype):
    torch.manual_seed(0)
    numbers = (torch.rand(2, 3, 4) * 100).to(getattr(torch, dtype))
    state = {
        "a": numbers,
        "t": numbers.transpose(0, 2),
        "part": numbers[1:, :, 1],
        "one": numbers[0, 0, 0],
    }
    state["empty"] = numbers[:0]
    check(save(state, tmp_path / "f", zipped), state)


@FORMATS
def test_parameters_tied_weights_and_hooks(tmp_path, zipped):
    weight = torch.nn.Parameter(torch.rand(3, 2))
    weight.note = "an attribute of its own"
    state = {
        "a": weight,
        "b": weight,
        "c": weight.detach().t(),
        "d": torch.rand(1, 1).expand(1, 1),
    }
    check(save(state, tmp_path / "f", zipped), state)
    got = load_pytorch(tmp_path / "f")
    got["a"][0] = 7
    assert (got["b"][0] == 7).all()


@FORMATS
def test_checkpoint_of_a_training_run(tmp_path, zipped):
    model = torch.nn.DataParallel(net())
    solver = torch.optim.Adam(model.parameters())
    schedule = torch.optim.lr_scheduler.MultiStepLR(solver, [3, 5])
    sum(p.sum() for p in model.parameters()).backward()
    solver.step()
    value = {
        "epoch": 3,
        "args": argparse.Namespace(lr=0.1, device=torch.device("cpu"), dtype=torch.float32),
        "best": torch.tensor(0.5),
        "score": np.float64(0.25),
        "state_dict": model.state_dict(),
        "optimizer": solver.state_dict(),
        "schedule": schedule.state_dict(),
        "random": torch.get_rng_state(),
        "history": collections.defaultdict(list, loss=[1.5, 1.25]),
        "size": torch.Size([2, 3]),
    }
    check(save(value, tmp_path / "f", zipped), model.module.state_dict())


@FORMATS
@pytest.mark.parametrize(
    ("value", "text"),
    [
        (torch.nn.Linear(2, 2), "save model.state_dict()"),
        ({"a": torch.eye(2).to_sparse()}, "a sparse tensor"),
        ({"a": torch.zeros(2, dtype=torch.complex64)}, "a complex tensor"),
        ({"a": torch.zeros(2, dtype=torch.complex64).conj().imag}, "its negative"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_what_cannot_be_read(tmp_path, zipped, value, text):
    with pytest.raises(WeightsError, match=text):
        load_pytorch(save(value, tmp_path / "f", zipped))


@pytest.mark.parametrize("mmap", [True, False])
def test_torch_reads_what_is_written(tmp_path, mmap):
    generator = np.random.default_rng(0)
    arrays = {
        dtype: (generator.random((2, 3)) * 100).astype(dtype)
        for dtype in DTYPES
        if dtype not in ("bfloat16", "uint64", "uint32", "uint16")
    }
    arrays |= {"scalar": np.array(2.5), "empty": np.zeros((0, 3)), "größe": np.arange(9)[::-2]}
    arrays["turned"] = np.arange(24, dtype=np.float32).reshape(2, 3, 4).transpose(2, 0, 1)
    save_pytorch(tmp_path / "f", arrays)
    got = torch.load(tmp_path / "f", weights_only=True, mmap=mmap)
    assert type(got) is collections.OrderedDict
    assert list(got) == list(arrays)
    for name, array in arrays.items():
        assert got[name].numpy().dtype == array.dtype
        assert got[name].shape == array.shape
        assert not got[name].requires_grad
        np.testing.assert_array_equal(got[name].numpy(), array)


def test_a_model_loads_what_is_written(tmp_path):
    model, state = net(), net().state_dict()
    save_pytorch(tmp_path / "f", {name: value.numpy() + 1 for name, value in state.items()})
    model.load_state_dict(torch.load(tmp_path / "f", weights_only=True), strict=True)
    for name, value in model.state_dict().items():
        assert torch.equal(value, state[name] + 1)
