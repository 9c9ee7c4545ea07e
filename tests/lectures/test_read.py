"""Notebooks: what is a slide, what is notes, and what is refused in one line."""

import json

import pytest
from lecture_cells import TITLE, code, markdown, stream, write

from minifcn.lectures.read import notebooks, read_lecture

SLIDE = markdown("## A slide", "slide")


def read(tmp_path, *cells, **options):
    return read_lecture(write(tmp_path, *cells, **options))


def texts(parts):
    return [part.text for part in parts]


def test_marks_say_what_is_on_which_slide(tmp_path):
    lecture = read(
        tmp_path,
        markdown(TITLE),
        markdown("unmarked"),
        markdown("## One", "slide"),
        code("1 + 1", stream("2"), mark="-", tags=["hide-input"]),
        code("unmarked()"),
        markdown("later", "fragment"),
        markdown("skipped", "skip"),
        markdown("## Two", "subslide"),
    )
    assert [texts(slide.parts) for slide in lecture.slides] == [
        ["As wide as `k`."],
        ["## One", "1 + 1", "later"],
        ["## Two"],
    ]
    one = lecture.slides[1].parts
    assert [part.fragment for part in one] == [False, False, True]
    assert [part.code for part in one] == [False, True, False]
    assert one[1].tags == {"hide-input"}
    assert one[1].outputs[0]["text"] == "2"


def test_notes_are_said_and_not_shown(tmp_path):
    lecture = read(
        tmp_path,
        markdown(TITLE + "\n\nFor readers.\n\n<!-- notes -->\nWelcome.", "slide"),
        markdown("## One\n\nShown.\n  <!-- notes -->  \nSaid.\n\nAgain.", "slide"),
        markdown("Said last.", "notes"),
        markdown("<!-- notes -->\nOnly said.", "-"),
    )
    title, one = lecture.slides
    assert texts(title.parts) == ["As wide as `k`."]
    assert texts(title.notes) == ["Welcome."]
    assert texts(one.parts) == ["## One\n\nShown."]
    assert texts(one.notes) == ["Said.\n\nAgain.", "Said last.", "Only said."]


def test_the_title_is_that_of_the_first_markdown_cell(tmp_path):
    lecture = read(tmp_path, code("import math"), markdown(TITLE), SLIDE, code("1", stream("1")))
    assert (lecture.number, lecture.title.text) == ("03", "How wide is a *window*?")
    assert lecture.page == "03_made.html"
    assert len(lecture.slides) == 2


def test_text_may_be_lines(tmp_path):
    cell = markdown("", "slide") | {"source": ["## A\r\n", "\r\n", "b"]}
    assert texts(read(tmp_path, markdown(TITLE), cell).slides[1].parts) == ["## A\n\nb"]


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ([], "03_made.ipynb: has no Markdown cell"),
        ([markdown("Text.")], r"cell 1: begins with 'Text.', not with \"# NN · Title\""),
        ([markdown("# 04 · Other")], "cell 1: the title's number is 04, not the file's"),
        ([markdown(TITLE), markdown("text")], 'no cell is marked "slide"'),
        ([markdown(TITLE), markdown("x", "new")], "cell 2: slide_type 'new' is none of slide, "),
        ([markdown(TITLE), SLIDE, code("1")], "was not executed: none of 1 code cells"),
        ([markdown(TITLE), code("1", stream("1"), mark="notes")], "cell 2: a code cell cannot"),
        ([markdown(TITLE), {"cell_type": "code"}], "cell 2: is no cell of nbformat 4"),
        ([markdown(TITLE), ["a"]], "cell 2: is no cell of nbformat 4"),
        ([markdown(TITLE), markdown("x", ["slide"])], "cell 2: slide_type"),
        ([markdown(TITLE), markdown(3, "slide")], "cell 2: is no cell of nbformat 4"),
        ([markdown(TITLE), markdown("x") | {"cell_type": "other"}], "cell 2: is no cell"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(tmp_path, cells, reason):
    path = write(tmp_path, *cells)
    with pytest.raises(ValueError, match=reason) as error:
        read_lecture(path)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "its JSON does not read"),
        (b'{"cells": [', "its JSON does not read"),
        (b"\xff\xfe", "its JSON does not read"),
        (b"[" * 100_000, "its JSON does not read"),
        (b"[]", "no notebook of nbformat 4"),
        (b'{"cells": {}, "nbformat": 4}', "no notebook of nbformat 4"),
        (json.dumps({"worksheets": [], "nbformat": 3}).encode(), "no notebook of nbformat 4"),
    ],
)
def test_files_that_are_no_notebooks(tmp_path, content, reason):
    path = tmp_path / "03_made.ipynb"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=reason):
        read_lecture(path)


def test_the_tutorials_of_a_folder_in_order(tmp_path):
    for name in ("10_b.ipynb", "02_a.ipynb", "draft.ipynb", "2_c.ipynb", "02_a.py"):
        (tmp_path / name).touch()
    assert [path.name for path in notebooks(tmp_path)] == ["02_a.ipynb", "10_b.ipynb"]
    assert [path.name for path in notebooks(tmp_path, ["10"])] == ["10_b.ipynb"]
    with pytest.raises(ValueError, match="no tutorial 04; there are: 02, 10"):
        notebooks(tmp_path, ["02", "04"])
    (tmp_path / "10_a.ipynb").touch()
    with pytest.raises(ValueError, match=r"10_a.ipynb and 10_b.ipynb have one number"):
        notebooks(tmp_path)
    with pytest.raises(ValueError, match="no such folder"):
        notebooks(tmp_path / "other")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="no tutorial there"):
        notebooks(tmp_path / "empty")
