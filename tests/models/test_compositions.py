"""The authors' nets for NYUDv2, SIFT Flow and PASCAL-Context, out of parts that are tested."""

import numpy as np
import pytest

from minifcn import Tensor, geometry, models, no_grad
from minifcn.models.composed import COMPOSITIONS

NAMES = [
    "nyud-fcn32s-color-d",
    "nyud-fcn32s-color-hha",
    "siftflow-fcn32s",
    "siftflow-fcn16s",
    "siftflow-fcn8s",
    "nyud-fcn32s-color",
    "nyud-fcn32s-hha",
    "pascalcontext-fcn32s",
    "pascalcontext-fcn16s",
    "pascalcontext-fcn8s",
]
CLASSES = {"nyud": 40, "siftflow": 33, "pascalcontext": 60}


def build(name, **options):
    return models.build(name, **{"width": 0.03} | options).eval()


def randomized(net, seed=0):
    rng = np.random.default_rng(seed)
    for parameter in net.parameters():
        scale = np.sqrt(2 / parameter[0].size) if parameter.ndim > 1 else 0.3
        parameter.data = (rng.standard_normal(parameter.shape) * scale).astype(np.float32)
    return net


def scores(net, image):
    with no_grad():
        output = net(Tensor(image))
    return [o.data for o in output] if isinstance(output, tuple) else [output.data]


def photograph(channels, size=(37, 50), seed=1):
    return np.random.default_rng(seed).standard_normal((2, channels, *size), dtype=np.float32)


def test_names():
    assert models.compositions() == NAMES


@pytest.mark.parametrize("padding", ["reference", "aligned"])
@pytest.mark.parametrize("name", NAMES)
def test_every_pixel_is_scored(name, padding):
    net = build(name, padding=padding)
    channels = {"color-d": 4, "color-hha": 6}.get(name.removeprefix("nyud-fcn32s-"), 3)
    found = [maps.shape for maps in scores(net, photograph(channels))]
    wanted = [CLASSES[name.split("-")[0]], 3] if name.startswith("siftflow") else None
    wanted = wanted or [CLASSES[name.split("-")[0]]]
    assert found == [(2, K, 37, 50) for K in wanted]


def test_the_authors_offsets():
    found = {name: geometry.offsets(build(name)) for name in ("siftflow-fcn8s", NAMES[1])}
    eight = {"fuse_pool4": (5, 5), "fuse_pool3": (9, 9), "score": (31, 31)}
    assert found == {
        "siftflow-fcn8s": {f"{k}_{h}": v for h in ("sem", "geo") for k, v in eight.items()},
        "nyud-fcn32s-color-hha": {"score": (19, 19)},
    }


def test_early_fusion_is_a_net_of_four_channels():
    """Where the depth is zero, and where its filters are, it scores what the colour net does."""
    plain = randomized(build("fcn32s-vgg16", num_classes=40))
    net, image = build("nyud-fcn32s-color-d"), photograph(4)
    state = dict(plain.state_dict())
    colour = state.pop("conv1_1.weight")
    state |= {"conv1_1_bgrd.bias": state.pop("conv1_1.bias")}
    state |= {"conv1_1_bgrd.weight": models.add_depth(colour)}
    net.load_state_dict(state)
    np.testing.assert_array_equal(
        net["conv1_1_bgrd"].weight.data[:, 3], colour.mean(axis=1, dtype=np.float32)
    )
    assert abs(scores(net, image)[0] - scores(plain, image[:, :3])[0]).max() > 0.01
    image[:, 3] = 0
    (ours,), (wanted,) = scores(net, image), scores(plain, image[:, :3])
    np.testing.assert_allclose(ours, wanted, rtol=1e-4, atol=1e-5 * abs(wanted).max())


def test_late_fusion_is_the_mean_of_two_nets():
    color, hha = (randomized(build("nyud-fcn32s-color"), seed) for seed in (1, 2))
    net, image = build("nyud-fcn32s-color-hha"), photograph(6)
    state = {}
    for suffix, part in (("color", color), ("hha", hha)):
        for name, array in part.state_dict().items():
            layer, kind = name.split(".")
            state[f"{layer}{suffix}.{kind}"] = array
    net.load_state_dict(state)
    (wanted,) = scores(color, image[:, :3])
    wanted = (wanted + scores(hha, image[:, 3:])[0]) / 2
    np.testing.assert_allclose(
        scores(net, image)[0], wanted, rtol=1e-4, atol=1e-5 * abs(wanted).max()
    )


@pytest.mark.parametrize("stride", [32, 16, 8])
def test_two_heads_are_two_nets_of_one_trunk(stride):
    net = randomized(build(f"siftflow-fcn{stride}s"))
    image = photograph(3)
    found = scores(net, image)
    for maps, suffix, K in zip(found, ("_sem", "_geo"), (33, 3), strict=True):
        alone = build(f"fcn{stride}s-vgg16", num_classes=K)
        state = {name.replace(suffix, ""): array for name, array in net.state_dict().items()}
        report = models.copy_weights(alone, state)
        assert not report.kept
        (wanted,) = scores(alone, image)
        np.testing.assert_allclose(maps, wanted, rtol=1e-4, atol=1e-5 * abs(wanted).max())


def test_both_heads_send_gradients_to_the_trunk():
    net = randomized(build("siftflow-fcn16s"))
    gradients = []
    for heads in ((0,), (1,), (0, 1)):
        outputs = net(Tensor(photograph(3)))
        sum(outputs[head].sum() for head in heads).backward()
        gradients.append(net["conv1_1"].weight.grad)
        net.zero_grad()
    semantic, geometric, both = gradients
    assert abs(semantic).max() > 0
    assert abs(geometric).max() > 0
    error = abs(semantic + geometric - both).max()
    assert error < 1e-4 * abs(both).max()


@pytest.mark.parametrize("name", COMPOSITIONS)
def test_the_upsampling_is_the_one_asked_for(name):
    fixed, learned = (build(name, upsampling=how) for how in ("fixed", "all-learned"))
    assert not [name for name in fixed.state_dict() if name.startswith("upscore")]
    ups = [name for name, _ in learned.named_modules() if name.startswith("upscore")]
    assert {f"{up}.weight" for up in ups} <= learned.state_dict().keys()
    assert ups
