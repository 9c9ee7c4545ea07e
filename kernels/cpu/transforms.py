"""The three transforms of Winograd's convolution, derived from points and emitted as vectors.

Convolving in one dimension is multiplying polynomials: evaluate both at n points, multiply the
values, interpolate. With n = m + r - 1 points that gives m outputs of a filter of r taps for n
multiplications instead of m*r. Turned around (the transpose of a linear map that multiplies
polynomials is one that correlates) it reads

    y = A^T [ (G w) * (B^T x) ]        x: n inputs, w: r taps, y: m outputs

    A[p, i] = p^i            m powers of every point
    G[p, i] = p^i            r powers
    B^T = V^-T               V the n powers: the inverse of evaluation is interpolation

One of the points is infinity, where a polynomial's value is its highest coefficient. Each row of
B^T is multiplied by a number that makes it whole, and G's divided by it. In two dimensions all is
done along rows and then along columns: y = A^T [ (G w G^T) * (B^T x B) ] A.

The gradient of the weights is a correlation too, of x with gy, whose r outputs are the taps: the
same points, the same B^T x B, m powers for gy in G's place and r in A's. The gradient of x goes
the other way: gy is spread over the positions by A, multiplied with the same G w G^T, and what
comes together for a tile of x is collected by B; tiles of x overlap and are added up.

(Winograd 1980; Lavin, Gray 2016. Large powers of points cost accuracy: hence small points.)
"""

from fractions import Fraction
from functools import cache
from math import lcm

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .tile import RELU, STREAM
from .vectors import Vectors, shape_of

# Outputs m and taps r of a tile: at most eight points
SIZES = ((4, 3), (6, 3), (4, 5), (3, 6), (2, 7))
POINTS = [Fraction(p) for p in ("0", "1", "-1", "2", "-2", "1/2", "-1/2")]  # and infinity

INPUT, FILTER, OUTPUT, GRADIENT, TAP, SPREAD, COLLECT = range(7)  # what is transformed

_long, _void = ir.IntType(64), ir.VoidType()


def powers(n: int, count: int) -> list[list[Fraction]]:
    """``count`` powers of n points: (n, count), infinity last."""
    points = POINTS[: n - 1]
    rows = [[p**i for i in range(count)] for p in points]
    return [*rows, [Fraction(int(i == count - 1)) for i in range(count)]]


@cache
def matrices(m: int, r: int) -> dict[int, list[list[Fraction]]]:
    """For tiles of m x m outputs and r x r taps: the matrix M of each transform M X M^T."""
    n = m + r - 1
    inverse = _inverse(powers(n, n))
    interpolate = [[inverse[j][i] for j in range(n)] for i in range(n)]
    scales = [lcm(*(x.denominator for x in row)) for row in interpolate]
    divided = {
        count: [[x / s for x in row] for row, s in zip(powers(n, count), scales, strict=True)]
        for count in (m, r)
    }
    whole = [[x * s for x in row] for row, s in zip(interpolate, scales, strict=True)]
    return {
        INPUT: whole,
        FILTER: divided[r],
        OUTPUT: _transposed(powers(n, m)),
        GRADIENT: divided[m],
        TAP: _transposed(powers(n, r)),
        SPREAD: powers(n, m),
        COLLECT: _transposed(whole),
    }


def _transposed(rows):
    return [list(column) for column in zip(*rows, strict=True)]


def _inverse(rows):
    """Gauss and Jordan, with fractions."""
    n = len(rows)
    work = [[*row, *(Fraction(int(i == j)) for j in range(n))] for i, row in enumerate(rows)]
    for i in range(n):
        pivot = next(k for k in range(i, n) if work[k][i] != 0)
        work[i], work[pivot] = work[pivot], work[i]
        work[i] = [x / work[i][i] for x in work[i]]
        for k in range(n):
            if k != i:
                work[k] = [a - work[k][i] * b for a, b in zip(work[k], work[i], strict=True)]
    return [row[n:] for row in work]


@cache
def tiles_of(m: int, r: int) -> np.ndarray:
    """The argument of kernels that says how large tiles are: m x m outputs, r x r taps.

    Its type holds the two, as ``vectors.kind`` does, so that only what is used is compiled.
    """
    if (m, r) not in SIZES:
        raise ValueError(f"tiles of {m} outputs and {r} taps are none of {SIZES}")
    return np.empty(0, [("outputs_taps", np.int8, (m, r))])


def _size_of(size) -> tuple[int, int]:
    return size.dtype.fields["outputs_taps"].type.shape


@intrinsic
def outputs(typing, size):
    """Outputs of a tile along an axis."""
    m, _ = _size_of(size)
    return types.int64(size), lambda *_: _long(m)


@intrinsic
def taps(typing, size):
    """Taps of a filter along an axis."""
    _, r = _size_of(size)
    return types.int64(size), lambda *_: _long(r)


@intrinsic(prefer_literal=True)
def transform(
    typing, form, what, size, source, source_row, source_column, source_next,
    target, target_row, target_column, target_next, vectors, bias, flags,
):  # fmt: skip
    """target = M source M^T for ``vectors`` vectors one after the other.

    what: a constant, INPUT ... COLLECT; size: ``tiles_of(m, r)``. Element (i, j) of the square
    lies at source + i*source_row + j*source_column, in bytes; the next vector source_next further.
    OUTPUT adds the bias, one vector for each vector (an address, or 0); with the flag RELU it
    rectifies, with STREAM it stores past the caches.
    """
    signature = types.void(form, what, size, *[types.int64] * 11)
    bits, _, _, lanes = shape_of(form)

    def generate(context, builder, signature, arguments):
        shape = what.literal_value, _size_of(size), bits, lanes
        builder.call(_function(builder.module, *shape), arguments[3:])
        return context.get_dummy_value()

    return signature, generate


def _function(module, what: int, size: tuple[int, int], bits: int, lanes: int):
    name = "minifcn_transform_{}_{}_{}_{}_{}".format(what, *size, bits, lanes)
    if name in module.globals:
        return module.globals[name]
    function = ir.Function(module, ir.FunctionType(_void, [_long] * 11), name)
    function.linkage = "internal"
    function.attributes.add("noinline")
    builder = ir.IRBuilder(function.append_basic_block())
    emit = Vectors(builder, bits, lanes)
    source, s_row, s_column, s_next, *others = function.args
    target, t_row, t_column, t_next, count, bias, flags = others
    before, loop = builder.block, builder.append_basic_block("loop")
    builder.branch(loop)
    builder.position_at_end(loop)
    left, here, there, biases = (builder.phi(_long) for _ in range(4))
    for phi, value in ((left, count), (here, source), (there, target), (biases, bias)):
        phi.add_incoming(value, before)

    matrix = matrices(*size)[what]
    width = len(matrix[0])
    columns = []
    for j in range(width):
        start = builder.add(here, builder.mul(s_column, _long(j)))
        column = [
            emit.load(builder.add(start, builder.mul(s_row, _long(i)))) for i in range(width)
        ]
        columns.append(_apply(emit, matrix, column))
    for i in range(len(matrix)):
        row = _apply(emit, matrix, [column[i] for column in columns])
        if what == OUTPUT:
            row = _finish(emit, row, biases, flags)
        start = builder.add(there, builder.mul(t_row, _long(i)))
        places = [builder.add(start, builder.mul(t_column, _long(j))) for j in range(len(row))]
        if what == OUTPUT:
            to_memory = builder.icmp_signed("!=", builder.and_(flags, _long(STREAM)), _long(0))
            with builder.if_else(to_memory) as (streamed, stored):
                with streamed:
                    for value, place in zip(row, places, strict=True):
                        emit.stream(value, place)
                with stored:
                    for value, place in zip(row, places, strict=True):
                        emit.store(value, place)
        else:
            for value, place in zip(row, places, strict=True):
                emit.store(value, place)

    fewer = builder.sub(left, _long(1))
    onward = builder.select(
        builder.icmp_signed("!=", bias, _long(0)), builder.add(biases, _long(emit.size)), _long(0)
    )
    following = (fewer, builder.add(here, s_next), builder.add(there, t_next), onward)
    for phi, value in zip((left, here, there, biases), following, strict=True):
        phi.add_incoming(value, builder.block)
    done = builder.append_basic_block("done")
    builder.cbranch(builder.icmp_signed(">", fewer, _long(0)), loop, done)
    builder.position_at_end(done)
    builder.ret_void()
    return function


def _finish(emit: Vectors, row, bias, flags):
    """Bias and rectifier, without branches: a bias that is not there is read from nowhere."""
    builder = emit.builder
    nothing = builder.alloca(emit.type)
    builder.store(emit.constant(0.0), nothing)
    given = builder.icmp_signed("!=", bias, _long(0))
    added = emit.load(builder.select(given, bias, builder.ptrtoint(nothing, _long)))
    rectify = builder.icmp_signed("!=", builder.and_(flags, _long(RELU)), _long(0))
    row = [builder.fadd(value, added) for value in row]
    return [builder.select(rectify, emit.positive(value), value) for value in row]


def _apply(emit: Vectors, matrix, values):
    """matrix @ values. Rows of points p and -p differ in the sign of every second column: their
    even and odd halves are computed once."""
    rows, done = len(matrix), {}
    for i in range(rows):
        if i in done:
            continue
        mirrored = [x * (-1) ** j for j, x in enumerate(matrix[i])]
        negated = [-x for x in mirrored]
        partners = (k for k in range(i + 1, rows) if matrix[k] in (mirrored, negated))
        partner = next(partners, None)
        if partner is None:
            done[i] = _sum(emit, list(zip(matrix[i], values, strict=True)))
            continue
        terms = list(zip(matrix[i], values, strict=True))
        even, odd = _sum(emit, terms[::2]), _sum(emit, terms[1::2])
        done[i] = emit.add(even, odd)
        same = matrix[partner] == mirrored
        done[partner] = emit.subtract(even, odd) if same else emit.subtract(odd, even)
    return [done[i] for i in range(rows)]


def _sum(emit: Vectors, terms):
    """The sum of factor * value: factors of 1 and -1 are not multiplied."""
    terms = sorted((t for t in terms if t[0] != 0), key=lambda t: abs(t[0]) != 1)
    total = None
    for factor, value in terms:
        if total is None:
            total = value if factor == 1 else emit.multiply(value, emit.constant(float(factor)))
        elif abs(factor) == 1:
            total = emit.add(total, value) if factor == 1 else emit.subtract(total, value)
        else:
            total = emit.multiply_add(value, emit.constant(float(factor)), total)
    return emit.constant(0.0) if total is None else total
