"""What a type checker makes of the public interface. Checked by mypy; test_typing.py runs it."""

from typing import Any, assert_type

import numpy as np

import wengert as wg
from wengert import Variable

x = Variable(np.ones(3), name="x")
y = np.tanh(x)
y.backward() if y.shape == () else np.sum(y).backward()
assert_type(x + 1.0, Variable)
assert_type(2.0 * x, Variable)
assert_type(x @ x, Variable)
assert_type(-x, Variable)
assert_type(x[0], Variable)
assert_type(x.sum(axis=0), Variable)
assert_type(x.reshape(3, 1).T, Variable)
assert_type(x.data, np.ndarray[tuple[Any, ...], np.dtype[Any]])
assert_type(x.shape, tuple[int, ...])
assert_type(x.name, str | None)
x += 1.0
x[0] = 2.0


class Square(wg.Function):
    def forward(self, x: Any) -> Any:
        return x**2

    def backward(self, gy: Any) -> Any:
        return 2 * self.input * gy


Square()(x)
wg.check_grads(Square(), np.ones(3))
value, gradient = wg.value_and_grad(lambda x: np.sum(x**2))(np.ones(3))
z, pullback = wg.vjp(np.sin, 1.0)
with wg.no_grad():
    x.cleargrad()
