"""Polynomials and numpy.emath: containers, what NumPy itself refuses, trimming, branch cuts."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from numpy.polynomial import chebyshev, hermite, hermite_e, laguerre, legendre, polynomial

import wengert as wg
import wengert.polynomial as P
from wengert import Variable

MODULES = {"poly": polynomial, "cheb": chebyshev, "leg": legendre, "herm": hermite, "herme": hermite_e, "lag": laguerre}
X = np.array([0.5, 1.0, 2.0, 2.5, 3.5])
Y = np.array([1.0, 0.5, 2.0, 1.5, 3.0])

# ---- NumPy's poly functions ---------------------------------------------------------------------------------


def _same(found, expected):
    """Containers, values and dtypes."""
    if isinstance(expected, (tuple, list)):
        assert type(found) is type(expected)
        for a, b in zip(found, expected, strict=True):
            _same(a, b)
    else:
        found = found.data if isinstance(found, Variable) else np.asarray(found)
        assert (found.dtype, found.shape) == (np.asarray(expected).dtype, np.shape(expected))
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("y", [Y, np.stack([Y, Y**2], 1)])
@pytest.mark.parametrize("options", [{}, {"full": True}, {"cov": True}, {"cov": "unscaled"}, {"w": X, "full": True}])
def test_polyfit_gives_what_numpys_gives(y, options):
    _same(np.polyfit(Variable(X), Variable(y), 2, **options), np.polyfit(X, y, 2, **options))
    _same(np.polyfit(X, Variable(y), 1, **options), np.polyfit(X, y, 1, **options))


def test_polyfit_through_every_point_leaves_no_residuals():
    _, rest, rank, _, _ = np.polyfit(Variable(X[:2]), Y[:2], 1, full=True)
    assert rest.shape == (0,)
    assert rank == 2


def test_integers_and_a_poly1d():
    n = Variable(np.arange(5))
    _same(np.polyfit(n, Variable(Y), 1), np.polyfit(n.data, Y, 1))
    _same(P.chebfit(n, Variable(Y), 1), chebyshev.chebfit(n.data, Y, 1))
    p, q = np.poly1d([1.0, 2.0]), Variable(np.array([3.0, 4.0, 5.0]))
    for f in (np.polyadd, np.polysub, np.polymul):
        z = f(p, q)
        assert isinstance(z, np.poly1d)
        assert isinstance(z.coeffs, Variable)
        _same(z(2.0), f(p, q.data)(2.0))
    _same(p(q), p(q.data))


def test_polydiv_gives_quotient_and_remainder():
    u, v = np.array([1.0, 2.0, 3.0, 4.0]), np.array([2.0, 1.0])
    _same(np.polydiv(Variable(u), v), np.polydiv(u, v))
    _same(np.polydiv(v, Variable(u)), np.polydiv(v, u))


def test_coefficients_may_be_lists_of_variables():
    a, b = Variable(1.0), Variable(-3.0)
    np.sum(np.polyval(wg.array([a, b, 2.0]), X)).backward()
    np.testing.assert_allclose([a.grad, b.grad], [np.sum(X**2), np.sum(X)])
    r = np.roots([a, b, 2.0])
    np.testing.assert_allclose(r.data, [2, 1])
    b.cleargrad()
    r[0].backward()
    np.testing.assert_allclose(b.grad, -2.0)  # -r / (2 r - 3)
    z = np.poly([a, b])
    np.testing.assert_allclose(z.data, [1, 2, -3])


def test_a_double_root_that_nothing_flows_to_does_no_harm():
    p = Variable(np.array([1.0, -2.0, 0.0, 0.0]))  # roots 2, 0, 0
    r = np.roots(p)
    r[0].backward()
    np.testing.assert_allclose(p.grad, -(2.0 ** np.array([3, 2, 1, 0])) / 4)


def test_the_characteristic_polynomial_of_equal_eigenvalues():
    wg.check_grads(lambda a: np.poly(a)[1:], np.eye(3) * 2.0, order=1)


def test_leading_zeros_that_polymul_leaves_away():
    a, b = Variable(np.array([0.0, 1.0, 2.0])), np.array([3.0, 4.0])
    y = np.polymul(a, b)
    np.testing.assert_array_equal(y.data, [3, 10, 8])
    np.sum(y).backward()
    np.testing.assert_array_equal(a.grad, [4, 7, 7])


def test_poly_of_nothing_is_one():
    assert np.poly(Variable(np.zeros(0))) == 1.0


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda v: np.polyval(v, np.poly1d([1, 2])), TypeError, "polyval: a polynomial of a poly1d"),
        (lambda v: np.polyder(v, -1), ValueError, "must be positive"),
        (lambda v: np.polyint(v, -1), ValueError, "must be positive"),
        (lambda v: np.polyint(v, 3, [1.0, 2.0]), ValueError, "k must be a scalar"),
        (lambda v: np.vander(v.reshape(1, 3)), ValueError, "one-dimensional"),
        (lambda v: np.polyfit(v, v[:2], 1), TypeError, "same length"),
        (lambda v: P.chebval(v, v, tensors=True), TypeError, "tensors"),
        (lambda v: P.chebbval, AttributeError, "no 'chebbval'"),
    ],
)
def test_refusals(call, error, message):
    with pytest.raises(error, match=message):
        call(Variable(np.array([1.0, 2.0, 3.0])))


def test_division_by_zero():
    for divide in (P.chebdiv, P.polydiv):
        with pytest.raises(ZeroDivisionError):
            divide(Variable(np.array([1.0, 2.0])), [0.0])


# ---- numpy.polynomial ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", MODULES)
def test_every_function_is_there_with_numpys_signature(prefix):
    module, ours = MODULES[prefix], getattr(P, MODULES[prefix].__name__.split(".")[-1])
    names = [n for n in module.__all__ if n[0].islower()]
    assert len(names) > 25
    for name in names:
        assert getattr(P, name) is getattr(ours, name)
        if callable(getattr(module, name)):
            assert inspect.signature(getattr(ours, name)) == inspect.signature(getattr(module, name)), name
            assert getattr(ours, name).__doc__


@pytest.mark.parametrize("prefix", MODULES)
def test_numpys_own_functions_refuse_a_variable_or_give_the_same(prefix):
    """Where NumPy lets us in, the result is right; where it does not, there is an error: never a lost graph."""
    module = MODULES[prefix]
    x, c = Variable(X), Variable(np.array([1.0, 2.0, 3.0]))
    calls = {
        "val": ((0.5, c), (x, [1.0, 2.0, 3.0])), "val2d": ((x, x, np.ones((2, 2))),), "vander": ((x, 2),),
        "add": ((c, c),), "sub": ((c, 1.0),), "mulx": ((c,),), "mul": ((c, [1.0, 2.0]),), "div": ((c, [1.0, 2.0]),),
        "pow": ((c, 2),), "der": ((c,),), "int": ((c,),), "fit": ((x, Y, 2), (X, Variable(Y), 2)),
        "fromroots": ((c,),), "roots": ((c,),), "companion": ((c,),), "weight": ((x / 4,),), "trim": ((c,),),
    }  # fmt: skip
    for name, argument_lists in calls.items():
        for arguments in argument_lists:
            if not hasattr(module, prefix + name):
                continue
            function, message = getattr(module, prefix + name), ""
            try:
                y = function(*arguments)
            except TypeError as error:
                message = str(error)
            if message:
                assert "Variable" in message or "no derivative rule" in message
            else:
                assert isinstance(y, Variable)
                np.testing.assert_array_equal(
                    y.data, function(*[v.data if isinstance(v, Variable) else v for v in arguments])
                )


@pytest.mark.parametrize("prefix", MODULES)
def test_on_arrays_they_are_numpys(prefix):
    for name, *arguments in (
        ("val", X, [1.0, 2.0]), ("add", [1.0], [2.0, 3.0]), ("roots", [2.0, -3.0, 1.0]),
        ("div", [1.0, 2.0, 3.0], [1.0, 2.0]), ("fit", X, Y, 2), ("vander", X, 2), ("int", [1, 2]), ("der", [1, 2]),
    ):  # fmt: skip
        _same(getattr(P, prefix + name)(*arguments), getattr(MODULES[prefix], prefix + name)(*arguments))


@pytest.mark.parametrize("prefix", MODULES)
def test_containers(prefix):
    module, c = MODULES[prefix], np.array([1.0, 2.0, 3.0, 1.0])
    fit, div = getattr(P, f"{prefix}fit"), getattr(P, f"{prefix}div")
    for deg in (2, [0, 2]):
        _same(fit(X, Variable(Y), deg, full=True), getattr(module, f"{prefix}fit")(X, Y, deg, full=True))
    _same(div(Variable(c), [1.0, 2.0]), getattr(module, f"{prefix}div")(c, [1.0, 2.0]))
    _same(div([1.0], Variable(c)), getattr(module, f"{prefix}div")([1.0], c))


def test_zeros_at_the_end_of_a_series_keep_their_derivative():
    c1, c2 = Variable(np.array([1.0, 2.0, 0.0])), Variable(np.array([3.0, -2.0]))
    y = P.chebadd(c1, c2)
    np.testing.assert_array_equal(y.data, [4])
    y.backward()
    np.testing.assert_array_equal(c1.grad, [1, 0, 0])
    z = P.chebmul(c1, c2)
    np.testing.assert_array_equal(z.data, chebyshev.chebmul(c1.data, c2.data))
    wg.check_grads(lambda c: P.chebval(0.3, P.chebmul(c, [3.0, -2.0])), np.array([1.0, 2.0, 0.5]))


def test_the_integral_of_zero():
    c = Variable(np.zeros(1))
    y = P.legint(c, 1, 2.0)
    np.testing.assert_array_equal(y.data, legendre.legint([0.0], 1, 2.0))
    y.backward()
    np.testing.assert_array_equal(c.grad, [1.0])


def test_interpolation_at_chebyshev_points():
    a = Variable(0.7)
    y = P.chebinterpolate(lambda x, a: np.tanh(a * x), 8, args=(a,))
    np.testing.assert_array_equal(y.data, chebyshev.chebinterpolate(lambda x: np.tanh(0.7 * x), 8))
    wg.check_grads(lambda a: P.chebinterpolate(lambda x, a: np.tanh(a * x), 8, args=(a,)), 0.7)


def test_constants():
    assert P.mapparms is np.polynomial.polyutils.mapparms
    assert P.leggauss is legendre.leggauss
    np.testing.assert_array_equal(P.chebyshev.chebdomain, chebyshev.chebdomain)


# ---- numpy.emath --------------------------------------------------------------------------------------------

EMATH = {"sqrt": 4.0, "log": 2.0, "log2": 2.0, "log10": 2.0, "arcsin": 0.5, "arccos": 0.5, "arctanh": 0.5}


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128, np.int64])
@pytest.mark.parametrize("name", EMATH)
def test_emath_is_complex_where_it_has_to_be(name, dtype):
    function = getattr(np.emath, name)
    for x in (np.array([EMATH[name]]), np.array([EMATH[name], -3.0]), np.array(3.0), np.array(-3.0)):
        x = np.asarray(x, dtype)
        if name == "arctanh" and dtype is np.int64 and np.any(np.abs(x) == 0):
            continue
        _same(function(Variable(x)), function(x))


@pytest.mark.parametrize("x", [3.0, -3.0])
@pytest.mark.parametrize("name", ["arcsin", "arccos", "arctanh", "sqrt", "log"])
def test_emath_beyond_its_branch_points(name, x):
    function = getattr(np.emath, name)
    wg.check_grads(lambda v: np.imag(function(v)) + np.real(function(v)), np.array([x]))


def test_emath_power_and_logn():
    for x, p in ((2.0, -1), (-2.0, 0.5), (-2.0, 2), ([1, 2], [-1, 2]), (-3.0, [1.0, -2.0])):
        x, p = np.array(x), np.array(p)
        _same(np.emath.power(Variable(x), p), np.emath.power(x, p))
        _same(np.emath.power(x, Variable(p)), np.emath.power(x, p))
    _same(np.emath.logn(2.0, Variable(np.array([-4.0, 8.0]))), np.emath.logn(2.0, np.array([-4.0, 8.0])))


# ---- against PyTorch ----------------------------------------------------------------------------------------

PAIRS = {
    "vander": (np.vander, lambda t, x: t.stack([x**k for k in range(4, -1, -1)], 1)),
    "polyfit": (
        lambda x: np.polyfit(x, x**3, 1),
        lambda t, x: t.linalg.lstsq(t.stack([x, x * 0 + 1], 1), (x**3)[:, None]).solution[:, 0],
    ),
    "roots": (
        lambda x: np.sum(np.abs(np.roots(x)) ** 3),
        lambda t, x: t.sum(t.abs(t.linalg.eigvals(t.cat([-x[None, 1:] / x[0], t.eye(4)[:3].double()]))) ** 3),
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_as_pytorch(name):
    torch = pytest.importorskip("torch", reason="PyTorch has the reference values")
    ours, theirs = PAIRS[name]
    x = np.array([0.5, -1.5, 1.0, 2.0, -0.3])
    t = torch.tensor(x, requires_grad=True)
    expected = theirs(torch, t)
    g = np.arange(1.0, expected.numel() + 1).reshape(tuple(expected.shape))
    expected.backward(torch.tensor(g))
    y, pullback = wg.vjp(ours, x)
    np.testing.assert_allclose(y, expected.detach().numpy(), rtol=1e-10)
    np.testing.assert_allclose(pullback(g)[0], t.grad.numpy(), rtol=1e-8)


# ---- the classes of series ----

CLASSES = ["Polynomial", "Chebyshev", "Legendre", "Hermite", "HermiteE", "Laguerre"]
SERIES = {
    "value": lambda K, c, d, x: K(c)(x),
    "value, domain": lambda K, c, d, x: K(c, domain=[0, 2], window=[-1, 1])(x),
    "product": lambda K, c, d, x: (K(c) * K(d))(x),
    "sum": lambda K, c, d, x: (2 * K(c) + K(d) - d[0]).coef,
    "quotient": lambda K, c, d, x: (K(c) // K(d)).coef,
    "remainder": lambda K, c, d, x: (K(c) % K(d)).coef,
    "power": lambda K, c, d, x: (-(K(d) ** 3)).coef,
    "derivative": lambda K, c, d, x: K(c).deriv(2)(x),
    "integral": lambda K, c, d, x: K(c, domain=[0, 2]).integ(1, k=[1.0], lbnd=0.5)(x),
    "cut": lambda K, c, d, x: K(c).truncate(3).cutdeg(1).trim()(x),
    "points": lambda K, c, d, x: K(c).linspace(5)[1],
    "fit": lambda K, c, d, x: K.fit(np.arange(4.0), c, 2).coef,
    "roots": lambda K, c, d, x: np.sum(K(c).roots() ** 2).real,
}


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("case", SERIES)
def test_series(name, case):
    ours, theirs, f = getattr(wg.polynomial, name), getattr(np.polynomial, name), SERIES[case]
    xs = np.array([1.0, -2.0, 0.5, 0.3]), np.array([0.4, 1.5]), np.array([-0.3, 0.2, 0.9])
    np.testing.assert_array_equal(f(ours, *map(wg.Variable, xs)).data, f(theirs, *xs), strict=True)
    wg.check_grads(lambda *xs: f(ours, *xs), *xs)


@pytest.mark.parametrize("name", CLASSES)
def test_series_look_like_numpys(name):
    ours, theirs, c = getattr(wg.polynomial, name), getattr(np.polynomial, name), np.array([1.0, 2.0])
    for p in (ours(c), ours(wg.Variable(c)), ours([wg.Variable(1.0), 2.0])):
        assert (repr(p), str(p), f"{p:ascii}") == (repr(theirs(c)), str(theirs(c)), f"{theirs(c):ascii}")
        assert isinstance(p, theirs)
    v = wg.Variable(1.0)
    for convert in (lambda: theirs([v, v]), lambda: theirs(c)(v)):
        with pytest.raises(TypeError, match=r"wg\.polynomial"):
            convert()
