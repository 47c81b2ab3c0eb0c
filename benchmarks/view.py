"""Pages of graphs in a real browser: the size of the file, and the time until it can be used, and of a frame."""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import wengert as wg

from .harness import Target


def layers(count: int) -> Any:
    """Layers that share their weights: 6 nodes each."""
    w, y = wg.Variable(np.eye(3), "w"), wg.Variable(np.ones(3), "x")
    for _ in range(count):
        y = np.tanh(w @ y + 0.1)
    return np.sum(y)


def irregular(count: int, back: int = 2_000) -> Any:
    """Operations drawn at random, on results drawn at random from the latest: nothing repeats."""
    rng = np.random.default_rng(0)
    made = [wg.Variable(rng.uniform(0.5, 1.5), f"v{k}") for k in range(5)]
    for _ in range(count):
        x, y = (made[i] for i in rng.integers(max(0, len(made) - back), len(made), 2))
        made.append([np.sin, np.cos, np.tanh, lambda v, y=y: v * y, lambda v, y=y: v - y][rng.integers(5)](x))
    return sum(made[-back:])


GRAPHS: dict[str, Callable[[], Any]] = {
    "a network of 1,000 nodes": lambda: layers(166),
    "a parameter used 150 times": lambda: layers(150),
    "a network of 10,000 nodes": lambda: layers(1_666),
    "20,000 nodes without a pattern": lambda: irregular(11_500),
}

FRAMES = """async () => {
  const frame = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))), times = {};
  const acts = {
    expand: () => allGroups(false), layout: () => layout(shown.map((s) => s.width), wires.map((w) => [w.from, w.to])),
    fit, pan: () => { view.x += 40; look(); }, zoom: () => zoom(1.3), step: () => goTo(7),
  };
  for (const name in acts) {
    const start = performance.now();
    acts[name]();
    if (name !== "layout") await frame();
    times[name] = performance.now() - start;
  }
  return times;
}"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare what `python -m benchmarks view` takes."""
    parser.add_argument("--rounds", type=int, default=5, help="how often each page is opened (default: %(default)s)")


def run(options: argparse.Namespace) -> None:
    """Print a table. Two frames pass before an action counts as done: 33 ms where nothing is slow."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise SystemExit("view: needs Playwright: pip install playwright") from None
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    names = ["write s", "kB", "ready ms", "expand", "layout", "fit", "pan", "zoom", "step"]
    print(f"{'graph':<32}" + "".join([f"{n:>10}" for n in names]))
    with sync_playwright() as driver, tempfile.TemporaryDirectory() as folder:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for name, make in GRAPHS.items():
            y = make()
            start = time.perf_counter()
            path = wg.view(y, path=Path(folder) / "graph.html", open_browser=False).path
            written, size, rounds = time.perf_counter() - start, path.stat().st_size, []
            for _ in range(options.rounds):
                page = browser.new_page(viewport={"width": 1100, "height": 700})
                page.goto(path.as_uri())
                page.wait_for_selector("body[data-ready]")
                ready = page.evaluate("Number(document.body.dataset.ready)")
                rounds.append({"ready": ready, **page.evaluate(FRAMES)})
                page.close()
            medians = {key: statistics.median([r[key] for r in rounds]) for key in rounds[0]}
            print(f"{name:<32}{written:>10.2f}{size / 1e3:>10.0f}" + "".join([f"{t:>10.0f}" for t in medians.values()]))
            if name == next(iter(GRAPHS)):
                targets = [
                    Target("1,000 nodes: at most 150 kB", 150_000, size),
                    Target("1,000 nodes: interactive within 500 ms", 500, medians["ready"]),
                ]
        browser.close()
    for target in targets:
        print(f"{target.text:<45} {target.measured:>10,.0f}  {target.verdict}")
