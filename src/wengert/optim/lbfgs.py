"""L-BFGS: a quasi-Newton method for whole batches."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy import ndarray

from ..variable import Variable
from .optimizer import Optimizer, real_pairs


class LBFGS(Optimizer):
    """Newton's steps with an inverse Hessian estimated from the last changes of the gradient.

        p = p - t * H g         H from s = p - p_before and y = g - g_before of the last `history_size` iterations

    J. Nocedal and S. J. Wright, "Numerical optimization", 2nd edition, algorithms 7.4 and 7.5; the line search is 3.5
    and 3.6. One `step(closure)` does up to `max_iter` iterations and calls the closure up to `max_eval` times (by
    default 5/4 of `max_iter`); the closure clears the gradients, computes the loss, calls `backward` and returns the
    loss. The loss must be the same function throughout: take the whole data, no mini-batches.

    Args:
        params: as for `Optimizer`, in one group.
        lr: the step length t; with `line_search_fn`, the first one tried.
        tolerance_grad, tolerance_change: a step ends where no number of the gradient is larger, or the change of the
            parameters or of the loss is smaller.
        line_search_fn: "strong_wolfe", or None for fixed lengths.

    Memory: 2 * `history_size` + 6 arrays of all parameters. Raises as `Optimizer` does, and TypeError without closure.

    Example:
        >>> w = wg.Variable(np.array([-1.2, 1.0]))
        >>> opt = wg.optim.LBFGS([w], line_search_fn="strong_wolfe", max_iter=100)
        >>> def closure():
        ...     opt.zero_grad()
        ...     loss = 100 * (w[1] - w[0] ** 2) ** 2 + (1 - w[0]) ** 2
        ...     loss.backward()
        ...     return loss
        >>> _ = opt.step(closure)
        >>> np.allclose(w.data, 1.0, atol=1e-4)
        True
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1.0,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        max_eval = max_iter * 5 // 4 if max_eval is None else max_eval
        counts = {"max_iter": max_iter, "max_eval": max_eval, "history_size": history_size}
        for key, value in counts.items():
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"LBFGS: {key} must be a positive integer, got {value!r}")
        if line_search_fn not in (None, "strong_wolfe"):
            raise ValueError(f"LBFGS: line_search_fn must be None or 'strong_wolfe', got {line_search_fn!r}")
        tolerances = {"tolerance_grad": tolerance_grad, "tolerance_change": tolerance_change}
        super().__init__(params, {"lr": lr, **counts, **tolerances, "line_search_fn": line_search_fn})
        if len(self.param_groups) != 1:
            raise ValueError(f"LBFGS: expected one group of parameters, got {len(self.param_groups)}")
        self._memory: dict[str, Any] = {"iterations": 0, "evaluations": 0}
        self._s: list[ndarray] = []  # changes of the parameters, the oldest first
        self._y: list[ndarray] = []  # and of the gradient
        self._rho: list[float] = []  # 1 / (y @ s)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Up to `max_iter` iterations; returns what the closure returned at first."""
        if closure is None:
            raise TypeError("LBFGS: step needs a closure that computes the loss and its gradients")
        memory, options = self._memory, self.param_groups[0]
        first = closure()
        loss, g = _number(first), self._gather()
        memory["evaluations"] += 1
        evaluations = 1
        if _largest(g) <= options["tolerance_grad"]:
            return first
        for iteration in range(1, options["max_iter"] + 1):
            memory["iterations"] += 1
            d = self._direction(g)
            before, memory["gradient"] = loss, g
            t = options["lr"]
            if memory["iterations"] == 1:
                t *= min(1.0, 1.0 / float(np.sum(np.abs(g))))
            memory["d"], memory["t"] = d, t
            slope = float(g @ d)
            if slope > -options["tolerance_change"]:
                break
            if options["line_search_fn"] is not None:
                start = [p.copy() for p in self._arrays()]
                found, calls = strong_wolfe(
                    partial(self._evaluate, closure, start, d),
                    Point(0.0, loss, g, slope),
                    t,
                    _largest(d),
                    options["max_eval"] - evaluations,
                )
                memory["t"], loss, g = found.t, found.f, found.g
                self._move(found.t, d)
            else:
                self._move(t, d)
                calls = 0
                if iteration < options["max_iter"]:
                    loss, g, calls = _number(closure()), self._gather(), 1
            evaluations += calls
            memory["evaluations"] += calls
            if (
                evaluations >= options["max_eval"]
                or _largest(g) <= options["tolerance_grad"]
                or _largest(d) * abs(memory["t"]) <= options["tolerance_change"]
                or abs(loss - before) < options["tolerance_change"]
            ):
                break
        return first

    def state_dict(self) -> dict[str, Any]:
        memory = {k: v.copy() if isinstance(v, ndarray) else v for k, v in self._memory.items()}
        if self._rho:
            memory |= {"s": np.stack(self._s), "y": np.stack(self._y), "rho": np.array(self._rho)}
        return {**super().state_dict(), "memory": memory}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        memory, n = dict(state["memory"]), sum([p.size for p in self._arrays()])
        for key in ("d", "gradient", "s", "y"):
            if key in memory and np.shape(memory[key])[-1:] != (n,):
                raise ValueError(f"LBFGS: the state {key} has shape {np.shape(memory[key])}; there are {n} parameters")
        super().load_state_dict(state)
        self._s, self._y = ([row.copy() for row in memory.pop(key, ())] for key in ("s", "y"))
        self._rho = [float(r) for r in memory.pop("rho", ())]
        self._memory = {k: v.copy() if isinstance(v, ndarray) else v for k, v in memory.items()}

    def _direction(self, g: ndarray) -> ndarray:
        """-H g by the two-loop recursion, after the last change was noted."""
        memory, options = self._memory, self.param_groups[0]
        if memory["iterations"] == 1:
            self._s, self._y, self._rho, memory["scale"] = [], [], [], 1.0
            return -g
        y, s = g - memory["gradient"], memory["d"] * memory["t"]
        ys = float(y @ s)
        if ys > 1e-10:
            pairs: tuple[tuple[list[Any], Any], ...] = ((self._s, s), (self._y, y), (self._rho, 1.0 / ys))
            for kept, new in pairs:
                if len(kept) == options["history_size"]:
                    kept.pop(0)
                kept.append(new)
            memory["scale"] = ys / float(y @ y)
        q, alphas = -g, []
        for s, y, rho in zip(reversed(self._s), reversed(self._y), reversed(self._rho), strict=True):
            alphas.append(float(s @ q) * rho)
            q -= alphas[-1] * y
        q *= memory["scale"]
        for s, y, rho, alpha in zip(self._s, self._y, self._rho, reversed(alphas), strict=True):
            q += (alpha - float(y @ q) * rho) * s
        return q

    def _evaluate(self, closure: Callable[[], Any], start: list[ndarray], d: ndarray, t: float) -> Point:
        """The loss and gradient at `start + t * d`; the parameters end at `start`."""
        self._move(t, d)
        loss, g = _number(closure()), self._gather()
        for p, x in zip(self._arrays(), start, strict=True):
            p[...] = x
        return Point(t, loss, g, float(g @ d))

    def _arrays(self) -> list[Any]:
        arrays = [p.data for p in self.param_groups[0]["params"]]
        return [real_pairs(a) if a.dtype.kind == "c" else a for a in arrays]

    def _gather(self) -> ndarray:
        """The gradients of all parameters in one array; zeros for those that have none or are frozen."""
        parts = []
        for p, array in zip(self.param_groups[0]["params"], self._arrays(), strict=True):
            g = p.grad
            if g is None or self._slots[id(p)].frozen:
                parts.append(np.zeros(array.size, array.dtype))
                continue
            g = g.data if isinstance(g, Variable) else g
            parts.append((real_pairs(g) if g.dtype.kind == "c" else g).reshape(-1))
        return np.concatenate(parts)

    def _move(self, t: float, d: ndarray) -> None:
        start = 0
        for p in self._arrays():
            p += t * d[start : start + p.size].reshape(p.shape).astype(p.dtype, copy=False)
            start += p.size


class Point(NamedTuple):
    """A place on the line p + t * d: length, loss, gradient, slope along d."""

    t: float
    f: float
    g: ndarray
    slope: float


def strong_wolfe(
    phi: Callable[[float], Point],
    start: Point,
    t: float,
    d_max: float,
    max_calls: int,
    c1: float = 1e-4,
    c2: float = 0.9,
) -> tuple[Point, int]:
    """A length that fulfils the strong Wolfe conditions, or the best one in `max_calls`; and how many calls it took."""
    before, new = start, phi(t)
    calls = 0  # beside the first
    while calls < max_calls:
        if not new.f <= start.f + c1 * new.t * start.slope or (calls > 1 and new.f >= before.f):
            break
        if abs(new.slope) <= -c2 * start.slope:
            return new, calls + 1
        if new.slope >= 0:
            break
        t = _cubic(before, new, new.t + 0.01 * (new.t - before.t), 10 * new.t)
        before, new = new, phi(t)
        calls += 1
    else:
        before = start
    low, high = (before, new) if before.f <= new.f else (new, before)
    stuck = False
    while calls < max_calls and abs(high.t - low.t) * d_max >= 1e-9:
        left, right = min(low.t, high.t), max(low.t, high.t)
        t = _cubic(low, high, left, right)
        margin = 0.1 * (right - left)
        if min(right - t, t - left) < margin:  # too near an end to make progress
            if stuck or t >= right or t <= left:
                t = right - margin if abs(t - right) < abs(t - left) else left + margin
                stuck = False
            else:
                stuck = True
        else:
            stuck = False
        new = phi(t)
        calls += 1
        if not new.f <= start.f + c1 * t * start.slope or new.f >= low.f:
            low, high = (low, new) if low.f <= new.f else (new, low)
            continue
        if abs(new.slope) <= -c2 * start.slope:
            return new, calls + 1
        if new.slope * (high.t - low.t) >= 0:
            high = low
        low = new
    return low, calls + 1


def _cubic(a: Point, b: Point, low: float, high: float) -> float:
    """The minimum, between low and high, of the cubic polynomial with these values and slopes."""
    if a.t > b.t:
        a, b = b, a
    d1 = a.slope + b.slope - 3 * (a.f - b.f) / (a.t - b.t)
    square = d1 * d1 - a.slope * b.slope
    if not square >= 0:
        return (low + high) / 2
    d2 = math.sqrt(square)
    below = b.slope - a.slope + 2 * d2
    if not below:
        return (low + high) / 2
    return min(max(b.t - (b.t - a.t) * ((b.slope + d2 - d1) / below), low), high)


def _number(loss: Any) -> float:
    return float(loss.item() if hasattr(loss, "item") else loss)


def _largest(a: ndarray) -> float:
    return float(np.max(np.abs(a), initial=0.0))
