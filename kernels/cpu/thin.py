"""Products of matrices one of which is thin: bound by the one pass over the large matrix.

    few rows     y[i] = sum over k of a[i, k] * b[k]    b read once, by rows or as dot products
    few terms    y[i] = sum over k of a[i, k] * b[k]    y written once, by rows

A fully connected layer that sees one image at a time is all three: its output, the gradient of its
input and that of its weights. Nothing is packed, and no tile is kept in registers: a block of
COLUMNS numbers of y stays in the first cache until it is complete. Loop nests:

    for block of columns           task          for ROWS rows of y          task
        for four rows of b                           for block of columns
            for row of y                                 for row of y
                for column                                   for four rows of b
                                                                 for column
"""

import numpy as np

from .compile import kernel
from .tasks import tasks
from .threads import VECTOR, parallel_for

FEW = 8  # rows, or terms, up to which memory is slower than arithmetic
DOTS = 3  # rows up to which dot products are faster than tiles
COLUMNS = 512
ROWS = 2  # of y for which a block of b, a few kilobytes, stays in the first cache
DOT_ROWS = 16  # columns of b that are a task, one dot product after another


def product(a, b, y) -> bool:
    """y = a @ b, if the matrices are thin and lie in an order for which there is a way here.

    a (I, K), b (K, J), y (I, J) without gaps. Returns whether there was.
    """
    (rows, terms), columns = a.shape, b.shape[1]
    if min(rows, terms) > FEW or columns < COLUMNS:
        return False
    a = np.ascontiguousarray(a)
    if b.flags.c_contiguous and terms == 1:
        parallel_for(_one_term, rows, a, b, y, work=columns // VECTOR)
    elif b.flags.c_contiguous and terms <= FEW:
        fours = (0, -terms % 4)  # more terms, zeros
        a, b = np.pad(a, ((0, 0), fours)), np.pad(b, (fours, (0, 0)))
        work = ROWS * terms * columns // VECTOR
        parallel_for(_few_terms, -(-rows // ROWS), a, b, y, work=work)
    elif b.flags.c_contiguous:
        work = rows * terms * COLUMNS // VECTOR
        parallel_for(_few_rows, -(-columns // COLUMNS), a, b, y, work=work)
    elif b.T.flags.c_contiguous and rows <= DOTS:
        work = DOT_ROWS * rows * terms // VECTOR
        parallel_for(_dots, -(-columns // DOT_ROWS), a, b.T, y, work=work)
    else:
        return False
    return True


@kernel()
def _few_rows(work, a, b, y):
    zero = np.zeros(1, a.dtype)[0]
    for task in tasks(work):
        block = slice(task * COLUMNS, (task + 1) * COLUMNS)
        y[:, block] = zero
        whole = len(b) // 4 * 4
        for k in range(0, whole, 4):
            b0, b1, b2, b3 = b[k, block], b[k + 1, block], b[k + 2, block], b[k + 3, block]
            for i in range(len(y)):
                a0, a1, a2, a3 = a[i, k], a[i, k + 1], a[i, k + 2], a[i, k + 3]
                line = y[i, block]
                for j in range(len(line)):
                    line[j] += (a0 * b0[j] + a1 * b1[j]) + (a2 * b2[j] + a3 * b3[j])
        for k in range(whole, len(b)):
            b0 = b[k, block]
            for i in range(len(y)):
                a0, line = a[i, k], y[i, block]
                for j in range(len(line)):
                    line[j] += a0 * b0[j]


@kernel()
def _few_terms(work, a, b, y):
    for task in tasks(work):
        for first in range(0, b.shape[1], COLUMNS):
            block = slice(first, first + COLUMNS)
            for i in range(task * ROWS, min((task + 1) * ROWS, len(a))):
                line = y[i, block]
                for k in range(0, len(b), 4):
                    a0, a1, a2, a3 = a[i, k], a[i, k + 1], a[i, k + 2], a[i, k + 3]
                    b0, b1, b2, b3 = b[k, block], b[k + 1, block], b[k + 2, block], b[k + 3, block]
                    if k == 0:
                        for j in range(len(line)):
                            line[j] = (a0 * b0[j] + a1 * b1[j]) + (a2 * b2[j] + a3 * b3[j])
                    else:
                        for j in range(len(line)):
                            line[j] += (a0 * b0[j] + a1 * b1[j]) + (a2 * b2[j] + a3 * b3[j])


@kernel()
def _one_term(work, a, b, y):
    for i in tasks(work):
        line, a0, b0 = y[i], a[i, 0], b[0]
        for j in range(len(line)):
            line[j] = a0 * b0[j]


@kernel(fastmath={"contract", "reassoc"})
def _dots(work, a, rows, y):
    """rows (J, K): the columns of b. Four at a time: memory delivers four streams faster."""
    for task in tasks(work):
        first, last = task * DOT_ROWS, min((task + 1) * DOT_ROWS, len(rows))
        fours = first + (last - first) // 4 * 4
        for j in range(first, fours, 4):
            r0, r1, r2, r3 = rows[j], rows[j + 1], rows[j + 2], rows[j + 3]
            for i in range(len(a)):
                t0, some = a.dtype.type(0), a[i]
                t1 = t2 = t3 = t0
                for k in range(len(some)):
                    t0 += some[k] * r0[k]
                    t1 += some[k] * r1[k]
                    t2 += some[k] * r2[k]
                    t3 += some[k] * r3[k]
                y[i, j], y[i, j + 1], y[i, j + 2], y[i, j + 3] = t0, t1, t2, t3
        for j in range(fours, last):
            row = rows[j]
            for i in range(len(a)):
                total, some = a.dtype.type(0), a[i]
                for k in range(len(row)):
                    total += some[k] * row[k]
                y[i, j] = total
