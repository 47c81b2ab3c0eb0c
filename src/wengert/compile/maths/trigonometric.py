"""Trigonometric functions and their inverses.

The argument is reduced by parts of pi (Cody and Waite) while it is small enough, else with as many of its digits as it
takes (Payne and Hanek, SIGNUM Newsletter 18, 1983); the inverse functions follow Cephes' atan.c (Moshier 1984) and
fdlibm's e_asin.c and e_acos.c (Sun Microsystems 1993).
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np

from .coefficients import INVERSE_PI
from .emitter import FLOAT, INTEGER, MASK, Emitter, Value

# ---- reduction ----------------------------------------------------------------------------------------------------


def _reduced(e: Emitter, x: Value, kind: str) -> tuple[Value, Value, Value]:
    """x = n p + r + low, with n a multiple of 1 and p = pi for "sin", of 1 plus 1/2 for "cos", and p = pi / 2 for "tan":
    r, low, and an integer of which the last bit is that of n, rounded down."""
    period = math.pi / 2 if kind == "tan" else math.pi
    if kind == "cos":
        x = abs(x)
        n, k = e.nearest(e.fma(x, 1 / period, -0.5))
        n = n + 0.5
    else:
        n, k = e.nearest(x * (1 / period))
    parts = e.parts(("half_pi" if kind == "tan" else "pi") + ("" if e.fused else "_split"))
    r, low = e.fma(n, -parts[0], x), e.value(0.0)
    for part in parts[1:-1]:
        p, p_low = e.two_product(n, part) if e.fused else (n * part, e.value(0.0))
        s = r - p
        low = low + (((r - s) - p) - p_low)
        r = s
    low = e.fma(n, -parts[-1], low)
    a, limit = abs(x), 2.0**21 if e.double else 2.0**15
    r, low, k = e.replace((a >= limit) & (a < math.inf), x, [r, low, k], lambda one, x: _far(one, x, kind))
    return r, low, k


def _far(one: Emitter, x: Value, kind: str) -> list[Value]:
    """The same for one large float."""
    f = one if one.double else one.doubled()
    do, t = one.text.assign, "{double, double, i64}"
    one.text.needs |= reduction(one.fused)
    half, more = int(kind == "cos"), int(kind == "tan")
    x = x if one.double else f.widened(x)
    result = do(f"call {t} @wg_reduce(double {x.name}, i64 {half << 62}, i64 {more})")
    r, low = [f.line(FLOAT, f"extractvalue {t} {result}, {i}") * (0.5 if more else 1.0) for i in range(2)]
    n = do(f"extractvalue {t} {result}, 2")
    if one.double:
        return [r, low, Value(one, INTEGER, n)]
    single = one.narrowed(r)
    return [single, one.narrowed((r - f.widened(single)) + low), one.line(INTEGER, f"trunc i64 {n} to i32")]


@cache
def reduction(fused: bool) -> set[str]:
    """The function `wg_reduce` with what it needs: x = n pi + r + low, for a large float64; r, low, n.

    With x = m 2^s for an integer m, the digits of 1 / pi whose product with 2^s is even are left out, 192 follow, and
    the product with m is exact modulo 2: one digit for n, 127 of a fraction, of which at most 62 are zero. From x / pi a
    half is taken if `half` is 2^62; `more` says how often it is doubled before. LLVM has nothing to optimize here.
    """
    e = Emitter(np.float64, 1, fused)
    do = e.text.assign
    x = Value(e, FLOAT, "%x")
    bits = abs(x).bits
    m = bits & ((1 << 52) - 1) | (1 << 52)
    place = bits.lshr(52) - (1075 - 63) + Value(e, INTEGER, "%more")
    words = []
    for i in range(4):
        index = place.lshr(6) + i
        pointer = do(f"getelementptr [{len(INVERSE_PI)} x i64], ptr @wg_inverse_pi, i64 0, i64 {index.name}")
        words.append(do(f"load i64, ptr {pointer}"))
    shift = (place & 63).name
    a, b, c = [do(f"call i64 @llvm.fshl.i64(i64 {v}, i64 {w}, i64 {shift})") for v, w in zip(words, words[1:])]
    b, c, wide_m = [do(f"zext i64 {v} to i128") for v in (b, c, m.name)]
    low = do(f"mul i128 {wide_m}, {c}")
    low = do(f"lshr i128 {low}, 64")
    middle = do(f"mul i128 {wide_m}, {b}")
    middle = do(f"add i128 {middle}, {low}")
    top = do(f"mul i64 {m.name}, {a}")
    top = do(f"zext i64 {top} to i128")
    top = do(f"shl i128 {top}, 64")
    v = do(f"add i128 {top}, {middle}")
    half = do("zext i64 %half to i128")
    half = do(f"shl i128 {half}, 64")
    v = do(f"sub i128 {v}, {half}")
    n = do(f"lshr i128 {v}, 126")  # rounded up from a half
    n = do(f"add i128 {n}, 1")
    n = do(f"lshr i128 {n}, 1")
    n = do(f"trunc i128 {n} to i64")
    fraction = do(f"shl i128 {v}, 1")
    less = do(f"icmp slt i128 {fraction}, 0")
    minus = do(f"sub i128 0, {fraction}")
    size = do(f"select i1 {less}, i128 {minus}, i128 {fraction}")
    zeros = do(f"call i128 @llvm.ctlz.i128(i128 {size}, i1 false)")
    size = do(f"shl i128 {size}, {zeros}")
    exponent = Value(e, INTEGER, do(f"trunc i128 {zeros} to i64"))
    digits = []
    for position in (75, 22):
        d = do(f"lshr i128 {size}, {position}")
        d = do(f"trunc i128 {d} to i64")
        d = do(f"and i64 {d}, {(1 << 53) - 1}")
        digits.append(e.line(FLOAT, f"sitofp i64 {d} to double"))
    unit = e.power_of_two(-53 - exponent)
    high, rest = digits[0] * unit, digits[1] * (unit * 2.0**-53)
    pi = e.parts("pi")
    r, low_r = e.two_product(high, pi[0])
    low_r = low_r + e.fma(high, pi[1], rest * pi[0])
    sign = e.copysign(1.0, x) * e.select(Value(e, MASK, less), -1.0, 1.0)
    r, low_r = r * sign, low_r * sign
    first = do(f"insertvalue {{double, double, i64}} undef, double {r.name}, 0")
    second = do(f"insertvalue {{double, double, i64}} {first}, double {low_r.name}, 1")
    third = do(f"insertvalue {{double, double, i64}} {second}, i64 {n}, 2")
    body = "\n".join([*e.text.lines, f"  ret {{double, double, i64}} {third}"])
    return e.text.needs | {
        f"define internal {{double, double, i64}} @wg_reduce(double %x, i64 %half, i64 %more) noinline cold optnone {{\n{body}\n}}",
        f"@wg_inverse_pi = internal constant [{len(INVERSE_PI)} x i64] [{', '.join([f'i64 {w}' for w in INVERSE_PI])}]",
        "declare i64 @llvm.fshl.i64(i64, i64, i64)",
        "declare i128 @llvm.ctlz.i128(i128, i1)",
    }


# ---- functions of angles ------------------------------------------------------------------------------------------


def _sine(e: Emitter, r: Value, low: Value, n: Value) -> Value:
    """(-1)^n sin(r + low), to a right angle."""
    z, z_low = e.two_product(r, r)
    a, a_low = e.two_product(r, z)
    p = e.polynomial(z, "sin")
    low = e.fma(e.fma(r, z_low, a_low), p, low * e.fma(z, -0.5, 1.0))
    s = r + e.exact_fma(a, p, low)
    return (s.bits ^ (n << (e.bits - 1))).float


def sin(e: Emitter, x: Value) -> Value:
    return e.select(x == 0, x, _sine(e, *_reduced(e, x, "sin")))


def cos(e: Emitter, x: Value) -> Value:
    r, low, n = _reduced(e, x, "cos")
    return _sine(e, r, low, n + 1)


def tan(e: Emitter, x: Value) -> Value:
    """sin / cos, or -cos / sin, to half a right angle."""
    r, low, n = _reduced(e, x, "tan")
    z = r * r
    s, s_low = e.fast_two_sum(r, e.fma(r * z, e.polynomial(z, "sin_near"), low))
    c, c_low = e.fast_two_sum(1.0, z * -0.5)
    c, c_low = e.fast_two_sum(c, c_low + e.fma(z * z, e.polynomial(z, "cos_near"), -(r * low)))
    odd = (n & 1) != 0
    top, top_low = e.select(odd, -c, s), e.select(odd, -c_low, s_low)
    quotient = e.fast_quotient(top, top_low, e.select(odd, s, c), e.select(odd, s_low, c_low))
    return e.select(x == 0, x, quotient)


# ---- inverse functions --------------------------------------------------------------------------------------------


def _arctan(e: Emitter, numerator: Value, denominator: Value, high: Value, low: Value, turned: Value | None) -> Value:
    """high + low + arctan(q) (minus, where turned), with |q| up to tan(1 / 2)."""
    q = numerator / denominator
    z = q * q
    if turned is not None:
        q = e.select(turned, -q, q)
    y, rest = e.two_sum(high, q)
    return y + (e.fma(q * z, e.polynomial(z, "arctan"), low) + rest)


def arctan(e: Emitter, x: Value) -> Value:
    """q is x, (x - 1) / (x + 1) or -1 / x. The first reaches so far that the others' errors are below half a unit."""
    a = abs(x)
    second, third = a > math.tan(0.5), a > 1 / math.tan(0.5)
    numerator = e.select(third, -1.0, e.select(second, a - 1.0, a))
    denominator = e.select(third, a, e.select(second, a + 1.0, 1.0))
    high, low = e.parts("quarter_pi")
    quarters = e.select(third, 2.0, e.select(second, 1.0, 0.0))
    return e.copysign(_arctan(e, numerator, denominator, quarters * high, quarters * low, None), x)


def arctan2(e: Emitter, y: Value, x: Value) -> Value:
    """The angle of the lesser to the greater, mirrored at the diagonal and at the vertical."""
    a, b = abs(x), abs(y)
    both = (a == math.inf) & (b == math.inf)
    steep = b > a
    larger = e.select(both, 1.0, e.select(steep, b, a))
    lesser = e.select(both, 1.0, e.select(steep, a, b))
    top = e.bias - 3.0  # sums must not overflow, nor quotients lose digits
    scale = e.select(larger > 2.0**top, 0.25, e.select(larger < 2.0 ** (e.mantissa - top), 2.0**e.mantissa, 1.0))
    larger, lesser = larger * scale, lesser * scale
    second = lesser > larger * math.tan(0.5)
    numerator = e.select(second, lesser - larger, lesser)
    denominator = e.select(second, lesser + larger, e.select(larger == 0, 1.0, larger))
    left = x.bits < 0
    quarters = e.select(second, 1.0, 0.0)
    quarters = e.select(steep, 2.0 - quarters, quarters)
    quarters = e.select(left, 4.0 - quarters, quarters)
    high, low = e.parts("quarter_pi")
    angle = _arctan(e, numerator, denominator, quarters * high, quarters * low, steep ^ left)
    return e.select(x.isnan | y.isnan, x + y, e.copysign(angle, y))


def _arcsin(e: Emitter, x: Value) -> tuple[Value, Value, Value, Value]:
    """Whether |x| is at least 1/2; s, which is |x|, or else sqrt((1 - |x|) / 2); what it lacks; arcsin s - s."""
    a = abs(x)
    far = a >= 0.5
    z = e.select(far, (1.0 - a) * 0.5, a * a)
    root = e.sqrt(z)
    s = e.select(far, root, a)
    p, p_low = e.two_product(root, root)
    lacks = e.select(far & (root > 0), ((z - p) - p_low) / (root + root), 0.0)
    return far, s, lacks, s * z * e.polynomial(z, "arcsin")


def arcsin(e: Emitter, x: Value) -> Value:
    """For |x| from 1/2, pi / 2 - 2 arcsin sqrt((1 - |x|) / 2)."""
    far, s, lacks, rest = _arcsin(e, x)
    high, low = e.parts("half_pi")[:2]
    y, lost = e.fast_two_sum(high, s * -2.0)
    return e.copysign(e.select(far, y + (lost + (low - 2.0 * (rest + lacks))), s + rest), x)


def arccos(e: Emitter, x: Value) -> Value:
    """pi / 2 - arcsin x, 2 arcsin sqrt((1 - x) / 2), or pi less that of -x."""
    far, s, lacks, rest = _arcsin(e, x)
    high, low = e.parts("half_pi")[:2]
    near = high - (e.copysign(s, x) - (low - e.copysign(rest, x)))
    rest = rest + lacks
    left = 2.0 * (high - (s + (rest - low)))
    return e.select(far, e.select(x < 0, left, 2.0 * (s + rest)), near)
