"""Native code against the meaning of the list in NumPy."""

from __future__ import annotations

import ctypes
import mmap
import os
import subprocess
import sys
import threading
import warnings

import numpy as np
import programs
import pytest
from programs import Writer, values

pytest.importorskip("llvmlite", reason="native code is made by llvmlite")

from wengert.compile import cache, machine, native, runtime
from wengert.compile.program import Check, Program, run

SIZES = [1, 7, 15, 16, 17, 33, 130]
FLOATS = ["f4", "f8"]


@pytest.fixture(autouse=True)
def _quiet():
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        yield


@pytest.fixture(autouse=True, scope="session")
def _cache(tmp_path_factory):
    old = os.environ.get("WENGERT_CACHE")
    os.environ["WENGERT_CACHE"] = str(tmp_path_factory.mktemp("code"))
    yield
    os.environ.pop("WENGERT_CACHE") if old is None else os.environ.update(WENGERT_CACHE=old)


def compare(program: Program, arrays, tolerance=4, threads=1, target=None, python=0):
    """Run natively, twice, and as a list, and hold the results against each other."""
    want = run(program, [x.copy() for x in arrays])
    code = native.build(program, threads, target)
    assert code is not None
    if python is not None:
        assert len(code.plan.between) == python, code.plan.between
    for _ in range(2):
        given = [x.copy() for x in arrays]
        got = code.run(given)
        assert got is not None
        updated = [given[u.input.attributes] for u in program.updates]
        for g, w in zip([*got, *updated], [*want[0], *want[1]], strict=True):
            w = np.asarray(w)
            assert g.shape == w.shape
            assert g.dtype == w.dtype
            if w.dtype.kind != "f":
                np.testing.assert_array_equal(g, w)
                continue
            finite = np.abs(w[np.isfinite(w)])
            eps = np.finfo(w.dtype).eps * tolerance
            np.testing.assert_allclose(g, w, rtol=eps, atol=eps * finite.max(initial=0))
        for x, before in zip(given, arrays, strict=True):
            if not any(x is given[u.input.attributes] for u in program.updates):
                np.testing.assert_array_equal(x, before)
    return code


def unary(name, shape, dtype):
    w = Writer()
    x = w.input(shape, dtype)
    w.output(w.ufunc(name, x))
    return w.program


EXACT = [*programs.UNARY, "fabs", "isnan", "isinf", "isfinite", "signbit", "conjugate"]


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", EXACT)
def test_exact_operations_of_one(name, dtype):
    for n in SIZES:
        x = values(np.random.default_rng(n), (n,), dtype, special=True)
        program = unary(name, (n,), dtype)
        (got,) = native.build(program).run([x])
        want = np.asarray(run(program, [x])[0][0])
        np.testing.assert_array_equal(got, want)
        if want.dtype.kind == "f":
            numbers = ~np.isnan(want)
            np.testing.assert_array_equal(np.signbit(got)[numbers], np.signbit(want)[numbers])


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", [*programs.BINARY, *programs.COMPARISONS])
def test_exact_operations_of_two(name, dtype):
    for shapes in [((17,), (17,)), ((17,), ()), ((), ()), ((3, 1), (1, 5)), ((5, 17), (17,)), ((5, 17), (5, 1))]:
        rng = np.random.default_rng(len(shapes[0]))
        w = Writer()
        w.output(w.ufunc(name, *[w.input(s, dtype) for s in shapes]))
        arrays = [values(rng, s, dtype, special=True) for s in shapes]
        (got,) = native.build(w.program).run(arrays)
        np.testing.assert_array_equal(got, run(w.program, arrays)[0][0])


@pytest.mark.parametrize("dtype", ["i4", "i8", "u4", "u8", "b1"])
@pytest.mark.parametrize("name", ["add", "multiply", "maximum", "minimum", "equal", "not_equal", "bitwise_and",
                                  "bitwise_or", "bitwise_xor", "subtract", "greater", "logical_and"])  # fmt: skip
def test_integers_and_booleans(name, dtype):
    if (dtype == "b1" and name in ("subtract", "greater")) or (dtype != "b1" and name == "logical_and"):
        return
    for n in (1, 7, 33):
        w = Writer()
        w.output(w.ufunc(name, w.input((n,), dtype), w.input((n,), dtype)))
        compare(w.program, [values(np.random.default_rng(k), (n,), dtype) for k in (1, 2)])


@pytest.mark.parametrize("old", ["f4", "f8", "i4", "i8", "b1", "u1", "i2", "u4", "u8"])
@pytest.mark.parametrize("new", ["f4", "f8", "i4", "i8", "b1", "u4", "u8"])
def test_casts(old, new):
    python = int(old[0] == "f" and new[0] in "iu")
    x = np.arange(-8 * (new[0] != "u" or old[0] != "f"), 9).astype(old)
    w = Writer()
    w.output(w.cast(w.input(x.shape, old), new))
    compare(w.program, [x], python=python if old != new else 0)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", ["add", "multiply", "maximum", "minimum"])
def test_reductions(name, dtype):
    axes = [(0,), (1,), (2,), (0, 1), (1, 2), (0, 2), (0, 1, 2)]
    for shape in [(2, 3, 4), (5, 1, 17), (1, 7, 1), (3, 40, 33), (2, 2, 300)]:
        w = Writer()
        x = w.input(shape, dtype)
        w.output(*[w.reduce(name, x, a) for a in axes])
        compare(w.program, [values(np.random.default_rng(1), shape, dtype)], tolerance=40)


def test_reductions_of_nan_and_infinities():
    for special in (np.nan, np.inf, -np.inf):
        for n in (5, 100, 3000, 40000):
            x = np.linspace(-1, 1, n).astype("f4")
            x[n // 2] = special
            w = Writer()
            v = w.input((n,))
            w.output(*[w.reduce(name, v) for name in ("add", "maximum", "minimum")])
            compare(w.program, [x])


def test_sums_of_negative_zeros_are_zero():
    for shape, axes in [
        ((5,), (0,)),
        ((40, 1), (1,)),
        ((3, 40), (0,)),
        ((3, 200), (1,)),
        ((5000,), (0,)),
        ((2, 3, 4), (0, 2)),
    ]:
        w = Writer()
        w.output(w.reduce("add", w.input(shape), axes))
        assert not np.signbit(native.build(w.program).run([np.full(shape, -0.0, "f4")])[0]).any()


def test_reductions_of_booleans_and_integers():
    w = Writer()
    x, y = w.input((3, 50), "b1"), w.input((3, 50), "i8")
    w.output(*[w.reduce(n, x, (1,)) for n in ("logical_and", "logical_or")], w.reduce("add", x, (1,), "i8"))
    w.output(w.reduce("add", y), w.reduce("maximum", y, (0,)))
    rng = np.random.default_rng(0)
    compare(w.program, [values(rng, (3, 50), "b1"), values(rng, (3, 50), "i8")])
    for dtype in ("u4", "u8"):
        w, x = Writer(), np.array([[-1, 3, 5], [0, -7, 2]]).astype(dtype)
        y = w.input((2, 3), dtype)
        w.output(*[w.reduce(n, y, a) for n in ("add", "maximum", "minimum") for a in ((0,), (1,), (0, 1))])
        w.output(w.ufunc("less", w.reduce("maximum", y), w.constant(9, dtype)), w.ufunc("greater", y, y))
        compare(w.program, [x])


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("n", [100, 5000, 1_000_003])
def test_sums_are_as_accurate_as_numpys(dtype, n):
    rng = np.random.default_rng(0)
    error, numpys = 0.0, 0.0
    w = Writer()
    w.output(w.reduce("add", w.input((n,), dtype)))
    code = native.build(w.program)
    for _ in range(20 if n < 10000 else 4):
        x = rng.random(n).astype(dtype)
        exact = np.sum(x, dtype=np.longdouble)
        error += float(abs(code.run([x])[0] - exact) / exact)
        numpys += float(abs(np.sum(x) - exact) / exact)
    assert error <= 1.1 * numpys + 4 * np.finfo(dtype).eps


@pytest.mark.parametrize("axes", [(0,), (0, 1), (0, 2), (1,)])
def test_sums_over_some_axes_are_as_accurate_as_numpys(axes):
    x = np.random.default_rng(0).random((60, 70, 65), np.float32)
    w = Writer()
    w.output(w.reduce("add", w.input(x.shape), axes))
    exact = np.sum(x, axis=axes, dtype=np.float64)
    error = np.abs(native.build(w.program).run([x])[0] - exact).mean()
    assert error <= 1.1 * np.abs(np.sum(x, axis=axes) - exact).mean()


def test_softmax_in_one_loop():
    for shape in [(5, 3), (40, 16), (7, 130), (3, 1000), (2, 40000)]:
        w = Writer()
        x = w.input(shape)
        rows = (shape[0], 1)
        z = w.ufunc("square", w.ufunc("subtract", x, w.reshape(w.reduce("maximum", x, (1,)), rows)))
        p = w.ufunc("divide", z, w.reshape(w.reduce("add", z, (1,)), rows))
        w.output(p, w.reduce("add", p, (0,)), w.reduce("add", p))
        code = compare(w.program, [values(np.random.default_rng(0), shape, "f4")], tolerance=200)
        assert len(code.plan.clusters.steps) == 1


@pytest.mark.parametrize("dtype", FLOATS)
def test_views(dtype):
    rng = np.random.default_rng(0)
    w = Writer()
    x = w.input((4, 17, 5), dtype)
    t = w.transpose(x, (2, 0, 1))
    back = w.slice(x, slice(None, None, -1), slice(1, 16, 3), slice(4, 1, -2))
    r = w.reshape(t, (20, 17))
    b = w.broadcast(w.slice(x, slice(1, 2)), (4, 17, 5))
    w.output(w.ufunc("negative", t), w.ufunc("square", back), w.ufunc("add", r, 1.0), w.ufunc("multiply", x, b))
    w.output(t, back, r, b, w.reduce("add", back, (1,)), w.reduce("maximum", t, (0, 2)))
    compare(w.program, [values(rng, (4, 17, 5), dtype)])


@pytest.mark.parametrize("dtype", FLOATS)
def test_assignments_and_concatenation(dtype):
    rng = np.random.default_rng(0)
    w = Writer()
    x, y, z = w.input((9, 20), dtype), w.input((3, 5), dtype), w.input((5,), dtype)
    zeros = w.broadcast(w.constant(0, dtype), (9, 20))
    w.output(w.assign(x, y, slice(2, 5), slice(15, 20)), w.assign(zeros, z, slice(8, 9), slice(3, 8)))
    w.output(w.ufunc("add", w.assign(zeros, w.ufunc("square", y), slice(0, 3), slice(1, 6)), x))
    w.output(w.concatenate([x, w.transpose(w.input((20, 4), dtype)), x], 0), w.concatenate([y, y], 1))
    arrays = [values(rng, s, dtype) for s in ((9, 20), (3, 5), (5,), (20, 4))]
    compare(w.program, arrays)


@pytest.mark.parametrize("dtype", FLOATS)
def test_products_of_matrices(dtype):
    rng = np.random.default_rng(0)
    for a, b in [
        ((3, 4), (4, 5)),
        ((1, 7), (7, 1)),
        ((2, 3, 4), (4, 5)),
        ((5, 1, 3, 4), (6, 4, 2)),
        ((33, 65), (65, 17)),
    ]:
        w = Writer()
        x, y = w.input(a, dtype), w.input(b, dtype)
        z = w.matmul(x, y)
        xt, yt = [w.transpose(v, (*range(len(v.shape) - 2), len(v.shape) - 1, len(v.shape) - 2)) for v in (x, y)]
        w.output(z, w.matmul(yt, xt) if len(a) == len(b) else z)
        w.output(w.matmul(w.slice(x, *[slice(None)] * (len(a) - 1), slice(None, None, -1)), y))
        compare(w.program, [values(rng, a, dtype), values(rng, b, dtype)], tolerance=100)


@pytest.mark.parametrize("dtype", FLOATS)
def test_small_products_that_start_from_something(dtype):
    rng = np.random.default_rng(0)
    for m, k, n in [(16, 13, 32), (3, 5, 10), (1, 4, 7), (13, 1, 3), (37, 20, 70), (8, 8, 8)]:
        w = Writer()
        x, y, bias, whole = w.input((m, k), dtype), w.input((k, n), dtype), w.input((n,), dtype), w.input((m, n), dtype)
        yt = w.transpose(w.input((n, k), dtype))
        w.output(w.ufunc("add", w.matmul(x, y), bias), w.ufunc("add", whole, w.matmul(x, yt)), w.matmul(x, yt))
        w.output(w.ufunc("add", w.matmul(w.transpose(w.input((k, m), dtype)), y), w.transpose(w.input((n, m), dtype))))
        shapes = [(m, k), (k, n), (n,), (m, n), (n, k), (k, m), (n, m)]
        code = compare(w.program, [values(rng, s, dtype) for s in shapes], tolerance=100)
        assert not code.plan.clusters.operands_of or n == 1


def test_a_product_within_a_choice_and_an_output_of_another_shape():
    rng = np.random.default_rng(0)
    w = Writer()
    x, y, b = w.input((3, 4)), w.input((4, 5)), w.input((5,))
    z = w.ufunc("add", w.matmul(x, y), b)
    zeros = w.broadcast(w.constant(0.0), (3, 9))
    w.output(w.assign(zeros, z, slice(0, 3), slice(2, 7)))
    w.output(w.reshape(w.ufunc("arccos", w.ufunc("multiply", z, 0.1)), (15, 1)))
    w.output(w.reshape(w.cast(z, "f2"), (15,)))
    compare(w.program, [values(rng, s, "f4") for s in ((3, 4), (4, 5), (5,))], tolerance=100, python=None)


def labelled(labels, kind="i8"):
    import operator

    from wengert.compile.program import Call, Place

    w = Writer()
    x, at = w.input((len(labels), 5)), w.input((len(labels),), kind)
    rows = w.constant(np.arange(len(labels)), "i8")
    pair = (Place(1), Place(2))
    z = w.ufunc("exp", x)
    got = w.program.add("call", [z, rows, at], Call(operator.getitem, (Place(0), pair), {}), (len(labels),), "f4")
    w.output(got, w.ufunc("multiply", got, 2.0))
    most = w.program.add("call", [x], Call(np.max, (Place(0),), {"axis": 1, "keepdims": True}), (len(labels), 1), "f4")
    w.output(w.ufunc("subtract", x, most))
    return w.program


@pytest.mark.parametrize("kind", ["i4", "i8"])
def test_one_element_of_each_row(kind):
    x = values(np.random.default_rng(0), (7, 5), "f4", special=True)
    labels = np.array([0, 4, -1, 2, -5, 3, 3], kind)
    code = compare(labelled(labels, kind), [x, labels])
    assert len(code.plan.clusters.steps) <= 3
    for bad in (5, -6):
        labels[3] = bad
        assert code.run([x, labels]) is None


def test_the_step_of_an_optimiser_comes_first():
    w = Writer()
    p, m, g, t = w.input((50,)), w.input((50,)), w.input((50,)), w.input((), "f8")
    new = w.ufunc("add", w.ufunc("multiply", m, 0.9), g)
    rate = w.cast(w.ufunc("divide", w.constant(0.1, "f8"), t), "f4")
    w.update(m, new)
    w.update(p, w.ufunc("subtract", p, w.ufunc("multiply", new, rate)))
    code = compare(w.program, [*[values(np.random.default_rng(0), (50,), "f4") for _ in range(3)], np.array(3.0)])
    assert len(code.plan.clusters.steps) == 2
    assert not code.plan.copied


def test_what_is_not_native_is_numpys():
    w = Writer()
    x = w.input((4, 5), "c16")
    y = w.ufunc("absolute", w.ufunc("exp", x))
    w.output(y, w.ufunc("sqrt", y), w.ufunc("conjugate", x))
    z = values(np.random.default_rng(0), (4, 5), "f8") + 1j
    compare(w.program, [z], python=None)


def test_other_dtypes():
    rng = np.random.default_rng(0)
    for dtype in ("f2", "u1", "i2", "u8", "c8"):
        w = Writer()
        x = w.input((3, 5), dtype)
        w.output(w.ufunc("add", x, x), w.slice(x, slice(None, None, -1)), w.reduce("maximum", x, (0,)))
        w.update(x, w.ufunc("multiply", x, x))
        compare(w.program, [rng.integers(0, 9, (3, 5)).astype(dtype)], python=None)
    w = Writer()
    w.output(w.ufunc("add", w.input((3,), ">f4"), 1.0))
    assert native.build(w.program) is None


def test_empty_arrays():
    w = Writer()
    x = w.input((0, 3))
    w.output(w.ufunc("add", x, 1.0), w.reduce("add", x, (0,)), w.ufunc("add", w.reduce("add", x, (1,)), 2.0), x)
    compare(w.program, [np.empty((0, 3), "f4")], python=None)


def test_outputs_that_are_inputs_constants_or_each_other():
    w = Writer()
    x = w.input((3, 4))
    y = w.ufunc("negative", x)
    w.output(x, y, y, w.reshape(y, (12,)), w.constant(np.arange(3)), w.broadcast(w.constant(1.0), (2, 2)))
    code = compare(w.program, [values(np.random.default_rng(0), (3, 4), "f4")])
    outputs = code.run([np.ones((3, 4), "f4")])
    assert all(not np.shares_memory(a, b) for i, a in enumerate(outputs) for b in outputs[:i])


def test_outputs_are_used_again_only_when_nobody_has_them():
    w = Writer()
    w.output(w.ufunc("add", w.input((3,)), 1.0))
    code = native.build(w.program)
    (first,) = code.run([np.zeros(3, "f4")])
    part = code.run([np.ones(3, "f4")])[0][1:]
    code.run([np.full(3, 7, "f4")])
    np.testing.assert_array_equal(first, 1)
    np.testing.assert_array_equal(part, 2)


def test_updates():
    rng = np.random.default_rng(0)
    w = Writer()
    p, m, g = w.input((100,)), w.input((100,)), w.input((100,))
    m2 = w.ufunc("add", w.ufunc("multiply", m, 0.9), g)
    w.update(m, m2)
    w.update(p, w.ufunc("subtract", p, w.ufunc("multiply", m2, 0.1)))
    w.output(m2, p)
    code = compare(w.program, [values(rng, (100,), "f4") for _ in range(3)])
    assert not code.plan.copied or len(code.plan.copied) == 1  # what is an output too is written twice


def test_updates_that_exchange_or_read_elsewhere():
    rng = np.random.default_rng(0)
    w = Writer()
    x, y, z = w.input((40,), "f8"), w.input((40,), "f8"), w.input((40,), "f8")
    w.update(x, y)
    w.update(y, x)
    w.update(z, w.ufunc("add", w.slice(z, slice(None, None, -1)), w.reduce("add", z)))
    w.output(w.reduce("add", w.ufunc("multiply", x, z)), x)
    compare(w.program, [values(rng, (40,), "f8") for _ in range(3)], tolerance=50)


def test_a_check_that_fails_changes_nothing():
    w = Writer()
    x, y = w.input((5,)), w.input((5,))
    total = w.reduce("add", x)
    w.program.checks.append(Check(w.ufunc("greater", total, 0.0), True))
    w.update(y, w.ufunc("add", y, x))
    w.output(total)
    code = native.build(w.program)
    a, b = np.ones(5, "f4"), np.zeros(5, "f4")
    assert code.run([-a, b]) is None
    np.testing.assert_array_equal(b, 0)
    assert code.run([a, b])[0] == 5
    np.testing.assert_array_equal(b, 1)


def test_arrays_that_do_not_fit():
    w = Writer()
    x = w.input((3, 4))
    w.output(w.ufunc("square", x))
    w.update(x, w.ufunc("add", x, 1.0))
    code = native.build(w.program)
    for bad in (np.ones((4, 3), "f4"), np.ones((3, 4), "f8"), np.ones(12, "f4"), [[1.0] * 4] * 3, None):
        assert code.run([bad]) is None
    frozen = np.ones((3, 4), "f4")
    frozen.flags.writeable = False
    assert code.run([frozen]) is None
    for strided in (np.ones((4, 3), "f4").T, np.ones((3, 8), "f4")[:, ::2], np.ones((3, 4), "f4")[::-1]):
        assert np.array_equal(code.run([strided])[0], np.ones((3, 4)))
        np.testing.assert_array_equal(strided, 2)


def test_an_error_in_the_middle_leaves_updates_alone():
    from wengert.compile.program import Call, Place

    def fails(x):
        raise ZeroDivisionError("mine")

    w = Writer()
    x = w.input((3,))
    y = w.ufunc("add", x, 1.0)
    z = w.program.add("call", [y], Call(fails, (Place(0),), {}), (3,), "f4")
    w.update(x, y)
    w.output(w.ufunc("add", z, y))
    code = native.build(w.program)
    a = np.zeros(3, "f4")
    for _ in range(2):
        with pytest.raises(ZeroDivisionError, match="mine"):
            code.run([a])
        np.testing.assert_array_equal(a, 0)


def test_calls_of_several_results_and_of_other_shapes():
    from wengert.compile.program import Call, Place

    w = Writer()
    x = w.input((4, 4), "f8")
    pair = w.program.add("call", [w.ufunc("add", x, 1.0)], Call(np.linalg.eigh, (Place(0),), {}), (), "f8")
    first = w.program.add("item", [pair], 0, (4,), "f8")
    w.output(w.ufunc("square", first), first, w.program.add("item", [pair], 1, (4, 4), "f8"))
    compare(w.program, [np.diag([1.0, 2, 3, 5])], python=None)
    w = Writer()
    x = w.input((3,))
    w.output(w.program.add("call", [x], Call(np.unique, (Place(0),), {}), (3,), "f4"))
    code = native.build(w.program)
    assert code.run([np.array([1, 2, 3], "f4")]) is not None
    assert code.run([np.array([1, 1, 3], "f4")]) is None


@pytest.mark.parametrize("seed", range(12))
def test_random_programs(seed):
    for k in range(12):
        rng = np.random.default_rng([seed, k])
        program, arrays = programs.random(rng, int(rng.integers(1, 30)), special=k % 3 == 0)
        compare(program, arrays, tolerance=2000, threads=1 + k % 2, python=None)


@pytest.mark.parametrize("n", [1_000_003, 16384, 16385])
def test_threads_change_no_bit(n):
    rng = np.random.default_rng(0)
    w = Writer()
    x, y = w.input((n,)), w.input((n // 64, 64))
    z = w.ufunc("multiply", w.ufunc("sqrt", w.ufunc("absolute", x)), x)
    w.output(z, w.reduce("add", z), w.reduce("maximum", z), w.reduce("add", y, (0,)), w.reduce("add", y, (1,)))
    arrays = [values(rng, (n,), "f4"), values(rng, (n // 64, 64), "f4")]
    one, two = native.build(w.program, 1), native.build(w.program, 2)
    for _ in range(5):
        for a, b in zip(one.run(arrays), two.run(arrays), strict=True):
            np.testing.assert_array_equal(a, b)


def test_many_threads_of_python_at_once():
    w = Writer()
    x = w.input((30000,))
    y = w.ufunc("add", w.ufunc("square", x), 1.0)
    w.output(y, w.reduce("add", y))
    code = native.build(w.program, 2)
    wrong = []

    def work(k):
        a = np.full(30000, k, "f4")
        for _ in range(100):
            got, total = code.run([a])
            if not (got == k * k + 1).all() or total != np.float32(30000 * (k * k + 1)):
                wrong.append(k)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_fork():
    code = """
import os, numpy as np, programs
from wengert.compile import native
w = programs.Writer()
x = w.input((1000000,))
w.output(w.reduce("add", w.ufunc("square", x)))
n = native.build(w.program, 2)
a = np.ones(1000000, "f4")
assert n.run([a])[0] == 1e6
child = os.fork()
if not child:
    ok = n.run([a])[0] == 1e6 and native.build(w.program, 2).run([a])[0] == 1e6
    os._exit(0 if ok else 3)
assert os.waitpid(child, 0)[1] == 0
assert n.run([a])[0] == 1e6
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, timeout=60, env=environment())


def environment():
    return {**os.environ, "PYTHONPATH": os.pathsep.join([os.path.dirname(__file__), *sys.path])}


# ---- nothing is read or written beyond an array ------------------------------------------------------------------


def between_walls(shape, dtype, end=True):
    """An array that ends (or begins) where memory does."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    page = mmap.PAGESIZE
    room = -(-size // page) * page
    area = mmap.mmap(-1, room + 2 * page)
    address = ctypes.addressof(ctypes.c_char.from_buffer(area))
    libc = ctypes.CDLL(None, use_errno=True)
    for wall in (address, address + page + room):
        assert libc.mprotect(ctypes.c_void_p(wall), page, 0) == 0
    return np.ndarray(shape, dtype, area, page + (room - size if end else 0))


@pytest.mark.skipif(sys.platform != "linux", reason="pages are protected by Linux's mprotect")
@pytest.mark.parametrize("end", [True, False])
@pytest.mark.parametrize("dtype", FLOATS)
def test_no_element_too_far(dtype, end):
    for n in (1, 3, 7, 15, 16, 17, 31, 33, 63, 100, 1023):
        w = Writer()
        x, y, m = w.input((3, n), dtype), w.input((n,), dtype), w.input((n,), "b1")
        z = w.where(m, w.ufunc("multiply", x, y), w.slice(x, slice(None), slice(None, None, -1)))
        zeros = w.broadcast(w.constant(0, dtype), (3, n + 2))
        pad = w.ufunc(
            "add", w.assign(zeros, z, slice(0, 3), slice(1, n + 1)), w.assign(zeros, x, slice(0, 3), slice(2, n + 2))
        )
        w.output(z, w.reduce("add", z, (1,)), w.reduce("add", z, (0,)), w.reduce("maximum", z), pad)
        w.output(w.ufunc("negative", w.transpose(x)), w.ufunc("greater", x, y), w.concatenate([y, y], 0))
        code = native.build(w.program)
        arrays = [between_walls(s, t, end) for s, t in (((3, n), dtype), ((n,), dtype), ((n,), "b1"))]
        for a in arrays:
            a[...] = values(np.random.default_rng(n), a.shape, a.dtype)
        frame = code._free[0]
        frame.outputs = [between_walls(shape, t, end) for shape, t in frame.forms]
        starts = [o.ctypes.data for o in frame.outputs]
        got = code.run(arrays)
        assert [o.ctypes.data for o in got] == starts
        for g, want in zip(got, run(w.program, arrays)[0], strict=True):
            np.testing.assert_allclose(g, want, rtol=1e-5, atol=1e-6)


# ---- other machines ----------------------------------------------------------------------------------------------

OTHERS = {
    "aarch64": machine.Machine("aarch64-unknown-linux-gnu", "generic", "+neon", 16, True),
    "apple": machine.Machine("arm64-apple-macosx11.0.0", "apple-m1", "", 16, True),
    "avx512": machine.Machine("x86_64-unknown-linux-gnu", "skylake-avx512", "", 64, True),
    "avx2": machine.Machine("x86_64-unknown-linux-gnu", "haswell", "", 32, True),
    "sse": machine.Machine("x86_64-unknown-linux-gnu", "x86-64", "", 16, False),
}


def various(dtype):
    """A program with loops of each kind."""
    w = Writer()
    x, y, m = w.input((40, 37), dtype), w.input((37,), dtype), w.input((40, 1), "b1")
    z = w.ufunc("divide", w.ufunc("sqrt", w.ufunc("absolute", x)), w.ufunc("maximum", y, 0.5))
    z = w.where(m, z, w.ufunc("floor", w.ufunc("multiply", x, 3.0)))
    z = w.ufunc("subtract", z, w.reshape(w.reduce("maximum", z, (1,)), (40, 1)))
    w.output(z, w.reduce("add", z), w.reduce("add", z, (0,)), w.ufunc("negative", w.transpose(x)))
    zeros = w.broadcast(w.constant(0, dtype), (40, 37))
    w.output(w.ufunc("add", w.assign(zeros, x, slice(0, 40), slice(0, 37)), w.ufunc("isnan", x) and x))
    w.output(w.assign(zeros, w.slice(x, slice(0, 10), slice(0, 9)), slice(3, 13), slice(28, 37)))
    return w.program


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", OTHERS)
def test_code_for_other_machines(name, dtype):
    from wengert.compile.planning import Plan

    target = OTHERS[name]
    specs = [t.code for s in Plan(various(dtype), 1, target).segments for t in s if not isinstance(t.code, str)]
    assert len(machine.assembled(machine.module(specs, target), target.target())) > 1000


@pytest.mark.skipif(not machine.host().triple.startswith("x86_64"), reason="this code is for x86")
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", ["avx2", "sse"])
def test_narrower_vectors(name, dtype):
    target = OTHERS[name]._replace(triple=machine.host().triple)
    if target.vector > machine.host().vector:
        pytest.skip("this machine has no such vectors")
    rng = np.random.default_rng(0)
    arrays = [values(rng, (40, 37), dtype), values(rng, (37,), dtype), values(rng, (40, 1), "b1")]
    compare(various(dtype), arrays, tolerance=40, target=target)
    for k in range(10):
        rng = np.random.default_rng([7, k])
        program, arrays = programs.random(rng, 12, special=k % 2 == 0)
        compare(program, arrays, tolerance=2000, target=target, python=None)


def test_array_objects_are_known():
    assert runtime.layout() is not None


# ---- the cache on disk -------------------------------------------------------------------------------------------


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("WENGERT_CACHE", str(tmp_path / "code"))
    return tmp_path / "code"


def test_cache_keeps_and_finds(place):
    assert cache.load("k") is None
    cache.save("k", b"code")
    assert cache.load("k") == b"code"
    assert cache.load("other") is None
    assert place.stat().st_mode & 0o777 == 0o700


def test_cache_takes_no_corrupt_file(place):
    cache.save("k", b"code" * 100)
    (path,) = place.glob("*.o")
    content = path.read_bytes()
    for bad in (b"", content[:-1], content[:20], b"x" + content[1:], content[:-1] + b"!"):
        path.write_bytes(bad)
        assert cache.load("k") is None
    cache.save("k", b"new")
    assert cache.load("k") == b"new"


def test_cache_without_room_or_right(place, monkeypatch):
    monkeypatch.setenv("WENGERT_CACHE", "/proc/nowhere")
    cache.save("k", b"code")
    assert cache.load("k") is None
    monkeypatch.setenv("WENGERT_CACHE", str(place))

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    cache.save("k", b"code")
    assert cache.load("k") is None
    assert not list(place.glob("*"))
    monkeypatch.setenv("WENGERT_CACHE", "")
    assert cache.folder() is None


def test_cache_of_others_is_not_used(place):
    cache.save("k", b"code")
    place.chmod(0o777)
    assert cache.load("k") is None


def test_cache_stays_small(place, monkeypatch):
    monkeypatch.setattr(cache, "LIMIT", 3000)
    for k in range(10):
        cache.save(str(k), bytes(1000))
    assert len(list(place.glob("*.o"))) <= 4
    assert cache.load("9") is not None


def test_the_second_process_finds_the_code(place):
    script = """
import numpy as np, programs
from wengert.compile import machine, native
made = []
old = machine.assembled
machine.assembled = lambda *args: made.append(1) or old(*args)
w = programs.Writer()
w.output(w.ufunc("sqrt", w.input((5,))))
native.build(w.program).run([np.ones(5, "f4")])
print(len(made))
"""
    command = [sys.executable, "-c", script]
    both = [subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE) for _ in range(2)]
    assert all(p.communicate(timeout=60) and p.returncode == 0 for p in both)
    assert subprocess.run(command, env=environment(), stdout=subprocess.PIPE, check=True, timeout=60).stdout == b"0\n"
