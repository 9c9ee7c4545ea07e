"""The shapes of tiles that are compared, and the means to use one."""

import contextlib
import dataclasses
from unittest import mock

FIELDS = "BM", "BN", "BK", "stages", "WM", "WN"
SHAPES = {
    "tf32": [
        (128, 128, 32, 3, 64, 32),
        (128, 128, 32, 4, 64, 32),
        (128, 128, 32, 2, 64, 32),
        (128, 128, 32, 3, 64, 64),
        (128, 128, 16, 4, 64, 32),
        (128, 256, 32, 3, 64, 64),
        (256, 128, 32, 3, 64, 64),
        (128, 64, 32, 3, 64, 32),
        (128, 64, 32, 4, 32, 32),
        (256, 64, 32, 3, 64, 32),
        (64, 128, 32, 3, 32, 64),
        (64, 64, 32, 4, 32, 32),
    ],
    "wgmma": [
        (128, 128, 32, 3, 16, 16),
        (128, 128, 32, 4, 16, 16),
        (64, 128, 32, 4, 16, 16),
        (128, 256, 32, 3, 16, 16),
        (128, 256, 32, 4, 16, 16),
        (256, 128, 32, 3, 16, 16),
        (256, 128, 32, 4, 16, 16),
    ],
}


def shapes_of(place, product: str) -> list[tuple]:
    """Those of a product; in a dry run the last, which is small."""
    return SHAPES[product][-1:] if place.tiny else SHAPES[product]


class Unsuitable(ValueError):
    """A shape that is not for what multiplies this layer."""


@contextlib.contextmanager
def tile_of(shape):
    """Inside, convolutions by tensor cores are cut into tiles of this shape.

    Raises Unsuitable where ``tile.choose`` takes another product than the one that was asked for:
    not every product can make every layer.
    """
    from minifcn.kernels.cuda import conv

    def choose(*arguments, **settings):
        tile = chosen(*arguments, **settings)
        if (tile.product == "WGMMA") != (shape in SHAPES["wgmma"]):
            raise Unsuitable(f"a tile of {shape} is none for {tile.product}")
        return dataclasses.replace(tile, **dict(zip(FIELDS, shape, strict=True)))

    chosen = conv.choose
    with mock.patch.object(conv, "choose", choose):
        yield


def name_of(product: str, shape) -> str:
    """product BMxBNxBK/stages, and of a warp's part WMxWN: "tf32 128x128x32/3 64x32"."""
    BM, BN, BK, stages, WM, WN = shape
    warp = f" {WM}x{WN}" if product == "tf32" else ""
    return f"{product} {BM}x{BN}x{BK}/{stages}{warp}"
