"""Weights from one net into another by name."""

import numpy as np
import pytest

from minifcn import Tensor, models, nn, no_grad


def small():
    net = nn.Net()
    net.add("conv1", nn.Conv2d(2, 3, (3, 2)))
    net.add("fc6", nn.Conv2d(3, 4, (2, 5)))
    net.add("score", nn.Conv2d(4, 2, 1, weight_init=nn.init.zeros))
    return net


def test_a_fully_connected_layer_becomes_the_convolution_that_it_is():
    rng = np.random.default_rng(0)
    net, matrix = small(), rng.standard_normal((4, 30), dtype=np.float32)
    report = models.copy_weights(net, {"fc6.weight": matrix})
    assert report.reshaped == ["fc6.weight"]
    assert report.copied == report.unused == report.misfits == []
    x = rng.standard_normal((1, 3, 2, 5), dtype=np.float32)
    with no_grad():
        y = net["fc6"](Tensor(x)).data
    np.testing.assert_allclose(y.ravel(), matrix @ x.ravel(), rtol=1e-5, atol=1e-5)


def test_fc6_and_fc7_of_the_classifier_fit_a_narrow_fcn():
    net = models.build("fcn32s-vgg16", 2, width=0.05)
    K, C = net["fc6"].weight.shape[:2]
    state = {
        "fc6.weight": np.arange(K * C * 49, dtype=np.float64).reshape(K, C * 49),
        "fc7.weight": np.ones((K, K), np.float16),
    }
    assert models.copy_weights(net, state).reshaped == ["fc6.weight", "fc7.weight"]
    assert net["fc6"].weight.dtype == np.float32
    assert net["fc6"].weight.data[1, 2, 3, 4] == (1 * C + 2) * 49 + 3 * 7 + 4
    assert net["fc7"].weight.shape == (K, K, 1, 1)


def test_what_has_no_counterpart_is_named():
    net = small()
    before = {name: array.copy() for name, array in net.state_dict().items()}
    state = {
        "conv1.weight": np.ones((3, 2, 3, 2), np.float32),
        "fc8.weight": np.ones(3, np.float32),
        "score.weight": np.ones((5, 4, 1, 1), np.float32),
    }
    report = models.copy_weights(net, state)
    assert report.copied == ["conv1.weight"]
    assert report.unused == ["fc8.weight"]
    assert report.kept == ["conv1.bias", "fc6.weight", "fc6.bias", "score.bias"]
    assert report.misfits == [("score.weight", (5, 4, 1, 1), (2, 4, 1, 1))]
    after = net.state_dict()
    assert (after["conv1.weight"] == 1).all()
    for name in [*report.kept, "score.weight"]:
        np.testing.assert_array_equal(after[name], before[name])
    text = str(report)
    assert "1 parameters copied" in text
    assert "1 unused (fc8.weight)" in text
    assert "4 kept (conv1.bias, fc6.weight, fc6.bias, score.bias)" in text
    assert "score.weight not copied: (5, 4, 1, 1) does not fill (2, 4, 1, 1)" in text


def test_long_reports_are_cut_short():
    report = models.copy_weights(small(), {f"layer{n}": np.ones(1) for n in range(9)})
    assert "9 unused (layer0, layer1, layer2, layer3, layer4, layer5, ...)" in str(report)


def test_copies_are_copies():
    net, array = small(), np.ones((3, 2, 3, 2), np.float32)
    models.copy_weights(net, {"conv1.weight": array})
    net["conv1"].weight.data[:] = 7
    assert (array == 1).all()


def test_load_state_dict_wants_everything_and_changes_nothing_otherwise():
    net = small()
    state = {name: array + 1 for name, array in net.state_dict().items()}
    before = {name: array.copy() for name, array in net.state_dict().items()}
    bad = dict(state, extra=np.ones(1))
    del bad["score.bias"]
    bad["fc6.bias"] = np.ones(5)
    with pytest.raises(ValueError, match=r"missing score\.bias; unknown extra; fc6\.bias is \(5,"):
        net.load_state_dict(bad)
    for name, array in net.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    net.load_state_dict(state)
    np.testing.assert_array_equal(net["score"].bias.data, [1, 1])


def test_more_classes():
    weights = np.arange(12, dtype=np.float32).reshape(3, 4, 1, 1)
    wide = models.expand_score(weights, 5)
    assert wide.shape == (5, 4, 1, 1)
    assert wide.dtype == np.float32
    np.testing.assert_array_equal(wide[:3], weights)
    assert not wide[3:].any()
    assert models.expand_score(np.array([1.0, 2.0]), 3).tolist() == [1, 2, 0]
    with pytest.raises(ValueError, match="3 classes cannot become 2"):
        models.expand_score(weights, 2)


def test_a_filter_for_depth_is_the_mean_of_those_for_colours():
    weights = np.array([1, 2, 6, 3, 5, 1], np.float32).reshape(2, 3, 1, 1)
    deep = models.add_depth(weights)
    assert deep[:, :, 0, 0].tolist() == [[1, 2, 6, 3], [3, 5, 1, 3]]
    with pytest.raises(ValueError, match=r"wants weights \(K, 3, KH, KW\); got \(2, 4, 1, 1\)"):
        models.add_depth(deep)


def test_weights_that_are_zero_are_named():
    net = small()
    assert models.zero_weights(net) == ["score.weight"]
    report = models.copy_weights(net, {"conv1.weight": np.zeros((3, 2, 3, 2), np.float32)})
    assert report.zero == ["conv1.weight", "score.weight"]
    assert "2 zero (conv1.weight, score.weight)" in str(report)
