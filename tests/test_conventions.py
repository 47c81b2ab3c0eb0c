"""Kinks and singular points: one answer in both modes (and where NumPy's own value is not finite, NumPy's)."""

from __future__ import annotations

import numpy as np
import pytest

import wengert as wg

INF = np.inf
CASES = [
    ("abs at 0", np.abs, 0.0, 0.0),
    ("abs at -0", np.abs, -0.0, 0.0),
    ("abs of complex 0", np.abs, 0j, 0j),
    ("sign at 0", np.sign, 0.0, 0.0),
    ("relu at 0", wg.relu, 0.0, 0.0),
    ("maximum at a tie", lambda x: np.maximum(x, 1.0), 1.0, 0.5),
    ("minimum at a tie", lambda x: np.minimum(1.0, x), 1.0, 0.5),
    ("maximum with itself", lambda x: np.maximum(x, x), 1.0, 1.0),
    ("fmax at a tie", lambda x: np.fmax(x, 1.0), 1.0, 0.5),
    ("fmin at a tie", lambda x: np.fmin(x, 1.0), 1.0, 0.5),
    ("fmax beside NaN", lambda x: np.fmax(x, np.nan), 1.0, 1.0),
    ("fmin beside NaN", lambda x: np.fmin(np.nan, x), 1.0, 1.0),
    ("clip at the lower bound", lambda x: np.clip(x, 1.0, 2.0), 1.0, 1.0),
    ("clip at the upper bound", lambda x: np.clip(x, 1.0, 2.0), 2.0, 1.0),
    ("clip outside", lambda x: np.clip(x, 1.0, 2.0), 2.1, 0.0),
    ("max of ties", lambda x: np.max(np.array([1.0, 1.0, 1.0, 0.0]) * x), 1.0, 1.0),
    ("x**0 at 0", lambda x: x**0, 0.0, 0.0),
    ("x**0. at 0", lambda x: np.power(x, 0.0), 0.0, 0.0),
    ("x**1 at 0", lambda x: x**1, 0.0, 1.0),
    ("x**1. at 0", lambda x: np.power(x, 1.0), 0.0, 1.0),
    ("x**2 at 0", lambda x: x**2, 0.0, 0.0),
    ("0**y", lambda y: 0.0**y, 2.0, 0.0),
    ("0**y, both", lambda y: np.power(y * 0.0, y), 2.0, 0.0),
    ("hypot at 0", lambda x: np.hypot(x, x * 2.0), 0.0, 0.0),
    ("std of equal values", lambda x: np.std(x * np.ones(3)), 1.0, 0.0),
    ("sqrt, unused at 0", lambda x: np.where(x > 0, np.sqrt(x), 0.0), 0.0, 0.0),
    ("log, unused at 0", lambda x: np.where(x > 0, np.log(x), 0.0), 0.0, 0.0),
    ("logaddexp of infinities", lambda x: np.logaddexp(x, x), INF, 1.0),
    ("exp, unused where it overflows", lambda x: np.where(x < 100, np.exp(x), 0.0), 1000.0, 0.0),
    ("sqrt of a negative number, unused", lambda x: np.where(x > 0, np.sqrt(x), 0.0), -1.0, 0.0),
    ("power, unused at 0", lambda x: np.where(x > 0, x**-1.5, 0.0), 0.0, 0.0),
    ("arcsin, unused at 1", lambda x: np.where(x < 1, np.arcsin(x), 0.0), 1.0, 0.0),
    ("1/x, unused at 0", lambda x: np.where(x != 0, 1.0 / x, 0.0), 0.0, 0.0),
]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(("f", "x", "expected"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_conventions_in_both_modes(f, x, expected):
    (reverse,) = wg.vjp(f, x)[1](1.0)
    forward = wg.jvp(f, (x,), (1.0,))[1]
    assert reverse == expected
    if not isinstance(x, complex):
        assert forward == expected


def test_sqrt_at_0_is_infinite_with_numpys_warning():
    x = wg.Variable(0.0)
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        np.sqrt(x).backward()
    assert x.grad == INF


def test_ties_share():
    x = wg.Variable([3.0, 1.0, 3.0, 3.0])
    np.max(x).backward()
    np.testing.assert_allclose(x.grad, [1 / 3, 0.0, 1 / 3, 1 / 3])
    a, b = wg.Variable([1.0, 2.0]), wg.Variable([1.0, 3.0])
    np.maximum(a, b).backward()
    np.testing.assert_array_equal([a.grad, b.grad], [[0.5, 0.0], [0.5, 1.0]])


def test_products_with_zeros_are_exact():
    for x, expected in [([0.0, 2.0, 3.0], [6.0, 0.0, 0.0]), ([0.0, 0.0, 3.0], [0.0, 0.0, 0.0]), ([2.0], [1.0])]:
        np.testing.assert_array_equal(wg.grad(np.prod)(np.array(x)), expected)
        wg.check_grads(np.prod, np.array(x))


def test_a_nan_that_is_there_stays():
    x = wg.Variable([np.nan, 1.0])
    np.sum(x**2 * 3).backward()
    assert np.isnan(x.grad[0])
    assert x.grad[1] == 6.0
    x = wg.Variable([np.nan, 1.0])
    np.max(x).backward()
    assert np.isnan(x.grad[0]) or x.grad[0] == 1.0


def test_repeated_fancy_indices_add_up():
    x = wg.Variable(np.zeros(3))
    np.sum(x[[0, 0, 0, 2]] * np.arange(4.0)).backward()
    np.testing.assert_array_equal(x.grad, [3.0, 0.0, 3.0])


def test_empty_arrays():
    for f in (np.sum, np.prod, lambda x: np.sum(x.reshape(0, 1) @ np.ones((1, 2)))):
        x = wg.Variable(np.ones(0))
        f(x).backward()
        assert x.grad.shape == (0,)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("x", [0.0, -1.0, 4.0])
def test_a_zero_cotangent_contributes_zero_at_every_order(x):
    f = lambda x: np.where(x > 0, np.sqrt(x), 0.0)  # noqa: E731
    expected = {0.0: (0, 0, 0), -1.0: (0, 0, 0), 4.0: (0.25, -1 / 32, 3 / 256)}[x]
    reverse, forward = f, f
    for value in expected:
        reverse = wg.grad(reverse)
        forward = (lambda g: lambda x: wg.jvp(g, (x,), (1.0,))[1])(forward)
        assert reverse(x) == forward(x) == value
    assert wg.jvp(wg.grad(f), (x,), (1.0,))[1] == expected[1]
    v = wg.Variable(x)
    f(v).backward(create_graph=True)
    g = v.grad
    v.cleargrad()
    g.backward()
    assert v.grad == expected[1]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_no_derivative_is_lost_where_the_cotangent_is_zero():
    """At x = 4, w = 0 the cotangent of sqrt is 0, but its derivative with respect to w is not."""
    f = lambda x, w: np.sum(w * np.where(x > 0, np.sqrt(x), 0.0))  # noqa: E731
    mixed = lambda x, w: np.sum(wg.grad(f)(x, w) * np.array([1.0, 2.0]))  # noqa: E731
    x, w = np.array([4.0, -1.0]), np.array([0.0, 0.0])
    np.testing.assert_array_equal(wg.grad(f)(x, w), [0.0, 0.0])
    np.testing.assert_array_equal(wg.grad(mixed, 1)(x, w), [0.25, 0.0])
    np.testing.assert_array_equal(wg.jvp(lambda w: wg.grad(f)(x, w), (w,), (np.ones(2),))[1], [0.25, 0.0])
    third = wg.grad(lambda x: wg.grad(mixed, 1)(x, w)[0])(x)
    np.testing.assert_array_equal(third, [-1 / 32, 0.0])
    wg.check_grads(lambda x, w: wg.grad(f)(x, w)[:1], np.array([4.0, 9.0]), np.array([0.5, 0.0]))


def test_zero_cotangents_raise_no_warnings_of_their_own():
    x = wg.Variable([0.0, 4.0])
    y = np.sum(np.where(x.data > 0, np.sqrt(x), 0.0))
    y.backward()  # 0/0 inside: warnings are errors here
    np.testing.assert_array_equal(x.grad, [0.0, 0.25])
