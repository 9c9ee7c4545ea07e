"""Parameter updates, in place: of one parameter, or of all that are listed."""

import numpy as np


def sgd_step(w, g, v, rate: float, momentum: float, decay: float) -> None:
    """Caffe's momentum: v <- momentum*v + rate*(g + decay*w);  w <- w - v  (sgd_solver.cpp).

    The rate is inside the velocity, so a change of rate is felt gradually. g is left alone.
    """
    v *= w.dtype.type(momentum)
    v += w.dtype.type(rate) * (g + w.dtype.type(decay) * w)
    w -= v


def sgd_steps(parameters) -> None:
    """sgd_step for each (w, g, v, rate, momentum, decay)."""
    for arguments in parameters:
        sgd_step(*arguments)


def adamw_step(
    w, g, m, s, rate: float, beta1: float, beta2: float, epsilon: float, decay: float, step: int
) -> None:
    """Adam with decoupled weight decay (Loshchilov, Hutter 2019); step counts from 1.

    m <- beta1*m + (1-beta1)*g;  s <- beta2*s + (1-beta2)*g^2
    w <- w - rate*decay*w - rate * (m/(1-beta1^step)) / (sqrt(s/(1-beta2^step)) + epsilon)
    """
    real = w.dtype.type
    m *= real(beta1)
    m += real(1 - beta1) * g
    s *= real(beta2)
    s += real(1 - beta2) * g * g
    w *= real(1 - rate * decay)
    w -= real(rate / (1 - beta1**step)) * m / (np.sqrt(s / real(1 - beta2**step)) + real(epsilon))


def adamw_steps(parameters) -> None:
    """adamw_step for each (w, g, m, s, rate, beta1, beta2, epsilon, decay, step)."""
    for arguments in parameters:
        adamw_step(*arguments)
