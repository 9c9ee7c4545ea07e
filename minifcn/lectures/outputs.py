"""What cells printed and drew, as HTML."""

import base64
import re
from dataclasses import dataclass
from html import escape
from xml.etree import ElementTree

from . import markup
from .read import Part, joined

ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
SVG = "{http://www.w3.org/2000/svg}svg"
PNG = b"\x89PNG\r\n\x1a\n"
WIDTH = 1136  # pixels of the stage between its margins
GROWTH = 1.75  # a picture of a notebook is shown at most so much larger: beyond, it blurs


@dataclass(frozen=True)
class Picture:
    """A picture as an address that holds it, its size in pixels, and what it shows in words."""

    source: str
    width: float
    height: float
    alt: str

    @property
    def ratio(self) -> float:
        """Width over height."""
        return self.width / self.height


def shown(part: Part, context: markup.Context) -> list[str | Picture | markup.Text]:
    """A code cell's outputs in order: text, pictures, Markdown; folded solutions are left out.

    Raises ValueError naming file and cell for outputs and pictures that cannot be read.
    """
    found = []
    for output in part.outputs:
        try:
            what = _one(output, context)
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"{context.where}: an output is damaged: {error!r}") from None
        if isinstance(what, str) and found and isinstance(found[-1], str):
            found[-1] += what
        elif what is not None and what != "":
            found.append(what)
    texts = [_screen(what) if isinstance(what, str) else what for what in found]
    return [what for what in texts if what != ""]


def pictures(row: list[Picture], label: str) -> str:
    """Pictures side by side, as high as the slide has room, up to ``GROWTH`` times their size."""
    ratio = sum(picture.ratio for picture in row)
    height = min(WIDTH / ratio, GROWTH * max(picture.height for picture in row))
    images = "".join(
        f'<img src="{p.source}" alt="{escape(p.alt or label)}" style="flex-grow:{p.ratio:.4f}">'
        for p in row
    )
    style = f"--height:{height / 16:.3f}rem;--ratio:{ratio:.4f}"
    return f'<div class="pictures" style="{style}">{images}</div>\n'


def _one(output: dict, context: markup.Context) -> str | Picture | markup.Text | None:
    kind = output["output_type"]
    if kind == "stream":
        return joined(output["text"])
    if kind == "error":
        return f"{output['ename']}: {output['evalue']}\n"
    if kind not in ("display_data", "execute_result"):
        return None
    data, metadata = output["data"], output.get("metadata", {})
    for mime, read in (("image/svg+xml", _svg), ("image/png", _png)):
        if mime in data:
            alt = metadata.get(mime, {}).get("alt", "")
            return read(joined(data[mime]), alt, context.where)
    if "<details" in joined(data.get("text/html", "")):
        return None  # a solution: for readers who have tried
    if "text/markdown" in data:
        return markup.markdown(joined(data["text/markdown"]), context)
    return joined(data.get("text/plain", "")) + "\n"


def _png(text: str, alt: str, where: str) -> Picture:
    try:
        data = base64.b64decode("".join(text.split()), validate=True)
    except ValueError:
        data = b""
    width, height = (int.from_bytes(data[i : i + 4], "big") for i in (16, 20))
    if not data.startswith(PNG) or not width * height:
        raise ValueError(f"{where}: a picture of its output is no PNG")
    return Picture(markup.picture(data, "image/png"), width, height, alt)


def _svg(text: str, alt: str, where: str) -> Picture:
    """As a picture of its own, in which browsers run no scripts and load nothing."""
    try:
        root = ElementTree.fromstring(text)
        if root.tag != SVG:
            raise ValueError(root.tag)
        box = [float(n) for n in re.split(r"[\s,]+", root.get("viewBox", "").strip()) if n]
        width, height = (_pixels(root.get(side)) for side in ("width", "height"))
        width, height = width or box[2], height or box[3]
        if not width * height:
            raise ValueError("its size is 0")
    except (ElementTree.ParseError, ValueError, IndexError):
        raise ValueError(f"{where}: a picture of its output is no SVG with a size") from None
    return Picture(markup.picture(text.encode(), "image/svg+xml"), width, height, alt)


def _pixels(length: str | None) -> float:
    """A length such as 300, 300px or 4in; 0 where it is none, or a share."""
    match = re.fullmatch(r"([\d.]+)(px|pt|in|cm|mm)?", (length or "").strip())
    units = {None: 1, "px": 1, "pt": 4 / 3, "in": 96, "cm": 96 / 2.54, "mm": 96 / 25.4}
    return float(match[1]) * units[match[2]] if match else 0.0


def _screen(text: str) -> str:
    """What a terminal shows in the end: without colours, and of lines written over the last."""
    lines = ANSI.sub("", text).rstrip().split("\n")
    return "\n".join(line.rstrip("\r").rsplit("\r", 1)[-1].rstrip() for line in lines)
