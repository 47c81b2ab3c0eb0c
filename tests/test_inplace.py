"""`y[i] = v`, `y[i] += v`, `y += v`: old and new versions, views, and whose array it is."""

from __future__ import annotations

import numpy as np
import pytest

import wengert as wg
from wengert import Variable

KEYS = [
    0, -1, slice(1, 3), slice(None, None, -2), Ellipsis, (slice(None), None), [0, 2], np.array([2, 0]), [1, 1],
    np.array([True, False, True, False]), np.array([[0, 1], [3, 3]]), (),
]  # fmt: skip


@pytest.mark.parametrize("key", KEYS, ids=str)
@pytest.mark.parametrize("scalar", [True, False])
def test_assignment_against_finite_differences(key, scalar):
    rng = np.random.default_rng(0)
    x = rng.standard_normal(4)
    v = rng.standard_normal() if scalar else rng.standard_normal(x[key].shape)

    def f(x, v):
        y = x * 1.0
        before = np.sum(np.sin(y))
        y[key] = v
        between = np.sum(y**3)
        y[key] += v * 2.0
        y += 1.0
        y *= x
        return before + between + np.sum(np.exp(y))

    wg.check_grads(f, x, v)
    np.testing.assert_array_equal(f(Variable(x), Variable(v)).data, f(x, v))


def test_old_and_new_versions_have_their_own_gradients():
    x, v = Variable([1.0, 2.0, 3.0]), Variable(10.0)
    y = x * 2.0
    old = np.sum(y**2)
    y[1] = v
    new = np.sum(y**2)
    old.backward()
    np.testing.assert_array_equal(x.grad, [8.0, 16.0, 24.0])
    assert v.grad is None
    x.cleargrad()
    new.backward()
    np.testing.assert_array_equal(x.grad, [8.0, 0.0, 24.0])
    assert v.grad == 20.0


def test_a_loop_that_fills_an_array():
    w = Variable(2.0)
    y = Variable(np.zeros(5))
    for i in range(5):
        y[i] = w**i
    np.sum(y).backward()
    assert w.grad == sum(i * 2.0 ** (i - 1) for i in range(5))


def test_a_users_own_array_is_never_changed():
    a = np.ones(3)
    x = Variable(a)
    y = x * 1.0
    x[0] = 5.0
    x += 1.0
    with wg.no_grad():
        x[1] = 7.0
        x *= 2.0
    np.testing.assert_array_equal(a, 1.0)
    np.testing.assert_array_equal(x.data, [12.0, 14.0, 4.0])
    np.testing.assert_array_equal(y.data, 1.0)


def test_under_no_grad_a_leaf_stays_a_leaf():
    p = Variable([1.0, 2.0])
    for _ in range(3):
        p.cleargrad()
        np.sum(p**2).backward()
        with wg.no_grad():
            p -= 0.1 * p.grad
    assert p.creator is None
    np.testing.assert_allclose(p.data, np.array([1.0, 2.0]) * 0.8**3)


def test_dtypes_are_kept_or_refused():
    x = Variable(np.ones(2, np.float32))
    x += np.ones(2)
    x[0] = 3.0
    assert x.dtype == np.float32
    n = Variable([1, 2])
    n[0] = 5
    assert n.tolist() == [5, 2]
    for write in (lambda: n.__setitem__(0, 1.5), lambda: n.__setitem__(0, Variable(1.5)), lambda: n.__iadd__(0.5)):
        with pytest.raises(TypeError, match="int64"):
            write()
    with pytest.raises(TypeError, match="complex"):
        x[0] = 1j
    with pytest.raises(TypeError, match="complex"):
        x += 1j
    with pytest.raises(ValueError, match=r"shape \(3, 2\)"):
        x += np.ones((3, 2))
    with pytest.raises(ValueError, match="setitem"):
        x[:] = np.ones(3)
    with pytest.raises(IndexError):
        x[5] = 1.0
    assert x.tolist() == [3.0, 2.0]


def test_an_index_that_changes_later_does_no_harm():
    x, i = Variable([1.0, 2.0, 3.0]), np.array([0, 1])
    y = np.sum(x[i])
    i[:] = 2
    y.backward()
    np.testing.assert_array_equal(x.grad, [1.0, 1.0, 0.0])


# ---- views ----

VIEWS = {
    "slice": lambda y: y[1:5],
    "negative step": lambda y: y[::-2],
    "reshape": lambda y: y.reshape(2, 3),
    "transpose": lambda y: y.reshape(2, 3).T,
    "view of a view": lambda y: y[1:].reshape(5, 1)[::2],
    "swapaxes": lambda y: np.swapaxes(y.reshape(1, 6), 0, 1),
    "squeeze": lambda y: y[None].squeeze(),
    "ravel": lambda y: y.reshape(2, 3).ravel(),
    "expand_dims": lambda y: np.expand_dims(y, 1),
    "moveaxis": lambda y: np.moveaxis(y.reshape(1, 2, 3), 0, -1),
    "many": lambda y: y[0:].reshape(6)[0:].reshape(6)[0:].reshape(6)[0:].reshape(6)[0:].reshape(6)[1:].reshape(5)[1:],
    "astype without a copy": lambda y: y.astype(np.float64, copy=False),
}


def program(take, x, v):
    """Writes through a view, and to the base of a view: the same on arrays and on Variables."""
    y = x * 1.0
    part = take(y)
    sibling = take(y)
    part[0] = v
    a = np.sum(y**2) + np.sum(np.sin(sibling))
    y[2] = v * 3.0
    b = np.sum(part**3)
    part += v
    part[...] *= 2.0
    return a + b + np.sum(np.exp(y * 0.1)) + np.sum(sibling * part)


@pytest.mark.parametrize("name", VIEWS)
def test_views_share_memory_as_numpys_do(name):
    x, v = np.linspace(0.1, 1.0, 6), 0.5
    take = VIEWS[name]
    assert program(take, Variable(x), Variable(v)).data == program(take, x.copy(), v)
    with wg.no_grad():
        assert program(take, Variable(x), v).data == program(take, x.copy(), v)
    wg.check_grads(lambda x, v: program(take, x, v), x, v)


def test_copies_share_nothing():
    for take in (lambda y: y[[0, 1]], lambda y: y.copy(), lambda y: y.flatten(), lambda y: y + 0, lambda y: y[y > 0]):
        y = Variable(np.ones(3)) * 1.0
        part = take(y)
        part[0] = 5.0
        np.testing.assert_array_equal(y.data, 1.0)


def test_views_that_cannot_be_written_through_say_so():
    z = Variable([1 + 2j, 3.0])
    with pytest.raises(TypeError, match="view made by real_part"):
        z.real[0] = 5.0
    with pytest.raises(TypeError, match="view made by broadcast_to"):
        np.broadcast_to(Variable(np.ones(3)), (2, 3))[0, 0] = 1.0


def test_a_view_follows_writes_not_new_data():
    w = Variable(np.ones((2, 2)))
    t = w.T
    w.data = np.zeros((2, 2))
    np.testing.assert_array_equal(t.data, 1.0)
    w[0, 1] = 7.0
    assert t.data[1, 0] == 7.0


def test_a_long_chain_of_views():
    x = Variable(np.arange(4.0))
    y = x
    for _ in range(20_000):
        y = y.reshape(2, 2).reshape(4)
    y[0] = 9.0
    assert x.data[0] == 9.0
    np.sum(y).backward()


def test_a_view_that_is_read_under_no_grad_keeps_its_graph():
    x = Variable(np.array([1.0, 2.0, 3.0]))
    y = x * 1.0
    v = y[1:3]
    y[0] = 5.0
    with wg.no_grad():
        str(v)
        untracked = y[1:3]
    with wg.Tape() as tape:
        str(v)
    assert len(tape) == 0
    y[0] = 6.0
    (np.sum(v * v) + np.sum(x)).backward()
    np.testing.assert_array_equal(x.grad, [1.0, 5.0, 7.0])
    assert (untracked * 1.0).creator is None
