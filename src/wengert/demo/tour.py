"""The tour of `wengert demo`: computes in the modules beside this one, and tells what came out."""

from __future__ import annotations

import inspect
from pathlib import Path

import numpy as np

import wengert as wg

from . import network
from .derivatives import f, four_ways, tanh_closed_forms, tanh_derivatives
from .descent import descend, newton
from .plot import NAMES, png, text_images, text_plot
from .screen import Screen, open_screen
from .training import Training


def tour(out: Path) -> None:
    """Run all five steps; files go to the folder `out`, which exists."""
    screen = open_screen()
    screen.text(f"wengert {wg.__version__}: a tour of plain NumPy code and its derivatives, in five steps")
    show_four_ways(screen)
    show_tanh(screen, out)
    show_newton(screen)
    show_descent(screen)
    training = show_network(screen)
    write_pages(screen, out, training)


def show_four_ways(screen: Screen) -> None:
    screen.heading("1. The derivative of exp(x**2)**2 at x = 0.5")
    found = four_ways(0.5)
    *_, exact = found.values()
    rows = [[how, f"{value!r}", f"{abs(value - exact):.1e}"] for how, value in found.items()]
    screen.table(["computed by", "derivative", "difference"], rows)


def show_tanh(screen: Screen, out: Path) -> None:
    screen.heading("2. tanh and its first four derivatives")
    x = np.linspace(-4, 4, 801)
    curves, exact = tanh_derivatives(x, 4), tanh_closed_forms(x, 4)
    rows = [
        [name, f"{y.min():.4f}", f"{y.max():.4f}", f"{np.max(np.abs(y - z)):.1e}"]
        for name, y, z in zip(NAMES, curves, exact, strict=True)
    ]
    screen.table(["derivative", "smallest", "largest", "error, against the closed form"], rows)
    try:
        png(x, curves, out / "tanh.png")
        screen.text(f"\nPicture: {out / 'tanh.png'}")
    except ImportError:
        picture = text_plot(x, curves)
        (out / "tanh.txt").write_text(picture + "\n", encoding="ascii")
        screen.text(f"\n{picture}\n\n0 is tanh, 1 to 4 its derivatives. The same text: {out / 'tanh.txt'}")
        screen.text("For a PNG instead: pip install matplotlib")


def show_newton(screen: Screen) -> None:
    screen.heading("3. Newton's method on x**4 - 2*x**2, with second derivatives")
    rows = [[str(i), *[f"{v:.10f}" for v in values]] for i, values in enumerate(newton(2.0, 7))]
    screen.table(["step", "x", "f(x)", "f'(x)", "f''(x)"], rows)


def show_descent(screen: Screen) -> None:
    screen.heading("4. Gradient descent on 100*(y - x**2)**2 + (1 - x)**2, minimum at (1, 1)")
    shown = (0, 10, 100, 1_000, 10_000, 30_000)
    rows = [
        [f"{step:,}", f"{x:.6f}", f"{y:.6f}", f"{z:.2e}"] for step, x, y, z in descend(0.001, 30_000) if step in shown
    ]
    screen.table(["step", "x", "y", "value"], rows)


def show_network(screen: Screen) -> Training:
    screen.heading("5. A network that reads handwritten digits")
    training = Training()
    screen.text(
        f"UCI optical digits: {len(training.train):,} images to learn from, {len(training.test)} others for the test.\n"
        f"The whole network, as it stands in {network.__name__}:\n"
    )
    parts = (network.start, network.scores, network.loss, network.update)
    screen.code("\n".join([inspect.getsource(part) for part in parts]))
    count = 40
    with screen.progress(count) as report:
        for epoch, value in enumerate(training.epochs(count), 1):
            report(f"epoch {epoch:2} of {count}: loss {value:.4f}", epoch in (1, 2, 5, 10, 20, 30, 40))

    read, labels = training.read_test(), training.labels[training.test]
    wrong = np.flatnonzero(read != labels)
    screen.text(
        f"\nTest accuracy: {100 * np.mean(read == labels):.1f} % "
        f"({len(labels) - len(wrong)} of {len(labels)} images that it never saw).\nMisread, for example:\n"
    )
    captions = [f"a {labels[i]}, read as {read[i]}" for i in wrong[:3]]
    screen.text(text_images([training.images[training.test[i]] for i in wrong[:3]], captions))
    show_times(screen, training)
    return training


def show_times(screen: Screen, training: Training) -> None:
    forward, backward, update = 1e6 * np.median(training.times, axis=0)
    whole = forward + backward + update
    parts = {"forward": forward, "backward": backward, "update": update, "together": whole}
    rows = [[part, f"{time:.0f}", f"{100 * time / whole:.0f} %"] for part, time in parts.items()]
    screen.text(f"\nTime per step of {training.batch} images, median of {len(training.times):,} steps:\n")
    screen.table(["part", "microseconds", "share"], rows)


def write_pages(screen: Screen, out: Path, training: Training) -> None:
    """The graphs of the first example and of the network, as pages to walk through."""
    x = wg.Variable(0.5, "x")
    with wg.name_scope("f"):
        y = f(x)
    y.name = "y"
    y.backward()
    for w, name in zip(training.weights, ("w1", "b1", "w2", "b2"), strict=True):
        w.name = name
    batch = training.train[: training.batch]
    with wg.name_scope("network"):
        z = network.loss(training.weights, training.pixels[batch], training.labels[batch])
    z.name = "loss"
    pages = [
        wg.view(v, path=out / f"{name}.html", open_browser=False).path for v, name in ((y, "first"), (z, "network"))
    ]
    screen.text("\nTheir graphs, to walk through in a browser:\n" + "\n".join(map(str, pages)))
