"""`solve_ivp`: initial value problems as SciPy poses them, differentiable."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy import ndarray

from .. import tree
from ..recording import Mode, recording
from ..rules.shaping import array, concatenate
from ..variable import Variable, wrap
from .adjoint import Adjoint
from .discrete import Discrete
from .explicit import in_precision
from .field import Field, State
from .methods import solver_of, stepper_of, tolerance_of
from .nodes import Sources, Underivable, implicit, linked
from .solution import Event, Solution, events_of, integrate
from .tableaux import EXPLICIT


class OdeResult(dict[str, Any]):
    """What `solve_ivp` found: a dict whose keys are attributes too, as in SciPy."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    def __dir__(self) -> list[str]:
        return list(self)


def solve_ivp(
    fun: Callable[..., Any],
    t_span: Any,
    y0: Any,
    method: Any = "RK45",
    t_eval: Any = None,
    dense_output: bool = False,
    events: Any = None,
    vectorized: bool = False,
    args: Any = None,
    *,
    gradient: str = "discrete",
    **options: Any,
) -> OdeResult:
    """Solve y' = fun(t, y, *args) from y(t0) = y0; `scipy.integrate.solve_ivp`, differentiable.

    Args:
        fun: gives dy/dt, in NumPy calls; a vector, a list of its elements, or a container like y0.
        t_span: (t0, t1); t1 < t0 goes backward.
        y0: a vector of shape (n,), real or complex; or any container of arrays, which `fun` and `events` then receive.
        method: "RK45", "RK23", "DOP853" (explicit, adaptive); "RK4" (steps of one size: `n_steps=`, or `step=`);
            "Radau", "BDF", "LSODA" or a class of SciPy's (for stiff systems; these need SciPy).
        t_eval: times at which to give y; by default those of the steps.
        dense_output: whether to give `sol`, the solution as a function of t.
        events: functions (t, y, *args) whose zeros are found, with SciPy's attributes `terminal` and `direction`.
        vectorized: whether `fun` takes and gives shape (n, k).
        args: more arguments for `fun`, `events` and `jac`; they may hold containers and Variables.
        gradient: "discrete" or "adjoint", see below.
        options: rtol, atol, first_step, max_step, and for implicit methods jac, jac_sparsity, lband, uband, min_step;
            SciPy's.

    Returns SciPy's fields: t, y of shape (n, points) (a container: each leaf with a last axis of points), sol,
    t_events, y_events, nfev, njev, nlu, status, message, success. They are Variables where they depend on tracked
    values: on y0, the ends of t_span, t_eval, and on every Variable that `fun` reads, in `args` or in its closure. A
    float32 y0 stays float32. The steps are SciPy's, so values agree with SciPy's nearly to rounding.

    * gradient="discrete" differentiates the steps that were taken, with their sizes held fixed: the gradient of the
      computed result, of any order and in both modes. A stage equation of Radau and the time of an event are
      differentiated by the implicit function theorem. Steps are recomputed, a segment at a time: first derivatives cost
      one more solve, recorded, and the memory of about sqrt(steps) of them. Not for BDF, LSODA.
    * gradient="adjoint" solves the adjoint equation backward with the same method and tolerances: first derivatives in
      reverse mode, as accurate as the tolerances. It stores no graph of a step, and works with every method.

    If a solve fails (status -1), its values are there, but to differentiate them is an error.

    Raises:
        ValueError: an unknown method, shapes that do not fit, t_eval outside t_span or not sorted, an option's value.
        TypeError: an unknown option; complex values for a real y0.
        ImportError: a method of SciPy's, without SciPy.
        RuntimeError: on differentiation: of a failed solve, or when what `fun` reads was changed since.

    Sources: Hairer, Nørsett & Wanner, *Solving Ordinary Differential Equations* I and II; Chen et al., *Neural ordinary
    differential equations*, 2018; Griewank & Walther, *Evaluating Derivatives*, ch. 12 (checkpoints).

    Example:
        >>> def final(k):
        ...     return wg.solve_ivp(lambda t, y: -k * y, (0.0, 1.0), [2.0], rtol=1e-8, atol=1e-8).y[0, -1]
        >>> value, slope = wg.value_and_grad(final)(0.5)
        >>> print(f"{value:.6f} {slope:.6f}")  # 2 exp(-k), -2 exp(-k)
        1.213061 -1.213061
    """
    if gradient not in ("discrete", "adjoint"):
        raise ValueError(f'solve_ivp: gradient must be "discrete" or "adjoint", got {gradient!r}')
    args = _arguments(args)
    t0, t1 = _ends(t_span)
    start, end = _number(t0), _number(t1)
    name, make = solver_of(method, options, abs(end - start))
    state = State(y0, double=name not in EXPLICIT)
    if vectorized and state.structure is not None:
        raise ValueError("solve_ivp: vectorized=True needs a y0 that is a vector")
    t_eval = None if t_eval is None else _checked(t_eval, start, end)
    sources = Sources()
    f = Field(fun, args, state, vectorized, Mode(False) if recording() is False else sources)
    jac = options.get("jac")
    solver = make(f, start, _array(state.y0), end, jac=f.plain(jac) if callable(jac) else jac)
    found = [] if events is None else events_of(events)
    functions = [e.function for e in found]
    for e in found:
        e.function = f.plain(e.function)
    solution = integrate(solver, _array(t_eval), found, dense_output)
    counts = {"nfev": solver.nfev, "njev": solver.njev, "nlu": solver.nlu}
    given = [state.y0, t0, t1, t_eval]
    tracked = any([getattr(v, "_node", None) is not None for v in given]) or sources.handles
    ts: Any = np.array(solution.ts)

    def differentiable() -> Any:
        if gradient == "adjoint":
            return Adjoint(f, make, solution, state.y0, ts, sources)
        tolerance = tolerance_of(name, options, f.real)
        return Discrete(stepper_of(name, f.real), f.value, solution, state.y0, ts, sources, tolerance)

    if not tracked or recording() is False:
        trajectory: Any = _Plain(solution, f.boxed or any([isinstance(v, Variable) for v in given]), differentiable)
        t_eval = _array(t_eval)
    elif solution.status < 0:
        trajectory = _Failed(solution, [*given, *sources.handles])
    else:
        ts = _times(t0, t1, solution, getattr(solver, "n_steps", 0))
        trajectory = differentiable()
    columns = trajectory.points(t_eval) if solution.points else []
    pairs = [_occurred(e, g, trajectory, state, args) for e, g in zip(found, functions, strict=True)]
    if t_eval is None:
        t_eval, columns = ts, [np.expand_dims(trajectory.y0, 1), *columns]
        if solution.status == 1:  # the last point is not the end of a step
            te, ye = next(pair for each in pairs for pair in each if _number(pair[0]) == solution.times[-1])
            t_eval, columns = concatenate([ts[:-1], te]), [*columns[:-1], columns[-1][:, :-1], ye]
    y = np.concatenate(columns, 1) if columns else np.empty((len(solution.y_end), 0), state.dtype)
    result = OdeResult(
        t=t_eval[: len(solution.times)],
        y=state.result(y),
        sol=OdeSolution(state, solution, trajectory) if dense_output else None,
        t_events=[np.concatenate([t for t, _ in each]) if each else np.empty(0) for each in pairs],
        y_events=[state.events([y for _, y in each]) for each in pairs],
        **counts,
        status=solution.status,
        message=solution.message,
        success=solution.status >= 0,
    )
    if events is None:
        result.update(t_events=None, y_events=None)
    return result


def _occurred(event: Event, function: Any, trajectory: Any, state: State, args: Any) -> list[tuple[Any, Any]]:
    """`(time, state)` of each time that an event occurred, of shapes (1,) and (n, 1)."""
    pairs = []
    for t, y, i in zip(event.times, event.states, event.steps, strict=True):
        steps, value = np.array([i]), y[:, None]

        def residual(te: Any, steps: ndarray = steps, value: ndarray = value) -> Any:
            y = trajectory.at(te, steps, value)[:, 0]
            return np.reshape(function(in_precision(te[0], state.dtype), state.unpack(y), *args), (1,))

        te: Any = np.array([t])
        if trajectory.differentiable:
            te = implicit(residual, te, (), "the event function touches zero without crossing it")
        else:
            te = trajectory.at(te, steps, te)
        pairs.append((te, trajectory.at(te, steps, value)))
    return pairs


class OdeSolution:
    """The solution as a function of time, differentiable: `sol(t)` has shape (n,), or (n, m) for m times.

    Outside t_span the first or last step is continued.
    """

    def __init__(self, state: State, solution: Solution, trajectory: Any) -> None:
        self._state, self._solution, self._trajectory = state, solution, trajectory
        self.ts = np.array(solution.times if len(solution.times) > len(solution.points) else solution.ts)
        self.interpolants = solution.pieces
        self.n_segments = len(self.interpolants)
        self.t_min, self.t_max = float(np.min(self.ts)), float(np.max(self.ts))

    def __call__(self, t: Any) -> Any:
        """The state at the times t: a number or a vector.

        Raises:
            ValueError: t has more than one axis.
        """
        data = np.asarray(_array(t), float)
        if data.ndim > 1:
            raise ValueError(f"sol: t must be a number or a vector, got shape {data.shape}")
        ts = self._solution.ts
        sign = 1.0 if ts[-1] >= ts[0] else -1.0
        steps = np.searchsorted(sign * np.array(ts[1:-1]), sign * data.reshape(-1))
        value = np.empty((len(self._solution.y_end), data.size), self._state.dtype)
        for i in np.unique(steps):
            value[:, steps == i] = self.interpolants[i](data.reshape(-1)[steps == i])
        times = t.reshape(-1) if isinstance(t, Variable) else data.reshape(-1)
        y = self._state.result(self._trajectory.at(times, steps, value))
        return y if data.ndim else tree.map(lambda leaf: leaf[..., 0], y)


class _Plain:
    """A solution that depends on nothing tracked; `boxed`: its values are Variables all the same."""

    differentiable = False

    def __init__(self, solution: Solution, boxed: bool, differentiable: Callable[[], Any] | None = None) -> None:
        self.solution, self.boxed, self.by_time = solution, boxed, differentiable
        self.y0 = self._value(solution.checkpoints.states[0])

    def _value(self, value: ndarray) -> Any:
        return wrap(value, None) if self.boxed else value

    def points(self, times: Any) -> list[Any]:
        return [self._value(np.concatenate(self.solution.points, 1))]

    def at(self, times: Any, steps: ndarray, value: ndarray) -> Any:
        if self.by_time and isinstance(times, Variable) and times._node is not None and recording() is not False:
            return self.by_time().at(times, steps, value)
        return self._value(value)


class _Failed(_Plain):
    """A solution that did not reach its end: to differentiate it is an error."""

    def __init__(self, solution: Solution, parents: list[Any]) -> None:
        self.parents = [v for v in parents if isinstance(v, Variable)]
        super().__init__(solution, True)

    def _value(self, value: ndarray) -> Any:
        error = RuntimeError(
            f"solve_ivp: the solve failed at t = {self.solution.ts[-1]:.6g} ({self.solution.message}), so its result "
            "is not that of the whole span and has no derivative; look at result.success first"
        )
        return linked(Underivable, value, self.parents, "solve_ivp", error=error)


# ---- arguments ------------------------------------------------------------------------------------------------------


def _arguments(args: Any) -> tuple[Any, ...]:
    try:
        return () if args is None else (*args,)
    except TypeError:
        raise TypeError("solve_ivp: args must be a tuple; for one argument, args=(x,)") from None


def _ends(t_span: Any) -> tuple[Any, Any]:
    ends = (*t_span,) if np.iterable(t_span) else ()
    if len(ends) != 2:
        raise ValueError(f"solve_ivp: t_span must be (t0, t1), got {t_span!r}")
    return ends


def _number(t: Any) -> float:
    return float(np.reshape(_array(t), ()))


def _array(x: Any) -> Any:
    return x.data if isinstance(x, Variable) else x


def _checked(t_eval: Any, start: float, end: float) -> Any:
    t_eval = array(t_eval) if isinstance(t_eval, (list, tuple)) else t_eval
    t_eval = t_eval if isinstance(t_eval, Variable) else np.asarray(t_eval, float)
    times = _array(t_eval)
    if times.ndim != 1:
        raise ValueError(f"solve_ivp: t_eval must be 1-dimensional, got shape {times.shape}")
    outside = (times < min(start, end)) | (times > max(start, end))
    if np.any(outside):
        raise ValueError(f"solve_ivp: t_eval holds {times[outside][0]}, which is outside t_span ({start}, {end})")
    if np.any(np.diff(times) * (1 if end > start else -1) <= 0):
        raise ValueError("solve_ivp: t_eval must be sorted from t0 to t1, without repetitions")
    return t_eval


def _times(t0: Any, t1: Any, solution: Solution, n_steps: int) -> Any:
    """The times of the steps, as they depend on the ends of the span: constant steps from t0, or fractions of it.

    The last step of an adaptive method ends at t1, wherever that is.
    """
    ts = np.array(solution.ts)
    if getattr(t0, "_node", None) is None and getattr(t1, "_node", None) is None:
        return ts
    if n_steps:
        part = np.arange(len(ts)) / n_steps
        return (1 - part) * t0 + part * t1
    of_t1 = np.zeros(len(ts))
    of_t1[-1] = ts[-1] == _number(t1)
    return (1 - of_t1) * t0 + of_t1 * t1 + (1 - of_t1) * (ts - ts[0])
