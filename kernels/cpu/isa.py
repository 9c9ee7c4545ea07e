"""The vector instructions of this machine, and the tile of registers that suits them.

A core multiplies fastest when its accumulators never leave its registers. A tile holds ``rows`` x
``vectors`` of them; each step of the reduction loads ``vectors`` vectors of B, one number of A for
every row, and multiplies each with each. Two loads a cycle and two fused multiply-adds a cycle ask
for tiles with more multiply-adds than loads; the latency of four cycles asks for at least eight
accumulators; and what is not an accumulator must hold the vectors of B and a number of A:

    avx512     32 registers of 16 floats     14 x 2 = 28 accumulators, 28 multiply-adds, 16 loads
    avx2       16 registers of  8 floats      6 x 2 = 12 accumulators, 12 multiply-adds,  8 loads
    neon       32 registers of  4 floats     14 x 2
    portable   vectors of 4 that LLVM turns into whatever there is, two of them a row, 6 rows

MINIFCN_ISA names one of them, for tests and for comparisons; a narrower one runs on a wider
machine. Without it the widest is taken.
"""

import os
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True)
class ISA:
    """vector_bytes: bytes a register; rows, vectors: of the tile of accumulators; features: what
    LLVM must say that the processor has."""

    name: str
    vector_bytes: int
    rows: int
    vectors: int
    features: tuple[str, ...]

    def lanes(self, itemsize: int) -> int:
        """Numbers of ``itemsize`` bytes in a vector."""
        return self.vector_bytes // itemsize

    def panel(self, itemsize: int) -> int:
        """Numbers in a row of the tile: the width of a packed panel."""
        return self.vectors * self.lanes(itemsize)


KNOWN = (
    ISA("avx512", 64, 14, 2, ("avx512f",)),
    ISA("avx2", 32, 6, 2, ("avx2", "fma")),
    ISA("neon", 16, 14, 2, ("neon",)),
    ISA("portable", 16, 6, 2, ()),
)


_current: ISA | None = None


@cache
def available() -> tuple[ISA, ...]:
    """What this machine can run, the widest first."""
    import llvmlite.binding

    has = llvmlite.binding.get_host_cpu_features()
    return tuple(isa for isa in KNOWN if all(has.get(f, False) for f in isa.features))


def current() -> ISA:
    """The one in use: the one set, else MINIFCN_ISA, else the widest."""
    global _current
    if _current is None:
        set_isa(os.environ.get("MINIFCN_ISA") or available()[0].name)
    return _current


def set_isa(name: str) -> None:
    """Use these instructions from here on. Raises RuntimeError for ones that are not here."""
    global _current
    for isa in available():
        if isa.name == name:
            _current = isa
            return
    names = ", ".join(isa.name for isa in available())
    raise RuntimeError(f"instruction set {name!r}: this machine has {names}")
