"""The micro-kernel: one tile of a matrix product, from memory to registers and back.

    C[r, :] (+)= sum over steps of A[r, step] * B[step, :]         for the rows r of one tile

The tile of C stays in registers for the whole sum. A step loads one row of B, which is two vectors
wide, and for each row of the tile one number of A, which it broadcasts to all lanes of a register;
every pair is multiplied and added to its accumulator. With 14 rows that are 28 fused multiply-adds
for 16 loads, which keeps both multipliers of a core busy in every cycle (isa.py counts them).

            B[step]   [ b0 ........ b15 ][ b16 ....... b31 ]
    A[0, step]  ->    [ C[0, 0..15]  += ][ C[0, 16..31] += ]
    A[1, step]  ->    [ C[1, 0..15]  += ][ C[1, 16..31] += ]
        ...                       28 accumulators
    A[13, step] ->    [ C[13, 0..15] += ][ C[13, 16..31] += ]

Neither operand need be a matrix. The sum runs over three nested loops, ``outer``, ``inner`` and
``run``, each with its own distance in A and in B. For a convolution on channels-last maps the rows
are neighbouring pixels, and the loops are the window's rows, its columns and the channels: A is
the image itself, nothing is laid out as columns, and dilation is only another distance. For the
gradient of the weights the rows are channels and the loops run over pixels.

    form ROWS    rows any distance apart, the run contiguous, B packed:  pixels times filters
    form STEPS   rows contiguous, the run any distance apart in A and B: channels times channels

LLVM does not keep arrays in registers, so that the tile cannot be written as Python loops over a
small array (that runs at 2% of the speed). It is emitted as LLVM instructions, unrolled: the
accumulators are values of their own. One function is emitted for each number of rows, so that the
end of an image row can be cut into tiles of nearly equal height.
"""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic, register_jitable

from .vectors import Vectors, shape_of

ROWS, STEPS = 0, 1  # forms
AHEAD = 64  # steps that a panel is fetched ahead: one from the third level is half as slow without
ACCUMULATE, RELU, STREAM = (
    1,
    2,
    4,
)  # flags: add to what is in C; end with max(C, 0); do not cache C

_long, _void = ir.IntType(64), ir.VoidType()
_ARGUMENTS = (
    "count",
    *("a", "a_row", "a_run", "a_inner", "a_outer", "a_next"),  # address; distances in bytes
    *("b", "b_run", "b_inner", "b_outer"),
    *("run", "inner", "outer"),  # lengths of the loops
    *("c", "c_row", "c_next", "bias", "flags"),  # bias: address, or 0 for none
)


@intrinsic(prefer_literal=True)
def tiles(
    typing, kind, form, rows, count,
    a, a_row, a_run, a_inner, a_outer, a_next, b, b_run, b_inner, b_outer,
    run, inner, outer, c, c_row, c_next, bias, flags,
):  # fmt: skip
    """Compute ``count`` tiles of ``rows`` rows, which share B and lie a_next and c_next apart.

    kind: see vectors.py; form: the constant ROWS or STEPS; rows: from 1 to as many as the kind
    has. Addresses and distances are in bytes, the loops' lengths at least 1. In the form ROWS
    a_run and b_run are not read: the next number, and the next row of a panel. In the form STEPS
    a_row is not read.
    """
    signature = types.void(kind, form, *[types.int64] * 20)
    bits, most, vectors, lanes = shape_of(kind)

    def generate(context, builder, signature, arguments):
        rows, *rest = arguments[2:]
        end = builder.append_basic_block("tiles_done")
        switch = builder.switch(rows, end)
        for height in range(1, most + 1):
            shape = height, bits, lanes, vectors, form.literal_value
            switch.add_case(_long(height), block := builder.append_basic_block(f"tile_{height}"))
            builder.position_at_end(block)
            builder.call(_tile_function(builder.module, *shape), rest)
            builder.branch(end)
        builder.position_at_end(end)
        return context.get_dummy_value()

    return signature, generate


@register_jitable
def heights(rows, most):
    """How ``rows`` rows are cut into tiles of nearly equal height, at most ``most``: so many of
    height + 1, then so many of height. Returns (height, number of higher ones, of the others)."""
    number = -(-rows // most)
    return rows // number, rows % number, number - rows % number


def _tile_function(module, rows: int, bits: int, lanes: int, vectors: int, form: int):
    """The function of the tile with this many rows, once a module."""
    name = f"minifcn_tile_{'rows' if form == ROWS else 'steps'}_{bits}_{rows}x{vectors}x{lanes}"
    if name in module.globals:
        return module.globals[name]
    function = ir.Function(module, ir.FunctionType(_void, [_long] * len(_ARGUMENTS)), name)
    function.linkage = "internal"
    function.attributes.add("noinline")
    emit = Vectors(ir.IRBuilder(function.append_basic_block()), bits, lanes)
    _Tile(function, rows, vectors, emit, form)
    return function


class _Tile:
    """Emits one tile function: see the module."""

    def __init__(self, function, rows: int, vectors: int, emit: Vectors, form: int):
        self.emit, self.builder, self.form = emit, emit.builder, form
        self.vectors = vectors
        self.args = dict(zip(_ARGUMENTS, function.args, strict=True))
        builder, args = self.builder, self.args
        item = _long(emit.itemsize)
        if form == ROWS:
            args["a_run"], args["b_run"] = item, _long(vectors * emit.size)
        else:
            args["a_row"] = item
        self.rows = [builder.mul(args["a_row"], _long(r)) for r in range(rows)]
        lines = [builder.mul(args["c_row"], _long(r)) for r in range(rows)]
        before, body = builder.block, builder.append_basic_block("tile")
        builder.branch(body)
        builder.position_at_end(body)
        left, a, c = (builder.phi(_long) for _ in range(3))
        for phi, value in ((left, args["count"]), (a, args["a"]), (c, args["c"])):
            phi.add_incoming(value, before)
        self.c = [
            builder.add(builder.add(c, line), _long(v * emit.size))
            for line in lines
            for v in range(vectors)
        ]
        totals = [emit.constant(0.0)] * len(self.c)
        self._finish(self._loop("outer", totals, a, args["b"]))
        fewer = builder.sub(left, _long(1))
        onward = fewer, builder.add(a, args["a_next"]), builder.add(c, args["c_next"])
        for phi, value in zip((left, a, c), onward, strict=True):
            phi.add_incoming(value, builder.block)
        done = builder.append_basic_block("done")
        builder.cbranch(builder.icmp_signed(">", fewer, _long(0)), body, done)
        builder.position_at_end(done)
        builder.ret_void()

    def _loop(self, level: str, totals, a, b):
        """One of the three nested loops; the accumulators go through all of them."""
        builder = self.builder
        within = {"outer": "inner", "inner": "run"}.get(level)
        before, body = builder.block, builder.append_basic_block(level)
        done = builder.append_basic_block(f"{level}_done")
        builder.branch(body)
        builder.position_at_end(body)
        count, here, there = (builder.phi(_long) for _ in range(3))
        sums = [builder.phi(self.emit.type) for _ in totals]
        phis = count, here, there, *sums
        for phi, value in zip(phis, (self.args[level], a, b, *totals), strict=True):
            phi.add_incoming(value, before)
        added = self._loop(within, sums, here, there) if within else self._step(sums, here, there)
        left = builder.sub(count, _long(1))
        steps = self.args[f"a_{level}"], self.args[f"b_{level}"]
        onward = builder.add(here, steps[0]), builder.add(there, steps[1])
        for phi, value in zip(phis, (left, *onward, *added), strict=True):
            phi.add_incoming(value, builder.block)
        builder.cbranch(builder.icmp_signed(">", left, _long(0)), body, done)
        builder.position_at_end(done)
        return added

    def _step(self, totals, a, b):
        """One row of B against one number of every row of A."""
        builder, emit = self.builder, self.emit
        right = [emit.load(builder.add(b, _long(v * emit.size))) for v in range(self.vectors)]
        if self.form == ROWS:
            for v in range(self.vectors):
                emit.prefetch(builder.add(b, _long((AHEAD * self.vectors + v) * emit.size)))
        added = []
        for r, row in enumerate(self.rows):
            left = emit.broadcast(builder.add(a, row))
            for v in range(self.vectors):
                added.append(emit.multiply_add(left, right[v], totals[r * self.vectors + v]))
        return added

    def _finish(self, totals) -> None:
        """What C held, bias and rectifier, and the tile back to memory."""
        builder, emit, args = self.builder, self.emit, self.args

        def flag(bit):
            return builder.icmp_signed("!=", builder.and_(args["flags"], _long(bit)), _long(0))

        totals = self._where(flag(ACCUMULATE), totals, self._add_c)
        biased = builder.icmp_signed("!=", args["bias"], _long(0))
        totals = self._where(biased, totals, self._add_bias)
        totals = self._where(flag(RELU), totals, lambda values: [emit.positive(v) for v in values])
        with builder.if_else(flag(STREAM)) as (streamed, stored):
            with streamed:
                for total, c in zip(totals, self.c, strict=True):
                    emit.stream(total, c)
            with stored:
                for total, c in zip(totals, self.c, strict=True):
                    emit.store(total, c)

    def _add_c(self, totals):
        pairs = zip(totals, self.c, strict=True)
        return [self.builder.fadd(total, self.emit.load(c)) for total, c in pairs]

    def _add_bias(self, totals):
        builder, emit = self.builder, self.emit
        bias = [
            emit.load(builder.add(self.args["bias"], _long(v * emit.size)))
            for v in range(self.vectors)
        ]
        return [builder.fadd(t, bias[i % self.vectors]) for i, t in enumerate(totals)]

    def _where(self, condition, values, change):
        """``change(values)`` where the condition holds, else ``values``."""
        builder, before = self.builder, self.builder.block
        with builder.if_then(condition):
            changed, inside = change(values), builder.block
        merged = []
        for old, new in zip(values, changed, strict=True):
            phi = builder.phi(self.emit.type)
            phi.add_incoming(old, before)
            phi.add_incoming(new, inside)
            merged.append(phi)
        return merged
