"""Orthogonal polynomials, hypergeometric functions, exponential integrals and functions defined by equations.

Orders and parameters have no derivative in terms of existing functions; arguments do (DLMF chapters 6, 14, 15, 18).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..variable import Variable, data_of
from .special_declare import several, sp, special

# ---- orthogonal polynomials ---------------------------------------------------------------------------------


def _lower(n: Any) -> Any:
    """The order below, which at n = 0 stands beside a factor 0."""
    return np.where(n == 0, 0, n - 1)


special(
    sp.eval_jacobi,
    None,
    None,
    None,
    lambda _z, n, a, b, x: np.where(n == 0, 0, (n + a + b + 1) / 2) * sp.eval_jacobi(_lower(n), a + 1, b + 1, x),
)
special(sp.eval_sh_jacobi, None, None, None, lambda _z, n, p, q, x: n * sp.eval_sh_jacobi(_lower(n), p + 2, q + 1, x))
special(
    sp.eval_gegenbauer,
    None,
    None,
    lambda _z, n, a, x: np.where(n == 0, 0, 2 * a) * sp.eval_gegenbauer(_lower(n), a + 1, x),
)
special(sp.eval_legendre, None, lambda _z, n, x: _legendre(n, x))
special(sp.eval_sh_legendre, None, lambda _z, n, x: 2 * _legendre(n, 2 * x - 1))
special(sp.eval_chebyt, None, lambda _z, n, x: n * sp.eval_chebyu(_lower(n), x))
special(sp.eval_chebyu, None, lambda _z, n, x: _second(n, x) * 2)
special(sp.eval_chebyc, None, lambda _z, n, x: n * sp.eval_chebys(_lower(n), x))
special(sp.eval_chebys, None, lambda _z, n, x: _second(n, x / 2))
special(sp.eval_sh_chebyt, None, lambda _z, n, x: 2 * n * sp.eval_sh_chebyu(_lower(n), x))
special(sp.eval_sh_chebyu, None, lambda _z, n, x: _second(n, 2 * x - 1) * 4)
special(sp.eval_laguerre, None, lambda _z, n, x: np.where(n == 0, 0, -1) * sp.eval_genlaguerre(_lower(n), 1, x))
special(
    sp.eval_genlaguerre,
    None,
    None,
    lambda _z, n, a, x: np.where(n == 0, 0, -1) * sp.eval_genlaguerre(_lower(n), a + 1, x),
)
special(sp.eval_hermite, None, lambda _z, n, x: 2 * n * sp.eval_hermite(_lower(n), x))
special(sp.eval_hermitenorm, None, lambda _z, n, x: n * sp.eval_hermitenorm(_lower(n), x))


def _legendre(n: Any, x: Any) -> Any:
    n = np.where(n < 0, -n - 1, n)  # P_n is P_(-n-1)
    return np.where(n == 0, 0, (n + 1) / 2) * sp.eval_jacobi(_lower(n), 1, 1, x)


def _second(n: Any, x: Any) -> Any:
    """Half the derivative of U_n, which is -U_(-n-2)."""
    sign, n = np.where(n < 0, -1, 1), np.where(n < 0, -n - 2, n)
    none = (n == 0) | (n == -1)
    return sign * ~none * sp.eval_gegenbauer(np.where(none, 0, n - 1), 2, x)


special(
    sp.lpmv,
    None,
    None,
    lambda z, m, v, x: _associated(z, m, v, x),
)


def _associated(z: Any, m: Any, v: Any, x: Any) -> Any:
    plain = m == 0  # Legendre's functions themselves, whose slope at -1 and 1 is finite
    y = np.where(plain, 0, x)
    slope = ((v + m) * sp.lpmv(m, v - 1, y) - v * y * np.where(plain, 0, z)) / (1 - y * y)
    return np.where(plain, _legendre(v, np.where(plain, x, 0)), slope)


# ---- hypergeometric functions -------------------------------------------------------------------------------

special(sp.hyp0f1, None, lambda _z, v, x: sp.hyp0f1(v + 1, x) / v)
special(sp.hyp1f1, None, None, lambda _z, a, b, x: a / b * sp.hyp1f1(a + 1, b + 1, x))
special(sp.hyp2f1, None, None, None, lambda _z, a, b, c, x: a * b / c * sp.hyp2f1(a + 1, b + 1, c + 1, x))
special(sp.hyperu, None, None, lambda _z, a, b, x: -a * sp.hyperu(a + 1, b + 1, x))
special(sp.wright_bessel, None, None, lambda _z, a, b, x: sp.wright_bessel(a, a + b, x))
if hasattr(sp, "log_wright_bessel"):  # SciPy 1.14 and newer
    special(sp.log_wright_bessel, None, None, lambda z, a, b, x: np.exp(sp.log_wright_bessel(a, a + b, x) - z))

# ---- exponential, sine and cosine integrals, the dilogarithm ------------------------------------------------

special(sp.exp1, lambda _z, x: -np.exp(-x) / x)
special(sp.expi, lambda _z, x: np.exp(x) / x)
special(
    sp.expn,
    None,
    lambda z, n, x: np.where(n == 0, -z * (1 + 1 / x), -sp.expn(_lower(n), x)),
)
special(sp.spence, lambda _z, x: _log_quotient(x))


def _log_quotient(x: Any) -> Any:
    """log(x) / (1 - x), and -1 at 1."""
    near = abs(x - 1) < 0.5
    return np.where(
        near, -sp.hyp2f1(1, 1, 2, 1 - np.where(near, x, 1)), np.log(np.where(near, 2, x)) / (1 - np.where(near, 2, x))
    )


def _sinc(x: Any) -> Any:
    return np.sinc(x / np.pi)


def _sinhc(x: Any) -> Any:
    """sinh(x) / x, and 1 at 0."""
    return (sp.exprel(x) + sp.exprel(-x)) / 2 if x.dtype.kind != "c" else np.sinh(x) / x


several(sp.sici, lambda _zs, x: (_sinc(x), np.cos(x) / x))
several(sp.shichi, lambda _zs, x: (_sinhc(x), np.cosh(x) / x))

# ---- functions defined by equations -------------------------------------------------------------------------

special(sp.wrightomega, lambda z, _x: z / (1 + z))
_lambertw = special(sp._ufuncs._lambertw, lambda z, _x, _k, _tol: np.exp(-z) / (1 + z), None, None, name="lambertw")


def lambertw(z: Any, k: Any = 0, tol: Any = 1e-8) -> Any:
    """`scipy.special.lambertw` for arrays and Variables. Differentiable in z."""
    if not isinstance(z, Variable):
        return sp.lambertw(z, data_of(k), tol)
    return _lambertw(z, np.asarray(data_of(k), np.dtype("long")), tol)
