"""The drawn kinds that are made: twelve of the twenty. Each function adds one to a sketch."""

import numpy as np

from .pen import Sketch, curve

WHITE, INK, GLASS = (40, 0.08, 0.95), (250, 0.3, 0.16), (200, 0.3, 0.85)
WOOD = ((27, 0.6, 0.6), (24, 0.65, 0.36))


def ball(s: Sketch) -> None:
    """A disc of coloured wedges, or rings."""
    pattern, scale = s.pick(("sectors", 3), ("rings", 1.6), ("sectors", 4))
    paint = s.paint(
        s.pick((218, 0.8, 0.75), (218, 0.8, 0.75), (2, 0.85, 0.85)), WHITE, pattern, scale
    )
    s.ellipse(0, 0, 0.92, 0.92, paint)
    s.ellipse(0, 0, 0.14, 0.14, s.paint(WHITE))


def balloon(s: Sketch) -> None:
    """A plain egg with a highlight and a knot, on a long thin string."""
    skin = s.paint(s.pick((318, 0.75, 0.85), (342, 0.8, 0.85), (2, 0.85, 0.85)))
    bend = s.vary(0.2, 0.9)
    s.line([(0, 0.45), (bend, 0.75), (-bend, 1.05), (0, 1.4)], 0.035, s.paint(WHITE))
    s.ellipse(0, -0.3, s.vary(0.62), 0.76, skin)
    s.polygon([(0, 0.4), (-0.12, 0.58), (0.12, 0.58)], skin)
    s.ellipse(-0.22, -0.62, 0.12, 0.2, s.paint((320, 0.15, 0.97)), 25)


def boat(s: Sketch) -> None:
    """A planked hull, a thin mast and two sails."""
    hull = s.paint((16, 0.7, 0.5), (16, 0.7, 0.28), "stripes", 4)
    cloth = s.paint((46, 0.2, 0.95), s.pick((205, 0.5, 0.7), (10, 0.6, 0.7)), "stripes", 1.6)
    s.line([(0, 0.5), (0, -1.2)], 0.06, s.paint(*WOOD))
    s.polygon([(0.06, -1.15), (s.vary(0.8), 0.3), (0.06, 0.3)], cloth)
    s.polygon([(-0.06, -0.9), (s.vary(-0.6), 0.3), (-0.06, 0.3)], cloth)
    s.polygon([(-0.95, 0.42), (1.0, 0.42), (0.65, s.vary(0.9, 0.08)), (-0.6, 0.9)], hull)


def bottle(s: Sketch) -> None:
    """A tall dark glass body with shoulders, a thin neck and a paper label."""
    glass = s.paint(s.pick((145, 0.75, 0.4), (118, 0.7, 0.4)), (140, 0.4, 0.75), "bars", 1.3)
    w, neck = s.vary(0.36), s.vary(0.12)
    shoulder = s.vary(-0.3, 0.25)
    side = [(neck, -1.05), (neck, shoulder - 0.25), (w, shoulder), (w, 1.05)]
    s.polygon(side + [(-x, y) for x, y in reversed(side)], glass)
    s.box(-neck * 1.3, -1.2, neck * 1.3, -1.0, s.paint((5, 0.6, 0.5)))
    s.box(-w, 0.1, w, s.vary(0.65), s.paint(WHITE, (0, 0.5, 0.6), "stripes", 5))


def car(s: Sketch) -> None:
    """A long body with a cabin, windows and two wheels."""
    coat = s.paint(s.pick((3, 0.85, 0.75), (352, 0.8, 0.55)), None, "fade")
    roof = s.vary(-0.52)
    s.polygon([(-0.7, -0.02), (-0.42, roof), (0.3, roof), (0.68, 0)], coat)
    s.polygon(
        [(-0.52, -0.02), (-0.33, roof + 0.1), (-0.06, roof + 0.1), (-0.06, 0)], s.paint(GLASS)
    )
    s.polygon([(0.04, 0), (0.04, roof + 0.1), (0.24, roof + 0.1), (0.5, 0)], s.paint(GLASS))
    s.polygon([(-1.1, 0.05), (-0.95, -0.05), (0.7, -0.05), (1.1, 0.12), (1.1, 0.42), (-1.1, 0.42)],
              coat)  # fmt: skip
    for x in (-0.6, 0.62):
        s.ellipse(x, 0.43, 0.25, 0.25, s.paint(INK))
        s.ellipse(x, 0.43, 0.12, 0.12, s.paint((220, 0.05, 0.75)))
    s.box(0.98, 0.12, 1.1, 0.24, s.paint((52, 0.7, 0.97)))


def chair(s: Sketch) -> None:
    """Wood: a barred back, a seat, four thin legs."""
    wood = s.paint(*WOOD, "grain", 4)
    top = s.vary(-1.1, 0.08)
    for x in (-0.5, -0.32, 0.5, 0.68):
        s.line([(x * 0.9, 0.2), (x, 1.15 if abs(x) > 0.4 else 0.95)], 0.1, wood)
    for x in (-0.48, 0.42):
        s.line([(x, 0.15), (x * 1.05, top)], 0.13, wood)
    for y in (top + 0.12, top + 0.5, -0.25):
        s.line([(-0.48, y), (0.44, y)], s.vary(0.15, 0.3), wood)
    s.polygon([(-0.58, 0.02), (0.5, 0.02), (0.75, 0.28), (-0.5, 0.28)], wood)


def clock(s: Sketch) -> None:
    """A pale face in a dark rim, twelve ticks, two hands."""
    rim, ink = s.paint(s.pick((245, 0.35, 0.3), (355, 0.5, 0.35))), s.paint(INK)
    s.ellipse(0, 0, 1.0, 1.0, rim)
    s.ellipse(0, 0, s.vary(0.82, 0.05), 0.82, s.paint((55, 0.1, 0.95), (50, 0.15, 0.85), "fade"))
    for t in np.deg2rad(np.arange(12) * 30):
        c, d = np.cos(t), np.sin(t)
        s.line([(0.62 * c, 0.62 * d), (0.76 * c, 0.76 * d)], 0.05, ink)
    for length, width in ((0.42, 0.11), (0.62, 0.07)):
        t = s.rng.uniform(0, 2 * np.pi)
        s.line([(0, 0), (length * np.cos(t), length * np.sin(t))], width, ink)


def cup(s: Sketch) -> None:
    """A banded beaker with an open ring for a handle."""
    glaze = s.paint(s.pick((182, 0.65, 0.75), (172, 0.6, 0.7)), WHITE, "stripes", 1.9)
    w, base = s.vary(0.6), s.vary(0.44)
    s.line(curve(w - 0.05, 0.0, 0.42, 0.38, 0, (-90, 90)), 0.15, glaze)
    s.polygon([(-w, -0.72), (w, -0.72), (base, 0.72), (-base, 0.72)], glaze)
    s.ellipse(0, 0.72, base, 0.12, glaze)
    s.ellipse(0, -0.72, w, 0.17, s.paint((180, 0.4, 0.4)))


def house(s: Sketch) -> None:
    """A brick wall under a pitched roof, door and windows, a chimney."""
    wall = s.paint((12, 0.6, 0.62), (30, 0.2, 0.8), "bricks", 4.5)
    slate = s.paint(s.pick((235, 0.25, 0.4), (350, 0.45, 0.35)), None, "stripes", 6)
    top = s.vary(-1.0)
    s.box(0.38, top + 0.05, 0.6, -0.2, wall)
    s.box(-0.8, -0.2, 0.8, 0.95, wall)
    s.polygon([(-1.05, -0.15), (0, top), (1.05, -0.15)], slate)
    s.box(-0.15, 0.35, 0.2, 0.95, s.paint(s.pick((205, 0.6, 0.4), (120, 0.4, 0.35))))
    for x in (-0.62, 0.38):
        s.box(x, 0.1, x + 0.28, 0.45, s.paint(GLASS))


def kite(s: Sketch) -> None:
    """A diamond of two colours in four quarters, with a long tail of bows."""
    first = s.paint(s.pick((275, 0.65, 0.8), (158, 0.75, 0.75)))
    second = s.paint((52, 0.85, 0.95))
    w, y = s.vary(0.68), -0.45
    top, left, right, low, mid = (0, -1.1), (-w, y), (w, y), (0, 0.55), (0, y)
    tail = [(0, 0.5), (s.vary(0.18), 0.75), (-0.16, 1.0), (0.14, 1.25), (0, 1.45)]
    s.line(tail, 0.045, s.paint(WHITE))
    for x, z in tail[1:4]:
        s.polygon([(x - 0.16, z - 0.08), (x + 0.16, z + 0.08), (x + 0.16, z - 0.08),
                   (x - 0.16, z + 0.08)], first)  # fmt: skip
    s.polygon([top, left, mid], first)
    s.polygon([top, right, mid], second)
    s.polygon([low, left, mid], second)
    s.polygon([low, right, mid], first)


def lamp(s: Sketch) -> None:
    """A glowing shade on a thin dark pole with a flat foot."""
    shade = s.paint((46, 0.45, 0.98), (32, 0.75, 0.85), "fade")
    metal = s.paint((230, 0.2, 0.3))
    w = s.vary(0.66)
    s.line([(0, -0.3), (0, 1.05)], 0.08, metal)
    s.ellipse(0, 1.08, s.vary(0.42), 0.13, metal)
    s.line([(0.3, -0.3), (0.3, s.vary(0.1, 0.6))], 0.03, metal)
    s.polygon([(-0.5 * w, -1.1), (0.5 * w, -1.1), (w, -0.25), (-w, -0.25)], shade)


def umbrella(s: Sketch) -> None:
    """A half dome of wedges with a scalloped edge, and a thin hooked stick."""
    hue = s.pick((262, 0.6, 0.7), (245, 0.6, 0.75))
    dark, pale = s.paint(hue), s.paint((hue[0] + 8, 0.3, 0.92))
    s.line([(0, -0.95), (0, 0.85)], 0.07, s.paint(*WOOD))
    s.line(curve(0.17, 0.85, 0.17, 0.2, 0, (0, 180)), 0.08, s.paint(*WOOD))
    for rx, paint in ((1.05, dark), (0.63, pale), (0.21, dark)):
        x = np.arange(rx, -rx - 0.01, -0.21)  # the hem, right to left, up and down
        hem = np.stack([x, np.where(np.arange(len(x)) % 2, -0.03, 0.1)], axis=1)
        s.polygon(np.concatenate([curve(0, 0.1, rx, 1.05, 0, (180, 360)), hem]), paint)
