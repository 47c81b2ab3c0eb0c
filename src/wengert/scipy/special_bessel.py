"""Bessel, Airy, Struve, Kelvin, parabolic cylinder, Mathieu and spheroidal functions: derivatives in the argument.

The order has no derivative in terms of existing functions. Formulas: NIST Digital Library of Mathematical Functions,
chapters 9 to 12, 28 and 30.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..variable import Variable, data_of
from .special_declare import Partial, internal, several, sp, special

SQRT_PI = float(np.sqrt(np.pi))

# ---- Bessel functions ---------------------------------------------------------------------------------------

special(sp.j0, lambda _z, x: -sp.j1(x))
special(sp.y0, lambda _z, x: -sp.y1(x))
special(sp.i0, lambda _z, x: sp.i1(x))
special(sp.k0, lambda _z, x: -sp.k1(x))
special(sp.j1, lambda _z, x: (sp.j0(x) - sp.jv(2, x)) / 2)
special(sp.y1, lambda _z, x: (sp.y0(x) - sp.yv(2, x)) / 2)
special(sp.i1, lambda _z, x: (sp.i0(x) + sp.iv(2, x)) / 2)
special(sp.k1, lambda _z, x: -(sp.k0(x) + sp.kv(2, x)) / 2)
special(sp.i0e, lambda z, x: sp.i1e(x) - np.sign(x) * z)
special(sp.i1e, lambda z, x: (sp.i0e(x) + sp.ive(2, x)) / 2 - np.sign(x) * z)
special(sp.k0e, lambda z, x: z - sp.k1e(x))
special(sp.k1e, lambda z, x: z - (sp.k0e(x) + sp.kve(2, x)) / 2)


def _half(sign: int, f: Any) -> Partial:
    """(f(v - 1, x) + sign f(v + 1, x)) / 2, from which all Bessel functions' derivatives are made."""
    return lambda _z, v, x: (f(v - 1, x) + sign * f(v + 1, x)) / 2


special(sp.jv, None, _half(-1, sp.jv))
special(sp.yv, None, _half(-1, sp.yv))
special(sp.yn, None, lambda _z, n, x: (sp.yv(n - 1, x) - sp.yv(n + 1, x)) / 2)
special(sp.iv, None, _half(1, sp.iv))
special(sp.kv, None, lambda _z, v, x: -(sp.kv(v - 1, x) + sp.kv(v + 1, x)) / 2)
special(sp.kn, None, lambda _z, n, x: -(sp.kv(n - 1, x) + sp.kv(n + 1, x)) / 2)
special(sp.hankel1, None, _half(-1, sp.hankel1))
special(sp.hankel2, None, _half(-1, sp.hankel2))
special(sp.jve, None, _half(-1, sp.jve), real=True)
special(sp.yve, None, _half(-1, sp.yve), real=True)
special(sp.ive, None, lambda z, v, x: (sp.ive(v - 1, x) + sp.ive(v + 1, x)) / 2 - np.sign(x) * z, real=True)
special(sp.kve, None, lambda z, v, x: z - (sp.kve(v - 1, x) + sp.kve(v + 1, x)) / 2)
special(sp.hankel1e, None, lambda z, v, x: (sp.hankel1e(v - 1, x) - sp.hankel1e(v + 1, x)) / 2 - 1j * z)
special(sp.hankel2e, None, lambda z, v, x: (sp.hankel2e(v - 1, x) - sp.hankel2e(v + 1, x)) / 2 + 1j * z)


def _spherical(name: str, below: int, above: int) -> Any:
    """f_n' = (below n f_(n-1) + above (n + 1) f_(n+1)) / (2 n + 1)."""
    function = getattr(sp, name)

    def slope(_z: Any, x: Any, *, n: Any) -> Any:
        lower, upper = op(x, n=np.maximum(n - 1, 0)), op(x, n=n + 1)
        return (below * n * lower + above * (n + 1) * upper) / (2 * n + 1)

    op = internal(name, lambda x, *, n: function(n, x), slope)

    def call(n: Any, z: Any, derivative: bool = False) -> Any:
        if not isinstance(z, Variable):
            return function(data_of(n), z, derivative)
        n = np.asarray(data_of(n), np.dtype("long"))
        if not derivative:
            return op(z, n=n)
        return _spherical_slopes[name](z, n=n)

    slope_of_op = internal(
        f"{name}_derivative",
        lambda x, *, n: function(n, x, True),
        lambda _z, x, *, n: (
            (below * n * call(np.maximum(n - 1, 0), x, True) + above * (n + 1) * call(n + 1, x, True)) / (2 * n + 1)
        ),
    )
    _spherical_slopes[name] = slope_of_op
    call.__name__ = call.__qualname__ = name
    call.__doc__ = f"`scipy.special.{name}` for arrays and Variables. Differentiable in z."
    return call


_spherical_slopes: dict[str, Any] = {}
spherical_jn = _spherical("spherical_jn", 1, -1)
spherical_yn = _spherical("spherical_yn", 1, -1)
spherical_in = _spherical("spherical_in", 1, 1)
spherical_kn = _spherical("spherical_kn", -1, -1)

# ---- their integrals ----------------------------------------------------------------------------------------


def _over(f: Any, x: Any) -> Any:
    """f / x, and 0 at 0, where f is 0 too and its derivative is."""
    return f / np.where(x == 0, 1, x)


def _rest(f: Any, x: Any, sign: int) -> Any:
    """f / x with f = 1 - J0(x) (sign -1) or I0(x) - 1; near 0 by the power series, where these cancel."""
    near = abs(x) < 2
    w = np.where(near, x, 0)
    series: Any = 0
    for k in range(16, 1, -1):
        series = sign * (1 + series) * (w * w) / (4 * k * k)
    series = (1 + series) * w / 4
    return np.where(near, series, f / np.where(near, 1, x))


several(sp.itj0y0, lambda _zs, x: (sp.j0(x), sp.y0(x)))
several(sp.iti0k0, lambda _zs, x: (sp.i0(x), sp.k0(x)))
several(sp.it2j0y0, lambda _zs, x: (_rest(1 - sp.j0(x), x, -1), -sp.y0(x) / x))
several(sp.it2i0k0, lambda _zs, x: (_rest(sp.i0(x) - 1, x, 1), -sp.k0(x) / x))
several(sp.itairy, lambda _zs, x: (sp.airy(x)[0], sp.airy(x)[2], sp.airy(-x)[0], sp.airy(-x)[2]))
special(sp.itstruve0, lambda _z, x: sp.struve(0, x))
special(sp.itmodstruve0, lambda _z, x: sp.modstruve(0, x))
special(sp.it2struve0, lambda _z, x: -np.where(x == 0, 2 / np.pi, _over(sp.struve(0, x), x)))
special(
    sp.besselpoly,
    lambda _z, a, lmb, nu: sp.besselpoly(a, lmb + 1, nu - 1) - sp.besselpoly(a, lmb + 1, nu + 1),
    None,
    None,
)

# ---- Airy functions -----------------------------------------------------------------------------------------

several(sp.airy, lambda zs, x: (zs[1], x * zs[0], zs[3], x * zs[2]))


def _scaled_airy(zs: Any, x: Any) -> Any:
    """Ai is scaled by exp(2/3 x**1.5), Bi by its inverse; left of 0, where that is no real number, not at all."""
    root = np.sqrt(np.where(x > 0, x, 0))
    return zs[1] + root * zs[0], x * zs[0] + root * zs[1], zs[3] - root * zs[2], x * zs[2] - root * zs[3]


several(sp.airye, _scaled_airy, real=True)

# ---- Struve and Kelvin functions ----------------------------------------------------------------------------


def _struve_term(v: Any, x: Any) -> Any:
    return (x / 2) ** v * sp.rgamma(v + 1.5) / SQRT_PI


special(sp.struve, None, lambda _z, v, x: (sp.struve(v - 1, x) - sp.struve(v + 1, x) + _struve_term(v, x)) / 2)
special(sp.modstruve, None, lambda _z, v, x: (sp.modstruve(v - 1, x) + sp.modstruve(v + 1, x) + _struve_term(v, x)) / 2)
special(sp.ber, lambda _z, x: sp.berp(x))
special(sp.bei, lambda _z, x: sp.beip(x))
special(sp.ker, lambda _z, x: sp.kerp(x))
special(sp.kei, lambda _z, x: sp.keip(x))
special(sp.berp, lambda z, x: -sp.bei(x) - _over(z, x))
special(sp.beip, lambda z, x: sp.ber(x) - np.where(x == 0, 0.5, _over(z, x)))
special(sp.kerp, lambda z, x: -sp.kei(x) - z / x)
special(sp.keip, lambda z, x: sp.ker(x) - z / x)
several(
    sp.kelvin,
    lambda zs, x: (zs[2], zs[3], 1j * zs[0] - np.where(x == 0, 0.5j, _over(zs[2], x)), 1j * zs[1] - zs[3] / x),
)

# ---- parabolic cylinder functions: w'' = (x**2/4 + a) w -----------------------------------------------------

several(sp.pbdv, None, lambda zs, v, x: (zs[1], (x * x / 4 - v - 0.5) * zs[0]))
several(sp.pbvv, None, lambda zs, v, x: (zs[1], (x * x / 4 - v - 0.5) * zs[0]))
several(sp.pbwa, None, lambda zs, a, x: (zs[1], (a - x * x / 4) * zs[0]))

# ---- Mathieu functions: w'' = (2 q cos 2x - a) w, with x in degrees; the modified ones with cosh ------------

DEGREE = float(np.pi / 180)


def _mathieu(characteristic: Any) -> Partial:
    def slope(zs: Any, m: Any, q: Any, x: Any) -> Any:
        return zs[1] * DEGREE, (2 * q * np.cos(2 * DEGREE * x) - characteristic(m, q)) * zs[0] * DEGREE

    return slope


def _modified_mathieu(characteristic: Any) -> Partial:
    def slope(zs: Any, m: Any, q: Any, x: Any) -> Any:
        return zs[1], (characteristic(m, q) - 2 * q * np.cosh(2 * x)) * zs[0]

    return slope


several(sp.mathieu_cem, None, None, _mathieu(sp.mathieu_a))
several(sp.mathieu_sem, None, None, _mathieu(sp.mathieu_b))
several(sp.mathieu_modcem1, None, None, _modified_mathieu(sp.mathieu_a))
several(sp.mathieu_modcem2, None, None, _modified_mathieu(sp.mathieu_a))
several(sp.mathieu_modsem1, None, None, _modified_mathieu(sp.mathieu_b))
several(sp.mathieu_modsem2, None, None, _modified_mathieu(sp.mathieu_b))

# ---- spheroidal wave functions: ((1 - x**2) w')' + (cv - c**2 x**2 - m**2 / (1 - x**2)) w = 0 ---------------


def _prolate(zs: Any, m: Any, _n: Any, c: Any, cv: Any, x: Any) -> Any:
    d = 1 - x * x
    return zs[1], (2 * x * zs[1] - (cv - c * c * x * x - m * m / d) * zs[0]) / d


def _oblate(zs: Any, m: Any, _n: Any, c: Any, cv: Any, x: Any) -> Any:
    d = 1 - x * x
    return zs[1], (2 * x * zs[1] - (cv + c * c * x * x - m * m / d) * zs[0]) / d


def _oblate_radial(zs: Any, m: Any, _n: Any, c: Any, cv: Any, x: Any) -> Any:
    d = 1 + x * x
    return zs[1], ((cv - c * c * x * x - m * m / d) * zs[0] - 2 * x * zs[1]) / d


def _found(slope: Any, characteristic: Any) -> Partial:
    """The same for the functions that compute the characteristic value themselves."""
    return lambda zs, m, n, c, x: slope(zs, m, n, c, characteristic(m, n, c), x)


# The functions of the second kind, pro_rad2 and obl_rad2, are refused: SciPy's values of them are wrong at some points.

several(sp.pro_ang1_cv, None, None, None, None, _prolate)
several(sp.pro_rad1_cv, None, None, None, None, _prolate)
several(sp.obl_ang1_cv, None, None, None, None, _oblate)
several(sp.obl_rad1_cv, None, None, None, None, _oblate_radial)
several(sp.pro_ang1, None, None, None, _found(_prolate, sp.pro_cv))
several(sp.pro_rad1, None, None, None, _found(_prolate, sp.pro_cv))
several(sp.obl_ang1, None, None, None, _found(_oblate, sp.obl_cv))
several(sp.obl_rad1, None, None, None, _found(_oblate_radial, sp.obl_cv))
