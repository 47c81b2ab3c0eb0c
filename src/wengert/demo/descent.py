"""Two optimisers on small functions: Newton's method, and gradient descent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

import wengert as wg


def quartic(x: Any) -> Any:
    """x**4 - 2*x**2: minima at -1 and 1, a maximum at 0."""
    return x**4 - 2 * x**2


def newton(x: float, steps: int) -> Iterator[tuple[float, float, float, float]]:
    """Newton's method on `quartic`: yields x with the value and the first two derivatives there."""
    df = wg.grad(quartic)
    ddf = wg.grad(df)
    for _ in range(steps + 1):
        first, second = float(df(x)), float(ddf(x))
        yield x, quartic(x), first, second
        x -= first / second


def rosenbrock(x: Any, y: Any) -> Any:
    """100*(y - x**2)**2 + (1 - x)**2: a long curved valley, its minimum 0 at (1, 1)."""
    return 100 * (y - x**2) ** 2 + (1 - x) ** 2


def descend(rate: float, steps: int) -> Iterator[tuple[int, float, float, float]]:
    """Gradient descent on `rosenbrock` from (0, 2): yields step, x, y and value."""
    x, y = wg.Variable(0.0), wg.Variable(2.0)
    for step in range(steps + 1):
        z = rosenbrock(x, y)
        yield step, x.item(), y.item(), z.item()
        z.backward()
        for v in (x, y):
            v.data = np.asarray(v.data - rate * v.grad)
            v.cleargrad()
