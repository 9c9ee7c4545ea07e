"""Lectures out of executed notebooks: which cells are slides, which text is speaker notes.

    slideshow.slide_type   "slide" starts a slide with this cell, "-" puts it on the slide before,
                           "fragment" too, shown by the next key; "notes" makes it speaker notes
    <!-- notes -->         what follows this line of a Markdown cell is speaker notes

Cells without a mark are not in the lecture. The first Markdown cell, "# 03 · Title", is its title.
"""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

NAME = re.compile(r"(\d\d)_\w+\.ipynb")
TITLE = re.compile(r"# +(\d\d) · (.+)")
NOTES = re.compile(r"^[ \t]*<!-- notes -->[ \t]*$", re.MULTILINE)
PLACES = {"slide": "slide", "subslide": "slide", "-": "-", "fragment": "fragment",
          "notes": "notes", "skip": "", "": ""}  # fmt: skip


@dataclass(frozen=True)
class Part:
    """Some Markdown, or a code cell with its outputs; ``where`` names file and cell in errors."""

    where: str
    text: str
    code: bool = False
    outputs: tuple[dict[str, Any], ...] = ()
    tags: frozenset[str] = frozenset()
    fragment: bool = False


@dataclass
class Slide:
    """What one slide shows, and what is said to it."""

    parts: list[Part] = field(default_factory=list)
    notes: list[Part] = field(default_factory=list)


@dataclass(frozen=True)
class Lecture:
    """One tutorial's slides; the first one is the title, with the first paragraph below it."""

    path: Path
    number: str
    title: Part
    slides: tuple[Slide, ...]

    @property
    def page(self) -> str:
        """The name of its file of slides."""
        return self.path.with_suffix(".html").name


def notebooks(folder: str | Path, numbers: list[str] | None = None) -> list[Path]:
    """The tutorials NN_topic.ipynb of a folder, in order; with ``numbers``, only these.

    Raises ValueError where the folder is missing, has none, or none of a wanted number.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(f"{folder}: there is no such folder of tutorials")
    found: dict[str, Path] = {}
    for path in sorted(path for path in folder.iterdir() if NAME.fullmatch(path.name)):
        other = found.setdefault(path.name[:2], path)
        if other is not path:
            raise ValueError(f"{folder}: {other.name} and {path.name} have one number")
    if not found:
        raise ValueError(f"{folder}: no tutorial there; their names are NN_topic.ipynb")
    for number in numbers or ():
        if number not in found:
            there_are = ", ".join(sorted(found))
            raise ValueError(f"{folder}: no tutorial {number}; there are: {there_are}")
    return [found[number] for number in sorted(numbers or found)]


def read_lecture(path: Path) -> Lecture:
    """The slides of one notebook.

    Raises ValueError naming file and cell for what is no executed notebook of nbformat 4, for a
    mark that does not exist, and where nothing is marked.
    """
    cells = _cells(path)
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    if code and not any(cell["outputs"] for cell in code):
        raise ValueError(f"{path}: was not executed: none of {len(code)} code cells has an output")
    first = next((cell for cell in cells if cell["cell_type"] == "markdown"), None)
    if first is None:
        raise ValueError(f"{path}: has no Markdown cell, so no title")
    title, opening = _title(path, first)
    slides = [opening]
    for cell in cells:
        if cell is not first:
            _place(cell, slides)
    if len(slides) == 1 and not opening.parts[1:]:
        raise ValueError(f'{path}: no cell is marked "slide", so there is no lecture')
    return Lecture(path, path.name[:2], title, tuple(slides))


def _title(path: Path, cell: dict) -> tuple[Part, Slide]:
    """The title, and the slide that goes with it: the first paragraph, and notes."""
    shown, said = _split(cell["source"])
    lines = shown.strip().split("\n")
    match = TITLE.fullmatch(lines[0].strip())
    if match is None:
        raise ValueError(f'{cell["where"]}: begins with {lines[0]!r}, not with "# NN · Title"')
    if match[1] != path.name[:2]:
        raise ValueError(f"{cell['where']}: the title's number is {match[1]}, not the file's")
    paragraphs = "\n".join(lines[1:]).strip().split("\n\n")
    slide = Slide([Part(cell["where"], paragraphs[0])])
    if cell["place"] and said:  # without a mark, a cell is for readers alone
        slide.notes.append(Part(cell["where"], said))
    return Part(cell["where"], match[2].strip()), slide


def _place(cell: dict, slides: list[Slide]) -> None:
    """Put a cell where its mark says."""
    place, where = cell["place"], cell["where"]
    if not place:
        return
    is_code = cell["cell_type"] == "code"
    if cell["cell_type"] == "raw" or (is_code and place == "notes"):
        raise ValueError(f"{where}: a {cell['cell_type']} cell cannot be marked {place!r}")
    if place == "notes":
        slides[-1].notes.append(Part(where, cell["source"]))
        return
    if place == "slide":
        slides.append(Slide())
    shown, said = (cell["source"], "") if is_code else _split(cell["source"])
    part = Part(where, shown, is_code, tuple(cell["outputs"]), cell["tags"], place == "fragment")
    if is_code or shown.strip():
        slides[-1].parts.append(part)
    if said:
        slides[-1].notes.append(Part(where, said))


def _split(text: str) -> tuple[str, str]:
    """A Markdown cell's own text, and its speaker notes."""
    shown, *said = NOTES.split(text)
    return shown.rstrip(), "\n\n".join(s.strip() for s in said).strip()


def _cells(path: Path) -> list[dict[str, Any]]:
    """The cells with what is wanted of them, of the right types, and their place in words."""
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"{path}: is no notebook, its JSON does not read: {error}") from None
    cells = notebook.get("cells") if isinstance(notebook, dict) else None
    if not isinstance(cells, list) or notebook.get("nbformat") != 4:
        raise ValueError(f"{path}: is no notebook of nbformat 4")
    return [_cell(cell, f"{path}, cell {number}") for number, cell in enumerate(cells, start=1)]


def _cell(cell: Any, where: str) -> dict[str, Any]:
    try:
        metadata = cell.get("metadata", {})
        mark = metadata.get("slideshow", {}).get("slide_type", "")
        kind, source = cell["cell_type"], joined(cell["source"])
        outputs = list(cell["outputs"]) if kind == "code" else []
        tags = frozenset(metadata.get("tags", ()))
        known = kind in ("code", "markdown", "raw") and all(isinstance(o, dict) for o in outputs)
    except (AttributeError, KeyError, TypeError):
        known = False
    if not known:
        raise ValueError(f"{where}: is no cell of nbformat 4")
    if not isinstance(mark, str) or mark not in PLACES:
        there_are = ", ".join(filter(None, PLACES))
        raise ValueError(f"{where}: slide_type {mark!r} is none of {there_are}")
    return {"where": where, "cell_type": kind, "source": source, "outputs": outputs,
            "tags": tags, "place": PLACES[mark]}  # fmt: skip


def joined(text: str | list[str]) -> str:
    """A notebook's text, which may be a list of lines. Raises TypeError for anything else."""
    text = text if isinstance(text, str) else "".join(text)
    return text.replace("\r\n", "\n")
