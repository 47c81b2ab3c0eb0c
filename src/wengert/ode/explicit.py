"""Explicit Runge-Kutta methods: a step, on arrays and on Variables alike, and the choice of steps on arrays.

The control of the error is that of Hairer, Nørsett & Wanner I, II.4, in the form that SciPy gives it, so that the
steps are SciPy's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from warnings import warn

import numpy as np
from numpy import ndarray

from ..declare import general
from ..variable import Variable
from .tableaux import Tableau

SAFETY, MIN_FACTOR, MAX_FACTOR = 0.9, 0.2, 10  # of what the error estimate says of the next step
TOO_SMALL = "Required step size is less than spacing between numbers."  # SciPy's words

# ---- one step -------------------------------------------------------------------------------------------------------


def _sum(y: Any, h: Any, *ks: Any, weights: ndarray) -> Any:
    return y + h * np.dot(weights, np.array(ks))


def _pull(i: int, g: Any, _z: Any, xs: Any, *, weights: ndarray) -> Any:
    if i == 0:
        return g
    if i > 1:
        return g * (xs[1] * weights[i - 2])
    return np.sum(g * sum([w * k for w, k in zip(weights, xs[2:], strict=True)]))


def _push(i: int, t: Any, z: Any, xs: Any, *, weights: ndarray) -> Any:
    if i == 0:
        return t
    return t * sum([w * k for w, k in zip(weights, xs[2:], strict=True)]) if i == 1 else t * (xs[1] * weights[i - 2])


runge_kutta_sum = general("runge_kutta_sum", _sum, _pull, _push, reads=(False, True))


def combine(y: Any, h: Any, ks: Sequence[Any], weights: ndarray) -> Any:
    """y + h (weights[0] ks[0] + ...), as one operation."""
    used = np.flatnonzero(weights).tolist()
    return runge_kutta_sum(y, h, *[ks[j] for j in used], weights=weights[used])


def combine_arrays(y: ndarray, h: float, ks: Sequence[ndarray], weights: ndarray) -> ndarray:
    """The same, without the operation."""
    return y + h * np.dot(weights, np.array(ks))


class ExplicitStep:
    """A step of an explicit method: y from t to t + h, given the slope k = f(t, y) or None."""

    def __init__(self, tableau: Tableau, dtype: Any, combine: Callable[..., Any] = combine) -> None:
        self.tableau, self.combine = tableau.astype(dtype), combine

    def step(self, f: Callable[..., Any], t: Any, h: Any, y: Any, k: Any = None) -> tuple[Any, Any, list[Any]]:
        """`(y_new, f(t + h, y_new), stages)`."""
        tab, size = self.tableau, in_precision(h, y.dtype)
        ks = [f(t, y) if k is None else k]
        for c, a in zip(tab.c, tab.a, strict=True):
            ks.append(f(t + c * h, self.combine(y, size, ks, a)))
        y_new = self.combine(y, size, ks, tab.b)
        ks.append(f(t + h, y_new))
        return y_new, ks[-1], ks

    def inside(self, f: Callable[..., Any], t: Any, h: Any, y: Any, ks: list[Any]) -> Callable[[Any], Any]:
        """The solution inside the step, as a function of a vector of times; shape (n, times)."""
        tab, size = self.tableau, in_precision(h, y.dtype)
        ks = list(ks)
        for c, a in zip(tab.extra_c, tab.extra_a, strict=True):
            ks.append(f(t + c * h, self.combine(y, size, ks, a)))
        coefficients = size * (np.stack(ks, 1) @ tab.p)
        return lambda times: interpolated(times, t, h, y, coefficients)


def in_precision(t: Any, dtype: Any) -> Any:
    """A time in the precision of a state of this dtype; a Python number has none of its own."""
    real = np.empty(0, dtype).real.dtype
    return t.astype(real) if isinstance(t, (Variable, ndarray)) and t.dtype != real else t


def interpolated(times: Any, t: Any, h: Any, y: Any, coefficients: Any) -> Any:
    """y + coefficients @ [x, x**2, ...], where x is how far `times` are in the step."""
    x = (times - t) / h if (h.item() if isinstance(h, Variable) else h) != 0 else (times - t) * 0.0
    powers = [x]
    while len(powers) < coefficients.shape[1]:
        powers.append(powers[-1] * x)
    return np.expand_dims(y, 1) + coefficients @ in_precision(np.stack(powers), y.dtype)


# ---- the choice of steps --------------------------------------------------------------------------------------------


class Stepper:
    """What the explicit solvers share: it goes from step to step on arrays, as SciPy's solvers do."""

    njev = nlu = 0

    def __init__(self, tableau: Tableau, f: Callable[..., Any], t0: float, y0: ndarray, t_bound: float) -> None:
        self.f, self.t, self.y, self.t_bound = f, t0, y0, t_bound
        self.method = ExplicitStep(tableau, y0.real.dtype, combine_arrays)
        self.direction = 1.0 if t_bound >= t0 else -1.0
        self.t_old: float = t0
        self.k = f(t0, y0)
        self.status = "running"

    @property
    def nfev(self) -> int:
        """Evaluations of the right-hand side."""
        return self.f.nfev  # type: ignore[attr-defined]

    def step(self) -> str | None:
        """Go on; why that was impossible, if it was."""
        raise NotImplementedError

    def dense_output(self) -> Callable[[Any], Any]:
        """The solution inside the latest step, as a function of a vector of times."""
        return self.method.inside(self.f, self.t_old, self.t - self.t_old, self.y_old, self.ks)

    def _go(self, t: float, y: ndarray, k: ndarray, ks: list[Any]) -> None:
        self.t_old, self.y_old, self.t, self.y, self.k, self.ks = self.t, self.y, t, y, k, ks
        if self.direction * (t - self.t_bound) >= 0:
            self.status = "finished"


class Fixed(Stepper):
    """Steps of one size: fractions of the span."""

    def __init__(self, tableau: Tableau, f: Any, t0: float, y0: ndarray, t_bound: float, n_steps: int) -> None:
        super().__init__(tableau, f, t0, y0, t_bound)
        self.n_steps = n_steps
        self.times = [t0 * (1 - i / n_steps) + t_bound * (i / n_steps) for i in range(1, n_steps + 1)]
        self.times.reverse()

    def step(self) -> str | None:
        t = self.times.pop()
        self._go(t, *self.method.step(self.f, self.t, t - self.t, self.y, self.k))
        return None


class Adaptive(Stepper):
    """Steps as large as the tolerances allow."""

    def __init__(
        self,
        tableau: Tableau,
        f: Any,
        t0: float,
        y0: ndarray,
        t_bound: float,
        rtol: Any = 1e-3,
        atol: Any = 1e-6,
        max_step: float = np.inf,
        first_step: float | None = None,
    ) -> None:
        if max_step <= 0:
            raise ValueError("solve_ivp: max_step must be positive")
        if first_step is not None and not 0 < first_step <= abs(t_bound - t0):
            raise ValueError(f"solve_ivp: first_step must be positive and within t_span, got {first_step}")
        super().__init__(tableau, f, t0, y0, t_bound)
        self.rtol, self.atol = tolerances(rtol, atol, y0)
        self.max_step = max_step
        self.exponent = -1 / (tableau.error_order + 1)
        self.h = self._first() if first_step is None else first_step

    def _first(self) -> float:
        span = abs(self.t_bound - self.t)
        if self.y.size == 0 or span == 0:
            return span
        y, k = self.y, self.k
        scale = self.atol + np.abs(y) * self.rtol
        d0, d1 = norm(y / scale), norm(k / scale)
        h0 = min(1e-6 if d0 < 1e-5 or d1 < 1e-5 else 0.01 * d0 / d1, span)
        h0 = float(h0)
        d2 = norm((self.f(self.t + h0 * self.direction, y + h0 * self.direction * k) - k) / scale) / h0
        h1 = max(1e-6, h0 * 1e-3) if max(d1, d2) <= 1e-15 else (0.01 / max(d1, d2)) ** -self.exponent
        return min(100 * h0, float(h1), span, self.max_step)

    def step(self) -> str | None:
        t, y = self.t, self.y
        least = 10 * abs(np.nextafter(t, self.direction * np.inf) - t)
        h_abs, rejected = max(min(self.h, self.max_step), least), False
        while True:
            if not h_abs >= least:  # or NaN
                self.status = "failed"
                return TOO_SMALL
            t_new = t + h_abs * self.direction
            if self.direction * (t_new - self.t_bound) > 0 or y.size == 0:
                t_new = self.t_bound
            h = t_new - t
            h_abs = abs(h)
            y_new, k, ks = self.method.step(self.f, t, h, y, self.k)
            error = self._error(ks, h, self.atol + np.maximum(np.abs(y), np.abs(y_new)) * self.rtol)
            if error < 1 or h == 0:
                break
            h_abs *= max(MIN_FACTOR, SAFETY * error**self.exponent)
            rejected = True
        factor = MAX_FACTOR if error == 0 else min(MAX_FACTOR, SAFETY * error**self.exponent)
        self.h = h_abs * (min(1, factor) if rejected else factor)
        self._go(t_new, y_new, k, ks)
        return None

    def _error(self, ks: list[Any], h: float, scale: Any) -> float:
        """The estimated error of a step, of which 1 is allowed."""
        if not len(scale):
            return 0.0
        stages = np.array(ks)
        errors = [np.dot(e, stages) / scale for e in self.method.tableau.errors]
        if len(errors) == 1:
            return float(norm(errors[0] * h))
        fifth, third = [float(np.linalg.norm(e)) ** 2 for e in errors]  # DOP853: HNW I, (II.10.17)
        return 0.0 if fifth == third == 0 else float(abs(h) * fifth / np.sqrt((fifth + 0.01 * third) * len(scale)))


def norm(x: ndarray) -> Any:
    """The root of the mean square."""
    return np.linalg.norm(x) / x.size**0.5


def tolerances(rtol: Any, atol: Any, y0: ndarray) -> tuple[Any, Any]:
    """rtol and atol in the precision of y0.

    Raises:
        ValueError: atol is negative, or neither a number nor of y0's shape.
    """
    dtype = y0.real.dtype
    least = 100 * float(np.finfo(dtype).eps)
    if np.any(np.asarray(rtol) < least):
        warn(f"solve_ivp: rtol is too small for {dtype}; {least:.3g} is taken", stacklevel=5)
    if np.ndim(atol) > 0 and np.shape(atol) != y0.shape:
        raise ValueError(f"solve_ivp: atol has shape {np.shape(atol)}; give a number or one for each of {y0.size}")
    if np.any(np.asarray(atol) < 0):
        raise ValueError("solve_ivp: atol must be positive")
    return np.maximum(np.asarray(rtol, dtype), dtype.type(least)), np.asarray(atol, dtype)
