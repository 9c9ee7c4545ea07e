"""One drawn scene: a backdrop, objects with their shadows one over another, light, labels.

Everything is drawn at twice the size, so that edges come out smooth, and halved at the end.
"""

import colorsys

import numpy as np

from . import creatures, things
from .difficulty import Difficulty
from .pen import Sketch, colour_parts, rasterise, unit_area
from .textures import TEXTURES, clouds

KINDS = {
    f.__name__: f
    for f in (
        things.ball, things.balloon, creatures.bird, things.boat, things.bottle,
        creatures.butterfly, things.car, creatures.cat, things.chair, things.clock,
        things.cup, creatures.fish, creatures.flower, things.house, things.kite,
        things.lamp, creatures.mushroom, creatures.star, creatures.tree, things.umbrella,
    )
}  # fmt: skip
SCENE_CLASSES = ["background", *KINDS]

_FREE = {"ball", "butterfly", "star", "clock"}  # no up or down
_LOOSE = {"balloon", "bird", "fish", "kite", "umbrella"}  # may lean far
_FLAT = {"kite", "star", "butterfly"}  # no shading across
_FINE = 2  # drawn at this many pixels a pixel


def draw_scene(
    rng: np.random.Generator, kinds: list[int], size: tuple[int, int], difficulty: Difficulty
) -> tuple[np.ndarray, np.ndarray]:
    """Draws one object for each entry of kinds (class numbers from 1), the last one in front.

    Returns the image, (H, W, 3) uint8 RGB, and the label, (H, W) uint8: 0 for the backdrop, a
    class number, or 255 in a border around each object, max(1, round(H / 90)) pixels wide, that
    lies outside it: on the backdrop and on what the object hides, so that thin parts keep theirs.
    """
    from PIL import Image

    canvas = backdrop(rng, size, difficulty)
    angle = rng.uniform(0, 2 * np.pi)
    light = np.array([np.cos(angle), np.sin(angle)])
    label = np.zeros(size, np.uint8)
    order = np.zeros(size, np.uint8)
    for n, (kind, place) in enumerate(zip(kinds, _places(rng, len(kinds), size), strict=True), 1):
        covered = _draw_object(canvas, rng, kind, place, light, difficulty)
        label[covered] = kind
        order[covered] = n
    label[_border(order)] = 255
    fine = Image.fromarray(np.clip(canvas, 0, 255).astype(np.uint8))
    return _photograph(rng, np.asarray(fine.reduce(_FINE)), light, difficulty), label


def _places(rng, count: int, size):
    """(x, y, share of the objects' area) for each object, in the unit square, kept apart."""
    shares = rng.dirichlet(np.full(count, 8.0))
    chosen: list[np.ndarray] = []
    for _ in range(count):
        offers = rng.uniform(0.14, 0.86, (5, 2))
        if chosen:
            gaps = np.linalg.norm((offers[:, None] - np.array(chosen)) * (size[1] / size[0], 1),
                                  axis=2)  # fmt: skip
            offers = offers[np.argsort(-gaps.min(axis=1))]
        chosen.append(offers[0])
    total = rng.random()
    return [(x, y, share, total) for (x, y), share in zip(chosen, shares, strict=True)]


def _draw_object(canvas, rng, kind: int, place, light, d: Difficulty) -> np.ndarray:
    """Paints one object and its shadow into the canvas; returns the pixels it covers, (H, W)."""
    from PIL import Image

    name = SCENE_CLASSES[kind]
    sketch = Sketch(rng, d)
    KINDS[name](sketch)
    h, w = canvas.shape[:2]
    x, y, share, total = place
    low, high = d.foreground
    area = share * (low + (high - low) * total) * h * w
    zoom = min(np.sqrt(area / unit_area(sketch)), d.reach * h)
    matrix = zoom * _pose(rng, name, d)
    centre = np.array([x * w, y * h])
    points = np.concatenate([p for p, _, _ in sketch.parts]) @ matrix.T + centre
    pad = 4 + round(0.06 * h)
    x0, y0 = np.floor(points.min(axis=0)).astype(int) - pad
    x1, y1 = np.ceil(points.max(axis=0)).astype(int) + pad
    x0, y0 = _FINE * (max(x0, 0) // _FINE), _FINE * (max(y0, 0) // _FINE)
    x1, y1 = min(w, x1 + x1 % _FINE), min(h, y1 + y1 % _FINE)
    covered = np.zeros((h // _FINE, w // _FINE), bool)
    if x0 >= x1 or y0 >= y1:
        return covered

    local = centre - (x0, y0)
    numbers, paints = rasterise(sketch, matrix, local, (y1 - y0, x1 - x0), d.thin * h)
    mask = Image.fromarray(np.where(numbers, 255, 0).astype(np.uint8))
    region = canvas[y0:y1, x0:x1]
    region *= _shadow(mask, light, h, d)
    inside = numbers > 0
    colours = colour_parts(numbers, paints, matrix, local, rng)
    if name not in _FLAT:
        colours *= _shading(numbers.shape, local, light, zoom, d)
    region[inside] = colours[inside]
    half = np.asarray(mask.reduce(_FINE)) >= 127
    covered[y0 // _FINE : y1 // _FINE, x0 // _FINE : x1 // _FINE] = half
    return covered


def _pose(rng, name: str, d: Difficulty) -> np.ndarray:
    """Rotation times shear times stretch times mirror: (2, 2), determinant of size one."""
    if name in _FREE:
        angle = rng.uniform(0, 2 * np.pi)
    else:
        angle = np.deg2rad(d.tilt) * (3 if name in _LOOSE else 1) * rng.standard_normal()
    c, s = np.cos(angle), np.sin(angle)
    stretch = np.exp(d.stretch * rng.standard_normal())
    shear = d.shear * rng.standard_normal()
    side = -1 if rng.random() < 0.5 else 1
    turn = np.array([[c, -s], [s, c]])
    return turn @ np.array([[1, shear], [0, 1]]) @ np.diag([side * stretch, 1 / stretch])


def _shadow(mask, light, h: int, d: Difficulty) -> np.ndarray:
    """Factor (h, w, 1) by which the object darkens what lies behind it, away from the light."""
    from PIL import Image, ImageFilter

    dx, dy = (np.round(-0.035 * h * light)).astype(int).tolist()
    moved = Image.new("L", mask.size)
    moved.paste(mask, (dx, dy))
    soft = np.asarray(moved.filter(ImageFilter.BoxBlur(0.012 * h)), np.float32)
    return 1 - np.float32(d.shadow / 255) * soft[..., None]


def _shading(shape, centre, light, zoom: float, d: Difficulty) -> np.ndarray:
    """Factor (h, w, 1): brighter towards the light, 1 at the object's centre."""
    rows = (np.arange(shape[0], dtype=np.float32)[:, None] - centre[1]) * light[1]
    columns = (np.arange(shape[1], dtype=np.float32) - centre[0]) * light[0]
    return (1 + d.shading * np.clip((rows + columns) / zoom, -1, 1))[..., None].astype(np.float32)


def _border(order: np.ndarray) -> np.ndarray:
    """Pixels within reach of an object that lies in front of them, (H, W) bool.

    order is 0 on the backdrop and n on the n-th object: max over the neighbourhood > order.
    """
    from PIL import Image, ImageFilter

    reach = max(1, round(order.shape[0] / 90))
    nearby = Image.fromarray(order).filter(ImageFilter.MaxFilter(2 * reach + 1))
    return np.asarray(nearby) > order


def _photograph(rng, image, light, d: Difficulty) -> np.ndarray:
    """Light falling off across the image, a colour cast, noise: (H, W, 3) uint8."""
    H, W, _ = image.shape
    rows = np.linspace(-1, 1, H, dtype=np.float32)[:, None] * light[1]
    columns = np.linspace(-1, 1, W, dtype=np.float32) * light[0]
    bright = rng.uniform(*d.light) * (1 + rng.uniform(0, 0.15) * (rows + columns))
    cast = (1 + 0.04 * rng.standard_normal(3)).astype(np.float32)
    noise = rng.standard_normal(image.shape, dtype=np.float32) * rng.uniform(*d.noise)
    return np.clip(image * (bright[..., None] * cast) + noise, 0, 255).astype(np.uint8)


def backdrop(rng, size: tuple[int, int], d: Difficulty) -> np.ndarray:
    """Two regions with a slanted edge, each a textured gradient, and clutter.

    Returns (_FINE * H, _FINE * W, 3) float32; only the clutter is drawn that fine.
    """
    H, W = size
    y = np.linspace(0, 1, H, dtype=np.float32)[:, None]
    x = np.linspace(0, 1, W, dtype=np.float32)
    horizon = rng.uniform(0.15, 1.3) + rng.normal(0, 0.08) * (x - 0.5)
    below = (y > horizon)[..., None]
    canvas = np.where(below, _surface(rng, y, x, d), _surface(rng, y, x, d))
    canvas += np.float32(rng.uniform(4, 13)) * clouds(rng, size, 6, 4)[..., None]
    canvas = canvas.repeat(_FINE, axis=0).repeat(_FINE, axis=1)
    _add_clutter(canvas, rng, d)
    return canvas


def _surface(rng, y, x, d: Difficulty) -> np.ndarray:
    """A colour that fades into another, under a faint pattern: (H, W, 3) float32."""
    first, second = _dull(rng, d), _dull(rng, d)
    second = first + np.float32(0.45) * (second - first)
    slope = np.clip(y + rng.normal(0, 0.3) * (x - 0.5), 0, 1)
    if rng.random() < 0.6:
        pattern = TEXTURES[list(TEXTURES)[rng.integers(1, len(TEXTURES) - 1)]]
        a, b = rng.normal(0, 0.3, 2).astype(np.float32)
        u, v = x + a * y, y + b * x
        slope = slope + np.float32(rng.uniform(0.1, 0.5)) * pattern(u, v, rng.uniform(3, 11), rng)
    return first + slope[..., None] * (second - first)


def _dull(rng, d: Difficulty) -> np.ndarray:
    """A colour that a backdrop may have, (3,) float32 RGB."""
    saturation = rng.uniform(*d.backdrop_saturation)
    rgb = colorsys.hsv_to_rgb(rng.random(), saturation, rng.uniform(0.25, 0.95))
    return (255 * np.array(rgb)).astype(np.float32)


def _add_clutter(canvas, rng, d: Difficulty) -> None:
    """Shapes of no class: translucent blobs, shards, rods, some with an object's texture."""
    H, W = canvas.shape[:2]
    sketch = Sketch(rng, d)
    names = [n for n in TEXTURES if n not in ("sectors", "rings", "fade")]
    for _ in range(rng.integers(d.clutter[0], d.clutter[1] + 1)):
        loud = rng.random() < d.loud_clutter
        saturation = rng.uniform(0.45, 0.85) if loud else rng.uniform(*d.backdrop_saturation)
        paint = sketch.paint((rng.uniform(0, 360), saturation, rng.uniform(0.25, 0.95)), None,
                             names[rng.integers(len(names))], rng.uniform(6, 24))  # fmt: skip
        x, y = rng.uniform(0, W / H), rng.random()
        size = rng.uniform(0.02, 0.09) if loud else np.exp(rng.uniform(-4, -1.3))
        shape = rng.integers(3)
        if shape == 0:
            sketch.ellipse(x, y, size, size * rng.uniform(0.4, 1), paint, rng.uniform(0, 180))
        elif shape == 1:
            sketch.polygon(rng.normal((x, y), 1.1 * size, (int(rng.integers(3, 6)), 2)), paint)
        else:
            ends = rng.normal((x, y), 2.5 * size, (2, 2))
            sketch.line(ends, 0.25 * size, paint)
    matrix = np.eye(2) * H
    numbers, paints = rasterise(sketch, matrix, (0, 0), (H, W), 1)
    strength = rng.uniform(0.45, 1.0, len(paints) + 1).astype(np.float32)
    colours = colour_parts(numbers, paints, matrix, (0, 0), rng)
    inside = numbers > 0
    behind = canvas[inside]
    canvas[inside] = behind + strength[numbers[inside]][:, None] * (colours[inside] - behind)
