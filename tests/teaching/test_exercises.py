"""Every exercise of every topic: the answer passes, a hole and each known mistake do not."""

import importlib
import pkgutil

import numpy as np
import pytest

import minifcn.teaching
from minifcn.teaching import Exercise

EXERCISES = {
    f"{module.name}.{name}": value
    for module in pkgutil.iter_modules(minifcn.teaching.__path__)
    for name, value in vars(importlib.import_module(f"minifcn.teaching.{module.name}")).items()
    if isinstance(value, Exercise)
}


def empty(*arguments):
    """What a hole does before anything is written into it."""


@pytest.fixture(params=sorted(EXERCISES))
def exercise(request):
    return EXERCISES[request.param]


def test_the_answer_is_right(exercise):
    verdict = exercise(exercise.answer)
    assert verdict, verdict


def test_an_empty_hole_is_not(exercise):
    verdict = exercise(empty)
    assert not verdict
    assert repr(verdict).startswith("not yet: ")


def test_the_hand_cases_are_worked_out_by_hand_and_there_is_a_random_one(exercise):
    assert exercise.hand
    assert exercise.draw or exercise.laws


def test_known_mistakes_are_refused(exercise):
    assert exercise.mistakes, "an exercise says what goes wrong most often"
    for name, mistake in exercise.mistakes.items():
        verdict = exercise(mistake)
        assert not verdict, name
        assert "Error" not in verdict.text.split("(hint")[0], f"{name}: {verdict}"


def test_the_solution_is_code_of_the_library(exercise):
    solution = exercise.solution()
    assert "minifcn." in solution.summary
    if "minifcn.teaching." in solution.summary:  # where the library needs no such function
        assert solution.summary.rsplit(".", 1)[1] in ("accumulated", "five_point", "maps_kept")
    assert solution.code.lstrip().startswith(("def ", "class ", "@", '"""'))
    assert "<details>" in solution._repr_html_()


def test_an_attempt_that_writes_into_its_arguments_is_told():
    def double(x):
        x *= 2
        return x

    exercise = Exercise(lambda x: 2 * x, hand=[], draw=lambda rng: (rng.standard_normal(3),))
    assert "writes into its argument" in exercise(double).text


def test_an_exception_names_its_line():
    exercise = Exercise(lambda x: x, hand=[], draw=lambda rng: (np.ones(3),))
    assert "IndexError" in exercise(lambda x: x[7]).text


def test_two_gradients_may_come_as_a_list():
    from minifcn.teaching.chain_rule import check_product

    assert check_product(lambda gy, a, b: [gy * b, gy * a])
    assert "shape (1,), expected (2,)" in check_product(lambda gy, a, b: [gy * b]).text
