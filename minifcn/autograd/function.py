"""Operations are objects: a Function computes, saves what its backward needs, and knows the
functions that made its inputs.

The graph links functions to functions, never through tensors, so an array that no function saved
dies as soon as nobody names it.
"""

import numpy as np

from ..backends import device_of, moved
from . import hooks, mode
from .tensor import Tensor, as_tensor


class Function:
    """One differentiable operation, applied once.

    A subclass gives ``infer_shape``, ``forward`` and ``backward``, all on raw arrays and shapes:

        class Square(Function):
            def forward(self, x):
                self.save(x)
                return x * x

            def backward(self, gy):
                (x,) = self.saved
                return 2 * x * gy

        y = Square()(x)
    """

    needs_input_grad: tuple[bool, ...] = ()  # per input: is its gradient wanted?
    input_shapes: tuple[tuple[int, ...], ...] = ()
    edges: tuple = ()  # per input: the Function that made it, a leaf Tensor, or None
    saved: tuple = ()
    owns_gradient = False  # in ``backward``: nobody else holds gy, it may be overwritten
    freed = False

    def infer_shape(self, *shapes: tuple[int, ...]) -> tuple[int, ...]:
        """The output's shape, or a ValueError that shows the arithmetic; here: broadcasting."""
        return np.broadcast_shapes(*shapes)

    def forward(self, *arrays):
        """The output, one array."""
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def backward(self, gy):
        """Vector-Jacobian product: for each input the gradient, or None where none is needed.

        gy has the output's shape. The result is one array, or a tuple with one entry an input.
        gy itself may be returned, and changed only where ``self.owns_gradient``.
        """
        raise NotImplementedError(f"{type(self).__name__} has no backward")

    def save(self, *arrays) -> None:
        """Keep arrays for ``backward``; without a gradient to compute, nothing is kept."""
        if any(self.needs_input_grad):
            self.saved = arrays

    def free(self) -> None:
        """Let go of everything that the backward pass needed."""
        self.saved, self.edges, self.freed = (), (), True

    def __call__(self, *inputs) -> Tensor:
        if self.input_shapes:
            raise RuntimeError(f"{type(self).__name__}: make a new one for every application")
        inputs = tuple([x if isinstance(x, Tensor) else as_tensor(x) for x in inputs])
        arrays = [x.data for x in inputs]
        watchers = hooks.active()
        wanted = tuple([x.requires_grad for x in inputs])
        recording = True in wanted and mode.is_recording()
        self.needs_input_grad = wanted if recording else (False,) * len(inputs)
        self.input_shapes = tuple([a.shape for a in arrays])
        for hook in watchers:
            hook.forward_begin(self, inputs)
        shape = self.infer_shape(*self.input_shapes)
        if mode.is_shapes_only():
            data = np.broadcast_to(np.zeros((), np.result_type(*(a.dtype for a in arrays))), shape)
        else:
            kind = type(arrays[0]) if arrays else None
            for array in arrays:
                if type(array) is not kind:
                    self._check_places(arrays)
            data = self.forward(*arrays)
            if type(data) is not np.ndarray and not device_of(data):  # a number, say
                data = moved(data, next(filter(device_of, arrays), data))
        output = Tensor.of(data)
        self._check_dtypes(arrays, output.data)
        if recording:
            self.edges = tuple([x.edge() for x in inputs])
            output.requires_grad, output.function = True, self
        for hook in watchers:
            hook.forward_end(self, inputs, output)
        return output

    def _check_places(self, arrays) -> None:
        """Raises TypeError where some inputs live on a device and others do not; numbers may live
        anywhere."""
        places = {device_of(a) or "NumPy" for a in arrays if not isinstance(a, np.generic)}
        if len(places) > 1:
            raise TypeError(
                f"{type(self).__name__}: inputs that live in different places, "
                f"{' and '.join(sorted(places))}: convert one of them, x.to(backend)"
            )

    def _check_dtypes(self, inputs, output) -> None:
        """Raises TypeError where a floating-point input was widened, as mixed dtypes do."""
        dtype = output.dtype
        if all(x.dtype is dtype for x in inputs):  # NumPy has one object for each
            return
        floats = {x.dtype for x in (*inputs, output) if x.dtype.kind == "f"}
        if len(floats) > 1:
            given = ", ".join(str(x.dtype) for x in inputs)
            raise TypeError(
                f"{type(self).__name__}: inputs of dtype {given} would give {output.dtype}: "
                "convert one of them, x.to(dtype)"
            )
