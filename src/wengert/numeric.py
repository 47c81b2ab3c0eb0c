"""Derivatives without rules: differences and the complex step, and `check_grads`, which tests rules with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .recording import no_grad
from .transforms import jvp, vjp
from .variable import Variable, as_data, is_inexact


def numerical_diff(f: Callable[[Variable], Any], x: Any, eps: float | None = None, method: str = "central") -> Any:
    """The derivative of f at x from values of f alone.

    Args:
        f: takes a Variable. Of an array, an elementwise function (the result is the derivative of each element)
            or one that gives a scalar (the result is the gradient; 2 calls of f for each element).
        x: a Variable, an array or a number.
        eps: the step; by default 1e-4, and 1e-20 for the complex step.
        method: "central", `(f(x+eps) - f(x-eps)) / (2*eps)`, error O(eps**2); "forward",
            `(f(x+eps) - f(x)) / eps`, error O(eps); "complex", `Im f(x + i eps) / eps`, exact to rounding for
            real x and analytic f (Squire and Trapp, SIAM Review 40, 1998).

    Raises:
        TypeError: x is not floating-point, or not real for the complex step.
        ValueError: method is none of these, or the shapes fit neither kind of function.

    Example:
        >>> wg.numerical_diff(np.square, wg.Variable(2.0))
        array(4.)
    """
    if method not in ("central", "forward", "complex"):
        raise ValueError(f"numerical_diff: method is 'central', 'forward' or 'complex', got {method!r}")
    x0 = np.asarray(x.data if isinstance(x, Variable) else as_data(x))
    if x0.dtype.kind not in ("f" if method == "complex" else "fc"):
        raise TypeError(f"numerical_diff: x is {x0.dtype}; the {method} difference needs floating-point data")
    if eps is None:
        eps = 1e-20 if method == "complex" else 1e-4

    def at(point: Any) -> Any:
        with no_grad():
            y = f(Variable(point))
        return y.data if isinstance(y, Variable) else np.asarray(y)

    def difference(step: Any) -> Any:
        if method == "complex":
            return at(x0 + 1j * step).imag / eps
        if method == "forward":
            return (at(x0 + step) - at(x0)) / eps
        return (at(x0 + step) - at(x0 - step)) / (2 * eps)

    shape = at(x0).shape
    if shape == x0.shape:
        return np.asarray(difference(x0.dtype.type(eps)))
    if shape != ():
        raise ValueError(f"numerical_diff: f maps shape {x0.shape} to {shape}; it must be elementwise or give a scalar")
    steps = eps * np.eye(x0.size, dtype=x0.dtype).reshape(x0.size, *x0.shape)
    return np.array([difference(step) for step in steps]).reshape(x0.shape)


class GradientError(AssertionError):
    """`check_grads` found a derivative that is wrong."""


def check_grads(
    f: Callable[..., Any],
    *args: Any,
    order: int = 2,
    modes: Sequence[str] = ("reverse", "forward"),
    tol: float | None = None,
    eps: float | None = None,
    seed: int = 0,
) -> Any:
    """Compare the derivatives of f with finite differences, along random directions.

    Each order and mode costs a few calls of f, whatever the sizes. For order 2 the derivative itself is checked
    in the same way, in every combination of modes.

    Args:
        f: any function of arrays, with one or several results (a tuple or list).
        args: its arguments, one after the other, or all in one tuple. Those that are floating-point are varied,
            the others are passed as they are. Without any, a function that takes them and does the check.
        order: how many derivatives to check.
        modes: "reverse", "forward" or both.
        tol: the relative and absolute error allowed; by default from the precision of the arguments.
        eps: the step of the central difference; by default from the precision.
        seed: of the random directions.

    Raises:
        GradientError: an AssertionError that tells mode, order and both numbers.
        TypeError: no argument is floating-point.

    Example:
        >>> wg.check_grads(lambda x, y: np.sin(x) * y, np.ones(3), 2.0)
    """
    if not args:
        return lambda *later: check_grads(f, later, order=order, modes=modes, tol=tol, eps=eps, seed=seed)
    if len(args) == 1 and isinstance(args[0], tuple):
        args = args[0]
    unknown = set(modes) - {"reverse", "forward"}
    if unknown or order < 1:
        raise ValueError(f"check_grads: modes are 'reverse' and 'forward', order is at least 1; got {modes}, {order}")
    values = [a.data if isinstance(a, Variable) else a for a in args]
    varied = [i for i, a in enumerate(values) if _is_varied(a)]
    if not varied:
        raise TypeError("check_grads: no argument is floating-point, so there is nothing to differentiate")

    def g(*xs: Any) -> Any:
        full = list(values)
        for i, x in zip(varied, xs, strict=True):
            full[i] = x
        return f(*full)

    xs = [np.asarray(values[i]) for i in varied]
    precision = max(np.finfo(x.dtype).eps for x in xs)
    _check(g, xs, order, tuple(modes), _tolerance(precision, tol), eps or precision ** (1 / 3), seed, "")
    return None


def _is_varied(a: Any) -> bool:
    if isinstance(a, (str, bytes)) or a is None:
        return False
    try:
        return is_inexact(as_data(a))
    except TypeError:
        return False


def _tolerance(precision: float, tol: float | None) -> float:
    return float(precision ** (1 / 3)) if tol is None else tol


def _check(f: Any, xs: list[Any], order: int, modes: Any, tol: float, eps: float, seed: int, path: str) -> None:
    rng = np.random.default_rng(seed)
    ts = [_direction(rng, x) for x in xs]
    ty = _difference(f, xs, ts, eps)
    gy = [_direction(rng, t) for t in ty]
    expected = _inner(gy, ty)
    for mode in modes:
        label = f"{path}{mode}"
        if mode == "forward":
            _, got = jvp(lambda *a: _flat(f(*a)), tuple(xs), tuple(ts))
            actual = _inner(gy, got)
            _compare(label, "shape of the tangent", [np.shape(t) for t in got], [t.shape for t in ty])
        else:
            _, pullback = vjp(lambda *a: _flat(f(*a)), *xs)
            got = pullback(list(gy))
            actual = _inner(got, ts)
            _compare(label, "dtype of the gradient", [t.dtype for t in got], [x.dtype for x in xs])
        scale = max(abs(expected), abs(actual), *[float(np.max(np.abs(t), initial=0)) for t in ty], 1.0)
        if not abs(expected - actual) <= tol * scale:
            raise GradientError(
                f"{label} mode, order {label.count(' of ') + 1}: along a random direction the derivative is {actual}, "
                f"but the central difference is {expected} (tolerance {tol * scale:.1e})"
            )
        if order > 1:
            _check(_derivative(f, gy, ts, mode), xs, order - 1, modes, tol * 3, eps, seed + 1, f"{label} of ")


def _derivative(f: Any, gy: list[Any], ts: list[Any], mode: str) -> Any:
    def along(*xs: Any) -> Any:
        if mode == "forward":
            return jvp(lambda *a: _flat(f(*a)), xs, tuple(ts))[1]
        return vjp(lambda *a: _flat(f(*a)), *xs)[1](list(gy))

    return along


def _compare(label: str, what: str, got: Any, expected: Any) -> None:
    if got != expected:
        raise GradientError(f"{label} mode: {what} is {got}, expected {expected}")


def _flat(y: Any) -> list[Any]:
    return list(y) if isinstance(y, (tuple, list)) else [y]


def _direction(rng: np.random.Generator, x: Any) -> Any:
    t = rng.standard_normal(x.shape)
    if x.dtype.kind == "c":
        t = t + 1j * rng.standard_normal(x.shape)
    return np.asarray(t, x.dtype)


def _difference(f: Any, xs: list[Any], ts: list[Any], eps: float) -> list[Any]:
    def at(sign: float) -> list[Any]:
        with no_grad():
            ys = _flat(f(*[np.asarray(x + x.dtype.type(sign * eps) * t, x.dtype) for x, t in zip(xs, ts, strict=True)]))
        return [y.data if isinstance(y, Variable) else np.asarray(y) for y in ys]

    return [np.asarray((b - a) / (2 * eps)) for a, b in zip(at(-1.0), at(1.0), strict=True)]


def _inner(a: Sequence[Any], b: Sequence[Any]) -> float:
    """The real inner product, in which the pull-back is the transpose of the push-forward."""
    total = 0.0
    for u, v in zip(a, b, strict=True):
        u, v = [np.asarray(w.data if isinstance(w, Variable) else w) for w in (u, v)]
        total += float(np.sum(np.real(np.conj(u) * v), dtype=np.float64))
    return total
