"""TeX as MathML, which browsers typeset themselves.

latex2mathml does the work; what it lets pass unread is refused here, and what MathML Core, the
part of MathML that browsers know, has no attribute for is said in its own terms.
"""

import html
import re
from xml.etree.ElementTree import Element, tostring

LETTERS = {"bold-italic": 0x1D468, "italic": 0x1D434, "bold": 0x1D400}  # of A; a is 26 further
FENCES = "⌊⌋⌈⌉⟨⟩‖"
ACCENTS = "¯^~˙¨→ˇ˘"
SIDES = {"left": "left", "right": "right"}
CLASSES = {"bold": "bold", "bold-italic": "bold", "monospace": "mono"}
ENVIRONMENTS = {"align*", "array", "cases", "matrix", "pmatrix", "bmatrix", "vmatrix", "Vmatrix",
                "smallmatrix", "split"}  # fmt: skip
SAME = {"aligned": "align*", "align": "align*"}  # numbers of equations are not shown
ARG = re.compile(r"\\operatorname\*\{arg\\,(max|min)\}|\\arg\s*\\(max|min)(?![a-zA-Z])")
KEPT = {  # attributes; all others are of MathML 3, or may lead out of the page
    "accent", "columnspan", "display", "displaystyle", "fence", "form", "linethickness", "lspace",
    "maxsize", "minsize", "rspace", "scriptlevel", "stretchy", "width", "height", "depth", "xmlns",
    "mathvariant", "movablelimits",
}  # fmt: skip


def mathml(tex: str, display: bool = False) -> str:
    """A ``<math>`` element for a formula; ``display`` on lines of its own.

    Raises ValueError saying what of it cannot be read.
    """
    from latex2mathml.converter import convert_to_element

    source = ARG.sub(lambda match: rf"\arg{match[1] or match[2]} ", _environments(tex))
    if r"\operatorname*" in source:  # its star would be shown
        raise ValueError(f"TeX that cannot be read: \\operatorname* in {_short(tex)}")
    try:
        tree = convert_to_element(source, display="block" if display else "inline")
    except Exception as error:  # its own errors, and KeyError, IndexError, ... for others
        reason = " ".join(filter(None, (_words(error), str(error))))
        raise ValueError(f"TeX that cannot be read: {_short(tex)} ({reason})") from None
    _in_core(tree, tex)
    return tostring(tree, encoding="unicode")


def _environments(tex: str) -> str:
    def named(match: re.Match) -> str:
        name = SAME.get(match[2], match[2])
        if name not in ENVIRONMENTS:
            raise ValueError(f"TeX that cannot be read: no environment {match[2]!r} here")
        return f"\\{match[1]}{{{name}}}"

    return re.sub(r"\\(begin|end)\s*\{(.*?)\}", named, tex)


def _in_core(tree: Element, tex: str) -> None:
    """Change the elements in place; ValueError for what was passed over."""
    for element in tree.iter():
        text = element.text or ""
        if element.tag == "mtext":
            text = re.sub(r"\\([&%$#_{}])", r"\1", text)
        if "\\" in text or (element.tag != "mtext" and text in set("&}#$")):
            raise ValueError(f"TeX that cannot be read: {text} in {_short(tex)}")
        if element.get("linebreak"):
            what = r"\\ outside of an environment"
            raise ValueError(f"TeX that cannot be read: {what} in {_short(tex)}")
        element.text = html.unescape(text) or None  # its letters are references: &#x003B1;
    for element in tree.iter():
        style = _letters(element) or SIDES.get(element.get("columnalign"))
        if element.tag == "mi" and element.text and element.text in FENCES:
            element.tag = "mo"
            element.set("stretchy", "false")
        if element.tag == "mover" and len(element) == 2 and (element[1].text or "") in ACCENTS:
            element.set("accent", "true")
        _spaces_of_names(element)
        element.attrib = {k: v for k, v in sorted(element.attrib.items()) if k in KEPT}
        if style:
            element.set("class", style)


def _letters(element: Element) -> str | None:
    """Bold and upright letters: MathML Core has an attribute for single upright ones alone, so the
    others become letters of Unicode's own, or get the class of style sheets that is returned.
    """
    variant, text = element.attrib.pop("mathvariant", None), element.text or ""
    if variant in LETTERS and re.fullmatch("[A-Za-z]+", text):
        element.text = "".join(
            chr(LETTERS[variant] + ord(c) - (ord("a") - 26 if c.islower() else ord("A")))
            for c in text
        ).replace("\U0001d455", "ℎ")  # italic h had its place before all the others
        return None
    if variant == "normal":
        element.set("mathvariant", "normal")
    return CLASSES.get(variant)


def _spaces_of_names(row: Element) -> None:
    """The name of a function stands close to its parenthesis and a thin space from all else."""
    for i, element in enumerate(row):
        if element.tag in ("mi", "mo") and re.fullmatch("[A-Za-z]{2,}", element.text or ""):
            element.tag = "mo"
            after = row[i + 1].text or "" if i + 1 < len(row) else "("
            element.set("lspace", "0.17em" if i else "0em")
            element.set("rspace", "0em" if after in "([" else "0.17em")


def _words(error: Exception) -> str:
    name = type(error).__name__.removesuffix("Error")
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()


def _short(tex: str) -> str:
    tex = " ".join(tex.split())
    return tex if len(tex) < 60 else tex[:57] + "..."
