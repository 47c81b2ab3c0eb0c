"""Elliptic integrals and functions.

All derivatives go through Carlson's symmetric integrals (B. C. Carlson, "Numerical computation of real or complex
elliptic integrals", 1995; DLMF chapter 19), which have no cancellation where Legendre's have.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .special_declare import internal, several, sp, special
from .special_quadrature import ALGEBRAIC, integral

# ---- integral over (0, inf) of (t+x)**-a (t+y)**-b (t+z)**-c (t+p)**-d dt -----------------------------------


def _powers(x: Any, y: Any, z: Any, p: Any, *, powers: Any) -> Any:
    xs = np.broadcast_arrays(*[np.asarray(v) for v in (x, y, z, p)])
    dtype = np.result_type(*xs)
    xs = [v.astype(np.result_type(dtype, float)) for v in xs]
    with np.errstate(all="ignore"):
        bad = sum([(v.real < 0) & (v.imag == 0) for v in xs]) > 0  # a principal value, which this is not
        infinite = sum([(v == 0) & (power >= 1) for v, power in zip(xs, powers, strict=True)]) > 0
        safe = [np.where(bad | infinite | np.isnan(v), 1, v) for v in xs]
        size = np.exp(
            sum([power * np.log(np.abs(v) + 1e-300) for v, power in zip(safe, powers, strict=True) if power >= 1])
            / sum([q for q in powers if q >= 1])
        )

        def f(t: Any, *xs: Any) -> Any:
            product: Any = 1
            for v, power in zip(xs, powers, strict=True):
                if power:
                    product = product * (t + v) ** -power
            return product

        total = integral(f, ALGEBRAIC, size, *safe)
        nan = bad | np.isnan(sum(xs))
        return np.where(nan, np.nan, np.where(infinite, np.inf, total)).astype(dtype)[()]


def _more(powers: Any, i: int) -> Any:
    return tuple([power + (k == i) for k, power in enumerate(powers)])


def _slope(i: int) -> Any:
    return lambda _z, x, y, z, p, *, powers: -powers[i] * carlson(x, y, z, p, powers=_more(powers, i))


carlson = internal("carlson", _powers, *map(_slope, range(4)))


def _rj(i: int) -> Any:
    powers = _more((0.5, 0.5, 0.5, 1.0), i)
    factor = -1.5 if i == 3 else -0.75
    return lambda _w, x, y, z, p: factor * carlson(x, y, z, p, powers=powers)


def _rd(i: int) -> Any:
    powers = _more((0.5, 0.5, 1.5, 0.0), i)
    factor = -2.25 if i == 2 else -0.75
    return lambda _w, x, y, z: factor * carlson(x, y, z, 1.0, powers=powers)


special(sp.elliprj, *map(_rj, range(4)))
special(sp.elliprd, *map(_rd, range(3)))
special(
    sp.elliprf,
    lambda _w, x, y, z: sp.elliprd(y, z, x) / -6,
    lambda _w, x, y, z: sp.elliprd(x, z, y) / -6,
    lambda _w, x, y, z: sp.elliprd(x, y, z) / -6,
)


def _weighted(x: Any, y: Any, z: Any) -> Any:
    """z RD(x, y, z), which is 0 at z = 0."""
    return z * sp.elliprd(x, y, np.where(z == 0, 1, z))


special(
    sp.elliprg,
    lambda _w, x, y, z: (sp.elliprf(x, y, z) - _weighted(y, z, x) / 3) / 4,
    lambda _w, x, y, z: (sp.elliprf(x, y, z) - _weighted(x, z, y) / 3) / 4,
    lambda _w, x, y, z: (sp.elliprf(x, y, z) - _weighted(x, y, z) / 3) / 4,
)


def _below(y: Any) -> Any:
    """Whether RC is a principal value."""
    return (np.real(y) < 0) & (np.imag(y) == 0)


def _rc_x(w: Any, x: Any, y: Any) -> Any:
    below = _below(y)
    gap = np.where(below, y - x, 1)
    at = np.where(below, 1, y)
    return np.where(below, (w - 1 / np.sqrt(x)) / (2 * gap), sp.elliprd(at, at, x) / -6)


def _rc_y(w: Any, x: Any, y: Any) -> Any:
    below = _below(y)
    gap = np.where(below, x - y, 1)
    at = np.where(below, 1, y)
    return np.where(below, (w - np.sqrt(x) / y) / (2 * gap), sp.elliprd(x, at, at) / -3)


special(sp.elliprc, _rc_x, _rc_y)

# ---- Legendre's integrals, as functions of the parameter m = k**2 -------------------------------------------


def _k_slope(m1: Any) -> Any:
    """dK/dm, at m = 1 - m1."""
    return sp.elliprd(0, 1, m1) / 6


special(sp.ellipk, lambda _z, m: _k_slope(1 - m))
special(sp.ellipkm1, lambda _z, m1: -_k_slope(m1))
special(sp.ellipe, lambda _z, m: sp.elliprd(0, 1 - m, 1) / -6)


def _turns(phi: Any) -> Any:
    """How many half turns lead to an amplitude between -pi/2 and pi/2."""
    return np.round(phi / np.pi)


def _f_m(phi: Any, m: Any) -> Any:
    """dF(phi, m) / dm."""
    s, c = np.sin(phi), np.cos(phi)
    turns = _turns(phi)
    sign = 1 - 2 * (turns % 2)
    part = sign * s * s * s * sp.elliprd(c * c, 1, 1 - m * s * s) / 6
    whole = np.where(turns == 0, 0, 2 * turns * _k_slope(np.where(turns == 0, 0.5, 1 - m)))
    return part + whole


def _e_m(phi: Any, m: Any) -> Any:
    """dE(phi, m) / dm."""
    s, c = np.sin(phi), np.cos(phi)
    turns = _turns(phi)
    sign = 1 - 2 * (turns % 2)
    part = sign * s * s * s * sp.elliprd(c * c, 1 - m * s * s, 1) / -6
    whole = np.where(turns == 0, 0, 2 * turns * sp.elliprd(0, np.where(turns == 0, 0.5, 1 - m), 1) / -6)
    return part + whole


def _delta(phi: Any, m: Any) -> Any:
    s = np.sin(phi)
    return np.sqrt(1 - m * s * s)


special(sp.ellipkinc, lambda _z, phi, m: 1 / _delta(phi, m), lambda _z, phi, m: _f_m(phi, m))
special(sp.ellipeinc, lambda _z, phi, m: _delta(phi, m), lambda _z, phi, m: _e_m(phi, m))


def _jacobi_u(zs: Any, _u: Any, m: Any) -> Any:
    sn, cn, dn, _ = zs
    return cn * dn, -sn * dn, -m * sn * cn, dn


def _jacobi_m(zs: Any, u: Any, m: Any) -> Any:
    """The amplitude moves as F(amplitude, m) = u says; sn, cn and dn with it."""
    sn, cn, dn, amplitude = zs
    slope = -dn * _f_m(amplitude, m)
    return cn * slope, -sn * slope, -(sn * sn + 2 * m * sn * cn * slope) / (2 * dn), slope


several(sp.ellipj, _jacobi_u, _jacobi_m)
