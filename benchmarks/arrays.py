"""Numbers that every process makes alike, and the part of a result that is compared."""

import zlib

import numpy as np


def normal(name: str, shape, scale: float = 1.0) -> np.ndarray:
    """Normal float32 numbers, seeded by a name."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    return np.asarray(rng.standard_normal(tuple(shape), np.float32) * np.float32(scale))


def whole(name: str, shape, high: int, ignored: float = 0.0) -> np.ndarray:
    """Labels 0 ... high-1 as uint8, a share of them 255."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    labels = rng.integers(0, high, tuple(shape), dtype=np.uint8)
    if ignored:
        labels[rng.random(labels.shape) < ignored] = 255
    return labels


def sample(array, most: int = 2**20) -> np.ndarray:
    """An array, or of a large one about ``most`` elements, evenly spread in (N, C, H, W) order.

    The step is a prime, so that all rows, columns and channels are met.
    """
    flat = np.asarray(array).reshape(-1)
    if flat.size <= most:
        return flat
    step = flat.size // most + 1
    while any(step % p == 0 for p in range(2, int(step**0.5) + 1)):
        step += 1
    return flat[::step]
