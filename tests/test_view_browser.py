"""The page in a real browser: Debian's Chromium, driven by Playwright."""

from __future__ import annotations

import contextlib
import shutil

import numpy as np
import pytest

import wengert as wg
from wengert.view.graph import read
from wengert.view.layout import item_width, layout

playwright = pytest.importorskip("playwright.sync_api", reason="drives the browser: pip install playwright")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium found: apt-get install chromium")


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def show(browser, tmp_path):
    """Opens the page of Variables; at the end, nothing may have gone wrong in it or been asked of a network."""
    with contextlib.ExitStack() as stack:

        def show(*outputs, **options):
            path = wg.view(*outputs, path=tmp_path / "g.html", open_browser=False, **options).path
            page = browser.new_page(viewport={"width": 1100, "height": 700}, locale="en-GB")
            wrong, requests = [], []
            page.on("console", lambda m: wrong.append(m.text) if m.type in ("error", "warning") else None)
            page.on("pageerror", lambda e: wrong.append(str(e)))
            page.on("request", lambda r: requests.append(r.url))
            page.goto(path.as_uri())
            page.wait_for_selector("body[data-ready]", timeout=30_000)

            def check():
                page.close()
                assert wrong == []
                assert [url for url in requests if not url.startswith("data:")] == [path.as_uri()]

            stack.callback(check)
            return page

        yield show


def f(x):
    return np.square(np.exp(np.square(x)))


def test_step_to_the_end_and_back(show):
    x = wg.Variable(0.5, "x")
    y = f(x)
    y.backward()
    page = show(y)
    seen = []
    for _ in range(6):
        page.keyboard.press("ArrowRight")
        seen.append(page.inner_text("#step"))
    names = ["square", "exp", "square"]
    assert seen == [f"{k} / 6 forward: {n}" for k, n in enumerate(names, 1)] + [
        f"{k} / 6 backward: {n}" for k, n in enumerate(names, 4)
    ]
    assert page.is_disabled("#next")
    assert "gx = 2 * x * gy" in page.inner_text("#details")
    assert repr(x.grad.item()) in page.inner_text("#details")
    for _ in range(6):
        page.click("#back")
    assert page.inner_text("#step") == "Start"
    page.fill("#steps", "2")
    assert page.inner_text("#details h2") == "exp"
    assert page.locator("#shapes .now").count() == 1


def test_the_gradient_shown_is_the_engines(show):
    x = wg.Variable(np.array([0.1, 0.2, -0.3]), "x")
    y = np.sum(np.sin(x) * x)
    y.backward()
    page = show(y)
    page.click('[data-item="0"]')
    shown = page.inner_text("#grad").strip("[]").split(",")
    np.testing.assert_array_equal([float(t) for t in shown], x.grad)


def test_search_collapse_and_expand(show):
    y = wg.Variable(1.0, "x")
    for _ in range(3):
        with wg.name_scope("layer"):
            y = np.tanh(np.sin(y))
    page = show(y)
    assert page.locator("#shapes .call").count() == 6
    page.keyboard.press("c")
    assert page.locator("#shapes .group").count() == 3
    page.keyboard.press("/")
    page.keyboard.type("tanh")
    assert page.inner_text("#found") == "3 found"
    page.keyboard.press("Enter")
    assert page.locator("#shapes .group").count() == 2
    assert page.inner_text("#details h2") == "tanh"
    page.keyboard.press("Escape")
    page.keyboard.press("e")
    assert page.locator("#shapes .call").count() == 6
    page.keyboard.press("c")
    page.locator("#shapes .group").first.dblclick()
    assert page.locator("#shapes .group").count() == 2


def test_keys_dark_mode_and_korean(show):
    page = show(f(wg.Variable(0.5, "x")))
    theme = page.evaluate("document.documentElement.dataset.theme")
    page.keyboard.press("d")
    assert page.evaluate("document.documentElement.dataset.theme") != theme
    page.keyboard.press("l")
    page.keyboard.press("ArrowRight")
    assert "순전파" in page.inner_text("#step")
    assert page.evaluate("document.documentElement.lang") == "ko"
    words = page.evaluate("Object.values(WORDS).map((w) => Object.keys(w))")
    assert words[0] == words[1]
    before = page.evaluate("view.k")
    page.keyboard.press("-")
    assert page.evaluate("view.k") < before
    page.keyboard.press("0")
    page.keyboard.press("?")
    assert page.evaluate("document.getElementById('keys').open")
    page.keyboard.press("Escape")
    page.keyboard.press("ArrowUp")
    assert page.inner_text("#details h2") == "x"


def test_markup_is_text(show):
    name = "<script>alert(1)</script>"
    page = show(np.sin(wg.Variable(1.0, name)))
    assert page.locator("#shapes text").first.text_content() == "<script>alert(1)</s…"
    page.click('[data-item="0"]')
    assert page.inner_text("#details h2") == name


def test_large_arrays_are_summed_up(show):
    x = wg.Variable(np.random.default_rng(0).normal(size=(50, 60)), "x")
    page = show(np.sum(np.tanh(x)))
    page.click('[data-item="0"]')
    assert page.locator("#details canvas").count() == 2
    assert page.locator("#details .bars").count() == 2


def test_both_layouts_are_the_same(show):
    w, y = wg.Variable(np.eye(3), "w"), wg.Variable(np.ones(3), "x")
    for _ in range(12):
        y = np.tanh(w @ y + y)
    y = np.sum(y)
    graph = read(y)
    ours = layout([round(item_width(i.label), 1) for i in graph.items], graph.edges())
    page = show(y)
    theirs = page.evaluate("[drawn.x, drawn.y, drawn.ghosts.length]")
    np.testing.assert_allclose(theirs[0], ours.x, atol=1e-6)
    assert (theirs[1], theirs[2]) == (ours.y, len(ours.ghosts))


def test_a_thousand_and_twenty_thousand_nodes(show):
    y = wg.Variable(1.0, "x")
    for _ in range(500):
        y = np.sin(y) * 1.1
    page = show(y)
    assert page.locator("#shapes > g").count() > 2000
    assert page.evaluate("Number(document.body.dataset.ready)") < 2000  # 0.3 s on an idle machine
    for _ in range(9500):
        y = np.sin(y) * 1.1
    page = show(y)
    assert page.locator("#shapes > g").count() < 100
    page.keyboard.press("End")
    assert "40000 / 40000" in page.inner_text("#step")
    page.keyboard.press("ArrowLeft")
    page.locator("#shapes .group").first.dblclick()
    assert 10 < page.locator("#shapes > g").count() < 1000
