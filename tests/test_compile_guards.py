"""Compiled functions notice what they depend on: each kind of guard, side effects, exceptions, threads."""

from __future__ import annotations

import os
import threading
import types
import warnings
from typing import Any

import numpy as np
import pytest
from compilekit import agree, both_ways  # noqa: F401

import wengert as wg
from wengert.compile import CompileWarning

X = np.linspace(0.0, 1.0, 5)
SCALE: Any = 3.0
LOG: list[int] = []


@pytest.fixture(autouse=True)
def _compare(engine: str) -> None:
    agrees.engine = engine  # type: ignore[attr-defined]


def agrees(compiled: Any, *args: Any, **kwargs: Any) -> None:
    """The compiled function's result is that of the function."""
    expected, actual = compiled.function(*args, **kwargs), compiled(*args, **kwargs)
    agree(actual, expected, agrees.engine)  # type: ignore[attr-defined]


# ---- arguments ------------------------------------------------------------------------------------------------


def test_shape_dtype_and_layout():
    f = wg.compile(lambda x: np.tanh(x).sum(axis=0))
    square = np.arange(6.0).reshape(3, 2)
    for x in (X, X[:3], X.astype("f4"), square, np.asfortranarray(square), X[::2], np.arange(5), X[:0], X > 0.5):
        agrees(f, x)
        agrees(f, x)
    assert f.recordings == 9


def test_floats_become_inputs_and_integers_are_guarded():
    f = wg.compile(lambda x, k: x * k + k)
    for k in range(20):
        agrees(f, X, k / 3)
    assert f.recordings == 2
    g = wg.compile(lambda x, n: np.stack([x] * n))
    for n in (1, 2, 3, 1, 2, 3):
        agrees(g, X, n)


def test_flags_strings_and_none():
    def f(x, kind="sum", scale=None, *, negate=False):
        y = getattr(np, kind)(x)
        return (y if scale is None else y * scale) * (-1 if negate else 1)

    c = wg.compile(f)
    for _ in range(2):
        agrees(c, X)
        agrees(c, X, "mean")
        agrees(c, X, "mean", 2.0)
        agrees(c, X, scale=X)
        agrees(c, X, negate=True)


def test_containers_in_and_out():
    c = wg.compile(lambda p, xs: {"y": [p["w"] * x + p["b"] for x in xs], "n": len(xs), "p": p})
    for k in (1.0, 2.0):
        p = {"w": X * k, "b": np.float64(k)}
        for xs in ((X,), (X, X + k)):
            got = c(p, xs)
            assert got["n"] == len(xs)
            assert got["p"] is p
            for x, y in zip(xs, got["y"], strict=True):
                np.testing.assert_array_equal(y, X * k * x + k)
    assert c.recordings == 2


def test_the_same_array_twice():
    c = wg.compile(lambda x, y: x * y - y)
    agrees(c, X, X)
    agrees(c, X, X + 1)
    agrees(c, X, X)


# ---- the world -------------------------------------------------------------------------------------------------


def test_closure():
    k, a = 2.0, np.ones(5)

    def f(x):
        return np.sum(x * k + a)

    c = wg.compile(f)
    agrees(c, X)
    for new in (3.0, 4.0, 5.5, 6.5):
        k = new
        agrees(c, X)
    a += 1  # in place
    agrees(c, X)
    a = np.full(5, 9.0)
    agrees(c, X)
    a = np.ones((5, 1))  # another shape
    agrees(c, X)
    agrees(c, X)
    assert c.recordings == 3


def test_global(monkeypatch: pytest.MonkeyPatch):
    c = wg.compile(lambda x: x * SCALE)
    agrees(c, X)
    for value in (4.0, np.arange(5.0), np.float32(2), 7):
        monkeypatch.setitem(globals(), "SCALE", value)
        agrees(c, X)
        agrees(c, X)


def helper(x):
    return x + SCALE


def test_global_that_a_called_function_reads(monkeypatch: pytest.MonkeyPatch):
    c = wg.compile(lambda x: helper(x) * 2)
    agrees(c, X)
    monkeypatch.setitem(globals(), "SCALE", 5.0)
    agrees(c, X)
    monkeypatch.setitem(globals(), "helper", lambda x: x - SCALE)
    agrees(c, X)


class Model:
    gain = 1.0

    def __init__(self):
        self.w, self.calls, self.doubled = np.ones(5), 0, False

    def __call__(self, x):
        self.calls += 1
        self.last = x * self.w
        return self.last * self.gain * (2 if self.doubled else 1)


def test_attributes_read_and_set():
    model = Model()
    c = wg.compile(model)

    def check():
        before = model.calls
        y = c(X)
        assert model.calls == before + 1
        np.testing.assert_array_equal(model.last, X * model.w)
        np.testing.assert_array_equal(y, X * model.w * model.gain * (2 if model.doubled else 1))

    for _ in range(4):
        check()
    model.w = np.full(5, 2.0)  # replaced
    check()
    model.w[0] = 7.0  # changed in place
    check()
    model.doubled = True
    check()
    model.gain = 3.0  # hides the class's
    check()
    model.w = np.ones((1, 5))  # of another shape
    check()
    check()
    assert c._why is None


def test_class_attribute_and_method(monkeypatch: pytest.MonkeyPatch):
    model = Model()
    c = wg.compile(model)
    for _ in range(3):
        c(X)
    monkeypatch.setattr(Model, "gain", 4.0)
    np.testing.assert_array_equal(c(X), X * 4)
    monkeypatch.setattr(Model, "__call__", lambda self, x: x - 1)
    np.testing.assert_array_equal(c(X), X - 1)


def test_methods_can_be_compiled():
    class Line:
        def __init__(self, k):
            self.k = k

        @wg.compile
        def at(self, x):
            return self.k * x

    for k in (1.0, 2.0, 3.0):
        np.testing.assert_array_equal(Line(k).at(X), k * X)


# ---- values ----------------------------------------------------------------------------------------------------


def test_branches():
    def f(x):
        if np.sum(x) > 2:
            return x * 2
        return x - 1 if x.any() else x + 5

    c = wg.compile(f)
    for k in (1.0, -1.0, 0.0, 1.0, -1.0, 0.0):
        agrees(c, X * k)
    assert c.recordings == 3


def test_a_loop_as_long_as_a_value_says():
    def f(x):
        n = 0
        while np.max(x) > 1:
            x, n = x / 2, n + 1
        return x * n

    c = wg.compile(f)
    for k in (1, 2, 4, 8, 4, 2, 1):
        agrees(c, X * k)


def test_a_value_that_python_asks_for_each_time_ends_it_with_one_warning():
    c = wg.compile(lambda x: x * round(float(x[1]), 9))
    with pytest.warns(CompileWarning, match=r"a value that Python asks for .*test_compile_guards\.py"):  # noqa: PT031
        for k in range(20):
            agrees(c, X * k)
    agrees(c, X)


def test_shapes_that_depend_on_values():
    c = wg.compile(lambda x: x[x > 0.4] * 2)
    for x in (X, X + 1, X, X - 1, X + 1):
        agrees(c, x)


# ---- effects ----------------------------------------------------------------------------------------------------


def test_in_place_changes_and_views():
    def f(x, y):
        x += y
        y[1:3] = x[:2]
        z = x[1:]
        x *= 2
        return z, x, z + 1

    c = wg.compile(f)
    for k in range(3):
        x, y = np.arange(5.0), np.ones(5) + k
        x2, y2 = x.copy(), y.copy()
        z, same, w = c(x, y)
        expected = f(x2, y2)
        np.testing.assert_array_equal(x, x2)
        np.testing.assert_array_equal(y, y2)
        assert same is x
        np.testing.assert_array_equal(w, expected[2])
        z[0] = 77
        assert x[1] == 77
    assert c.recordings == 1


def test_arrays_that_share_memory():
    def f(x, y):
        x[...] = y + 1
        y *= 2

    c = wg.compile(f)
    for i, j in ((0, 5), (0, 2), (1, 0), (0, 5)):
        a = np.arange(10.0)
        b = a.copy()
        c(a[i : i + 5], a[j : j + 5])
        f(b[i : i + 5], b[j : j + 5])
        np.testing.assert_array_equal(a, b)


def test_read_only_arrays_stay_so():
    def f(x):
        x += 1

    c, x = wg.compile(f), np.ones(3)
    c(x)
    c(x)
    x.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        c(x)
    np.testing.assert_array_equal(x, [3, 3, 3])


def test_dicts_and_lists_that_are_changed():
    def f(d):
        d["w"] = d["w"] - 0.5 * d["g"]
        d["n"] += 1
        return d

    c = wg.compile(f)
    d = {"w": np.ones(3), "g": np.ones(3), "n": 0}
    for i in range(5):
        assert c(d) is d
        np.testing.assert_array_equal(d["w"], np.ones(3) - 0.5 * (i + 1))
    assert d["n"] == 5
    assert c.recordings == 2


def logs(x):
    y = x * 2
    LOG.append(1)
    return y


def prints(x):
    y = x * 2
    print("said")
    return y


@pytest.mark.parametrize(("f", "what"), [(logs, "append"), (prints, "print")])
def test_effects_that_cannot_be_replayed(f: Any, what: str, capsys: pytest.CaptureFixture[str]):
    LOG.clear()
    c = wg.compile(f)
    line = f.__code__.co_firstlineno + 2
    with pytest.warns(CompileWarning, match=rf"{what}\(\) .*test_compile_guards\.py:{line}\)"):
        agrees(c, X)
    for _ in range(3):  # one warning is enough
        agrees(c, X)
    assert len(LOG) + capsys.readouterr().out.count("said") == 8


def test_a_list_that_grows_without_a_call():
    kept: list[Any] = []

    def f(x):
        nonlocal kept
        kept = [*kept, x.sum()]
        return x * 2

    c = wg.compile(f)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CompileWarning)
        for _ in range(30):
            c(X)
    assert kept == [X.sum()] * 30


def test_generators_are_drawn_from_again():
    rng, other = np.random.default_rng(0), np.random.default_rng(0)

    def f(x):
        rng.random(3)
        return x * rng.normal(size=5) + rng.integers(0, 9, 5)

    c = wg.compile(f)
    got = [c(X) for _ in range(4)]
    for y in got:
        other.random(3)
        np.testing.assert_array_equal(y, X * other.normal(size=5) + other.integers(0, 9, 5))
    assert rng.bit_generator.state == other.bit_generator.state
    assert c.recordings == 1


def test_a_void_replay_leaves_a_generator_alone():
    rng, other = np.random.default_rng(0), np.random.default_rng(0)

    def f(x, rng):
        y = x * rng.normal(size=5)
        return y if y[0] > 0 else y - 1

    c = wg.compile(lambda x: f(x, rng))
    for _ in range(6):
        np.testing.assert_array_equal(c(X + 1), f(X + 1, other))


@pytest.mark.parametrize(
    "draw",
    [lambda: np.random.rand(5), lambda: np.random.default_rng().normal(size=5)],  # noqa: NPY002
)
def test_other_random_numbers_are_not_compiled(draw: Any):
    c = wg.compile(lambda x: x + draw())
    with pytest.warns(CompileWarning, match="random"):
        a = c(X)
    assert not np.array_equal(a, c(X))


# ---- modes -------------------------------------------------------------------------------------------------------


def test_no_grad_is_another_recording():
    v = wg.Variable(X)

    def f(x):
        y = np.sum(v * x)
        return y.creator is None

    c = wg.compile(f)
    for _ in range(2):
        assert c(X) is False
        with wg.no_grad():
            assert c(X) is True


def test_recorders_see_plain_calls():
    v = wg.Variable(X)
    c = wg.compile(lambda x: np.sum(v * x).data)
    c(X)
    with wg.Tape():
        agrees(c, X)
    with wg.debug():
        agrees(c, X)
    assert c.recordings == 1


def test_switched_off(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("WENGERT_COMPILE", "0")
    c = wg.compile(lambda x: x * 2)
    agrees(c, X)
    assert c.recordings == 0
    assert "switched off" in c.explain()


def test_errors_that_numpy_raises():
    c = wg.compile(lambda x: 1 / x)
    agrees(c, X + 1)
    with np.errstate(divide="raise"), pytest.raises(FloatingPointError):
        c(X * 0)
    agrees(c, X + 2)


# ---- exceptions, threads, nesting -----------------------------------------------------------------------------------


def test_an_exception_is_the_users_and_state_is_as_after_a_plain_call():
    state = {"n": 0, "a": np.ones(3)}

    def f(x):
        state["n"] += 1
        state["a"] += 1
        if np.sum(x) > 1:
            raise KeyError("too much")
        state["a"] = state["a"] * 2
        return x * 2

    c, small, a = wg.compile(f), X * 0.1, state["a"]
    c(small)
    c(small)
    np.testing.assert_array_equal(state["a"], [10, 10, 10])
    a = state["a"]
    for i in range(3):
        with pytest.raises(KeyError, match="too much") as caught:
            c(X)
        assert caught.traceback[-1].path.name == "test_compile_guards.py"
        assert state["n"] == 3 + i
        assert state["a"] is a
        np.testing.assert_array_equal(a, 11 + i)
    assert type(state["a"]) is np.ndarray


def test_numpys_errors_have_the_users_line():
    c = wg.compile(lambda x, y: np.linalg.inv(x) + y)
    agrees(c, np.eye(3), np.ones(3))
    with pytest.raises(np.linalg.LinAlgError) as caught:
        c(np.zeros((3, 3)), np.ones(3))
    assert any(entry.path.name == "test_compile_guards.py" and "<lambda>" in entry.name for entry in caught.traceback)
    with pytest.raises(ValueError, match="broadcast"):
        c(np.eye(3), np.ones(4))
    agrees(c, np.eye(3) * 2, np.ones(3))


def test_an_exception_that_the_function_catches():
    def f(x):
        try:
            return np.linalg.inv(x)
        except np.linalg.LinAlgError:
            return x * 3

    c = wg.compile(f)
    with pytest.warns(CompileWarning, match="inv\\(\\) raises a LinAlgError"):
        agrees(c, np.zeros((2, 2)))
    agrees(c, np.eye(2) * 2)
    agrees(c, np.zeros((2, 2)))
    c = wg.compile(f)
    for x in (np.eye(2) * 2, np.zeros((2, 2)), np.eye(2) * 4):
        agrees(c, x)


def test_an_interrupt_in_the_middle():
    state = {"a": np.ones(3)}

    def f(x):
        state["a"] = state["a"] + x
        if x[0] > 0:
            raise KeyboardInterrupt
        return state["a"]

    c = wg.compile(f)
    with pytest.raises(KeyboardInterrupt):
        c(np.ones(3))
    assert type(state["a"]) is np.ndarray
    np.testing.assert_array_equal(state["a"], [2, 2, 2])
    np.testing.assert_array_equal(c(np.zeros(3)), [2, 2, 2])


def test_threads():
    weights = {"w": np.ones(50)}

    def f(x):
        y = x
        for _ in range(20):
            y = np.tanh(y * weights["w"]) + x
        return y

    c = wg.compile(f)
    wrong: list[Any] = []

    def work(seed: int) -> None:
        rng = np.random.default_rng(seed)
        for n in rng.integers(40, 51, 30):
            x = rng.normal(size=50) if n % 2 else rng.normal(size=50).astype("f4")
            if not np.allclose(c(x), f(x), rtol=1e-5 if x.dtype == np.float32 else 1e-13, atol=0.0):
                wrong.append(seed)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong
    assert c.recordings == 2


def test_compiled_inside_compiled_and_recursion():
    inner = wg.compile(lambda x: x * SCALE)
    outer = wg.compile(lambda x: inner(x) + inner(x + 1))
    agrees(outer, X)
    agrees(outer, X + 1)

    @wg.compile
    def power(x, n):
        return x if n == 0 else x * power(x, n - 1)

    np.testing.assert_array_equal(power(X, 3), X * (X * (X * X)))
    np.testing.assert_array_equal(power(X, 3), X * (X * (X * X)))


def test_not_a_function():
    with pytest.raises(TypeError, match="compile: expected a function, got int"):
        wg.compile(3)


def test_explain():
    c = wg.compile(lambda x: np.tanh(x) * 2 if np.sum(x) > 0 else x)
    c(X)
    c(-X)
    text = c.explain()
    assert "2 recordings" in text
    assert "tanh(%0) float64[5]" in text
    assert "test_compile_guards.py" in text
    assert "has to be" in text


def test_attributes_that_a_method_makes():
    store = {"z": 2.0}

    class Made:
        def __getattr__(self, name):
            return store[name]

    made = Made()
    f = wg.compile(lambda x: x * made.z)
    agrees(f, X)
    store["z"] = 6.0
    agrees(f, X)


def test_a_module_made_by_hand():
    module = types.ModuleType("by_hand")
    module.c, module.array = 3.0, X * 2  # type: ignore[attr-defined]
    f = wg.compile(lambda x: x * module.c + module.array)
    agrees(f, X)
    module.c = 8.0  # type: ignore[attr-defined]
    agrees(f, X)
    module.array = X * 11  # type: ignore[attr-defined]
    agrees(f, X)


def test_the_environment(monkeypatch: Any):
    monkeypatch.setenv("WENGERT_TEST_SCALE", "2")
    f = wg.compile(lambda x: x * float(os.environ.get("WENGERT_TEST_SCALE", "1")))
    with pytest.warns(CompileWarning, match="the environment is read"):
        agrees(f, X)
    monkeypatch.setenv("WENGERT_TEST_SCALE", "3")
    agrees(f, X)
