"""vmap: against loops, in every combination with the other transformations, and what it refuses."""

from __future__ import annotations

import itertools
from collections import namedtuple
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.batching.array import Batched

rng = np.random.default_rng(0)
X = rng.normal(size=(5, 3))
W = rng.normal(size=(3, 4))
V = rng.normal(size=3)
Pair = namedtuple("Pair", "a b")


def close(found: Any, expected: Any) -> None:
    assert isinstance(found, np.ndarray)
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)


def loss(w: Any, x: Any, y: Any) -> Any:
    return np.sum((np.tanh(x @ w) - y) ** 2)


# ---- axes and containers ------------------------------------------------------------------------------------


def test_axes_of_arguments_and_results():
    f = lambda x, w: np.tanh(x @ w)  # noqa: E731
    expected = np.tanh(X @ W)
    close(wg.vmap(f, in_axes=(0, None))(X, W), expected)
    close(wg.vmap(f, in_axes=(-1, None))(X.T, W), expected)
    close(wg.vmap(f, in_axes=(1, None), out_axes=1)(X.T, W), expected.T)
    close(wg.vmap(f, in_axes=(0, None), out_axes=-1)(X, W), expected.T)
    close(wg.vmap(f, in_axes=[None, 1], out_axes=-1)(X, W), expected)


def test_containers_of_axes():
    params = {"w": W, "b": np.arange(20.0).reshape(5, 4)}
    f = lambda p, x: {"y": x @ p["w"] + p["b"], "pair": Pair(x, 1.0), "none": None}  # noqa: E731
    z = wg.vmap(f, in_axes=({"w": None, "b": 0}, 0), out_axes={"y": 1, "pair": 0, "none": None})(params, X)
    close(z["y"], (X @ W + params["b"]).T)
    close(z["pair"].a, X)
    close(z["pair"].b, np.ones(5))
    assert z["none"] is None
    assert type(z["pair"]) is Pair
    z = wg.vmap(lambda pair: (pair.a * 2, [pair.b]), out_axes=(0, [1]))(Pair(X, X))
    close(z[0], 2 * X)
    close(z[1][0], X.T)


def test_keyword_arguments_are_mapped_along_axis_0():
    close(wg.vmap(lambda x, *, y: x * y)(X, y=X[:, 0]), X * X[:, :1])


def test_a_result_that_is_the_same_for_all():
    close(wg.vmap(lambda x: np.ones(2))(X), np.ones((5, 2)))
    assert wg.vmap(lambda x: np.ones(2), out_axes=None)(X).shape == (2,)
    y = wg.vmap(lambda x: 3)(X)
    assert y.dtype.kind == "i"
    np.testing.assert_array_equal(y, [3] * 5)
    y = wg.vmap(lambda x: V)(X)
    y[0, 0] = 7.0  # an array of its own
    assert V[0] != 7.0


def test_python_scalars_integers_and_booleans():
    np.testing.assert_array_equal(wg.vmap(lambda i: i % 3 == 0)(np.arange(6)), np.arange(6) % 3 == 0)
    assert wg.vmap(lambda i: i * 2)(np.arange(6, dtype=np.int8)).dtype == np.int8
    np.testing.assert_array_equal(wg.vmap(np.argmax)(X), X.argmax(1))


def test_float32_stays():
    x = X.astype(np.float32)
    assert wg.vmap(lambda x: np.sum(np.tanh(x) * 2.0) / 3)(x).dtype == np.float32
    assert wg.vmap(wg.grad(lambda x: np.mean(x**2)))(x).dtype == np.float32
    w = wg.Variable(W.astype(np.float32))
    np.sum(wg.vmap(lambda x: np.sin(x @ w))(x)).backward()
    assert w.grad.dtype == np.float32


def test_complex():
    z = X + 1j * X[::-1]
    close(wg.vmap(lambda z: np.vdot(z, z))(z), np.sum(np.abs(z) ** 2, 1) + 0j)
    f = lambda z: np.sum(np.abs(z) ** 2)  # noqa: E731
    close(wg.vmap(wg.grad(f))(z), 2 * z)


def test_an_empty_batch():
    x = np.zeros((0, 3))
    assert wg.vmap(np.sin)(x).shape == (0, 3)
    assert wg.vmap(lambda x: x @ W)(x).shape == (0, 4)
    assert wg.vmap(wg.grad(lambda x: np.sum(x**2)))(x).shape == (0, 3)
    assert wg.vmap(lambda x: np.unwrap(x, period=x[0]))(x).shape == (0, 3)  # by examples


def test_the_callers_arrays_stay_and_results_are_their_own():
    x = X.copy()

    def f(x: Any) -> Any:
        y = x
        y[0] = 5.0
        y += 1.0
        return y

    z = wg.vmap(f)(x)
    np.testing.assert_array_equal(x, X)
    np.testing.assert_array_equal(z[:, 0], 6.0)
    z[0] = 0.0
    assert wg.vmap(lambda x: np.broadcast_to(x[0], 2))(X).flags.writeable


def test_random_numbers_are_the_same_for_every_example():
    z = wg.vmap(lambda x: x * 0 + np.random.default_rng(1).normal())(X)
    assert np.ptp(z) == 0


# ---- what a function may do ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "key",
    [
        0, -1, slice(None, None, -1), (Ellipsis, 0), (None, 1), [0, 0, 2], np.array([True, False, True]),
        (slice(None), [0, 1]), ([0, 1], slice(None), [1, 0]), (0, slice(None), [1, 0]), ([[0], [1]], [0, 1]),
        (slice(None), [[0, 1]], None), (slice(0, 1), slice(None), np.array([2, 0])), True,
    ],
)  # fmt: skip
def test_indexing_and_writing(key: Any):
    x = rng.normal(size=(4, 3, 2, 3))
    if isinstance(key, np.ndarray) and key.dtype == bool:
        x = x[:, :3]
    expected = np.stack([e[key] for e in x])
    close(wg.vmap(lambda x: x[key])(x), expected)
    if key is True:
        return
    v = rng.normal(size=expected.shape)

    def write(x: Any, v: Any) -> Any:
        y = np.copy(x)
        y[key] = v
        return y

    close(wg.vmap(write)(x, v), np.stack([write(*pair) for pair in zip(x, v, strict=True)]))
    close(wg.vmap(write, in_axes=(0, None))(x, v[0]), np.stack([write(e, v[0]) for e in x]))
    close(wg.vmap(write, in_axes=(0, None))(x, 2.0), np.stack([write(e, 2.0) for e in x]))


@pytest.mark.parametrize(
    "key",
    [
        lambda i: i, lambda i: (Ellipsis, i), lambda i: (slice(None), i, slice(None)), lambda i: (i, slice(None), 0),
        lambda i: (slice(None), i, [0, 1]), lambda i: (i, slice(None), [[0], [1]]), lambda i: (None, i),
        lambda i: (1, i),
    ],
)  # fmt: skip
@pytest.mark.parametrize("shape", [(), (2,), (2, 2)])
def test_indices_that_differ(key: Any, shape: Any):
    x = rng.normal(size=(4, 2, 2, 2))
    i = rng.integers(0, 2, (4, *shape))
    f = lambda x, i: x[key(i)]  # noqa: E731
    try:
        expected = np.stack([f(*pair) for pair in zip(x, i, strict=True)])
    except IndexError:
        with pytest.raises(IndexError):
            wg.vmap(f)(x, i)
        return
    close(wg.vmap(f)(x, i), expected)
    table = wg.Variable(x[0])
    g = wg.grad(lambda x: np.sum(wg.vmap(lambda i: x[key(i)])(i) ** 2))(x[0])
    close(g, wg.grad(lambda x: sum([np.sum(x[key(j)] ** 2) for j in i]))(x[0]))
    close(wg.vmap(lambda i: table[key(i)])(i).data, np.stack([f(x[0], j) for j in i]))

    def write(x: Any, i: Any) -> Any:
        y = np.copy(x)
        y[key(i)] = 7.0
        return y

    close(wg.vmap(write)(x, i), np.stack([write(*pair) for pair in zip(x, i, strict=True)]))


def test_masks():
    def f(x: Any) -> Any:
        y = np.zeros_like(x)
        y[x > 0] = 1.0
        return np.where(x > 0, x, 0) + y

    close(wg.vmap(f)(X), np.stack([f(x) for x in X]))


def test_views_share_memory():
    def f(x: Any) -> Any:
        y = np.copy(x)
        y[1:][0] = 9.0
        y.T[2] = 8.0
        return y

    close(wg.vmap(f)(X), np.stack([f(x) for x in X]))
    g = lambda x: np.sum(f(x * x))  # noqa: E731
    close(wg.vmap(wg.grad(g))(X), np.stack([wg.grad(g)(x) for x in X]))


def test_loops_over_an_example():
    close(wg.vmap(lambda x: sum([e * i for i, e in enumerate(x)]))(X), X @ np.arange(3))


def test_lists_of_arrays():
    f = lambda x: np.stack([x[0], np.sum(x), 1.0])  # noqa: E731
    close(wg.vmap(f)(X), np.stack([f(x) for x in X]))
    g = lambda x: np.concatenate([x, np.ones(1), x[:1]])  # noqa: E731
    close(wg.vmap(g)(X), np.stack([g(x) for x in X]))


def test_a_function_of_the_users():
    class Cube(wg.Function):
        def forward(self, x: Any) -> Any:
            return x**3

        def backward(self, gy: Any) -> Any:
            return 3 * self.input**2 * gy

    class Sorted(wg.Function):
        """Not written in NumPy calls alone."""

        def forward(self, x: Any) -> Any:
            self.order = np.array(sorted(range(len(x)), key=lambda i: float(x[i])))
            return np.asarray(x)[self.order]

        def backward(self, gy: Any) -> Any:
            g = np.empty(len(self.order))
            g[self.order] = np.asarray(gy.data if isinstance(gy, wg.Variable) else gy)
            return g

    for cls in (Cube, Sorted):
        f = lambda x, cls=cls: np.sum(cls()(x) * np.arange(3.0))  # noqa: E731
        close(wg.vmap(wg.grad(f))(X), np.stack([wg.grad(f)(x) for x in X]))
    _, pullback = wg.vjp(lambda x: Cube()(x), V)
    close(wg.vmap(pullback)(np.eye(3))[0], np.diag(3 * V**2))
    _, pullback = wg.vjp(lambda x: Sorted()(x), V)
    close(wg.vmap(pullback)(np.eye(3))[0], np.eye(3)[np.argsort(V)])


# ---- with derivatives, both ways ----------------------------------------------------------------------------


def test_per_example_gradients():
    y = rng.normal(size=(5, 4))
    g = wg.vmap(wg.grad(loss), in_axes=(None, 0, 0))(W, X, y)
    close(g, np.stack([wg.grad(loss)(W, *pair) for pair in zip(X, y, strict=True)]))
    value, g = wg.vmap(wg.value_and_grad(loss, argnums=(0, 1)), in_axes=(None, 0, 0))(W, X, y)
    assert [value.shape, g[0].shape, g[1].shape] == [(5,), (5, 3, 4), (5, 3)]


def test_gradients_through():
    y = rng.normal(size=(5, 4))
    total = lambda w: np.sum(wg.vmap(loss, in_axes=(None, 0, 0))(w, X, y))  # noqa: E731
    close(wg.grad(total)(W), wg.grad(lambda w: loss(w, X, y))(W))
    closed = lambda w: np.sum(wg.vmap(lambda x, y: loss(w, x, y))(X, y))  # noqa: E731
    close(wg.grad(closed)(W), wg.grad(lambda w: loss(w, X, y))(W))
    wg.check_grads(total, W)
    wg.check_grads(closed, W)
    wg.check_grads(lambda x: wg.vmap(lambda x: np.cumsum(x) * x @ W, out_axes=1)(x), X)
    wg.check_grads(lambda x: wg.vmap(lambda x: x * V, in_axes=1)(x), X.T @ np.ones((5, 2)) @ np.ones((2, 3)))


def test_variables_in_the_closure():
    w, b = wg.Variable(W.copy()), wg.Variable(np.ones(4))

    def f(x: Any) -> Any:
        return np.sum(np.tanh(x @ w + b * 2) * b)

    np.sum(wg.vmap(f)(X)).backward()
    mine = w.grad, b.grad
    w.cleargrad()
    b.cleargrad()
    sum([f(x) for x in X]).backward()
    close(mine[0], w.grad)
    close(mine[1], b.grad)


def test_a_closure_that_meets_no_batch():
    c = lambda w: np.sum(wg.vmap(lambda x: w**2)(X))  # noqa: E731
    close(wg.grad(c)(2.0), 20.0)
    c = lambda w: wg.vmap(lambda x: w**2, out_axes=None)(X)  # noqa: E731
    close(wg.grad(c)(2.0), 4.0)
    c = lambda w: np.sum(wg.vmap(lambda x: w)(X))  # noqa: E731
    close(wg.grad(c)(2.0), 5.0)
    c = lambda w: np.sum(wg.vmap(lambda x: np.concatenate([x, w[None], [w * 2]]))(X))  # noqa: E731
    with pytest.raises(TypeError):
        c(wg.Variable(2.0))  # [w * 2] is a list of a Variable, as without vmap
    c = lambda w: np.sum(wg.vmap(lambda x: np.concatenate([x * w, w[None]]))(X))  # noqa: E731
    close(wg.grad(c)(2.0), np.sum(X) + 5)


def test_backward_inside():
    w = wg.Variable(V.copy())

    def f(x: Any) -> Any:
        x = wg.Variable(x)
        y = np.sum(np.sin(x * w))
        y.backward()
        return x.grad

    close(wg.vmap(f)(X), np.cos(X * V) * V)
    close(w.grad, np.sum(np.cos(X * V) * X, 0))


def test_no_grad():
    w = wg.Variable(V.copy())
    with wg.no_grad():
        close(wg.vmap(lambda x: x * w)(X), X * V)
        close(wg.vmap(wg.grad(lambda x: np.sum(x * w) ** 2))(X), 2 * (X @ V)[:, None] * V)

    def f(x: Any) -> Any:
        with wg.no_grad():
            y = x * w
        return y * w

    np.sum(wg.vmap(f)(X)).backward()
    close(w.grad, np.sum(X, 0) * V)


def chain(x: Any) -> Any:
    return np.sum(np.sin(x) * np.cumsum(x)) ** 2


COMBINATIONS = {
    "grad(vmap)": lambda: (
        wg.grad(lambda x: np.sum(wg.vmap(chain)(x)))(X),
        np.stack([wg.grad(chain)(x) for x in X]),
    ),
    "vmap(grad(grad))": lambda: (
        wg.vmap(wg.grad(lambda x: np.sum(wg.grad(chain)(x) ** 2)))(X),
        np.stack([wg.grad(lambda x: np.sum(wg.grad(chain)(x) ** 2))(x) for x in X]),
    ),
    "grad(vmap(grad))": lambda: (
        wg.grad(lambda x: np.sum(wg.vmap(wg.grad(chain))(x) ** 2))(X),
        np.stack([wg.grad(lambda x: np.sum(wg.grad(chain)(x) ** 2))(x) for x in X]),
    ),
    "vmap(vmap)": lambda: (
        wg.vmap(lambda x: wg.vmap(lambda y: np.sum(x * y**2))(X))(X),
        X @ (X**2).T,
    ),
    "vmap(vmap), both mapped": lambda: (wg.vmap(wg.vmap(lambda x: np.sin(x) * x))(X), np.sin(X) * X),
    "vmap(vmap(grad))": lambda: (
        wg.vmap(lambda x: wg.vmap(lambda y: wg.grad(lambda z: np.sum(z * np.sin(x * y * z)))(y))(X))(X),
        np.stack([np.stack([wg.grad(lambda z, x=x, y=y: np.sum(z * np.sin(x * y * z)))(y) for y in X]) for x in X]),
    ),
    "vmap(grad(vmap))": lambda: (
        wg.vmap(wg.grad(lambda x: np.sum(wg.vmap(lambda y: np.tanh(x @ y))(X) ** 2)))(X),
        np.stack([wg.grad(lambda x: np.sum(np.tanh(X @ x) ** 2))(x) for x in X]),
    ),
    "grad(vmap(vmap)), closures": lambda: (
        wg.grad(lambda w: np.sum(wg.vmap(lambda x: wg.vmap(lambda y: np.sin(w @ x) * (w @ y))(X))(X) ** 2))(V),
        wg.grad(lambda w: np.sum((np.sin(X @ w)[:, None] * (X @ w)) ** 2))(V),
    ),
    "vmap(jvp)": lambda: (
        wg.vmap(lambda x, t: wg.jvp(chain, (x,), (t,))[1])(X, X[::-1]),
        np.stack([wg.jvp(chain, (x,), (t,))[1] for x, t in zip(X, X[::-1], strict=True)]),
    ),
    "jvp(vmap)": lambda: (
        wg.jvp(wg.vmap(chain), (X,), (X[::-1],))[1],
        np.stack([wg.jvp(chain, (x,), (t,))[1] for x, t in zip(X, X[::-1], strict=True)]),
    ),
    "jvp(vmap(grad))": lambda: (
        wg.jvp(wg.vmap(wg.grad(chain)), (X,), (X[::-1],))[1],
        np.stack([wg.jvp(wg.grad(chain), (x,), (t,))[1] for x, t in zip(X, X[::-1], strict=True)]),
    ),
    "vmap(jvp(grad)), one point: a Hessian": lambda: (
        wg.vmap(lambda t: wg.jvp(wg.grad(chain), (V,), (t,))[1])(np.eye(3)),
        np.stack([wg.jvp(wg.grad(chain), (V,), (t,))[1] for t in np.eye(3)]),
    ),
    "vmap(vjp(grad)), one point": lambda: (
        wg.vmap(wg.vjp(wg.grad(chain), V)[1])(np.eye(3))[0],
        np.stack([wg.jvp(wg.grad(chain), (V,), (t,))[1] for t in np.eye(3)]),
    ),
    "vmap(jvp(jvp))": lambda: (
        wg.vmap(lambda x: wg.jvp(lambda x: wg.jvp(chain, (x,), (V,))[1], (x,), (V,))[1])(X),
        np.stack([wg.jvp(lambda x: wg.jvp(chain, (x,), (V,))[1], (x,), (V,))[1] for x in X]),
    ),
    "grad(vmap(jvp)), a closure": lambda: (
        wg.grad(lambda w: np.sum(wg.vmap(lambda x: wg.jvp(lambda x: np.sin(x @ w), (x,), (w,))[1])(X) ** 2))(V),
        wg.grad(lambda w: np.sum((np.cos(X @ w) * (w @ w)) ** 2))(V),
    ),
    "grad(vmap(pullback)): of a Jacobian": lambda: (
        wg.grad(lambda x: np.sum(wg.vmap(wg.vjp(lambda x: np.cumsum(x) * np.sin(x), x)[1])(np.eye(3))[0] ** 3))(V),
        wg.grad(
            lambda x: sum([np.sum(wg.vjp(lambda x: np.cumsum(x) * np.sin(x), x)[1](e)[0] ** 3) for e in np.eye(3)])
        )(V),
    ),
    "jvp(vmap(pullback))": lambda: (
        wg.jvp(lambda x: wg.vmap(wg.vjp(lambda x: np.cumsum(x) * np.sin(x), x)[1])(np.eye(3))[0], (V,), (V,))[1],
        np.stack(
            [
                wg.jvp(lambda x, e=e: wg.vjp(lambda x: np.cumsum(x) * np.sin(x), x)[1](e)[0], (V,), (V,))[1]
                for e in np.eye(3)
            ]
        ),
    ),
    "vmap(vmap(pullback)): a batch of Jacobians": lambda: (
        wg.vmap(lambda x: wg.vmap(wg.vjp(lambda x: np.cumsum(x) * np.sin(x), x)[1])(np.eye(3))[0])(X),
        np.stack([wg.vmap(wg.vjp(lambda x: np.cumsum(x) * np.sin(x), x)[1])(np.eye(3))[0] for x in X]),
    ),
    "vmap(grad), the same for all": lambda: (wg.vmap(wg.grad(np.sum))(X), np.ones((5, 3))),
    "zero cotangents": lambda: (
        wg.vmap(wg.grad(lambda x: np.sum(np.where(x > 0, np.sqrt(x), 0))))(X),
        np.where(X > 0, 0.5 / np.sqrt(np.abs(X)), 0),
    ),
}


@pytest.mark.filterwarnings("ignore:invalid value encountered in sqrt")
@pytest.mark.parametrize("name", COMBINATIONS)
def test_combination(name: str):
    found, expected = COMBINATIONS[name]()
    close(found, expected)


def test_perturbations_are_not_confused():
    f = lambda x: wg.vmap(lambda y: wg.grad(lambda z: z * x)(y) * y)(V)  # noqa: E731
    close(wg.vmap(f)(np.array([2.0, 3.0])), np.outer([2.0, 3.0], V))
    g = lambda x: x * np.sum(wg.vmap(lambda y: wg.jvp(lambda z: x * z, (y,), (1.0,))[1])(V))  # noqa: E731
    close(wg.grad(g)(2.0), 12.0)


# ---- cost ---------------------------------------------------------------------------------------------------


def calls(f: Any) -> int:
    """How often f calls NumPy, or a method of an array."""
    import sys

    count = 0

    def see(frame: Any, event: str, arg: Any) -> None:
        nonlocal count
        if event == "c_call":
            owner = getattr(arg, "__self__", None)
            module = getattr(arg, "__module__", None) or type(owner).__module__
            count += str(module).startswith("numpy") or isinstance(owner, (np.ndarray, np.ufunc))

    sys.setprofile(see)
    try:
        f()
    finally:
        sys.setprofile(None)
    return count


def test_per_example_gradients_cost_no_more_calls_for_more_examples():
    def network(params: Any, x: Any, y: Any) -> Any:
        for w, b in params[:-1]:
            x = np.tanh(x @ w + b)
        w, b = params[-1]
        return np.mean((x @ w + b - y) ** 2)

    sizes = [6, 8, 8, 2]
    flat = [p for n, m in itertools.pairwise(sizes) for p in (rng.normal(size=(n, m)), np.zeros(m))]
    f = wg.grad(lambda *a: network(list(zip(a[:-2:2], a[1:-2:2], strict=True)), *a[-2:]), argnums=range(len(flat)))
    batched = wg.vmap(f, in_axes=(*[None] * len(flat), 0, 0))
    counts = []
    for n in (3, 30, 300):
        x, y = rng.normal(size=(n, 6)), rng.normal(size=(n, 2))
        counts.append(calls(lambda x=x, y=y: batched(*flat, x, y)))
    assert len(set(counts)) == 1
    found = batched(*flat, x, y)
    for i in (0, 299):
        for a, b in zip(found, f(*flat, x[i], y[i]), strict=True):
            close(a[i], b)


def test_a_jacobian_is_one_pass():
    counts = []
    for n in (10, 100):
        a = rng.normal(size=(n, n))
        y, pullback = wg.vjp(lambda x, a=a: np.tanh(a @ np.sin(x)), np.ones(n))
        one = calls(lambda y=y, pullback=pullback: pullback(y))
        counts.append(calls(lambda n=n, pullback=pullback: wg.vmap(pullback)(np.eye(n))))
        assert counts[-1] < 12 * one
    assert counts[0] == counts[1]
    close(wg.vmap(pullback)(np.eye(n))[0], (1 - y**2)[:, None] * a * np.cos(1.0))


# ---- what is refused ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "f",
    [
        lambda x: x if x[0] > 0 else -x,
        lambda x: float(x[0]),
        lambda x: int(x[0]),
        lambda x: x[0].item(),
        lambda x: x.tolist(),
        lambda x: np.asarray(x),
        lambda x: [1, 2][x[0] > 0],
        lambda x: range(np.argmax(x)),
        lambda x: 1.0 in x,
        lambda x: max(x[0], x[1]),
        lambda x: wg.grad(lambda x: np.sum(x) if np.sum(x) > 0 else 0 * np.sum(x))(x),
    ],
)
def test_a_branch_on_values(f: Any):
    with pytest.raises(TypeError, match=r"vmap: .* asks for one value .* np\.where"):
        wg.vmap(f)(X)


def test_writing_into_a_plain_array():
    def f(x: Any) -> Any:
        y = np.zeros(3)
        y[0] = x[0]
        return y

    with pytest.raises((TypeError, ValueError)):
        wg.vmap(f)(X)

    def g(x: Any) -> Any:
        y = np.zeros(3)
        np.put(y, [0], x[0])
        return y

    with pytest.raises(TypeError, match=r"np\.zeros_like"):
        wg.vmap(g)(X)


def test_shapes_that_depend_on_values():
    with pytest.raises(TypeError, match=r"np\.where\(mask"):
        wg.vmap(lambda x: x[x > 0])(X)
    with pytest.raises(TypeError, match="depends on the values"):
        wg.vmap(lambda x: np.nonzero(x > 0)[0])(X)


@pytest.mark.parametrize(
    ("options", "args", "error", "text"),
    [
        ({}, (X, W), ValueError, r"differ in number: args\[0\] has 5 along axis 0, args\[1\] has 3 along axis 0"),
        ({}, ({"w": X}, [W]), ValueError, r"args\[0\]\['w'\] has 5 .*args\[1\]\[0\] has 3"),
        ({"in_axes": None}, (X,), ValueError, "no argument is mapped"),
        ({"in_axes": (None, None)}, (X, X), ValueError, "no argument is mapped"),
        ({"in_axes": 2}, (X,), ValueError, r"in_axes is 2 for args\[0\], whose shape is \(5, 3\)"),
        ({}, (2.0,), ValueError, r"in_axes is 0 for args\[0\], whose shape is \(\)"),
        ({"in_axes": (0, 0)}, (X,), ValueError, "in_axes has 2 items, but the call has 1 positional"),
        ({"in_axes": ({"a": 0},)}, ({"b": X},), ValueError, "built in another way"),
        ({"in_axes": 0.5}, (X,), TypeError, "expected an integer, None or a container"),
        ({"in_axes": "0"}, (X,), TypeError, "expected an integer, None or a container"),
        ({"out_axes": 3}, (X,), ValueError, "out_axes is 3 for the result"),
        ({"out_axes": None}, (X,), ValueError, "out_axes is None for the result.*differs between the examples"),
        ({"out_axes": (0, 0)}, (X,), ValueError, "out_axes"),
        ({}, ("text",), TypeError, r"args\[0\]"),
    ],
)
def test_bad_axes(options: Any, args: Any, error: Any, text: str):
    with pytest.raises(error, match=text):
        wg.vmap(lambda *xs: xs[0], **options)(*args)


def test_a_batched_array_shows_one_example():
    def f(x: Any) -> Any:
        assert isinstance(x, Batched)
        assert (x.shape, x.ndim, x.size, x.dtype, len(x)) == ((3,), 1, 3, np.float64, 3)
        assert "5 examples" in repr(x)
        return x

    wg.vmap(f)(X)
