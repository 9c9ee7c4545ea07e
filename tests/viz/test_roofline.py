"""The roofline: lines and points where the numbers say, labels that can be read."""

import itertools

import numpy as np
import pytest

import minifcn.viz.roofline as roofline
from minifcn.viz import draw_roofline

POINTS = [
    ("conv1", 4.0, 30.0, "direct"),
    ("conv2", 90.0, 250.0, "fast"),
    ("fc", 8.0, 55.5, "direct"),
]


@pytest.fixture
def drawn(tmp_path, monkeypatch):
    """Draws and returns the axes; the file must be a picture."""
    figures = []
    real = roofline.save_figure

    def spy(path, figure):
        figures.append(figure)
        real(path, figure)

    monkeypatch.setattr(roofline, "save_figure", spy)

    def draw(*args, **kwargs):
        draw_roofline(tmp_path / "a.png", *args, **kwargs)
        assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
        return figures[-1].axes[0]

    return draw


def kinds(axes):
    """Label -> points of everything that is in the legend."""
    lines = [line for line in axes.lines if not line.get_label().startswith("_")]
    return {line.get_label(): line.get_xydata().tolist() for line in lines}


def labels(axes):
    """Text -> annotation of the points that have one."""
    return {text.get_text(): text for text in axes.texts if getattr(text, "arrow_patch", None)}


def test_points_are_where_the_numbers_say(drawn):
    axes = drawn(POINTS, peak=100, bandwidth=10, title="costs $5")
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert kinds(axes) == {"direct": [[4, 30], [8, 55.5]], "fast": [[90, 250]]}
    assert axes.get_title() == r"costs \$5"
    assert set(labels(axes)) == {"conv1", "conv2", "fc"}
    assert {name: tuple(text.xy) for name, text in labels(axes).items()} == {
        name: (intensity, rate) for name, intensity, rate, _ in POINTS
    }


def test_the_roof_bends_where_bandwidth_meets_the_peak(drawn):
    axes = drawn(POINTS, peak=100, bandwidth=10)
    (left, low), bend, (right, level) = axes.lines[0].get_xydata().tolist()
    assert bend == [10, 100]
    assert (left, right) == axes.get_xlim()
    assert low == pytest.approx(10 * left)
    assert level == 100
    said = [text.get_text().strip() for text in axes.texts]
    assert "peak: 100 GFLOP/s" in said
    assert "memory: 10 GB/s" in said


def test_ceilings_are_level_lines(drawn):
    axes = drawn(POINTS, 100, 10, ceilings={"twice": 200, "four times": 400})
    ends = [line.get_xydata().tolist() for line in axes.lines]
    right = axes.get_xlim()[1]
    for rate in (200, 400):
        assert [[rate / 10, rate], [right, rate]] in ends
    assert [[10, 100], [40, 400]] in ends  # the slope goes on
    assert any(text.get_text() == "four times: 400 GFLOP/s " for text in axes.texts)


def test_everything_is_inside_the_axes(drawn):
    axes = drawn([("a", 0.01, 5000.0), ("b", 1e5, 0.003)], peak=7, bandwidth=100)
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    for x, y in ((0.01, 5000), (1e5, 0.003), (0.07, 7)):
        assert left < x < right
        assert low < y < high
    assert axes.get_legend() is None  # no kinds


def test_labels_do_not_overlap(drawn):
    rng = np.random.default_rng(0)
    crowd = [
        (f"layer_{i}", *10 ** rng.uniform((1.3, 1.7), (1.6, 2.0)), f"kind {i % 3}")
        for i in range(25)
    ]
    axes = drawn(crowd, 100, 10)
    named = labels(axes)
    assert len(named) >= 20
    boxes = [super(type(t), t).get_window_extent() for t in named.values()]  # without the lines
    for a, b in itertools.combinations(boxes, 2):
        assert not a.overlaps(b)
    places = axes.transData.transform([p[1:3] for p in crowd])
    assert not any(box.contains(*place) for box in boxes for place in places)


def test_a_hopeless_crowd_loses_labels_only(drawn):
    axes = drawn([(f"a rather long name {i}", 20.0, 30.0, "kind") for i in range(200)], 100, 10)
    assert len(kinds(axes)["kind"]) == 200
    assert 10 < len(labels(axes)) < 200


@pytest.mark.parametrize(
    ("points", "peak", "bandwidth", "ceilings", "message"),
    [
        ([], 1, 1, {}, "no point"),
        ([("a", 1, 0)], 1, 1, {}, "a: 0 is not a number above 0"),
        ([("a", float("nan"), 1)], 1, 1, {}, "a: nan"),
        ([("a", 1, 1)], -1, 1, {}, "peak: -1"),
        ([("a", 1, 1)], 1, float("inf"), {}, "bandwidth: inf"),
        ([("a", 1, 1)], 1, 1, {"more": 0}, "more: 0"),
    ],
)
def test_wrong_calls(tmp_path, points, peak, bandwidth, ceilings, message):
    with pytest.raises(ValueError, match=message):
        draw_roofline(tmp_path / "a.png", points, peak, bandwidth, ceilings=ceilings)
    assert list(tmp_path.iterdir()) == []


def test_equal_calls_give_equal_files(tmp_path):
    for name in ("a.png", "b.png"):
        draw_roofline(tmp_path / name, POINTS, 100, 10, "title", {"twice": 200})
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
