"""Networks on a device: moved, trained, stored, continued elsewhere, and used; and the same
numbers as the reference."""

import numpy as np
import pytest

import minifcn as mf
from minifcn import dense, geometry, io, models, nn, train
from minifcn.autograd import Timer
from minifcn.backends import device_of, to_numpy

SIZE = (24, 30)
SOLVERS = {
    "sgd": lambda net: train.Solver(net, 1e-5),
    "adam": lambda net: train.Adam(net, 1e-3),
}


def net_of(name="fcn8s-squeezenet", dtype=np.float64, **options):
    """A narrow net, made where the backend in use says. Its score layers say something, and
    biases keep its few channels alive."""
    mf.manual_seed(1)
    net = models.build(name, 4, **{"width": 0.05, "padding": "aligned", **options})
    rng = np.random.default_rng(2)
    for key, parameter in net.named_parameters():
        if key.startswith("score") and key.endswith("weight"):
            parameter.assign(rng.standard_normal(parameter.shape))
        elif key.endswith("bias"):
            parameter.assign(rng.uniform(0, 0.5, parameter.shape))
    return net.to(dtype)


def batch(N=2, dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 4, (N, *SIZE)).astype(np.uint8)
    labels[rng.random(labels.shape) < 0.2] = 255
    return rng.uniform(-100, 100, (N, 3, *SIZE)).astype(dtype), labels


def steps(net, solver, numbers) -> list[float]:
    """The losses of as many steps with dropout, each of a batch of its own."""
    losses = []
    for number in numbers:
        images, labels = batch(seed=number)
        mf.manual_seed(number)
        solver.zero_grad()
        loss = train.pixel_loss(net, net.tensor(images), labels)
        loss.backward()
        solver.step()
        losses.append(loss.item())
    return losses


def assert_close(found, wanted, tolerance=1e-10):
    for name, array in wanted.items():
        assert type(found[name]) is np.ndarray
        scale = tolerance * np.abs(array).max(initial=1e-300)
        np.testing.assert_allclose(found[name], array, rtol=0, atol=scale, err_msg=name)


# -- moving -------------------------------------------------------------------------------------


def test_a_module_moves_in_place(device):
    net = net_of()
    before = {name: array.copy() for name, array in net.state_dict().items()}
    assert net.to(device) is net
    assert {device_of(p.data) for p in net.parameters()} == {device}
    state = net.state_dict()
    assert {type(array) for array in state.values()} == {np.ndarray}
    for name, array in before.items():
        np.testing.assert_array_equal(state[name], array)
    net.load_state_dict({name: array + 1 for name, array in before.items()})
    assert {device_of(p.data) for p in net.parameters()} == {device}
    assert {p.dtype for p in net.to(np.float32).parameters()} == {np.dtype(np.float32)}
    assert {device_of(p.data) for p in net.parameters()} == {device}
    net.to("cpu")
    assert {type(p.data) for p in net.parameters()} == {np.ndarray}
    for name, array in before.items():
        np.testing.assert_array_equal(net.state_dict()[name], np.float32(array + 1))


def test_images_go_where_the_weights_are(device):
    for net, place in ((net_of(), None), (net_of().to(device), device), (nn.ReLU(), None)):
        for image in (np.ones((1, 3, 4, 5)), mf.Tensor(np.ones((1, 3, 4, 5))).to(device)):
            x = net.tensor(image)
            expected = device_of(getattr(image, "data", None)) if type(net) is nn.ReLU else place
            assert device_of(x.data) == expected


def test_built_there_it_has_the_same_weights(device):
    wanted = net_of().state_dict()
    with mf.use_backend(device):
        net = net_of()
    assert {device_of(p.data) for p in net.parameters()} == {device}
    for name, array in net.state_dict().items():
        np.testing.assert_array_equal(array, wanted[name])


def test_weights_without_values_take_no_memory_there(device):
    with mf.use_backend(device), nn.init.without_values():
        net = models.build("vgg16")
    for parameter in net.parameters():
        assert device_of(parameter.data) == device
        assert not any(parameter.data.strides)
    bias = np.arange(64, dtype=np.float32)
    models.copy_weights(net, {"conv1_1.bias": bias})
    assert device_of(net["conv1_1"].bias.data) == device
    assert net["conv1_1"].bias.numpy().tolist() == bias.tolist()


def test_shapes_alone_do_not_touch_the_device(device, monkeypatch):
    """No kernel runs, and nothing is made or moved there."""
    classifier, net = models.build("squeezenet", width=0.1).to(device), net_of().to(device)

    def refuse(*_, **__):
        raise AssertionError("this is on the device")

    monkeypatch.setattr("minifcn.kernels.cuda.device.launch", refuse)
    monkeypatch.setattr("minifcn.kernels.cuda.device.for_each", refuse)
    monkeypatch.setattr(mf.backends, "kernels_for", refuse)
    monkeypatch.setattr(mf.backends, "_module", refuse)
    with mf.use_backend(device):
        assert type(geometry.trace(net, SIZE).output.data) is np.ndarray
        geometry.derive_offsets(net)
        assert geometry.receptive_field(net)
        assert "parameters" in geometry.summary(net, SIZE)
        assert geometry.covers(net, SIZE)
        convolutional = models.convolutionalize(classifier)
    assert {device_of(p.data) for p in convolutional.parameters()} == {device}


# -- training -----------------------------------------------------------------------------------


@pytest.mark.parametrize("make", SOLVERS.values(), ids=SOLVERS)
def test_training_is_that_of_the_reference(make, device):
    results = []
    for name in ("reference", device):
        with mf.use_backend(name):
            net = net_of().train()
            solver = make(net)
            losses = steps(net, solver, range(4))
            results.append((losses, net.state_dict(), solver.state_dict()))
            assert {device_of(p.grad) or "reference" for p in net.parameters()} == {name}
            assert net["conv1"].weight.grad.any()
    (wanted, weights, states), (found, new_weights, new_states) = results
    assert len(set(wanted)) == 4
    assert found == pytest.approx(wanted, rel=1e-10)
    assert_close(new_weights, weights)
    assert_close(new_states, states)


@pytest.mark.parametrize("make", SOLVERS.values(), ids=SOLVERS)
def test_a_checkpoint_goes_on_elsewhere(make, device, tmp_path):
    """From the device to the reference and from there to the device, to float64's rounding."""

    def begun(name):
        with mf.use_backend(name):
            net = net_of().train()
            return net, make(net)

    with mf.use_backend("reference"):
        net, solver = begun("reference")
        steps(net, solver, range(4))
    for first, second in (("reference", device), (device, "reference")):
        with mf.use_backend(first):
            other, its_solver = begun(first)
            steps(other, its_solver, range(2))
            io.save_checkpoint(
                tmp_path / first,
                other.state_dict(),
                its_solver.state_dict(),
                {},
                check_finite=True,
            )
        state = io.load_checkpoint(tmp_path / first)
        with mf.use_backend(second):
            other, its_solver = begun(second)
            other.load_state_dict(state.model)
            its_solver.load_state_dict(state.solver)
            for name, array in other.state_dict().items():
                np.testing.assert_array_equal(array, state.model[name])
            steps(other, its_solver, range(2, 4))
        assert_close(other.state_dict(), net.state_dict())
        assert_close(its_solver.state_dict(), solver.state_dict())


@pytest.mark.parametrize("make", SOLVERS.values(), ids=SOLVERS)
def test_a_solver_follows_its_net(make, device):
    """The net is moved while it is trained, and the solver's arrays go with it."""
    net, moving = net_of().train(), net_of().train()
    solver, following = make(net), make(moving)
    steps(net, solver, range(4))
    for number, name in enumerate((device, "cpu", device, device)):
        moving.to(name)
        steps(moving, following, [number])
    assert_close(moving.state_dict(), net.state_dict())
    arrays = [array for arrays in following.state.values() for array in arrays.values()]
    assert {device_of(array) for array in arrays} == {device}


def test_a_gradient_that_is_no_number_is_found(device):
    net = net_of().to(device).train()
    images, labels = batch()
    loss = train.pixel_loss(net, net.tensor(images * np.nan), labels)
    assert np.isnan(loss.item())
    bias = net["conv1"].bias
    bias.assign(np.full(bias.shape, np.nan))
    with pytest.raises(ValueError, match=r"conv1.bias has 5 of 5 values that are not finite"):
        io.save_checkpoint("never", net.state_dict(), {}, {}, check_finite=True)


def test_time_is_taken_of_a_device_too(device):
    net = net_of().to(device)
    with Timer() as timer:
        net(net.tensor(batch()[0])).sum().backward()
    assert timer.calls["Conv2d", "backward"] == timer.calls["Conv2d", "forward"] > 10


# -- predictions --------------------------------------------------------------------------------


def test_label_maps_and_measures_are_numpy_s(device):
    images, labels = batch()
    image = images[0].transpose(1, 2, 0).clip(0, 255).astype(np.uint8)

    class Pictures:
        num_classes, ignore_index = 4, 255

        def __len__(self):
            return 2

        def __getitem__(self, i):
            return image, labels[i]

    here, there = (net_of(dtype=np.float32).eval().to(name) for name in ("cpu", device))
    wanted = train.predict(here, image)
    assert len(np.unique(wanted)) > 1
    for name in ("cpu", device):
        with mf.use_backend(name):
            for net in (here, there):
                found = train.predict(net, image)
                assert type(found) is np.ndarray
                np.testing.assert_array_equal(found, wanted)
                matrix = train.evaluate(net, Pictures(), progress=False)
                assert matrix.counts.sum() == (labels != 255).sum()
                maps = train.label_maps(net, net.tensor(images.astype(np.float32)))
                assert (type(maps), maps.shape) == (np.ndarray, labels.shape)


def test_classifiers_on_photographs(device):
    image = np.random.default_rng(0).integers(0, 256, (40, 50, 3)).astype(np.uint8)
    net = models.build("squeezenet", width=0.05).eval()
    net.input_shape = (3, 35, 35)
    results = []
    for name in ("cpu", device):
        net.to(name)
        results.append((train.class_probabilities(net, image), *train.class_heat(net, image, 3)))
    for found, wanted in zip(*results, strict=True):
        assert type(found) is np.ndarray
        np.testing.assert_allclose(found, wanted, rtol=1e-4)


def test_dense_scores(device):
    """Shift-and-stitch, of the net and of what rarefaction makes of it, as NumPy's arrays."""
    mf.manual_seed(3)
    pool = nn.MaxPool2d(2, 2, ceil_mode=True)
    net = nn.Sequential(nn.Conv2d(2, 4, 3, 2), nn.ReLU(), pool, nn.Conv2d(4, 3, 2))
    net.to(np.float64)
    image = np.random.default_rng(0).standard_normal((1, 2, 13, 17))
    wanted = dense.shift_and_stitch(net, image, progress=False)
    net.to(device)
    for images in (image, mf.Tensor(image).to(device)):
        found = dense.shift_and_stitch(net, images, progress=False)
        assert type(found) is np.ndarray
        np.testing.assert_allclose(found, wanted, atol=1e-13)
    for literal in (False, True):
        rare = dense.rarefy(net, literal=literal)
        assert {device_of(p.data) for p in rare.parameters()} == {device}
        np.testing.assert_allclose(
            dense.shift_and_stitch(rare, image, progress=False), wanted, atol=1e-13
        )
    scores = net(net.tensor(image)).data
    np.testing.assert_array_equal(
        dense.interpolate(scores, 4), dense.interpolate(to_numpy(scores), 4)
    )
    ways = dense.ways(net.to(np.float32), (13, 17))
    assert all(way.seconds > 0 and way.peak is None for way in ways)


# -- files --------------------------------------------------------------------------------------


def test_weights_are_stored_and_loaded_there(device, tmp_path):
    classes = ["a", "b", "c", "d"]
    spec = train.ModelSpec("fcn8s-squeezenet", classes, "aligned", 0.05)
    net = net_of(dtype=np.float32)
    paths = tmp_path / "here.safetensors", tmp_path / "there.safetensors"
    for path, name in zip(paths, ("cpu", device), strict=True):
        io.save_checkpoint(path, net.to(name).state_dict(), {}, {"model": spec.as_dict()})
    assert paths[0].read_bytes() == paths[1].read_bytes()
    with mf.use_backend(device):
        loaded, _ = train.load_model(paths[0])
    assert {device_of(p.data) for p in loaded.parameters()} == {device}
    for name, array in loaded.state_dict().items():
        np.testing.assert_array_equal(array, net.state_dict()[name])


def test_export_is_the_same(device, tmp_path):
    pytest.importorskip("onnx")
    net = net_of(dtype=np.float32).eval()
    for name in ("cpu", device):
        io.export_onnx(tmp_path / name, net.to(name))
    assert (tmp_path / "cpu").read_bytes() == (tmp_path / device).read_bytes()
