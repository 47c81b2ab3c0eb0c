"""`wg.vectorize` and the ufuncs of `numpy.frompyfunc`: NumPy's values, and derivatives through each call."""

from __future__ import annotations

import numpy as np
import pytest

import wengert as wg
from wengert import Variable

X = np.array([[-1.0, 0.5], [2.0, 3.3]])


def branches(x, y=2.0):
    return x**2 if x > 0 else y * np.sin(x)


def unequal(a, b):
    return a * b if a > b else a + b


# name -> (the function of numbers, how it is vectorized, the arguments)
CALLS = {
    "one argument": (branches, {}, (X,)),
    "broadcast": (branches, {}, (X, np.array([1.0, 2.0]))),
    "0-d": (branches, {}, (np.array(0.3),)),
    "otypes": (branches, {"otypes": "d"}, (X,)),
    "empty": (branches, {"otypes": [float]}, (np.ones((0, 3)),)),
    "cache": (branches, {"cache": True}, (X,)),
    "excluded": (np.polyval, {"excluded": {0}}, (X[0], X[1])),
    "signature": (np.convolve, {"signature": "(n),(m)->(k)"}, (np.eye(2, 4), X)),
    "to a number": (np.dot, {"signature": "(n),(n)->()"}, (X, X[0])),
    "several": (lambda a: (a * a, -a), {}, (X,)),
    "several, signature": (lambda a: (a.sum(), 2 * a), {"signature": "(n)->(),(n)"}, (X,)),
}


@pytest.mark.parametrize("name", CALLS)
def test_values_and_derivatives(name):
    function, options, xs = CALLS[name]
    f = wg.vectorize(function, **options)
    expected, y = np.vectorize(function, **options)(*xs), f(*map(Variable, xs))
    for a, b in zip(*[z if isinstance(z, tuple) else (z,) for z in (expected, y)], strict=True):
        assert (b.dtype, b.shape) == (a.dtype, a.shape)
        np.testing.assert_array_equal(b.data, a)
    wg.check_grads(f, *xs)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_small_floats_are_computed_in_double_as_numpy_does(dtype):
    x = Variable(X.astype(dtype))
    y = wg.vectorize(branches)(x)
    np.testing.assert_array_equal(y.data, np.vectorize(branches)(x.data), strict=True)
    y.backward()
    assert x.grad.dtype == dtype


def test_a_variable_in_the_closure():
    w = Variable(2.0)
    y = wg.vectorize(lambda v: v * w)(np.arange(3.0))
    y.backward()
    assert (y.tolist(), w.grad) == ([0.0, 2.0, 4.0], 3.0)
    assert type(wg.vectorize(lambda v: v * 2)(np.arange(3.0))) is np.ndarray
    assert wg.vectorize(lambda v: v > 1)(Variable(X)).tolist() == (X > 1).tolist()


def test_as_a_decorator():
    @wg.vectorize(otypes=[float])
    def cube(x):
        """x cubed"""
        return x**3

    assert isinstance(cube, np.vectorize)
    assert cube.__doc__ == "x cubed"
    np.testing.assert_allclose(wg.elementwise_grad(cube)(X), 3 * X**2)


def test_many_elements_take_one_walk():
    x = Variable(np.linspace(-1.0, 1.0, 5000))
    wg.vectorize(branches)(x).backward()
    np.testing.assert_allclose(x.grad, np.where(x.data > 0, 2 * x.data, 2 * np.cos(x.data)))


def test_messages():
    x = Variable(X)
    with pytest.raises(TypeError, match=r"the first result is int64.*otypes=\[float\]"):
        wg.vectorize(lambda v: 0 if v < 0 else v)(x)
    with pytest.raises(TypeError, match="otypes= says int64"):
        wg.vectorize(lambda v: v, otypes=[int])(x)
    with pytest.raises(ValueError, match="signature="):
        wg.vectorize(lambda v: v * np.ones(2))(x)
    with pytest.raises(ValueError, match="size 0"):
        wg.vectorize(branches)(Variable([]))
    with pytest.raises(ValueError, match="expected 1, got 2"):
        wg.vectorize(lambda v: (v, v), signature="()->()")(x)
    with pytest.raises(ValueError, match="inconsistent size for core dimension 'n'"):
        wg.vectorize(np.dot, signature="(n),(n)->()")(x, np.ones(3))
    with pytest.raises(TypeError, match=r"wg\.vectorize for np\.vectorize"):
        np.vectorize(branches)(x)


def test_frompyfunc():
    f = np.frompyfunc(unequal, 2, 1)
    y = f(Variable(X), np.array([1.0, 2.0]))
    assert y.tolist() == f(X, np.array([1.0, 2.0])).tolist()
    wg.check_grads(lambda x, y: f(x, y).astype(float), X, np.array([1.0, 2.0]))
    square, _ = np.frompyfunc(lambda a: (a * a, a), 1, 2)(Variable(X))
    np.testing.assert_array_equal(square.data, X**2)
    assert np.frompyfunc(lambda v: v > 1, 1, 1)(Variable(X)).tolist() == (X > 1).tolist()
