"""Values are NumPy's own, and gradients have the arguments' shapes and dtypes, for whatever Hypothesis draws."""

from __future__ import annotations

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
