"""Learning-rate schedules: their values, from the first iteration to the last."""

import pytest

from minifcn.train import RECIPES, SCHEDULES, fixed, poly, step


def test_fixed():
    assert [fixed()(i, 10) for i in (0, 5, 9)] == [1, 1, 1]


def test_poly():
    assert [poly()(i, 10) for i in (0, 5, 9)] == pytest.approx([1, 0.5**0.9, 0.1**0.9])
    assert [poly(1)(i, 4) for i in range(4)] == [1, 0.75, 0.5, 0.25]


def test_step():
    assert [step()(i, 9) for i in range(9)] == pytest.approx([1] * 3 + [0.1] * 3 + [0.01] * 3)
    assert [step(0.5, 0.5)(i, 4) for i in range(4)] == [1, 1, 0.5, 0.5]


@pytest.mark.parametrize("total", [3, 7, 30, 99, 3000])
def test_step_falls_exactly_at_the_thirds(total):
    factors = [round(1 / step()(i, total)) for i in range(total)]
    assert factors == [10 ** (3 * i // total) for i in range(total)]


def test_by_name():
    assert {name: make()(0, 10) for name, make in SCHEDULES.items()} == {
        "fixed": 1, "poly": 1, "step": 1,
    }  # fmt: skip


def test_recipes_are_the_authors():
    # shelhamer/fcn.berkeleyvision.org, voc-*/solver.prototxt
    rates = {"voc-fcn32s": 1e-10, "voc-fcn16s": 1e-12, "voc-fcn8s": 1e-14}
    for name, lr in (rates | {"voc-fcn8s-atonce": 1e-10}).items():
        recipe = RECIPES[name]
        assert recipe["lr"] == lr
        assert recipe["model"] == name.removeprefix("voc-") + "-vgg16"
        assert (recipe["momentum"], recipe["weight_decay"]) == (0.99, 5e-4)
        assert (recipe["loss"], recipe["batch_size"], recipe["accumulate"]) == ("batch", 1, 1)
        assert recipe["iterations"] == (300_000 if "atonce" in name else 100_000)
        assert (recipe["padding"], recipe["schedule"], recipe["flip"]) == (
            "reference", "fixed", False,
        )  # fmt: skip
