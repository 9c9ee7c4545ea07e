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

Sixteen filters would leave half of such a tile idle. A NARROW tile is one vector wide and has as
many accumulators; what they hold of the run's even steps and what of its odd ones is added up at
the end. In the form STEPS one half of the accumulators takes the even steps, the other the odd
ones: 30 loads for 28 multiply-adds. In the form ROWS two steps are taken at once: two neighbours
of A are broadcast together, and two rows of B are interleaved to match.

            B[step], B[step + 1]    [ b0 b0' b1 b1' .. ][ b8 b8' b9 b9' .. ]
    A[r, step], A[r, step + 1] ->   [ a  a'  a  a'  .. ]    16 loads for 28 multiply-adds

LLVM does not keep arrays in registers, so that the tile cannot be written as Python loops over a
small array (that runs at 2% of the speed). It is emitted as LLVM instructions, unrolled: the
accumulators are values of their own. One function is emitted for each number of rows, so that the
end of an image row can be cut into tiles of nearly equal height.
"""

from itertools import product

from llvmlite import ir
from numba import types
from numba.extending import intrinsic, register_jitable

from .vectors import Vectors, shape_of

ROWS, STEPS = 0, 1  # forms
WIDE, NARROW = 0, 1
NOTHING, PANEL, ADDRESS = 0, 1, 2  # what is fetched ahead
AHEAD = 64  # steps that a panel is: from the third-level cache it would take twice as long without
ACCUMULATE, RELU, STREAM = 1, 2, 4  # flags: add to C; end with max(C, 0); do not cache C

_long, _void = ir.IntType(64), ir.VoidType()
_ARGUMENTS = (
    "count",
    *("a", "a_row", "a_run", "a_inner", "a_outer", "a_next"),  # address; distances in bytes
    *("b", "b_run", "b_inner", "b_outer"),
    *("run", "inner", "outer"),  # lengths of the loops
    *("c", "c_row", "c_next", "bias", "flags"),  # bias: address, or 0 for none
    *("fetch", "fetch_step"),
)


@intrinsic(prefer_literal=True)
def tiles(
    typing, kind, form, narrow, rows, count,
    a, a_row, a_run, a_inner, a_outer, a_next, b, b_run, b_inner, b_outer,
    run, inner, outer, c, c_row, c_next, bias, flags, fetch, fetch_step,
):  # fmt: skip
    """Compute ``count`` tiles of ``rows`` rows, which share B and lie a_next and c_next apart.

    kind: see vectors.py; form: the constant ROWS or STEPS; narrow: WIDE or NARROW; rows: from 1 to
    as many as the kind has. Addresses and distances are in bytes, the loops' lengths at least 1.
    In the form ROWS a_run and b_run are not read: the next number, and the next row of a panel. In
    the form STEPS a_row is not read. fetch: the address of what will be read after these tiles:
    a step asks for one cache line of it, the next step for the one fetch_step bytes further; or a
    constant, NOTHING, or PANEL for B itself, where it is in no near cache.
    """
    fetches = fetch.literal_value if isinstance(fetch, types.Literal) else ADDRESS
    signature = types.void(kind, form, narrow, *[types.int64] * 20, fetch, types.int64)
    bits, most, vectors, lanes = shape_of(kind)
    widths = [vectors, 1] if vectors > 1 else [1]
    if isinstance(narrow, types.Literal):  # no need to compile the others
        widths = widths[narrow.literal_value :][:1]

    def generate(context, builder, signature, arguments):
        narrow, rows, *rest = arguments[2:]
        end = builder.append_basic_block("tiles_done")
        which = builder.add(rows, builder.mul(narrow, _long(most))) if len(widths) > 1 else rows
        switch = builder.switch(which, end)
        for i, (wide, height) in enumerate(product(widths, range(1, most + 1))):
            block = builder.append_basic_block(f"tile_{height}x{wide}")
            switch.add_case(_long(i + 1), block)
            builder.position_at_end(block)
            shape = height, wide, vectors, bits, lanes, form.literal_value, fetches
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


def _tile_function(
    module, rows: int, wide: int, vectors: int, bits: int, lanes: int, form: int, fetches: int
):
    """The function of the tile with this many rows, ``wide`` vectors each, once a module."""
    what = "rows" if form == ROWS else "steps"
    name = f"minifcn_tile_{what}_{bits}_{rows}x{wide}x{lanes}_{vectors}_{fetches}"
    if name in module.globals:
        return module.globals[name]
    function = ir.Function(module, ir.FunctionType(_void, [_long] * len(_ARGUMENTS)), name)
    function.linkage = "internal"
    function.attributes.add("noinline")
    emit = Vectors(ir.IRBuilder(function.append_basic_block()), bits, lanes)
    _Tile(function, rows, wide, vectors // wide, emit, form, fetches)
    return function


def _as_index(r: int) -> tuple[int, int, int]:
    """Row r as start + n * times: x86 adds an index to an address on the way, times 1, 2, 4 or 8.

    Two addresses, rows 0 and 5, and the distances of 1, 3 and 5 rows are then all that a step
    needs, and they stay in registers; an address for each of 14 rows would not.
    """
    ways = product((0, 5), (1, 3, 5), (1, 2, 4, 8))
    return next(way for way in ways if way[0] + way[1] * way[2] == r)


class _Tile:
    """Emits one tile function: see the module.

    A row has ``turns`` times ``wide`` accumulators; where the turns are 2, steps are added up by
    twos (see NARROW).
    """

    def __init__(
        self, function, rows: int, wide: int, turns: int, emit: Vectors, form: int, fetches: int
    ):
        self.emit, self.builder, self.form, self.fetches = emit, emit.builder, form, fetches
        self.wide, self.turns = wide, turns
        self.args = dict(zip(_ARGUMENTS, function.args, strict=True))
        builder, args = self.builder, self.args
        if form == ROWS:
            args["a_run"], args["b_run"] = _long(emit.itemsize), _long(wide * emit.size)
        self.rows = rows
        self.distances = {n: builder.mul(args["a_row"], _long(n)) for n in (1, 3, 5)}  # of n rows
        self.lines = [builder.mul(args["c_row"], _long(r)) for r in range(rows)]
        self._repeat(args["count"], [args["a"], args["c"], args["fetch"]], self._tile)
        builder.ret_void()

    def _tile(self, values):
        """One tile; returns where the next one is."""
        a, c, fetch = values
        totals = [self.emit.constant(0.0)] * (self.rows * self.turns * self.wide)
        fetch, *totals = self._loops(("outer", "inner"), a, self.args["b"], [fetch, *totals])
        self._finish(totals, c)
        return self._add(a, self.args["a_next"]), self._add(c, self.args["c_next"]), fetch

    def _loops(self, levels, a, b, sums):
        """The nested loops; the sums, and what is fetched, go through all of them."""
        if not levels:
            return self._run(a, b, sums)
        level, *within = levels

        def body(values):
            a, b, *sums = values
            sums = self._loops(within, a, b, sums)
            return (
                self._add(a, self.args[f"a_{level}"]),
                self._add(b, self.args[f"b_{level}"]),
                *sums,
            )

        return self._repeat(self.args[level], [a, b, *sums], body)[2:]

    def _run(self, a, b, sums):
        """The innermost loop: its steps by turns, and the odd one that is left."""
        run, args = self.args["run"], self.args

        def steps(values, turns=self.turns):
            a, b, *sums = values
            for turn in range(turns):
                sums = self._step(sums, a, b, turn)
                a, b = self._add(a, args["a_run"]), self._add(b, args["b_run"])
            return a, b, *sums

        values = [a, b, *sums]
        if self.turns == 1:
            return self._repeat(run, values, steps)[2:]
        two, one = steps, lambda values: steps(values, 1)
        if self.form == ROWS:
            two, one = self._pair, lambda values: self._pair(values, 1)
        pairs, odd = self.builder.ashr(run, _long(1)), self.builder.and_(run, _long(1))
        values = self._where(pairs, values, lambda values: self._repeat(pairs, values, two))
        return self._where(odd, values, one)[2:]

    def _step(self, sums, a, b, turn):
        """One row of B against one number of every row of A."""
        emit, (fetch, *totals) = self.emit, sums
        right = [emit.load(self._add(b, _long(v * emit.size))) for v in range(self.wide)]
        fetch = self._fetch(b, fetch)
        for r in range(self.rows):
            left = self._left(a, r)
            for v in range(self.wide):
                i = (r * self.turns + turn) * self.wide + v
                totals[i] = emit.multiply_add(left, right[v], totals[i])
        return fetch, *totals

    def _pair(self, values, steps=2):
        """Two steps of a narrow tile in the form ROWS, or the last one."""
        emit, (a, b, fetch, *totals) = self.emit, values
        both = steps == 2
        first = second = emit.load(b)
        if both:
            second = emit.load(self._add(b, _long(emit.size)))
        right = emit.interleave(first, second)
        for _ in range(steps):
            fetch = self._fetch(b, fetch)
        for r in range(self.rows):
            left = self._left(a, r, steps)
            for i, part in enumerate(right, 2 * r):
                total = emit.multiply_add(left, part, totals[i])
                totals[i] = total if both else emit.even(total, totals[i])
        a, b = self._add(a, _long(steps * emit.itemsize)), self._add(b, _long(steps * emit.size))
        return a, b, fetch, *totals

    def _fetch(self, b, fetch):
        """Ask for what a later step will read; where the next one asks."""
        if self.fetches == PANEL:
            for v in range(self.wide):
                self.emit.prefetch(self._add(b, _long((AHEAD * self.wide + v) * self.emit.size)))
        if self.fetches != ADDRESS:
            return fetch
        self.emit.prefetch(fetch)
        return self._add(fetch, self.args["fetch_step"])

    def _left(self, a, r: int, numbers: int = 1):
        """Row r's number of A in all lanes, or two neighbours by turns."""
        if self.form == STEPS or r == 0:
            return self.emit.broadcast(self._add(a, _long(r * self.emit.itemsize)), numbers)
        start, n, times = _as_index(r)
        if start:
            a = self._add(a, self.distances[start])
        return self.emit.broadcast(a, numbers, self.distances[n], times)

    def _finish(self, totals, c) -> None:
        """The turns together, what C held, bias and rectifier, and the tile back to memory."""
        builder, emit, args = self.builder, self.emit, self.args
        if self.turns == 2:
            together = emit.add_pairs if self.form == ROWS else emit.add
            totals = [together(*pair) for pair in zip(totals[::2], totals[1::2], strict=True)]
        places = [
            self._add(self._add(c, line), _long(v * emit.size))
            for line in self.lines
            for v in range(self.wide)
        ]

        def flag(bit):
            return builder.and_(args["flags"], _long(bit))

        def add_c(totals):
            return [emit.add(t, emit.load(place)) for t, place in zip(totals, places, strict=True)]

        def add_bias(totals):
            at = [self._add(args["bias"], _long(v * emit.size)) for v in range(self.wide)]
            bias = [emit.load(place) for place in at]
            return [emit.add(t, bias[i % self.wide]) for i, t in enumerate(totals)]

        totals = self._where(flag(ACCUMULATE), totals, add_c)
        totals = self._where(args["bias"], totals, add_bias)
        totals = self._where(flag(RELU), totals, lambda values: [emit.positive(v) for v in values])
        streamed = builder.icmp_signed("!=", flag(STREAM), _long(0))
        with builder.if_else(streamed) as (past_caches, cached):
            with past_caches:
                for total, place in zip(totals, places, strict=True):
                    emit.stream(total, place)
            with cached:
                for total, place in zip(totals, places, strict=True):
                    emit.store(total, place)

    def _add(self, address, distance):
        return self.builder.add(address, distance)

    def _repeat(self, count, values, body):
        """The values after ``count`` times body(values), at least once."""
        builder = self.builder
        before, loop = builder.block, builder.append_basic_block("loop")
        done = builder.append_basic_block("done")
        builder.branch(loop)
        builder.position_at_end(loop)
        left, *phis = (builder.phi(value.type) for value in (count, *values))
        changed = body(phis)
        fewer = builder.sub(left, _long(1))
        starts, nexts = (count, *values), (fewer, *changed)
        for phi, start, next_ in zip((left, *phis), starts, nexts, strict=True):
            phi.add_incoming(start, before)
            phi.add_incoming(next_, builder.block)
        builder.cbranch(builder.icmp_signed(">", fewer, _long(0)), loop, done)
        builder.position_at_end(done)
        return list(changed)

    def _where(self, number, values, change):
        """``change(values)`` where the number is not 0, else ``values``."""
        builder, before = self.builder, self.builder.block
        with builder.if_then(builder.icmp_signed("!=", number, _long(0))):
            changed, inside = change(values), builder.block
        merged = [builder.phi(value.type) for value in values]
        for phi, old, new in zip(merged, values, changed, strict=True):
            phi.add_incoming(old, before)
            phi.add_incoming(new, inside)
        return merged
