"""gradient="discrete": the derivative of the steps that were taken, with their sizes held fixed.

The steps are replayed on Variables, a segment from one checkpoint to the next at a time, when a derivative is asked
for. So memory grows with the square root of the number of steps, and every order and mode works.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy import ndarray

from .nodes import Sources, recompute
from .solution import Solution


class Discrete:
    """A solution that can be differentiated by y0, the times of the steps `ts`, and what f reads."""

    differentiable = True

    def __init__(
        self, method: Any, f: Callable[..., Any], solution: Solution, y0: Any, ts: Any, sources: Sources, tolerance: Any
    ) -> None:
        self.method, self.f, self.solution = method, f, solution
        self.ts, self.sources, self.tolerance = ts, sources, tolerance
        self.segments = solution.checkpoints.segments()
        self.y0 = y0
        self.starts = [y0, *solution.checkpoints.states[1:]]  # of the segments; `points` links each to the one before

    def points(self, times: Any) -> list[Any]:
        """The values of the points, a matrix for each segment. `times` None: the ends of the steps."""
        solution = self.solution
        states, done, columns = [*solution.checkpoints.states, solution.y_end], 0, []
        values = solution.points
        for s, steps in enumerate(self.segments):
            counts = [0 if times is None else solution.counts[i] for i in steps]
            inner = [values[i] for i in steps]
            end = states[s + 1] if s + 1 < len(self.segments) else solution.y_end
            if times is None:
                inner[-1] = end[:, None]  # after a terminal event: of the step, not of the event
                value = np.concatenate(inner, 1)
                queries = None
            else:
                value = np.concatenate([*inner, end[:, None]], 1)
                queries = times[done : done + sum(counts)]
            done += sum(counts)
            out = self._segment(s, queries, counts, value)
            columns.append(out if times is None else out[:, :-1])
            self.starts[s + 1 : s + 2] = [out[:, -1]]
        return columns

    def at(self, times: Any, steps: ndarray, value: ndarray) -> Any:
        """The solution at `times`, which lie in these steps, and is `value` there."""
        columns = []
        order = np.argsort(steps, kind="stable")
        for s, segment in enumerate(self.segments):
            chosen = order[(steps[order] >= segment.start) & (steps[order] < segment.stop)]
            if len(chosen):
                counts = [int(np.sum(steps == i)) for i in segment]
                last = max(i for i, n in enumerate(counts) if n) + 1
                out = self._segment(s, times[chosen], counts[:last], value[:, chosen], ends=False)
                columns.append(out)
        joined = np.concatenate(columns, 1) if len(columns) > 1 else columns[0]
        return joined if np.all(order == np.arange(len(order))) else joined[:, np.argsort(order)]

    def _segment(self, s: int, queries: Any, counts: Sequence[int], value: ndarray, ends: bool = True) -> Any:
        start = self.segments[s].start
        ts = self.ts[start : start + len(counts) + 1]

        def replay(y: Any, ts: Any, queries: Any) -> Any:
            k, done, columns = None, 0, []
            for i, count in enumerate(counts):
                t, h = ts[i], ts[i + 1] - ts[i]
                y_new, k, stages = self.method.step(self.f, t, h, y, k)
                if count:
                    columns.append(self.method.inside(self.f, t, h, y, stages)(queries[done : done + count]))
                    done += count
                y = y_new
                if queries is None or (ends and i + 1 == len(counts)):
                    columns.append(np.expand_dims(y, 1))
            return np.concatenate(columns, 1)

        return recompute(replay, (self.starts[s], ts, queries), self.sources, value, self.tolerance)
