"""The fully connected layer."""

from ..autograd import Function, Tensor
from ..backends import kernels_for
from ._arguments import same_dtype


class Linear(Function):
    """y = x w^T + b: gx = gy w, gw = gy^T x, gb = sum of gy."""

    def infer_shape(self, x, weight, *bias):
        if len(x) != 2 or len(weight) != 2 or x[1] != weight[1]:
            raise ValueError(
                f"linear: x {x} @ weight {weight}^T: wants x (N, I) and weight (O, I)"
            )
        if bias and bias[0] != (weight[0],):
            raise ValueError(f"linear: bias {bias[0]} for {weight[0]} outputs")
        return (x[0], weight[0])

    def forward(self, x, w, b=None):
        same_dtype("linear", x=x, weight=w, bias=b)
        need_x, need_w, *_ = (*self.needs_input_grad, False)
        self.save(x if need_w else None, w if need_x else None)
        y = kernels_for(x).matmul(x, w.T)
        return y if b is None else y + b

    def backward(self, gy):
        (x, w), product = self.saved, kernels_for(gy).matmul
        gx = None if w is None else product(gy, w)
        gw = None if x is None else product(gy.T, x)
        gb = tuple(gy.sum(axis=0) if needed else None for needed in self.needs_input_grad[2:])
        return gx, gw, *gb


def linear(x, weight, bias=None) -> Tensor:
    """y = x weight^T + bias for x (N, I), weight (O, I), bias (O,) or None; returns (N, O).

    A fully connected layer is a convolution whose kernel covers its whole input (Long et al.
    2015, section 3.1). Raises ValueError for shapes that do not fit.
    """
    return Linear()(x, weight) if bias is None else Linear()(x, weight, bias)
