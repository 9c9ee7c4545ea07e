"""Markdown and code as HTML: nothing but what is wanted comes through."""

import base64
import sys
from html.parser import HTMLParser

import pytest
from lecture_cells import png

from minifcn.lectures.markup import Context, code, inline, markdown


@pytest.fixture
def context(tmp_path):
    return Context("03_made.ipynb, cell 4", tmp_path, frozenset({"03", "04"}))


def tags(html):
    found = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attributes: found.append((tag, dict(attributes)))
    parser.feed(html)
    return found


def test_a_first_heading_is_split_off(context):
    text = markdown("## The *first* `k` and $x^2$\n\nText.\n\n# Second\n\n#### Third", context)
    assert text.heading.startswith("The <em>first</em> <code>k</code> and <math")
    assert text.plain == "The first k and x^2"
    assert text.body == "<p>Text.</p>\n<h3>Second</h3>\n<h4>Third</h4>\n"


def test_without_a_heading_the_first_words_are_its_name(context):
    text = markdown("Some **bold**\nwords.\n\nMore.", context)
    assert (text.heading, text.plain) == ("", "Some bold words.")


def test_text_is_escaped(context):
    title, plain = inline('a < b & "c" \\<script>', context)
    assert title == "a &lt; b &amp; &quot;c&quot; &lt;script&gt;"
    assert plain == 'a < b & "c" <script>'
    assert "<b>" not in markdown("`<b>` and\n\n```\n<b>\n```", context).body


def test_tables_lists_and_formulas(context):
    text = "| a | b |\n|---|--:|\n| $x$ | 2 |\n\n1. one\n2. $$y$$\n\n$$\nz = 1\n$$"
    found = tags(markdown(text, context).body)
    names = [name for name, _ in found]
    assert names.count("td") == 2
    assert names.count("li") == 2
    displays = [attributes["display"] for name, attributes in found if name == "math"]
    assert displays == ["inline", "block", "block"]


def test_dollars_beside_digits_are_formulas_and_in_code_are_not(context):
    assert markdown(r"3$\times$3", context).body.count("<math") == 1
    assert markdown("`$x$`", context).body == "<p><code>$x$</code></p>\n"


def test_html_that_folds_and_raises_is_kept(context):
    source = (
        "<details>\n<summary>Why?</summary>\n\n**So.**\n\n</details>\n\n"
        "H<sub>2</sub>O<br>x<sup>2</sup> <!-- no --> end"
    )
    body = markdown(source, context).body
    assert [name for name, _ in tags(body)] == [
        "details", "summary", "p", "strong", "p", "sub", "br", "sup"
    ]  # fmt: skip
    assert "<!--" not in body


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "text <img src=x onerror=alert(1)>",
        '<details ontoggle="alert(1)">',
        "<div>\n\ntext\n\n</div>",
        "a <style>b",
        "<!-- --><b>",
        "<sub\nonclick=x>",
    ],
)
def test_other_html_is_refused(context, text):
    with pytest.raises(
        ValueError, match=r"03_made.ipynb, cell 4: HTML that slides do not take: <"
    ):
        markdown(text, context)


def test_links_to_the_web_to_slides_and_to_nowhere(context):
    source = (
        "[a](https://example.org/?x=1&y=2) [b](04_convolution.ipynb) [c](../minifcn/cli.py) "
        "[d](javascript:alert) [e](05_layers.ipynb) [*f*](./04_convolution.py)"
    )
    body = markdown(source, context).body
    found = [(name, a.get("href"), a.get("title")) for name, a in tags(body) if name != "p"]
    assert found == [
        ("a", "https://example.org/?x=1&y=2", None),
        ("a", "04_convolution.html", None),
        ("span", None, "../minifcn/cli.py"),
        ("span", None, "05_layers.ipynb"),
        ("a", "04_convolution.html", None),
        ("em", None, None),
    ]
    assert body.count("</a>") == 3
    assert "[d](javascript:alert)" in body


def test_pictures_become_part_of_the_page(context, tmp_path):
    (tmp_path / "a.png").write_bytes(base64.b64decode(png()))
    body = markdown('![two "blue" fields](a.png)', context).body
    ((_, attributes),) = [tag for tag in tags(body) if tag[0] == "img"]
    assert attributes == {"src": f"data:image/png;base64,{png()}", "alt": 'two "blue" fields'}


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("missing.png", "the picture missing.png is missing"),
        ("https://example.org/a.png", "beside the notebook"),
        ("//example.org/a.png", "beside the notebook"),
        ("/a.png", "beside the notebook"),
        ("secret.txt", "is no PNG, JPEG or SVG file"),
        ("attachment:a.png", "beside the notebook"),
    ],
)
def test_other_pictures_are_refused(context, source, reason):
    with pytest.raises(ValueError, match=f"03_made.ipynb, cell 4: .*{reason}"):
        markdown(f"![x]({source})", context)


def test_tex_that_cannot_be_read_names_the_cell(context):
    with pytest.raises(ValueError, match=r"03_made.ipynb, cell 4: TeX that cannot be read: \\foo"):
        markdown(r"Here $\foo$.", context)


def test_code_is_coloured_and_kept(context):
    html = code("def f(x):\n    return x < 1  # why")
    assert '<span class="k">def</span>' in html
    assert '<span class="c1"># why</span>' in html
    parser = HTMLParser()
    text = []
    parser.handle_data = text.append
    parser.feed(html)
    assert "".join(text) == "def f(x):\n    return x < 1  # why"
    assert code("<a>", "none-such") == "<code>&lt;a&gt;</code>"
    assert '<span class="k">int</span>' not in markdown("```\nint a;\n```", context).body
    assert '<span class="kt">int</span>' in markdown("```c++\nint a;\n```", context).body


@pytest.mark.parametrize("package", ["latex2mathml.converter", "pygments", "mdit_py_plugins"])
def test_a_missing_package_is_named_in_one_line(context, monkeypatch, package):
    from minifcn.lectures import markup

    markup._parser.cache_clear()
    for name in [name for name in sys.modules if name.split(".")[0] == package.split(".")[0]]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=r"pip install 'minifcn\[tutorials\]'"):
        markdown("$x$\n\n```python\nx\n```", context)
    markup._parser.cache_clear()
