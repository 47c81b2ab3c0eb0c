"""The recipe for `wengert.compile.maths.coefficients`: `python -m benchmarks.polynomials > src/.../coefficients.py`.

Each polynomial interpolates its function in Chebyshev's points of its interval, computed with 60 digits by mpmath; the
degree is the least whose greatest error, as a part of the result that the polynomial goes into, is below a sixteenth of
a unit in the last place, or what the row says.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import mpmath as mp

DIGITS = (24, 32, 53)  # float32, float64 whose results become float32, float64


class Recipe(NamedTuple):
    """A function, its interval, and by what an error of the polynomial has to be multiplied to be relative."""

    f: Callable[[Any], Any]
    interval: tuple[Any, Any]
    weight: Callable[[Any], Any]
    bits: dict[int, int] = {24: 28, 53: 57}  # noqa: RUF012  (digits -> bits that are right)


def _series(f: Callable[[Any], Any], terms: Callable[[int], Any]) -> Callable[[Any], Any]:
    """f, but near 0, where it is a quotient of small numbers, its Taylor series."""

    def g(t: Any) -> Any:
        return f(t) if abs(t) > mp.mpf(10) ** -4 else mp.fsum([terms(k) * t**k for k in range(12)])

    return g


def _root(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """f of the square root: odd functions are polynomials in the square."""
    return lambda z: f(mp.sqrt(z))


def _scaled_erfc(t: Any) -> Any:
    """(1 + 2x) e^(x^2) erfc(x), of t = (x - 4) / (x + 4)."""
    if t == 1:
        return 2 / mp.sqrt(mp.pi)
    x = 4 * (1 + t) / (1 - t)
    if x > 300:  # mpmath's erfc would underflow: the asymptotic series
        y = mp.fsum([(-1) ** k * mp.fac2(2 * k - 1) / (2 * x * x) ** k for k in range(12)])
        return (1 + 2 * x) * y / (x * mp.sqrt(mp.pi))
    return (1 + 2 * x) * mp.exp(x * x) * mp.erfc(x)


def recipes() -> dict[str, Recipe]:
    """All polynomials by name; the comment gives the expression that it goes into."""
    half = mp.log(2) / 2 * mp.mpf("1.01")
    quarter, right = (mp.pi / 4 * mp.mpf("1.01")) ** 2, (mp.pi / 2 * mp.mpf("1.01")) ** 2
    radian = mp.tan(0.5) ** 2 * mp.mpf("1.001")
    s = (mp.sqrt(2) - 1) / (mp.sqrt(2) + 1)
    squares = s * s * mp.mpf("1.001")
    fac = mp.factorial
    every = {24: 28, 32: 38, 53: 57}
    return {
        # e^r = 1 + r + r^2 P(r)
        "exp": Recipe(
            _series(lambda r: (mp.expm1(r) - r) / r**2, lambda k: 1 / fac(k + 2)),
            (-half, half),
            lambda r: abs(r),
            every,
        ),
        # log((1 + s) / (1 - s)) = 2 s + s^3 P(s^2)
        "log": Recipe(
            _series(_root(lambda s: (2 * mp.atanh(s) - 2 * s) / s**3), lambda k: mp.mpf(2) / (2 * k + 3)),
            (0, squares),
            lambda z: z / 2,
        ),
        # log((1 + s) / (1 - s)) = 2 s + 2/3 s^3 + s^5 P(s^2), for powers
        "log_tail": Recipe(
            _series(
                _root(lambda s: (2 * mp.atanh(s) - 2 * s - 2 * s**3 / 3) / s**5), lambda k: mp.mpf(2) / (2 * k + 5)
            ),
            (0, squares),
            lambda z: z**2 / 2,
            {24: 38, 53: 69},
        ),
        # log(1 + f) = f - f^2 / 2 + f^3 P(f)
        "log_direct": Recipe(
            _series(lambda f: (mp.log1p(f) - f + f * f / 2) / f**3, lambda k: mp.mpf((-1) ** k) / (k + 3)),
            (mp.sqrt(0.5) - 1, mp.sqrt(2) - 1),
            lambda f: f * f,
            {24: 28},
        ),
        # sin r = r + r^3 P(r^2), to a right angle
        "sin": Recipe(
            _series(_root(lambda r: (mp.sin(r) - r) / r**3), lambda k: (-1) ** (k + 1) / fac(2 * k + 3)),
            (0, right),
            lambda z: z,
        ),
        # the same to half a right angle
        "sin_near": Recipe(
            _series(_root(lambda r: (mp.sin(r) - r) / r**3), lambda k: (-1) ** (k + 1) / fac(2 * k + 3)),
            (0, quarter),
            lambda z: z,
        ),
        # cos r = 1 - r^2 / 2 + r^4 P(r^2)
        "cos_near": Recipe(
            _series(_root(lambda r: (mp.cos(r) - 1 + r * r / 2) / r**4), lambda k: (-1) ** k / fac(2 * k + 4)),
            (0, quarter),
            lambda z: z * z * 1.5,
        ),
        # arctan q = q + q^3 P(q^2)
        "arctan": Recipe(
            _series(_root(lambda q: (mp.atan(q) - q) / q**3), lambda k: mp.mpf((-1) ** (k + 1)) / (2 * k + 3)),
            (0, radian),
            lambda z: z,
        ),
        # arcsin s = s + s^3 P(s^2)
        "arcsin": Recipe(
            _series(
                _root(lambda s: (mp.asin(s) - s) / s**3),
                lambda k: mp.binomial(2 * k + 2, k + 1) / mp.mpf(4) ** (k + 1) / (2 * k + 3),
            ),
            (0, mp.mpf("0.2501")),
            lambda z: z,
        ),
        # sinh x = x + x^3 P(x^2)
        "sinh": Recipe(
            _series(_root(lambda x: (mp.sinh(x) - x) / x**3), lambda k: 1 / fac(2 * k + 3)), (0, 1), lambda z: z
        ),
        # the cube root, before one step of Halley's method
        "cbrt": Recipe(mp.cbrt, (1, 2), lambda x: 1 / mp.cbrt(x), {24: 10, 32: 13, 53: 19}),
        # erf x = x + x P(x^2)
        "erf": Recipe(
            _series(
                _root(lambda x: mp.erf(x) / x - 1),
                lambda k: 2 / mp.sqrt(mp.pi) * mp.mpf((-1) ** k) / (fac(k) * (2 * k + 1)) - (k == 0),
            ),
            (0, 1),
            lambda z: 1,
            every,
        ),
        # erfc x = e^(-x^2) P((x - 4) / (x + 4)) / (1 + 2 x); Shepherd and Laframboise, Math. Comp. 36 (1981)
        "erfc": Recipe(_scaled_erfc, (mp.mpf("-0.9"), mp.mpf("0.76")), lambda t: 1 / _scaled_erfc(t), every),
        # erfc x = e^-P(x), for erf in float32
        "erfc_direct": Recipe(lambda x: -mp.log(mp.erfc(x)), (mp.mpf("0.99"), 4), lambda x: mp.mpf("0.2"), {24: 27}),
    }


def interpolation(f: Callable[[Any], Any], a: Any, b: Any, degree: int) -> list[Any]:
    """The coefficients, highest power first, of the polynomial through f in Chebyshev's points of [a, b]."""
    n = degree + 1
    middle, radius = (a + b) / mp.mpf(2), (b - a) / mp.mpf(2)
    angles = [mp.pi * (j + mp.mpf(1) / 2) / n for j in range(n)]
    values = [f(middle + radius * mp.cos(t)) for t in angles]
    chebyshev = [2 * mp.fsum([v * mp.cos(k * t) for v, t in zip(values, angles, strict=True)]) / n for k in range(n)]
    chebyshev[0] /= 2
    total, before, now = [mp.mpf(0)] * n, [mp.mpf(0)] * n, [mp.mpf(1)] + [mp.mpf(0)] * (n - 1)  # in powers of u
    for k in range(n):
        total = [t + chebyshev[k] * c for t, c in zip(total, now, strict=True)]
        shifted = [mp.mpf(0), *now[:-1]]
        before, now = now, [(1 if k == 0 else 2) * s - c for s, c in zip(shifted, before, strict=True)]
    result = [mp.mpf(0)]  # in powers of x = middle + radius u, by Horner's rule
    for c in reversed(total):
        times_x = [mp.mpf(0), *result]
        result = [(p - middle * q) / radius for p, q in zip(times_x, [*result, mp.mpf(0)], strict=True)]
        result[0] += c
    return result[n - 1 :: -1]


def coefficients(recipe: Recipe, digits: int) -> tuple[float, ...]:
    """The polynomial of the least degree that has the recipe's accuracy."""
    a, b = map(mp.mpf, recipe.interval)
    points = [a + (b - a) * (1 - mp.cos(mp.pi * j / 150)) / 2 for j in range(151)]
    samples = [(x, recipe.f(x), recipe.weight(x)) for x in points]
    for degree in range(2, 40):
        c = interpolation(recipe.f, a, b, degree)
        if max(abs((mp.polyval(c, x) - y) * w) for x, y, w in samples) < mp.mpf(2) ** -recipe.bits[digits]:
            return tuple(map(float, c))
    raise ArithmeticError("no polynomial is accurate enough")


def table() -> dict[str, dict[int, tuple[float, ...]]]:
    """All of them."""
    with mp.workdps(60):
        return {name: {d: coefficients(r, d) for d in DIGITS if d in r.bits} for name, r in recipes().items()}


def constants() -> dict[str, tuple[Any, dict[int, tuple[int, ...]]]]:
    """Name -> value, and by the bits of a float the digits of each of the parts that it is split into."""
    return {
        "ln2": (mp.log(2), {64: (32, 53), 32: (15, 24)}),
        "ln2_long": (mp.log(2), {64: (41, 53), 32: (15, 24)}),
        "two_thirds": (mp.mpf(2) / 3, {64: (53, 53), 32: (24, 24)}),
        "log2e": (1 / mp.log(2), {64: (26, 53), 32: (12, 24)}),
        "log10e": (1 / mp.log(10), {64: (26, 53), 32: (12, 24)}),
        "log10_2": (mp.log10(2), {64: (40, 53), 32: (14, 24)}),
        "pi": (mp.pi, {64: (53, 53, 53), 32: (24, 24, 24)}),
        "pi_split": (mp.pi, {64: (32, 32, 32, 53), 32: (9, 9, 9, 9, 24)}),
        "half_pi": (mp.pi / 2, {64: (53, 53, 53), 32: (24, 24, 24)}),
        "half_pi_split": (mp.pi / 2, {64: (32, 32, 32, 53), 32: (9, 9, 9, 9, 24)}),
        "quarter_pi": (mp.pi / 4, {64: (50, 53), 32: (21, 24)}),
    }


def parts(value: Any, digits: tuple[int, ...]) -> tuple[float, ...]:
    """Floats that sum to the value, each rounded to so many digits."""
    result = []
    for n in digits:
        with mp.workprec(n):
            result.append(+value)
        value -= result[-1]
    return tuple(map(float, result))


def inverse_pi() -> list[int]:
    """64 zeros and 1280 binary digits of 1 / pi, in words."""
    with mp.workdps(500):
        digits = int(mp.floor(mp.ldexp(1 / mp.pi, 1280)))
    return [0, *[digits >> (1280 - 64 * (i + 1)) & (1 << 64) - 1 for i in range(20)]]


def text() -> str:
    """The module."""
    lines = ['"""Polynomials, highest power first: name -> digits of the result -> coefficients.', ""]
    lines += ["Made by `benchmarks/polynomials.py`, which has what each of them goes into.", '"""', ""]
    lines += ["COEFFICIENTS: dict[str, dict[int, tuple[float, ...]]] = {"]
    for name, rows in table().items():
        lines.append(f'    "{name}": {{')
        for digits, row in rows.items():
            lines += [f"        {digits}: (", *[f"            {c!r}," for c in row], "        ),"]
        lines.append("    },")
    lines += ["}", "", "# Constants as sums: name -> bits of a float -> parts.", ""]
    lines += ["PARTS: dict[str, dict[int, tuple[float, ...]]] = {"]
    with mp.workdps(80):
        for name, (value, rows) in constants().items():
            lines.append(f'    "{name}": {{')
            lines += [f"        {bits}: {parts(value, digits)!r}," for bits, digits in rows.items()]
            lines.append("    },")
    lines += ["}", "", "# 64 zeros, then the binary digits of 1 / pi.", "INVERSE_PI = ("]
    lines += [f"    0x{w:016X}," for w in inverse_pi()]
    return "\n".join([*lines, ")"])


if __name__ == "__main__":
    print(text())
