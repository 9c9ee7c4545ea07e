"""The drawn kinds that grow: eight of the twenty. Each function adds one object to a sketch.

Hues recur across kinds on purpose (red: mushroom, ball, balloon, car; green: tree, flower,
bottle): colour narrows the choice, and shape, pattern or the thing it is part of decides.
"""

import numpy as np

from .pen import Sketch, curve

WHITE, INK, LEAF = (40, 0.08, 0.95), (250, 0.3, 0.16), (115, 0.65, 0.5)


def bird(s: Sketch) -> None:
    """A round body and head, beak, wing, tail, two thin legs."""
    body = s.paint(s.pick((212, 0.75, 0.8), (205, 0.65, 0.65)), None, "fade")
    wing = s.paint((222, 0.8, 0.5), (205, 0.45, 0.85), "stripes", 5)
    leg = s.paint((35, 0.8, 0.75))
    for x in (-0.12, 0.14):
        s.line([(x, 0.4), (x + 0.03, 0.9), (x + 0.22, 0.93)], 0.06, leg)
    s.polygon([(-0.5, 0.0), (-1.15, s.vary(-0.3)), (-1.05, 0.25)], wing)
    s.ellipse(0, 0.1, s.vary(0.68), s.vary(0.46), body, -12)
    s.ellipse(0.55, -0.42, 0.34, 0.33, body)
    s.polygon([(0.82, -0.55), (1.2, s.vary(-0.4)), (0.82, -0.28)], leg)
    s.polygon([(0.35, -0.1), (-0.15, 0.32), (-0.85, s.vary(0.15)), (-0.4, -0.2)], wing)
    s.ellipse(0.64, -0.48, 0.08, 0.08, s.paint(INK))


def butterfly(s: Sketch) -> None:
    """Four spotted wings about a thin dark body with feelers."""
    wing = s.paint(s.pick((28, 0.9, 0.95), (285, 0.6, 0.75)), (0, 0.1, 0.15), "dots", 2.6)
    dark = s.paint(INK)
    spread = s.vary(1.0, 0.2)
    for side in (-1, 1):
        s.ellipse(side * 0.55 * spread, 0.42, 0.46 * spread, 0.4, wing, side * 35)
        s.ellipse(side * 0.62 * spread, -0.35, 0.62 * spread, 0.46, wing, side * -35)
        s.line([(0, -0.5), (side * 0.22, -0.95)], 0.04, dark)
    s.ellipse(0, 0, 0.1, 0.68, dark)


def cat(s: Sketch) -> None:
    """A sitting body, a head with two pointed ears, whiskers, a long thin tail."""
    coat, stripe = s.pick(
        ((28, 0.55, 0.72), (25, 0.65, 0.35)), ((32, 0.25, 0.6), (25, 0.35, 0.25))
    )
    fur, inner = s.paint(coat, stripe, "fur", 3), s.paint((5, 0.4, 0.8))
    tail = curve(0.55, 0.45, s.vary(0.5), 0.5, 0, (-60, 110))
    s.line(tail, 0.15, fur)
    s.ellipse(0, 0.5, s.vary(0.52), 0.58, fur)
    for side in (-1, 1):
        s.polygon([(side * 0.1, -0.65), (side * 0.45, -1.15), (side * 0.52, -0.35)], fur)
        s.polygon([(side * 0.25, -0.7), (side * 0.42, -0.98), (side * 0.44, -0.6)], inner)
        s.ellipse(side * 0.28, 1.0, 0.22, 0.12, fur)
    s.ellipse(0, -0.35, 0.52, s.vary(0.44), fur)
    for side in (-1, 1):
        s.ellipse(side * 0.2, -0.42, 0.09, 0.11, s.paint((75, 0.7, 0.75)))
        s.line([(side * 0.2, -0.15), (side * 0.62, s.vary(-0.2, 0.4))], 0.025, s.paint(WHITE))
    s.polygon([(-0.08, -0.26), (0.08, -0.26), (0, -0.16)], inner)


def fish(s: Sketch) -> None:
    """A scaly spindle with a forked tail and fins."""
    scaly = s.paint(s.pick((18, 0.9, 0.95), (42, 0.85, 0.9)), (15, 0.85, 0.6), "scales", 4.5)
    fin = s.paint((14, 0.85, 0.75), None, "stripes", 7)
    s.polygon([(-0.55, 0), (-1.15, s.vary(-0.48)), (-0.95, 0), (-1.15, s.vary(0.48))], fin)
    s.polygon([(-0.35, -0.25), (0.05, s.vary(-0.78)), (0.3, -0.35)], fin)
    s.polygon([(-0.1, 0.3), (-0.3, 0.65), (0.15, 0.38)], fin)
    s.ellipse(0.1, 0, 0.82, s.vary(0.44), scaly)
    s.ellipse(0.62, 0.0, 0.3, 0.33, s.paint((30, 0.6, 0.95)), 0, (-90, 90))
    s.ellipse(0.62, -0.1, 0.1, 0.1, s.paint(WHITE))
    s.ellipse(0.64, -0.1, 0.05, 0.05, s.paint(INK))


def flower(s: Sketch) -> None:
    """A ring of petals round a disc, on a thin stem with two leaves."""
    petal = s.paint(s.pick((332, 0.6, 0.95), (325, 0.3, 0.97)), (330, 0.4, 0.75), "rings", 1.7)
    green = s.paint(LEAF, None, "grain", 3)
    bend = s.rng.uniform(-0.25, 0.25)
    s.line([(0, 0), (bend, 0.8), (0, 1.45)], 0.09, green)
    s.ellipse(bend + 0.3, 0.95, 0.36, 0.14, green, -30)
    s.ellipse(bend - 0.3, 1.05, 0.36, 0.14, green, 30)
    count, size = int(s.rng.integers(5, 9)), s.vary(0.42)
    for t in np.arange(count) * (360 / count):
        c, d = np.cos(np.deg2rad(t)), np.sin(np.deg2rad(t))
        s.ellipse(size * c, size * d, 0.36, 0.2, petal, t)
    s.ellipse(0, 0, 0.24, 0.24, s.paint((45, 0.9, 0.9), (30, 0.9, 0.6), "dots", 8))


def mushroom(s: Sketch) -> None:
    """A spotted cap over a pale stem."""
    cap = s.paint(s.pick((0, 0.85, 0.8), (8, 0.8, 0.7)), WHITE, "dots", 2.3)
    pale = s.paint((42, 0.22, 0.88), (40, 0.35, 0.65), "bars", 4)
    w = s.vary(0.24, 0.25)
    s.polygon([(-w, -0.1), (w, -0.1), (1.3 * w, 0.95), (-1.3 * w, 0.95)], pale)
    s.polygon([(-1.6 * w, 0.15), (1.6 * w, 0.15), (1.1 * w, 0.33), (-1.1 * w, 0.33)], pale)
    s.ellipse(0, 0.02, s.vary(0.95), s.vary(0.85), cap, 0, (180, 360))


def star(s: Sketch) -> None:
    """Five points, one colour that fades."""
    t = np.deg2rad(np.arange(10) * 36 - 90)
    radius = np.where(np.arange(10) % 2, s.vary(0.45, 0.15), 1.05)
    gold = s.paint(s.pick((53, 0.9, 0.95), (38, 0.85, 0.95)), None, "fade")
    s.polygon(np.stack([radius * np.cos(t), radius * np.sin(t)], axis=1), gold)


def tree(s: Sketch) -> None:
    """A crown of overlapping leafy blobs on a trunk."""
    leaves = s.paint(s.pick((105, 0.7, 0.55), (85, 0.65, 0.5)), (120, 0.75, 0.22), "speckle", 6)
    trunk = s.paint((26, 0.55, 0.4), (24, 0.6, 0.22), "bars", 6)
    w = s.vary(0.11, 0.3)
    s.polygon([(-w, -0.2), (w, -0.2), (1.5 * w, 1.15), (-1.5 * w, 1.15)], trunk)
    s.line([(0, 0.4), (0.4, -0.05)], 0.07, trunk)
    for x, y in ((-0.42, -0.1), (0.42, -0.12), (0, 0.05), (-0.22, -0.6), (0.25, -0.55)):
        dx, dy = s.rng.uniform(-0.1, 0.1, 2)
        s.ellipse(x + dx, y + dy, s.vary(0.46), s.vary(0.4), leaves)
