"""A step of Radau IIA of order 5 (Hairer & Wanner II, IV.8), differentiable through its stage equations.

Z, the stages less y, solves `Z_i = h (a_i1 f(t + c_1 h, y + Z_1) + ...)`. Newton's method finds it on arrays; the
derivative is that of the equations, by the implicit function theorem.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy import ndarray

from ..recording import Mode, recorded
from ..variable import Variable, wrap
from .explicit import interpolated
from .nodes import implicit, pulled
from .tableaux import RADAU_A, RADAU_C, RADAU_P

_ITERATIONS = 50


class RadauStep:
    """A step: y from t to t + h."""

    def step(self, f: Callable[..., Any], t: Any, h: Any, y: Any, k: Any = None) -> tuple[Any, None, Any]:
        """`(y_new, None, Z)`, with Z of shape (3, n)."""

        def residual(z: Any, t: Any, h: Any, y: Any) -> Any:
            stages = np.reshape(z, (3, -1))
            slopes = np.stack([f(t + c * h, y + stages[i]) for i, c in enumerate(RADAU_C)])
            return z - np.reshape(h * (RADAU_A @ slopes), -1)

        t_, h_, y_ = [x._array if isinstance(x, Variable) else x for x in (t, h, y)]
        z: Any = implicit(residual, _newton(f, t_, h_, y_), (t, h, y), "Radau's stage equations are singular")
        stages = np.reshape(z, (3, -1))
        return y + stages[2], None, stages

    def inside(self, f: Callable[..., Any], t: Any, h: Any, y: Any, stages: Any) -> Callable[[Any], Any]:
        """The solution inside the step, as a function of a vector of times; shape (n, times)."""
        coefficients = np.transpose(stages) @ RADAU_P
        return lambda times: interpolated(times, t, h, y, coefficients)


def _newton(f: Callable[..., Any], t: Any, h: Any, y: ndarray) -> ndarray:
    """Z, to the last digits: Newton's method with the Jacobians of all three stages."""
    n = y.size
    z = np.zeros((3, n), y.dtype)
    previous = np.inf
    for _ in range(_ITERATIONS):
        slopes, jacobians = zip(*[_linearized(f, t + c * h, y + z[i]) for i, c in enumerate(RADAU_C)], strict=True)
        blocks = [[(i == j) * np.eye(n) - h * RADAU_A[i, j] * jacobians[j] for j in range(3)] for i in range(3)]
        change = np.linalg.solve(np.block(blocks), np.ravel(h * (RADAU_A @ np.array(slopes)) - z)).reshape(3, n)
        z = z + change
        size = np.max(np.abs(change) / (np.abs(y) + np.max(np.abs(z), 0) + 1e-300), initial=0.0)
        if size < 1e-15 or (size < 1e-9 and size >= previous / 2):  # as small as rounding lets it become
            return z.ravel()
        previous = size
    raise RuntimeError(f"solve_ivp: Newton's method did not converge in the step from t = {t} of size {h}")


def _linearized(f: Callable[..., Any], t: Any, y: ndarray) -> tuple[ndarray, ndarray]:
    """f(t, y) and its Jacobian: a pull for each row."""
    with recorded():
        x = Variable(y)
        z = f(t, x)
    z = z if isinstance(z, Variable) else wrap(np.asarray(z), None)
    with Mode(False):
        rows = [pulled(z, e, [x._node], False)[0] for e in np.eye(y.size)]
    return z.data, np.array([np.zeros(y.size) if row is None else row for row in rows]).reshape(y.size, y.size)
