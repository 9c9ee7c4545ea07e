"""Parameter updates, in place: one call, one parameter, one pass over its arrays."""

import numpy as np

from .compile import kernel
from .threads import parallel_for


def sgd_step(w, g, v, rate: float, momentum: float, decay: float) -> None:
    """Caffe's momentum: v <- momentum*v + rate*(g + decay*w);  w <- w - v  (sgd_solver.cpp).

    The rate is inside the velocity, so a change of rate is felt gradually. g is left alone.
    """
    real = w.dtype.type
    _in_place(_sgd_step, (w, v), g, real(rate), real(momentum), real(decay))


def adamw_step(
    w, g, m, s, rate: float, beta1: float, beta2: float, epsilon: float, decay: float, step: int
) -> None:
    """Adam with decoupled weight decay (Loshchilov, Hutter 2019); step counts from 1.

    m <- beta1*m + (1-beta1)*g;  s <- beta2*s + (1-beta2)*g^2
    w <- w - rate*decay*w - rate * (m/(1-beta1^step)) / (sqrt(s/(1-beta2^step)) + epsilon)
    """
    real = w.dtype.type
    _in_place(
        _adamw_step,
        (w, m, s),
        g,
        *(real(beta1), real(1 - beta1), real(beta2), real(1 - beta2)),
        *(real(1 - rate * decay), real(rate / (1 - beta1**step))),
        *(real(1 - beta2**step), real(epsilon)),
    )


def _in_place(function, arrays, g, *constants) -> None:
    """Run a kernel over flat views; an array that has none is copied there and back."""
    flat = [np.ascontiguousarray(a).reshape(-1) for a in (*arrays, g)]
    parallel_for(function, g.size, *flat, *constants)
    for a, updated in zip(arrays, flat, strict=False):
        if not a.flags.c_contiguous:
            a[...] = updated.reshape(a.shape)


@kernel()
def _sgd_step(start, stop, w, v, g, rate, momentum, decay):
    w, v, g = w[start:stop], v[start:stop], g[start:stop]
    for p in range(len(w)):
        velocity = momentum * v[p] + rate * (g[p] + decay * w[p])
        v[p] = velocity
        w[p] -= velocity


@kernel()
def _adamw_step(
    start, stop, w, m, s, g, beta1, one_beta1, beta2, one_beta2, keep, rate, unbias, epsilon
):
    w, m, s, g = w[start:stop], m[start:stop], s[start:stop], g[start:stop]
    for p in range(len(w)):
        mean = beta1 * m[p] + one_beta1 * g[p]
        square = beta2 * s[p] + one_beta2 * g[p] * g[p]
        m[p] = mean
        s[p] = square
        w[p] = keep * w[p] - rate * mean / (np.sqrt(square / unbias) + epsilon)
