"""Whole pages: a lecture's slides, and the index of all lectures."""

import math
import os
import re
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from string import Template

from ..io.atomic import write_text
from . import markup
from .outputs import WIDTH, Picture, pictures, shown
from .read import Lecture, Part, Slide, notebooks, read_lecture

HERE = Path(__file__).parent
GUIDE = "LECTURES.md"
SIZES = (24, 22, 20, 18)  # pixels of code on the stage of 1280x720: the largest that fits is taken
ROOM = 545  # pixels of the stage below a heading
SIDE_BY_SIDE = 3.4  # width over height, of pictures of one cell together


@dataclass(frozen=True)
class Page:
    """A lecture rendered: its line of the index, and its file."""

    lecture: Lecture
    title: str
    plain: str
    picture: Picture | None
    html: str

    @property
    def slides(self) -> int:
        """How many slides it has."""
        return len(self.lecture.slides)


@dataclass(frozen=True)
class Built:
    """Lectures, and all files by name."""

    pages: tuple[Page, ...]
    files: dict[str, str]


def build(
    tutorials: str | os.PathLike,
    out: str | os.PathLike | None = None,
    numbers: list[str] | None = None,
) -> Built:
    """Render the tutorials of a folder as slides, and write them to the folder ``out``, if given.

    numbers: only these tutorials, and no index of them. Equal notebooks give equal bytes; every
    file is written whole (see ``io.atomic_write``), and none before all are rendered.

    Raises ValueError naming file and cell for what cannot be read (see ``read_lecture`` and
    ``markup.markdown``), ImportError where a package is missing, OSError where ``out`` cannot be
    written.
    """
    folder = Path(tutorials)
    lectures = [read_lecture(path) for path in notebooks(folder, numbers)]
    known = frozenset(path.name[:2] for path in notebooks(folder))
    pages = tuple(_page(lecture, known) for lecture in lectures)
    files = {page.lecture.page: page.html for page in pages}
    if not numbers:
        guide = folder / GUIDE
        files["index.html"] = _index(pages, guide.is_file())
        if guide.is_file():
            files["lectures.html"] = _guide(guide, known)
    if out is not None:
        os.makedirs(out, exist_ok=True)
        for name, text in files.items():
            write_text(Path(out) / name, text)
    return Built(pages, files)


@dataclass
class _Content:
    """A slide being rendered."""

    heading: str = ""
    label: str = ""
    body: str = ""
    picture: Picture | None = None
    code: tuple[str, ...] = ()
    height: float = 0.0  # of all that is not code, about, in pixels


def _page(lecture: Lecture, known: frozenset[str]) -> Page:
    context = markup.Context(lecture.title.where, lecture.path.parent, known)
    title, plain = markup.inline(lecture.title.text, context)
    contents = [_content(slide, context) for slide in lecture.slides]
    footer = f"{lecture.number} · {title}"
    pages = []
    for number, (slide, content) in enumerate(zip(lecture.slides, contents, strict=True), start=1):
        if number == 1:
            kind, content.label = "slide title", plain
            heading = f'<p class="number">{lecture.number}</p>\n<h1>{title}</h1>\n'
        else:
            kind, heading = "slide", f"<h2>{content.heading}</h2>\n" if content.heading else ""
        size = _code_size(content.code, content.height)
        label = escape(content.label or f"Slide {number}")
        pages.append(
            f'<div class="page">\n<section class="{kind}" id="{number}" aria-label="{label}" '
            f'style="--code:{size / 16}rem">\n{heading}<div class="body">\n{content.body}</div>\n'
            f'<footer aria-hidden="true"><span>{footer}</span>'
            f"<span>{number} / {len(contents)}</span></footer>\n</section>\n"
            f"{_notes(slide, context, number)}</div>\n"
        )
    html = _template(
        "slides.html",
        title=escape(f"{lecture.number} · {plain}"),
        style=_asset("colours.css") + _asset("slides.css"),
        script=_asset("slides.js"),
        slides="".join(pages),
    )
    picture = next((content.picture for content in contents if content.picture), None)
    return Page(lecture, title, plain, picture, html)


def _content(slide: Slide, context: markup.Context) -> _Content:
    content = _Content()
    for part in slide.parts:
        there = replace(context, where=part.where)
        before = content.body
        content.body = ""
        if part.code:
            _add_code(part, there, content)
        else:
            text = markup.markdown(part.text, there)
            _add_text(text, content, first=not before)
            content.height += _height(part.text)
        inside = "part fragment" if part.fragment else "part"
        content.body = f'{before}<div class="{inside}">\n{content.body}</div>\n'
    return content


def _add_text(text: markup.Text, content: _Content, first: bool = False) -> None:
    """Markdown; the heading that a slide begins with is the slide's."""
    content.label = content.label or text.plain
    if first and text.heading:
        content.heading = text.heading
    elif text.heading:
        content.body += f"<h3>{text.heading}</h3>\n"
    content.body += text.body


def _add_code(part: Part, context: markup.Context, content: _Content) -> None:
    """A code cell: its code and its outputs, without what its tags hide."""
    if "hide-input" not in part.tags and part.text.strip():
        text = re.sub(r"\n\s*\n\s*?\n", "\n\n", part.text.strip("\n"))  # a slide's rows are few
        content.body += f'<pre class="code">{markup.code(text)}</pre>\n'
        content.code += (text,)
    if "hide-output" in part.tags:
        return
    row: list[Picture] = []
    for what in [*shown(part, context), None]:
        if isinstance(what, Picture) and sum(p.ratio for p in [*row, what]) <= SIDE_BY_SIDE:
            row.append(what)
            content.picture = content.picture or what
            continue
        if row:
            label = f"Picture of the slide {content.label}".strip()
            content.body += pictures(row, label)
            content.height += 16 + min(260, max(p.height for p in row))
            row = []
        if isinstance(what, Picture):
            row, content.picture = [what], content.picture or what
        elif isinstance(what, markup.Text):
            _add_text(what, content)
            content.height += 55
        elif what:
            content.body += f'<pre class="output">{escape(what, quote=False)}</pre>\n'
            content.code += (what,)


def _notes(slide: Slide, context: markup.Context, number: int) -> str:
    if not slide.notes:
        return ""
    text = ""
    for part in slide.notes:
        note = markup.markdown(part.text, replace(context, where=part.where))
        text += (f"<h3>{note.heading}</h3>\n" if note.heading else "") + note.body
    return f'<aside class="notes" aria-label="Notes to slide {number}">\n{text}</aside>\n'


def _height(text: str) -> float:
    """About how high Markdown is, in pixels of the stage, without its heading."""
    height = 0.0
    for block in re.split(r"\n\s*\n", re.sub(r"\A#+ .*", "", text.strip())):
        lines = block.strip().split("\n")
        if lines[0].startswith("|"):
            height += 48 * (len(lines) - 1) + 16
        elif lines[0].startswith("$$"):
            tall = re.search(r"\\(d?frac|sum|prod|lim|under|over|begin)", block)
            height += (100 if tall else 62) + 50 * block.count(r"\\")
        elif lines[0]:
            items = [line for line in lines if re.match(r"\s*([-*]|\d+\.) ", line)] or [block]
            height += sum(39 * math.ceil(len(item) / 76) for item in items) + 16
    return height


def _code_size(blocks: tuple[str, ...], height: float) -> int:
    """The size of a slide's code: the largest of ``SIZES`` at which all seems to fit.

    Monospaced letters are 0.602 of their size wide (those of Menlo and DejaVu; others less).
    """
    lines = [line for block in blocks for line in block.split("\n")]
    for size in SIZES:
        wide = max(map(len, lines), default=0) * 0.602 * size + 42
        high = len(lines) * 1.3 * size + 38 * len(blocks) + height
        if wide <= WIDTH and high <= ROOM:
            return size
    return SIZES[-1]


def _index(pages: tuple[Page, ...], guide: bool) -> str:
    rows = ""
    for page in pages:
        p = page.picture
        image = f'<img src="{p.source}" alt="">' if p else ""
        rows += (
            f'<tr><td class="number">{page.lecture.number}</td>'
            f'<td><a href="{page.lecture.page}">{page.title}</a></td>'
            f'<td class="thumbnail">{image}</td><td class="count">{page.slides}</td></tr>\n'
        )
    content = (
        "<h1>Lectures</h1>\n"
        + ('<p><a href="lectures.html">For lecturers</a></p>\n' if guide else "")
        + '<table class="index">\n<thead><tr><th scope="col">No.</th><th scope="col">Lecture</th>'
        '<th scope="col"><span class="hidden">First picture</span></th>'
        f'<th scope="col" class="count">Slides</th></tr></thead>\n<tbody>\n{rows}</tbody>\n'
        "</table>\n<p>In a lecture, <kbd>?</kbd> shows all keys.</p>\n"
    )
    return _article("Lectures", content)


def _guide(path: Path, known: frozenset[str]) -> str:
    try:
        source = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: is no UTF-8 text: {error}") from None
    text = markup.markdown(source, markup.Context(str(path), path.parent, known), level=2)
    heading = f"<h1>{text.heading}</h1>\n" if text.heading else ""
    back = '<p><a href="index.html">All lectures</a></p>\n'
    return _article(text.plain or "For lecturers", back + heading + text.body)


def _article(title: str, content: str) -> str:
    style = _asset("colours.css") + _asset("article.css")
    return _template("article.html", title=escape(title), style=style, content=content)


def _asset(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


def _template(name: str, **values: str) -> str:
    return Template(_asset(name)).substitute(values)
