"""Which tiles a convolution is cut into, and what multiplies them (see conv_tile.cuh)."""

from dataclasses import dataclass

import numpy as np

from .device import address
from .precision import precision


@dataclass(frozen=True)
class Tile:
    """BM x BN numbers a block, BK terms of their sums at a time, of which ``vector`` are copied at
    once. product: FMA, TF32, TF32X3 or BF16; WM x WN: the part of a warp, where there is one."""

    product: str
    BM: int
    BN: int
    BK: int
    vector: int
    WM: int = 16
    WN: int = 16
    stages: int = 3

    @property
    def threads(self) -> int:
        """Of a block."""
        return 256 if self.product == "FMA" else 32 * (self.BM // self.WM) * (self.BN // self.WN)

    def shared(self, itemsize: int, a_along: bool, b_along: bool) -> int:
        """Bytes of shared memory; along: whether an operand lies along the terms of the sums."""

        def size(rows: int, along: bool) -> int:
            gap = 16 // itemsize if along else 32 // itemsize
            return (self.BK + gap) * rows if along else (rows + gap) * self.BK

        return self.stages * (size(self.BM, a_along) + size(self.BN, b_along)) * itemsize

    def macros(self, dtype) -> dict:
        """What conv.cu is compiled with."""
        return {
            "real": dtype, "PRODUCT": self.product, "BM": self.BM, "BN": self.BN, "BK": self.BK,
            "WM": self.WM, "WN": self.WN, "STAGES": self.stages, "VECTOR": self.vector,
        }  # fmt: skip


def choose(columns: int, arrays, runs) -> Tile:
    """The tile for a product with so many columns.

    arrays: what is read; runs: how many numbers lie side by side in them, wherever a copy may
    begin or end: 16 bytes are copied at once where that divides all of them.
    """
    dtype = arrays[0].dtype
    vector = 16 // dtype.itemsize
    if any(n % vector for n in runs) or any(address(x) % 16 for x in arrays):
        vector = 1
    product = product_of(dtype)
    if product == "FMA":
        return Tile(product, 64, 64, 16, vector)
    if product == "WGMMA":  # what conv_hopper.cu could not make
        product = "TF32"
    if columns <= 32:
        return Tile(product, 128, 32, 32, vector, 32, 32)
    if columns <= 64:
        return Tile(product, 128, 64, 32, vector, 64, 32)
    return Tile(product, 128, 128, 32, vector, 64, 32)


PRODUCTS = {"float32": ("FMA", "TF32X3"), "tf32": ("TF32", "WGMMA"), "bf16": ("BF16",)}
_products = {name: choices[0] for name, choices in PRODUCTS.items()}


def product_of(dtype) -> str:
    """What computes products of such numbers, at the precision that is set."""
    return "FMA" if dtype == np.float64 else _products[precision()]


def set_product(precision: str, name: str) -> None:
    """What computes products of a precision: "float32" by FMA or TF32X3, three TF32 products in
    place of one; "tf32" by TF32 or, on Hopper, where it can, WGMMA (hopper.py); "bf16" by BF16."""
    if name not in PRODUCTS.get(precision, ()):
        raise ValueError(f"{precision!r} by {name!r}: there are {PRODUCTS}")
    _products[precision] = name
