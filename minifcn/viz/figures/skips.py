"""32s, 16s and 8s as one graph."""

from dataclasses import dataclass

from ... import geometry, models, nn
from ..graph import FILLS
from .fcn import built
from .pen import GREEN, HEIGHT, INK, MUTED, ORANGE, SMALL, TEXT, WIDTH, Page, tint

TRUNK, SCORES, FUSE, UP, CROP = 1.25, 3.65, 5.85, 8.35, 10.8  # inches: columns, by their centres
WIDE, TALL = 1.98, 0.82  # of a box


def figure_skips(
    trunk: str = "vgg16", size: tuple[int, int] = (500, 500), padding: str = "reference"
):
    """The nets of one trunk as one graph (Long et al. 2015, figure 3): where streams fork and
    fuse, strides, kernels of the upsampling and crop offsets, all by ``geometry``.

    trunk: what follows "fcn8s-" in a name of ``models.names()``. Raises ValueError for a trunk
    that there is none of.
    """
    names = nets_of(trunk)
    rows = [stream(built(name, padding), name, size) for name in names]
    height = HEIGHT if len(rows) > 2 else HEIGHT - 1.2
    heads = ", ".join(map(_short, names))
    page = Page(WIDTH, height, f"{trunk}: {heads} as one graph")
    first = 1.95
    pitch = (height - 0.95 - first) / max(1, len(rows) - 1)
    ys = [first + pitch * (len(rows) - 1 - n) for n in range(len(rows))]
    image = f"image\n{size[0]}×{size[1]}"
    _box(page, TRUNK, 1.0, image, "input", tall=0.55)
    _link(page, (TRUNK, 1.0 + 0.275), (TRUNK, ys[-1] - TALL / 2))
    for n, (row, y) in enumerate(zip(rows, ys, strict=True)):
        _row(page, row, y)
        if n + 1 < len(rows):
            up = rows[n + 1]
            _rising(page, up, (y, ys[n + 1]), first=n == 0)
            _link(page, (TRUNK, ys[n + 1] + TALL / 2), (TRUNK, y - TALL / 2))
    page.text(
        WIDTH / 2,
        height - 0.25,
        "⊕ adds two score maps over the pixels that both have; an offset is the first row and "
        "column that a crop keeps",
        TEXT,
        color=MUTED,
    )
    return page.finished(
        f"The nets of {trunk} for an image of {size[0]}×{size[1]}, one graph. "
        + " ".join(_told(row) for row in rows)
    )


@dataclass
class Stream:
    """What one net adds to the coarser one: trace rows and layers, by their part in it."""

    name: str
    trunk: geometry.Row
    scores: geometry.Row
    scores_layer: nn.Module
    rising: geometry.Row | None  # the coarser scores, upsampled to these
    rising_layer: nn.Module | None
    fuse: geometry.Row | None
    up: geometry.Row
    up_layer: nn.Module
    crop: geometry.Row


def nets_of(trunk: str) -> list[str]:
    """The nets of a trunk, the coarsest first."""
    found = {}
    for name in models.names():
        head, _, tail = name.partition("-")
        if tail == trunk:
            found[int(head.removeprefix("fcn").removesuffix("s"))] = name
    if not found:
        trunks = sorted({n.partition("-")[2] for n in models.names() if "atonce" not in n})
        raise ValueError(f"no nets of a trunk {trunk!r}; there are: {', '.join(trunks)}")
    return [found[stride] for stride in sorted(found, reverse=True)]


def stream(net: nn.Net, name: str, size: tuple[int, int]) -> Stream:
    """Of a net with skips the finest one, of one without what it has."""
    traced = geometry.trace(net, size)
    crop = net.tail
    up = net.reads[crop][0]
    before = net.reads[up][0]
    fuse = rising = None
    scores = before
    if isinstance(net[before], nn.Fuse):
        fuse, (rising, scores) = before, net.reads[before]
    (source,) = net.reads[scores]
    while isinstance(net[source], (nn.ReLU, nn.Dropout, nn.Scale)):
        (source,) = net.reads[source]
    return Stream(
        name,
        traced[source],
        traced[scores],
        net[scores],
        rising and traced[rising],
        rising and net[rising],
        fuse and traced[fuse],
        traced[up],
        net[up],
        traced[crop],
    )


def _row(page: Page, row: Stream, y: float) -> None:
    """One line of the figure: trunk, scores, sum, upsampling, crop."""
    box = WIDE / 2
    trunk = row.trunk.name.split("/")[0]
    _box(page, TRUNK, y, f"{trunk}\n{_map(row.trunk)}\n{_stride(row.trunk)}", "function")
    k = "×".join(map(str, row.scores_layer.kernel_size))
    kernel = f"{row.scores.name}\n{k} → {_map(row.scores)}"
    if row.fuse:
        kernel += f"\ncrop at offset {_offset(row.fuse)}"
    _box(page, SCORES, y, kernel, GREEN)
    _link(page, (TRUNK + box, y), (SCORES - box, y))
    if row.fuse:
        _link(page, (SCORES + box, y), (FUSE - 0.17, y), GREEN)
        _link(page, (FUSE + 0.17, y), (UP - box, y), GREEN)
        page.text(FUSE, y + 0.005, "⊕", 26, color=INK, zorder=4)
        name = row.fuse.name if len(row.fuse.name) < 12 else row.fuse.name.replace("_", "_\n", 1)
        page.text(FUSE + 0.25, y - 0.15, _size(row.fuse), SMALL, ha="left", color=MUTED)
        for n, line in enumerate(name.split("\n")):
            page.text(FUSE + 0.25, y + 0.2 + 0.2 * n, line, SMALL, ha="left", color=MUTED)
    else:
        _link(page, (SCORES + box, y), (UP - box, y), GREEN)
    _box(
        page,
        UP,
        y,
        f"{row.up.name}\n{_kernel(row.up_layer)}\n{_grown(row.up_layer, row.up)}",
        ORANGE,
    )
    _link(page, (UP + box, y), (CROP - box, y), ORANGE)
    words = f"{_short(row.name)}\ncrop at offset {_offset(row.crop)}\n→ {_size(row.crop)}"
    _box(page, CROP, y, words, "output")


def _rising(page: Page, up: Stream, ys: tuple[float, float], first: bool) -> None:
    """The stream that leaves a row upwards: its scores, upsampled for the next finer sum."""
    y, above = ys
    middle, start = (y + above) / 2 + 0.12, y - 0.17
    if first:
        start = y
        page.axes.plot(FUSE, y, "o", color=GREEN, markersize=6)
    _link(page, (FUSE, start), (FUSE, middle + TALL / 2), GREEN)
    words = f"{up.rising.name}\n{_kernel(up.rising_layer)}\n{_grown(up.rising_layer, up.rising)}"
    _box(page, FUSE, middle, words, ORANGE)
    _link(page, (FUSE, middle - TALL / 2), (FUSE, above + 0.17), ORANGE)


def _box(page: Page, x: float, y: float, text: str, kind: str, tall=TALL, wide=WIDE) -> None:
    fill, edge = FILLS.get(kind, (tint(kind, 0.18) if kind.startswith("#") else "", kind))
    page.rectangle(x - wide / 2, y - tall / 2, wide, tall, fill, edge, 1.3, zorder=3)
    lines = text.split("\n")
    step = 0.235
    for n, line in enumerate(lines):
        place = y + (n - (len(lines) - 1) / 2) * step
        page.text(x, place, line, SMALL, color=INK, zorder=4, weight="normal" if n else "bold")


def _link(page: Page, start, end, colour=MUTED) -> None:
    page.arrow(start, end, colour, 1.7)


def _short(name: str) -> str:
    return name.split("-")[0].upper().replace("FCN", "FCN-").replace("S", "s")


def _size(row: geometry.Row) -> str:
    return "×".join(map(str, row.shape[2:]))


def _map(row: geometry.Row) -> str:
    return f"{row.shape[1]} × {_size(row)}"


def _stride(row: geometry.Row) -> str:
    return f"stride {row.axes[0].stride}"


def _kernel(layer: nn.Module) -> str:
    return f"kernel {layer.kernel_size[0]}, stride {layer.stride[0]}"


def _grown(layer: nn.Module, row: geometry.Row) -> str:
    padding = f"padding {layer.padding[0]} " if layer.padding[0] else ""
    return f"{padding}→ {_size(row)}"


def _offset(row: geometry.Row) -> int:
    return row.offset[0]


def _told(row: Stream) -> str:
    text = f"{_short(row.name)}: {row.scores.name} on {row.trunk.name} ({_stride(row.trunk)})"
    if row.fuse:
        text += (
            f", cut at offset {_offset(row.fuse)} and added to {row.rising.name} "
            f"({_kernel(row.rising_layer)})"
        )
    return (
        f"{text}; {row.up.name} ({_kernel(row.up_layer)}) to {_size(row.up)}, cut at offset "
        f"{_offset(row.crop)}."
    )
