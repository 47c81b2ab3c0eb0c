"""Derivatives of what moves elements about: reshape, transpose, broadcast, join, copy, convert."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..batching.array import leader
from ..declare import general, implements, linear
from ..operation import unbroadcast
from ..variable import Variable, data_of, wrap
from .elementwise import real


def _reshape(x: Any, shape: Any, order: Any = "C", copy: Any = None) -> Any:
    return x.reshape(shape, order=order) if copy is None else np.reshape(x, shape, order=order, copy=copy)


@linear(None, name="reshape", call=_reshape, views=True)  # NumPy 2.0 has another name for the shape
def _reshaped(g: Any, _z: Any, x_shape: Any, shape: Any = None, order: Any = "C", copy: Any = None) -> Any:
    return np.reshape(g, x_shape, order=order)


def _in_memory(x: Variable) -> str:
    """What order="A" means for x: a cotangent need not lie in memory as x does."""
    return "F" if x.data.flags.fnc else "C"


@implements(np.reshape)
def reshape(a: Any, /, shape: Any = None, order: Any = "C", *, copy: Any = None) -> Any:
    """`numpy.reshape` for arrays and Variables. Differentiable."""
    if order == "A" and isinstance(a, Variable):
        order = _in_memory(a)
    return _reshaped(a, shape, order) if copy is None else _reshaped(a, shape, order, copy)


reshape.node = _reshaped.node  # type: ignore[attr-defined]


@linear(None, name="ravel", call=np.ravel, views=True)
def _ravel(g: Any, _z: Any, x_shape: Any, order: Any = "C") -> Any:
    return np.reshape(g, x_shape, order=order)


@implements(np.ravel)
def ravel(a: Any, order: Any = "C") -> Any:
    """`numpy.ravel` for arrays and Variables. Differentiable."""
    if order in ("A", "K") and isinstance(a, Variable):
        if order == "K" and not a.data.flags.forc:
            a = transpose(a, np.argsort([-abs(s) for s in a.data.strides], kind="stable"))
        order = _in_memory(a)
    return _ravel(a) if order == "C" else _ravel(a, order)


@linear(np.transpose, call=lambda x, axes=None: x.transpose(axes), views=True)
def transpose(g: Any, _z: Any, _x: Any, axes: Any = None) -> Any:
    return np.transpose(g, None if axes is None else np.argsort([a % g.ndim for a in axes]))


@linear(np.swapaxes, views=True)
def swapaxes(g: Any, _z: Any, _x: Any, axis1: Any, axis2: Any) -> Any:
    return np.swapaxes(g, axis1, axis2)


@linear(np.moveaxis, views=True)
def moveaxis(g: Any, _z: Any, _x: Any, source: Any, destination: Any) -> Any:
    return np.moveaxis(g, destination, source)


@linear(np.expand_dims, views=True)
def expand_dims(g: Any, _z: Any, x_shape: Any, axis: Any) -> Any:
    return g.reshape(x_shape)


@linear(np.squeeze, views=True)
def squeeze(g: Any, _z: Any, x_shape: Any, axis: Any = None) -> Any:
    return g.reshape(x_shape)


@linear(np.broadcast_to, views=True, moves=False)
def broadcast_to(g: Any, _z: Any, x_shape: Any, shape: Any) -> Any:
    return unbroadcast(g, x_shape)


@linear(np.copy)
def copy(g: Any, _z: Any, _x: Any, order: Any = "K") -> Any:
    return g


@linear(None, name="astype", call=lambda x, dtype, *args, **kwargs: x.astype(dtype, *args, **kwargs))
def _astype(g: Any, _z: Any, _x: Any, *args: Any, **kwargs: Any) -> Any:
    return g


@implements(np.astype)
def astype(x: Any, dtype: Any, *args: Any, **kwargs: Any) -> Any:
    """`ndarray.astype` for arrays and Variables. Differentiable; integers and booleans are constants."""
    if isinstance(x, Variable):
        if kwargs.get("copy") is False and x.dtype == dtype:
            return x
        if x.dtype.kind == "c" and np.dtype(dtype).kind == "f":
            x = real(x)
    return _astype(x, dtype, *args, **kwargs)


def double(x: Any) -> Any:
    """An array or Variable in double precision; integers become floating-point numbers."""
    dtype = np.result_type(x.dtype, np.float64)
    return x if x.dtype == dtype else astype(x, dtype)


# ---- joining ------------------------------------------------------------------------------------------------


def _part(i: int, g: Any, _z: Any, _xs: Any, axis: int, ends: Any) -> Any:
    start = ends[i - 1] if i else 0
    return g[(slice(None),) * axis + (slice(start, ends[i]),)]


def _in_place_of_part(i: int, t: Any, z: Any, _xs: Any, axis: int, ends: Any) -> Any:
    start = ends[i - 1] if i else 0
    before, after = list(z.shape), list(z.shape)
    before[axis], after[axis] = start, z.shape[axis] - ends[i]
    return np.concatenate([np.zeros(before, t.dtype), t, np.zeros(after, t.dtype)], axis)


_concatenate = general(
    "concatenate", lambda *xs, axis, ends: np.concatenate(xs, axis), _part, _in_place_of_part, reads=(True, False)
)


@implements(np.concatenate)
def concatenate(arrays: Any, axis: Any = 0, out: Any = None, *, dtype: Any = None, casting: Any = "same_kind") -> Any:
    """`numpy.concatenate` for arrays and Variables. Differentiable."""
    if out is not None:
        raise TypeError("concatenate: out= would write a tracked result into a plain array; leave it out")
    arrays = list(arrays)
    if not any(isinstance(x, Variable) for x in arrays):
        return np.concatenate(arrays, axis, dtype=dtype, casting=casting)
    if dtype is not None or casting != "same_kind":
        kinds = [np.asarray(data_of(x)).dtype for x in arrays]
        target = np.result_type(*kinds) if dtype is None else np.dtype(dtype)
        for i, kind in enumerate(kinds):
            if not np.can_cast(kind, target, casting):
                raise TypeError(f"concatenate: array {i} is {kind}, which casting={casting!r} cannot make {target}")
        if dtype is not None:
            return astype(concatenate(arrays, axis), dtype, casting="unsafe")
    if axis is None:
        arrays, axis = [ravel(x) if isinstance(x, Variable) else np.ravel(x) for x in arrays], 0
    shapes = [np.shape(data_of(x)) for x in arrays]
    if not shapes[0]:
        raise ValueError("concatenate: arrays without axes cannot be joined; use np.stack")
    axis = np.lib.array_utils.normalize_axis_index(axis, len(shapes[0]))
    ends = np.cumsum([s[axis] if axis < len(s) else 0 for s in shapes]).tolist()
    return _concatenate(*arrays, axis=axis, ends=ends)


@implements(np.stack)
def stack(arrays: Any, axis: Any = 0, out: Any = None, *, dtype: Any = None, casting: Any = "same_kind") -> Any:
    """`numpy.stack` for arrays and Variables. Differentiable."""
    arrays = list(arrays)
    if not any(isinstance(x, Variable) for x in arrays):
        return np.stack(arrays, axis, out, dtype=dtype, casting=casting)
    shapes = {np.shape(data_of(x)) for x in arrays}
    if len(shapes) > 1:
        raise ValueError(f"stack: all arrays need one shape, got {sorted(shapes)}")
    arrays = [expand_dims(x, axis) if isinstance(x, Variable) else np.expand_dims(x, axis) for x in arrays]
    return concatenate(arrays, axis, out, dtype=dtype, casting=casting)


def array(data: Any, dtype: Any = None) -> Any:
    """`numpy.array` that keeps the graph: a Variable from Variables, arrays and numbers in nested lists.

    Raises:
        ValueError: the rows have different shapes.

    Example:
        >>> x = wg.Variable(2.0)
        >>> wg.array([x, x**2, 1.0])
        Variable([2., 4., 1.])
    """
    if isinstance(data, (list, tuple)) and _holds_variable(data):
        z = stack([array(item) for item in data])
    elif isinstance(data, Variable):
        z = copy(data)
    else:
        return np.array(data, dtype=dtype, like=leader(data))
    return z if dtype is None else astype(z, dtype)


def _holds_variable(data: Any) -> bool:
    if isinstance(data, (list, tuple)):
        return any(map(_holds_variable, data))
    return isinstance(data, Variable)


# ---- new arrays that can be filled ---------------------------------------------------------------------------


def _filled_like(function: Any) -> Any:
    def like(prototype: Any, *args: Any, **kwargs: Any) -> Any:
        z = function(data_of(prototype), *args, **kwargs)
        return wrap(z, None) if isinstance(prototype, Variable) else z

    like.__name__ = like.__qualname__ = function.__name__
    like.__doc__ = f"`numpy.{function.__name__}`: of a Variable an untracked one, so that `out[i] = v` is recorded."
    return implements(function)(like)


zeros_like, ones_like, empty_like = map(_filled_like, (np.zeros_like, np.ones_like, np.empty_like))

# ---- as methods, with ndarray's own ways to give the arguments ----------------------------------------------


def reshape_method(x: Variable, *shape: Any, order: str = "C", copy: bool | None = None) -> Variable:
    """`ndarray.reshape`: the shape as one tuple or as separate integers."""
    shape = shape[0] if len(shape) == 1 and not isinstance(shape[0], (int, np.integer)) else shape
    return _reshaped(x, shape) if order == "C" and copy is None else reshape(x, shape, order, copy=copy)


def transpose_method(x: Variable, *axes: Any) -> Variable:
    """`ndarray.transpose`: the axes as one tuple, as separate integers, or none to reverse them."""
    if len(axes) == 1 and not isinstance(axes[0], (int, np.integer)):
        axes = axes[0]
    return transpose(x, tuple(axes)) if axes else transpose(x)


def flatten_method(x: Variable, order: str = "C") -> Variable:
    """`ndarray.flatten`."""
    return wrap(x._array.flatten(order), None) if x._node is None else ravel(copy(x), order)
