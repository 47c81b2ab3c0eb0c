"""Calls of a program that have kernels, alone and among other steps."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest

pytest.importorskip("llvmlite", reason="the compiler needs llvmlite")

from test_compile_native import OTHERS, between_walls

import wengert as wg
from wengert.compile import machine, native, neural, steps
from wengert.compile.planning import Plan
from wengert.compile.program import Call, Place, Program, evaluate, run
from wengert.nn import convolve, pooling
from wengert.nn.convolve import Geometry

GEOMETRY = Geometry((2, 1), ((1, 1), (0, 2)), (1, 1), 1)
HALVES = Geometry((2, 2), ((0, 0), (0, 0)), (1, 1), 1)
LAPPED = Geometry((1, 2), ((1, 1), (0, 0)), (1, 1), 1)
HOST = machine.host()


def calls():
    rng = np.random.default_rng(0)
    x, w, b = rng.standard_normal((2, 3, 8, 9)), rng.standard_normal((5, 3, 3, 2)), rng.standard_normal(5)
    g, h = rng.standard_normal((2, 5, 4, 10)), rng.standard_normal((2, 3, 4, 4))
    two, three = (Place(0), Place(1)), (Place(0), Place(1), Place(2))
    ties = np.round(x)
    return {
        "convolve": (convolve.convolve, two, {"geometry": GEOMETRY}, (x, w)),
        "bias": (convolve.convolve, three, {"geometry": GEOMETRY}, (x, w, b)),
        "none": (convolve.convolve, (*two, None), {"geometry": GEOMETRY}, (x, w)),
        "transposed": (convolve.convolve_transposed, two, {"places": (8, 9), "geometry": GEOMETRY}, (g, w)),
        "kernel": (convolve.convolve_kernel, two, {"kernel": (3, 2), "geometry": GEOMETRY}, (x, g)),
        "pool": (pooling._largest, (Place(0), (2, 2), HALVES), {}, (ties,)),
        "scatter": (
            pooling._scattered, (*three, (2, 2), HALVES), {}, (h, ties, pooling._largest(ties, (2, 2), HALVES))),
        "overlap": (pooling._largest, (Place(0), (3, 3), LAPPED), {}, (ties,)),
    }  # fmt: skip


def call_node(function, args, kwargs, arrays, dtype=np.float64):
    program, arrays = Program(), [a.astype(dtype) for a in arrays]
    inputs = [program.input(a.shape, a.dtype) for a in arrays]
    call = Call(function, args, kwargs)
    z = call(arrays)
    return program.add("call", inputs, call, z.shape, z.dtype), arrays, program


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", calls())
def test_a_call_is_native(name, dtype):
    node, arrays, _ = call_node(*calls()[name], dtype)
    found = neural.native(node)
    given = {name: np.ascontiguousarray(arrays[x.index]) for name, x in found.arrays.items()}
    z = np.empty(node.shape, node.dtype)
    steps.Native(lambda name: found.kernels.emitted(name, HOST), HOST)({**given, "result": z})
    np.testing.assert_allclose(z, evaluate(node, arrays), atol=1e-5 if dtype == np.float32 else 1e-12)


def test_others_are_not():
    function, args, kwargs, arrays = calls()["convolve"]
    assert neural.native(call_node(np.add, args, {}, [arrays[0], arrays[0]])[0]) is None
    assert neural.native(call_node(function, args, kwargs, arrays, complex)[0]) is None
    assert neural.native(call_node(function, args, kwargs, arrays, np.float16)[0]) is None
    empty = [arrays[0][:0], arrays[1]]
    assert neural.native(call_node(function, args, kwargs, empty)[0]) is None


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", calls())
def test_a_call_among_other_steps(name, dtype, threads):
    """Its sources are views of what was computed before, and others read its result: all without NumPy."""
    function, args, kwargs, arrays = calls()[name]
    _, arrays, _ = call_node(function, args, kwargs, arrays, dtype)
    program, sources = Program(), []
    for a in arrays:  # each is the transpose of what is given, times 2
        x = program.input(a.T.shape, a.dtype)
        y = program.add("ufunc", (x, program.constant(a.dtype.type(2))), "multiply", x.shape, x.dtype)
        sources.append(program.add("transpose", (y,), tuple(range(a.ndim))[::-1], a.shape, a.dtype))
    call = Call(function, args, kwargs)
    z = call(arrays)
    node = program.add("call", sources, call, z.shape, z.dtype)
    again = program.add("ufunc", (node, node), "add", node.shape, node.dtype)
    program.outputs = [again, node, program.add("reduce", (again,), ("add", (0,)), node.shape[1:], node.dtype)]
    code = native.build(program, threads)
    assert not code.plan.between
    given = [np.ascontiguousarray(a.T) for a in arrays]
    wanted = run(program, given)[0]
    for _ in range(3):
        for got, expected in zip(code.run(given), wanted, strict=True):
            np.testing.assert_allclose(got, expected, rtol=1e-5 if dtype == np.float32 else 1e-12, atol=1e-4)


# ---- whole networks ------------------------------------------------------------------------------------------


def network(rng, norm=False):
    nn = wg.nn
    layers = [nn.Conv2d(1, 4, 3, padding=1, rng=rng), nn.relu, nn.MaxPool(2)]
    layers += [*[nn.BatchNorm(4)] * norm, nn.Conv2d(4, 6, 3, padding=1, stride=2, groups=2, rng=rng), nn.relu]
    layers += [nn.MaxPool(3, stride=2, padding=1), nn.Flatten(), nn.Linear(6 * 4, 3, rng=rng)]
    return nn.Sequential(*layers)


def trained(dtype, compiled, norm=False, steps=6):
    rng = np.random.default_rng(1)
    model = network(rng, norm).astype(dtype)
    opt = wg.optim.Adam(model.parameters(), lr=1e-3)

    def step(x, y):
        opt.zero_grad()
        loss = wg.nn.cross_entropy(model(x), y)
        loss.backward()
        opt.step()
        return loss.data

    step = wg.compile(step) if compiled else step
    losses = []
    for _ in range(steps):
        x, y = rng.standard_normal((8, 1, 14, 14)).astype(dtype), rng.integers(0, 3, 8)
        losses.append(step(x, y))
    return np.array(losses), [p.data for p in model.parameters()], step


@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_training_step_is_that_of_a_plain_run(dtype, norm):
    losses, parameters, step = trained(dtype, True, norm)
    expected, others, _ = trained(dtype, False, norm)
    atol = 1e-3 if dtype == np.float32 else 1e-9  # Adam divides by small numbers
    np.testing.assert_allclose(losses, expected, atol=atol)
    for p, q in zip(parameters, others, strict=True):
        assert p.dtype == dtype
        np.testing.assert_allclose(p, q, atol=atol)
    recordings = [k for kept in step._kept.values() for k in kept]
    assert len(recordings) <= 2  # the first step makes the moments; other labels are no other recording
    kept = max(recordings, key=lambda kept: kept.calls)
    assert kept.calls >= 3
    assert [n.title for n in kept.program.nodes if n.op == "call"].count("convolve") == 2
    names = {n.title for n in kept.native.plan.between}
    assert not names & {"convolve", "convolve_transposed", "convolve_kernel", "_largest", "_scattered"}


def test_a_nan_and_ties_in_a_pool():
    x = np.round(np.random.default_rng(0).standard_normal((2, 3, 6, 6)))
    x[0, 0, 0, 0] = np.nan

    def f(x):
        return np.sum(wg.nn.max_pool(x, 2) ** 2)

    with np.errstate(invalid="ignore"):
        expected = wg.grad(f)(x)
        np.testing.assert_array_equal(wg.compile(wg.grad(f))(x), expected)


@pytest.mark.parametrize("options", [{}, {"stride": 1}, {"stride": 3, "padding": 1}])
def test_means_of_windows(options):
    x = np.random.default_rng(0).standard_normal((2, 3, 7, 8))
    pool = wg.nn.AvgPool((2, 3), **options)
    fast = wg.compile(wg.grad(lambda x: np.sum(pool(x) ** 2)))
    for k in range(3):
        np.testing.assert_allclose(fast(x + k), wg.grad(lambda x: np.sum(pool(x) ** 2))(x + k), rtol=1e-12)
    (kept,) = [k for kept in fast._kept.values() for k in kept]
    assert not kept.native.plan.between


def test_second_derivatives_and_other_arrays():
    rng = np.random.default_rng(0)
    x, w, b = rng.standard_normal((2, 2, 5, 5)), rng.standard_normal((3, 2, 3, 3)), rng.standard_normal(3)

    def f(w, x, b):
        return np.sum(np.tanh(wg.nn.convolution(x, w, b, padding=1)))

    def g(w, x, b):
        return np.sum(wg.grad(f)(w, x, b) ** 2)

    fast = wg.compile(wg.grad(g))
    for arrays in ((w, x, b), (w * 2, x, b), (w.transpose(0, 1, 3, 2), x[..., ::-1], b)):
        np.testing.assert_allclose(fast(*arrays), wg.grad(g)(*arrays), rtol=1e-9)
    empty = wg.compile(lambda x: wg.nn.convolution(x, w, b))
    assert empty(x[:0]).shape == empty(x[:0]).shape == (0, 3, 3, 3)
    z = wg.nn.convolution(x * 1j, w, b)
    np.testing.assert_allclose(wg.compile(lambda x: wg.nn.convolution(x, w, b))(x * 1j), z)


def test_a_batch_under_vmap():
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((4, 2, 2, 6)), rng.standard_normal((3, 2, 3))

    def f(x, w):
        return wg.vmap(lambda x: wg.nn.max_pool(wg.nn.convolution(x, w), 2))(x)

    fast = wg.compile(f)
    for _ in range(2):
        np.testing.assert_allclose(fast(x, w), f(x, w), rtol=1e-12)


@pytest.mark.parametrize("seen", [False, True])
@pytest.mark.parametrize("threads", [1, 2])
def test_a_positive_part_is_one_with_its_convolution(threads, seen):
    function, args, kwargs, arrays = calls()["bias"]
    node, arrays, program = call_node(function, args, kwargs, arrays, np.float32)
    arrays[0][0, 0, 0, 0] = np.nan
    zero = program.constant(np.float32(0))
    z = program.add("ufunc", (node, zero), "maximum", node.shape, node.dtype)
    mask = program.add("ufunc", (node, zero), "greater", node.shape, bool)
    program.outputs = [z, mask, *[program.add("ufunc", (node, z), "multiply", node.shape, node.dtype)] * seen]
    code = native.build(program, threads)
    assert [known.kernels.options for known in code.plan.clusters.kernels.values()] == [("bias", "relu")[: 2 - seen]]
    for got, expected in zip(code.run(arrays), run(program, arrays)[0], strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(("kernel", "geometry"), [((2, 2), HALVES), ((3, 3), LAPPED)])
@pytest.mark.parametrize("relu", [False, True])
def test_what_flows_back_from_positive_maxima(relu, kernel, geometry, threads):
    """In every bit what flows back, where the array is positive: with ties, NaN and infinities too."""
    rng = np.random.default_rng(0)
    x = np.round(rng.standard_normal((2, 3, 8, 8))).astype(np.float32)
    x[0, 0, 0, 0], x[0, 1, 3, 3], x[1, 2, 5, 5] = np.nan, np.inf, -np.inf
    z = pooling._largest(np.maximum(x, 0) if relu else x, kernel, geometry)
    g = rng.standard_normal(z.shape).astype(np.float32)
    g[1, 0, 2, 2] = np.inf
    program = Program()
    ng, nx, nz = [program.input(a.shape, a.dtype) for a in (g, x, z)]
    zero = program.constant(np.float32(0))
    part = program.add("ufunc", (nx, zero), "maximum", x.shape, x.dtype) if relu else nx
    call = Call(pooling._scattered, (Place(0), Place(1), Place(2), kernel, geometry), {})
    back = program.add("call", (ng, part, nz), call, x.shape, x.dtype)
    mask = program.add("cast", (program.add("ufunc", (nx, zero), "greater", x.shape, bool),), None, x.shape, x.dtype)
    for factors in ((back, mask), (mask, back)):
        program.outputs = [program.add("ufunc", factors, "multiply", x.shape, x.dtype)]
        code = native.build(program, threads)
        with np.errstate(all="ignore"):
            (wanted,) = run(program, [g, x, z])[0]
        np.testing.assert_array_equal(code.run([g, x, z])[0], wanted)
        shapes = {n.shape for n in code.plan.program.nodes if n.title == "greater"}
        assert z.shape in shapes


# ---- where it runs -------------------------------------------------------------------------------------------


def alone(name, dtype):
    node, arrays, program = call_node(*calls()[name], dtype)
    program.outputs = [node]
    return program, arrays


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", calls())
def test_code_for_other_machines(name, dtype):
    for target in OTHERS.values():
        plan = Plan(alone(name, dtype)[0], 2, target)
        specs = [t.code for s in plan.segments for t in s if not isinstance(t.code, str)]
        assert len(machine.assembled(machine.module(specs, target), target.target())) > 500


@pytest.mark.skipif(not HOST.triple.startswith("x86_64"), reason="this code is for x86")
@pytest.mark.parametrize("name", calls())
@pytest.mark.parametrize("vectors", ["avx2", "sse"])
def test_narrower_vectors(name, vectors):
    target = OTHERS[vectors]._replace(triple=HOST.triple)
    if target.vector > HOST.vector:
        pytest.skip("this machine has no such vectors")
    program, arrays = alone(name, np.float32)
    code = native.build(program, 2, target)
    np.testing.assert_allclose(code.run(arrays)[0], run(program, arrays)[0][0], rtol=1e-4, atol=1e-4)


@pytest.mark.skipif(sys.platform != "linux", reason="pages are protected by Linux's mprotect")
@pytest.mark.parametrize("end", [True, False])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", calls())
def test_no_element_too_far(name, dtype, end):
    program, arrays = alone(name, dtype)
    code = native.build(program)
    given = [between_walls(a.shape, dtype, end) for a in arrays]
    for a, b in zip(given, arrays, strict=True):
        a[...] = b
    code._free[0].outputs = [between_walls(*form, end) for form in code._free[0].forms]
    np.testing.assert_allclose(code.run(given)[0], run(program, arrays)[0][0], rtol=1e-5, atol=1e-4)


def test_without_native_code(monkeypatch):
    from wengert.compile import run as runs

    monkeypatch.setattr(runs, "_native", lambda program: None)
    expected, others, _ = trained(np.float64, False)
    losses, parameters, step = trained(np.float64, True)
    assert max(k.calls for kept in step._kept.values() for k in kept) >= 3
    np.testing.assert_allclose(losses, expected, rtol=1e-12)
    for p, q in zip(parameters, others, strict=True):
        np.testing.assert_allclose(p, q, rtol=1e-9, atol=1e-12)


def test_several_threads_of_python_at_once():
    program, arrays = alone("bias", np.float32)
    code, wanted = native.build(program, 2), run(program, arrays)[0][0]
    wrong = []

    def work():
        for _ in range(200):
            if not np.allclose(code.run(arrays)[0], wanted, atol=1e-5):
                wrong.append(1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


def test_a_part_that_is_loaded_in_the_first_call():
    code = """
import sys, numpy as np, wengert as wg
fast = wg.compile(wg.grad(lambda w, x: np.sum(wg.nn.max_pool(wg.nn.convolution(x, w), 2) ** 2)))
x, w = np.ones((2, 3, 28, 28)), np.ones((4, 3, 3, 3))
assert "wengert.nn" not in sys.modules
for k in range(5):
    fast(w, x + k)
(kept,) = [k for kept in fast._kept.values() for k in kept]
assert kept.calls == 3, kept.calls
assert not kept.native.plan.between
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, timeout=60, env=environment)
