"""numpy.polynomial for Variables: the functions of its modules, by the same names and with the same arguments.

    from wengert.polynomial import chebyshev      # for: from numpy.polynomial import chebyshev
    chebyshev.chebval(x, c)                       # also wg.polynomial.chebval(x, c)

NumPy's own functions convert what they are given to arrays, which a Variable refuses. Those here give NumPy's values,
bit for bit, and derivatives in every argument. On arrays they are NumPy's functions. `Polynomial`, `Chebyshev` and the
other four are NumPy's classes, whose coefficients and arguments may be Variables.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import numpy.polynomial as _numpy

from .batching.array import by_example
from .composed import composed
from .declare import linear
from .rules.polynomials import coefficients, column_norms, floating, least_squares, residuals, weighted
from .rules.shaping import array
from .variable import Variable, data_of, wrap


class _Basis:
    """Polynomials p[0] = 1, p[i] = (a x + b) p[i - 1] + c p[i - 2], where `recurrence(i)` gives a, b and c."""

    def __init__(
        self, module: ModuleType, prefix: str, recurrence: Callable[[int], tuple[float, float, float]]
    ) -> None:
        self.module = module
        self.prefix = prefix
        self.recurrence = recurrence

    def numpy(self, name: str) -> Any:
        """NumPy's function of that name, without the prefix."""
        return getattr(self.module, self.prefix + name)

    def at(self, x: Any, n: int) -> list[Any]:
        """The first n polynomials at x."""
        return self.times(lambda p: x * p, x * 0 + 1, n)

    def times(self, x: Callable[[Any], Any], start: Any, n: int) -> list[Any]:
        """The first n polynomials times `start`, where x(p) is x times p."""
        ps = [start]
        for i in range(1, n):
            a, b, c = self.recurrence(i)
            p = a * x(ps[-1])
            p = p + b * ps[-1] if b else p
            ps.append(p + c * ps[-2] if c else p)
        return ps

    def multiples(self, c: Any, n: int) -> list[Any]:
        """Each of the first n polynomials times the series c: as series of len(c) + n - 1 coefficients."""
        size = len(c) + n - 1
        by_x = _matrix(self.numpy("mulx"), size, c)[:size]
        return self.times(lambda p: by_x @ p, _longer(c, size), n)


def _matrix(function: Any, n: int, like: Any) -> Any:
    """The matrix of a linear map of series of n coefficients."""
    columns = [function(e) for e in np.eye(n)]
    rows = max([len(e) for e in columns])
    return np.array([np.pad(e, (0, rows - len(e))) for e in columns], data_of(like).dtype).T


def _longer(c: Any, n: int) -> Any:
    return np.concatenate([c, np.zeros(n - len(c), data_of(c).dtype)])


def _as_array(x: Any) -> Any:
    return x if isinstance(x, Variable) else array(x)


# ---- compositions: what NumPy's functions do, up to rounding ------------------------------------------------
# NumPy leaves zeros at the end of a series away. The derivative of what stays is that of the whole series.


def _trimmed(b: _Basis, name: str, z: Any, *args: Any) -> Any:
    return z[: len(b.numpy(name)(*[data_of(x) for x in args]))]


def _val(b: _Basis, x: Any, c: Any, tensor: bool = True) -> Any:
    x, c = _as_array(x), coefficients(c)
    if tensor:
        c = c.reshape(c.shape + (1,) * x.ndim)
    terms = [c[i] * p for i, p in enumerate(b.at(x, len(c)))]
    return sum(terms[1:], terms[0])


def _val_nd(b: _Basis, *args: Any) -> Any:
    *xs, c = args
    z = _val(b, xs[0], c)
    for x in xs[1:]:
        z = _val(b, x, z, tensor=False)
    return z


def _grid_nd(b: _Basis, *args: Any) -> Any:
    *xs, c = args
    for x in xs:
        c = _val(b, x, c)
    return c


def _valfromroots(b: _Basis, x: Any, r: Any, tensor: bool = True) -> Any:
    x, r = _as_array(x), coefficients(r)
    return np.prod(x - (r.reshape(r.shape + (1,) * x.ndim) if tensor else r), 0)


def _vander(b: _Basis, x: Any, deg: int) -> Any:
    return np.stack(b.at(coefficients(x), deg + 1), -1)


def _vander_nd(b: _Basis, *args: Any) -> Any:
    *xs, degrees = args
    z: Any = 1.0
    for i, (x, deg) in enumerate(zip(xs, degrees, strict=True)):
        v = np.stack(b.at(_as_array(x), deg + 1), -1)
        z = z * v.reshape(v.shape[:-1] + tuple([deg + 1 if j == i else 1 for j in range(len(xs))]))
    return z.reshape((*z.shape[: -len(xs)], -1))


def _add(b: _Basis, c1: Any, c2: Any) -> Any:
    c1, c2 = coefficients(c1), coefficients(c2)
    n = max(len(c1), len(c2))
    return _trimmed(b, "add", _longer(c1, n) + _longer(c2, n), c1, c2)


def _sub(b: _Basis, c1: Any, c2: Any) -> Any:
    c1, c2 = coefficients(c1), coefficients(c2)
    n = max(len(c1), len(c2))
    return _trimmed(b, "sub", _longer(c1, n) - _longer(c2, n), c1, c2)


def _mulx(b: _Basis, c: Any) -> Any:
    c = coefficients(c)
    return _trimmed(b, "mulx", _matrix(b.numpy("mulx"), len(c), c) @ c, c)


def _whole_product(b: _Basis, c1: Any, c2: Any) -> Any:
    terms = [c1[i] * p for i, p in enumerate(b.multiples(c2, len(c1)))]
    return sum(terms[1:], terms[0])


def _mul(b: _Basis, c1: Any, c2: Any) -> Any:
    c1, c2 = coefficients(c1), coefficients(c2)
    return _trimmed(b, "mul", _whole_product(b, c1, c2), c1, c2)


def _pow(b: _Basis, c: Any, pow: int, maxpower: int | None = None) -> Any:
    c = coefficients(c)
    z = c[:1] * 0 + 1
    for _ in range(int(pow)):
        z = _whole_product(b, c, z)
    return z[: len(b.numpy("pow")(data_of(c), pow, None))]


def _divide(b: _Basis, c1: Any, c2: Any) -> tuple[Any, Any]:
    """Long division: the quotient, and the remainder with as many coefficients as c1."""
    c1, c2 = [c[: len(b.numpy("add")(data_of(c), 0))] for c in (coefficients(c1), coefficients(c2))]
    n = len(c2)
    if len(c1) < n:
        return c1[:1] * 0, c1 + c2[0] * 0
    quotient: list[Any] = []
    rest, multiples = c1, b.multiples(c2, len(c1) - n + 1)
    for i in range(len(c1) - n, -1, -1):
        d = rest[i + n - 1] / multiples[i][i + n - 1]
        rest = rest - d * multiples[i][: len(c1)]
        quotient.insert(0, d)
    return np.stack(quotient), rest


def _quotient(b: _Basis, c1: Any, c2: Any) -> Any:
    return _divide(b, c1, c2)[0][: len(b.numpy("div")(data_of(c1), data_of(c2))[0])]


def _remainder(b: _Basis, c1: Any, c2: Any) -> Any:
    return _divide(b, c1, c2)[1][: len(b.numpy("div")(data_of(c1), data_of(c2))[1])]


def _der(b: _Basis, c: Any, m: int = 1, scl: Any = 1, axis: int = 0) -> Any:
    c = np.moveaxis(coefficients(c), axis, 0)
    if m >= len(c):
        return np.moveaxis(c[:1] * 0, 0, axis)
    matrix = np.asarray(b.numpy("der")(np.eye(len(c)), m), data_of(c).dtype)
    return np.moveaxis(np.tensordot(matrix, c, 1) * scl**m, 0, axis)


def _int(b: _Basis, c: Any, m: int = 1, k: Any = (), lbnd: Any = 0, scl: Any = 1, axis: int = 0) -> Any:
    c = np.moveaxis(coefficients(c), axis, 0)
    k = coefficients(k) if np.ndim(data_of(k)) == 0 else k
    lbnd = _as_array(lbnd)
    for i in range(m):
        n, constant = len(c), k[i] if i < len(k) else 0
        first = np.eye(n + 1, 1, dtype=data_of(c).dtype).reshape((-1,) + (1,) * (c.ndim - 1))
        if n == 1 and not np.any(data_of(c)):
            c = c * scl + constant
        else:
            matrix = np.asarray(b.numpy("int")(np.eye(n)), data_of(c).dtype)
            c = np.tensordot(matrix, c * scl, 1)
            c = c + first * (constant - _val(b, lbnd, c))
    return np.moveaxis(c, 0, axis)


def _line(b: _Basis, off: Any, scl: Any) -> Any:
    x = b.numpy("line")(0.0, 1.0)
    return _trimmed(b, "line", off * (b.numpy("line")(1.0, 1.0) - x) + scl * x, off, scl)


def _fromroots(b: _Basis, roots: Any) -> Any:
    roots = coefficients(roots)
    z = np.ones(1) + 0 * np.sum(roots)
    for i in range(len(roots)):
        by_x = _matrix(b.numpy("mulx"), i + 1, z)
        z = by_x @ z - roots[i] * _longer(z, i + 2)
    return z


def _companion(b: _Basis, c: Any) -> Any:
    """Only the last column depends on c: linearly on c[:-1] / c[-1]."""
    c = coefficients(c)
    n = len(c) - 1
    last = np.eye(n + 1)[n]
    base = b.numpy("companion")(last)
    slopes = np.array([b.numpy("companion")(e + last)[i, -1] - base[i, -1] for i, e in enumerate(np.eye(n, n + 1))])
    return base + (c[:-1] / c[-1] * slopes)[:, None] * np.eye(n)[-1]


def _converted(b: _Basis, name: str, pol: Any) -> Any:
    pol = coefficients(pol)
    function = getattr(b.module, name)
    return (_matrix(function, len(pol), pol) @ pol)[: len(function(data_of(pol)))]


def _trim(b: _Basis, c: Any, tol: float = 0) -> Any:
    c = coefficients(c)
    return c[: len(b.numpy("trim")(data_of(c), tol))] * (np.abs(data_of(c)).max() > tol)


_COMPOSITIONS: dict[str, Any] = {
    "val": _val, "val2d": _val_nd, "val3d": _val_nd, "grid2d": _grid_nd, "grid3d": _grid_nd,
    "valfromroots": _valfromroots, "vander": _vander, "vander2d": _vander_nd, "vander3d": _vander_nd,
    "add": _add, "sub": _sub, "mulx": _mulx, "mul": _mul, "pow": _pow, "der": _der, "int": _int,
    "line": _line, "fromroots": _fromroots, "companion": _companion, "trim": _trim,
}  # fmt: skip
_AS_THEY_ARE = "weight", "domain", "zero", "one", "x", "gauss", "pts1", "pts2", "interpolate"  # take Variables or none


# ---- several results, and roots -----------------------------------------------------------------------------


def _division(b: _Basis, label: str) -> Any:
    div = b.numpy("div")
    quotient = composed(lambda c1, c2: div(c1, c2)[0], name=f"{label}_quotient")(partial(_quotient, b))
    remainder = composed(lambda c1, c2: div(c1, c2)[1], name=f"{label}_remainder")(partial(_remainder, b))

    def call(c1: Any, c2: Any) -> tuple[Any, Any]:
        return quotient(c1, c2), remainder(c1, c2)

    return call


def _roots(b: _Basis, label: str, val: Any, der: Any, vander: Any) -> Any:
    """Of p(z) = 0: p'(z) dz = - sum_j p[j](z) dc[j]."""

    def push(t: Any, z: Any, c: Any) -> Any:
        return -val(z, t) / val(z, der(c)) if z.size else z

    @linear(None, name=label, call=b.numpy("roots"), push=push)
    def roots(g: Any, z: Any, c: Any) -> Any:
        if not z.size:
            return c * 0
        slopes = val(z, der(c))
        slopes = np.where((slopes == 0) & (g == 0), 1, slopes)  # nothing flows back where nothing was asked
        return -(g / slopes) @ vander(z, len(c) - 1)

    def call(c: Any) -> Any:
        return roots(coefficients(c))

    return call


def _fit(b: _Basis, label: str) -> Any:
    fit = b.numpy("fit")

    def design(x: Any, y: Any, deg: Any, rcond: Any, w: Any) -> tuple[Any, Any, Any, Any]:
        x, y, w = floating(x, y, w)
        degrees = np.sort(deg) if np.ndim(deg) else np.arange(deg + 1)
        rcond = len(x) * np.finfo(x.dtype).eps if rcond is None else rcond
        return weighted(_vander(b, x, degrees[-1])[:, degrees], w), weighted(y, w), rcond, degrees

    def value(x: Any, y: Any, deg: Any, rcond: Any, full: bool, w: Any) -> Any:
        return fit(x, y, deg, rcond, full, w)[0] if full else fit(x, y, deg, rcond, full, w)

    @composed(value, name=label)
    def coefficients_of_fit(x: Any, y: Any, deg: Any, rcond: Any, full: bool, w: Any) -> Any:
        a, y, rcond, degrees = design(x, y, deg, rcond, w)
        return np.eye(degrees[-1] + 1)[:, degrees] @ least_squares(a, y, rcond)

    @composed(lambda x, y, deg, rcond, w: fit(x, y, deg, rcond, True, w)[1][0], name=f"{label}_residuals")
    def residuals_of_fit(x: Any, y: Any, deg: Any, rcond: Any, w: Any) -> Any:
        return residuals(*design(x, y, deg, rcond, w)[:3])

    @composed(lambda x, y, deg, rcond, w: fit(x, y, deg, rcond, True, w)[1][2], name=f"{label}_singular_values")
    def singular_values_of_fit(x: Any, y: Any, deg: Any, rcond: Any, w: Any) -> Any:
        a = design(x, y, deg, rcond, w)[0]
        return np.linalg.svd(a / column_norms(a), compute_uv=False)

    def call(x: Any, y: Any, deg: Any, rcond: Any = None, full: bool = False, w: Any = None) -> Any:
        if not any([isinstance(v, (Variable, list, tuple)) for v in (x, y, w)]):
            return fit(x, y, deg, rcond, full, w)
        x, y, w = [array(v) if isinstance(v, (list, tuple)) else v for v in (x, y, w)]
        c = coefficients_of_fit(x, y, deg, rcond, full, w)
        if not full:
            return c
        rest, rank, _, rcond0 = fit(data_of(x), data_of(y), deg, rcond, True, data_of(w))[1]
        rest = residuals_of_fit(x, y, deg, rcond, w) if rest.size else wrap(rest, None)
        return c, [rest, rank, singular_values_of_fit(x, y, deg, rcond, w), rcond0]

    return call


# ---- the six modules ----------------------------------------------------------------------------------------


def _module(b: _Basis) -> SimpleNamespace:
    """The functions of one of NumPy's modules."""
    found: dict[str, Any] = {}
    prefix = b.prefix
    label = f"polynomial_{prefix}" if prefix == "poly" else prefix  # np.polyval and its like are other functions
    for name, composition in _COMPOSITIONS.items():
        if hasattr(b.module, prefix + name):
            found[prefix + name] = composed(b.numpy(name), name=label + name)(partial(composition, b))
    for name in (f"poly2{prefix}", f"{prefix}2poly"):
        if hasattr(b.module, name):
            found[name] = composed(getattr(b.module, name), name=name)(partial(_converted, b, name))
    found[f"{prefix}div"] = _division(b, f"{label}div")
    found[f"{prefix}fit"] = _fit(b, f"{label}fit")
    of = [found[prefix + name] for name in ("val", "der", "vander")]
    found[f"{prefix}roots"] = _roots(b, f"{label}roots", *of)
    for name, function in found.items():
        found[name] = function = by_example(function)
        function.__name__ = function.__qualname__ = name
        function.__doc__ = f"`{b.module.__name__}.{name}` for arrays and Variables. Differentiable."
        function.__wrapped__ = getattr(b.module, name)  # its signature
    for name in _AS_THEY_ARE:
        if hasattr(b.module, prefix + name):
            found[prefix + name] = b.numpy(name)
    return SimpleNamespace(**found)


polynomial = _module(_Basis(_numpy.polynomial, "poly", lambda i: (1.0, 0.0, 0.0)))
chebyshev = _module(_Basis(_numpy.chebyshev, "cheb", lambda i: (2.0 if i > 1 else 1.0, 0.0, -1.0 if i > 1 else 0.0)))
legendre = _module(_Basis(_numpy.legendre, "leg", lambda i: ((2 * i - 1) / i, 0.0, (1 - i) / i)))
hermite = _module(_Basis(_numpy.hermite, "herm", lambda i: (2.0, 0.0, 2.0 * (1 - i))))
hermite_e = _module(_Basis(_numpy.hermite_e, "herme", lambda i: (1.0, 0.0, 1.0 - i)))
laguerre = _module(_Basis(_numpy.laguerre, "lag", lambda i: (-1 / i, (2 * i - 1) / i, (1 - i) / i)))

# ---- numpy.polynomial.polyutils -----------------------------------------------------------------------------


@composed(_numpy.polyutils.mapdomain)
def _mapdomain(x: Any, old: Any, new: Any) -> Any:
    offset, scale = _numpy.polyutils.mapparms(old, new)
    return offset + scale * _as_array(x)


@composed(_numpy.polyutils.getdomain)
def _getdomain(x: Any) -> Any:
    x = coefficients(x)
    if not np.iscomplexobj(data_of(x)):
        return np.stack([np.min(x), np.max(x)])
    re, im = np.real(x), np.imag(x)
    return np.stack([np.min(re) + 1j * np.min(im), np.max(re) + 1j * np.max(im)])


polyutils = SimpleNamespace(
    mapdomain=_mapdomain, mapparms=_numpy.polyutils.mapparms, getdomain=_getdomain, trimcoef=polynomial.polytrim
)

# ---- the six classes ----------------------------------------------------------------------------------------


class _Series:
    """What NumPy's classes convert, for Variables."""

    coef: Any
    domain: Any
    window: Any
    symbol: str

    def __init__(self, coef: Any, domain: Any = None, window: Any = None, symbol: str = "x") -> None:
        coef = array(coef) if isinstance(coef, (list, tuple)) else coef
        super().__init__(data_of(coef), domain, window, symbol)  # type: ignore[call-arg]
        if isinstance(coef, Variable) and coef.dtype.kind in "fc":
            self.coef = coefficients(coef)

    def __call__(self, arg: Any) -> Any:
        if not isinstance(self.coef, Variable) and not isinstance(arg, (Variable, list, tuple)):
            return super().__call__(arg)  # type: ignore[misc]
        if isinstance(arg, _Series):
            raise TypeError(f"{type(self).__name__}: one series of another is not for tracked coefficients")
        return self._val(_mapdomain(_as_array(arg), self.domain, self.window), self.coef)  # type: ignore[attr-defined]

    def roots(self) -> Any:
        """The roots of the series."""
        return _mapdomain(self._roots(self.coef), self.window, self.domain)  # type: ignore[attr-defined]

    def trim(self, tol: float = 0) -> Any:
        """The series without the coefficients at its end that are not larger than tol."""
        return type(self)(polynomial.polytrim(self.coef, tol), self.domain, self.window, self.symbol)

    def _on_arrays(self) -> Any:
        return type(self)(data_of(self.coef), self.domain, self.window, self.symbol)

    def __repr__(self) -> str:
        return super().__repr__() if not isinstance(self.coef, Variable) else repr(self._on_arrays())

    def __str__(self) -> str:
        return super().__str__() if not isinstance(self.coef, Variable) else str(self._on_arrays())

    def __format__(self, spec: str) -> str:
        return super().__format__(spec) if not isinstance(self.coef, Variable) else format(self._on_arrays(), spec)


def _class(name: str, family: SimpleNamespace, prefix: str) -> Any:
    """NumPy's class of that name, with the functions of this module."""
    base = getattr(_numpy, name)
    names = ("add", "sub", "mul", "div", "pow", "val", "int", "der", "fit", "line", "roots", "fromroots")
    functions = {f"_{n}": staticmethod(getattr(family, prefix + n)) for n in names}
    doc = f"`numpy.polynomial.{name}`, whose coefficients and arguments may be Variables. Differentiable."
    return type(name, (_Series, base), {"__module__": __name__, "__doc__": doc, **functions})


Polynomial = _class("Polynomial", polynomial, "poly")
Chebyshev = _class("Chebyshev", chebyshev, "cheb")
Legendre = _class("Legendre", legendre, "leg")
Hermite = _class("Hermite", hermite, "herm")
HermiteE = _class("HermiteE", hermite_e, "herme")
Laguerre = _class("Laguerre", laguerre, "lag")

for _family in (polyutils, polynomial, chebyshev, legendre, hermite, hermite_e, laguerre):
    globals().update(vars(_family))


def __getattr__(name: str) -> Any:  # tells type checkers that there are names which they do not see
    raise AttributeError(f"wengert.polynomial has no {name!r}")
