"""Vectors and raw memory for compiled kernels: what Numba's arrays do not give.

Kernels that fill whole registers work on addresses, not on arrays, and are told by the *type* of
their first argument what a register is here: ``kind(dtype)`` is an empty array of records whose
one field is a tile of accumulators, (rows, vectors, lanes) numbers. Numba compiles, and keeps on
disk, one version for every type, so that each dtype and each instruction set has its own. The
field's name holds a checksum of the files that these kernels share (compile.py says why).
"""

from functools import cache

import llvmlite.binding
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, register_jitable

from . import isa
from .compile import checksum_of

# Bytes of a vector, of what is repeated in it: x86's instruction
_BROADCASTS = {
    64: {4: "vbroadcastss", 8: "vbroadcastsd", 16: "vbroadcastf32x4"},
    32: {4: "vbroadcastss", 8: "vbroadcastsd", 16: "vbroadcastf128"},
}
llvmlite.binding.initialize_native_asmparser()

_SHARED = ("vectors.py", "tile.py", "transforms.py", "packing.py", "frame.py", "winograd.py")


def kind(dtype) -> np.ndarray:
    """The type argument of kernels for this dtype, float32 or float64, and the instruction set in
    use (isa.py)."""
    return _kind(np.dtype(dtype), isa.current())


@cache
def _kind(dtype: np.dtype, which: isa.ISA) -> np.ndarray:
    shape = which.rows, which.vectors, which.lanes(dtype.itemsize)
    return np.empty(0, [(f"tile_{checksum_of(*_SHARED)}", dtype, shape)])


def shape_of(kind) -> tuple[int, int, int, int]:
    """bits, rows, vectors and lanes of a kind's Numba type."""
    ((_, field),) = kind.dtype.fields.items()
    rows, vectors, lanes = field.type.shape
    return (field.type.dtype.bitwidth, rows, vectors, lanes)


@register_jitable
def spaced(size):
    """At least ``size`` bytes, as an odd number of cache lines.

    A transform reads or writes a vector in each of 16 to 64 arrays, one behind the other. Were
    they a power of two apart, all those vectors would share a few sets of the first cache, and
    wait for each other; at such distances every vector has a set of its own.
    """
    return (-(-size // 64) | 1) * 64


class Vectors:
    """Emits vector instructions: ``lanes`` numbers of ``bits`` bits."""

    def __init__(self, builder: ir.IRBuilder, bits: int, lanes: int):
        self.builder, self.lanes, self.itemsize = builder, lanes, bits // 8
        self.real = ir.FloatType() if bits == 32 else ir.DoubleType()
        self.type = ir.VectorType(self.real, lanes)
        self.size = lanes * self.itemsize  # bytes
        self._numbers = 16 // self.itemsize  # of 16 bytes

    def constant(self, value: float):
        return ir.Constant(self.type, [value] * self.lanes)

    def load(self, address):
        """A vector from any address that is a multiple of a number's size."""
        pointer = self.builder.inttoptr(address, self.type.as_pointer())
        return self.builder.load(pointer, align=self.itemsize)

    def store(self, value, address) -> None:
        pointer = self.builder.inttoptr(address, self.type.as_pointer())
        self.builder.store(value, pointer, align=self.itemsize)

    def stream(self, value, address) -> None:
        """Store past the caches to an address that is a multiple of a vector: what is not read
        soon need not be read from memory before it is overwritten there."""
        pointer = self.builder.inttoptr(address, self.type.as_pointer())
        store = self.builder.store(value, pointer, align=self.size)
        note = self.builder.module.add_metadata([ir.IntType(32)(1)])
        store.set_metadata("nontemporal", note)

    def broadcast(self, address, numbers: int = 1, index=None, times: int = 1):
        """The number at ``address``, or at address + index * times, in all lanes; or two
        neighbours there by turns.

        Written as the very instruction where an index is given and it is known: LLVM would rather
        keep an address for every row of a tile, and the additions that advance them take the place
        of one multiplication in fifteen. Nothing may write there between two calls of the function
        that is emitted: LLVM does not see that it reads.
        """
        builder = self.builder
        if index is not None and self.size in _BROADCASTS:
            name = _BROADCASTS[self.size][self.itemsize * numbers]
            what = ir.FunctionType(self.type, [address.type, index.type])
            text = f"{name} ($1,$2,{times}), $0"
            return builder.asm(what, text, "=v,r,r", [address, index], side_effect=False)
        if index is not None:
            address = builder.add(address, builder.mul(index, index.type(times)))
        few = ir.VectorType(self.real, numbers)
        read = builder.load(builder.inttoptr(address, few.as_pointer()), align=self.itemsize)
        return self._shuffle(read, read, [i % numbers for i in range(self.lanes)])

    def interleave(self, x, y):
        """Numbers of x and y by turns, in two vectors: of every 16 bytes, as x86 does it, the
        first half in the one and the second half in the other."""
        half, parts = self._numbers // 2, []
        for part in (0, 1):
            places = [(first + part * half, i) for first, i in self._quarters()]
            parts.append(
                self._shuffle(x, y, [at + i // 2 + i % 2 * self.lanes for at, i in places])
            )
        return parts

    def add_pairs(self, x, y):
        """The sums of neighbours, of two vectors as ``interleave`` makes them, in order."""
        half, parts = self._numbers // 2, []
        for turn in (0, 1):
            places = [(first + turn, i) for first, i in self._quarters()]
            parts.append(
                self._shuffle(
                    x, y, [at + i % half * 2 + i // half * self.lanes for at, i in places]
                )
            )
        return self.add(*parts)

    def even(self, x, y):
        """x in lanes 0, 2, 4, ..., y in the others."""
        bit = ir.IntType(1)
        mask = ir.Constant(ir.VectorType(bit, self.lanes), [1 - i % 2 for i in range(self.lanes)])
        return self.builder.select(mask, x, y)

    def _quarters(self):
        """For each lane the first lane of its 16 bytes, and which of them it is."""
        return [(lane - lane % self._numbers, lane % self._numbers) for lane in range(self.lanes)]

    def _shuffle(self, x, y, lanes):
        mask = ir.Constant(ir.VectorType(ir.IntType(32), len(lanes)), lanes)
        return self.builder.shuffle_vector(x, y, mask)

    def prefetch(self, address) -> None:
        """Ask for the cache line of an address, which need not exist."""
        number, pointer = ir.IntType(32), ir.IntType(8).as_pointer()
        signature = ir.FunctionType(ir.VoidType(), [pointer, number, number, number])
        function = self.builder.module.declare_intrinsic("llvm.prefetch", [pointer], signature)
        self.builder.call(
            function, [self.builder.inttoptr(address, pointer), number(0), number(2), number(1)]
        )

    def add(self, x, y):
        return self.builder.fadd(x, y)

    def subtract(self, x, y):
        return self.builder.fsub(x, y)

    def multiply(self, x, y):
        return self.builder.fmul(x, y)

    def multiply_add(self, x, y, total):
        """x * y + total, as one instruction where there is one."""
        flags = ("contract",)
        return self.builder.fadd(total, self.builder.fmul(x, y, flags=flags), flags=flags)

    def positive(self, x):
        """max(x, 0); NaN stays."""
        zero = self.constant(0.0)
        return self.builder.select(self.builder.fcmp_ordered("<=", x, zero), zero, x)


def _transposed(emit: Vectors, vectors):
    """A square of numbers, ``lanes`` vectors, with rows and columns exchanged.

    Interleaving the first half of the vectors with the second turns bit after bit of a number's
    row into a bit of its column: after log2(lanes) rounds all are exchanged.
    """
    half = emit.lanes // 2
    number = ir.IntType(32)
    low = [i // 2 + (emit.lanes if i % 2 else 0) for i in range(emit.lanes)]
    masks = [
        ir.Constant(ir.VectorType(number, emit.lanes), [i + shift for i in low])
        for shift in (0, half)
    ]
    for _ in range(half.bit_length()):
        vectors = [
            emit.builder.shuffle_vector(vectors[i], vectors[i + half], mask)
            for i in range(half)
            for mask in masks
        ]
    return vectors


@intrinsic
def transpose(typing, kind, source, source_row, targets, offset):
    """Read a square of lanes x lanes numbers, and store its columns as vectors.

    Its rows lie ``source_row`` bytes apart; targets: the address of as many addresses, to each of
    which ``offset`` is added.
    """
    bits, _, _, lanes = shape_of(kind)

    def generate(context, builder, signature, arguments):
        _, source, row, targets, offset = arguments
        emit, long = Vectors(builder, bits, lanes), ir.IntType(64)
        rows = [emit.load(builder.add(source, builder.mul(row, long(i)))) for i in range(lanes)]
        table = builder.inttoptr(targets, long.as_pointer())
        for i, vector in enumerate(_transposed(emit, rows)):
            emit.store(vector, builder.add(builder.load(builder.gep(table, [long(i)])), offset))
        return context.get_dummy_value()

    return types.void(kind, *[types.int64] * 4), generate


@intrinsic
def transpose_back(typing, kind, sources, offset, target, target_row):
    """The reverse of ``transpose``: vectors from a table of addresses become columns of a square
    whose rows lie ``target_row`` bytes apart."""
    bits, _, _, lanes = shape_of(kind)

    def generate(context, builder, signature, arguments):
        _, sources, offset, target, row = arguments
        emit, long = Vectors(builder, bits, lanes), ir.IntType(64)
        table = builder.inttoptr(sources, long.as_pointer())
        places = (builder.load(builder.gep(table, [long(i)])) for i in range(lanes))
        columns = [emit.load(builder.add(place, offset)) for place in places]
        for i, vector in enumerate(_transposed(emit, columns)):
            emit.store(vector, builder.add(target, builder.mul(row, long(i))))
        return context.get_dummy_value()

    return types.void(kind, *[types.int64] * 4), generate


@intrinsic
def itemsize(typing, kind):
    """Bytes of a number."""
    bits = shape_of(kind)[0]
    return types.int64(kind), _constant(bits // 8)


@intrinsic
def tile_rows(typing, kind):
    """Rows of the highest tile."""
    return types.int64(kind), _constant(shape_of(kind)[1])


@intrinsic
def lanes(typing, kind):
    """Numbers in a vector."""
    return types.int64(kind), _constant(shape_of(kind)[3])


@intrinsic
def panel_width(typing, kind):
    """Numbers in a row of the tile."""
    _, _, vectors, lanes = shape_of(kind)
    return types.int64(kind), _constant(vectors * lanes)


def _constant(value: int):
    return lambda context, builder, signature, arguments: ir.Constant(ir.IntType(64), value)


@intrinsic
def get(typing, kind, address):
    """The number at an address."""
    bits = shape_of(kind)[0]
    real = ir.FloatType() if bits == 32 else ir.DoubleType()

    def generate(context, builder, signature, arguments):
        return builder.load(builder.inttoptr(arguments[1], real.as_pointer()))

    return (types.float32 if bits == 32 else types.float64)(kind, types.int64), generate


@intrinsic
def put(typing, kind, address, value):
    """Store a number at an address."""
    bits = shape_of(kind)[0]
    real = ir.FloatType() if bits == 32 else ir.DoubleType()

    def generate(context, builder, signature, arguments):
        builder.store(arguments[2], builder.inttoptr(arguments[1], real.as_pointer()))
        return context.get_dummy_value()

    wanted = types.float32 if bits == 32 else types.float64
    return types.void(kind, types.int64, wanted), generate


@intrinsic
def move(typing, target, source, size):
    """Copy ``size`` bytes between addresses; the two may not overlap."""

    def generate(context, builder, signature, arguments):
        pointer, long = ir.IntType(8).as_pointer(), ir.IntType(64)
        function = builder.module.declare_intrinsic("llvm.memcpy", [pointer, pointer, long])
        target, source = (builder.inttoptr(a, pointer) for a in arguments[:2])
        builder.call(function, [target, source, arguments[2], ir.IntType(1)(0)])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), generate


@intrinsic
def copy_vectors(typing, kind, target, source, count, streamed):
    """Copy ``count`` vectors: faster than ``move`` where they are few. streamed: past the caches,
    to an address that is a multiple of a vector."""
    bits, _, _, lanes = shape_of(kind)

    def generate(context, builder, signature, arguments):
        _, target, source, count, streamed = arguments
        emit = Vectors(builder, bits, lanes)
        with builder.if_else(builder.trunc(streamed, ir.IntType(1))) as (past_caches, cached):
            for branch, store in ((past_caches, emit.stream), (cached, emit.store)):
                with branch, cgutils.for_range(builder, count) as loop:
                    offset = builder.mul(loop.index, ir.IntType(64)(emit.size))
                    store(emit.load(builder.add(source, offset)), builder.add(target, offset))
        return context.get_dummy_value()

    return types.void(kind, types.int64, types.int64, types.int64, types.boolean), generate


@intrinsic
def clear(typing, target, size):
    """Fill ``size`` bytes with zeros."""

    def generate(context, builder, signature, arguments):
        pointer, byte = ir.IntType(8).as_pointer(), ir.IntType(8)
        function = builder.module.declare_intrinsic("llvm.memset", [pointer, ir.IntType(64)])
        target = builder.inttoptr(arguments[0], pointer)
        builder.call(function, [target, byte(0), arguments[1], ir.IntType(1)(0)])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), generate


@intrinsic
def add_to(typing, kind, target, source, count):
    """Add ``count`` vectors to others."""
    bits, _, _, lanes = shape_of(kind)

    def generate(context, builder, signature, arguments):
        _, target, source, count = arguments
        emit = Vectors(builder, bits, lanes)
        with cgutils.for_range(builder, count) as loop:
            offset = builder.mul(loop.index, ir.IntType(64)(emit.size))
            place = builder.add(target, offset)
            added = emit.add(emit.load(place), emit.load(builder.add(source, offset)))
            emit.store(added, place)
        return context.get_dummy_value()

    return types.void(kind, types.int64, types.int64, types.int64), generate


@intrinsic
def rectify_and_add(typing, kind, target, source, mask, total, count):
    """``count`` vectors of source, 0 where those at ``mask`` are not positive, to target, and
    added to ``total``."""
    bits, _, _, lanes = shape_of(kind)

    def generate(context, builder, signature, arguments):
        *places, count = arguments[1:]
        emit = Vectors(builder, bits, lanes)
        zero = emit.constant(0.0)
        with cgutils.for_range(builder, count) as loop:
            offset = builder.mul(loop.index, ir.IntType(64)(emit.size))
            target, source, mask, total = (builder.add(place, offset) for place in places)
            passes = builder.fcmp_ordered(">", emit.load(mask), zero)
            value = builder.select(passes, emit.load(source), zero)
            emit.store(value, target)
            emit.store(emit.add(emit.load(total), value), total)
        return context.get_dummy_value()

    return types.void(kind, *[types.int64] * 5), generate


@intrinsic
def add_to_doubles(typing, kind, target, source, count):
    """Add ``count`` vectors of the kind to as many numbers of float64."""
    bits, _, _, lanes = shape_of(kind)

    def generate(context, builder, signature, arguments):
        _, target, source, count = arguments
        emit, exact = Vectors(builder, bits, lanes), Vectors(builder, 64, lanes)
        with cgutils.for_range(builder, count) as loop:
            long = ir.IntType(64)
            place = builder.add(target, builder.mul(loop.index, long(exact.size)))
            value = emit.load(builder.add(source, builder.mul(loop.index, long(emit.size))))
            if bits < 64:
                value = builder.fpext(value, exact.type)
            exact.store(exact.add(exact.load(place), value), place)
        return context.get_dummy_value()

    return types.void(kind, types.int64, types.int64, types.int64), generate


@intrinsic
def settle(typing):
    """Wait until everything that was stored past the caches can be seen by other threads."""

    def generate(context, builder, signature, arguments):
        builder.fence("seq_cst")
        return context.get_dummy_value()

    return types.void(), generate


@intrinsic
def address_of(typing, array):
    """The address of an array's first element."""

    def generate(context, builder, signature, arguments):
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        return builder.ptrtoint(data, ir.IntType(64))

    return types.int64(array), generate


@intrinsic
def line_of(typing, array):
    """The first address in an array of bytes at which a cache line starts: the array must be 64
    bytes longer than what it shall hold."""

    def generate(context, builder, signature, arguments):
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        long = ir.IntType(64)
        return builder.and_(builder.add(builder.ptrtoint(data, long), long(63)), long(-64))

    return types.int64(array), generate
