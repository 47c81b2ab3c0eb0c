"""The gamma function and its family: logarithms, quotients, polygamma and zeta functions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..variable import Variable, data_of
from .special_declare import internal, sp, special

BERNOULLI = [float(b) for b in sp.bernoulli(24)[2::2]]
_FAR = 15  # from here on the asymptotic series is exact to rounding
_DEEP = 10_000  # further left than this, complex polygamma functions are not computed


def _complex_polygamma(n: int, z: Any) -> Any:
    """Recurrence to the right, then the asymptotic series (Abramowitz and Stegun 6.4.6 and 6.4.11)."""
    total = np.zeros_like(z)
    left = np.real(z) < -_DEEP
    w = np.where(left, 1.0, z)
    for _ in range(max(0, math.ceil(_FAR + n - float(np.min(np.real(w), initial=_FAR))))):
        near = np.real(w) < _FAR + n
        total = total + np.where(near, w ** -(n + 1), 0)
        w = np.where(near, w + 1, w)
    series = 1 / (n * w**n) + 1 / (2 * w ** (n + 1))
    for k, b in enumerate(BERNOULLI, 1):
        series = series + b * math.factorial(2 * k + n - 1) / math.factorial(2 * k) / math.factorial(n) * w ** -(
            2 * k + n
        )
    return np.where(left, np.nan, (-1) ** (n + 1) * math.factorial(n) * (total + series)).astype(z.dtype)


def _polygamma_value(x: Any, *, n: int) -> Any:
    if n == 0:
        return sp.psi(x)
    if x.dtype.kind == "c":
        return _complex_polygamma(n, np.asarray(x))[()]
    return np.asarray(sp.polygamma(n, x)).astype(x.dtype)[()]


psi_n = internal("psi_n", _polygamma_value, lambda _z, x, *, n: psi_n(x, n=n + 1))


def derivative_of_psi(n: int, x: Any) -> Any:
    """The n-th derivative of the digamma function, in x's dtype."""
    return sp.psi(x) if n == 0 else psi_n(x if isinstance(x, Variable) else np.asarray(x), n=n)


special(sp.psi, lambda _z, x: derivative_of_psi(1, x))
special(sp.gamma, lambda z, x: z * sp.psi(x))
special(sp.rgamma, lambda _z, x: -_psi_over_gamma(x))
special(sp.gammaln, lambda _z, x: sp.psi(x))
special(sp.loggamma, lambda _z, x: sp.psi(x))


def _psi_over_gamma(x: Any) -> Any:
    """psi(x) / gamma(x); at the poles -n, where it is (-1)**(n + 1) n!, by reflection: entire."""
    left = np.real(x) < 0.5
    y = np.where(left, 1 - x, x)
    right = sp.psi(y) * sp.rgamma(y)
    reflected = sp.gamma(y) * (sp.psi(y) * np.sin(np.pi * x) - np.pi * np.cos(np.pi * x)) / np.pi
    return np.where(left, reflected, right)


# ---- quotients of gamma functions ---------------------------------------------------------------------------


def _psi_step(a: Any, b: Any) -> Any:
    """psi(a + b) - psi(a), for b > 0 without cancellation: recurrence to the right, then the asymptotic series.

    Left of 0 by reflection; there a pole of both is none of their difference if b is whole.
    """
    dtype = np.result_type(a, b)
    a, b = np.broadcast_arrays(np.asarray(a, float), np.asarray(b, float))
    with np.errstate(all="ignore"):
        left = (a <= 0) & (a + b <= 0)
        good = (b >= 0) & ((a > 0) | left) & np.isfinite(a) & np.isfinite(b)
        h = np.where(good, b, 1)
        x = np.where(good, np.where(left, 1 - a - b, a), 1)
        total = sum([np.where(x < _FAR, h / ((x + j) * (x + j + h)), 0) for j in range(_FAR)])
        x = np.where(x < _FAR, x + _FAR, x)
        step = np.log1p(h / x)
        total = total + step + h / (2 * x * (x + h))
        for k, bernoulli in enumerate(BERNOULLI[:8], 1):
            total = total - bernoulli / (2 * k) * x ** (-2 * k) * np.expm1(-2 * k * step)
        turned = np.where(b != np.floor(b), np.pi / np.tan(np.pi * a) - np.pi / np.tan(np.pi * (a + b)), 0)
        return np.where(good, np.where(left, turned - total, total), sp.psi(a + b) - sp.psi(a)).astype(dtype)[()]


psi_step = internal(
    "psi_step",
    _psi_step,
    lambda _z, a, b: derivative_of_psi(1, a + b) - derivative_of_psi(1, a),
    lambda _z, a, b: derivative_of_psi(1, a + b),
)

special(sp.beta, lambda z, a, b: -z * psi_step(a, b), lambda z, a, b: -z * psi_step(b, a))
special(sp.betaln, lambda _z, a, b: -psi_step(a, b), lambda _z, a, b: -psi_step(b, a))


def _pole(x: Any) -> Any:
    """Whether gamma(x) is infinite."""
    return (x <= 0) & (x == np.floor(x))


def _binom_n(z: Any, n: Any, k: Any) -> Any:
    at = _pole(n - k + 1)  # there binom is 0, its slope is not
    m = np.where(at, k, n)
    return np.where(at, _binom_slope(n, k, at), z * psi_step(m - k + 1, k))


def _binom_k(z: Any, n: Any, k: Any) -> Any:
    above, below = _pole(n - k + 1), _pole(k + 1)
    i = np.where(above | below, n / 2, k)
    slope = z * (sp.psi(n - i + 1) - sp.psi(i + 1)) - _binom_slope(n, k, above)
    lower = np.where(below, k, -1)
    return np.where(below, -_psi_over_gamma(lower + 1) / sp.poch(n + 1, -lower), slope)


def _binom_slope(n: Any, k: Any, at: Any) -> Any:
    """gamma(n + 1) / gamma(k + 1) times the derivative of 1 / gamma at n - k + 1, in the places `at`."""
    k = np.where(at, k, n)
    return np.where(at, -_psi_over_gamma(n - k + 1) / sp.poch(n + 1, k - n), 0)


def _poch_x(z: Any, x: Any, m: Any) -> Any:
    at = _pole(x) & ~_pole(x + m)  # as for binom
    y = np.where(at, x, 0)
    return np.where(at, -sp.gamma(np.where(at, x + m, 1)) * _psi_over_gamma(y), z * psi_step(np.where(at, 1, x), m))


special(sp.binom, _binom_n, _binom_k)
special(sp.poch, _poch_x, lambda z, x, m: z * sp.psi(x + m))
special(sp._ufuncs._riemann_zeta, None, name="zeta")
special(sp._ufuncs._zeta, None, lambda _z, x, q: -x * sp.zeta(x + 1, q), name="zeta")


# ---- scipy.special's functions that are no ufuncs -----------------------------------------------------------


def _public_polygamma(x: Any, *, n: Any) -> Any:
    return np.asarray(sp.polygamma(n, x))


_polygamma = internal("polygamma", _public_polygamma, lambda _z, x, *, n: _polygamma(x, n=np.asarray(n) + 1))


def polygamma(n: Any, x: Any) -> Any:
    """`scipy.special.polygamma` for arrays and Variables. Differentiable in x."""
    if not isinstance(x, Variable):
        return sp.polygamma(data_of(n), x)
    return _polygamma(x, n=data_of(n))


def multigammaln(a: Any, d: Any) -> Any:
    """`scipy.special.multigammaln` for arrays and Variables. Differentiable in a."""
    return _multigammaln(a, d=d) if isinstance(a, Variable) else sp.multigammaln(a, d)


_multigammaln = internal(
    "multigammaln",
    lambda a, *, d: np.asarray(sp.multigammaln(a, d)),
    lambda _z, a, *, d: sum([sp.psi(a - j / 2) for j in range(1, int(d))], sp.psi(a)),
)
