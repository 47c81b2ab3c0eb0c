"""Integrals of functions of one variable: `quad` (adaptive) and `fixed_quad` (Gauss-Legendre), differentiable.

The derivative of an integral is an integral of the derivative, and the integrand at the limits:

    d/dp of the integral from a to b of f(x, p) dx  =  integral of df/dp dx + f(b, p) db/dp - f(a, p) da/dp

(H. Flanders, "Differentiation under the integral sign", American Mathematical Monthly 80, 1973). `quad` computes that
integral by the same adaptive routine, with an error control of its own. It is recorded as one operation in the limits
and in a vector p of all parameters, and its derivative is the same operation with another integrand: hence every order.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from . import forward, reverse
from .declare import general
from .recording import Recorder, recorded, recording
from .rules.shaping import astype, double
from .scipy.composing import apart
from .variable import Variable, data_of, tick, wrap

Integrand = Callable[[Any, Any], Any]  # (x, p) -> array, or Variable where x or p is one


def quad(
    fun: Callable[..., Any],
    a: Any,
    b: Any,
    args: Any = (),
    full_output: int = 0,
    epsabs: float = 1.49e-8,
    epsrel: float = 1.49e-8,
    limit: int = 50,
    points: Any = None,
    weight: Any = None,
    wvar: Any = None,
    wopts: Any = None,
    maxp1: int = 50,
    limlst: int = 50,
    complex_func: bool = False,
) -> Any:
    """`scipy.integrate.quad`, differentiable: `(value, abserr)` of the integral of `fun(x, *args)` from a to b.

    Args:
        fun: takes a number x and gives a number: shape `()`.
        a, b: the limits; infinite ones too.
        args: what else fun takes, in any containers.
        complex_func: whether fun's values are complex.

    The other arguments are SciPy's. The value is a Variable if it depends on one: on a limit, on one in `args`, or on
    one that fun uses by itself (through its closure, as an attribute, as a global). Gradients flow to all of them. The
    integrals are computed in double precision; the value is given in the dtype of the Variables that it depends on.
    `abserr` bounds the error of the value; each component of a derivative meets `epsabs` or `epsrel` by itself.

    Cost: SciPy's evaluations of fun (21 or more) for the value. A gradient takes about as many, with a reverse pass
    each, whatever the number of parameters, and one for each limit: fun is called again, with the Variables' values at
    the time of the call to `quad`.

    fun must be continuous where its derivative with respect to a parameter is wanted: a jump that moves with a
    parameter contributes nothing to the integral of the derivative. `points` are hints and have no derivative.

    Raises:
        TypeError: a limit is no real number, or fun gives none.
        ValueError: fun gives an array.
        NotImplementedError: `wvar`, or a limit where there is a `weight`, is tracked.
        RuntimeError: the derivative meets a tracked Variable that fun did not use for the value.

    Warns:
        scipy.integrate.IntegrationWarning: the value or a derivative may be less exact than asked for.

    Example:
        >>> p = wg.Variable(2.0)
        >>> z, error = wg.quad(lambda x: np.exp(-p * x), 0, np.inf)
        >>> z.backward()
        >>> z, p.grad
        (Variable(0.5), array(-0.25))
    """
    a, b = _limit(a, "a"), _limit(b, "b")
    args = args if isinstance(args, tuple) else (args,)
    options = {
        "epsabs": epsabs, "epsrel": epsrel, "limit": limit, "points": data_of(points), "weight": weight,
        "wvar": _constant(wvar, "wvar"), "wopts": wopts, "maxp1": maxp1, "limlst": limlst,
    }  # fmt: skip
    if weight is not None and (_tracked(a) or _tracked(b)):
        raise NotImplementedError("quad: with weight= the limits have no derivative here; put the weight into fun")
    uses = _Uses()
    handles = [isinstance(x, Variable) for x in (a, b)]

    def value(x: float) -> Any:
        y = fun(np.float64(x), *args)
        if isinstance(y, Variable):
            handles.append(True)
            y = reverse.argument(y)._array  # seen by `uses`, as every call on a tracked Variable is
        if np.shape(y) != ():
            raise ValueError(f"quad: fun must give a number, got shape {np.shape(y)}; integrate each element by itself")
        if np.iscomplexobj(y) and not complex_func:
            raise TypeError("quad: fun gives complex numbers; pass complex_func=True")
        return y

    limits = [float(data_of(x)) for x in (a, b)]
    with recorded(), uses:
        z, *rest = _scipy().quad(value, *limits, full_output=full_output, complex_func=complex_func, **options)
    if not any(handles):
        return z, *rest
    dtypes = uses.dtypes + [x.dtype for x in (a, b) if isinstance(x, Variable) and x._node is not None]
    z = np.asarray(z)
    dtype = np.result_type(*(dtypes or [z]))
    dtype = np.result_type(dtype, np.complex64) if z.dtype.kind == "c" else np.empty(0, dtype).real.dtype
    if recording() is False or not dtypes:
        return wrap(z.astype(dtype)[()], None), *rest
    integrand = _integrand(fun, args, uses.found)
    p = _packed(list(uses.found.values()))
    known = (*limits, data_of(p)), z[()]
    y = _integral(double(a), double(b), p, integrand=integrand, options=options, known=known)
    return astype(y, dtype) if y.dtype != dtype else y, *rest


def fixed_quad(fun: Callable[..., Any], a: Any, b: Any, args: Any = (), n: int = 5) -> Any:
    """`scipy.integrate.fixed_quad`, differentiable: `(value, None)` by Gauss-Legendre quadrature of order n.

    Args:
        fun: takes an array x of shape `(n,)` and gives an array whose last axis has length n. With limits of shape
            `(...)`, which SciPy does not take, x has shape `(..., n)`.
        a, b: the limits, finite; they broadcast against each other.
        args: what else fun takes.

    One call of fun, exact for polynomials up to degree 2n - 1. Every derivative is that of the sum itself: with respect
    to the limits, to `args`, and to whatever Variables fun uses. float32 limits give float32.

    Raises:
        ValueError: a limit is infinite, or n is less than 1.

    Example:
        >>> wg.grad(lambda b: wg.fixed_quad(np.cos, 0.0, b)[0])(1.0).round(6)
        np.float64(0.540302)
    """
    if not all([np.all(np.isfinite(data_of(x))) for x in (a, b)]):
        raise ValueError("fixed_quad: Gaussian quadrature is only available for finite limits; use quad")
    x, w = np.polynomial.legendre.leggauss(n)
    half = (b - a) / 2.0
    if np.ndim(half):
        half, a = half[..., None], a[..., None] if np.ndim(a) else a
    dtype = getattr(half, "dtype", x.dtype)
    if dtype.kind == "f":
        x, w = x.astype(dtype), w.astype(dtype)
    return np.sum(half * w * fun(half * (x + 1) + a, *args), axis=-1), None


# ---- what fun uses ------------------------------------------------------------------------------------------


class _Uses(Recorder):
    """Sees which Variables from outside are used while it is entered, and puts others in their place.

    Those are given as `known`, by node; without it, what is found is used in double precision.
    """

    def __init__(self, known: dict[Any, Variable] | None = None) -> None:
        self.since = tick()
        self.known = known
        self.inside = {v._node for v in (known or {}).values()}
        self.found: dict[Any, Variable] = {}
        self.dtypes: list[Any] = []  # of what was found

    def call(self, op: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return self.run(op, tuple([self._seen(x) for x in args]), kwargs)

    def _seen(self, x: Any) -> Any:
        n = x._node if isinstance(x, Variable) else None
        if n is None or n.serial >= self.since or n in self.inside:
            return x
        if self.known is None:
            if n not in self.found:
                self.found[n] = self.run(double, (wrap(x._array, n),), {})
                self.dtypes.append(x.dtype)
            return self.found[n]
        if n not in self.known:
            raise RuntimeError(
                "quad: for a derivative, fun uses a tracked Variable that it did not use for the value. Either it was "
                "changed since (`p += 1` makes p another Variable), or fun uses it in a narrow range of x only: name "
                "the range by points="
            )
        return self.known[n]


def _integrand(fun: Callable[..., Any], args: Any, used: dict[Any, Variable]) -> Integrand:
    """fun as a function of x and the vector of what it uses: the values at the time of the call, not those of now."""
    nodes, forms = list(used), [(v.shape, v.dtype.kind) for v in used.values()]

    def integrand(x: Any, p: Any) -> Any:
        leaves, start = [], 0
        for shape, kind in forms:
            size = int(np.prod(shape))
            v = p[start : start + size].reshape(shape)
            v = np.real(v) if kind != "c" and p.dtype.kind == "c" else v
            leaves.append(v if isinstance(v, Variable) else wrap(v, None))
            start += size
        uses = _Uses(dict(zip(nodes, leaves, strict=True)))
        x = reverse.argument(x) if isinstance(x, Variable) else np.float64(x)
        with uses:
            y = fun(x, *args)
            return reverse.argument(y) if isinstance(y, Variable) else np.asarray(y)

    return integrand


# ---- the operation: the integral of integrand(x, p) dx from a to b, and its derivatives ---------------------


def _value(a: Any, b: Any, p: Any, *, integrand: Integrand, options: Any, known: Any = None) -> Any:
    """The integral of each component by itself; the integrand is evaluated once at each x.

    `known` may hold arguments for which it has been computed, and the value.
    """
    if known is not None and all(map(np.array_equal, known[0], (a, b, p))):
        return known[1]
    seen: dict[float, Any] = {}

    def at(x: float) -> Any:
        if x not in seen:
            y = data_of(integrand(x, p)).reshape(-1)
            seen[x] = y.view(y.real.dtype) if y.dtype.kind == "c" else y
        return seen[x]

    middle = integrand(_inside(float(a), float(b)), p)
    z = np.empty(middle.size * (2 if middle.dtype.kind == "c" else 1))
    for i in range(z.size):
        z[i], _, _, *problems = _scipy().quad(lambda x: at(x)[i], float(a), float(b), full_output=1, **options)  # noqa: B023
        for message in problems[:1]:
            text = f"quad: in the integral of a derivative: {message}"
            warnings.warn(text, _scipy().IntegrationWarning, stacklevel=2)
    return (z.view(complex) if middle.dtype.kind == "c" else z).reshape(middle.shape)[()]


def _inside(a: float, b: float) -> float:
    """A point of the interval, to find out the integrand's shape."""
    if np.isfinite(a) and np.isfinite(b):
        return a + (b - a) * 0.4375
    return a + 1 if np.isfinite(a) else b - 1 if np.isfinite(b) else 0.5


def _pull_limit(g: Any, x: Any, p: Any, integrand: Integrand) -> Any:
    if not np.isfinite(data_of(x)):
        return np.zeros(())
    return np.real(np.sum(_times(g, np.conj(integrand(x, p)))))


def _push_limit(t: Any, z: Any, x: Any, p: Any, integrand: Integrand) -> Any:
    if not np.isfinite(data_of(x)):
        return np.zeros_like(data_of(z))
    return _times(t, integrand(x, p))


def _times(g: Any, y: Any) -> Any:
    """g y, and 0 where g is 0: the integrand may be infinite at a limit."""
    t = g * y
    return reverse.zero_stays_zero(lambda g, y: g * y, g, (y,), (), {}) if reverse.has_nan(t) else t


def _pull_p(g: Any, _z: Any, a: Any, b: Any, p: Any, *, integrand: Integrand, options: Any, known: Any = None) -> Any:
    return _integral(a, b, _packed([p, g]), integrand=_pulled(integrand, p, g), options=options)


def _push_p(t: Any, _z: Any, a: Any, b: Any, p: Any, *, integrand: Integrand, options: Any, known: Any = None) -> Any:
    return _integral(a, b, _packed([p, t]), integrand=_pushed(integrand, p, t), options=options)


def _packed(xs: list[Any]) -> Any:
    """One vector."""
    return np.concatenate([np.reshape(x, -1) for x in xs]) if xs else np.zeros(0)


def _pulled(integrand: Integrand, p: Any, g: Any) -> Integrand:
    """What flows back to p from the cotangent g, as a function of x and both in one vector."""

    def flow(x: Any, y: Any, v: Variable, g: Any, graph: bool) -> Any:
        return reverse.pull([y._node], [g], [v._node], graph)[0]

    return _derivative(integrand, flow, p, g, np.shape(p))


def _pushed(integrand: Integrand, p: Any, t: Any) -> Integrand:
    """The tangent that comes of the tangent t of p, as a function of x and both in one vector."""

    def flow(x: Any, y: Any, v: Variable, t: Any, graph: bool) -> Any:
        return forward.push([y._node], [v._node], [t], graph)[0]

    return _derivative(integrand, flow, p, t, None)


def _derivative(integrand: Integrand, flow: Callable[..., Any], p: Any, g: Any, shape: Any) -> Integrand:
    """A derivative of the integrand; it has the given shape, or else the integrand's."""
    size, given, real_p, real_g = p.size, g.shape, p.dtype.kind != "c", g.dtype.kind != "c"

    def derivative(x: Any, pg: Any) -> Any:
        p, g = pg[:size], pg[size:].reshape(given)
        p = np.real(p) if real_p and pg.dtype.kind == "c" else p
        g = np.real(g) if real_g and pg.dtype.kind == "c" else g
        graph = isinstance(pg, Variable) or isinstance(x, Variable)
        if graph and not isinstance(g, Variable):
            g = wrap(g, None)
        with recorded():
            v = reverse.argument(p)
            y = integrand(x, v)
            depends = isinstance(y, Variable) and y._node is not None
            t = flow(x, y, v, g, graph) if depends else None
            if t is None:
                z = y if shape is None else p
                return np.zeros(z.shape, z.dtype)
            return np.real(t) if shape is not None and real_p and t.dtype.kind == "c" else t

    return derivative


_integral: Any = apart(
    "quad",
    "integrate",
    lambda: general(
        "quad",
        _value,
        (
            lambda g, _z, a, _b, p, *, integrand, **_rest: -_pull_limit(g, a, p, integrand),
            lambda g, _z, _a, b, p, *, integrand, **_rest: _pull_limit(g, b, p, integrand),
            _pull_p,
        ),
        (
            lambda t, z, a, _b, p, *, integrand, **_rest: -_push_limit(t, z, a, p, integrand),
            lambda t, z, _a, b, p, *, integrand, **_rest: _push_limit(t, z, b, p, integrand),
            _push_p,
        ),
        holomorphic=False,
    ),
)


# ---- arguments, and SciPy -----------------------------------------------------------------------------------


def _limit(x: Any, name: str) -> Any:
    x = x if isinstance(x, Variable) else np.asarray(x)[()]
    if x.dtype.kind not in "fiub":
        raise TypeError(f"quad: {name}: expected a real number, got {x.dtype}")
    if x.shape != ():
        raise TypeError(f"quad: {name}: expected a number, got an array of shape {x.shape}")
    return x


def _tracked(x: Any) -> bool:
    return isinstance(x, Variable) and x._node is not None and recording() is not False


def _constant(x: Any, name: str) -> Any:
    if _tracked(x):
        raise NotImplementedError(f"quad: {name}= has no derivative here; put the weight into fun, or pass its .data")
    return data_of(x)


def _scipy() -> Any:
    try:
        from scipy import integrate
    except ImportError as error:
        raise ImportError("wengert.quad needs SciPy: pip install 'wengert[scipy]'") from error
    return integrate
