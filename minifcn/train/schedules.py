"""Learning-rate schedules: factors on the solver's rate, from the share of training that is done.

A schedule is a function of (iteration, total) with iteration counted from 0.
"""

from collections.abc import Callable

Schedule = Callable[[int, int], float]


def fixed() -> Schedule:
    """1 throughout: the authors' lr_policy."""
    return lambda iteration, total: 1.0


def poly(power: float = 0.9) -> Schedule:
    """(1 - iteration/total)^power: falls to zero (Caffe's "poly" policy)."""
    return lambda iteration, total: (1 - iteration / total) ** power


def step(every: float = 1 / 3, gamma: float = 0.1) -> Schedule:
    """gamma^floor(iteration / (every * total)): falls at fixed shares of the training (Caffe's
    "step" policy)."""
    return lambda iteration, total: gamma ** int(iteration / (every * total))


def warmup(schedule: Schedule, iterations: int) -> Schedule:
    """Another schedule, risen to linearly over its first iterations: a net with random weights
    takes its first steps carefully."""
    return lambda iteration, total: (
        schedule(iteration, total) * min(1.0, (iteration + 1) / iterations)
    )


SCHEDULES = {"fixed": fixed, "poly": poly, "step": step}
