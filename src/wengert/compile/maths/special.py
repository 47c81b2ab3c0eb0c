"""The error function and its complement."""

from __future__ import annotations

from .emitter import Emitter, Value, wide
from .exponential import exp, exp_pair, reduced, scale, series


def _near(e: Emitter, x: Value) -> Value:
    """erf x, for |x| up to 1."""
    return e.fma(x, e.polynomial(x * x, "erf"), x)


def _far(e: Emitter, a: Value, pairs: bool) -> Value:
    """erfc a, for a from 1/4 to 28: e^(-a^2) P((a - 4) / (a + 4)) / (1 + 2a) (Shepherd and Laframboise 1981)."""
    p = e.polynomial((a - 4.0) / (a + 4.0), "erfc")
    if not pairs:
        return exp(e, -(a * a)) * (p / (a + a + 1.0))
    d, d_low = e.two_sum(e.value(1.0), a + a)
    q, q_low = e.quotient(p, 0.0, d, d_low)
    z, z_low = e.two_product(a, a)
    y, y_low, k = exp_pair(e, -z, -z_low)
    y, y_low = e.fast_two_sum(y, y_low)
    t, t_low = e.two_product(y, q)
    return scale(e, t + (t_low + e.fma(y, q_low, y_low * q)), k)


def erf(e: Emitter, x: Value) -> Value:
    """A polynomial to 1, from there 1 - erfc."""
    a = abs(x)
    if e.digits == 24:
        a = e.select(a > 4.0, 4.0, a)
        r, _, k = reduced(e, -e.polynomial(a, "erfc_direct"))
        tail = (series(e, r) + 1.0) * e.power_of_two(k)
    else:
        tail = _far(e, e.select(a > 6.0, 6.0, a), pairs=False)
    return e.select(abs(x) < 1.0, _near(e, x), e.copysign(1.0 - tail, x))


@wide
def erfc(e: Emitter, x: Value) -> Value:
    a = abs(x)
    tail = _far(e, e.select(a > 28.0, 28.0, a), pairs=e.digits == 53)
    return e.select(a < 0.25, 1.0 - _near(e, x), e.select(x < 0, 2.0 - tail, tail))
