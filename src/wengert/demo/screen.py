"""Where the demo writes: rich on a terminal, plain ASCII lines everywhere else."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

Report: TypeAlias = Callable[[str, bool], None]  # (what was reached, whether to keep it as a line): one step is done


class Plain:
    """Lines of text: for pipes, files, and terminals without rich."""

    def heading(self, title: str) -> None:
        """Start a section."""
        self.text(f"\n{title}\n{'=' * len(title)}")

    def text(self, text: str) -> None:
        """Write lines."""
        print(text, flush=True)  # a reader at the other end of a pipe sees each section when it is done

    def code(self, source: str) -> None:
        """Show Python code."""
        self.text("\n".join([f"    {line}".rstrip() for line in source.splitlines()]))

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Show rows: the first column to the left, the others to the right."""
        widths = [max(map(len, cells)) for cells in zip(columns, *rows, strict=True)]
        for row in (columns, ["-" * w for w in widths], *rows):
            first, *rest = [cell.rjust(w) for cell, w in zip(row, widths, strict=True)]
            self.text("  ".join([first.lstrip().ljust(widths[0]), *rest]))

    @contextlib.contextmanager
    def progress(self, total: int) -> Iterator[Report]:
        """A few lines with a bar, for `total` steps."""
        done = 0

        def report(reached: str, keep: bool) -> None:
            nonlocal done
            done += 1
            if keep:
                filled = 24 * done // total
                self.text(f"[{'#' * filled}{'.' * (24 - filled)}] {reached}")

        yield report


class Rich:
    """The same with colours, boxes and a bar that moves."""

    def __init__(self) -> None:
        from rich.console import Console

        self.console = Console(highlight=False, markup=False, emoji=False)

    def heading(self, title: str) -> None:
        """Start a section."""
        self.console.print(f"\n{title}", style="bold cyan")

    def text(self, text: str) -> None:
        """Write lines."""
        self.console.print(text)

    def code(self, source: str) -> None:
        """Show Python code."""
        from rich.padding import Padding
        from rich.syntax import Syntax

        syntax = Syntax(source, "python", theme="ansi_dark", background_color="default")
        self.console.print(Padding(syntax, (0, 0, 0, 4)))

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Show rows: the first column to the left, the others to the right."""
        from rich import box
        from rich.table import Table

        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
        for i, column in enumerate(columns):
            table.add_column(column, justify="right" if i else "left")
        for row in rows:
            table.add_row(*row)
        self.console.print(table)

    @contextlib.contextmanager
    def progress(self, total: int) -> Iterator[Report]:
        """A bar for `total` steps, with a few lines that stay above it."""
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        columns: list[Any] = [BarColumn(24), TextColumn("{task.description}"), TimeElapsedColumn()]
        with Progress(*columns, console=self.console) as progress:
            task = progress.add_task("", total=total)

            def report(reached: str, keep: bool) -> None:
                progress.update(task, advance=1, description=reached)
                if keep:
                    self.console.print(reached)

            yield report


Screen: TypeAlias = Plain | Rich


def open_screen() -> Screen:
    """Rich where it is installed and somebody watches a terminal that can do it; plain otherwise."""
    if sys.stdout.isatty() and os.environ.get("TERM") != "dumb":
        with contextlib.suppress(ImportError):
            return Rich()
    return Plain()
