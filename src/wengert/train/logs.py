"""Logs of a run: one row for each report, as CSV, as lines of JSON, or as event files for TensorBoard.

A checkpoint knows how many rows there were. Taking a run up again cuts the logs back to these, so that no row comes
twice.
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from ..data import written

INSTALL = "pip install 'wengert[train]'"


class Log(Protocol):
    """What the Trainer takes as a log."""

    def begin(self, rows: int, step: int) -> None:
        """Go on after so many rows, the last step of which was `step`; what comes after them is dropped."""

    def write(self, row: Mapping[str, Any]) -> None:
        """Add a row: numbers and texts by name, among them "epoch" and "step"."""

    def end(self) -> None:
        """The run pauses or ends."""


class JSONLog:
    """A row as an object of JSON on each line. NaN and infinities are null.

    Example:
        >>> import os, tempfile
        >>> path = os.path.join(tempfile.mkdtemp(), "log.jsonl")
        >>> log = wg.train.JSONLog(path)
        >>> log.begin(rows=0, step=0)
        >>> log.write({"step": 1, "loss": 0.5})
        >>> wg.train.read_log(path)
        [{'step': 1, 'loss': 0.5}]
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    def begin(self, rows: int, step: int) -> None:
        """Keep the first rows."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        lines = self.path.read_bytes().split(b"\n")[:rows] if self.path.exists() else []
        with written(self.path) as file:
            file.write(b"".join([line + b"\n" for line in lines if line]))

    def write(self, row: Mapping[str, Any]) -> None:
        """Append a line."""
        plain = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in row.items()}
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(plain) + "\n")

    def end(self) -> None:
        """Nothing is left open."""


class CSVLog:
    """A table, as spreadsheets read it. Where a row has a new name, the table is written again with one more column."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._columns: list[str] = []

    def begin(self, rows: int, step: int) -> None:
        """Keep the first rows."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._columns, kept = self._read()
        if not rows:
            self._columns = []
        self._replace(kept[:rows])

    def write(self, row: Mapping[str, Any]) -> None:
        """Append a line."""
        new = [name for name in row if name not in self._columns]
        if new:
            kept = self._read()[1]
            self._columns += new
            self._replace(kept)
        with open(self.path, "a", encoding="utf-8", newline="") as file:
            csv.DictWriter(file, self._columns, restval="", lineterminator="\n").writerow(row)

    def end(self) -> None:
        """Nothing is left open."""

    def _read(self) -> tuple[list[str], list[dict[str, str]]]:
        if not self.path.exists():
            return [], []
        with open(self.path, encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            rows = list(reader)
            return list(reader.fieldnames or ()), rows

    def _replace(self, rows: Sequence[Mapping[str, Any]]) -> None:
        text = io.StringIO()
        writer = csv.DictWriter(text, self._columns, restval="", extrasaction="ignore", lineterminator="\n")
        if self._columns:
            writer.writeheader()
        writer.writerows(rows)
        with written(self.path) as file:
            file.write(text.getvalue().encode())


class TensorBoardLog:
    """Event files for TensorBoard, by tensorboardX: a curve over the steps for each number.

    Events after the step where a run is taken up again are marked as void, and TensorBoard hides them.

    Raises:
        ImportError: tensorboardX is not installed.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        try:
            import tensorboardX
        except ImportError:
            raise ImportError(f"TensorBoardLog: needs tensorboardX: {INSTALL}") from None
        self.path, self._library = Path(path), tensorboardX
        self._writer: Any = None

    def begin(self, rows: int, step: int) -> None:
        """Begin a new event file."""
        suffix = f".{time.time_ns()}"  # two runs within a second would write to one file
        after = step + 1 if rows else 0
        self._writer = self._library.SummaryWriter(str(self.path), purge_step=after, filename_suffix=suffix)

    def write(self, row: Mapping[str, Any]) -> None:
        """Add a point to each curve."""
        for name, value in row.items():
            if name != "step" and isinstance(value, (int, float)):
                self._writer.add_scalar(name, value, row["step"])
        self._writer.flush()

    def end(self) -> None:
        """Close the file."""
        self._writer.close()


LOGS: dict[str, tuple[type[Any], str]] = {
    "csv": (CSVLog, "log.csv"),
    "jsonl": (JSONLog, "log.jsonl"),
    "tensorboard": (TensorBoardLog, "tensorboard"),
}


class Logs:
    """All logs of a run, and how many rows they have.

    Args:
        kinds: one or more of the names in `LOGS`, which stand for files in the folder; or objects that are a `Log`.
        folder: where these files go; without it, there are none.

    Raises:
        ValueError: a name that is not in `LOGS`.
    """

    def __init__(self, kinds: Any, folder: Path | None) -> None:
        self.rows = 0
        self._logs: list[Log] = []
        for kind in kinds if isinstance(kinds, (list, tuple)) else [kinds]:
            if not isinstance(kind, str):
                self._logs.append(kind)
            elif kind not in LOGS:
                raise ValueError(f"Trainer: log has the kinds {', '.join(LOGS)}; got {kind!r}")
            elif folder is not None:
                make, name = LOGS[kind]
                self._logs.append(make(folder / name))

    def begin(self, step: int) -> None:
        """Go on, after the rows that there are."""
        for log in self._logs:
            log.begin(self.rows, step)

    def write(self, row: Mapping[str, Any]) -> None:
        """Add a row."""
        for log in self._logs:
            log.write(row)
        self.rows += 1

    def end(self) -> None:
        """The run pauses or ends."""
        for log in self._logs:
            log.end()

    def state_dict(self) -> dict[str, Any]:
        """The number of rows."""
        return {"rows": self.rows}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from there, at the next `begin`."""
        self.rows = state["rows"]


def read_log(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """The rows of a `log.jsonl` or `log.csv`, with numbers as numbers. A last line cut short by a crash is left out.

    Raises:
        ValueError: a line before the last is damaged; the message names the file.
    """
    path = Path(path)
    lines = path.read_text(encoding="utf-8").split("\n")
    if path.suffix == ".csv":
        whole = "\n".join(lines[:-1])
        return [{k: _number(v) for k, v in row.items() if v} for row in csv.DictReader(io.StringIO(whole))]
    rows = []
    for i, line in enumerate(lines[:-1], 1):
        try:
            rows.append(json.loads(line))
        except ValueError:
            raise ValueError(f"{path} is damaged: line {i} is no JSON") from None
    return rows


def _number(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text
