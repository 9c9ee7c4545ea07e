"""Geometry: the published figures come out, and what is derived is what a net really does."""

from fractions import Fraction

import numpy as np
import pytest

from minifcn import Tensor, geometry, models, nn
from minifcn import functions as F

VGG_OFFSETS = {  # Long et al., voc-fcn32s, 16s and 8s net.py
    "fcn32s-vgg16": {"score": 19},
    "fcn16s-vgg16": {"fuse_pool4": 5, "score": 27},
    "fcn8s-vgg16": {"fuse_pool4": 5, "fuse_pool3": 9, "score": 31},
    "fcn8s-atonce-vgg16": {"fuse_pool4": 5, "fuse_pool3": 9, "score": 31},
}


def narrow(name, **options):
    return models.build(name, **{"num_classes": 2, "width": 0.02} | options)


@pytest.fixture(scope="module")
def full_size():
    """``models.build`` for the published nets, in full, without values."""

    def build(*args, **settings):
        with nn.init.without_values():
            return models.build(*args, **settings)

    return build


@pytest.fixture(scope="module")
def fcn32s(full_size):
    return full_size("fcn32s-vgg16")


@pytest.mark.parametrize("name", VGG_OFFSETS)
def test_the_authors_crop_offsets(name):
    wanted = {layer: (o, o) for layer, o in VGG_OFFSETS[name].items()}
    assert geometry.offsets(narrow(name)) == wanted


@pytest.mark.parametrize("name", models.names())
def test_aligned_nets_have_no_offsets(name):
    found = geometry.offsets(narrow(name, padding="aligned"))
    assert len(found) >= 1
    assert set(found.values()) == {(0, 0)}


def test_offsets_of_squeezenet():
    # conv1 starts at 3 - 100, every pool 1 pixel of its input later; the upsampling kernels, 3
    # and 7 for the factors 2 and 4, start 1 and 3 earlier: -97 + 2 + 4 + 8 - 8 - 4 - 3 = -98.
    found = geometry.offsets(narrow("fcn4s-squeezenet"))
    assert found == {"fuse_fire8": (0, 0), "fuse_fire4": (0, 0), "score": (98, 98)}


def test_offsets_of_mini():
    # Its maps are VGG's but for fc6, of 3 pixels and not 7: scores start 64 pixels earlier.
    found = {name: geometry.offsets(narrow(f"fcn{name}-mini")) for name in ("32s", "16s", "8s")}
    assert found == {
        "32s": {"score": (83, 83)},
        "16s": {"fuse_pool4": (1, 1), "score": (91, 91)},
        "8s": {"fuse_pool4": (1, 1), "fuse_pool3": (1, 1), "score": (95, 95)},
    }


def test_receptive_fields():
    vgg, squeezenet = narrow("fcn8s-vgg16"), narrow("fcn4s-squeezenet")
    assert geometry.receptive_field(vgg) == (404, 404)  # the paper's Table 1
    fields = [geometry.receptive_field(vgg, f"pool{n}")[0] for n in range(1, 6)]
    assert fields == [6, 16, 44, 100, 212]
    assert geometry.receptive_field(squeezenet) == (155, 155)
    with pytest.raises(KeyError, match="no layer 'fc8'"):
        geometry.receptive_field(vgg, "fc8")


def test_parameters_of_the_published_nets(fcn32s, full_size):
    layers = {row.name: row.parameters for row in geometry.trace(fcn32s).rows}
    assert sum(n for name, n in layers.items() if name.startswith("conv")) == 14_714_688
    assert layers["fc6"] == 102_764_544
    assert layers["fc7"] == 16_781_312
    assert layers["score_fr"] == 86_037
    assert fcn32s.num_parameters() == sum(layers.values()) == 134_346_581
    assert full_size("fcn16s-vgg16").num_parameters() == 134_346_581 + 10_773
    assert full_size("fcn8s-vgg16").num_parameters() == 134_362_751


def test_parameters_of_squeezenet():
    # The published classifier has 1,248,424; its conv10 scores 1000 classes from 512 channels.
    trunk = 1_248_424 - 1000 * (512 + 1)
    assert models.build("fcn16s-squeezenet", 21).num_parameters() == trunk + 21 * (512 + 1)


def giga_macs(model, size):
    return sum(row.macs for row in geometry.trace(model, size).rows) / 1e9


def test_multiply_adds_of_fcn32s(fcn32s, full_size):
    sizes = (375, 500), (224, 224), (128, 128)
    assert [round(giga_macs(fcn32s, size)) for size in sizes] == [146, 63, 36]
    assert round(giga_macs(fcn32s, (64, 64)), 1) == 22.4
    aligned = full_size("fcn32s-vgg16", padding="aligned")
    assert [round(giga_macs(aligned, size)) for size in sizes] == [81, 21, 7]
    assert round(giga_macs(aligned, (64, 64)), 1) == 1.7


def test_activations_of_fcn32s(fcn32s):
    rows = geometry.trace(fcn32s, (500, 500)).rows
    assert round(sum(row.memory for row in rows if row.kind == "Conv2d") / 1e6) == 536


@pytest.mark.parametrize(
    ("layer", "text", "stride", "start"),
    [
        ("pool3", "(x + 95.5)/8", 8, "-191/2"),
        ("pool4", "(x + 91.5)/16", 16, "-183/2"),
        ("pool5", "(x + 83.5)/32", 32, "-167/2"),
        ("drop7", "(x - 12.5)/32", 32, "25/2"),
        ("score", "x", 1, "0"),
    ],
)
def test_coordinate_maps(layer, text, stride, start):
    vertical, horizontal = geometry.trace(narrow("fcn32s-vgg16"))[layer].axes
    assert vertical == horizontal
    assert str(vertical) == text
    assert (vertical.stride, vertical.start) == (stride, Fraction(start))


def test_a_map_finer_than_the_image_is_written_without_ambiguity():
    net = nn.Net()
    net.add("up", nn.UpsampleBilinear(2, 3, 0))
    assert str(geometry.trace(net)["up"].axes[0]) == "(x + 0.5)/(1/2)"


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("fcn32s-vgg16", {"upscore": 544}),
        ("fcn16s-vgg16", {"upscore2": 34, "fuse_pool4": 34, "upscore16": 560}),
        ("fcn8s-vgg16", {"upscore_pool4": 70, "fuse_pool3": 70, "upscore8": 568}),
    ],
)
def test_sizes_at_500(name, sizes):
    trunk = {"conv1_1": 698, "pool1": 349, "pool2": 175, "pool3": 88, "pool4": 44, "pool5": 22}
    wanted = trunk | {"fc6": 16, "score_fr": 16} | sizes | {"score": 500}
    traced = geometry.trace(narrow(name))
    assert {layer: traced[layer].shape[2:] for layer in wanted} == {
        layer: (n, n) for layer, n in wanted.items()
    }


@pytest.mark.parametrize("pad", [81, 97, 100, 123])
def test_how_offsets_depend_on_the_first_padding(pad):
    for name, constant in (("fcn32s-vgg16", 81), ("fcn16s-vgg16", 73), ("fcn8s-vgg16", 69)):
        net = narrow(name)
        net["conv1_1"].padding = (pad, pad)
        geometry.derive_offsets(net)
        found = geometry.offsets(net)
        assert found.pop("score") == (pad - constant, pad - constant)
        assert found == {k: (o, o) for k, o in VGG_OFFSETS[name].items() if k != "score"}


def test_offsets_may_differ_by_axis():
    net = narrow("fcn32s-vgg16")
    net["conv1_1"].padding = (100, 90)
    geometry.derive_offsets(net)
    assert geometry.offsets(net)["score"] == (19, 9)


def odd_trunk(kernel):
    """A margin of 5, two odd pools, and upsampling by 4 without padding."""
    net = nn.Net()
    net.add("conv", nn.Conv2d(3, 3, 1, padding=5))
    net.add("pool1", nn.MaxPool2d(3, 2))
    net.add("pool2", nn.MaxPool2d(3, 2))
    net.add("upscore", nn.UpsampleBilinear(4, kernel, 0))
    net.add("score", nn.Crop(), "upscore", "data")
    return net


def test_maps_that_do_not_meet_are_refused_with_the_arithmetic():
    # The pools' first pixel lies on pixel -5 + 1 + 2 = -2; kernel 8 starts 3.5 before that.
    arithmetic = r"x \+ 5\.5 and x do not meet on whole pixels: \(0 - -11/2\) / 1 = 5\.5"
    with pytest.raises(ValueError, match=arithmetic):
        geometry.derive_offsets(odd_trunk(8))
    net = odd_trunk(7)
    geometry.derive_offsets(net)
    assert geometry.offsets(net) == {"score": (5, 5)}


def test_no_filter_for_half_pixels_both_ways():
    coarse, fine = geometry.Axis(Fraction(4), Fraction(1, 4)), geometry.Axis()
    with pytest.raises(ValueError, match=r"factor 4 .* -0\.25 fine pixels apart, and kernel 8"):
        models.bilinear_fit(coarse, fine, aligned=False)
    with pytest.raises(ValueError, match="strides 3 and 2 have no whole ratio"):
        models.bilinear_fit(geometry.Axis(Fraction(3)), geometry.Axis(Fraction(2)), False)
    with pytest.raises(ValueError, match="neither negative padding"):
        models.bilinear_fit(geometry.Axis(Fraction(2), Fraction(9)), geometry.Axis(), True)


def test_kernels_follow_from_the_maps():
    # 2f between pixels, 2f - 1 on them: the authors' 64 for VGG and 63 for AlexNet.
    half, whole = geometry.Axis(Fraction(32), Fraction(25, 2)), geometry.Axis(Fraction(32))
    assert models.bilinear_fit(half, geometry.Axis(), False) == (32, 64, 0, 0)
    assert models.bilinear_fit(whole, geometry.Axis(), False) == (32, 63, 0, 0)


def test_strides_that_differ_are_refused():
    net = nn.Net()
    net.add("pool", nn.MaxPool2d(2))
    net.add("fuse", nn.Fuse(), "pool", "data")
    with pytest.raises(ValueError, match="have strides 1, 2"):
        geometry.derive_offsets(net)


class AddShifted(nn.Module):
    """x plus x moved down by some pixels, both of one size."""

    def __init__(self, pixels):
        super().__init__()
        self.pixels = pixels

    def forward(self, x):
        return x + F.crop(F.pad(x, (self.pixels, 0, 0, 0)), 0, x.shape[2:])


def test_maps_that_lie_apart_cannot_be_joined():
    assert geometry.trace(AddShifted(0)).rows[-1].axes == (geometry.Axis(), geometry.Axis())
    with pytest.raises(ValueError, match=r"maps x and x \+ 2 are joined, but lie apart"):
        geometry.trace(AddShifted(2))


def test_an_offset_is_asked_for_before_use():
    net = odd_trunk(7)
    with pytest.raises(RuntimeError, match=r"call geometry\.derive_offsets"):
        net(Tensor(np.zeros((1, 3, 19, 19), np.float32)))


def test_costs_of_a_small_net():
    net = nn.Net()
    net.add("conv", nn.Conv2d(4, 6, (3, 2), (2, 1), (1, 0), groups=2))  # 8x9 -> 4x8
    net.add("relu", nn.ReLU())
    net.add("up", nn.ConvTranspose2d(6, 3, (2, 3), 2, weight_init=nn.init.zeros))  # -> 8x17
    net.add("pool", nn.AvgPool2d(8, 8, ceil_mode=True))  # -> 1x3: starts at 0, 8 and 16
    net.add("flat", nn.Flatten())
    net.add("linear", nn.Linear(9, 5))
    rows = {row.name: row for row in geometry.trace(net, (8, 9), channels=4, batch=2).rows}
    shapes = {
        "conv": (2, 6, 4, 8), "relu": (2, 6, 4, 8), "up": (2, 3, 8, 17), "pool": (2, 3, 1, 3),
        "flat": (2, 9), "linear": (2, 5),
    }  # fmt: skip
    assert {name: row.shape for name, row in rows.items()} == shapes
    macs = {"conv": 2 * 4 * 8 * 6 * (4 // 2) * 6, "up": 2 * 4 * 8 * 6 * 3 * 6, "linear": 2 * 9 * 5}
    assert {name: row.macs for name, row in rows.items() if row.macs} == macs
    parameters = {"conv": 6 * 2 * 6 + 6, "up": 6 * 3 * 6, "linear": 9 * 5 + 5}
    assert {n: row.parameters for n, row in rows.items() if row.parameters} == parameters
    assert {n: row.memory for n, row in rows.items()} == {
        n: 4 * int(np.prod(shape)) for n, shape in shapes.items()
    }
    assert rows["pool"].axes is not None
    assert rows["flat"].axes is rows["linear"].axes is None
    assert rows["conv"].kind == "Conv2d"


def test_a_trace_takes_no_memory_and_no_time():
    traced = geometry.trace(narrow("fcn8s-vgg16"), (20_000, 30_000))
    assert traced["score"].shape == (1, 2, 20_000, 30_000)
    assert traced.output.data.strides == (0, 0, 0, 0)


def test_summary_names_layers_and_totals(fcn32s):
    text = geometry.summary(fcn32s, (375, 500))
    lines = text.splitlines()
    assert len(lines) == 1 + len(geometry.trace(fcn32s).rows) + 1
    assert lines[-1].startswith("134,346,581 parameters, 146.3 G multiply-adds")
    assert "375x500 image" in lines[-1]
    fc6 = next(line for line in lines if line.startswith("fc6"))
    assert fc6.split()[:6] == ["fc6", "Conv2d", "4096", "12", "16", "32"]
    assert {"404", "102,764,544", "(x", "12.5)/32"} <= set(fc6.split())


def test_a_square_size_is_one_number_twice():
    rows = [geometry.trace(narrow("fcn32s-vgg16"), size) for size in ((30, 70), (70, 30))]
    assert rows[0]["conv1_1"].shape[2:] == rows[1]["conv1_1"].shape[2:][::-1] == (228, 268)
