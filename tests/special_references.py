"""scipy.special's functions by mpmath, in as many digits as one likes: what its derivatives are measured against.

    REFERENCES[name](*arguments)   the function (a tuple for one with several results), up to a constant
    SLOPES[name](*arguments)       for integrals: their derivative, by definition

`python tests/special_references.py [NAME ...]` measures again what `wengert/scipy/special_accuracy.py` states.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import mpmath as mp
import numpy as np
import scipy.special as sp

import wengert as wg
import wengert.scipy.special
from wengert.scipy.special_accuracy import ROWS, Row, draw
from wengert.scipy.special_declare import PARTIALS

Reference = Callable[..., Any]


def _normal(x: Any) -> Any:
    return mp.erfc(-x / mp.sqrt(2)) / 2


def _quantile(p: Any) -> Any:
    x = mp.mpf(float(sp.ndtri(float(p))))
    return mp.findroot(lambda t: mp.log(_normal(t) / p) if p < 0.5 else mp.log((1 - _normal(t)) / (1 - p)), x)


def _lower(a: Any, x: Any) -> Any:
    return mp.gammainc(a, 0, x, regularized=True)


def _upper(a: Any, x: Any) -> Any:
    return mp.gammainc(a, x, mp.inf, regularized=True)


def _beta(a: Any, b: Any, x: Any) -> Any:
    return mp.betainc(a, b, 0, x, regularized=True)


def _beta_c(a: Any, b: Any, x: Any) -> Any:
    return mp.betainc(b, a, 0, 1 - x, regularized=True)


def _smaller(lower: Reference, upper: Reference) -> Reference:
    """A distribution function or, where that is the smaller number, its complement with the sign changed."""

    def f(*xs: Any) -> Any:
        z = lower(*xs)
        return z if z < 0.5 else -upper(*xs)

    return f


def _student(v: Any, t: Any) -> Any:
    tail = _beta(v / 2, mp.mpf(0.5), v / (v + t * t)) / 2
    return 1 - tail if t > 0 else tail


def _f(m: Any, n: Any, x: Any) -> Any:
    return _beta(m / 2, n / 2, m * x / (n + m * x))


def _f_c(m: Any, n: Any, x: Any) -> Any:
    return _beta(n / 2, m / 2, n / (n + m * x))


_gamma_s, _beta_s, _f_s = _smaller(_lower, _upper), _smaller(_beta, _beta_c), _smaller(_f, _f_c)


def _complement(f: Reference) -> Reference:
    return lambda *xs: -f(*xs)


def _bdtr(k: Any, n: Any, p: Any) -> Any:
    return _beta_s(n - mp.floor(k), mp.floor(k) + 1, 1 - p)


def _nbdtr(k: Any, n: Any, p: Any) -> Any:
    return _beta_s(n, mp.floor(k) + 1, p)


def _gdtr(a: Any, b: Any, x: Any) -> Any:
    return _lower(b, a * x)


def _mixture(nc: Any, term: Callable[[int], Any]) -> Any:
    """The sum of Poisson(j; nc / 2) term(j)."""
    total, weight, j = mp.mpf(0), mp.exp(-nc / 2), 0
    while True:
        part = weight * term(j)
        total += part
        j += 1
        weight = weight * nc / (2 * j)
        if j > nc and abs(part) < abs(total) * mp.eps:
            return total


def _chndtr(x: Any, v: Any, nc: Any) -> Any:
    return _mixture(nc, lambda j: _lower(v / 2 + j, x / 2))


def _ncfdtr(m: Any, n: Any, nc: Any, x: Any) -> Any:
    return _mixture(nc, lambda j: _beta(m / 2 + j, n / 2, m * x / (n + m * x)))


def _nctdtr(v: Any, nc: Any, t: Any) -> Any:
    if t < 0:
        return 1 - _nctdtr(v, -nc, -t)
    y = t * t / (v + t * t)
    root = mp.sqrt(2)

    def term(j: int) -> Any:
        odd = nc / root * mp.gamma(j + 1) / mp.gamma(j + mp.mpf(1.5))
        return _beta(j + mp.mpf(0.5), v / 2, y) + odd * _beta(j + mp.mpf(1), v / 2, y)

    return _normal(-nc) + _mixture(nc * nc, term) / 2


def _smirnov(n: Any, d: Any) -> Any:
    count = int(mp.floor(n * (1 - d)))
    return sum(mp.binomial(n, j) * d * (d + j / n) ** (j - 1) * (1 - d - j / n) ** (n - j) for j in range(count + 1))


def _kolmogorov(x: Any) -> Any:
    return (
        2 * mp.nsum(lambda k: (-1) ** (int(k) - 1) * mp.exp(-2 * k * k * x * x), [1, mp.inf], method="d")
        if x > 5
        else (
            2 * sum((-1) ** (k - 1) * mp.exp(-2 * k * k * x * x) for k in range(1, 60))
            if x > 0.5
            else 1
            - mp.sqrt(2 * mp.pi) / x * sum(mp.exp(-((2 * k - 1) ** 2) * mp.pi**2 / (8 * x * x)) for k in range(1, 20))
        )
    )


def _wright(a: Any, b: Any, x: Any) -> Any:
    total, k, power = mp.mpf(0), 0, mp.mpf(1)
    while True:
        part = power * mp.rgamma(a * k + b)
        total += part
        k += 1
        power = power * x / k
        if k > 20 and abs(part) < abs(total) * mp.eps:
            return total


def _ellipj(u: Any, m: Any) -> Any:
    sn, cn, dn = (mp.ellipfun(f, u, m) for f in ("sn", "cn", "dn"))
    turns = mp.nint(u / (4 * mp.ellipk(m)))
    return sn, cn, dn, mp.atan2(sn, cn) + 2 * mp.pi * turns


def _sh_jacobi(n: Any, p: Any, q: Any, x: Any) -> Any:
    return mp.jacobi(n, p - q, q - 1, 2 * x - 1) / mp.binomial(2 * n + p - 1, n)


def _w(z: Any) -> Any:
    return mp.exp(-z * z) * mp.erfc(-1j * z)


def _fresnel_tail(sign: int) -> Reference:
    def f(x: Any) -> Any:
        turn = mp.exp(1j * sign * mp.pi / 4)
        tail = mp.sqrt(mp.pi) / 2 * turn * mp.erfc(x / turn)
        return tail, mp.exp(-1j * sign * (x * x + mp.pi / 4)) * tail / mp.sqrt(mp.pi)

    return f


def _kelvin_prime(real: Reference, imaginary: Reference, sign: int) -> Reference:
    return lambda x: (sign * real(1, x) + imaginary(1, x)) / mp.sqrt(2)


def _log_expit(x: Any) -> Any:
    return -mp.log1p(mp.exp(-x))


def _pseudo_huber(d: Any, r: Any) -> Any:
    return d * d * (mp.sqrt(1 + (r / d) ** 2) - 1)


def _power_transform(x: Any, lmbda: Any) -> Any:
    """(x**l - 1) / l, of log x."""
    return mp.expm1(lmbda * x) / lmbda if lmbda else x + lmbda * x * x / 2


def _log_transform(y: Any, lmbda: Any) -> Any:
    return mp.log1p(lmbda * y) / lmbda if lmbda else y - lmbda * y * y / 2


def inverse(name: str, of: Reference, places: tuple[Any, ...], value: int) -> Reference:
    """The inverse of `of`, found from SciPy's own result."""

    def f(*xs: Any) -> Any:
        start = mp.mpf(float(getattr(sp, name)(*[float(x) for x in xs])))
        equation = lambda z: of(*[z if p == "z" else xs[p] for p in places]) - xs[value]  # noqa: E731
        return mp.findroot(
            equation,
            (start, start * (1 + mp.mpf(10) ** -8)),
            tol=mp.mpf(10) ** (-2 * mp.mp.dps + 8) * abs(xs[value]) ** 2,
            verify=False,
        )

    return f


_BERP, _BEIP = _kelvin_prime(mp.ber, mp.bei, 1), _kelvin_prime(mp.ber, mp.bei, -1)
_KERP, _KEIP = _kelvin_prime(mp.ker, mp.kei, 1), _kelvin_prime(mp.ker, mp.kei, -1)


def _owens_t(h: Any, a: Any) -> Any:
    return mp.quad(lambda t: mp.exp(-h * h * (1 + t * t) / 2) / (1 + t * t), [0, a / 2, a]) / (2 * mp.pi)


PI = mp.pi
REFERENCES: dict[str, Reference] = {
    "agm": mp.agm,
    "airy": lambda x: (mp.airyai(x), mp.airyai(x, derivative=1), mp.airybi(x), mp.airybi(x, derivative=1)),
    "airye": lambda x: tuple(
        v * mp.exp(s * mp.mpf(2) / 3 * x * mp.sqrt(x)) for v, s in zip(REFERENCES["airy"](x), (1, 1, -1, -1), strict=True)
    ),
    "bdtr": _bdtr,
    "bdtrc": _complement(_bdtr),
    "bei": lambda x: mp.bei(0, x), "ber": lambda x: mp.ber(0, x), "kei": lambda x: mp.kei(0, x), "ker": lambda x: mp.ker(0, x),
    "berp": _BERP, "beip": _BEIP, "kerp": _KERP, "keip": _KEIP, "owens_t": _owens_t,
    "besselpoly": lambda a, lmb, nu: mp.quad(lambda t: t**lmb * mp.besselj(nu, 2 * a * t), [0, 0.5, 1]),
    "beta": mp.beta, "betaln": lambda a, b: mp.log(mp.beta(a, b)), "betainc": _beta_s, "betaincc": _complement(_beta_s), "binom": mp.binomial,
    "boxcox": lambda x, lmbda: _power_transform(mp.log(x), lmbda), "boxcox1p": lambda x, lmbda: _power_transform(mp.log1p(x), lmbda),
    "inv_boxcox": lambda y, lmbda: mp.exp(_log_transform(y, lmbda)), "inv_boxcox1p": lambda y, lmbda: mp.expm1(_log_transform(y, lmbda)),
    "cbrt": lambda x: mp.sign(x) * mp.cbrt(abs(x)), "chdtr": lambda v, x: _gamma_s(v / 2, x / 2), "chdtrc": lambda v, x: -_gamma_s(v / 2, x / 2),
    "chndtr": _chndtr, "ncfdtr": _ncfdtr, "nctdtr": _nctdtr,
    "cosdg": lambda x: mp.cos(x * PI / 180), "sindg": lambda x: mp.sin(x * PI / 180), "tandg": lambda x: mp.tan(x * PI / 180),
    "cotdg": lambda x: mp.cot(x * PI / 180), "cosm1": lambda x: mp.cos(x) - 1, "radian": lambda d, m, s: (d + m / 60 + s / 3600) * PI / 180,
    "dawsn": lambda x: mp.sqrt(PI) / 2 * mp.exp(-x * x) * mp.erfi(x), "psi": lambda x: mp.psi(0, x),
    "ellipe": mp.ellipe, "ellipk": mp.ellipk, "ellipkm1": lambda p: PI / 2 / mp.agm(1, mp.sqrt(p)), "ellipeinc": mp.ellipe, "ellipkinc": mp.ellipf,
    "ellipj": _ellipj, "elliprc": mp.elliprc, "elliprd": mp.elliprd, "elliprf": mp.elliprf, "elliprg": mp.elliprg, "elliprj": mp.elliprj,
    "entr": lambda x: -x * mp.log(x), "erf": mp.erf, "erfc": mp.erfc, "erfcx": lambda x: mp.exp(x * x) * mp.erfc(x), "erfi": mp.erfi,
    "erfinv": mp.erfinv, "erfcinv": lambda y: -_quantile(y / 2) / mp.sqrt(2),
    "eval_legendre": mp.legendre, "eval_chebyt": mp.chebyt, "eval_chebyu": mp.chebyu, "eval_chebyc": lambda n, x: 2 * mp.chebyt(n, x / 2),
    "eval_chebys": lambda n, x: mp.chebyu(n, x / 2), "eval_sh_legendre": lambda n, x: mp.legendre(n, 2 * x - 1),
    "eval_sh_chebyt": lambda n, x: mp.chebyt(n, 2 * x - 1), "eval_sh_chebyu": lambda n, x: mp.chebyu(n, 2 * x - 1),
    "eval_laguerre": lambda n, x: mp.laguerre(n, 0, x), "eval_genlaguerre": mp.laguerre, "eval_hermite": mp.hermite,
    "eval_hermitenorm": lambda n, x: mp.mpf(2) ** (-n / 2) * mp.hermite(n, x / mp.sqrt(2)),
    "eval_gegenbauer": mp.gegenbauer, "eval_jacobi": mp.jacobi, "eval_sh_jacobi": _sh_jacobi,
    "exp1": mp.e1, "exp10": lambda x: mp.mpf(10) ** x, "exp2": lambda x: mp.mpf(2) ** x, "expi": mp.ei,
    "expit": lambda x: 1 / (1 + mp.exp(-x)), "expm1": mp.expm1, "expn": mp.expint,
    "exprel": lambda x: mp.expm1(x) / x, "fdtr": _f_s, "fdtrc": _complement(_f_s), "fresnel": lambda x: (mp.fresnels(x), mp.fresnelc(x)),
    "gamma": mp.gamma, "gammainc": _gamma_s, "gammaincc": _complement(_gamma_s), "gammaln": lambda x: mp.log(abs(mp.gamma(x))),
    "loggamma": mp.loggamma, "gdtr": lambda a, b, x: _gamma_s(b, a * x), "gdtrc": lambda a, b, x: -_gamma_s(b, a * x),
    "hankel1": mp.hankel1, "hankel2": mp.hankel2,
    "hankel1e": lambda v, x: mp.hankel1(v, x) * mp.exp(-1j * x), "hankel2e": lambda v, x: mp.hankel2(v, x) * mp.exp(1j * x),
    "huber": lambda d, r: r * r / 2 if abs(r) <= d else d * (abs(r) - d / 2), "pseudo_huber": _pseudo_huber,
    "hyp0f1": mp.hyp0f1, "hyp1f1": mp.hyp1f1, "hyp2f1": mp.hyp2f1, "hyperu": mp.hyperu,
    "i0": lambda x: mp.besseli(0, x), "i1": lambda x: mp.besseli(1, x), "j0": mp.j0, "j1": mp.j1,
    "k0": lambda x: mp.besselk(0, x), "k1": lambda x: mp.besselk(1, x), "y0": lambda x: mp.bessely(0, x), "y1": lambda x: mp.bessely(1, x),
    "i0e": lambda x: mp.besseli(0, x) * mp.exp(-abs(x)), "i1e": lambda x: mp.besseli(1, x) * mp.exp(-abs(x)),
    "k0e": lambda x: mp.besselk(0, x) * mp.exp(x), "k1e": lambda x: mp.besselk(1, x) * mp.exp(x),
    "iv": mp.besseli, "jv": mp.besselj, "kv": mp.besselk, "yv": mp.bessely, "kn": mp.besselk, "yn": mp.bessely,
    "ive": lambda v, x: mp.besseli(v, x) * mp.exp(-abs(x)), "jve": mp.besselj, "yve": mp.bessely,
    "kve": lambda v, x: mp.besselk(v, x) * mp.exp(x),
    "kl_div": lambda x, y: x * mp.log(x / y) - x + y, "rel_entr": lambda x, y: x * mp.log(x / y),
    "kolmogorov": _kolmogorov, "log1p": mp.log1p, "log_expit": _log_expit, "logit": lambda p: mp.log(p / (1 - p)),
    "log_ndtr": lambda x: mp.log(_normal(x)) if x < 0 else mp.log1p(-_normal(-x)), "ndtr": lambda x: _normal(x) if x < 0 else -_normal(-x), "ndtri": _quantile, "ndtri_exp": lambda y: _quantile(mp.exp(y)),
    "wright_bessel": _wright, "log_wright_bessel": lambda a, b, x: mp.log(_wright(a, b, x)),
    "lpmv": lambda m, v, x: mp.legenp(v, m, x, type=2),
    "modfresnelp": _fresnel_tail(1), "modfresnelm": _fresnel_tail(-1), "modstruve": mp.struvel, "struve": mp.struveh,
    "nbdtr": _nbdtr, "nbdtrc": _complement(_nbdtr),
    "nrdtrimn": lambda p, sd, x: x - sd * _quantile(p), "nrdtrisd": lambda mean, p, x: (x - mean) / _quantile(p),
    "pbdv": lambda v, x: (mp.pcfd(v, x), None), "pbvv": lambda v, x: (mp.pcfv(-v - 0.5, x), None), "pbwa": lambda a, x: (mp.pcfw(a, x), None),
    "pdtr": lambda k, m: -_gamma_s(mp.floor(k) + 1, m), "pdtrc": lambda k, m: _gamma_s(mp.floor(k) + 1, m), "poch": mp.rf,
    "powm1": lambda x, y: x**y - 1, "rgamma": mp.rgamma, "shichi": lambda x: (mp.shi(x), mp.re(mp.chi(x))), "sici": lambda x: (mp.si(x), mp.ci(x)),
    "smirnov": _smirnov, "spence": lambda x: mp.re(mp.polylog(2, 1 - x)), "stdtr": lambda v, t: _student(v, t) if t < 0 else -_student(v, -t),
    "voigt_profile": lambda x, s, g: mp.re(_w((x + 1j * g) / (s * mp.sqrt(2)))) / (s * mp.sqrt(2 * PI)),
    "wofz": lambda x: _w(mp.mpc(x)), "wrightomega": lambda x: mp.lambertw(mp.exp(x)) if x < 100 else mp.findroot(lambda w: w + mp.log(w) - x, x),
    "xlogy": lambda x, y: x * mp.log(y), "xlog1py": lambda x, y: x * mp.log1p(y),
}  # fmt: skip

SLOPES: dict[str, Reference] = {  # integrals in their limit, by what is integrated
    "it2i0k0": lambda x: ((mp.besseli(0, x) - 1) / x, -mp.besselk(0, x) / x),
    "it2j0y0": lambda x: ((1 - mp.besselj(0, x)) / x, -mp.bessely(0, x) / x),
    "iti0k0": lambda x: (mp.besseli(0, x), mp.besselk(0, x)), "itj0y0": lambda x: (mp.besselj(0, x), mp.bessely(0, x)),
    "itairy": lambda x: (mp.airyai(x), mp.airybi(x), mp.airyai(-x), mp.airybi(-x)),
    "itstruve0": lambda x: mp.struveh(0, x), "itmodstruve0": lambda x: mp.struvel(0, x), "it2struve0": lambda x: -mp.struveh(0, x) / x,
    "kelvin": lambda x: (
        mp.mpc(_BERP(x), _BEIP(x)), mp.mpc(_KERP(x), _KEIP(x)),
        mp.mpc(-mp.bei(0, x) - _BERP(x) / x, mp.ber(0, x) - _BEIP(x) / x), mp.mpc(-mp.kei(0, x) - _KERP(x) / x, mp.ker(0, x) - _KEIP(x) / x),
    ),
}  # fmt: skip

for _name, _of, _places, _value in (
    ("bdtri", lambda k, n, p: _beta(n - k, k + 1, 1 - p), (0, 1, "z"), 2), ("nbdtri", lambda k, n, p: _beta(n, k + 1, p), (0, 1, "z"), 2),
    ("bdtrik", lambda k, n, p: _beta(n - k, k + 1, 1 - p), ("z", 1, 2), 0), ("bdtrin", lambda k, n, p: _beta(n - k, k + 1, 1 - p), (0, "z", 2), 1),
    ("nbdtrik", lambda k, n, p: _beta(n, k + 1, p), ("z", 1, 2), 0), ("nbdtrin", lambda k, n, p: _beta(n, k + 1, p), (0, "z", 2), 1),
    ("betaincinv", _beta, (0, 1, "z"), 2), ("betainccinv", _beta_c, (0, 1, "z"), 2), ("btdtria", _beta, ("z", 1, 2), 0), ("btdtrib", _beta, (0, "z", 2), 1),
    ("chdtri", lambda v, x: _upper(v / 2, x / 2), (0, "z"), 1), ("chdtriv", lambda v, x: _lower(v / 2, x / 2), ("z", 1), 0), ("chndtrix", _chndtr, ("z", 1, 2), 0), ("chndtrinc", _chndtr, (0, 1, "z"), 2),
    ("fdtri", _f, (0, 1, "z"), 2), ("fdtridfd", _f, (0, "z", 2), 1), ("gammaincinv", _lower, (0, "z"), 1), ("gammainccinv", _upper, (0, "z"), 1),
    ("gdtria", _gdtr, ("z", 1, 2), 0), ("gdtrib", _gdtr, (0, "z", 2), 1), ("gdtrix", _gdtr, (0, 1, "z"), 2),
    ("kolmogi", _kolmogorov, ("z",), 0), ("smirnovi", _smirnov, (0, "z"), 1), ("ncfdtri", _ncfdtr, (0, 1, 2, "z"), 3), ("ncfdtrinc", _ncfdtr, (0, 1, "z", 3), 2),
    ("nctdtrit", _nctdtr, (0, 1, "z"), 2), ("nctdtrinc", _nctdtr, (0, "z", 2), 1), ("pdtri", lambda k, m: _upper(k + 1, m), (0, "z"), 1), ("pdtrik", lambda k, m: _upper(k + 1, m), ("z", 1), 0),
    ("stdtrit", _student, (0, "z"), 1), ("stdtridf", _student, ("z", 1), 0), ("tklmbda", lambda p, lm: _power_transform(mp.log(p), lm) - _power_transform(mp.log(1 - p), lm), ("z", 1), 0),
):  # fmt: skip
    REFERENCES[_name] = inverse(_name, _of, _places, _value)


# ---- measuring ----------------------------------------------------------------------------------------------

DIGITS = 50


def slope(name: str, i: int, xs: list[Any], part: int) -> Any:
    """The derivative with respect to argument i; the step is relative to it."""
    size = xs[i] or mp.mpf(1)

    def f(s: Any) -> Any:
        y = (SLOPES if name in SLOPES else REFERENCES)[name](*[s * size if k == i else x for k, x in enumerate(xs)])
        return y[part] if isinstance(y, tuple) else y

    return f(xs[i] / size) if name in SLOPES else mp.diff(f, xs[i] / size) / size


def gradients(ufunc: Any, i: int, xs: list[Any]) -> list[Any]:
    """Our derivative of each result with respect to argument i, element by element."""
    x = wg.Variable(xs[i])
    results = ufunc(*[x if k == i else y for k, y in enumerate(xs)])
    found = []
    for y in results if isinstance(results, tuple) else (results,):
        g = 0
        for part, unit in ((np.real, 1), (np.imag, 1j)) if y.dtype.kind == "c" else ((np.positive, 1),):
            x.cleargrad()
            np.sum(part(y)).backward(retain_graph=True)
            g = g + unit * x.grad
        found.append(g)
    return found


def error(row: Row, i: int, n: int, seed: int) -> float:
    """The largest error of the derivative with respect to argument i at n points: see special_accuracy.py."""
    ufunc, xs = getattr(sp, row.name), draw(row, n, seed)
    nearby = list(xs)
    nearby[i] = xs[i] * (1 + 1e-6)
    worst = 0.0
    for part, (g, other) in enumerate(zip(gradients(ufunc, i, xs), gradients(ufunc, i, nearby), strict=True)):
        if part and row.name in ("pbdv", "pbvv", "pbwa"):  # whose second result is the first one's derivative
            continue
        for k in range(n):
            with mp.workdps(DIGITS):
                exact = slope(row.name, i, [mp.mpf(float(x[k])) for x in xs], part)
                size = abs(exact) + abs(complex(other[k] - g[k])) / 1e-6
                if 1e-290 < abs(exact) < 1e290:
                    worst = max(worst, float(abs(mp.mpmathify(complex(g[k])) - exact) / size))
    return worst


def main(names: list[str]) -> None:
    """Print each row's largest errors."""
    np.seterr(all="ignore")
    for row in ROWS:
        if not names or row.name in names:
            tracked = [i for i, p in enumerate(PARTIALS[getattr(sp, row.name)]) if p is not None]
            print(row.name, row.domain, [f"{error(row, i, 24, 0):.1e}" for i in tracked], flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
