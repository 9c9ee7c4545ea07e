"""Every layer as ONNX operators, run by engines that are not this one."""

import numpy as np
import pytest

from minifcn import models, nn
from minifcn.io.onnx_layers import CONVERTERS

onnx = pytest.importorskip("onnx")

from onnx_engines import (  # noqa: E402
    ENGINES,
    check,
    in_onnxruntime,
    ours,
    photograph,
    randomized,
    table,
    written,
)


def aligned(kind, layer, *settings):
    """A map, made with these settings, on another one."""
    return table(
        ("fine", nn.Conv2d(6, 4, 3, *settings), "data"),
        ("half", nn.MaxPool2d(2), "data"),
        ("scored", nn.Conv2d(6, 4, 1), "half"),
        ("coarse", layer),
        ("crop" if kind is nn.Crop else "fuse", kind(), "coarse", "fine"),
    )


FREE = {"weight_init": nn.init.zeros}  # of transposed convolutions: not interpolation
LAYERS = {
    "conv": nn.Conv2d(6, 4, (3, 2), (2, 1), (1, 3), (1, 2)),
    "conv-groups": nn.Conv2d(6, 9, (1, 4), groups=3, padding=(4, 2), bias=False),
    "transposed": nn.ConvTranspose2d(6, 4, (3, 5), (2, 3), (1, 2), (1, 2), **FREE),
    "transposed-groups": nn.ConvTranspose2d(6, 9, (4, 2), (3, 2), groups=3, bias=True, **FREE),
    "transposed-dilated": nn.ConvTranspose2d(6, 4, (3, 2), 2, 1, 1, dilation=(2, 3), **FREE),
    "upsampling": nn.UpsampleBilinear((2, 3)),
    "upsampling-odd": nn.UpsampleBilinear(4, (7, 8), (0, 2), (1, 3)),
    "max": nn.MaxPool2d((3, 2), (2, 1), (1, 0)),
    "max-dilated": nn.MaxPool2d((2, 3), 2, (2, 1), (3, 1), ceil_mode=True),
    "max-ceil": nn.MaxPool2d((3, 2), (2, 3), (1, 1), ceil_mode=True),
    "avg": nn.AvgPool2d((3, 2), (2, 1), (1, 0)),
    "avg-dilated": nn.AvgPool2d((2, 3), 2, (2, 1), (3, 2)),
    "avg-ceil": nn.AvgPool2d((3, 2), (2, 3), (1, 1), ceil_mode=True),
    "global": nn.GlobalAvgPool2d(),
    "norm": nn.LocalResponseNorm(3, 0.5, 0.6, 2.0),
    "relu": nn.ReLU(),
    "sigmoid": nn.Sigmoid(),
    "tanh": nn.Tanh(),
    "softmax": nn.Softmax(),
    "scale": nn.Scale(-1.7),
    "power": nn.Sequential(nn.Sigmoid(), nn.Power(1.5, 2.0, 0.3)),
    "channel-scale": nn.ChannelScale(6),
    "channel-scale-bias": nn.ChannelScale(6, bias=True),
    "channels": nn.Channels(2, 5),
    "dropout": nn.Dropout(),
    "cat": table(("relu", nn.ReLU()), ("cat", nn.Cat(), "relu", "data", "relu")),
    "sum": table(("relu", nn.ReLU()), ("sum", nn.Sum(), "relu", "data", "data")),
    "sum-scaled": table(("relu", nn.ReLU()), ("sum", nn.Sum(0.5, 1, -2), "relu", "data", "data")),
    "crop": aligned(nn.Crop, nn.UpsampleBilinear(2, 4, 0, 1)),
    "crop-more": aligned(nn.Crop, nn.UpsampleBilinear(2, 4, 0, 1), (1, 1), (1, 0)),
    "fuse": aligned(nn.Fuse, nn.UpsampleBilinear(2, 4, 0)),
    "fuse-coarse-is-cut": aligned(nn.Fuse, nn.UpsampleBilinear(2, 4, 0), (1, 1), (0, 1)),
    "fuse-fine-is-cut": aligned(nn.Fuse, nn.UpsampleBilinear(2, 4, 2), (1, 1), (3, 5)),
}
SIZES = [(9, 8), (12, 17), (7, 7)]
# The evaluator of the onnx package (1.23) has these wrong: it normalises as many channels as there
# are images, and cuts the weight of a transposed convolution's groups along the wrong axis
WRONG_IN_PYTHON = ("norm", "transposed-groups")
TRIED = [
    pytest.param(name, *engine.values, id=f"{engine.id}-{name}", marks=engine.marks)
    for name in LAYERS
    for engine in ENGINES
    if not (engine.id == "python" and name in WRONG_IN_PYTHON)
]


def test_every_layer_is_tried():
    tried = {type(m) for net in [*LAYERS.values(), VECTORS] for _, m in net.named_modules()}
    assert tried >= CONVERTERS.keys()
    layers = {kind for kind in vars(nn).values() if isinstance(kind, type)}
    layers -= {nn.Module, nn.Net, nn.Parameter, nn.Sequential}
    assert CONVERTERS.keys() >= layers


@pytest.mark.parametrize(("name", "engine"), TRIED)
def test_a_layer_alone(tmp_path, name, engine):
    layer = randomized(LAYERS[name])
    net = layer if isinstance(layer, nn.Net) else nn.Sequential({"layer": layer})
    run = engine(written(tmp_path, net, input_shape=(6, None, None)))
    for size in SIZES:
        check(run, net, photograph(2, 6, *size), 1e-5)


VECTORS = nn.Sequential(
    {
        "flatten": nn.Flatten(),
        "ip1": nn.Linear(6 * 4 * 3, 5),
        "scale": nn.ChannelScale(5, bias=True),
        "channels": nn.Channels(1, 4),
        "ip2": nn.Linear(3, 7, bias=False),
        "prob": nn.Softmax(),
    }
)


@pytest.mark.parametrize("engine", ENGINES)
def test_layers_that_make_vectors(tmp_path, engine):
    net = randomized(VECTORS)
    run = engine(written(tmp_path, net, input_shape=(6, 4, 3)))
    check(run, net, photograph(2, 6, 4, 3), 1e-5)


@pytest.mark.oracle
@pytest.mark.parametrize("kind", [nn.MaxPool2d, nn.AvgPool2d])
def test_pools_of_many_settings_and_sizes(tmp_path, kind):
    """Among them: windows that ceil mode adds, and those that would start behind the map."""
    draw, tried = np.random.default_rng(1), 0
    for _ in range(150):
        kernel, stride, padding, dilation = (
            tuple(map(int, draw.integers(low, high, 2)))
            for low, high in ((1, 5), (1, 5), (0, 4), (1, 4))
        )
        ceil_mode = bool(draw.integers(4))
        dilation = (1, 1) if kind is nn.AvgPool2d and ceil_mode else dilation
        pool = nn.Sequential(kind(kernel, stride, padding, dilation, ceil_mode))
        if any(p > d * (k - 1) for p, d, k in zip(padding, dilation, kernel, strict=True)):
            continue  # a window would see only padding
        run = in_onnxruntime(written(tmp_path, pool, input_shape=(2, None, None)))
        for size in draw.integers(1, 16, (6, 2)):
            x = photograph(1, 2, *size)
            try:
                ours(pool, x)
            except ValueError:  # no window fits, or one sees only padding
                continue
            check(run, pool, x, 1e-5)
            tried += 1
    assert tried > 200


@pytest.mark.oracle
@pytest.mark.parametrize("opset", [17, 18, 19, 20, 21, 22])
def test_operators_of_every_version(tmp_path, opset):
    net = randomized(models.build("fcn8s-alexnet", 3, width=0.05))
    path = written(tmp_path, net, opset=opset)
    assert onnx.load(path).opset_import[0].version == opset
    check(in_onnxruntime(path), net, photograph(1, 3, 40, 33), 1e-5)
    for name in ("avg-ceil", "max-ceil", "fuse"):
        net = nn.Sequential({"layer": randomized(LAYERS[name])})
        path = written(tmp_path, net, opset=opset, input_shape=(6, None, None))
        check(in_onnxruntime(path), net, photograph(1, 6, 9, 8), 1e-5)
