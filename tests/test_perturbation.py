"""Perturbation confusion: derivatives inside derivatives must not take each other's perturbations for their own.

The examples are those of the literature, each in all four combinations of forward and reverse:
J. M. Siskind and B. A. Pearlmutter, Nesting forward-mode AD in a functional framework (2008);
O. Manzyuk et al., Perturbation confusion in forward automatic differentiation of higher-order functions (2019).
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import wengert as wg

MODES = {
    "reverse": wg.grad,
    "forward": lambda f: lambda x: wg.jvp(f, (x,), (1.0,))[1],
    "jacrev": wg.jacrev,
    "jacfwd": wg.jacfwd,
    "linearize": lambda f: lambda x: wg.linearize(f, x)[1](1.0),
    "pullback": lambda f: lambda x: wg.vjp(f, x)[1](1.0)[0],
}
four = pytest.mark.parametrize(("outer", "inner"), list(itertools.product(["reverse", "forward"], repeat=2)))
every = pytest.mark.parametrize(("outer", "inner"), list(itertools.product(MODES, repeat=2)))


@every
def test_a_constant_inner_derivative(outer, inner):
    D, d = MODES[outer], MODES[inner]
    assert D(lambda x: x * d(lambda y: x + y)(1.0))(1.0) == 1.0  # confused: 2


@every
def test_products_and_powers(outer, inner):
    D, d = MODES[outer], MODES[inner]
    assert D(lambda x: x * d(lambda y: x * y)(2.0))(3.0) == 6.0
    assert D(lambda x: x * d(lambda y: x * y)(x))(3.0) == 6.0
    assert D(lambda x: d(lambda y: x * x * y)(x))(3.0) == 6.0
    assert D(lambda x: d(lambda y: y * y * y)(x) * x)(2.0) == 36.0
    np.testing.assert_allclose(D(lambda x: d(lambda y: y**3 * x**2)(x))(2.0), 3 * 4 * 2.0**3)


@four
def test_the_inner_point_depends_on_the_outer_variable(outer, inner):
    D, d = MODES[outer], MODES[inner]
    f = lambda x: d(lambda y: np.exp(x * y))(np.sin(x))  # noqa: E731  x exp(x sin x)
    x = 0.7
    expected = np.exp(x * np.sin(x)) * (1 + x * (np.sin(x) + x * np.cos(x)))
    np.testing.assert_allclose(D(f)(x), expected)


@four
def test_two_inner_derivatives_of_one_outer_variable(outer, inner):
    D, d = MODES[outer], MODES[inner]
    f = lambda x: d(lambda y: x * y**2)(x) * d(lambda z: np.sin(x * z))(1.0)  # noqa: E731  2 x^3 cos x
    np.testing.assert_allclose(D(f)(0.7), 6 * 0.7**2 * np.cos(0.7) - 2 * 0.7**3 * np.sin(0.7))


@pytest.mark.parametrize("modes", list(itertools.product(["reverse", "forward"], repeat=3)), ids="-".join)
def test_three_levels(modes):
    a, b, c = [MODES[m] for m in modes]
    f = lambda x: a(lambda y: y * b(lambda z: z * c(lambda w: x * y * z * w)(z))(y))(x)  # noqa: E731
    # c: x y z;  b: d/dz (x y z^2) = 2 x y z at z=y: 2 x y^2;  a: d/dy (2 x y^3) at y=x: 6 x^3
    np.testing.assert_allclose(f(1.5), 6 * 1.5**3)
    np.testing.assert_allclose(wg.grad(f)(1.5), 18 * 1.5**2)
    np.testing.assert_allclose(wg.jvp(f, (1.5,), (1.0,))[1], 18 * 1.5**2)


@four
def test_a_function_that_returns_a_closure_over_its_argument(outer, inner):
    """Manzyuk et al., section 4: the derivative of a function whose result is a function that is differentiated."""
    D, d = MODES[outer], MODES[inner]

    def shifted(h, x):  # h -> (h shifted by x)
        return lambda y: h(y + x)

    # d/dx of (derivative of (exp shifted by x)) at 0, at y: exp(y)
    hat = lambda h: lambda y: D(lambda x: d(shifted(h, x))(y))(0.0)  # noqa: E731
    np.testing.assert_allclose(hat(np.exp)(1.0), np.exp(1.0))
    np.testing.assert_allclose(hat(hat(np.exp))(1.0), np.exp(1.0))
    np.testing.assert_allclose(hat(hat(np.sin))(0.5), np.sin(0.5))


@four
def test_with_containers_and_arrays(outer, inner):
    D, d = MODES[outer], MODES[inner]

    def f(x):
        p = {"x": x * np.ones(2), "n": [x]}
        return np.sum(p["x"]) * d(lambda y: np.sum(p["x"] * y) + p["n"][0] * y)(x)  # 2x * 3x

    np.testing.assert_allclose(D(f)(2.0), 12 * 2.0)


@four
def test_minimax_by_nested_derivatives(outer, inner):
    """The saddle of x^2 + x y - y^2, after inner ascent steps: the inner gradient depends on the outer point."""
    D, d = MODES[outer], MODES[inner]

    def value(x):
        y = 0.0 * x
        for _ in range(60):
            y = y + 0.4 * d(lambda y: x * x + x * y - y * y)(y)
        return x * x + x * y - y * y

    np.testing.assert_allclose(value(1.0), 1.25)
    np.testing.assert_allclose(D(value)(1.0), 2.5, rtol=1e-10)


@pytest.mark.parametrize("inner", ["jacrev", "jacfwd"])
@pytest.mark.parametrize("outer", ["reverse", "forward", "jacrev", "jacfwd"])
def test_jacobians_inside(outer, inner):
    a = np.array([1.0, -2.0, 0.5])
    f = lambda s: np.sum(MODES[inner](lambda y: np.sin(s * y) * s)(s * a))  # noqa: E731  sum s^2 cos(s^2 a)
    s = 0.8
    expected = np.sum(2 * s * np.cos(s**2 * a) - s**2 * np.sin(s**2 * a) * 2 * s * a)
    np.testing.assert_allclose(MODES[outer](f)(s), expected)


@four
def test_second_order_transforms_inside(outer, inner):
    D, d = MODES[outer], MODES[inner]
    np.testing.assert_allclose(D(lambda x: wg.hessian(lambda y: x * y**3)(x))(2.0), 6 * 2 * 2.0)
    np.testing.assert_allclose(D(lambda x: wg.laplacian(lambda y: np.sum(x * y**3))(x * np.ones(2)))(2.0), 48.0)
    np.testing.assert_allclose(D(lambda x: wg.divergence(lambda y: x * y**2)(x * np.ones(2)))(2.0), 4 * 2 * 2.0)
    np.testing.assert_allclose(D(lambda x: wg.hvp(lambda y: x * y**3, x, x))(2.0), 6 * 3 * 4.0)
    f = lambda x: x * wg.hessian(lambda y: d(lambda z: x * y * y * z)(y))(x)  # noqa: E731  2 x^2
    np.testing.assert_allclose(D(f)(3.0), 12.0)
