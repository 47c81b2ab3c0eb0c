"""What derivatives cost, in NumPy calls and in the work that these do; no clock is asked."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

import wengert as wg
from wengert import forward, reverse
from wengert.declare import OPERATIONS, elementwise


class Counted(np.ndarray):
    """An array whose ufuncs are counted, and those of all that is computed from it."""

    calls: Counter[str] = Counter()  # noqa: RUF012
    work = 0  # multiplications and additions, about

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **kwargs):
        if any(hasattr(x, "__array_ufunc__") and not isinstance(x, (np.ndarray, np.generic)) for x in inputs):
            return NotImplemented
        plain = [x.view(np.ndarray) if isinstance(x, Counted) else x for x in inputs]
        if out is not None:
            kwargs["out"] = tuple(x.view(np.ndarray) if isinstance(x, Counted) else x for x in out)
        z = np.asarray(getattr(ufunc, method)(*plain, **kwargs))
        Counted.calls[ufunc.__name__] += 1
        inner = plain[0].shape[-1] if ufunc is np.matmul else 1
        Counted.work += max(z.size, *map(np.size, plain)) if ufunc is not np.matmul else 2 * inner * z.size
        return out[0] if out is not None else z.view(Counted)


def counted(f, *args):
    """The calls of each ufunc, and the work, of f(*args)."""
    Counted.calls, Counted.work = Counter(), 0
    f(*args)
    return Counted.calls, Counted.work


class Walks:
    """How many walks there were, and runs of f."""

    def __init__(self, monkeypatch, f):
        self.f, self.runs, self.back, self.forth = f, 0, 0, 0
        pull, push = reverse.pull, forward.push

        def counting_pull(*args):
            self.back += len(args) == 4  # without the repetition for NaNs
            return pull(*args)

        def counting_push(*args):
            self.forth += len(args) == 4
            return push(*args)

        monkeypatch.setattr(reverse, "pull", counting_pull)
        monkeypatch.setattr(forward, "push", counting_push)

    def __call__(self, *args):
        self.runs += 1
        return self.f(*args)

    @property
    def counts(self):
        return self.runs, self.back, self.forth


RNG = np.random.default_rng(0)
WEIGHTS = [RNG.standard_normal((60, 60)) / 8 for _ in range(3)]


def network(x):
    for w in WEIGHTS:
        x = np.tanh(w.view(Counted) @ x)
    return np.sum(x**2)


def rosenbrock(x):
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def waves(x):
    return np.sum(np.sin(x) * np.exp(x) + np.log1p(x**4))


EXPENSIVE = "matmul", "tanh", "sin", "cos", "exp", "log1p", "power"


@pytest.mark.parametrize("f", [network, rosenbrock, waves])
def test_hvp_costs_at_most_five_evaluations(f):
    x, v = RNG.standard_normal((2, 60)).view(Counted)
    once, work = counted(f, x)
    calls, work_of_product = counted(wg.hvp, f, x, v)
    assert sum(calls[name] for name in EXPENSIVE) <= 5 * sum(once[name] for name in EXPENSIVE)
    if f is not waves:  # whose few calls are all cheap next to their derivatives'
        assert work_of_product <= 5 * work


def test_a_gradient_costs_at_most_four_evaluations():
    x = RNG.standard_normal(60).view(Counted)
    calls, work = counted(network, x)
    calls_of_gradient, work_of_gradient = counted(wg.grad(network), x)
    assert calls_of_gradient["matmul"] == 2 * calls["matmul"]
    assert calls_of_gradient["tanh"] == calls["tanh"]
    assert work_of_gradient <= 4 * work


def test_hvp_is_one_run_one_walk_back_and_one_forward(monkeypatch):
    f = Walks(monkeypatch, rosenbrock)
    wg.hvp(f, np.ones(50), np.ones(50))
    assert f.counts == (1, 1, 1)


def test_a_jacobian_is_one_batched_walk(monkeypatch):
    f = Walks(monkeypatch, lambda x: np.tanh(MATRIX @ x))
    x = RNG.standard_normal(100)
    J = wg.jacobian(f)(x)
    assert f.counts == (1, 1, 0)
    np.testing.assert_allclose(J, (1 - np.tanh(MATRIX @ x) ** 2)[:, None] * MATRIX)
    f.runs = f.back = 0
    wg.jacobian(f, mode="forward")(x)
    assert f.counts == (1, 0, 1)


MATRIX = RNG.standard_normal((100, 100)) / 10


def test_a_jacobian_takes_as_many_numpy_calls_as_a_pullback():
    f = lambda x: np.tanh(MATRIX.view(Counted) @ x)  # noqa: E731
    x = RNG.standard_normal(100).view(Counted)
    one = counted(lambda: wg.vjp(f, x)[1](np.ones(100)))[0]
    all_rows = counted(wg.jacrev(f), x)[0]
    assert all_rows.total() <= one.total() + 3
    one = counted(lambda: wg.jvp(f, (x,), (np.ones(100),)))[0]
    assert counted(wg.jacfwd(f), x)[0].total() <= one.total() + 3


def test_a_rule_runs_once_for_all_rows():
    runs = []

    def rule(g, _z, x):
        runs.append(g.shape)
        return g * 2 * x

    counting = elementwise(None, rule, name="counting_square", call=lambda x: x * x)
    try:
        x = RNG.standard_normal(100)
        np.testing.assert_allclose(wg.jacobian(lambda x: MATRIX @ counting(x))(x), MATRIX * (2 * x))
        assert len(runs) == 1
        runs.clear()
        wg.jacfwd(lambda x: MATRIX @ counting(x))(x)
        assert len(runs) == 1
    finally:
        del OPERATIONS["counting_square"]


def test_a_hessian_is_one_forward_over_reverse_batch(monkeypatch):
    f = Walks(monkeypatch, rosenbrock)
    x = RNG.standard_normal(50)
    H = wg.hessian(f)(x)
    assert f.counts == (1, 1, 1)
    columns = [wg.hvp(rosenbrock, x, e) for e in np.eye(50)]
    np.testing.assert_allclose(H, np.stack(columns, axis=1), atol=1e-12)


def test_a_hessian_takes_as_many_numpy_calls_as_a_product():
    x, v = RNG.standard_normal((2, 50)).view(Counted)
    product = counted(wg.hvp, rosenbrock, x, v)[0].total()
    assert counted(wg.hessian(rosenbrock), x)[0].total() <= product + 5


@pytest.mark.parametrize(
    ("transform", "counts"),
    [(wg.laplacian, (1, 1, 1)), (lambda f: wg.divergence(wg.grad(f)), (1, 1, 1))],
)
def test_traces_are_one_batch(monkeypatch, transform, counts):
    f = Walks(monkeypatch, rosenbrock)
    transform(f)(np.ones(50))
    assert f.counts == counts


def test_linearize_runs_the_function_once(monkeypatch):
    f = Walks(monkeypatch, rosenbrock)
    _, f_jvp = wg.linearize(f, np.ones(3))
    for t in np.eye(3):
        f_jvp(t)
    assert f.counts == (1, 0, 3)


def test_ggnvp_runs_model_and_loss_once(monkeypatch):
    model, loss = Walks(monkeypatch, lambda x: np.tanh(MATRIX @ x)), Walks(monkeypatch, rosenbrock)
    wg.ggnvp(model, loss, np.ones(100), np.ones(100))
    assert (model.runs, loss.runs) == (1, 1)
    assert loss.counts[1:] == (2, 2)  # the loss: one each for its hvp; the model: one each


def test_large_bases_go_in_several_batches(monkeypatch):
    f = Walks(monkeypatch, lambda x: np.tanh(MATRIX @ x))
    x = RNG.standard_normal(100)
    whole = wg.jacobian(f)(x)
    monkeypatch.setattr("wengert.jacobians.LIMIT", 30 * 2 * 800)
    f.back = 0
    np.testing.assert_array_equal(wg.jacobian(f)(x), whole)
    assert f.back == 4
    np.testing.assert_allclose(wg.jacfwd(f)(x), whole)
    assert f.forth == 4
