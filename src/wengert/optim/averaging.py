"""Averages of the parameters over the steps."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from .optimizer import Optimizer


class ExponentialMovingAverage(Optimizer):
    """A running mean of parameters, which often generalises better than the last ones.

        a = a + (1 - d) * (p - a)         after each step of the optimiser, by `update()`

    B. T. Polyak and A. B. Juditsky, "Acceleration of stochastic approximation by averaging", SIAM Journal on Control
    and Optimization 30, 1992.

    Args:
        params: as for an optimiser.
        decay: d, in [0, 1).
        warm_up: take d = min(decay, (1 + t) / (10 + t)) in update t, so that the start is soon forgotten.

    Memory: one array like each parameter. `update` allocates nothing of that size.

    Example:
        >>> w = wg.Variable(np.array([1.0, 2.0]))
        >>> average = wg.optim.ExponentialMovingAverage([w], decay=0.5)
        >>> w.data += 2.0
        >>> average.update()
        >>> with average.applied():
        ...     print(w)
        [2. 3.]
        >>> print(w)
        [3. 4.]
    """

    def __init__(self, params: Any, decay: float = 0.999, warm_up: bool = False) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"ExponentialMovingAverage: decay must be in [0, 1), got {decay!r}")
        super().__init__(params, {"average_decay": float(decay), "warm_up": bool(warm_up)})
        for group in self.param_groups:
            for p in group["params"]:
                self._prepare(self._slots[id(p)], group)

    def make_state(self, p: Any, options: dict[str, Any]) -> dict[str, Any]:
        return {"average": p.copy()}

    def apply(self, p: Any, g: Any, state: dict[str, Any], options: dict[str, Any], scratch: Any) -> None:
        a, t, d, (u, _) = state["average"], state["step"], options["average_decay"], scratch
        if options["warm_up"]:
            d = min(d, (1 + t) / (10 + t))
        np.subtract(p, a, out=u)
        u *= 1 - d
        a += u

    def update(self) -> None:
        """Take in the parameters as they are now."""
        for group in self.param_groups:
            for p in group["params"]:
                self._update(self._slots[id(p)], p.data, group)

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """The parameters have their averages as data within `with`, and their own again after it."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def step(self, closure: Any = None) -> Any:
        """No step of an optimiser: raises TypeError; call `update`."""
        raise TypeError("ExponentialMovingAverage: call update() after the optimiser's step()")

    def _swap(self) -> None:
        for slot in self._slots.values():
            if slot.variable.data is not slot.array:
                self._prepare(slot, self.param_groups[0])
            for rows, p, arrays, (u, *_) in slot.blocks:
                a = (slot.state if rows is None else arrays)["average"]
                u[...], p[...] = p, a
                a[...] = u
