"""Tensors on a device: they are made there, stay there, and do not mix with NumPy's arrays."""

import copy
import pickle

import numpy as np
import pytest

import minifcn as mf
from minifcn import functions as F
from minifcn import nn
from minifcn.backends import (
    array_module,
    device_of,
    kernels_for,
    moved,
    placed,
    to_numpy,
)
from minifcn.gpu import synchronize


@pytest.fixture
def on_device(device):
    """The device's backend, in use."""
    with mf.use_backend(device):
        yield device


# -- arrays -------------------------------------------------------------------------------------

COUNTED = np.arange(2.0 * 3 * 4 * 5).reshape(2, 3, 4, 5)
ARRAYS = {
    "rows": COUNTED,
    "channels last": np.ascontiguousarray(COUNTED.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2),
    "columns": np.asfortranarray(COUNTED),
    "some channels": COUNTED[:, 1:3],
    "every second": COUNTED[..., ::2],
    "backwards": COUNTED[:, ::-1, :, ::-1],
    "no axes": np.array(2.5),
    "nothing": np.zeros((2, 0, 3)),
    "one number": np.broadcast_to(np.float32(3), (2, 3, 4)),
    "repeated rows": np.broadcast_to(np.arange(4.0), (3, 4)),
    "bytes": np.arange(6, dtype=np.uint8).reshape(2, 3),
    "truths": np.arange(6).reshape(2, 3) % 2 == 0,
    "read-only": np.frombuffer(np.arange(3.0).tobytes()),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_there_and_back(name, device):
    x = ARRAYS[name]
    there = placed(x, device)
    assert device_of(there) == device
    assert (there.shape, there.dtype) == (x.shape, x.dtype)
    assert placed(there, device) is there
    back = to_numpy(there)
    assert type(back) is np.ndarray
    np.testing.assert_array_equal(back, x)
    assert type(placed(there, "cpu")) is type(moved(there, x)) is np.ndarray


def test_the_order_in_memory_is_kept(device):
    there = placed(ARRAYS["channels last"], device)
    assert there.strides == ARRAYS["channels last"].strides
    assert placed(ARRAYS["columns"], device).strides == ARRAYS["columns"].strides
    assert not any(placed(ARRAYS["one number"], device).strides)  # no memory is taken


def test_a_copy_is_a_copy(device):
    x = np.ones(3)
    there = placed(x, device)
    x[:] = 2
    back = to_numpy(there)
    back[:] = 3
    assert there.tolist() == [1, 1, 1]


def test_anything_can_be_moved(device):
    there = placed([[1, 2]], device)
    assert moved([3.0, 4.0], there).tolist() == [3, 4]
    assert device_of(moved(np.float32(3), there)) == device
    assert to_numpy([1, 2]).tolist() == [1, 2]
    assert device_of([1, 2]) is device_of(np.ones(2)) is device_of(np.float64(1)) is None


def test_kernels_and_arithmetic_belong_to_the_array_not_to_the_backend_in_use(device):
    there, here = placed(np.ones(3), device), np.ones(3)
    for name in ("reference", "cpu", device):
        with mf.use_backend(name):
            assert kernels_for(there).__name__ == "minifcn.kernels.cuda"
            host = "cpu" if name == device else name
            assert kernels_for(here).__name__ == f"minifcn.kernels.{host}"
            assert array_module(there).zeros(2).__class__ is type(there)
            assert array_module(here) is np
    synchronize()


# -- tensors ------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [[1.0, 2.0], [1, 2], [True, False], np.ones((2, 3)), 2.5])
def test_new_tensors_are_made_there(data, on_device):
    x = mf.Tensor(data)
    assert device_of(x.data) == on_device
    assert x.dtype == np.asarray(data).dtype
    assert x.numpy().tolist() == np.asarray(data).tolist()
    assert mf.Tensor(x.data).data is x.data
    with mf.use_backend("cpu"):
        assert mf.Tensor(x.data).data is x.data
        assert device_of((x * 2).data) == on_device
    assert device_of(nn.Parameter(np.ones(3)).data) == on_device


def test_a_tensor_there_is_one_like_any_other(on_device):
    numbers = np.arange(6.0).reshape(2, 3) - 2
    here = mf.Tensor(numbers, requires_grad=True).to("cpu")
    x = mf.Tensor(numbers, requires_grad=True)
    assert repr(x) == repr(here)
    assert (x.shape, x.ndim, x.size, len(x)) == (here.shape, here.ndim, here.size, len(here))
    assert x[1, 2].item() == 3
    assert [row.numpy().tolist() for row in x] == numbers.tolist()
    for a, b in (
        (x.sum(axis=0), here.sum(axis=0)),
        (x.mean(), here.mean()),
        (x.max(axis=1), here.max(axis=1)),
        (x[:, None, ::2], here[:, None, ::2]),
        (x.T.reshape(6), here.T.reshape(6)),
        (x @ np.ones((3, 2)), here @ mf.Tensor(np.ones((3, 2))).to("cpu")),
        ((x * x).exp() / 3 - 1 / (x + 0.5), (here * here).exp() / 3 - 1 / (here + 0.5)),
    ):
        assert repr(a) == repr(b)
        assert device_of(a.data) == on_device
        assert a.detach().data is a.data
        for y in (a, b):
            y.backward(np.ones(y.shape))
        assert device_of(x.grad) == on_device
        np.testing.assert_allclose(to_numpy(x.grad), here.grad, rtol=1e-14)
    copied = x.numpy()
    copied[:] = 7
    assert x.numpy().tolist() == numbers.tolist()


def test_numbers_beside_a_tensor_widen_nothing_and_are_not_moved(on_device):
    x = mf.Tensor(np.array([1.0, 2.0], np.float32), requires_grad=True)
    for number in (2, 2.0, np.float64(2), np.float32(2), np.int64(2)):
        results = (x + number, number + x, x - number, number - x, x * number, number * x,
                   x / number, number / x, x**number)  # fmt: skip
        wanted = ([3, 4], [3, 4], [-1, 0], [1, 0], [2, 4], [2, 4], [0.5, 1], [2, 1], [1, 4])
        for y, numbers in zip(results, wanted, strict=True):
            assert y.dtype == np.float32
            assert y.numpy().tolist() == numbers
            y.backward(np.ones(2))
    assert x.grad.dtype == np.float32
    assert device_of(x.grad) == on_device


def test_shapes_alone_go_nowhere(on_device):
    with mf.autograd.shapes_only():
        assert type(mf.Tensor(np.ones(2)).data) is np.ndarray


def test_a_parameter_takes_copies(on_device):
    parameter = nn.Parameter(np.ones(3))
    for values in (parameter.data.copy(), np.arange(3), parameter.data.astype(np.float32)):
        wanted = to_numpy(values).tolist()
        parameter.assign(values)
        assert (parameter.dtype, device_of(parameter.data)) == (np.float64, on_device)
        assert parameter.data is not values
        parameter.data += 1
        assert to_numpy(values).tolist() == wanted


def test_there_and_back_as_a_tensor(device):
    x = mf.Tensor(np.ones(2, np.float32), requires_grad=True)
    there = x.to(device)
    assert device_of(there.data) == device
    assert there.requires_grad
    assert there.to(device).data is there.data
    for name in ("cpu", "reference"):
        with mf.use_backend(device):
            back = there.to(name)
        assert type(back.data) is np.ndarray
        assert back.requires_grad
    assert device_of(there.to(np.float64).data) == device
    assert mf.backends.current_backend() == "cpu"


def test_what_was_made_here_is_computed_here(device):
    """Whatever backend is in use: a function's output lives where its inputs do."""
    image = np.random.default_rng(0).standard_normal((1, 2, 6, 5))
    here, conv = mf.Tensor(image, requires_grad=True), nn.Conv2d(2, 3, 3).to(np.float64)
    with mf.use_backend(device):
        y = F.relu(conv(here)) * 2
        y.sum().backward()
        assert here.detach().data is here.data
        assert type((mf.Tensor([1, 2]).to("cpu") * 2).data) is np.ndarray
    assert type(y.data) is type(here.grad) is type(conv.weight.grad) is np.ndarray


def test_places_do_not_mix(device):
    here, there = mf.Tensor(np.ones(3)), mf.Tensor(np.ones(3)).to(device)
    for call in (
        lambda: here + there,
        lambda: there * here,
        lambda: there * np.ones(3),
        lambda: F.cat([here, there], axis=0),
        lambda: here.reshape(1, 3) @ there.reshape(3, 1),
        lambda: F.linear(there.reshape(1, 3), here.reshape(1, 3)),
        lambda: nn.Conv2d(1, 1, 1).to(np.float64)(there.reshape(1, 1, 1, 3)),
    ):
        with pytest.raises(TypeError, match=f"live in different places, NumPy and {device}"):
            call()
    with pytest.raises(TypeError):
        there.data + here.data
    with pytest.raises(TypeError):
        np.add(here.data, there.data)
    with mf.use_backend(device):
        assert (there * np.ones(3)).numpy().tolist() == [1, 1, 1]  # a new tensor, made there


def test_upstream_gradients_may_come_from_anywhere(device):
    for backend in ("cpu", device):
        x = mf.Tensor(np.ones(2), requires_grad=True).to(backend)
        for gradient in ([1.0, 2.0], np.array([1.0, 2.0]), mf.Tensor([1.0, 2.0]).to(device)):
            (x * 3).backward(gradient)
        assert x.grad.tolist() == [9, 18]
        assert device_of(x.grad) == device_of(x.data)


def test_deepcopy_and_pickle(on_device):
    net = nn.Sequential({"conv": nn.Conv2d(2, 3, 3), "act": nn.ReLU()})
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        for name, parameter in twin.named_parameters():
            original = dict(net.named_parameters())[name]
            assert device_of(parameter.data) == on_device
            assert parameter.rate == original.rate
            np.testing.assert_array_equal(parameter.numpy(), original.numpy())
            parameter.data += 1
            assert (parameter.numpy() != original.numpy()).all()


# -- labels -------------------------------------------------------------------------------------


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("ignore_index", [255, -1, 1])
@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.int64])
def test_labels_may_live_anywhere(device, dtype, ignore_index, weighted):
    rng = np.random.default_rng(0)
    scores, labels = rng.standard_normal((2, 3, 4, 5)), rng.integers(0, 3, (2, 4, 5)).astype(dtype)
    if ignore_index != -1:
        labels[rng.random(labels.shape) < 0.3] = ignore_index
    weight = np.array([0.5, 1.5, 2.0]) if weighted else None
    results = []
    for backend, made in (("cpu", "cpu"), (device, "cpu"), (device, device)):
        x = mf.Tensor(scores, requires_grad=True).to(backend)
        loss = F.cross_entropy(x, placed(labels, made), weight, ignore_index)
        loss.backward()
        assert device_of(x.grad) == device_of(x.data)
        results.append([loss.item(), to_numpy(x.grad)])
        wrong = labels.copy()
        wrong[0, 1, 2] = 7
        with pytest.raises(ValueError, match=r"label 7 at \(0, 1, 2\) is not one of the 3"):
            F.cross_entropy(x, placed(wrong, made), weight, ignore_index)
    for loss, gradient in results[1:]:
        assert loss == pytest.approx(results[0][0], rel=1e-14)
        np.testing.assert_allclose(gradient, results[0][1], atol=1e-15)


@pytest.mark.parametrize("places", [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_confusions_of_labels_and_predictions_anywhere(device, places):
    rng = np.random.default_rng(1)
    labels, predictions = rng.integers(0, 4, (2, 30, 20)).astype(np.uint8)
    labels[rng.random(labels.shape) < 0.2] = 255
    wanted = mf.metrics.ConfusionMatrix(4).update(labels, predictions).counts
    with mf.use_backend(device):
        pair = (
            placed(a, device if there else "cpu")
            for a, there in zip((labels, predictions), places, strict=True)
        )
        matrix = mf.metrics.ConfusionMatrix(4).update(*pair)
        for kind in (mf.metrics.ConfusionMatrix(4, -1), mf.metrics.ConfusionMatrix(2)):
            with pytest.raises(ValueError, match="labels hold the value"):
                kind.update(placed(labels, device), predictions)
    assert type(matrix.counts) is np.ndarray
    np.testing.assert_array_equal(matrix.counts, wanted)


def test_filters_lie_as_the_kernels_read_them(device):
    """Channels last, however they came there: made, moved, loaded, in another dtype; and so do
    their gradients and the solver's arrays, so that nothing is copied in a step."""

    def lies_so(array):
        return array.transpose(0, 2, 3, 1).flags.c_contiguous

    with mf.use_backend(device):
        made = nn.Conv2d(24, 32, (3, 2))
    moved = nn.Conv2d(24, 32, (3, 2)).to(device)
    for layer in (made, moved):
        assert lies_so(layer.weight.data)
        before = layer.weight.data
        layer.load_state_dict({name: array + 1 for name, array in layer.state_dict().items()})
        assert layer.weight.data is before  # recorded work reads that place
        assert lies_so(layer.to(np.float64).weight.data)
        solver = mf.train.Solver(layer, 0.1)
        x = layer.tensor(np.random.default_rng(0).standard_normal((1, 24, 5, 6)))
        (layer(x) * 2).sum().backward()
        solver.step()
        assert lies_so(layer.weight.grad)
        assert lies_so(layer.weight.data)
        assert lies_so(solver.state["weight"]["velocity"])
