"""Running sums and products, differences, integrals, interpolation, convolution: conventions, containers, refusals."""

from __future__ import annotations

import numpy as np
import pytest

import wengert as wg
from wengert import Variable
from wengert.rules import cumulative

# ---- running sums and products ------------------------------------------------------------------------------


def test_running_products_are_exact_with_zeros():
    x = Variable(np.array([2.0, 0.0, 3.0, 0.0, 5.0]))
    np.sum(np.cumprod(x)).backward()
    np.testing.assert_array_equal(x.grad, [1.0, 2 + 6, 0, 0, 0])
    x = Variable(np.array([0.0, 3.0, 4.0]))
    np.sum(np.cumprod(x)).backward()
    np.testing.assert_array_equal(x.grad, [1 + 3 + 12, 0, 0])


def test_running_products_with_zeros_have_the_right_mixed_derivatives():
    second = wg.grad(lambda x: wg.grad(lambda x: np.cumprod(x)[-1])(x)[0])(np.array([0.0, 0.0, 3.0]))
    np.testing.assert_array_equal(second, [0.0, 3.0, 0.0])


@pytest.mark.skipif(not hasattr(np, "cumulative_sum"), reason="NumPy has it since 2.1")
def test_the_initial_element_is_a_constant():
    x = Variable(np.array([2.0, 3.0]))
    y = np.cumulative_prod(x, include_initial=True)
    np.testing.assert_array_equal(y.data, [1, 2, 6])
    y[0].backward()
    np.testing.assert_array_equal(x.grad, [0, 0])
    with pytest.raises(TypeError, match="cumulative_sum: out="):
        np.cumulative_sum(x, out=np.zeros(2))


# ---- differences --------------------------------------------------------------------------------------------


def test_no_difference_is_the_argument_itself():
    x = Variable(np.ones(3))
    assert np.diff(x, 0) is x


def test_gradient_gives_numpys_containers():
    x = np.arange(12.0).reshape(3, 4) ** 2
    found, expected = np.gradient(Variable(x)), np.gradient(x)
    assert type(found) is type(expected)
    assert [isinstance(v, Variable) for v in found] == [True, True]
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a.data, b)
    assert isinstance(np.gradient(Variable(x), axis=0), Variable)
    assert np.gradient(Variable(x), axis=()) == ()


def test_gradient_in_equally_spaced_coordinates():
    """NumPy takes a shorter formula there; the derivative is that of the general one."""
    f = np.array([1.0, 3.0, 2.0, 5.0])
    wg.check_grads(lambda x: np.gradient(f, x), np.arange(4.0))
    wg.check_grads(lambda x: np.gradient(f, x, edge_order=2), np.arange(4.0))


def test_lists_beside_a_variable():
    h = Variable(0.5)
    np.testing.assert_array_equal(np.gradient([1, 2, 4], h).data, np.gradient([1, 2, 4], 0.5))
    np.testing.assert_array_equal(np.diff([1, 2, 4], append=h).data, np.diff([1, 2, 4], append=0.5))
    np.testing.assert_array_equal(np.interp(h, [0, 1], [1, 3]).data, np.interp(0.5, [0, 1], [1, 3]))
    np.testing.assert_array_equal(np.ediff1d([1.0, 2], h).data, np.ediff1d([1.0, 2], 0.5))


# ---- interpolation ------------------------------------------------------------------------------------------


def test_the_slope_of_interp_at_a_knot_is_that_of_numpys_interval():
    xp, fp = np.array([0.0, 1.0, 3.0]), np.array([0.0, 2.0, 1.0])
    slopes = wg.grad(lambda x: np.sum(np.interp(x, xp, fp)))(np.array([-1.0, 0.0, 0.5, 1.0, 3.0, 4.0]))
    np.testing.assert_array_equal(slopes, [0, 2, 2, -0.5, -0.5, 0])


def test_interp_outside_flows_to_left_and_right():
    left, right, fp = Variable(7.0), Variable(8.0), Variable(np.array([1.0, 2.0]))
    np.sum(np.interp(np.array([-1.0, 0.5, 2.0, 3.0]), [0.0, 1.0], fp, left, right)).backward()
    assert (left.grad, right.grad) == (1.0, 2.0)
    np.testing.assert_array_equal(fp.grad, [0.5, 0.5])
    fp.cleargrad()
    np.sum(np.interp(np.array([-1.0, 2.0]), [0.0, 1.0], fp)).backward()
    np.testing.assert_array_equal(fp.grad, [1, 1])


def test_interp_over_a_jump():
    x, fp = Variable(np.array([0.5, 1.0, 2.0])), Variable(np.array([0.0, 1.0, 5.0, 6.0]))
    np.sum(np.interp(x, [0.0, 1.0, 1.0, 2.0], fp)).backward()
    np.testing.assert_array_equal(x.grad, [1, 1, 1])
    np.testing.assert_array_equal(fp.grad, [0.5, 0.5, 1, 1])
    x = Variable(np.array([2.0]))
    np.interp(x, [1.0, 2.0, 2.0], [1.0, 2.0, 3.0]).backward()
    np.testing.assert_array_equal(x.grad, [0])


# ---- convolution, phase -------------------------------------------------------------------------------------


def test_correlate_conjugates():
    a, v = np.array([1 + 2j, 3 - 1j]), Variable(np.array([0.5 + 1j]))
    y = np.correlate(a, v, "full")
    np.testing.assert_array_equal(y.data, np.correlate(a, v.data, "full"))
    np.sum(np.real(y)).backward()
    np.testing.assert_allclose(v.grad, [np.sum(a)])


def test_whole_turns_of_unwrap_are_constant():
    x = Variable(np.array([0.0, 3.0, -3.0, 0.0]))
    np.sum(np.unwrap(x) * [1, 2, 3, 4]).backward()
    np.testing.assert_array_equal(x.grad, [1, 2, 3, 4])


# ---- sinc and i0 --------------------------------------------------------------------------------------------


def test_derivatives_of_sinc_at_zero_are_its_limits():
    f, found = np.sinc, []
    for _ in range(5):
        found.append(f(np.array(0.0)))
        f = wg.grad(f)
    np.testing.assert_allclose(found, [1, 0, -(np.pi**2) / 3, 0, np.pi**4 / 5], rtol=1e-14)


@pytest.mark.parametrize("x", [1e-9, 1e-4, 0.3, -0.31831, 0.32, 2.0, -17.3])
def test_derivatives_of_sinc_lose_no_digits(x):
    t, w = np.polynomial.legendre.leggauss(80)
    t, w = (t + 1) / 2, w / 2  # sinc(x) is the integral of cos(pi x t) over t from 0 to 1
    for n in range(1, 5):
        exact = np.sum(w * (np.pi * t) ** n * np.cos(np.pi * x * t + n * np.pi / 2))
        assert cumulative.sinc_derivative(np.array(x), n) == pytest.approx(exact, rel=1e-11, abs=1e-14)


def test_bessel_functions():
    special = pytest.importorskip("scipy.special", reason="SciPy has the reference values")
    x = np.concatenate([np.linspace(-40, 40, 161), [0.0, 1e-8, 29.999, 30.001, 100.0, -300.0, 600.0]])
    for n in (1, 2, 3, 7):
        np.testing.assert_allclose(cumulative.bessel_i(x, n), special.iv(n, x), rtol=3e-13)
    np.testing.assert_allclose(wg.grad(lambda x: np.sum(np.i0(x)))(x), special.i1(x), rtol=3e-13)


# ---- refusals -----------------------------------------------------------------------------------------------

V = Variable(np.arange(1.0, 5.0))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: np.cumsum(V, out=np.zeros(4)), TypeError, "cumsum: out="),
        (lambda: np.cumprod(V, 0, None, np.zeros(4)), TypeError, "cumprod: out="),
        (lambda: np.diff(V, -1), ValueError, "order must be non-negative but got -1"),
        (lambda: np.gradient(V, 1.0, 2.0), TypeError, "gradient: 2 spacings for 1 axes"),
        (lambda: np.gradient(V, 1j), TypeError, "gradient: a complex spacing needs complex f"),
        (lambda: np.gradient(V, edge_order=3), ValueError, "'edge_order' greater than 2 not supported"),
        (lambda: np.gradient(V[:1]), ValueError, "too small to calculate a numerical gradient"),
        (lambda: np.convolve(V, V, "circular"), ValueError, "convolve: mode is 'full', 'same' or 'valid'"),
        (lambda: np.convolve(V, Variable(np.zeros(0))), ValueError, "v cannot be empty"),
        (lambda: np.interp(V, [0.0, 1.0], [2.0, 3.0, 4.0]), ValueError, "same length"),
        (lambda: np.i0(Variable(1j)), TypeError, "i0 not supported for complex values"),
        (lambda: np.diff([1.0, 2.0], prepend=Variable(np.ones((2, 2)))), ValueError, "dimension"),
    ],
)
def test_refusals(call, error, message):
    with pytest.raises(error, match=message):
        call()


# ---- against PyTorch ----------------------------------------------------------------------------------------

PAIRS = {
    "cumsum": (lambda x: np.cumsum(x, 1), lambda t, x: t.cumsum(x, 1)),
    "cumprod": (lambda x: np.cumprod(x, 1), lambda t, x: t.cumprod(x, 1)),
    "cumprod with zeros": (lambda x: np.cumprod(x * (x > 0), 0), lambda t, x: t.cumprod(x * (x > 0), 0)),
    "diff": (lambda x: np.diff(x, 2), lambda t, x: t.diff(x, 2)),
    "diff, prepend": (lambda x: np.diff(x, prepend=x[:, :2]), lambda t, x: t.diff(x, prepend=x[:, :2])),
    "trapezoid": (lambda x: np.trapezoid(x, x * x), lambda t, x: t.trapezoid(x, x * x)),
    "trapezoid, dx": (lambda x: np.trapezoid(x, dx=0.1, axis=0), lambda t, x: t.trapezoid(x, dx=0.1, dim=0)),
    "gradient": (lambda x: np.gradient(x, 0.5, axis=1), lambda t, x: t.gradient(x, spacing=0.5, dim=1)[0]),
    "gradient, edges": (
        lambda x: np.gradient(x, axis=1, edge_order=2),
        lambda t, x: t.gradient(x, dim=1, edge_order=2)[0],
    ),
    "sinc": (np.sinc, lambda t, x: t.sinc(x)),
    "i0": (np.i0, lambda t, x: t.i0(x)),
    "convolve": (
        lambda x: np.convolve(x[0], x[1, :3]),
        lambda t, x: t.nn.functional.conv1d(x[None, None, 0], x[1, :3].flip(0)[None, None], padding=2)[0, 0],
    ),
    "correlate": (
        lambda x: np.correlate(x[0], x[1, :3]),
        lambda t, x: t.nn.functional.conv1d(x[None, None, 0], x[1, :3][None, None])[0, 0],
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_as_pytorch(name):
    torch = pytest.importorskip("torch", reason="PyTorch has the reference values")
    ours, theirs = PAIRS[name]
    x = np.random.default_rng(0).uniform(-2, 2, (3, 5))
    t = torch.tensor(x, requires_grad=True)
    expected = theirs(torch, t)
    g = np.random.default_rng(1).normal(size=tuple(expected.shape))
    expected.backward(torch.tensor(g))
    y, pullback = wg.vjp(ours, x)
    np.testing.assert_allclose(y, expected.detach().numpy(), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(pullback(g)[0], t.grad.numpy(), rtol=1e-10, atol=1e-12)
