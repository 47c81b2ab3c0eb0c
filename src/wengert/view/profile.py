"""`profile`: where time and memory go, by operation and by the user's line."""

from __future__ import annotations

import copy
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter_ns
from typing import Any, NamedTuple, Self

from ..function import Pick
from ..observe import name_of, users_line
from ..variable import Variable, tick
from .graph import name_of as node_name
from .names import Notes


class Event(NamedTuple):
    """One call (`phase` "forward") or one step of a backward pass ("backward"). Times are in nanoseconds."""

    operation: str
    phase: str
    start: int
    duration: int
    bytes: int  # of the results, or of the gradient that the step starts from
    line: str
    thread: int


class Row(NamedTuple):
    """All events of one operation from one line of the user's; times are in seconds."""

    operation: str
    line: str
    calls: int
    forward: float
    backward: float
    bytes: int


class profile(Notes):
    """A context that records time, bytes and count of every operation, forward and backward.

    Times are those of the whole call, with the engine's share. Measuring adds some microseconds a call, which are not
    counted. Steps of backward passes are attributed to the lines of their calls, if these were recorded in the context
    too. With `create_graph=True` a backward pass consists of calls, and is listed as such. A context belongs to the
    thread that entered it: other threads are recorded if they enter the same profile.

    Example:
        >>> x = wg.Variable(np.ones(1000))
        >>> with wg.profile() as p:
        ...     np.sum(np.sin(x) * x).backward()
        >>> [(row.operation, row.calls, row.bytes) for row in p.rows("operation")]  # doctest: +SKIP
        [('sin', 1, 16000), ('multiply', 1, 16000), ('sum', 1, 16)]
        >>> sorted({row.operation for row in p})
        ['multiply', 'sin', 'sum']
    """

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._lines: dict[int, str] = {}  # by the serial numbers of nodes: nothing here keeps a graph alive
        self._costs: dict[int, list[int]] = {}
        self._begun: dict[int, tuple[Any, ...]] = {}  # the step that each thread is in
        self._entered: dict[int, list[profile]] = {}  # by thread

    def __enter__(self) -> Self:
        entry = copy.copy(self)  # which shares all that is recorded, and has the surroundings of its thread
        super(profile, entry).__enter__()
        self._entered.setdefault(threading.get_ident(), []).append(entry)
        return self

    def __exit__(self, *exc: object) -> None:
        super(profile, self._entered[threading.get_ident()].pop()).__exit__(*exc)

    def call(self, op: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        since = tick()
        start = perf_counter_ns()
        result = self.run(op, args, kwargs)
        duration = perf_counter_ns() - start
        line = users_line()
        nodes = self.note(result, since, line, args)
        for n in nodes:
            self._lines[n.serial] = line
            self._costs.setdefault(n.serial, [0, 0])
        if nodes:  # the result's own; what a composition made on the way is part of it
            self._costs[nodes[-1].serial][0] += duration
        made = result if isinstance(result, tuple) else (result,)
        size = sum([v._array.nbytes for v in made if isinstance(v, Variable)])
        self._add(Event(name_of(op), "forward", start, duration, size, line, threading.get_ident()))
        return result

    def pulled(self, node: Any, gy: Any) -> None:
        super().pulled(node, gy)
        size = sum([getattr(g, "nbytes", 0) for g in (gy if isinstance(gy, list) else [gy])])
        self._begun[threading.get_ident()] = node, size, perf_counter_ns()

    def passed(self, node: Any) -> None:
        now, thread = perf_counter_ns(), threading.get_ident()
        begun, size, start = self._begun.pop(thread, (None, 0, 0))
        if begun is node and node.parents and not isinstance(node, Pick):  # which only collects for the call
            self._costs.setdefault(node.serial, [0, 0])[1] += now - start
            line = self._lines.get(node.serial, "")
            self._add(Event(node_name(node), "backward", start, now - start, size, line, thread))
        super().passed(node)

    def _add(self, event: Event) -> None:
        self.events.append(event)

    def cost_of(self, serial: int) -> tuple[int, int] | None:
        """Nanoseconds that the call with this serial number took, forward and backward."""
        found = self._costs.get(serial)
        return None if found is None else (found[0], found[1])

    # ---- what came out --------------------------------------------------------------------------------------

    def rows(self, by: str = "line") -> list[Row]:
        """Sums for each operation and line, or (by "operation") for each operation; the costliest first.

        Raises:
            ValueError: another `by`.
        """
        if by not in ("line", "operation"):
            raise ValueError(f"profile.rows: by is 'line' or 'operation', got {by!r}")
        sums: dict[tuple[str, str], list[int]] = {}
        for e in self.events:
            total = sums.setdefault((e.operation, e.line if by == "line" else ""), [0, 0, 0, 0])
            total[0] += e.phase == "forward"
            total[1 if e.phase == "forward" else 2] += e.duration
            total[3] += e.bytes
        rows = [Row(op, line, c, f / 1e9, b / 1e9, size) for (op, line), (c, f, b, size) in sums.items()]
        return sorted(rows, key=lambda r: -(r.forward + r.backward))

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows())

    def __str__(self) -> str:
        return self.table()

    def table(self, by: str = "line", most: int = 30) -> str:
        """The rows as text: times in milliseconds."""
        rows = self.rows(by)
        whole = sum([r.forward + r.backward for r in rows]) or 1.0
        lines = [f"{'operation':<20} {'calls':>7} {'forward ms':>11} {'backward ms':>12} {'share':>7} {'MB':>9}  line"]
        for r in rows[:most]:
            share = f"{100 * (r.forward + r.backward) / whole:.1f} %"
            times = f"{1e3 * r.forward:>11.3f} {1e3 * r.backward:>12.3f}"
            lines.append(f"{r.operation:<20} {r.calls:>7} {times} {share:>7} {r.bytes / 1e6:>9.2f}  {r.line}".rstrip())
        if len(rows) > most:
            lines.append(f"… and {len(rows) - most} more")
        return "\n".join(lines)

    def trace(self, path: str | Path | None = None) -> dict[str, Any]:
        """The events in Chrome's trace format, which chrome://tracing and ui.perfetto.dev open; also into a file."""
        first = min([e.start for e in self.events], default=0)
        events = [
            {
                "name": e.operation, "cat": e.phase, "ph": "X", "pid": 1, "tid": e.thread,
                "ts": (e.start - first) / 1e3, "dur": e.duration / 1e3, "args": {"line": e.line, "bytes": e.bytes},
            }
            for e in self.events
        ]  # fmt: skip
        found = {"traceEvents": events, "displayTimeUnit": "ns"}
        if path is not None:
            Path(path).write_text(json.dumps(found), encoding="utf-8")
        return found
