"""What a pixel of a network's output sees, as frames over a picture."""

import os
from collections.abc import Mapping

import numpy as np

from .colormap import COLOURS
from .picture import save_figure

DPI = 110
LONGEST = 900  # pixels of the picture's longer side
BEYOND = 0.32  # of the picture's longer side: how far outside frames are drawn
EDGE = 0.02  # of it, around what is drawn


def draw_fields(
    path: str | os.PathLike,
    image: np.ndarray,
    fields: Mapping[str, tuple[int, int, int, int]],
    pixel: tuple[int, int],
    title: str = "",
) -> None:
    """Draw a frame for each field, and a cross at the pixel.

    image: (H, W, 3) uint8 RGB. fields: layer's name -> first and last row, first and last column
    of what it sees, in pixels of the image; they may reach beyond its borders. pixel: (row,
    column). Raises ValueError for a pixel that is not in the image.
    """
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    H, W = image.shape[:2]
    if not (0 <= pixel[0] < H and 0 <= pixel[1] < W):
        raise ValueError(f"pixel {pixel[0]}, {pixel[1]} is not in an image of {H} x {W}")
    spans = np.array([(0, H - 1, 0, W - 1), *fields.values()])
    beyond, edge = BEYOND * max(H, W), EDGE * max(H, W)
    top, left = np.maximum(spans[:, ::2].min(axis=0), -beyond) - edge
    bottom, right = np.minimum(spans[:, 1::2].max(axis=0), np.add((H, W), beyond)) + edge
    scale = LONGEST / max(bottom - top, right - left) / DPI
    figure = Figure(figsize=((right - left) * scale, (bottom - top) * scale + 0.4), dpi=DPI)
    axes = figure.add_axes((0.02, 0.02, 0.96, 0.92))
    axes.imshow(image, extent=(-0.5, W - 0.5, H - 0.5, -0.5))
    for i, (name, (y0, y1, x0, x1)) in enumerate(fields.items()):
        colour = COLOURS[i % len(COLOURS)]
        frame = Rectangle(
            (x0 - 0.5, y0 - 0.5),
            *(x1 - x0 + 1, y1 - y0 + 1),
            fill=False,
            edgecolor=colour,
            linewidth=2,
            label=f"{name}: {y1 - y0 + 1} x {x1 - x0 + 1}",
        )
        axes.add_patch(frame)
    axes.plot(pixel[1], pixel[0], "+", color="white", markersize=12, markeredgewidth=2)
    axes.set_xlim(left, right)
    axes.set_ylim(bottom, top)
    axes.set_axis_off()
    axes.legend(loc="upper left", fontsize=8, framealpha=0.8)
    axes.set_title(title, fontsize=10)
    save_figure(path, figure)
