"""The first place where two results differ."""

from fractions import Fraction

import numpy as np
import pytest

from minifcn.teaching.compare import first_difference


@pytest.mark.parametrize(
    ("found", "expected", "text"),
    [
        (None, 1.0, "nothing came back"),
        (..., [1.0], "nothing came back"),
        (np.ones((2, 3)), np.ones((3, 2)), "shape (2, 3), expected (3, 2)"),
        ([[1, 2], [3, 5]], [[1, 2], [3, 4]], "5, expected 4 at [1, 1]; 1 of 4 numbers differ"),
        (np.nan, 1.0, "nan, expected 1"),
        ((1.0, np.array([1.0, 2.0])), (1.0, np.array([1.0, 3.0])), "2, expected 3 at [1][1]"),
        ((1.0,), (np.ones(2), 1.0), "1 results, expected 2"),
        (3.0, (np.ones(2), 1.0), "a float, expected 2 results"),
        ({"a": 1}, {"a": 1, "b": 2}, "keys ['a'], expected ['a', 'b']"),
        ({"a": 1, "b": 3}, {"a": 1, "b": 2}, "3, expected 2 at ['b']"),
        ("32s", "16s", "'32s', expected '16s'"),
        ([[1], [2, 3]], [[1, 2], [3, 4]], "[[1], [2, 3]], expected"),
        (np.bool_(True), False, "True, expected False"),
        ("text", 1.0, "is no array of numbers"),
    ],
)
def test_what_differs_is_said(found, expected, text):
    assert text in first_difference(found, expected)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (1.0 + 1e-12, 1.0),
        (np.array([np.nan, np.inf]), np.array([np.nan, np.inf])),
        ([1, 2], (1, 2)),
        (np.float32(3), 3.0),
        ([Fraction(1, 2), Fraction(3)], [0.5, 3.0]),
        ("a", "a"),
        (None, None),
        ({"a": np.ones(2)}, {"a": np.ones(2)}),
        (np.empty((0, 2)), np.empty((0, 2))),
    ],
)
def test_equal_results_differ_nowhere(found, expected):
    assert first_difference(found, expected) is None


def test_integers_are_compared_exactly_and_floats_relative_to_the_largest():
    assert first_difference(10**9 + 1, 10**9)
    assert first_difference([1e9, 1e-3], [1e9, 0.0], 1e-9) is None
    assert first_difference([1.0, 1e-3], [1.0, 0.0], 1e-9)


def test_the_hint_follows_an_attempt_but_not_an_empty_hole():
    assert first_difference(1, 2, hint="one more").endswith("(hint: one more)")
    assert "hint" not in first_difference(None, 2, hint="one more")
