"""numerical_diff and check_grads; and that check_grads catches what is wrong (mutation tests)."""

from __future__ import annotations

import numpy as np
import pytest
from table import ROWS

import wengert as wg
from wengert import Variable
from wengert.declare import OPERATIONS
from wengert.numeric import GradientError
from wengert.operation import Operation


def test_the_known_figures():
    assert wg.numerical_diff(np.square, Variable(np.array(2.0))) == 4.000000000004
    assert wg.numerical_diff(lambda x: np.square(np.exp(np.square(x))), Variable(np.array(0.5))) == 3.2974426293330694


def test_kinds_of_differences():
    x = 0.7
    assert wg.numerical_diff(np.sin, x, method="complex") == np.cos(x)
    assert abs(wg.numerical_diff(np.sin, x, method="forward") - np.cos(x)) < 1e-4
    assert abs(wg.numerical_diff(np.sin, x, eps=1e-3) - np.cos(x)) < 1e-6
    np.testing.assert_allclose(wg.numerical_diff(np.sin, np.array([0.1, 0.2])), np.cos([0.1, 0.2]), rtol=1e-8)
    a = np.array([[1.0, 2.0], [3.0, 4.0]])
    np.testing.assert_allclose(wg.numerical_diff(lambda x: np.sum(x**3), a), 3 * a**2, rtol=1e-7)
    np.testing.assert_array_equal(wg.numerical_diff(lambda x: np.sum(x * x), a, method="complex"), 2 * a)
    assert wg.numerical_diff(np.sin, np.float32(0.5), eps=1e-2).dtype == np.float32


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: wg.numerical_diff(np.sin, 1), TypeError, "int64"),
        (lambda: wg.numerical_diff(np.sin, 1j, method="complex"), TypeError, "complex difference"),
        (lambda: wg.numerical_diff(np.sin, 1.0, method="backward"), ValueError, "'central', 'forward' or 'complex'"),
        (lambda: wg.numerical_diff(lambda x: x[:2], np.ones(3)), ValueError, r"\(3,\) to \(2,\)"),
        (lambda: wg.check_grads(np.sin, 1), TypeError, "no argument is floating-point"),
        (lambda: wg.check_grads(np.sin, 1.0, modes=("sideways",)), ValueError, "modes"),
        (lambda: wg.check_grads(np.sin, 1.0, order=0), ValueError, "order"),
    ],
)
def test_refusals(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_check_grads_takes_arguments_in_three_ways():
    wg.check_grads(np.multiply, np.ones(3), 2.0)
    wg.check_grads(np.multiply, (np.ones(3), 2.0))
    wg.check_grads(np.multiply, order=1, modes=("forward",))(np.ones(3), 2.0)
    wg.check_grads(lambda x, axis, mode: np.sum(x, axis), np.ones((2, 2)), 1, "text")
    wg.check_grads(lambda x: [np.sin(x), x**2], Variable(0.5))


def test_check_grads_is_cheap_on_large_arguments():
    calls = 0

    def f(x):
        nonlocal calls
        calls += 1
        return np.sum(np.sin(x) * x)

    wg.check_grads(f, np.linspace(0, 1, 10_000))
    assert calls <= 40


# ---- mutations: a wrong rule, a wrong shape and a wrong dtype are caught ----


def _times(t, factor):
    return tuple(part * factor for part in t) if isinstance(t, (tuple, list)) else t * factor


ONE_ROW = {r.name: r for r in reversed(ROWS) if all(0 not in s for s in r.shapes) and sum(map(len, r.shapes))}
ZERO_DERIVATIVE = {"sign"}  # nothing flows, however it is scaled


@pytest.mark.parametrize("name", sorted(set(OPERATIONS) - ZERO_DERIVATIVE))
@pytest.mark.parametrize("mode", ["reverse", "forward"])
def test_a_wrong_rule_is_caught(name, mode, monkeypatch):
    node, row = OPERATIONS[name].node, ONE_ROW[name]
    kind = "pulls" if mode == "reverse" else "pushes"

    class Wrong:
        def __init__(self, rules):
            self.rules = rules

        def __getitem__(self, i):
            return lambda *args, **kwargs: _times(self.rules[i](*args, **kwargs), 1.01)

    rules = Wrong(getattr(node, kind))
    with monkeypatch.context() as m:
        m.setattr(node, kind, rules)
        m.setattr(node, "back", Operation.back_generic)
        with pytest.raises(GradientError, match=f"{mode} mode, order 1"):
            wg.check_grads(
                row.function, *row.arguments("complex128" if "complex128" in row.dtypes else "float64"), order=1
            )
    wg.check_grads(row.function, *row.arguments(row.dtypes[-1]), order=1)


def test_a_wrong_rule_of_a_users_function_is_caught():
    class Wrong(wg.Function):
        def forward(self, x):
            return x**3

        def backward(self, gy):
            return gy * 3 * self.input

    with pytest.raises(AssertionError, match="reverse mode, order 1"):
        wg.check_grads(Wrong(), np.array([0.5, 2.0]))

    class WrongAtSecondOrder(Wrong):
        def backward(self, gy):
            x = self.input
            return gy * 3 * x * self.frozen

        def forward(self, x):
            type(self).frozen = x.copy()  # kept where the engine cannot see it
            return x**3

    wg.check_grads(WrongAtSecondOrder(), np.array([0.5, 2.0]), order=1)
    with pytest.raises(AssertionError, match="of"):
        wg.check_grads(WrongAtSecondOrder(), np.array([0.5, 2.0]), order=2)


def test_a_wrong_shape_is_caught(monkeypatch):
    x = Variable(np.ones((2, 3)))
    monkeypatch.setattr(wg.sin.node, "pulls", (lambda g, _z, x: g[0],))
    monkeypatch.setattr(wg.sin.node, "back", Operation.back_generic)
    y = np.sin(x)
    with pytest.raises(RuntimeError, match=r"internal error.*shape \(3,\), from one of the rules of Sin"):
        y.backward()
    with pytest.raises(RuntimeError, match="internal error"):
        wg.check_grads(np.sin, np.ones((2, 3)), order=1)


def test_a_wrong_dtype_is_put_right(monkeypatch):
    monkeypatch.setattr(wg.sin.node, "pulls", (lambda g, _z, x: g * np.cos(x).astype(np.longdouble),))
    monkeypatch.setattr(wg.sin.node, "back", Operation.back_generic)
    x = Variable(np.ones(3, np.float32))
    np.sin(x).backward()
    assert x.grad.dtype == np.float32
    assert wg.grad(lambda x: np.sum(np.sin(x)))(np.ones(3, np.float32)).dtype == np.float32


def test_no_operation_is_checked_by_zeros_alone():
    """Rows whose result ignored every argument would pass whatever the rule does."""
    moving = set()
    for row in ROWS:
        if row.name not in moving:
            xs = row.arguments("float64" if "float64" in row.dtypes else row.dtypes[0])
            y, pullback = wg.vjp(row.function, *xs)
            ones = [np.ones_like(v) for v in y] if isinstance(y, (tuple, list)) else np.ones_like(y)
            if any(np.any(g) for g in pullback(ones)):
                moving.add(row.name)
    assert set(OPERATIONS) - ZERO_DERIVATIVE - moving == set()
