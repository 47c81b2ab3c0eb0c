"""solve_ivp: values as SciPy's, memory, and what is refused. Its derivatives: test_ode_gradients.py."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

import wengert as wg
from wengert.ode import tableaux
from wengert.ode.solution import Checkpoints

scipy_integrate = pytest.importorskip("scipy.integrate", reason="compares with SciPy's solver, and uses its Radau")

TIGHT = {"rtol": 1e-9, "atol": 1e-9}
EXACT = {"rtol": 1e-6, "atol": 1e-8}  # what is asked of results of the TIGHT tolerances
GRADIENTS = ["discrete", "adjoint"]


def pendulum(t, y):
    return [y[1], -np.sin(y[0]) * t]


def decay(t, y, k):
    return -k * y


# ---- values ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["RK23", "RK45", "DOP853", "Radau", "BDF", "LSODA"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"rtol": 1e-6, "atol": [1e-6, 1e-7]},
        {"t_eval": np.linspace(0.3, 5, 7)},
        {"t_eval": []},
        {"dense_output": True, "max_step": 0.3},
        {"first_step": 0.01, "vectorized": True},
    ],
    ids=lambda o: "-".join(o) or "defaults",
)
def test_values_are_scipys(method, options):
    f = (lambda t, y: np.array([y[1], -np.sin(y[0]) * t])) if options.get("vectorized") else pendulum
    ours = wg.solve_ivp(f, (0, 5), [1.0, 0.0], method=method, **options)
    theirs = scipy_integrate.solve_ivp(f, (0, 5), [1.0, 0.0], method=method, **options)
    assert set(ours) == set(theirs)
    for name in ("nfev", "njev", "nlu", "status", "message", "success", "t_events", "y_events"):
        assert getattr(ours, name) == getattr(theirs, name)
    np.testing.assert_allclose(ours.t, theirs.t, rtol=1e-10)
    if len(ours.t):  # SciPy gives lists where there are no points
        np.testing.assert_allclose(ours.y, theirs.y, rtol=1e-9, atol=1e-12)
    if ours.sol:
        for t in (0.0, 0.7, np.linspace(0, 5, 11), np.array([4.0, 1.0])):
            np.testing.assert_allclose(ours.sol(t), theirs.sol(t), rtol=1e-9, atol=1e-11)
        assert (ours.sol.t_min, ours.sol.t_max) == (theirs.sol.t_min, theirs.sol.t_max)


def test_backward_in_time_is_scipys():
    options = {"t_eval": [4.0, 2.5, 1.0], "dense_output": True}
    ours = wg.solve_ivp(pendulum, (5, 1), [1.0, 0.0], **options)
    theirs = scipy_integrate.solve_ivp(pendulum, (5, 1), [1.0, 0.0], **options)
    np.testing.assert_allclose(ours.y, theirs.y, rtol=1e-10)
    np.testing.assert_allclose(ours.sol([1.0, 3.0, 5.0]), theirs.sol([1.0, 3.0, 5.0]), rtol=1e-10)


def test_events_are_scipys():
    def at_zero(t, y):
        return y[0]

    def falling(t, y):
        return y[1]

    falling.direction = -1.0

    def third(t, y):
        return y[0] - 0.2

    third.terminal = 3
    for span in [(0, 20), (20, 0)]:
        for options in ({}, {"t_eval": np.linspace(*span, 9)}, {"dense_output": True}):
            ours = wg.solve_ivp(pendulum, span, [1.0, 0.0], events=[at_zero, falling, third], **options)
            theirs = scipy_integrate.solve_ivp(pendulum, span, [1.0, 0.0], events=[at_zero, falling, third], **options)
            assert (
                (ours.status, ours.message) == (theirs.status, theirs.message) == (1, "A termination event occurred.")
            )
            np.testing.assert_allclose(ours.t, theirs.t, rtol=1e-9)
            np.testing.assert_allclose(ours.y, theirs.y, rtol=1e-8, atol=1e-10)
            for mine, others in zip(ours.t_events + ours.y_events, theirs.t_events + theirs.y_events, strict=True):
                np.testing.assert_allclose(mine, others, rtol=1e-8, atol=1e-10)
                assert mine.shape == others.shape


def test_rk4_is_the_textbooks():
    def f(t, y):
        return np.array([y[1], -y[0] + t])

    y, h = np.array([1.0, 0.0]), 0.25
    for i in range(8):
        t = i * h
        k1 = f(t, y)
        k2 = f(t + h / 2, y + h / 2 * k1)
        k3 = f(t + h / 2, y + h / 2 * k2)
        k4 = f(t + h, y + h * k3)
        y = y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    for options in ({"n_steps": 8}, {"step": 0.25}, {"step": 0.251}):
        r = wg.solve_ivp(f, (0, 2), [1.0, 0.0], method="RK4", dense_output=True, **options)
        np.testing.assert_allclose(r.y[:, -1], y, rtol=1e-13)
        assert r.t.tolist() == [i / 4 for i in range(9)]
    np.testing.assert_allclose(r.sol(1.1), [np.cos(1.1) - np.sin(1.1) + 1.1, -np.sin(1.1) - np.cos(1.1) + 1], atol=1e-3)


@pytest.mark.parametrize("tableau", tableaux.EXPLICIT.values(), ids=lambda t: t.name)
def test_tableaux_are_consistent(tableau):
    for c, a in zip([*tableau.c, *tableau.extra_c], [*tableau.a, *tableau.extra_a], strict=True):
        assert abs(np.sum(a) - c) < 1e-13
    stages = len(tableau.b)
    np.testing.assert_allclose(np.sum(tableau.p, 1)[:stages], tableau.b, atol=1e-12)  # the end of the step
    np.testing.assert_allclose(np.sum(tableau.p, 1)[stages:], 0, atol=1e-12)
    np.testing.assert_allclose(np.sum(tableau.p, 0), np.eye(tableau.p.shape[1])[0], atol=1e-11)


def test_nothing_tracked_gives_arrays_and_no_graph():
    r = wg.solve_ivp(decay, (0, 1), [1.0], args=(0.5,), dense_output=True)
    assert [type(v) for v in (r.t, r.y, r.sol(0.5))] == [np.ndarray] * 3
    k = wg.Variable(0.5)
    with wg.no_grad():
        assert wg.solve_ivp(decay, (0, 1), [1.0], args=(k,)).y.creator is None
    assert wg.solve_ivp(decay, (0, 1), [1.0], args=(k,)).y.creator is not None
    assert type(wg.solve_ivp(decay, (0, 1), [1.0], args=(k,)).t) is np.ndarray


@pytest.mark.parametrize("method", ["RK45", "DOP853", "Radau"])
@pytest.mark.parametrize("gradient", GRADIENTS)
def test_float32_stays_float32(method, gradient):
    def f(y0, k):
        r = wg.solve_ivp(
            decay,
            (0, 1),
            y0,
            args=(k,),
            method=method,
            gradient=gradient,
            events=lambda t, y, k: y[0] - 0.8,
            dense_output=True,
        )
        assert {r.y.dtype, r.sol(0.5).dtype, r.y_events[0].dtype} == {np.dtype(np.float32)}
        return np.sum(r.y[:, -1]) + r.y_events[0][0, 0]

    value, (gy, gk) = wg.value_and_grad(f, (0, 1))(np.ones(2, np.float32), np.float32(0.5))
    assert {value.dtype, gy.dtype, gk.dtype} == {np.dtype(np.float32)}
    np.testing.assert_allclose(gk, -2 * np.exp(-0.5), rtol=1e-3)


def test_complex_states():
    r = wg.solve_ivp(lambda t, y: 1j * y, (0, 1), [1 + 0j])
    np.testing.assert_array_equal(r.y, scipy_integrate.solve_ivp(lambda t, y: 1j * y, (0, 1), [1 + 0j]).y)
    for gradient in GRADIENTS:

        def f(z, w, gradient=gradient):
            r = wg.solve_ivp(lambda t, y: z * y * w, (0, 1), [1 + 0j], gradient=gradient, **TIGHT)
            return np.real(r.y[0, -1])

        gz, gw = wg.grad(f, (0, 1))(0.3 + 0.7j, 1.2)
        z = (0.3 + 0.7j) * 1.2
        np.testing.assert_allclose(gz, np.conj(1.2 * np.exp(z)), **EXACT)
        np.testing.assert_allclose(gw, np.real((0.3 + 0.7j) * np.exp(z)), **EXACT)


def test_empty_states_and_spans():
    assert wg.solve_ivp(lambda t, y: -y, (0, 1), np.zeros(0)).y.shape == (0, 2)
    r = wg.solve_ivp(lambda t, y: -y, (1, 1), [2.0], dense_output=True)
    assert (r.t.tolist(), r.y.tolist()) == ([1.0, 1.0], [[2.0, 2.0]])
    assert r.sol(1.0).tolist() == [2.0]
    slope = wg.grad(lambda t1: wg.solve_ivp(lambda t, y: -y, (1.0, t1), [2.0]).y[0, -1])(1.0)
    np.testing.assert_allclose(slope, -2.0)


# ---- memory, observers ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["reverse", "forward"])
def test_memory_grows_with_the_root_of_the_steps(mode):
    y0 = np.ones(2000)

    def peak(n):
        def f(k):
            r = wg.solve_ivp(lambda t, y: -k * np.sin(y), (0, 1), y0, method="RK4", n_steps=n, t_eval=[1.0])
            return np.sum(r.y)

        tracemalloc.start()
        wg.grad(f)(0.5) if mode == "reverse" else wg.jvp(f, (0.5,), (1.0,))
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size / y0.nbytes

    small, large = peak(32), peak(288)
    assert large < 4.5 * small  # 3 is the root of 9
    assert large < 288 * 8 / 4  # a graph of all steps holds 8 arrays for each


def test_checkpoints():
    c = Checkpoints(np.array([0.0]))
    for i in range(1, 1001):
        c.add(np.array([float(i)]))
        assert [s[0] for s in c.states] == list(range(0, i + 1, c.stride))
    assert len(c.states) <= 90
    assert [i for segment in c.segments() for i in segment] == list(range(1000))


def test_observers_see_a_solve_as_few_calls():
    k = wg.Variable(0.5)
    with wg.Tape() as tape:
        wg.solve_ivp(decay, (0, 1), [1.0], args=(k,), rtol=1e-10, atol=1e-10)
    assert 0 < len(tape) < 60
    with wg.debug():
        np.sum(wg.solve_ivp(decay, (0, 1), [1.0], args=(k,)).y).backward()


# ---- what is refused ------------------------------------------------------------------------------------------------


def test_adjoint_is_of_first_order_and_says_so():
    def f(k):
        return wg.solve_ivp(decay, (0, 1), [1.0], args=(k,), gradient="adjoint").y[0, -1]

    for derivative in (lambda: wg.grad(wg.grad(f))(0.5), lambda: wg.jvp(f, (0.5,), (1.0,))):
        with pytest.raises(TypeError, match='first derivatives in reverse mode; use gradient="discrete"'):
            derivative()
    q = wg.Variable(2.0)  # a first derivative, in a graph that goes on
    g = wg.grad(lambda k: wg.solve_ivp(decay, (0, 1), [1.0], args=(k * q,), gradient="adjoint", **TIGHT).y[0, -1])(0.5)
    np.testing.assert_allclose(g.data, -2 * np.exp(-1), **EXACT)


@pytest.mark.parametrize("gradient", GRADIENTS)
def test_multistep_methods_have_the_adjoint(gradient):
    def f(k, method):
        return wg.solve_ivp(decay, (0, 1), [1.0], method, args=(k,), gradient=gradient, rtol=1e-7, atol=1e-8).y[0, -1]

    for method in ("BDF", "LSODA", scipy_integrate.BDF):
        if gradient == "adjoint":
            np.testing.assert_allclose(wg.grad(f)(0.5, method), -np.exp(-0.5), rtol=1e-3)
        else:
            with pytest.raises(ValueError, match='looks back at several; use method="Radau", or gradient="adjoint"'):
                wg.grad(f)(0.5, method)


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
def test_a_failed_solve():
    def f(y0, solve=wg.solve_ivp):
        return solve(lambda t, y: y**2, (0, 2), [y0], dense_output=True)

    ours, theirs = f(1.0), f(1.0, scipy_integrate.solve_ivp)
    assert (ours.status, ours.success, ours.message) == (theirs.status, theirs.success, theirs.message)
    assert ours.status == -1
    np.testing.assert_allclose(ours.t, theirs.t)
    for g in (lambda y0: f(y0).y[0, -1], lambda y0: f(y0).sol(0.5)[0]):
        with pytest.raises(RuntimeError, match=r"the solve failed at t = 0\.99.*look at result.success first"):
            wg.grad(g)(1.0)
    assert wg.solve_ivp(lambda t, y: y * np.nan, (0, 1), [1.0]).status == -1


def test_what_the_function_reads_must_not_change():
    def solved(change):
        k, c, y0 = wg.Variable(np.array([0.5])), np.array([2.0]), wg.Variable(np.array([1.0]))
        y = np.sum(wg.solve_ivp(lambda t, y: -k * c * y, (0, 1), y0).y)
        change(k, c)
        return y

    def iadd(k, c):
        k += 1.0

    def in_place(k, c):
        k.data[0] = 7.0

    def assigned(k, c):
        k.data = np.array([0.6])

    def constant(k, c):
        c[0] = 3.0

    for change in (iadd, in_place, assigned):
        with pytest.raises(RuntimeError, match=r"a Variable of shape \(1,\) that the function reads was changed"):
            solved(change).backward()
    with pytest.raises(RuntimeError, match="it must be pure"):
        solved(constant).backward()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"method": "RK54"}, ValueError, "method must be one of RK23, RK45, DOP853, RK4, Radau, BDF, LSODA"),
        ({"method": int}, ValueError, "a subclass of scipy.integrate.OdeSolver; got <class 'int'>"),
        ({"gradient": "direct"}, ValueError, 'gradient must be "discrete" or "adjoint"'),
        ({"rtoll": 1e-3}, TypeError, "unknown option rtoll=; RK45 takes rtol, atol"),
        ({"n_steps": 3}, TypeError, "n_steps= is for method RK4"),
        ({"method": "RK4"}, ValueError, "give either n_steps= or step="),
        ({"method": "RK4", "n_steps": 0}, ValueError, "n_steps= must be a positive integer"),
        ({"t_eval": [0.5, 3.0]}, ValueError, r"t_eval holds 3.0, which is outside t_span \(0.0, 1.0\)"),
        ({"t_eval": [0.5, 0.2]}, ValueError, "t_eval must be sorted"),
        ({"t_eval": 0.5}, ValueError, "t_eval must be 1-dimensional"),
        ({"args": 3.0}, TypeError, r"args must be a tuple; for one argument, args=\(x,\)"),
        ({"atol": [1.0, 2.0]}, ValueError, r"atol has shape \(2,\)"),
        ({"atol": -1.0}, ValueError, "atol must be positive"),
        ({"max_step": 0}, ValueError, "max_step must be positive"),
        ({"first_step": 2.0}, ValueError, "first_step must be positive and within t_span"),
        ({"events": 3}, TypeError, "events are functions"),
        ({"t_span": (0,)}, ValueError, "t_span must be"),
        ({"t_span": 1.0}, ValueError, "t_span must be"),
        ({"y0": 1.0}, ValueError, r"y0 must be 1-dimensional, got shape \(\)"),
        ({"y0": np.ones((2, 2))}, ValueError, "put it into a container"),
        ({"y0": "a"}, TypeError, "y0: expected numbers"),
        ({"fun": lambda t, y: [1.0, 2.0]}, ValueError, r"the function returned shape \(2,\), but y has shape \(1,\)"),
        ({"fun": lambda t, y: None}, TypeError, "the function's result: expected numbers, got NoneType"),
        ({"fun": lambda t, y: 1j * y}, TypeError, "make y0 complex"),
        ({"y0": {"x": 1.0}, "fun": lambda t, s: {"x": np.ones(2)}}, ValueError, r"returned shape \(2,\) at \['x'\]"),
        ({"y0": {"x": 1.0}, "fun": lambda t, s: s["x"]}, ValueError, "expected a container like {'x': "),
        ({"y0": {"x": 1.0}, "vectorized": True}, ValueError, "vectorized=True needs a y0 that is a vector"),
    ],
)
def test_messages(options, error, message):
    with pytest.raises(error, match=message):
        wg.solve_ivp(**{"fun": lambda t, y: -y, "t_span": (0, 1), "y0": [1.0], **options})


def test_warnings():
    with pytest.warns(UserWarning, match="rtol is too small for float32; 1.19e-05 is taken"):
        wg.solve_ivp(lambda t, y: -y, (0, 1), np.ones(1, np.float32), rtol=1e-7)
    with pytest.warns(UserWarning, match="jac= has no effect for RK45"):
        wg.solve_ivp(lambda t, y: -y, (0, 1), [1.0], jac=np.eye(1))
