"""checkpoint: recompute instead of store."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import wengert as wg

X = np.array([0.2, 0.5, 0.7])


@dataclass
class State:
    x: Any
    log: Any


def test_value_and_gradient():
    c = wg.checkpoint(lambda x, y: np.sin(x) * y + x)
    np.testing.assert_array_equal(c(X, 2.0), np.sin(X) * 2 + X)
    assert type(c(X, 2.0)) is np.ndarray
    wg.check_grads(c, X, 2.0)
    wg.check_grads(c, X + 1j, np.array([2.0 + 1j]))


def test_name_and_docstring_stay():
    def step(x: Any) -> Any:
        """One step."""
        return x

    assert (wg.checkpoint(step).__name__, wg.checkpoint(step).__doc__) == ("step", "One step.")


def test_containers_in_arguments_and_results():
    @wg.checkpoint
    def f(p: Any, *, scale: Any, mode: str) -> Any:
        assert mode == "m"
        return State(p["x"][0] * scale, {"s": np.sum(p["x"][1] ** 2), "n": 3, "t": "text", "c": np.ones(2)})

    def loss(x: Any, y: Any, z: Any) -> Any:
        state = f({"x": (x, y)}, scale=z, mode="m")
        assert (state.log["n"], state.log["t"]) == (3, "text")
        return np.sum(state.x) * state.log["s"]

    gx, gy, gz = wg.grad(loss, argnums=(0, 1, 2))(X, X + 1, 3.0)
    s = np.sum((X + 1) ** 2)
    np.testing.assert_allclose(gx, np.full(3, 3 * s))
    np.testing.assert_allclose(gy, 2 * (X + 1) * 3 * np.sum(X))
    np.testing.assert_allclose(gz, np.sum(X) * s)


def test_variables_in_the_closure_get_their_gradients():
    w, b = wg.Variable(np.array([1.0, 2.0, 3.0])), wg.Variable(0.5)
    scaled = w * 2  # not a leaf

    def f(x: Any) -> Any:
        return np.tanh(scaled * x + b) + w

    def gradients(g: Callable[..., Any]) -> list[Any]:
        for v in (w, b):
            v.cleargrad()
        x = wg.Variable(X)
        np.sum(g(x)).backward()
        return [x.grad, w.grad, b.grad]

    for a, e in zip(gradients(wg.checkpoint(f)), gradients(f), strict=True):
        np.testing.assert_allclose(a, e)
    y = wg.checkpoint(lambda: w * w)()  # no argument at all
    np.sum(y).backward()
    assert w.grad is not None


def test_the_same_variable_twice_and_as_result():
    w = wg.Variable(2.0)
    y, same, arg = wg.checkpoint(lambda x, z: (x * z * w, w, x))(w, w)
    (y + same + arg).backward()
    assert same is w
    assert w.grad == 3 * 4 + 1 + 1


@pytest.mark.parametrize("inner", [lambda f: f, wg.checkpoint])
def test_every_mode_and_order(inner: Any):
    def plain(x: Any) -> Any:
        return np.sum(np.exp(np.sin(x)) * x)

    c = wg.checkpoint(lambda x: np.sum(inner(lambda x: np.exp(np.sin(x)) * x)(x)))
    v = np.ones(3)
    wg.check_grads(c, X, order=3)
    np.testing.assert_allclose(wg.taylor(c, X, v, 4), wg.taylor(plain, X, v, 4))
    hvp = lambda f: wg.grad(lambda x: np.sum(wg.grad(f)(x) * v))(X)  # noqa: E731
    np.testing.assert_allclose(hvp(c), hvp(plain))
    np.testing.assert_allclose(wg.jvp(wg.grad(c), (X,), (v,))[1], hvp(plain))
    x = wg.Variable(X)
    c(x).backward(create_graph=True)
    g = x.grad
    x.cleargrad()
    np.sum(g * v).backward()
    np.testing.assert_allclose(x.grad, hvp(plain))


def test_nested_grad_with_a_closure_further_out():
    def f(a: Any) -> Any:
        return wg.grad(wg.checkpoint(lambda x: x**3 * a))(2.0)  # 12 a

    assert wg.grad(lambda a: f(a) * a)(5.0) == 2 * 12 * 5


def test_backward_twice_and_freeing():
    x = wg.Variable(X)
    y = np.sum(wg.checkpoint(np.square)(x))
    y.backward()
    y.backward()
    np.testing.assert_allclose(x.grad, 4 * X)
    y.backward(retain_graph=False)
    with pytest.raises(RuntimeError, match="was freed"):
        y.backward()


def test_float32_and_empty():
    for x in (np.ones(3, np.float32), np.ones((0, 2), np.float32), np.float32(2)):
        g = wg.grad(lambda x: np.sum(wg.checkpoint(np.tanh)(x) * x))(x)
        assert (g.shape, g.dtype) == (np.shape(x), np.float32)


def test_no_grad_runs_f_plainly():
    runs = []
    x = wg.Variable(X)
    with wg.no_grad():
        y = wg.checkpoint(lambda x: runs.append(1) or x * 2)(x)
    assert y.creator is None
    assert len(runs) == 1


def test_zero_stays_zero():
    c = wg.checkpoint(lambda x: np.sqrt(x))
    with np.errstate(divide="ignore"):
        g = wg.grad(lambda x: np.sum(np.where(x > 0, c(x), 0)))(np.array([0.0, 4.0]))
    np.testing.assert_allclose(g, [0, 0.25])


# ---- what is not the same the second time -------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["reverse", "forward"])
def test_random_numbers_are_noticed(mode: str):
    rng = np.random.default_rng(0)
    c = wg.checkpoint(lambda x: x * rng.normal(size=3))
    derivative = {
        "reverse": lambda: wg.grad(lambda x: np.sum(c(x)))(X),
        "forward": lambda: wg.jvp(c, (X,), (X,)),
    }[mode]
    with pytest.raises(RuntimeError, match=r"checkpoint: .*<lambda> computed something else.*random numbers"):
        derivative()


def test_a_generator_among_the_arguments_draws_the_same_again():
    def dropout(x: Any, rng: Any) -> Any:
        return x * (rng.uniform(size=x.shape) > 0.5)

    def loss(x: Any, f: Any, rng: Any) -> Any:
        for _ in range(3):
            x = f(x, rng)
        return np.sum(np.exp(x))

    x = np.linspace(0, 1, 20)
    a, b = np.random.default_rng(0), np.random.default_rng(0)
    for mode in (wg.grad, lambda f: lambda *xs: wg.jvp(lambda x: f(x, *xs[1:]), (x,), (x,))[1]):
        np.testing.assert_array_equal(mode(loss)(x, wg.checkpoint(dropout), a), mode(loss)(x, dropout, b))
        assert a.bit_generator.state == b.bit_generator.state


def test_drawing_outside_works():
    noise = np.random.default_rng(0).normal(size=3)
    c = wg.checkpoint(lambda x, noise: x * noise)
    np.testing.assert_allclose(wg.grad(lambda x: np.sum(c(x, noise)))(X), noise)


@pytest.mark.parametrize("size", [3, 5000])
def test_arguments_changed_in_place(size: int):
    for argument in (np.ones(size), wg.Variable(np.ones(size))):
        x, factor = wg.Variable(np.full(size, 2.0)), argument
        y = np.sum(wg.checkpoint(lambda x, a: x * x * a)(x, factor))
        (factor if isinstance(factor, np.ndarray) else factor.data)[:] = 100
        if size == 3:
            y.backward()
            np.testing.assert_allclose(x.grad, np.full(size, 4.0))
        else:
            with pytest.raises(RuntimeError, match="was changed before backward"):
                y.backward()


def test_closure_changed_in_place():
    w, x = wg.Variable(X.copy()), wg.Variable(X)
    y = np.sum(wg.checkpoint(lambda x: x * w)(x))
    w.data -= 1e-9
    with pytest.raises(RuntimeError, match=r"data of a Variable of shape \(3,\).*was changed"):
        y.backward()
    a = X.copy()
    y = np.sum(wg.checkpoint(lambda x: x * a)(x))
    a += 1
    with pytest.raises(RuntimeError, match="computed something else"):
        y.backward()


def test_closure_that_moves_on():
    w, x = wg.Variable(X), wg.Variable(X)
    y = np.sum(wg.checkpoint(lambda x: x * w)(x))
    w += 1.0
    with pytest.raises(RuntimeError, match="read other Variables"):
        y.backward()


def test_an_optimiser_step_after_backward_is_fine():
    w = wg.Variable(np.ones(3))
    for _ in range(3):
        w.cleargrad()
        np.sum(wg.checkpoint(lambda: w * w)()).backward()
        w.data -= 0.1 * w.grad
    np.testing.assert_allclose(w.data, np.full(3, 0.8**3))


def test_writing_to_an_argument_is_refused():
    def f(x: Any) -> Any:
        x[0] = 1.0
        return x * 2

    with pytest.raises(TypeError, match="writes to one of its arguments"):
        wg.checkpoint(f)(wg.Variable(X))


# ---- memory -------------------------------------------------------------------------------------------------


def _peak(run: Callable[[], Any]) -> int:
    tracemalloc.start()
    run()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_peak_memory_of_a_chain_falls_to_about_its_root():
    size, root = 10_000, 16
    w = wg.Variable(np.full(size, 0.9))

    def stretch(x: Any) -> Any:
        for _ in range(root):
            x = np.sin(x * w)
        return x

    found = []

    def run(piece: Any) -> None:
        x = y = wg.Variable(np.linspace(0, 1, size))
        w.cleargrad()
        for _ in range(root):
            y = piece(y)
        np.sum(y).backward()
        found.append([x.grad, w.grad])

    whole, stored = _peak(lambda: run(stretch)), _peak(lambda: run(wg.checkpoint(stretch)))
    np.testing.assert_allclose(found[0], found[1])
    arrays = 8 * size
    assert whole > root * root * arrays  # at least one array for each of 256 steps
    assert stored < 5 * root * arrays  # one for each of 16 stretches, and 2 or 3 for each of 16 steps of one of them


def test_cost_is_one_run_more():
    runs = []

    @wg.checkpoint
    def f(x: Any) -> Any:
        runs.append(1)
        return np.sin(x)

    wg.grad(lambda x: np.sum(f(x)))(X)
    assert len(runs) == 2


def test_a_long_chain_of_checkpoints():
    c = wg.checkpoint(np.sin)
    x = y = wg.Variable(0.5)
    for _ in range(3000):
        y = c(y)
    y.backward()
    assert np.isfinite(x.grad)


def test_a_constant_that_changed_is_noticed_where_the_result_does_not_tell():
    a = np.array(3.0)
    index = np.array([0, 1])
    x, v = wg.Variable(0.0), wg.Variable(np.zeros(3))
    y = wg.checkpoint(lambda x: x * a)(x)
    w = wg.checkpoint(lambda v: np.sum(v[index]))(v)
    a *= 2
    index += 1
    for result in (y, w):
        with pytest.raises(RuntimeError, match="computed something else when it was run again"):
            result.backward()
