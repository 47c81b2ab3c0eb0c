"""gradient="adjoint": the derivative of the equation itself, from the adjoint equation, solved backward.

Pontryagin et al. 1962; Chen et al., *Neural ordinary differential equations*, 2018. With λ = dL/dy(t), going back in
time from the last point,

    λ' = -(df/dy).T λ,        dL/dp = integral of (df/dp).T λ over the span.

At each point, its cotangent is added to λ. Between checkpoints the state is solved for again, forward in time: solving
it backward, as Chen et al. do, is unstable for dissipative systems. The integrals are taken by Gauss's rule in each
step of λ (Kim et al., *Stiff neural ordinary differential equations*, 2021): parameters add nothing to the equation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy import ndarray

from ..function import Node
from ..recording import Mode, recorded
from ..variable import Variable, wrap
from .nodes import Sources, Underivable, linked, pulled
from .solution import Solution, integrate

_GAUSS = [(0.5 * (x + 1), 0.5 * w) for x, w in zip(*np.polynomial.legendre.leggauss(5), strict=True)]
_ONCE = (
    'solve_ivp: gradient="adjoint" gives first derivatives in reverse mode; use gradient="discrete" for forward mode '
    "and for higher orders"
)


class Adjoint:
    """A solution that can be differentiated by y0, t0, the times of points, and what f reads."""

    differentiable = True

    def __init__(
        self,
        f: Callable[..., Any],
        solver: Callable[..., Any],
        solution: Solution,
        y0: Any,
        ts: Any,
        sources: Sources,
    ) -> None:
        self.f, self.solver, self.solution = f, solver, solution
        self.y0, self.ts, self.sources = y0, ts, sources

    def points(self, times: Any) -> list[Any]:
        """The values of the points, in one matrix. `times` None: the ends of the steps."""
        solution = self.solution
        steps = np.repeat(np.arange(len(solution.counts)), solution.counts)
        values = np.concatenate(solution.points, 1)
        return [self.at(self.ts[1:] if times is None else times, steps, values)]

    def at(self, times: Any, steps: ndarray, value: ndarray) -> Any:
        """The solution at `times`, which lie in these steps, and is `value` there."""
        parents = [self.y0, self.ts[0], times, *self.sources.handles]
        return linked(Backward, value, parents, "solve_ivp", owner=self, times=_array(times), steps=steps, z=value)

    def back(self, times: ndarray, steps: ndarray, values: ndarray, g: ndarray) -> list[Any]:
        """The gradients of y0, t0, the times, and the sources, from those of the points."""
        self.sources.check()
        solution, checkpoints = self.solution, self.solution.checkpoints
        lam: Any = np.zeros_like(g[:, 0]) if g.shape[1] else np.zeros_like(solution.y_end)
        parameters = [np.zeros_like(np.asarray(v._array)) for v in self.sources.handles]
        g_times = np.zeros(times.shape)
        direction = 1 if solution.ts[-1] >= solution.ts[0] else -1
        segments = checkpoints.segments()
        started = False
        for s in reversed(range(len(segments))):
            start, stop = solution.ts[segments[s].start], solution.ts[segments[s].stop]
            inside = np.flatnonzero((steps >= segments[s].start) & (steps < segments[s].stop))
            if not started and not len(inside):
                continue
            state = self._states(start, checkpoints.states[s], stop, solution.ts[segments[s].start + 1])
            t = stop
            for i in inside[np.argsort(-direction * times[inside], kind="stable")]:
                if started:
                    lam = self._between(t, float(times[i]), lam, state, parameters)
                started, t = True, float(times[i])
                g_times[i] = _inner(g[:, i], self.f(t, values[:, i]))
                lam = lam + g[:, i]
            lam = self._between(t, start, lam, state, parameters)
        y0 = checkpoints.states[0]
        return [lam, -_inner(lam, self.f(solution.ts[0], y0)), g_times, *parameters]

    def _states(self, t: float, y: ndarray, end: float, first: float) -> Callable[[float], ndarray]:
        """The state from t to the end, solved for again."""
        solution = integrate(self.solver(self.f, t, y, end, abs(first - t)), np.empty(0), [], True)
        if solution.status < 0:
            raise RuntimeError(f"solve_ivp: the state could not be solved for again from t = {t}: {solution.message}")
        return _Pieces(solution)

    def _between(self, t: float, end: float, lam: Any, state: Callable[[float], ndarray], parameters: list[Any]) -> Any:
        """λ at the end, from that at t; adds to the gradients of the parameters."""
        if t == end:
            return lam

        def slope(t: float, lam: ndarray) -> ndarray:
            (gy,) = self._pull(t, state(t), lam, ())
            return np.zeros_like(lam) if gy is None else -gy

        solver = self.solver(_Slope(slope), t, lam, end)
        while solver.status == "running":
            message = solver.step()
            if solver.status == "failed":
                raise RuntimeError(f"solve_ivp: the adjoint equation could not be solved: {message}")
            if parameters:
                inside, h = solver.dense_output(), solver.t - solver.t_old
                for x, w in _GAUSS:
                    at = solver.t_old + x * h
                    lam = np.reshape(inside(np.array([at])), -1)
                    flows = self._pull(at, state(at), lam, self.sources.nodes)[1:]
                    for j, flow in enumerate(flows):
                        if flow is not None:
                            flow = flow.real if parameters[j].dtype.kind != "c" else flow
                            parameters[j] = parameters[j] - (w * h * flow).astype(parameters[j].dtype)
        return solver.y

    def _pull(self, t: float, y: ndarray, lam: ndarray, nodes: Sequence[Any]) -> list[Any]:
        with recorded():
            x = Variable(y)
            z = self.f.value(t, x)  # type: ignore[attr-defined]
        z = z if isinstance(z, Variable) else wrap(z, None)
        with Mode(False):
            return pulled(z, lam, [x._node, *nodes], False)


class Backward(Node):
    """Values of the solution at some times."""

    __slots__ = ("owner", "parents", "steps", "times", "z")
    owner: Adjoint
    steps: ndarray
    times: ndarray
    z: ndarray

    def saved(self) -> tuple[Any, ...]:
        return (self.z, *[None] * len(self.parents))

    def cotangents(self, g: Any, graph: bool, apply: Any = None) -> Iterator[tuple[Any, Any]]:
        with Mode(False):
            found = self.owner.back(self.times, self.steps, self.z, g._array if isinstance(g, Variable) else g)
        for p, t in zip(self.parents, found, strict=True):
            if p is not None:
                parents = [p, self, *([] if not isinstance(g, Variable) else [g])]
                yield p, once(t, parents) if graph else t

    def push(self, tangents: dict[Any, Any], graph: bool, apply: Any = None) -> None:
        if any([p in tangents for p in self.parents]):
            raise TypeError(_ONCE)


def once(value: Any, sources: Sequence[Any]) -> Variable:
    """A gradient that cannot be differentiated again."""
    parents = [v if isinstance(v, Variable) else wrap(None, v) for v in sources]
    return linked(Underivable, value, parents, "solve_ivp", error=TypeError(_ONCE))


class _Pieces:
    """The solution at one time, from the pieces of each step."""

    def __init__(self, solution: Solution) -> None:
        self.solution = solution
        self.direction = 1 if solution.ts[-1] >= solution.ts[0] else -1
        self.ends = self.direction * np.array(solution.ts[1:-1])

    def __call__(self, t: float) -> ndarray:
        piece = self.solution.pieces[int(np.searchsorted(self.ends, self.direction * t))]
        return piece(np.array([t]))[:, 0]


class _Slope:
    """The right-hand side of the adjoint equation, as solvers want one."""

    vectorized = False

    def __init__(self, f: Callable[..., Any]) -> None:
        self.f, self.nfev = f, 0

    def __call__(self, t: float, y: ndarray) -> Any:
        self.nfev += 1
        return self.f(t, y)


def _inner(a: Any, b: Any) -> Any:
    """The real inner product."""
    return np.asarray(np.sum(np.conj(a) * b).real)


def _array(x: Any) -> Any:
    return x._array if isinstance(x, Variable) else x
