"""quad and fixed_quad: SciPy's values; derivatives against closed forms and finite differences, to second order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import wengert as wg

si = pytest.importorskip("scipy.integrate", reason="SciPy is an optional extra: pip install 'wengert[scipy]'")


def integral(*args: Any, **kwargs: Any) -> Any:
    return wg.quad(*args, **kwargs)[0]


# ---- values -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limits", "options"),
    [
        ((0, 1), {}),
        ((2.0, -1.0), {}),
        ((0, np.inf), {"epsabs": 1e-12}),
        ((-np.inf, np.inf), {"limit": 100}),
        ((0, 3), {"points": [1.0, 2.0], "epsrel": 1e-6}),
        ((0, 1), {"weight": "cos", "wvar": 5.0}),
    ],
)
def test_values_are_scipys(limits: Any, options: Any):
    p = wg.Variable(0.7)
    expected = si.quad(lambda x: np.exp(-0.7 * x * x), *limits, **options)
    assert wg.quad(lambda x: np.exp(-0.7 * x * x), *limits, **options) == expected
    z, error = wg.quad(lambda x, q: np.exp(-q * x * x), *limits, args=(p,), **options)
    assert isinstance(z, wg.Variable)
    assert z.data == pytest.approx(expected[0], rel=1e-15)
    assert error == pytest.approx(expected[1])


def test_what_depends_on_nothing_is_a_plain_number():
    assert type(integral(np.cos, 0, 1)) is float
    assert integral(np.cos, 0, 1, full_output=1) == si.quad(np.cos, 0, 1)[0]
    assert wg.quad(lambda x: x * 1j, 0, 1, complex_func=True) == si.quad(lambda x: x * 1j, 0, 1, complex_func=True)
    p = wg.Variable(2.0)
    with wg.no_grad():
        z = integral(lambda x: p * x, 0, 1)
    assert z.creator is None
    assert z.data == pytest.approx(1.0)


def test_full_output_has_scipys_fields():
    p = wg.Variable(2.0)
    z, error, info = wg.quad(lambda x: p * x, 0, 1, full_output=1)
    assert isinstance(z, wg.Variable)
    assert info["neval"] == 21
    assert error < 1e-10


def test_float32_stays_float32_and_is_integrated_in_double_precision():
    w = wg.Variable(np.array([0.3, 0.7], np.float32))
    z, error = wg.quad(lambda x: np.sum(np.exp(w * x)), 0, 1)
    z.backward()
    assert z.dtype == w.grad.dtype == np.float32
    assert error < 1e-12
    with wg.no_grad():
        assert integral(lambda x: np.sum(np.exp(w * x)), 0, 1).dtype == np.float32
    b = wg.Variable(np.float32(1.5))
    z = integral(np.cos, 0, b)
    z.backward()
    assert z.dtype == b.grad.dtype == np.float32
    assert integral(lambda x: w[0] * x, 0, wg.Variable(1.0)).dtype == np.float64


# ---- derivatives --------------------------------------------------------------------------------------------


def test_closed_forms_of_every_order():
    def f(p):
        return integral(lambda x: np.exp(-p * x), 0, np.inf)  # 1 / p

    for order, expected in enumerate((0.5, -0.25, 0.25, -0.375)):
        assert float(f(2.0)) == pytest.approx(expected, rel=1e-12), order
        f = wg.grad(f)


@pytest.mark.parametrize(
    ("f", "arguments"),
    [
        (lambda a, b, p: integral(lambda x, q: np.sin(q * x) * b, a, b, args=(p,)), (0.3, 1.2, 0.7)),
        (lambda w: integral(lambda x: np.sum(np.exp(w * x) * w[::-1] ** 2), 0, w[0]), ([0.3, 0.5],)),
        (lambda p: integral(lambda x: np.exp(-p * x * x), -np.inf, p), (0.7,)),
        (lambda p: integral(lambda x: integral(lambda y: np.exp(-p * x * y), 0, x * p), 0, 1), (0.7,)),
        (lambda p: integral(lambda x: wg.grad(lambda u: np.sin(u * p * x))(x) * p, 0, 1), (0.7,)),
        (lambda p: integral(lambda x: wg.jvp(lambda u: np.sin(u * p), (x,), (p,))[1], 0, 1), (0.7,)),
        (lambda p: integral(lambda x: np.exp(p * x), 0, 1, weight="cos", wvar=3.0), (0.7,)),
        (lambda p: np.real(integral(lambda x: np.exp(1j * p * x), 0, p, complex_func=True)), (0.7,)),
        (
            lambda w: integral(lambda x: np.stack([w[0], w[1] * x]) @ np.concatenate([w[:1], w[1:]]), 0, 1),
            ([0.3, 0.5],),
        ),
    ],
)
def test_derivatives_in_every_mode_to_second_order(f: Any, arguments: Any):
    wg.check_grads(f, *map(np.asarray, arguments), order=2)


def test_complex_parameters():
    p = 0.7 + 0.3j
    wg.check_grads(lambda p: np.abs(integral(lambda x: np.exp(p * x) * np.conj(p), 0, 1, complex_func=True)) ** 2, p)
    wg.check_grads(lambda p: integral(lambda x: np.abs(p * x + 1j) ** 2, 0, 1), p)
    wg.check_grads(lambda p, q: integral(lambda x: np.abs(p * x + 1j * q) ** 2, 0, q), p, 0.8)


def test_forward_over_reverse_and_reverse_over_forward():
    def f(p):
        return integral(lambda x: np.sin(p * x), 0, p)

    def f1(p):
        return float(np.sin(p * p)) + integral(lambda x: x * np.cos(p * x), 0, p)

    h = 1e-5
    exact = (f1(0.9 + h) - f1(0.9 - h)) / (2 * h)

    def both(f):
        return lambda p: wg.jvp(f, (p,), (1.0,))[1]

    for second in (wg.grad(wg.grad(f)), wg.grad(both(f)), both(wg.grad(f)), both(both(f))):
        assert float(second(np.asarray(0.9))) == pytest.approx(exact, rel=1e-8)


def test_an_endpoint_singularity_in_the_derivative():
    def f(p):
        return integral(lambda x: x ** (p - 1), 0, 1)  # 1 / p; the derivative's integrand is x**(p-1) log x

    assert float(wg.grad(f)(0.5)) == pytest.approx(-4, rel=1e-6)


@dataclass
class Model:
    rate: Any
    weights: dict[str, Any]

    def __call__(self, x: Any) -> Any:
        return np.exp(-self.rate * x) * np.sum(self.weights["w"] * x)


def test_closures_attributes_and_containers_get_gradients():
    rate, w = wg.Variable(2.0), wg.Variable(np.array([1.0, 3.0]))
    expected = wg.grad(lambda r, w: np.sum(w) * (1 - (1 + r) * np.exp(-r)) / r**2, (0, 1))(2.0, w.data)
    model = Model(rate, {"w": w})
    for fun, args in ((model, ()), (lambda x, m: m(x), (model,)), (lambda x, m, e: m["m"][0](x), ({"m": [model]}, 1))):
        for v in (rate, w):
            v.cleargrad()
        integral(fun, 0, 1, args=args).backward()
        assert rate.grad == pytest.approx(expected[0])
        assert w.grad == pytest.approx(expected[1])


def test_intermediate_results_and_create_graph():
    p = wg.Variable(0.5)
    q = np.exp(p)  # computed once, outside
    z = integral(lambda x: q * x**2, 0, 1)
    z.backward(create_graph=True)
    first = p.grad
    p.cleargrad()
    first.backward()
    assert first.data == pytest.approx(np.exp(0.5) / 3)
    assert p.grad == pytest.approx(np.exp(0.5) / 3)


def test_variables_of_single_branches_get_gradients():
    p, q = wg.Variable(3.0), wg.Variable(4.0)
    integral(lambda x: p * x if x < 0.5 else q * x, 0, 1, points=[0.5]).backward()
    assert p.grad == pytest.approx(1 / 8)
    assert q.grad == pytest.approx(3 / 8)
    r = wg.Variable(2.0)
    integral(lambda x: r, 0, 3).backward()
    assert r.grad == pytest.approx(3)


def test_one_evaluation_serves_all_components():
    w, calls = wg.Variable(np.ones(50)), []

    def fun(x: float) -> Any:
        calls.append(x)
        return np.sum(np.exp(w * x))

    z = integral(fun, 0, 1)
    assert len(calls) == 21
    z.backward()
    assert len(calls) <= 43


def test_users_functions_and_special_functions_inside():
    special = pytest.importorskip("scipy.special", reason="SciPy is an optional extra")

    class Cube(wg.Function):
        def forward(self, x: Any) -> Any:
            return x**3

        def backward(self, gy: Any) -> Any:
            return 3 * self.input**2 * gy

    wg.check_grads(lambda p: integral(lambda x: Cube()(p * x) + special.erf(p * x), 0, 1), 0.7, order=2)


def test_infinite_limits_have_derivative_zero():
    b = wg.Variable(np.inf)
    integral(lambda x: np.exp(-x), 0, b).backward()
    assert b.grad == 0
    assert wg.jvp(lambda b: integral(lambda x: np.exp(-x), 0, b), (np.inf,), (1.0,))[1] == 0


def test_a_singular_limit():
    a = wg.Variable(0.0)
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        integral(lambda x: 1 / np.sqrt(x), a, 1).backward()
    assert a.grad == -np.inf
    a.cleargrad()
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        (integral(lambda x: 1 / np.sqrt(x), a, 1) * 0.0).backward()
    assert a.grad == 0


def test_the_error_is_auxiliary_data():
    gradient, error = wg.grad(lambda b: wg.quad(np.cos, 0, b), has_aux=True)(0.5)
    assert gradient == pytest.approx(np.cos(0.5))
    assert error < 1e-10


def test_equal_limits():
    assert wg.grad(lambda b: integral(np.cos, 0.4, b))(0.4) == pytest.approx(np.cos(0.4))


def test_empty_parameters():
    w = wg.Variable(np.zeros(0))
    z = integral(lambda x: np.sum(w * x) + x, 0, 1)
    z.backward()
    assert z.data == pytest.approx(0.5)
    assert w.grad.shape == (0,)


# ---- what changes between the call and backward -------------------------------------------------------------


def test_values_at_the_time_of_the_call_count():
    p = wg.Variable(3.0)
    z = integral(lambda x: p**3 * x, 0, 1)
    p.data = p.data * 10
    z.backward()
    assert p.grad == pytest.approx(3 * 9 / 2)


def test_a_variable_that_moved_on_is_an_error():
    p = wg.Variable(3.0)
    z = integral(lambda x: p**3 * x, 0, 1)
    p += 1.0
    with pytest.raises(RuntimeError, match=r"quad: .* fun uses a tracked Variable that it did not use for the value"):
        z.backward()


# ---- errors -------------------------------------------------------------------------------------------------


def test_errors():
    v = wg.Variable(2.0)
    with pytest.raises(ValueError, match=r"quad: fun must give a number, got shape \(2,\)"):
        wg.quad(lambda x: np.ones(2) * v, 0, 1)
    with pytest.raises(TypeError, match=r"quad: .*complex_func=True"):
        wg.quad(lambda x: 1j * v, 0, 1)
    with pytest.raises(TypeError, match=r"quad: a: expected a number, got an array of shape \(1,\)"):
        wg.quad(np.cos, [0.0], 1)
    with pytest.raises(TypeError, match="quad: b: expected a real number, got complex128"):
        wg.quad(np.cos, 0, wg.Variable(1j))
    with pytest.raises(NotImplementedError, match=r"quad: with weight= the limits"):
        wg.quad(np.cos, 0, v, weight="cos", wvar=2.0)
    with pytest.raises(NotImplementedError, match=r"quad: wvar= has no derivative"):
        wg.quad(np.cos, 0, 1.0, weight="cos", wvar=v)
    with wg.no_grad():
        assert wg.quad(np.cos, 0, v, weight="cos", wvar=v)[0].creator is None
    with pytest.raises(ZeroDivisionError):
        wg.quad(lambda x: v * (1 // 0), 0, 1)
    assert (v * v).creator is not None  # recording is as before


def test_scipys_warnings_come_through():
    v = wg.Variable(1.0)
    with pytest.warns(si.IntegrationWarning, match="divergent|subdivisions"):
        wg.quad(lambda x: v / x, 0, 1)
    w = wg.Variable(0.0)
    z = integral(lambda x: w / x if x else 0.0, 0, 1)
    with pytest.warns(si.IntegrationWarning, match="quad: in the integral of a derivative: "):
        z.backward()


# ---- fixed_quad ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 4, 5, 20])
def test_fixed_quad_has_scipys_values(n: int):
    for f in (np.cos, lambda x: np.stack([x, x**2])):
        value, nothing = wg.fixed_quad(f, 0.2, 1.5, n=n)
        assert nothing is None
        assert value == pytest.approx(si.fixed_quad(f, 0.2, 1.5, n=n)[0], rel=1e-14)


def test_fixed_quad_derivatives():
    wg.check_grads(lambda a, b, p: wg.fixed_quad(lambda x: np.exp(p * x), a, b)[0], 0.2, 0.9, 0.7, order=2)
    wg.check_grads(lambda p: wg.fixed_quad(lambda x, q: np.exp(q["p"] * x), 0, p, ({"p": p},), 7)[0], 0.7, order=2)
    a, b = np.zeros(2), np.ones((3, 1))
    assert wg.fixed_quad(np.cos, a, b)[0].shape == (3, 2)
    wg.check_grads(lambda a, b: wg.fixed_quad(np.cos, a, b)[0], a, b)


def test_fixed_quad_float32_and_errors():
    b = wg.Variable(np.float32(1.5))
    z = wg.fixed_quad(np.cos, 0, b)[0]
    z.backward()
    assert z.dtype == b.grad.dtype == np.float32
    with pytest.raises(ValueError, match=r"fixed_quad: .*finite limits; use quad"):
        wg.fixed_quad(np.cos, 0, np.inf)
    with pytest.raises(ValueError, match="positive"):
        wg.fixed_quad(np.cos, 0, 1, n=0)
