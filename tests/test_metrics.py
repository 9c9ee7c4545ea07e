"""The four measures against values worked out by hand, a loop over pixels, and their laws."""

import math

import numpy as np
import pytest

from minifcn.metrics import (
    MEASURES,
    ConfusionMatrix,
    boundary_distance,
    near_boundary_accuracy,
)

rng = np.random.default_rng(0)


def matrix(counts, **kwargs):
    """A ConfusionMatrix with these counts, filled through update."""
    counts = np.asarray(counts)
    labels, predictions = np.indices(counts.shape).reshape(2, -1)
    cm = ConfusionMatrix(len(counts), **kwargs)
    return cm.update(np.repeat(labels, counts.ravel()), np.repeat(predictions, counts.ravel()))


def test_by_hand():
    #        t: 4, 6, 10        p: 5, 4, 11
    cm = matrix([[3, 1, 0], [2, 3, 1], [0, 0, 10]])
    assert cm.counts.tolist() == [[3, 1, 0], [2, 3, 1], [0, 0, 10]]
    assert cm.pixel_accuracy == 16 / 20
    assert cm.accuracy.tolist() == [3 / 4, 3 / 6, 10 / 10]
    assert cm.mean_accuracy == 2.25 / 3
    assert cm.iu.tolist() == [3 / 6, 3 / 7, 10 / 11]
    assert cm.mean_iu == pytest.approx((3 / 6 + 3 / 7 + 10 / 11) / 3, rel=1e-15)
    fw = (4 * 3 / 6 + 6 * 3 / 7 + 10 * 10 / 11) / 20
    assert cm.frequency_weighted_iu == pytest.approx(fw, rel=1e-15)


def test_against_a_loop_over_pixels():
    K = 5
    labels = rng.integers(0, K, (3, 20, 30))
    predictions = np.where(
        rng.random(labels.shape) < 0.6, labels, rng.integers(0, K, labels.shape)
    )
    labels[rng.random(labels.shape) < 0.1] = 255
    cm = ConfusionMatrix(K).update(labels.astype(np.uint8), predictions)

    counts = [[0] * K for _ in range(K)]
    for i, j in zip(labels.flat, predictions.flat, strict=True):
        if i != 255:
            counts[i][j] += 1
    assert cm.counts.tolist() == counts
    valid = labels != 255
    assert cm.pixel_accuracy == (labels == predictions)[valid].mean()
    for k in range(K):
        truth, found = (labels == k) & valid, (predictions == k) & valid
        assert cm.iu[k] == (truth & found).sum() / (truth | found).sum()
        assert cm.accuracy[k] == (truth & found).sum() / truth.sum()


def test_absent_classes_are_left_out_of_the_means():
    # 0: fine; 1: in the truth only; 2: in the predictions only; 3: in neither
    cm = matrix([[4, 0, 0, 0], [0, 0, 4, 0], [0, 0, 0, 0], [0, 0, 0, 0]])
    np.testing.assert_array_equal(cm.iu, [1, 0, 0, np.nan])
    np.testing.assert_array_equal(cm.accuracy, [1, 0, np.nan, np.nan])
    assert cm.mean_iu == 1 / 3
    assert cm.mean_accuracy == 1 / 2
    assert cm.pixel_accuracy == 1 / 2
    assert cm.frequency_weighted_iu == 1 / 2


def test_no_pixels_means_nan():
    cm = ConfusionMatrix(3)
    for _ in range(2):
        assert all(math.isnan(value) for value in cm.as_dict().values())
        assert np.isnan(cm.iu).all()
        assert cm.summary().count("-") == 4
        cm.update(np.full((2, 2), 255), np.zeros((2, 2), int))  # everything ignored
        cm.update(np.zeros((0, 4), int), np.zeros((0, 4), int))


def test_perfect_prediction():
    labels = rng.integers(0, 6, 500)
    cm = ConfusionMatrix(6).update(labels, labels)
    assert [getattr(cm, name) for name in MEASURES] == pytest.approx([1, 1, 1, 1], rel=1e-14)


def test_constant_prediction():
    """Calling everything background: mean accuracy 1/K, mean IU share/K, pixel accuracy share."""
    labels = np.repeat([0, 1, 2, 3], [70, 10, 10, 10])
    cm = ConfusionMatrix(4).update(labels, np.zeros_like(labels))
    assert cm.pixel_accuracy == 0.7
    assert cm.mean_accuracy == 1 / 4
    assert cm.mean_iu == pytest.approx(0.7 / 4, rel=1e-15)
    assert cm.frequency_weighted_iu == pytest.approx(0.7 * 0.7, rel=1e-15)


@pytest.mark.parametrize("seed", range(20))
def test_laws(seed):
    """IU never exceeds accuracy; weighting accuracy by frequency gives pixel accuracy; renaming
    the classes changes no measure; IU is symmetric in truth and prediction."""
    counts = np.random.default_rng(seed).integers(0, 30, (4, 4)) + 1
    cm = matrix(counts)
    t = counts.sum(axis=1)
    assert (cm.iu <= cm.accuracy).all()
    assert (cm.accuracy * t).sum() / t.sum() == pytest.approx(cm.pixel_accuracy, rel=1e-14)
    order = np.random.default_rng(seed).permutation(4)
    assert matrix(counts[np.ix_(order, order)]).as_dict() == pytest.approx(cm.as_dict(), rel=1e-14)
    np.testing.assert_array_equal(matrix(counts.T).iu, cm.iu)


def test_one_matrix_is_not_the_mean_over_pictures():
    cm = ConfusionMatrix(2)
    cm.update([[0, 0, 0, 1]], [[0, 0, 0, 0]])
    cm.update([[1, 1, 1, 1]], [[1, 1, 1, 1]])
    assert cm.mean_iu == (3 / 4 + 4 / 5) / 2


def test_parts_merge_to_the_whole():
    labels, predictions = rng.integers(0, 3, (2, 100))
    whole = ConfusionMatrix(3).update(labels, predictions)
    parts = [ConfusionMatrix(3).update(labels[i::4], predictions[i::4]) for i in range(4)]
    total = ConfusionMatrix(3)
    for part in parts:
        assert total.merge(part) is total
    np.testing.assert_array_equal(total.counts, whole.counts)
    total.reset()
    assert total.counts.sum() == 0
    assert parts[0].counts.sum() == 25


@pytest.mark.parametrize("other", [ConfusionMatrix(4), ConfusionMatrix(3, ignore_index=-1)])
def test_merge_refuses_another_kind(other):
    with pytest.raises(ValueError, match="3 classes ignoring 255, and"):
        ConfusionMatrix(3).merge(other)


@pytest.mark.parametrize("dtype", ["u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8"])
def test_every_integer_type(dtype):
    labels = np.array([[0, 1], [2, 127]], dtype)
    predictions = np.array([[0, 2], [2, 99]], dtype)
    cm = ConfusionMatrix(3, ignore_index=127).update(labels, predictions)
    assert cm.counts.tolist() == [[1, 0, 0], [0, 0, 1], [0, 0, 1]]


def test_more_classes_than_a_byte_holds():
    cm = ConfusionMatrix(400, ignore_index=-1)
    cm.update(np.array([0, 399, -1, 255]), np.array([0, 398, 0, 255]))
    assert (cm.counts[399, 398], cm.counts[255, 255], cm.counts.sum()) == (1, 1, 3)


def test_any_strides():
    labels, predictions = rng.integers(0, 3, (2, 6, 8))
    straight = ConfusionMatrix(3).update(labels, predictions)
    turned = ConfusionMatrix(3).update(labels.T, np.asfortranarray(predictions.T))
    np.testing.assert_array_equal(straight.counts, turned.counts)


def test_a_class_can_be_ignored():
    cm = ConfusionMatrix(3, ignore_index=0).update([0, 0, 1, 2], [2, 0, 1, 0])
    assert cm.counts.tolist() == [[0, 0, 0], [0, 1, 0], [1, 0, 0]]


@pytest.mark.parametrize(
    ("labels", "predictions", "text"),
    [
        ([3], [0], "labels hold the value 3; expected 0 to 2 or 255, which is ignored"),
        ([-1], [0], "labels hold the value -1"),
        ([0, 254], [0, 0], "labels hold the value 254"),
        ([0], [3], "predictions hold the value 3; expected 0 to 2$"),
        ([0], [-7], "predictions hold the value -7"),
        ([0], [255], "predictions hold the value 255"),
        ([[0, 1]], [0, 1], r"labels \(1, 2\) and predictions \(2,\)"),
        ([0, 1], [0], r"labels \(2,\) and predictions \(1,\)"),
    ],
)
def test_wrong_values_change_nothing(labels, predictions, text):
    cm = ConfusionMatrix(3).update([1], [1])
    with pytest.raises(ValueError, match=text):
        cm.update(labels, predictions)
    assert cm.counts.sum() == 1


@pytest.mark.parametrize("wrong", [[0.0, 1.0], [True, False], ["0", "1"]])
def test_only_integers(wrong):
    with pytest.raises(TypeError, match="labels must hold integers"):
        ConfusionMatrix(3).update(wrong, [0, 1])
    with pytest.raises(TypeError, match="predictions must hold integers"):
        ConfusionMatrix(3).update([0, 1], wrong)


def test_no_classes():
    with pytest.raises(ValueError, match="num_classes must be at least 1"):
        ConfusionMatrix(0)


def test_as_dict_is_plain():
    values = matrix([[1, 0], [1, 2]]).as_dict(per_class=True)
    assert list(values) == [*MEASURES, "iu", "accuracy"]
    assert all(type(values[name]) is float for name in MEASURES)
    assert values["accuracy"] == [1.0, 2 / 3]
    assert list(matrix([[1]]).as_dict()) == list(MEASURES)


def test_texts():
    cm = matrix([[1500, 500, 0], [0, 0, 0], [0, 0, 0]])
    assert cm.summary() == "pixel acc. 75.00   mean acc. 75.00   mean IU 37.50   f.w. IU 75.00"
    assert cm.per_class_table(["background", "cat", "dog"]).splitlines() == [
        "class       pixels   share  accuracy     IU",
        "-------------------------------------------",
        "background   2,000  100.00     75.00  75.00",
        "cat              0    0.00         -   0.00",
        "dog              0    0.00         -      -",
        "-------------------------------------------",
        "mean         2,000             75.00  37.50",
    ]
    assert "class 2" in cm.per_class_table()
    with pytest.raises(ValueError, match="2 names for 3 classes"):
        cm.per_class_table(["a", "b"])


# -- near boundaries ----------------------------------------------------------------------------


def test_distances_from_a_boundary_are_those_one_counts():
    labels = np.array([[0, 0, 0, 0, 0, 1], [0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0]])
    expected = [[4, 4, 3, 2, 1, 1], [4, 4, 3, 2, 1, 1], [4, 4, 3, 2, 2, 2]]
    assert boundary_distance(labels, 3).tolist() == expected


def test_distances_are_the_least_number_of_kings_moves():
    labels = np.random.default_rng(0).integers(0, 9, (7, 11)) // 8
    rows, columns = np.indices(labels.shape)
    edge = boundary_distance(labels, 1) == 1
    assert 0 < edge.sum() < edge.size
    for (i, j), distance in np.ndenumerate(boundary_distance(labels, 20)):
        moves = np.maximum(abs(rows - i), abs(columns - j))
        assert distance == 1 + moves[edge].min()


def test_accuracy_near_boundaries_leaves_void_out_but_lets_it_make_a_boundary():
    labels = np.array([[0, 0, 0, 255, 1, 1, 1, 1]])
    predictions = np.array([[1, 0, 1, 1, 1, 0, 1, 1]])
    assert near_boundary_accuracy(labels, predictions, 1) == 1 / 2  # columns 2 and 4
    assert near_boundary_accuracy(labels, predictions, 2) == 2 / 4
    assert near_boundary_accuracy(labels, predictions, 9) == 4 / 7


def test_without_a_boundary_there_is_no_accuracy_near_one():
    assert np.isnan(near_boundary_accuracy(np.zeros((3, 4), int), np.zeros((3, 4), int), 2))


def test_label_maps_of_other_shapes_are_refused():
    with pytest.raises(ValueError, match=r"\(2, 3, 4\), not \(H, W\)"):
        boundary_distance(np.zeros((2, 3, 4), int), 1)
    with pytest.raises(ValueError, match=r"\(3, 4\) and predictions \(4, 3\) differ"):
        near_boundary_accuracy(np.zeros((3, 4), int), np.zeros((4, 3), int), 1)
