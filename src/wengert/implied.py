"""The implicit function theorem as an operation: where r(x, θ) = 0, dx/dθ = -(dr/dx)^-1 dr/dθ.

A solver finds x on plain arrays. r is then run once at x and recorded, and x becomes the result of one node, whose
parents are whatever that run read beside x: arguments, and Variables in closures. The rules solve with the Jacobian
or its transpose, and what they give is tied to x itself, so that it can be differentiated again, to any order.

A. Griewank and A. Walther, "Evaluating Derivatives", 2nd edition (SIAM, 2008), chapter 15.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy import ndarray

from . import forward, reverse
from .batching.array import Batched, looped, memory
from .flat import Linearization, reads_tracked
from .function import Node
from .recording import recorded, recording
from .variable import Variable, tick, wrap

DENSE = 1000  # unknowns up to which the Jacobian is built as a matrix, unless the caller says otherwise
_STEPS = 3  # of Newton's method, at most, from a solver's solution to rounding


class ConditioningWarning(RuntimeWarning):
    """The implicit function theorem does not hold at a solution, or nearly not: derivatives there are inaccurate."""


class ConvergenceError(RuntimeError):
    """A derivative was asked for where a solver found no solution, or an iterative linear solver did not converge."""


# ---- linear systems -----------------------------------------------------------------------------------------


class System:
    """Solves with a Jacobian, and with its transpose.

    Args:
        at: what the Jacobian is of.
        how: "dense", "cg", "gmres", "auto" (dense up to 1000 unknowns, then GMRES, or CG for a symmetric one), or
            `how(matvec, b)`, which gives the solution.
        symmetric: whether the Jacobian is.
        label: what it is, in messages.
        quiet: do not warn of its condition.
    """

    def __init__(
        self,
        at: Linearization,
        how: Any,
        symmetric: bool = False,
        label: str = "the Jacobian at the solution",
        quiet: bool = False,
    ) -> None:
        if how == "auto":
            how = "dense" if at.x.size <= DENSE else "cg" if symmetric else "gmres"
        if how not in ("dense", "cg", "gmres") and not callable(how):
            raise ValueError(f"linear_solver is 'auto', 'dense', 'cg', 'gmres' or callable, got {how!r}")
        self.at = at
        self.how = how
        self.label = label
        self.quiet = quiet
        self._matrix: Any = None

    def solve(self, b: Any, transposed: bool = False) -> Any:
        """x with J x = b, or the transpose of J instead.

        Raises:
            numpy.linalg.LinAlgError: J is singular up to rounding.
            ConvergenceError: an iterative solver did not converge.
        """
        if not memory(b).any():
            return np.zeros_like(b)
        if self.how == "dense":
            matrix = self._dense()
            x = np.linalg.solve(matrix.T if transposed else matrix, b)
            return x if x.dtype == b.dtype else x.astype(b.dtype)
        if type(b) is Batched:
            return looped(self.solve, (b, transposed), {})
        matvec = self.at.pull if transposed else self.at.push
        if callable(self.how):
            return np.asarray(self.how(matvec, b), b.dtype).reshape(b.shape)
        return krylov(self.how, matvec, b)

    def _dense(self) -> ndarray:
        if self._matrix is None:
            matrix = self.at.jacobian()
            condition, eps = condition_number(matrix), np.finfo(matrix.dtype).eps
            if not condition < 0.1 / eps:
                raise np.linalg.LinAlgError(f"{self.label} is singular (condition {condition:.1e})")
            if condition > 0.1 / np.sqrt(eps) and not self.quiet:
                warn(
                    f"{self.label} is ill-conditioned (condition {condition:.1e}): what is computed with it has a "
                    f"relative error of about {condition * eps:.0e}"
                )
            self._matrix = matrix
        return self._matrix


def condition_number(matrix: ndarray) -> float:
    """That of a matrix whose rows, then columns, are scaled to a largest element of 1: units do not matter."""
    if not np.isfinite(matrix).all():
        return float("nan")
    for axis in (1, 0):
        largest = np.max(np.abs(matrix), axis=axis, keepdims=True, initial=0)
        if not largest.all():
            return float("inf")
        matrix = matrix / largest
    return float(np.linalg.cond(matrix, 1))


def krylov(how: str, matvec: Callable[[ndarray], ndarray], b: ndarray) -> ndarray:
    """The solution by conjugate gradients or GMRES, to about 10 digits (5 in float32)."""
    try:
        import scipy.sparse.linalg as sparse  # type: ignore[import-untyped]
    except ImportError as error:
        raise ImportError(f"{how} needs SciPy: pip install 'wengert[scipy]'") from error
    rtol = 1e-5 if b.dtype.itemsize < 8 else 1e-10
    a = sparse.LinearOperator((b.size, b.size), matvec=lambda v: matvec(v.astype(b.dtype)), dtype=b.dtype)
    if how == "cg":
        x, info = sparse.cg(a, b, rtol=rtol, atol=0.0, maxiter=10 * b.size)
    else:
        x, info = sparse.gmres(a, b, rtol=rtol, atol=0.0, restart=min(b.size, 100), maxiter=20)
    if info != 0 or not np.isfinite(x).all():
        raise ConvergenceError(
            f"{how} did not converge on a system of {b.size} unknowns: it is singular or ill-conditioned"
            f"{', or not symmetric positive definite' if how == 'cg' else ''}; pass linear_solver='dense', or your own"
        )
    return np.asarray(x, b.dtype)


def warn(message: str) -> None:
    """Warn that the theorem fails."""
    warnings.warn(message, ConditioningWarning, stacklevel=2)


# ---- the operation ------------------------------------------------------------------------------------------


def implied(
    residual: Callable[[Any], Any],
    x: ndarray,
    what: str,
    how: Any = "auto",
    *,
    symmetric: bool = False,
    polish: bool = True,
    always: bool = False,
    system: Any = None,
    probe: Any = None,
    origin: Any = None,
) -> Any:
    """The vector x as a function of everything that `residual` reads: where that is tracked, a Variable.

    Args:
        residual: of a vector (an array or Variable) like x; zero at the solution.
        what: the caller, for messages.
        how, symmetric: see `System`.
        polish: whether a solver says that x is a solution: Newton steps then take it to rounding.
        always: do so, too, where nothing is tracked.
        system: solves with the Jacobian, if x has been found with it (r is linear).
        origin: where the solver started, which tells how large x might be.
        probe: reads what `residual` does, and can be run on a plain x.
    """
    if not (polish and always) and (recording() is False or not reads_tracked(probe or residual, x)):
        return x
    at = Linearization(residual, x)
    if at.value.shape != x.shape:
        raise ValueError(f"{what}: {x.size} unknowns, but the function gives {at.value.size} values")
    outer = at.outer() if recording() is not False else ()
    trouble = None
    if system is None:
        system = System(at, how, symmetric, quiet=not outer)
        with contextlib.suppress(np.linalg.LinAlgError, ConvergenceError):  # said when a derivative is asked for
            at, system = _newton(residual, at, system, polish)
            far = max(np.linalg.norm(at.x), np.linalg.norm(at.x - origin) if origin is not None else 0.0)
            if outer:
                trouble = _doubts(residual, at, system, polish, float(np.sqrt(np.finfo(x.dtype).eps) * far))
    if not outer:
        return at.x
    return wrap(at.x, Implied(at, system, f"{what}: {trouble}" if trouble else None))


def _newton(residual: Any, at: Linearization, system: System, polish: bool) -> tuple[Linearization, System]:
    """Newton's method from x to rounding, if it is near: its linearization there, and the system."""
    for _ in range(_STEPS if polish else 0):
        step = system.solve(at.value)
        size, scale = np.linalg.norm(step), np.linalg.norm(at.x)
        if size <= 4 * np.finfo(at.x.dtype).eps * scale or size > 0.1 * scale + 1e-3:
            break
        new = Linearization(residual, at.x - step)
        if not _size(system, new.value) < size:
            break
        at, system = new, System(new, system.how, label=system.label, quiet=system.quiet)
    return at, system


def _size(system: System, value: ndarray) -> float:
    """How far from a solution, measured in x, so that the units of r do not matter."""
    return float(np.linalg.norm(system.solve(value))) if np.isfinite(value).all() else np.inf


def _doubts(residual: Any, at: Linearization, system: System, polished: bool, reach: float) -> str | None:
    """Warn if the Jacobian is nearly singular at x; what is wrong with x, if it is no solution at all.

    One more step of Newton's method tells: near a regular solution it is short, and the next one far shorter. `reach`
    is a distance that counts as none.

    P. Deuflhard, "Newton Methods for Nonlinear Problems" (Springer, 2004), chapter 2.
    """
    if not np.isfinite(at.value).all():
        return "the residual is not finite at the solution"
    step = system.solve(at.value)
    size, scale = np.linalg.norm(step), np.linalg.norm(at.x)
    if size > reach:
        bent = not _size(system, Linearization(residual, at.x - step).value) < 0.05 * size
    else:
        bent = _bends(residual, at, system, reach)
    if bent:
        warn(
            "the Jacobian at the solution is singular, or nearly so, or the solver has not reached it: the Jacobian "
            "changes much in a small neighbourhood, so derivatives are inaccurate"
        )
    if size > 0.01 * scale + 1e-6 and not (bent and polished):
        return (
            f"the solver has not reached a solution (a step of Newton's method has a norm of {size:.1e}, the solution "
            f"one of {scale:.1e}), so it has no derivative"
        )
    return None


def _bends(residual: Any, at: Linearization, system: System, reach: float) -> bool:
    """Whether the Jacobian changes by a tenth within `reach`; not asked where that takes an iterative solve."""
    if system.how != "dense" or reach == 0:
        return False
    u = np.random.default_rng(0).standard_normal(at.x.size).astype(at.x.dtype)
    u /= np.linalg.norm(u)
    with np.errstate(all="ignore"):
        change = Linearization(residual, at.x + at.x.dtype.type(reach) * u).push(u) - at.push(u)
    return bool(np.isfinite(change).all() and np.linalg.norm(system.solve(change)) > 0.1)


class Implied(Node):
    """The node of a vector x that solves r(x, ...) = 0; its parents are what r was computed from, beside x."""

    __slots__ = ("at", "parents", "system", "trouble", "turned")

    def __init__(self, at: Linearization, system: System, trouble: str | None = None, turned: bool = False) -> None:
        self.at = at
        self.system = system  # with the Jacobian of r by x, or (turned) with its transpose
        self.trouble = trouble
        self.turned = turned
        self.parents = at.outer()
        self.serial = tick()

    def saved(self) -> tuple[Any, ...]:
        return (self.at.x, *[None] * len(self.parents))

    def cotangents(self, g: Any, graph: bool, apply: Any = None) -> Any:
        g = np.real(g) if g.dtype.kind == "c" else g  # x is real
        u = self._solved(g, True, graph)
        for p, t in zip(self.parents, reverse.pull([self.at.y._node], [-u], self.parents, graph), strict=True):
            if t is not None:
                yield p, self._tied(t, [g]) if graph else t

    def push(self, tangents: dict[Any, Any], graph: bool, apply: Any = None) -> None:
        pairs = [(p, tangents[p]) for p in self.parents if p in tangents]
        if not pairs:
            return
        nodes, ts = zip(*pairs, strict=True)
        (t,) = forward.push([self.at.y._node], nodes, ts, graph)
        if t is not None:
            u = -self._solved(t, False, graph)
            tangents[self] = self._tied(u, ts) if graph else u

    def _solved(self, b: Any, transposed: bool, graph: bool) -> Any:
        """J^-1 b, or J^-T b; in a graph, x and what r reads included."""
        if self.trouble:
            raise ConvergenceError(self.trouble)
        data = b._array if isinstance(b, Variable) else b
        data = data if data.dtype == self.at.x.dtype else data.astype(self.at.x.dtype)
        try:
            u = self.system.solve(data, transposed is not self.turned)
        except np.linalg.LinAlgError as error:
            warn(f"{error}: the implicit function theorem does not hold there, so the derivative is NaN")
            u = np.full_like(data, np.nan)
        if not graph:
            return u
        multiply = self.at.pull if transposed else self.at.push
        with recorded():
            at = Linearization(lambda w: multiply(w, True) - b, u)
            return wrap(u, Implied(at, self.system, None, transposed is not self.turned) if at.outer() else None)

    def _tied(self, t: Any, flowing: Sequence[Any]) -> Any:
        """t with x, where it was computed from it, tied to this node."""
        return tied(t, {self.at.node: self, **{p: p for p in self.parents}}, flowing)


class Tied(Node):
    """A value whose graph ends at some nodes that stand for others, its parents."""

    __slots__ = ("ends", "parents", "y")

    def __init__(self, y: Any, ends: dict[Any, Any]) -> None:
        self.y = y
        self.ends = ends
        self.parents = tuple(ends.values())
        self.serial = tick()

    def cotangents(self, g: Any, graph: bool, apply: Any = None) -> Any:
        found = reverse.pull([self.y], [g], list(self.ends), graph)
        for p, t in zip(self.parents, found, strict=True):
            if t is not None:
                yield p, tied(t, self.ends, [g]) if graph else t

    def push(self, tangents: dict[Any, Any], graph: bool, apply: Any = None) -> None:
        pairs = [(n, tangents[p]) for n, p in self.ends.items() if p in tangents]
        if not pairs:
            return
        nodes, ts = zip(*pairs, strict=True)
        (t,) = forward.push([self.y], nodes, ts, graph)
        if t is not None:
            tangents[self] = tied(t, self.ends, ts) if graph else t


def tied(t: Any, ends: dict[Any, Any], flowing: Sequence[Any]) -> Any:
    """t, whose graph ends at nodes that stand for others and at the cotangents or tangents `flowing`."""
    if not isinstance(t, Variable) or t._node is None:
        return t
    own = {g._node: g._node for g in flowing if isinstance(g, Variable) and g._node is not None}
    return wrap(t._array, Tied(t._node, {**own, **ends}))
