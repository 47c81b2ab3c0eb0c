"""Batching of functions that Wengert composes of others, and of some that need a few lines."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import rules
from ..declare import FUNCTIONS
from .array import RULES, Batched, BatchedError, any_array, elementwise, is_batched, level_of, ranked, rewrapped
from .reductions import shifted
from .shaping import rule

# ---- composed in the same way for Variables ------------------------------------------------------------------


def _composed(function: Any) -> Any:
    def apply(level: int, *args: Any, **kwargs: Any) -> Any:
        rules.load()
        op = FUNCTIONS[function]
        return getattr(op, "composition", op)(*args, **kwargs)

    return apply


for _function in (
    np.atleast_1d, np.atleast_2d, np.atleast_3d, np.vstack, np.hstack, np.dstack, np.column_stack, np.append, np.block,
    np.split, np.array_split, np.hsplit, np.vsplit, np.dsplit, np.compress, np.apply_along_axis, np.apply_over_axes,
    np.kron, np.linalg.cross, np.ediff1d, np.trapezoid, np.correlate, np.vander,
    np.broadcast_arrays, np.meshgrid, np.linalg.multi_dot, np.average,
):  # fmt: skip
    RULES[_function] = _composed(_function)
if hasattr(np, "unstack"):  # NumPy 2.1
    RULES[np.unstack] = _composed(np.unstack)


# ---- along an axis -------------------------------------------------------------------------------------------


@rule(np.take_along_axis)
def take_along_axis(level: int, arr: Any, indices: Any, axis: Any = -1) -> Any:
    """`numpy.take_along_axis`."""
    if axis is None:
        arr, axis = np.reshape(arr, -1), 0
    a, i = [x.array if is_batched(x, level) else np.asarray(x)[None] for x in (arr, indices)]
    return Batched(np.take_along_axis(a, i, shifted(axis, a.ndim - 1)), level)


@rule(np.put_along_axis)
def put_along_axis(level: int, arr: Any, indices: Any, values: Any, axis: Any) -> Any:
    """`numpy.put_along_axis`."""
    if not is_batched(arr, level):
        raise _shared_target("put_along_axis")
    if axis is None:
        return NotImplemented
    i, v = ranked(indices, level, arr.ndim), ranked(values, level, arr.ndim)
    i = i if is_batched(indices, level) else np.broadcast_to(i, (arr.batch, *np.shape(i)))
    np.put_along_axis(arr.array, i, v, shifted(axis, arr.ndim))
    return None


def _shared_target(name: str) -> BatchedError:
    return BatchedError(
        f"vmap: np.{name} would write what differs between examples into an array that they share; make it with "
        "np.zeros_like(x), or copy it with x * 0 + a"
    )


def _writes(function: Any) -> Any:
    def write(level: int, target: Any, *args: Any, **kwargs: Any) -> Any:
        if not is_batched(target, level):
            raise TypeError(_shared_target(function.__name__))
        return NotImplemented

    return write


for _function in (np.put, np.place, np.putmask, np.fill_diagonal):
    RULES[_function] = _writes(_function)


@rule(np.gradient)
def gradient(level: int, f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    """`numpy.gradient`."""
    if level_of(varargs) == level:
        return NotImplemented
    axes = tuple(range(f.ndim)) if axis is None else (axis,) if isinstance(axis, int) else tuple(axis)
    z = np.gradient(f.array, *varargs, axis=shifted(axes, f.ndim), edge_order=edge_order)
    return rewrapped(z, level)


@rule(np.interp)
def interp(level: int, x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None) -> Any:
    """`numpy.interp`, which computes in double precision."""
    if level_of((xp, fp, left, right, period)) != level:
        return elementwise(lambda x: np.interp(x, xp, fp, left, right, period), (x,))
    rules.load()
    x, xp, fp = [any_array(v) for v in (x, xp, fp)]
    x, xp, fp = [v.astype(np.result_type(v.dtype, float)) for v in (x, xp, fp)]
    return FUNCTIONS[np.interp].composition(x, xp, fp, left, right, period)


@rule(np.polyval)
def polyval(level: int, p: Any, x: Any) -> Any:
    """`numpy.polyval`: Horner's scheme."""
    y = np.zeros_like(x)
    for c in p:
        y = y * x + c
    return y


# ---- products ------------------------------------------------------------------------------------------------


@rule(np.convolve)
def convolve(level: int, a: Any, v: Any, mode: Any = "full") -> Any:
    """`numpy.convolve`: a matrix of windows times a vector."""
    if np.ndim(a) != 1 or np.ndim(v) != 1 or not len(a) or not len(v) or mode not in ("full", "same", "valid"):
        return NotImplemented
    a, v = (a, v) if len(a) >= len(v) else (v, a)
    n, m = len(a), len(v)
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(a, m - 1), m)
    z = np.matmul(windows, v[::-1])
    start, length = {"full": (0, n + m - 1), "same": ((m - 1) // 2, n), "valid": (m - 1, n - m + 1)}[mode]
    return z[start : start + length]


def _product(name: str, multiply: Any) -> None:
    for function in (getattr(np, name, None), getattr(np.linalg, name, None)):
        if function is not None:
            RULES[function] = lambda level, x, y, **kwargs: NotImplemented if kwargs else multiply(x, y)


_product("vecdot", lambda x, y: np.sum(np.conj(x) * y, -1))
_product("matvec", lambda x, y: np.matmul(x, y[..., None])[..., 0])
_product("vecmat", lambda x, y: np.matmul(np.conj(x)[..., None, :], y)[..., 0, :])

# ---- element by element --------------------------------------------------------------------------------------


@rule(np.digitize)
def digitize(level: int, x: Any, bins: Any, right: bool = False) -> Any:
    """`numpy.digitize`."""
    return NotImplemented if level_of(bins) == level else elementwise(lambda x: np.digitize(x, bins, right), (x,))


@rule(np.array_equal)
def array_equal(level: int, a1: Any, a2: Any, equal_nan: bool = False) -> Any:
    """`numpy.array_equal`."""
    if equal_nan:
        return NotImplemented
    return np.shape(a1) == np.shape(a2) and np.all(np.equal(a1, a2))
