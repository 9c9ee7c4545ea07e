"""The slides of every tutorial in a real browser: all fits, is readable, works offline."""

import itertools
import re
from pathlib import Path

import pytest
from lecture_browser import CONTRAST, SLIDE, chromium, number, opened

from minifcn import lectures

TUTORIALS = Path(__file__).resolve().parent.parent / "tutorials"
NAMES = sorted(path.stem for path in TUTORIALS.glob("[0-9][0-9]_*.ipynb"))

BOXES = """[...document.querySelectorAll(".slide")].filter((e) => e.checkVisibility())
  .map((e) => e.getBoundingClientRect().toJSON())"""

pytestmark = pytest.mark.skipif(not NAMES, reason="there are no executed tutorials here")


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder of all pages, and how many slides each has."""
    for name in ("latex2mathml", "markdown_it", "mdit_py_plugins", "pygments"):
        pytest.importorskip(name, reason="needs minifcn[tutorials]")
    folder = tmp_path_factory.mktemp("lectures")
    pages = lectures.build(TUTORIALS, folder).pages
    return folder, {page.lecture.path.stem: page.slides for page in pages}


@pytest.mark.parametrize("name", NAMES)
def test_a_tutorials_slides(browser, built, name):
    folder, slides = built
    count = slides[name]
    with opened(browser, folder / f"{name}.html") as page:
        wrong = _walk(page, count)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            found = page.evaluate(CONTRAST)
            assert found["pairs"] >= 3
            wrong += found["wrong"]
        pdf = page.pdf(prefer_css_page_size=True, print_background=True)
    assert not wrong, f"{name}:\n" + "\n".join(wrong)
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) == count


def _walk(page, count):
    """Go through all slides by key; what is wrong with the layout of each."""
    wrong = []
    for expected in range(1, count + 1):
        slide = page.evaluate(SLIDE)
        assert slide["numbers"] == [expected]
        assert page.url.endswith(f"#{expected}")
        wrong += [f"slide {expected}, {what}" for what in slide["wrong"]]
        for _ in range(1 + slide["fragments"]):
            page.keyboard.press("ArrowRight")
    assert number(page) == count  # beyond the last there is none
    return wrong


def test_without_scripts_all_slides_lie_one_below_the_other(browser, built):
    folder, slides = built
    with opened(browser, folder / "index.html", java_script_enabled=False) as page:
        for name, count in slides.items():
            page.goto((folder / f"{name}.html").as_uri())
            boxes = page.evaluate(BOXES)
            assert len(boxes) == count, name
            assert all(a["bottom"] < b["top"] for a, b in itertools.pairwise(boxes)), name
            assert all(box["left"] >= 0 and box["right"] <= 1280 for box in boxes), name


def test_the_index_leads_to_every_lecture(browser, built):
    folder, slides = built
    with opened(browser, folder / "index.html") as page:
        rows = page.locator("tbody tr")
        targets = [row.locator("a").get_attribute("href") for row in rows.all()]
        counts = [int(row.locator(".count").inner_text()) for row in rows.all()]
        assert dict(zip(targets, counts, strict=True)) == {f"{n}.html": slides[n] for n in slides}
        assert page.evaluate(CONTRAST)["wrong"] == []
        assert page.evaluate("[...document.images].every((image) => image.naturalWidth > 0)")
        for target in targets:
            assert (folder / target).is_file()
        page.click(f"a[href='{targets[-1]}']")
        assert number(page) == 1


def test_every_page_is_readable_in_both_schemes(browser, built):
    folder, _ = built
    articles = [path for path in folder.glob("*.html") if path.stem not in NAMES]
    assert "index" in {path.stem for path in articles}
    for path in articles:
        with opened(browser, path) as page:
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)
                assert page.evaluate(CONTRAST)["wrong"] == [], (path.stem, scheme)
