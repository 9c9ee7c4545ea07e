"""A net as slabs, from the image to the label map."""

from dataclasses import dataclass

import numpy as np

from ... import data, geometry, models, nn
from ..colormap import colorize
from .pen import ADVANCE, BLUE, GREEN, HEIGHT, INK, MUTED, ORANGE, SMALL, TEXT, WIDTH, Page, tint
from .slabs import Slab, slabs, sources

FACE, LEAST = 2.9, 0.16  # inches: the longer side of the largest map, and the least side of all
LEAST_SCALE = 0.6  # below it, slabs of one height and width become one
POWER = 0.55  # sides grow with that power of pixels, else the small maps could not be seen
SKEW_X, SKEW_Y = 0.26, 0.16  # how far a face leans, of its width
PICTURE = 1.05  # inches: the longer side of the image and of the label map
EDGE, MIDDLE, LABELS, LINE = 0.15, 2.9, 4.95, 0.24
HEADS = ("channels", "height", "width", "stride")
HEADING = 0.72  # inches: the column of these words
LETTER = ADVANCE * SMALL  # inches


def figure_fcn(model="fcn32s-vgg16", size: tuple[int, int] = (500, 500), *, name: str = ""):
    """A fully convolutional network as slabs whose sizes are those of its maps (in the spirit of
    Long et al. 2015, figures 1 and 3), with channels, height, width and stride of each.

    model: a ``Net`` or a name for ``models.build``; size: (height, width) of the image; name: of
    the model, for the title. Sizes, strides and offsets by ``geometry.trace``. Raises ValueError
    for a net that scores no pixels.
    """
    name = name or (model if isinstance(model, str) else "an FCN")
    net = built(model) if isinstance(model, str) else model
    for coarse in (False, True):
        placed = _placed(slabs(net, size, coarse), size)
        if placed[0].scale >= LEAST_SCALE:
            break
    page = Page(WIDTH, HEIGHT, f"{name}: from the image to a label for every pixel")
    picture, labels = example(size)
    channels = geometry.channels_of(net)
    for line, word in enumerate(HEADS, start=2):
        y = LABELS + LINE * line
        page.text(EDGE, y, word, SMALL, ha="left", va="baseline", color=MUTED)
    _picture(page, picture, EDGE + HEADING, "image", (channels, *size, 1))
    right = WIDTH - EDGE - _picture_size(size)[1]
    _picture(page, colorize(labels), right, "label map", (1, *size, 1))
    for one in placed:
        _draw(page, one)
    told = _skips(page, net, placed)
    parameters = sum(row.parameters for row in geometry.trace(net, size).rows)
    offset = placed[-1].slab.row.offset
    summary = (
        f"{parameters:,} parameters; one coarsest score sees "
        f"{geometry.receptive_field(net)[0]} pixels a side"
    )
    if offset:
        summary += f"; the last crop begins at offset {offset[0]}"
    page.text(WIDTH / 2, HEIGHT - 0.22, summary, TEXT, color=MUTED)
    maps = "; ".join(
        f"{one.slab.label}: {'×'.join(map(str, one.slab.row.shape[1:]))}, stride {one.slab.stride}"
        for one in placed
    )
    return page.finished(
        f"{name} for an image of {size[0]}×{size[1]} pixels, its maps as slabs: {maps}. "
        f"{told}{summary}."
    )


def built(name: str, padding: str = "reference") -> nn.Net:
    """A net of which only the shapes are wanted."""
    with nn.init.without_values():
        return models.build(name, padding=padding)


def example(size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """A drawn scene of that shape, and its label map."""
    return data.scene(0, "train", 1, tuple(max(32, round(160 * n / max(size))) for n in size))


@dataclass
class _Placed:
    """A slab on the page: its left edge, thickness, height and width in inches."""

    slab: Slab
    scale: float
    thick: float
    high: float
    wide: float
    x: float = 0.0

    @property
    def room(self) -> float:
        """What it needs of the page's width, with its texts."""
        letters = max(4, *map(len, self.slab.lines))
        return max(self.thick + SKEW_X * self.wide, LETTER * letters) + 0.08

    @property
    def centre(self) -> float:
        return self.x + (self.thick + SKEW_X * self.wide) / 2

    @property
    def top(self) -> float:
        return MIDDLE - (self.high + SKEW_Y * self.wide) / 2


def _placed(found: list[Slab], size) -> list[_Placed]:
    """The slabs side by side between the pictures, as large as fits."""
    picture = EDGE + _picture_size(size)[1] + 0.15
    left, scale = HEADING + picture, 1.0
    room = WIDTH - left - picture
    while True:
        placed = [_measured(slab, scale, found) for slab in found]
        needed = sum(one.room for one in placed)
        if needed <= room or scale < LEAST_SCALE:
            break
        scale *= 0.96
    gap = (room - needed) / len(placed)
    for one in placed:
        one.x = left + (one.room + gap - one.thick - SKEW_X * one.wide) / 2
        left += one.room + gap
    return placed


def _measured(slab: Slab, scale: float, found: list[Slab]) -> _Placed:
    largest = max(max(other.row.shape[2:]) for other in found)
    _, C, *sides = slab.row.shape
    high, wide = (max(LEAST, FACE * scale * (n / largest) ** POWER) for n in sides)
    return _Placed(slab, scale, 0.05 + 0.028 * float(np.log2(C)), high, wide)


def _draw(page: Page, one: _Placed) -> None:
    """A box seen from the left and above: its thickness in front, its face leaning away."""
    x, t, dx, dy = one.x, one.thick, SKEW_X * one.wide, -SKEW_Y * one.wide
    bottom = MIDDLE + (one.high + SKEW_Y * one.wide) / 2
    top = bottom - one.high
    colour = _colour(one.slab)
    page.polygon([(x, top), (x + t, top), (x + t, bottom), (x, bottom)], tint(colour, 0.8))
    page.polygon(
        [(x, top), (x + dx, top + dy), (x + t + dx, top + dy), (x + t, top)], tint(colour, 0.3)
    )
    page.polygon(
        [(x + t, top), (x + t + dx, top + dy), (x + t + dx, bottom + dy), (x + t, bottom)],
        tint(colour, 0.5),
    )
    _, C, H, W = one.slab.row.shape
    _texts(page, one.centre, one.slab.lines, (C, H, W, one.slab.stride))


def _colour(slab: Slab) -> str:
    """Blue for what is learned about pictures, green for scores, orange for upsampled ones."""
    names = " ".join(slab.names)
    if "upscore" in names:
        return ORANGE
    return GREEN if "score" in names or "fuse" in names else BLUE


def _texts(page: Page, x: float, lines: list[str], numbers: tuple) -> None:
    for line, text in enumerate(lines):
        y = LABELS + 0.8 * LINE * (line + 1 - len(lines) / 2)
        page.text(x, y, text, SMALL, va="baseline")
    for line, text in enumerate(numbers, start=2):
        page.text(x, LABELS + LINE * line, str(text), SMALL, va="baseline", color=MUTED)


def _picture_size(size) -> tuple[float, float]:
    return PICTURE * size[0] / max(size), PICTURE * size[1] / max(size)


def _picture(page: Page, picture: np.ndarray, left: float, name: str, numbers: tuple) -> None:
    H, W = _picture_size(picture.shape)
    top = MIDDLE - H / 2
    page.axes.imshow(picture, extent=(left, left + W, top + H, top), aspect="auto")
    page.rectangle(left, top, W, H, "none", INK, 0.8)
    page.axes.set_xlim(0, page.width)
    page.axes.set_ylim(page.height, 0)
    _texts(page, left + W / 2, [name], numbers)


def _skips(page: Page, net: nn.Net, placed: list[_Placed]) -> str:
    """An arc from the slab that a finer score is taken from to the one that it is added to."""
    told, number = "", 0
    for one in placed:
        if not one.slab.fused:
            continue
        made_from = sources(net, one.slab.fused)
        start = [p for p in placed if made_from & set(p.slab.layers)][-1]
        fuse = next(n for n in one.slab.names if isinstance(net[n], nn.Fuse))
        offset = net[fuse].offset
        y = min(p.top for p in placed[placed.index(start) : placed.index(one)]) - 0.25
        y -= 0.3 * number
        number += 1
        page.line((start.centre, start.centre, one.centre), (start.top, y, y), GREEN, 1.6)
        page.arrow((one.centre, y), (one.centre, one.top), GREEN, 1.6)
        words = f"{one.slab.fused}, cut at offset {offset[0]}"
        page.text((start.centre + one.centre) / 2, y - 0.13, words, SMALL)
        told += f"{words}, is added in {fuse}. "
    return told
