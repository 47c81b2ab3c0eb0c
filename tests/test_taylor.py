"""Taylor series: closed forms, nested derivatives, cost, nesting."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from rowkit import Row
from table import ROWS

import wengert as wg

X = np.array([0.2, 0.5, 0.7])


def nested(f: Callable[..., Any], xs: Any, vs: Any, order: int) -> list[Any]:
    """The same derivatives by jvp of jvp."""

    def along(f: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *xs: wg.jvp(f, xs, vs)[1]

    found = [f(*xs)]
    for _ in range(order):
        f = along(f)
        found.append(f(*xs))
    return found


def close(actual: Any, expected: Any, rtol: float = 1e-9) -> None:
    for a, b in zip(wg.tree.leaves(actual), wg.tree.leaves(expected), strict=True):
        a, b = np.asarray(a), np.asarray(b)
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * max(1.0, float(np.max(np.abs(b), initial=0))))


# ---- closed forms -------------------------------------------------------------------------------------------

CLOSED: dict[str, tuple[Any, Any]] = {
    "exp": (np.exp, lambda x, k: np.exp(x)),
    "sin": (np.sin, lambda x, k: np.sin(x + k * np.pi / 2)),
    "cosh": (np.cosh, lambda x, k: np.sinh(x) if k % 2 else np.cosh(x)),
    "geometric": (lambda x: 1 / (1 - x), lambda x, k: math.factorial(k) / (1 - x) ** (k + 1)),
    "log": (np.log, lambda x, k: (-1) ** (k - 1) * math.factorial(k - 1) / x**k if k else np.log(x)),
    "power": (lambda x: x**2.5, lambda x, k: math.prod(2.5 - i for i in range(k)) * x ** (2.5 - k)),
    "negative power": (lambda x: x**-3, lambda x, k: math.prod(-3 - i for i in range(k)) * x ** (-3.0 - k)),
    "cube": (lambda x: x**3, lambda x, k: math.prod(3 - i for i in range(k)) * x ** (3.0 - k)),
    "array power": (lambda x: x ** np.array([0.5, 1.5, 3]), lambda x, k: np.array(
        [math.prod(p - i for i in range(k)) * u ** (p - k) for p, u in zip((0.5, 1.5, 3), x, strict=True)])),
}  # fmt: skip


@pytest.mark.parametrize("name", CLOSED)
def test_closed_forms(name: str):
    f, derivative = CLOSED[name]
    found = wg.taylor(f, X, np.full(3, 2.0), 10)
    assert len(found) == 11
    close(found, [derivative(X, k) * 2.0**k + np.zeros(3) for k in range(11)])


def test_tanh_at_zero():
    coefficients = [0, 1, 0, -1 / 3, 0, 2 / 15, 0, -17 / 315]
    found = wg.taylor(np.tanh, 0.0, 1.0, 7)
    np.testing.assert_allclose(found, [c * math.factorial(k) for k, c in enumerate(coefficients)], atol=1e-12)


@pytest.mark.parametrize("p", [0, 1, 2, 3, 5, 40])
@pytest.mark.parametrize("kind", [int, float, np.float64])
def test_whole_powers_at_zero(p: int, kind: Any):
    found = wg.taylor(lambda x: x ** kind(p), 0.0, 1.0, 6)
    np.testing.assert_array_equal(found, [math.factorial(p) if k == p else 0 for k in range(7)])


def test_powers_at_zero_beside_others():
    found = wg.taylor(lambda x: x ** np.array([2, 3, 1]), np.array([0.0, 0.0, 2.0]), np.ones(3), 4)
    np.testing.assert_allclose(found, [[0, 0, 2], [0, 0, 1], [2, 0, 0], [0, 6, 0], [0, 0, 0]])


def test_a_zero_tangent_contributes_zero():
    x = np.array([0.0, 4.0])
    found = wg.taylor(np.sqrt, x, np.array([0.0, 1.0]), 2)
    np.testing.assert_allclose(found, [[0, 2], [0, 0.25], [0, -1 / 32]])
    with np.errstate(divide="ignore"):
        found = wg.taylor(lambda x: np.where(x > 0, np.sqrt(x), 0), x, np.ones(2), 2)
    np.testing.assert_allclose(found, [[0, 2], [0, 0.25], [0, -1 / 32]])


def test_the_solution_of_an_ode():
    """Taylor coefficients of van der Pol's oscillator, one after the other, satisfy the equation."""

    def field(y: Any) -> Any:
        return np.stack([y[1], (1 - y[0] ** 2) * y[1] - y[0]])

    y0, order = np.array([2.0, 0.5]), 14

    def step(series: list[Any], h: float) -> Any:
        return sum([c * h**k for k, c in enumerate(series)])

    series = [y0]
    for k in range(order):  # y' = field(y): each order of the right-hand side gives one of y

        def path(t: Any, known: list[Any] = series) -> Any:
            return field(sum([c * t**k for k, c in enumerate(known)]))

        series.append(wg.taylor(path, 0.0, 1.0, k)[k] / math.factorial(k + 1))
    fine = y0
    for _ in range(100):  # Runge-Kutta
        k1 = field(fine)
        k2 = field(fine + 0.0005 * k1)
        k3 = field(fine + 0.0005 * k2)
        fine = fine + 0.001 / 6 * (k1 + 2 * k2 + 2 * k3 + field(fine + 0.001 * k3))
    np.testing.assert_allclose(step(series, 0.1), fine, rtol=1e-10)


# ---- every declared operation -------------------------------------------------------------------------------


def _once_each() -> list[Any]:
    chosen = {}
    for row in ROWS:
        if "overwrite" not in str(row) and row.shapes != ((3, 4),):
            chosen.setdefault((row.name, len(row.shapes)), []).append(row)
    return [
        pytest.param(row, dtype, id=f"{row}-{dtype}")
        for rows in chosen.values()
        for row in rows[-1:]
        for dtype in ("float64", "complex128")
        if dtype in row.dtypes
    ]


@pytest.mark.parametrize(("row", "dtype"), _once_each())
def test_as_nested_jvp(row: Row, dtype: str):
    xs, vs = row.arguments(dtype), row.arguments(dtype, seed=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = wg.taylor(lambda xs: row.function(*xs), xs, vs, 3)
        for k, expected in enumerate(nested(row.function, xs, vs, 2)):
            close(found[k], expected, 1e-6)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.sum(np.exp(np.sin(x)) * np.tanh(x) / (1 + x * x)),
        lambda x: x**x,
        lambda x: np.arcsin(x) * np.arctan2(x, 1 - x),
        lambda x: np.linalg.solve(np.outer(x, x) + np.eye(3), np.sin(x)),
        lambda x: np.einsum("i,j,k->ij", x, x, np.exp(x)),
        lambda x: np.linalg.norm(x) * np.prod(x) + np.std(x) * np.logaddexp(x, 1 - x),
        lambda x: np.linalg.eigvalsh(np.outer(x, np.sin(x)) + np.outer(np.sin(x), x) + np.diag([1.0, 2.0, 3.0])),
        lambda x: np.where(x > 0.4, x**3, np.cos(x)) + np.abs(x - 0.6) + np.cumsum(x * x) @ x,
        lambda x: wg.grad(lambda u: np.sum(np.exp(u * x)))(x * x),
    ],
)
def test_fourth_order_as_nested_jvp(f: Callable[..., Any]):
    v = np.array([1.0, -0.5, 2.0])
    close(wg.taylor(f, X, v, 4), nested(f, (X,), (v,), 4))


def test_special_functions():
    sp = pytest.importorskip("scipy.special", reason="the extra 'scipy' is not installed")
    v = np.ones(3)
    for f in (sp.erf, sp.gamma, lambda x: sp.jv(0.5, x), lambda x: sp.hyp2f1(0.3, 0.4, 0.5, x), sp.i0, np.sinc, np.i0):
        close(wg.taylor(f, X, v, 3), nested(f, (X,), (v,), 3), 1e-8)
    found = wg.taylor(sp.j0, 1.0, 1.0, 12)  # from Bessel's equation, differentiated
    x, d = 1.0, [float(c) for c in found]
    for k in range(1, 10):
        np.testing.assert_allclose(x * d[k + 2] + (k + 1) * d[k + 1] + x * d[k] + k * d[k - 1], 0, atol=1e-9)


# ---- containers, dtypes, functions of one's own -------------------------------------------------------------


class Point(NamedTuple):
    x: Any
    y: Any


def test_containers():
    x = {"p": Point(np.array([1.0, 2.0]), 0.5), "q": [3.0]}
    v = {"q": [1.0], "p": Point(np.array([0.0, 1.0]), -1.0)}

    def f(t: Any) -> Any:
        return Point(np.sum(t["p"].x ** 2) * t["p"].y, {"s": t["q"][0] ** 3, "c": 1.0})

    found = wg.taylor(f, x, v, 3)
    # p.x = (1, 2+t), p.y = 0.5-t: (1 + (2+t)^2) (0.5-t) = 2.5 - 3t - 3.5t^2 - t^3
    np.testing.assert_allclose([z.x for z in found], [2.5, -3, -7, -6])
    np.testing.assert_allclose([z.y["s"] for z in found], [27, 27, 18, 6])
    np.testing.assert_array_equal([z.y["c"] for z in found], [1, 0, 0, 0])


def test_order_zero_and_constants():
    assert wg.taylor(np.sin, 0.5, 1.0, 0) == (np.sin(0.5),)
    for z in wg.taylor(lambda x: np.sign(x) + 1, X, X, 2)[1:]:
        np.testing.assert_array_equal(z, np.zeros(3))
    value, slope = wg.taylor(lambda x: np.arange(3), X, X, 1)
    assert (value.dtype, slope.dtype) == (np.arange(3).dtype, np.arange(3).dtype)


@pytest.mark.parametrize("shape", [(), (0,), (2, 0), (2, 3)])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "complex64"])
def test_dtypes_and_shapes_stay(shape: Any, dtype: str):
    x = np.full(shape, 0.5, dtype)
    for z in wg.taylor(lambda x: np.exp(np.sin(x)) / (x**1.5 + x**3 + 2) - np.tanh(x), x, np.ones_like(x), 4):
        assert isinstance(z, np.ndarray)
        assert (z.shape, z.dtype) == (shape, np.dtype(dtype))


def test_results_may_be_written_to():
    for z in wg.taylor(lambda x: x[::-1] * 1.0, X, X, 2)[1:]:
        z += 1


class Cube(wg.Function):
    def forward(self, x: Any) -> Any:
        return x**3

    def backward(self, gy: Any) -> Any:
        return 3 * self.input**2 * gy


class ExpAndProduct(wg.Function):
    def forward(self, x: Any, y: Any) -> Any:
        return np.exp(x), x * y

    def backward(self, gz: Any, gw: Any) -> Any:
        x, y = self.inputs
        return gz * self.outputs[0] + gw * y, gw * x


class CubeOnArrays(wg.Function):
    def forward(self, x: Any) -> Any:
        return x**3

    def backward(self, gy: Any) -> Any:
        return 3 * self.input.data**2 * gy


def test_functions_that_users_write():
    close(wg.taylor(lambda x: Cube()(x), 2.0, 1.0, 4), wg.taylor(lambda x: x * x * x, 2.0, 1.0, 4))

    def f(x: Any) -> Any:
        z, w = ExpAndProduct()(np.sin(x), x * x)
        return z * w

    close(wg.taylor(f, X, X, 4), wg.taylor(lambda x: np.exp(np.sin(x)) * (np.sin(x) * x * x), X, X, 4))


def test_a_function_that_cannot_be_differentiated_twice():
    value, slope = wg.taylor(lambda x: CubeOnArrays()(x), 2.0, 1.0, 1)
    assert (value, slope) == (8, 12)
    with pytest.raises(TypeError, match=r"CubeOnArrays\.backward works on arrays"):
        wg.taylor(lambda x: CubeOnArrays()(x), 2.0, 1.0, 2)


# ---- nesting ------------------------------------------------------------------------------------------------


def test_grad_of_a_fifth_derivative_by_a_parameter_in_the_closure():
    def fifth(a: Any) -> Any:
        return wg.taylor(lambda x: np.exp(a * x), 0.3, 1.0, 5)[5]

    a, x = 0.7, 0.3  # a^5 exp(a x)
    np.testing.assert_allclose(fifth(a), a**5 * np.exp(a * x))
    np.testing.assert_allclose(wg.grad(fifth)(a), (5 * a**4 + a**5 * x) * np.exp(a * x))
    np.testing.assert_allclose(wg.grad(wg.grad(fifth))(a), (20 * a**3 + 10 * a**4 * x + a**5 * x * x) * np.exp(a * x))


@pytest.mark.parametrize("f", [np.sin, lambda x: x**5, lambda x: x**2.5, lambda x: 1 / x, np.tanh, lambda x: x * x**3])
def test_grad_and_jvp_of_a_derivative_by_x(f: Callable[..., Any]):
    def third(x: Any) -> Any:
        return wg.taylor(f, x, 1.0, 3)[3]

    fourth = wg.taylor(f, 0.4, 1.0, 4)[4]
    np.testing.assert_allclose(wg.grad(third)(0.4), fourth)
    np.testing.assert_allclose(wg.jvp(third, (0.4,), (1.0,))[1], fourth)
    np.testing.assert_allclose(wg.taylor(third, 0.4, 1.0, 2)[1], fourth)


def test_gradients_by_the_direction_and_of_a_vector():
    f = lambda v: wg.taylor(lambda x: np.sum(np.exp(x)), X, v, 3)[3]  # noqa: E731  sum of exp(x) v^3
    np.testing.assert_allclose(wg.grad(f)(np.array([1.0, 2.0, 0.0])), 3 * np.exp(X) * np.array([1.0, 4.0, 0.0]))
    wg.check_grads(lambda x, v: wg.taylor(lambda x: np.linalg.norm(x) * np.sum(x**3), x, v, 3)[2:], X, np.ones(3))


def test_backward_reaches_a_variable_in_the_closure():
    a = wg.Variable(2.0)
    d = wg.taylor(lambda x: np.sin(a * x), 0.5, 1.0, 2)[2]  # -a^2 sin(a x)
    d.backward()
    np.testing.assert_allclose(a.grad, -4 * np.sin(1.0) - 4 * 0.5 * np.cos(1.0))
    with wg.no_grad():
        assert not isinstance(wg.taylor(lambda x: np.sin(a * x), 0.5, 1.0, 2)[2], wg.Variable)


def test_perturbations_are_not_confused():
    """d/dx [x d/dy (x y)] at y = 1: the classic of Siskind and Pearlmutter."""
    assert wg.taylor(lambda x: x * wg.taylor(lambda y: x + y, 1.0, 1.0, 1)[1], 1.0, 1.0, 1)[1] == 1
    assert wg.taylor(lambda x: x * wg.taylor(lambda y: x * y, 2.0, 1.0, 1)[1], 3.0, 1.0, 2)[2] == 2
    assert wg.grad(lambda x: x * wg.taylor(lambda y: x * y, 2.0, 1.0, 1)[1])(3.0) == 6
    assert wg.taylor(lambda x: x * wg.grad(lambda y: x * y)(2.0), 3.0, 1.0, 1)[1] == 6


# ---- cost: NumPy calls, not seconds -------------------------------------------------------------------------


class Counted(np.ndarray[Any, Any]):
    """An array that counts the ufuncs that run on it."""

    calls = 0

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        Counted.calls += 1
        plain = [x.view(np.ndarray) if isinstance(x, Counted) else x for x in inputs]
        return np.asarray(getattr(ufunc, method)(*plain, **kwargs)).view(Counted)


def calls(f: Callable[..., Any], order: int) -> int:
    Counted.calls = 0
    wg.taylor(f, X.view(Counted), np.ones(3), order)
    return Counted.calls


@pytest.mark.parametrize(
    "f",
    [
        np.exp, np.sin, np.tanh, np.log, np.arctan, np.arcsin, lambda x: 1 / (1 - x), lambda x: x**2.5, lambda x: x**9,
        lambda x: np.exp(np.sin(x)) * np.tanh(x) / (1 + x * x), lambda x: np.hypot(x, 1 - x),
    ],
)  # fmt: skip
def test_cost_is_at_most_quadratic(f: Callable[..., Any]):
    five, ten, twenty = calls(f, 5), calls(f, 10), calls(f, 20)
    assert ten <= 4.5 * five
    assert twenty <= 4.5 * ten


def test_cost_of_linear_functions_is_linear():
    f = lambda x: np.exp(x) * 0 + 3 * np.negative(x)  # noqa: E731
    extra = calls(lambda x: np.negative(np.negative(np.exp(x))), 10) - calls(np.exp, 10)
    assert extra <= 2 * (10 + 2)
    assert calls(f, 10) > 0


def test_cost_of_recurrences_between_functions_is_polynomial():
    i0 = [calls(np.i0, n) for n in (4, 8, 16)]  # each derivative of a Bessel function calls two others
    assert i0[2] <= 8.5 * i0[1] <= 8.5**2 * i0[0]


def test_f_runs_once():
    runs = []

    def f(x: Any) -> Any:
        runs.append(1)
        return np.exp(x)

    wg.taylor(f, X, X, 8)
    assert len(runs) == 1


# ---- errors -------------------------------------------------------------------------------------------------


def test_errors():
    with pytest.raises(TypeError, match=r"taylor: x\['a'\] is int64, which has no derivative"):
        wg.taylor(lambda x: x["a"], {"a": np.arange(3)}, {"a": np.arange(3)}, 1)
    with pytest.raises(ValueError, match=r"taylor: direction for x\[1\]: expected shape \(3,\).*got \(2,\)"):
        wg.taylor(lambda x: x[1], (1.0, X), (1.0, np.ones(2)), 1)
    with pytest.raises(ValueError, match="taylor: direction: expected a container like"):
        wg.taylor(lambda x: x[0], (X,), [X], 1)
    with pytest.raises(ValueError, match="taylor: order is from 0 to 170, got -1"):
        wg.taylor(np.sin, X, X, -1)
    with pytest.raises(TypeError, match=r"taylor: order is the number of derivatives, an integer; got 2\.0"):
        wg.taylor(np.sin, X, X, 2.0)
    with pytest.raises(TypeError, match="expected dtype float64"):
        wg.taylor(np.sin, X, X * 1j, 1)


def test_arrays_changed_during_the_run():
    def f(x: Any) -> Any:
        a = np.full(3, 2.0)
        y = x * x * a
        a *= 100
        return y

    np.testing.assert_allclose(wg.taylor(f, X, np.ones(3), 2)[2], np.full(3, 4.0))


def test_functions_of_matrices():
    sl = pytest.importorskip("wengert.scipy.linalg", reason="the extra 'scipy' is not installed")
    a = np.eye(3) * 3 + np.arange(9.0).reshape(3, 3) / 9
    v = np.ones((3, 3))
    for f in (sl.expm, sl.logm, sl.sqrtm, lambda a: sl.solve_sylvester(a, a @ a, a), lambda a: np.linalg.inv(a) @ a[0]):
        close(wg.taylor(f, a, v, 3)[:3], nested(f, (a,), (v,), 2), 1e-7)
    z = wg.taylor(sl.sqrtm, a, v, 6)  # its square is a + t v
    zero = [math.comb(5, k) * z[k] @ z[5 - k] for k in range(6)]
    np.testing.assert_allclose(sum(zero), 0, atol=1e-8)
    np.testing.assert_allclose(wg.taylor(sl.expm, np.eye(2) * 0, np.eye(2), 7)[7], np.eye(2), atol=1e-12)
    wg.check_grads(lambda a: wg.taylor(sl.expm, a, v, 2)[2], a / 5, order=1)
