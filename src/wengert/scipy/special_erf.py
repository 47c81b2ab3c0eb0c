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
special(sp.dawsn, lambda z, x: 1 - 2 * x * z)
special(sp.wofz, lambda z, x: 2j / SQRT_PI - 2 * x * z)

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


def _voigt_point(x: Any, sigma: Any, gamma: Any) -> tuple[Any, Any, Any]:
    u = (x + 1j * gamma) / (sigma * SQRT_2)
    w = sp.wofz(u)
    return u, w, 2j / SQRT_PI - 2 * u * w


def _voigt_x(_z: Any, x: Any, sigma: Any, gamma: Any) -> Any:
    return np.real(_voigt_point(x, sigma, gamma)[2]) / (sigma * sigma * (2 * SQRT_PI))


def _voigt_sigma(z: Any, x: Any, sigma: Any, gamma: Any) -> Any:
    u, _, slope = _voigt_point(x, sigma, gamma)
    return -(z + np.real(u * slope) / (sigma * SQRT_2PI)) / sigma


def _voigt_gamma(_z: Any, x: Any, sigma: Any, gamma: Any) -> Any:
    return -np.imag(_voigt_point(x, sigma, gamma)[2]) / (sigma * sigma * (2 * SQRT_PI))


special(sp.voigt_profile, _voigt_x, _voigt_sigma, _voigt_gamma)

# ---- Fresnel's integrals ------------------------------------------------------------------------------------

several(sp.fresnel, lambda _zs, x: (np.sin(np.pi / 2 * x * x), np.cos(np.pi / 2 * x * x)))


def _modified_fresnel(sign: int) -> Any:
    """F = integral of exp(i s t**2) from x; K = exp(-i s (x**2 + pi/4)) F / sqrt(pi)."""
    factor = complex(np.exp(-1j * sign * np.pi / 4)) / SQRT_PI

    def slope(zs: Any, x: Any) -> Any:
        return -np.exp(1j * sign * x * x), -2j * sign * x * zs[1] - factor

    return slope


several(sp.modfresnelp, _modified_fresnel(1))
several(sp.modfresnelm, _modified_fresnel(-1))
