"""Slides in a real browser: Chromium without a window, and without a network."""

import contextlib
import shutil

import pytest

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")

# The slides that are shown (it must be one), what is wrong with the layout of the first, in
# sentences, and how many of its fragments are still to come.
SLIDE = """() => {
  const wrong = [];
  const all = [...document.querySelectorAll(".slide")].filter((e) => e.checkVisibility());
  const slide = all[0];
  const body = slide.querySelector(".body");
  const stage = slide.getBoundingClientRect();
  for (const box of [slide, body]) {
    const high = box.scrollHeight - box.clientHeight, wide = box.scrollWidth - box.clientWidth;
    if (high > 1) wrong.push(`${high} pixels too high`);
    if (wide > 1) wrong.push(`${wide} pixels too wide`);
  }
  for (const e of slide.querySelectorAll("p, li, td, th, pre, h1, h2, h3, img, math, summary")) {
    const box = e.getBoundingClientRect();
    if (box.right > stage.right + 1 || box.left < stage.left - 1)
      wrong.push(`<${e.localName}> beyond the margin`);
    if (e.localName === "img") {
      if (!e.complete || !e.naturalWidth) wrong.push("a picture that does not load");
      if (box.height < 40 || box.width < 60) wrong.push("a picture too small to see");
      continue;
    }
    const size = parseFloat(getComputedStyle(e).fontSize), least = e.localName === "pre" ? 18 : 28;
    if (!e.closest("math *, footer") && size * 1280 / stage.width < least - 0.01)
      wrong.push(`<${e.localName}> of ${size} pixels`);
  }
  const name = slide.getAttribute("aria-label");
  return {
    numbers: all.map((e) => Number(e.id)),
    wrong: [...new Set(wrong)].map((what) => `${name}: ${what}`),
    fragments: slide.querySelectorAll(".fragment:not(.shown)").length,
  };
}"""

# The texts of the whole page whose colour is too near to what they stand on: a list of sentences.
CONTRAST = """() => {
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const luminance = (colour) => {
    const [r, g, b] = numbers(colour).map((v) => v / 255)
      .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (e) => {
    for (; e; e = e.parentElement) {
      const colour = getComputedStyle(e).backgroundColor;
      if (numbers(colour)[3] !== 0) return colour;
    }
    throw new Error("no background");
  };
  const found = new Map();
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const e = walk.currentNode.parentElement;
    if (!walk.currentNode.data.trim() || e.closest("script, style")) continue;
    const pair = [getComputedStyle(e).color, behind(e)];
    if (!found.has(pair.join())) found.set(pair.join(), [...pair, walk.currentNode.data.trim()]);
  }
  const wrong = [];
  for (const [text, ground, words] of found.values()) {
    const [low, high] = [luminance(text), luminance(ground)].sort((a, b) => a - b);
    const ratio = (high + 0.05) / (low + 0.05);
    if (!(ratio >= 4.5)) wrong.push(`${words}: ${text} on ${ground}, ${ratio.toFixed(2)}`);
  }
  return { wrong, pairs: found.size };
}"""


@contextlib.contextmanager
def chromium():
    """The browser. Skips the test where Playwright or a Chromium is missing."""
    api = pytest.importorskip("playwright.sync_api", reason="needs minifcn[browser]")
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        pytest.skip("needs a Chromium")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextlib.contextmanager
def opened(browser, path, fragment="", **options):
    """A page from the disk, its window 1280x720. What it says on the console, or asks of the
    network, fails the test in the end."""
    options = {"viewport": {"width": 1280, "height": 720}, "reduced_motion": "reduce", **options}
    context = browser.new_context(**options)
    wrong = []

    def refuse(route):
        wrong.append(f"a request for {route.request.url}")
        route.abort()

    def listen(page):
        page.on("console", lambda message: wrong.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: wrong.append(str(error)))

    context.route(lambda url: not url.startswith(("file:", "data:", "about:")), refuse)
    context.on("page", listen)
    page = context.new_page()
    page.set_default_timeout(10_000)
    page.goto(path.resolve().as_uri() + fragment)
    yield page
    context.close()
    assert wrong == []


def number(page):
    """The number of the slide that is shown, after a check that there is just one."""
    (shown,) = page.evaluate(SLIDE)["numbers"]
    return shown


def layout(page):
    """What is wrong with the layout of the slide that is shown."""
    return page.evaluate(SLIDE)["wrong"]
