"""grad, value_and_grad, vjp, jvp, linearize: nesting, argnums, aux, containers, and what they refuse."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any, NamedTuple

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
    gs = wg.grad(lambda p: np.sum(p["a"][0] ** 2), allow_unused=True)({"a": (np.ones(2), 3.0), "b": 1.0})
    np.testing.assert_array_equal(gs["a"][0], [2.0, 2.0])
    assert gs["a"][1] is None
    assert gs["b"] is None


# ---- containers ----


class Point(NamedTuple):
    x: Any
    y: Any


@dataclasses.dataclass(frozen=True)
class Layer:
    w: Any
    b: Any
    name: str = dataclasses.field(default="", metadata={"static": True})


class Box:
    def __init__(self, content):
        self.content = content


wg.tree.register(Box, lambda box: ([box.content], None), lambda _, children: Box(*children))

CONTAINERS = [
    lambda x, y: {"x": x, "y": y},
    lambda x, y: [x, y],
    lambda x, y: (x, (y,)),
    Point,
    lambda x, y: Layer(x, y, "first"),
    lambda x, y: Box({"x": [x], "y": (None, y)}),
    lambda x, y: [Layer({"x": x}, Point(y, None))],
]
containers = pytest.mark.parametrize("build", CONTAINERS, ids=["dict", "list", "tuple", "named", "data", "box", "deep"])


def product(container):
    x, y = wg.tree.leaves(container)
    return np.sum(np.sin(x) * y)


X, Y = np.array([0.3, 1.0]), np.array([2.0, -1.0])


def check(build, got, x, y):
    """got is build(x, y)."""
    expected = build(x, y)
    assert wg.tree.structure(got) == wg.tree.structure(expected)
    for a, b in zip(wg.tree.leaves(got), wg.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b)
        assert type(a) is np.ndarray


@containers
def test_containers_in_reverse(build):
    check(build, wg.grad(product)(build(X, Y)), np.cos(X) * Y, np.sin(X))
    value, (g, gs) = wg.value_and_grad(lambda c, s: product(c) * s, (0, 1))(build(X, Y), 2.0)
    check(build, g, 2 * np.cos(X) * Y, 2 * np.sin(X))
    np.testing.assert_allclose((value, gs), (2 * product(build(X, Y)), product(build(X, Y))))
    y, pullback = wg.vjp(lambda c: {"c": c, "p": product(c)}, build(X, Y))
    check(build, y["c"], X, Y)
    (g,) = pullback({"p": 0.0, "c": build(Y, X)})
    check(build, g, Y, X)
    (g,) = pullback({"p": 1.0, "c": build(0 * X, 0 * X)})
    check(build, g, np.cos(X) * Y, np.sin(X))
    g = wg.elementwise_grad(lambda c: wg.tree.map(np.tanh, c))(build(X, Y))
    check(build, g, 1 - np.tanh(X) ** 2, 1 - np.tanh(Y) ** 2)


@containers
def test_containers_in_forward(build):
    y, ty, aux = wg.jvp(lambda c: (wg.tree.map(np.sin, c), [product(c)]), (build(X, Y),), (build(Y, X),), has_aux=True)
    check(build, y, np.sin(X), np.sin(Y))
    check(build, ty, np.cos(X) * Y, np.cos(Y) * X)
    assert type(aux[0]) is np.ndarray
    y, f_jvp = wg.linearize(lambda c, s: (wg.tree.map(np.sin, c), s * s), build(X, Y), 3.0)
    for scale in (1.0, 2.0):
        ty, ts = f_jvp(build(scale * Y, scale * X), scale)
        check(build, ty, scale * np.cos(X) * Y, scale * np.cos(Y) * X)
        assert ts == 6.0 * scale


@containers
@pytest.mark.parametrize("outer", ["reverse", "forward"])
def test_containers_in_nested_derivatives(build, outer):
    f = lambda s: product(wg.grad(product)(build(X * s, Y)))  # noqa: E731
    expected = wg.numerical_diff(f, 0.7)
    np.testing.assert_allclose(DERIVATIVES[outer](f)(0.7), expected, rtol=1e-7)
    f = lambda s: wg.jvp(product, (build(X * s, Y),), (build(Y * s, X),))[1]  # noqa: E731
    np.testing.assert_allclose(DERIVATIVES[outer](f)(0.7), wg.numerical_diff(f, 0.7), rtol=1e-7)
    g = lambda c: product(wg.grad(product)(c))  # noqa: E731
    got = wg.tree.leaves(wg.grad(g)(build(X, Y)))
    t = wg.jvp(g, (build(X, Y),), (build(Y, X),))[1]
    np.testing.assert_allclose(np.sum(got[0] * Y) + np.sum(got[1] * X), t)


def test_variables_in_containers():
    w = Variable(np.array([1.0, 2.0]))
    g = wg.grad(lambda p: np.sum(p["w"] ** 2) * p["s"])({"w": w, "s": 3.0})
    assert isinstance(g["w"], Variable)
    np.sum(g["w"]).backward()
    np.testing.assert_array_equal(w.grad, [6.0, 6.0])
    w.cleargrad()
    _, pullback = wg.vjp(lambda p: [p["x"] ** 2], {"x": 3.0})
    (g,) = pullback([w[0]])  # a cotangent that is tracked
    g["x"].backward()
    np.testing.assert_array_equal(w.grad, [6.0, 0.0])
    w.cleargrad()
    wg.jvp(lambda p: p["x"] ** 2, ({"x": 3.0},), ({"x": w[1]},))[1].backward()
    np.testing.assert_array_equal(w.grad, [0.0, 6.0])


def test_a_container_that_f_changes_is_its_own():
    p = {"x": np.ones(2), "list": [1.0]}

    def f(p):
        p["x"] = p["x"] * 2
        p["list"].append(3.0)
        return np.sum(p["x"]) * p["list"][0]

    g = wg.grad(f)(p)
    np.testing.assert_array_equal(g["x"], [2.0, 2.0])
    assert p["list"] == [1.0]
    assert p["x"].tolist() == [1.0, 1.0]


def test_an_argument_that_f_changes_in_place():
    def f(x):
        x *= 2
        x[0] = 1.0
        return np.sum(x)

    x = np.ones(2)
    np.testing.assert_array_equal(wg.grad(f)(x), [0.0, 2.0])
    assert wg.jvp(f, (x,), (np.ones(2),))[1] == 2.0
    assert x.tolist() == [1.0, 1.0]


def test_empty_containers():
    assert wg.grad(lambda p, x: x * x, (0, 1))({}, 3.0) == ({}, 6.0)
    assert wg.vjp(lambda x: {}, 1.0)[1]({}) == (0.0,)
    assert wg.jvp(lambda x: None, (1.0,), (1.0,)) == (None, None)
    assert wg.grad(lambda x, none: x * x, (0, 1))(3.0, None) == (6.0, None)


def test_aux_keeps_what_an_outer_derivative_needs():
    def f(w):
        g, aux = wg.grad(lambda x: (x**2, {"w": [w * x], "x": x}), has_aux=True)(3.0)
        assert type(g) is np.ndarray
        return aux["w"][0] * g + 0 * aux["x"]

    assert wg.grad(f)(2.0) == 18.0
    point = wg.grad(lambda x: (x**2, Point(x, "note")), has_aux=True)(3.0)[1]
    assert point == Point(3.0, "note")
    assert type(point.x) is np.ndarray


def test_named_results():
    S = np.array([[2.0, 0.5], [0.5, 1.0]])
    y, pullback = wg.vjp(np.linalg.eigh, S)
    (g,) = pullback((np.ones(2), np.zeros((2, 2))))
    np.testing.assert_allclose(g, np.eye(2), atol=1e-12)
    (h,) = pullback(type(y)(np.ones(2), np.zeros((2, 2))))
    np.testing.assert_array_equal(g, h)
    assert type(wg.jvp(np.linalg.eigh, (S,), (S,))[1]) is type(y)


# ---- linearize, holomorphic ----


def test_linearize():
    y, f_jvp = wg.linearize(lambda x, y: np.sin(x) * y, X, 2.0)
    np.testing.assert_allclose(y, np.sin(X) * 2)
    np.testing.assert_allclose(f_jvp(Y, 1.0), np.cos(X) * 2 * Y + np.sin(X))
    np.testing.assert_allclose(f_jvp(0 * Y, 0.0), 0 * X)
    y, f_jvp, aux = wg.linearize(lambda x: (x**2, "note"), np.float32(3), has_aux=True)
    assert aux == "note"
    assert f_jvp(1.0).dtype == np.float32
    g = wg.grad(lambda s: np.sum(wg.linearize(np.sin, X * s)[1](X)))(1.0)
    np.testing.assert_allclose(g, -np.sum(np.sin(X) * X**2))
    np.testing.assert_allclose(wg.grad(lambda t: wg.linearize(np.sin, 0.5)[1](t))(3.0), np.cos(0.5))
    assert wg.linearize(lambda x: np.ones(2), 1.0)[1](1.0).tolist() == [0.0, 0.0]


def test_holomorphic():
    z = 0.5 + 1j
    np.testing.assert_allclose(wg.grad(np.exp, holomorphic=True)(z), np.exp(z))
    assert type(wg.grad(np.exp, holomorphic=True)(z)) is np.ndarray
    np.testing.assert_allclose(wg.grad(wg.grad(np.sin, holomorphic=True), holomorphic=True)(z), -np.sin(z))
    value, (g,) = wg.value_and_grad(lambda p: np.sum(p[0] ** 3), holomorphic=True)([np.array([z, 2 * z])])
    np.testing.assert_allclose(value, 9 * z**3)
    np.testing.assert_allclose(g, [3 * z**2, 12 * z**2])
    assert wg.grad(np.exp, holomorphic=True)(np.complex64(z)).dtype == np.complex64
    g, aux = wg.grad(lambda z, w: (z * z, w), has_aux=True, holomorphic=True)(z, "aux")
    assert (g, aux) == (2 * z, "aux")


def test_elementwise_grad_of_complex_functions():
    z = np.array([0.5 + 1j, -1.0])
    np.testing.assert_allclose(wg.elementwise_grad(lambda x: np.exp(2j * x))(X), 2j * np.exp(2j * X))
    np.testing.assert_allclose(wg.elementwise_grad(np.sin)(z), np.cos(z))
    np.testing.assert_allclose(wg.elementwise_grad(lambda z: np.abs(z) ** 2)(z), 2 * z)
    for f in (np.conj, lambda z: np.abs(z) * z):
        with pytest.raises(ValueError, match="not holomorphic"):
            wg.elementwise_grad(f)(z)
    with pytest.raises(ValueError, match="not elementwise"):
        wg.elementwise_grad(lambda x: np.fft.fft(x))(X)


REFUSED_IN_CONTAINERS = [
    (lambda: wg.grad(product)({"x": [1.0, np.arange(2)]}), TypeError, r"grad: argument 0\['x'\]\[1\] is int64"),
    (lambda: wg.vjp(product, Layer(1.0, 2)), TypeError, r"vjp: argument 0\.b is int64"),
    (lambda: wg.jvp(np.sin, ([1.0, True],), ([1.0, 1.0],)), TypeError, r"jvp: argument 0\[1\] is bool"),
    (
        lambda: wg.linearize(np.sin, {"s": "text"}),
        TypeError,
        r"argument 0\['s'\]: expected numbers, got str",
    ),
    (lambda: wg.grad(lambda p: p[0])((1.0, 2.0)), ValueError, r"grad: the result does not depend on argument 0\[1\]"),
    (lambda: wg.grad(lambda x, p: p["a"], 1)(1.0, {"a": 1.0, "b": 2.0}), ValueError, r"argument 1\['b'\]"),
    (lambda: wg.vjp(lambda x: {"a": x}, 1.0)[1](1.0), ValueError, r"pullback: .*expected a container like {'a': \*}"),
    (lambda: wg.vjp(lambda x: {"a": x}, 1.0)[1]({"a": [1.0]}), ValueError, r"expected a container like {'a': \*}"),
    (lambda: wg.vjp(lambda x: {"a": [x]}, 1.0)[1]({"a": [X]}), ValueError, r"cotangent\['a'\]\[0\]: expected shape"),
    (lambda: wg.jvp(len, ({"a": 1.0},), ({"b": 1.0},)), ValueError, "jvp: tangent 0: expected a container like"),
    (lambda: wg.jvp(len, ({"a": X},), ({"a": 1.0},)), ValueError, r"jvp: tangent 0\['a'\]: expected shape \(2,\)"),
    (lambda: wg.linearize(np.sin, 1.0)[1](), ValueError, "linearize: 1 primals, but 0 tangents"),
    (lambda: wg.linearize(np.sin, 1.0)[1](X), ValueError, r"linearize: tangent 0: expected shape \(\)"),
    (lambda: wg.grad(lambda x: {"a": x})(1.0), TypeError, "real scalar, got a dict; .*wg.jacobian"),
    (lambda: wg.grad(np.add, (0, -2))(1.0, 2.0), TypeError, "twice"),
    (lambda: wg.elementwise_grad(lambda p: p[0])([X]), ValueError, r"built like \*, the argument like \[\*\]"),
    (lambda: wg.elementwise_grad(lambda p: [p[1], p[0]])([X, Y]), ValueError, "not elementwise"),
    (lambda: wg.grad(np.conj, holomorphic=True)(1j), ValueError, "grad: the function is not holomorphic"),
    (lambda: wg.grad(np.exp, holomorphic=True)(1.0), TypeError, "must give a complex scalar, got float64"),
    (lambda: wg.grad(lambda x: x * 1j, holomorphic=True)(1.0), TypeError, "needs complex arguments, but argument 0"),
    (lambda: wg.grad(np.abs, holomorphic=True)(1j), TypeError, "must give a complex scalar, got float64"),
]


@pytest.mark.parametrize(("call", "error", "message"), REFUSED_IN_CONTAINERS)
def test_refusals_in_containers(call, error, message):
    with pytest.raises(error, match=message):
        call()
