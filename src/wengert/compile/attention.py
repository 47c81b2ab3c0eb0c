"""Attention as native code, one head after the other in the cache: softmax(query @ key.T * scale) @ value, and what
flows back to the three.

The scores of a block of queries with all keys stay in scratch memory, so that memory grows with the keys and not with
their square; on the way back they are computed again (Dao et al., NeurIPS 2022, without the division of the keys).
Where there is room for them, the weights can be kept instead. The products are the microkernel's.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy import ndarray

from . import machine as machines
from .microkernel import Matrix, Writer
from .steps import Emitted, Native, aligned, emitted, function

BY_QUERY = frozenset({"query", "result", "gradient", "to_query", "weights"})
SCORES = 1 << 15  # of a block of queries


class Heads(NamedTuple):
    """Sizes: of query (batch, queries, features), key (batch, keys, features), value (batch, keys, others)."""

    batch: int
    queries: int
    keys: int
    features: int
    others: int
    scale: float
    causal: bool  # whether a query looks at keys up to its own place only, the last query's being the last key's
    kept: bool = False  # whether the weights are an array of its own, "weights": (batch, queries, at least keys)

    @property
    def block(self) -> int:
        """How many queries are done together: a divisor of their number."""
        most = max(1, SCORES // self.keys)
        best = max(n for n in range(1, self.queries + 1) if self.queries % n == 0 and n <= most)
        return best if best >= min(most, 8) or self.queries > 4 * most else self.queries


def row_of(heads: Heads, dtype: Any, machine: Any) -> int:
    """The elements of a row of weights."""
    w = Writer(dtype, machine)
    row = -(-heads.keys // w.width) * w.width
    return row + w.width * (row * w.size % 512 == 0)  # or rows would lie in the same few places of the cache


class _Attention:
    def __init__(self, heads: Heads, dtype: Any, machine: Any, back: bool) -> None:
        self.heads, self.dtype, self.back = heads, np.dtype(dtype), back
        self.w = Writer(dtype, machine)
        self.row = row_of(heads, dtype, machine)

    def emitted(self, name: str) -> Emitted:
        heads, w, size = self.heads, self.w, self.dtype.itemsize
        n, rows = heads.block, [heads.block] * (1 + self.back) + [heads.features] + [heads.others] * self.back
        places = [aligned(r * self.row * size) for r in rows]  # scores, (their gradient,) key and value transposed
        given = ("query", "key", "value", *(["gradient"] if self.back else []))
        results = ("to_query", "to_key", "to_value") if self.back else ("result",)
        names = (*given, *results, *(["weights"] if heads.kept else []))
        sizes = {
            "query": (heads.queries, heads.features), "key": (heads.keys, heads.features),
            "value": (heads.keys, heads.others), "result": (heads.queries, heads.others),
        }  # fmt: skip
        sizes["weights"] = heads.queries, self.row
        sizes |= {"gradient": sizes["result"]} | {f"to_{part}": sizes[part] for part in ("query", "key", "value")}
        area: list[str] = []

        def start() -> None:
            area.extend([w.e(f"getelementptr i8, ptr %mine, i64 {sum(places[:k])}") for k in range(len(places))])

        def index(i: str) -> None:
            at = {}
            for k, part in enumerate(names):
                high, wide = sizes[part]
                at[part] = Matrix(w.moved(f"%p{k}", w.mul(i, high * wide)), wide, 1)
            turned = Matrix(area[1 + self.back], self.row, 1)
            if not (heads.kept and self.back):
                w.transpose((heads.keys, heads.features), at["key"].pointer, heads.features, turned.pointer, self.row)
            if self.back:
                w.transpose((heads.keys, heads.others), at["value"].pointer, heads.others, area[3], self.row)
                for part in ("to_key", "to_value"):
                    w.clear(at[part].pointer, sizes[part][0] * sizes[part][1])

            def block(k: Any) -> None:
                first = w.mul(k, n)
                here = {part: m.down(w, first) if part in BY_QUERY else m for part, m in at.items()}
                scores = here["weights"] if heads.kept else Matrix(area[0], self.row, 1)
                if not (heads.kept and self.back):
                    w.product((n, heads.keys, heads.features), here["query"], turned, scores)
                    self._softmax(scores, first)
                if self.back:
                    self._block_back(here, scores, Matrix(area[1], self.row, 1), Matrix(area[3], self.row, 1))
                else:
                    w.product((n, heads.others, heads.keys), scores, here["value"], here["result"])

            w.each(heads.queries // n, block)

        step = function(w, name, names, heads.batch, index, start, sum(places))
        return emitted(name, (step,), {}, self.dtype, w.machine, sum(places))

    def _block_back(self, at: dict[str, Matrix], scores: Matrix, slopes: Matrix, value: Matrix) -> None:
        heads, w, n = self.heads, self.w, self.heads.block
        w.product((heads.keys, heads.others, n), scores.turned, at["gradient"], at["to_value"], add=True)
        w.product((n, heads.keys, heads.others), at["gradient"], value, slopes)
        scale = w.constant(heads.scale, w.t)

        def row(r: Any) -> None:
            p, q = scores.down(w, r).pointer, slopes.down(w, r).pointer

            def weighed(v: Any, n: int | None, xs: list[str]) -> list[str]:
                return [w.muladd(w.load(w.moved(p, v), n), w.load(w.moved(q, v), n), xs[0])]

            total = w.splat(w.total(w.across(heads.keys, ["zeroinitializer"], weighed)[0]), w.t)

            def slope(v: Any, n: int | None, _: list[str]) -> list[str]:
                x, y = w.load(w.moved(p, v), n), w.load(w.moved(q, v), n)
                x = w.arithmetic("fmul", w.arithmetic("fmul", x, w.arithmetic("fsub", y, total)), scale)
                w.store(x, w.moved(q, v), n)
                return []

            w.across(heads.keys, [], slope)

        w.each(n, row)
        w.product((n, heads.features, heads.keys), slopes, at["key"], at["to_query"])
        w.product((heads.keys, heads.features, n), slopes.turned, at["query"], at["to_key"], add=True)

    def _softmax(self, scores: Matrix, first: Any) -> None:
        """The rows' softmax in place of scores before their scale."""
        heads, w = self.heads, self.w
        low, scale = w.constant(-np.inf, w.t), w.constant(heads.scale, w.t)

        def row(r: Any) -> None:
            p = scores.down(w, r).pointer
            limit = ""
            if heads.causal:
                last = w.add(w.add(first, r), heads.keys - heads.queries)
                limit = w.splat(w.e(f"trunc i64 {last} to i32"), "i4")

            def scaled(v: Any, n: int | None, xs: list[str]) -> list[str]:
                x = w.arithmetic("fmul", w.load(w.moved(p, v), n), scale)
                if heads.causal:
                    at = w.splat(w.e(f"trunc i64 {v} to i32"), "i4")
                    at = w.e(f"add {w.vector('i4')} {at}, {w.lanes(range(w.width), 'i4')}")
                    x = w.select(w.compare("sle", at, limit, "i4"), x, low, w.t)
                w.store(x, w.moved(p, v), n)
                if n is not None:
                    x = w.select(w.lanes_below(n), x, low, w.t)
                return [w.larger(x, xs[0])]

            top = w.folded(w.across(heads.keys, [low], scaled)[0], w.larger)
            if heads.causal:  # a query without keys has zeros
                top = w.select(w.compare("oeq", top, low, w.t), "zeroinitializer", top, w.t)

            def power(v: Any, n: int | None, xs: list[str]) -> list[str]:
                score = w.load(w.moved(p, v), n)
                x = w.arithmetic("fsub", score, top)
                left_out = "" if n is None else w.lanes([int(k >= n) for k in range(w.width)], "b1")
                if heads.causal:
                    none = w.compare("oeq", score, low, w.t)
                    left_out = w.e(f"or {w.vector('b1')} {none}, {left_out}") if left_out else none
                if left_out:  # no infinity, for which the exponential would take its time
                    x = w.select(left_out, "zeroinitializer", x, w.t)
                x = w.e(f"call {w.v} {w.function('exp', w.t)}({w.v} {x})")
                if left_out:
                    x = w.select(left_out, "zeroinitializer", x, w.t)
                w.store(x, w.moved(p, v), n)
                return [w.arithmetic("fadd", xs[0], x)]

            total = w.splat(w.total(w.across(heads.keys, ["zeroinitializer"], power)[0]), w.t)
            if heads.causal:
                none = w.compare("oeq", total, "zeroinitializer", w.t)
                total = w.select(none, w.constant(1, w.t), total, w.t)
            share = w.arithmetic("fdiv", w.constant(1, w.t), total)

            def divided(v: Any, n: int | None, _: list[str]) -> list[str]:
                w.store(w.arithmetic("fmul", w.load(w.moved(p, v), n), share), w.moved(p, v), n)
                return []

            w.across(heads.keys, [], divided)

        w.each(heads.block, row)


def emit_attention(name: str, heads: Heads, dtype: Any, machine: Any) -> Emitted:
    """The kernel from "query", "key" and "value" to "result" (and "weights", if they are kept)."""
    return _Attention(heads, dtype, machine, False).emitted(name)


def emit_attention_back(name: str, heads: Heads, dtype: Any, machine: Any) -> Emitted:
    """The kernel from "query", "key", "value", "gradient" (and "weights") to "to_query", "to_key" and "to_value"."""
    return _Attention(heads, dtype, machine, True).emitted(name)


# ---- on arrays -------------------------------------------------------------------------------------------------


@functools.cache
def _native(emit: Callable[..., Emitted], heads: Heads, dtype: Any, machine: Any) -> Native:
    return Native(lambda name: emit(name, heads, dtype, machine), machine)


def _heads(q: ndarray, k: ndarray, v: ndarray, scale: float | None, causal: bool) -> Heads:
    scale = q.shape[-1] ** -0.5 if scale is None else scale
    batch = int(np.prod(q.shape[:-2]))
    return Heads(batch, q.shape[-2], k.shape[-2], q.shape[-1], v.shape[-1], float(scale), causal)


def attention(query: Any, key: Any, value: Any, *, scale: float | None = None, causal: bool = False,
              threads: int = 1, machine: Any = None) -> ndarray:  # fmt: skip
    """softmax(query @ key.T * scale) @ value, of arrays of one dtype whose axes before the last two are alike.

    No axis is empty.
    """
    q, k, v = [np.ascontiguousarray(x) for x in (query, key, value)]
    z = np.empty((*q.shape[:-1], v.shape[-1]), q.dtype)
    run = _native(emit_attention, _heads(q, k, v, scale, causal), q.dtype, machine or machines.host())
    run({"query": q, "key": k, "value": v, "result": z}, threads)
    return z


def attention_back(gradient: Any, query: Any, key: Any, value: Any, *, scale: float | None = None,
                   causal: bool = False, threads: int = 1,
                   machine: Any = None) -> tuple[ndarray, ndarray, ndarray]:  # fmt: skip
    """What flows back to query, key and value."""
    g, q, k, v = [np.ascontiguousarray(x) for x in (gradient, query, key, value)]
    gq, gk, gv = [np.empty_like(x) for x in (q, k, v)]
    run = _native(emit_attention_back, _heads(q, k, v, scale, causal), q.dtype, machine or machines.host())
    run({"query": q, "key": k, "value": v, "gradient": g, "to_query": gq, "to_key": gk, "to_value": gv}, threads)
    return gq, gk, gv
