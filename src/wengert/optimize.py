"""SciPy's optimisers with exact derivatives: `minimize`, `least_squares`, `curve_fit`.

They take what SciPy's take and give what SciPy's give. x0 may be a container, and derivatives that a method uses are
supplied; those that the caller supplies are used instead. Solutions are differentiable (see `implied.py`): where the
function reads tracked data, the condition that holds at an optimum defines x, active bounds and constraints included.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy import ndarray

from . import reverse, tree
from .constraints import DERIVATIVE_FREE, Bounded, Constraint, bounds_of, constraints_of, kkt, split_bounds
from .flat import Evaluated, Flat, Linearization, plain, ravel, reads_tracked, scipy_optimize
from .implied import implied
from .recording import no_grad, recording
from .transforms import jvp
from .variable import Variable, data_of, wrap

_PRODUCTS = frozenset(("newton-cg", "trust-ncg", "trust-krylov", "trust-constr"))  # take Hessian-vector products
_HESSIAN = frozenset(("dogleg", "trust-exact"))  # take the Hessian itself
_GRADIENT = _PRODUCTS | _HESSIAN | {"cg", "bfgs", "l-bfgs-b", "tnc", "slsqp"}


class Objective(Evaluated):
    """A real scalar function of a container, as a function of a vector that gives a vector of one element."""

    def __init__(self, fun: Callable[[Any], Any], start: Flat, what: str) -> None:
        super().__init__(self._values, start)
        self.fun = fun
        self.what = what
        self._slope: Any = None

    def _values(self, x: Any) -> Any:
        y = self.fun(self.start.unravel(x))
        if not isinstance(y, Variable):
            y = np.asarray(y)
        if y.size != 1 or y.dtype.kind == "c":
            raise TypeError(f"{self.what}: the function must give a real scalar, got {y.dtype} of shape {y.shape}")
        y = np.reshape(y, (1,))
        return y if y.dtype.kind == "f" else y.astype(float)

    def jac(self, x: Any) -> ndarray:
        at = self.at(x)
        return np.array(at.pull(np.ones(1, at.value.dtype)), float)

    def slope(self, x: Any) -> Linearization:
        """The gradient linearized at x."""
        at = self.at(x)
        if self._slope is None or self._slope[0] is not at:
            self._slope = at, at.gradient(np.ones(1))
        return self._slope[1]

    def hess(self, x: Any) -> ndarray:
        return self.slope(x).jacobian().astype(float)

    def hessp(self, x: Any, p: Any) -> ndarray:
        return np.array(self.slope(x).pull(np.asarray(p, self.start.dtype)), float)

    def gradient(self, x: Variable, also: Any = None, weights: Any = None) -> Any:
        """The gradient at the tracked vector x, differentiably; of `self(x) + weights @ also(x)` where given."""
        ys, gs = [self(x)], [np.ones(1)]
        if also is not None:
            ys.append(also(x))
            gs.append(weights)
        pairs = [
            (y._node, g if isinstance(g, Variable) else wrap(np.asarray(g, y.dtype), None))
            for y, g in zip(ys, gs, strict=True)
            if isinstance(y, Variable) and y._node is not None
        ]
        t = None
        if pairs:
            nodes, cotangents = zip(*pairs, strict=True)
            (t,) = reverse.pull(nodes, cotangents, [x._node], True)
        return np.zeros_like(x.data) if t is None else t


def minimize(
    fun: Callable[..., Any],
    x0: Any,
    args: Any = (),
    method: Any = None,
    jac: Any = None,
    hess: Any = None,
    hessp: Any = None,
    bounds: Any = None,
    constraints: Any = (),
    tol: float | None = None,
    callback: Any = None,
    options: Any = None,
) -> Any:
    """Minimise `fun(x, *args)`, a real scalar: `scipy.optimize.minimize` with exact derivatives.

    Args:
        fun: gives a real scalar.
        x0: where to start, an array or a container of arrays. x is built like it, with its dtypes, wherever fun,
            constraints, callback and result have it; a 0-d x0 gives a 0-d x.
        args: further arguments of fun, a tuple.
        method, tol, options: SciPy's. Of the derivatives, the method is given those that it uses: the gradient; for
            Newton-CG, trust-ncg, trust-krylov and trust-constr products with the Hessian; for dogleg and trust-exact
            the Hessian; for trust-constr the Hessians of constraints, too.
        jac, hess, hessp: used instead, if given: `jac(x, *args)` gives the gradient, built like x, and with jac=True
            fun gives `(value, gradient)`; `hessp(x, p, *args)` a product, built like x; `hess(x, *args)` a matrix
            over the elements of x in order. jac=False, "2-point" and so on are SciPy's differences.
        bounds: SciPy's Bounds or pairs `(low, high)` for each element; or for a container x0 one built like it, with
            `(low, high)` or None for each array: None, a number, or an array of its shape.
        constraints: SciPy's dicts, NonlinearConstraint (whose defaults, jac="2-point" and hess=BFGS(), become the exact
            ones) and LinearConstraint (over the elements of x in order), alone or in a list.
        callback: SciPy's; it gets x as fun does.

    Returns:
        SciPy's OptimizeResult, with x and jac (or grad) built like x0. x and fun are Variables where fun, constraints
        or bounds read tracked data: then x is taken to rounding by Newton steps, and its derivatives, to any order,
        follow from the conditions of Karush, Kuhn and Tucker with the active bounds and constraints. Other fields
        are plain.

    One run of fun and one walk for a gradient, two more walks for a product with the Hessian, or for the Hessian, the
    second with a batch of as many vectors as x has elements. Derivatives of x cost a Hessian and a linear solve.

    Raises:
        TypeError, ValueError: x0 is not of numbers, fun gives no real scalar, or a container does not fit.
        ConvergenceError: a derivative is asked for, and x is no optimum.
        SciPy's own errors are left as they are.

    Warns:
        ConditioningWarning: a derivative is asked for where it does not exist or is ill-conditioned: a singular
            Hessian, dependent constraints, a bound that is about to become active.

    Source: J. Nocedal and S. J. Wright, Numerical Optimization, 2nd edition (Springer, 2006), chapter 12; of the
    derivatives, A. V. Fiacco, Introduction to Sensitivity and Stability Analysis (Academic Press, 1983), chapter 3.

    Example:
        >>> fit = wg.minimize(lambda p: (p["a"] - 3.0) ** 2 + np.sum(p["b"] ** 2), {"a": 0.0, "b": np.ones(2)})
        >>> bool(fit.success), round(float(fit.x["a"]), 6)
        (True, 3.0)
        >>> best = lambda t: wg.minimize(lambda x: np.exp(x - t) - x, 0.0).x
        >>> wg.grad(best)(1.0)
        array(1.)
    """
    start, args = Flat(x0, "minimize: x0"), args if type(args) is tuple else (args,)
    pair = jac is True
    objective = Objective(lambda x: fun(x, *args)[0] if pair else fun(x, *args), start, "minimize")
    limits = bounds_of(bounds, start, "minimize: bounds")
    rules = constraints_of(constraints, start)
    if pair:
        jac = lambda x, *args: fun(x, *args)[1]  # noqa: E731
    given = {
        "jac": (lambda x: start.ravel(plain(jac(start.unravel(x), *args)), "minimize: jac")) if callable(jac) else jac,
        "hess": (lambda x: plain(hess(start.unravel(x), *args))) if _is_function(hess) else hess,
        "hessp": hessp
        and (lambda x, p: start.ravel(plain(hessp(start.unravel(x), start.unravel(p), *args)), "minimize: hessp")),
    }
    with no_grad():
        result = solve_minimum(objective, method, tol, options, given, limits, rules, callback)
    x = np.asarray(result.x, start.dtype)
    for name in ("jac", "grad"):
        if isinstance(result.get(name), ndarray) and result[name].shape == x.shape:
            result[name] = start.unravel(np.asarray(result[name], start.dtype))
    x = optimum(objective, x, limits, rules, bool(result.success))
    result.x = start.unravel(x)
    if recording() is not False and reads_tracked(objective, x):
        result.fun = objective(x)[0]
    elif start.dtype.itemsize < 8:
        result.fun = start.dtype.type(result.fun)
    return result


def solve_minimum(
    objective: Objective,
    method: Any,
    tol: Any,
    options: Any,
    given: Any = None,
    limits: Any = None,
    rules: Any = (),
    callback: Any = None,
) -> Any:
    """SciPy's result, on vectors. `given` holds the caller's jac, hess and hessp."""
    start, given = objective.start, dict(given or {"jac": None, "hess": None, "hessp": None})
    if start.size == 0:
        x = start.start
        return scipy_optimize().OptimizeResult(
            x=x, success=True, status=0, fun=objective.value_alone(x)[0], jac=x, nfev=1, nit=0, message="x0 is empty"
        )
    if method is None:
        method = "SLSQP" if rules else "BFGS" if limits is None else "L-BFGS-B"
    name = method.lower() if isinstance(method, str) else None  # None: the caller's own
    exact = given["jac"] is None and (name is None or name in _GRADIENT)
    if exact:
        given["jac"] = objective.jac
    if callable(given["jac"]) and given["hess"] is None and given["hessp"] is None:
        if name is None or name in _PRODUCTS:
            given["hessp"] = objective.hessp
        if name is None or name in _HESSIAN:
            given["hess"] = objective.hess
    if tol is None and start.dtype.itemsize < 8 and name is not None and not options:
        tol = 1e-3 if name in DERIVATIVE_FREE else 1e-4
    return scipy_optimize().minimize(
        lambda x: float((objective.value if exact else objective.value_alone)(x)[0]),
        start.start.astype(float),
        method=method,
        bounds=None if limits is None else limits.scipy(),
        constraints=[rule.scipy(name) for rule in rules],
        tol=tol,
        callback=callback and _callback(callback, start, name),
        options=options,
        **given,
    )


def optimum(objective: Objective, x: ndarray, limits: Bounded | None, rules: list[Constraint], polish: bool) -> Any:
    """The vector x as a function of the tracked data that objective, bounds and constraints read."""
    if recording() is False:
        return x

    def probe(x: Any) -> Any:
        return objective(x), [rule(x) for rule in rules], limits and (limits.low, limits.high)

    if not reads_tracked(probe, x):
        return x
    if limits is None and not rules:
        return implied(
            objective.gradient,
            x,
            objective.what,
            symmetric=True,
            polish=polish,
            probe=probe,
            origin=objective.start.start,
        )
    residual, z = kkt(objective, x, limits, rules)
    origin = np.concatenate([objective.start.start, z[x.size :]])
    x_and_weights = implied(
        residual, z, objective.what, polish=polish, probe=lambda z: probe(z[: x.size]), origin=origin
    )
    return x_and_weights[: x.size]


def _is_function(hess: Any) -> bool:
    """Whether it is the caller's function, and not one of SciPy's strategies, which are callable as well."""
    return callable(hess) and not isinstance(hess, scipy_optimize().HessianUpdateStrategy)


def _callback(callback: Any, start: Flat, name: str | None) -> Any:
    """The caller's callback with x in its container. SciPy goes by the names of its parameters."""

    def filled(result: Any) -> Any:
        result = scipy_optimize().OptimizeResult(result)
        result.x = start.unravel(np.array(result.x, start.dtype))
        return result

    if list(inspect.signature(callback).parameters) == ["intermediate_result"]:
        return lambda intermediate_result: callback(intermediate_result=filled(intermediate_result))
    if name == "trust-constr":
        return lambda x, state: callback(start.unravel(np.array(x, start.dtype)), filled(state))
    return lambda x: callback(start.unravel(np.array(x, start.dtype)))


# ---- least squares ------------------------------------------------------------------------------------------

_LOSSES: dict[str, Callable[[Any], Any]] = {  # of SciPy's, z being the square of a residual
    "linear": lambda z: z,
    "soft_l1": lambda z: 2 * (np.sqrt(1 + z) - 1),
    "huber": lambda z: np.where(z <= 1, z, 2 * np.sqrt(np.where(z <= 1, 1, z)) - 1),
    "cauchy": np.log1p,
    "arctan": np.arctan,
}


def least_squares(
    fun: Callable[..., Any],
    x0: Any,
    jac: Any = None,
    bounds: Any = (-np.inf, np.inf),
    method: str = "trf",
    ftol: float | None = 1e-8,
    xtol: float | None = 1e-8,
    gtol: float | None = 1e-8,
    x_scale: Any = 1.0,
    loss: Any = "linear",
    f_scale: float = 1.0,
    diff_step: Any = None,
    tr_solver: Any = None,
    tr_options: Any = None,
    jac_sparsity: Any = None,
    max_nfev: int | None = None,
    verbose: int = 0,
    args: Any = (),
    kwargs: Any = None,
    callback: Any = None,
    workers: Any = None,
) -> Any:
    """Minimise half the sum of the squares of `fun(x, *args, **kwargs)`: `scipy.optimize.least_squares`.

    Args:
        fun: gives the residuals, in any container.
        x0: where to start, an array or a container; fun receives x, and the result has x, built like it.
        jac: by default the exact Jacobian; `jac(x, *args, **kwargs)` gives one over the elements of residuals and x in
            order; "2-point", "3-point" and "cs" are SciPy's differences.
        bounds: `(low, high)`, each a number or built like x0; or SciPy's Bounds.
        x_scale: SciPy's, or built like x0.
        callback: SciPy's; it gets x as fun does. The other arguments are SciPy's, too.

    Returns:
        SciPy's OptimizeResult; x, grad and active_mask are built like x0, fun like what fun gives. `covariance` is that
        of the elements of x in order, 2 cost / (m - n) (J^T J)^-1 for m residuals and n elements, inf where they do
        not determine it. x, fun, cost and covariance are Variables where fun or bounds read tracked data, and x is
        then taken to rounding by Newton steps; other fields are plain.

    One run of fun for an evaluation; a Jacobian costs a walk with a batch of the residuals or of the elements of x,
    whichever are fewer. Derivatives cost the Hessian of the cost and a linear solve; those of the covariance a run for
    each element.

    Raises, warns: as `minimize`. TypeError: a loss of the caller's own, where fun reads tracked data.

    Source: the derivatives are those of `minimize`; J. Nocedal and S. J. Wright, Numerical Optimization, 2nd edition
    (Springer, 2006), chapter 10.

    Example:
        >>> t = np.array([0.0, 1.0, 2.0, 3.0])
        >>> y = np.array([2.0, 1.2, 0.8, 0.4])
        >>> fit = wg.least_squares(lambda p: p["size"] * np.exp(-p["rate"] * t) - y, {"size": 1.0, "rate": 1.0})
        >>> fit.x["rate"].round(4), fit.covariance.shape
        (np.float64(0.4971), (2, 2))
    """
    start = Flat(x0, "least_squares: x0")
    args, kwargs = args if type(args) is tuple else (args,), kwargs or {}
    limits = split_bounds(bounds, start, "least_squares: bounds")

    def f(x: Any) -> Any:
        return fun(start.unravel(x), *args, **kwargs)

    def residuals(x: Any) -> Any:
        return ravel(f(x), "least_squares: the result of fun")

    exact = Evaluated(residuals, start)
    if jac is None:
        given: Any = exact.jacobian
    elif callable(jac):
        given = lambda x: plain(jac(start.unravel(x), *args, **kwargs))  # noqa: E731
    else:
        given = jac
    if isinstance(x_scale, (dict, list, tuple)) or tree.structure(x_scale) == start.structure:
        x_scale = x_scale if np.ndim(x_scale) == 0 else start.ravel(x_scale, "least_squares: x_scale")
    with no_grad():
        result = scipy_optimize().least_squares(
            exact.value if jac is None else exact.value_alone,
            start.start,
            given,
            (-np.inf, np.inf) if limits is None else (limits.scipy().lb, limits.scipy().ub),
            method,
            ftol,
            xtol,
            gtol,
            x_scale,
            loss,
            f_scale,
            diff_step,
            tr_solver,
            tr_options or {},
            jac_sparsity,
            max_nfev,
            verbose,
            callback=callback and _callback(callback, start, None),
            workers=workers,
        )

    def cost(x: Any) -> Any:
        if loss not in _LOSSES:
            raise TypeError("least_squares: a solution with a loss of your own has no derivative; use wg.minimize")
        return 0.5 * f_scale**2 * np.sum(_LOSSES[loss]((residuals(x) / f_scale) ** 2))

    x = np.asarray(result.x, start.dtype)
    vector = Flat(x, "least_squares: x")
    reads = (lambda x: (residuals(x), limits.low, limits.high)) if limits else residuals
    tracked = recording() is not False and reads_tracked(reads, x)
    if tracked:
        x = optimum(Objective(cost, vector, "least_squares"), x, limits, [], bool(result.success))
    result.covariance = _covariance(result.jac, float(result.cost))
    if tracked:
        result.cost = cost(x)
        if loss == "linear" and result.covariance is not None and np.isfinite(result.covariance).all():
            result.covariance = _tracked_covariance(residuals, x, True)
    result.fun = f(x) if tracked else plain(f(x))
    result.x, result.grad = start.unravel(x), start.unravel(np.asarray(result.grad, start.dtype))
    mask = start.unravel(np.asarray(result.active_mask, start.dtype))
    result.active_mask = tree.map(lambda leaf: leaf.real.astype(int), mask)
    return result


def _covariance(jacobian: Any, cost: float) -> ndarray | None:
    """Of the elements of a least-squares solution; inf where they are not determined."""
    if not isinstance(jacobian, ndarray):
        return None
    m, n = jacobian.shape
    _, s, vh = np.linalg.svd(jacobian, full_matrices=False)
    if m <= n or s.size < n or not np.all(s > np.finfo(jacobian.dtype).eps * max(m, n) * np.max(s, initial=0)):
        return np.full((n, n), np.inf)
    return 2 * cost / (m - n) * (vh.T / s**2) @ vh


def _tracked_covariance(residuals: Any, x: Any, scaled: bool) -> Any:
    """The same of the vector x as a Variable."""
    columns = []
    for e in np.eye(x.size, dtype=x.dtype):
        r, column = jvp(residuals, (x,), (e,))
        columns.append(column)
    jacobian = np.stack(columns, axis=1)
    inverse = np.linalg.inv(jacobian.T @ jacobian)
    return inverse * (np.sum(r**2) / (r.size - x.size)) if scaled else inverse


def curve_fit(
    f: Callable[..., Any],
    xdata: Any,
    ydata: Any,
    p0: Any = None,
    sigma: Any = None,
    absolute_sigma: bool = False,
    check_finite: bool | None = None,
    bounds: Any = (-np.inf, np.inf),
    method: Any = None,
    jac: Any = None,
    *,
    full_output: bool = False,
    **others: Any,
) -> Any:
    """Fit `f(xdata, *params)` to ydata by least squares: `scipy.optimize.curve_fit` with the exact Jacobian.

    Args:
        f: gives what is compared with ydata. With a container p0 (no array or list of numbers), `f(xdata, p)` gets
            p, built like it.
        p0: where to start; by default ones, as many as f has parameters.
        sigma, absolute_sigma, check_finite, method, full_output, others: SciPy's.
        bounds: SciPy's; or `(low, high)`, each a number or built like p0.
        jac: used instead of the exact Jacobian, if given: a function or SciPy's "2-point" and so on.

    Returns:
        `(popt, pcov)`, and with full_output SciPy's other three. popt is built like p0; pcov is the covariance of its
        elements, in order. Both are Variables where f, xdata, ydata or sigma are tracked.

    Cost, errors, warnings and source as in `least_squares`.

    Example:
        >>> t = np.linspace(0.0, 3.0, 7)
        >>> popt, pcov = wg.curve_fit(lambda t, a, b: a * np.exp(-b * t), t, 2 * np.exp(-0.5 * t))
        >>> popt.round(6)
        array([2. , 0.5])
    """
    scalars = p0 is None or Flat(p0, "curve_fit: p0").structure.kind is None
    start = None if p0 is None else Flat(np.atleast_1d(plain(p0)) if scalars else p0, "curve_fit: p0")

    def model(x: Any, p: Any) -> Any:
        given = [p[i] for i in range(p.size)] if start is None or scalars else [start.unravel(p)]
        return ravel(f(x, *given), "curve_fit: the result of f")

    @functools.wraps(f)  # SciPy counts its parameters
    def values(x: Any, *p: Any) -> Any:
        return plain(model(x, np.array(p)))

    def jacobian(x: Any, *p: Any) -> Any:
        return Linearization(lambda p: model(x, p), np.array(p)).jacobian()

    def own(x: Any, *p: Any) -> Any:
        return plain(jac(x, *p) if start is None or scalars else jac(x, start.unravel(np.array(p))))

    limits = None if start is None else split_bounds(bounds, start, "curve_fit: bounds")
    ends: Any = bounds if start is None else (-np.inf, np.inf)
    if limits is not None:
        ends = limits.scipy().lb, limits.scipy().ub
    with no_grad():
        popt, pcov, *rest = scipy_optimize().curve_fit(
            values,
            plain(xdata),
            plain(ydata),
            None if start is None else start.start,
            plain(sigma),
            absolute_sigma,
            check_finite,
            ends,
            method,
            jacobian if jac is None else own if callable(jac) else jac,
            full_output=full_output,
            **others,
        )
    single = np.asarray(data_of(ydata)).dtype == np.float32 and not isinstance(p0, (ndarray, Variable))
    dtype = np.dtype(np.float32) if single and scalars else popt.dtype if start is None else start.dtype
    p, pcov = popt.astype(dtype), pcov.astype(dtype)

    def residuals(p: Any) -> Any:
        r = model(xdata, p) - ravel(ydata if isinstance(ydata, Variable) else np.asarray(ydata), "curve_fit: ydata")
        if sigma is None:
            return r
        return np.linalg.solve(np.linalg.cholesky(sigma), r) if np.ndim(sigma) == 2 else r / np.ravel(sigma)

    if recording() is not False and reads_tracked(lambda p: (residuals(p), limits and (limits.low, limits.high)), p):
        objective = Objective(lambda p: 0.5 * np.sum(residuals(p) ** 2), Flat(p, "curve_fit"), "curve_fit")
        p = optimum(objective, p, limits, [], True)
        if np.isfinite(pcov).all():
            pcov = _tracked_covariance(residuals, p, not absolute_sigma)
    popt = p if start is None or scalars else start.unravel(p)
    return (popt, pcov, *rest)
