"""Every tutorial runs from its top to its end, and is what tutorials/README.md says.

They are executed with small sizes (MINIFCN_FAST), each in a fresh kernel, in an empty folder, and
with every way to a network closed.
"""

import ast
import importlib
import json
import os
import re
import runpy
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import pytest

pytest.importorskip("jupytext", reason="the tutorials want the extra 'tutorials'")
pytest.importorskip("nbclient", reason="the tutorials want the extra 'tutorials'")
pytest.importorskip("sklearn", reason="the tutorials want the extra 'tutorials'")

import nbformat

FOLDER = Path(__file__).parents[1] / "tutorials"
BUILD = runpy.run_path(str(FOLDER / "build.py"), run_name="build")
TUTORIALS = BUILD["sources"]()
NUMBERS = ["00", "01", "02", "03", "04", "05", "06", "07", "08", "09", "10", "11", "12"]
NUMBERS += ["17", "18", "20"]
CELL_LINES = 15  # of code, at most
NOTEBOOK_BYTES, OUTPUT_BYTES = 300_000, 60_000
SECONDS = 120  # a cell may take, on a slow machine

CLOSED = """
import socket
def _closed(*args, **kwargs):
    raise OSError("a tutorial reached for the network")
socket.getaddrinfo = socket.create_connection = _closed
_connect = socket.socket.connect
def _local(self, address):
    if self.family == socket.AF_UNIX or address[0] in ("127.0.0.1", "::1", "localhost"):
        return _connect(self, address)
    _closed()
socket.socket.connect = _local
"""


@pytest.fixture(params=TUTORIALS, ids=lambda path: path.stem)
def tutorial(request):
    return request.param


@pytest.fixture
def notebook(tutorial):
    return nbformat.read(tutorial.with_suffix(".ipynb"), 4)


def test_all_are_there():
    assert [path.name[:2] for path in TUTORIALS] == NUMBERS


def run(tutorial, folder, **environment):
    """The tutorial, executed in this folder; a cell that closes the network comes first."""
    made = BUILD["read"](tutorial)
    made.cells.insert(0, nbformat.v4.new_code_cell(CLOSED))
    kept = {k: v for k, v in os.environ.items() if k not in ("MINIFCN_DATA", "MINIFCN_WEIGHTS")}
    fast = {"MINIFCN_FAST": "1", "PYTHONWARNINGS": "error::DeprecationWarning:__main__"}
    BUILD["execute"](made, folder, {**kept, **fast, **environment}, timeout=SECONDS)
    return made


@pytest.fixture(scope="session")
def runs(request, tmp_path_factory):
    """Folder and execution to come of every tutorial that is asked for, two at a time."""
    asked = {item.callspec.params["tutorial"] for item in request.session.items
             if item.name.startswith("test_runs_")}  # fmt: skip
    with ThreadPoolExecutor(2) as pool:
        started = {}
        for path in sorted(asked):
            folder = tmp_path_factory.mktemp(path.stem)
            started[path] = folder, pool.submit(run, path, folder)
        yield started
        pool.shutdown(cancel_futures=True)


def test_runs_and_every_hole_is_found_empty(tutorial, runs):
    folder, execution = runs[tutorial]
    made = execution.result()
    holes = [cell for cell in made.cells if "exercise" in cell.metadata.get("tags", ())]
    assert 2 <= len(holes) <= 4
    for hole in holes:
        assert text_of(hole).startswith("not yet: "), hole.source
        assert "# your lines" in hole.source
    assert not list(folder.iterdir()), "files are left behind"


def text_of(cell) -> str:
    """What the last output of a cell says."""
    return cell.outputs[-1].get("text") or cell.outputs[-1].data["text/plain"]


@pytest.mark.skipif("MINIFCN_WEIGHTS" not in os.environ, reason="wants MINIFCN_WEIGHTS")
def test_heat_maps_with_imagenet_weights(tmp_path):
    weights = os.environ["MINIFCN_WEIGHTS"]
    path = next(path for path in TUTORIALS if path.name.startswith("07"))
    made = run(path, tmp_path, MINIFCN_WEIGHTS=weights)
    assert pictures(made) > pictures(nbformat.read(path.with_suffix(".ipynb"), 4))


def pictures(notebook) -> int:
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    return sum("image/png" in output.get("data", {}) for output in outputs)


def test_the_notebook_is_the_tutorial_executed(tutorial, notebook):
    assert BUILD["cells"](notebook) == BUILD["cells"](BUILD["read"](tutorial))
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not [o for cell in code for o in cell.outputs if o.output_type == "error"]
    assert not [o for cell in code for o in cell.outputs if o.get("name") == "stderr"]
    assert sum(bool(cell.outputs) for cell in code) > len(code) / 3
    assert notebook.metadata.minifcn.seconds <= 90


def test_the_notebook_is_small(tutorial, notebook):
    assert tutorial.with_suffix(".ipynb").stat().st_size <= NOTEBOOK_BYTES
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            size = len(json.dumps(output))
            assert size <= OUTPUT_BYTES, f"{size} bytes of output: {cell.source[:80]}"


def test_every_picture_has_a_text_alternative(notebook):
    count = 0
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            for kind in ("image/png", "image/svg+xml"):
                if kind in output.get("data", {}):
                    alt = output.metadata[kind]["alt"]
                    assert len(alt.split()) >= 4, alt
                    count += 1
    assert count >= 2


def test_cells_are_short(tutorial):
    for cell in BUILD["read"](tutorial).cells:
        if cell.cell_type == "code":
            lines = [line for line in cell.source.splitlines() if line.strip()]
            assert len(lines) <= CELL_LINES, cell.source


def test_solutions_follow_their_holes(tutorial):
    code = [cell for cell in BUILD["read"](tutorial).cells if cell.cell_type == "code"]
    for hole, solution in pairwise(code):
        if "exercise" in hole.metadata.get("tags", ()):
            check = re.search(r"^(check_\w+)\(", hole.source, re.MULTILINE)[1]
            assert solution.source.strip() == f"{check}.solution()"
            assert "solution" in solution.metadata["tags"]


def test_titles_ask_and_recaps_link_to_files_that_exist(tutorial, notebook):
    assert BUILD["title"](notebook).endswith("?")
    assert BUILD["gain"](notebook)
    markdown = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    links = re.findall(r"\]\(([^)#:]+)\)", "\n".join(markdown))
    assert [link for link in links if link.startswith(("../minifcn/", "../kernels/"))]
    for link in links:
        assert (FOLDER / link).exists(), link


def test_only_the_package_and_what_it_brings_is_imported(tutorial):
    allowed = {"minifcn", "numpy", "numba", "sklearn", "PIL", "matplotlib", "IPython"}
    source = "\n".join(cell.source for cell in BUILD["read"](tutorial).cells
                       if cell.cell_type == "code")  # fmt: skip
    for node in ast.walk(ast.parse(source)):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module]
        for name in names:
            root = name.split(".")[0]
            assert root in allowed or root in sys.stdlib_module_names, name


def test_the_table_of_contents_is_current():
    text = (FOLDER / "README.md").read_text("utf-8")
    table = text.split(BUILD["MARKS"][0])[1].split(BUILD["MARKS"][1])[0].strip()
    assert table == BUILD["contents"]()
    pictures = re.findall(r'src="(pictures/[^"]+)"', table)
    assert len(pictures) == len(TUTORIALS)
    for picture in pictures:
        assert (FOLDER / picture).stat().st_size <= OUTPUT_BYTES


def headings(number: str) -> list[str]:
    """What stands over each slide of a tutorial; for slides without, that it is a picture."""
    (path,) = FOLDER.glob(f"{number}_*.ipynb")
    made = []
    for cell in nbformat.read(path, 4).cells:
        kind = cell.metadata.get("slideshow", {}).get("slide_type")
        made += ["(the picture)"] * (kind == "slide")
        found = re.search(r"^##? (.+)", cell.source, re.MULTILINE)
        if kind and cell.cell_type == "markdown" and found and made[-1] == "(the picture)":
            made[-1] = found[1]
    return made


def test_the_courses_name_slides_that_are_there():
    text = (FOLDER / "LECTURES.md").read_text("utf-8")
    rows = re.findall(r"^\| \[(\d\d)\]\(\S+\) \| (\d+ .+) \|$", text, re.MULTILINE)
    assert len(rows) >= 10
    for number, slides in rows:
        known = headings(number)
        for slide in slides.split(" · "):
            position, heading = slide.split(" ", 1)
            assert known[int(position) - 1] == heading, f"{number}: {slide}"


def test_the_first_tutorial_leads_to_all_others():
    text = TUTORIALS[0].read_text("utf-8")
    for path in TUTORIALS[1:]:
        assert f"({path.stem}.ipynb)" in text


def test_the_pages_link_to_files_that_exist():
    for page in ("README.md", "LECTURES.md"):
        for link in re.findall(r"\]\(([^)#:]+)\)", (FOLDER / page).read_text("utf-8")):
            assert (FOLDER / link).exists(), f"{page}: {link}"


def test_every_solution_passes_its_own_check(tutorial):
    source = "\n".join(cell.source for cell in BUILD["read"](tutorial).cells
                       if cell.cell_type == "code")  # fmt: skip
    found = re.findall(r"^(check_\w+)\(", source, re.MULTILINE)
    topics = re.findall(r"^from (minifcn\.teaching\.\w+) import", source, re.MULTILINE)
    checks = {name: thing for topic in topics
              for name, thing in vars(importlib.import_module(topic)).items()}  # fmt: skip
    assert 2 <= len(found) <= 4
    for name in found:
        verdict = checks[name](checks[name].answer)
        assert verdict, f"{name}: {verdict}"
