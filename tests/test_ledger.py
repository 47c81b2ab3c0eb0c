"""The rows of docs/ledger.md, one test each, of the row's name."""

from __future__ import annotations

import math
import re
import threading
from pathlib import Path

import numpy as np
import pytest

import wengert as wg
from wengert import Variable

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


def derivatives(f, x):
    """df/dx by reverse mode, by forward mode and by backward: they have to agree."""
    (reverse,) = wg.vjp(f, x)[1](1.0)
    forward = wg.jvp(f, (x,), (1.0,))[1]
    v = Variable(x)
    f(v).backward(create_graph=True)
    assert reverse == forward == v.grad.data or (np.isnan(reverse) and np.isnan(forward))
    return reverse


def test_every_row_is_a_test_and_every_test_a_row():
    page = (Path(__file__).parents[1] / "docs" / "ledger.md").read_text()
    rows = re.findall(r"\| `(\w+)` \|$", page, re.MULTILINE)
    tests = [name.removeprefix("test_") for name in globals() if name.startswith("test_")]
    assert rows == tests[1:]


# ---- conventions ----


def test_abs_at_0():
    assert derivatives(np.abs, 0.0) == 0.0
    assert derivatives(np.fabs, 0.0) == 0.0
    assert wg.grad(wg.grad(lambda x: np.abs(x) ** 3))(0.0) == 0.0


def test_relu_at_0():
    assert derivatives(wg.relu, 0.0) == 0.0


@pytest.mark.parametrize("f", [np.maximum, np.minimum, np.fmax, np.fmin])
def test_ties_of_two(f):
    assert derivatives(lambda x: f(x, 2.0), 2.0) == 0.5
    assert derivatives(lambda x: f(2.0, x), 2.0) == 0.5
    assert derivatives(lambda x: f(x, x), 2.0) == 1.0


@pytest.mark.parametrize("f", [np.max, np.min, np.amax, np.amin, np.nanmax, np.nanmin])
def test_ties_of_many(f):
    x = np.array([1.0, 1.0, 1.0])
    np.testing.assert_allclose(wg.grad(f)(x), [1 / 3] * 3)
    np.testing.assert_allclose(wg.jvp(f, (x,), (np.array([3.0, 0.0, 0.0]),))[1], 1.0)


def test_clip_bounds():
    f = lambda x: np.clip(x, 1.0, 2.0)  # noqa: E731
    assert [derivatives(f, x) for x in (0.9, 1.0, 1.5, 2.0, 2.1)] == [0.0, 1.0, 1.0, 1.0, 0.0]


def test_lengths_at_0():
    assert derivatives(lambda x: np.hypot(x, 2 * x), 0.0) == 0.0
    assert derivatives(lambda x: np.std(x * np.ones(3)), 1.0) == 0.0
    assert derivatives(lambda x: np.linalg.norm(x * np.ones(3)), 0.0) == 0.0
    assert wg.grad(np.abs)(0j) == 0j
    assert wg.grad(lambda x: np.linalg.norm(x) ** 2)(np.zeros(3)).tolist() == [0.0] * 3


def test_sqrt_at_0():
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        assert wg.grad(np.sqrt)(0.0) == np.inf


def test_powers_at_0():
    assert derivatives(lambda x: x**0, 0.0) == 0.0
    assert derivatives(lambda x: x**0.0, 0.0) == 0.0
    assert derivatives(lambda x: np.power(x, np.array(0.0)), 0.0) == 0.0
    assert derivatives(lambda x: x**1, 0.0) == 1.0
    assert derivatives(lambda x: np.power(x, 1.0), 0.0) == 1.0
    assert derivatives(lambda y: 0.0**y, 2.0) == 0.0
    assert derivatives(lambda y: np.power(0.0, y), 0.5) == 0.0


def test_sinc_at_0():
    assert derivatives(np.sinc, 0.0) == 0.0
    np.testing.assert_allclose(wg.grad(wg.grad(np.sinc))(0.0), -(np.pi**2) / 3)


def test_prod_with_zeros():
    assert wg.grad(np.prod)(np.array([0.0, 2.0, 3.0])).tolist() == [6.0, 0.0, 0.0]
    assert wg.grad(np.prod)(np.array([0.0, 0.0, 3.0])).tolist() == [0.0, 0.0, 0.0]
    wg.check_grads(np.prod, np.array([0.0, 0.0, 3.0]))


def test_complex_gradients():
    assert wg.grad(lambda z: np.abs(z) ** 2)(1 + 2j) == 2 + 4j
    z = Variable(1 + 2j)
    for _ in range(50):
        z.cleargrad()
        (np.abs(z - 3j) ** 2).backward()
        z.data -= 0.1 * z.grad
    np.testing.assert_allclose(z.data, 3j, atol=1e-4)
    z = Variable(1 + 2j)
    np.real(z * 1j).backward(create_graph=True)
    assert z.grad.data == -1j


def test_zero_cotangents():
    f = lambda x: np.where(x > 0, np.sqrt(x), 0.0)  # noqa: E731
    for x in (0.0, -1.0):
        assert derivatives(f, x) == 0.0
        assert wg.grad(wg.grad(f))(x) == 0.0
        assert wg.jvp(wg.grad(f), (x,), (1.0,))[1] == 0.0
        assert wg.grad(lambda x: wg.jvp(f, (x,), (1.0,))[1])(x) == 0.0
    x = Variable(np.zeros(3))
    (np.linalg.norm(x) ** 2).backward()
    assert x.grad.tolist() == [0.0] * 3
    assert wg.jvp(np.sqrt, (0.0,), (0.0,))[1] == 0.0
    assert wg.jvp(lambda x: np.log(x) * 1.0, (0.0,), (0.0,))[1] == 0.0


def test_real_nan():
    assert np.isnan(wg.grad(lambda x: x * np.nan)(1.0))
    assert np.isnan(wg.grad(lambda x: np.sum(x**2))(np.array([np.nan, 1.0]))[0])
    assert np.isnan(wg.grad(np.log)(np.nan))


def test_repeated_index():
    x = Variable(np.zeros(3))
    np.sum(x[[0, 0, 0, 2]] * np.arange(1.0, 5.0)).backward()
    assert x.grad.tolist() == [6.0, 0.0, 4.0]


def test_degenerate_eigenvectors():
    def through_eigenvectors(a):
        w, v = np.linalg.eigh(a)
        return np.trace(v @ (np.exp(w)[:, None] * v.T))

    g = wg.grad(through_eigenvectors)(2 * np.eye(3))
    np.testing.assert_allclose((g + g.T) / 2, np.exp(2.0) * np.eye(3), rtol=1e-10)
    np.testing.assert_allclose(wg.grad(lambda a: np.sum(np.linalg.eigvalsh(a) ** 2))(2 * np.eye(3)), 4 * np.eye(3))

    def entry(a):
        w, v = np.linalg.eigh(a)
        return ((v * np.exp(w)) @ v.T)[0, 1]

    def projection(a):
        v = np.linalg.eigh(a)[1][:, :2]
        return (v @ v.T)[0, 2]

    wg.check_grads(entry, np.diag([1.0, 1.0, 3.0]), order=1, modes=["reverse"])
    wg.check_grads(projection, np.diag([1.0, 1.0, 3.0]), order=1, modes=["reverse"])
    assert wg.grad(lambda a: (lambda w, v: (v * w) @ v.T)(*np.linalg.eigh(a))[0, 1])(np.zeros((2, 2)))[1, 0] == 1.0
    with pytest.raises(np.linalg.LinAlgError):
        wg.grad(lambda a: np.linalg.eigh(a)[1][0, 0])(2 * np.eye(3))


# ---- invariants of the engine ----


def test_shape_and_dtype(monkeypatch):
    for dtype in (np.float16, np.float32, np.float64, np.longdouble):
        x = Variable(np.ones((2, 3), dtype))
        np.sum(np.sin(x) * 2.0 + x * np.ones(3)).backward()
        assert (x.grad.shape, x.grad.dtype) == ((2, 3), dtype)
    monkeypatch.setattr(wg.sin.node, "back", lambda self, g, cotangents: cotangents.__setitem__(self.p, g[0]))
    x = Variable(np.ones((2, 3)))
    y = np.sin(x)
    with pytest.raises(RuntimeError, match=r"internal error.*Sin"):
        y.backward()


def test_inputs_without_a_rule():
    x = Variable(np.ones(3))
    with pytest.raises((NotImplementedError, TypeError), match="where="):
        np.sin(x, where=np.array([True, False, True]))
    with pytest.raises((NotImplementedError, TypeError), match="out="):
        np.add(x, x, out=np.ones(3))


def test_integers():
    with pytest.raises(TypeError, match=r"argument 0 is int64.*1\.0 for 1, or \.astype\(float\)"):
        wg.grad(np.sin)(1)
    with pytest.raises(TypeError, match="argument 1 is bool"):
        wg.grad(np.multiply, 1)(1.0, True)
    with pytest.raises(RuntimeError, match=r"integers and booleans have no derivative; use \.astype\(float\)"):
        Variable([1, 2]).backward()


def test_unused_argument():
    with pytest.raises(ValueError, match="does not depend on argument 1"):
        wg.grad(lambda x, y: x, 1)(1.0, 2.0)
    with pytest.raises(ValueError, match=r"does not depend on argument 0.*\.data"):
        wg.grad(lambda x: x.data**2)(1.0)
    assert wg.grad(lambda x, y: x, (0, 1), allow_unused=True)(1.0, 2.0) == (1.0, None)
    assert wg.grad(lambda x: x * 0.0)(1.0) == 0.0


def test_not_a_scalar():
    with pytest.raises(TypeError, match=r"real scalar, got float64 of shape \(3,\); sum it"):
        wg.grad(np.sin)(np.ones(3))


def test_not_elementwise():
    with pytest.raises(ValueError, match="not elementwise"):
        wg.elementwise_grad(lambda x: x * np.sum(x))(np.ones(3))


# ---- leaving the graph ----


def test_asarray():
    v = Variable(1.0)
    for leave in (np.asarray, np.array, lambda v: np.array([v, v]), lambda v: np.asarray([[v], [1.0]])):
        with pytest.raises(TypeError, match=r"wg\.array.*\.data or \.detach\(\)"):
            leave(v)
    y = wg.array([v, 2 * v])
    np.sum(y * y).backward()
    assert v.grad == 10.0
    with wg.no_grad():
        assert np.asarray(v * 1.0) == 1.0


@pytest.mark.parametrize("leave", [float, int, complex, math.sin, math.sqrt])
def test_to_a_number(leave):
    with pytest.raises(TypeError, match=r"\.item\(\) or \.data.*np\.sin, not math\.sin"):
        leave(Variable(1.0))


def test_ways_out():
    v = Variable(1.5)
    assert bool(v > 1)
    assert v.item() == v.data == v.detach().item() == 1.5
    assert f"{v:.2f} {v} {v!r}" == "1.50 1.5 Variable(1.5)"


def test_unknown_function():
    v = Variable(np.ones((2, 2)))
    for f, name in ((np.linalg.matrix_rank, None), (np.save, "save"), (np.busday_count, "busday_count")):
        if name is not None:
            with pytest.raises(TypeError, match=name):
                f(v, v)
    with pytest.raises(TypeError, match="lose its graph"):
        np.ma.sin(v)


# ---- memory that moves under the graph ----


@pytest.mark.parametrize("size", [3, 100_000])
def test_saved_arrays(size):
    for change in (
        lambda a, x: a.__imul__(100.0),
        lambda a, x: x.data.__iadd__(1.0),
        lambda a, x: a[1:2].__imul__(100.0),
        lambda a, x: a.base.__setitem__(1, 0.0),
    ):
        a = np.linspace(1.0, 2.0, size + 1)[1:]
        x = Variable(a)
        expected = 2 * a.copy()
        y = np.sum(x * x)
        change(a, x)
        try:
            y.backward()
        except RuntimeError as error:
            assert "Multiply" in str(error)  # noqa: PT017
        else:
            np.testing.assert_array_equal(x.grad, expected)


def test_assignment():
    x, v = Variable([1.0, 2.0]), Variable(5.0)
    y = x * 2.0
    old = np.sum(y * y)
    y[0] = v
    y += v
    new = np.sum(y * y)
    old.backward()
    assert x.grad.tolist() == [8.0, 16.0]
    x.cleargrad()
    new.backward()
    assert x.grad.tolist() == [0.0, 36.0]
    assert v.grad == 2 * 10.0 * 2 + 2 * 9.0


def test_views():
    x, w = Variable(np.arange(4.0)), Variable(10.0)
    y = x * 1.0
    v = y[1:3]
    v[0] = w
    assert y.tolist() == [0.0, 10.0, 2.0, 3.0]
    y[2] = w * 2.0
    assert v.tolist() == [10.0, 20.0]
    (np.sum(v * v) + np.sum(y)).backward()
    assert w.grad == 20.0 + 80.0 + 3.0
    assert x.grad.tolist() == [1.0, 0.0, 0.0, 1.0]


def test_optimiser_step():
    p = Variable(np.array([1.0, 2.0]))
    for _ in range(3):
        p.cleargrad()
        np.sum(p**2).backward()
        p.data -= 0.1 * p.grad
    np.testing.assert_allclose(p.data, np.array([1.0, 2.0]) * 0.8**3)


def test_backward_twice():
    x = Variable(3.0)
    y = x * x
    y.backward()
    y.backward()
    assert x.grad == 12.0
    y.backward(retain_graph=False)
    with pytest.raises(RuntimeError, match="freed"):
        y.backward()


# ---- functions that users write ----


class Cube(wg.Function):
    def forward(self, x):
        return x**3

    def backward(self, gy):
        return 3 * self.input.data**2 * gy


def test_second_derivative_of_arrays():
    assert wg.grad(Cube())(2.0) == 12.0
    with pytest.raises(TypeError, match=r"Cube\.backward works on arrays \(reads \.data\).*Write it with NumPy calls"):
        wg.grad(wg.grad(Cube()))(2.0)


def test_one_instance_many_calls():
    f, x, y = Cube(), Variable(1.0), Variable(2.0)
    a, b, c = f(x), f(y), f(f(x))
    (a + b + c).backward()
    assert x.grad == 3.0 + 9.0
    assert y.grad == 12.0


def test_wrong_gradients():
    class TooMany(Cube):
        def backward(self, gy):
            return gy, gy

    class WrongShape(Cube):
        def backward(self, gy):
            return gy[0]

    with pytest.raises(ValueError, match=r"TooMany\.backward returned 2 gradients for 1 inputs"):
        TooMany()(Variable(np.ones(2))).backward()
    with pytest.raises(ValueError, match=r"WrongShape\.backward: gradient 0 has shape \(\), but input 0 has \(2,\)"):
        WrongShape()(Variable(np.ones(2))).backward()


def test_check_ones_own_rule():
    class Wrong(Cube):
        def backward(self, gy):
            return 2 * self.input**2 * gy

    wg.check_grads(Cube(), order=1, modes=("reverse", "forward"))(np.array([1.0, 2.0]))
    with pytest.raises(AssertionError):
        wg.check_grads(Wrong(), order=2, modes=("reverse", "forward"))(np.array([1.0, 2.0]))


# ---- elsewhere ----


def test_index_out_of_bounds():
    with pytest.raises(IndexError):
        Variable(np.ones(3))[3]


def test_threads():
    results = []

    def work(tracked):
        for _ in range(200):
            if tracked:
                x = Variable(2.0)
                (x * x).backward()
                results.append(x.grad == 4.0)
            else:
                with wg.no_grad():
                    results.append((Variable(2.0) * 2.0).creator is None)

    threads = [threading.Thread(target=work, args=(t,)) for t in (True, False, True)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert all(results)
    assert len(results) == 600


def test_a_million_nodes():
    x = Variable(1.0)
    y = x
    for _ in range(1_000_000):
        y = y + 1e-6
    y.backward()
    assert x.grad == 1.0
    del y
