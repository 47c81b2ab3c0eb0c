"""The object interface of a Variable."""

from __future__ import annotations

import copy
import math
import operator
import pickle
import subprocess
import sys

import numpy as np
import pytest

import wengert as wg
from wengert import Variable


@pytest.mark.parametrize(
    ("data", "shape", "dtype"),
    [
        (np.ones((2, 3)), (2, 3), np.float64),
        (np.float32(1.5), (), np.float32),
        (1.5, (), np.float64),
        (3, (), np.int64),
        (True, (), np.bool_),
        (1j, (), np.complex128),
        ([[1.0, 2.0], [3.0, 4.0]], (2, 2), np.float64),
        ([], (0,), np.float64),
    ],
)
def test_what_it_takes(data, shape, dtype):
    x = Variable(data)
    assert isinstance(x.data, np.ndarray)
    assert (x.shape, x.dtype, x.ndim, x.size) == (shape, dtype, len(shape), math.prod(shape))
    assert (x.grad, x.creator, x.name) == (None, None, None)


def test_attributes():
    x = Variable(np.arange(6.0).reshape(2, 3), name="weights")
    assert x.name == "weights"
    x.name = "w"
    assert x.name == "w"
    assert len(x) == 2
    assert x.T.shape == (3, 2)
    assert x.mT.shape == (3, 2)
    assert (x.itemsize, x.nbytes) == (8, 48)
    assert repr(x) == "Variable([[0., 1., 2.],\n          [3., 4., 5.]], name='w')"
    assert repr(Variable(np.float32(1))) == "Variable(1., dtype=float32)"
    assert str(Variable(2.0)) == "2.0"
    assert f"{Variable(2.0):.3f}" == "2.000"
    assert [v.item() for v in Variable([1.0, 2.0])] == [1.0, 2.0]
    assert 5.0 in x
    assert x.tolist() == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]
    with pytest.raises(AttributeError):
        x.nonsense  # noqa: B018


@pytest.mark.parametrize("data", [np.arange(3), [True, False], np.array([1, None], object)])
def test_integers_booleans_and_objects_are_never_tracked(data):
    x = Variable(data)
    assert (x * 1 if x.dtype != object else x).creator is None
    with pytest.raises(RuntimeError, match="constant"):
        x.backward()


def test_comparisons_are_elementwise_plain_arrays_and_hash_is_identity():
    x = Variable([1.0, 2.0])
    for op in (operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge):
        for other in (Variable([1.0, 3.0]), np.array([1.0, 3.0]), 1.0, np.float32(1)):
            expected = op(x.data, other.data if isinstance(other, Variable) else other)
            assert type(op(x, other)) is np.ndarray
            np.testing.assert_array_equal(op(x, other), expected)
    assert {x: 1}[x] == 1
    assert hash(x) != hash(Variable([1.0, 2.0]))
    assert bool(Variable(1.0) > 0)


OPERATORS = [
    operator.add, operator.sub, operator.mul, operator.truediv, operator.pow, operator.mod, operator.floordiv,
]  # fmt: skip


@pytest.mark.parametrize("op", OPERATORS)
@pytest.mark.parametrize("other", [2.0, 3, np.float32(2), np.float64(2), np.int8(2), np.full(3, 2.0), [2.0, 2.0, 2.0]])
def test_operators_on_both_sides_with_everything(op, other):
    data = np.array([0.5, 1.5, 2.5])
    plain = np.asarray(other) if isinstance(other, list) else other
    for left, right, expected in ((Variable(data), other, op(data, plain)), (other, Variable(data), op(plain, data))):
        result = op(left, right)
        value = result.data if isinstance(result, Variable) else result
        assert value.dtype == expected.dtype
        np.testing.assert_array_equal(value, expected)
        assert isinstance(result, Variable) is (op is not operator.floordiv)


def test_operators_with_variables_and_complex_numbers():
    x = Variable([1.0, 2.0])
    np.testing.assert_array_equal((x * 2j).data, [2j, 4j])
    np.testing.assert_array_equal((2j - x).data, [-1 + 2j, -2 + 2j])
    np.testing.assert_array_equal((-x).data, [-1, -2])
    np.testing.assert_array_equal(abs(-x).data, [1, 2])
    assert (+x).shape == (2,)
    assert (x @ x).data == 5.0
    assert (np.ones(2) @ x).data == 3.0
    quotient, rest = divmod(x, 2)
    assert type(quotient) is np.ndarray
    assert isinstance(rest, Variable)


@pytest.mark.parametrize("name", ["exp", "sin", "sqrt", "tanh", "square", "sigmoid"])
def test_np_f_wg_f_and_method_are_the_same(name):
    x = Variable([0.5, 1.0])
    ways = [getattr(wg, name)(x), getattr(x, name)()]
    if hasattr(np, name):
        ways.append(getattr(np, name)(x))
    for y in ways:
        np.testing.assert_array_equal(y.data, ways[0].data)
        assert type(y.creator).__name__ == name.title()


@pytest.mark.parametrize("name", ["sum", "mean", "var", "std", "max", "min", "prod"])
@pytest.mark.parametrize("kwargs", [{}, {"axis": 0}, {"axis": (0, 1)}, {"axis": -1, "keepdims": True}])
def test_reductions_are_the_same_three_ways(name, kwargs):
    data = np.random.default_rng(0).standard_normal((3, 4))
    x = Variable(data)
    expected = getattr(np, name)(data, **kwargs)
    for y in (getattr(np, name)(x, **kwargs), getattr(x, name)(**kwargs), getattr(wg, name)(x, **kwargs)):
        np.testing.assert_array_equal(y.data, expected)


def test_wg_functions_on_arrays_are_numpys():
    a = np.array([1.0, 2.0])
    for y in (wg.sin(a), wg.add(a, 1.0), wg.sum(a), wg.concatenate([a, a]), wg.where(a > 1, a, 0), wg.einsum("i->", a)):
        assert isinstance(y, (np.ndarray, np.generic))


def test_seed_dtype_and_float32_stay():
    for dtype in (np.float16, np.float32, np.longdouble):
        x = Variable(np.ones(3, dtype))
        y = np.mean(np.sin(x) * 2.0 + np.float32(1) * x**2 / 3)
        y.backward()
        assert x.grad.dtype == dtype
    x = Variable(np.ones(3, np.float32))
    np.sum(x * np.ones(3)).backward()  # a float64 constant makes the result float64, never the gradient
    assert x.grad.dtype == np.float32


def test_every_held_variable_gets_its_gradient():
    x = Variable(2.0)
    a = x * 3.0
    b = np.exp(a)
    c = b + a
    c.backward()
    assert a.grad == np.exp(6.0) + 1
    assert b.grad == 1.0
    assert isinstance(b.grad, np.ndarray)


def test_gradients_do_not_share_memory():
    a, b = Variable(np.ones(3)), Variable(np.ones(3))
    y = a + b
    y.backward()
    y.grad[...] = 7.0
    a.grad[...] = 8.0
    np.testing.assert_array_equal(b.grad, 1.0)
    seed = np.ones(3)
    y.grad = seed
    y.backward()
    b.grad[0] = 100.0
    np.testing.assert_array_equal(seed, 1.0)
    x = Variable(np.ones(4))
    x.reshape(2, 2).backward()
    assert x.grad.base is None


def test_set_creator():
    class Double(wg.Function):
        def forward(self, x):
            return 2 * x

        def backward(self, gy):
            return 2 * gy

    f = Double()
    x = Variable(3.0)
    f(x)
    y = Variable(6.0)
    y.set_creator(f)
    assert y.creator is f
    y.backward()
    assert x.grad == 2.0
    with pytest.raises(TypeError, match="set_creator"):
        y.set_creator(np.sin)
    with pytest.raises(ValueError, match="has not been called"):
        y.set_creator(Double())


def test_unchain():
    x = Variable(2.0)
    a = x * 3.0
    y = a * a
    a.unchain()
    assert a.creator is None
    y.backward()
    assert x.grad is None
    assert a.grad == 12.0
    (a * 2.0).backward()
    assert a.grad == 14.0


def test_detach():
    x = Variable(2.0)
    y = (x * 3.0).detach()
    assert y.creator is None
    assert (y * x).data == 12.0
    with pytest.raises(RuntimeError, match="constant"):
        y.backward()


def test_retain_graph():
    x = Variable(2.0)
    a = x * x
    y = a * a
    y.backward(retain_graph=False)
    assert x.grad == 32.0
    assert a.grad == 8.0
    with pytest.raises(RuntimeError, match="freed"):
        y.backward()
    with pytest.raises(RuntimeError, match="freed"):
        (a * 2.0).backward()
    z = x * x
    z.backward()
    z.backward()
    assert x.grad == 32.0 + 8.0


def test_create_graph_gradients_are_variables_to_any_order():
    x = Variable([1.0, 2.0])
    y = np.sum(x**4)
    y.backward(create_graph=True)
    for n, factor in ((3, 4.0), (2, 12.0), (1, 24.0)):
        g = x.grad
        assert isinstance(g, Variable)
        np.testing.assert_allclose(g.data, factor * x.data**n)
        x.cleargrad()
        np.sum(g).backward(create_graph=True)
    np.testing.assert_allclose(x.grad.data, 24.0)


def test_data_can_be_replaced_between_passes():
    p = Variable([1.0, 2.0])
    for _ in range(3):
        p.cleargrad()
        np.sum(p**2).backward()
        p.data -= 0.1 * p.grad
    np.testing.assert_allclose(p.data, np.array([1.0, 2.0]) * 0.8**3)
    with pytest.raises(TypeError, match="int64"):
        p.data = np.arange(2)


def test_copy_and_pickle_keep_the_data_and_drop_the_graph():
    x = Variable([1.0, 2.0], name="x")
    y = x * 2.0
    for _ in range(3000):
        y = y * 1.0
    for z in (copy.copy(y), copy.deepcopy(y), pickle.loads(pickle.dumps(y))):
        np.testing.assert_array_equal(z.data, [2.0, 4.0])
        assert z.creator is None
    untracked = x.detach()
    untracked.name = "u"
    for z in (copy.copy(untracked), copy.deepcopy(untracked), pickle.loads(pickle.dumps(untracked))):
        assert (z + 1.0).creator is None
        assert z.name == "u"
        np.testing.assert_array_equal(z, [1.0, 2.0])
    assert copy.deepcopy(x).name == "x"
    assert copy.deepcopy(x).data is not x.data


@pytest.mark.parametrize(
    "leave",
    [np.asarray, np.array, float, int, complex, math.sin, lambda v: np.array([v, v]), lambda v: np.array([1.0, v])],
)
def test_ways_that_lose_the_graph_unseen_are_refused(leave):
    with pytest.raises((TypeError, ValueError), match=r"\.data|sequence"):
        leave(Variable(1.0))


def test_untracked_variables_are_arrays_to_numpy():
    with wg.no_grad():
        v = Variable([1.0, 2.0]) * 2
    assert np.asarray(v) is v.data
    np.testing.assert_array_equal(np.array([v, v]), [[2.0, 4.0]] * 2)
    assert float(v[0]) == 2.0
    assert [10, 20, 30][Variable(1)] == 20


def test_writing_a_variable_into_an_array_is_refused():
    a, v = np.ones(3), Variable(np.ones(3))
    with pytest.raises(TypeError, match="out="):
        a += v
    with pytest.raises(TypeError, match="graph"):
        a[:] = v
    with pytest.raises((TypeError, ValueError)):
        a[0] = v[0]
    np.testing.assert_array_equal(a, 1.0)


def test_array_of_variables():
    x, y = Variable(1.0), Variable(2.0)
    z = wg.array([[x, y], [3.0, x * y]])
    np.sum(z * z).backward()
    np.testing.assert_array_equal(z.data, [[1.0, 2.0], [3.0, 2.0]])
    assert (x.grad, y.grad) == (10.0, 8.0)
    assert wg.array([1, 2]).dtype == np.int64
    assert wg.array([x, 1], dtype=np.float32).dtype == np.float32


def test_import_is_light():
    code = (
        "import sys, wengert; "
        "heavy = {'scipy', 'matplotlib', 'rich', 'llvmlite', 'dask', 'torch', 'asyncio', 'http'} & set(sys.modules); "
        "sys.exit(str(heavy) if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
@pytest.mark.parametrize("kind", [np.matrix, np.ma.array])
def test_arrays_whose_operators_mean_something_else(kind):
    x, special = Variable(np.ones((2, 2))), kind([[1.0, 2.0], [3.0, 4.0]])
    for use in (Variable, lambda a: x * a, lambda a: np.add(a, x), lambda a: np.where(True, x, a), lambda a: x @ a):
        with pytest.raises(TypeError, match=r"operators are not those of an ndarray: pass np\.asarray"):
            use(special)


def test_a_memmap_is_an_array(tmp_path):
    a = np.memmap(tmp_path / "a", dtype=float, mode="w+", shape=(3,))
    a[:] = [1.0, 2.0, 3.0]
    x = Variable(a)
    y = np.sum(x * x * a)
    a[0] = 7.0
    y.backward()
    assert x.grad.tolist() == [2.0, 8.0, 18.0]
    assert type(x.data) is np.ndarray


def test_iteration():
    x = Variable(np.arange(3.0))
    a, b, c = x
    (a * b + c).backward()
    assert x.grad.tolist() == [1.0, 0.0, 1.0]
    with pytest.raises(TypeError, match="iteration over a Variable without axes"):
        list(Variable(1.0))
