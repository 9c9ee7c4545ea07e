"""The matrix product: cuBLAS's, and NumPy in its place where a GPU is emulated.

cuBLAS reads matrices column by column. One that lies row by row is to it the transposed matrix, so
y = a b is asked for as y^T = b^T a^T. An operand may be a transposed view, or part of a larger
matrix: it is copied only where neither its rows nor its columns are runs of numbers.
"""

import numpy as np

from .arrays import EmulatedArray
from .device import address, module_of
from .precision import precision

COMPUTE = {"float32": 68, "tf32": 77, "bf16": 75, "float64": 70}  # cublasComputeType_t
TYPES = {"float32": 0, "float64": 1}  # cudaDataType
DEFAULT_ALGORITHM = -1


def matmul(a, b):
    """y[..., i, j] = sum over k of a[..., i, k] * b[..., k, j]; stacks broadcast.

    In float32, unless a precision was set (precision.py). A stack is multiplied matrix by matrix.
    """
    if a.ndim == b.ndim == 2:
        return gemm(a, b, precision=precision("float32"))
    stack = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    module = module_of(a)
    y = module.empty((*stack, a.shape[-2], b.shape[-1]), a.dtype)
    a, b = (module.broadcast_to(x, (*stack, *x.shape[-2:])) for x in (a, b))
    for index in np.ndindex(stack):
        gemm(a[index], b[index], out=y[index], precision=precision("float32"))
    return y


def gemm(a, b, out=None, beta: float = 0.0, precision: str = "float32"):
    """out = a b + beta * out, for matrices (I, K) and (K, J) of any strides; returns out.

    out: (I, J), its rows runs of numbers; a new array where it is not given. With beta = 0 what it
    held does not matter. precision: see precision.py; float64 ignores it.
    """
    (rows, depth), columns = a.shape, b.shape[1]
    if out is None:
        out = module_of(a).empty((rows, columns), a.dtype)
    if 0 in (rows, depth, columns):
        out[...] = out * out.dtype.type(beta) if beta else 0
        return out
    compute = COMPUTE["float64" if a.dtype == np.float64 else precision]
    (a, *a_lies), (b, *b_lies) = _operand(a), _operand(b)
    pitch = out.strides[0] // out.itemsize if rows > 1 else columns
    multiply = _numpy if isinstance(out, EmulatedArray) else _cublas
    multiply((columns, rows, depth), (b, *b_lies), (a, *a_lies), beta, (out, pitch), compute)
    return out


def _operand(x):
    """A matrix or a copy of it; whether its columns are the runs of numbers, not its rows; and how
    many numbers after one run the next begins."""
    item = x.itemsize
    for by_columns, y in ((False, x), (True, x.T)):
        (runs, length), (apart, step) = y.shape, y.strides
        if length == 1 or step == item:
            if runs == 1:
                return x, by_columns, length
            if apart % item == 0 and apart >= length * item:
                return x, by_columns, apart // item
    return module_of(x).ascontiguousarray(x), False, x.shape[1]


def _cublas(sizes, a, b, beta: float, c, compute: int) -> None:
    """c (m, n) = op(a) (m, k) op(b) (k, n) + beta c, as BLAS has it: matrices lie by columns.

    sizes: m, n, k. a and b: a matrix, whether it is transposed first, and its pitch.
    """
    from cupy.cuda import device
    from cupy_backends.cuda.libs import cublas

    (a, turn_a, pitch_a), (b, turn_b, pitch_b), (c, pitch_c) = a, b, c
    kind, alpha, beta = TYPES[c.dtype.name], np.ones(1, c.dtype), np.full(1, beta, c.dtype)
    cublas.gemmEx(
        device.get_cublas_handle(), int(turn_a), int(turn_b), *sizes,
        alpha.ctypes.data, address(a), kind, pitch_a, address(b), kind, pitch_b,
        beta.ctypes.data, address(c), kind, pitch_c, compute, DEFAULT_ALGORITHM,
    )  # fmt: skip


def _numpy(sizes, a, b, beta: float, c, compute: int) -> None:
    """The same in NumPy, of emulated arrays, in full precision."""
    m, n, k = sizes

    def matrix(x, rows, columns, pitch):
        x, item = x.view(np.ndarray), x.itemsize
        return np.lib.stride_tricks.as_strided(x, (rows, columns), (item, pitch * item))

    def turned(x, turn, pitch, rows, columns):
        return matrix(x, columns, rows, pitch).T if turn else matrix(x, rows, columns, pitch)

    y = matrix(c[0], m, n, c[1])
    product = turned(*a, m, k) @ turned(*b, k, n)
    y[...] = product + beta * y if beta else product
