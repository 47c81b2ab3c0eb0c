"""Derivatives of NumPy's functions of polynomials (highest power first) and of numpy.emath."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..batching.array import any_array
from ..composed import composed
from ..declare import implements, linear
from ..variable import Variable, data_of, wrap
from .shaping import array

# ---- coefficients in their different forms ------------------------------------------------------------------


def coefficients(p: Any) -> Any:
    """p with one axis at least: an array, a Variable, a poly1d, or a sequence that may hold Variables."""
    if isinstance(p, np.poly1d):
        return p.coeffs
    p = array(p) if isinstance(p, (list, tuple)) else any_array(p)
    return p if p.ndim else p.reshape(1)


def _as_given(result: Any, *given: Any) -> Any:
    """A poly1d where a poly1d was given, as NumPy does."""
    return np.poly1d(result) if any([isinstance(p, np.poly1d) for p in given]) else result


# ---- values, derivatives, integrals -------------------------------------------------------------------------


@composed(np.polyval)
def _polyval(p: Any, x: Any) -> Any:
    """Horner's scheme."""
    y = np.zeros_like(data_of(x)) * x
    for i in range(len(p)):
        y = y * x + p[i]
    return y


@implements(np.polyval)
def polyval(p: Any, x: Any) -> Any:
    """`numpy.polyval` for arrays and Variables. Differentiable in both."""
    if isinstance(x, np.poly1d):
        raise TypeError("polyval: a polynomial of a poly1d has no derivative rule; give x as an array or a Variable")
    x = array(x) if isinstance(x, (list, tuple)) else x
    return _polyval(coefficients(p) if not isinstance(p, Variable) else p, x)


@implements(np.polyder)
def polyder(p: Any, m: int = 1) -> Any:
    """`numpy.polyder` for arrays and Variables. Differentiable."""
    if int(m) < 0:
        raise ValueError("Order of derivative must be positive (see polyint)")
    z = coefficients(p)
    for _ in range(int(m)):
        z = z[:-1] * np.arange(len(z) - 1, 0, -1)
    return _as_given(z, p)


@implements(np.polyint)
def polyint(p: Any, m: int = 1, k: Any = None) -> Any:
    """`numpy.polyint` for arrays and Variables. Differentiable in p and in the constants k."""
    m = int(m)
    if m < 0:
        raise ValueError("Order of integral must be positive (see polyder)")
    k = np.zeros(m) if k is None else coefficients(k)
    if len(k) == 1 and m > 1:
        k = k[0] * np.ones(m)
    if len(k) < m:
        raise ValueError("k must be a scalar or a rank-1 array of length 1 or >m.")
    z = coefficients(p)
    for i in range(m):
        z = np.concatenate([z / np.arange(len(z), 0, -1), k[i : i + 1]])
    return _as_given(z, p)


@composed(np.vander)
def vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:
    n = len(x) if N is None else N
    powers = np.arange(n) if increasing else np.arange(n)[::-1]
    return np.power(x[:, None], np.asarray(powers, data_of(x).dtype))


# ---- arithmetic ---------------------------------------------------------------------------------------------


def _aligned(a1: Any, a2: Any) -> tuple[Any, Any]:
    """Both with zeros in front, to one length."""
    a1, a2 = coefficients(a1), coefficients(a2)
    short = len(a2) - len(a1)
    if short > 0:
        return np.concatenate([np.zeros(short, a1.dtype), a1]), a2
    return a1, np.concatenate([np.zeros(-short, a2.dtype), a2]) if short else a2


@implements(np.polyadd)
def polyadd(a1: Any, a2: Any) -> Any:
    """`numpy.polyadd` for arrays and Variables. Differentiable."""
    x, y = _aligned(a1, a2)
    return _as_given(x + y, a1, a2)


@implements(np.polysub)
def polysub(a1: Any, a2: Any) -> Any:
    """`numpy.polysub` for arrays and Variables. Differentiable."""
    x, y = _aligned(a1, a2)
    return _as_given(x - y, a1, a2)


@composed(np.polymul)
def _polymul(a1: Any, a2: Any) -> Any:
    """NumPy leaves zeros in front away; the derivative of what stays is that of the whole product."""
    z = np.convolve(a1, a2)
    return z[len(z) - len(np.polymul(data_of(a1), data_of(a2))) :]


@implements(np.polymul)
def polymul(a1: Any, a2: Any) -> Any:
    """`numpy.polymul` for arrays and Variables. Differentiable."""
    return _as_given(_polymul(coefficients(a1), coefficients(a2)), a1, a2)


def _divide(u: Any, v: Any) -> tuple[Any, Any]:
    """Long division: the quotient, and the remainder with as many coefficients as u."""
    u, v = u + 0.0, v + 0.0
    n, quotient, rest = len(v), [], u + 0 * v[0]
    for k in range(len(u) - n + 1):
        d = rest[k] / v[0]
        quotient.append(d)
        rest = np.concatenate([rest[:k], rest[k : k + n] - d * v, rest[k + n :]])
    return np.stack(quotient or [rest[0] * 0]), rest


@composed(lambda u, v: np.polydiv(u, v)[0], name="polydiv_quotient")
def _quotient(u: Any, v: Any) -> Any:
    return _divide(u, v)[0]


@composed(lambda u, v: np.polydiv(u, v)[1], name="polydiv_remainder")
def _remainder(u: Any, v: Any) -> Any:
    return _divide(u, v)[1][-len(np.polydiv(data_of(u), data_of(v))[1]) :]


@implements(np.polydiv)
def polydiv(u: Any, v: Any) -> tuple[Any, Any]:
    """`numpy.polydiv` for arrays and Variables: quotient and remainder. Differentiable."""
    x, y = coefficients(u), coefficients(v)
    return _as_given(_quotient(x, y), u, v), _as_given(_remainder(x, y), u, v)


# ---- from zeros to coefficients and back --------------------------------------------------------------------


@composed(np.poly)
def _poly(seq_of_zeros: Any) -> Any:
    x = seq_of_zeros
    if x.ndim == 2:
        z = _characteristic(x)
    else:
        z = np.ones(1, x.dtype)
        for i in range(len(x)):
            z = np.concatenate([z, [0]]) - x[i] * np.concatenate([[0], z])
    return z if np.iscomplexobj(np.poly(data_of(x))) else np.real(z)


def _characteristic(a: Any) -> Any:
    """The characteristic polynomial, by Faddeev and LeVerrier: right for equal eigenvalues too."""
    n = a.shape[0]
    m, z = np.eye(n, dtype=a.dtype), [np.ones((), a.dtype)]
    for k in range(1, n + 1):
        am = a @ m
        z.append(np.einsum("ii", am) * (-1 / k))
        m = am + z[-1] * np.eye(n, dtype=a.dtype)
    return np.stack(z)


@implements(np.poly)
def poly(seq_of_zeros: Any) -> Any:
    """`numpy.poly` for arrays and Variables: from zeros, or of a square matrix. Differentiable."""
    x = coefficients(seq_of_zeros)
    return _poly(x) if x.size else np.poly(data_of(x))


def _slopes(z: Any, p: Any) -> Any:
    """p'(z) at the zeros z of p."""
    return np.polyval(np.polyder(p), z)


def _over(g: Any, slopes: Any) -> Any:
    """g / slopes; nothing flows back from a multiple zero that nothing was asked of."""
    return g / np.where((slopes == 0) & (g == 0), 1, slopes)


@linear(
    None,
    name="roots",
    call=np.roots,
    push=lambda t, z, p: -np.polyval(t, z) / _slopes(z, p) if z.size else z,
)
def _roots(g: Any, z: Any, p: Any) -> Any:
    """Of p(z) = 0: p'(z) dz = - sum_j z**(n - j) dp_j."""
    return -_over(g, _slopes(z, p)) @ np.vander(z, p.shape[0]) if z.size else p * 0


@implements(np.roots)
def roots(p: Any) -> Any:
    """`numpy.roots` for arrays and Variables. Differentiable where the roots are distinct."""
    return _roots(coefficients(p))


# ---- least squares ------------------------------------------------------------------------------------------


def weighted(a: Any, w: Any) -> Any:
    """Each row of a, of one or two axes, times its weight."""
    return a if w is None else a * (w if a.ndim == 1 else w[:, None])


def column_norms(a: Any) -> Any:
    """The length of each column; 1 for one of zeros."""
    squares = np.sum(np.real(np.conj(a) * a), 0)
    return np.sqrt(np.where(squares == 0, 1, squares))


def least_squares(a: Any, y: Any, rcond: Any) -> Any:
    """The coefficients of a's columns that come closest to y, found as polyfit does: with columns of length 1."""
    norms = column_norms(a)
    c = np.linalg.lstsq(a / norms, y, rcond)[0]
    return c / (norms if y.ndim == 1 else norms[:, None])


def residuals(a: Any, y: Any, rcond: Any) -> Any:
    """The sum of squares that least squares leaves, one for each column of y."""
    rest = y - a @ least_squares(a, y, rcond)
    return np.sum(np.real(np.conj(rest) * rest), 0).reshape(-1)


def floating(*xs: Any) -> list[Any]:
    """Each as an array or Variable of floating-point numbers; None stays None."""
    return [x if x is None else x + 0.0 if isinstance(x, Variable) else np.asarray(x) + 0.0 for x in xs]


def _design(x: Any, y: Any, deg: int, w: Any, rcond: Any) -> tuple[Any, Any, Any]:
    x, y, w = floating(x, y, w)
    rcond = len(x) * np.finfo(x.dtype).eps if rcond is None else rcond
    return weighted(np.vander(x, int(deg) + 1), w), weighted(y, w), rcond


def _polyfit_residuals(x: Any, y: Any, deg: int, rcond: Any, w: Any) -> Any:
    return np.polyfit(x, y, deg, rcond, full=True, w=w)[1]


def _polyfit_singular(x: Any, y: Any, deg: int, rcond: Any, w: Any) -> Any:
    return np.polyfit(x, y, deg, rcond, full=True, w=w)[3]


def _polyfit_covariance(x: Any, y: Any, deg: int, rcond: Any, w: Any, cov: Any) -> Any:
    return np.polyfit(x, y, deg, rcond, w=w, cov=cov)[1]


def _polyfit_coefficients(x: Any, y: Any, deg: int, rcond: Any, full: bool, w: Any) -> Any:
    return np.polyfit(x, y, deg, rcond, full=True, w=w)[0] if full else np.polyfit(x, y, deg, rcond, w=w)


@composed(_polyfit_coefficients, name="polyfit")
def _polyfit(x: Any, y: Any, deg: int, rcond: Any, full: bool, w: Any) -> Any:
    return least_squares(*_design(x, y, deg, w, rcond))


@composed(_polyfit_residuals, name="polyfit_residuals")
def _fit_residuals(x: Any, y: Any, deg: int, rcond: Any, w: Any) -> Any:
    return residuals(*_design(x, y, deg, w, rcond))


@composed(_polyfit_singular, name="polyfit_singular_values")
def _fit_singular(x: Any, y: Any, deg: int, rcond: Any, w: Any) -> Any:
    a = _design(x, y, deg, w, rcond)[0]
    return np.linalg.svd(a / column_norms(a), compute_uv=False)


@composed(_polyfit_covariance, name="polyfit_covariance")
def _fit_covariance(x: Any, y: Any, deg: int, rcond: Any, w: Any, cov: Any) -> Any:
    a, y, rcond = _design(x, y, deg, w, rcond)
    z = np.linalg.inv(a.T @ a)
    factor = 1.0 if cov == "unscaled" else residuals(a, y, rcond) / (a.shape[0] - a.shape[1])
    return z * factor if y.ndim == 1 else z[:, :, None] * factor


@implements(np.polyfit)
def polyfit(x: Any, y: Any, deg: int, rcond: Any = None, full: bool = False, w: Any = None, cov: Any = False) -> Any:
    """`numpy.polyfit` for arrays and Variables, and what it gives with full= and cov=. Differentiable in x, y, w."""
    x, y, w = floating(x, y, w)
    if not full:
        c = _polyfit(x, y, deg, rcond, False, w)
        return (c, _fit_covariance(x, y, deg, rcond, w, cov)) if cov else c
    x0, y0, w0 = [data_of(v) for v in (x, y, w)]
    _, rest, rank, _, rcond0 = np.polyfit(x0, y0, deg, rcond, True, w0)
    rest = _fit_residuals(x, y, deg, rcond, w) if rest.size else wrap(rest, None)
    return _polyfit(x, y, deg, rcond, True, w), rest, rank, _fit_singular(x, y, deg, rcond, w), rcond0


# ---- numpy.emath: complex where the real functions have no value --------------------------------------------


def _root(x: Any) -> Any:
    """sqrt(1 - x**2) on the side of its branch cuts that arcsin and arccos take for x + 0j."""
    return np.sqrt(-(x - 1)) * np.sqrt(x + 1)


@linear(None, name="emath_arcsin", call=np.arcsin, push=lambda t, _z, x: t / _root(x))
def _arcsin(g: Any, _z: Any, x: Any) -> Any:
    return g / _root(x)


@linear(None, name="emath_arccos", call=np.arccos, push=lambda t, _z, x: -t / _root(x))
def _arccos(g: Any, _z: Any, x: Any) -> Any:
    return -g / _root(x)


def _complex(x: Any) -> Any:
    """x as NumPy's emath converts it."""
    small = x.dtype.type in (np.float32, np.int8, np.int16, np.uint8, np.uint16, np.complex64)
    return x.astype(np.complex64 if small else np.complex128)


def _complex_below_zero(x: Any) -> Any:
    x = any_array(x)
    return _complex(x) if np.any(np.isreal(data_of(x)) & (data_of(x) < 0)) else x


def _complex_beyond_one(x: Any) -> Any:
    return _complex(x) if np.any(np.isreal(data_of(x)) & (np.abs(data_of(x)) > 1)) else x


def _extended(function: Any, ufunc: Any, converted: Any) -> Any:
    def call(x: Any) -> Any:
        return ufunc(converted(x))

    call.__name__ = call.__qualname__ = f"emath_{function.__name__}"
    call.__doc__ = f"`numpy.emath.{function.__name__}` for arrays and Variables. Differentiable."
    return implements(function)(call)


emath_sqrt = _extended(np.emath.sqrt, np.sqrt, _complex_below_zero)
emath_log = _extended(np.emath.log, np.log, _complex_below_zero)
emath_log2 = _extended(np.emath.log2, np.log2, _complex_below_zero)
emath_log10 = _extended(np.emath.log10, np.log10, _complex_below_zero)
emath_arcsin = _extended(np.emath.arcsin, _arcsin, _complex_beyond_one)
emath_arccos = _extended(np.emath.arccos, _arccos, _complex_beyond_one)
emath_arctanh = _extended(np.emath.arctanh, np.arctanh, _complex_beyond_one)


@implements(np.emath.logn)
def emath_logn(n: Any, x: Any) -> Any:
    """`numpy.emath.logn` for arrays and Variables. Differentiable in the base n too."""
    return np.log(_complex_below_zero(x)) / np.log(_complex_below_zero(n))


@implements(np.emath.power)
def emath_power(x: Any, p: Any) -> Any:
    """`numpy.emath.power` for arrays and Variables. Differentiable."""
    x, p = _complex_below_zero(x), any_array(p)
    return np.power(x, p * 1.0 if np.any(np.isreal(data_of(p)) & (data_of(p) < 0)) else p)
