"""Solvers: from gradients to new parameters, in place, with a rate and a decay for each."""

import numpy as np

from ..backends import array_module, kernels_for, moved, to_numpy
from ..nn import Module


class _Solver:
    """What both solvers share: the parameters, the learning rate, and a state for each."""

    kernel: str  # of the table: updates all parameters that it is given
    states: tuple[str, ...]  # names of the arrays that the solver keeps for every parameter

    def __init__(self, model: Module, lr: float, weight_decay: float):
        if not lr > 0:
            raise ValueError(f"the learning rate must be above 0; got {lr}")
        if not weight_decay >= 0:
            raise ValueError(f"weight_decay must be 0 or more; got {weight_decay}")
        self.model, self.lr, self.weight_decay = model, lr, weight_decay
        self.state = {
            name: {
                kind: array_module(parameter.data).zeros_like(parameter.data)
                for kind in self.states
            }
            for name, parameter in model.named_parameters()
            if parameter.rate != 0
        }

    def zero_grad(self) -> None:
        """Forget all gradients."""
        self.model.zero_grad()

    def step(self) -> None:
        """Update every parameter that has a gradient, all in one call."""
        updates = [
            (p.data, moved(p.grad, p.data), *self._state_of(name, p.data), *self._constants(p))
            for name, p in self.model.named_parameters()
            if p.grad is not None and name in self.state
        ]
        if updates:
            getattr(kernels_for(updates[0][0]), self.kernel)(updates)

    def _state_of(self, name: str, beside) -> list:
        """A parameter's arrays, where it lives: they follow one that was moved."""
        arrays = self.state[name]
        for kind in self.states:
            arrays[kind] = moved(arrays[kind], beside)
        return [arrays[kind] for kind in self.states]

    def _constants(self, parameter) -> tuple[float, ...]:
        """What follows the arrays in the kernel's arguments for this parameter."""
        raise NotImplementedError(f"{type(self).__name__} does not say what its kernel needs")

    def state_dict(self) -> dict[str, np.ndarray]:
        """Every state array by name, as a NumPy array: "conv1_1.weight.velocity"."""
        return {
            f"{name}.{kind}": to_numpy(array)
            for name, arrays in self.state.items()
            for kind, array in arrays.items()
        }

    def load_state_dict(self, state: dict[str, np.ndarray]) -> None:
        """Continue from a state. Raises ValueError where it belongs to another net or solver."""
        own = self.state_dict()
        if own.keys() != state.keys() or any(own[k].shape != state[k].shape for k in own):
            raise ValueError(
                f"the solver's state ({len(state)} arrays) does not fit this net and solver "
                f"({len(own)} arrays)"
            )
        for name, arrays in self.state.items():
            for kind, array in arrays.items():
                array[...] = moved(state[f"{name}.{kind}"], array)


class Solver(_Solver):
    """Stochastic gradient descent with momentum and weight decay, as Caffe does it.

        v <- momentum * v + lr * rate * (g + weight_decay * decay * w);   w <- w - v

    rate and decay are the parameter's own multipliers (biases: 2 and 0). The learning rate stands
    inside the velocity; with a changing rate that differs from PyTorch's SGD (Caffe
    sgd_solver.cpp).
    """

    kernel, states = "sgd_steps", ("velocity",)

    def __init__(
        self, model: Module, lr: float, momentum: float = 0.9, weight_decay: float = 5e-4
    ):
        super().__init__(model, lr, weight_decay)
        if not 0 <= momentum < 1:
            raise ValueError(f"momentum must be at least 0 and below 1; got {momentum}")
        self.momentum = momentum

    def _constants(self, parameter) -> tuple[float, ...]:
        return self.lr * parameter.rate, self.momentum, self.weight_decay * parameter.decay


class Adam(_Solver):
    """Adam with decoupled weight decay, AdamW (Loshchilov, Hutter 2019), and the same multipliers.

    m <- b1 m + (1-b1) g;  s <- b2 s + (1-b2) g^2;  w <- w - lr rate (m' / (sqrt(s') + epsilon)
    + weight_decay decay w), where m' and s' are corrected for starting at zero.
    """

    kernel, states = "adamw_steps", ("mean", "square")

    def __init__(
        self,
        model: Module,
        lr: float,
        betas: tuple[float, float] = (0.9, 0.999),
        weight_decay: float = 1e-4,
        epsilon: float = 1e-8,
    ):
        super().__init__(model, lr, weight_decay)
        self.betas, self.epsilon, self.steps = betas, epsilon, 0

    def step(self) -> None:
        self.steps += 1
        super().step()

    def _constants(self, parameter) -> tuple[float, ...]:
        decay = self.weight_decay * parameter.decay
        return self.lr * parameter.rate, *self.betas, self.epsilon, decay, self.steps

    def state_dict(self) -> dict[str, np.ndarray]:
        return {**super().state_dict(), "steps": np.array([self.steps])}

    def load_state_dict(self, state: dict[str, np.ndarray]) -> None:
        super().load_state_dict(state)
        self.steps = int(state["steps"][0])
