"""Parameter updates, in place: of all parameters of a net in one launch (see solver.cu).

A net has dozens of parameters, most of them small: a launch for each would last longer than its
work. So the kernel finds its arrays by their addresses, in a table on the GPU that is kept as long
as the arrays stay where they are. Rates and their like lie beside it, always in one place, and are
sent where they changed.
"""

from functools import lru_cache

import numpy as np

from .device import address, launch, module_of
from .flat import dense, in_memory_order

THREADS = 256
BLOCK = 4096  # numbers that a block of threads updates


def sgd_step(w, g, v, rate: float, momentum: float, decay: float) -> None:
    """Caffe's momentum: v <- momentum*v + rate*(g + decay*w);  w <- w - v  (sgd_solver.cpp).

    The rate is inside the velocity, so a change of rate is felt gradually. g is left alone.
    """
    sgd_steps([(w, g, v, rate, momentum, decay)])


def sgd_steps(parameters) -> None:
    """sgd_step for each (w, g, v, rate, momentum, decay), in one launch, to the same bit."""
    _in_place("sgd", [((w, v), g, numbers) for w, g, v, *numbers in parameters])


def adamw_step(
    w, g, m, s, rate: float, beta1: float, beta2: float, epsilon: float, decay: float, step: int
) -> None:
    """Adam with decoupled weight decay (Loshchilov, Hutter 2019); step counts from 1.

    m <- beta1*m + (1-beta1)*g;  s <- beta2*s + (1-beta2)*g^2
    w <- w - rate*decay*w - rate * (m/(1-beta1^step)) / (sqrt(s/(1-beta2^step)) + epsilon)
    """
    adamw_steps([(w, g, m, s, rate, beta1, beta2, epsilon, decay, step)])


def adamw_steps(parameters) -> None:
    """adamw_step for each (w, g, m, s, rate, beta1, beta2, epsilon, decay, step), at once."""
    updates = []
    for w, g, m, s, rate, beta1, beta2, epsilon, decay, step in parameters:
        betas = beta1, 1 - beta1, beta2, 1 - beta2
        numbers = *betas, 1 - rate * decay, rate / (1 - beta1**step), 1 - beta2**step, epsilon
        updates.append(((w, m, s), g, numbers))
    _in_place("adamw", updates)


def _in_place(kernel: str, updates) -> None:
    """Run a kernel over updates (arrays to change, g, numbers), one launch for each dtype."""
    for dtype in dict.fromkeys(arrays[0].dtype for arrays, _, _ in updates):
        mine = [u for u in updates if u[0][0].dtype == dtype and u[1].size]
        if not mine:
            continue
        laid = [in_memory_order(*arrays, g)[0] for arrays, g, _ in mine]
        ready = [[dense(a.astype(dtype, copy=False)) for a in arrays] for arrays in laid]
        rows = tuple((*map(address, arrays), arrays[0].size) for arrays in ready)
        table = _table(module_of(ready[0][0]), dtype, rows)
        table.send(np.array([numbers for _, _, numbers in mine], dtype))
        launch("solver.cu", kernel, (table.blocks,), (THREADS,), table.rows, table.numbers,
               len(mine), BLOCK, real=dtype)  # fmt: skip
        for arrays, updated in zip(laid, ready, strict=True):
            for a, copy in zip(arrays[:-1], updated, strict=False):  # the last is g
                if address(copy) != address(a):
                    a[...] = copy


class _Table:
    """What the kernel reads of parameters (*addresses, size), and the numbers of each."""

    def __init__(self, module, dtype, parameters):
        blocks = [-(-size // BLOCK) for *_, size in parameters]
        firsts = np.cumsum([0, *blocks])
        rows = np.column_stack([np.array(parameters, np.int64), firsts[:-1]])
        self.module, self.blocks = module, int(firsts[-1])
        self.rows, self.numbers, self.sent = module.asarray(rows), None, None

    def send(self, numbers: np.ndarray) -> None:
        """Make these the numbers, in the same place on the GPU every time."""
        if self.sent is None:
            self.numbers = self.module.asarray(numbers)
        elif self.sent != numbers.tobytes():
            self.numbers[...] = self.module.asarray(numbers)
        self.sent = numbers.tobytes()


_table = lru_cache(16)(_Table)
