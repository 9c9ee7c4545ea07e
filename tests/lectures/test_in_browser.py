"""A made lecture in a real browser: keys, mouse, swipes, windows, print."""

import re

import pytest
from lecture_browser import CONTRAST, chromium, layout, number, opened
from lecture_cells import code, made, markdown, result, write

from minifcn import lectures

COUNT = 4


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def slides(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    made(folder)
    built = lectures.build(folder, folder / "out")
    assert [page.slides for page in built.pages] == [COUNT]
    return folder / "out" / "03_made.html"


@pytest.fixture
def page(browser, slides):
    with opened(browser, slides) as page:
        yield page


def press(page, *keys):
    for key in keys:
        page.keyboard.press(key)


def shown_fragments(page):
    return page.locator(".current .fragment.shown").count()


def visible(page, selector):
    return [e for e in page.locator(selector).all() if e.is_visible()]


def scheme(page):
    return page.evaluate("getComputedStyle(document.body).backgroundColor")


def test_every_slide_fits(page):
    for slide in range(1, COUNT + 1):
        press(page, str(slide), "Enter")
        assert number(page) == slide
        assert layout(page) == []


def test_what_does_not_fit_is_found(browser, tmp_path):
    long = "\n\n".join(["## Too much", *("A line of text." for _ in range(14))])
    wide = "## Too wide\n\n```\n" + "x" * 130 + "\n```"
    tall = markdown("## A picture\n\n" + "\n\n".join(["Text."] * 9), "slide")
    drawn = result(image_svg='<svg xmlns="http://www.w3.org/2000/svg" width="640" height="480"/>')
    title = markdown("# 03 · Made\n\nIt is.", "slide")
    cells = [title, markdown(long, "slide"), markdown(wide, "slide"), tall]
    write(tmp_path, *cells, code("draw()", drawn, mark="-", tags=["hide-input"]))
    lectures.build(tmp_path, tmp_path)
    with opened(browser, tmp_path / "03_made.html") as page:
        found = []
        for _ in range(4):
            found.append(layout(page))
            press(page, "ArrowRight")
    assert found[0] == []
    assert re.fullmatch(r"Too much: \d+ pixels too high", found[1][0])
    assert re.fullmatch(r"Too wide: \d+ pixels too wide", found[2][0])
    assert re.fullmatch(r"A picture: \d+ pixels too high", found[3][0])


def test_keys_walk_forward_and_back(page):
    for key in ("ArrowRight", " ", "PageDown"):
        press(page, "Home", key)
        assert number(page) == 2
    for expected in (1, 2):  # this slide's fragments come one by one
        press(page, "ArrowRight")
        assert (number(page), shown_fragments(page)) == (2, expected)
    press(page, "ArrowRight")
    assert number(page) == 3
    press(page, "ArrowLeft")
    assert (number(page), shown_fragments(page)) == (2, 2)
    press(page, "PageUp")
    assert (number(page), shown_fragments(page)) == (2, 1)
    press(page, "End")
    assert number(page) == COUNT
    press(page, "ArrowRight")
    assert number(page) == COUNT
    press(page, "Home", "ArrowLeft")
    assert number(page) == 1


def test_fragments_keep_their_place(page):
    press(page, "2", "Enter")
    before = page.locator(".current footer").bounding_box()
    first, second = page.locator(".current .fragment p").all()
    assert not first.is_visible()
    press(page, "ArrowRight")
    assert first.is_visible()
    assert not second.is_visible()
    assert page.locator(".current footer").bounding_box() == before


def test_the_address_keeps_the_slide(browser, slides, page):
    press(page, "End")
    assert page.url.endswith(f"#{COUNT}")
    page.reload()
    assert number(page) == COUNT
    page.evaluate("location.hash = '#2'")
    assert number(page) == 2
    for fragment, expected in (("#3", 3), ("#99", COUNT), ("#0", 1), ("#x", 1)):
        with opened(browser, slides, fragment) as other:
            assert number(other) == expected


def test_typed_numbers_are_shown_and_can_be_taken_back(page):
    press(page, "9", "3")
    assert page.locator("#typed").inner_text() == "93"
    press(page, "Backspace", "Backspace", "3", "Enter")
    assert number(page) == 3
    assert not page.locator("#typed").is_visible()


def test_the_screen_reader_is_told_where_it_is(page):
    press(page, "ArrowRight")
    status = page.locator("[aria-live]")
    assert status.text_content() == f"Slide 2 of {COUNT}: A formula & a list"
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == (
        "A formula & a list"
    )


def test_overview_leads_to_a_slide(page):
    press(page, "Escape")
    tiles = visible(page, ".slide")
    assert len(tiles) == COUNT
    boxes = [tile.bounding_box() for tile in tiles]
    assert all(240 < box["width"] < 320 for box in boxes)
    assert len({(box["x"], box["y"]) for box in boxes}) == COUNT
    press(page, "ArrowRight", "Enter")
    assert number(page) == 2
    press(page, "o")
    page.locator(".page").nth(3).click()
    assert number(page) == 4


def test_notes_are_shown_with_their_slide_only(page):
    assert visible(page, ".notes") == []
    press(page, "ArrowRight", "s")
    assert [e.inner_text() for e in visible(page, ".notes")] == ["Say it slowly."]
    box = page.locator(".current .slide").bounding_box()
    notes = page.locator(".current .notes").bounding_box()
    assert box["y"] + box["height"] <= notes["y"] + 1
    assert notes["y"] + notes["height"] <= 721
    press(page, "End")
    assert [e.inner_text() for e in visible(page, ".notes")] == ["These are the last notes."]
    press(page, "s")
    assert visible(page, ".notes") == []


def test_a_second_window_goes_along(page):
    press(page, "ArrowRight")
    with page.expect_popup() as opening:
        press(page, "w")
    second = opening.value
    second.wait_for_function("document.querySelector('.speaker .current .slide').id === '2'")
    assert [e.inner_text() for e in visible(second, ".notes")] == ["Say it slowly."]
    assert [e.get_attribute("id") for e in visible(second, ".slide")] == ["2", "3"]
    assert re.fullmatch(r".*\d+:\d\d.*, 0 min", second.locator("#clock").inner_text())
    press(page, "ArrowRight")
    second.wait_for_function("document.querySelectorAll('.current .shown').length === 1")
    press(second, "End")
    page.wait_for_function("document.querySelector('.current .slide').id === '4'")
    assert number(page) == 4


def test_both_schemes_by_setting_and_by_key(page):
    seen = []
    for setting in ("light", "dark"):
        page.emulate_media(color_scheme=setting)
        seen.append(scheme(page))
    assert len(set(seen)) == 2
    assert page.evaluate(CONTRAST)["wrong"] == []
    press(page, "d")
    assert scheme(page) == seen[0]
    assert page.evaluate(CONTRAST)["wrong"] == []
    press(page, "d")
    assert scheme(page) == seen[1]


def test_poor_contrast_is_found(page):
    page.evaluate("document.querySelector('.slide h2').style.color = '#999'")
    (wrong,) = page.evaluate(CONTRAST)["wrong"]
    assert wrong.startswith("A formula & a list: rgb(153, 153, 153)")


def test_help_lists_every_key(page):
    press(page, "?")
    keys = page.locator("dialog kbd").all_inner_texts()
    assert {"→", "←", "Home", "End", "Enter", "o", "s", "w", "d", "f", "p", "?"} <= set(keys)
    press(page, "Escape")
    assert not page.locator("dialog").is_visible()
    assert number(page) == 1  # Escape closed it, and nothing else


def test_a_folded_answer_opens_by_key_and_keeps_the_slide(page):
    press(page, "End")
    page.locator("summary").focus()
    press(page, " ")
    assert number(page) == COUNT
    assert page.locator("details").get_attribute("open") is not None
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"


def test_mouse_on_the_margins_and_on_the_buttons(page):
    page.mouse.click(1270, 300)
    assert number(page) == 2
    page.mouse.click(640, 600)
    assert number(page) == 2  # there text may be marked
    page.mouse.click(10, 300)
    assert number(page) == 1
    page.mouse.move(600, 400)
    page.locator("[data-do=next]").click()
    assert number(page) == 2


def test_swipes(browser, slides):
    with opened(browser, slides, has_touch=True) as page:
        session = page.context.new_cdp_session(page)

        def swipe(x, to, y=400):
            for kind, points in (("Start", [x]), ("Move", [to]), ("End", [])):
                points = [{"x": x, "y": y} for x in points]
                event = {"type": f"touch{kind}", "touchPoints": points}
                session.send("Input.dispatchTouchEvent", event)

        swipe(900, 300)
        assert number(page) == 2
        swipe(300, 900)
        assert number(page) == 1
        swipe(300, 320)
        assert number(page) == 1


def test_slides_fill_windows_of_any_shape(page):
    for width, height in ((640, 480), (1920, 1080), (400, 800)):
        page.set_viewport_size({"width": width, "height": height})
        press(page, "2", "Enter")
        box = page.locator(".current .slide").bounding_box()
        scale = min(width / 1280, height / 720)
        assert abs(box["width"] - 1280 * scale) < 1
        assert abs(box["height"] - 720 * scale) < 1
        assert box["y"] == pytest.approx((height - box["height"]) / 2, abs=1)


def pages_of(pdf):
    return len(re.findall(rb"/Type\s*/Page\b", pdf))


@pytest.mark.parametrize("keys", ["", "p", "o", "d", "2"])
def test_print_has_a_page_a_slide_whatever_is_shown(page, keys):
    press(page, *keys, *(["Enter"] if keys.isdigit() else []))
    assert pages_of(page.pdf(prefer_css_page_size=True)) == COUNT


def test_print_with_notes_puts_them_below(page):
    plain = page.pdf(prefer_css_page_size=True)
    press(page, "s")
    noted = page.pdf(prefer_css_page_size=True)
    assert pages_of(noted) == COUNT
    sizes = [set(re.findall(rb"/MediaBox\s*\[([^\]]*)\]", pdf)) for pdf in (plain, noted)]
    assert all(len(size) == 1 for size in sizes)
    (_, _, width, height), (_, _, width_noted, height_noted) = (
        map(float, size.pop().split()) for size in sizes
    )
    assert width == width_noted == 960  # points
    assert height == 540
    assert height_noted > 1200
    page.emulate_media(media="print")
    assert len(visible(page, ".notes")) == 3


def test_print_view_shows_all_slides_and_comes_back(page):
    press(page, "p")
    assert len(visible(page, ".slide")) == COUNT
    assert visible(page, ".notes") == []
    press(page, "s")
    assert len(visible(page, ".notes")) == 3
    press(page, "s", "p")
    assert number(page) == 1


def test_no_motion_where_it_is_not_wanted(browser, slides):
    animation = "getComputedStyle(document.querySelector('.current .slide')).animationName"
    for wish, expected in (("reduce", "none"), ("no-preference", "appear")):
        with opened(browser, slides, reduced_motion=wish) as page:
            assert page.evaluate(animation) == expected
