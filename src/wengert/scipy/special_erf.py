"""The error function and its family, and the normal distribution."""

from __future__ import annotations

from typing import Any

import numpy as np

from .special_declare import several, sp, special

SQRT_PI = float(np.sqrt(np.pi))
SQRT_2 = float(np.sqrt(2))
SQRT_2PI = float(np.sqrt(2 * np.pi))

# ---- the error function -------------------------------------------------------------------------------------

special(sp.erf, lambda _z, x: 2 / SQRT_PI * np.exp(-x * x))
special(sp.erfc, lambda _z, x: -2 / SQRT_PI * np.exp(-x * x))
special(sp.erfi, lambda _z, x: 2 / SQRT_PI * np.exp(x * x))
special(sp.erfinv, lambda z, _x: SQRT_PI / 2 * np.exp(z * z))
special(sp.erfcinv, lambda z, _x: -SQRT_PI / 2 * np.exp(z * z))


def _erfcx_slope(z: Any, x: Any) -> Any:
    """2 x erfcx(x) - 2 / sqrt(pi); far to the right by the asymptotic series (DLMF 7.12.1), where these cancel."""
    far = np.real(x) > 7
    y = np.where(far, x, 7)
    t = 1 / (2 * y * y)
    series: Any = 1
    for k in range(49, 1, -2):
        series = 1 - k * t * series
    return np.where(far, -2 / SQRT_PI * t * series, 2 * x * z - 2 / SQRT_PI)


special(sp.erfcx, _erfcx_slope)


def _w_slopes(w: Any, u: Any, far: Any) -> tuple[Any, Any]:
    """The first two derivatives of w(u) = wofz(u); in the places `far` by its asymptotic series (DLMF 7.12.1)."""
    v = np.where(far, u, 7)
    t = 1 / (2 * v * v)
    first: Any = 1
    second: Any = 1
    for k in range(25, 0, -1):
        first = 1 + (2 * k + 1) * t * first
        second = 1 + (k + 1) / k * (2 * k + 1) * t * second
    i = 1j / SQRT_PI
    slope = np.where(far, -i * first / (v * v), 2 * i - 2 * u * w)
    return slope, np.where(far, 2 * i * second / (v * v * v), -2 * w - 2 * u * slope)


def _wofz_slope(w: Any, u: Any) -> Any:
    return _w_slopes(w, u, (abs(u) > 7) & (np.imag(u) > -abs(np.real(u)) / 2))[0]


def _dawsn_slope(z: Any, x: Any) -> Any:
    """1 - 2 x z, which cancels far from 0; there it is that of 1/2 sqrt(pi) i (exp(-x*x) - w(x)) without the first term."""
    far = (abs(x) > 7) & (abs(np.imag(x)) < abs(np.real(x)) / 2)
    v = np.where(far, x, 7)
    t = 1 / (2 * v * v)
    series: Any = 1
    for k in range(25, 0, -1):
        series = 1 + (2 * k + 1) * t * series
    return np.where(far, -t * series, 1 - 2 * x * z)


special(sp.dawsn, _dawsn_slope)
special(sp.wofz, _wofz_slope)

# ---- the normal distribution --------------------------------------------------------------------------------

special(sp.ndtr, lambda _z, x: np.exp(-x * x / 2) / SQRT_2PI)
special(sp.log_ndtr, lambda _z, x: _hazard(x))
special(sp.ndtri, lambda z, _p: SQRT_2PI * np.exp(z * z / 2))
special(sp.ndtri_exp, lambda z, _y: 1 / _hazard(z))
special(
    sp.nrdtrimn,
    lambda _z, p, sd, _x: -sd / _density_at(p),
    lambda _z, p, _sd, _x: -sp.ndtri(p),
    lambda _z, _p, _sd, x: x * 0 + 1,
)
special(
    sp.nrdtrisd,
    lambda _z, _mean, p, _x: -1 / sp.ndtri(p),
    lambda z, _mean, p, _x: -z / (sp.ndtri(p) * _density_at(p)),
    lambda _z, _mean, p, _x: 1 / sp.ndtri(p),
)


def _hazard(x: Any) -> Any:
    """The density over the distribution function, without loss in either tail."""
    return float(np.sqrt(2 / np.pi)) / sp.erfcx(x / -SQRT_2)


def _density_at(p: Any) -> Any:
    """The normal density at the quantile of p."""
    x = sp.ndtri(p)
    return np.exp(-x * x / 2) / SQRT_2PI


special(
    sp.owens_t,
    lambda _z, h, a: -np.exp(-h * h / 2) * sp.erf(a * h / SQRT_2) / (2 * SQRT_2PI),
    lambda _z, h, a: np.exp(-h * h * (1 + a * a) / 2) / (1 + a * a) / (2 * np.pi),
)

# ---- Voigt's profile: the real part of w(u) / (sigma sqrt(2 pi)), u = (x + i gamma) / (sigma sqrt 2) --------


def _voigt_slopes(x: Any, sigma: Any, gamma: Any) -> tuple[Any, Any]:
    """Those of w at u."""
    u = (x + 1j * gamma) / (sigma * SQRT_2)
    size = abs(u)
    return _w_slopes(sp.wofz(u), u, (size > 30) | (size > 7) & (np.imag(u) > 1e-6 * size * size))


def _voigt_x(_z: Any, x: Any, sigma: Any, gamma: Any) -> Any:
    return np.real(_voigt_slopes(x, sigma, gamma)[0]) / (sigma * sigma * (2 * SQRT_PI))


def _voigt_sigma(_z: Any, x: Any, sigma: Any, gamma: Any) -> Any:
    """sigma times the second derivative in x: the profile solves the equation of heat."""
    return np.real(_voigt_slopes(x, sigma, gamma)[1]) / (sigma * sigma * (2 * SQRT_2PI))


def _voigt_gamma(_z: Any, x: Any, sigma: Any, gamma: Any) -> Any:
    return -np.imag(_voigt_slopes(x, sigma, gamma)[0]) / (sigma * sigma * (2 * SQRT_PI))


special(sp.voigt_profile, _voigt_x, _voigt_sigma, _voigt_gamma)

# ---- Fresnel's integrals ------------------------------------------------------------------------------------

several(sp.fresnel, lambda _zs, x: (np.sin(np.pi / 2 * x * x), np.cos(np.pi / 2 * x * x)))


def _modified_fresnel(sign: int) -> Any:
    """F = integral of exp(i s t**2) from x; K = exp(-i s (x**2 + pi/4)) F / sqrt(pi) = erfcx(x exp(-i s pi/4)) / 2."""
    turn = complex(np.exp(-1j * sign * np.pi / 4))

    def slope(zs: Any, x: Any) -> Any:
        return -np.exp(1j * sign * x * x), turn / 2 * _erfcx_slope(2 * zs[1], turn * x)

    return slope


several(sp.modfresnelp, _modified_fresnel(1))
several(sp.modfresnelm, _modified_fresnel(-1))
