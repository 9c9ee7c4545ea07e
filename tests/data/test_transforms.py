"""Transforms: exact values, and image and label moving together."""

import numpy as np
import pytest

from minifcn.data import (
    MEAN_BGR,
    RAW,
    Compose,
    HorizontalFlip,
    Preprocessing,
    RandomCrop,
    Resize,
    Scale,
    Shift,
    to_image,
    to_input,
)

H, W = 20, 30
LABEL = (np.arange(H * W) % 200).astype(np.uint8).reshape(H, W)
IMAGE = np.stack([LABEL, 255 - LABEL, LABEL // 2], axis=2)  # every pixel tells its label
FILL = np.rint(MEAN_BGR)[::-1].astype(np.uint8)


def rng(seed=0):
    return np.random.default_rng(seed)


def assert_together(image, label):
    """Each labelled pixel has the colour that belongs to its label, each ignored one the mean."""
    known = label != 255
    np.testing.assert_array_equal(image[known][:, 0], label[known])
    np.testing.assert_array_equal(image[known][:, 1], 255 - label[known])
    assert (image[~known] == FILL).all()


def test_to_input_by_the_formula():
    x = to_input(IMAGE)
    assert (x.shape, x.dtype, x.flags.c_contiguous) == ((3, H, W), np.float32, True)
    for c in range(3):
        want = IMAGE[:, :, 2 - c].astype(np.float64) - MEAN_BGR[c]
        np.testing.assert_allclose(x[c], want, rtol=0, atol=1e-5)


def test_to_input_without_mean_and_back():
    np.testing.assert_array_equal(to_input(IMAGE, RAW)[2], IMAGE[:, :, 0])
    np.testing.assert_array_equal(to_image(to_input(IMAGE)), IMAGE)
    np.testing.assert_array_equal(to_image(to_input(IMAGE, RAW), RAW), IMAGE)
    assert to_image(np.full((3, 1, 1), 1e4, np.float32)).max() == 255


def test_to_input_takes_views_and_refuses_other_shapes():
    np.testing.assert_array_equal(to_input(IMAGE[:, ::-1]), to_input(IMAGE)[:, :, ::-1])
    with pytest.raises(ValueError, match=r"\(H, W, 3\) RGB, not \(20, 30\)"):
        to_input(LABEL)
    with pytest.raises(ValueError, match=r"\(3, H, W\)"):
        to_image(IMAGE)


def test_flip_mirrors_both_or_neither():
    image, label = HorizontalFlip(1)(IMAGE, LABEL, rng())
    np.testing.assert_array_equal(label, LABEL[:, ::-1])
    assert_together(image, label)
    assert HorizontalFlip(0)(IMAGE, LABEL, rng())[1] is LABEL


def test_flip_happens_as_often_as_said():
    generator, flip = rng(), HorizontalFlip(0.25)
    flipped = sum(flip(IMAGE, LABEL, generator)[1][0, 0] != LABEL[0, 0] for _ in range(2000))
    assert 430 < flipped < 570


def test_crop_is_a_window_of_the_original():
    generator, seen = rng(), set()
    for _ in range(300):
        image, label = RandomCrop((18, 27))(IMAGE, LABEL, generator)
        assert label.shape == (18, 27)
        assert_together(image, label)
        corner = np.argwhere(label[0, 0] == LABEL)
        seen.update((i, j) for i, j in corner.tolist() if i < 3 and j < 4)
    assert seen == {(i, j) for i in range(3) for j in range(4)}


def test_crop_of_the_whole_is_the_whole():
    np.testing.assert_array_equal(RandomCrop((H, W))(IMAGE, LABEL, rng())[1], LABEL)


def test_crop_pads_what_is_smaller():
    generator = rng()
    for size in ((25, 12), (12, 40), (32, 64)):
        image, label = RandomCrop(size)(IMAGE, LABEL, generator)
        assert label.shape == size
        assert_together(image, label)
        assert (label == 255).sum() == size[0] * size[1] - min(H, size[0]) * min(W, size[1])


def test_crop_with_another_ignored_value_and_without_mean():
    image, label = RandomCrop(40, RAW, ignore_index=7)(IMAGE, np.zeros_like(LABEL), rng())
    assert (image[label == 7] == 0).all()
    assert (label == 7).sum() == 1600 - H * W


def test_shift_keeps_the_size():
    generator, offsets = rng(), set()
    for _ in range(200):
        image, label = Shift(2)(IMAGE, LABEL, generator)
        assert label.shape == (H, W)
        assert_together(image, label)
        i, j = np.argwhere(label == 65)[0] - np.argwhere(LABEL == 65)[0]
        offsets.add((int(i), int(j)))
    assert offsets == {(i, j) for i in range(-2, 3) for j in range(-2, 3)}


def test_resize_keeps_labels_whole_and_aligned():
    label = np.zeros((40, 60), np.uint8)
    label[10:30, 20:50] = 9
    image = np.repeat(label[..., None] * 20, 3, axis=2)
    for size in ((20, 30), (80, 120), (33, 47)):
        small, marks = Resize(size)(image, label, rng())
        assert small.shape == (*size, 3)
        assert set(np.unique(marks)) == {0, 9}
        disagree = (small[..., 0] > 90) != (marks == 9)
        assert disagree.mean() < 0.03
    small, marks = Resize((20, 30))(image, label, rng())
    np.testing.assert_array_equal(marks, label[::2, ::2])


def test_scale_stays_in_its_range():
    generator, factors = rng(), []
    for _ in range(200):
        image, label = Scale(0.5, 2)(IMAGE, LABEL, generator)
        assert image.shape[:2] == label.shape
        factors.append(label.shape[0] / H)
    assert min(factors) >= 0.5
    assert max(factors) <= 2
    assert 0.4 < np.mean(np.array(factors) < 1) < 0.6


def test_compose_is_one_after_another_from_one_generator():
    both = Compose(HorizontalFlip(0.5), RandomCrop((8, 8)))(IMAGE, LABEL, rng(5))
    generator = rng(5)
    by_hand = RandomCrop((8, 8))(*HorizontalFlip(0.5)(IMAGE, LABEL, generator), generator)
    np.testing.assert_array_equal(both[0], by_hand[0])
    np.testing.assert_array_equal(both[1], by_hand[1])


def test_nothing_is_written_into():
    image, label = IMAGE.copy(), LABEL.copy()
    image.flags.writeable = label.flags.writeable = False
    change = Compose(HorizontalFlip(1), Shift(3), Scale(), RandomCrop(40), Resize((5, 5)))
    change(image, label, rng())
    np.testing.assert_array_equal(image, IMAGE)


@pytest.mark.parametrize(
    "call",
    [
        lambda: HorizontalFlip(1.5),
        lambda: RandomCrop((0, 5)),
        lambda: Shift(-1),
        lambda: Resize((5, -1)),
        lambda: Scale(0, 1),
        lambda: Scale(2, 1),
    ],
)
def test_wrong_settings_are_refused(call):
    with pytest.raises(ValueError, match=r"\d"):
        call()


def test_red_green_blue_of_variance_one():
    rule = Preprocessing("RGB", (123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
    x = rule.to_input(IMAGE)
    for c in range(3):
        want = (IMAGE[:, :, c] / 255 - (0.485, 0.456, 0.406)[c]) / (0.229, 0.224, 0.225)[c]
        np.testing.assert_allclose(x[c], want, atol=2e-6)
    np.testing.assert_array_equal(rule.to_image(x), IMAGE)
    np.testing.assert_array_equal(rule.colour, (124, 116, 104))
    assert str(rule) == (
        "RGB, 0 to 255, less 123.675, 116.28, 103.53, divided by 58.395, 57.12, 57.375"
    )


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"order": "GBR"}, "BGR or RGB, not 'GBR'"),
        ({"mean": (1, 2)}, "mean is three numbers"),
        ({"mean": (1, 2, np.nan)}, "mean is three numbers"),
        ({"std": (1, 0, 1)}, "std is above 0"),
    ],
)
def test_rules_that_cannot_be(wrong, message):
    with pytest.raises(ValueError, match=message):
        Preprocessing(**wrong)
