"""How exactly float32 numbers are multiplied.

    "float32"   as they are
    "tf32"      rounded to 10 bits of fraction first, as tensor cores take them
    "bf16"      rounded to 7 bits of fraction first

Sums are in float32 in all three, and float64 is always float64. Until a precision is set,
convolutions use TF32 and matrix products float32: the defaults of PyTorch
(``torch.backends.cudnn.allow_tf32`` and ``torch.get_float32_matmul_precision``).
"""

NAMES = ("float32", "tf32", "bf16")

_chosen: str | None = None  # None until somebody sets one


def set_precision(name: str) -> None:
    """Multiply float32 as "float32", "tf32" or "bf16", in convolutions and matrix products alike.

    Raises ValueError for another name.
    """
    global _chosen
    if name not in NAMES:
        raise ValueError(f"unknown precision {name!r}; there are: {', '.join(NAMES)}")
    _chosen = name


def precision(default: str = "tf32") -> str:
    """The precision that was set, else the default of whoever asks: convolutions, unless told."""
    return _chosen or default
