"""Bounds and constraints of optimisers, in containers and as SciPy has them, and the conditions at an optimum."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy import ndarray

from .flat import Evaluated, Flat, Linearization, plain, ravel, scipy_optimize
from .implied import warn
from .variable import Variable, data_of

DERIVATIVE_FREE = frozenset(("nelder-mead", "powell", "cobyla", "cobyqa"))
_NEAR = 1e-5  # how near to its limit a constraint counts as active


class Bounded:
    """Bounds as two vectors, arrays or Variables."""

    def __init__(self, low: Any, high: Any, keep_feasible: Any = False) -> None:
        self.low = low
        self.high = high
        self.keep_feasible = keep_feasible

    def __call__(self, x: Any) -> Any:
        return x

    def scipy(self) -> Any:
        """SciPy's Bounds."""
        return scipy_optimize().Bounds(np.array(data_of(self.low)), np.array(data_of(self.high)), self.keep_feasible)


def bounds_of(bounds: Any, start: Flat, what: str) -> Bounded | None:
    """Bounds as vectors, from SciPy's Bounds, pairs for each element, or pairs for each array of the container.

    Raises:
        TypeError: x is complex.
        ValueError: they do not fit x.
    """
    if bounds is None:
        return None
    if any([d.kind == "c" for d in start.dtypes]):
        raise TypeError(f"{what}: complex numbers have no bounds; use real and imaginary parts as parameters")
    if isinstance(bounds, scipy_optimize().Bounds):
        return Bounded(_vector(bounds.lb, start, what), _vector(bounds.ub, start, what), bounds.keep_feasible)
    if start.structure.kind is None or _are_pairs(bounds, start):
        pairs = list(bounds)
        if len(pairs) != start.size or any([len(pair) != 2 for pair in pairs]):
            raise ValueError(
                f"{what}: expected {start.size} pairs (low, high), one for each element of x; got {bounds!r}"
            )
        shapes: list[Any] = [()] * start.size
    else:
        pairs, shapes = _in_container(start.structure, bounds, what), start.shapes
    ends = []
    for k, none in ((0, -np.inf), (1, np.inf)):
        side = [_end(pair, k, none, shape, what) for pair, shape in zip(pairs, shapes, strict=True)]
        ends.append(_cast(ravel(side, what), start))
    return Bounded(*ends)


def split_bounds(bounds: Any, start: Flat, what: str) -> Bounded | None:
    """Bounds as `least_squares` has them: SciPy's Bounds, or `(low, high)`, each a number or built like x."""
    if isinstance(bounds, scipy_optimize().Bounds):
        return bounds_of(bounds, start, what)
    if not isinstance(bounds, (tuple, list)) or len(bounds) != 2:
        raise ValueError(f"{what}: expected (low, high) or scipy.optimize.Bounds, got {bounds!r}")
    low, high = [_vector(side, start, what) for side in bounds]
    if np.all(np.isneginf(data_of(low))) and np.all(np.isposinf(data_of(high))):
        return None
    if any([d.kind == "c" for d in start.dtypes]):
        raise TypeError(f"{what}: complex numbers have no bounds; use real and imaginary parts as parameters")
    return Bounded(low, high)


def _vector(side: Any, start: Flat, what: str) -> Any:
    """One side of bounds: a number, a vector over all elements, or built like x."""
    scalar: Any = side
    if isinstance(side, (int, float, np.generic, ndarray, Variable)) and np.ndim(scalar) == 0:
        return _cast(np.broadcast_to(scalar, (start.size,)), start)
    if start.structure.kind is None or not isinstance(side, (ndarray, Variable)):
        return start.ravel(side, what)
    if side.shape != (start.size,):
        raise ValueError(f"{what}: expected a vector of {start.size} elements, got shape {side.shape}")
    return _cast(side, start)


def _cast(x: Any, start: Flat) -> Any:
    return x if x.dtype == start.dtype else x.astype(start.dtype)


def _are_pairs(bounds: Any, start: Flat) -> bool:
    """Whether these are SciPy's pairs of numbers for the elements of a container."""
    return (
        isinstance(bounds, (list, tuple))
        and len(bounds) == start.size != len(start.shapes)
        and all([isinstance(pair, (list, tuple)) and len(pair) == 2 for pair in bounds])
    )


def _in_container(structure: Any, bounds: Any, what: str) -> list[Any]:
    """The pair of each leaf; None for one that has none."""
    if structure.kind is None:
        return [bounds]
    if bounds is None:
        return [None] * structure.size
    found: list[Any] = []
    for key, child in zip(structure.keys, structure.children, strict=True):
        try:
            inner = (
                bounds[key]
                if isinstance(bounds, (dict, list, tuple)) and not hasattr(bounds, "_fields")
                else getattr(bounds, key)
            )
        except (KeyError, IndexError):
            inner = None
        except (TypeError, AttributeError):
            raise ValueError(f"{what}: expected a container like x0, {structure}, with a pair for each array") from None
        found += _in_container(child, inner, f"{what}[{key!r}]")
    if isinstance(bounds, dict) and not bounds.keys() <= set(structure.keys):
        raise ValueError(f"{what}: x0 has no {sorted(map(str, bounds.keys() - set(structure.keys)))}")
    return found


def _end(pair: Any, k: int, none: float, shape: Any, what: str) -> Any:
    end: Any = None
    if pair is None:
        pass
    elif isinstance(pair, scipy_optimize().Bounds):
        end = (pair.lb, pair.ub)[k]
    elif isinstance(pair, (tuple, list)) and len(pair) == 2:
        end = pair[k]
    else:
        raise ValueError(f"{what}: expected a pair (low, high) or None, got {pair!r}")
    try:
        return np.broadcast_to(none if end is None else end, shape)
    except ValueError:
        raise ValueError(f"{what}: a bound of shape {np.shape(end)} for an array of shape {shape}") from None


# ---- constraints --------------------------------------------------------------------------------------------


class Constraint(Evaluated):
    """One of SciPy's constraints: `low <= f(x) <= high`, with exact derivatives where the caller gives none."""

    def __init__(self, given: Any, start: Flat) -> None:
        super().__init__(self._values, start)
        optimize = scipy_optimize()
        self.given = given
        jac: Any = None
        self.hess: Any = None
        self.keep_feasible: Any = False
        if isinstance(given, dict):
            if "fun" not in given or str(given.get("type")).lower() not in ("eq", "ineq"):
                raise ValueError("minimize: a constraint's dict has 'type', 'eq' or 'ineq', and 'fun'")
            args = given.get("args", ())
            f, jac = given["fun"], given.get("jac")
            self.low, self.high = 0.0, 0.0 if given["type"].lower() == "eq" else np.inf
            self.fun: Callable[[Any], Any] = lambda x: f(x, *args)
            self.own_jac = (lambda x: jac(x, *args)) if callable(jac) else jac
        elif isinstance(given, optimize.LinearConstraint):
            self.low, self.high = given.lb, given.ub
            self.keep_feasible = given.keep_feasible
            matrix = given.A.toarray() if hasattr(given.A, "toarray") else np.atleast_2d(given.A)
            self.matrix, self.own_jac = matrix, None
        elif isinstance(given, optimize.NonlinearConstraint):
            self.low, self.high, self.fun = given.lb, given.ub, given.fun
            self.hess, self.keep_feasible = given.hess, given.keep_feasible
            self.own_jac = None if isinstance(given.jac, str) and given.jac == "2-point" else given.jac
        else:
            raise TypeError(f"minimize: a constraint is a dict or one of SciPy's classes, got {type(given).__name__}")

    def _values(self, x: Any) -> Any:
        if isinstance(self.given, scipy_optimize().LinearConstraint):
            return self.matrix @ x
        return ravel(self.fun(self.start.unravel(x)), "minimize: the result of a constraint")

    def jac(self, x: Any) -> Any:
        if self.own_jac is None:
            return self.jacobian(x)
        jacobian = plain(self.own_jac(self.start.unravel(x)))
        return jacobian if hasattr(jacobian, "tocsc") else np.reshape(jacobian, (-1, self.start.size))

    def scipy(self, method: str | None) -> Any:
        """The constraint for SciPy, on vectors."""
        optimize = scipy_optimize()
        if isinstance(self.given, optimize.LinearConstraint):
            return self.given
        jac = self.own_jac if isinstance(self.own_jac, str) else self.jac
        values = self.value_alone if isinstance(jac, str) or method in DERIVATIVE_FREE else self.value
        if isinstance(self.given, dict) and method != "trust-constr":
            return {"type": self.given["type"], "fun": values, "jac": jac}
        if self.hess is None and method == "trust-constr" and not isinstance(jac, str):
            hess: Any = lambda x, v: self.at(x).gradient(v).jacobian()  # noqa: E731
        elif self.hess is None:
            hess = optimize.BFGS()
        elif isinstance(self.hess, (str, optimize.HessianUpdateStrategy)):
            hess = self.hess
        else:
            hess = lambda x, v: self.hess(self.start.unravel(x), v)  # noqa: E731
        low, high = data_of(self.low), data_of(self.high)
        return optimize.NonlinearConstraint(values, low, high, jac=jac, hess=hess, keep_feasible=self.keep_feasible)


def constraints_of(constraints: Any, start: Flat) -> list[Constraint]:
    """SciPy's constraints, alone or in a list."""
    given = list(constraints) if isinstance(constraints, (list, tuple)) else [constraints]
    return [Constraint(c, start) for c in given]


# ---- at an optimum ------------------------------------------------------------------------------------------


def kkt(objective: Any, x: ndarray, limits: Bounded | None, rules: list[Constraint]) -> tuple[Any, ndarray]:
    """The conditions of Karush, Kuhn and Tucker as equations r(z) = 0, and their solution z: x, then the multipliers.

    Constraints that are active at x count as equations, the others not at all.
    """
    active: list[Any] = []  # a function, which of its values, and their limits
    sources: list[Any] = [*([limits] if limits else []), *rules]
    for rule in sources:
        y = np.asarray(data_of(rule(x)))
        sides = [np.broadcast_to(data_of(side), y.shape) for side in (rule.low, rule.high)]
        near = [np.isfinite(side) & (np.abs(y - side) <= _NEAR * (1 + np.abs(y))) for side in sides]
        equal = sides[0] == sides[1]
        for side, where, sign in ((rule.low, near[0] | equal, 1), (rule.high, near[1] & ~equal, -1)):
            places = np.flatnonzero(where)
            if places.size:
                active.append((rule, places, side, np.where(equal[places], 0, sign)))
    slope = objective.jac(x)
    normals = np.concatenate([np.zeros((0, x.size)), *[Linearization(r, x).jacobian()[k] for r, k, _, _ in active]])
    signs = np.concatenate([np.zeros(0), *[sign for _, _, _, sign in active]])
    weights = np.linalg.lstsq(normals.T, -slope, rcond=None)[0]
    # how much a step as long as _NEAR changes the multipliers: below that they may as well be 0
    bends = [abs(normal @ objective.hessp(x, normal)) / (normal @ normal) ** 1.5 for normal in normals]
    noise = _NEAR * (1 + np.max(np.abs(x), initial=0)) * np.array(bends)
    kept = (signs == 0) | (-weights * signs > noise)
    if not kept.all():
        warn(
            f"{objective.what}: a bound or constraint holds with equality, but does not push: the solution has no "
            "derivative there, only one to each side; that with the constraint left out is given"
        )
        weights = np.linalg.lstsq(normals[kept].T, -slope, rcond=None)[0]
        active = _chosen(active, kept)
    n = x.size

    def equations(x: Any) -> Any:
        parts = []
        for rule, places, side, _ in active:
            side = side if np.ndim(side) == 0 else side[places]
            parts.append(rule(x)[places] - side)
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def residual(z: Any) -> Any:
        x = z[:n]
        if not active:
            return objective.gradient(x)
        return np.concatenate([objective.gradient(x, equations, z[n:]), equations(x)])

    return residual, np.concatenate([x, np.asarray(weights, x.dtype)])


def _chosen(active: list[Any], kept: ndarray) -> list[Any]:
    chosen, start = [], 0
    for rule, places, side, sign in active:
        mask = kept[start : start + places.size]
        start += places.size
        if mask.any():
            chosen.append((rule, places[mask], side, sign[mask]))
    return chosen
