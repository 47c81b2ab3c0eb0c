"""Distribution functions made of the incomplete beta function, noncentral ones, and Kolmogorov's and Smirnov's."""

from __future__ import annotations

from typing import Any

import numpy as np

from .special_declare import internal, inverse, sp, special
from .special_incomplete import beta_density, by_a, by_b
from .special_quadrature import in_blocks

# ---- binomial and negative binomial: the numbers of trials and successes are whole --------------------------

special(sp.bdtr, None, None, lambda _z, k, n, p: -beta_density(n - np.floor(k), np.floor(k) + 1, 1 - p))
special(sp.bdtrc, None, None, lambda _z, k, n, p: beta_density(n - np.floor(k), np.floor(k) + 1, 1 - p))
inverse(sp.bdtri, sp.bdtr, (0, 1, "z"), 2)
special(sp.nbdtr, None, None, lambda _z, k, n, p: beta_density(n, np.floor(k) + 1, p))
special(sp.nbdtrc, None, None, lambda _z, k, n, p: -beta_density(n, np.floor(k) + 1, p))
inverse(sp.nbdtri, sp.nbdtr, (0, 1, "z"), 2)

# the inverses take the number between whole numbers: betainc(n - k, k + 1, 1 - p) and betainc(n, k + 1, p)


def _off_bound(k: Any, d: Any) -> Any:
    """d, and 0 where the search ended at its bound k = 0."""
    return np.where(k <= 0, 0, d)


def _by_k(n: Any, k: Any, p: Any) -> Any:
    return by_b(n - k, k + 1, 1 - p) - by_a(n - k, k + 1, 1 - p)


special(
    sp.bdtrik,
    lambda z, _y, n, p: _off_bound(z, 1 / _by_k(n, z, p)),
    lambda z, _y, n, p: _off_bound(z, -by_a(n - z, z + 1, 1 - p) / _by_k(n, z, p)),
    lambda z, _y, n, p: _off_bound(z, beta_density(n - z, z + 1, 1 - p) / _by_k(n, z, p)),
)
special(
    sp.bdtrin,
    lambda z, k, _y, p: -_by_k(z, k, p) / by_a(z - k, k + 1, 1 - p),
    lambda z, k, _y, p: 1 / by_a(z - k, k + 1, 1 - p),
    lambda z, k, _y, p: beta_density(z - k, k + 1, 1 - p) / by_a(z - k, k + 1, 1 - p),
)
special(
    sp.nbdtrik,
    lambda z, _y, n, p: _off_bound(z, 1 / by_b(n, z + 1, p)),
    lambda z, _y, n, p: _off_bound(z, -by_a(n, z + 1, p) / by_b(n, z + 1, p)),
    lambda z, _y, n, p: _off_bound(z, -beta_density(n, z + 1, p) / by_b(n, z + 1, p)),
)
special(
    sp.nbdtrin,
    lambda z, k, _y, p: -by_b(z, k + 1, p) / by_a(z, k + 1, p),
    lambda z, k, _y, p: 1 / by_a(z, k + 1, p),
    lambda z, k, _y, p: -beta_density(z, k + 1, p) / by_a(z, k + 1, p),
)

# ---- F: betainc(m / 2, n / 2, m x / (n + m x)) --------------------------------------------------------------


def _f_point(m: Any, n: Any, x: Any) -> tuple[Any, Any, Any]:
    return m / 2, n / 2, m * x / (n + m * x)


def _f_density(m: Any, n: Any, x: Any) -> Any:
    """Of the beta distribution, over the square of the denominator."""
    return beta_density(*_f_point(m, n, x)) / ((n + m * x) * (n + m * x))


def _f_m(_z: Any, m: Any, n: Any, x: Any) -> Any:
    return by_a(*_f_point(m, n, x)) / 2 + _f_density(m, n, x) * n * x


def _f_n(_z: Any, m: Any, n: Any, x: Any) -> Any:
    return by_b(*_f_point(m, n, x)) / 2 - _f_density(m, n, x) * m * x


special(sp.fdtr, _f_m, _f_n, lambda _z, m, n, x: _f_density(m, n, x) * m * n)
special(
    sp.fdtrc,
    lambda _z, m, n, x: -_f_m(_z, m, n, x),
    lambda _z, m, n, x: -_f_n(_z, m, n, x),
    lambda _z, m, n, x: -_f_density(m, n, x) * m * n,
)
inverse(sp.fdtri, sp.fdtr, (0, 1, "z"), 2)
inverse(sp.fdtridfd, sp.fdtr, (0, "z", 2), 1, within=(0, 1e38))

# ---- Student: 1/2 + sign(t) betainc(1/2, v / 2, y) / 2, y = t**2 / (v + t**2) -------------------------------


def _student_density(v: Any, t: Any) -> Any:
    return np.exp(-(v + 1) / 2 * np.log1p(t * t / v) - sp.betaln(0.5, v / 2)) / np.sqrt(v)


def _student_v(_z: Any, v: Any, t: Any) -> Any:
    y = t * t / (v + t * t)
    return np.sign(t) * by_b(0.5, v / 2, y) / 4 - t / (2 * v) * _student_density(v, t)


special(sp.stdtr, _student_v, lambda _z, v, t: _student_density(v, t))
inverse(sp.stdtrit, sp.stdtr, (0, "z"), 1)
inverse(sp.stdtridf, sp.stdtr, ("z", 1), 0, within=(0, 9e9))

# ---- noncentral chi-square, F and t: in the point and in the noncentrality ----------------------------------


def _chi_square_density(x: Any, v: Any, nc: Any) -> Any:
    root = np.sqrt(x * nc)
    near = root == 0
    power = np.where(near, 1, x / np.where(near, 1, nc))
    bessel = power ** (v / 4 - 0.5) * sp.ive(v / 2 - 1, np.where(near, 1, root))
    central = sp.hyp0f1(v / 2, np.where(near, x * nc / 4, 0)) * np.exp(
        sp.xlogy(v / 2 - 1, x / 2) - sp.gammaln(v / 2) - (x + nc) / 2
    )
    distance = np.sqrt(x) - np.sqrt(nc)
    return np.where(near, central, np.exp(-distance * distance / 2) * bessel) / 2


special(
    sp.chndtr,
    lambda _z, x, v, nc: _chi_square_density(x, v, nc),
    None,
    lambda _z, x, v, nc: -_chi_square_density(x, v + 2, nc),
)
inverse(sp.chndtrix, sp.chndtr, ("z", 1, 2), 0)
inverse(sp.chndtrinc, sp.chndtr, (0, 1, "z"), 2, within=(1e-300, np.inf))


def _ncf_nc(_z: Any, m: Any, n: Any, nc: Any, x: Any) -> Any:
    a, b, y = _f_point(m, n, x)
    weight = np.exp(-nc / 2 + sp.xlogy(a, y) + sp.xlog1py(b, -y) - sp.betaln(a, b))
    return -weight / (2 * a) * sp.hyp1f1(a + b, a + 1, nc * y / 2)


def _ncf_x(_z: Any, m: Any, n: Any, nc: Any, x: Any) -> Any:
    a, b, y = _f_point(m, n, x)
    return _f_density(m, n, x) * m * n * np.exp(-nc / 2) * sp.hyp1f1(a + b, a, nc * y / 2)


special(sp.ncfdtr, None, None, _ncf_nc, _ncf_x)
inverse(sp.ncfdtri, sp.ncfdtr, (0, 1, 2, "z"), 3)
inverse(sp.ncfdtrinc, sp.ncfdtr, (0, 1, "z", 3), 2, within=(1e-300, np.inf))


_x = np.arange(-90, 14, 0.125)[:, None]


def _nct_moment(v: Any, nc: Any, t: Any, *, k: int) -> Any:
    """E[W**k phi(t W - nc)], W the root of a chi-square variable over its v degrees; by the trapezoidal rule for log W.

    The integrand is positive, so that nothing cancels in the tails, and falls off exponentially on both sides of its
    one peak.
    """
    dtype = np.result_type(v, nc, t)
    v, nc, t = np.broadcast_arrays(*[np.asarray(x, float) for x in (v, nc, t)])
    with np.errstate(all="ignore"):
        root = np.sqrt(t * t * nc * nc + 4 * (v + t * t) * (v + k))
        peak = np.where(t * nc < 0, 2 * (v + k) / (root - t * nc), (root + t * nc) / (2 * (v + t * t)))
        width = 1 / np.sqrt(root * peak)
        scale = np.exp(v / 2 * np.log(v / 2) - sp.gammaln(v / 2)) * float(np.sqrt(2 / np.pi))

        def mean(v: Any, nc: Any, t: Any, peak: Any, width: Any) -> Any:
            w = peak * np.exp(width * _x)
            distance = t * w - nc
            return np.sum(w**k * np.exp(v * np.log(w) - (v * w * w + distance * distance) / 2), axis=0)

        z = in_blocks(mean, v, nc, t, peak, width) * width * 0.125 * scale
    return z.astype(dtype)[()]


def _nct_moment_nc(_z: Any, v: Any, nc: Any, t: Any, *, k: int) -> Any:
    return t * nct_moment(v, nc, t, k=k + 1) - nc * nct_moment(v, nc, t, k=k)


def _nct_moment_t(_z: Any, v: Any, nc: Any, t: Any, *, k: int) -> Any:
    return nc * nct_moment(v, nc, t, k=k + 1) - t * nct_moment(v, nc, t, k=k + 2)


nct_moment = internal("nct_moment", _nct_moment, None, _nct_moment_nc, _nct_moment_t)

special(
    sp.nctdtr,
    None,
    lambda _z, v, nc, t: -nct_moment(v, nc, t, k=0),
    lambda _z, v, nc, t: nct_moment(v, nc, t, k=1),
)
inverse(sp.nctdtrit, sp.nctdtr, (0, 1, "z"), 2)
inverse(sp.nctdtrinc, sp.nctdtr, (0, "z", 2), 1)

# ---- Kolmogorov and Smirnov ---------------------------------------------------------------------------------


def _kolmogorov_slope(x: Any) -> Any:
    """The alternating series, or for small x its theta transform."""
    far = x > 1
    y, w = np.where(far, x, 1), np.where(far, 1, np.where(x <= 0, 1, x))
    series = [(-1) ** k * 8 * k * k * y * np.exp(-2 * k * k * y * y) for k in range(1, 6)]
    theta = []
    for k in range(1, 6):
        c = float((2 * k - 1) ** 2 * np.pi**2 / 8)
        theta.append((1 - 2 * c / (w * w)) / (w * w) * np.exp(-c / (w * w)))
    inner = sum(theta[1:], theta[0]) * float(np.sqrt(2 * np.pi))
    return np.where(far, sum(series[1:], series[0]), np.where(x <= 0, 0, inner))


special(sp.kolmogorov, lambda _z, x: _kolmogorov_slope(x))
special(sp.kolmogi, lambda z, _p: 1 / _kolmogorov_slope(z))
special(sp.smirnov, None, lambda _z, n, d: sp._ufuncs._smirnovp(n, d))
special(sp.smirnovi, None, lambda z, n, _p: 1 / sp._ufuncs._smirnovp(n, z))
