"""Arrays that a recorded call saved and somebody changes before backward: the right gradient, or an error."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import wengert as wg
from wengert import Variable
from wengert.declare import COPIED
from wengert.saved import fingerprint

SMALL, LARGE = 5, COPIED // 8 + 3


class Cube(wg.Function):
    def forward(self, x):
        return x**3

    def backward(self, gy):
        return 3 * self.input**2 * gy


OPERATIONS = {
    "square of the leaf": lambda x, c: np.sum(x**2),
    "np.square": lambda x, c: np.sum(np.square(x)),
    "constant on the right": lambda x, c: np.sum(x * c),
    "constant on the left": lambda x, c: np.sum(c * x),
    "constant divisor": lambda x, c: np.sum(x / c),
    "leaf divisor": lambda x, c: np.sum(c / x),
    "power": lambda x, c: np.sum(np.power(x, c)),
    "dot": lambda x, c: np.dot(x, c),
    "matmul": lambda x, c: x @ c,
    "einsum": lambda x, c: np.einsum("i,i,i", x, c, x),
    "a view of the leaf": lambda x, c: np.sum(np.sin(x[1:])) + np.sum(x[::2] ** 2),
    "a reshape of the leaf": lambda x, c: np.sum(np.sin(x.reshape(1, -1))),
    "where": lambda x, c: np.sum(np.where(c > 0.5, x, x**2) * c),
    "a condition": lambda x, c: np.sum(np.where(c, x, 2 * x)),
    "prod": lambda x, c: np.prod(x[:4]) + np.var(x) + np.max(x),
    "clip": lambda x, c: np.sum(np.clip(x, 0.3, c)),
    "a fancy index": lambda x, c: np.sum(x[(c * 3).astype(int)] ** 2),
    "assignment": lambda x, c: _assigned(x, c),
    "a user's function": lambda x, c: np.sum(Cube()(x)),
    "an untracked Variable": lambda x, c: np.sum(x * Variable(c).detach()),
    "concatenate": lambda x, c: np.sum(np.concatenate([x, c]) ** 2),
}


def _assigned(x, c):
    y = x * 1.0
    y[1:] = c[1:]
    y[0] *= x[1]
    return np.sum(y * y)


CHANGES = {
    "the array": lambda a, x, c, base: a.__imul__(100.0),
    "one element of the array": lambda a, x, c, base: a.__setitem__(-1, 7.0),
    "the order": lambda a, x, c, base: a.__setitem__(slice(None), a[::-1].copy()),
    "the constant": lambda a, x, c, base: c.__imul__(100.0),
    "the first two of the constant": lambda a, x, c, base: c.__setitem__(slice(2), [0.9, 0.2]),
    ".data +=": lambda a, x, c, base: _add_to_data(x),
    ".data[...]": lambda a, x, c, base: x.data.__setitem__(2, 9.0),
    "the base of the array": lambda a, x, c, base: base.__setitem__(slice(None), 0.0),
    "a sibling view": lambda a, x, c, base: base[1:3].__imul__(3.0),
    "by ufunc with out=": lambda a, x, c, base: np.negative(a, out=a),
    "new data": lambda a, x, c, base: setattr(x, "data", np.zeros_like(a)),
    "another thread": lambda a, x, c, base: _in_a_thread(lambda: a.__iadd__(1.0)),
    "nothing": lambda a, x, c, base: None,
}


def _add_to_data(x):
    x.data += 1.0


def _in_a_thread(change):
    thread = threading.Thread(target=change)
    thread.start()
    thread.join()


@pytest.mark.parametrize("size", [SMALL, LARGE])
@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("change", CHANGES)
def test_gradient_is_that_of_the_call_or_an_error(operation, change, size):
    f = OPERATIONS[operation]

    def arrays():
        rng = np.random.default_rng(0)
        base = rng.uniform(0.2, 0.9, size + 2)
        return base, base[1:-1], rng.uniform(0.2, 0.9, size)

    base, a, c = arrays()
    x = Variable(a)
    f(x, c).backward()
    expected = x.grad
    x = Variable(a)
    y = f(x, c)
    CHANGES[change](a, x, c, base)
    try:
        y.backward()
    except RuntimeError as error:
        assert "was changed before backward" in str(error)  # noqa: PT017
        assert size == LARGE or operation == "a user's function"
        assert change != "nothing"
    else:
        np.testing.assert_array_equal(x.grad, expected)
    base, a, c = arrays()
    x = Variable(a)
    y = f(x, c)
    CHANGES[change](a, x, c, base)
    try:
        y.backward(create_graph=True)
    except RuntimeError as error:
        assert "was changed before backward" in str(error)  # noqa: PT017
    else:
        np.testing.assert_array_equal(x.grad.data, expected)


def test_the_error_names_the_operation_and_leaves_gradients_alone():
    a = np.ones(LARGE)
    x, w = Variable(a), Variable(2.0)
    y = np.sum(np.sin(x) * w)
    a[0] = 5.0
    with pytest.raises(RuntimeError, match=rf"Sin: an array of shape \({LARGE},\).*was changed before backward"):
        y.backward()
    assert x.grad is None
    assert w.grad is None
    assert type(y.creator).__name__ == "Sum"


def test_results_are_read_only_and_leaves_are_not():
    x = Variable(np.ones(3))
    y = np.exp(x)
    z = y * y
    with pytest.raises(ValueError, match="read-only"):
        y.data[0] = 5.0
    with pytest.raises(ValueError, match="read-only"):
        y[1:].data[0] = 5.0
    np.sum(z).backward()
    np.testing.assert_allclose(x.grad, 2 * np.exp(2.0))
    x.data[0] = 2.0
    assert x.data.flags.writeable
    y.data = np.zeros(3)
    assert y.tolist() == [0.0, 0.0, 0.0]


def test_a_users_function_cannot_change_what_it_was_given():
    class Rude(wg.Function):
        def forward(self, x):
            x *= 2.0
            return x

        def backward(self, gy):
            gy *= 2.0
            return gy

    a = np.ones(3)
    with pytest.raises(ValueError, match="read-only"):
        Rude()(Variable(a))
    np.testing.assert_array_equal(a, 1.0)

    class RudeBackward(Rude):
        def forward(self, x):
            return x * 2.0

    with pytest.raises(ValueError, match="read-only"):
        RudeBackward()(Variable(a)).backward()


def test_forward_mode_notices_too():
    c = np.ones(LARGE)

    def f(x):
        y = x * c
        c[0] = 100.0
        return y

    with pytest.raises(RuntimeError, match="was changed before backward"):
        wg.jvp(f, (np.ones(LARGE),), (np.ones(LARGE),))


def test_the_optimisers_step_on_large_parameters():
    p = Variable(np.ones(LARGE))
    for _ in range(3):
        p.cleargrad()
        y = np.sum(p**2)
        y.backward()
        p.data -= 0.1 * p.grad
    np.testing.assert_allclose(p.data, 0.8**3)


@pytest.mark.parametrize(
    "a",
    [
        np.arange(10_000.0),
        np.arange(10_000.0).reshape(100, 100).T,
        np.arange(10_000, dtype=np.float32)[::3],
        np.arange(1_000) * 1j,
        np.ones((7, 3), np.float16),
        np.zeros(0),
    ],
)
def test_fingerprints(a):
    a = a.copy(order="K")
    was = fingerprint(a)
    assert fingerprint(a.copy(order="K")) == was
    rng = np.random.default_rng(0)
    for _ in range(min(a.size, 50)):
        i, j = rng.integers(0, a.size, 2)
        b = a.copy(order="K")
        b.flat[i] = -77.0
        assert fingerprint(b) != was
        b = a.copy(order="K")
        b.flat[i], b.flat[j] = a.flat[j], a.flat[i]
        assert (fingerprint(b) == was) == np.array_equal(a, b)


def test_an_array_given_to_a_result_is_still_the_users():
    x = Variable(np.zeros(3))
    y = np.sin(x)
    a = np.ones(3)
    y.data = a
    z = np.cos(y)
    a *= 5
    z.backward()
    np.testing.assert_allclose(y.grad, -np.sin(1.0))


def test_arguments_of_a_transformed_function_are_still_the_users():
    v = Variable(np.ones(3))

    def f(x):
        y = np.sum(np.sin(x) * x)
        v.data *= 3
        return y

    np.testing.assert_allclose(wg.grad(f)(v).data, np.sin(1.0) + np.cos(1.0))
