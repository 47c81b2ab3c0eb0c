"""wg.implicit: against closed forms, SciPy and differences of the solver itself, in both modes and to third order."""

from __future__ import annotations

import dataclasses
import functools
import warnings

import numpy as np
import pytest

import wengert as wg
from wengert import Variable
from wengert.implicit import ConditioningWarning, ConvergenceError, argmin, fixed_point, linear_solve, root

optimize = pytest.importorskip("scipy.optimize", reason="the solvers are SciPy's")
sparse = pytest.importorskip("scipy.sparse", reason="the solvers are SciPy's")

RNG = np.random.default_rng(7)
A = RNG.standard_normal((4, 4)) + 4 * np.eye(4)
B = RNG.standard_normal(4)


def square_root(a):
    return root(lambda x, a: x**2 - a, 1.0, args=(a,)).x


def in_closure(a):
    return root(lambda x: x**2 - a, 1.0).x


def coupled(p):
    """Two kinds of unknowns in a dict."""

    def fun(x, p):
        u, v = x["u"], x["v"]
        return {
            "u": np.tanh(A @ u) * p["s"] + u**3 + u - p["b"] * v,
            "v": 3 * v - np.sin(u).sum() - p["s"],
        }

    return root(fun, {"u": np.ones(4), "v": 0.0}, args=(p,)).x


# ---- derivatives of every order and in both modes -----------------------------------------------------------


@pytest.mark.parametrize("f", [square_root, in_closure])
def test_derivatives_of_a_square_root(f):
    d1, d2, d3 = 0.25, -1 / 32, 3 / 256
    np.testing.assert_allclose(f(4.0), 2.0, rtol=1e-15)
    g = wg.grad(f)
    np.testing.assert_allclose(g(4.0), d1, rtol=1e-14)
    np.testing.assert_allclose(wg.grad(g)(4.0), d2, rtol=1e-13)
    np.testing.assert_allclose(wg.grad(wg.grad(g))(4.0), d3, rtol=1e-12)

    def forward(a):
        return wg.jvp(f, (a,), (1.0,))[1]

    np.testing.assert_allclose(forward(4.0), d1, rtol=1e-14)
    np.testing.assert_allclose(wg.grad(forward)(4.0), d2, rtol=1e-13)
    np.testing.assert_allclose(wg.jvp(g, (4.0,), (1.0,))[1], d2, rtol=1e-13)
    np.testing.assert_allclose(wg.jvp(forward, (4.0,), (1.0,))[1], d2, rtol=1e-13)
    np.testing.assert_allclose(wg.grad(wg.grad(forward))(4.0), d3, rtol=1e-12)


def test_backward_leaves_gradients():
    a, c = Variable(4.0), Variable(1.0)
    y = root(lambda x: c * x**2 - a, 1.0).x * c
    y.backward()
    np.testing.assert_allclose([a.grad, c.grad], [0.25, 2.0 - 1.0])
    a.cleargrad()
    y = root(lambda x: x**2 - a, 1.0).x
    y.backward(create_graph=True)
    g = a.grad
    a.cleargrad()
    g.backward()
    np.testing.assert_allclose(a.grad, -1 / 32)
    y = root(lambda x: x**2 - a, 1.0).x
    y.backward(retain_graph=False)
    with pytest.raises(RuntimeError, match="freed"):
        y.backward()


def test_a_system_in_a_container():
    def loss(s, b):
        x = coupled({"s": s, "b": b})
        assert set(x) == {"u", "v"}
        assert x["u"].shape == (4,)
        assert x["v"].shape == ()
        return (x["u"] ** 2).sum() * x["v"]

    wg.check_grads(loss, 0.5, B)


@pytest.mark.parametrize("how", ["dense", "gmres", "auto"])
def test_fixed_point(how):
    def f(b):
        return fixed_point(lambda x: np.tanh(A @ x / 8) + b, np.zeros(4), linear_solver=how)

    x = f(B)
    assert type(x) is np.ndarray
    np.testing.assert_allclose(x, optimize.fixed_point(lambda x: np.tanh(A @ x / 8) + B, np.zeros(4)), rtol=1e-7)
    wg.check_grads(f, B)


def test_kepler():
    """E - e sin E = M: dE/dM = 1 / (1 - e cos E), for many anomalies at once and in a fixed-point iteration."""
    m = np.linspace(0.1, 3.0, 5)
    for solve in (
        lambda m, e: root(lambda E, m, e: E - e * np.sin(E) - m, m, args=(m, e)).x,
        lambda m, e: fixed_point(lambda E: m + e * np.sin(E), np.array([0.1, 0.8, 1.5, 2.3, 3.0])),
    ):
        E = solve(m, 0.3)
        (gm,) = wg.vjp(lambda m: solve(m, 0.3), m)[1](np.ones(5))
        np.testing.assert_allclose(gm, 1 / (1 - 0.3 * np.cos(E)), rtol=1e-10)
        _, te = wg.jvp(lambda e: solve(m, e), (0.3,), (1.0,))
        np.testing.assert_allclose(te, np.sin(E) / (1 - 0.3 * np.cos(E)), rtol=1e-10)


@pytest.mark.parametrize("how", ["dense", "cg", "gmres"])
def test_argmin(how):
    """Ridge regression: x = (A^T A + r)^-1 A^T b."""

    def f(b, r):
        return argmin(lambda x: np.sum((A @ x - b) ** 2) + r * np.sum(x**2), np.zeros(4), linear_solver=how)

    def closed(b, r):
        return np.linalg.solve(A.T @ A + r * np.eye(4), A.T @ b)

    np.testing.assert_allclose(f(B, 0.5), closed(B, 0.5), rtol=1e-12)
    for argument in (0, 1):
        g, expected = [wg.grad(lambda b, r, h=h: np.sum(h(b, r) ** 3), argument)(B, 0.5) for h in (f, closed)]
        np.testing.assert_allclose(g, expected, rtol=1e-8)
        second, expected = [
            wg.grad(lambda r, h=h: wg.grad(lambda r: np.sum(h(B, r) ** 3))(r))(0.5) for h in (f, closed)
        ]
        np.testing.assert_allclose(second, expected, rtol=1e-7)


def test_argmin_that_is_not_quadratic():
    wg.check_grads(
        lambda a: argmin(lambda x: np.sum((x - a) ** 4 + np.exp(x)), np.zeros(3)), np.array([0.3, 1.0, -1.0])
    )


def test_one_solution_within_another():
    """Hyperparameter tuning: an inner minimum, and a root of the outer gradient."""

    def inner(t):
        return argmin(lambda x: (x - 1) ** 2 + t * x**2, 0.0)  # 1 / (1 + t)

    np.testing.assert_allclose(inner(0.5), 1 / 1.5, rtol=1e-10)
    best = root(lambda t, c: wg.grad(lambda t: (inner(t) - c) ** 2)(t), 0.5, args=(0.4,))
    np.testing.assert_allclose(best.x, 1 / 0.4 - 1, rtol=1e-6)
    slope = wg.grad(lambda c: root(lambda t: inner(t) - c, 0.5).x)(0.4)
    np.testing.assert_allclose(slope, -1 / 0.16, rtol=1e-8)


# ---- linear systems -----------------------------------------------------------------------------------------


def tridiagonal(u, k):
    zero = np.zeros(1)
    return k * (2 * u - np.concatenate([u[1:], zero]) - np.concatenate([zero, u[:-1]])) + u


@pytest.mark.parametrize("how", ["auto", "dense", "cg", "gmres"])
def test_linear_solve_of_a_function(how):
    def f(b, k):
        return linear_solve(lambda u: tridiagonal(u, k), b, linear_solver=how)

    matrix = 0.7 * (2 * np.eye(4) - np.eye(4, k=1) - np.eye(4, k=-1)) + np.eye(4)
    np.testing.assert_allclose(f(B, 0.7), np.linalg.solve(matrix, B), rtol=1e-9)
    wg.check_grads(f, B, 0.7)
    np.testing.assert_allclose(f(np.zeros(4), 0.7), np.zeros(4))


@pytest.mark.parametrize("how", ["auto", "gmres"])
def test_linear_solve_of_a_matrix(how):
    f = functools.partial(linear_solve, linear_solver=how)
    np.testing.assert_allclose(f(A, B), np.linalg.solve(A, B), rtol=1e-9)
    wg.check_grads(f, A, B)
    wg.check_grads(lambda b: f(A, b), B)


@pytest.mark.parametrize("how", ["auto", "gmres"])
def test_linear_solve_of_a_sparse_matrix(how):
    matrix = sparse.csr_array(A)
    np.testing.assert_allclose(linear_solve(matrix, B, linear_solver=how), np.linalg.solve(A, B), rtol=1e-9)
    wg.check_grads(lambda b: linear_solve(matrix, b, linear_solver=how) ** 2, B)
    two = linear_solve(matrix, np.stack([B, 2 * B], 1))
    np.testing.assert_allclose(two, np.linalg.solve(A, np.stack([B, 2 * B], 1)))
    with pytest.raises(TypeError, match="sparse A has to be real"):
        linear_solve(matrix * 1j, B)
    with pytest.raises(np.linalg.LinAlgError, match="singular"):
        linear_solve(sparse.csr_array(np.ones((2, 2))), np.ones(2))


def test_linear_solve_of_a_linear_operator():
    operator = sparse.linalg.aslinearoperator(A)
    for how in ("dense", "gmres"):
        wg.check_grads(lambda b: linear_solve(operator, b, linear_solver=how) ** 2, B)


def test_linear_solve_of_a_container_and_of_complex_numbers():
    def operator(x, k):
        return {"u": 2 * x["u"] + k * x["v"].sum(), "v": 3 * x["v"] - x["u"][:2] * k}

    def f(b, c, k):
        x = linear_solve(lambda x: operator(x, k), {"u": b, "v": c})
        return x["u"] * 1.0, x["v"]

    wg.check_grads(f, B, np.ones(2), 0.3)
    wg.check_grads(lambda z, k: linear_solve(lambda x: k * (A @ x) + 1j * x, z), B + 1j, 0.5 + 0.2j)
    z = linear_solve(lambda x: A @ x + 1j * x, B + 1j)
    np.testing.assert_allclose(z, np.linalg.solve(A + 1j * np.eye(4), B + 1j))


def test_what_linear_solve_refuses():
    with pytest.raises(ValueError, match="not linear"):
        linear_solve(lambda x: x + 1, B)
    with pytest.raises(ValueError, match="b has 4 numbers, but A gives 2"):
        linear_solve(lambda x: x[:2], B)
    with pytest.raises(np.linalg.LinAlgError, match="A is singular"):
        linear_solve(lambda x: x - x.mean(), B)
    with pytest.raises(ConvergenceError, match="gmres did not converge"):
        linear_solve(lambda x: x - x.mean(), B, linear_solver="gmres")
    with pytest.raises(ValueError, match="linear_solver is"):
        linear_solve(lambda x: x, B, linear_solver="lu")


def test_a_long_chain_of_solves():
    """A time-stepping loop: the walk is linear in the number of steps, and nothing recurses."""
    k = Variable(0.1)
    u = np.ones(2)
    for _ in range(1500):
        u = linear_solve(lambda x: x + k * x * 0.01, u)
    y = u.sum()
    y.backward()
    np.testing.assert_allclose(k.grad, -1500 * 0.01 * 2 * 1.001**-1501, rtol=1e-9)


# ---- the caller's own solvers -------------------------------------------------------------------------------


def newton(f, x):
    for _ in range(50):
        value, slope = wg.value_and_grad(f)(x)
        x = x - value / slope
    return x


def test_the_callers_solver():
    f = lambda a: root(lambda x, a: x**3 - a, 1.0, args=(a,), solver=newton).x
    np.testing.assert_allclose(wg.grad(f)(8.0), 1 / 12)
    np.testing.assert_allclose(wg.grad(wg.grad(f))(8.0), -2 / 9 * 8 ** (-5 / 3))

    def iterate(f, x):
        for _ in range(200):
            x = f(x)
        assert not isinstance(x, Variable)
        return x

    g = lambda a: fixed_point(lambda x: np.cos(a * x), 0.5, solver=iterate)
    wg.check_grads(g, 1.0)

    def descend(f, x):
        for _ in range(300):
            x = {"p": x["p"] - 0.2 * wg.grad(lambda p: f({"p": p}))(x["p"])}
        return x

    h = lambda a: argmin(lambda x: np.sum((x["p"] - a) ** 2 + x["p"] ** 2), {"p": np.zeros(2)}, solver=descend)["p"]
    np.testing.assert_allclose(wg.jvp(h, (np.ones(2),), (np.ones(2),))[1], [0.5, 0.5])
    scipys = root(lambda x: x**2 - 2, 1.0, solver=lambda f, x: optimize.root_scalar(f, bracket=[0, 2]).root)
    assert scipys.success
    np.testing.assert_allclose(scipys.x, np.sqrt(2))
    with pytest.raises(ValueError, match="result of solver"):
        root(lambda x: x, np.ones(2), solver=lambda f, x: np.ones(3))


def test_the_callers_linear_solver():
    calls = []

    def solve(matvec, b):
        calls.append(b.size)
        columns = [matvec(e) for e in np.eye(b.size)]
        return np.linalg.solve(np.stack(columns, 1), b)

    f = lambda b: fixed_point(lambda x: np.tanh(A @ x / 8) + b, np.zeros(4), linear_solver=solve)
    wg.check_grads(f, B)
    assert calls


# ---- SciPy's result -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["hybr", "lm", "broyden1", "krylov", "df-sane"])
def test_root_as_scipy(method):
    def fun(x, a):
        return np.cosh(x) / 4 + x - np.sum(x) / 5 - a

    a = np.array([2.0, 3.0])
    ours, theirs = root(fun, [1.0, 2.0], (a,), method), optimize.root(fun, [1.0, 2.0], (a,), method)
    assert set(ours) >= set(theirs)
    assert ours.success
    np.testing.assert_allclose(ours.x, theirs.x, atol=1e-5)
    x, t = wg.jvp(lambda a: root(fun, [1.0, 2.0], (a,), method).x, (a,), (np.ones(2),))
    np.testing.assert_allclose(t, np.linalg.solve(np.diag(np.sinh(x) / 4 + 1) - 1 / 5, np.ones(2)), rtol=1e-9)


def test_jacobians_of_the_caller():
    seen = []

    def jac(x, a):
        seen.append(x.shape)
        return np.diag(2 * x)

    r = root(lambda x, a: x**2 - a, np.ones(2), args=(np.array([4.0, 9.0]),), jac=jac)
    np.testing.assert_allclose(r.x, [2, 3])
    assert seen
    r = root(lambda x: (x**2 - 4, np.diag(2 * x)), np.ones(2), jac=True)
    np.testing.assert_allclose(r.x, [2, 2])
    r = root(lambda x: x**2 - 4, np.ones(2), jac=False)
    np.testing.assert_allclose(r.x, [2, 2])


def test_a_run_needs_no_derivative_where_none_is_asked_for():
    def fun(x):
        return np.array([float(v) ** 2 - 4 for v in x])

    assert root(fun, np.ones(1), method="df-sane").success


# ---- what x0 and args may be --------------------------------------------------------------------------------


@dataclasses.dataclass
class Orbit:
    radius: object
    angle: object


def test_containers():
    r = root(lambda x: Orbit(x.radius - 2, x.angle - 1), Orbit(np.ones((2, 2)), 0.0)).x
    assert isinstance(r, Orbit)
    np.testing.assert_allclose(r.radius, np.full((2, 2), 2.0))
    assert r.angle.shape == ()
    r = root(
        lambda x, p: [x[0] - p["a"][0], x[1] ** 2 - p["b"]], [np.ones(1), np.ones(2)], args=({"a": (3.0,), "b": 9.0},)
    ).x
    np.testing.assert_allclose(r[1], [3, 3])
    g = wg.grad(lambda a: root(lambda x, p: x**2 - p["a"][0], 1.0, args=({"a": [a]},)).x)(4.0)
    np.testing.assert_allclose(g, 0.25)


def test_shapes_and_dtypes():
    assert root(lambda x: x**2 - 4, 1).x.shape == ()
    assert root(lambda x: x**2 - 4, [1, 1]).x.shape == (2,)
    assert root(lambda x: x**2 - 4, np.ones((2, 1))).x.shape == (2, 1)
    empty = root(lambda x: x, np.zeros((0, 3)))
    assert empty.x.shape == (0, 3)
    assert empty.success
    assert fixed_point(lambda x: x, np.zeros(0)).shape == (0,)
    assert argmin(lambda x: np.sum(x**2), np.zeros(0)).shape == (0,)
    assert linear_solve(lambda x: x, np.zeros(0)).shape == (0,)
    a = np.float32(4)
    for f in (
        lambda a: root(lambda x: x**2 - a, np.float32(1)).x,
        lambda a: fixed_point(lambda x: (x + a / x) / 2, np.float32(1)),
        lambda a: argmin(lambda x: (x**2 - a) ** 2, np.float32(1)),
        lambda a: linear_solve(lambda x: 2 * x, a),
    ):
        value, g = wg.value_and_grad(f)(a)
        assert value.dtype == g.dtype == np.float32
        np.testing.assert_allclose(value, 2, rtol=1e-5)
    mixed = root(lambda x: {"a": x["a"] - 1, "b": x["b"] - 2}, {"a": np.ones(1, np.float32), "b": np.ones(1)}).x
    assert [v.dtype for v in mixed.values()] == [np.float32, np.float64]


def test_complex_unknowns():
    f = lambda a: root(lambda z: z**2 - a, 1.0 + 0.5j).x
    a = -3.0 + 1j
    np.testing.assert_allclose(f(a), np.sqrt(a))
    np.testing.assert_allclose(wg.jvp(f, (a,), (1.0 + 0j,))[1], 0.5 / np.sqrt(a))
    wg.check_grads(f, a)
    wg.check_grads(lambda a: root(lambda z: z * np.abs(z) - a, 1.0 + 0.5j).x, a)  # not holomorphic
    wg.check_grads(lambda a: fixed_point(lambda z: np.cos(a * z) / 2, 0.3 + 0.1j), 1.0 + 0.3j)


def test_a_start_has_no_gradient():
    with pytest.raises(ValueError, match="does not depend on argument 0"):
        wg.grad(lambda x0: root(lambda x: x**2 - 4, x0).x)(1.0)
    x0 = Variable(1.0)
    assert type(root(lambda x: x**2 - 4, x0).x) is np.ndarray


def test_no_grad_and_constants_give_arrays():
    a = Variable(4.0)
    with wg.no_grad():
        assert type(root(lambda x: x**2 - a, 1.0).x) is np.ndarray
    assert type(root(lambda x: x**2 - 4.0, 1.0).x) is np.ndarray
    assert isinstance(root(lambda x: x**2 - a, 1.0).x, Variable)


def test_the_closure_is_that_of_the_call():
    """A loop variable that has moved on, and an array that is changed, before the derivative is taken."""
    a, c, total = Variable(4.0), np.array(1.0), 0.0
    for k in (1.0, 2.0, 3.0):
        total = total + root(lambda x: x - k * c * a, 1.0).x
    c *= 100
    total.backward()
    np.testing.assert_allclose(a.grad, 6.0)


def test_an_argument_in_two_places():
    wg.check_grads(lambda a: root(lambda x, b: x**3 + a * x - b * a, 1.0, args=(a * 2,)).x * a, 1.5, order=3)


# ---- where the theorem fails --------------------------------------------------------------------------------


def test_singular_jacobians_warn():
    singular = lambda a: (
        root(
            lambda x: np.stack([x[0] + x[1] - a, 2 * (x[0] + x[1]) - 2 * a]),
            np.zeros(2),
            solver=lambda f, x: np.array([0.5, 0.5]),
        ).x
    )
    with pytest.warns(ConditioningWarning, match="singular"):
        _, t = wg.jvp(singular, (1.0,), (1.0,))
    assert np.isnan(t).all()
    with pytest.warns(ConditioningWarning, match="singular"):
        (g,) = wg.vjp(singular, 1.0)[1](np.ones(2))
    assert np.isnan(g)
    with pytest.warns(ConditioningWarning, match="singular"):  # a fold: two solutions meet
        wg.grad(lambda a: root(lambda x: x**2 - a, 1.0, solver=lambda f, x: 0.0).x)(0.0)
    with pytest.warns(ConditioningWarning, match="singular"):  # not quite reached
        wg.grad(lambda a: root(lambda x: x**2 - a, 1.0, solver=lambda f, x: 1e-9).x)(0.0)
    with pytest.warns(ConditioningWarning):
        wg.grad(lambda a: argmin(lambda x: (x - a) ** 4, 1.0))(0.0)


def test_ill_conditioned_jacobians_warn():
    nearly = np.array([[1.0, 1.0], [1.0, 1.0 + 1e-11]])
    with pytest.warns(ConditioningWarning, match="ill-conditioned"):
        wg.jvp(lambda b: root(lambda x: nearly @ x - b, np.zeros(2)).x, (np.ones(2),), (np.ones(2),))
    with pytest.warns(ConditioningWarning, match="A is ill-conditioned"):
        linear_solve(lambda x: nearly @ x, np.ones(2))
    units = np.diag([1e-12, 1e9])  # only the units differ
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _, t = wg.jvp(
            lambda b: root(lambda x: units @ x - b, np.zeros(2), solver=lambda f, x: np.ones(2)).x,
            (np.array([1e-12, 1e9]),),
            (np.ones(2),),
        )
    np.testing.assert_allclose(t, [1e12, 1e-9])


def test_a_solution_at_zero_is_none_to_warn_of():
    np.testing.assert_allclose(wg.grad(lambda a: root(lambda x: np.sin(x) - a, 0.5).x)(0.0), 1.0)
    np.testing.assert_allclose(wg.grad(lambda a: root(lambda x: 2 * x - a, 0.0).x)(0.0), 0.5)


def test_a_zero_cotangent_does_not_meet_a_singular_jacobian():
    f = lambda a: np.sum(root(lambda x: x**2 - a, np.ones(2), solver=lambda f, x: np.zeros(2)).x * 0.0) + a.sum()
    np.testing.assert_array_equal(wg.grad(f)(np.zeros(2)), np.ones(2))


def test_no_solution_has_no_derivative():
    stuck = lambda a: root(lambda x: 2 * x - a, 1.0, solver=lambda f, x: x).x
    assert stuck(4.0) == 1.0
    with pytest.raises(ConvergenceError, match="root: the solver has not reached a solution"):
        wg.grad(stuck)(4.0)
    with pytest.warns(ConditioningWarning), pytest.raises(ConvergenceError):
        wg.grad(lambda a: root(lambda x: np.exp(x) - a, 9.0, options={"maxfev": 3}).x)(1.0)
    with pytest.raises(RuntimeError, match="Failed to converge"):
        fixed_point(lambda x: 2 * x + 1, 1.0, maxiter=5, method="iteration")


def test_messages():
    with pytest.raises(ValueError, match="root: 2 unknowns, but the function gives 3 values"):
        root(lambda x: np.ones(3) * x.sum() * Variable(1.0), np.ones(2), solver=lambda f, x: x)
    with pytest.raises(TypeError, match="x0"):
        root(lambda x: x, "text")
    with pytest.raises(TypeError, match="argmin: the function must give a real scalar"):
        argmin(lambda x: x**2, np.ones(2))


def test_batches():
    J = np.linalg.inv(np.diag(3 * coupled_cubes(B) ** 2) + A)
    for jacobian in (wg.jacrev, wg.jacfwd):
        np.testing.assert_allclose(jacobian(coupled_cubes)(B), J, rtol=1e-10)
    H = -np.einsum("im,m,mj,mk->ijk", J, 6 * coupled_cubes(B), J, J)
    np.testing.assert_allclose(wg.hessian(coupled_cubes)(B), H, rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(wg.jacrev(wg.jacrev(coupled_cubes))(B), H, rtol=1e-8, atol=1e-12)
    with pytest.raises(TypeError, match="another value in every example of a vmap"):
        wg.vmap(coupled_cubes)(np.stack([B, B]))


def coupled_cubes(b):
    return root(lambda x: x**3 + A @ x - b, np.ones(4), linear_solver="gmres").x


def test_a_users_function_on_arrays_has_no_second_derivative():
    class Cube(wg.Function):
        def forward(self, x):
            return x**3

        def backward(self, gy):
            return 3 * self.input.data**2 * gy

    f = lambda a: root(lambda x: Cube()(x) - a, 1.0).x
    np.testing.assert_allclose(wg.grad(f)(8.0), 1 / 12)
    with pytest.raises(TypeError, match=r"Cube\.backward works on arrays"):
        wg.grad(wg.grad(f))(8.0)
