"""Picture files, written whole."""

import os

import numpy as np

from ..io.atomic import atomic_write


def save_image(path: str | os.PathLike, image: np.ndarray) -> None:
    """Write an array of pixels to ``path``, in the format of its suffix (.png, .jpg, ...).

    image: (H, W, 3) RGB or (H, W) grey, uint8. Raises ValueError for another array or for a
    suffix that names no picture format, before anything is written.
    """
    from PIL import Image

    if image.dtype != np.uint8 or image.ndim not in (2, 3) or image.shape[2:] not in ((), (3,)):
        raise ValueError(f"expected uint8 (H, W) or (H, W, 3), got {image.dtype} {image.shape}")
    suffix = _suffix(path)
    kind = Image.registered_extensions().get(suffix)
    if kind not in Image.SAVE:
        raise ValueError(f"{os.fspath(path)}: no picture format has the suffix {suffix!r}")
    with atomic_write(path) as file:
        Image.fromarray(image).save(file, format=kind)


def save_figure(path: str | os.PathLike, figure) -> None:
    """Write a ``matplotlib.figure.Figure`` to ``path``, in the format of its suffix (.png, .svg,
    .pdf, ...). Equal figures give equal files: no date is stored, and SVG ids are not random.

    Raises ValueError for a suffix that Matplotlib does not write, before anything is written.
    """
    import matplotlib

    suffix = _suffix(path)
    kinds = figure.canvas.get_supported_filetypes()
    if suffix[1:] not in kinds:
        raise ValueError(f"{os.fspath(path)}: the suffix must be one of {', '.join(kinds)}")
    undated = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}.get(suffix)
    with atomic_write(path) as file, matplotlib.rc_context({"svg.hashsalt": "minifcn"}):
        figure.savefig(file, format=suffix[1:], dpi=figure.dpi, metadata=undated)


def _suffix(path: str | os.PathLike) -> str:
    return os.path.splitext(path)[1].lower()
