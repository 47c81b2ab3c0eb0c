"""Derivatives of what fills arrays: diagonals, insertion, grids, sequences, choices, and writing in place."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy import ndarray
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from ..composed import composed
from ..declare import constant_functions, general, implements, linear, refused_functions
from ..operation import spread, unbroadcast
from ..variable import Variable, data_of, wrap
from .elementwise import real
from .indexing import advance, index_of, put, setitem_method
from .joining import along_axis, as_array, no_out
from .shaping import _holds_variable as holds_variable, array, astype, broadcast_to, copy

# ---- triangles and diagonals --------------------------------------------------------------------------------


@linear(np.tril)
def tril(g: Any, _z: Any, x_shape: Any, k: Any = 0) -> Any:
    return unbroadcast(np.tril(g, k), x_shape)


@linear(np.triu)
def triu(g: Any, _z: Any, x_shape: Any, k: Any = 0) -> Any:
    return unbroadcast(np.triu(g, k), x_shape)


def _on_diagonal(g: Any, shape: Any, offset: Any, axis1: Any, axis2: Any) -> Any:
    """Zeros of a shape with g, whose last axis runs along it, on a diagonal."""
    axes = normalize_axis_tuple((axis1, axis2), len(shape))
    places = np.arange(g.shape[-1])
    key = (Ellipsis, places + max(-offset, 0), places + max(offset, 0))
    others = [n for i, n in enumerate(shape) if i not in axes]
    return np.moveaxis(put(g, (*others, shape[axes[0]], shape[axes[1]]), key), (-2, -1), axes)


@linear(np.diagonal, views=True)
def diagonal(g: Any, _z: Any, x_shape: Any, offset: Any = 0, axis1: Any = 0, axis2: Any = 1) -> Any:
    return _on_diagonal(g, x_shape, offset, axis1, axis2)


@implements(np.linalg.diagonal)
def linalg_diagonal(x: Any, /, *, offset: Any = 0) -> Any:
    """`numpy.linalg.diagonal` for arrays and Variables. Differentiable."""
    return diagonal(x, offset, -2, -1)


@linear(np.trace)
def trace(g: Any, _z: Any, x_shape: Any, offset: Any = 0, axis1: Any = 0, axis2: Any = 1, dtype: Any = None) -> Any:
    rows, columns = x_shape[axis1], x_shape[axis2]
    n = max(min(rows + min(offset, 0), columns - max(offset, 0)), 0)
    return _on_diagonal(spread(g[..., None], (*g.shape, n)), x_shape, offset, axis1, axis2)


@implements(np.linalg.trace)
def linalg_trace(x: Any, /, *, offset: Any = 0, dtype: Any = None) -> Any:
    """`numpy.linalg.trace` for arrays and Variables. Differentiable."""
    return trace(x, offset, -2, -1, dtype)


@linear(np.diag, views=True)
def diag(g: Any, _z: Any, x_shape: Any, k: Any = 0) -> Any:
    return np.diagonal(g, k) if len(x_shape) == 1 else _on_diagonal(g, x_shape, k, 0, 1)


@linear(np.diagflat)
def diagflat(g: Any, _z: Any, x_shape: Any, k: Any = 0) -> Any:
    return np.diagonal(g, k).reshape(x_shape)


# ---- insert: both the array and the values move to places that NumPy decides --------------------------------


def _inserted(n: int, obj: Any, count: int) -> tuple[ndarray, ndarray]:
    """Along the axis of the result: where the array's n elements are, and where the inserted ones, in order."""
    mark = np.insert(np.full(n, -1), obj, np.arange(count))
    return np.flatnonzero(mark < 0), np.argsort(mark, kind="stable")[n:]


def _insert_x(g: Any, _z: Any, x_shape: Any, _v: Any, *, obj: Any, axis: int) -> Any:
    old, _ = _inserted(x_shape[axis], obj, g.shape[axis] - x_shape[axis])
    return np.take(g, old, axis)


def _insert_v(g: Any, _z: Any, x_shape: Any, v_shape: Any, *, obj: Any, axis: int) -> Any:
    _, new = _inserted(x_shape[axis], obj, g.shape[axis] - x_shape[axis])
    part = np.take(g, new, axis)
    if np.ndim(obj) == 0 and not isinstance(obj, slice):  # the values' first axis is put in place of the array's
        part = np.moveaxis(part, axis, 0)
    shape = v_shape[max(len(v_shape) - part.ndim, 0) :]  # leading axes of length 1 are dropped
    return unbroadcast(part, shape).reshape(v_shape)


_insert = general(
    "insert",
    lambda x, v, *, obj, axis: np.insert(x, obj, v, axis),
    (_insert_x, _insert_v),
    (
        lambda t, _z, _x, v_shape, *, obj, axis: np.insert(t, obj, np.zeros(v_shape, t.dtype), axis),
        lambda t, _z, x_shape, _v, *, obj, axis: np.insert(np.zeros(x_shape, t.dtype), obj, t, axis),
    ),
)


def _narrower(to: Any, dtype: Any) -> bool:
    """Whether values of a dtype would lose what has a derivative in an array of dtype `to`."""
    return (to.kind not in "fc" and dtype.kind in "fc") or (to.kind == "f" and dtype.kind == "c")


@implements(np.insert)
def insert(arr: Any, obj: Any, values: Any, axis: Any = None) -> Any:
    """`numpy.insert` for arrays and Variables. Differentiable in the array and the values."""
    arr, values = as_array(arr), as_array(values)
    if isinstance(values, Variable) and _narrower(arr.dtype, values.dtype):
        raise TypeError(f"insert: arr is {arr.dtype} and cannot hold {values.dtype}; convert it with .astype first")
    if axis is None:
        arr, axis = arr.reshape(-1), 0
    return _insert(arr, values, obj=index_of(obj), axis=normalize_axis_index(axis, arr.ndim))


# ---- grids --------------------------------------------------------------------------------------------------


@implements(np.broadcast_arrays)
def broadcast_arrays(*args: Any, subok: bool = False) -> Any:
    """`numpy.broadcast_arrays` for arrays and Variables. Differentiable."""
    xs = [as_array(x) for x in args]
    shape = np.broadcast_shapes(*[x.shape for x in xs])
    return tuple([x if x.shape == shape else np.broadcast_to(x, shape) for x in xs])


@implements(np.meshgrid)
def meshgrid(*xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> Any:
    """`numpy.meshgrid` for arrays and Variables. Differentiable."""
    if indexing not in ("xy", "ij"):
        raise ValueError(f"meshgrid: indexing is 'xy' or 'ij', got {indexing!r}")
    places = list(range(len(xi)))
    if indexing == "xy" and len(xi) > 1:
        places[:2] = 1, 0
    zs: Any = [
        as_array(x).reshape([-1 if i == p else 1 for i in range(len(xi))]) for x, p in zip(xi, places, strict=True)
    ]
    if not sparse:
        zs = broadcast_arrays(*zs)
    return tuple([z.copy() for z in zs]) if copy else zs


@implements(np.ix_)
def ix_(*args: Any) -> Any:
    """`numpy.ix_` for arrays and Variables: an open mesh, in which the Variables stay differentiable."""
    plain = [np.arange(len(x)) if _is_open(x) else data_of(x) for x in args]
    meshes = np.ix_(*plain)
    return tuple([x.reshape(m.shape) if _is_open(x) else m for x, m in zip(args, meshes, strict=True)])


def _is_open(x: Any) -> bool:
    return isinstance(x, Variable) and x.ndim == 1 and x.dtype.kind in "fc"


@linear(np.lib.stride_tricks.sliding_window_view, views=True, moves=False)
def sliding_window_view(g: Any, _z: Any, x_shape: Any, window_shape: Any, axis: Any = None) -> Any:
    places = np.arange(int(np.prod(x_shape))).reshape(x_shape)
    windows = np.lib.stride_tricks.sliding_window_view(places, window_shape, axis)
    return put(g, (places.size,), windows).reshape(x_shape)


# ---- sequences between two ends -----------------------------------------------------------------------------


def _ends(start: Any, stop: Any, num: Any, endpoint: Any) -> tuple[Any, Any, Any]:
    """Both ends in the dtype of the result, and how far along each element of the sequence is, from 0 to 1."""
    dtype = np.result_type(start, stop, 1.0)
    start, stop = [astype(x, dtype) for x in broadcast_arrays(start, stop)]
    w = np.asarray(np.arange(num) / (num - 1 if endpoint and num > 1 else num or 1), dtype)
    return start, stop, w.reshape((-1,) + (1,) * start.ndim)


@composed(np.linspace)
def _linspace(
    start: Any, stop: Any, num: Any = 50, endpoint: Any = True, dtype: Any = None, axis: Any = 0, device: Any = None
) -> Any:
    start, stop, w = _ends(start, stop, num, endpoint)
    z = np.moveaxis(start * (1 - w) + stop * w, 0, axis)
    return z if dtype is None else astype(z, dtype)


@implements(np.linspace)
def linspace(
    start: Any,
    stop: Any,
    num: Any = 50,
    endpoint: Any = True,
    retstep: Any = False,
    dtype: Any = None,
    axis: Any = 0,
    *,
    device: Any = None,
) -> Any:
    """`numpy.linspace` for arrays and Variables. Differentiable in both ends."""
    z = _linspace(start, stop, num=num, endpoint=endpoint, dtype=dtype, axis=axis, device=device)
    if not retstep:
        return z
    n = num - 1 if endpoint else num
    if n <= 0:
        return z, np.nan
    start, stop = [x if isinstance(x, (int, float, complex)) else as_array(x) for x in (start, stop)]
    return z, (stop - start) / n


@composed(np.logspace)
def logspace(
    start: Any,
    stop: Any,
    num: Any = 50,
    endpoint: Any = True,
    base: Any = 10.0,
    dtype: Any = None,
    axis: Any = 0,
) -> Any:
    """`numpy.logspace` for arrays and Variables. Differentiable in both ends and in the base."""
    if np.ndim(base):
        start, stop, base = np.broadcast_arrays(start, stop, base)
        base = np.expand_dims(base, axis)
    z = np.power(base, np.linspace(start, stop, num, endpoint, axis=axis))
    return z if dtype is None else astype(z, dtype)


@composed(np.geomspace)
def geomspace(start: Any, stop: Any, num: Any = 50, endpoint: Any = True, dtype: Any = None, axis: Any = 0) -> Any:
    """`numpy.geomspace` for arrays and Variables. Differentiable in both ends."""
    start, stop, w = _ends(start, stop, num, endpoint)
    z = np.moveaxis(start * (stop / start) ** w, 0, axis)
    return z if dtype is None else astype(z, dtype)


@composed(np.arange)
def _arange(start: Any, stop: Any = None, step: Any = 1, dtype: Any = None) -> Any:
    if stop is None:
        start, stop = 0, start
    places = np.arange(np.arange(data_of(start), data_of(stop), data_of(step)).size)
    z = start + step * places
    return z if dtype is None else astype(z, dtype)


# ---- like=variable: the new array is a Variable, which what is computed from Variables can be written into ---


def _new_like(function: Any) -> None:
    def create(*args: Any, **kwargs: Any) -> Variable:
        return wrap(function(*map(data_of, args), **{k: data_of(v) for k, v in kwargs.items()}), None)

    implements(function)(create)


for _function in (np.zeros, np.ones, np.empty, np.eye, np.identity, np.tri):
    _new_like(_function)


@implements(np.arange)
def arange(*args: Any, device: Any = None, **kwargs: Any) -> Any:
    """`numpy.arange(..., like=variable)`. Differentiable in the start and the step, as far as the count stays."""
    given = dict(zip(("start", "stop", "step"), args, strict=False)) | kwargs
    fixed = "start" if given.get("stop") is None else "stop"  # a lone argument is where to stop
    if holds_variable([v for k, v in given.items() if k != fixed]):
        return _arange(*args, **kwargs)
    return wrap(np.arange(*map(data_of, args), **{k: data_of(v) for k, v in kwargs.items()}), None)


@implements(np.full)
def full(shape: Any, fill_value: Any, dtype: Any = None, order: Any = "C", *, device: Any = None) -> Any:
    """`numpy.full(..., like=variable)`. Differentiable in the value."""
    fill_value = as_array(fill_value)
    if not isinstance(fill_value, Variable):
        return wrap(np.full(shape, fill_value, dtype, order), None)
    z = copy(broadcast_to(fill_value, shape))
    return z if dtype is None else astype(z, dtype)


@implements(np.full_like)
def full_like(
    a: Any,
    fill_value: Any,
    dtype: Any = None,
    order: Any = "K",
    subok: bool = True,
    shape: Any = None,
    *,
    device: Any = None,
) -> Any:
    """`numpy.full_like` for arrays and Variables. Differentiable in the value; without one, a plain array."""
    if not isinstance(fill_value, Variable):
        return np.full_like(data_of(a), fill_value, dtype, order, subok, shape)
    dtype = np.dtype(dtype or a.dtype)
    if _narrower(dtype, fill_value.dtype):
        raise TypeError(f"full_like: a is {a.dtype} and cannot hold {fill_value.dtype}; give dtype=")
    return astype(full(a.shape if shape is None else shape, fill_value), dtype)


def _converted(x: Any, dtype: Any, copy: Any, ndmin: int = 0) -> Any:
    """x as a Variable; a copy, or x itself where it is one and `copy` is not True."""
    if isinstance(x, Variable):
        z = x if copy is not True else x.copy()
    elif holds_variable(x):
        z = array(x)
    else:
        z = wrap(np.array(x, dtype, copy=copy or None), None)
    if dtype is not None and z.dtype != dtype:
        z = astype(z, dtype)
    return z if z.ndim >= ndmin else z.reshape((1,) * (ndmin - z.ndim) + z.shape)


@implements(np.array)
def array_like(
    object: Any,
    dtype: Any = None,
    *,
    copy: Any = True,
    order: Any = "K",
    subok: Any = False,
    ndmin: int = 0,
    ndmax: Any = 0,
) -> Any:
    """`numpy.array(..., like=variable)`: lists may hold Variables. Differentiable."""
    return _converted(object, dtype, copy, ndmin)


@implements(np.asarray, np.asanyarray)
def asarray_like(a: Any, dtype: Any = None, order: Any = None, *, device: Any = None, copy: Any = None) -> Any:
    """`numpy.asarray(..., like=variable)`: lists may hold Variables. Differentiable."""
    return _converted(a, dtype, copy)


@implements(np.ascontiguousarray, np.asfortranarray)
def contiguous_like(a: Any, dtype: Any = None) -> Any:
    """`numpy.ascontiguousarray(..., like=variable)`: a Variable promises no memory layout. Differentiable."""
    return _converted(a, dtype, None, ndmin=1)


@implements(np.require)
def require_like(a: Any, dtype: Any = None, requirements: Any = None) -> Any:
    """`numpy.require(..., like=variable)`: a Variable promises no memory layout. Differentiable."""
    return _converted(a, dtype, None)


# ---- choosing among arrays ----------------------------------------------------------------------------------


def _chosen(i: int, g: Any, _z: Any, _xs: Any, *, a: Any, mode: Any) -> Any:
    a = a % len(_xs) if mode == "wrap" else np.clip(a, 0, len(_xs) - 1)
    return np.where(a == i, g, 0)


_choose = general(
    "choose",
    lambda *xs, a, mode: np.choose(a, xs, mode=mode),
    _chosen,
    _chosen,
    reads=(False, False),
    broadcasts=True,
)


@implements(np.choose)
def choose(a: Any, choices: Any, out: Any = None, mode: Any = "raise") -> Any:
    """`numpy.choose` for arrays and Variables. Differentiable in the choices; `a` is a constant."""
    no_out("choose", out)
    return _choose(*choices, a=np.copy(data_of(a)), mode=mode)


def _selected(i: int, g: Any, _z: Any, xs: Any, *, conditions: Any) -> Any:
    last = len(xs) - 1
    return np.where(np.select(conditions, list(range(last)), last) == i, g, 0)


_select = general(
    "select",
    lambda *xs, conditions: np.select(conditions, xs[:-1], xs[-1]),
    _selected,
    _selected,
    reads=(False, False),
    broadcasts=True,
)


@implements(np.select)
def select(condlist: Any, choicelist: Any, default: Any = 0) -> Any:
    """`numpy.select` for arrays and Variables. Differentiable in the choices; conditions are constants."""
    return _select(*choicelist, default, conditions=[np.copy(data_of(c)) for c in condlist])


@implements(np.piecewise)
def piecewise(x: Any, condlist: Any, funclist: Any, *args: Any, **kw: Any) -> Any:
    """`numpy.piecewise`: calls the functions on Variables. Differentiable as far as they are."""
    condlist, data = data_of(condlist), data_of(x)
    if not isinstance(x, Variable) or x.dtype.kind not in "fc":
        return np.piecewise(data, condlist, funclist, *args, **kw)
    if np.isscalar(condlist) or (not isinstance(condlist[0], (list, ndarray)) and data.ndim != 0):
        condlist = [condlist]
    conditions = [np.array(c) for c in np.asarray(condlist, bool)]
    if len(conditions) == len(funclist) - 1:
        conditions.append(np.array(~np.any(conditions, axis=0)))
    elif len(conditions) != len(funclist):
        n = len(conditions)
        raise ValueError(f"piecewise: with {n} condition(s), either {n} or {n + 1} functions are expected")
    y = wrap(np.zeros_like(data), None)
    for condition, function in zip(conditions, funclist, strict=True):
        part = x[condition]
        if not callable(function):
            y[condition] = function
        elif part.size:
            y[condition] = function(part, *args, **kw)
    return y


@linear(None, name="nan_to_num", call=np.nan_to_num, push=lambda t, _z, x, **_: _kept(t, x), holomorphic=False)
def _nan_to_num(g: Any, _z: Any, x: Any, **_: Any) -> Any:
    return _kept(g, x)


def _kept(g: Any, x: Any) -> Any:
    """g where x is finite; of complex numbers the two parts on their own."""
    if x.dtype.kind != "c":
        return np.where(np.isfinite(x), g, 0)
    return np.where(np.isfinite(x.real), np.real(g), 0) + 1j * np.where(np.isfinite(x.imag), np.imag(g), 0)


@implements(np.nan_to_num)
def nan_to_num(x: Any, copy: Any = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    """`numpy.nan_to_num` for arrays and Variables. Differentiable: nothing flows to what was replaced."""
    if not isinstance(x, Variable):
        return np.nan_to_num(x, copy, nan, posinf, neginf)
    z = _nan_to_num(x, nan=index_of(nan), posinf=index_of(posinf), neginf=index_of(neginf))
    replaced: Any = ((nan, np.isnan), (posinf, np.isposinf), (neginf, np.isneginf))
    for v, found in replaced:
        if isinstance(v, Variable):
            if x.dtype.kind == "c":
                raise TypeError("nan_to_num: a Variable cannot replace a part of complex numbers; use np.where")
            z = np.where(found(x), astype(v, z.dtype), z)
    return z if copy else advance(x, z)


@implements(np.real_if_close)
def real_if_close(a: Any, tol: Any = 100) -> Any:
    """`numpy.real_if_close` for arrays and Variables. Differentiable."""
    return real(a) if np.isrealobj(np.real_if_close(data_of(a), tol)) else a


# ---- writing in place: the handle moves to a new version, as with x[i] = v ----------------------------------


def _writes(function: Any) -> Any:
    """Decorates what writes into its first argument; into a plain array, only plain values."""

    def register(write: Any) -> Any:
        name = function.__name__

        def into(x: Any, /, *args: Any, **kwargs: Any) -> None:
            if not isinstance(x, Variable):
                if _is_tracked([*args, *kwargs.values()]):
                    raise TypeError(
                        f"{name}: the array that is written to is a plain one, which cannot remember how its values "
                        f"were made; make it a Variable first: wg.Variable(a)"
                    )
                return function(x, *map(data_of, args), **{k: data_of(v) for k, v in kwargs.items()})
            return write(x, *args, **kwargs)

        into.__name__ = into.__qualname__ = name
        into.__doc__ = write.__doc__
        return implements(function)(into)

    return register


def _is_tracked(x: Any) -> bool:
    if isinstance(x, (list, tuple)):
        return any(map(_is_tracked, x))
    return isinstance(x, Variable) and x._node is not None


def _write(a: Any, key: Any, values: Any, count: Any) -> None:
    """a[key], `count` elements, become the values, which are repeated as often as needed; no values write nothing."""
    values = as_array(values)
    if values.size:
        setitem_method(a, key, values if values.ndim == 0 else np.resize(values, int(count)))


@_writes(np.copyto)
def copyto(dst: Any, src: Any, casting: Any = "same_kind", where: Any = True) -> None:
    """`numpy.copyto`, into a Variable too: it moves on to a new version."""
    weak = isinstance(src, (int, float, complex))
    np.copyto(np.empty(0, dst.dtype), src if weak else np.empty(0, as_array(src).dtype), casting=casting)
    if where is True:
        setitem_method(dst, Ellipsis, src)
    else:
        mask = np.broadcast_to(data_of(where), dst.shape)
        setitem_method(dst, mask, np.broadcast_to(as_array(src), dst.shape)[mask])


@_writes(np.put)
def put_values(a: Any, ind: Any, v: Any, mode: Any = "raise") -> None:
    """`numpy.put`, into a Variable too: it moves on to a new version."""
    ind = np.asarray(data_of(ind))
    if mode != "raise":
        ind = ind % a.size if mode == "wrap" else np.clip(ind, 0, a.size - 1)
    elif ind.size and not (-a.size <= ind.min() and ind.max() < a.size):
        raise IndexError(f"put: an index is out of bounds for an array of size {a.size}")
    ind = np.where(ind < 0, ind + a.size, ind).reshape(-1)
    _write(a, np.unravel_index(ind.astype(np.intp), a.shape), v, ind.size)


@_writes(np.place)
def place(arr: Any, mask: Any, vals: Any) -> None:
    """`numpy.place`, into a Variable too: it moves on to a new version."""
    mask = np.asarray(data_of(mask), bool).reshape(arr.shape)
    vals = as_array(vals)
    if not vals.size and mask.any():
        raise ValueError("place: Cannot insert from an empty array!")
    _write(arr, mask, vals, mask.sum())


@_writes(np.putmask)
def putmask(a: Any, mask: Any, values: Any) -> None:
    """`numpy.putmask`, into a Variable too: it moves on to a new version."""
    mask = np.asarray(data_of(mask), bool).reshape(a.shape)
    values = as_array(values)
    if values.size:
        setitem_method(a, mask, np.resize(values, a.shape)[mask])


@_writes(np.put_along_axis)
def put_along_axis(arr: Any, indices: Any, values: Any, axis: Any) -> None:
    """`numpy.put_along_axis`, into a Variable too: it moves on to a new version."""
    indices = np.asarray(data_of(indices))
    if axis is None:
        setitem_method(arr, np.unravel_index(indices, arr.shape), values)
        return
    axis = normalize_axis_index(axis, arr.ndim)
    if indices.ndim != arr.ndim:
        raise ValueError("put_along_axis: `indices` and `arr` must have the same number of dimensions")
    setitem_method(arr, along_axis(arr.shape, indices, axis), values)


@_writes(np.fill_diagonal)
def fill_diagonal(a: Any, val: Any, wrap: bool = False) -> None:
    """`numpy.fill_diagonal`, into a Variable too: it moves on to a new version."""
    mask = np.zeros(a.shape, bool)
    np.fill_diagonal(mask, True, wrap)
    _write(a, mask, val, mask.sum())


def compress_method(a: Any, condition: Any, axis: Any = None, out: Any = None) -> Any:
    """`ndarray.compress`."""
    return np.compress(condition, a, axis, out)


def fill_method(a: Any, value: Any) -> None:
    """`ndarray.fill`: moves on to a new version."""
    setitem_method(a, Ellipsis, value)


# ---- constants, and what is refused -------------------------------------------------------------------------

constant_functions(
    np.fix, np.around, np.argwhere, np.flatnonzero, np.diag_indices_from, np.tril_indices_from, np.triu_indices_from,
    np.unravel_index, np.ravel_multi_index, np.can_cast, np.common_type, np.min_scalar_type, np.iscomplex, np.isreal,
    np.isposinf, np.isneginf, np.array_equiv, np.isin,
)  # fmt: skip

refused_functions(
    "save and load the arrays, x.data, and make Variables of what was loaded",
    np.save, np.savez, np.savez_compressed, np.savetxt, np.load, np.loadtxt, np.genfromtxt, np.fromfile, np.fromregex,
    np.fromstring, np.frombuffer,
)  # fmt: skip
refused_functions("make an array of it, and a Variable of that", np.fromiter, np.fromfunction)
refused_functions("bits have no derivative; call it on .data", np.packbits, np.unpackbits)
refused_functions(
    "dates have no derivative; call it on plain arrays",
    np.busday_count, np.busday_offset, np.is_busday, np.datetime_as_string, np.datetime_data,
)  # fmt: skip
