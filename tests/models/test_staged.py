"""Training in stages: a finer net starts with the predictions of the coarser one (section 4.2)."""

import numpy as np
import pytest

from minifcn import Tensor, manual_seed, models, no_grad, use_backend
from minifcn.autograd import Hook

STAGES = [("fcn32s-vgg16", "fcn16s-vgg16"), ("fcn16s-vgg16", "fcn8s-vgg16")]
MINI = [("fcn32s-mini", "fcn16s-mini"), ("fcn16s-mini", "fcn8s-mini")]
SQUEEZENET = [("fcn16s-squeezenet", "fcn8s-squeezenet"), ("fcn8s-squeezenet", "fcn4s-squeezenet")]


class Maps(Hook):
    """The output of every layer, by name."""

    def __init__(self, net):
        self.names, self.maps = {id(m): name for name, m in net.named_modules()}, {}

    def module_end(self, module, output):
        self.maps[self.names[id(module)]] = output.data


def run(net, image):
    with Maps(net) as watched, no_grad():
        net(Tensor(image))
    return watched.maps


def trained(name, padding):
    """A net whose score layers have learned something, or seem to: no class wins everywhere."""
    manual_seed(5)
    net, rng = models.build(name, 4, padding=padding, width=0.1).eval(), np.random.default_rng(6)
    for layer, parameter in net.named_parameters():
        if layer.startswith("score") and layer.endswith("weight"):
            parameter.data = rng.standard_normal(parameter.shape, dtype=np.float32)
    net["score_fr"].bias.data = -run(net, image(64, 96))["score"].mean(axis=(0, 2, 3))
    return net


def pair(stage, padding):
    coarse = trained(stage[0], padding)
    fine = models.build(stage[1], 4, padding=padding, width=0.1).eval()
    report = models.copy_weights(fine, coarse.state_dict())
    return coarse, fine, report


def image(height, width, batch=1):
    x = np.random.default_rng(3).standard_normal((batch, 3, height, width), dtype=np.float32)
    return 50 * x


@pytest.mark.parametrize("padding", ["reference", "aligned"])
@pytest.mark.parametrize("stage", STAGES + MINI + SQUEEZENET, ids=lambda stage: stage[1])
def test_what_is_copied_and_what_stays(stage, padding):
    coarse, fine, report = pair(stage, padding)
    new = [name for name in report.kept if name.startswith("score_")]
    assert report.kept == new
    assert len(new) == 2  # weight and bias of one new score layer
    assert set(report.copied) == set(coarse.state_dict())
    assert not report.reshaped
    assert not report.unused
    assert not report.misfits
    assert all(not fine.state_dict()[name].any() for name in new)


@pytest.mark.parametrize("backend", ["reference", "cpu"])
@pytest.mark.parametrize("padding", ["reference", "aligned"])
def test_fcn16s_starts_as_fcn32s_upsampled_in_two_steps(padding, backend):
    fcn32s, fcn16s, _ = pair(STAGES[0], padding)
    with use_backend(backend), no_grad():
        before, after = (run(net, image(60, 83)) for net in (fcn32s, fcn16s))
        np.testing.assert_array_equal(after["score_fr"], before["score_fr"])
        assert after["score_fr"].any()
        up = fcn16s["upscore2"](Tensor(before["score_fr"]))
        fused = up.data[:, :, : after["fuse_pool4"].shape[2], : after["fuse_pool4"].shape[3]]
        np.testing.assert_array_equal(after["upscore2"], up.data)
        np.testing.assert_array_equal(after["fuse_pool4"], fused)
        whole = fcn16s["upscore16"](Tensor(np.ascontiguousarray(fused))).data
        offset = 27 if padding == "reference" else 0
        window = whole[:, :, offset : offset + 60, offset : offset + 83]
        np.testing.assert_array_equal(after["score"], window)


def test_fcn8s_starts_as_fcn16s_upsampled_in_two_steps():
    fcn16s, fcn8s, _ = pair(STAGES[1], "reference")
    before, after = (run(net, image(60, 83)) for net in (fcn16s, fcn8s))
    np.testing.assert_array_equal(after["fuse_pool4"], before["fuse_pool4"])
    np.testing.assert_array_equal(after["fuse_pool3"], after["upscore_pool4"])
    assert after["fuse_pool3"].any()


@pytest.mark.parametrize("backend", ["reference", "cpu"])
@pytest.mark.parametrize("padding", ["reference", "aligned"])
@pytest.mark.parametrize("stage", SQUEEZENET, ids=lambda stage: stage[1])
def test_maps_on_pixels_lose_nothing_in_two_steps(stage, padding, backend):
    # Interpolation between whole pixels, by 2 and then by the rest, is interpolation by both.
    coarse, fine, _ = pair(stage, padding)
    with use_backend(backend):
        before, after = (run(net, image(64, 96, batch=2))["score"] for net in (coarse, fine))
    assert before.std() > 1
    np.testing.assert_allclose(after, before, atol=1e-5 * np.abs(before).max(), rtol=0)


@pytest.mark.parametrize("padding", ["reference", "aligned"])
@pytest.mark.parametrize("stage", SQUEEZENET, ids=lambda stage: stage[1])
@pytest.mark.parametrize("size", [(64, 96), (37, 50), (25, 133)])
def test_predictions_of_the_finer_net_start_unchanged(stage, padding, size):
    coarse, fine, _ = pair(stage, padding)
    before, after = (run(net, image(*size))["score"] for net in (coarse, fine))
    second, first = np.sort(before, axis=1)[0, -2:]
    clear = first - second > 1e-5 * np.abs(before).max()  # no tie but for rounding
    assert clear.mean() > 0.99
    before, after = (scores[0].argmax(axis=0) for scores in (before, after))
    assert len(np.unique(before)) >= 2
    np.testing.assert_array_equal(after[clear], before[clear])
