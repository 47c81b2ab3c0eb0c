"""Exponentials, logarithms, hyperbolic functions and powers.

The reductions and reconstructions are those of fdlibm (e_exp.c, s_expm1.c, e_log.c, s_log1p.c; Sun Microsystems 1993) and
of FreeBSD's e_log2.c and e_log10.c, without branches; the polynomials are our own.
"""

from __future__ import annotations

import math

from .arithmetic import trunc
from .emitter import Emitter, Operand, Value, wide

# ---- exponentials -------------------------------------------------------------------------------------------------


def scale(e: Emitter, x: Value, k: Value) -> Value:
    """x 2^k in two steps, so that neither factor overflows and a denormal result is rounded once."""
    half = k.lshr(1)
    return x * e.power_of_two(half) * e.power_of_two(k - half)


def limited(e: Emitter, x: Value, below: float, above: float) -> Value:
    """x within the bounds; NaN stays."""
    return e.select(x > above, above, e.select(x < below, below, x))


def bounds(e: Emitter) -> tuple[float, float]:
    """Where e^x is 0, and where even e^x / 2 is infinite."""
    return (-746.0, 711.0) if e.double else (-104.0, 90.0)


def reduced(e: Emitter, x: Value) -> tuple[Value, Value, Value]:
    """x = n ln 2 + r: r, n, and n as an integer (Cody and Waite: the product of n and ln 2's first part is exact)."""
    n, k = e.nearest(x * (1 / math.log(2)))
    high, low = e.parts("ln2")
    return e.fma(n, -low, e.fma(n, -high, x)), n, k


def series(e: Emitter, r: Value) -> Value:
    """e^r - 1, for |r| up to ln 2 / 2."""
    return e.fma(r * r, e.polynomial(r, "exp"), r)


def exp(e: Emitter, x: Value) -> Value:
    r, _, k = reduced(e, limited(e, x, *bounds(e)))
    return scale(e, series(e, r) + 1.0, k)


def exp2(e: Emitter, x: Value) -> Value:
    x = limited(e, x, *((-1080.0, 1026.0) if e.double else (-155.0, 130.0)))
    n, k = e.nearest(x)
    return scale(e, series(e, (x - n) * math.log(2)) + 1.0, k)


def _expm1(e: Emitter, x: Value) -> tuple[Value, Value, Value, Value]:
    """e^x - 1 as (y + low) 2^k, for x from -40 (-20 in float32), and 2^k where k is not large."""
    r, n, k = reduced(e, x)
    inverse = e.select(n > e.bias - 2.0, 0.0, e.power_of_two(-k))
    y, low = e.fast_two_sum(1.0 - inverse, r)  # the first is 0, or the larger
    return y, e.fma(r * r, e.polynomial(r, "exp"), low), k, e.power_of_two(k)


def expm1(e: Emitter, x: Value) -> Value:
    y, low, k, _ = _expm1(e, limited(e, x, -40.0 if e.double else -20.0, bounds(e)[1]))
    return e.copysign(scale(e, y + low, k), x)


# ---- logarithms ---------------------------------------------------------------------------------------------------


def _split(e: Emitter, x: Value) -> tuple[Value, Value, Value]:
    """x = 2^k m with m from the root of 1/2 to that of 2, for positive normal x: m, k, and 2^-k."""
    one = e.integer_of(1.0)
    shifted = x.bits + (one - e.integer_of(math.sqrt(0.5)))
    power = shifted & (-1 << e.mantissa)  # the bits of 2^k
    return (x.bits - power + one).float, e.exponent(shifted), (2 * one - power).float


def _normal(e: Emitter, x: Value) -> tuple[Value, Value]:
    """m and k of any positive x."""
    up = e.mantissa + 2
    denormal = x < 2.0 ** (1 - e.bias)
    m, k, _ = _split(e, e.select(denormal, x * 2.0**up, x))
    return m, k - e.select(denormal, float(up), 0.0)


def _log1p(e: Emitter, f: Value) -> tuple[Value, Value]:
    """h and c of log(1 + f) = f - h + c, for 1 + f as `_split` gives it: h = f^2 / 2."""
    h = f * f * 0.5
    if e.digits < 53:  # a division costs more than a longer polynomial
        return h, f * (f * f) * e.polynomial(f, "log_direct")
    s = f / (f + 2.0)
    z = s * s
    return h, s * e.fma(z, e.polynomial(z, "log"), h)


def _sum(e: Emitter, k: Value, f: Value, rest: Operand = 0.0) -> Value:
    """k ln 2 + log(1 + f + rest)."""
    h, c = _log1p(e, f)
    if isinstance(rest, Value):
        c = c + e.fma(-rest, f, rest)
    two, two_low = e.parts("ln2")
    return e.fma(k, two, f - (h - e.fma(k, two_low, c)))


def _special(e: Emitter, x: Value, result: Value) -> Value:
    """The logarithm of x; the result is right where x is positive and finite."""
    return e.select(x < math.inf, e.select(x > 0, result, e.select(x == 0, -math.inf, math.nan)), x)


def log(e: Emitter, x: Value) -> Value:
    m, k = _normal(e, x)
    return _special(e, x, _sum(e, k, m - 1.0))


def _based(e: Emitter, x: Value, two: tuple[float, ...], factor: tuple[float, ...]) -> Value:
    """A logarithm to another base, from those of 2 and of e to it, each in two parts."""
    m, k = _normal(e, x)
    f = m - 1.0
    h, c = _log1p(e, f)
    high = e.high(f - h)
    low = (f - high) - h + c
    y, rest = e.fast_two_sum(k * two[0], high * factor[0])
    rest = rest + e.fma(k, two[1], e.fma(low + high, factor[1], low * factor[0]))
    return _special(e, x, y + rest)


def log2(e: Emitter, x: Value) -> Value:
    return _based(e, x, (1.0, 0.0), e.parts("log2e"))


def log10(e: Emitter, x: Value) -> Value:
    return _based(e, x, e.parts("log10_2"), e.parts("log10e"))


def log1p(e: Emitter, x: Value, low: Value | None = None) -> Value:
    """log(1 + x + low): 1 + x = u + c, and so 2^k (1 + f) with f = m - 1 + 2^-k c, which is x where k = 0."""
    u, c = e.two_sum(e.value(1.0), x)
    m, k, inverse = _split(e, u)
    small = x < 2.0**60  # else c is nothing beside u, and the inverse may be none
    f, rest = e.fast_two_sum(m - 1.0, e.select(small, c * inverse, 0.0))
    if low is not None:
        rest = rest + e.select(small, low * inverse, 0.0)
    return e.copysign(_special(e, u, _sum(e, k, f, rest)), x)


# ---- sums under a logarithm ---------------------------------------------------------------------------------------


def _added(e: Emitter, m: Value, u: Value, two: tuple[float, ...], factor: tuple[float, ...]) -> Value:
    """m + log(1 + u) to the base of `_based`, for u from 0 to 1; the sum may cancel, and so its terms are exact."""
    v, c = e.fast_two_sum(1.0, u)
    n, k, inverse = _split(e, v)
    f, low = e.fast_two_sum(n - 1.0, c * inverse)
    h, c = _log1p(e, f)
    p, p_low = e.two_product(f, factor[0])
    t, t_low = e.two_sum(m, k * two[0])
    y, y_low = e.two_sum(t, p)
    rest = e.fma(k, two[1], e.fma(f, factor[1], p_low)) + (c + low - h) * sum(factor)
    return y + (t_low + y_low + rest)


def _digits(e: Emitter) -> Emitter:
    """To all of float64's digits, even if the sum that follows is rounded to float32."""
    e.digits = 53
    return e


@wide
def logaddexp(e: Emitter, x: Value, y: Value) -> Value:
    """max + log(1 + e^-|x - y|)."""
    m = e.select(x > y, x, y)
    result = _added(_digits(e), m, exp(e, -abs(x - y)), e.parts("ln2"), (1.0, 0.0))
    return e.select(x == y, x + math.log(2), e.select(abs(m) < math.inf, result, m + abs(x) + abs(y)))


@wide
def logaddexp2(e: Emitter, x: Value, y: Value) -> Value:
    """max + log2(1 + 2^-|x - y|)."""
    m = e.select(x > y, x, y)
    result = _added(_digits(e), m, exp2(e, -abs(x - y)), (1.0, 0.0), e.parts("log2e"))
    return e.select(x == y, x + 1.0, e.select(abs(m) < math.inf, result, m + abs(x) + abs(y)))


# ---- hyperbolic functions -----------------------------------------------------------------------------------------


def tanh(e: Emitter, x: Value) -> Value:
    """-t / (2 + t), with t = e^(-2 |x|) - 1."""
    a, top = abs(x), 20.0 if e.double else 10.0
    y, low, _, power = _expm1(e, e.select(a > top, top, a) * -2.0)
    t, low = e.fast_two_sum(y * power, low * power)
    d, d_low = e.fast_two_sum(2.0, t)
    return e.copysign(e.fast_quotient(t, low, d, d_low + low), x)


def _half_exp(e: Emitter, a: Value) -> Value:
    """e^a / 2, for a from 0."""
    r, _, k = reduced(e, limited(e, a, *bounds(e)))
    return scale(e, series(e, r) + 1.0, k - 1)


def sinh(e: Emitter, x: Value) -> Value:
    a, z = abs(x), x * x
    h = _half_exp(e, a)
    near = e.fma(x * z, e.polynomial(z, "sinh"), x)
    return e.select(a < 1.0, near, e.copysign(h - 0.25 / h, x))


def cosh(e: Emitter, x: Value) -> Value:
    h = _half_exp(e, abs(x))
    return h + 0.25 / h


def arcsinh(e: Emitter, x: Value) -> Value:
    """log(1 + a + a^2 / (1 + sqrt(1 + a^2))); log 2a where the square would overflow."""
    a = abs(x)
    z = a * a
    large = a > 2.0 ** (e.bias // 2)
    t = e.select(large, a, a + z / (e.sqrt(z + 1.0) + 1.0))
    return e.copysign(log1p(e, t) + e.select(large, math.log(2), 0.0), x)


def arccosh(e: Emitter, x: Value) -> Value:
    """log(1 + t + sqrt(2t + t^2)) with t = x - 1; log 2x where the square would overflow."""
    t = x - 1.0
    large = x > 2.0 ** (e.bias // 2)
    y, low = e.fast_two_sum(e.sqrt(e.fma(t, t, t + t)), t)
    y, low = e.select(large, x, y), e.select(large, 0.0, low)
    return e.select(x < 1.0, math.nan, log1p(e, y, low) + e.select(large, math.log(2), 0.0))


def arctanh(e: Emitter, x: Value) -> Value:
    """log(1 + 2a / (1 - a)) / 2."""
    a = abs(x)
    double, q = a + a, a / (1.0 - a)
    return e.copysign(log1p(e, e.select(a < 0.5, e.fma(double, q, double), q + q)) * 0.5, x)


# ---- powers -------------------------------------------------------------------------------------------------------


def _log_pair(e: Emitter, x: Value) -> tuple[Value, Value]:
    """The logarithm of a positive float as a sum of two: k ln 2 + 2s + s^3 (2/3 + s^2 P(s^2))."""
    m, k = _normal(e, x)
    f = m - 1.0
    d, d_low = e.fast_two_sum(2.0, f)
    s, s_low = e.quotient(f, 0.0, d, d_low)
    z, z_low = e.two_product(s, s)
    z_low = e.fma(s + s, s_low, z_low)
    third, third_low = e.parts("two_thirds")
    u, u_low = e.fast_two_sum(third, e.fma(z, e.polynomial(z, "log_tail"), third_low))
    cube, cube_low = e.two_product(s, z)
    cube_low = cube_low + e.fma(s, z_low, s_low * z)
    b, b_low = e.two_product(cube, u)
    b_low = b_low + e.fma(cube, u_low, cube_low * u)
    high, low = e.parts("ln2_long")
    h, c = e.fast_two_sum(k * high, s + s)
    h, c2 = e.fast_two_sum(h, b)
    return e.fast_two_sum(h, (c + c2) + (e.fma(k, low, s_low + s_low) + b_low))


def exp_pair(e: Emitter, x: Value, x_low: Value) -> tuple[Value, Value, Value]:
    """e^(x + x_low) as (y + low) 2^k."""
    below, above = bounds(e)
    x_low = e.select((x > above) | (x < below), 0.0, x_low)
    x = limited(e, x, below, above)
    n, k = e.nearest(x * (1 / math.log(2)))
    high, low = e.parts("ln2")
    t = e.fma(n, -high, x)
    r = e.fma(n, -low, t)
    x_low = x_low + e.fma(n, -low, t - r)
    s = r * r * e.polynomial(r, "exp")
    y, rest = e.fast_two_sum(1.0, r)
    return y, rest + e.fma(x_low, y + s, s), k


def power(e: Emitter, x: Value, y: Value) -> Value:
    """e^(y log |x|), with C99's special cases, which are NumPy's."""
    a, b = abs(x), abs(y)
    z = limited(e, y, -(2.0**70), 2.0**70)  # such a power is 0, 1 or infinite
    h, low = _log_pair(e, a)
    p, p_low = e.two_product(z, h)
    r, low, k = exp_pair(e, p, e.fma(z, low, p_low))
    r = scale(e, r + low, k)
    bound = (a == 0) | (a == math.inf)
    r = e.select(bound, e.select((y > 0) ^ (a == 0), math.inf, 0.0), r)
    whole = (b >= 2.0**e.mantissa) | (trunc(e, y) == y)
    half = y * 0.5
    even = (b >= 2.0 ** (e.mantissa + 1)) | (trunc(e, half) == half)
    r = e.select((x.bits < 0) & whole & ~even, -r, r)
    r = e.select((x < 0) & ~whole & (a < math.inf), math.nan, r)
    r = e.select(x.isnan | y.isnan, x + y, r)
    return e.select((y == 0) | (x == 1), 1.0, r)
