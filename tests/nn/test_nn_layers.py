"""Every layer is its function with its settings; initial weights; dropout's two modes."""

import copy

import numpy as np
import pytest

import minifcn as mf
from minifcn import functions as F
from minifcn import nn


@pytest.fixture
def x():
    rng = np.random.default_rng(4)
    return mf.Tensor(rng.standard_normal((2, 4, 9, 11)).astype(np.float32))


WINDOW = {"kernel_size": (2, 3), "stride": (2, 1), "padding": (1, 0), "dilation": (1, 2)}
LAYERS = {
    "conv": (
        nn.Conv2d(4, 6, **WINDOW, groups=2),
        lambda x, m: F.conv2d(x, m.weight, m.bias, (2, 1), (1, 0), (1, 2), 2),
        "Conv2d(4 -> 6, kernel 2x3, stride 2x1, padding 1x0, dilation 1x2, groups 2)",
    ),
    "conv without bias": (
        nn.Conv2d(4, 6, 3, bias=False),
        lambda x, m: F.conv2d(x, m.weight),
        "Conv2d(4 -> 6, kernel 3)",
    ),
    "transposed conv": (
        nn.ConvTranspose2d(
            4,
            6,
            **WINDOW,
            output_padding=(1, 0),
            groups=2,
            bias=True,
            weight_init=nn.init.he_normal,
        ),
        lambda x, m: F.conv_transpose2d(
            x, m.weight, m.bias, (2, 1), (1, 0), (1, 0), (1, 2), groups=2
        ),
        "ConvTranspose2d(4 -> 6, kernel 2x3, stride 2x1, padding 1x0, output padding 1x0, "
        "dilation 1x2, groups 2)",
    ),
    "upsample": (
        nn.UpsampleBilinear((2, 3)),
        lambda x, m: F.upsample_bilinear(x, (2, 3)),
        "UpsampleBilinear(kernel 4x5, stride 2x3, padding 1)",
    ),
    "upsample with settings": (
        nn.UpsampleBilinear(2, (4, 3), padding=(0, 1), output_padding=(1, 0)),
        lambda x, m: F.upsample_bilinear(x, 2, (4, 3), (0, 1), (1, 0)),
        "UpsampleBilinear(kernel 4x3, stride 2, padding 0x1, output padding 1x0)",
    ),
    "max pool": (
        nn.MaxPool2d(**WINDOW, ceil_mode=True),
        lambda x, m: F.max_pool2d(x, (2, 3), (2, 1), (1, 0), (1, 2), True),
        "MaxPool2d(kernel 2x3, stride 2x1, padding 1x0, dilation 1x2, ceil)",
    ),
    "average pool": (
        nn.AvgPool2d((3, 2)),
        lambda x, m: F.avg_pool2d(x, (3, 2)),
        "AvgPool2d(kernel 3x2, stride 3x2)",
    ),
    "norm": (
        nn.LocalResponseNorm(3, alpha=0.5, beta=0.5, k=2.0),
        lambda x, m: F.local_response_norm(x, 3, 0.5, 0.5, 2.0),
        "LocalResponseNorm(size 3, alpha 0.5, beta 0.5)",
    ),
    "relu": (nn.ReLU(), lambda x, m: F.relu(x), "ReLU()"),
    "sigmoid": (nn.Sigmoid(), lambda x, m: F.sigmoid(x), "Sigmoid()"),
    "tanh": (nn.Tanh(), lambda x, m: F.tanh(x), "Tanh()"),
    "scale": (nn.Scale(0.01), lambda x, m: x * 0.01, "Scale(by 0.01)"),
    "flatten": (nn.Flatten(), lambda x, m: x.reshape(2, 4 * 9 * 11), "Flatten()"),
}


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_is_its_function(name, x):
    layer, function, text = LAYERS[name]
    rng = np.random.default_rng(9)
    for parameter in layer.parameters():
        parameter.data = rng.standard_normal(parameter.shape).astype(np.float32)
    y = layer(x)
    wanted = function(x, layer)
    assert np.array_equal(y.data, wanted.data)
    assert y.dtype == np.float32
    assert y.requires_grad is any(True for _ in layer.parameters())
    assert repr(layer) == text


def test_cat_and_linear():
    a, b = mf.Tensor(np.ones((1, 2, 3, 4))), mf.Tensor(np.zeros((1, 1, 3, 4)))
    assert nn.Cat()(a, b).shape == (1, 3, 3, 4)
    layer = nn.Linear(3, 2)
    layer.bias.data[:] = [1, 2]
    layer.weight.data[:] = [[1, 2, 3], [4, 5, 6]]
    assert layer(mf.Tensor(np.ones((1, 3), np.float32))).data.tolist() == [[7, 17]]
    assert repr(layer) == "Linear(3 -> 2)"


def test_biases_learn_twice_as_fast_and_do_not_decay():
    for layer in (nn.Conv2d(2, 3, 1), nn.ConvTranspose2d(2, 2, 1, bias=True), nn.Linear(2, 3)):
        assert (layer.weight.rate, layer.weight.decay) == (1, 1)
        assert (layer.bias.rate, layer.bias.decay) == (2, 0)
        assert not layer.bias.data.any()
        assert layer.bias.dtype == layer.weight.dtype == np.float32
    assert nn.ConvTranspose2d(2, 2, 4).bias is None


def test_settings_that_do_not_fit():
    with pytest.raises(ValueError, match="Conv2d: 3 and 4 channels do not divide into 2 groups"):
        nn.Conv2d(3, 4, 1, groups=2)
    with pytest.raises(ValueError, match="ConvTranspose2d: 4 and 3 channels do not divide into 2"):
        nn.ConvTranspose2d(4, 3, 1, groups=2, weight_init=nn.init.he_normal)
    with pytest.raises(TypeError, match="kernel_size must be an int or a pair"):
        nn.MaxPool2d(2.0)
    with pytest.raises(ValueError, match="stride must be 1 or more; got 0"):
        nn.AvgPool2d(2, stride=0)


def test_dropout_drops_while_training_only():
    mf.manual_seed(0)
    x = mf.Tensor(np.ones((50, 40), np.float32))
    layer = nn.Dropout(0.25)
    y = layer(x)
    assert set(np.unique(y.data)) == {0, np.float32(4 / 3)}
    # 2000 draws of probability 3/4: standard deviation of the mean of y 0.013
    assert y.data.mean() == pytest.approx(1, abs=0.05)
    assert layer.eval()(x) is x
    assert not np.array_equal(layer.train()(x).data, y.data)
    assert repr(layer) == "Dropout(p 0.25)"


# -- initial weights ----------------------------------------------------------------------------


def test_he_normal():
    mf.manual_seed(5)
    w = nn.init.he_normal((256, 32, 3, 5))
    assert w.dtype == np.float32
    # 122880 draws: the variance is known to 0.4%, the mean to 0.0002
    assert w.var() == pytest.approx(2 / (32 * 3 * 5), rel=0.02)
    assert abs(w.mean()) < 0.001
    assert (np.abs(w) > 3 * w.std()).mean() == pytest.approx(0.0027, abs=0.001)  # a normal's tails


def test_he_normal_keeps_the_scale_through_rectifiers():
    mf.manual_seed(5)
    x = mf.Tensor(np.random.default_rng(0).standard_normal((1, 64, 20, 30)).astype(np.float32))
    for _ in range(8):
        x = F.relu(nn.Conv2d(64, 64, 3, padding=1)(x))
    inner = x.data[:, :, 8:-8, 8:-8]  # away from the padding
    assert 0.3 < (inner**2).mean() < 3


def test_xavier_uniform():
    mf.manual_seed(5)
    w = nn.init.xavier_uniform((64, 10, 3, 5))
    bound = np.sqrt(3 / 150)
    assert w.dtype == np.float32
    assert np.abs(w).max() <= np.float32(bound)
    assert w.var() == pytest.approx(1 / 150, rel=0.03)


def test_bilinear_stands_on_the_diagonal():
    w = nn.init.bilinear((3, 3, 4, 3))
    assert w.dtype == np.float32
    for k in range(3):
        for c in range(3):
            wanted = F.bilinear_filter((4, 3)) if k == c else np.zeros((4, 3))
            assert np.array_equal(w[k, c], wanted)
    with pytest.raises(ValueError, match=r"bilinear: a weight \(2, 3, 4, 4\) needs as many"):
        nn.init.bilinear((2, 3, 4, 4))


def test_a_transposed_convolution_starts_as_interpolation(x):
    layer = nn.ConvTranspose2d(4, 4, (4, 6), stride=(2, 3), padding=(1, 0))
    wanted = F.upsample_bilinear(x, (2, 3), (4, 6), (1, 0))
    assert np.abs(layer(x).data - wanted.data).max() < 1e-5


def test_the_same_seed_gives_the_same_weights():
    nets = []
    for seed in (3, 3, 4):
        mf.manual_seed(seed)
        nets.append(nn.Sequential(nn.Conv2d(2, 3, (3, 1)), nn.Linear(4, 5)).state_dict())
    for name in ("0.weight", "1.weight"):
        assert np.array_equal(nets[0][name], nets[1][name])
        assert not np.array_equal(nets[0][name], nets[2][name])
    custom = nn.Conv2d(2, 3, 1, weight_init=nn.init.zeros)
    assert not custom.weight.data.any()


def test_bilinear_weights_of_a_grouped_layer_stand_in_every_group():
    grouped = nn.ConvTranspose2d(3, 3, (4, 3), (2, 2), groups=3)
    dense = nn.ConvTranspose2d(3, 3, (4, 3), (2, 2))
    x = mf.Tensor(np.random.default_rng(0).standard_normal((2, 3, 4, 5)).astype(np.float32))
    # The same products, added up in another order
    np.testing.assert_allclose(grouped(x).data, dense(x).data, rtol=1e-6, atol=1e-7)


def test_sum_and_channels():
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((2, 5, 3, 4)) for _ in range(2))
    x, y = mf.Tensor(a, requires_grad=True), mf.Tensor(b, requires_grad=True)
    np.testing.assert_array_equal(nn.Sum()(x, y).data, a + b)
    total = nn.Sum(0.5, -2)(x, y)
    np.testing.assert_allclose(total.data, 0.5 * a - 2 * b)
    part = nn.Channels(1, 4)(total)
    np.testing.assert_array_equal(part.data, total.data[:, 1:4])
    part.backward(np.ones_like(part.data))
    inside = np.zeros(5)
    inside[1:4] = 1
    np.testing.assert_array_equal(x.grad[0, :, 0, 0], 0.5 * inside)
    np.testing.assert_array_equal(y.grad[1, :, 2, 3], -2 * inside)
    with pytest.raises(ValueError, match="2 maps for 3 coefficients"):
        nn.Sum(1, 2, 3)(x, y)
    with pytest.raises(ValueError, match="6 wanted, but the map is"):
        nn.Channels(3, 6)(x)


def test_global_average():
    x = np.random.default_rng(0).standard_normal((2, 3, 5, 4))
    np.testing.assert_allclose(
        nn.GlobalAvgPool2d()(mf.Tensor(x)).data[:, :, 0, 0], x.mean(axis=(2, 3)), atol=1e-15
    )


def test_a_net_with_several_outputs():
    net = nn.Net()
    net.add("a", nn.Conv2d(1, 2, 1))
    net.add("relu", nn.ReLU())
    net.add("b", nn.Conv2d(2, 3, 1))
    x = mf.Tensor(np.ones((1, 1, 2, 2), np.float32))
    alone = [net(x, until=name).data for name in ("b", "a", "data")]
    net.outputs = "b", "a", "data"
    for output, wanted in zip(net(x), alone, strict=True):
        np.testing.assert_array_equal(output.data, wanted)
    np.testing.assert_array_equal(net(x, until="relu").data, np.maximum(alone[1], 0))
    net.outputs = "b", "c"
    with pytest.raises(KeyError, match="no layer 'c'; there are: a, relu, b"):
        net(x)


def test_channel_scale_power_and_softmax_by_hand():
    scale = nn.ChannelScale(2, 3.0, bias=True)
    np.testing.assert_array_equal(scale.weight.data, [3, 3])
    scale.weight.data, scale.bias.data = np.array([2.0, -1.0]), np.array([0.0, 10.0])
    x = np.arange(6.0).reshape(1, 2, 1, 3)
    np.testing.assert_array_equal(scale(mf.Tensor(x)).data, [[[[0, 2, 4]], [[7, 6, 5]]]])
    vectors = np.array([[1.0, 2.0], [3.0, 4.0]])
    np.testing.assert_array_equal(scale(mf.Tensor(vectors)).data, [[2, 8], [6, 6]])
    assert nn.ChannelScale(2).bias is None
    np.testing.assert_array_equal(nn.Power(2, 0.5, 1)(mf.Tensor(x)).data, (1 + x / 2) ** 2)
    same = mf.Tensor(x)
    assert nn.Power()(same) is same
    shares = nn.Softmax()(mf.Tensor(x)).data
    np.testing.assert_allclose(shares[0, :, 0], np.array([[1] * 3, [np.e**3] * 3]) / (1 + np.e**3))


@pytest.mark.parametrize("shape", [(3, 4, 2, 5), (3, 4)])
@pytest.mark.parametrize(
    "layer", [nn.ChannelScale(4, 0.7, bias=True), nn.Power(3, 0.5, 1.5), nn.Softmax()]
)
def test_gradients_of_channel_scale_power_and_softmax(layer, shape):
    layer = copy.deepcopy(layer).to(np.float64)
    rng = np.random.default_rng(0)
    x = mf.Tensor(rng.standard_normal(shape), requires_grad=True)
    mf.autograd.gradcheck(lambda *inputs: layer(inputs[0]), [x, *layer.parameters()])


def test_a_linear_layer_without_bias():
    layer = nn.Linear(3, 2, bias=False)
    assert layer.bias is None
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    np.testing.assert_array_equal(layer(mf.Tensor(x)).data, x @ layer.weight.data.T)
