"""Outputs of cells: text as a terminal shows it, pictures whole, solutions left out."""

import base64
from pathlib import Path

import pytest
from lecture_cells import png, result, stream

from minifcn.lectures.markup import Context, Text
from minifcn.lectures.outputs import GROWTH, WIDTH, Picture, pictures, shown
from minifcn.lectures.read import Part

SVG = '<svg xmlns="http://www.w3.org/2000/svg" {}><script>alert(1)</script></svg>'


def of(*outputs):
    where = "03_made.ipynb, cell 4"
    return shown(Part(where, "f()", True, outputs), Context(where, Path()))


def test_text_in_order_and_joined():
    plain = {"text/plain": "3"}
    value = {"output_type": "execute_result", "data": plain, "metadata": {}}
    assert of(stream("one\n"), stream(["two\n"]), value) == ["one\ntwo\n3"]
    assert of(stream("  \n")) == []
    assert of() == []


def test_text_is_what_a_terminal_shows_in_the_end():
    assert of(stream("10%\r50%\r100%\r\ndone")) == ["100%\ndone"]
    assert of(stream("\x1b[31mred\x1b[0m  \nend")) == ["red\nend"]


def test_an_error_is_its_last_line():
    error = {"output_type": "error", "ename": "ValueError", "evalue": "no", "traceback": ["a"]}
    assert of(error) == ["ValueError: no"]


def test_pictures_have_size_and_words():
    (picture,) = of(result("a field", image_png=png(300, 200), text_plain="x"))
    assert picture == Picture(f"data:image/png;base64,{png(300, 200)}", 300, 200, "a field")
    assert picture.ratio == 1.5


@pytest.mark.parametrize(
    ("attributes", "size"),
    [
        ('width="300" height="200px"', (300, 200)),
        ('width="3in" height="72pt"', (288, 96)),
        ('viewBox="0 0 30 20"', (30, 20)),
        ('width="100%" viewBox="0, 0, 30, 20"', (30, 20)),
    ],
)
def test_drawings_are_pictures_that_run_nothing(attributes, size):
    text = SVG.format(attributes)
    (picture,) = of(result("a graph", image_svg=text.split("|")))
    assert (picture.width, picture.height) == size
    kind, _, data = picture.source.partition(";base64,")
    assert kind == "data:image/svg+xml"
    assert base64.b64decode(data).decode() == text
    assert "<script" not in pictures([picture], "")


def test_solutions_are_left_out_and_other_html_is_its_text():
    assert of(result(text_html="<details><summary>s</summary></details>", text_plain="s")) == []
    assert of(result(text_html="<b>x</b>", text_plain="x")) == ["x"]


def test_markdown_is_rendered():
    (text,) = of(result(text_markdown="The *mean* is 3.", text_plain="x"))
    assert isinstance(text, Text)
    assert text.body == "<p>The <em>mean</em> is 3.</p>\n"


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        (result(image_png="AAAA"), "is no PNG"),
        (result(image_png="no base64!"), "is no PNG"),
        (result(image_png=png()[:20]), "is no PNG"),
        (result(image_svg="<svg"), "is no SVG with a size"),
        (result(image_svg="<html/>"), "is no SVG with a size"),
        (result(image_svg=SVG.format('width="100%"')), "is no SVG with a size"),
        (result(image_svg=SVG.format('viewBox="0 0 0 0"')), "is no SVG with a size"),
        ({"output_type": "stream"}, "an output is damaged"),
        ({"output_type": "display_data", "data": []}, "an output is damaged"),
        ({"data": {}}, "an output is damaged"),
    ],
)
def test_what_is_damaged_names_the_cell(output, reason):
    with pytest.raises(ValueError, match=f"^03_made.ipynb, cell 4: .*{reason}"):
        of(output)


def test_pictures_side_by_side_share_the_width():
    row = [Picture("data:,a", 800, 400, "a"), Picture("data:,b", 400, 400, 'b "c" <d>')]
    html = pictures(row, "none")
    assert f"--height:{WIDTH / 3 / 16:.3f}rem;--ratio:3.0000" in html
    assert 'style="flex-grow:2.0000"' in html
    assert 'alt="b &quot;c&quot; &lt;d&gt;"' in html
    small = pictures([Picture("data:,", 160, 80, "")], "its slide's name")
    assert f"--height:{GROWTH * 80 / 16:.3f}rem" in small
    assert 'alt="its slide&#x27;s name"' in small
