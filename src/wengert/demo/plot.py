"""Pictures: a PNG of curves, curves in text, images in text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

NAMES = ("tanh", "1st", "2nd", "3rd", "4th")
SHADES = " .:-=+*#%@"


def png(x: NDArray[np.float64], curves: Sequence[NDArray[np.float64]], path: Path) -> None:
    """Draw tanh and its derivatives into a PNG file.

    Raises:
        ImportError: matplotlib is not installed.
    """
    from matplotlib.figure import Figure  # without pyplot: no window system, no global state

    figure = Figure(figsize=(8, 5), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    colors = ("#222222", "#0072b2", "#009e73", "#e69f00", "#d55e00")  # told apart by the colour-blind (Okabe, Ito)
    for y, name, color in zip(curves, NAMES, colors, strict=True):
        label = name if name == "tanh" else f"{name} derivative"
        axes.plot(x, y, color=color, linewidth=1.8, label=label)
    axes.axhline(0, color="#999999", linewidth=0.6, zorder=0)
    axes.set(title="tanh and its first four derivatives, by backward", xlabel="x", xlim=(x[0], x[-1]))
    axes.grid(color="#eeeeee")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.savefig(path)


def text_plot(x: NDArray[np.float64], curves: Sequence[NDArray[np.float64]], width: int = 72, height: int = 21) -> str:
    """The curves in text, each drawn with its number, 0 to 9."""
    low, high = min(c.min() for c in curves), max(c.max() for c in curves)
    grid = np.full((height, width), " ")
    column = np.arange(32 * width) // 32  # many points a column, so that steep parts have no gaps
    at = np.linspace(x[0], x[-1], column.size)

    def row(y: Any) -> Any:
        return np.rint((high - y) / (high - low) * (height - 1)).astype(int)

    grid[row(0.0)] = "-"
    for i, curve in reversed(list(enumerate(curves))):  # the function itself stays on top
        grid[row(np.interp(at, x, curve)), column] = str(i)
    levels = [f"{high - (high - low) * i / (height - 1):5.1f}" if i % 5 == 0 else "" for i in range(height)]
    lines = [f"{level:>5} |{''.join(cells)}" for level, cells in zip(levels, grid, strict=True)]
    ends = f"{x[0]:<{width // 2}.1f}{x[-1]:>{width - width // 2}.1f}"
    return "\n".join([line.rstrip() for line in [*lines, " " * 7 + ends]])


def text_images(images: Sequence[NDArray[np.uint8]], captions: Sequence[str], gap: int = 8) -> str:
    """8x8 images side by side in text, two characters a pixel, each under its caption."""
    lines = [(" " * gap).join([f"{caption:<16}" for caption in captions])]
    for i in range(8):
        rows = ["".join([SHADES[int(p) * 9 // 16] * 2 for p in image[i]]) for image in images]
        lines.append((" " * gap).join(rows))
    return "\n".join([line.rstrip() for line in lines])
