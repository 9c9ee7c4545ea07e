"""Execute tutorials and write the notebooks beside them: python tutorials/build.py [NN ...]

A tutorial is NN_topic.py, in jupytext's percent format; its pair NN_topic.ipynb has the same cells
with their outputs. Only the first is edited. Without numbers, every tutorial whose cells changed
since its notebook was written is executed again; --all executes them all.
"""

import argparse
import sys
import time
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).parent
LIMIT = 300  # seconds a cell
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


def execute(notebook, folder: Path, **options):
    """Run all cells in a fresh kernel, and leave out what differs from run to run."""
    options = {"timeout": LIMIT, "kernel_name": "python3", **options}
    NotebookClient(notebook, resources={"metadata": {"path": str(folder)}}, **options).execute()
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
        nbformat.validate(notebook)
        nbformat.write(notebook, pair)
        size = pair.stat().st_size / 1000
        print(f"{pair.name}: {time.perf_counter() - start:.1f} s, {size:.0f} kB", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
