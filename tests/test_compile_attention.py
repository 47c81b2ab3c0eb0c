"""Native attention, against `wengert.nn.attention`."""

import numpy as np
import pytest

pytest.importorskip("llvmlite", reason="the compiler needs llvmlite")
pytest.importorskip("wengert.compile.maths", reason="needs the elementary functions")

from test_compile_convolution import ARM, HOST, LESS, Guarded

import wengert as wg
from wengert.compile import attention, machine, steps

SIZES = {
    "square": ((2, 3), 32, 32, 16, 16),
    "odd": ((3,), 17, 29, 7, 21),
    "one query": ((2,), 1, 40, 8, 8),
    "one key": ((2,), 5, 1, 3, 4),
    "long": ((1,), 300, 301, 33, 20),
    "short features": ((2,), 20, 24, 1, 1),
}


@pytest.fixture(autouse=True)
def _no_cache(monkeypatch):
    monkeypatch.setenv("WENGERT_CACHE", "")


def draw(name, dtype):
    batch, queries, keys, features, others = SIZES[name]
    rng = np.random.default_rng(5)
    shapes = (queries, features), (keys, features), (keys, others), (queries, others)
    return [rng.standard_normal((*batch, *shape)).astype(dtype) for shape in shapes]


def check(q, k, v, g, causal, **more):
    z, back = wg.vjp(lambda q, k, v: wg.nn.attention(q, k, v, causal=causal), q, k, v)
    tolerance = 2e-5 if q.dtype == np.float32 else 1e-13
    mine = attention.attention(q, k, v, causal=causal, **more)
    assert mine.dtype == q.dtype
    np.testing.assert_allclose(mine, z, atol=tolerance)
    for a, b in zip(attention.attention_back(g, q, k, v, causal=causal, **more), back(g), strict=True):
        assert a.dtype == q.dtype
        np.testing.assert_allclose(a, b, atol=tolerance)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", SIZES)
def test_as_numpy(name, dtype, causal):
    check(*draw(name, dtype), causal)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("name", SIZES)
def test_kept_weights(name, causal):
    q, k, v, g = draw(name, np.float64)
    heads = attention._heads(q, k, v, None, causal)._replace(kept=True)
    weights = np.full((heads.batch, heads.queries, attention.row_of(heads, q.dtype, HOST)), np.nan)
    z, gq, gk, gv = [np.empty_like(x) for x in (g, q, k, v)]
    given = {"query": q, "key": k, "value": v, "weights": weights}
    attention._native(attention.emit_attention, heads, q.dtype, HOST)({**given, "result": z})
    given |= {"gradient": g, "to_query": gq, "to_key": gk, "to_value": gv}
    attention._native(attention.emit_attention_back, heads, q.dtype, HOST)(given)
    np.testing.assert_allclose(z, attention.attention(q, k, v, causal=causal), atol=1e-14)
    for a, b in zip((gq, gk, gv), attention.attention_back(g, q, k, v, causal=causal), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-13)


def test_more_queries_than_keys():
    q, k, v, g = draw("odd", np.float64)
    check(q, k[:, :9], v[:, :9], g, True)


@pytest.mark.skipif(HOST.vector < 32, reason="this machine has no AVX2")
@pytest.mark.parametrize("level", LESS)
def test_less_machine(level):
    check(*draw("odd", np.float32), True, machine=LESS[level](), threads=2)


def test_aarch64_is_valid():
    heads = attention.Heads(3, 17, 29, 7, 21, 0.3, True)
    for emit in (attention.emit_attention, attention.emit_attention_back):
        assert machine.assembled(steps.module(ARM, emit("f", heads, "f4", ARM)), ARM.target())


@pytest.mark.parametrize("front", [False, True])
def test_nothing_else_is_touched(front, monkeypatch):
    guarded = Guarded()
    monkeypatch.setattr(steps, "buffer", lambda size: guarded(size, front))
    for name in SIZES:
        q, k, v, g = [guarded.copy(x, front) for x in draw(name, np.float32)]
        z, gq, gk, gv = [guarded.copy(np.zeros_like(x), front) for x in (g, q, k, v)]
        heads = attention._heads(q, k, v, None, False)
        run = attention._native(attention.emit_attention, heads, q.dtype, HOST)
        run({"query": q, "key": k, "value": v, "result": z})
        run = attention._native(attention.emit_attention_back, heads, q.dtype, HOST)
        run({"query": q, "key": k, "value": v, "gradient": g, "to_query": gq, "to_key": gk, "to_value": gv})
        np.testing.assert_allclose(z, wg.nn.attention(q, k, v), atol=1e-5)
