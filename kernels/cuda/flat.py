"""Arrays in the order in which they lie in memory, whatever their shape.

What acts on every number alike should walk memory from its first number to its last. CuPy walks
the axes in their own order instead, and its results lie in that order: maps with channels last
would be read in jumps, and their sum would have channels first. So the axes are put in the order
of memory before, and back after.
"""

from .device import BLOCK, launch, module_of


def in_memory_order(x, *others):
    """x and other arrays of its shape, with the axes in the order in which x lies in memory, that
    of the longest steps first; and a function that puts the axes of a result back."""
    axes = tuple(sorted(range(x.ndim), key=lambda axis: -abs(x.strides[axis])))
    back = tuple(sorted(range(x.ndim), key=axes.__getitem__))
    return [a.transpose(axes) for a in (x, *others)], lambda y: y.transpose(back)


def dense(x):
    """x itself, or where it has gaps a copy; a scalar stays one."""
    return x if x.flags.c_contiguous else module_of(x).ascontiguousarray(x)


def for_vectors(n: int, file: str, name: str, *arguments, **macros) -> None:
    """``launch`` with one thread for every 16 bytes of n numbers (see vector.cuh), and n as the
    last argument. macros: ``real``, and more."""
    threads = -(-n * macros["real"].itemsize // 16)
    launch(file, name, (-(-threads // BLOCK),), (BLOCK,), *arguments, n, **macros)
