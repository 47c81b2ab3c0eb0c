"""grad, value_and_grad, vjp, jvp: nesting, argnums, aux, and what they refuse."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import wengert as wg
from wengert import Variable


def rosenbrock(x):
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def test_grad_of_arrays_gives_arrays():
    g = wg.grad(rosenbrock)(np.array([1.2, 0.8, 1.1]))
    assert type(g) is np.ndarray
    np.testing.assert_allclose(g, wg.numerical_diff(rosenbrock, np.array([1.2, 0.8, 1.1])), rtol=1e-5)
    assert type(wg.grad(np.sin)(1.0)) is np.ndarray
    assert wg.grad(np.sin)(np.float32(1)).dtype == np.float32
    assert wg.grad(np.sin)(Variable(1.0)).data == np.cos(1.0)


def test_value_and_grad():
    value, g = wg.value_and_grad(rosenbrock)(np.array([1.2, 0.8]))
    np.testing.assert_allclose(value, rosenbrock(np.array([1.2, 0.8])))
    assert type(value) is np.ndarray
    assert g.shape == (2,)


def test_argnums_kwargs_and_aux():
    def f(x, y, *, scale=1.0):
        return np.sum(x * y) * scale, {"product": x * y, "n": 3}

    g, aux = wg.grad(f, argnums=1, has_aux=True)(np.ones(2), np.full(2, 3.0), scale=2.0)
    np.testing.assert_array_equal(g, [2.0, 2.0])
    assert type(aux["product"]) is np.ndarray
    assert aux["n"] == 3
    (value, aux), (gx, gy) = wg.value_and_grad(f, argnums=(0, -1), has_aux=True)(np.ones(2), np.full(2, 3.0))
    assert value == 6.0
    np.testing.assert_array_equal(gx, [3.0, 3.0])
    np.testing.assert_array_equal(gy, [1.0, 1.0])


def test_it_leaves_the_grad_of_variables_alone():
    w = Variable(3.0)
    x = Variable(2.0)
    wg.grad(lambda x: x * w)(x)
    wg.jvp(lambda x: x * w, (x,), (1.0,))
    assert w.grad is None
    assert x.grad is None


def test_vjp():
    y, pullback = wg.vjp(lambda x, y: (x * y, np.sin(x)), 2.0, 3.0)
    assert isinstance(y, tuple)
    np.testing.assert_allclose(y, (6.0, np.sin(2.0)))
    np.testing.assert_allclose(pullback((1.0, 0.0)), (3.0, 2.0))
    np.testing.assert_allclose(pullback((0.0, 1.0)), (np.cos(2.0), 0.0))
    y, pullback, aux = wg.vjp(lambda x: (x * x, "note"), np.ones(2), has_aux=True)
    assert aux == "note"
    (g,) = pullback(np.array([1.0, 2.0]))
    np.testing.assert_array_equal(g, [2.0, 4.0])
    _, pullback = wg.vjp(lambda x, y: x, 1.0, np.ones(3))
    np.testing.assert_array_equal(pullback(1.0)[1], np.zeros(3))
    seed = np.ones(2)
    g1, g2 = wg.vjp(np.add, np.ones(2), np.ones(2))[1](seed)
    assert not np.shares_memory(g1, g2)
    assert not np.shares_memory(g1, seed)


def test_jvp():
    y, ty = wg.jvp(lambda x, y: x * np.exp(y), (2.0, 0.0), (1.0, 3.0))
    assert (y, ty) == (2.0, 7.0)
    assert type(ty) is np.ndarray
    y, ty, aux = wg.jvp(lambda x: ((x, x**2), "note"), (3.0,), (1.0,), has_aux=True)
    assert ty == (1.0, 6.0)
    assert aux == "note"
    assert wg.jvp(lambda x: np.float64(1.0), (3.0,), (1.0,))[1] == 0.0


DERIVATIVES = {
    "reverse": lambda f: wg.grad(f),
    "forward": lambda f: lambda x: wg.jvp(f, (x,), (1.0,))[1],
}


@pytest.mark.parametrize("modes", list(itertools.product(DERIVATIVES, repeat=4)), ids="-".join)
def test_nesting_in_any_combination(modes):
    f = lambda x: np.exp(x) * np.sin(x)  # noqa: E731  its fourth derivative is -4 f
    g = f
    for mode in modes:
        g = DERIVATIVES[mode](g)
    np.testing.assert_allclose(g(0.5), -4 * f(0.5), rtol=1e-12)


@pytest.mark.parametrize(("outer", "inner"), list(itertools.product(DERIVATIVES, repeat=2)))
def test_perturbations_are_not_confused(outer, inner):
    D, d = DERIVATIVES[outer], DERIVATIVES[inner]
    assert D(lambda x: x * d(lambda y: x + y)(1.0))(1.0) == 1.0
    assert D(lambda x: x * d(lambda y: x * y)(2.0))(3.0) == 6.0
    assert D(lambda x: x * d(lambda y: x * y)(x))(3.0) == 6.0
    assert D(lambda x: d(lambda y: x * x * y)(x))(3.0) == 6.0
    assert D(lambda x: d(lambda y: y * y * y)(x) * x)(2.0) == 36.0


def test_higher_derivatives_of_arrays():
    x = np.array([0.3, 0.5])
    hvp = wg.grad(lambda x: np.sum(wg.grad(rosenbrock)(x) * np.array([1.0, 2.0])))(x)
    forward = wg.jvp(wg.grad(rosenbrock), (x,), (np.array([1.0, 2.0]),))[1]
    np.testing.assert_allclose(hvp, forward)


def test_a_result_that_an_outer_variable_reaches_is_a_variable():
    w = Variable(3.0)
    g = wg.grad(lambda x: x * x * w)(2.0)
    assert isinstance(g, Variable)
    g.backward()
    assert w.grad == 4.0
    with wg.no_grad():
        assert type(wg.grad(lambda x: x * x * w)(2.0)) is np.ndarray


def test_inside_no_grad_derivatives_are_taken_all_the_same():
    with wg.no_grad():
        assert wg.grad(np.sin)(0.0) == 1.0
        assert wg.jvp(np.sin, (0.0,), (1.0,))[1] == 1.0
        assert wg.grad(wg.grad(np.sin))(0.5) == -np.sin(0.5)


def test_complex_gradients_descend():
    g = wg.grad(lambda z: np.abs(z) ** 2)(1 + 2j)
    assert g == 2 + 4j
    wg.check_grads(lambda z: np.real(np.exp(z) * np.conj(z)), np.array([1 + 2j, 0.5]))
    z = Variable(1 + 2j)
    (np.real(z) ** 2 + 3 * np.imag(z)).backward()
    assert z.grad == 2 + 3j
    x = Variable(0.5)  # real, through complex values, to real
    np.abs(np.exp(1j * x) + x).backward()
    np.testing.assert_allclose(x.grad, wg.numerical_diff(lambda x: np.abs(np.exp(1j * x) + x), 0.5), rtol=1e-7)
    assert x.grad.dtype == np.float64


REFUSED = [
    (lambda: wg.grad(np.sin)(3), TypeError, r"grad: argument 0 is int64.*1\.0 for 1, or \.astype\(float\)"),
    (lambda: wg.grad(np.sum)(np.arange(3)), TypeError, "argument 0 is int64"),
    (lambda: wg.jvp(np.sin, (True,), (1.0,)), TypeError, "jvp: argument 0 is bool"),
    (lambda: wg.vjp(np.sin, 3), TypeError, "vjp: argument 0 is int64"),
    (lambda: wg.grad(np.sin)(np.ones(3)), TypeError, r"real scalar, got float64 of shape \(3,\)"),
    (lambda: wg.grad(np.exp)(1j), TypeError, "real scalar, got complex128"),
    (lambda: wg.grad(lambda x: (x, x))(1.0), TypeError, "got a tuple"),
    (lambda: wg.grad(lambda x, y: x, 1)(1.0, 2.0), ValueError, "does not depend on argument 1.*allow_unused"),
    (lambda: wg.grad(lambda x: x.data * 2)(1.0), ValueError, r"constant: did the path lead through \.data"),
    (lambda: wg.grad(np.sin, argnums=2)(1.0), TypeError, "argnums has 2, but the call has 1"),
    (lambda: wg.grad(lambda x: x, has_aux=True)(1.0), TypeError, "pair"),
    (lambda: wg.jvp(np.sin, 1.0, 1.0), TypeError, "tuples"),
    (lambda: wg.jvp(np.sin, (1.0,), ()), ValueError, "1 primals, but 0 tangents"),
    (lambda: wg.jvp(np.sin, (1.0,), (np.ones(2),)), ValueError, r"tangent 0: expected shape \(\)"),
    (lambda: wg.jvp(np.sin, (1.0,), (1j,)), TypeError, "tangent 0: expected dtype float64"),
    (lambda: wg.vjp(np.sin, 1.0)[1](np.ones(2)), ValueError, r"pullback: expected shape \(\)"),
    (lambda: wg.vjp(lambda x: (x, x), 1.0)[1]((1.0,)), ValueError, "expected 2 cotangents, got 1"),
]


@pytest.mark.parametrize(("call", "error", "message"), REFUSED)
def test_refusals(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_elementwise_grad():
    x = np.array([[0.3, -1.0], [2.0, 0.0]])
    np.testing.assert_allclose(wg.elementwise_grad(np.sin)(x), np.cos(x))
    np.testing.assert_allclose(wg.elementwise_grad(lambda a, x: a * x**2, 1)(3.0, x), 6 * x)
    np.testing.assert_allclose(wg.elementwise_grad(wg.elementwise_grad(np.sin))(x), -np.sin(x))
    np.testing.assert_allclose(wg.elementwise_grad(np.exp)(1j), np.exp(1j))
    assert wg.elementwise_grad(np.sin)(np.float32(1)).dtype == np.float32
    for f in (np.cumsum, lambda x: x - np.mean(x), lambda x: x[::-1], lambda x: np.exp(x) / np.sum(np.exp(x))):
        with pytest.raises(ValueError, match="not elementwise"):
            wg.elementwise_grad(f)(np.array([1.0, 2.0, 4.0]))
    with pytest.raises(ValueError, match=r"shape \(\), the argument \(2, 2\)"):
        wg.elementwise_grad(np.sum)(x)
    with pytest.raises(ValueError, match="does not depend"):
        wg.elementwise_grad(lambda x: x.data)(x)


def test_allow_unused():
    assert wg.grad(lambda x, y: x, (0, 1), allow_unused=True)(1.0, 2.0) == (1.0, None)
