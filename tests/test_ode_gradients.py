"""Derivatives of solve_ivp against closed forms, finite differences and each other."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

import wengert as wg

pytest.importorskip("scipy.integrate", reason="compares with SciPy's solver, and uses its Radau")

TIGHT = {"rtol": 1e-9, "atol": 1e-9}
EXACT = {"rtol": 1e-6, "atol": 1e-8}  # what is asked of results of the TIGHT tolerances
GRADIENTS = ["discrete", "adjoint"]
METHODS = [
    ("RK23", {"rtol": 1e-6, "atol": 1e-8}),
    ("RK45", TIGHT),
    ("DOP853", TIGHT),
    ("RK4", {"n_steps": 60}),
    ("Radau", {"rtol": 1e-7, "atol": 1e-8}),
]
CASES = [pytest.param(m, kw, g, id=f"{m}-{g}") for m, kw in METHODS for g in GRADIENTS]


def decay(t, y, k):
    return -k * y


def numerical(f, *xs, eps=1e-5):
    """Central differences by each of the arguments, at their own shapes."""
    found = []
    for i, x in enumerate(xs):
        x, g = np.asarray(x, float), np.zeros(np.shape(x))
        for j in np.ndindex(x.shape):
            step = np.zeros(x.shape)
            step[j] = eps
            up, down = [[*xs[:i], x + s, *xs[i + 1 :]] for s in (step, -step)]
            g[j] = (f(*up) - f(*down)) / (2 * eps)
        found.append(g)
    return found


# ---- gradients ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("method", "options", "gradient"), CASES)
def test_gradients_by_everything(method, options, gradient):
    """y' = -k t y: y = y0 exp(-k (t1² - t0²) / 2)."""

    def f(y0, k, t0, t1):
        r = wg.solve_ivp(lambda t, y: -k * t * y, (t0, t1), y0, method=method, gradient=gradient, **options)
        return np.sum(r.y[:, -1])

    y0, k, t0, t1 = np.array([1.0, 2.0]), 0.7, 0.5, 1.5
    e = np.exp(-k * (t1**2 - t0**2) / 2)
    expected = [e * np.ones(2), -3 * e * (t1**2 - t0**2) / 2, 3 * e * k * t0, -3 * e * k * t1]
    for ours, exact in zip(wg.grad(f, (0, 1, 2, 3))(y0, k, t0, t1), expected, strict=True):
        np.testing.assert_allclose(ours, exact, rtol=1e-5)


@pytest.mark.parametrize(("method", "options", "gradient"), CASES)
def test_gradients_at_points_with_containers_in_args(method, options, gradient):
    def f(y0, k, c):
        p = {"k": k, "c": [c, 1.0]}

        def fun(t, y, p):
            return [y[1], -np.sin(y[0]) * p["k"] * t - p["c"][0] * y[1] ** 2]

        r = wg.solve_ivp(fun, (0.0, 2.0), y0, method, np.linspace(0.0, 2.0, 5), args=(p,), gradient=gradient, **options)
        return np.sum(r.y * np.arange(10.0).reshape(2, 5))

    at = np.array([1.0, 0.2]), 1.3, 0.2
    for ours, expected in zip(wg.grad(f, (0, 1, 2))(*at), numerical(f, *at, eps=1e-4), strict=True):
        np.testing.assert_allclose(ours, expected, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("gradient", GRADIENTS)
def test_harmonic_oscillator_and_logistic(gradient):
    def oscillator(w):
        return wg.solve_ivp(lambda t, y: [y[1], -(w**2) * y[0]], (0, 3), [1.0, 0.0], gradient=gradient, **TIGHT).y[
            0, -1
        ]

    np.testing.assert_allclose(wg.grad(oscillator)(1.3), -3 * np.sin(3.9), **EXACT)

    def logistic(r, y0):
        return wg.solve_ivp(lambda t, y: r * y * (1 - y), (0, 2), [y0], gradient=gradient, **TIGHT).y[0, -1]

    exact = lambda r, y0: 1 / (1 + (1 / y0 - 1) * np.exp(-2 * r))  # noqa: E731
    np.testing.assert_allclose(wg.grad(logistic, (0, 1))(1.1, 0.3), wg.grad(exact, (0, 1))(1.1, 0.3), **EXACT)


@pytest.mark.parametrize("gradient", GRADIENTS)
def test_gradients_by_times(gradient):
    def at(t):
        return np.sum(wg.solve_ivp(lambda t, y: -y, (0, 2), [1.0], t_eval=t, gradient=gradient, **TIGHT).y)

    t = np.array([0.0, 0.5, 2.0])
    np.testing.assert_allclose(wg.grad(at)(t), -np.exp(-t), **EXACT)

    def spread(t1):
        points = np.linspace(0.0, t1, 3)
        return np.sum(wg.solve_ivp(lambda t, y: -y, (0.0, t1), [1.0], t_eval=points, gradient=gradient, **TIGHT).y)

    np.testing.assert_allclose(wg.grad(spread)(1.0), -0.5 * np.exp(-0.5) - np.exp(-1), **EXACT)

    def backward(k, ends):
        return wg.solve_ivp(lambda t, y: -k * y * t, ends, [1.0], gradient=gradient, **TIGHT).y[0, -1]

    gk, ends = wg.grad(backward, (0, 1))(0.5, np.array([2.0, 0.5]))
    y = np.exp(0.25 * (4 - 0.25))
    np.testing.assert_allclose([gk, *ends], [y * 0.5 * (4 - 0.25), y * 0.5 * 2, -y * 0.5 * 0.5], **EXACT)


def test_step_times_are_variables_where_the_span_is():
    r = wg.solve_ivp(lambda t, y: -y, (wg.Variable(0.0), 1.0), [1.0])
    assert isinstance(r.t, wg.Variable)
    np.testing.assert_array_equal(r.t.data, wg.solve_ivp(lambda t, y: -y, (0, 1), [1.0]).t)


@pytest.mark.parametrize("gradient", GRADIENTS)
def test_closures_are_found_in_every_branch(gradient):
    def f(a, b):
        def fun(t, y):
            return -a * y if t < 0.5 else -b * y  # b is not read before the middle

        return wg.solve_ivp(fun, (0, 1), [1.0], gradient=gradient, **TIGHT).y[0, -1]

    np.testing.assert_allclose(wg.grad(f, (0, 1))(0.7, 1.9), 2 * [-0.5 * np.exp(-1.3)], rtol=1e-5)


@pytest.mark.parametrize("gradient", GRADIENTS)
@pytest.mark.parametrize("method", ["RK45", "Radau"])
def test_a_derivative_inside_the_function(gradient, method):
    """Hamilton's equations from the energy, whose parameter is in the closure."""

    def f(m):
        def energy(z):
            return z[1] ** 2 / (2 * m) + z[0] ** 2 / 2

        def fun(t, z):
            g = wg.grad(energy)(z)
            return [g[1], -g[0]]

        return wg.solve_ivp(fun, (0, 1), [1.0, 0.0], method=method, gradient=gradient, rtol=1e-6, atol=1e-7).y[0, -1]

    np.testing.assert_allclose(wg.grad(f)(1.3), np.sin(1 / 1.3**0.5) / 2 * 1.3**-1.5, rtol=1e-4)


@pytest.mark.parametrize("gradient", GRADIENTS)
def test_a_solve_inside_the_function(gradient):
    def f(k):
        def fun(t, y):
            return wg.solve_ivp(lambda s, z: -k * z, (0, 1), y, gradient=gradient, rtol=1e-4).y[:, -1]

        return wg.solve_ivp(fun, (0, 1), [1.0], gradient=gradient, rtol=1e-4).y[0, -1]

    np.testing.assert_allclose(wg.grad(f)(0.5), -np.exp(-0.5) * np.exp(np.exp(-0.5)), rtol=1e-3)


def test_leaves_and_backward():
    k, y0 = wg.Variable(0.5), wg.Variable(np.array([1.0, 2.0]))
    loss = np.sum(wg.solve_ivp(decay, (0, 1), y0, args=(k,), **TIGHT).y[:, -1])
    loss.backward()
    np.testing.assert_allclose(k.grad, -3 * np.exp(-0.5), **EXACT)
    np.testing.assert_allclose(y0.grad, np.exp(-0.5) * np.ones(2), **EXACT)
    k.cleargrad()
    loss.backward(create_graph=True)
    first = k.grad
    k.cleargrad()
    first.backward()
    np.testing.assert_allclose(k.grad, 3 * np.exp(-0.5), **EXACT)
    loss.backward(retain_graph=False)
    with pytest.raises(RuntimeError, match="this graph was freed"):
        loss.backward()


@pytest.mark.parametrize(("method", "options"), METHODS)
def test_second_order_and_forward_mode(method, options):
    def f(k, t1):
        return wg.solve_ivp(decay, (0.0, t1), [2.0], args=(k,), method=method, **options).y[0, -1]

    at = 0.5, 1.2
    e = 2 * np.exp(-0.6)
    one = (1.0, 0.0)
    np.testing.assert_allclose(wg.jvp(f, at, one)[1], -1.2 * e, rtol=1e-5)
    np.testing.assert_allclose(wg.jvp(f, at, (0.0, 1.0))[1], -0.5 * e, rtol=1e-5)
    hessian = [
        wg.grad(wg.grad(f))(*at),
        wg.jvp(wg.grad(f), at, one)[1],
        wg.grad(lambda k, t1: wg.jvp(f, (k, t1), one)[1])(*at),
        wg.jvp(lambda k, t1: wg.jvp(f, (k, t1), one)[1], at, one)[1],
    ]
    np.testing.assert_allclose(hessian, 1.44 * e, rtol=3e-5)
    mixed = wg.grad(wg.grad(f), 1)(*at)
    np.testing.assert_allclose(mixed, (-1 + 0.5 * 1.2) * e, rtol=1e-4)


def test_check_grads():
    def f(y0, k):
        r = wg.solve_ivp(
            lambda t, y: [y[1], -k * np.sin(y[0])], (0, 1), y0, method="RK4", n_steps=10, t_eval=[0.33, 1.0]
        )
        return r.y

    wg.check_grads(f, np.array([0.4, 0.1]), 1.3)


# ---- stiff systems --------------------------------------------------------------------------------------------------


def van_der_pol(t, y, mu):
    return [y[1], mu * (1 - y[0] ** 2) * y[1] - y[0]]


def robertson(t, y, k):
    a, b, c = k[0] * y[0], k[1] * y[1] * y[2], k[2] * y[1] ** 2
    return [-a + b, a - b - c, c]


@pytest.mark.parametrize("gradient", GRADIENTS)
def test_stiff_van_der_pol(gradient):
    options = {"method": "Radau", "rtol": 1e-7, "atol": 1e-8}

    def f(mu):
        return wg.solve_ivp(van_der_pol, (0, 50.0), [2.0, 0.0], args=(mu,), gradient=gradient, **options).y[0, -1]

    np.testing.assert_allclose(wg.grad(f)(100.0), numerical(f, 100.0, eps=0.1)[0], rtol=1e-3)


def test_stiff_robertson():
    k = np.array([0.04, 1e4, 3e7])

    def f(scale, gradient="discrete"):
        r = wg.solve_ivp(
            robertson, (0, 10.0), [1.0, 0.0, 0.0], "Radau", args=(k * scale,), gradient=gradient, rtol=1e-5, atol=1e-9
        )
        return r.y[2, -1]

    discrete, adjoint = [wg.grad(f)(np.ones(3), g) for g in GRADIENTS]
    along = np.array([1.0, 0.5, -0.5])
    expected = numerical(lambda s: f(1 + s * along), 0.0, eps=1e-2)[0]
    np.testing.assert_allclose([discrete @ along, adjoint @ along], expected, rtol=3e-3)


def test_jacobians_are_passed_on():
    def jacobian(t, y, mu):
        return [[0.0, 1.0], [-2 * mu.item() * y[0] * y[1] - 1, mu.item() * (1 - y[0] ** 2)]]

    def f(mu, **options):
        return wg.solve_ivp(van_der_pol, (0, 5), [2.0, 0.0], "Radau", args=(mu,), rtol=1e-6, **options).y[0, -1]

    np.testing.assert_allclose(wg.grad(f)(np.float64(5.0)), wg.grad(lambda mu: f(mu, jac=jacobian))(5.0), rtol=1e-5)


# ---- events and dense output ----------------------------------------------------------------------------------------


def ball(t, s, g):
    return [s[1], -g]


def ground(t, s, g):
    return s[0]


ground.terminal = True
ground.direction = -1


@pytest.mark.parametrize(("method", "options", "gradient"), CASES)
def test_bouncing_ball(method, options, gradient):
    """From height h the ball hits the ground at sqrt(2 h / g), with speed sqrt(2 g h)."""

    def solve(h, g):
        r = wg.solve_ivp(
            ball, (0, 10), wg.array([h, 0.0]), method, events=ground, args=(g,), gradient=gradient, **options
        )
        assert r.status == 1
        return r

    h, g = 2.0, 9.81
    time, speed = np.sqrt(2 * h / g), np.sqrt(2 * g * h)
    for f in (lambda h, g: solve(h, g).t_events[0][0], lambda h, g: solve(h, g).t[-1]):
        value, grads = wg.value_and_grad(f, (0, 1))(h, g)
        np.testing.assert_allclose([value, *grads], [time, time / (2 * h), -time / (2 * g)], rtol=1e-6)
    for f in (lambda h, g: solve(h, g).y_events[0][0, 1], lambda h, g: solve(h, g).y[1, -1]):
        value, grads = wg.value_and_grad(f, (0, 1))(h, g)
        np.testing.assert_allclose([value, *grads], [-speed, -speed / (2 * h), -speed / (2 * g)], rtol=1e-6)


def test_second_derivative_of_an_event_time():
    def impact(h, g):
        return wg.solve_ivp(ball, (0, 10), wg.array([h, 0.0]), events=ground, args=(g,)).t_events[0][0]

    h, g = 2.0, 9.81
    second = -np.sqrt(2 * h / g) / (4 * h**2)
    np.testing.assert_allclose(wg.grad(wg.grad(impact))(h, g), second)
    np.testing.assert_allclose(wg.jvp(wg.grad(impact), (h, g), (1.0, 0.0))[1], second)
    np.testing.assert_allclose(wg.grad(lambda h: wg.jvp(impact, (h, g), (1.0, 0.0))[1])(h), second)


def test_several_bounces_by_restarting():
    def last(h):
        t, state = 0.0, wg.array([h, 0.0])
        for _ in range(3):
            r = wg.solve_ivp(ball, (t, t + 10), state, events=ground, args=(9.81,))
            t, state = r.t_events[0][0], wg.array([0.0, -0.5 * r.y_events[0][0, 1]])
        return t

    np.testing.assert_allclose(wg.grad(last)(2.0), 2.5 * np.sqrt(2 / 9.81) / (2 * np.sqrt(2)), rtol=1e-6)


def test_an_infinite_span_that_an_event_ends():
    def half(t, y, k):
        return y[0] - 0.5

    half.terminal = True
    f = lambda k: wg.solve_ivp(decay, (0, np.inf), [1.0], args=(k,), events=half, **TIGHT).t[-1]  # noqa: E731
    np.testing.assert_allclose(wg.grad(f)(1.0), -np.log(2), **EXACT)


def test_an_event_that_touches_has_no_derivative():
    def touch(t, y, c):
        return t - c  # its root depends on c alone

    r = wg.grad(lambda c: wg.solve_ivp(decay, (0, 1), [1.0], args=(c,), events=touch).t_events[0][0])
    np.testing.assert_allclose(r(0.4), 1.0)

    def flat(t, y):
        return y[0]

    def f(y0):
        return wg.solve_ivp(lambda t, y: 0 * y, (0, 1), [y0], events=flat).t_events[0][0]

    with pytest.raises(RuntimeError, match="the event function touches zero without crossing it"):
        wg.grad(f)(0.0)


@pytest.mark.parametrize("gradient", GRADIENTS)
def test_dense_output(gradient):
    def f(k, t):
        sol = wg.solve_ivp(decay, (0, 2), [1.0], args=(k,), dense_output=True, gradient=gradient, **TIGHT).sol
        return sol(1.3)[0] + np.sum(sol(t))

    t = np.array([1.9, 0.2, 0.7, 2.0])
    gk, gt = wg.grad(f, (0, 1))(0.7, t)
    np.testing.assert_allclose(gk, -np.sum(np.exp(-0.7 * t) * t) - 1.3 * np.exp(-0.7 * 1.3), **EXACT)
    np.testing.assert_allclose(gt, -0.7 * np.exp(-0.7 * t), rtol=1e-5)
    sol = wg.solve_ivp(decay, (0, 2), [1.0], args=(0.7,), dense_output=True, gradient=gradient, **TIGHT).sol
    np.testing.assert_allclose(wg.grad(lambda t: sol(t)[0])(1.3), -0.7 * np.exp(-0.91), rtol=1e-5)
    with pytest.raises(ValueError, match=r"sol: t must be a number or a vector, got shape \(1, 1\)"):
        sol([[1.0]])


# ---- containers -----------------------------------------------------------------------------------------------------


class Body(NamedTuple):
    x: object
    v: object


@pytest.mark.parametrize("gradient", GRADIENTS)
def test_states_in_containers(gradient):
    def fun(t, s):
        return Body(s.v, {"a": -s.x["a"]} if isinstance(s.x, dict) else -s.x)

    def f(x, v):
        r = wg.solve_ivp(
            fun, (0, 1), Body(x, v), gradient=gradient, events=lambda t, s: s.x[0, 0] - 0.9, dense_output=True, **TIGHT
        )
        assert r.y.x.shape == (2, 1, len(r.t))
        assert r.sol(0.3).v.shape == (2, 1)
        assert r.y_events[0].x.shape == (1, 2, 1)
        return np.sum(r.y.x[..., -1]) + np.sum(r.y_events[0].v)

    x, v = np.ones((2, 1)), np.zeros((2, 1))
    for ours, expected in zip(wg.grad(f, (0, 1))(x, v), numerical(f, x, v, eps=1e-4), strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-6)


def test_containers_keep_dtypes_and_empty_events():
    y0 = {"x": np.ones((2, 2), np.float32), "z": [1j, np.zeros(0)]}
    r = wg.solve_ivp(lambda t, s: {"z": [1j * s["z"][0], s["z"][1]], "x": -s["x"]}, (0, 1), y0, events=lambda t, s: 1.0)
    assert (r.y["x"].dtype, r.y["z"][0].dtype) == (np.float32, np.complex128)
    assert r.y["z"][1].shape == (0, len(r.t))
    assert r.y_events[0]["x"].shape == (0, 2, 2)
