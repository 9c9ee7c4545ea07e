"""Local response normalisation across channels (Krizhevsky et al. 2012; Caffe lrn_layer.cpp)."""

from ..autograd import Function, Tensor
from ..backends import kernels_for
from ._arguments import image_shape, same_dtype


class LocalResponseNorm(Function):
    """y = x * scale^-beta, scale = k + alpha/size * (sum of x^2 over neighbouring channels)."""

    def __init__(self, size: int, alpha: float, beta: float, k: float):
        if not isinstance(size, int) or size < 1:
            raise ValueError(f"local_response_norm: size must be 1 or more channels; got {size!r}")
        # Python's floats: NumPy's would widen float32
        self.size, self.alpha, self.beta, self.k = size, float(alpha), float(beta), float(k)

    def infer_shape(self, x):
        return image_shape(x, "local_response_norm")

    def forward(self, x):
        same_dtype("local_response_norm", x=x)
        kernels = kernels_for(x)
        y, scale = kernels.local_response_norm(x, self.size, self.alpha, self.beta, self.k)
        self.save(x, y, scale)
        return y

    def backward(self, gy):
        return kernels_for(gy).local_response_norm_grad(
            gy, *self.saved, self.size, self.alpha, self.beta
        )


def local_response_norm(
    x, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    """y[n,c] = x[n,c] * (k + alpha/size * sum of x[n,c']^2 over size channels around c)^-beta.

    x (N, C, H, W). alpha is divided by size, as Caffe and PyTorch do. Channels beyond the first
    and the last count as zero. Raises ValueError for a size below 1.
    """
    return LocalResponseNorm(size, alpha, beta, k)(x)
