"""Incomplete gamma and beta functions in all their arguments, and the distributions that are made of them.

The derivatives with respect to the shape parameters are the moments of the logarithm less what they are over (0, inf),

    gamma_moment_k(a, x) = integral from 0 to x of t**(a-1) exp(-t) / Gamma(a) ((log t - psi(a))**k - c_k) dt,

c_k a cumulant, whose own derivatives are such moments again; so for beta. They are computed by double-exponential
quadrature of the smaller tail, in which nothing cancels. Up to the third order.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .special_declare import internal, inverse, sp, special
from .special_gamma import derivative_of_psi
from .special_quadrature import EXPONENTIAL, integral

# ---- the incomplete gamma function --------------------------------------------------------------------------


def gamma_density(a: Any, x: Any) -> Any:
    """x**(a-1) exp(-x) / Gamma(a)."""
    return np.exp(sp.xlogy(a - 1, x) - x - sp.gammaln(a))


def _gamma_cumulant(a: Any, k: int) -> Any:
    """Of the logarithm; the moment about the mean, too, for k < 4."""
    if k > 3:
        raise NotImplementedError("gammainc: derivatives with respect to a of more than the third order")
    return derivative_of_psi(k - 1, a) if k > 1 else 0.0


def _gamma_moment(a: Any, x: Any, *, k: int) -> Any:
    dtype = np.result_type(a, x)
    a, x = np.broadcast_arrays(np.asarray(a, float), np.asarray(x, float))
    with np.errstate(all="ignore"):
        mean = sp.psi(a)
        lower = (x < np.exp(mean)) | (x < 0.5)
        good = (a > 0) & (x > 0) & np.isfinite(x)
        edge = (a > 0) & ((x == 0) | (x == np.inf))
        a, x, mean = np.where(good, a, 1), np.where(good, x, 1), np.where(good, mean, 0)

        def below(s: Any, a: Any, x: Any, mean: Any) -> Any:  # t = x exp(-s)
            return np.exp(-a * s - x * np.expm1(-s)) * (np.log(x) - s - mean) ** k

        def above(s: Any, a: Any, x: Any, mean: Any) -> Any:  # t = x exp(s)
            return np.exp(a * s - x * np.expm1(s)) * (np.log(x) + s - mean) ** k

        width = np.where(
            lower, 1 / np.maximum(a - x, np.minimum(a, np.sqrt(a))), np.log1p(1 / np.maximum(x - a, np.sqrt(x)))
        )
        total = np.empty(x.shape)
        for part, f in ((lower, below), (~lower, above)):
            total[part] = integral(f, EXPONENTIAL, width[part], a[part], x[part], mean[part])
        tail = total * x * gamma_density(a, x)
        complete = _gamma_cumulant(a, k)
        z = np.where(lower, tail - complete * sp.gammainc(a, x), complete * sp.gammaincc(a, x) - tail)
        return np.where(good, z, np.where(edge, 0, np.nan)).astype(dtype)[()]


def _gamma_moment_a(_z: Any, a: Any, x: Any, *, k: int) -> Any:
    z = gamma_moment(a, x, k=k + 1)
    return z if k == 1 else z - 3 * derivative_of_psi(1, a) * gamma_moment(a, x, k=1)


def _gamma_moment_x(_z: Any, a: Any, x: Any, *, k: int) -> Any:
    return gamma_density(a, x) * ((np.log(x) - sp.psi(a)) ** k - _gamma_cumulant(a, k))


gamma_moment = internal("gamma_moment", _gamma_moment, _gamma_moment_a, _gamma_moment_x)

special(sp.gammainc, lambda _z, a, x: gamma_moment(a, x, k=1), lambda _z, a, x: gamma_density(a, x))
special(sp.gammaincc, lambda _z, a, x: -gamma_moment(a, x, k=1), lambda _z, a, x: -gamma_density(a, x))
inverse(sp.gammaincinv, sp.gammainc, (0, "z"), 1)
inverse(sp.gammainccinv, sp.gammaincc, (0, "z"), 1)

# ---- the gamma, chi-square and Poisson distributions; k of the Poisson distribution is rounded down ---------


special(
    sp.gdtr,
    lambda _z, a, b, x: x * gamma_density(b, a * x),
    lambda _z, a, b, x: gamma_moment(b, a * x, k=1),
    lambda _z, a, b, x: a * gamma_density(b, a * x),
)
special(
    sp.gdtrc,
    lambda _z, a, b, x: -x * gamma_density(b, a * x),
    lambda _z, a, b, x: -gamma_moment(b, a * x, k=1),
    lambda _z, a, b, x: -a * gamma_density(b, a * x),
)
inverse(sp.gdtria, sp.gdtr, ("z", 1, 2), 0)
inverse(sp.gdtrib, sp.gdtr, (0, "z", 2), 1)
inverse(sp.gdtrix, sp.gdtr, (0, 1, "z"), 2)
special(
    sp.chdtr,
    lambda _z, v, x: gamma_moment(v / 2, x / 2, k=1) / 2,
    lambda _z, v, x: gamma_density(v / 2, x / 2) / 2,
)
special(
    sp.chdtrc,
    lambda _z, v, x: -gamma_moment(v / 2, x / 2, k=1) / 2,
    lambda _z, v, x: -gamma_density(v / 2, x / 2) / 2,
)
inverse(sp.chdtri, sp.chdtrc, (0, "z"), 1)
inverse(sp.chdtriv, sp.chdtr, ("z", 1), 0)
special(sp.pdtr, None, lambda _z, k, m: -gamma_density(np.floor(k) + 1, m))
special(sp.pdtrc, None, lambda _z, k, m: gamma_density(np.floor(k) + 1, m))
inverse(sp.pdtri, sp.pdtr, (0, "z"), 1)
special(
    sp.pdtrik,
    lambda z, _p, m: np.where(z <= 0, 0, -1 / gamma_moment(z + 1, m, k=1)),  # 0 is the bound of the search
    lambda z, _p, m: np.where(z <= 0, 0, -gamma_density(z + 1, m) / gamma_moment(z + 1, m, k=1)),
)

# ---- the incomplete beta function ---------------------------------------------------------------------------


def beta_density(a: Any, b: Any, x: Any) -> Any:
    """x**(a-1) (1-x)**(b-1) / B(a, b)."""
    return np.exp(sp.xlogy(a - 1, x) + sp.xlog1py(b - 1, -x) - sp.betaln(a, b))


def _beta_cumulant(a: Any, b: Any, j: int, k: int) -> Any:
    """Of log t and log(1-t); the moment about the means, too, for j + k < 4."""
    n = j + k
    if n > 3:
        raise NotImplementedError("betainc: derivatives with respect to a and b of more than the third order")
    if n == 1:
        return 0.0
    both = -derivative_of_psi(n - 1, a + b)
    return both + (derivative_of_psi(n - 1, a) if k == 0 else derivative_of_psi(n - 1, b) if j == 0 else 0.0)


def _beta_moment(a: Any, b: Any, x: Any, *, j: int, k: int) -> Any:
    dtype = np.result_type(a, b, x)
    a, b, x = np.broadcast_arrays(*[np.asarray(v, float) for v in (a, b, x)])
    with np.errstate(all="ignore"):
        good = (a > 0) & (b > 0) & (x > 0) & (x < 1)
        edge = (a > 0) & (b > 0) & ((x == 0) | (x == 1))
        a, b, x = [np.where(good, v, safe) for v, safe in ((a, 1), (b, 1), (x, 0.5))]
        lower = x < a / (a + b)
        first, second = [np.where(lower, u, v) for u, v in ((a, b), (b, a))]
        y = np.where(lower, x, 1 - x)
        mean_y, mean_rest = sp.psi(first) - sp.psi(a + b), sp.psi(second) - sp.psi(a + b)
        slope = first - np.maximum(second - 1, 0) * y / (1 - y)
        width = 1 / np.maximum(slope, np.minimum(first, np.sqrt(first * (a + b) / second)))
        total = np.empty(x.shape)
        for part, p, q in ((lower, j, k), (~lower, k, j)):

            def below(s: Any, a: Any, b: Any, y: Any, my: Any, mr: Any, p: int = p, q: int = q) -> Any:
                rest = np.log1p(-y * np.exp(-s))  # t = y exp(-s)
                power = (b - 1) * (rest - np.log1p(-y))
                return np.exp(-a * s + power) * (np.log(y) - s - my) ** p * (rest - mr) ** q

            values = (first, second, y, mean_y, mean_rest)
            total[part] = integral(below, EXPONENTIAL, width[part], *[v[part] for v in values])
        tail = total * y * beta_density(first, second, y)
        complete = _beta_cumulant(a, b, j, k)
        z = np.where(lower, tail - complete * sp.betainc(a, b, x), complete * sp.betaincc(a, b, x) - tail)
        return np.where(good, z, np.where(edge, 0, np.nan)).astype(dtype)[()]


def _beta_moment_slope(of_b: int) -> Any:
    """In a or b: the next moment, less the products of a second cumulant and a first moment."""

    def slope(_z: Any, a: Any, b: Any, x: Any, *, j: int, k: int) -> Any:
        z = beta_moment(a, b, x, j=j + 1 - of_b, k=k + of_b)
        if j + k == 1:
            return z
        three = [0] * j + [1] * k + [of_b]
        for i in range(3):
            one, pair = three[i], sum(three) - three[i]
            z = z - _beta_cumulant(a, b, 2 - pair, pair) * beta_moment(a, b, x, j=1 - one, k=one)
        return z

    return slope


def _beta_moment_x(_z: Any, a: Any, b: Any, x: Any, *, j: int, k: int) -> Any:
    both = sp.psi(a + b)
    at = (np.log(x) - sp.psi(a) + both) ** j * (np.log1p(-x) - sp.psi(b) + both) ** k
    return beta_density(a, b, x) * (at - _beta_cumulant(a, b, j, k))


beta_moment = internal("beta_moment", _beta_moment, _beta_moment_slope(0), _beta_moment_slope(1), _beta_moment_x)


def by_a(a: Any, b: Any, x: Any) -> Any:
    """d betainc / da."""
    return beta_moment(a, b, x, j=1, k=0)


def by_b(a: Any, b: Any, x: Any) -> Any:
    """d betainc / db."""
    return beta_moment(a, b, x, j=0, k=1)


special(
    sp.betainc,
    lambda _z, a, b, x: by_a(a, b, x),
    lambda _z, a, b, x: by_b(a, b, x),
    lambda _z, a, b, x: beta_density(a, b, x),
)
special(
    sp.betaincc,
    lambda _z, a, b, x: -by_a(a, b, x),
    lambda _z, a, b, x: -by_b(a, b, x),
    lambda _z, a, b, x: -beta_density(a, b, x),
)
inverse(sp.betaincinv, sp.betainc, (0, 1, "z"), 2)
inverse(sp.betainccinv, sp.betaincc, (0, 1, "z"), 2)
inverse(sp.btdtria, sp.betainc, ("z", 1, 2), 0)
inverse(sp.btdtrib, sp.betainc, (0, "z", 2), 1)
