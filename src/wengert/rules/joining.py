"""Derivatives of what joins, splits, repeats, turns and picks parts of arrays, and of products of all pairs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy import ndarray
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from ..batching.array import Batched
from ..composed import composed
from ..declare import general, implements, linear
from ..variable import Variable, data_of
from .indexing import index_of, put
from .shaping import array, astype, concatenate


def as_array(x: Any) -> Any:
    """x as an array or a Variable; nested lists may hold Variables."""
    return x if isinstance(x, (Variable, ndarray, Batched)) else array(x)


def no_out(name: str, out: Any) -> None:
    """Refuse `out=`."""
    if out is not None:
        raise TypeError(f"{name}: out= would write a tracked result into a plain array; leave it out")


def _along(axis: int, key: Any) -> tuple[Any, ...]:
    """An index that is `key` along one axis and everything along those before it."""
    return (slice(None),) * axis + (key,)


# ---- joining ------------------------------------------------------------------------------------------------


def _at_least(arrays: Any, shape_of: Any) -> Any:
    xs = [as_array(x) for x in arrays]
    zs = tuple([x if (shape := shape_of(x.shape)) == x.shape else x.reshape(shape) for x in xs])
    return zs[0] if len(zs) == 1 else zs


@implements(np.atleast_1d)
def atleast_1d(*arys: Any) -> Any:
    """`numpy.atleast_1d` for arrays and Variables. Differentiable."""
    return _at_least(arys, lambda shape: shape or (1,))


@implements(np.atleast_2d)
def atleast_2d(*arys: Any) -> Any:
    """`numpy.atleast_2d` for arrays and Variables. Differentiable."""
    return _at_least(arys, lambda shape: (1,) * (2 - len(shape)) + shape)


@implements(np.atleast_3d)
def atleast_3d(*arys: Any) -> Any:
    """`numpy.atleast_3d` for arrays and Variables. Differentiable."""
    return _at_least(arys, lambda s: (1, *(s or (1,)), 1) if len(s) < 2 else s + (1,) * (3 - len(s)))


@implements(np.vstack)
def vstack(tup: Any, *, dtype: Any = None, casting: Any = "same_kind") -> Any:
    """`numpy.vstack` for arrays and Variables. Differentiable."""
    return concatenate([atleast_2d(x) for x in tup], 0, dtype=dtype, casting=casting)


@implements(np.hstack)
def hstack(tup: Any, *, dtype: Any = None, casting: Any = "same_kind") -> Any:
    """`numpy.hstack` for arrays and Variables. Differentiable."""
    xs = [atleast_1d(x) for x in tup]
    return concatenate(xs, 0 if xs[0].ndim == 1 else 1, dtype=dtype, casting=casting)


@implements(np.dstack)
def dstack(tup: Any) -> Any:
    """`numpy.dstack` for arrays and Variables. Differentiable."""
    return concatenate([atleast_3d(x) for x in tup], 2)


@implements(np.column_stack)
def column_stack(tup: Any) -> Any:
    """`numpy.column_stack` for arrays and Variables. Differentiable."""
    xs = [as_array(x) for x in tup]
    return concatenate([x if x.ndim >= 2 else x.reshape(-1, 1) for x in xs], 1)


@implements(np.append)
def append(arr: Any, values: Any, axis: Any = None) -> Any:
    """`numpy.append` for arrays and Variables. Differentiable."""
    if axis is None:
        return concatenate([as_array(x).reshape(-1) for x in (arr, values)])
    return concatenate([as_array(arr), as_array(values)], axis)


def _nesting(arrays: Any) -> tuple[int, int]:
    """How deep the lists are nested, and the most axes of an array in them."""
    if isinstance(arrays, tuple):
        raise TypeError("block: arrays are nested in lists; a tuple is neither a list nor an array")
    if not isinstance(arrays, list):
        return 0, np.ndim(arrays)
    if not arrays:
        raise ValueError("block: a list of blocks is empty")
    inner = [_nesting(item) for item in arrays]
    if len({depth for depth, _ in inner}) > 1:
        raise ValueError("block: the lists are nested to different depths")
    return 1 + inner[0][0], max([ndim for _, ndim in inner])


def _block(arrays: Any, ndim: int, depth: int) -> Any:
    if not isinstance(arrays, list):
        x = as_array(arrays)
        return x.reshape((1,) * (ndim - x.ndim) + x.shape)
    return concatenate([_block(item, ndim, depth - 1) for item in arrays], -depth)


@implements(np.block)
def block(arrays: Any) -> Any:
    """`numpy.block` for arrays and Variables. Differentiable."""
    depth, ndim = _nesting(arrays)
    return _block(arrays, max(depth, ndim), depth) if depth else np.copy(arrays)


# ---- splitting: views, as NumPy's are -----------------------------------------------------------------------


def _split(function: Any, x: Any, sections: Any, axis: Any) -> list[Any]:
    x = as_array(x)
    axis = normalize_axis_index(axis, x.ndim)
    parts = function(np.arange(x.shape[axis]), data_of(sections))  # NumPy decides which elements go where
    return [x[_along(axis, slice(int(p[0]), int(p[-1]) + 1) if p.size else slice(0, 0))] for p in parts]


@implements(np.split)
def split(ary: Any, indices_or_sections: Any, axis: Any = 0) -> Any:
    """`numpy.split` for arrays and Variables. Differentiable."""
    return _split(np.split, ary, indices_or_sections, axis)


@implements(np.array_split)
def array_split(ary: Any, indices_or_sections: Any, axis: Any = 0) -> Any:
    """`numpy.array_split` for arrays and Variables. Differentiable."""
    return _split(np.array_split, ary, indices_or_sections, axis)


def _needs_axes(name: str, x: Any, count: int) -> None:
    if np.ndim(x) < count:
        raise ValueError(f"{name}: expected an array of {count} or more dimensions, got shape {np.shape(x)}")


@implements(np.hsplit)
def hsplit(ary: Any, indices_or_sections: Any) -> Any:
    """`numpy.hsplit` for arrays and Variables. Differentiable."""
    _needs_axes("hsplit", ary, 1)
    return _split(np.split, ary, indices_or_sections, 1 if np.ndim(ary) > 1 else 0)


@implements(np.vsplit)
def vsplit(ary: Any, indices_or_sections: Any) -> Any:
    """`numpy.vsplit` for arrays and Variables. Differentiable."""
    _needs_axes("vsplit", ary, 2)
    return _split(np.split, ary, indices_or_sections, 0)


@implements(np.dsplit)
def dsplit(ary: Any, indices_or_sections: Any) -> Any:
    """`numpy.dsplit` for arrays and Variables. Differentiable."""
    _needs_axes("dsplit", ary, 3)
    return _split(np.split, ary, indices_or_sections, 2)


@implements(*[np.unstack] if hasattr(np, "unstack") else [])  # NumPy 2.1
def unstack(x: Any, /, *, axis: Any = 0) -> Any:
    """`numpy.unstack` for arrays and Variables. Differentiable."""
    _needs_axes("unstack", x, 1)
    axis = normalize_axis_index(axis, x.ndim)
    return tuple([x[_along(axis, i)] for i in range(x.shape[axis])])


# ---- repeating ----------------------------------------------------------------------------------------------


@linear(None, name="tile", call=np.tile)
def _tile(g: Any, _z: Any, x_shape: Any, reps: Any) -> Any:
    ndim = max(len(reps), len(x_shape))
    shape, reps = [(1,) * (ndim - len(s)) + s for s in (x_shape, reps)]
    pairs = [n for pair in zip(reps, shape, strict=True) for n in pair]
    return np.sum(np.reshape(g, pairs), axis=tuple(range(0, 2 * ndim, 2))).reshape(x_shape)


@implements(np.tile)
def tile(A: Any, reps: Any) -> Any:
    """`numpy.tile` for arrays and Variables. Differentiable."""
    reps = np.asarray(data_of(reps)).tolist()
    return _tile(A, tuple(reps) if isinstance(reps, list) else (reps,))


@linear(None, name="repeat", call=np.repeat)
def _repeat(g: Any, _z: Any, x_shape: Any, repeats: Any, axis: Any) -> Any:
    n = x_shape[axis]
    if repeats.size == 1:
        shape = (*x_shape[:axis], n, repeats.item(), *x_shape[axis + 1 :])
        return np.sum(np.reshape(g, shape), axis + 1)
    return put(g, x_shape, _along(axis, np.repeat(np.arange(n), repeats)))


@implements(np.repeat)
def repeat(a: Any, repeats: Any, axis: Any = None) -> Any:
    """`numpy.repeat` for arrays and Variables. Differentiable."""
    a = as_array(a)
    if axis is None or not a.ndim:
        a, axis = a.reshape(-1), 0
    return _repeat(a, np.copy(data_of(repeats)), normalize_axis_index(axis, a.ndim))


@implements(np.resize)
def resize(a: Any, new_shape: Any) -> Any:
    """`numpy.resize` for arrays and Variables. Differentiable."""
    a = as_array(a)
    shape = (new_shape,) if isinstance(new_shape, (int, np.integer)) else tuple(new_shape)
    if any([n < 0 for n in shape]):
        raise ValueError("resize: all elements of new_shape must be non-negative")
    size = int(np.prod(shape))
    if not a.size or not size:
        return np.resize(data_of(a), shape)
    return np.concatenate([a.reshape(-1)] * -(-size // a.size))[:size].reshape(shape)


# ---- turning ------------------------------------------------------------------------------------------------


@linear(None, name="roll", call=np.roll)
def _roll(g: Any, _z: Any, _x: Any, shift: Any, axis: Any) -> Any:
    return np.roll(g, np.negative(shift), axis)


@implements(np.roll)
def roll(a: Any, shift: Any, axis: Any = None) -> Any:
    """`numpy.roll` for arrays and Variables. Differentiable."""
    return _roll(a, index_of(shift), axis)


@implements(np.rollaxis)
def rollaxis(a: Any, axis: Any, start: Any = 0) -> Any:
    """`numpy.rollaxis` for arrays and Variables. Differentiable."""
    places = np.rollaxis(np.empty(range(a.ndim)), axis, start).shape  # each axis has its number as its length
    return np.transpose(a, places)


@linear(np.rot90, views=True)
def rot90(g: Any, _z: Any, _x: Any, k: Any = 1, axes: Any = (0, 1)) -> Any:
    return np.rot90(g, -k, axes)


@linear(np.flip, views=True)
def flip(g: Any, _z: Any, _x: Any, axis: Any = None) -> Any:
    return np.flip(g, axis)


@linear(np.fliplr, views=True)
def fliplr(g: Any, _z: Any, _x: Any) -> Any:
    return np.fliplr(g)


@linear(np.flipud, views=True)
def flipud(g: Any, _z: Any, _x: Any) -> Any:
    return np.flipud(g)


@linear(np.matrix_transpose, views=True)
def matrix_transpose(g: Any, _z: Any, _x: Any) -> Any:
    return np.swapaxes(g, -1, -2)


@implements(np.linalg.matrix_transpose)
def linalg_matrix_transpose(x: Any, /) -> Any:
    """`numpy.linalg.matrix_transpose` for arrays and Variables. Differentiable."""
    return matrix_transpose(x)


# ---- picking ------------------------------------------------------------------------------------------------


@linear(None, name="take", call=lambda x, indices, axis, mode: np.take(x, indices, axis, mode=mode))
def _take(g: Any, _z: Any, x_shape: Any, indices: Any, axis: Any, mode: Any) -> Any:
    flat = axis is None or not x_shape
    shape = (int(np.prod(x_shape)),) if flat else x_shape
    axis = 0 if flat else axis % len(shape)
    if mode != "raise":
        n = shape[axis]
        indices = indices % n if mode == "wrap" else np.clip(indices, 0, n - 1)
    return put(g, shape, _along(axis, indices)).reshape(x_shape)


@implements(np.take)
def take(a: Any, indices: Any, axis: Any = None, out: Any = None, mode: Any = "raise") -> Any:
    """`numpy.take` for arrays and Variables. Differentiable."""
    no_out("take", out)
    if not isinstance(indices, int):
        indices = np.copy(data_of(indices))
        indices = indices if indices.size else indices.astype(np.intp)
    return _take(a, indices, axis, mode)


@implements(np.compress)
def compress(condition: Any, a: Any, axis: Any = None, out: Any = None) -> Any:
    """`numpy.compress` for arrays and Variables. Differentiable in the array; the condition is a constant."""
    no_out("compress", out)
    condition = np.asarray(data_of(condition))
    if condition.ndim != 1:
        raise ValueError(f"compress: condition must be a 1-d array, got shape {condition.shape}")
    return np.take(a, np.flatnonzero(condition), axis)


@implements(np.extract)
def extract(condition: Any, arr: Any) -> Any:
    """`numpy.extract` for arrays and Variables. Differentiable in the array; the condition is a constant."""
    return np.take(arr, np.flatnonzero(data_of(condition)))


def along_axis(shape: tuple[int, ...], indices: Any, axis: int) -> tuple[Any, ...]:
    """The index that `numpy.take_along_axis` stands for."""
    key = list(np.ix_(*map(np.arange, shape)))
    key[axis] = indices
    return tuple(key)


@linear(None, name="take_along_axis", call=np.take_along_axis)
def _take_along_axis(g: Any, _z: Any, x_shape: Any, indices: Any, axis: Any) -> Any:
    if axis is None:
        return put(g, (int(np.prod(x_shape)),), indices).reshape(x_shape)
    return put(g, x_shape, along_axis(x_shape, indices, axis))


@implements(np.take_along_axis)
def take_along_axis(arr: Any, indices: Any, axis: Any = -1) -> Any:
    """`numpy.take_along_axis` for arrays and Variables. Differentiable in the array; indices are constants."""
    return _take_along_axis(arr, np.copy(data_of(indices)), axis)


@implements(np.delete)
def delete(arr: Any, obj: Any, axis: Any = None) -> Any:
    """`numpy.delete` for arrays and Variables. Differentiable."""
    if axis is None:
        arr, axis = as_array(arr).reshape(-1), 0
    axis = normalize_axis_index(axis, arr.ndim)
    return np.take(arr, np.delete(np.arange(arr.shape[axis]), data_of(obj)), axis)


@implements(np.trim_zeros)
def trim_zeros(filt: Any, trim: str = "fb", axis: Any = None) -> Any:
    """`numpy.trim_zeros` for arrays and Variables. Differentiable; where the zeros are is a constant."""
    trim = trim.lower()
    if trim not in ("fb", "bf", "f", "b"):
        raise ValueError(f"trim_zeros: unexpected character(s) in `trim`: {trim!r}")
    axes = range(filt.ndim) if axis is None else normalize_axis_tuple(axis, filt.ndim)
    key = [slice(None)] * filt.ndim
    for i, places in enumerate(np.nonzero(data_of(filt))):
        if i in axes and not places.size:
            key[i] = slice(0, 0)
        elif i in axes:
            first, last = places.min() if "f" in trim else None, places.max() + 1 if "b" in trim else None
            key[i] = slice(first, last)
    return filt[tuple(key)] if key and axes else filt


# ---- along an axis ------------------------------------------------------------------------------------------


@implements(np.apply_along_axis)
def apply_along_axis(func1d: Any, axis: Any, arr: Any, *args: Any, **kwargs: Any) -> Any:
    """`numpy.apply_along_axis`: calls func1d on Variables. Differentiable as far as func1d is."""
    arr = as_array(arr)
    axis = normalize_axis_index(axis, arr.ndim)
    lanes = np.moveaxis(arr, axis, -1)
    outer = lanes.shape[:-1]
    if 0 in outer:
        raise ValueError("Cannot apply_along_axis when any iteration dimensions are 0")
    parts = [as_array(func1d(lanes[(*i, Ellipsis)], *args, **kwargs)) for i in np.ndindex(outer)]
    dtype = parts[0].dtype  # NumPy casts all results to the first one's
    if dtype.kind not in "fc" and any([p.dtype.kind in "fc" for p in parts]):
        raise TypeError(f"apply_along_axis: func1d gave {dtype} first and floating-point later; give one dtype always")
    z = np.stack([p if p.dtype == dtype else astype(p, dtype) for p in parts]).reshape(outer + parts[0].shape)
    inner = range(len(outer), z.ndim)
    return np.moveaxis(z, tuple(inner), tuple([axis + k for k in range(len(inner))]))


@implements(np.apply_over_axes)
def apply_over_axes(func: Any, a: Any, axes: Any) -> Any:
    """`numpy.apply_over_axes`: calls func on Variables. Differentiable as far as func is."""
    z, ndim = as_array(a), np.ndim(a)
    for axis in np.atleast_1d(data_of(axes)).tolist():
        axis = axis + ndim if axis < 0 else axis
        reduced = func(z, axis)
        z = reduced if reduced.ndim == z.ndim else np.expand_dims(reduced, axis)
        if z.ndim != ndim:
            raise ValueError("function is not returning an array of the correct shape")
    return z


# ---- products of two arrays ---------------------------------------------------------------------------------


@implements(np.outer)
def outer(a: Any, b: Any, out: Any = None) -> Any:
    """`numpy.outer` for arrays and Variables. Differentiable."""
    no_out("outer", out)
    return np.ravel(as_array(a))[:, None] * np.ravel(as_array(b))[None, :]


@implements(np.linalg.outer)
def linalg_outer(x1: Any, x2: Any, /) -> Any:
    """`numpy.linalg.outer` for arrays and Variables. Differentiable."""
    if np.ndim(x1) != 1 or np.ndim(x2) != 1:
        raise ValueError(f"linalg.outer: both arguments must be one-dimensional, got {np.ndim(x1)} and {np.ndim(x2)}")
    return outer(x1, x2)


def _inner_x(g: Any, _z: Any, x: Any, y: Any) -> Any:
    return g * y if x.ndim == 0 or y.ndim == 0 else np.tensordot(g, y, y.ndim - 1)


def _inner_y(g: Any, _z: Any, x: Any, y: Any) -> Any:
    if x.ndim == 0 or y.ndim == 0:
        return g * x
    free = list(range(x.ndim - 1))
    return np.tensordot(g, x, (free, free))


_inner = general(
    "inner",
    np.inner,
    (_inner_x, _inner_y),
    (lambda t, _z, _x, y: np.inner(t, y), lambda t, _z, x, _y: np.inner(x, t)),
    broadcasts=True,
)


@implements(np.inner)
def inner(a: Any, b: Any, /) -> Any:
    """`numpy.inner` for arrays and Variables. Differentiable."""
    return _inner(as_array(a), as_array(b))


_vdot = general(
    "vdot",
    np.vdot,
    (
        lambda g, _z, x, y: np.reshape(np.conj(g) * np.ravel(y), x.shape),
        lambda g, _z, x, y: np.reshape(g * np.ravel(x), y.shape),
    ),
    (lambda t, _z, _x, y: np.vdot(t, y), lambda t, _z, x, _y: np.vdot(x, t)),
    holomorphic=False,
)


@implements(np.vdot)
def vdot(a: Any, b: Any, /) -> Any:
    """`numpy.vdot` for arrays and Variables. Differentiable."""
    return _vdot(as_array(a), as_array(b))


@implements(np.kron)
def kron(a: Any, b: Any) -> Any:
    """`numpy.kron` for arrays and Variables. Differentiable."""
    a, b = as_array(a), as_array(b)
    if not a.ndim or not b.ndim:
        return np.multiply(a, b)
    ndim = max(a.ndim, b.ndim)
    shapes = [(1,) * (ndim - x.ndim) + x.shape for x in (a, b)]
    a = a.reshape([n for m in shapes[0] for n in (m, 1)])
    b = b.reshape([n for m in shapes[1] for n in (1, m)])
    return np.multiply(a, b).reshape([m * n for m, n in zip(*shapes, strict=True)])


_cross = general(
    "cross",
    np.cross,
    (lambda g, _z, _x, y: np.cross(y, g), lambda g, _z, x, _y: np.cross(g, x)),
    (lambda t, _z, _x, y: np.cross(t, y), lambda t, _z, x, _y: np.cross(x, t)),
    broadcasts=True,
)


@composed(np.cross, name="cross_of_pairs")
def _cross_of_pairs(a: Any, b: Any) -> Any:
    if a.shape[-1] == b.shape[-1] == 2:
        return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    a, b = [x if x.shape[-1] == 3 else np.concatenate([x, x[..., :1] * 0], -1) for x in (a, b)]
    return np.cross(a, b)


@implements(np.cross)
def cross(a: Any, b: Any, axisa: Any = -1, axisb: Any = -1, axisc: Any = -1, axis: Any = None) -> Any:
    """`numpy.cross` for arrays and Variables. Differentiable."""
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = np.moveaxis(as_array(a), axisa, -1), np.moveaxis(as_array(b), axisb, -1)
    if a.shape[-1] == b.shape[-1] == 3:
        z = _cross(a, b)
    else:
        z = _cross_of_pairs(a, b)  # NumPy's own error for lengths other than 2
        if a.shape[-1] == b.shape[-1]:
            return z
    return z if axisc == -1 else np.moveaxis(z, -1, axisc)


@implements(np.linalg.cross)
def linalg_cross(x1: Any, x2: Any, /, *, axis: Any = -1) -> Any:
    """`numpy.linalg.cross` for arrays and Variables. Differentiable."""
    if np.shape(x1)[axis] != 3 or np.shape(x2)[axis] != 3:
        raise ValueError("linalg.cross: both arguments must be (arrays of) 3-dimensional vectors")
    return cross(x1, x2, axis=axis)
