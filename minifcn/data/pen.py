"""Drawing with parts: a kind of object is a list of shapes in its own units, each with a paint.

Units: x to the right, y down, the object within about -1..1 both ways. Placing a sketch applies
point -> matrix @ point + centre, so that pose never concerns the code that draws a kind.
"""

import colorsys
from dataclasses import dataclass, field

import numpy as np

from .difficulty import Difficulty
from .textures import TEXTURES


@dataclass(frozen=True)
class Paint:
    """colour + (other - colour) * pattern(scale * position); colours are RGB, 0..255 floats."""

    colour: np.ndarray
    other: np.ndarray
    pattern: str = "plain"
    scale: float = 1.0


@dataclass
class Sketch:
    """Collects the parts of one object; later parts lie over earlier ones."""

    rng: np.random.Generator
    difficulty: Difficulty
    parts: list[tuple[np.ndarray, float, Paint]] = field(default_factory=list)

    def __post_init__(self):
        odd = self.rng.random() < self.difficulty.off_colour
        self._turn = self.rng.uniform(0, 360) if odd else 0.0

    def colour(self, hue: float, saturation: float, value: float) -> np.ndarray:
        """A colour near the given one: hue in degrees, the others of 0..1; RGB, 0..255."""
        d = self.difficulty
        dh, ds, dv = self.rng.standard_normal(3)
        hue += self._turn + d.hue_jitter * dh
        saturation = min(1.0, max(0.0, saturation + d.tone_jitter * ds))
        value = min(1.0, max(0.06, value + d.tone_jitter * dv))
        return 255 * np.array(colorsys.hsv_to_rgb(hue % 360 / 360, saturation, value))

    def paint(self, colour, other=None, pattern="plain", scale=1.0) -> Paint:
        """A paint of two jittered colours (hue, saturation, value); other defaults to darker."""
        h, s, v = colour
        first = self.colour(h, s, v)
        second = 0.62 * first if other is None else self.colour(*other)
        mix = self.rng.uniform(*self.difficulty.pattern_contrast)
        scale *= self.rng.uniform(0.85, 1.18)
        return Paint(first, first + mix * (second - first), pattern, scale)

    def pick(self, *options):
        """One of the options, each as likely."""
        return options[self.rng.integers(len(options))]

    def vary(self, value: float, spread: float = 0.12) -> float:
        """value times a factor within 1 - spread .. 1 + spread."""
        return value * self.rng.uniform(1 - spread, 1 + spread)

    def polygon(self, points, paint: Paint) -> None:
        self.parts.append((np.asarray(points, np.float32), 0.0, paint))

    def ellipse(self, x, y, rx, ry, paint: Paint, angle=0.0, arc=(0, 360)) -> None:
        """A filled ellipse, or the piece of it between two angles (degrees, 0 right, 90 down)."""
        self.polygon(curve(x, y, rx, ry, angle, arc), paint)

    def box(self, x0, y0, x1, y1, paint: Paint) -> None:
        self.polygon([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], paint)

    def line(self, points, width: float, paint: Paint) -> None:
        """A stroke of the given width through the points."""
        self.parts.append((np.asarray(points, np.float32), width, paint))


def curve(x, y, rx, ry, angle=0.0, arc=(0, 360)) -> np.ndarray:
    """Points of an elliptic arc about (x, y), turned by angle degrees: (n, 2) float32."""
    n = max(6, round((arc[1] - arc[0]) / 15) + 1)
    t = np.deg2rad(np.linspace(*arc, n))
    c, s = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
    a, b = rx * np.cos(t), ry * np.sin(t)
    return np.stack([x + c * a - s * b, y + s * a + c * b], axis=1).astype(np.float32)


def unit_area(sketch: Sketch) -> float:
    """Area that the sketch covers, in square units (its frame of -1.5..1.5 has 9)."""
    step = 12
    mask, _ = rasterise(sketch, np.eye(2) * step, (1.5 * step, 1.5 * step), (36, 36), 1)
    return max(0.1, float(np.count_nonzero(mask)) / step**2)


def rasterise(sketch: Sketch, matrix, centre, size: tuple[int, int], thin: float):
    """Numbers of the parts, 1 up and 0 where there is none, as (h, w) uint8; and their paints.

    matrix is 2 x 2, centre (x, y), size (h, w) in pixels; no stroke is thinner than thin pixels.
    """
    from PIL import Image, ImageDraw

    image = Image.new("L", size[::-1])
    draw = ImageDraw.Draw(image)
    zoom = float(np.sqrt(abs(np.linalg.det(matrix))))
    for number, (points, width, _) in enumerate(sketch.parts, 1):
        placed = (points @ np.asarray(matrix).T + centre).ravel().tolist()
        if width:
            draw.line(placed, number, max(1, round(max(thin, width * zoom))), joint="curve")
        else:
            draw.polygon(placed, number)
    return np.asarray(image), [paint for _, _, paint in sketch.parts]


def colour_parts(numbers, paints, matrix, centre, rng) -> np.ndarray:
    """RGB of a rasterised sketch, (h, w, 3) float32; zero where there is no part.

    Patterns are evaluated at the object's own coordinates, inverse(matrix) @ (pixel - centre),
    and so turn and grow with it.
    """
    inverse = np.linalg.inv(matrix).astype(np.float32)
    colours = np.zeros((numbers.size, 3), np.float32)
    flat = numbers.ravel()
    by_part = np.argsort(flat, kind="stable")  # a radix sort: one pass finds every part's pixels
    ends = np.bincount(flat, minlength=len(paints) + 1).cumsum().tolist()
    for paint, start, end in zip(paints, ends[:-1], ends[1:], strict=True):
        pixels = by_part[start:end]
        if paint.pattern == "plain" or not len(pixels):
            colours[pixels] = paint.colour
            continue
        rows, columns = np.divmod(pixels.astype(np.int32), numbers.shape[1])
        x = columns.astype(np.float32) + np.float32(0.5 - centre[0])
        y = rows.astype(np.float32) + np.float32(0.5 - centre[1])
        u = inverse[0, 0] * x + inverse[0, 1] * y
        v = inverse[1, 0] * x + inverse[1, 1] * y
        mix = TEXTURES[paint.pattern](u, v, np.float32(paint.scale), rng)[:, None]
        first, change = paint.colour, paint.other - paint.colour
        colours[pixels] = first.astype(np.float32) + mix * change.astype(np.float32)
    return colours.reshape(*numbers.shape, 3)
