"""Cubic splines: SciPy's values; derivatives in knots, values, points and limits. Linear interpolation: np.interp."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wengert as wg

si = pytest.importorskip("scipy.interpolate", reason="SciPy is an optional extra: pip install 'wengert[scipy]'")

CONDITIONS = [
    "not-a-knot", "natural", "clamped", "periodic", ("natural", "clamped"), ("not-a-knot", (2, 0.5)),
    ((1, 0.3), (2, -0.4)), ((2, 0.3), (1, -0.4)),
]  # fmt: skip


def data(n: int, bc: Any) -> tuple[Any, Any, Any]:
    """Knots, values, and points inside and outside."""
    rng = np.random.default_rng(n)
    x, y = np.cumsum(rng.uniform(0.5, 1.5, n)), rng.normal(size=n)
    y[-1] = y[0] if bc == "periodic" else y[-1]
    return x, y, rng.uniform(x[0] - 0.5, x[-1] + 0.5, 4)


def spline(bc: Any) -> Any:
    """A spline as a function of knots and values, of which a periodic one's last is its first."""
    if bc == "periodic":
        return lambda x, y, **options: wg.CubicSpline(x, np.concatenate([y, y[:1]]), bc_type=bc, **options)
    return lambda x, y, **options: wg.CubicSpline(x, y, bc_type=bc, **options)


# ---- values -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bc", CONDITIONS, ids=str)
@pytest.mark.parametrize("n", [2, 3, 4, 5, 9])
def test_values_are_scipys(n: int, bc: Any):
    x, y, points = data(n, bc)
    points = np.concatenate([points, x])
    theirs = si.CubicSpline(x, y, bc_type=bc)
    for ours in (wg.CubicSpline(x, y, bc_type=bc), wg.CubicSpline(wg.Variable(x), wg.Variable(y), bc_type=bc)):
        assert np.array_equal(ours.c if isinstance(ours.c, np.ndarray) else ours.c.data, theirs.c)
        for nu in range(5):
            z = ours(points, nu)
            assert np.array_equal(z if isinstance(z, np.ndarray) else z.data, theirs(points, nu))
        plain = lambda z: z.data if isinstance(z, wg.Variable) else z  # noqa: E731
        for a, b in ((x[0], x[-1]), (x[0] + 0.2, x[0] - 0.1), (x[0] - 3, x[-1] + 2.6)):
            assert plain(ours.integrate(a, b)) == pytest.approx(theirs.integrate(a, b), rel=1e-14)
        for nu in (1, 2, 4):
            np.testing.assert_allclose(plain(ours.derivative(nu)(points)), theirs.derivative(nu)(points), atol=1e-12)
            inside = points[(points >= x[0]) & (points <= x[-1])]
            expected = theirs.antiderivative(nu)(inside)
            np.testing.assert_allclose(plain(ours.antiderivative(nu)(inside)), expected, atol=1e-11)
        np.testing.assert_allclose(plain(ours.antiderivative().derivative()(x)), y, atol=1e-12)


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
@pytest.mark.parametrize("shape", [(), (4,), (2, 5), (0,)])
def test_axes_and_shapes(axis: int, shape: tuple[int, ...]):
    x, rng = np.linspace(0, 1, 6), np.random.default_rng(0)
    y, points = np.moveaxis(rng.normal(size=(6, 2, 3)), 0, axis), rng.uniform(size=shape)
    ours, theirs = wg.CubicSpline(x, wg.Variable(y), axis=axis), si.CubicSpline(x, y, axis=axis)
    assert np.array_equal(ours(points).data, theirs(points))
    assert np.array_equal(ours(wg.Variable(points), 1).data, theirs(points, 1))
    np.testing.assert_allclose(ours.integrate(0.1, 0.7).data, theirs.integrate(0.1, 0.7))
    np.testing.assert_allclose(ours.derivative()(points).data, theirs.derivative()(points))


def test_extrapolation():
    x = np.linspace(0.0, 1.0, 5)
    y = np.sin(2 * np.pi * x)
    y[-1] = y[0]
    points = np.array([-0.3, 0.2, 1.7])
    for extrapolate in (True, False, "periodic", None):
        theirs = si.CubicSpline(x, y, bc_type="periodic", extrapolate=extrapolate)
        assert np.array_equal(
            wg.CubicSpline(x, y, bc_type="periodic", extrapolate=extrapolate)(points), theirs(points), equal_nan=True
        )
        assert np.array_equal(
            wg.CubicSpline(x, y)(points, 1, extrapolate), si.CubicSpline(x, y)(points, 1, extrapolate), equal_nan=True
        )
    v = wg.Variable(y)
    z = wg.CubicSpline(x, v, extrapolate=False)(points)
    assert np.array_equal(np.isnan(z.data), [True, False, True])


# ---- derivatives --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bc", CONDITIONS, ids=str)
@pytest.mark.parametrize("n", [2, 3, 4, 7])
def test_derivatives(n: int, bc: Any):
    x, y, points = data(n, bc)
    y, made = y[:-1] if bc == "periodic" else y, spline(bc)
    wg.check_grads(lambda x, y, p: made(x, y)(p), x, y, points, order=2 if n in (3, 4) else 1)
    wg.check_grads(lambda x, y, p: made(x, y)(p, 1), x, y, points)
    wg.check_grads(lambda x, y, a, b: made(x, y).integrate(a, b), x, y, x[0] - 0.3, x[-1] + 0.6)
    wg.check_grads(lambda x, y, p: made(x, y).derivative(2)(p), x, y, points)
    wg.check_grads(lambda x, y, p: made(x, y).antiderivative(2)(p, 0, True), x, y, points)


def test_derivatives_of_several_axes_and_of_complex_values():
    rng = np.random.default_rng(0)
    x, y, points = np.linspace(0, 1, 5), rng.normal(size=(2, 5, 3)), rng.uniform(size=(2, 2))
    wg.check_grads(lambda x, y, p: wg.CubicSpline(x, y, axis=1)(p), x, y, points)
    z = y + 1j * rng.normal(size=y.shape)
    for bc in ("natural", "periodic"):
        close = lambda z: np.concatenate([z, z[:, :1]], 1)  # noqa: E731
        made = lambda x, z: wg.CubicSpline(x, close(z[:, :-1]), axis=1, bc_type=bc)  # noqa: B023, E731
        wg.check_grads(lambda x, z, p: np.abs(made(x, z)(p)) ** 2, x, z, points)  # noqa: B023


def test_boundary_values_have_derivatives():
    x, y, points = data(5, None)
    for first in (1, 2):
        for last in (1, 2):
            made = lambda y, a, b: wg.CubicSpline(x, y, bc_type=((first, a), (last, b)))  # noqa: B023, E731
            wg.check_grads(lambda y, a, b: made(y, a, b)(points), y, np.asarray(0.3), np.asarray(-0.7), order=2)  # noqa: B023
    a = wg.Variable(0.3)
    assert wg.CubicSpline(x, y, bc_type=((1, a), "natural"))(x[0], 1).data == pytest.approx(0.3)


def test_the_points_derivative_is_the_splines():
    x, y, points = data(8, None)
    made = wg.CubicSpline(x, y)
    first = wg.elementwise_grad(made)
    np.testing.assert_allclose(first(points), made(points, 1), rtol=1e-12)
    np.testing.assert_allclose(wg.elementwise_grad(first)(points), made(points, 2), rtol=1e-10)
    np.testing.assert_allclose(wg.grad(lambda b: made.integrate(x[0], b))(points[0]), made(points[0]), rtol=1e-12)


def test_many_knots_take_no_dense_matrix():
    x = np.linspace(0, 1, 20_000)
    y = wg.Variable(np.sin(x))
    wg.CubicSpline(x, y).integrate(0, 1).backward()
    assert np.sum(y.grad) == pytest.approx(1.0)  # it integrates constants


def test_float32_stays_float32():
    x, y, points = [v.astype(np.float32) for v in data(6, None)]
    v = wg.Variable(y)
    z = wg.CubicSpline(x, v)(points)
    np.sum(z).backward()
    assert z.dtype == v.grad.dtype == np.float32
    np.testing.assert_allclose(z.data, si.CubicSpline(x, y)(points), rtol=1e-6)
    assert wg.CubicSpline(x, y)(0.3).dtype == np.float32
    assert wg.CubicSpline(x, y).derivative()(points).dtype == np.float32
    assert wg.CubicSpline(x, y).integrate(0, 1).dtype == np.float32
    assert wg.CubicSpline(x, y)(points.astype(float)).dtype == np.float64
    assert wg.CubicSpline([0, 1, 2], [1, 2, 4])(1).dtype == np.float64


def test_lists_and_empty_values():
    v = wg.Variable(1.0)
    assert wg.CubicSpline([0, 1, 2], [v, 2.0, 3.0])(0.5).data == pytest.approx(1.5)
    y = wg.Variable(np.zeros((4, 0)))
    z = wg.CubicSpline(np.arange(4.0), y)(0.3)
    assert z.shape == (0,)
    np.sum(z).backward()
    assert y.grad.shape == (4, 0)


def test_errors_are_scipys():
    x = np.arange(4.0)
    for arguments, options, message in (
        ((x[::-1], x), {}, "strictly increasing"),
        ((x, x[:3]), {}, "length of `y`"),
        ((x, x * np.nan), {}, "finite"),
        ((x, x), {"bc_type": "other"}, "not allowed"),
        ((x, x), {"bc_type": "periodic"}, "must be identical"),
        ((x[:1], x[:1]), {}, "at least 2"),
    ):
        for wrapped in (arguments, tuple([wg.Variable(v.copy()) for v in arguments])):
            with pytest.raises(ValueError, match=message):
                wg.CubicSpline(*wrapped, **options)
    with pytest.raises(ValueError, match="cannot be negative"):
        wg.CubicSpline(x, x)(0.3, -1)
    with pytest.raises(TypeError, match="CubicSpline: x: expected real points, got complex128"):
        wg.CubicSpline(x, x)(1j)


# ---- linear interpolation -----------------------------------------------------------------------------------


def test_linear_interpolation_has_derivatives_in_points_knots_and_values():
    xp, fp, x = data(6, None)
    wg.check_grads(lambda x, xp, fp: np.interp(x, xp, fp), x, xp, fp, order=2)
    wg.check_grads(lambda x, xp, fp, a, b: np.interp(x, xp, fp, a, b), x, xp, fp, 0.3, -0.2, order=2)
    wg.check_grads(lambda x, xp, fp, p: np.interp(x, xp, fp, period=p), x, xp, fp, np.asarray(7.3), order=2)
    assert np.array_equal(wg.interp(x, wg.Variable(xp), fp).data, np.interp(x, xp, fp))
