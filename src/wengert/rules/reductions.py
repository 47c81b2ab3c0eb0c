"""Derivatives of what reduces along axes: sums, means, variances, products, and the largest and smallest."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..composed import composed
from ..declare import implements, linear
from ..operation import spread
from ..variable import data_of
from .elementwise import nonzero


def kept(g: Any, shape: tuple[int, ...], axis: Any, keepdims: Any) -> Any:
    """g, reduced from `shape` over `axis`, with the reduced axes put back as 1."""
    if axis is None:
        return g.reshape((1,) * len(shape))
    if keepdims is True:
        return g
    axes = {a % len(shape) for a in (axis if isinstance(axis, tuple) else (axis,))} if shape else set()
    return g.reshape([1 if i in axes else n for i, n in enumerate(shape)])


def keeps(keepdims: Any) -> bool:
    """Whether the reduced axes stay as 1."""
    return keepdims is not np._NoValue and bool(keepdims)


def count(shape: tuple[int, ...], axis: Any) -> int:
    """The number of elements that are reduced to one."""
    axes = range(len(shape)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    n = 1
    for a in axes:
        n *= shape[a] if shape else 1
    return n


def counted(shape: tuple[int, ...], axis: Any, where: Any) -> Any:
    """The number of elements that are reduced to one, out of those that `where` selects; axes kept."""
    if everywhere(where):
        return count(shape, axis)
    return np.sum(np.broadcast_to(data_of(where), shape), axis, dtype=np.intp, keepdims=True)


def everywhere(where: Any) -> bool:
    """Whether `where=` selects every element."""
    return where is True or where is np._NoValue


def selected(g: Any, where: Any) -> Any:
    """g, and exactly 0 where `where=` left an element out."""
    return g if everywhere(where) else np.where(data_of(where), g, 0)


def computed_in(x: Any, dtype: Any) -> Any:
    """x as a function with `dtype=` computes with it: a complex one may lose its imaginary part."""
    return np.real(x) if dtype is not None and x.dtype.kind == "c" and np.dtype(dtype).kind == "f" else x


# ---- sums and means -----------------------------------------------------------------------------------------


def _push_sum(t, _z, _x, axis=None, dtype=None, keepdims=False, initial=0, where=True):  # type: ignore[no-untyped-def]
    return np.sum(t, axis, dtype, keepdims=keeps(keepdims), where=data_of(where))


@linear(np.sum, call=lambda x, *args, **kwargs: x.sum(*args, **kwargs), push=_push_sum)
def sum(
    g: Any,
    _z: Any,
    x_shape: Any,
    axis: Any = None,
    dtype: Any = None,
    keepdims: Any = False,
    initial: Any = 0,
    where: Any = True,
) -> Any:
    g = spread(g if axis is None else kept(g, x_shape, axis, keepdims), x_shape)
    return g if where is True else selected(g, where)


@linear(np.mean, call=lambda x, *args, **kwargs: x.mean(*args, **kwargs))
def mean(
    g: Any, _z: Any, x_shape: Any, axis: Any = None, dtype: Any = None, keepdims: Any = False, where: Any = True
) -> Any:
    if where is True:
        g = g / count(x_shape, axis)
        return spread(g if axis is None else kept(g, x_shape, axis, keepdims), x_shape)
    n = np.maximum(counted(x_shape, axis, where), 1)  # where nothing is selected, nothing flows
    return selected(spread(kept(g, x_shape, axis, keepdims) / n.astype(g.dtype), x_shape), where)


# ---- variance and standard deviation ------------------------------------------------------------------------


def _degrees(x: Any, axis: Any, ddof: Any, correction: Any, where: Any = True) -> Any:
    """The divisor, NaN where it is 0; a number, or an array with the axes kept."""
    n = counted(x.shape, axis, where) - (ddof if correction in (None, np._NoValue) else correction)
    if everywhere(where):
        return np.float64(n).item() or np.nan
    return np.where(n == 0, np.nan, n).astype(np.real(x).dtype)


def _centred(x: Any, axis: Any, where: Any, dtype: Any) -> Any:
    m = computed_in(x, dtype)  # NumPy's mean; what it is taken from stays complex
    if everywhere(where):
        return x - np.mean(m, axis, keepdims=True)
    return selected(x - np.mean(m, axis, keepdims=True, where=where), where)


def _push_var(t, z, x, axis=None, dtype=None, ddof=0, keepdims=False, correction=None, where=True):  # type: ignore[no-untyped-def]
    n = _degrees(x, axis, ddof, correction, where)
    along = np.sum(np.real(np.conj(_centred(x, axis, where, dtype)) * t), axis, keepdims=True) * (2 / n)
    return along.reshape(z.shape)


@linear(np.var, name="var", push=_push_var, holomorphic=False)
def _var(
    g: Any,
    _z: Any,
    x: Any,
    axis: Any = None,
    dtype: Any = None,
    ddof: Any = 0,
    keepdims: Any = False,
    correction: Any = None,
    where: Any = True,
) -> Any:
    n = _degrees(x, axis, ddof, correction, where)
    return kept(np.real(g), x.shape, axis, keepdims) * (2 / n) * _centred(x, axis, where, dtype)


def _push_std(t, z, x, axis=None, dtype=None, ddof=0, keepdims=False, correction=None, where=True):  # type: ignore[no-untyped-def]
    return _push_var(t, z, x, axis, dtype, ddof, keepdims, correction, where) / nonzero(2 * z)


@linear(np.std, name="std", push=_push_std, holomorphic=False)
def _std(
    g: Any,
    z: Any,
    x: Any,
    axis: Any = None,
    dtype: Any = None,
    ddof: Any = 0,
    keepdims: Any = False,
    correction: Any = None,
    where: Any = True,
) -> Any:
    n = _degrees(x, axis, ddof, correction, where)
    # the cotangent of a constant sample is 0: the subgradient of least norm
    g = kept(np.real(g), x.shape, axis, keepdims)
    return g * _centred(x, axis, where, dtype) / nonzero(kept(z, x.shape, axis, keepdims) * n)


@composed(np.var, name="var_about")
def _var_about(  # type: ignore[no-untyped-def]
    a, axis=None, dtype=None, out=None, ddof=0, keepdims=False, *, where=True, mean, correction=None
):
    """About a mean that is given: the squares are then no function of a alone."""
    away = selected(a - mean, where)
    n = _degrees(away, axis, ddof, correction, where)
    squares = np.sum(np.real(away * np.conj(away)), axis, keepdims=True) / n
    return squares.reshape(np.sum(data_of(squares), axis, keepdims=keeps(keepdims)).shape)


@composed(np.std, name="std_about")
def _std_about(*args, **kwargs):  # type: ignore[no-untyped-def]
    v = _var_about(*args, **kwargs)
    return np.sqrt(nonzero(v)) * (v != 0)


def _or_about(op: Any, about: Any, function: Any) -> Any:
    """`op`, or with a mean that is given, `about`."""

    def call(a: Any, /, *args: Any, **kwargs: Any) -> Any:
        if kwargs.get("mean", np._NoValue) is np._NoValue or kwargs["mean"] is None:
            kwargs.pop("mean", None)
            return op(a, *args, **kwargs)
        if kwargs.get("out") is not None or len(args) > 2:
            raise TypeError(f"{op.__name__}: out= has no derivative rule here; leave it out, or call it on .data")
        return about(a, *args, **kwargs)

    call.__name__ = call.__qualname__ = op.__name__
    call.__doc__ = op.__doc__
    call.node = op.node  # type: ignore[attr-defined]
    return implements(function)(call)


var = _or_about(_var, _var_about, np.var)
std = _or_about(_std, _std_about, np.std)


# ---- products: exact and division-free, so that zeros do no harm --------------------------------------------


def _products_before(x: Any, axis: int) -> Any:
    """Along axis: the product of all earlier elements, by doubling (log n steps)."""
    n = x.shape[axis]

    def part(lo: int, hi: int) -> Any:
        return (slice(None),) * axis + (slice(lo, hi),)

    x = np.concatenate([np.ones_like(x[part(0, 1)]), x[part(0, n - 1)]], axis)
    step = 1
    while step < n:
        x = np.concatenate([x[part(0, step)], x[part(step, n)] * x[part(0, n - step)]], axis)
        step *= 2
    return x


def _products_of_others(x: Any, axis: Any) -> Any:
    """For each element: the product of the others along axis."""
    if x.size == 0 or x.ndim == 0:
        return x if x.ndim else np.ones_like(x)
    if axis is None:
        return _products_of_others(x.reshape(-1), 0).reshape(x.shape)
    if isinstance(axis, tuple):
        axes = [a % x.ndim for a in axis]
        order = [i for i in range(x.ndim) if i not in axes] + axes
        moved = np.transpose(x, order)
        flat = moved.reshape(*moved.shape[: x.ndim - len(axes)], -1)
        return np.transpose(_products_of_others(flat, -1).reshape(moved.shape), np.argsort(order))
    axis = axis % x.ndim
    back = (slice(None),) * axis + (slice(None, None, -1),)
    return _products_before(x, axis) * _products_before(x[back], axis)[back]


def _factors(x: Any, axis: Any, initial: Any, where: Any) -> Any:
    """The derivative of the product for each element."""
    if everywhere(where):
        others = _products_of_others(x, axis)
    else:
        others = selected(_products_of_others(np.where(data_of(where), x, 1), axis), where)
    return others if initial is np._NoValue else others * initial


def _push_prod(t, _z, x, axis=None, dtype=None, keepdims=False, initial=np._NoValue, where=True):  # type: ignore[no-untyped-def]
    x, t = computed_in(x, dtype), computed_in(t, dtype)
    return np.sum(t * _factors(x, axis, initial, where), axis, keepdims=keeps(keepdims))


@linear(np.prod, push=_push_prod)
def prod(
    g: Any,
    _z: Any,
    x: Any,
    axis: Any = None,
    dtype: Any = None,
    keepdims: Any = False,
    initial: Any = np._NoValue,
    where: Any = True,
) -> Any:
    return kept(g, x.shape, axis, keepdims) * _factors(computed_in(x, dtype), axis, initial, where)


# ---- the largest and the smallest: k tied winners get 1/k each ----------------------------------------------
# `initial` takes part like an element: tied with it, k winners get 1/(k + 1). A NaN that wins shares with all others.


def _winners(g: Any, z: Any, x: Any, axis: Any, keepdims: Any, initial: Any, where: Any, nan: bool = True) -> Any:
    z = kept(z, x.shape, axis, keepdims)
    won = (x == z) | (x != x) if nan else x == z
    if not everywhere(where):
        won = won & data_of(where)
    k = won.sum(axis, keepdims=True)
    if initial is not np._NoValue:
        k = k + (z == initial)
    return won / np.maximum(k, 1).astype(g.dtype)


def _push_extreme(t, z, x, axis=None, keepdims=False, initial=np._NoValue, where=True):  # type: ignore[no-untyped-def]
    return np.sum(t * _winners(t, z, x, axis, keepdims, initial, where), axis, keepdims=keeps(keepdims))


@linear(np.max, push=_push_extreme)
def max(
    g: Any, z: Any, x: Any, axis: Any = None, keepdims: Any = False, initial: Any = np._NoValue, where: Any = True
) -> Any:
    return kept(g, x.shape, axis, keepdims) * _winners(g, z, x, axis, keepdims, initial, where)


@linear(np.min, push=_push_extreme)
def min(
    g: Any, z: Any, x: Any, axis: Any = None, keepdims: Any = False, initial: Any = np._NoValue, where: Any = True
) -> Any:
    return kept(g, x.shape, axis, keepdims) * _winners(g, z, x, axis, keepdims, initial, where)


implements(np.amax)(max)
implements(np.amin)(min)


# ---- the same without NaN -----------------------------------------------------------------------------------


def _push_nan_extreme(t, z, x, axis=None, keepdims=False, initial=np._NoValue, where=True):  # type: ignore[no-untyped-def]
    won = _winners(t, z, x, axis, keepdims, initial, where, nan=False)
    return np.sum(t * won, axis, keepdims=keeps(keepdims))


@linear(np.nanmax, push=_push_nan_extreme)
def nanmax(
    g: Any, z: Any, x: Any, axis: Any = None, keepdims: Any = False, initial: Any = np._NoValue, where: Any = True
) -> Any:
    return kept(g, x.shape, axis, keepdims) * _winners(g, z, x, axis, keepdims, initial, where, nan=False)


@linear(np.nanmin, push=_push_nan_extreme)
def nanmin(
    g: Any, z: Any, x: Any, axis: Any = None, keepdims: Any = False, initial: Any = np._NoValue, where: Any = True
) -> Any:
    return kept(g, x.shape, axis, keepdims) * _winners(g, z, x, axis, keepdims, initial, where, nan=False)
