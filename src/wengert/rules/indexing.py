"""Derivatives of indexing: reading `x[i]`, and `x[i] = v` as a new version of x."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy import ndarray

from ..batching.array import RULES, Batched, BatchedError, leader
from ..declare import general, linear
from ..operation import unbroadcast
from ..variable import Variable, as_data, data_of, move
from ..views import View, written


def index_of(key: Any) -> Any:
    """The index with Variables in it as arrays, and arrays copied, so that changing them later does no harm."""
    if isinstance(key, tuple):
        return tuple([index_of(k) for k in key])
    if isinstance(key, Variable):
        key = key.data
    if isinstance(key, list):
        return np.array(data_of(key)) if key else np.array(key, np.intp)
    return key.copy() if isinstance(key, (ndarray, Batched)) else key


def is_basic(key: Any) -> bool:
    """Whether the index names each element at most once."""
    if type(key) is not tuple:
        key = (key,)
    return all([isinstance(k, (int, slice, np.integer)) or k is None or k is Ellipsis for k in key])


def _put(g: Any, shape: tuple[int, ...], key: Any) -> Any:
    z = np.zeros(shape, g.dtype, like=leader(g, key))
    if is_basic(key):
        z[key] = g
    else:
        np.add.at(z, key, g)
    return z


@linear(None, name="put", call=_put)
def put(g: Any, _z: Any, _x: Any, shape: Any, key: Any) -> Any:
    """Zeros of a shape with x added at an index: what `getitem` is the transpose of."""
    return getitem(g, key)


def _getitem(x: Any, key: Any) -> Any:
    try:
        return x[key]
    except BatchedError:
        if type(x) is not ndarray or leader(key) is None:
            raise
        return RULES["getitem"](x, key)  # one of the key's arrays is a batch


@linear(None, name="getitem", call=_getitem, views=True)
def getitem(g: Any, _z: Any, x_shape: Any, key: Any) -> Any:
    """`x[key]`."""
    return put(g, x_shape, key)


def getitem_method(x: Variable, key: Any) -> Any:
    """`x[key]`, a basic or fancy index, recorded."""
    return getitem(x, key if type(key) in (int, slice) else index_of(key))


def _replaced(x: Any, v: Any, *, key: Any) -> Any:
    z: Any = np.empty(np.shape(x), np.asarray(x).dtype if isinstance(x, float) else x.dtype, like=leader(x, v, key))
    z[...] = x
    z[key] = v
    return z


def _outside(g: Any, key: Any) -> Any:
    return replaced(g, 0.0, key=key) if isinstance(g, Variable) else _replaced(g, 0.0, key=key)


def _inside(g: Any, v_shape: tuple[int, ...], key: Any) -> Any:
    part = g[key]
    if not is_basic(key) and not _is_mask(key):  # a repeated index: the last one written stays
        part = part * _written_last(g.shape, key)
    extra = len(v_shape) - part.ndim  # NumPy drops leading axes of length 1 when it assigns
    return unbroadcast(part, v_shape[max(extra, 0) :]).reshape(v_shape)


def _is_mask(key: Any) -> bool:
    return isinstance(key, (ndarray, Batched)) and key.dtype == bool


def _written_last(shape: tuple[int, ...], key: Any) -> Any:
    """For each element of x[key]: whether it is the one that stays when x[key] is assigned."""
    place = np.arange(int(np.prod(shape))).reshape(shape)[key]
    last = np.empty(int(np.prod(shape)), np.intp)
    last[place.reshape(-1)] = np.arange(place.size)
    return last[place] == np.arange(place.size).reshape(place.shape)


replaced = general(
    "setitem",
    _replaced,
    (
        lambda g, _z, _x, _v, *, key: _outside(g, key),
        lambda g, _z, _x, v_shape, *, key: _inside(g, v_shape, key),
    ),
    (
        lambda t, _z, _x, _v, *, key: _outside(t, key),
        lambda t, _z, x_shape, _v, *, key: replaced(np.zeros(x_shape, t.dtype), t, key=key),
    ),
)


def setitem_method(x: Variable, key: Any, v: Any) -> None:
    """`x[key] = v`: x moves on to a new version; arrays it was made from and results computed before stay.

    Raises:
        TypeError: v is tracked or floating-point and x is not.
    """
    if not isinstance(v, Variable):
        v = as_data(v, "x[i] = v: v")
    if x._array.dtype.kind not in "fc" and v.dtype.kind in "fc":
        raise TypeError(f"x[i] = v: x is {x.dtype} and cannot hold {v.dtype}; convert it with .astype(float) first")
    if x._array.dtype.kind == "f" and v.dtype.kind == "c":
        raise TypeError("x[i] = v: x is real and v is complex; convert x with .astype(complex) first")
    key = index_of(key)
    if isinstance(x, View) and x._base is not None:
        base = x._base
        key = np.unravel_index(x.positions()[key], base.shape)
        advance(base, replaced(base, v, key=key))
    else:
        advance(x, replaced(x, v, key=key))


def advance(x: Variable, new: Variable) -> Variable:
    """Move the handle x on to a new version. Under no_grad a tracked x keeps its place in the graph."""
    if isinstance(x, View) and x._base is not None:
        setitem_method(x, ..., new)
        return x
    written(x)
    if new._node is None and x._node is not None:
        x._array = new._array
        return x
    return move(x, new._array, new._node)
