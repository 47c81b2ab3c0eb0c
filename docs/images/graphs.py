"""Takes the screenshots of three graphs beside this file, with Playwright and Chromium."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import sync_playwright

import wengert as wg

HERE = Path(__file__).parent


def first() -> Any:
    """The first example, after backward."""
    x = wg.Variable(0.5, "x")
    with wg.debug():
        y = np.square(np.exp(np.square(x)))
    y.name = "y"
    y.backward()
    return [y]


def network() -> Any:
    """Two layers and a loss, after backward. The page names layers and parameters by their paths in the network."""
    rng = np.random.default_rng(0)
    net = wg.nn.Sequential(wg.nn.Linear(16, 12, rng=rng), wg.nn.tanh, wg.nn.Linear(12, 1, rng=rng))
    x, target = rng.normal(size=(32, 16)), rng.normal(size=(32, 1))
    with wg.debug():  # notes the line of every call
        loss = np.mean(np.square(net(x) - target))
    loss.name = "loss"
    loss.backward()
    return loss, net  # held, because the page asks it for names


def tanh() -> Any:
    """tanh, of which the page draws the third derivative."""
    return [np.tanh(wg.Variable(1.0, "x"))]


# name: graph, options of `wg.view`, the keys to press before the picture is taken
PICTURES = {
    "graph-first": (first, {}, ["ArrowRight"] * 2),
    "graph-network": (network, {}, ["ArrowRight"] * 12),
    "graph-tanh": (tanh, {"order": 3}, ["0"]),
}


def draw(folder: Path) -> None:
    """Write one PNG for each picture."""
    with sync_playwright() as driver, tempfile.TemporaryDirectory() as temporary:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for name, (graph, options, keys) in PICTURES.items():
            page = browser.new_page(viewport={"width": 1100, "height": 720}, locale="en-GB", reduced_motion="reduce")
            y, *_held = graph()
            written = wg.view(y, path=Path(temporary) / "g.html", open_browser=False, **options)
            page.goto(written.path.as_uri())
            page.wait_for_selector("body[data-ready]")
            for key in keys:
                page.keyboard.press(key)
            page.screenshot(path=folder / f"{name}.png")
        browser.close()


if __name__ == "__main__":
    draw(HERE)
