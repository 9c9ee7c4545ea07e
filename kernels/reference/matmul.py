"""The matrix product."""


def matmul(a, b):
    """y[..., i, j] = sum over k of a[..., i, k] * b[..., k, j]; stacks broadcast."""
    return a @ b
