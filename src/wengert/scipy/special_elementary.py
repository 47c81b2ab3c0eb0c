"""Elementary functions, and those of entropy, regression and transformation, in scipy.special."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..declare import constant_functions
from .special_declare import sp, special

DEGREE = float(np.pi / 180)
LN10, LN2 = float(np.log(10)), float(np.log(2))

constant_functions(sp.round, sp.gammasgn)

# ---- roots, exponentials, logarithms, degrees ---------------------------------------------------------------

special(sp.cbrt, lambda z, _x: 1 / (3 * z * z))
special(sp.exp2, lambda z, _x: z * LN2)
special(sp.exp10, lambda z, _x: z * LN10)
special(sp.expm1, lambda _z, x: np.exp(x))
special(sp.log1p, lambda _z, x: 1 / (1 + x))
special(sp.exprel, lambda _z, x: sp.hyp1f1(2, 3, x) / 2)
special(sp.cosm1, lambda _z, x: -np.sin(x))
special(sp.sindg, lambda _z, x: sp.cosdg(x) * DEGREE)
special(sp.cosdg, lambda _z, x: -sp.sindg(x) * DEGREE)
special(sp.tandg, lambda z, _x: (1 + z * z) * DEGREE)
special(sp.cotdg, lambda z, _x: -(1 + z * z) * DEGREE)
special(
    sp.radian,
    lambda _z, d, _m, _s: d * 0 + DEGREE,
    lambda _z, _d, m, _s: m * 0 + DEGREE / 60,
    lambda _z, _d, _m, s: s * 0 + DEGREE / 3600,
)
special(sp.agm, lambda z, x, y: _agm_slope(z, x, y), lambda z, x, y: _agm_slope(z, y, x))


def _agm_slope(z: Any, x: Any, y: Any) -> Any:
    """d agm(x, y) / dx. As agm(x, y) = (pi/2) / RF(0, x*x, y*y), the slope of RF gives it, without cancellation."""
    return z * abs(z) * x * sp.elliprd(0, y * y, x * x) * float(2 / (3 * np.pi))


# ---- the logistic function ----------------------------------------------------------------------------------

special(sp.expit, lambda _z, x: sp.expit(x) * sp.expit(-x))
special(sp.log_expit, lambda _z, x: sp.expit(-x))
special(sp.logit, lambda _z, x: 1 / (x * (1 - x)))

# ---- products with a logarithm, in which 0 log 0 is 0 -------------------------------------------------------


def _over(x: Any, y: Any) -> Any:
    """x / y, and 0 where both are 0."""
    return x / np.where((x == 0) & (y == 0), 1, y)


def _over_positive(x: Any, y: Any) -> Any:
    return _over(x, np.where((y > 0) | (x == 0), y, np.nan))


special(sp.xlogy, lambda _z, _x, y: np.log(y), lambda _z, x, y: _over(x, y))
special(sp.xlog1py, lambda _z, _x, y: sp.log1p(y), lambda _z, x, y: _over(x, 1 + y))
special(sp.powm1, lambda _z, x, y: y * x ** (y - 1), lambda _z, x, y: x**y * np.log(x))
special(sp.entr, lambda _z, x: -np.log(x) - 1)
special(sp.rel_entr, lambda _z, x, y: np.log(x) - np.log(y) + 1, lambda _z, x, y: -_over_positive(x, y))
special(sp.kl_div, lambda _z, x, y: np.log(x) - np.log(y), lambda _z, x, y: 1 - _over_positive(x, y))

# ---- losses of robust regression ----------------------------------------------------------------------------


def _beyond(r: Any, delta: Any) -> Any:
    return np.sign(r) * (abs(r) > delta)


special(
    sp.huber,
    lambda _z, delta, r: abs(r) * (abs(r) > delta) - delta * (abs(r) > delta),
    lambda _z, delta, r: r * (abs(r) <= delta) + delta * _beyond(r, delta),
)


def _positive(delta: Any) -> Any:
    return np.where(delta == 0, 1, delta)  # at delta = 0 the loss is 0, and so are its derivatives


special(
    sp.pseudo_huber,
    lambda z, delta, _r: z * z / (z + _positive(delta) * _positive(delta)) / _positive(delta),
    lambda z, delta, r: r * delta * delta / (z + _positive(delta) * _positive(delta)),
)

# ---- Box and Cox's transformation ---------------------------------------------------------------------------


def _slope_at(lmbda: Any, log_x: Any) -> Any:
    """d/dl of (exp(l log_x) - 1) / l, which is log_x**2 times the derivative of exprel."""
    return log_x * log_x * sp.hyp1f1(2, 3, lmbda * log_x) / 2


def _inverse_slope(log_z: Any, y: Any, lmbda: Any) -> Any:
    """d/dl of log(1 + l y) / l: -y**2 times f(l y), with f(t) = (log(1 + t) - t / (1 + t)) / t**2."""
    t = lmbda * y
    return -y * y * sp.hyp2f1(2, 2, 3, -t) / 2


special(sp.boxcox, lambda _z, x, lmbda: x ** (lmbda - 1), lambda _z, x, lmbda: _slope_at(lmbda, np.log(x)))
special(
    sp.boxcox1p,
    lambda _z, x, lmbda: (1 + x) ** (lmbda - 1),
    lambda _z, x, lmbda: _slope_at(lmbda, sp.log1p(x)),
)
special(
    sp.inv_boxcox,
    lambda z, y, lmbda: z / (1 + lmbda * y),
    lambda z, y, lmbda: z * _inverse_slope(z, y, lmbda),
)
special(
    sp.inv_boxcox1p,
    lambda z, y, lmbda: (z + 1) / (1 + lmbda * y),
    lambda z, y, lmbda: (z + 1) * _inverse_slope(z, y, lmbda),
)


def _tukey_density(p: Any, lmbda: Any) -> Any:
    """Of Tukey's lambda distribution, whose quantile at p is (p**l - (1 - p)**l) / l; 0 outside its support."""
    inside = (p > 0) & (p < 1)
    p = np.where(inside, p, 0.5)
    return np.where(inside, 1 / (p ** (lmbda - 1) + (1 - p) ** (lmbda - 1)), 0)


def _tukey_slope(p: Any, lmbda: Any) -> Any:
    """d/dl of the quantile."""
    p = np.where((p > 0) & (p < 1), p, 0.5)
    return _slope_at(lmbda, np.log(p)) - _slope_at(lmbda, np.log(1 - p))


special(
    sp.tklmbda,
    lambda z, _x, lmbda: _tukey_density(z, lmbda),
    lambda z, _x, lmbda: -_tukey_slope(z, lmbda) * _tukey_density(z, lmbda),
)
