"""Values are NumPy's own, and gradients have the arguments' shapes and dtypes, for whatever Hypothesis draws."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as hnp

import wengert as wg
from wengert import Variable
from wengert.declare import UFUNCS
from wengert.operation import Binary, Unary

settings.register_profile("wengert", deadline=None, max_examples=40, derandomize=True)
settings.load_profile("wengert")
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

EDGES = [0.0, -0.0, 1.0, -1.0, 0.5, 2.0, np.inf, -np.inf, np.nan, 1e-300, 1e300, 100.0]
DTYPES = ["<f8", ">f8", "<f4", ">f4", "<f2"]


@st.composite
def arrays(draw, shape=None, dtypes=DTYPES):
    """Arrays with edge values: empty, of size 1, big-endian, with gaps, backwards, transposed."""
    dtype = np.dtype(draw(st.sampled_from(dtypes)))
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)) if shape is None else shape
    values = st.one_of(st.sampled_from(EDGES), st.floats(-3, 3, width=16))
    if dtype.kind == "c":
        values = st.builds(complex, values, values)
    a = draw(hnp.arrays(dtype, shape, elements=values.map(lambda v: np.asarray(v, dtype)[()])))
    layout = draw(st.sampled_from(["as it is", "gaps", "backwards", "transposed"]))
    if layout == "gaps" and a.ndim:
        a = np.repeat(a, 2, axis=-1)[..., ::2]
    elif layout == "backwards" and a.ndim:
        a = a[::-1].copy()[::-1]
    elif layout == "transposed":
        a = a.T.copy().T
    return a


@st.composite
def pairs(draw):
    """Two arrays that broadcast against each other."""
    shapes = draw(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, min_side=0, max_side=4))
    return tuple(draw(arrays(s)) for s in shapes.input_shapes)


def run(f, *xs):
    """f on arrays and on Variables: the same bits; gradients of the arguments' shapes and dtypes, or a TypeError."""
    try:
        expected = f(*xs)
    except (TypeError, ValueError, IndexError) as error:
        with pytest.raises((TypeError, ValueError, IndexError)):
            f(*[Variable(x) for x in xs])
        return repr(error)
    vs = [Variable(x) for x in xs]
    y = f(*vs)
    value = y.data if isinstance(y, Variable) else y
    assert value.dtype == np.asarray(expected).dtype
    np.testing.assert_array_equal(value, expected, strict=isinstance(expected, np.ndarray))
    if isinstance(y, Variable) and y.creator is not None:
        y.backward()
        for v in vs:
            assert v.grad is None or (v.grad.shape, v.grad.dtype) == (v.shape, v.dtype)
    return None


@pytest.mark.parametrize(
    "ufunc",
    [u for u, op in UFUNCS.items() if hasattr(op, "node") and issubclass(op.node, Unary)],
    ids=lambda u: u.__name__,
)
@given(x=arrays())
def test_functions_of_one_array(ufunc, x):
    run(ufunc, x)


@pytest.mark.parametrize(
    "ufunc",
    [u for u, op in UFUNCS.items() if hasattr(op, "node") and issubclass(op.node, Binary) and u.signature is None],
    ids=lambda u: u.__name__,
)
@given(xy=pairs())
def test_functions_of_two_arrays(ufunc, xy):
    run(ufunc, *xy)


@pytest.mark.parametrize("name", ["sum", "mean", "var", "std", "prod", "max", "min"])
@given(data=st.data())
def test_reductions(name, data):
    x = data.draw(arrays())
    axis = data.draw(
        st.none() | hnp.valid_tuple_axes(x.ndim) | (st.integers(-x.ndim, x.ndim - 1) if x.ndim else st.none())
    )
    keepdims = data.draw(st.booleans())
    run(lambda x: getattr(np, name)(x, axis=axis, keepdims=keepdims), x)


@given(data=st.data())
def test_indexing(data):
    x = data.draw(arrays())
    key = data.draw(
        hnp.basic_indices(x.shape, allow_newaxis=True)
        | (
            hnp.integer_array_indices(x.shape, result_shape=hnp.array_shapes(max_dims=2))
            if x.size and x.ndim
            else st.just(())
        )
        | hnp.arrays(bool, x.shape)
    )
    run(lambda x: x[key], x)
    v = data.draw(st.floats(-2, 2, width=16))

    def assign(x):
        y = x.copy()
        y[key] = v
        return y

    run(assign, x)


@given(data=st.data())
def test_shaping(data):
    x = data.draw(arrays())
    order = data.draw(st.permutations(range(x.ndim)))
    run(lambda x: np.transpose(x, order), x)
    run(lambda x: x.reshape(-1), x)
    run(lambda x: np.ravel(x, order="F"), x)
    axis = data.draw(st.integers(0, max(x.ndim - 1, 0)))
    run(lambda x: np.concatenate([x, x], axis=axis), x)


@given(
    shapes=hnp.mutually_broadcastable_shapes(signature=np.matmul.signature, max_dims=2, min_side=0, max_side=3),
    data=st.data(),
)
def test_matmul(shapes, data):
    x, y = [data.draw(arrays(s, ["<f8", "<f4", ">f8"])) for s in shapes.input_shapes]
    run(np.matmul, np.nan_to_num(x, posinf=1, neginf=1), np.nan_to_num(y, posinf=1, neginf=1))


@given(data=st.data())
def test_gradients_against_finite_differences(data):
    """Random programs on well-behaved values."""
    steps = data.draw(st.lists(st.sampled_from(sorted(STEPS)), min_size=1, max_size=6))
    x = np.linspace(0.3, 1.1, 6).reshape(2, 3)

    def f(x):
        y = x
        for step in steps:
            y = STEPS[step](y, x)
        return y

    wg.check_grads(f, x, tol=1e-4)


STEPS = {
    "sin": lambda y, x: np.sin(y),
    "tanh": lambda y, x: np.tanh(y),
    "softplus": lambda y, x: np.logaddexp(y, 0.0),
    "product": lambda y, x: y * x,
    "quotient": lambda y, x: y / (1.0 + x**2),
    "mean": lambda y, x: y - np.mean(y, axis=-1, keepdims=True),
    "std": lambda y, x: y / (1.0 + np.std(x)),
    "where": lambda y, x: np.where(x > 0.6, y, x),
    "power": lambda y, x: (1.0 + y**2) ** x,
    "shift": lambda y, x: np.concatenate([y[..., 1:], y[..., :1]], axis=-1),
    "assign": lambda y, x: _assigned(y, x),
    "view": lambda y, x: _through_a_view(y, x),
    "matmul": lambda y, x: (x @ x.T) @ y * 0.5,
}


def _assigned(y, x):
    y = y * 1.0
    y[0] = x[1]
    y[:, 1] += x[:, 0]
    return y


def _through_a_view(y, x):
    y = y * 1.0
    v = y.T
    v[1:] *= x.T[1:]
    return y + np.sum(v)


IN_A_DTYPE = {
    "sum": lambda x, d: np.sum(x, dtype=d),
    "mean": lambda x, d: np.mean(x, -1, dtype=d),
    "prod": lambda x, d: np.prod(x, -1, dtype=d),
    "var": lambda x, d: np.var(x, dtype=d),
    "std": lambda x, d: np.std(x, -1, dtype=d, ddof=0.5),
    "nanprod": lambda x, d: np.nanprod(x, dtype=d),
    "nanvar": lambda x, d: np.nanvar(x, -1, dtype=d),
    "cumsum": lambda x, d: np.cumsum(x, dtype=d),
    "cumprod": lambda x, d: np.cumprod(x, -1, dtype=d),
    "nancumprod": lambda x, d: np.nancumprod(x, dtype=d),
    "trace": lambda x, d: np.trace(x, dtype=d),
    "einsum": lambda x, d: np.einsum("ij,ij->i", x, x, dtype=d, casting="unsafe"),
    "einsum, a view": lambda x, d: np.einsum("ij->ji", x, dtype=d, casting="unsafe"),
    "concatenate": lambda x, d: np.concatenate([x, x], dtype=d, casting="unsafe"),
}


@pytest.mark.parametrize("dtype", ["f8", "c16"])
@pytest.mark.parametrize("name", IN_A_DTYPE)
def test_computed_in_another_dtype(name, dtype):
    """A complex argument may lose its imaginary part on the way."""
    f, z = IN_A_DTYPE[name], np.array([[0.5 + 0.3j, -0.7 + 1j], [1.1 - 0.4j, 0.2 + 0.6j]])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", np.exceptions.ComplexWarning)
        for x in (z, z.real):
            run(lambda x: f(x, dtype), x)
            wg.check_grads(lambda x: f(x, dtype), x, order=1)


@given(data=st.data())
def test_orders_in_memory(data):
    x = data.draw(arrays(dtypes=["<f8", ">f4"]))
    order = data.draw(st.sampled_from("CFAK"))
    run(lambda x: np.ravel(x, order=order), x)
    run(lambda x: x.flatten(order), x)
    if order != "K":
        run(lambda x: np.reshape(x, x.shape[::-1], order=order), x)
    v, weights = Variable(x), np.arange(x.size) + 1.0
    np.sum(np.ravel(v, order=order) * weights).backward()
    places = np.empty_like(x, dtype=int)  # in memory as x is
    places[...] = np.arange(x.size).reshape(x.shape)
    expected = np.empty(x.size)
    expected[np.ravel(places, order=order)] = weights
    np.testing.assert_array_equal(v.grad, expected.reshape(x.shape))


@given(data=st.data())
def test_joining_checks_what_it_casts(data):
    x, y = data.draw(arrays((2, 2), ["<f8", "<c16", "<f4"])), data.draw(arrays((2, 2), ["<f8", "<c8"]))
    dtype = data.draw(st.sampled_from([None, "f4", "f8", "c16"]))
    casting = data.draw(st.sampled_from(["no", "safe", "same_kind"]))
    join = data.draw(st.sampled_from([np.concatenate, np.stack, np.hstack, np.vstack]))
    run(lambda x, y: join([x, y], dtype=dtype, casting=casting), x, y)


@given(x=arrays(dtypes=["<f8", "<c16", "<f4"]), lo=st.sampled_from([None, -0.5, 0]), hi=st.sampled_from([None, 1.0]))
def test_clip(x, lo, hi):
    run(lambda x: np.clip(x, lo, hi), x)


@given(shape=st.sampled_from([(0, 0), (2, 0, 0), (0, 2, 2), (2, 1, 0, 0)]), name=st.sampled_from(
    ["det", "inv", "eigvalsh", "eigvals", "svdvals", "cholesky", "eigh", "eig", "svd", "qr", "slogdet"]
))  # fmt: skip
def test_matrices_without_elements(shape, name):
    x = Variable(np.zeros(shape))
    results = getattr(np.linalg, name)(x)
    for y in results if isinstance(results, tuple) else (results,):
        if isinstance(y, Variable) and y.creator is not None:
            y.backward()
    assert x.grad is None or x.grad.shape == shape


def test_powers_of_negative_numbers_by_complex_exponents():
    wg.check_grads(lambda z: (-2) ** z, np.array([0.7 + 0.3j, 1.1 - 0.5j]))
