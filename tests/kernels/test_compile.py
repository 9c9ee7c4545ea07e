"""The decorator of compiled kernels."""

from minifcn.kernels.cpu import compile


def test_no_directory_for_compiled_code(monkeypatch):
    """Where nothing can be written, kernels are compiled for the process."""
    njit = compile.numba.njit

    def no_cache(*args, cache=False, **options):
        if cache:
            return lambda function: (_ for _ in ()).throw(RuntimeError("no locator available"))
        return njit(*args, **options)

    monkeypatch.setattr(compile.numba, "njit", no_cache)

    @compile.kernel()
    def double(x):
        return 2 * x

    assert double(21) == 42
