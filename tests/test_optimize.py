"""minimize, least_squares, curve_fit: SciPy's results with exact derivatives, in containers, and differentiated."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np
import pytest

import wengert as wg
from wengert import Variable, curve_fit, least_squares, minimize
from wengert.implicit import ConditioningWarning, ConvergenceError

optimize = pytest.importorskip("scipy.optimize", reason="the optimisers are SciPy's")

GRADIENT = ["CG", "BFGS", "L-BFGS-B", "TNC", "SLSQP"]
SECOND = ["Newton-CG", "trust-constr", "dogleg", "trust-ncg", "trust-exact", "trust-krylov"]
WITHOUT = ["Nelder-Mead", "Powell", "COBYQA"]


def rosenbrock(x):
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def convex(x):
    return np.sum(np.exp(x) - np.arange(1.0, 4.0) * x) + np.sum(x) ** 2


# ---- each method gets what it uses --------------------------------------------------------------------------


@pytest.mark.parametrize("method", [None, *GRADIENT, *SECOND, *WITHOUT])
def test_methods(method):
    x0 = np.array([0.5, 1.0, 1.5])
    ours = minimize(convex, x0, method=method)
    given = {}
    if method not in WITHOUT:
        given["jac"] = wg.grad(convex)
    if method in SECOND:
        given["hess"] = wg.hessian(convex)
    theirs = optimize.minimize(convex, x0, method=method, **given)
    assert ours.success
    assert set(ours) >= set(theirs) - {"hess"}  # products with it are given instead
    np.testing.assert_allclose(ours.x, theirs.x, atol=1e-4)
    np.testing.assert_allclose(ours.fun, theirs.fun, atol=1e-6)
    assert type(ours.x) is np.ndarray
    if "jac" in theirs:
        assert (ours.grad if method == "trust-constr" else ours.jac).shape == (3,)


def test_the_same_steps_as_with_derivatives_by_hand():
    ours = minimize(rosenbrock, [1.3, 0.7, 0.8])
    theirs = optimize.minimize(optimize.rosen, [1.3, 0.7, 0.8], jac=optimize.rosen_der)
    assert (ours.nit, ours.nfev, ours.njev) == (theirs.nit, theirs.nfev, theirs.njev)
    np.testing.assert_allclose(ours.x, theirs.x, rtol=1e-9)
    ours = minimize(rosenbrock, [1.3, 0.7, 0.8], method="trust-exact")
    theirs = optimize.minimize(
        optimize.rosen, [1.3, 0.7, 0.8], jac=optimize.rosen_der, hess=optimize.rosen_hess, method="trust-exact"
    )
    assert (ours.nit, ours.nhev) == (theirs.nit, theirs.nhev)


def test_derivatives_of_the_caller():
    seen = []

    def jac(x, a):
        seen.append("jac")
        return 2 * (x - a)

    def hess(x, a):
        seen.append("hess")
        return 2 * np.eye(2)

    def hessp(x, p, a):
        seen.append("hessp")
        return 2 * p

    def f(x, a):
        return np.sum((x - a) ** 2)

    a = np.array([1.0, 2.0])
    for method, extra, names in [
        ("BFGS", {}, {"jac"}),
        ("trust-exact", {"hess": hess}, {"jac", "hess"}),
        ("Newton-CG", {"hessp": hessp}, {"jac", "hessp"}),
        ("trust-ncg", {"hess": hess}, {"jac", "hess"}),
        ("Newton-CG", {}, {"jac"}),
    ]:
        seen.clear()
        np.testing.assert_allclose(minimize(f, np.zeros(2), (a,), method, jac=jac, **extra).x, a, atol=1e-6)
        assert set(seen) == names
    r = minimize(lambda x, a: (f(x, a), 2 * (x - a)), np.zeros(2), (a,), jac=True)
    np.testing.assert_allclose(r.x, a, atol=1e-6)
    r = minimize(lambda p: (p["u"] ** 2, {"u": 2 * p["u"]}), {"u": 1.0}, jac=True)
    np.testing.assert_allclose(r.x["u"], 0, atol=1e-6)
    r = minimize(lambda x: sum(float(v) ** 2 for v in x), np.ones(2), jac="3-point")  # no derivative is asked for
    np.testing.assert_allclose(r.x, 0, atol=1e-6)
    assert minimize(lambda x: sum(float(v) ** 2 for v in x), np.ones(2), method="Nelder-Mead").success
    r = minimize(convex, np.ones(3), method="trust-constr", hess=optimize.BFGS())
    assert r.success


def test_a_method_of_the_callers():
    def method(fun, x0, args, jac, hessp, **_):
        x = x0
        for _ in range(20):
            h = np.stack([hessp(x, e) for e in np.eye(x.size)])
            x = x - np.linalg.solve(h, jac(x))
        return optimize.OptimizeResult(x=x, fun=fun(x), success=True)

    r = minimize(lambda p: convex(p["x"]), {"x": np.ones(3)}, method=method)
    np.testing.assert_allclose(wg.grad(convex)(r.x["x"]), 0, atol=1e-12)


# ---- containers ---------------------------------------------------------------------------------------------


class Pair(NamedTuple):
    a: object
    b: object


@dataclasses.dataclass
class Layer:
    w: object
    b: object


TARGET = np.arange(4.0).reshape(2, 2)


@pytest.mark.parametrize("method", ["BFGS", "Newton-CG", "trust-exact", "L-BFGS-B", "Nelder-Mead"])
@pytest.mark.parametrize(
    "made", [lambda w, b: {"w": w, "b": b}, lambda w, b: [w, b], lambda w, b: (w, (b,)), Pair, Layer]
)
def test_containers(made, method):
    def parts(p):
        w, b = wg.tree.leaves(p)
        return w, b

    def loss(p):
        assert type(p) is type(start)
        w, b = parts(p)
        return np.sum((w - TARGET) ** 2) + (b - 3.0) ** 2

    start = made(np.ones((2, 2)), 0.0)
    seen = []
    r = minimize(loss, start, method=method, callback=seen.append)
    assert type(r.x) is type(start)
    w, b = parts(r.x)
    np.testing.assert_allclose(w, TARGET, atol=1e-3)
    np.testing.assert_allclose(b, 3, atol=1e-3)
    assert b.shape == ()
    assert type(seen[0]) is type(start)
    if method != "Nelder-Mead":
        assert type(r.jac) is type(start)
        assert parts(r.jac)[0].shape == (2, 2)


def test_shapes_and_dtypes():
    assert minimize(lambda x: (x - 3) ** 2, 0.0).x.shape == ()
    assert minimize(lambda x: (x - 3) ** 2, 0).x.shape == ()
    assert minimize(lambda x: np.sum((x - 3) ** 2), [0, 0]).x.shape == (2,)
    assert minimize(lambda x: np.sum((x - 3) ** 2), np.zeros((2, 3))).x.shape == (2, 3)
    assert minimize(lambda x: ((x - 3) ** 2).reshape(1), 0.0).success
    empty = minimize(lambda x: np.sum(x**2), np.zeros(0))
    assert empty.x.shape == (0,)
    assert empty.success
    for method in ["BFGS", "L-BFGS-B", "Newton-CG", "Nelder-Mead", "SLSQP", "trust-exact"]:
        seen = set()

        def f(x, seen=seen):
            seen.add(x.dtype)
            return np.sum((x - np.float32(3)) ** 2)

        r = minimize(f, np.zeros(2, np.float32), method=method)
        assert r.success
        assert seen == {np.dtype(np.float32)}
        assert r.x.dtype == np.float32
        assert np.asarray(r.fun).dtype == np.float32
        np.testing.assert_allclose(r.x, 3, rtol=1e-2)
    assert minimize(lambda x: np.sum((x - np.float32(3)) ** 2), np.zeros(2, np.float32)).jac.dtype == np.float32


def test_complex_parameters():
    r = minimize(lambda z: np.sum(np.abs(z - (1 + 2j)) ** 2), np.zeros(2, complex))
    np.testing.assert_allclose(r.x, 1 + 2j, atol=1e-6)
    with pytest.raises(TypeError, match="complex numbers have no bounds"):
        minimize(lambda z: np.sum(np.abs(z) ** 2), np.zeros(2, complex), bounds=[(0, 1)] * 2)


def test_callbacks():
    seen = []

    def with_result(intermediate_result):
        seen.append((intermediate_result.x["a"].shape, float(intermediate_result.fun)))
        raise StopIteration

    r = minimize(lambda p: np.sum((p["a"] - 1) ** 4), {"a": np.zeros(2)}, callback=with_result)
    assert seen[0][0] == (2,)
    assert not r.success
    states = []
    minimize(
        lambda p: np.sum((p["a"] - 1) ** 2), {"a": np.zeros(2)}, method="trust-constr",
        callback=lambda x, state: states.append((x["a"].shape, state.x["a"].shape)),
    )  # fmt: skip
    assert states[0] == ((2,), (2,))


# ---- bounds and constraints ---------------------------------------------------------------------------------


def test_bounds():
    def f(x):
        return np.sum((x - np.array([2.0, -2.0])) ** 2)

    expected = [1.0, -0.5]
    for bounds in [
        [(0, 1), (-0.5, None)],
        optimize.Bounds([0, -0.5], [1, np.inf]),
        ((0, 1), (-0.5, 3.0)),
        np.array([[0, 1], [-0.5, 3]]),
    ]:
        np.testing.assert_allclose(minimize(f, np.array([0.5, 0.5]), bounds=bounds).x, expected, atol=1e-8)
    assert minimize(f, np.array([0.5, 0.5]), bounds=optimize.Bounds(-5, 5)).success


def test_bounds_in_containers():
    def f(p):
        return np.sum((p["a"] - TARGET) ** 2) + (p["b"][0] + 2) ** 2

    start = {"a": np.ones((2, 2)), "b": [0.0]}
    for bounds in [
        {"a": (0.5, 2.0), "b": [(-1.0, None)]},
        {"a": (np.full((2, 2), 0.5), 2.0), "b": [optimize.Bounds(-1.0)]},
        {"b": [(-1, 1)], "a": (0.5, [2.0, 2.0])},
        [(0.5, 2)] * 4 + [(-1, None)],
        optimize.Bounds([0.5] * 4 + [-1], [2] * 4 + [np.inf]),
    ]:
        x = minimize(f, start, bounds=bounds).x
        np.testing.assert_allclose(x["a"], np.clip(TARGET, 0.5, 2))
        np.testing.assert_allclose(x["b"][0], -1)
    free = minimize(f, start, bounds={"b": [(-1, None)]}).x
    np.testing.assert_allclose(free["a"], TARGET, atol=1e-4)
    np.testing.assert_allclose(minimize(f, start, bounds={"a": None, "b": None}).x["b"][0], -2, atol=1e-4)
    with pytest.raises(ValueError, match=r"x0 has no \['c'\]"):
        minimize(f, start, bounds={"c": (0, 1)})
    with pytest.raises(ValueError, match="expected a pair"):
        minimize(f, start, bounds={"a": 1.0})
    with pytest.raises(ValueError, match=r"a bound of shape \(3,\) for an array of shape \(2, 2\)"):
        minimize(f, start, bounds={"a": (np.zeros(3), None)})
    with pytest.raises(ValueError, match="expected 2 pairs"):
        minimize(lambda x: x.sum(), np.ones(2), bounds=[(0, 1)])


@pytest.mark.parametrize("method", ["SLSQP", "trust-constr", "COBYLA"])
def test_constraints(method):
    """The nearest point to (2, 1) in the unit disc, on a line."""

    def f(p):
        return (p["x"] - 2) ** 2 + (p["y"] - 1) ** 2

    def disc(p):
        return 1 - p["x"] ** 2 - p["y"] ** 2

    start = {"x": 0.1, "y": 0.1}
    expected = np.array([2, 1]) / np.sqrt(5)
    for constraints in [
        {"type": "ineq", "fun": disc},
        [{"type": "ineq", "fun": lambda p, r: disc(p) * r, "args": (2.0,)}],
        optimize.NonlinearConstraint(lambda p: p["x"] ** 2 + p["y"] ** 2, -np.inf, 1.0),
        [optimize.NonlinearConstraint(disc, 0, np.inf, jac=lambda p: [[-2 * p["x"], -2 * p["y"]]])],
    ]:
        x = minimize(f, start, method=method, constraints=constraints, tol=1e-10).x
        np.testing.assert_allclose([x["x"], x["y"]], expected, atol=1e-4)
    line = optimize.LinearConstraint([[1.0, -1.0]], 0, 0)
    x = minimize(f, start, method=method, constraints=[{"type": "ineq", "fun": disc}, line], tol=1e-10).x
    np.testing.assert_allclose([x["x"], x["y"]], np.sqrt([0.5, 0.5]), atol=1e-4)


def test_exact_derivatives_of_constraints():
    calls = []

    class Watched(optimize.NonlinearConstraint):
        pass

    def fun(x):
        calls.append(type(x))
        return x[0] ** 2 + x[1] ** 2

    r = minimize(
        lambda x: x[0] + x[1], np.array([0.5, 0.2]), method="trust-constr", constraints=Watched(fun, -np.inf, 1.0)
    )
    np.testing.assert_allclose(r.x, -np.sqrt([0.5, 0.5]), atol=1e-4)
    assert r.constr_nhev[0] > 0
    assert any(issubclass(kind, Variable) for kind in calls)


def test_messages():
    with pytest.raises(TypeError, match="minimize: the function must give a real scalar, got float64 of shape"):
        minimize(lambda x: x, np.ones(2))
    with pytest.raises(TypeError, match="real scalar"):
        minimize(lambda x: x * 1j, 1.0)
    with pytest.raises(ValueError, match="Unknown solver"):
        minimize(lambda x: x**2, 1.0, method="downhill")
    with pytest.raises(ValueError, match="'type', 'eq' or 'ineq', and 'fun'"):
        minimize(lambda x: x**2, 1.0, constraints={"type": "less", "fun": lambda x: x})
    with pytest.raises(TypeError, match="a constraint is a dict or one of SciPy's classes, got int"):
        minimize(lambda x: x**2, 1.0, constraints=3)
    with pytest.raises(TypeError, match="x0"):
        minimize(lambda x: x**2, "a")
    with pytest.raises(ValueError, match="minimize: jac"):
        minimize(lambda p: p["a"] ** 2, {"a": 1.0}, jac=lambda p: {"b": 1.0})


# ---- derivatives of a minimum -------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [None, "Newton-CG", "trust-exact", "L-BFGS-B", "Nelder-Mead"])
def test_a_minimum_is_differentiable(method):
    a = np.array([0.5, 1.5])

    def f(a):
        return minimize(lambda x: np.sum(np.exp(x - a) - x), np.zeros(2), method=method).x  # x = a

    def value(a):
        return minimize(lambda x: np.sum(a * x**2 - x), np.zeros(2), method=method).fun  # -sum 1 / (4 a)

    np.testing.assert_allclose(wg.jacobian(f)(a), np.eye(2), atol=1e-8)
    np.testing.assert_allclose(wg.grad(value)(a), 1 / (4 * a**2), rtol=1e-8)
    np.testing.assert_allclose(wg.hessian(value)(a), np.diag(-1 / (2 * a**3)), atol=1e-7)
    g = wg.grad(lambda a: minimize(lambda p: (p["u"] - a) ** 2 + p["u"] ** 4, {"u": 0.0}, method=method).x["u"])
    u = minimize(lambda u: (u - 1.0) ** 2 + u**4, 0.0, tol=1e-12).x
    np.testing.assert_allclose(g(1.0), 2 / (2 + 12 * u**2), rtol=1e-5)
    np.testing.assert_allclose(wg.grad(g)(1.0), -2 * 24 * u / (2 + 12 * u**2) ** 2 * g(1.0), rtol=1e-5)


def test_the_value_depends_on_what_the_place_does_not():
    np.testing.assert_allclose(wg.grad(lambda a: minimize(lambda x: (x - 1) ** 2 + a**2, 0.0).fun)(3.0), 6.0)
    g = wg.grad(lambda a: least_squares(lambda x: np.stack([x - 1, a]), 0.0).cost)(3.0)
    np.testing.assert_allclose(g, 3.0)


def test_a_minimum_with_active_bounds():
    def f(t):
        return minimize(
            lambda x: np.sum((x - t) ** 2 * np.arange(1.0, 4.0)) + np.prod(x), np.ones(3), bounds=[(0, 1)] * 3
        ).x

    t = np.array([0.5, 2.0, -1.0])
    x, J = f(t), wg.jacobian(f)(t)
    np.testing.assert_allclose(x, [0.5, 1.0, 0.0], atol=1e-6)
    np.testing.assert_allclose(J[1:], 0, atol=1e-8)
    np.testing.assert_allclose(J[0], [1, 0, 0], atol=1e-6)
    limit = lambda b: minimize(lambda x: np.sum((x - 3) ** 2), np.zeros(2), bounds=[(None, b), (None, 9.0)]).x
    np.testing.assert_allclose(wg.jacobian(limit)(1.0), [1, 0], atol=1e-8)
    upper = lambda b: minimize(lambda p: np.sum((p["x"] - 3) ** 2), {"x": np.zeros(2)}, bounds={"x": (None, b)}).x["x"]
    np.testing.assert_allclose(wg.jacobian(upper)(np.array([1.0, 2.0])), np.eye(2), atol=1e-8)
    inside = lambda t: minimize(lambda x: np.sum((x - t) ** 2), np.zeros(2), bounds=[(-9, 9)] * 2).x
    np.testing.assert_allclose(wg.jacobian(inside)(np.ones(2)), np.eye(2), atol=1e-8)
    with pytest.warns(ConditioningWarning, match="does not push"):
        wg.jacobian(lambda t: minimize(lambda x: np.sum((x - t) ** 2), np.ones(2), bounds=[(0, 9)] * 2).x)(
            np.array([0.0, 1.0])
        )


@pytest.mark.parametrize("method", ["SLSQP", "trust-constr"])
def test_a_minimum_with_constraints(method):
    """The nearest point of a disc of radius r to c: r c / |c|; the distance is |c| - r."""

    def nearest(c, r, shape="ineq"):
        return minimize(
            lambda x: np.sum((x - c) ** 2), np.array([0.2, 0.1]), method=method,
            constraints={"type": shape, "fun": lambda x: r**2 - np.sum(x**2)},
        )  # fmt: skip

    c = np.array([2.0, 1.0])
    size = np.sqrt(5)
    expected = 1.5 * (np.eye(2) / size - np.outer(c, c) / size**3)
    for shape in ("ineq", "eq"):
        np.testing.assert_allclose(wg.jacobian(lambda c: nearest(c, 1.5, shape).x)(c), expected, atol=1e-8)
        np.testing.assert_allclose(wg.jacobian(lambda r: nearest(c, r, shape).x)(1.5), c / size, atol=1e-8)
    np.testing.assert_allclose(wg.grad(lambda r: nearest(c, r).fun)(1.5), -2 * (size - 1.5), rtol=1e-7)
    np.testing.assert_allclose(wg.grad(wg.grad(lambda r: nearest(c, r).fun))(1.5), 2.0, rtol=1e-6)
    np.testing.assert_allclose(wg.jacobian(lambda c: nearest(c, 4.0).x)(c), np.eye(2), atol=1e-6)  # not active


def test_where_a_minimum_has_no_derivative():
    with pytest.warns(ConditioningWarning, match="singular"):
        t = wg.jacobian(lambda a: minimize(lambda x: (x[0] + x[1] - a) ** 2, np.zeros(2)).x)(1.0)
    assert np.isnan(t).any()
    with pytest.raises(ConvergenceError, match="minimize: the solver has not reached"):
        wg.grad(lambda a: minimize(lambda x: np.sum((x - a) ** 2), np.zeros(2), options={"maxiter": 0}).x.sum())(1.0)


def test_bilevel():
    """The best regularisation for a validation set, by gradient through the inner minimum."""
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((6, 3)), rng.standard_normal(6)
    c, d = rng.standard_normal((6, 3)), rng.standard_normal(6)

    def ridge(s):
        return minimize(lambda w: np.sum((a @ w - b) ** 2) + np.exp(s) * np.sum(w**2), np.zeros(3)).x

    def closed(s):
        return np.linalg.solve(a.T @ a + np.exp(s) * np.eye(3), a.T @ b)

    g, expected = [wg.grad(lambda s, f=f: np.sum((c @ f(s) - d) ** 2))(0.3) for f in (ridge, closed)]
    np.testing.assert_allclose(g, expected, rtol=1e-9)
    outer = minimize(lambda s: np.sum((c @ ridge(s) - d) ** 2), 0.0)
    direct = minimize(lambda s: np.sum((c @ closed(s) - d) ** 2), 0.0)
    np.testing.assert_allclose(outer.x, direct.x, rtol=1e-3)


# ---- least squares ------------------------------------------------------------------------------------------

T = np.linspace(0.0, 3.0, 12)
Y = 2 * np.exp(-0.7 * T) + 0.1 + 0.05 * np.cos(7 * T)


def decay(t, size, rate, offset):
    return size * np.exp(-rate * t) + offset


@pytest.mark.parametrize("method", ["trf", "dogbox", "lm"])
def test_least_squares(method):
    def f(p):
        return decay(T, p[0], p[1], p[2]) - Y

    ours = least_squares(f, [1.0, 1.0, 0.0], method=method)
    theirs = optimize.least_squares(f, [1.0, 1.0, 0.0], jac=wg.jacobian(f), method=method)
    assert set(ours) >= set(theirs)
    assert ours.nfev == theirs.nfev
    for name in ("x", "fun", "jac", "grad"):
        np.testing.assert_allclose(ours[name], theirs[name], atol=1e-9)
    _, pcov = optimize.curve_fit(decay, T, Y, [1.0, 1.0, 0.0])
    np.testing.assert_allclose(ours.covariance, pcov, rtol=1e-5)


@pytest.mark.parametrize("loss", ["linear", "soft_l1", "huber", "cauchy", "arctan"])
def test_least_squares_in_a_container(loss):
    def f(p, y):
        return {"curve": decay(T, p["size"], p["rate"], 0.1) - y, "prior": [0.1 * (p["rate"] - 1)]}

    start = {"size": 1.0, "rate": 1.0}
    r = least_squares(f, start, loss=loss, f_scale=0.1, args=(Y,), bounds=(0.0, {"size": 9.0, "rate": np.inf}))
    assert set(r.x) == set(r.grad) == set(r.active_mask) == {"size", "rate"}
    assert r.fun["curve"].shape == (12,)
    assert r.covariance.shape == (2, 2)
    flat = optimize.least_squares(
        lambda x: wg.tree.leaves(f({"size": x[0], "rate": x[1]}, Y))[0], [1.0, 1.0], loss=loss, f_scale=0.1
    )
    np.testing.assert_allclose(r.x["size"], flat.x[0], rtol=0.05)

    def solved(y):
        r = least_squares(f, start, loss=loss, f_scale=0.1, args=(y,), xtol=1e-15, ftol=1e-15, gtol=1e-12)
        return r.x["size"] * 2 + r.x["rate"]

    wg.check_grads(solved, Y, order=1, tol=1e-3)


def test_least_squares_of_few_residuals_and_float32():
    r = least_squares(lambda x: x[:1] - 2, np.zeros(2))
    assert np.isinf(r.covariance).all()
    r = least_squares(lambda x: (x - np.float32(2)) ** 3, np.zeros(2, np.float32), max_nfev=50)
    assert r.x.dtype == np.float32
    assert least_squares(lambda x: x - 2, 0.0).x.shape == ()
    with pytest.raises(ValueError, match="outside of provided bounds"):
        least_squares(lambda x: x, np.zeros(2), bounds=(1.0, 2.0))  # SciPy's own error
    np.testing.assert_allclose(least_squares(lambda x: x**2 - 4, 1.0, jac="2-point").x, 2)
    np.testing.assert_allclose(least_squares(lambda x: x**2 - 4, 1.0, jac=lambda x: [[2 * x]]).x, 2)
    np.testing.assert_allclose(least_squares(lambda x, a, b: x * b - a, 1.0, args=(4.0,), kwargs={"b": 2.0}).x, 2)


def test_covariance_of_least_squares_is_differentiable():
    A = np.vander(T, 3)

    def f(y):
        r = least_squares(lambda x: A @ x - y, np.zeros(3))
        return np.sum(r.covariance), r.cost, r.fun

    def closed(y):
        x = np.linalg.lstsq(A, y)[0]
        r = A @ x - y
        return np.sum(np.linalg.inv(A.T @ A)) * np.sum(r**2) / (T.size - 3), 0.5 * np.sum(r**2), r

    for k in range(2):
        np.testing.assert_allclose(
            wg.grad(lambda y: f(y)[k])(Y), wg.grad(lambda y: closed(y)[k])(Y), rtol=1e-6, atol=1e-9
        )
    np.testing.assert_allclose(wg.jacobian(lambda y: f(y)[2])(Y), wg.jacobian(lambda y: closed(y)[2])(Y), atol=1e-9)


# ---- curve_fit ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"p0": [1.0, 1.0, 0.0]},
        {"sigma": np.linspace(0.1, 0.2, 12)},
        {"sigma": np.linspace(0.1, 0.2, 12), "absolute_sigma": True},
        {"sigma": np.eye(12) * 0.01 + 0.002},
        {"bounds": ([0, 0, -1], [9, 9, 1])},
        {"bounds": (0, np.inf), "p0": [1.0, 1.0, 0.5]},
        {"method": "trf"},
    ],
)
def test_curve_fit(options):
    popt, pcov = curve_fit(decay, T, Y, **options)
    jac = lambda t, *p: wg.jacobian(lambda p: decay(t, p[0], p[1], p[2]))(np.array(p))
    expected, covariance = optimize.curve_fit(decay, T, Y, jac=jac, **options)
    np.testing.assert_allclose(popt, expected, rtol=1e-6)
    np.testing.assert_allclose(pcov, covariance, rtol=1e-5)
    assert type(popt) is np.ndarray


def test_curve_fit_of_a_container_and_float32():
    popt, pcov = curve_fit(
        lambda t, p: decay(t, p["size"], p["rate"], p["offset"]), T, Y, {"size": 1.0, "rate": 1.0, "offset": 0.0}
    )
    expected, covariance = optimize.curve_fit(decay, T, Y)
    np.testing.assert_allclose([popt["size"], popt["rate"], popt["offset"]], expected, rtol=1e-6)
    np.testing.assert_allclose(pcov, covariance, rtol=1e-4)
    popt, pcov = curve_fit(decay, T.astype(np.float32), Y.astype(np.float32))
    assert popt.dtype == pcov.dtype == np.float32
    np.testing.assert_allclose(popt, expected, rtol=1e-4)
    popt, _, info, message, flag = curve_fit(decay, T, Y, full_output=True)
    assert info["nfev"] > 0
    assert isinstance(message, str)
    assert flag in (1, 2, 3, 4)
    with pytest.warns(optimize.OptimizeWarning):
        _, pcov = curve_fit(lambda t, a, b: a + b * t, T[:2], Y[:2])
    assert np.isinf(pcov).all()
    with pytest.raises(RuntimeError, match="Optimal parameters not found"):
        curve_fit(decay, T, Y, maxfev=2)


def test_a_fit_is_differentiable_in_its_data():
    def fit(y, t):
        return curve_fit(decay, t, y)

    wg.check_grads(lambda y, t: fit(y, t)[0], Y, T, order=1, tol=1e-4)
    A = np.stack([T, np.ones(12)], 1)
    s = np.linspace(0.1, 0.2, 12)

    def line(y, s):
        popt, pcov = curve_fit(lambda t, a, b: a * t + b, T, y, sigma=s)
        return popt.sum(), pcov[0, 0]

    def closed(y, s):
        W = A / s[:, None]
        x = np.linalg.lstsq(W, y / s)[0]
        r = W @ x - y / s
        return x.sum(), np.linalg.inv(W.T @ W)[0, 0] * np.sum(r**2) / 10

    for k in range(2):
        for argument in range(2):
            g, expected = [wg.grad(lambda y, s, h=h: h(y, s)[k], argument)(Y, s) for h in (line, closed)]
            np.testing.assert_allclose(g, expected, rtol=1e-6, atol=1e-10)
