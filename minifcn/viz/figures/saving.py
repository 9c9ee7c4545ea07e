"""Files of drawings that carry their alternative text."""

import hashlib
import io
import os
import re
from html import escape

from ...io.atomic import atomic_write

SUFFIXES = (".svg", ".png")


def save_drawing(path: str | os.PathLike, figure, title: str = "") -> None:
    """Write a figure to ``path``, as .svg or .png, with its label as the alternative text.

    SVG: role="img", <title> and <desc>, text as text; PNG: Title and Description. Equal figures
    give equal bytes. Raises ValueError for another suffix, before anything is written, and OSError
    where the file cannot be.
    """
    if suffix_of(path) == ".svg":
        content = drawing_svg(figure, title).encode("utf-8")
    else:
        content = _png(figure, title)
    with atomic_write(path) as file:
        file.write(content)


def suffix_of(path: str | os.PathLike) -> str:
    """The suffix of a drawing's file. Raises ValueError for one that is neither."""
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in SUFFIXES:
        raise ValueError(f"{os.fspath(path)}: the suffix must be {' or '.join(SUFFIXES)}")
    return suffix


def drawing_svg(figure, title: str = "") -> str:
    """The figure as SVG text, with its label as the alternative text: to show, or to write."""
    import matplotlib

    file, description = io.BytesIO(), figure.get_label()
    with matplotlib.rc_context({"svg.hashsalt": "minifcn", "svg.fonttype": "none"}):
        figure.savefig(file, format="svg", metadata={"Date": None})
    text = file.getvalue().decode("utf-8")
    # ids of their own, for pages that hold several drawings
    mark = hashlib.sha256(f"{title}\n{description}".encode()).hexdigest()[:10]
    names = f"title-{mark} desc-{mark}"
    spoken = (
        f'\n <title id="title-{mark}">{escape(title or "drawing")}</title>'
        f'\n <desc id="desc-{mark}">{escape(description)}</desc>'
    )
    tag = re.search(r"<svg\b[^>]*>", text)
    opened = f'{tag[0][:-1]} role="img" aria-labelledby="{names}">{spoken}'
    return text[: tag.start()] + opened + text[tag.end() :]


def _png(figure, title: str) -> bytes:
    file = io.BytesIO()
    spoken = {"Title": title or "drawing", "Description": figure.get_label()}
    figure.savefig(file, format="png", dpi=figure.dpi, metadata=spoken)
    return file.getvalue()
