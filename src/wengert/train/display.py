"""What a run shows: a bar of rich on a terminal or in a notebook, and plain lines everywhere else."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
from collections.abc import Mapping
from time import monotonic
from typing import Any, Self

QUIET_FOR = 60.0  # seconds after which plain lines tell that something still happens
AGAIN = 20  # reports after which the names are shown again


class Display:
    """Shows nothing: the base of what does."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._since = 0  # reports since the names were shown

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def progress(self, fraction: float, text: str) -> None:
        """How much of the run is done, from 0 to 1, and in words."""

    def line(self, text: str) -> None:
        """Something that stays."""

    def report(self, row: Mapping[str, Any]) -> None:
        """The numbers of a row of the log, under their names: but for the learning rate, for the sake of width."""
        numbers = {k: v for k, v in row.items() if isinstance(v, (int, float)) and k != "lr"}
        widths = {name: max(len(name), 6) for name in numbers}
        if self._names != [*numbers] or self._since == AGAIN:
            self._names, self._since = [*numbers], 0
            self.line("  ".join([name.rjust(width) for name, width in widths.items()]))
        self._since += 1
        texts = {name: f"{x:.1f}" if name == "seconds" else _number(x) for name, x in numbers.items()}
        self.line("  ".join([texts[name].rjust(width) for name, width in widths.items()]))


class Lines(Display):
    """A line for each report, and, where these are far apart, one a minute: for pipes, files and plain terminals."""

    def __init__(self) -> None:
        super().__init__()
        self._last = monotonic()

    def progress(self, fraction: float, text: str) -> None:
        if monotonic() - self._last > QUIET_FOR:
            self.line(f"{100 * fraction:3.0f} %  {text}")

    def line(self, text: str) -> None:
        self._last = monotonic()
        print(text, flush=True)  # a reader at the other end of a pipe sees each line when it is there


class Bar(Display):
    """A bar that moves, with the lines above it."""

    def __init__(self, console: Any) -> None:
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

        super().__init__()
        columns: list[Any] = [BarColumn(24), TaskProgressColumn(), TextColumn("{task.description}", markup=False)]
        self._console, self._last = console, 0.0
        self._progress = Progress(*columns, TimeRemainingColumn(), console=console, transient=True)
        self._task = self._progress.add_task("", total=1.0)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.stop()

    def progress(self, fraction: float, text: str) -> None:
        if (now := monotonic()) - self._last > 0.1:  # as often as it is drawn
            self._last = now
            self._progress.update(self._task, completed=fraction, description=text)

    def line(self, text: str) -> None:
        self._console.print(text, soft_wrap=True)


def open_display(shown: bool = True) -> Display:
    """The bar where rich is installed and somebody watches it move; else lines; or nothing."""
    if not shown:
        return Display()
    notebook = "ipykernel" in sys.modules and importlib.util.find_spec("ipywidgets") is not None  # which rich needs
    if notebook or (sys.stdout.isatty() and os.environ.get("TERM") != "dumb"):
        with contextlib.suppress(ImportError):
            from rich.console import Console

            return Bar(Console(highlight=False, markup=False, emoji=False))
    return Lines()


def _number(value: float) -> str:
    """Four digits at least, and no exponent for the usual numbers."""
    if isinstance(value, int):
        return str(value)
    return f"{value:.4f}" if 1e-3 < abs(value) < 10 else f"{value:.2f}" if 10 <= abs(value) < 1e6 else f"{value:g}"
