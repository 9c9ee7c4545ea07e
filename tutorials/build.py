"""Execute tutorials and write the notebooks beside them: python tutorials/build.py [NN ...]

A tutorial is NN_topic.py, in jupytext's percent format; its pair NN_topic.ipynb has the same cells
with their outputs. Only the first is edited. Without numbers, every tutorial whose cells changed
since its notebook was written is executed again; --all executes them all. The table of contents in
README.md and its pictures are made of what the notebooks say.
"""

import argparse
import asyncio
import os
import re
import sys
import time
from base64 import b64decode
from html import escape
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).parent
LIMIT = 300  # seconds a cell
PICTURES = HERE / "pictures"
MARKS = "<!-- contents -->", "<!-- end of contents -->"  # in README.md, around the table
LASTING = ("tags", "slideshow")  # metadata of cells that both files have


def sources(numbers: list[str] = ()) -> list[Path]:
    """The tutorials with these numbers, all of them without; SystemExit where one is missing."""
    found = sorted(HERE.glob("[0-9][0-9]_*.py"))
    missing = set(numbers) - {path.name[:2] for path in found}
    if missing:
        raise SystemExit(f"no tutorial has the number {', '.join(sorted(missing))}")
    return [path for path in found if not numbers or path.name[:2] in numbers]


def read(path: Path):
    """A tutorial as a notebook without outputs, equal for equal files."""
    notebook = jupytext.read(path)
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"
        cell.metadata = {key: cell.metadata[key] for key in LASTING if key in cell.metadata}
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    return notebook


def cells(notebook) -> list[tuple]:
    """What must be the same in a pair."""
    return [(c.cell_type, c.source, {k: c.metadata[k] for k in LASTING if k in c.metadata})
            for c in notebook.cells]  # fmt: skip


def execute(notebook, folder: Path, environment: dict | None = None, timeout: int = LIMIT):
    """Run all cells in a fresh kernel, and leave out what differs from run to run."""
    client = NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=timeout,
        resources={"metadata": {"path": str(folder)}},
        extra_arguments=["--IPKernelApp.log_level=ERROR"],  # it warns of talking to itself
    )
    asyncio.run(client.async_execute(env=environment or dict(os.environ)))
    notebook.metadata.language_info = {"name": "python"}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.execution_count = None
            cell.metadata.pop("execution", None)
            cell.outputs = _joined(cell.outputs)
            for output in cell.outputs:
                output.pop("transient", None)
                if "execution_count" in output:
                    output.execution_count = None
    return notebook


def _joined(outputs: list) -> list:
    """Pieces of a stream that follow each other, as one: how it was cut up is chance."""
    made = []
    for output in outputs:
        last = made[-1] if made else {}
        if output.output_type == "stream" and last.get("name") == output.name:
            last.text += output.text
        else:
            made.append(output)
    return made


def title(notebook) -> str:
    """Its question, without the number."""
    return re.match(r"# \d\d · (.+\?)$", notebook.cells[0].source, re.MULTILINE)[1]


def gain(notebook) -> str:
    """What a reader can do afterwards: the sentence after "You get:" in the first cell."""
    text = " ".join(notebook.cells[0].source.split())
    found = re.search(r"You get: (.+?\.)(?: |$)", text)
    if not found:
        raise ValueError(f"{text[:60]!r}...: the first cell does not say 'You get: ...'")
    return found[1]


def cover(notebook) -> tuple[str, str, bytes]:
    """Suffix, text alternative and bytes of the picture that stands for a tutorial: the first one
    of the cell tagged "cover", or of all."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    code.sort(key=lambda cell: "cover" not in cell.metadata.get("tags", ()))
    for output in (output for cell in code for output in cell.outputs):
        for kind, suffix in (("image/png", ".png"), ("image/svg+xml", ".svg")):
            if kind in output.get("data", {}):
                data = output.data[kind]
                alt = output.metadata[kind]["alt"]
                return suffix, alt, b64decode(data) if suffix == ".png" else data.encode()
    raise ValueError("there is no picture")


def contents() -> str:
    """The table of all tutorials, as Markdown; writes nothing."""
    rows = ["| | | runs in | afterwards you have |", "|--|--|--:|--|"]
    for path in sources():
        notebook = nbformat.read(path.with_suffix(".ipynb"), 4)
        suffix, alt, _ = cover(notebook)
        alt = re.split(r"[.:] ", alt)[0]  # its first sentence
        number, name = path.name[:2], path.with_suffix(".ipynb").name
        picture = f'<img src="pictures/{number}{suffix}" width="200" alt="{escape(alt)}">'
        seconds = notebook.metadata.minifcn.seconds
        question = f"**[{number} · {title(notebook)}]({name})**"
        rows.append(f"| {picture} | {question} | {seconds} s | {gain(notebook)} |")
    return "\n".join(rows)


def write_contents() -> None:
    """Put the table into README.md and its pictures beside it."""
    PICTURES.mkdir(exist_ok=True)
    for path in sources():
        suffix, _, data = cover(nbformat.read(path.with_suffix(".ipynb"), 4))
        (PICTURES / f"{path.name[:2]}{suffix}").write_bytes(data)
    page = HERE / "README.md"
    before, _, rest = page.read_text("utf-8").partition(MARKS[0])
    after = rest.partition(MARKS[1])[2]
    page.write_text(f"{before}{MARKS[0]}\n{contents()}\n{MARKS[1]}{after}", "utf-8")


def main() -> int:
    """Execute what is asked for, and write the pairs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("numbers", nargs="*", metavar="NN")
    parser.add_argument("--all", action="store_true", help="also those that did not change")
    arguments = parser.parse_args()
    for path in sources(arguments.numbers):
        pair = path.with_suffix(".ipynb")
        notebook = read(path)
        asked = arguments.numbers or arguments.all or not pair.exists()
        if not asked and cells(nbformat.read(pair, 4)) == cells(notebook):
            continue
        start = time.perf_counter()
        execute(notebook, HERE)
        seconds = time.perf_counter() - start
        notebook.metadata.minifcn = {"seconds": round(seconds)}
        nbformat.validate(notebook)
        nbformat.write(notebook, pair)
        size = pair.stat().st_size / 1000
        print(f"{pair.name}: {seconds:.1f} s, {size:.0f} kB", flush=True)
    try:
        write_contents()
    except (OSError, ValueError) as error:
        print(f"README.md is as it was: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
