"""Markdown and code as HTML.

Of HTML inside Markdown only what folds, raises and breaks text is taken; formulas become MathML,
pictures beside the notebook become part of the page, links between tutorials lead to their slides.
"""

import base64
import functools
import posixpath
import re
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

from .formulas import mathml

TAG = re.compile(r"</?(details|summary|sub|sup|br)\s*/?>|<details open>", re.IGNORECASE)
COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
TUTORIAL = re.compile(r"(?:\./)?(?:tutorials/)?((\d\d)_\w+)\.(?:ipynb|py)")
WEB = re.compile(r"https?://", re.IGNORECASE)
TYPES = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".svg": "image/svg+xml"}
PACKAGES = "latex2mathml, markdown-it-py, mdit-py-plugins and Pygments"


@dataclass(frozen=True)
class Context:
    """Where Markdown stands: ``where`` in the words of an error, its folder, and the numbers of
    the tutorials that have slides."""

    where: str
    folder: Path
    numbers: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Text:
    """Rendered Markdown: the heading that it begins with, as HTML and plain, and the rest."""

    heading: str
    plain: str
    body: str


@dataclass
class _Links:
    """The ends that belong to the links that are open."""

    ends: list[str] = field(default_factory=list)


def markdown(text: str, context: Context, level: int = 3) -> Text:
    """Markdown (CommonMark, tables, ``$...$``) as HTML.

    A first heading is split off; others become headings of ``level`` or below. Raises ValueError
    naming file and cell for HTML that is not taken, TeX that cannot be read, and pictures that are
    not beside the notebook; ImportError where a package is missing.
    """
    parser = _parser()
    env = {"context": context, "links": _Links()}
    tokens = parser.parse(text, env)
    heading = plain = ""
    if tokens and tokens[0].type == "heading_open":
        heading = parser.renderer.render(tokens[1:2], parser.options, env)
        plain = _plain(tokens[1])
        tokens = tokens[3:]
    elif tokens:
        plain = next((_plain(token) for token in tokens if token.type == "inline"), "")
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(6, max(level, int(token.tag[1])))}"
    return Text(heading, plain, parser.renderer.render(tokens, parser.options, env))


def inline(text: str, context: Context) -> tuple[str, str]:
    """One line of Markdown: as HTML without a paragraph around it, and plain."""
    text = markdown("# " + " ".join(text.split()), context)
    return text.heading, text.plain


def code(text: str, language: str = "python") -> str:
    """Code as ``<code>``, coloured by Pygments; text where the language is none that it knows."""
    try:
        from pygments import highlight
        from pygments.formatters import HtmlFormatter
        from pygments.lexers import get_lexer_by_name
        from pygments.util import ClassNotFound
    except ModuleNotFoundError as error:
        raise _missing() from error
    try:
        lexer = get_lexer_by_name(language or "text", stripnl=False, ensurenl=False)
    except ClassNotFound:
        return f"<code>{escape(text, quote=False)}</code>"
    coloured = highlight(text, lexer, HtmlFormatter(nowrap=True)).removesuffix("\n")
    return f"<code>{coloured}</code>"


def picture(data: bytes, kind: str) -> str:
    """A picture as the address that holds it whole."""
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"


def _missing() -> ImportError:
    return ImportError(f"slides need {PACKAGES}: pip install 'minifcn[tutorials]'")


@functools.cache
def _parser():
    try:
        from markdown_it import MarkdownIt
        from mdit_py_plugins.dollarmath import dollarmath_plugin
    except ModuleNotFoundError as error:
        raise _missing() from error
    parser = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    parser.use(dollarmath_plugin, double_inline=True)
    for rule, render in _RULES.items():
        parser.add_render_rule(rule, render)
    return parser


def _plain(token) -> str:
    """What a line says, without its markup."""
    said = {"text", "code_inline", "math_inline", "math_inline_double", "image"}
    parts = [" " if t.type.endswith("break") else t.content if t.type in said else ""
             for t in token.children or ()]  # fmt: skip
    return " ".join("".join(parts).split())


def _html(_, tokens, index, __, env) -> str:
    text = COMMENT.sub("", tokens[index].content)
    for tag in re.finditer("<[^>]*>?", text):
        if not TAG.fullmatch(tag[0]):
            raise ValueError(f"{env['context'].where}: HTML that slides do not take: {tag[0]}")
    return text


def _formula(_, tokens, index, __, env) -> str:
    token = tokens[index]
    try:
        return mathml(token.content, display=token.type != "math_inline")
    except ValueError as error:
        raise ValueError(f"{env['context'].where}: {error}") from None
    except ModuleNotFoundError as error:
        raise _missing() from error


def _fence(_, tokens, index, __, ___) -> str:
    words = tokens[index].info.split()
    language = words[0] if words else "text"
    return f"<pre>{code(tokens[index].content.rstrip(), language)}</pre>\n"


def _image(_, tokens, index, __, env) -> str:
    token, context = tokens[index], env["context"]
    source = str(token.attrs["src"])
    kind = TYPES.get(posixpath.splitext(source)[1].lower())
    if WEB.match(source) or source.startswith("/") or ":" in source or kind is None:
        raise ValueError(
            f"{context.where}: {source} is no PNG, JPEG or SVG file beside the notebook"
        )
    try:
        data = (context.folder / source).read_bytes()
    except OSError:
        raise ValueError(f"{context.where}: the picture {source} is missing") from None
    alt = escape(_plain(token))
    return f'<span class="pictures"><img src="{picture(data, kind)}" alt="{alt}"></span>'


def _link_open(_, tokens, index, __, env) -> str:
    """To the web, to another tutorial's slides, or, for what has no address there, no link."""
    target, context = str(tokens[index].attrs["href"]), env["context"]
    page = TUTORIAL.fullmatch(target)
    if WEB.match(target):
        start, end = f'<a href="{escape(target)}" target="_blank" rel="noreferrer">', "</a>"
    elif page and page[2] in context.numbers:
        start, end = f'<a href="{page[1]}.html">', "</a>"
    else:
        start, end = f'<span title="{escape(target)}">', "</span>"
    env["links"].ends.append(end)
    return start


def _link_close(_, __, ___, ____, env) -> str:
    return env["links"].ends.pop()


_RULES = {
    "html_block": _html,
    "html_inline": _html,
    "math_inline": _formula,
    "math_inline_double": _formula,
    "math_block": _formula,
    "fence": _fence,
    "code_block": _fence,
    "image": _image,
    "link_open": _link_open,
    "link_close": _link_close,
}
