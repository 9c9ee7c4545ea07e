"""Figures: what they show is what the library computes, and it can be read."""

import subprocess
import sys
from itertools import combinations

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import same_color

import minifcn as mf
from minifcn import dense, geometry, models, nn, viz
from minifcn import functions as F
from minifcn.viz.figures import convolution, field, rarefied, slabs, stitched, transposed
from minifcn.viz.figures.pen import BLUE, COLOURS, number, tint


@pytest.fixture(autouse=True)
def _reference():
    """Small numbers: no kernels to be compiled."""
    with mf.use_backend("reference"):
        yield


def texts(figure):
    """Everything that is written in a figure."""
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def digits(values):
    """Texts that are numbers, as numbers."""
    return [float(t.replace("−", "-")) for t in values if t.lstrip("−").replace(".", "").isdigit()]


DRAWINGS = {
    "graph": lambda: viz.figure_graph("z = w * x + b; y = tanh(z); (y - t) ** 2 / 2",
                                      {"w": 0.5, "x": 2, "b": -1, "t": 1}),
    "graph of matrices": lambda: viz.figure_graph("sum(relu(W @ x))",
                                                  {"W": [[1, -2], [3, 0.5]], "x": [[2], [1]]}),
    "graph, long": lambda: viz.figure_graph("a" + " * sigmoid(a - 2) / 3" * 8, {"a": -1.5}),
    "convolution": viz.figure_convolution,
    "convolution, all": lambda: viz.figure_convolution(7, 3, 2, 1, 2),
    "convolution, large": lambda: viz.figure_convolution(14, 6, 1, 1),
    "transposed": viz.figure_transposed,
    "transposed, bilinear": lambda: viz.figure_transposed(kernel_size=4, padding=1),
    "transposed, gaps": lambda: viz.figure_transposed([[1, -2, 3]], 2, 3),
    "bilinear 2": viz.figure_bilinear,
    "bilinear 3": lambda: viz.figure_bilinear(3),
    "bilinear 32": lambda: viz.figure_bilinear(32, 63),
    "rarefied": viz.figure_rarefied,
    "rarefied, 2 x 2": lambda: viz.figure_rarefied([[1, 2], [3, 4]], (2, 3, 4), 3),
    "stitched": viz.figure_shift_and_stitch,
    "stitched, odd": lambda: viz.figure_shift_and_stitch(5, seed=3),
    "field": lambda: viz.figure_receptive_field(image=np.full((96, 128, 3), 90, np.uint8)),
    **{f"fcn {name}": lambda name=name, size=size: viz.figure_fcn(name, size)
       for name, size in {"fcn32s-vgg16": (500, 500), "fcn8s-vgg16": (375, 500),
                          "fcn16s-alexnet": (480, 640), "fcn32s-googlenet": (224, 224),
                          "fcn8s-googlenet": (500, 500), "fcn4s-squeezenet": (360, 480),
                          "fcn8s-mini": (96, 128)}.items()},
    **{f"skips {trunk} {padding}": lambda t=trunk, p=padding: viz.figure_skips(t, (480, 640), p)
       for trunk in ("vgg16", "alexnet", "googlenet", "squeezenet", "mini")
       for padding in ("reference", "aligned")},
    "skips of one net": lambda: viz.figure_skips("alexnet-torchvision"),
}  # fmt: skip


@pytest.mark.parametrize("name", DRAWINGS)
def test_texts_are_large_enough_on_the_page_and_apart(name):
    figure = DRAWINGS[name]()
    width, height = figure.get_size_inches()
    if not name.startswith("graph"):
        assert width <= 12
        assert height <= 6.75
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    boxes = []
    for axes in figure.axes:
        ticks = [*axes.get_xticklabels(), *axes.get_yticklabels()] if axes.axison else []
        legend = axes.get_legend()
        for text in (*axes.texts, *ticks, *(legend.get_texts() if legend else ())):
            if text.get_text().strip() and text.get_visible():
                assert text.get_fontsize() >= 11, text
                box = text.get_window_extent(canvas.get_renderer())
                boxes.append((text.get_text(), box.x0, box.y0, box.x1, box.y1))
    assert len(boxes) > 3
    page = figure.bbox
    for text, x0, y0, x1, y1 in boxes:
        assert x0 > -1, text
        assert y0 > -1, text
        assert x1 < page.x1 + 1, text
        assert y1 < page.y1 + 1, text
    for a, b in combinations(boxes, 2):
        across, down = min(a[3], b[3]) - max(a[1], b[1]), min(a[4], b[4]) - max(a[2], b[2])
        assert across < 1.5 or down < 4, f"{a[0]!r} over {b[0]!r}"
    label = figure.get_label()
    assert label.endswith(".")
    assert any(character.isdigit() for character in label)


@pytest.mark.parametrize(
    ("n", "k", "s", "p", "d"), [(5, 3, 1, 0, 1), (7, 3, 2, 1, 2), (6, 2, 2, 1, 1), (9, 3, 3, 2, 3)]
)
def test_a_convolution_reads_what_the_formula_says(n, k, s, p, d):
    outputs = (n + 2 * p - d * (k - 1) - 1) // s + 1
    assert convolution.output_size(n, k, s, p, d) == outputs
    for o in range(outputs):
        wanted = [o * s - p + i * d for i in range(k)]
        assert convolution.reads(n, k, s, p, d, (o, 0))[0] == wanted
        assert convolution.reads(n, k, s, p, d, (0, o))[1] == wanted
    figure = viz.figure_convolution(n, k, s, p, d, pixels=((outputs - 1, 0),))
    rows = [(outputs - 1) * s - p + i * d for i in range(k)]
    assert f"reads rows {', '.join(map(str, rows))} and".replace("-", "−") in figure.get_label()
    side = convolution.SIDE / (n + 2 * p)
    x0, y0 = 6 - convolution.SIDE / 2 + p * side, convolution.TOP + p * side
    marked = {(round((y - y0) / side), round((x - x0) / side)) for x, y in filled(figure, BLUE)}
    columns = [i * d - p for i in range(k)]
    assert marked == {(i, j) for i in rows for j in columns if 0 <= i < n and 0 <= j < n}


def filled(figure, colour):
    """Corners of the cells that have a colour."""
    patches = figure.axes[0].patches
    return [patch.get_xy() for patch in patches if same_color(patch.get_facecolor(), colour)]


@pytest.mark.parametrize(("k", "s", "p"), [(3, 2, 0), (4, 2, 1), (2, 3, 0), (3, 1, 1)])
def test_the_parts_of_a_transposed_convolution_sum_up(k, s, p):
    rng = np.random.default_rng(k)
    x, weight = rng.integers(-4, 5, (2, 3)).astype(float), rng.integers(1, 9, (k, k)).astype(float)
    parts = [transposed.spread(x, weight, s, p, place) for place in np.ndindex(2, 3)]
    by_hand = np.zeros(((2 - 1) * s + k, (3 - 1) * s + k))
    for i, j in np.ndindex(2, 3):
        by_hand[i * s : i * s + k, j * s : j * s + k] += x[i, j] * weight
    by_hand = by_hand[p : by_hand.shape[0] - p, p : by_hand.shape[1] - p]
    np.testing.assert_array_equal(sum(parts), by_hand)
    np.testing.assert_array_equal(transposed.gradient(x, weight, s, p), by_hand)
    figure = viz.figure_transposed(x, stride=s, padding=p, weight=weight)
    told = figure.get_label().split("summed to ")[1].removesuffix(".").replace("−", "-")
    shown = np.array([[float(v) for v in row.split()] for row in told.split("; ")])
    np.testing.assert_array_equal(shown, by_hand)
    written = digits(texts(figure))
    for value in by_hand.ravel():
        assert value in written


@pytest.mark.parametrize("factor", [1, 2, 3, 4])
def test_the_bilinear_kernel_is_the_librarys(factor):
    figure = viz.figure_bilinear(factor)
    k = 2 * factor - factor % 2
    weights = F.bilinear_filter((k, k))
    words = texts(figure)
    (heading,) = (t for t in words if t.startswith("weights"))
    common = int(heading.split("×")[1]) if "×" in heading else 1
    shown = [int(t) for t in words if t.isdigit()]
    np.testing.assert_allclose(np.reshape(shown, (k, k)) / common, weights, rtol=1e-12)
    assert f"sum is {factor**2}." in figure.get_label()


def test_a_rarefied_net_reads_the_same_pixels_with_its_stride_gone():
    before, after = (rarefied.seen(net, 8) for net in rarefied.two_layers(3, 2))
    np.testing.assert_array_equal(before[2], after[2])  # of the image
    np.testing.assert_array_equal(after[1][::2, ::2], before[1])
    assert after[1].sum() == before[1].sum() == 9
    assert before[0] == 2
    assert after[0] == 3


def test_filters_are_enlarged_as_dense_enlarges_them():
    weight = np.arange(1.0, 5).reshape(2, 2)
    words = texts(viz.figure_rarefied(weight, (3,)))
    shown = digits(words)
    enlarged = dense.enlarged(weight[None, None], (3, 3))[0, 0]
    assert shown == [*weight.ravel(), *enlarged.ravel()]


@pytest.mark.parametrize("size", [4, 5, 6])
def test_what_is_stitched_is_the_dense_convolution(size):
    image, net = stitched.example(size, seed=size)
    passes, whole = stitched.run(net, image)
    weight = net["score"].weight.data
    every = F.conv2d(mf.Tensor(image[None, None]), mf.Tensor(weight), padding=1).numpy()[0, 0]
    np.testing.assert_array_equal(whole, every)
    interlaced = np.full((size, size), np.nan)
    for one in passes:
        assert np.isnan(interlaced[one.pixels]).all()
        interlaced[one.pixels] = one.scores
        i, j = one.place
        np.testing.assert_array_equal(one.window[i : i + size, j : j + size], image)
    np.testing.assert_array_equal(interlaced, every)
    assert len(passes) == 4
    figure = viz.figure_shift_and_stitch(size, seed=size)
    for one, colour in zip(passes, COLOURS, strict=False):  # where the grid falls
        corners = np.array(filled(figure, tint(colour, 0.75)))
        falls = np.zeros((size, size), bool)
        falls[one.pixels] = True
        cell = (
            (corners - corners.min(axis=0))
            / np.ptp(corners, axis=0)
            * np.ptp(np.argwhere(falls)[:, ::-1], axis=0)
        )
        found = {tuple(pair) for pair in np.rint(cell).astype(int).tolist()}
        wanted = np.argwhere(falls)[:, ::-1]
        assert found == {tuple(pair) for pair in (wanted - wanted.min(axis=0)).tolist()}
    shown = digits(texts(figure))
    scores = np.concatenate([one.scores.ravel() for one in passes])
    wanted = [*image.ravel(), *weight.ravel(), *scores, *every.ravel()]
    assert sorted(shown) == sorted(wanted)


@pytest.mark.parametrize("name", ["fcn8s-vgg16", "fcn16s-squeezenet", "fcn8s-googlenet"])
def test_slabs_are_the_maps_that_geometry_traces(name):
    with nn.init.without_values():
        net = models.build(name)
    traced = geometry.trace(net, (375, 500))
    figure = viz.figure_fcn(name, (375, 500))
    words, columns = texts(figure), {}
    for text in figure.axes[0].texts:
        columns.setdefault(round(text.get_position()[0], 6), []).append(text.get_text())
    for slab in slabs.slabs(net, (375, 500)):
        assert slab.row.shape == traced[slab.row.name].shape
        assert slab.row.axes == traced[slab.row.name].axes
    for slab in slabs.slabs(net, (375, 500), coarse=True):
        numbers = [str(value) for value in (*slab.row.shape[1:], slab.row.axes[0].stride)]
        assert [*slab.lines, *numbers] in columns.values()
    summary = words[-1] if "parameters" in words[-1] else next(t for t in words if "param" in t)
    assert f"{net.num_parameters():,} parameters" in summary
    assert f"sees {geometry.receptive_field(net)[0]} pixels" in summary
    assert f"offset {geometry.offsets(net)['score'][0]}" in summary
    for fuse in (n for n in net.reads if isinstance(net[n], nn.Fuse)):
        skip = net.reads[fuse][1]
        assert f"{skip}, cut at offset {geometry.offsets(net)[fuse][0]}" in words


def test_the_facts_of_the_paper_are_in_the_figures():
    vgg, alexnet = (viz.figure_skips(trunk).get_label() for trunk in ("vgg16", "alexnet"))
    for fact in ("kernel 64, stride 32) to 544×544, cut at offset 19", "cut at offset 5",
                 "kernel 32, stride 16) to 560×560, cut at offset 27", "cut at offset 9",
                 "kernel 16, stride 8) to 568×568, cut at offset 31"):  # fmt: skip
        assert fact in vgg
    assert "kernel 63, stride 32) to 543×543, cut at offset 18" in alexnet
    assert "sees 404 pixels" in viz.figure_fcn("fcn32s-vgg16").get_label()


@pytest.mark.parametrize("padding", ["reference", "aligned"])
@pytest.mark.parametrize("trunk", ["vgg16", "squeezenet", "mini"])
def test_the_graph_of_the_skips_tells_every_offset_and_kernel(trunk, padding):
    words = texts(viz.figure_skips(trunk, (300, 400), padding))
    for name in (n for n in models.names() if n.partition("-")[2] == trunk):
        with nn.init.without_values():
            net = models.build(name, padding=padding)
        for offset in geometry.offsets(net).values():
            assert f"crop at offset {offset[0]}" in words
        for layer in (net[n] for n in net.reads if n.startswith("upscore")):
            assert f"kernel {layer.kernel_size[0]}, stride {layer.stride[0]}" in words


@pytest.mark.parametrize("padding", ["reference", "aligned"])
def test_no_gradient_lies_outside_the_field_that_geometry_derives(padding):
    model = field.fresh("fcn16s-mini", 0, padding)
    pixel, size = (40, 30), (160, 200)
    image = np.random.default_rng(0).normal(0, 60, (3, *size)).astype(np.float32)
    before = {name: p.data.copy() for name, p in model.named_parameters()}
    slope = field.sensitivity(model, image, pixel)
    top, bottom, left, right = geometry.fields_at(model, size, pixel)["score"]
    inside = np.zeros(size, bool)
    inside[max(top, 0) : bottom + 1, max(left, 0) : right + 1] = True
    assert not inside.all()
    assert slope[~inside].max() == 0
    assert slope[inside].max() > 0
    for name, parameter in model.named_parameters():
        np.testing.assert_array_equal(parameter.data, before[name])
        assert parameter.grad is None
        assert parameter.requires_grad
    assert model.training
    side = field.holding(slope, pixel, 0.9)
    assert side < 2 * max(bottom - pixel[0], right - pixel[1], pixel[0] - top) + 1


def test_the_square_that_holds_a_part():
    slope = np.zeros((9, 9))
    slope[4, 4], slope[4, 6], slope[0, 0] = 5, 4, 1
    assert field.holding(slope, (4, 4), 0.5) == 1
    assert field.holding(slope, (4, 4), 0.9) == 5
    assert field.holding(slope, (4, 4), 1.0) == 9


def test_a_fresh_net_depends_on_the_seed_and_disturbs_no_other():
    first = mf.rng.get_state()
    a, b, c = (field.fresh("fcn32s-mini", seed)["conv1"].weight.data for seed in (1, 1, 2))
    np.testing.assert_array_equal(a, b)
    assert (a != c).any()
    assert mf.rng.get_state() == first


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: viz.figure_convolution(5, 9), "no window fits"),
        (lambda: viz.figure_convolution(40), "must be 1 to 16 to be drawn; got 40"),
        (lambda: viz.figure_convolution(5, pixels=((3, 0),)), "none of 3 x 3"),
        (lambda: viz.figure_convolution(5, pixels=((0, 0),) * 4), "at most three"),
        (lambda: viz.figure_transposed([1, 2]), "x must be rows of finite numbers"),
        (lambda: viz.figure_transposed(np.ones((3, 3))), "number of inputs must be 1 to 6"),
        (lambda: viz.figure_transposed(padding=4), "empty output"),
        (lambda: viz.figure_transposed(weight=[[1, 2]]), "as high as wide"),
        (lambda: viz.figure_bilinear(0), "factor must be 1 to 64"),
        (lambda: viz.figure_bilinear(2, 5), "is 3 or 4; got 5"),
        (lambda: viz.figure_rarefied([[np.inf, 1], [1, 1]]), "finite"),
        (lambda: viz.figure_rarefied(rates=(9,)), "at rate 9 must be 1 to 11"),
        (lambda: viz.figure_rarefied(stride=1), "stride must be 2 to 3"),
        (lambda: viz.figure_shift_and_stitch(9), "size must be 4 to 6"),
        (lambda: viz.figure_fcn("vgg16"), "scores whole images, not pixels"),
        (lambda: viz.figure_fcn(nn.Sequential(nn.ReLU())), "wants a Net"),
        (lambda: viz.figure_fcn("siftflow-fcn8s"), "one stream .* has score_sem, score_geo"),
        (lambda: viz.figure_fcn("nyud-fcn32s-color-hha"), "one stream"),
        (lambda: viz.figure_skips("resnet"), "no nets of a trunk 'resnet'; there are: alexnet"),
        (lambda: viz.figure_receptive_field(pixel=(192, 0)), "not in an image of 192 x 256"),
        (lambda: viz.figure_receptive_field(image=np.ones((9, 9))), "uint8"),
    ],
)
def test_what_cannot_be_drawn_is_one_clear_error(draw, message):
    with pytest.raises(ValueError, match=message) as caught:
        draw()
    assert "\n" not in str(caught.value)


def test_numbers_are_short():
    shown = [number(v) for v in (3, -1.5, 0.0625, -0.0, 1 / 3, None)]
    assert shown == ["3", "−1.5", "0.0625", "0", "0.3333", ""]


def test_nothing_is_loaded_before_it_is_drawn_and_no_pyplot_then():
    program = (
        "import sys, minifcn as mf\n"
        "mf.use_backend('reference')\n"
        "viz = mf.viz\n"
        "[getattr(viz, name) for name in viz.__all__ if name.startswith('figure')]\n"
        "assert 'matplotlib' not in sys.modules, 'loaded too early'\n"
        "viz.drawing_svg(viz.figure_convolution())\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
        "assert 'numba' not in sys.modules\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
