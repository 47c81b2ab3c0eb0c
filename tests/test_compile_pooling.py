"""Native max pooling, against the NumPy one."""

import numpy as np
import pytest

pytest.importorskip("llvmlite", reason="the compiler needs llvmlite")

from test_compile_convolution import ARM, HOST, LESS, Guarded, case

from wengert.compile import machine, pooling, steps
from wengert.nn import pooling as plain
from wengert.nn.convolve import Geometry

WINDOWS = {
    "2x2": case(2, 5, 5, (14, 28), (2, 2), stride=2),
    "tiles": case(2, 3, 3, (6, 70), (3, 2), stride=(3, 2)),
    "pairs": case(3, 4, 4, (136,), (2,), stride=2),
    "2x2, odd": case(2, 3, 3, (7, 33), (2, 2), stride=2),
    "3x3, stride 2": case(2, 3, 3, (13, 40), (3, 3), stride=2, padding=1),
    "3x3, stride 1": case(1, 3, 3, (9, 17), (3, 3), padding=1),
    "dilation": case(1, 2, 2, (20, 21), (3, 2), stride=(1, 3), padding=((1, 0), (1, 1)), dilation=(2, 3)),
    "gaps": case(1, 2, 2, (11, 70), (2, 2), stride=(3, 4)),
    "line": case(3, 4, 4, (200,), (3,), stride=3),
    "space": case(2, 2, 2, (4, 6, 8), (2, 2, 2), stride=2),
    "whole": case(2, 9, 9, (4, 5), (4, 5)),
}


@pytest.fixture(autouse=True)
def _no_cache(monkeypatch):
    monkeypatch.setenv("WENGERT_CACHE", "")


def draw(name, dtype, ties=True):
    xs, ws, geometry = WINDOWS[name]
    rng = np.random.default_rng(3)
    x = rng.standard_normal(xs).astype(dtype)
    if ties:
        x = np.round(x)
    g = rng.standard_normal((*xs[:2], *geometry.outputs(xs[2:], ws[2:]))).astype(dtype)
    return x, g, ws[2:], geometry


def check(x, g, kernel, geometry, **more):
    with np.errstate(all="ignore"):
        z = plain._largest(x, kernel, geometry)
        gx = plain._scattered(g, x, z, kernel, geometry)
    mine = pooling.max_pool(x, kernel, geometry, **more)
    back = pooling.max_pool_back(g, x, kernel, geometry, **more)
    assert mine.dtype == back.dtype == x.dtype
    np.testing.assert_array_equal(mine, z)
    np.testing.assert_allclose(back, gx, rtol=1e-5 if x.dtype == np.float32 else 1e-13, atol=1e-6)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", WINDOWS)
def test_as_numpy(name, dtype, ties):
    check(*draw(name, dtype, ties))


@pytest.mark.parametrize("name", ["2x2", "tiles", "3x3, stride 2", "dilation"])
def test_nan_and_infinities(name):
    x, g, kernel, geometry = draw(name, np.float64)
    x[0, 0, 0, 3] = x[0, 0, -1, -1] = np.nan
    x[0, 1, 2, 2], x[0, 1, 3, 3] = np.inf, -np.inf
    x[-1, -1] = -np.inf
    check(x, g, kernel, geometry)


@pytest.mark.skipif(HOST.vector < 32, reason="this machine has no AVX2")
@pytest.mark.parametrize("level", LESS)
@pytest.mark.parametrize("name", ["2x2, odd", "tiles", "3x3, stride 2", "gaps"])
def test_less_machine(name, level):
    check(*draw(name, np.float32), machine=LESS[level]())


def test_threads_change_nothing():
    x, g, kernel, geometry = draw("3x3, stride 2", np.float32)
    check(x, g, kernel, geometry, threads=3)


def test_nothing():
    geometry = Geometry((2, 2), ((0, 0), (0, 0)), (1, 1), 1)
    x = np.zeros((0, 3, 4, 4), np.float32)
    assert pooling.max_pool(x, (2, 2), geometry).shape == (0, 3, 2, 2)
    assert pooling.max_pool_back(np.zeros((0, 3, 2, 2)), x, (2, 2), geometry).dtype == np.float32


def test_aarch64_is_valid():
    xs, ws, geometry = WINDOWS["3x3, stride 2"]
    plan = pooling.plan_pool(xs, ws[2:], geometry)
    emitted = [f("f", plan, "f4", ARM) for f in (pooling.emit_max_pool, pooling.emit_max_pool_back)]
    for one in emitted:
        assert machine.assembled(steps.module(ARM, one), ARM.target())


@pytest.mark.parametrize("front", [False, True])
def test_nothing_else_is_touched(front, monkeypatch):
    guarded = Guarded()
    monkeypatch.setattr(steps, "buffer", lambda size: guarded(size, front))
    for name in WINDOWS:
        x, g, kernel, geometry = draw(name, np.float32)
        x, g = guarded.copy(x, front), guarded.copy(g, front)
        plan = pooling.plan_pool(x.shape, kernel, geometry)
        z, gx = guarded.copy(np.zeros_like(g), front), guarded.copy(np.zeros_like(x), front)
        pooling._native(pooling.emit_max_pool, plan, x.dtype, HOST)({"source": x, "result": z})
        run = pooling._native(pooling.emit_max_pool_back, plan, x.dtype, HOST)
        run({"source": x, "gradient": g, "result": gx})
        np.testing.assert_array_equal(z, plain._largest(x, kernel, geometry))
