"""Functions of a few operations: signs, rounding, extrema, remainders, roots."""

from __future__ import annotations

import math

import numpy as np

from .emitter import Emitter, Value, wide

# ---- signs and classes --------------------------------------------------------------------------------------------


def absolute(e: Emitter, x: Value) -> Value:
    return abs(x)


def negative(e: Emitter, x: Value) -> Value:
    return -x


def positive(e: Emitter, x: Value) -> Value:
    return x


def sign(e: Emitter, x: Value) -> Value:
    """Of -0, 0; of NaN, NaN."""
    return e.select(x > 0, 1.0, e.select(x < 0, -1.0, x + 0.0))


def copysign(e: Emitter, x: Value, y: Value) -> Value:
    return e.copysign(x, y)


def heaviside(e: Emitter, x: Value, y: Value) -> Value:
    return e.select(x > 0, 1.0, e.select(x < 0, 0.0, e.select(x == 0, y, x)))


def isnan(e: Emitter, x: Value) -> Value:
    return x.isnan


def isinf(e: Emitter, x: Value) -> Value:
    return abs(x) == math.inf


def isfinite(e: Emitter, x: Value) -> Value:
    return abs(x) < math.inf


def signbit(e: Emitter, x: Value) -> Value:
    return x.bits < 0


# ---- products and units -------------------------------------------------------------------------------------------


def square(e: Emitter, x: Value) -> Value:
    return x * x


def reciprocal(e: Emitter, x: Value) -> Value:
    return 1.0 / x


def deg2rad(e: Emitter, x: Value) -> Value:
    return x * float(e.dtype.type(np.pi) / e.dtype.type(180))


def rad2deg(e: Emitter, x: Value) -> Value:
    return x * float(e.dtype.type(180) / e.dtype.type(np.pi))


# ---- extrema ------------------------------------------------------------------------------------------------------


def maximum(e: Emitter, x: Value, y: Value) -> Value:
    """NaN if one of them is."""
    return e.select((x >= y) | x.isnan, x, y)


def minimum(e: Emitter, x: Value, y: Value) -> Value:
    """NaN if one of them is."""
    return e.select((x <= y) | x.isnan, x, y)


def fmax(e: Emitter, x: Value, y: Value) -> Value:
    """The other one if one of them is NaN."""
    return e.select((x > y) | y.isnan, x, y)


def fmin(e: Emitter, x: Value, y: Value) -> Value:
    """The other one if one of them is NaN."""
    return e.select((x <= y) | y.isnan, x, y)


# ---- rounding -----------------------------------------------------------------------------------------------------


def _whole(e: Emitter, x: Value) -> tuple[Value, Value]:
    """x to the nearest integer where |x| is so small that it can have a fraction, and where that is."""
    a, top = abs(x), 2.0**e.mantissa
    return e.copysign((a + top) - top, x), a < top


def rint(e: Emitter, x: Value) -> Value:
    """To even, if there are two."""
    if e.fused:
        return e.intrinsic("rint", x)
    n, small = _whole(e, x)
    return e.select(small, n, x)


def floor(e: Emitter, x: Value) -> Value:
    if e.fused:
        return e.intrinsic("floor", x)
    n, small = _whole(e, x)
    return e.select(small, n - e.select(n > x, 1.0, 0.0), x)


def ceil(e: Emitter, x: Value) -> Value:
    if e.fused:
        return e.intrinsic("ceil", x)
    n, small = _whole(e, x)
    return e.select(small, e.copysign(n + e.select(n < x, 1.0, 0.0), x), x)


def trunc(e: Emitter, x: Value) -> Value:
    if e.fused:
        return e.intrinsic("trunc", x)
    n, small = _whole(e, x)
    return e.select(small, e.copysign(abs(n) - e.select(abs(n) > abs(x), 1.0, 0.0), x), x)


# ---- remainders ---------------------------------------------------------------------------------------------------


@wide
def fmod(e: Emitter, x: Value, y: Value) -> Value:
    """x - y trunc(x / y), exactly, by long division.

    A step takes from the rest r the multiple q y, where q is r / y rounded to an integer or to a float: the difference is
    a float, as its digits lie between the last digit of r or of q y and half a unit of q. Without FMA, q has so few digits
    that its products with the halves of y are exact.
    """
    size = abs(y)
    valid = (abs(x) < math.inf) & (size > 0)

    def step(r: Value) -> Value:
        divisor = size
        for _ in range(0 if e.digits == 32 else 3):  # r / y could overflow, and r mod y is (r mod 2^500 y) mod y
            divisor = e.select(abs(r) * 2.0**-600 > divisor, divisor * 2.0**500, divisor)
        q = r / divisor
        if e.fused:
            return e.fma(-trunc(e, q), divisor, r)
        q = trunc(e, e.high(q))
        high = e.high(divisor)
        return r - q * high - q * (divisor - high)

    r = e.loop(lambda r: (abs(r) >= size) & valid, step, x)
    r = e.select((r < 0) & (x > 0), r + size, e.select((r > 0) & (x < 0), r - size, r))
    return e.select(valid, e.copysign(r, x), e.select(y.isnan, y, e.select(x.isnan, x, math.nan)))


def _divided(e: Emitter, x: Value, y: Value) -> tuple[Value, Value]:
    """The rest that `fmod` leaves, and the one with the sign of y."""
    rest = fmod(e, x, y)
    other = (rest != 0) & ((rest < 0) ^ (y < 0))
    return rest, e.select(rest == 0, e.copysign(0.0, y), e.select(other, rest + y, rest))


def remainder(e: Emitter, x: Value, y: Value) -> Value:
    """With the sign of y, as Python's."""
    return e.select(y == 0, math.nan, _divided(e, x, y)[1])


def floor_divide(e: Emitter, x: Value, y: Value) -> Value:
    """NumPy's: the quotient of what `fmod` leaves, rounded."""
    rest, _ = _divided(e, x, y)
    quotient = (x - rest) / y
    quotient = e.select((rest != 0) & ((rest < 0) ^ (y < 0)), quotient - 1.0, quotient)
    down = floor(e, quotient)
    down = e.select(quotient - down > 0.5, down + 1.0, down)
    return e.select(y == 0, x / y, e.select(quotient == 0, e.copysign(0.0, x / y), down))


# ---- roots --------------------------------------------------------------------------------------------------------


def sqrt(e: Emitter, x: Value) -> Value:
    return e.sqrt(x)


@wide
def cbrt(e: Emitter, x: Value) -> Value:
    """2^k cbrt(m) with m from 1 to 8, by a polynomial and one step of Halley's method, which triples the digits."""
    a = abs(x)
    denormal = a < 2.0**-1022
    bits = e.select(denormal, a * 2.0**54, a).bits
    exponent = e.exponent(bits)
    m = (bits & ((1 << 52) - 1) | (1023 << 52)).float
    third, k = e.nearest((exponent - 1.0) * (1 / 3))  # the integer at or below a third of it
    rest = exponent - 3.0 * third
    t = e.polynomial(m, "cbrt") * e.select(rest == 0, 1.0, e.select(rest == 1, 2 ** (1 / 3), 2 ** (2 / 3)))
    m = m * e.select(rest == 0, 1.0, e.select(rest == 1, 2.0, 4.0))
    square = t * t
    cube = square * t
    t = e.fma(t, e.fma(-square, t, m) / (cube + cube + m), t)
    t = t * e.power_of_two(k) * e.select(denormal, 2.0**-18, 1.0)
    return e.select((x == 0) | ~(a < math.inf), x + x, e.copysign(t, x))


@wide
def hypot(e: Emitter, x: Value, y: Value) -> Value:
    """The root of the sum of squares, scaled by a power of two where one would overflow or vanish."""
    a, b = abs(x), abs(y)
    if e.digits == 32:  # squares of float32s have no special sizes
        z = e.sqrt(e.fma(a, a, b * b))
    else:
        a, b = e.select(a > b, a, b), e.select(a > b, b, a)
        large, small = a > 2.0**500, a < 2.0**-450
        scale = e.select(large, 2.0**-600, e.select(small, 2.0**600, 1.0))
        back = e.select(large, 2.0**600, e.select(small, 2.0**-600, 1.0))
        a, b = a * scale, b * scale
        z = e.sqrt(e.fma(a, a, b * b)) * back
    return e.select((abs(x) == math.inf) | (abs(y) == math.inf), math.inf, z)
