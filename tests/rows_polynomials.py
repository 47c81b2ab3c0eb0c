"""Rows of the test table: polynomials and numpy.emath."""

import numpy as np
from rowkit import REAL, Row, row

from wengert import polynomial as P

TURN = 0.6 + 0.8j  # an imaginary result with a real cotangent would check nothing
AT = np.array([-1.0, -0.3, 0.4, 0.9, 1.5, 2.0])


EXACT = ("float64", "complex128")  # in float32, rounding decides how many coefficients are left away


def _close(x, y):
    """A function whose zeros are well apart."""
    return np.array([1.0, -3.0, 1.0, 4.0]) + 0.1 * x


def _series(prefix, label, c0):
    """The functions of one of the modules of numpy.polynomial."""

    def f(name):
        return getattr(P, prefix + name)

    few = ("float64",)
    return [
        row(label + "val", lambda x, c: f("val")(x, c), (3,), (4, 2)),
        row(label + "val", lambda x, c: f("val")(x, c, tensor=False), (3,), (4, 3), dtypes=few),
        row(label + "val", lambda x: f("val")(x, [1.0, 2.0, 3.0]), (), dtypes=few),
        row(label + "val", lambda c: f("val")([0.5, 1.0], c), (2,), dtypes=few),
        row(label + "val2d", lambda x, y, c: f("val2d")(x, y, c), (3,), (3,), (2, 3), dtypes=few),
        row(label + "val3d", lambda x, y, z, c: f("val3d")(x, y, z, c), (2,), (2,), (2,), (2, 3, 2), dtypes=few),
        row(label + "grid2d", lambda x, y, c: f("grid2d")(x, y, c), (3,), (2,), (2, 3), dtypes=few),
        row(label + "grid3d", lambda x, y, z, c: f("grid3d")(x, y, z, c), (2,), (1,), (2,), (2, 2, 2), dtypes=few),
        row(label + "vander", lambda x: f("vander")(x, 4), (2, 2), dtypes=few),
        row(label + "vander", lambda x: f("vander")(x, 0) + x, (), dtypes=few),
        row(label + "vander2d", lambda x, y: f("vander2d")(x, y, [2, 1]), (3,), (3,), dtypes=few),
        row(label + "vander3d", lambda x, y, z: f("vander3d")(x, y, z, [2, 1, 1]), (2,), (2,), (2,), dtypes=few),
        row(label + "add", lambda x, y: f("add")(x, y), (2,), (4,), dtypes=few),
        row(label + "sub", lambda x, y: f("sub")(x, y), (4,), (2,)),
        row(label + "mulx", lambda x: f("mulx")(x)[1:], (4,), dtypes=few),
        row(label + "mul", lambda x, y: f("mul")(x, y), (4,), (3,)),
        row(label + "pow", lambda x: f("pow")(x, 3), (3,), dtypes=few),
        row(label + "div_quotient", lambda x, y: f("div")(x, y)[0], (5,), (3,), domain=(0.5, 2.0), dtypes=EXACT),
        row(label + "div_quotient", lambda x, y: f("div")(x, y)[0], (3,), (1,), domain=(0.5, 2.0), dtypes=few),
        row(label + "div_remainder", lambda x, y: f("div")(x, y)[1], (5,), (3,), domain=(0.5, 2.0), dtypes=EXACT),
        row(label + "div_remainder", lambda x, y: f("div")(x, y)[1], (2,), (3,), domain=(0.5, 2.0), dtypes=few),
        row(label + "der", lambda x: f("der")(x, 2), (5,)),
        row(label + "der", lambda x, s: f("der")(x, 1, s, axis=-1), (2, 4), (), dtypes=few),
        row(label + "der", lambda x: f("der")(x, 4) + x, (3,), dtypes=few),
        row(label + "int", lambda x: f("int")(x)[1:], (3,)),
        row(label + "int", lambda x, k, at, s: f("int")(x, 2, [k, 0.5], at, s, axis=1), (2, 3), (), (), (), dtypes=few),
        row(label + "line", lambda x: f("line")(x[0], x[1]), (2,), domain=(0.3, 2.0), dtypes=few),
        row(label + "fromroots", lambda x: f("fromroots")(x), (4,), dtypes=few),
        row(label + "companion", lambda x: f("companion")(x), (4,), domain=(0.3, 2.0), dtypes=few),
        row(label + "companion", lambda x: f("companion")(x), (2,), domain=(0.3, 2.0), dtypes=few),
        row(label + "roots", lambda x: f("roots")(c0 + 0.1 * x), (4,), dtypes=EXACT),
        row(label + "roots", lambda x: f("roots")(x), (2,), domain=(0.5, 2.0), dtypes=few),
        row(label + "fit", lambda x, y: f("fit")(x + AT * 3, y, 2), (6,), (6,), dtypes=few),
        row(
            label + "fit",
            lambda x, y, w: f("fit")(x + AT * 3, y, [0, 2], w=w),
            (6,),
            (6, 2),
            (6,),
            domain=(0.3, 2.0),
            dtypes=few,
        ),
        row(label + "fit_residuals", lambda x, y: f("fit")(x + AT * 3, y, 2, full=True)[1][0], (6,), (6,), dtypes=few),
        row(label + "fit_singular_values", lambda x: f("fit")(x + AT * 3, AT, 2, full=True)[1][2], (6,), dtypes=few),
        row(label + "trim", lambda x: f("trim")(x * [1, 1, 0], 0.01), (3,), dtypes=few),
    ]


def _conversions():
    names = [f"poly2{p}" for p in ("cheb", "leg", "herm", "herme", "lag")]
    names += [f"{p}2poly" for p in ("cheb", "leg", "herm", "herme", "lag")]
    return [row(name, lambda x, name=name: getattr(P, name)(x), (4,), dtypes=("float64",)) for name in names]


ROWS: list[Row] = [
    # values, derivatives, integrals
    row("polyval", np.polyval, (3,), (2, 2)),
    row("polyval", np.polyval, (4,), ()),
    row("polyval", lambda x: np.polyval([1.0, -2.0, 3.0], x), (3,)),
    row("polyval", lambda x: np.polyval(np.poly1d([1, -2, 3]), x), (3,)),
    row("polyval", lambda p: np.polyval(p, [0.5, 2.0]), (3,)),
    row("polyval", lambda p: np.polyval(np.polyder(p, 2), AT), (5,)),
    row("polyval", lambda p, k: np.polyval(np.polyint(p, 2, k), AT), (3,), (2,)),
    row("polyval", lambda p, k: np.polyval(np.polyint(p, 2, k), AT), (2,), ()),
    row("vander", np.vander, (3,)),
    row("vander", lambda x: np.vander(x, 5, increasing=True), (2,)),
    row("vander", lambda x: np.vander(x, N=2), (4,)),
    row("vander", lambda x: np.vander(x * np.array([1, 0, 1]), 4), (3,)),
    # arithmetic
    row("add", np.polyadd, (3,), (5,)),
    row("add", np.polyadd, (3,), ()),
    row("subtract", np.polysub, (4,), (2,)),
    row("subtract", lambda x: np.polysub([1.0, 2.0], x), (2,)),
    row("polymul", np.polymul, (3,), (4,)),
    row("polymul", lambda x: np.polymul(x, [2.0, 1.0]), ()),
    row("polydiv_quotient", lambda u, v: np.polydiv(u, v)[0], (5,), (3,), domain=(0.3, 2.0)),
    row("polydiv_quotient", lambda u, v: np.polydiv(u, v)[0] + u * 0, (2,), (2,), domain=(0.3, 2.0)),
    row("polydiv_quotient", lambda u, v: np.polydiv(u, v)[0], (3,), (), domain=(0.3, 2.0)),
    row("polydiv_remainder", lambda u, v: np.polydiv(u, v)[1], (5,), (3,), domain=(0.3, 2.0), dtypes=EXACT),
    row("polydiv_remainder", lambda u, v: np.polydiv(u, v)[1], (2,), (3,), domain=(0.3, 2.0), dtypes=EXACT),
    # from zeros to coefficients and back
    row("poly", np.poly, (3,)),
    row("poly", np.poly, (3, 3), dtypes=REAL),
    row("poly", lambda x: np.poly(x * 0 + np.array([[2.0, 0, 0], [0, 2, 1], [0, 0, 2]]) + x * np.tri(3)), (3, 3), dtypes=("float64",)),
    row("roots", lambda x: np.roots(_close(x, 1)), (4,)),
    row("roots", lambda x: np.roots(np.array([1.0, 0.2, 3.0]) + 0.1 * x), (3,)),
    row("roots", lambda x: np.roots(np.array([2.0, 3.0]) + x * 0.1), (2,)),
    # least squares
    row("polyfit", lambda y: np.polyfit(AT, y, 2), (6,)),
    row("polyfit", lambda x, y: np.polyfit(x + AT * 3, y, 2), (6,), (6,)),
    row("polyfit", lambda x, y, w: np.polyfit(x + AT * 3, y, 1, w=w), (6,), (6, 2), (6,), dtypes=REAL, domain=(0.3, 2.0)),
    row("polyfit", lambda x, y: np.polyfit(x + AT * 3, y, 2, full=True)[0], (6,), (6,), dtypes=REAL),
    row("polyfit_residuals", lambda x, y: np.polyfit(x + AT * 3, y, 2, full=True)[1], (6,), (6,), dtypes=REAL),
    row("polyfit_residuals", lambda x, y: np.polyfit(x + AT * 3, y, 2, full=True)[1], (6,), (6, 2), dtypes=REAL),
    row("polyfit_singular_values", lambda x: np.polyfit(x + AT * 3, AT, 2, full=True)[3], (6,), dtypes=REAL),
    row("polyfit_covariance", lambda x, y: np.polyfit(x + AT * 3, y, 1, cov=True)[1], (6,), (6,), dtypes=REAL),
    row("polyfit_covariance", lambda x, y: np.polyfit(x + AT * 3, y, 1, cov=True)[1], (6,), (6, 2), dtypes=REAL),
    row("polyfit_covariance", lambda x, w: np.polyfit(x + AT * 3, AT, 1, cov="unscaled", w=w)[1], (6,), (6,), dtypes=REAL, domain=(0.3, 2.0)),
    # numpy.emath
    *[
        row(name, lambda x, f=f: f(x) * TURN, s, domain=domain)
        for name, f in (("sqrt", np.emath.sqrt), ("log", np.emath.log), ("log2", np.emath.log2), ("log10", np.emath.log10))
        for s, domain in (((3,), (0.3, 2.0)), ((3,), (-2.0, -0.3)), ((), (-2.0, -0.3)))
    ],
    *[
        row(name, lambda x, f=f: f(x) * TURN, (3,), domain=domain)
        for name, f in (("emath_arcsin", np.emath.arcsin), ("emath_arccos", np.emath.arccos), ("arctanh", np.emath.arctanh))
        for domain in ((-0.8, 0.8), (1.3, 2.0), (-2.0, -1.3))
    ],
    row("divide", np.emath.logn, (3,), (3,), domain=(1.3, 3.0)),
    row("divide", lambda x: np.emath.logn(2.0, x) * TURN, (3,), domain=(-2.0, -0.3)),
    row("power", np.emath.power, (3,), (3,), domain=(-2.0, -0.3)),
    row("power", lambda x: np.emath.power(x, [2, -1, 3]) * TURN, (3,), domain=(-2.0, -0.3)),
    # numpy.polynomial
    *_series("poly", "polynomial_poly", np.array([2.0, -3.0, 1.0, 1.0])),
    row("polynomial_polyvalfromroots", lambda x, r: P.polyvalfromroots(x, r), (3,), (4, 2)),
    row("polynomial_polyvalfromroots", lambda x, r: P.polyvalfromroots(x, r, tensor=False), (3,), (2, 1), dtypes=("float64",)),
    *_series("cheb", "cheb", np.array([0.2, -1.0, 0.4, 1.0])),
    *_series("leg", "leg", np.array([0.2, -1.0, 0.4, 1.0])),
    *_series("herm", "herm", np.array([0.2, -1.0, 0.4, 1.0])),
    *_series("herme", "herme", np.array([0.2, -1.0, 0.4, 1.0])),
    *_series("lag", "lag", np.array([0.2, -1.0, 0.4, 1.0])),
    *_conversions(),
    row("mapdomain", lambda x, a, b: P.mapdomain(x, a, b), (3,), (2,), (2,), dtypes=EXACT),
    row("mapdomain", lambda x: P.mapdomain(x, [0, 1], [2, 5]), (), dtypes=("float64",)),
    row("getdomain", lambda x: P.getdomain(x), (4,), dtypes=EXACT),
]  # fmt: skip
