"""Solutions of equations as differentiable functions of what the equations are made of.

A solver (SciPy's, or the caller's own) runs on plain arrays; the implicit function theorem gives the derivatives, of
every order and in both modes, at the solution: nothing of the iteration is recorded. See `implied.py`.

`x0` and `args` may be containers (`wengert.tree`): `fun` receives x, and results have x, as x0 is. Variables that
`fun` reads in its closure count as arguments do. A start x0 has no influence on a solution, and no gradient.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .batching.array import Batched, looped
from .flat import Flat, Linearization, plain, ravel, scipy_optimize, untracked
from .function import Function
from .implied import ConditioningWarning as ConditioningWarning, ConvergenceError as ConvergenceError, System, implied
from .recording import no_grad
from .variable import Variable


def root(
    fun: Callable[..., Any],
    x0: Any,
    args: Any = (),
    method: str = "hybr",
    jac: Any = None,
    tol: float | None = None,
    callback: Any = None,
    options: Any = None,
    *,
    solver: Callable[[Callable[[Any], Any], Any], Any] | None = None,
    linear_solver: Any = "auto",
) -> Any:
    """Solve `fun(x, *args) = 0`: `scipy.optimize.root`, whose solution is differentiable.

    Args:
        fun: gives as many numbers as x has, in any container.
        x0: where to start; a 0-d one gives a 0-d solution.
        args: further arguments of fun, a tuple.
        method, tol, callback, options: SciPy's.
        jac: by default the exact Jacobian, where the method takes one; SciPy's other choices are respected.
        solver: instead of SciPy's: `solver(f, x0)` gives x, or an object with `x`; f is fun with its arguments.
        linear_solver: for derivatives: "dense" (the default up to 1000 unknowns), "gmres", "cg" (a symmetric positive
            definite Jacobian), which multiply with the Jacobian without building it, or `linear_solver(matvec, b)`.

    Returns:
        SciPy's OptimizeResult. `x` is built like x0, with its dtypes; it is a Variable where fun reads tracked data.
        The other fields are plain. A few Newton steps take x to rounding, except after `solver`.

    One run of fun for each evaluation of SciPy's; a Jacobian is one walk with a batch of as many vectors as x has
    elements. Where fun reads tracked data, there are about two Jacobians more, and each derivative is a linear solve.

    Raises:
        TypeError, ValueError: x0 is not of numbers, or fun gives another number of values.
        ConvergenceError: a derivative is asked for, and x is no solution.

    Warns:
        ConditioningWarning: the Jacobian at the solution is singular or ill-conditioned. Where it is singular,
            derivatives are NaN.

    Source: A. Griewank and A. Walther, Evaluating Derivatives, 2nd edition (SIAM, 2008), chapter 15.

    Example:
        >>> square_root = lambda a: wg.implicit.root(lambda x, a: x**2 - a, 1.0, args=(a,)).x
        >>> wg.grad(square_root)(4.0), wg.grad(wg.grad(square_root))(4.0)
        (array(0.25), array(-0.03125))
    """
    start, args = Flat(x0, "root: x0"), _tuple(args)
    f = _call(fun, args, jac is True)

    def residual(x: Any) -> Any:
        return ravel(f(start.unravel(x)), "root: the result of fun")

    with no_grad():
        if solver is not None:
            x, result = _solved_by(solver, lambda x: untracked(f(x)), start, "root")
        elif start.size == 0:
            x, result = start.start, _nothing_to_solve()
        else:
            result = scipy_optimize().root(
                _values(residual),
                start.start,
                method=method,
                jac=_root_jacobian(jac, method, residual, fun, start, args),
                tol=_tolerance(tol, options, start),
                callback=callback and (lambda x, f: callback(start.unravel(x), f)),
                options=options,
            )
            x = np.asarray(result.x, start.dtype)
    polish = solver is None and bool(result.success)
    always = jac is None and method in ("hybr", "lm")
    result.x = start.unravel(
        implied(residual, x, "root", linear_solver, polish=polish, always=always, origin=start.start)
    )
    with no_grad():
        result.fun = plain(f(plain(result.x)))
    return result


def fixed_point(
    func: Callable[..., Any],
    x0: Any,
    args: Any = (),
    xtol: float = 1e-8,
    maxiter: int = 500,
    method: str = "del2",
    *,
    solver: Callable[[Callable[[Any], Any], Any], Any] | None = None,
    linear_solver: Any = "auto",
) -> Any:
    """Solve `func(x, *args) = x`: `scipy.optimize.fixed_point`, whose solution is differentiable.

    Args:
        func: gives numbers built like x, in any container.
        xtol, maxiter, method: SciPy's; "del2" accelerates the iteration, "iteration" does not.
        x0, args, solver, linear_solver: as in `root`.

    Returns:
        x, built like x0, with its dtypes; a Variable where func reads tracked data. A few Newton steps take it to
        rounding, except after `solver`.

    One run of func for each iteration. Cost of derivatives, warnings and source as in `root`.

    Raises:
        RuntimeError: no convergence (SciPy's).
        TypeError, ValueError: x0 is not of numbers, or func gives another number of values.
        ConvergenceError: a derivative is asked for, and x is no solution.

    Example:
        >>> cosine = lambda a: wg.implicit.fixed_point(lambda x, a: np.cos(a * x), 0.5, args=(a,))
        >>> wg.value_and_grad(cosine)(1.0)
        (array(0.73908513), array(-0.29747434))
    """
    start, args = Flat(x0, "fixed_point: x0"), _tuple(args)
    f = _call(func, args)

    def image(x: Any) -> Any:
        return ravel(f(start.unravel(x)), "fixed_point: the result of func")

    with no_grad():
        if solver is not None:
            x, _ = _solved_by(solver, lambda x: untracked(f(x)), start, "fixed_point")
        elif start.size == 0:
            x = start.start
        else:
            x = scipy_optimize().fixed_point(
                _values(image), start.start, xtol=_tolerance(xtol, None, start), maxiter=maxiter, method=method
            )
    x = np.asarray(x, start.dtype)
    polish = solver is None
    return start.unravel(
        implied(
            lambda x: x - image(x),
            x,
            "fixed_point",
            linear_solver,
            polish=polish,
            always=polish,
            origin=start.start,
        )
    )


def argmin(
    fun: Callable[..., Any],
    x0: Any,
    args: Any = (),
    method: Any = None,
    tol: float | None = None,
    options: Any = None,
    *,
    solver: Callable[[Callable[[Any], Any], Any], Any] | None = None,
    linear_solver: Any = "auto",
) -> Any:
    """The x near x0 at which `fun(x, *args)`, a real scalar, is least, as a differentiable function.

    Args:
        fun: gives a scalar, and can be differentiated three times where the second derivative of x is wanted.
        method, tol, options: of `wg.minimize`, without bounds and constraints; its result has more fields.
        x0, args, solver, linear_solver: as in `root`; `solver(f, x0)` minimises f. The linear systems are symmetric:
            "auto" is conjugate gradients above 1000 unknowns.

    Returns:
        x, built like x0, with its dtypes; a Variable where fun reads tracked data. Newton steps take it to rounding,
        except after `solver`.

    Cost: that of `wg.minimize`, and about two Hessians (one walk each, with a batch) for Newton's method. Derivatives
    solve the condition that the gradient is zero. Warnings and source as in `root`.

    Raises:
        TypeError, ValueError: x0 is not of numbers, or fun gives no real scalar.
        ConvergenceError: a derivative is asked for, and x is no stationary point.

    Example:
        >>> nearest = lambda a: wg.implicit.argmin(lambda x, a: np.sum((x - a) ** 4 + x**2), np.zeros(2), args=(a,))
        >>> wg.jvp(lambda a: nearest(a).sum(), (np.ones(2),), (np.ones(2),))[1]
        array(1.3520929)
    """
    from .optimize import Objective, solve_minimum

    start, args = Flat(x0, "argmin: x0"), _tuple(args)
    objective = Objective(lambda x: fun(x, *args), start, "argmin")
    polish = False
    with no_grad():
        if solver is not None:
            x, _ = _solved_by(solver, lambda x: untracked(fun(x, *args)), start, "argmin")
        else:
            result = solve_minimum(objective, method, tol, options)
            x, polish = np.asarray(result.x, start.dtype), bool(result.success)
    x = implied(
        objective.gradient,
        x,
        "argmin",
        linear_solver,
        symmetric=True,
        polish=polish,
        always=polish,
        origin=start.start,
        probe=objective,
    )
    return start.unravel(x)


def linear_solve(A: Any, b: Any, *, linear_solver: Any = "auto", symmetric: bool = False) -> Any:
    """Solve `A x = b`, where A is a matrix, or a linear function of x: differentiable in b and whatever A reads.

    Args:
        A: a matrix, or stack of them, as for `numpy.linalg.solve` (which does the work, if linear_solver is "auto"
            or "dense"); a constant sparse matrix of SciPy's (LU factors, or "cg" or "gmres") or LinearOperator; or a
            function that takes x and gives numbers built like b, such as a discretised operator.
        b: the right-hand side, in any container. x is built like it.
        linear_solver: as in `root`; "cg" is for a symmetric positive definite A.
        symmetric: whether A is, so that "auto" is conjugate gradients above 1000 unknowns.

    For a function A: two runs of it, and a walk for each multiplication with A or its transpose; with "dense" one walk
    with a batch of as many vectors as there are unknowns. Each derivative is one more solve.

    Raises:
        numpy.linalg.LinAlgError: A is singular.
        ConvergenceError: an iterative solver did not converge.
        ValueError: A is not linear, or gives another number of values than b has.

    Warns:
        ConditioningWarning: A, a function and solved as a dense matrix, is ill-conditioned.

    Source: of the derivative, M. B. Giles, Collected matrix derivative results for forward and reverse mode algorithmic
    differentiation (Advances in Automatic Differentiation, Springer, 2008).

    Example:
        >>> def heat(u):  # 2 u_i - u_(i-1) - u_(i+1), without a matrix
        ...     return 2 * u - np.concatenate([u[1:], np.zeros(1)]) - np.concatenate([np.zeros(1), u[:-1]])
        >>> wg.implicit.linear_solve(heat, np.ones(3), linear_solver="cg")
        array([1.5, 2. , 1.5])
    """
    factors = None
    if not callable(A) or hasattr(A, "rmatvec"):
        if linear_solver in ("auto", "dense") and not hasattr(A, "tocsc") and not hasattr(A, "rmatvec"):
            return np.linalg.solve(A, b)
        A, factors = _product(A, linear_solver in ("auto", "dense"))
    like = Flat(b, "linear_solve: b")
    target = ravel(
        b if like.structure.kind is not None or isinstance(b, Variable) else np.asarray(b), "linear_solve: b"
    )

    def image(x: Any) -> Any:
        return ravel(A(like.unravel(x)), "linear_solve: the result of A")

    at = Linearization(image, np.zeros(like.size, like.dtype))
    if at.value.shape != at.x.shape:
        raise ValueError(f"linear_solve: b has {like.size} numbers, but A gives {at.value.size}")
    if at.value.any():
        raise ValueError("linear_solve: A is not linear: A(0) is not 0")
    system: Any = System(at, linear_solver, symmetric, "A") if factors is None else factors
    with no_grad():
        x = system.solve(np.asarray(target.data if isinstance(target, Variable) else target, like.dtype))
    return like.unravel(implied(lambda x: image(x) - target, x, "linear_solve", system=system))


class _Product(Function):
    """A constant matrix, which may be SciPy's sparse one, times what it is called with."""

    def __init__(self, matrix: Any) -> None:
        self.matrix = matrix

    def forward(self, x: Any) -> Any:
        return np.asarray(self.matrix @ x)

    def backward(self, gy: Any) -> Any:
        return _Product(self.matrix.H if hasattr(self.matrix, "rmatvec") else self.matrix.conj().T)(gy)


class _Factors:
    """Solves with a sparse matrix by its LU factors (SuperLU), as `System` does."""

    def __init__(self, matrix: Any) -> None:
        import scipy.sparse.linalg

        self.n = matrix.shape[0]
        try:
            self.lu = scipy.sparse.linalg.splu(matrix.tocsc())
        except RuntimeError as error:
            raise np.linalg.LinAlgError(f"linear_solve: A is singular ({error})") from None

    def solve(self, b: Any, transposed: bool = False) -> Any:
        if type(b) is Batched:
            return looped(self.solve, (b, transposed), {})
        x = self.lu.solve(b.reshape(self.n, -1).astype(float), "T" if transposed else "N")
        return x.reshape(b.shape).astype(b.dtype)


def _product(matrix: Any, direct: bool) -> tuple[Callable[[Any], Any], _Factors | None]:
    """Multiplication with a matrix, and the factors of a sparse one."""
    if hasattr(matrix, "rmatvec"):
        return _Product(matrix), None
    if not hasattr(matrix, "tocsc"):
        matrix = matrix if isinstance(matrix, Variable) else np.asarray(matrix)
        return lambda x: matrix @ x, None
    if matrix.dtype.kind == "c":
        raise TypeError("linear_solve: a sparse A has to be real; pass a function for a complex one")
    return _Product(matrix), _Factors(matrix) if direct else None


# ---- what they share ----------------------------------------------------------------------------------------


def _tuple(args: Any) -> tuple[Any, ...]:
    return args if type(args) is tuple else (args,)


def _call(fun: Callable[..., Any], args: tuple[Any, ...], first: bool = False) -> Callable[[Any], Any]:
    """fun of x alone; `first`: it gives a pair, of which the second is no matter here."""
    return lambda x: fun(x, *args)[0] if first else fun(x, *args)


def _values(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """f between plain vectors, for SciPy."""

    def values(x: Any) -> Any:
        y = f(x)
        return y.data if isinstance(y, Variable) else y

    return values


def _solved_by(solver: Any, f: Any, start: Flat, what: str) -> tuple[Any, Any]:
    """What the caller's solver found, as a vector, and as a result with fields."""
    found = solver(f, start.unravel(start.start.copy()))
    result = found
    if hasattr(found, "x") and not isinstance(found, (np.ndarray, Variable)):
        found = found.x
    else:
        result = scipy_optimize().OptimizeResult(x=found, success=True, message="the caller's solver")
    return np.asarray(start.ravel(plain(found), f"{what}: the result of solver")), result


def _nothing_to_solve() -> Any:
    x = np.zeros(0)
    return scipy_optimize().OptimizeResult(x=x, success=True, status=1, fun=x, nfev=0, message="x0 is empty")


def _tolerance(tol: Any, options: Any, start: Flat) -> Any:
    """The tolerance asked for; if it is none, or cannot be reached in float32, one that can."""
    if start.dtype.itemsize >= 8 or options:
        return tol
    return max(tol or 0.0, float(np.finfo(start.dtype).eps ** 0.75))


def _root_jacobian(jac: Any, method: str, residual: Any, fun: Any, start: Flat, args: tuple[Any, ...]) -> Any:
    """What SciPy's root gets as `jac`."""
    if jac is None:
        if method not in ("hybr", "lm"):
            return None
        return lambda x: Linearization(residual, np.asarray(x, start.dtype)).jacobian()
    if jac is True:
        return lambda x: np.reshape(plain(fun(start.unravel(x), *args)[1]), (start.size, start.size))
    if callable(jac):
        return lambda x: np.reshape(plain(jac(start.unravel(x), *args)), (start.size, start.size))
    return jac
