"""A solve on plain arrays: from step to step with a solver, with what has to be kept of it.

What comes out is what `scipy.integrate.solve_ivp` would give, and what a derivative needs later: where the steps
were, and the state at every so many of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy import ndarray

MESSAGES = {  # SciPy's words
    0: "The solver successfully reached the end of the integration interval.",
    1: "A termination event occurred.",
}


class Checkpoints:
    """States at every `stride`-th step. The stride grows, so that about sqrt(8 n) of n states are kept."""

    def __init__(self, y0: ndarray) -> None:
        self.states, self.stride, self.steps = [y0], 1, 0

    def add(self, y: ndarray) -> None:
        """The state after one more step."""
        self.steps += 1
        if self.steps % self.stride == 0:
            self.states.append(y)
            if len(self.states) > 8 * self.stride:
                self.states, self.stride = self.states[::2], 2 * self.stride

    def segments(self) -> list[range]:
        """The steps from each checkpoint to the next."""
        return [range(i, min(i + self.stride, self.steps)) for i in range(0, self.steps, self.stride)]


@dataclass
class Event:
    """One event function, as SciPy reads its attributes."""

    function: Callable[..., Any]
    limit: float  # so many of them end the solve
    direction: float
    value: float = 0.0
    times: list[float] = field(default_factory=list)
    states: list[ndarray] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)  # in which each occurred

    def crossed(self, value: float) -> bool:
        """Whether it occurred on the way from its last value to this one."""
        up, down = self.value <= 0 <= value, self.value >= 0 >= value
        return (up and self.direction >= 0) or (down and self.direction <= 0)


def events_of(functions: Any) -> list[Event]:
    """The event functions with their attributes.

    Raises:
        TypeError: one is not callable.
        ValueError: `terminal` is neither a boolean nor a positive integer.
    """
    found = []
    for f in functions if isinstance(functions, (list, tuple)) else [functions]:
        if not callable(f):
            raise TypeError(f"solve_ivp: events are functions (t, y), got {type(f).__name__}")
        terminal = getattr(f, "terminal", None) or 0
        if int(terminal) != terminal or terminal < 0:
            raise ValueError(f"solve_ivp: an event's terminal must be a boolean or a positive integer, got {terminal}")
        found.append(Event(f, terminal or np.inf, getattr(f, "direction", 0) or 0))
    return found


@dataclass
class Solution:
    """What came of a solve. Points are the columns of the result."""

    ts: list[float]  # of the steps
    checkpoints: Checkpoints
    y_end: ndarray
    points: list[ndarray] = field(default_factory=list)  # values after y0, a matrix for each step
    times: list[float] = field(default_factory=list)  # of the points
    counts: list[int] = field(default_factory=list)  # of the points in each step
    pieces: list[Callable[[Any], Any]] = field(default_factory=list)  # the solution inside each step
    status: int = 0
    message: str = ""


def integrate(solver: Any, t_eval: ndarray | None, events: Sequence[Event], dense: bool) -> Solution:
    """Go through the span. `solver` has SciPy's interface: step, t, y, status, dense_output.

    Without t_eval the points are y0 and the end of each step (or the terminal event).
    """
    forward = solver.t_bound >= solver.t
    solution = Solution([float(solver.t)], Checkpoints(solver.y), solver.y)
    if t_eval is None:
        solution.times.append(float(solver.t))
    for e in events:
        e.value = _number(e.function(solver.t, solver.y))
    done, status = 0, None
    while status is None:
        message = solver.step()
        if solver.status == "failed":
            status, solution.message = -1, message
            break
        if solver.status == "finished":
            status = 0
        t, y = float(solver.t), solver.y
        index = solution.checkpoints.steps
        solution.ts.append(t)
        solution.checkpoints.add(y)
        solution.y_end = y
        inside = solver.dense_output() if dense else None
        crossed = [e for e in events if e.crossed(_number(e.function(t, y)))]
        if crossed:
            inside = inside or solver.dense_output()
            status, t = _occurred(crossed, inside, solver.t_old, t, index, status)
        for e in events:
            e.value = _number(e.function(solver.t, y))
        if t_eval is None:
            new = np.array([t])
            values = inside(new) if status == 1 and inside else y[:, None]
        else:
            end = int(np.searchsorted(t_eval if forward else -t_eval, t if forward else -t, side="right"))
            new, done = t_eval[done:end], end
            if len(new):
                inside = inside or solver.dense_output()
                values = inside(new)
            else:
                values = np.empty((y.size, 0), y.dtype)
        solution.times.extend(new.tolist())
        solution.points.append(values)
        solution.counts.append(len(new))
        if dense:
            solution.pieces.append(inside)  # type: ignore[arg-type]
    solution.status = status
    solution.message = MESSAGES.get(status, solution.message)
    return solution


def _number(x: Any) -> float:
    return float(np.reshape(getattr(x, "data", x) if not isinstance(x, (ndarray, np.generic)) else x, ()))


def _occurred(
    crossed: Sequence[Event], inside: Callable[[Any], Any], t_old: float, t: float, index: int, status: int | None
) -> tuple[int | None, float]:
    """Note when events occurred; the status and the end of the step after them."""
    roots = [(_root(e.function, inside, t_old, t), e) for e in crossed]
    ends = any([len(e.times) + 1 >= e.limit for e in crossed])
    if ends:  # only what is before it counts
        roots.sort(key=lambda pair: pair[0] if t > t_old else -pair[0])
    for root, e in roots:
        e.times.append(root)
        e.states.append(inside(np.array([root]))[:, 0])
        e.steps.append(index)
        if ends and len(e.times) >= e.limit:
            return 1, root
    return status, t


def _root(event: Callable[..., Any], inside: Callable[[Any], Any], a: float, b: float) -> float:
    """Where the event function changes its sign between a and b: bisection, to the last digit."""

    def value(t: float) -> float:
        return _number(event(t, inside(np.array([t]))[:, 0]))

    fa, fb = value(a), value(b)
    if fa == 0 or fb == 0 or (fa > 0) == (fb > 0):  # the last: it was 0 there, but for rounding
        return float(a if abs(fa) <= abs(fb) else b)
    while True:
        middle = 0.5 * (a + b)
        if middle in (a, b):
            return middle
        fm = value(middle)
        if fm == 0:
            return middle
        if (fm > 0) == (fa > 0):
            a = middle
        else:
            b = middle
