"""One axis of a map, and what windows do to it: exact fractions.

    window (k, s, p, d)    stride' = stride s, start' = start + stride ((k-1)d/2 - p)
    its transpose          stride' = stride/s, start' = start + stride/s (p - (k-1)d/2)

(Caffe's coord_map.py states the same as y = (x - start) / stride.) What a pixel sees is the union
of what its taps see. Windows make that field + (k-1)d stride, the same for every pixel; behind a
transposed convolution it depends on where between two coarse pixels a pixel lies, so an axis keeps
one span of the image for each of these places.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

Span = tuple[int, int] | None  # first and last pixel of the image, or none at all


@dataclass(frozen=True)
class Axis:
    """One axis of a map: pixel o is centred on image pixel stride*o + start.

    spans: what the pixels 0, 1, ... of the map see; the next ones see the same, moved on.
    """

    stride: Fraction = Fraction(1)
    start: Fraction = Fraction(0)
    spans: tuple[Span, ...] = ((0, 0),)

    @property
    def field(self) -> int:
        """Pixels of the image that one pixel sees; where they differ, the one that sees most."""
        return max((last - first + 1 for first, last in filter(None, self.spans)), default=0)

    def sees(self, o: int) -> Span:
        """First and last pixel of the image, as if it had no borders, that pixel o sees."""
        turn, place = divmod(o, len(self.spans))
        moved = int(turn * len(self.spans) * self.stride)
        span = self.spans[place]
        return span and (span[0] + moved, span[1] + moved)

    def nearest(self, x: int) -> int:
        """The pixel whose centre is nearest to pixel x of the image."""
        return round((x - self.start) / self.stride)

    def window(self, k: int, s: int, p: int, d: int) -> "Axis":
        """After a convolution or pooling."""
        start = self.start + self.stride * (Fraction((k - 1) * d, 2) - p)
        places = range(len(self.spans) // math.gcd(len(self.spans), s))
        taps = ((o * s - p + i * d for i in range(k)) for o in places)
        return Axis(self.stride * s, start, tuple(union(map(self.sees, t)) for t in taps))

    def transposed(self, k: int, s: int, p: int, d: int) -> "Axis":
        """After a transposed convolution."""
        start = self.start + self.stride / s * (p - Fraction((k - 1) * d, 2))
        taps = ([o + p - i * d for i in range(k)] for o in range(len(self.spans) * s))
        sources = ([t // s for t in ts if t % s == 0] for ts in taps)
        return Axis(self.stride / s, start, tuple(union(map(self.sees, t)) for t in sources))

    def shifted(self, pixels: int) -> "Axis":
        """After the first ``pixels`` were cut off (negative: added)."""
        spans = tuple(self.sees(o + pixels) for o in range(len(self.spans)))
        return Axis(self.stride, self.start + self.stride * pixels, spans)

    def __str__(self) -> str:
        if self.start == 0:
            return "x" if self.stride == 1 else f"x/{_divisor(self.stride)}"
        sign, size = ("-", self.start) if self.start > 0 else ("+", -self.start)
        top = f"x {sign} {float(size):g}"
        return top if self.stride == 1 else f"({top})/{_divisor(self.stride)}"


def union(spans: Iterable[Span]) -> Span:
    """From the first pixel of the first span to the last of the last."""
    seen = [span for span in spans if span]
    return (min(first for first, _ in seen), max(last for _, last in seen)) if seen else None


def _divisor(stride: Fraction) -> str:
    return f"{stride}" if stride.denominator == 1 else f"({stride})"


def offset_between(x: Axis, reference: Axis) -> int:
    if x.stride != reference.stride:
        raise ValueError(f"maps {x} and {reference} have strides {x.stride}, {reference.stride}")
    offset = (reference.start - x.start) / x.stride
    if offset.denominator != 1:
        raise ValueError(
            f"maps {x} and {reference} do not meet on whole pixels: "
            f"({reference.start} - {x.start}) / {x.stride} = {float(offset):g}"
        )
    return int(offset)
