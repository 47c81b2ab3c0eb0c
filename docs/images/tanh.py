"""Draws `tanh.png`, beside this file: tanh and its first four derivatives, each the derivative of the one before."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

import wengert as wg

NAMES = ["tanh", "first derivative", "second", "third", "fourth"]
COLOURS = ["#1b2a41", "#0072b2", "#009e73", "#e69f00", "#d55e00"]


def derivative(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The derivative of an elementwise function: the gradient of the sum of its values."""
    return wg.grad(lambda x: np.sum(f(x)))


def draw(path: Path) -> None:
    """Draw the picture into a PNG file."""
    x = np.linspace(-4.0, 4.0, 401)
    figure, axes = plt.subplots(figsize=(8, 4), layout="constrained")
    f: Callable[[Any], Any] = np.tanh
    for name, colour in zip(NAMES, COLOURS, strict=True):
        axes.plot(x, f(x), color=colour, linewidth=2.4 if name == "tanh" else 1.6, label=name)
        f = derivative(f)
    axes.axhline(0.0, color="#999999", linewidth=0.6, zorder=0)
    axes.set_xlim(-4, 4)
    axes.set_xlabel("x")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="lower left")
    figure.savefig(path, dpi=160, metadata={"Software": None})


if __name__ == "__main__":
    draw(Path(__file__).with_suffix(".png"))
