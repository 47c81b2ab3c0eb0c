"""The curves of a run as a picture."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from .logs import INSTALL

COLORS = ("#0072b2", "#d55e00")  # told apart by the colour-blind (Okabe, Ito)


def plot_log(rows: Sequence[Mapping[str, Any]], path: str | os.PathLike[str], title: str = "") -> None:
    """Draw each quantity of a log over the steps, training and validation together, into a PNG, SVG or PDF file.

    Where the log has rows between reports (`log_every`), the curve of training is made of these.

    Args:
        rows: as of `read_log`.

    Raises:
        ImportError: matplotlib is not installed.
        ValueError: no rows.
    """
    try:
        from matplotlib.figure import Figure  # without pyplot: no window system, no global state
    except ImportError:
        raise ImportError(f"plot_log: needs matplotlib: {INSTALL}") from None
    found = dict.fromkeys([k.removeprefix("val_") for row in rows for k, v in row.items() if not isinstance(v, str)])
    names = [name for name in found if name not in ("step", "epoch", "lr", "seconds")]
    if not names:
        raise ValueError("plot_log: the log has no rows")
    figure = Figure(figsize=(5 * len(names), 4), dpi=120, layout="constrained")
    for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        learned = [row for row in rows if name in row and "seconds" not in row] or rows  # rather those between reports
        for key, table, label, color in (
            (name, learned, "training", COLORS[0]),
            (f"val_{name}", rows, "validation", COLORS[1]),
        ):
            points = [(row["step"], row[key]) for row in table if row.get(key) is not None]
            if points:
                marker = "o" if len(points) < 30 else None
                axes.plot(*zip(*points, strict=True), label=label, color=color, marker=marker, markersize=3)
        axes.set(title=name.replace("_", " "), xlabel="step")
        axes.grid(color="#eeeeee")
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
    figure.suptitle(title)
    figure.savefig(path)
