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
    if isinstance(side, (int, float, np.generic, ndarray, Variable)) and np.size(scalar) == 1:
        return _cast(np.broadcast_to(np.reshape(scalar, (1,)), (start.size,)), start)
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
    elif isinstance(pair, (tuple, list, ndarray)) and len(pair) == 2:
        end = pair[k]
    else:
        raise ValueError(f"{what}: expected a pair (low, high) or None, got {pair!r}")
    try:
        end = none if end is None else end
        return np.broadcast_to(np.reshape(end, ()) if np.size(end) == 1 else end, shape)
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
            if type(self.hess) is optimize.BFGS:  # the default
                self.hess = None
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
            hess: Any = lambda x, v: self.at(x).gradient(v).jacobian().astype(float)  # noqa: E731
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


class _Active:
    """Limits that hold with equality at x, up to a tolerance, as equations, and their normals (the Jacobian)."""

    def __init__(self, sources: list[Any], x: ndarray, tolerance: float) -> None:
        self.parts: list[Any] = []  # a function, which of its values, their limit
        normals, signs = [np.zeros((0, x.size))], [np.zeros(0)]
        for f in sources:
            at = Linearization(f, x)
            sides = [np.broadcast_to(data_of(side), at.value.shape) for side in (f.low, f.high)]
            equal = sides[0] == sides[1]
            for side, limit, sign in ((f.low, sides[0], 1), (f.high, sides[1], -1)):
                with np.errstate(invalid="ignore"):
                    near = np.isfinite(limit) & (np.abs(at.value - limit) <= tolerance * (1 + np.abs(at.value)))
                places = np.flatnonzero(near & ~equal | (equal if sign == 1 else False))
                if places.size:
                    self.parts.append((f, places, side))
                    normals.append(at.jacobian()[places])
                    signs.append(np.where(equal[places], 0, sign))
        self.normals = np.concatenate(normals)
        self.signs = np.concatenate(signs)  # 1 for a lower limit, -1 for an upper one, 0 for an equation

    def only(self, kept: ndarray) -> None:
        """Forget the others."""
        parts, start = [], 0
        for f, places, side in self.parts:
            mask = kept[start : start + places.size]
            start += places.size
            if mask.any():
                parts.append((f, places[mask], side))
        self.parts, self.normals, self.signs = parts, self.normals[kept], self.signs[kept]

    def __call__(self, x: Any) -> Any:
        """What is zero where the limits hold."""
        rows = [f(x)[places] - (side if np.ndim(side) == 0 else side[places]) for f, places, side in self.parts]
        return rows[0] if len(rows) == 1 else np.concatenate(rows)


def kkt(objective: Any, x: ndarray, limits: Bounded | None, rules: list[Constraint]) -> tuple[Any, ndarray]:
    """The conditions of Karush, Kuhn and Tucker as equations r(z) = 0, and their solution z: x, then the multipliers.

    Constraints that are active at x count as equations, the others not at all. A solver ends some way from those that
    are: they are looked for further away until they balance the gradient.
    """
    sources: list[Any] = [*([limits] if limits else []), *rules]
    slope, size = objective.jac(x), 1 + np.max(np.abs(x), initial=0)

    def is_small(v: ndarray, distance: float) -> bool:
        """Whether a part v of the gradient may as well be 0: a minimum in its direction is so near."""
        length = np.linalg.norm(v)
        if length <= 1e-9 * np.linalg.norm(slope):
            return True
        return bool(length <= distance * size * np.linalg.norm(objective.hessp(x, v / length)))

    for tolerance in (1e-6, 1e-5, 1e-4, 1e-3, 1e-2):
        active = _Active(sources, x, tolerance)
        weights = np.linalg.lstsq(active.normals.T, -slope, rcond=None)[0]
        if is_small(slope + weights @ active.normals, 1e-3):
            break
    pairs = zip(weights, active.normals, active.signs, strict=True)
    kept = np.array(
        [sign == 0 or (-w * sign > 0 and not is_small(w * normal, 1e-5)) for w, normal, sign in pairs], bool
    )
    if not kept.all():
        if tolerance == 1e-6:  # further away, they only seemed to be active
            warn(
                f"{objective.what}: a bound or constraint holds with equality, but does not push: the solution has no "
                "derivative there, only one to each side; that with the constraint left out is given"
            )
        active.only(kept)
        weights = np.linalg.lstsq(active.normals.T, -slope, rcond=None)[0]
    n = x.size

    def residual(z: Any) -> Any:
        x = z[:n]
        if not active.parts:
            return objective.gradient(x)
        return np.concatenate([objective.gradient(x, active, z[n:]), active(x)])

    return residual, np.concatenate([x, np.asarray(weights, x.dtype)])
