"""Curves of a training log, whatever the log lacks."""

import math

import numpy as np
import pytest

import minifcn.viz.curves as curves
from minifcn.viz.curves import draw_curves, read_log, smooth

ROWS = [
    {"iteration": i, "loss": math.exp(-i / 50) + 0.1, "lr": 1e-3 if i < 60 else 1e-4}
    for i in range(1, 101)
]
ROWS[49] |= {"val_loss": 0.6, "mean_iu": 0.4, "pixel_accuracy": 0.8}
ROWS[99] |= {"val_loss": 0.4, "mean_iu": 0.6, "pixel_accuracy": 0.7}


@pytest.fixture
def drawn(tmp_path, monkeypatch):
    """Draws a log and returns {label of the panel: its axes}; the file must be a picture."""
    figures = []
    real = curves.save_figure

    def spy(path, figure):
        figures.append(figure)
        real(path, figure)

    monkeypatch.setattr(curves, "save_figure", spy)

    def draw(log, **kwargs):
        draw_curves(tmp_path / "a.png", log, **kwargs)
        assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
        return {axes.get_ylabel(): axes for axes in figures[-1].axes}

    return draw


def lines(axes):
    return {line.get_label(): line.get_xydata() for line in axes.lines}


def test_a_full_log(drawn):
    panels = drawn(ROWS, title="costs $5")
    assert list(panels) == ["loss", "validation [%]", "learning rate"]
    loss = panels["loss"]
    raw, smoothed, validation = (line.get_xydata() for line in loss.lines)
    np.testing.assert_allclose(raw, [[r["iteration"], r["loss"]] for r in ROWS])
    np.testing.assert_allclose(smoothed[:, 1], smooth(raw[:, 1], 5))
    assert validation.tolist() == [[50, 0.6], [100, 0.4]]
    scores = lines(panels["validation [%]"])
    assert scores["mean IU, best 60.0"].tolist() == [[50, 40], [100, 60]]
    assert scores["pixel accuracy, best 80.0"].tolist() == [[50, 80], [100, 70]]
    assert panels["learning rate"].get_xlabel() == "iteration"
    assert panels["learning rate"].get_yscale() == "log"


def test_the_same_from_a_csv_file(drawn, tmp_path):
    names = ["iteration", "loss", "lr", "val_loss", "mean_iu", "pixel_accuracy"]
    text = [",".join(names)]
    text += [",".join(str(row.get(name, "")) for name in names) for row in ROWS]
    (tmp_path / "log.csv").write_text("\n".join(text) + "\n101,0.2")  # cut short
    panels = drawn(tmp_path / "log.csv")
    assert len(panels["loss"].lines[0].get_xydata()) == 101
    scores = lines(panels["validation [%]"])
    assert scores["mean IU, best 60.0"].tolist() == [[50, 40], [100, 60]]
    assert read_log(tmp_path / "log.csv")[-1]["lr"] == ""


def test_one_row(drawn):
    panels = drawn([{"epoch": 1, "loss": 0.7, "lr": 0.1, "mean_iu": 0.25}])
    assert lines(panels["loss"])["training"].tolist() == [[1, 0.7]]
    assert lines(panels["validation [%]"])["mean IU, best 25.0"].tolist() == [[1, 25]]
    for axes in panels.values():
        assert all(line.get_marker() == "o" for line in axes.lines)  # a point has no line
    assert panels["learning rate"].get_xlabel() == "epoch"


@pytest.mark.parametrize(
    ("rows", "panels"),
    [
        ([{"loss": 1.0}, {"loss": 0.5}], ["loss"]),
        ([{"validation_loss": 1.0}], ["loss"]),
        ([{"step": 1, "learning_rate": 0.1}], ["learning rate"]),
        ([{"epoch": 1, "val_mean_iu": 0.5}], ["validation [%]"]),
        ([{"epoch": 1, "mean_iu": None}, {"epoch": 2, "lr": "0.1"}], ["learning rate"]),
        ([{"loss": 1, "mean_iu": math.nan}], ["loss"]),
    ],
)
def test_missing_columns(drawn, rows, panels):
    assert list(drawn(rows)) == panels


def test_a_loss_that_becomes_nan_is_marked(drawn):
    rows = [{"iteration": i, "loss": 1.0 if i < 30 else math.nan} for i in range(40)]
    rows[10]["loss"] = math.inf
    panels = drawn(rows)
    assert "training: not finite from 10 on (11 of 40)" in lines(panels["loss"])
    raw = panels["loss"].lines[0].get_ydata()
    assert np.isnan(raw[[10, 30, 39]]).all()
    assert np.isfinite(raw[11:30]).all()


def test_nothing_but_nan(drawn):
    panels = drawn([{"loss": math.nan}])
    assert "training: not finite from 0 on (1 of 1)" in lines(panels["loss"])


def test_rows_without_a_position_are_left_out(drawn):
    panels = drawn([{"iteration": 1, "loss": 1.0}, {"loss": 9.0}, {"iteration": 3, "loss": 2.0}])
    assert lines(panels["loss"])["training"].tolist() == [[1, 1], [3, 2]]


@pytest.mark.parametrize(
    ("rows", "text"),
    [([], r"0 rows with the columns \(none\)"), ([{"a": 1, "b": 2}], "1 rows .* a, b")],
)
def test_nothing_to_draw(tmp_path, rows, text):
    with pytest.raises(ValueError, match=text):
        draw_curves(tmp_path / "a.png", rows)
    assert list(tmp_path.iterdir()) == []


def test_missing_log(tmp_path):
    with pytest.raises(FileNotFoundError):
        draw_curves(tmp_path / "a.png", tmp_path / "none.csv")


def test_smooth_is_the_weighted_mean_of_the_past():
    y = np.random.default_rng(0).random(50)
    y[[0, 7]] = math.nan, math.inf
    keep = 1 - 2 / (9 + 1)
    kept = []
    for t, value in enumerate(smooth(y, 9)):
        if not math.isfinite(y[t]):
            assert math.isnan(value)
            continue
        kept.append(y[t])
        weights = keep ** np.arange(len(kept))[::-1]
        assert value == pytest.approx((weights * kept).sum() / weights.sum(), rel=1e-12)


def test_smooth_of_a_constant_and_without_span():
    np.testing.assert_allclose(smooth(np.full(20, 3.0), 10), 3, rtol=1e-14)
    y = np.array([1.0, 5, 2])
    np.testing.assert_array_equal(smooth(y, 1), y)
