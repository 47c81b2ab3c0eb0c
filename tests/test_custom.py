"""custom_rule: a user's own derivative for a whole function."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest

import wengert as wg

X = np.array([0.2, 0.5, 0.7])
V = np.array([1.0, -1.0, 2.0])


class Pair(NamedTuple):
    a: Any
    b: Any


def reverse_exp(gz: Any, z: Any, x: Any) -> Any:
    return gz * np.conj(z)


def forward_exp(tx: Any, z: Any, x: Any) -> Any:
    return tx * z


RULES = {
    "reverse": {"reverse": reverse_exp},
    "forward": {"forward": forward_exp},
    "both": {"reverse": reverse_exp, "forward": forward_exp},
}


@pytest.mark.parametrize("rules", RULES.values(), ids=RULES)
@pytest.mark.parametrize("x", [X, np.float64(0.3), np.zeros((0, 2)), X + 1j * V])
def test_every_mode_and_order(rules: Any, x: Any):
    exp = wg.custom_rule(lambda x: np.exp(x), **rules)
    np.testing.assert_array_equal(exp(x), np.exp(x))
    wg.check_grads(exp, x, order=3)
    exp.check(x)


@pytest.mark.parametrize("rules", RULES.values(), ids=RULES)
def test_every_transformation(rules: Any):
    exp = wg.custom_rule(lambda x: np.exp(x), **rules)
    for z in wg.taylor(lambda x: exp(x * x), X, V, 4), wg.taylor(lambda x: wg.checkpoint(exp)(x * x), X, V, 4):
        np.testing.assert_allclose(z, wg.taylor(lambda x: np.exp(x * x), X, V, 4))
    x = wg.Variable(X)
    y = np.sum(exp(x))
    y.backward(create_graph=True)
    g = x.grad
    x.cleargrad()
    np.sum(g * V).backward()
    np.testing.assert_allclose(x.grad, np.exp(X) * V)


def test_the_rule_is_what_counts():
    half = wg.custom_rule(lambda x: x * 1.0, reverse=lambda g, z, x: g / 2)
    assert wg.grad(half)(3.0) == 0.5
    assert wg.jvp(half, (3.0,), (1.0,))[1] == 0.5


def test_as_a_decorator_name_and_docstring_stay():
    @wg.custom_rule(reverse=lambda g, z, x, y: (g * y, g * x))
    def times(x: Any, y: Any = 2.0) -> Any:
        """A product."""
        return x * y

    assert (times.__name__, times.__doc__) == ("times", "A product.")
    assert wg.grad(times)(3.0) == 2
    assert wg.grad(lambda y: times(3.0, y=y))(1.0) == 3
    times.check(2.0, 3.0)


def test_containers_and_other_arguments():
    def f(p: Any, n: Any, mode: Any, *, scale: Any = 1.0) -> Any:
        assert isinstance(p["w"], np.ndarray)
        assert mode == "m"
        return Pair(p["w"] ** n * scale, {"s": np.sum(p["c"].b), "mode": mode, "i": 3})

    def reverse(g: Any, z: Any, p: Any, n: Any, mode: Any, *, scale: Any) -> Any:
        assert (z.b["mode"], z.b["i"]) == ("m", 3)
        return {"w": g.a * n * p["w"] ** (n - 1) * scale, "c": Pair(None, np.ones(2) * g.b["s"])}

    def forward(t: Any, z: Any, p: Any, n: Any, mode: Any, *, scale: Any) -> Any:
        return Pair(t["w"] * n * p["w"] ** (n - 1) * scale, {"s": np.sum(t["c"].b), "mode": None, "i": None})

    for rules in ({"reverse": reverse}, {"forward": forward}, {"reverse": reverse, "forward": forward}):
        g = wg.custom_rule(f, nondiff=("n", 2), **rules)
        p = {"w": X, "c": Pair(7, np.array([1.0, 2.0]))}
        assert g(p, 3, "m").b["i"] == 3

        def loss(w: Any, c: Any, g: Any = g) -> Any:
            z = g({"w": w, "c": Pair(7, c)}, 3, mode="m", scale=2.0)
            assert z.b["mode"] == "m"
            return np.sum(z.a) * z.b["s"]

        gw, gc = wg.grad(loss, argnums=(0, 1))(X, np.array([1.0, 2.0]))
        np.testing.assert_allclose(gw, 6 * X**2 * 3)
        np.testing.assert_allclose(gc, np.full(2, np.sum(2 * X**3)))
        wg.check_grads(loss, X, np.array([1.0, 2.0]))
        g.check(p, 3, "m")


def test_several_results_and_an_unused_one():
    two = wg.custom_rule(lambda x: (np.sin(x), np.cos(x)), reverse=lambda g, z, x: g[0] * z[1] - g[1] * z[0])
    np.testing.assert_allclose(wg.grad(lambda x: np.sum(two(x)[1]))(X), -np.sin(X))
    wg.check_grads(two, X, order=3)


def test_float32_stays():
    f = wg.custom_rule(lambda x: np.exp(x), reverse=lambda g, z, x: g * z * np.float64(1))
    g = wg.grad(lambda x: np.sum(f(x)))(X.astype(np.float32))
    assert g.dtype == np.float32


def test_arrays_in_array_mode():
    kinds = []

    def reverse(g: Any, z: Any, x: Any) -> Any:
        kinds.append((type(g), type(z), type(x)))
        with pytest.raises(ValueError, match="read-only"):
            x[0] = 1
        return g * z

    x = X.copy()
    wg.grad(lambda x: np.sum(wg.custom_rule(lambda x: np.exp(x), reverse=reverse)(x)))(x)
    assert kinds == [(np.ndarray,) * 3]


def test_plain_and_untracked_calls():
    f = wg.custom_rule(lambda x: np.exp(x), reverse=reverse_exp)
    assert type(f(X)) is np.ndarray
    with wg.no_grad():
        assert f(wg.Variable(X)).creator is None
    assert type(f(wg.Variable(X)).creator).__name__ == "<lambda>"


def test_an_argument_changed_in_place():
    f = wg.custom_rule(lambda x: np.exp(x), reverse=lambda g, z, x: g * np.exp(x))
    x = wg.Variable(X.copy())
    y = np.sum(f(x))
    x.data[0] = 5
    with pytest.raises(RuntimeError, match="was changed before backward"):
        y.backward()


# ---- errors -------------------------------------------------------------------------------------------------


def test_a_rule_is_needed():
    with pytest.raises(TypeError, match="custom_rule: give a rule for sin: reverse=, forward= or both"):
        wg.custom_rule(np.sin)
    with pytest.raises(TypeError, match=r"nondiff has 'q', but the parameters of .* are \['x'\]"):
        wg.custom_rule(lambda x: x, reverse=reverse_exp, nondiff="q")


def cube(x: Any) -> Any:
    return x**3


def test_a_wrong_rule_is_found_by_check():
    for rules in ({"reverse": lambda g, z, x: 2 * g * x**2}, {"forward": lambda t, z, x: 2 * t * x**2}):
        with pytest.raises(wg.GradientError, match="mode, order 1"):
            wg.custom_rule(cube, check=(X,), **rules)
    wg.custom_rule(cube, reverse=lambda g, z, x: 3 * g * x**2, check=(X,))


def test_a_rule_that_leaves_the_graph_serves_first_derivatives():
    reverse = wg.custom_rule(cube, reverse=lambda g, z, x: 3 * g * (x.data if isinstance(x, wg.Variable) else x) ** 2)
    np.testing.assert_allclose(wg.grad(reverse)(2.0), 12)
    np.testing.assert_allclose(wg.jvp(reverse, (2.0,), (1.0,))[1], 12)
    with pytest.raises(
        TypeError, match=r"cube: the reverse rule works on arrays \(reads \.data\).*differentiated again"
    ):
        wg.grad(wg.grad(reverse))(2.0)
    with pytest.raises(TypeError, match="cube: the reverse rule works on arrays"):
        reverse.check(2.0)
    reverse.check(2.0, order=1)
    forward = wg.custom_rule(cube, forward=lambda t, z, x: 3 * t * (x.data if isinstance(x, wg.Variable) else x) ** 2)
    np.testing.assert_allclose(wg.jvp(forward, (2.0,), (1.0,))[1], 12)
    np.testing.assert_allclose(wg.grad(forward)(2.0), 12)
    for f in (
        lambda: wg.grad(wg.grad(forward))(2.0),
        lambda: wg.jvp(wg.grad(forward), (2.0,), (1.0,)),
        lambda: wg.grad(lambda x: wg.jvp(forward, (x,), (1.0,))[1])(2.0),
        lambda: wg.taylor(forward, 2.0, 1.0, 2),
    ):
        with pytest.raises(TypeError, match="cube: the forward rule works on arrays"):
            f()


def test_a_rule_that_cannot_be_transposed():
    def raw(t: Any) -> Any:
        return t.data if isinstance(t, wg.Variable) else t

    forward = wg.custom_rule(cube, forward=lambda t, z, x: 3 * raw(t) * x**2)
    np.testing.assert_allclose(wg.jvp(forward, (2.0,), (1.0,))[1], 12)
    with pytest.raises(TypeError, match=r"cube: the forward rule reads \.data of a tangent.*give reverse="):
        wg.grad(forward)(2.0)
    reverse = wg.custom_rule(cube, reverse=lambda g, z, x: 3 * raw(g) * x**2)
    np.testing.assert_allclose(wg.grad(reverse)(2.0), 12)
    with pytest.raises(TypeError, match=r"cube: the reverse rule reads \.data of gy"):
        wg.jvp(reverse, (2.0,), (1.0,))
    with pytest.raises(TypeError, match="cube: the reverse rule works on arrays"):
        wg.grad(wg.grad(lambda x: reverse(reverse(x))))(1.1)


def test_wrong_gradients():
    def f(x: Any, p: Any) -> Any:
        return x * np.sum(p["w"])

    def gradient(rule: Any) -> Any:
        return wg.grad(lambda x: np.sum(wg.custom_rule(f, reverse=rule)(x, {"w": np.ones(2)})))(X)

    with pytest.raises(
        ValueError, match=r"f: the reverse rule gives a tuple with one gradient for each of 2 arg.*got 3"
    ):
        gradient(lambda g, z, x, p: (g, g, g))
    with pytest.raises(ValueError, match=r"f: the reverse rule gives a tuple .* got a ndarray"):
        gradient(lambda g, z, x, p: g)
    with pytest.raises(ValueError, match=r"gradient of argument 0 has shape \(\), but the argument has \(3,\)"):
        gradient(lambda g, z, x, p: (np.sum(g), None))
    with pytest.raises(
        ValueError, match=r"gradient of argument 1\['w'\] has shape \(3,\), but the argument has \(2,\)"
    ):
        gradient(lambda g, z, x, p: (g, {"w": g}))
    with pytest.raises(
        ValueError, match=r"gradient of argument 1: expected a container like \{'w': \*\}, got \{'v': \*\}"
    ):
        gradient(lambda g, z, x, p: (g, {"v": g}))
    np.testing.assert_allclose(gradient(lambda g, z, x, p: (2 * g, None)), 2 * np.ones(3))
    h = wg.custom_rule(lambda x: {"y": x * 2}, forward=lambda t, z, x: {"y": np.sum(t)})
    with pytest.raises(ValueError, match=r"tangent of the result\['y'\] has shape \(\), but the result has \(3,\)"):
        wg.jvp(lambda x: h(x)["y"], (X,), (X,))


def test_tracked_variables_where_no_derivative_is():
    w = wg.Variable(2.0)
    f = wg.custom_rule(lambda x, n, *, k=1.0: x * n * k, reverse=lambda g, z, x, n, *, k: g * n * k, nondiff="n")
    with pytest.raises(TypeError, match="argument 1 is in nondiff, but is a tracked Variable"):
        f(X, w)
    with pytest.raises(TypeError, match="keyword arguments are not differentiated, but one is a tracked Variable"):
        f(X, 2.0, k=w)
    np.testing.assert_allclose(wg.grad(lambda x: np.sum(f(x, 2.0, k=3.0)))(X), np.full(3, 6.0))
    with pytest.raises(TypeError, match="depends on a Variable that is no argument"):
        wg.custom_rule(lambda x: x * w, reverse=lambda g, z, x: g)(wg.Variable(X))


class ReadsGy(wg.Function):
    def forward(self, x: Any) -> Any:
        return x**2

    def backward(self, gy: Any) -> Any:
        return 2 * self.input * (gy.data if isinstance(gy, wg.Variable) else gy)


def test_a_function_whose_backward_reads_the_data_of_gy():
    f = lambda x: ReadsGy()(ReadsGy()(x))  # noqa: E731
    assert wg.grad(f)(2.0) == 32
    with pytest.raises(TypeError, match=r"ReadsGy\.backward works on arrays \(reads \.data\)"):
        wg.grad(wg.grad(f))(2.0)
    with pytest.raises(TypeError, match=r"ReadsGy\.backward reads \.data of gy, so that forward mode cannot follow"):
        wg.jvp(f, (2.0,), (1.0,))


@pytest.mark.parametrize("f", [lambda x: np.einsum("i,i", x, x), lambda x: np.sum(np.concatenate([x, x]) ** 2)])
def test_the_graph_of_operations_of_many_arrays_can_be_freed(f: Any):
    x = wg.Variable(X)
    y = f(x)
    y.backward(retain_graph=False)
    assert x.grad is not None
    with pytest.raises(RuntimeError, match="was freed"):
        y.backward()
