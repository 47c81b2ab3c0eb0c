"""Derivatives of what reduces along axes: sums, means, variances, products, and the largest and smallest."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..declare import implements, linear
from ..operation import spread
from .elementwise import nonzero


def kept(g: Any, shape: tuple[int, ...], axis: Any, keepdims: Any) -> Any:
    """g, reduced from `shape` over `axis`, with the reduced axes put back as 1."""
    if axis is None:
        return g.reshape((1,) * len(shape))
    if keepdims is True:
        return g
    axes = {a % len(shape) for a in (axis if isinstance(axis, tuple) else (axis,))} if shape else set()
    return g.reshape([1 if i in axes else n for i, n in enumerate(shape)])


def count(shape: tuple[int, ...], axis: Any) -> int:
    """The number of elements that are reduced to one."""
    axes = range(len(shape)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    n = 1
    for a in axes:
        n *= shape[a] if shape else 1
    return n


@linear(np.sum, call=lambda x, *args, **kwargs: x.sum(*args, **kwargs))
def sum(g: Any, _z: Any, x_shape: Any, axis: Any = None, dtype: Any = None, keepdims: Any = False) -> Any:
    return spread(g if axis is None else kept(g, x_shape, axis, keepdims), x_shape)


@linear(np.mean, call=lambda x, *args, **kwargs: x.mean(*args, **kwargs))
def mean(g: Any, _z: Any, x_shape: Any, axis: Any = None, dtype: Any = None, keepdims: Any = False) -> Any:
    g = g / count(x_shape, axis)
    return spread(g if axis is None else kept(g, x_shape, axis, keepdims), x_shape)


def _degrees(shape: tuple[int, ...], axis: Any, ddof: Any, correction: Any) -> Any:
    return np.float64(count(shape, axis) - (ddof if correction is None else correction)).item() or np.nan


def _push_var(t, _z, x, axis=None, dtype=None, ddof=0, keepdims=False, correction=None):  # type: ignore[no-untyped-def]
    n = _degrees(x.shape, axis, ddof, correction)
    centred = x - np.mean(x, axis, keepdims=True)
    return np.sum(np.real(np.conj(centred) * t), axis, keepdims=keepdims is True) * (2 / n)


@linear(np.var, push=_push_var, holomorphic=False)
def var(
    g: Any,
    _z: Any,
    x: Any,
    axis: Any = None,
    dtype: Any = None,
    ddof: Any = 0,
    keepdims: Any = False,
    correction: Any = None,
) -> Any:
    n = _degrees(x.shape, axis, ddof, correction)
    return kept(np.real(g), x.shape, axis, keepdims) * (2 / n) * (x - np.mean(x, axis, keepdims=True))


def _push_std(t, z, x, axis=None, dtype=None, ddof=0, keepdims=False, correction=None):  # type: ignore[no-untyped-def]
    return _push_var(t, z, x, axis, dtype, ddof, keepdims, correction) / nonzero(2 * z)


@linear(np.std, push=_push_std, holomorphic=False)
def std(
    g: Any,
    z: Any,
    x: Any,
    axis: Any = None,
    dtype: Any = None,
    ddof: Any = 0,
    keepdims: Any = False,
    correction: Any = None,
) -> Any:
    n = _degrees(x.shape, axis, ddof, correction)
    centred = x - np.mean(x, axis, keepdims=True)
    # the cotangent of a constant sample is 0: the subgradient of least norm
    return kept(np.real(g), x.shape, axis, keepdims) * centred / nonzero(kept(z, x.shape, axis, keepdims) * n)


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
    if x.size == 0:
        return x
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


@linear(
    np.prod,
    push=lambda t, _z, x, axis=None, dtype=None, keepdims=False: np.sum(
        t * _products_of_others(x, axis), axis, keepdims=keepdims is True
    ),
)
def prod(g: Any, _z: Any, x: Any, axis: Any = None, dtype: Any = None, keepdims: Any = False) -> Any:
    return kept(g, x.shape, axis, keepdims) * _products_of_others(x, axis)


# ---- the largest and the smallest: k tied winners get 1/k each ----------------------------------------------


def _winners(g: Any, z: Any, x: Any, axis: Any, keepdims: Any) -> Any:
    won = (x == kept(z, x.shape, axis, keepdims)) | (x != x)
    return won / np.asarray(won.sum(axis, keepdims=True), g.dtype)


def _push_extreme(t, z, x, axis=None, keepdims=False):  # type: ignore[no-untyped-def]
    return np.sum(t * _winners(t, z, x, axis, keepdims), axis, keepdims=keepdims is True)


@linear(np.max, push=_push_extreme)
def max(g: Any, z: Any, x: Any, axis: Any = None, keepdims: Any = False) -> Any:
    return kept(g, x.shape, axis, keepdims) * _winners(g, z, x, axis, keepdims)


@linear(np.min, push=_push_extreme)
def min(g: Any, z: Any, x: Any, axis: Any = None, keepdims: Any = False) -> Any:
    return kept(g, x.shape, axis, keepdims) * _winners(g, z, x, axis, keepdims)


implements(np.amax)(max)
implements(np.amin)(min)
