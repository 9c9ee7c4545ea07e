"""Parameter updates, in place, in one pass over memory.

All parameters of a net are updated in one parallel loop over blocks of equal size, whatever the
parameters' own sizes: a hundred small biases cost no hundred calls, and one huge weight is shared
by all threads. The kernel finds its arrays by their addresses; every array is seen flat, in the
order in which it lies in memory, which for weights may be any.
"""

import numpy as np
from numba import carray, types
from numba.extending import intrinsic

from .compile import kernel
from .tasks import tasks
from .threads import parallel_for

BLOCK = 2**14  # numbers: 64 KB of each array


def sgd_step(w, g, v, rate: float, momentum: float, decay: float) -> None:
    """Caffe's momentum: v <- momentum*v + rate*(g + decay*w);  w <- w - v  (sgd_solver.cpp).

    The rate is inside the velocity, so a change of rate is felt gradually. g is left alone.
    """
    sgd_steps([(w, g, v, rate, momentum, decay)])


def sgd_steps(parameters) -> None:
    """sgd_step for each (w, g, v, rate, momentum, decay), all in one loop, to the same bit."""
    _in_place(_sgd, [((w, v), g, constants) for w, g, v, *constants in parameters])


def adamw_step(
    w, g, m, s, rate: float, beta1: float, beta2: float, epsilon: float, decay: float, step: int
) -> None:
    """Adam with decoupled weight decay (Loshchilov, Hutter 2019); step counts from 1.

    m <- beta1*m + (1-beta1)*g;  s <- beta2*s + (1-beta2)*g^2
    w <- w - rate*decay*w - rate * (m/(1-beta1^step)) / (sqrt(s/(1-beta2^step)) + epsilon)
    """
    adamw_steps([(w, g, m, s, rate, beta1, beta2, epsilon, decay, step)])


def adamw_steps(parameters) -> None:
    """adamw_step for each (w, g, m, s, rate, beta1, beta2, epsilon, decay, step), in one loop."""
    updates = []
    for w, g, m, s, rate, beta1, beta2, epsilon, decay, step in parameters:
        betas = beta1, 1 - beta1, beta2, 1 - beta2
        constants = *betas, 1 - rate * decay, rate / (1 - beta1**step), 1 - beta2**step, epsilon
        updates.append(((w, m, s), g, constants))
    _in_place(_adamw, updates)


def _in_place(function, updates) -> None:
    """Run a kernel over updates (arrays to change, g, constants), one loop for each dtype."""
    for dtype in {arrays[0].dtype for arrays, _, _ in updates}:
        mine = [u for u in updates if u[0][0].dtype == dtype and u[1].size]
        if not all(a.flags.writeable for arrays, _, _ in mine for a in arrays):
            raise ValueError("a parameter or its state is read-only")
        flat = [_flat((*arrays, g)) for arrays, g, _ in mine]
        addresses = np.array([[a.ctypes.data for a in views] for views in flat], np.int64)
        sizes = np.array([g.size for _, g, _ in mine], np.int64)
        ends = np.cumsum(-(-sizes // BLOCK))  # blocks of all parameters up to each
        constants = np.array([c for _, _, c in mine], dtype)
        blocks = int(ends[-1]) if mine else 0
        parallel_for(function, blocks, addresses, sizes, ends, constants, work=BLOCK)
        for (arrays, _, _), views in zip(mine, flat, strict=True):
            _write_back(arrays, views)


def _flat(arrays):
    """One-dimensional arrays of the same elements in the same order, that of w in memory.

    Views where an array has no gaps and lies as w does, else copies.
    """
    order, dtype = _order(arrays[0]), arrays[0].dtype
    return [np.ascontiguousarray(a.transpose(order), dtype).reshape(-1) for a in arrays]


def _write_back(arrays, flat) -> None:
    """What was updated in a copy, into the array itself."""
    order = _order(arrays[0])
    for a, updated in zip(arrays, flat, strict=False):
        if not np.may_share_memory(a, updated):
            a = a.transpose(order)
            a[...] = updated.reshape(a.shape)


def _order(w) -> list[int]:
    """The axes of w, the one with the longest stride first."""
    return sorted(range(w.ndim), key=lambda axis: -abs(w.strides[axis]))


@kernel()
def _sgd(work, addresses, sizes, ends, constants):
    for task in tasks(work):
        i, first, size = _block(task, sizes, ends)
        w = carray(_pointer(addresses[i, 0], first, constants), size)
        v = carray(_pointer(addresses[i, 1], first, constants), size)
        g = carray(_pointer(addresses[i, 2], first, constants), size)
        rate, momentum, decay = constants[i, 0], constants[i, 1], constants[i, 2]
        for p in range(size):
            velocity = momentum * v[p] + rate * (g[p] + decay * w[p])
            v[p] = velocity
            w[p] -= velocity


@kernel()
def _adamw(work, addresses, sizes, ends, c):
    for task in tasks(work):
        i, first, size = _block(task, sizes, ends)
        w = carray(_pointer(addresses[i, 0], first, c), size)
        m = carray(_pointer(addresses[i, 1], first, c), size)
        s = carray(_pointer(addresses[i, 2], first, c), size)
        g = carray(_pointer(addresses[i, 3], first, c), size)
        beta1, one_beta1, beta2, one_beta2 = c[i, 0], c[i, 1], c[i, 2], c[i, 3]
        keep, rate, unbias, epsilon = c[i, 4], c[i, 5], c[i, 6], c[i, 7]
        for p in range(size):
            mean = beta1 * m[p] + one_beta1 * g[p]
            square = beta2 * s[p] + one_beta2 * g[p] * g[p]
            m[p] = mean
            s[p] = square
            w[p] = keep * w[p] - rate * mean / (np.sqrt(square / unbias) + epsilon)


@kernel()
def _block(task, sizes, ends):
    """The parameter that a block belongs to, and the block's first number and length in it."""
    i = 0
    while ends[i] <= task:
        i += 1
    first = (task - ends[i] + -(-sizes[i] // BLOCK)) * BLOCK
    return i, first, min(BLOCK, sizes[i] - first)


@intrinsic
def _pointer(typing, address, index, like):
    """A pointer to the number at this index of the flat array at an address."""

    def generate(context, builder, signature, arguments):
        real = context.get_data_type(like.dtype)
        array = builder.inttoptr(arguments[0], real.as_pointer())
        return builder.gep(array, [arguments[1]])

    return types.CPointer(like.dtype)(types.int64, types.int64, like), generate
