"""Jacobians and Hessians in batches: inside vmap, around it, and of rules of every kind."""

from __future__ import annotations

import numpy as np
import pytest
from differences import differences

import wengert as wg

RNG = np.random.default_rng(0)
A = RNG.standard_normal((4, 3))
everyone = pytest.mark.parametrize("mode", ["auto", "reverse", "forward"])


BATCHED = {
    "jacobian": wg.jacobian(lambda x: np.tanh(A @ x)),
    "jacrev": wg.jacrev(lambda x: np.exp(1j * (A @ x))),
    "jacfwd": wg.jacfwd(lambda x: np.tanh(A @ x)),
    "hessian": wg.hessian(lambda x: np.sum(np.sin(x) * x[::-1])),
    "hessian of an array": wg.hessian(lambda x: np.tanh(A @ x)),
    "hvp": lambda x: wg.hvp(lambda x: np.sum(np.tanh(A @ x)), x, np.cos(x)),
    "ggnvp": lambda x: wg.ggnvp(lambda x: A @ np.sin(x), lambda y: np.sum(y**4), x, x),
    "laplacian": wg.laplacian(lambda x: np.sum(np.sin(x) * x[::-1])),
    "divergence": wg.divergence(lambda x: np.sin(A.T @ A @ x)),
    "linearize": lambda x: wg.linearize(np.sin, x)[1](x),
    "elementwise_grad": wg.elementwise_grad(np.tanh),
    "holomorphic": lambda x: wg.grad(lambda z: np.sum(z**3), holomorphic=True)(x + 1j),
    "holomorphic jacobian": lambda x: wg.jacobian(lambda z: A @ z**3, holomorphic=True)(x + 1j),
}


@pytest.mark.parametrize("name", BATCHED)
def test_inside_vmap(name):
    f, xs = BATCHED[name], RNG.standard_normal((5, 3))
    got = wg.vmap(f)(xs)
    assert type(got) is np.ndarray
    np.testing.assert_allclose(got, np.stack([f(x) for x in xs]), atol=1e-12)


@everyone
def test_of_a_function_that_uses_vmap(mode):
    rows, x = RNG.standard_normal((5, 3)), RNG.standard_normal(3)
    whole = lambda x: np.tanh(rows @ x)  # noqa: E731
    parts = lambda x: wg.vmap(lambda r: np.tanh(r @ x))(rows)  # noqa: E731
    np.testing.assert_allclose(wg.jacobian(parts, mode=mode)(x), wg.jacobian(whole)(x))
    np.testing.assert_allclose(wg.hessian(parts)(x), wg.hessian(whole)(x), atol=1e-14)
    f = lambda x: wg.vmap(lambda r: np.sum(wg.jacobian(whole, mode=mode)(r * x) ** 2))(rows)  # noqa: E731
    wg.check_grads(f, x, order=1)


SQUARE = {
    "inv": np.linalg.inv,
    "det": np.linalg.det,
    "svd": lambda a: np.linalg.svd(a)[1],
    "eigh": lambda a: np.linalg.eigh(a + a.T)[0],
    "sort": np.sort,
    "median": np.median,
    "prod": np.prod,
    "norm": np.linalg.norm,
    "std": lambda a: np.std(a, axis=0),
    "fft": lambda a: np.abs(np.fft.fft(a)) ** 2,
    "pad": lambda a: np.pad(a, 1),
    "index": lambda a: a[[0, 0, 1]] ** 2,
    "einsum": lambda a: np.einsum("ij,kj->ik", a, a),
    "interp": lambda a: np.interp(a, [-1.0, 0.0, 3.0], [0.0, 1.0, 4.0]) ** 2,
    "cumprod": np.cumprod,
    "convolve": lambda a: np.convolve(a[0], a[1]),
    "where": lambda a: np.where(a > 0.5, np.sqrt(np.abs(a)), a**2),
}


@pytest.mark.parametrize("name", SQUARE)
def test_rules_of_all_kinds_take_batches(name):
    f, x = SQUARE[name], np.array([[0.3, 0.9], [-0.45, 0.7]])
    np.testing.assert_allclose(wg.jacrev(f)(x), differences(f, x), atol=1e-6)
    np.testing.assert_allclose(wg.jacfwd(f)(x), differences(f, x), atol=1e-6)
    np.testing.assert_allclose(wg.hessian(f)(x), differences(wg.jacrev(f), x), atol=1e-6)


def test_writing_into_arrays():
    def f(x):
        y = 0 * x
        y[1:3] = x[:2] ** 2
        y[0] += x[2]
        return y

    x = RNG.standard_normal(3)
    for J in (wg.jacrev(f)(x), wg.jacfwd(f)(x)):
        np.testing.assert_allclose(J, differences(f, x), atol=1e-8)
    np.testing.assert_allclose(wg.hessian(f)(x), differences(wg.jacrev(f), x), atol=1e-8)


def test_under_recorders():
    x = RNG.standard_normal(3)
    with wg.debug(), wg.Tape() as tape:
        np.testing.assert_allclose(wg.jacrev(np.sin)(x), np.diag(np.cos(x)))
        np.testing.assert_allclose(wg.jacfwd(np.sin)(x), np.diag(np.cos(x)))
        np.testing.assert_allclose(wg.hessian(lambda x: np.sum(x**3))(x), np.diag(6 * x))
    assert "sin" in [entry.operation for entry in tape]
    raises = pytest.raises(FloatingPointError, match=r"flows into the result of Multiply holds (nan|inf)")
    with raises, np.errstate(divide="ignore"), wg.debug():
        wg.jacrev(lambda x: np.sqrt(2 * x))(np.zeros(3))


def test_containers_without_leaves():
    assert wg.jacobian(lambda p: p)({}) == {}
    assert wg.hessian(lambda p, x: x * x, (0, 1))({}, 1.0) == ({}, ({}, 2.0))
    assert wg.hvp(lambda p, x: x * x, ({}, 1.0), ({}, 3.0)) == ({}, 6.0)
    assert wg.laplacian(lambda p: 1.0)({}) == 0.0
    assert wg.divergence(lambda p: p)({}) == 0.0


def test_zeros_and_infinities_in_a_batch():
    f = lambda x: np.where(x > 0, np.sqrt(x), 0.0)  # noqa: E731
    x = np.array([0.0, 1.0, -1.0])
    with np.errstate(all="ignore"):
        for transform in (wg.jacrev, wg.jacfwd):
            np.testing.assert_array_equal(transform(f)(x), np.diag([0.0, 0.5, 0.0]))
            np.testing.assert_array_equal(transform(np.sqrt)(x[:2]), np.diag([np.inf, 0.5]))
        np.testing.assert_array_equal(wg.hessian(lambda x: np.sum(f(x)))(x), np.diag([0.0, -0.25, 0.0]))
