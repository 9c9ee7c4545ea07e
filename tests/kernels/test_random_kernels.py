"""Masks that a GPU draws."""

import numpy as np
import pytest
from on_device import DEVICES, table

# Counter, key and result, as Random123 publishes them (kat_vectors, philox4x32 10)
KNOWN = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000",
     "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff",
     "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0",
     "d16cfe09 94fdcceb 5001e420 24126ea1"),
]  # fmt: skip


@pytest.fixture(params=DEVICES)
def xp(request):
    """The module of a device's arrays."""
    return table(request.param).module


def words(*texts):
    return np.array([int(w, 16) for text in texts for w in text.split()], np.uint32)


def test_the_published_numbers(xp):
    from minifcn.kernels.cuda.device import for_each

    counters = xp.asarray(words(*(counter for counter, _, _ in KNOWN)))
    keys = xp.asarray(words(*(key for _, key, _ in KNOWN)))
    for_each(3, "random.cu", "philox_numbers", counters, keys)
    assert np.array_equal(counters.get(), words(*(numbers for _, _, numbers in KNOWN)))


def mask(xp, seed, shape=(2, 5, 31, 40), p=0.3):
    from minifcn.kernels.cuda.random import keep_mask

    rng = np.random.default_rng(seed)
    return keep_mask(shape, p, lambda: rng, xp.zeros(1, np.float32))


def test_as_many_as_asked_for(xp):
    """Within five standard deviations, in each fifth of them, channels last."""
    keep = mask(xp, 0)
    assert keep.dtype == np.bool_
    assert keep.shape == (2, 5, 31, 40)
    assert keep.transpose(0, 2, 3, 1).flags.c_contiguous
    parts = keep.get().transpose(0, 2, 3, 1).reshape(5, -1).mean(axis=1)
    assert np.abs(parts - 0.7).max() < 5 * np.sqrt(0.21 / 2480)
    assert mask(xp, 0, p=0.0).all()
    assert mask(xp, 0, p=1.0).sum() == 0


def test_a_seed_decides(xp):
    one, same, other = (mask(xp, seed).get() for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert 0.3 < (one == other).mean() < 0.7
    assert mask(xp, 1, (7, 3)).shape == (7, 3)


def test_recorded_masks_are_drawn_anew(xp):
    """Two masks of a recorded function: the keys they read are drawn before each replay, in order,
    from the generator that is there then."""
    from minifcn.kernels.cuda.random import Keys, keep_mask

    rng, like, keys = [np.random.default_rng(5)], xp.zeros(1, np.float32), Keys(xp)

    def masks():
        with keys:
            return [keep_mask((50, 6), 0.5, lambda: rng[0], like).get() for _ in range(2)]

    masks()
    keys.draw()
    first = masks()
    keys.draw()
    second = masks()
    rng[0] = np.random.default_rng(5)
    keys.draw()
    again = masks()
    assert not any(np.array_equal(x, y) for x, y in zip(first, second, strict=True))
    assert not np.array_equal(first[0], first[1])
    assert all(np.array_equal(x, y) for x, y in zip(first, again, strict=True))
    plain = mask(xp, 5, (50, 6), 0.5).get()
    assert np.array_equal(plain, first[0])  # recorded or not, the same seed draws the same
