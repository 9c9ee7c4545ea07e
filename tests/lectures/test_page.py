"""Whole pages: what a lecture's file holds, the index, and equal bytes."""

import re
from xml.etree import ElementTree

import pytest
from lecture_cells import TITLE, code, made, markdown, png, result, stream, write

from minifcn.lectures import build
from minifcn.lectures.page import SIZES, _code_size


def lecture(folder, *cells, name="03_made.ipynb"):
    """The page of a notebook of these cells behind a title."""
    write(folder, markdown(TITLE, "slide"), *cells, name=name)
    return build(folder, numbers=[name[:2]]).files[f"{name[:-6]}.html"]


def slides(html):
    return re.findall(r'<section class="slide.*?</section>', html, re.DOTALL)


def test_equal_notebooks_give_equal_bytes(tmp_path):
    made(tmp_path)
    first, second = (build(tmp_path, tmp_path / name).files for name in ("a", "b"))
    assert first == second
    for name, text in first.items():
        assert (tmp_path / "a" / name).read_bytes() == text.encode()
        assert (tmp_path / "b" / name).read_bytes() == text.encode()
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == sorted(first)


def test_a_page_asks_for_nothing(tmp_path):
    made(tmp_path)
    for text in build(tmp_path).files.values():
        assert "default-src 'none'" in text
        addresses = re.findall(r'(?:src|href)="([^"]*)"', text)
        loaded = [
            a for a in addresses if not a.startswith(("data:", "https://example.org", "03_"))
        ]
        assert loaded == []
        assert not re.search(r"@import|url\(|<link (?!rel=\"icon\")|<iframe|<object", text)


def test_slides_have_names_and_numbers(tmp_path):
    made(tmp_path)
    found = slides(build(tmp_path).files["03_made.html"])
    names = [re.search('aria-label="([^"]*)"', slide)[1] for slide in found]
    assert names == [
        "How wide is a window?", "A formula &amp; a list", "Code", "Below a picture."
    ]  # fmt: skip
    assert [re.search(' id="([^"]*)"', slide)[1] for slide in found] == list("1234")
    assert "<span>2 / 4</span>" in found[1]


def test_the_title_slide(tmp_path):
    title, _ = slides(lecture(tmp_path, markdown("## A", "slide")))
    assert "<h1>How wide is a <em>window</em>?</h1>" in title
    assert "<p>As wide as <code>k</code>.</p>" in title


def test_tags_hide_code_or_outputs(tmp_path):
    cell = ("shown = 1", stream("printed"))
    html = lecture(
        tmp_path,
        code(*cell, mark="slide"),
        code(*cell, mark="slide", tags=["hide-input"]),
        code(*cell, mark="slide", tags=["hide-output"]),
    )
    seen = [("shown" in slide, "printed" in slide) for slide in slides(html)[1:]]
    assert seen == [(True, True), (False, True), (True, False)]


def test_blank_lines_are_few_on_slides(tmp_path):
    html = lecture(tmp_path, code("a\n\n\n\nb\n\nc\n    \n\n    d", stream("x"), mark="slide"))
    text = re.search('<pre class="code">(.*?)</pre>', html, re.DOTALL)[1]
    assert re.sub("<[^>]*>", "", text) == "a\n\nb\n\nc\n\n    d"


def test_pictures_of_a_cell_stand_side_by_side_where_they_fit(tmp_path):
    drawn = [result("a", image_png=png(300, 200)), result("b", image_png=png(300, 200))]
    wide = [result("c", image_png=png(600, 200)), result("d", image_png=png(600, 200))]
    html = lecture(
        tmp_path,
        code("draw()", *drawn, mark="slide"),
        code("draw()", *wide, mark="slide"),
        code("draw()", drawn[0], stream("between"), drawn[1], mark="slide"),
    )
    rows = [re.findall('<div class="pictures".*?</div>', slide) for slide in slides(html)[1:]]
    assert [[row.count("<img") for row in found] for found in rows] == [[2], [1, 1], [1, 1]]


def test_notes_belong_to_their_slide(tmp_path):
    made(tmp_path)
    html = build(tmp_path).files["03_made.html"]
    notes = dict(re.findall(r'Notes to slide (\d+)">\s*(.*?)\s*</aside>', html, re.DOTALL))
    assert notes == {
        "1": "<p>Welcome.</p>",
        "2": "<p>Say it slowly.</p>",
        "4": "<p>These are the last notes.</p>",
    }


def test_pages_are_well_formed(tmp_path):
    """Every element is closed: the slides parse as XML, once HTML's own short forms are."""
    made(tmp_path)
    for slide in slides(build(tmp_path).files["03_made.html"]):
        ElementTree.fromstring(re.sub(r"<(img|br)([^>]*)>", r"<\1\2/>", slide))


def test_code_is_as_large_as_fits():
    assert _code_size(("x = 1",), 0) == SIZES[0]
    assert _code_size((), 900) == SIZES[-1]
    sizes = [_code_size(("x" * width,), 0) for width in range(1, 100)]
    assert sorted(sizes, reverse=True) == sizes
    assert set(sizes) == set(SIZES)
    sizes = [_code_size(("x\n" * rows,), 0) for rows in range(1, 30)]
    assert sorted(sizes, reverse=True) == sizes
    assert set(sizes) == set(SIZES)


def test_the_index_lists_what_there_is(tmp_path):
    made(tmp_path)
    write(tmp_path, markdown("# 12 · Why *two*?"), markdown("x", "slide"), name="12_two.ipynb")
    index = build(tmp_path).files["index.html"]
    rows = re.findall("<tr><td.*?</tr>", index)
    assert [re.search('href="(.*?)">(.*?)</a>', row).groups() for row in rows] == [
        ("03_made.html", "How wide is a <em>window</em>?"),
        ("12_two.html", "Why <em>two</em>?"),
    ]
    assert [re.search('"count">(.*?)<', row)[1] for row in rows] == ["4", "2"]
    assert [png() in row for row in rows] == [True, False]
    assert "lectures.html" not in index


def test_the_lecturers_page(tmp_path):
    made(tmp_path)
    guide = "# A course\n\nWeek 1: [windows](03_made.ipynb).\n\n## Weeks\n\n$x$"
    (tmp_path / "LECTURES.md").write_text(guide, encoding="utf-8")
    files = build(tmp_path).files
    assert 'href="lectures.html"' in files["index.html"]
    text = files["lectures.html"]
    assert "<title>A course</title>" in text
    assert '<a href="03_made.html">windows</a>' in text
    assert "<h2>Weeks</h2>" in text
    (tmp_path / "LECTURES.md").write_bytes(b"\xff")
    with pytest.raises(ValueError, match=r"LECTURES.md: is no UTF-8 text"):
        build(tmp_path)


def test_some_numbers_leave_the_index_alone(tmp_path):
    made(tmp_path)
    write(tmp_path, markdown("# 12 · Why?"), markdown("x", "slide"), name="12_two.ipynb")
    assert set(build(tmp_path, numbers=["12"]).files) == {"12_two.html"}


def test_nothing_is_written_where_something_is_wrong(tmp_path):
    made(tmp_path)
    write(tmp_path, markdown("# 12 · Why?"), markdown("$\\foo$", "slide"), name="12_two.ipynb")
    with pytest.raises(ValueError, match=r"12_two.ipynb, cell 2: TeX that cannot be read: \\foo"):
        build(tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_html_in_titles_is_escaped_everywhere(tmp_path):
    write(tmp_path, markdown("# 12 · Is `<b>` < $x$?"), markdown("x", "slide"), name="12_a.ipynb")
    files = build(tmp_path).files
    assert "<title>12 · Is &lt;b&gt; &lt; x?</title>" in files["12_a.html"]
    assert 'aria-label="Is &lt;b&gt; &lt; x?"' in files["12_a.html"]
    assert "<b>" not in "".join(files.values())
