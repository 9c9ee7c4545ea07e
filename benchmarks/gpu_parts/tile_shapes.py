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
    "wgmma": [None],  # hopper.py cuts patches to fit; None: as it does
}


def shapes_of(place, product: str) -> list[tuple | None]:
    """Those of a product; in a dry run the last, which is small."""
    return SHAPES[product][-1:] if place.tiny else SHAPES[product]


class Unsuitable(ValueError):
    """A shape that is not for what multiplies this layer."""


@contextlib.contextmanager
def tile_of(shape):
    """Inside, convolutions by tensor cores are cut into tiles of this shape; of None, as Hopper's
    kernel cuts them.

    Raises Unsuitable where that is not what makes this layer.
    """
    from minifcn.kernels.cuda import conv

    def choose(*arguments):
        if shape is None:
            raise Unsuitable("a layer that Hopper's kernel does not make")
        return dataclasses.replace(chosen(*arguments), **dict(zip(FIELDS, shape, strict=True)))

    chosen = conv.choose
    with mock.patch.object(conv, "choose", choose):
        yield


def name_of(product: str, shape) -> str:
    """product BMxBNxBK/stages, and of a warp's part WMxWN: "tf32 128x128x32/3 64x32"."""
    if shape is None:
        return product
    BM, BN, BK, stages, WM, WN = shape
    return f"{product} {BM}x{BN}x{BK}/{stages} {WM}x{WN}"
