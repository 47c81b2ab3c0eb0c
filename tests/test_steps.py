"""The steps of a define-by-run framework, one test each, and the figures that it is known by."""

from __future__ import annotations

import gc
import math
import tracemalloc

import numpy as np
import pytest

import wengert as wg
from wengert import Variable


class Square(wg.Function):
    def forward(self, x):
        return x**2

    def backward(self, gy):
        return 2 * self.input.data * gy


class Exp(wg.Function):
    def forward(self, x):
        return np.exp(x)

    def backward(self, gy):
        return np.exp(self.input.data) * gy


class Add(wg.Function):
    def forward(self, x, y):
        return x + y

    def backward(self, gy):
        return gy, gy


def test_box():
    data = np.array(1.0)
    x = Variable(data)
    assert x.data is data
    x.data = np.array(2.0)
    assert x.data == 2.0


def test_function():
    x = Variable(np.array(10.0))
    y = Square()(x)
    assert isinstance(y, Variable)
    assert y.data == 100.0
    assert isinstance(y.data, np.ndarray)


def test_chaining():
    y = Square()(Exp()(Square()(Variable(np.array(0.5)))))
    assert y.data == 1.648721270700128
    assert np.square(np.exp(np.square(Variable(np.array(0.5))))).data == 1.648721270700128


def test_numerical_derivative():
    assert wg.numerical_diff(Square(), Variable(np.array(2.0))) == 4.000000000004
    f = lambda x: Square()(Exp()(Square()(x)))  # noqa: E731
    assert wg.numerical_diff(f, Variable(np.array(0.5))) == 3.2974426293330694


@pytest.mark.parametrize("classes", [(Square, Exp), (wg.Square, wg.Exp)])
def test_hand_driven_backward(classes):
    square, exp = classes
    A, B, C = square(), exp(), square()
    x = Variable(np.array(0.5))
    a = A(x)
    b = B(a)
    y = C(b)
    y.grad = np.array(1.0)
    b.grad = C.backward(y.grad)
    a.grad = B.backward(b.grad)
    x.grad = A.backward(a.grad)
    assert x.grad == 3.297442541400256


@pytest.mark.parametrize("classes", [(Square, Exp), (wg.Square, wg.Exp)])
def test_links(classes):
    square, exp = classes
    A, B, C = square(), exp(), square()
    x = Variable(np.array(0.5))
    a = A(x)
    b = B(a)
    y = C(b)
    assert y.creator is C
    assert y.creator.input is b
    assert y.creator.input.creator is B
    assert y.creator.input.creator.input is a
    assert y.creator.input.creator.input.creator is A
    assert y.creator.input.creator.input.creator.input is x
    assert C.output is y
    assert x.creator is None
    y.grad = np.array(1.0)
    v = y
    while v.creator is not None:
        f = v.creator
        f.input.grad = f.backward(f.output.grad)
        v = f.input
    assert x.grad == 3.297442541400256


def test_links_of_plain_numpy():
    x = Variable(np.array(0.5))
    a = np.square(x)
    b = np.exp(a)
    y = np.square(b)
    assert isinstance(y.creator, wg.Square)
    assert isinstance(y.creator, wg.Function)
    assert y.creator.input is b
    assert b.creator.input is a
    assert a.creator.input is x
    assert y.creator.output is y
    g = y.creator.backward(np.array(1.0))
    g = b.creator.backward(g)
    assert a.creator.backward(g) == 3.297442541400256


def test_backward_without_setting_a_gradient():
    x = Variable(np.array(0.5))
    y = Square()(Exp()(Square()(x)))
    y.backward()
    assert x.grad == 3.297442541400256
    assert y.grad == 1.0
    assert isinstance(x.grad, np.ndarray)


def test_backward_starts_from_the_gradient_that_was_set():
    x = Variable(3.0)
    y = x * x
    y.grad = np.array(10.0)
    y.backward()
    assert x.grad == 60.0
    assert y.grad == 10.0


def test_backward_does_not_start_from_what_an_earlier_pass_left():
    x = Variable(3.0)
    y = x * x
    z = y * 5.0
    z.backward()
    assert y.grad == 5.0
    y.backward()
    assert x.grad == 30.0 + 6.0
    assert y.grad == 6.0


def test_several_inputs_and_outputs():
    x, y = Variable(np.array(2.0)), Variable(np.array(3.0))
    z = Add()(Square()(x), Square()(y))
    z.backward()
    assert (z.data, x.grad, y.grad) == (13.0, 4.0, 6.0)


def test_variable_used_twice():
    x = Variable(np.array(3.0))
    y = Add()(x, x)
    y.backward()
    assert x.grad == 2.0
    x = Variable(3.0)
    (x + x).backward()
    assert x.grad == 2.0


def test_gradients_add_up_until_cleared():
    x = Variable(np.array(3.0))
    (x + x).backward()
    (x + x + x).backward()
    assert x.grad == 5.0
    x.cleargrad()
    assert x.grad is None
    (x + x + x).backward()
    assert x.grad == 3.0


def test_diamond():
    x = Variable(np.array(2.0))
    a = x**2
    y = a * a + a
    y.backward()
    assert (y.data, x.grad) == (20.0, 36.0)


@pytest.mark.parametrize("depth", [1, 10, 60])
def test_diamonds_of_any_depth(depth):
    x = Variable(1.0)
    y = x
    for _ in range(depth):
        y = y + y  # 2**depth paths
    y.backward()
    assert x.grad == 2.0**depth


def test_a_graph_in_a_loop_does_not_grow():
    gc.collect()
    gc.disable()
    try:
        x = Variable(np.random.default_rng(0).standard_normal(1_000))
        tracemalloc.start()
        for i in range(20):
            y = Square()(np.exp(Square()(x * 0.1))) + np.sum(x)
            y.backward()
            y.grad = None
            x.cleargrad()
            if i == 5:
                before = tracemalloc.get_traced_memory()[0]
        after = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
        gc.enable()
    assert after - before < 8_000  # one of its arrays; interpreter and NumPy keep some small blocks


def test_no_reference_cycles():
    gc.collect()
    gc.disable()
    try:
        x = Variable(np.ones(3))
        f = Square()
        y = np.sum(np.exp(f(x)) * x[0:2].reshape(2, 1))
        y[...] = y + 1.0
        y.backward(create_graph=True)
        y.creator.inputs[0].creator  # noqa: B018
        wg.grad(lambda x: np.sum(x * x))(np.ones(3))
        wg.jvp(f, (np.ones(3),), (np.ones(3),))
        del f, y
        x.cleargrad()
        del x
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_gradients_that_nobody_can_read_are_not_kept():
    x = Variable(np.ones(100_000))
    tracemalloc.start()
    y = x
    for _ in range(20):
        y = y + 1.0
    y = np.sum(y)
    before = tracemalloc.get_traced_memory()[0]
    y.backward()
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert after - before < 1_000_000  # x.grad is 800 kB


def test_no_grad():
    x = Variable(2.0)
    with wg.no_grad():
        y = x * x
        with wg.no_grad():
            pass
        z = np.sin(x)
    assert y.creator is None
    assert z.creator is None
    assert (x * x).creator is not None


def test_operators():
    a, b, c = Variable(3.0), Variable(2.0), Variable(1.0)
    y = a * b + c
    y.backward()
    assert (y.data, a.grad, b.grad, c.grad) == (7.0, 2.0, 3.0, 1.0)


def sphere(x, y):
    return x**2 + y**2


def matyas(x, y):
    return 0.26 * (x**2 + y**2) - 0.48 * x * y


def goldstein(x, y):
    return (1 + (x + y + 1) ** 2 * (19 - 14 * x + 3 * x**2 - 14 * y + 6 * x * y + 3 * y**2)) * (
        30 + (2 * x - 3 * y) ** 2 * (18 - 32 * x + 12 * x**2 + 48 * y - 36 * x * y + 27 * y**2)
    )


@pytest.mark.parametrize(
    ("f", "gx", "gy"),
    [(sphere, 2.0, 2.0), (matyas, 0.040000000000000036, 0.040000000000000036), (goldstein, -5376.0, 8064.0)],
)
def test_classic_functions(f, gx, gy):
    x, y = Variable(1.0), Variable(1.0)
    f(x, y).backward()
    assert (x.grad, y.grad) == (gx, gy)


def test_taylor_series_of_sine():
    x = Variable(np.pi / 4)
    y = 0
    for i in range(20):
        y = y + (-1) ** i / math.factorial(2 * i + 1) * x ** (2 * i + 1)
    y.backward()
    np.testing.assert_allclose(y.data, np.sin(np.pi / 4), rtol=1e-15)
    np.testing.assert_allclose(x.grad, np.cos(np.pi / 4), rtol=1e-15)


def test_second_derivative_and_newton():
    x = Variable(2.0)
    for _ in range(10):
        y = x**4 - 2 * x**2
        x.cleargrad()
        y.backward(create_graph=True)
        gx = x.grad
        assert isinstance(gx, Variable)
        x.cleargrad()
        gx.backward()
        x.data = x.data - gx.data / x.grad
    assert x.data == 1.0


def test_higher_derivatives_of_sine():
    x = Variable(1.0)
    y = np.sin(x)
    y.backward(create_graph=True)
    for expected in (np.cos(1.0), -np.sin(1.0), -np.cos(1.0), np.sin(1.0)):
        gx = x.grad
        np.testing.assert_allclose(gx.data, expected, rtol=1e-15)
        x.cleargrad()
        gx.backward(create_graph=True)


def test_double_backward_of_a_gradient_penalty():
    x = Variable(2.0)
    y = x**2
    y.backward(create_graph=True)
    gx = x.grad
    x.cleargrad()
    z = gx**3 + y
    z.backward()
    assert x.grad == 100.0


def test_sigmoid_of_tanh():
    x = Variable(1.0)
    wg.sigmoid(wg.tanh(x)).backward()
    assert x.grad == 0.09112821805819912


def test_a_million_operations_forward_backward_and_dropped():
    x = Variable(1.0)
    y = x
    for _ in range(500_000):
        y = y + 1e-6
        y = y * 1.0
    y.backward()
    assert x.grad == 1.0
    _, ty = wg.jvp(lambda v: _chain(v, 1_000), (1.0,), (1.0,))
    assert ty == 1.0
    del y


def _chain(v, n):
    for _ in range(n):
        v = v + 1e-6
    return v


def test_a_long_chain_of_a_users_function_is_dropped():
    x = Variable(np.array(1.0))
    y = x
    for _ in range(50_000):
        y = Add()(y, 0.0)
    y.backward()
    assert x.grad == 1.0
    del y
