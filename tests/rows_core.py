"""Rows of the test table: elementwise operations, reductions, selection, shaping, indexing, products."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from rowkit import COMPLEX, REAL, Row, row

import wengert as wg
from wengert import nn, vectorizing  # noqa: F401  nn declares operations
from wengert.declare import OPERATIONS, UFUNCS
from wengert.ode.explicit import runge_kutta_sum
from wengert.operation import Binary, Unary
from wengert.reverse import zero_stays_zero

SHAPES = [((),), ((4,),), ((2, 3, 2),), ((0,),), ((0, 3),)]
PAIRS = [
    ((), ()), ((4,), (4,)), ((2, 3, 2), (2, 3, 2)), ((0,), (0,)),
    ((), (3,)), ((3,), ()), ((3, 1), (1, 4)), ((2, 1, 3), (3,)), ((3,), (2, 3)), ((0, 3), (1, 3)), ((1,), ()),
]  # fmt: skip


def _dtypes(op: Any, count: int) -> tuple[str, ...]:
    """Complex where NumPy's ufunc is."""
    ufuncs = [u for u, o in UFUNCS.items() if o is op]
    if ufuncs:
        return COMPLEX if any(t.startswith("D" * count) for t in ufuncs[0].types) else REAL
    return REAL if op.__name__ in ("relu", "silu", "softplus") or "gelu" in op.__name__ else COMPLEX


def _elementwise() -> list[Row]:
    rows = []
    for name, op in OPERATIONS.items():
        if not issubclass(op.node, (Unary, Binary)) or not hasattr(op, "domain"):
            continue
        patterns, count = (SHAPES, 1) if issubclass(op.node, Unary) else (PAIRS, 2)
        domains = op.domain if isinstance(op.domain[0], tuple) else (op.domain,) * count
        dtypes = REAL if name in ("maximum", "minimum", "fmax", "fmin") else _dtypes(op, count)
        rows += [Row(name, op, shapes, domains, dtypes) for shapes in patterns]
    return rows


S, V, T, E = (), (4,), (2, 3, 2), (0, 3)
MASK = np.array([True, False, True, True])
COLUMN = np.array([[1], [0]])


def _zeroed(g: Any, x: Any) -> Any:
    return zero_stays_zero(lambda g, _z, x: g * np.cos(x), g, (None, x), (), {})


def _set(key: Any) -> Callable[..., Any]:
    def assign(x: Any, v: Any) -> Any:
        y = x + 0.0
        y[key] = v
        return y

    return assign


ROWS = [
    *_elementwise(),
    # powers
    *[row("pow_operator", lambda x, n=n: x**n, s, domain=(0.3, 2.0)) for n in (2, 0, 1, 3, -1, 0.5, -2.5) for s in (S, V)],
    # complex parts
    *[row("real_part", np.real, s, dtypes=("complex128",)) for s in (S, V, T, E)],
    *[row("imag_part", np.imag, s, dtypes=("complex128",)) for s in (S, V, T, E)],
    *[row("complex_angle", np.angle, s, dtypes=("complex128",)) for s in (S, V, T, E)],
    row("complex_angle", lambda x: np.angle(x, deg=True), V, dtypes=("complex128",)),
    # the rule of an inner operation, with zeros in the cotangent
    row("zero_stays_zero", _zeroed, V, V),
    row("zero_stays_zero", _zeroed, T, T),
    # reductions
    *[row("sum", np.sum, s) for s in (S, V, T, E)],
    row("sum", lambda x: np.sum(x, axis=1), T),
    row("sum", lambda x: np.sum(x, (0, -1), keepdims=True), T),
    row("sum", lambda x: x.sum(axis=()), V),
    *[row("mean", np.mean, s) for s in (S, V, T)],
    row("mean", lambda x: np.mean(x, axis=-1, keepdims=True), T),
    row("mean", lambda x: np.mean(x, (0, 2)), T),
    *[row("var", np.var, s) for s in (V, T)],
    row("var", lambda x: np.var(x, axis=1, ddof=1, keepdims=True), T),
    row("var", lambda x: np.var(x, axis=(0, 1), correction=1), T),
    *[row("std", np.std, s) for s in (V, T)],
    row("std", lambda x: np.std(x, axis=1, ddof=1), T),
    *[row("prod", np.prod, s) for s in (S, V, T, E)],
    row("prod", lambda x: np.prod(x, axis=1), T),
    row("prod", lambda x: np.prod(x, axis=(0, -1), keepdims=True), T),
    *[row("max", np.max, s, distinct=True, dtypes=REAL) for s in (S, V, T)],
    row("max", lambda x: np.max(x, axis=1), T, distinct=True, dtypes=REAL),
    row("max", lambda x: x.max(axis=(0, 2), keepdims=True), T, distinct=True, dtypes=REAL),
    *[row("min", np.min, s, distinct=True, dtypes=REAL) for s in (S, V, T)],
    row("min", lambda x: np.min(x, axis=-1, keepdims=True), T, distinct=True, dtypes=REAL),
    # selection
    row("where", lambda x, y: np.where(MASK, x, y), V, V),
    row("where", lambda x, y: np.where(MASK, x, y), (3, 1), V),
    row("where", lambda x, y: np.where(True, x, y), S, S),
    row("where", lambda x: np.where(x > 0, x, 0.0), T, dtypes=REAL, domain=(0.2, 2.0)),
    row("clip", lambda x: np.clip(x, -0.51, 0.52), T, dtypes=REAL, distinct=True),
    row("clip", lambda x, lo, hi: np.clip(x, lo - 2.51, hi + 0.52), T, (2,), S, dtypes=REAL, distinct=True),
    row("clip", lambda x: np.clip(x, None, 0.1), V, dtypes=REAL, distinct=True),
    row("clip", lambda x: x.clip(min=0.1), V, dtypes=REAL, distinct=True),
    # shaping
    row("reshape", lambda x: np.reshape(x, (3, 4)), T),
    row("reshape", lambda x: x.reshape(-1, 2), T),
    row("reshape", lambda x: np.reshape(x, (4, 3), order="F"), T),
    row("reshape", lambda x: np.reshape(x, (1, 1)), S),
    row("ravel", np.ravel, T),
    row("ravel", lambda x: np.ravel(x, order="F"), T),
    row("transpose", np.transpose, T),
    row("transpose", lambda x: np.transpose(x, (1, -1, 0)), T),
    row("transpose", lambda x: x.T, E),
    row("transpose", lambda x: x.transpose(2, 0, 1), T),
    row("swapaxes", lambda x: np.swapaxes(x, 0, -1), T),
    row("moveaxis", lambda x: np.moveaxis(x, (0, 1), (-1, 0)), T),
    row("expand_dims", lambda x: np.expand_dims(x, (0, 2)), V),
    row("expand_dims", lambda x: np.expand_dims(x, -1), S),
    row("squeeze", np.squeeze, (1, 3, 1)),
    row("squeeze", lambda x: np.squeeze(x, axis=0), (1, 3, 1)),
    row("broadcast_to", lambda x: np.broadcast_to(x, (2, 3, 4)), (3, 1)),
    row("broadcast_to", lambda x: np.broadcast_to(x, (2, 2)), S),
    row("copy", np.copy, T),
    row("astype", lambda x: x.astype(np.complex128), V),
    row("astype", lambda x: x.astype(np.float64), V, dtypes=REAL),
    row("concatenate", lambda x, y: np.concatenate([x, y, x]), V, (2,)),
    row("concatenate", lambda x, y: np.concatenate((x, y), axis=-1), (2, 3), (2, 1)),
    row("concatenate", lambda x, y: np.concatenate((x, y), axis=None), (2, 3), S),
    row("concatenate", lambda x: np.stack([x, x * 2, np.ones(4)], axis=1), V),
    row("concatenate", lambda x: wg.array([[x, 1.0], [2.0, x * x]]), S, numpy=lambda x: np.array([[x, 1.0], [2.0, x * x]])),
    # indexing
    row("getitem", lambda x: x[1], T),
    row("getitem", lambda x: x[..., 0], T),
    row("getitem", lambda x: x[::-1, 1:, None], T),
    row("getitem", lambda x: x[MASK], V),
    row("getitem", lambda x: x[[0, 0, 2]], V),
    row("getitem", lambda x: x[COLUMN, [0, 2]], (2, 3)),
    row("getitem", lambda x: x[()], S),
    row("getitem", lambda x: x[-1], V),
    row("put", lambda x: wg.rules.indexing.put(x, (4,), np.array([0, 0, 2])), (3,)),
    row("put", lambda x: wg.rules.indexing.put(x, (4,), slice(1, 3)), (2,)),
    row("setitem", _set(1), V, S),
    row("setitem", _set(slice(None, None, 2)), V, (2,)),
    row("setitem", _set((Ellipsis, 0)), T, (3,)),
    row("setitem", _set((slice(0, 1), slice(None))), (2, 3), (1, 1, 3)),
    row("setitem", _set(MASK), V, (3,)),
    row("setitem", _set(MASK), V, S),
    row("setitem", _set([3, 0]), V, (2,)),
    row("setitem", _set([1, 1, 0]), V, (3,)),
    row("setitem", _set((COLUMN, [0, 2])), (2, 3), (2,)),
    # parts
    row("rows", lambda x: np.stack(vectorizing._rows(x)[::-1]), T),
    row("rows", lambda x: vectorizing._rows(x)[1] ** 2, V),
    # products
    *[
        row("matmul", np.matmul, a, b)
        for a, b in [
            ((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 2)), ((2, 3), (3, 4)), ((5, 2, 3), (5, 3, 4)), ((5, 2, 3), (3, 4)),
            ((2, 3), (5, 3, 4)), ((3,), (5, 3, 4)), ((5, 2, 3), (3,)), ((2, 1, 2, 3), (4, 3, 2)), ((0, 3), (3, 2)),
            ((2, 0), (0, 3)), ((3, 3), (3, 3)),
        ]
    ],
    row("matmul", lambda x: x @ np.ones((3, 3)), (3, 3)),
    row("matmul", lambda x: np.ones((2, 3)) @ x, (3,)),
    *[
        row("dot", np.dot, a, b)
        for a, b in [
            ((), ()), ((), (3,)), ((2, 3), ()), ((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 2)), ((2, 3), (3, 4)),
            ((2, 4, 3), (3,)), ((2, 4, 3), (5, 3, 2)), ((3,), (5, 3, 2)), ((2, 3), (5, 3, 2)), ((0, 3), (3, 2)),
        ]
    ],
    row("tensordot", lambda x, y: np.tensordot(x, y, 1), (2, 3), (3, 4)),
    row("tensordot", np.tensordot, (2, 3, 4), (3, 4, 2)),
    row("tensordot", lambda x, y: np.tensordot(x, y, ([2, 0], [1, 2])), (2, 5, 3), (4, 3, 2)),
    row("tensordot", lambda x, y: np.tensordot(x, y, 0), (2,), (3,)),
    *[
        row("einsum", lambda *xs, subs=subs: np.einsum(subs, *xs), *shapes)
        for subs, shapes in [
            ("ij,jk->ik", ((2, 3), (3, 4))), ("ij,jk", ((2, 3), (3, 4))), ("ij->", ((2, 3),)), ("ii", ((3, 3),)),
            ("ii->i", ((3, 3),)), ("ij->ji", ((2, 3),)), ("ij,ij->i", ((2, 3), (2, 3))), ("i,j,k->kj", ((2,), (3,), (2,))),
            ("...ij,...jk->...ik", ((5, 2, 3), (3, 4))), ("...i->...", ((2, 3),)), ("b...,b->...", ((2, 3, 4), (2,))),
            ("iij,j->ij", ((2, 2, 3), (3,))), ("ij,ij", ((2, 1), (2, 3))), ("i->", ((0,),)), ("i,i", ((4,), (4,))),
            ("ij,j->i", ((2, 3), (1,))),
        ]
    ],
    row("einsum", lambda x, y: np.einsum(x, [0, 1], y, [1, 2], [2, 0]), (2, 3), (3, 4)),
    row("einsum", lambda x, y: np.einsum(x, [0, Ellipsis], y, [0, 2]), (2, 3), (2, 4)),
    row("runge_kutta_sum", lambda *xs: runge_kutta_sum(*xs, weights=np.array([0.5, -2], "f4")), (3,), (), (3,), (3,)),
    row("einsum", lambda x, y, z: np.einsum("ij,jk,kl->il", x, y, z, optimize=True), (2, 3), (3, 2), (2, 2)),
]  # fmt: skip
