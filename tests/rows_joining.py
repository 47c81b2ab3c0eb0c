"""Rows of the test table: joining, splitting, repeating, turning, picking, filling, padding, products of all pairs."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from rowkit import REAL, Row, row

S, V, T, E = (), (4,), (2, 3, 2), (0, 3)
M = (3, 4)
MASK = np.array([[True, False, True, True], [False, True, True, False], [False, False, False, True]])
PLACES = np.array([[2, 0, 0], [1, 1, 2]])


def _after(write: Callable[..., Any]) -> Callable[..., Any]:
    """What is there after writing in place."""

    def f(x: Any, *values: Any) -> Any:
        y = x * 1.0
        write(y, *values)
        return y * y

    return f


def _edges_doubled(vector: Any, widths: Any, axis: int, options: Any) -> None:
    before, after = widths
    vector[:before] = vector[before] * 2.0
    vector[vector.shape[0] - after :] = vector[before] * vector[-after - 1]


def _cross(x: Any, y: Any) -> Any:
    with warnings.catch_warnings():  # NumPy deprecates vectors of length 2
        warnings.simplefilter("ignore", DeprecationWarning)
        return np.cross(x, y)


def _sum_of(parts: Any) -> Any:
    return sum((k + 1.0) * np.sum(p * p) for k, p in enumerate(parts))


ROWS: list[Row] = [
    # joining and splitting: made of other operations
    row("concatenate", lambda x, y: np.vstack([x, y]), M, V),
    row("concatenate", lambda x, y: np.hstack([x, y]), (2, 3), (2, 1)),
    row("concatenate", lambda x, y: np.hstack([x, y, 1.0]), V, S),
    row("concatenate", lambda x, y: np.dstack([x, y]), V, V),
    row("concatenate", lambda x, y: np.column_stack([x, y]), V, (4, 2)),
    row("concatenate", lambda x, y: np.append(x, y), M, T),
    row("concatenate", lambda x, y: np.append(x, y, axis=1), (2, 3), (2, 1)),
    row("concatenate", lambda x, y: np.block([[x, np.ones((2, 2))], [y * 2, x.T]]), (2, 2), (2, 2)),
    row("concatenate", lambda x, y: np.block([x, y]), T, (2, 3, 1)),
    row("getitem", lambda x: _sum_of(np.split(x, 2)), V),
    row("getitem", lambda x: _sum_of(np.split(x, [1, 2, 7], axis=-1)), T),
    row("getitem", lambda x: _sum_of(np.array_split(x, 3, axis=1)), M),
    row("getitem", lambda x: _sum_of(np.hsplit(x, 2)), M),
    row("getitem", lambda x: _sum_of(np.vsplit(x, 3)), M),
    row("getitem", lambda x: _sum_of(np.dsplit(x, 2)), T),
    row("getitem", lambda x: _sum_of([np.atleast_1d(x), np.atleast_2d(x), np.atleast_3d(x)]), S),
    # repeating
    row("tile", lambda x: np.tile(x, 3), V),
    row("tile", lambda x: np.tile(x, (2, 1, 2)), (2, 3)),
    row("tile", lambda x: np.tile(x.T, [2, 2]), T),
    row("tile", lambda x: np.tile(x, 2), S),
    row("tile", lambda x: np.tile(x, (2, 0)), V),
    row("tile", lambda x: np.tile(x, 2), E),
    row("tile", lambda x: np.resize(x, (3, 3)), V),
    row("tile", lambda x: np.resize(x, 3), M),
    row("repeat", lambda x: np.repeat(x, 3), M),
    row("repeat", lambda x: np.repeat(x, 2, axis=-2), T),
    row("repeat", lambda x: np.repeat(x, [2, 0, 1, 3], axis=1), M),
    row("repeat", lambda x: np.repeat(x.T, [2, 0, 1], 1), M),
    row("repeat", lambda x: np.repeat(x, 2), S),
    row("repeat", lambda x: np.repeat(x, 2, axis=0), E),
    # turning
    row("roll", lambda x: np.roll(x, 5), M),
    row("roll", lambda x: np.roll(x, (1, -2), axis=(0, -1)), T),
    row("roll", lambda x: np.roll(x, 1, axis=1), M),
    row("roll", lambda x: np.roll(x, 1), E),
    row("transpose", lambda x: np.rollaxis(x, 2), T),
    row("transpose", lambda x: np.rollaxis(x, 0, 3), T),
    row("rot90", np.rot90, M),
    row("rot90", lambda x: np.rot90(x, -3, axes=(2, 0)), T),
    row("rot90", lambda x: np.rot90(x, 2), E),
    row("flip", np.flip, T),
    row("flip", lambda x: np.flip(x, (0, -1)), T),
    row("flip", lambda x: np.flip(x, 1), M),
    row("flip", np.flip, S),
    row("fliplr", np.fliplr, T),
    row("flipud", np.flipud, V),
    row("matrix_transpose", np.matrix_transpose, T),
    row("matrix_transpose", np.linalg.matrix_transpose, M),
    # triangles and diagonals
    row("tril", np.tril, M),
    row("tril", lambda x: np.tril(x, -1), T),
    row("tril", np.tril, (3,)),
    row("triu", lambda x: np.triu(x, k=1), M),
    row("triu", np.triu, T),
    row("diagonal", np.diagonal, M),
    row("diagonal", lambda x: np.diagonal(x, 1, 2, 0), T),
    row("diagonal", lambda x: np.diagonal(x, -2), M),
    row("diagonal", lambda x: np.linalg.diagonal(x, offset=1), T),
    row("trace", np.trace, M),
    row("trace", lambda x: np.trace(x, 1, 0, -1), T),
    row("trace", lambda x: np.trace(x, offset=-1), M),
    row("trace", lambda x: np.linalg.trace(x, offset=-1), T),
    row("diag", np.diag, V),
    row("diag", lambda x: np.diag(x, -2), V),
    row("diag", np.diag, M),
    row("diag", lambda x: np.diag(x, k=1), M),
    row("diagflat", lambda x: np.diagflat(x, 1), (2, 2)),
    # picking
    row("take", lambda x: np.take(x, 2), M),
    row("take", lambda x: np.take(x, -1, axis=1), M),
    row("take", lambda x: np.take(x, PLACES, axis=1), T),
    row("take", lambda x: np.take(x, [[5, -1], [3, 3]], mode="wrap"), V),
    row("take", lambda x: np.take(x, [-7, 9, 1], axis=0, mode="clip"), M),
    row("take", lambda x: np.take(x, []), V),
    row("take", lambda x: np.take(x, 0), S),
    row("take", lambda x: np.compress([0, 1, 1], x, axis=-1), M),
    row("take", lambda x: np.compress([True, False, True], x), M),
    row("take", lambda x: np.extract(MASK, x), M),
    row("take", lambda x: np.delete(x, 1, axis=1), M),
    row("take", lambda x: np.delete(x, [0, -1]), T),
    row("take", lambda x: np.delete(x, slice(None, None, 2), 0), T),
    row("take_along_axis", lambda x: np.take_along_axis(x, PLACES, 0), (3, 3)),
    row("take_along_axis", lambda x: np.take_along_axis(x, PLACES[:, :1], axis=-1), (2, 4)),
    row("take_along_axis", lambda x: np.take_along_axis(x, np.array([3, 3, 0]), None), (2, 4)),
    row("getitem", lambda x: np.trim_zeros(x), V),
    # insertion
    row("insert", lambda x, v: np.insert(x, 1, v), V, S),
    row("insert", lambda x, v: np.insert(x, 1, v), M, (2,)),
    row("insert", lambda x, v: np.insert(x, [3, 0, 0], v), V, (3,)),
    row("insert", lambda x, v: np.insert(x, -1, v, axis=1), M, (3,)),
    row("insert", lambda x, v: np.insert(x, [1], v, axis=1), M, (3, 2)),
    row("insert", lambda x, v: np.insert(x, [1, 3], v, axis=1), M, (3, 1)),
    row("insert", lambda x, v: np.insert(x, slice(0, 2), v, axis=0), T, (2,)),
    row("insert", lambda x, v: np.insert(x, np.array([True, False, True]), v, axis=1), T, S),
    # padding
    row("pad", lambda x: np.pad(x, 2), V),
    row("pad", lambda x: np.pad(x, ((1, 0), (0, 2)), constant_values=3.0), M),
    row("pad", lambda x: np.pad(x, {-1: (1, 2)}), T),
    row("pad", lambda x: np.pad(x, 1), E),
    *[
        row("pad_from_values", lambda x, mode=mode, w=w: np.pad(x, w, mode), *shapes, distinct=True, dtypes=REAL)
        for mode in ("edge", "wrap", "reflect", "symmetric", "linear_ramp", "mean", "maximum", "minimum", "median")
        for w, shapes in [(((1, 2),), [V]), (((1, 1), (0, 2)), [M]), (((5, 6), (0, 7)), [(2, 3)])]
    ],
    *[
        row("pad_from_values", lambda x, mode=mode, w=w: np.pad(x, w, mode, reflect_type="odd"), s)
        for mode in ("reflect", "symmetric")
        for w, s in [((2, 3), V), (((5, 6), (0, 7)), (2, 3)), ((3, 2), (1,)), (((1, 2), (2, 0)), (3, 3))]
    ],
    row("pad_from_values", lambda x: np.pad(x, 2, "mean", stat_length=2), V),
    row("pad_from_values", lambda x: np.pad(x, 1, "maximum", stat_length=((1, 2), (9, 2))), M, distinct=True, dtypes=REAL),
    row("pad_from_values", lambda x: np.pad(x, ((2, 1), (1, 3)), "linear_ramp", end_values=((1, 2), (3, 4))), M),
    row("pad_from_values", lambda x, v: np.pad(x, 2, "linear_ramp", end_values=v), V, S),
    row(
        "pad_from_values",
        lambda x, v, w: np.pad(x, ((1, 0), (2, 1)), constant_values=[[v, w], [w, 1.0]]),
        (2, 2),
        S,
        S,
        numpy=lambda x, v, w: np.pad(x, ((1, 0), (2, 1)), constant_values=np.array([[v, w], [w, 1.0]])),
    ),
    row("setitem", lambda x: np.pad(x, 1, _edges_doubled), (2, 3)),
    # grids
    row("broadcast_to", lambda x, y: sum(a * a for a in np.broadcast_arrays(x, y)), (3, 1), V),
    row("broadcast_to", lambda x, y: np.subtract(*np.meshgrid(x, y)), V, (3,)),
    row("reshape", lambda x, y: np.subtract(*np.meshgrid(x, y, sparse=True, indexing="ij")), V, (3,)),
    row("reshape", lambda x, y: np.multiply(*np.ix_(x, y)), V, (3,)),
    row("sliding_window_view", lambda x: np.lib.stride_tricks.sliding_window_view(x, 3), (5,)),
    row("sliding_window_view", lambda x: np.lib.stride_tricks.sliding_window_view(x, (2, 2), (0, 2)), (3, 2, 4)),
    # sequences between two ends
    row("linspace", lambda x, y: np.linspace(x, y, 5), S, S),
    row("linspace", lambda x, y: np.linspace(x, y, 4, endpoint=False, axis=-1), V, (3, 1)),
    row("linspace", lambda x: np.linspace(0, x, 3, retstep=True)[1] * np.linspace(0, x, 3), V),
    row("linspace", lambda x, y: np.linspace(x, y, 1), S, S),
    row("logspace", lambda x, y: np.logspace(x, y, 4), S, V, domain=(-0.5, 0.5)),
    row("logspace", lambda x, y, b: np.logspace(x, y, 4, base=b, axis=1), V, (1,), V, domain=(0.3, 1.0)),
    row("geomspace", lambda x, y: np.geomspace(x, y, 4), S, V, domain=(0.5, 2.0)),
    row("geomspace", lambda x, y: np.geomspace(x, y, 3, endpoint=False, axis=1), V, V, domain=(-2.0, -0.5)),
    row("arange", lambda x: np.arange(x[0], x[0] + 3.1 * x[1], x[1], like=x), (2,), domain=(0.5, 1.0), dtypes=REAL),
    row("arange", lambda x: np.arange(x, like=x) * x, S, domain=(3.2, 3.8), dtypes=REAL),
    # choosing
    row("choose", lambda x, y: np.choose(PLACES[:, :2] % 2, [x, y]), (2, 2), (2,)),
    row("choose", lambda x, y: np.choose(PLACES, (x, 1.0, y), mode="clip"), S, (3,)),
    row("choose", lambda x: np.choose([4, 1, -1], x, mode="wrap"), (2, 3)),
    row("select", lambda x, y: np.select([MASK, ~MASK[0]], [x, y * 2], 3.0), M, V),
    row("select", lambda x, y, z: np.select([MASK, MASK[:, :1]], [x, y], z), M, S, V),
    row("getitem", lambda x: np.piecewise(x, [x < 0, x > 1], [lambda v: v * v, 2.0, lambda v: 3 * v]), M, dtypes=REAL, distinct=True),
    row("getitem", lambda x: np.piecewise(x, [x < 9], [lambda v: v * v]), S, dtypes=REAL),
    row("nan_to_num", np.nan_to_num, M),
    row("nan_to_num", lambda x: np.nan_to_num(x + np.array([0.0, np.nan, 0.0, np.inf]), nan=2.0, posinf=1.0), V),
    row("nan_to_num", lambda x, v: np.nan_to_num(x + np.array([0.0, np.nan, -np.inf, np.inf], x.dtype), nan=v, neginf=2 * v), V, S, dtypes=REAL),
    # writing in place
    row("setitem", _after(lambda y, v: np.copyto(y, v)), M, V),
    row("setitem", _after(lambda y, v: np.copyto(y, v, where=MASK)), M, V),
    row("setitem", _after(lambda y, v: np.put(y, [0, -1, 0, 5], v)), M, (3,)),
    row("setitem", _after(lambda y, v: np.put(y, [13, -1], v, mode="wrap")), M, S),
    row("setitem", _after(lambda y, v: np.place(y, MASK, v)), M, (2,)),
    row("setitem", _after(lambda y, v: np.putmask(y, MASK, v)), M, (5,)),
    row("setitem", _after(lambda y, v: np.put_along_axis(y, PLACES[:, :1], v, 1)), (2, 4), (2, 1)),
    row("setitem", _after(lambda y, v: np.put_along_axis(y, np.array([1, 5]), v, None)), M, (2,)),
    row("setitem", _after(lambda y, v: np.fill_diagonal(y, v)), M, (2,)),
    row("setitem", _after(lambda y, v: np.fill_diagonal(y, v, wrap=True)), (7, 2), S),
    row("setitem", _after(lambda y, v: np.fill_diagonal(y, v)), (2, 2, 2), S),
    # along an axis
    row("concatenate", lambda x: np.apply_along_axis(lambda v: v[::-1] * np.sum(v), 1, x), T),
    row("concatenate", lambda x: np.apply_along_axis(np.diag, 0, x), M),
    row("concatenate", lambda x: np.apply_along_axis(np.sum, -1, x), V),
    row("sum", lambda x: np.apply_over_axes(np.sum, x, [0, -1]), T),
    # products of all pairs
    row("multiply", np.outer, V, (2, 2)),
    row("multiply", np.linalg.outer, V, (3,)),
    row("multiply", np.kron, (2, 2), (3,)),
    row("multiply", np.kron, (2, 3), (2, 1, 2)),
    row("multiply", np.kron, S, V),
    *[
        row("inner", np.inner, a, b)
        for a, b in [(V, V), ((2, 3), (3,)), ((3,), (2, 4, 3)), ((2, 3), (4, 3)), ((2, 2, 3), (4, 3)), (S, V), (M, S), (S, S), ((0, 3), (2, 3))]
    ],
    row("vdot", np.vdot, V, V),
    row("vdot", np.vdot, M, (12,)),
    row("vdot", lambda x, y: np.vdot(x.T, y), M, (2, 6)),
    row("vdot", lambda x, y: np.vdot(x, y * 1j), V, V),
    row("cross", np.cross, (3,), (3,)),
    row("cross", np.cross, (4, 3), (3,)),
    row("cross", lambda x, y: np.cross(x, y, axisa=0, axisc=0), (3, 4), (2, 4, 3)),
    row("cross", lambda x, y: np.linalg.cross(x, y, axis=0), (3, 2), (3, 2)),
    *[row("cross_of_pairs", _cross, a, b) for a, b in [((2,), (2,)), ((4, 2), (2,)), ((2,), (3,)), ((4, 3), (2,))]],
]  # fmt: skip
