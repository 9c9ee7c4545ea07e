"""Modules: layers and networks, which own parameters and other modules by name."""

from collections.abc import Iterator

import numpy as np

from ..autograd import Tensor, hooks
from ..backends import device_of, filters_laid_out, moved, repeats


class Parameter(Tensor):
    """A tensor that is trained.

    rate and decay multiply the solver's learning rate and weight decay for this parameter alone
    (Caffe's lr_mult and decay_mult). A rate of 0 freezes it: no gradient is computed.
    """

    def __init__(self, data, rate: float = 1.0, decay: float = 1.0):
        super().__init__(data, requires_grad=rate != 0)
        self.data = filters_laid_out(self.data)
        self.rate, self.decay = rate, decay

    def assign(self, values) -> None:
        """Take over other values of this shape, a copy of them in this dtype, where the old ones
        live: on a device in their very place, which recorded work reads."""
        there = moved(values, self.data)
        if device_of(there) and not repeats(self.data) and self.shape == there.shape:
            self.data[...] = there
        else:
            self.data = filters_laid_out(there.astype(self.dtype))

    def with_data(self, data) -> "Parameter":
        """A parameter of these values, where they live, that is trained as this one is."""
        twin = Parameter.of(data, self.requires_grad)
        twin.rate, twin.decay = self.rate, self.decay
        return twin


class Module:
    """A layer or a network: a function of tensors with parameters of its own.

    Assigning a Parameter or a Module to an attribute registers it under that name; ``add_module``
    also takes names that are not identifiers ("fire2/squeeze1x1"). The order of registration is
    the order of ``parameters()`` and ``state_dict()``.
    """

    def __init__(self):
        self.__dict__.update(_parameters={}, _modules={}, training=True)

    def forward(self, *inputs):
        """The output; what ``module(*inputs)`` computes."""
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def __call__(self, *inputs, **settings):
        watchers = hooks.active()
        for hook in watchers:
            hook.module_begin(self)
        output = self.forward(*inputs, **settings)
        for hook in watchers:
            hook.module_end(self, output)
        return output

    def __setattr__(self, name: str, value) -> None:
        if "_parameters" not in self.__dict__:
            raise RuntimeError(f"{type(self).__name__}: call super().__init__() first")
        if isinstance(value, Parameter):
            store = self._parameters
        elif isinstance(value, Module):
            store = self._modules
        else:
            store = self.__dict__
        for other in (self._parameters, self._modules, self.__dict__):
            if other is not store:
                other.pop(name, None)
        store[name] = value  # what replaces one of its kind keeps the place in the order

    def __getattr__(self, name: str):
        for store in ("_parameters", "_modules"):
            if name in self.__dict__.get(store, ()):
                return self.__dict__[store][name]
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

    def add_module(self, name: str, module: "Module") -> None:
        """Register a module under any name. Raises ValueError for one that is taken."""
        if name in self._modules or name in self._parameters or name in self.__dict__:
            raise ValueError(f"{type(self).__name__} has a {name!r} already")
        self._modules[name] = module

    def __getitem__(self, name: str) -> "Module":
        """The module of that name. Raises KeyError, naming what there is."""
        if name not in self._modules:
            raise KeyError(f"no layer {name!r}; there are: {', '.join(self._modules)}")
        return self._modules[name]

    def named_modules(self, prefix: str = "", seen=None) -> Iterator[tuple[str, "Module"]]:
        """(name, module) of this module ("") and of all inside, names joined by dots; one that is
        registered twice comes once."""
        seen = set() if seen is None else seen
        if id(self) in seen:
            return
        seen.add(id(self))
        yield prefix, self
        for name, module in self._modules.items():
            yield from module.named_modules(f"{prefix}.{name}" if prefix else name, seen)

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """(name, parameter) of all inside, in the order of registration: "conv1_1.weight"."""
        seen = set()
        for prefix, module in self.named_modules():
            for name, parameter in module._parameters.items():
                if id(parameter) not in seen:
                    seen.add(id(parameter))
                    yield f"{prefix}.{name}" if prefix else name, parameter

    def parameters(self) -> Iterator[Parameter]:
        """All parameters, in the order of registration."""
        return (parameter for _, parameter in self.named_parameters())

    def num_parameters(self) -> int:
        """Number of trained values, weights and biases. Fixed upsampling has none."""
        return sum(parameter.size for parameter in self.parameters())

    def state_dict(self) -> dict[str, np.ndarray]:
        """name -> NumPy array of every parameter: not copies, unless they live on a device."""
        return {name: parameter.numpy() for name, parameter in self.named_parameters()}

    def load_state_dict(self, state: dict[str, np.ndarray]) -> None:
        """Copy arrays into the parameters of the same names, wherever these live.

        Raises ValueError, and changes nothing, where a name is missing or too many or a shape
        differs. ``models.copy_weights`` is the one that copies what fits.
        """
        own = dict(self.named_parameters())
        problems = [f"missing {name}" for name in own if name not in state]
        problems += [f"unknown {name}" for name in state if name not in own]
        problems += [
            f"{name} is {state[name].shape}, the net's {parameter.shape}"
            for name, parameter in own.items()
            if name in state and state[name].shape != parameter.shape
        ]
        if problems:
            more = f" and {len(problems) - 5} more" if len(problems) > 5 else ""
            raise ValueError(f"state does not fit the net: {'; '.join(problems[:5])}{more}")
        for name, parameter in own.items():
            parameter.assign(state[name])

    def train(self, mode: bool = True) -> "Module":
        """Switch this module and all inside to training (dropout drops)."""
        for _, module in self.named_modules():
            module.training = mode
        return self

    def eval(self) -> "Module":
        """Switch this module and all inside to evaluation (dropout passes everything)."""
        return self.train(False)

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for parameter in self.parameters():
            parameter.grad = None

    def to(self, target) -> "Module":
        """Move all parameters to a backend ("cpu", "cuda") or a dtype (np.float64), in place."""
        for parameter in self.parameters():
            parameter.data = filters_laid_out(parameter.detach().to(target).data)
            parameter.grad = None
        return self

    def tensor(self, x) -> Tensor:
        """An array, or a tensor, as a tensor where the parameters live: what this module can be
        called with."""
        x = x.data if isinstance(x, Tensor) else x
        first = next(self.parameters(), None)
        return Tensor(x) if first is None else Tensor.of(moved(x, first.data))

    def __repr__(self) -> str:
        note = self.describe()
        if not self._modules:
            return f"{type(self).__name__}({note})"
        inside = (
            f"{name}: {module!r}".replace("\n", "\n  ") for name, module in self._modules.items()
        )
        return f"{type(self).__name__}({note}\n  " + "\n  ".join(inside) + "\n)"

    def describe(self) -> str:
        """The layer's settings in a few words."""
        return ""
