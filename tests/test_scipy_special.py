"""scipy.special on Variables: every derivative against finite differences, values bit for bit, refusals by name."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import wengert as wg

sp = pytest.importorskip("scipy.special", reason="SciPy is an optional extra: pip install 'wengert[scipy]'")

import wengert.scipy.special as wsp  # noqa: E402
from wengert.scipy.special_declare import PARTIALS, RULES, argument_name  # noqa: E402

ALL = {n: f for n in dir(sp) if isinstance(f := getattr(sp, n), np.ufunc) and f.__name__ == n}
WIDE, SMALL, UNIT, RIGHT, FAR = (-2.0, 2.0), (-0.8, 0.8), (0.15, 0.85), (0.4, 2.5), (1.3, 3.0)

# name, then for each argument an interval (tracked) or a constant
TABLE: list[tuple[Any, ...]] = [
    ("agm", RIGHT, RIGHT), ("airy", WIDE), ("airye", RIGHT),
    ("bdtr", 2.0, 5, UNIT), ("bdtrc", 2.0, 5, UNIT), ("bdtri", 2.0, 5, UNIT), ("bdtrik", UNIT, (4.0, 9.0), (0.3, 0.7)),
    ("bdtrin", (1.2, 3.0), UNIT, (0.3, 0.7)),
    *[(n, RIGHT) for n in ("bei", "beip", "ber", "berp", "kei", "keip", "ker", "kerp", "kelvin")],
    ("besselpoly", RIGHT, 1.5, 0.5), ("beta", RIGHT, RIGHT), ("betaln", RIGHT, RIGHT),
    ("betainc", RIGHT, RIGHT, UNIT), ("betaincc", RIGHT, RIGHT, UNIT), ("betaincinv", RIGHT, RIGHT, UNIT),
    ("betainccinv", RIGHT, RIGHT, UNIT), ("binom", (3.2, 5.0), (0.2, 2.8)), ("binom", (3.2, 5.0), 2),
    *[(n, RIGHT, SMALL) for n in ("boxcox", "boxcox1p")], ("boxcox", RIGHT, 0.0),
    *[(n, SMALL, SMALL) for n in ("inv_boxcox", "inv_boxcox1p")], ("inv_boxcox", SMALL, 0.0),
    ("btdtria", (0.2, 0.6), RIGHT, (0.3, 0.7)), ("btdtrib", RIGHT, (0.2, 0.6), (0.3, 0.7)),
    ("cbrt", RIGHT), ("chdtr", FAR, RIGHT), ("chdtrc", FAR, RIGHT), ("chdtri", FAR, UNIT), ("chdtriv", UNIT, RIGHT),
    ("chndtr", RIGHT, 3.0, RIGHT), ("chndtrix", UNIT, 3.0, RIGHT), ("chndtrinc", (2.5, 4.0), 3.0, (0.1, 0.4)),
    *[(n, (20.0, 70.0)) for n in ("cosdg", "cotdg", "sindg", "tandg")], ("cosm1", WIDE), ("dawsn", WIDE), ("psi", RIGHT),
    ("psi", (-1.8, -1.2)), ("ellipe", SMALL), ("ellipk", SMALL), ("ellipkm1", RIGHT),
    ("ellipeinc", (-5.0, 5.0), SMALL), ("ellipkinc", (-5.0, 5.0), SMALL), ("ellipkinc", (0.2, 1.2), 1.0),
    ("ellipj", WIDE, UNIT), ("elliprc", RIGHT, RIGHT), ("elliprc", RIGHT, (-2.0, -0.5)), ("elliprd", RIGHT, RIGHT, RIGHT),
    ("elliprf", RIGHT, RIGHT, RIGHT), ("elliprg", RIGHT, RIGHT, RIGHT), ("elliprj", RIGHT, RIGHT, RIGHT, RIGHT),
    ("entr", RIGHT), ("erf", WIDE), ("erfc", WIDE), ("erfcinv", (0.3, 1.7)), ("erfcx", WIDE), ("erfcx", (4.0, 6.0)),
    ("erfi", WIDE), ("erfinv", SMALL),
    *[(f"eval_{n}", k, SMALL) for n in ("legendre", "chebyt", "chebyu", "chebyc", "chebys", "laguerre", "hermite",
      "hermitenorm", "sh_legendre", "sh_chebyt", "sh_chebyu") for k in (0, 1, 4)],
    *[(f"eval_{n}", k, UNIT) for n in ("legendre", "chebyt", "chebyu", "chebyc", "chebys", "sh_legendre", "sh_chebyt",
      "sh_chebyu") for k in (-1, -2, -4)],
    *[(f"eval_{n}", 2.5, UNIT) for n in ("legendre", "chebyt", "chebyu", "laguerre")],
    *[(f"eval_{n}", k, 1.5, SMALL) for n in ("gegenbauer", "genlaguerre") for k in (0, 1, 4)],
    *[("eval_jacobi", k, 0.5, 1.5, SMALL) for k in (0, 1, 4)], *[("eval_sh_jacobi", k, 2.5, 1.5, UNIT) for k in (0, 1, 4)],
    ("exp1", RIGHT), ("exp10", WIDE), ("exp2", WIDE), ("expi", RIGHT), ("expi", (-2.0, -0.5)), ("expit", WIDE),
    ("expm1", WIDE), *[("expn", n, RIGHT) for n in (0, 1, 2, 3)], ("exprel", WIDE), ("fdtr", FAR, FAR, RIGHT),
    ("fdtrc", FAR, FAR, RIGHT), ("fdtri", FAR, FAR, UNIT), ("fdtridfd", FAR, (0.5, 0.6), (1.1, 1.4)), ("fresnel", WIDE),
    ("gamma", RIGHT), ("gamma", (-1.8, -1.2)), ("gammainc", RIGHT, RIGHT), ("gammaincc", RIGHT, RIGHT),
    ("gammaincinv", RIGHT, UNIT), ("gammainccinv", RIGHT, UNIT), ("gammaln", RIGHT), ("loggamma", RIGHT),
    *[(n, RIGHT, RIGHT, RIGHT) for n in ("gdtr", "gdtrc")], ("gdtria", UNIT, RIGHT, RIGHT), ("gdtrib", RIGHT, UNIT, RIGHT),
    ("gdtrix", RIGHT, RIGHT, UNIT), *[(n, 1.5, RIGHT) for n in ("hankel1", "hankel1e", "hankel2", "hankel2e")],
    ("huber", RIGHT, WIDE), ("pseudo_huber", RIGHT, WIDE), ("hyp0f1", 1.5, WIDE), ("hyp1f1", 0.7, 1.5, WIDE),
    ("hyp2f1", 0.7, 1.2, 1.9, SMALL), ("hyperu", 0.7, 1.5, RIGHT),
    *[(n, RIGHT) for n in ("i0", "i0e", "i1", "i1e", "j0", "j1", "k0", "k0e", "k1", "k1e", "y0", "y1")],
    *[(n, RIGHT) for n in ("it2i0k0", "it2j0y0", "it2struve0", "itairy", "iti0k0", "itj0y0", "itmodstruve0", "itstruve0")],
    *[(n, v, RIGHT) for n in ("iv", "ive", "jv", "jve", "kv", "kve", "yv", "yve") for v in (0.0, 1.5)],
    *[(n, v, RIGHT) for n in ("kn", "yn") for v in (0, 2)], ("kl_div", RIGHT, RIGHT), ("rel_entr", RIGHT, RIGHT),
    ("kolmogi", UNIT), ("kolmogorov", (0.4, 1.6)), ("log1p", SMALL), ("log_expit", WIDE), ("log_ndtr", WIDE),
    ("log_ndtr", (-30.0, -20.0)), ("log_wright_bessel", 0.8, 1.2, RIGHT), ("logit", UNIT),
    ("lpmv", 1, 2.5, SMALL), ("lpmv", 0, 3, SMALL), ("lpmv", 2, 2, SMALL),
    *[(n, 2, 1.5, (10.0, 80.0)) for n in ("mathieu_cem", "mathieu_sem")],
    *[(f"mathieu_mod{n}", 2, 1.5, UNIT) for n in ("cem1", "cem2", "sem1", "sem2")],
    ("modfresnelm", RIGHT), ("modfresnelp", RIGHT), ("modstruve", 0.5, RIGHT), ("struve", 0.5, RIGHT), ("struve", 0.0, RIGHT),
    ("nbdtr", 2.0, 4.0, UNIT), ("nbdtrc", 2.0, 4.0, UNIT), ("nbdtri", 2.0, 4.0, UNIT), ("nbdtrik", (0.5, 0.8), FAR, (0.3, 0.4)), ("nbdtrik", (0.1, 0.2), FAR, (0.7, 0.9)),
    ("nbdtrin", (1.2, 3.0), UNIT, UNIT), ("ncfdtr", 3.0, 4.0, RIGHT, RIGHT), ("ncfdtri", 3.0, 4.0, RIGHT, UNIT),
    ("ncfdtrinc", 3.0, 4.0, (0.1, 0.3), (1.0, 1.5)), ("nctdtr", 3.0, WIDE, WIDE), ("nctdtrit", 3.0, WIDE, UNIT),
    ("nctdtrinc", 3.0, UNIT, WIDE), ("ndtr", WIDE), ("ndtri", UNIT), ("ndtri_exp", (-3.0, -0.2)),
    ("nrdtrimn", UNIT, RIGHT, WIDE), ("nrdtrisd", SMALL, (0.6, 0.9), FAR), ("owens_t", WIDE, WIDE),
    *[(f"{kind}_{n}", 1, 2, 1.5, x) for kind, n, x in (("pro", "ang1", SMALL), ("pro", "rad1", FAR),
      ("obl", "ang1", SMALL), ("obl", "rad1", RIGHT))],
    *[(f"{kind}_{n}_cv", 1, 2, 1.5, float(getattr(sp, f"{kind}_cv")(1, 2, 1.5)), x) for kind, n, x in (("pro", "ang1", SMALL),
      ("pro", "rad1", FAR), ("obl", "ang1", SMALL), ("obl", "rad1", RIGHT))],
    ("pbdv", 1.5, WIDE), ("pbvv", 1.5, WIDE), ("pbwa", 0.5, WIDE), ("pdtr", 2.0, RIGHT), ("pdtrc", 2.0, RIGHT),
    ("pdtri", 2, UNIT), ("pdtrik", UNIT, (3.0, 5.0)), ("poch", RIGHT, RIGHT), ("powm1", RIGHT, WIDE),
    ("radian", WIDE, WIDE, WIDE), ("rgamma", RIGHT), ("rgamma", (-2.2, -1.8)), ("shichi", RIGHT), ("sici", RIGHT),
    ("smirnov", 5, UNIT), ("smirnovi", 5, UNIT), ("spence", RIGHT), ("stdtr", FAR, WIDE), ("stdtridf", (0.7, 0.75), (0.7, 1.0)),
    ("stdtrit", FAR, (0.6, 0.9)), ("stdtrit", FAR, (0.1, 0.4)), ("tklmbda", SMALL, (0.2, 0.8)), ("tklmbda", SMALL, 0.0),
    ("voigt_profile", WIDE, RIGHT, RIGHT), ("wofz", WIDE), ("wright_bessel", 0.8, 1.2, RIGHT), ("wrightomega", WIDE),
    ("xlog1py", WIDE, SMALL), ("xlogy", WIDE, RIGHT),
]  # fmt: skip

ONCE = {"smirnov", "smirnovi"}  # whose derivative is known to the first order only
COARSE = {  # the accuracy of SciPy's own values
    "ncfdtrinc": 1e-3,
}
COMPLEX = [
    "airy", "dawsn", "psi", "erf", "erfc", "erfcx", "erfi", "exp1", "expi", "expm1", "fresnel", "gamma", "loggamma",
    "log1p", "log_ndtr", "ndtr", "rgamma", "shichi", "sici", "spence", "wofz", "wrightomega",
]  # fmt: skip
COMPLEX_LAST = [
    ("jv", 1.5), ("yv", 1.5), ("iv", 1.5), ("kv", 1.5), ("kve", 1.5), ("hankel1", 1.5), ("hankel2e", 1.5), ("hyp0f1", 1.5),
    ("hyp1f1", 0.7, 1.5), ("eval_legendre", 4.0), ("eval_chebyt", 4.0), ("eval_genlaguerre", 4.0, 1.5),
]  # fmt: skip


NOT_WHOLE = pytest.mark.filterwarnings("ignore:non-integer arg n:DeprecationWarning")  # SciPy's, of bdtr in float32


def _case(entry: tuple[Any, ...]) -> Any:
    name, *arguments = entry
    return pytest.param(name, arguments, id="-".join([name, *[str(a) for a in arguments if not isinstance(a, tuple)]]))


TABLE = [entry for entry in TABLE if entry[0] in ALL or entry[0] == "psi"]  # what this SciPy has
CASES = [_case(entry) for entry in TABLE]


def draw(name: str, arguments: list[Any], shape: Any = (3,), dtype: Any = np.float64) -> list[Any]:
    rng = np.random.default_rng(list(map(ord, name)))
    return [np.asarray(rng.uniform(*a, shape), dtype) for a in arguments if isinstance(a, tuple)]


def bind(function: Any, arguments: list[Any]) -> Any:
    def call(*xs: Any) -> Any:
        rest = iter(xs)
        return function(*[next(rest) if isinstance(a, tuple) else a for a in arguments])

    return call


@pytest.mark.parametrize(("name", "arguments"), CASES)
def test_derivatives(name: str, arguments: list[Any]):
    f = bind(getattr(sp, name), arguments)
    tol = COARSE.get(name)
    wg.check_grads(f, *draw(name, arguments), order=1 if name in ONCE else 2, tol=tol)


@NOT_WHOLE
@pytest.mark.parametrize(("name", "arguments"), CASES)
def test_value_and_gradient_dtype(name: str, arguments: list[Any]):
    # SciPy 1.17 computes spheroidal functions of float32 without end
    f = bind(getattr(sp, name), arguments)
    for dtype in (np.float64,) if name[:4] in ("pro_", "obl_") else (np.float32, np.float64):
        xs = draw(name, arguments, (2, 2), dtype)
        expected, vs = f(*xs), [wg.Variable(x) for x in xs]
        ys = f(*vs)
        several = isinstance(expected, tuple)
        for y, z in zip(ys if several else (ys,), expected if several else (expected,), strict=True):
            assert y.dtype == z.dtype
            np.testing.assert_array_equal(y.data, z)
        loss = sum([np.sum(np.real(y)) for y in (ys if several else (ys,))])
        loss.backward()
        assert all(v.grad.dtype == dtype and v.grad.shape == v.shape for v in vs)


@pytest.mark.parametrize("name", COMPLEX)
def test_complex_derivatives(name: str):
    z = np.array([0.7 + 0.4j, 1.3 - 0.6j, 0.4 + 1.1j])
    wg.check_grads(getattr(sp, name), z)


@pytest.mark.parametrize("entry", COMPLEX_LAST, ids=str)
def test_complex_argument(entry: tuple[Any, ...]):
    name, *orders = entry
    wg.check_grads(lambda z: getattr(sp, name)(*orders, z), np.array([0.7 + 0.4j, 1.3 - 0.6j]))


def test_carlsons_integrals_are_holomorphic():
    z = np.array([0.7 + 0.4j, 1.3 - 0.6j])
    wg.check_grads(lambda x, y: sp.elliprf(x, y, 1.0) + sp.elliprd(x, y, 2.0) + sp.elliprg(x, y, 1.0), z, z + 1)
    wg.check_grads(lambda x, p: sp.elliprj(x, 0.5, 1.5, p), z, z + 1)


def test_every_differentiable_argument_has_a_case():
    tracked: dict[str, set[int]] = {}
    for name, *arguments in TABLE:
        tracked.setdefault(name, set()).update([i for i, a in enumerate(arguments) if isinstance(a, tuple)])
    for name, ufunc in ALL.items():
        expected = {i for i, p in enumerate(PARTIALS.get(ufunc, ())) if p is not None}
        assert tracked.get(name, set()) == expected, name


def test_how_many_ufuncs_have_a_derivative():
    """The number that the documentation gives."""
    found = [n for n in ALL if any([p is not None for p in PARTIALS.get(ALL[n], ())])]
    assert len(found) == 215 - ("log_wright_bessel" not in ALL)


@NOT_WHOLE
@pytest.mark.filterwarnings("ignore:`scipy.special.sph_harm` is deprecated:DeprecationWarning")
@pytest.mark.parametrize("name", sorted(n for n, f in ALL.items() if None in PARTIALS.get(f, ())))
def test_other_arguments_are_refused_by_name(name: str):
    ufunc = ALL[name]
    for i, partial in enumerate(PARTIALS[ufunc]):
        if partial is None:
            arguments: list[Any] = [1] * ufunc.nin
            arguments[i] = wg.Variable(1.0)
            if name in ("eval_hermite", "eval_hermitenorm"):  # whose order can only be an integer
                continue
            with pytest.raises(NotImplementedError, match=rf"scipy\.special\.{name}: .*no derivative with") as caught:
                ufunc(*arguments)
            assert argument_name(ufunc, i) in str(caught.value)
            with wg.no_grad():
                ufunc(*arguments)  # its value is not refused


def test_untracked_variables_give_values():
    v = wg.Variable(1.5).detach()
    assert sp.mathieu_a(2, v).data == sp.mathieu_a(2, 1.5)
    assert sp.jv(wg.Variable(2), 1.5).data == sp.jv(2, 1.5)


def test_steps_are_constants():
    x = wg.Variable([0.4, -1.6])
    assert type(sp.round(x)) is np.ndarray
    assert type(sp.gammasgn(x)) is np.ndarray


def test_scaled_functions_of_complex_arguments_are_refused():
    z = wg.Variable(1 + 1j)
    for f in (lambda z: sp.jve(1, z), lambda z: sp.yve(1, z), lambda z: sp.ive(1, z), sp.airye):
        with pytest.raises(NotImplementedError, match="holomorphic"):
            f(z)


# ---- accuracy -----------------------------------------------------------------------------------------------


def derivative(f: Any, x: float) -> float:
    v = wg.Variable(x)
    f(v).backward()
    return float(v.grad)


@pytest.mark.parametrize("a", [0.01, 0.3, 1.0, 2.5, 40.0, 900.0])
@pytest.mark.parametrize("ratio", [0.01, 0.3, 0.9, 1.0, 1.1, 2.0, 6.0])
def test_gammainc_in_a_is_accurate(a: float, ratio: float):
    mp = pytest.importorskip("mpmath", reason="mpmath gives the reference values")
    x = a * ratio
    with mp.workdps(60):
        exact = mp.diff(lambda s: mp.gammainc(s, 0, x, regularized=True), mp.mpf(a), h=mp.mpf(10) ** -20)
    if abs(exact) > 1e-280:
        assert derivative(lambda s: sp.gammainc(s, x), a) == pytest.approx(
            float(exact), rel=2e-12 * max(1, a), abs=1e-300
        )


@pytest.mark.parametrize(("a", "b"), [(0.05, 0.1), (0.5, 0.5), (2.0, 0.3), (3.0, 4.0), (60.0, 5.0), (80.0, 200.0)])
@pytest.mark.parametrize("x", [0.02, 0.2, 0.5, 0.9, 0.999])
def test_betainc_in_a_and_b_is_accurate(a: float, b: float, x: float):
    mp = pytest.importorskip("mpmath", reason="mpmath gives the reference values")
    with mp.workdps(200):
        h = mp.mpf(10) ** -18
        by_a = mp.diff(lambda s: mp.betainc(s, b, 0, x, regularized=True), mp.mpf(a), h=h)
        by_b = mp.diff(lambda s: mp.betainc(a, s, 0, x, regularized=True), mp.mpf(b), h=h)
    tolerance = {"rel": 1e-11 * max(1, a + b), "abs": 1e-300}
    assert derivative(lambda s: sp.betainc(s, b, x), a) == pytest.approx(float(by_a), **tolerance)
    assert derivative(lambda s: sp.betainc(a, s, x), b) == pytest.approx(float(by_b), **tolerance)


@pytest.mark.parametrize("m", [-30.0, -0.5, 0.0, 1e-9, 0.3, 0.999])
def test_elliptic_integrals_have_no_cancellation(m: float):
    mp = pytest.importorskip("mpmath", reason="mpmath gives the reference values")
    for ours, theirs in ((sp.ellipk, mp.ellipk), (sp.ellipe, mp.ellipe)):
        for order in (1, 2):
            f, v = ours, wg.Variable(m)
            y = f(v)
            y.backward(create_graph=True)
            g = v.grad
            if order == 2:
                v.cleargrad()
                g.backward()
                g = v.grad
            with mp.workdps(40):
                exact = float(mp.diff(theirs, mp.mpf(m), order, h=mp.mpf(10) ** -12))
            assert float(g.data if isinstance(g, wg.Variable) else g) == pytest.approx(exact, rel=1e-11)


@pytest.mark.parametrize("x", [-800.0, -30.0, -1e-8, 0.0, 1e-8, 1e-3, 5.0])
def test_exprel_is_accurate(x: float):
    mp = pytest.importorskip("mpmath", reason="mpmath gives the reference values")
    with mp.workdps(400):
        t = mp.mpf(x)
        exact = 0.5 if x == 0 else float((mp.exp(t) * (t - 1) + 1) / t**2)
    assert derivative(sp.exprel, x) == pytest.approx(exact, rel=1e-13)


@pytest.mark.parametrize("x", [-1e6, -40.0, -3.0, 0.0, 6.0, 40.0])
def test_log_ndtr_in_the_tails(x: float):
    mp = pytest.importorskip("mpmath", reason="mpmath gives the reference values")
    with mp.workdps(40):
        exact = float(mp.npdf(x) / mp.ncdf(x)) if x > -1e5 else -x + 1e-6
    assert derivative(sp.log_ndtr, x) == pytest.approx(exact, rel=1e-12)


@pytest.mark.parametrize("x", [4.99, 5.01, 30.0, 1e6])
def test_erfcx_far_to_the_right(x: float):
    mp = pytest.importorskip("mpmath", reason="mpmath gives the reference values")
    with mp.workdps(60):
        t = mp.mpf(x)
        scaled = (
            mp.exp(t * t) * mp.erfc(t) if x < 1e3 else 1 / mp.sqrt(mp.pi) / t * (1 - 1 / (2 * t * t) + 3 / (4 * t**4))
        )
        exact = float(2 * t * scaled - 2 / mp.sqrt(mp.pi))
    assert derivative(sp.erfcx, x) == pytest.approx(exact, rel=1e-11)


@pytest.mark.parametrize("x", [1e-3, 0.99999, 1.0, 1.00001, 50.0])
def test_spence_twice_near_one(x: float):
    mp = pytest.importorskip("mpmath", reason="mpmath gives the reference values")
    v = wg.Variable(x)
    y = sp.spence(v)
    y.backward(create_graph=True)
    g = v.grad
    v.cleargrad()
    g.backward()
    with mp.workdps(40):
        t = mp.mpf(x)
        exact = 0.5 if x == 1 else float(1 / (t * (1 - t)) + mp.log(t) / (1 - t) ** 2)
    assert float(v.grad) == pytest.approx(exact, rel=1e-10)


def test_at_special_points():
    assert derivative(lambda x: sp.xlogy(x, 1.0), 0.0) == 0
    assert derivative(sp.rgamma, 0.0) == pytest.approx(1)
    assert derivative(sp.rgamma, -1.0) == pytest.approx(-1)
    assert derivative(sp.rgamma, -2.0) == pytest.approx(2)
    assert derivative(sp.i1e, 0.0) == 0.5
    assert derivative(lambda x: sp.sici(x)[0], 0.0) == 1
    assert derivative(lambda x: sp.shichi(x)[0], 0.0) == 1
    assert derivative(lambda m: sp.ellipkinc(0.5, m), 0.0) == pytest.approx((0.5 - np.sin(1.0) / 2) / 4)
    assert derivative(lambda x: sp.eval_legendre(3, x), 1.0) == 6
    assert derivative(lambda t: sp.nctdtr(3.0, 0.7, t), 0.0) > 0
    assert derivative(lambda x: sp.elliprj(x, 1.0, 1.0, 1.0), 1.0) == pytest.approx(-0.3, rel=1e-12)
    assert derivative(lambda x: sp.agm(x, 2.0), 2.0) == pytest.approx(0.5)
    assert derivative(lambda z: np.real(sp.lambertw(z)), 0.0) == 1
    assert derivative(lambda y: sp.xlogy(0.0, y), 0.0) == 0
    assert derivative(lambda x: sp.elliprg(x, 1.0, 2.0), 0.0) == pytest.approx(sp.elliprf(0, 1, 2) / 4)
    assert derivative(lambda x: sp.agm(x, -2.0), -1.0) == pytest.approx(derivative(lambda x: sp.agm(x, 2.0), 1.0))
    assert derivative(lambda x: sp.it2i0k0(x)[0], 1e-6) == pytest.approx(1e-6 / 4, rel=1e-14)
    assert derivative(lambda x: sp.tklmbda(x, 2.0), 0.7) == 0
    assert np.isnan(derivative(lambda a: sp.betainc(a, 2.0, 1.5), 2.0))
    assert derivative(lambda a: sp.gammainc(a, np.inf), 2.0) == 0


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # where SciPy's search ends at its bound
def test_a_search_that_ends_at_its_bound_has_derivative_0():
    assert derivative(lambda p: sp.chndtrinc(1.0, 3.0, p), 0.9) == 0
    assert derivative(lambda p: sp.ncfdtrinc(3.0, 4.0, p, 0.5), 0.99) == 0
    assert derivative(lambda p: sp.stdtridf(p, 1.0), 0.95) == 0
    assert derivative(lambda p: sp.fdtridfd(3.0, p, 1.0), 0.999) == 0
    assert derivative(lambda p: sp.nbdtrik(p, 2.7, 0.9), 0.1) == 0


def test_noncentral_chi_square_at_the_centre():
    v = wg.Variable(0.0)
    y = sp.chndtr(2.0, 3.0, v)
    y.backward(create_graph=True)
    g = v.grad
    v.cleargrad()
    g.backward()
    twice = (sp.chndtr(2.0, 7.0, 0) - 2 * sp.chndtr(2.0, 5.0, 0) + sp.chndtr(2.0, 3.0, 0)) / 4
    assert float(v.grad) == pytest.approx(twice, rel=1e-12)


# ---- functions that are no ufuncs ---------------------------------------------------------------------------

A = np.random.default_rng(0).normal(size=(2, 3))


@pytest.mark.parametrize("axis", [None, 0, -1, (0, 1)])
@pytest.mark.parametrize("keepdims", [False, True])
def test_logsumexp(axis: Any, keepdims: bool):
    b = np.random.default_rng(1).uniform(0.5, 1.5, (2, 3))
    for dtype in ("float32", "float64", "complex128"):
        a = A.astype(dtype) * (1 + 0.3j if dtype == "complex128" else 1)
        got = wsp.logsumexp(wg.Variable(a), axis, keepdims=keepdims)
        expected = sp.logsumexp(a, axis, keepdims=keepdims)
        assert got.dtype == expected.dtype
        np.testing.assert_array_equal(got.data, expected)
        wg.check_grads(lambda a: wsp.logsumexp(a, axis, keepdims=keepdims), a)
    got = wsp.logsumexp(wg.Variable(A), axis, wg.Variable(b), keepdims)
    np.testing.assert_array_equal(got.data, sp.logsumexp(A, axis, b, keepdims))
    wg.check_grads(lambda a, b: wsp.logsumexp(a, axis, b, keepdims), A, b)
    size, sign = wsp.logsumexp(wg.Variable(A), axis, -b, keepdims, True)
    np.testing.assert_array_equal(sign, sp.logsumexp(A, axis, -b, keepdims, True)[1])
    np.testing.assert_array_equal(size.data, sp.logsumexp(A, axis, -b, keepdims, True)[0])
    wg.check_grads(lambda a, b: wsp.logsumexp(a, axis, -b, keepdims, True)[0], A, b)


def test_logsumexp_broadcasts_and_bears_infinities():
    wg.check_grads(lambda a, b: wsp.logsumexp(a, 1, b), A, np.array([0.5, 2.0, 1.0]))
    x = wg.Variable([-np.inf, 0.0, 1000.0])
    wsp.logsumexp(x).backward()
    np.testing.assert_array_equal(x.grad, [0, 0, 1])
    assert derivative(wsp.logsumexp, 2.0) == 1


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
@pytest.mark.parametrize("axis", [None, 0, -1])
def test_softmax(name: str, axis: Any):
    f, g = getattr(wsp, name), getattr(sp, name)
    for dtype in ("float32", "float64"):
        a = A.astype(dtype)
        np.testing.assert_array_equal(f(wg.Variable(a), axis).data, g(a, axis))
        wg.check_grads(lambda a: f(a, axis=axis), a)


@pytest.mark.parametrize("name", ["spherical_jn", "spherical_yn", "spherical_in", "spherical_kn"])
@pytest.mark.parametrize("n", [0, 1, 3])
def test_spherical_bessel(name: str, n: int):
    x, f, g = np.array([0.6, 1.7, 3.2]), getattr(wsp, name), getattr(sp, name)
    for derivative in (False, True):
        np.testing.assert_array_equal(f(n, wg.Variable(x), derivative).data, g(n, x, derivative))
        wg.check_grads(lambda x: f(n, x, derivative), x)


def test_polygamma_zeta_lambertw_multigammaln():
    x = np.array([0.6, 1.7, 3.2])
    for n in (0, 1, 3):
        np.testing.assert_array_equal(wsp.polygamma(n, wg.Variable(x)).data, sp.polygamma(n, x))
        wg.check_grads(lambda x: wsp.polygamma(n, x), x)
    wg.check_grads(lambda q: sp.zeta(2.5, q), x)
    wg.check_grads(lambda q: wsp.zeta(2.5, q), x)
    wg.check_grads(lambda z: np.real(sp.lambertw(z)), x)
    wg.check_grads(lambda z: wsp.lambertw(z, -1), np.array([0.7 + 0.4j, 1.3 - 0.6j]))
    np.testing.assert_array_equal(wsp.multigammaln(wg.Variable(x + 2), 3).data, sp.multigammaln(x + 2, 3))
    wg.check_grads(lambda a: wsp.multigammaln(a, 3), x + 2)


@pytest.mark.parametrize(
    "call",
    [sp.logsumexp, sp.softmax, sp.log_softmax, lambda x: sp.polygamma(1, x), lambda x: sp.spherical_jn(1, x),
     lambda x: sp.multigammaln(x, 1), lambda x: sp.comb(x, 2), sp.factorial, sp.diric, lambda x: sp.jvp(1, x),
     lambda x: sp.legendre_p(2, x)],
)  # fmt: skip
def test_scipys_own_functions_never_lose_the_graph(call: Any):
    """Either a Variable with its graph, or an error: never a plain array."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            y = call(wg.Variable([1.0, 2.0]))
    except (TypeError, NotImplementedError):
        return
    assert isinstance(y, wg.Variable)
    assert y.creator is not None


def test_the_operations_keep_out_of_numpys_table():
    from wengert.declare import OPERATIONS

    assert OPERATIONS["exp2"].node is not RULES[sp.exp2].node
    assert "gammaln" not in OPERATIONS


def test_the_namespace():
    assert wsp.jv is RULES[sp.jv]
    assert wsp.jv.__doc__.startswith("`scipy.special.jv`")
    assert wsp.round is sp.round
    assert {"jv", "logsumexp", "zeta"} <= set(dir(wsp))
    with pytest.raises(AttributeError, match=r"wengert\.scipy\.special\.comb"):
        wsp.comb  # noqa: B018
    with pytest.raises(AttributeError, match="nothing_of_the_kind"):
        wsp.nothing_of_the_kind  # noqa: B018


def test_keyword_arguments_are_refused():
    with pytest.raises(TypeError, match="out="):
        sp.gammaln(wg.Variable([1.0]), out=np.empty(1))
