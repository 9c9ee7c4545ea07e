"""What the GPU can do at best, measured: copies, and cuBLAS's matrix products."""

from .place import difference, set_torch_precision
from .timing import Entry, contest

SIDE = 8192  # of the matrices
COPIED = {"copy": 1 << 30, "copy in the cache": 12 << 20}  # bytes: more than any cache holds; less
SECONDS = 0.6
KINDS = ("tf32", "bf16", "float32")


def cases(place, options):
    """The copies, then a product for every precision."""
    for name, nbytes in COPIED.items():
        yield name, lambda n=nbytes: _copy(place, 1 << 16 if place.tiny else n)
    for kind in KINDS:
        yield f"product {kind}", lambda kind=kind: _product(place, kind)


def _copy(place, nbytes: int) -> dict:
    """GB/s of a copy on the GPU, bytes read and written."""
    x = place.normal((nbytes // 4,))
    y = place.module.empty_like(x)
    a, b = place.tensor(x), place.tensor(y)
    entries = {
        "CuPy": Entry(lambda i: place.module.copyto(y, x), ours=True),
        "PyTorch": Entry(lambda i: b.copy_(a), ours=False),
    }
    results = contest(place, entries, SECONDS)
    for result in results.values():
        if "ms" in result:
            result["GB/s"] = 2e-6 * nbytes / result["ms"]
    return {"bytes": 2 * nbytes, "contestants": results}


def _product(place, kind: str) -> dict:
    """TFLOP/s of a product of square matrices: CuPy's and PyTorch's cuBLAS.

    CuPy's takes float32 in all three; PyTorch's takes bfloat16 numbers where it says so.
    """
    import torch
    from minifcn.kernels.cuda.matmul import gemm

    n = 64 if place.tiny else SIDE
    a, b = place.normal((n, n), n**-0.5), place.normal((n, n), 1.0, 1)
    y = place.module.empty_like(a)
    ta, tb = place.tensor(a), place.tensor(b)
    if kind == "bf16":
        ta, tb = ta.bfloat16(), tb.bfloat16()
    ty = torch.empty_like(ta)

    def theirs(i):
        set_torch_precision(kind)
        return torch.matmul(ta, tb, out=ty)

    entries = {
        "CuPy": Entry(lambda i: gemm(a, b, out=y, precision=kind), ours=True),
        "PyTorch": Entry(theirs, ours=False),
    }
    results = contest(place, entries, SECONDS)
    for result in results.values():
        if "ms" in result:
            result["TFLOP/s"] = 2e-9 * n**3 / result["ms"]
    place.synchronize()
    gap = difference(place, y, ty.float())
    return {"side": n, "contestants": results, "difference": gap}
