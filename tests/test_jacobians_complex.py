"""Jacobians of complex functions: holomorphic, real to complex, complex to real."""

from __future__ import annotations

import numpy as np
import pytest
from differences import differences

import wengert as wg

RNG = np.random.default_rng(0)
A = RNG.standard_normal((4, 3))
everyone = pytest.mark.parametrize("mode", ["auto", "reverse", "forward"])


@everyone
def test_holomorphic(mode):
    z = RNG.standard_normal(3) + 1j * RNG.standard_normal(3)
    B = A + 1j * RNG.standard_normal((4, 3))
    J = wg.jacobian(lambda z: B @ np.exp(z), mode=mode, holomorphic=True)(z)
    np.testing.assert_allclose(J, B * np.exp(z))
    assert wg.jacobian(np.sin, mode=mode, holomorphic=True)(1 + 1j) == np.cos(1 + 1j)
    assert wg.jacobian(np.sin, mode=mode, holomorphic=True)(np.complex64(1 + 1j)).dtype == np.complex64
    for f in (np.conj, lambda z: z * np.abs(z), lambda z: z + np.real(z) * (1 + 0j)):
        with pytest.raises(ValueError, match="not holomorphic"):
            wg.jacobian(f, mode=mode, holomorphic=True)(z)
    with pytest.raises(TypeError, match="needs complex arguments, but argument 0 is float64"):
        wg.jacobian(np.exp, mode=mode, holomorphic=True)(1.0)
    with pytest.raises(TypeError, match="needs a complex result, but it is float64"):
        wg.jacobian(np.abs, mode=mode, holomorphic=True)(1j)


def test_holomorphic_hessian():
    z = RNG.standard_normal(2) + 1j * RNG.standard_normal(2)
    H = wg.hessian(lambda z: np.sum(np.exp(z)) * z[0], holomorphic=True)(z)
    e = np.exp(z)
    np.testing.assert_allclose(H, [[e[0] * (2 + z[0]), e[1]], [e[1], z[0] * e[1]]])
    with pytest.raises(TypeError, match="hessian: argument 0 is complex: second derivatives"):
        wg.hessian(lambda z: np.sum(np.abs(z) ** 2))(z)


@everyone
def test_real_to_complex(mode):
    x = RNG.standard_normal(3)
    J = wg.jacobian(lambda x: np.exp(1j * (A @ x)), mode=mode)(x)
    np.testing.assert_allclose(J, 1j * np.exp(1j * (A @ x))[:, None] * A)
    J = wg.jacobian(lambda x: {"y": x * (1 + 2j), "z": x[:1]}, mode=mode)(x)
    np.testing.assert_allclose(J["y"], (1 + 2j) * np.eye(3))
    assert J["z"].dtype == np.float64
    H = wg.hessian(lambda x: np.exp(1j * x))(0.5)
    np.testing.assert_allclose(H, -np.exp(0.5j))


@everyone
def test_complex_to_real(mode):
    z = RNG.standard_normal(3) + 1j * RNG.standard_normal(3)
    f = lambda z: np.abs(z) ** 2 + np.real(z[::-1])  # noqa: E731
    J = wg.jacobian(f, mode=mode)(z)
    np.testing.assert_allclose(J, np.diag(2 * z) + np.eye(3)[::-1])
    expected = differences(f, z) + 1j * differences(lambda y: f(np.real(z) + 1j * y), np.imag(z))
    np.testing.assert_allclose(J, expected, atol=1e-8)
    np.testing.assert_allclose(J[0], wg.grad(lambda z: f(z)[0])(z))
    J = wg.jacobian(lambda p: np.abs(p["z"]) * p["x"], mode=mode)({"z": 3 + 4j, "x": 2.0})
    np.testing.assert_allclose(J["z"], 2 * (3 + 4j) / 5)
    assert J["x"] == 5.0
    assert J["x"].dtype == np.float64


@everyone
def test_complex_to_complex_is_refused_unless_holomorphic(mode):
    with pytest.raises(TypeError, match=r"jacobian: argument 0\['z'\] is complex.*holomorphic=True"):
        wg.jacobian(lambda p: p["z"] * p["x"], mode=mode)({"x": 1.0, "z": 1j})


def test_hvp_of_a_complex_argument():
    z, t = 1 + 2j, 0.5 - 1j
    f = lambda z: np.abs(z) ** 4 + np.real(z**3)  # noqa: E731
    eps = 1e-6
    expected = (wg.grad(f)(z + eps * t) - wg.grad(f)(z - eps * t)) / (2 * eps)
    np.testing.assert_allclose(wg.hvp(f, z, t), expected, rtol=1e-8)
