"""Compiled functions compute what the functions do: derivatives inside, Variables, modules, optimisers, containers."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from compilekit import agree, both_ways  # noqa: F401

import wengert as wg
from wengert import nn, optim

X = np.linspace(-1.0, 1.0, 7)


def bump(x):
    return np.sum(np.tanh(x) * np.exp(-(x**2)) * np.sin(x))


@pytest.fixture(autouse=True)
def _compare(engine: str) -> None:
    same.engine = engine  # type: ignore[attr-defined]


def same(actual: Any, expected: Any, dtype: Any = None) -> None:
    a, b = wg.tree.flatten(actual), wg.tree.flatten(expected)
    assert a[1] == b[1]
    for x, y in zip(a[0], b[0], strict=True):
        agree(x, y, same.engine, dtype)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "make",
    [
        wg.grad,
        wg.value_and_grad,
        lambda f: wg.grad(lambda x: np.sum(wg.grad(f)(x) ** 2)),
        wg.hessian,
        lambda f: lambda x: wg.jvp(f, (x,), (np.cos(x),)),
        lambda f: lambda x: wg.vjp(f, x)[1](2.0),
        lambda f: wg.vmap(wg.grad(f)),
        lambda f: wg.elementwise_grad(lambda x: np.tanh(x) * x),
        lambda f: lambda x: wg.jacobian(lambda y: np.cumsum(y) * y)(x),
        lambda f: lambda x: wg.hvp(f, (x,), (x + 1,)) if x.ndim == 1 else x,
        lambda f: lambda x: wg.grad(lambda y: f(wg.checkpoint(np.tanh)(y)))(x),
        lambda f: wg.grad(lambda x: f(Square()(x))),
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_derivatives_inside(make: Callable[..., Any], dtype: str):
    f = make(bump)
    c = wg.compile(f)
    for k in (1.0, 1.0, 2.0, 0.0):
        x = (X * k).astype(dtype)
        same(c(x), f(x))
    assert c.recordings == 1


class Square(wg.Function):
    def forward(self, x):
        return x**2

    def backward(self, gy):
        return 2 * self.input * gy


def test_the_result_is_nobody_elses():
    c = wg.compile(lambda x: (x * 2, np.tanh(x), x.T, x[1:]))
    first = c(X)
    kept = [y.copy() for y in first]
    x = X + 1
    again = c(x)
    c(x * 2)
    for y, was in zip(first, kept, strict=True):
        np.testing.assert_array_equal(y, was)
    np.testing.assert_array_equal(again[0], x * 2)
    assert again[2].base is x
    again[0][...] = 0
    np.testing.assert_array_equal(c(x)[0], x * 2)


def test_scalars_stay_scalars():
    c = wg.compile(lambda x: (x[0], x.sum(), np.asarray(x.sum()), x[0] > 0, float(3), x.shape))
    for k in (1.0, 2.0, 3.0):
        same(c(X * k), c.function(X * k))


# ---- Variables --------------------------------------------------------------------------------------------------


def test_backward_inside_on_variables_of_the_closure():
    w = wg.Variable(np.ones(7))

    def step(x):
        w.cleargrad()
        loss = np.sum((w * x - 1) ** 2)
        loss.backward()
        w.data -= 0.1 * w.grad
        return loss

    c, weights = wg.compile(step), []
    array = w.data
    for compiled in (False, True):
        w.data[...] = 1
        for k in range(5):
            loss = (c if compiled else step)(X + k)
            assert isinstance(loss, wg.Variable)
        weights.append((w.data.copy(), w.grad.copy(), float(loss.data)))
    same(weights[1], weights[0])
    assert w.data is array
    assert c._why is None
    with pytest.raises(RuntimeError, match="computed by a compiled function"):
        loss.backward()


def test_gradients_add_up():
    w = wg.Variable(np.ones(7))
    c = wg.compile(lambda x: np.sum(w * x).backward())
    for k in range(1, 5):
        c(X)
        np.testing.assert_array_equal(w.grad, k * X)


def test_a_parameter_that_is_replaced():
    w = wg.Variable(np.ones(7))
    c = wg.compile(lambda x: (w * x).data)
    for new in (np.full(7, 2.0), np.full(7, 3.0, "f4"), np.ones((1, 7)), np.zeros(7)):
        w.data = new
        same(c(X), (w * X).data)
        w.data[...] = 5
        same(c(X), (w * X).data)


def test_variables_as_arguments():
    def step(params, x):
        for p in params.values():
            p.cleargrad()
        loss = np.sum((params["w"] * x + params["b"]) ** 2)
        loss.backward()
        for p in params.values():
            p.data -= 0.01 * p.grad
        return loss.data

    def params():
        return {"w": wg.Variable(np.ones(7)), "b": wg.Variable(0.5)}

    c, mine, theirs = wg.compile(step), params(), params()
    for k in range(5):
        same(c(mine, X + k), step(theirs, X + k))
        for key in mine:
            same(mine[key].data, theirs[key].data)
            same(mine[key].grad, theirs[key].grad)
    fresh = params()
    same(c(fresh, X), step(params(), X))
    assert c._why is None


def test_a_result_linked_to_an_argument_is_differentiable():
    c = wg.compile(lambda x: np.sum(x**2))
    for k in range(1, 9):
        x = wg.Variable(X * k)
        c(x).backward()
        np.testing.assert_array_equal(x.grad, 2 * k * X)
    same(c(X), np.sum(X**2))
    assert c.recordings == 1
    assert c._why is None


def test_inside_an_outer_derivative():
    c = wg.compile(lambda x: np.sum(np.tanh(x)))
    c(X)
    same(wg.grad(c)(X), wg.grad(c.function)(X))
    same(c(X), c.function(X))
    assert c._kept[True][0].calls == 1
    k = wg.compile(lambda: np.sum(np.tanh(v)))
    v = wg.Variable(X) * 2
    assert isinstance(k(), wg.Variable)
    assert k().creator is not None


def test_vmap_of_a_compiled_function():
    c = wg.compile(lambda x: np.tanh(x) * 2)
    c(X)
    same(wg.vmap(c)(np.stack([X, X + 1])), np.tanh(np.stack([X, X + 1])) * 2)


# ---- networks and optimisers ---------------------------------------------------------------------------------------

RNG = np.random.default_rng(1)
BATCHES = [(RNG.normal(size=(16, 4)).astype("f4"), RNG.normal(size=(16, 1)).astype("f4")) for _ in range(8)]


class Net(nn.Module):
    def __init__(self, norm: bool, drop: bool):
        rng = np.random.default_rng(0)
        # a bias before a norm has no gradient but rounding, which Adam makes as large as any
        self.first, self.last = nn.Linear(4, 8, bias=not norm, rng=rng), nn.Linear(8, 1, rng=rng)
        self.norm = nn.BatchNorm(8) if norm else None
        self.drop = nn.Dropout(0.3, rng=np.random.default_rng(3)) if drop else None

    def forward(self, x):
        x = self.first(x)
        x = np.tanh(x if self.norm is None else self.norm(x))
        return self.last(x if self.drop is None else self.drop(x))


def trained(compiled: bool, make: Callable[..., Any], norm: bool, drop: bool, schedule: bool, clip: bool) -> Any:
    net = Net(norm, drop)
    optimizer = make(net.parameters())
    scheduled = optim.StepLR(optimizer, 3) if schedule else None

    def step(x, y):
        optimizer.zero_grad()
        loss = np.mean((net(x) - y) ** 2)
        loss.backward()
        if clip:
            optim.clip_grad_norm(net.parameters(), 0.1)
        optimizer.step()
        return loss

    f = wg.compile(step) if compiled else step
    losses = []
    for x, y in BATCHES:
        losses.append(float(f(x, y).data))
        if scheduled is not None:
            scheduled.step()
    net.eval()
    tested = wg.compile(net) if compiled else net
    values = [tested(x).data for x, _ in BATCHES]
    return losses, values, net.state_dict(), optimizer.state_dict(), f


@pytest.mark.parametrize(
    ("make", "options"),
    [
        (lambda p: optim.SGD(p, lr=0.1), {}),
        (lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.1), {}),
        (lambda p: optim.Adam(p, lr=0.01, amsgrad=True), {}),
        (lambda p: optim.AdamW(p, lr=0.01), {"schedule": True}),
        (lambda p: optim.Adam(p, lr=0.01), {"norm": True}),
        (lambda p: optim.Adam(p, lr=0.01), {"drop": True}),
        (lambda p: optim.Adam(p, lr=0.01), {"clip": True}),
        (lambda p: optim.NAdam(p, lr=0.01), {}),
        (lambda p: optim.RMSprop(p, lr=0.01), {}),
        (lambda p: optim.AdaGrad(p, lr=0.01), {}),
        (lambda p: optim.AdaDelta(p), {}),
        (lambda p: optim.Lion(p, lr=0.01), {}),
        (lambda p: optim.LAMB(p, lr=0.01), {}),
    ],
)
def test_training(make: Callable[..., Any], options: dict[str, bool]):
    options = dict.fromkeys(("norm", "drop", "schedule", "clip"), False) | options
    *expected, _ = trained(False, make, **options)
    *actual, f = trained(True, make, **options)
    same(actual, expected, np.float32)
    assert f._why is None
    assert f.recordings <= 4, f.explain()


def test_a_model_that_changes():
    net = Net(False, False)
    c = wg.compile(net)
    x, _ = BATCHES[0]
    for change in (
        lambda: net.train(),
        lambda: setattr(net.first, "weight", nn.Parameter(np.ones((8, 4), "f4"))),
        lambda: net.astype(np.float64),
        lambda: setattr(net, "first", nn.Linear(4, 8, rng=np.random.default_rng(5))),
        lambda: net.load_state_dict({k: v * 2 for k, v in net.state_dict().items()}),
    ):
        change()
        same(c(x).data, net(x).data, np.float32)
        same(c(x).data, net(x).data, np.float32)


# ---- what else NumPy code does ---------------------------------------------------------------------------------------


@functools.lru_cache
def _weights(n):
    return np.arange(n) * 1.5


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.asarray(x, dtype=np.float32) * 2,
        lambda x: np.array([v * 2 for v in x] + [1.0]),
        lambda x: sorted(x),
        lambda x: sum(x) + max(x),
        lambda x: _weights(7) * x,
        lambda x: [g(x) for g in [lambda v, k=k: v * k for k in range(3)]],
        lambda x: np.einsum("i,j->ij", x, x),
        lambda x: (np.copyto(x, x * 2, where=x > 0.5), x)[1],
        lambda x: (np.add.at(x, [0, 0, 1], 1.0), x)[1],
        lambda x: x * np.random.default_rng(3).normal(size=7),
        lambda x: np.add(x, 1, out=x),
        lambda x: np.sqrt(np.abs(x), out=np.zeros_like(x), where=x > 0.5),
        lambda x: x.reshape(7, 1).flat[2],
        lambda x: (x + 1j * x) * 2j * x[0],
        lambda x: ((x + 1j * x).real, (x * 1j).imag),
        lambda x: (x * 10).astype(int) // 3 % 2,
        lambda x: x[np.argmax(x)] * x,
        lambda x: (x.T.copy(), np.ascontiguousarray(x[::-1])),
        lambda x: np.piecewise(x, [x < 0, x >= 0], [lambda v: v * 2, lambda v: v - 1]),
        lambda x: np.apply_along_axis(lambda v: v / v.sum(), 0, x + 2),
        lambda x: np.interp(x, [0, 1, 2], [3, 4, 5]),
        lambda x: x[None] @ x[:, None] + x @ x,
        lambda x: np.split(x[:6], 3)[1] * 2,
        lambda x: np.histogram(x, 3),
        lambda x: np.fft.fft(x),
        lambda x: np.float32(2) * x.astype("f4") + 1,
        lambda x: x**0.5 + x**2 + x**-1 + x**3,
        lambda x: divmod(x, 0.3),
    ],
)
def test_numpy_code(f: Callable[..., Any]):
    c = wg.compile(f)
    with np.errstate(all="ignore"):
        for k in (1.0, 2.0, 3.0):
            same(c(X * k + 0.1), f(X * k + 0.1))
    assert c.recordings == 1
    assert c._why is None


@pytest.mark.parametrize(
    ("x", "through", "to"),
    [
        (np.array([2**24 + 1, -3], "i4"), "c8", "c16"),
        (np.array([2**24 + 1, -3], "i4"), "f8", "f4"),
        (np.array([200, 3], "u1"), "f8", "i8"),
        (np.array([2.5, -1e30], "f4"), "f8", "f4"),
    ],
)
def test_casts_one_after_the_other(x: Any, through: str, to: str):
    c = wg.compile(lambda x: x.astype(through).astype(to))
    for _ in range(2):
        same(c(x), x.astype(through).astype(to))


def test_an_error_after_a_change_in_place_changes_once():
    def f(x, a):
        x += 1.0
        return np.linalg.cholesky(a) * x

    c = wg.compile(f)
    x = np.zeros(2)
    for k in range(3):
        c(x, np.eye(2))
        assert x[0] == k + 1
    with pytest.raises(np.linalg.LinAlgError):
        c(x, -np.eye(2))
    assert x[0] == 4
