"""Exponential functions."""

from __future__ import annotations

import math

from .emitter import Emitter, Value

# Cody and Waite's ln 2 in two parts; the product of the first with an exponent is exact (fdlibm's e_exp.c and e_expf.c).
LN2 = {True: (6.93147180369123816490e-01, 1.90821492927058770002e-10), False: (6.9314575195e-01, 1.4286067653e-06)}
# The least x for which e^x is infinite, and the greatest for which it is 0, both widened by a little.
RANGE = {True: (710.0, -746.0), False: (89.0, -104.0)}


def exp(e: Emitter, x: Value) -> Value:
    """2^n e^r, with x = n ln 2 + r."""
    above, below = RANGE[e.double]
    limited = e.select(x > above, above, e.select(x < below, below, x))
    n, k = e.nearest(limited * (1 / math.log(2)))
    high, low = LN2[e.double]
    r = e.fma(n, -low, e.fma(n, -high, limited))
    p = e.polynomial(r, [1 / math.factorial(i) for i in range(13 if e.double else 8, 1, -1)])
    return scale(e, e.fma(r * r, p, r) + 1.0, k)


def scale(e: Emitter, x: Value, k: Value) -> Value:
    """x 2^k in two steps, so that neither factor overflows and a denormal result is rounded once. k is of `nearest`."""
    shift = e.bits - e.mantissa  # cuts what `nearest` leaves in the high bits
    k = (k << shift) >> shift
    half = k >> 1
    return x * e.power_of_two(half) * e.power_of_two(k - half)
