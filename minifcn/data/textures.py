"""Patterns over the plane: each maps coordinates to 0..1, the mix of a paint's two colours.

Every function takes u, v (float32 arrays of one shape, in the drawn object's own units), the
periods a unit, and a random generator for its phase, and returns an array of the same shape.
"""

import numpy as np

TAU = np.float32(2 * np.pi)


def plain(u, v, scale, rng):
    """The first colour alone."""
    return np.zeros_like(u)


def stripes(u, v, scale, rng):
    """Bands along u, of equal width."""
    return _step(np.sin(TAU * (scale * v + rng.random(dtype=np.float32))))


def bars(u, v, scale, rng):
    """Bands along v."""
    return stripes(v, u, scale, rng)


def checks(u, v, scale, rng):
    """A chess board."""
    a, b = rng.random(2, dtype=np.float32)
    return _step(np.sin(TAU * (scale * u + a)) * np.sin(TAU * (scale * v + b)))


def rings(u, v, scale, rng):
    """Circles about the origin."""
    return _step(np.sin(TAU * scale * np.hypot(u, v)))


def sectors(u, v, scale, rng):
    """Wedges about the origin; scale counts the pairs of wedges in a full turn."""
    return _step(np.sin(round(scale) * np.arctan2(v, u) + TAU * rng.random(dtype=np.float32)))


def dots(u, v, scale, rng):
    """Round spots on a shifted grid."""
    a, b = rng.random(2, dtype=np.float32)
    row = np.floor(scale * v + b)
    x = scale * u + a + 0.5 * (row % 2)
    du, dv = x - np.floor(x) - 0.5, scale * v + b - row - 0.5
    return (du * du + dv * dv < 0.09).astype(np.float32)


def bricks(u, v, scale, rng):
    """The mortar of a brick wall: bricks two high-units wide, every other course shifted."""
    course = np.floor(scale * v)
    x = scale * u / 2 + 0.5 * (course % 2)
    mortar = (scale * v - course < 0.22) | (x - np.floor(x) < 0.11)
    return mortar.astype(np.float32)


def grain(u, v, scale, rng):
    """Wood: wavy fine lines along u."""
    wave = 0.35 * np.sin(2.1 * scale * u + TAU * rng.random(dtype=np.float32))
    return 0.5 + 0.5 * np.sin(TAU * scale * v + 3 * wave + 2 * np.sin(1.3 * scale * u))


def scales(u, v, scale, rng):
    """Fish scales: rows of arcs, each half a period from the next."""
    row = np.floor(scale * v)
    x = scale * u + 0.5 * (row % 2)
    du, dv = x - np.floor(x) - 0.5, scale * v - row
    return _step(du * du * 2.4 + dv * dv - 0.55)


def speckle(u, v, scale, rng):
    """Leaves: cells of random brightness, twice as fine in places."""
    table = rng.random(256, dtype=np.float32)
    coarse = (np.floor(scale * u) * 7 + np.floor(scale * v) * 37).astype(np.int32)
    fine = (np.floor(2 * scale * u) * 5 + np.floor(2 * scale * v) * 29).astype(np.int32)
    return 0.5 * table[coarse & 255] + 0.5 * table[fine & 255]


def fur(u, v, scale, rng):
    """Soft uneven stripes with short hairs across them."""
    soft = 0.5 + 0.5 * np.sin(TAU * scale * v + np.sin(4 * u + TAU * rng.random(dtype=np.float32)))
    table = rng.random(256, dtype=np.float32)
    hair = table[(np.floor(9 * u) * 17 + np.floor(24 * v) * 3).astype(np.int32) & 255]
    return 0.6 * soft + 0.4 * hair


def fade(u, v, scale, rng):
    """From the first colour at v = -1 to the second at v = 1."""
    return np.clip(0.5 + 0.5 * v, 0, 1)


def _step(values):
    """0 below zero, 1 above."""
    return (values > 0).astype(np.float32)


TEXTURES = {
    f.__name__: f
    for f in (
        plain, stripes, bars, checks, rings, sectors, dots, bricks, grain, scales, speckle, fur,
        fade,
    )
}  # fmt: skip


def clouds(rng, size: tuple[int, int], cells: int, octaves: int = 3) -> np.ndarray:
    """Smooth noise of zero mean and about unit spread, (H, W) float32.

    Sum over octaves o of 2^-o times white noise on a grid of cells * 2^o, drawn out bicubically.
    """
    from PIL import Image

    H, W = size
    total = np.zeros((H, W), np.float32)
    for octave in range(octaves):
        rows = cells << octave
        grid = rng.standard_normal((rows, max(1, rows * W // H)), dtype=np.float32)
        wide = Image.fromarray(grid).resize((W, H), Image.Resampling.BICUBIC)
        total += np.asarray(wide) * np.float32(0.5**octave)
    return total
