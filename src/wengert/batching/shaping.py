"""Batching of what moves elements about, joins arrays, makes new ones, or says what they are."""

from __future__ import annotations

from typing import Any

import numpy as np

from .array import METHODS, RULES, Batched, batch_of, elementwise, full, is_batched, level_of, memory
from .indexing import add_at
from .reductions import shifted

METHODS["at"] = add_at


def rule(*functions: Any) -> Any:
    """Decorates the rule of these functions of NumPy."""

    def register(f: Any) -> Any:
        for function in functions:
            RULES[function] = f
        return f

    return register


# ---- shape --------------------------------------------------------------------------------------------------


@rule(np.reshape)
def reshape(level: int, a: Any, shape: Any = None, order: Any = "C", *, copy: Any = None, newshape: Any = None) -> Any:
    """`numpy.reshape`."""
    shape = newshape if shape is None else shape
    shape = (int(shape),) if isinstance(shape, (int, np.integer)) else tuple(shape)
    x, batch = a.array, a.batch
    if -1 in shape:
        known = -int(np.prod(shape))
        if not known or a.size % known:
            raise ValueError(f"cannot reshape array of size {a.size} into shape {shape}")
        shape = tuple([a.size // known if n == -1 else n for n in shape])
    if order in ("F", "A") and not (order == "A" and a.ndim < 2):
        z = np.moveaxis(np.reshape(np.moveaxis(x, 0, -1), (*shape, batch), order="F"), -1, 0)
        return Batched(z, level) if order == "F" else NotImplemented
    z = x.reshape((batch, *shape))
    return Batched(z.copy() if copy else z, level)


@rule(np.ravel)
def ravel(level: int, a: Any, order: Any = "C") -> Any:
    """`numpy.ravel`."""
    return np.reshape(a, (a.size,), order="F" if order == "F" else "C")


@rule(np.transpose, np.permute_dims)
def transpose(level: int, a: Any, axes: Any = None) -> Any:
    """`numpy.transpose`."""
    axes = range(a.ndim - 1, -1, -1) if axes is None else axes
    if len(axes) != a.ndim:
        raise ValueError("axes don't match array")
    return Batched(np.transpose(a.array, (0, *[shifted(int(i), a.ndim) for i in axes])), level)


@rule(np.matrix_transpose, np.linalg.matrix_transpose)
def matrix_transpose(level: int, x: Any) -> Any:
    """`numpy.matrix_transpose`."""
    if x.ndim < 2:
        raise ValueError(f"matrix_transpose: expected at least two axes, got shape {x.shape}")
    return x.mT


@rule(np.swapaxes)
def swapaxes(level: int, a: Any, axis1: Any, axis2: Any) -> Any:
    """`numpy.swapaxes`."""
    return Batched(np.swapaxes(a.array, shifted(axis1, a.ndim), shifted(axis2, a.ndim)), level)


@rule(np.moveaxis)
def moveaxis(level: int, a: Any, source: Any, destination: Any) -> Any:
    """`numpy.moveaxis`."""
    source, destination = [x if isinstance(x, int) else tuple(x) for x in (source, destination)]
    return Batched(np.moveaxis(a.array, shifted(source, a.ndim), shifted(destination, a.ndim)), level)


@rule(np.expand_dims)
def expand_dims(level: int, a: Any, axis: Any) -> Any:
    """`numpy.expand_dims`."""
    axis = tuple(axis) if isinstance(axis, (tuple, list)) else (axis,)
    return Batched(np.expand_dims(a.array, shifted(axis, a.ndim + len(axis))), level)


@rule(np.squeeze)
def squeeze(level: int, a: Any, axis: Any = None) -> Any:
    """`numpy.squeeze`."""
    axis = tuple([i for i, n in enumerate(a.shape) if n == 1]) if axis is None else axis
    return Batched(np.squeeze(a.array, shifted(axis, a.ndim)), level)


@rule(np.broadcast_to)
def broadcast_to(level: int, array: Any, shape: Any, subok: bool = False) -> Any:
    """`numpy.broadcast_to`."""
    shape = (shape,) if isinstance(shape, (int, np.integer)) else tuple(shape)
    a = array.array.reshape((array.batch,) + (1,) * (len(shape) - array.ndim) + array.shape)
    return Batched(np.broadcast_to(a, (array.batch, *shape)), level)


@rule(np.rot90)
def rot90(level: int, m: Any, k: int = 1, axes: Any = (0, 1)) -> Any:
    """`numpy.rot90`."""
    return Batched(np.rot90(m.array, k, shifted(tuple(axes), m.ndim)), level)


@rule(np.roll)
def roll(level: int, a: Any, shift: Any, axis: Any = None) -> Any:
    """`numpy.roll`."""
    if level_of(shift) == level:
        return NotImplemented
    if axis is None:
        return Batched(np.roll(a.array.reshape(a.batch, -1), shift, 1).reshape(a.array.shape), level)
    return Batched(np.roll(a.array, shift, shifted(axis, a.ndim)), level)


RULES[np.fliplr] = lambda level, m: np.flip(m, 1)
RULES[np.flipud] = lambda level, m: np.flip(m, 0)


@rule(np.repeat)
def repeat(level: int, a: Any, repeats: Any, axis: Any = None) -> Any:
    """`numpy.repeat`."""
    if level_of(repeats) == level:
        return NotImplemented
    if axis is None or not a.ndim:
        a, axis = np.reshape(a, -1), 0
    return Batched(np.repeat(a.array, repeats, shifted(axis, a.ndim)), level)


@rule(np.tile)
def tile(level: int, A: Any, reps: Any) -> Any:
    """`numpy.tile`."""
    if level_of(reps) == level:
        return NotImplemented
    reps = tuple(reps) if np.ndim(reps) else (reps,)
    ndim = max(len(reps), A.ndim)
    a = A.array.reshape((A.batch,) + (1,) * (ndim - A.ndim) + A.shape)
    return Batched(np.tile(a, (1,) * (1 + ndim - len(reps)) + reps), level)


@rule(np.pad)
def pad(level: int, array: Any, pad_width: Any, mode: Any = "constant", **kwargs: Any) -> Any:
    """`numpy.pad`."""
    plain = mode in ("constant", "edge", "reflect", "symmetric", "wrap") if isinstance(mode, str) else False
    if not plain or isinstance(pad_width, dict) or any([np.ndim(v) for v in kwargs.values()]) or level_of(kwargs):
        return NotImplemented
    widths = np.broadcast_to(np.asarray(pad_width), (array.ndim, 2)).tolist()
    return Batched(np.pad(array.array, [(0, 0), *widths], mode, **kwargs), level)


@rule(np.lib.stride_tricks.sliding_window_view)
def sliding_window_view(level: int, x: Any, window_shape: Any, axis: Any = None, **kwargs: Any) -> Any:
    """`numpy.lib.stride_tricks.sliding_window_view`."""
    axis = tuple(range(x.ndim)) if axis is None else axis
    z = np.lib.stride_tricks.sliding_window_view(x.array, window_shape, shifted(axis, x.ndim), **kwargs)  # type: ignore[call-overload]
    return Batched(z, level)


# ---- triangles and diagonals --------------------------------------------------------------------------------


def _triangle(function: Any) -> Any:
    def triangle(level: int, m: Any, k: Any = 0) -> Any:
        if level_of(k) == level or not m.ndim:
            return NotImplemented
        a = m.array
        if m.ndim == 1:
            a = np.broadcast_to(a[:, None], (m.batch, m.shape[0], m.shape[0]))
        return Batched(function(a, k), level)

    return triangle


RULES[np.tril], RULES[np.triu] = _triangle(np.tril), _triangle(np.triu)


@rule(np.diagonal)
def diagonal(level: int, a: Any, offset: Any = 0, axis1: Any = 0, axis2: Any = 1) -> Any:
    """`numpy.diagonal`."""
    return Batched(np.diagonal(a.array, offset, shifted(axis1, a.ndim), shifted(axis2, a.ndim)), level)


@rule(np.trace)
def trace(level: int, a: Any, offset: Any = 0, axis1: Any = 0, axis2: Any = 1, dtype: Any = None, out: Any = None) -> Any:
    """`numpy.trace`."""
    return Batched(np.trace(a.array, offset, shifted(axis1, a.ndim), shifted(axis2, a.ndim), dtype), level)


RULES[np.linalg.diagonal] = lambda level, x, *, offset=0: diagonal(level, x, offset, -2, -1)
RULES[np.linalg.trace] = lambda level, x, *, offset=0, dtype=None: trace(level, x, offset, -2, -1, dtype)


@rule(np.diag)
def diag(level: int, v: Any, k: int = 0) -> Any:
    """`numpy.diag`."""
    if v.ndim != 1:
        return diagonal(level, v, k)
    n = v.shape[0]
    z = np.zeros((v.batch, n + abs(k), n + abs(k)), v.dtype, like=v.array)
    places = np.arange(n)
    z[:, places + max(-k, 0), places + max(k, 0)] = v.array
    return Batched(z, level)


RULES[np.diagflat] = lambda level, v, k=0: diag(level, np.reshape(v, -1), k)

# ---- joining ------------------------------------------------------------------------------------------------


@rule(np.concatenate, *[np.concat] if hasattr(np, "concat") else [])
def concatenate(level: int, arrays: Any, axis: Any = 0, out: Any = None, **kwargs: Any) -> Any:
    """`numpy.concatenate`."""
    if out is not None:
        return NotImplemented
    xs = [full(x, level, batch_of(arrays, level)) for x in arrays]
    if axis is None:
        return Batched(np.concatenate([x.reshape(x.shape[0], -1) for x in xs], 1, **kwargs), level)
    return Batched(np.concatenate(xs, shifted(axis, xs[0].ndim - 1), **kwargs), level)


@rule(np.stack)
def stack(level: int, arrays: Any, axis: Any = 0, out: Any = None, **kwargs: Any) -> Any:
    """`numpy.stack`."""
    if out is not None:
        return NotImplemented
    xs = [full(x, level, batch_of(arrays, level)) for x in arrays]
    return Batched(np.stack(xs, shifted(axis, xs[0].ndim), **kwargs), level)




# ---- elementwise functions that are no ufuncs ---------------------------------------------------------------


def _elementwise(function: Any) -> Any:
    def apply(level: int, *args: Any, **kwargs: Any) -> Any:
        if kwargs.get("out", True) is None:
            del kwargs["out"]
        if level_of(kwargs) == level:
            return NotImplemented
        return elementwise(lambda *xs: function(*xs, **kwargs), args)

    return apply


for _name in (
    "where", "real", "imag", "angle", "around", "round", "fix", "nan_to_num", "sinc", "i0", "isclose", "isreal",
    "iscomplex", "isposinf", "isneginf", "cross",
):  # fmt: skip
    RULES[getattr(np, _name)] = _elementwise(getattr(np, _name))


@rule(np.clip)
def clip(level: int, a: Any, a_min: Any = None, a_max: Any = None, out: Any = None, **kwargs: Any) -> Any:
    """`numpy.clip`."""
    lo, hi = kwargs.pop("min", None), kwargs.pop("max", None)
    if out is not None or kwargs:
        return NotImplemented
    xs = a, a_min if lo is None else lo, a_max if hi is None else hi
    at = [i for i, x in enumerate(xs) if x is not None]

    def clipped(*given: Any) -> Any:
        bounds: list[Any] = [None, None, None]
        for i, x in zip(at, given, strict=True):
            bounds[i] = x
        return np.clip(*bounds)

    return elementwise(clipped, [xs[i] for i in at])


@rule(np.choose)
def choose(level: int, a: Any, choices: Any, out: Any = None, mode: str = "raise") -> Any:
    """`numpy.choose`."""
    if out is not None:
        return NotImplemented
    choices = list(choices)
    return elementwise(lambda a, *xs: np.choose(a, xs, mode=mode), (a, *choices))


@rule(np.select)
def select(level: int, condlist: Any, choicelist: Any, default: Any = 0) -> Any:
    """`numpy.select`."""
    n = len(condlist)
    xs = (*condlist, *choicelist, default)
    return elementwise(lambda *xs: np.select(xs[:n], xs[n:-1], xs[-1]), xs)


RULES[np.isin] = lambda level, element, test_elements, **kwargs: (
    NotImplemented if level_of(test_elements) == level else elementwise(lambda x: np.isin(x, test_elements, **kwargs), (element,))
)
RULES[np.allclose] = lambda level, *args, **kwargs: np.all(np.isclose(*args, **kwargs))


# ---- new arrays ---------------------------------------------------------------------------------------------


def _like(function: Any) -> Any:
    def like(level: int, a: Any, *args: Any, **kwargs: Any) -> Any:
        shape = kwargs.pop("shape", None)
        shape = a.shape if shape is None else (shape,) if isinstance(shape, int) else tuple(shape)
        if level_of((args, kwargs)) == level:
            return NotImplemented
        return Batched(function(full(a, level, batch_of(a, level)), *args, shape=(a.batch, *shape), **kwargs), level)

    return like


for _function in (np.zeros_like, np.ones_like, np.empty_like, np.full_like):
    RULES[_function] = _like(_function)


@rule(np.copy)
def copy(level: int, a: Any, order: Any = "K", subok: bool = False) -> Any:
    """`numpy.copy`."""
    return a.copy()


@rule(*[np.astype] if hasattr(np, "astype") else [])
def astype(level: int, x: Any, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Any:
    """`numpy.astype`."""
    return x.astype(dtype, copy=copy)


@rule(np.copyto)
def copyto(level: int, dst: Any, src: Any, casting: Any = "same_kind", where: Any = True) -> Any:
    """`numpy.copyto`."""
    if not is_batched(dst, level) or not np.can_cast(getattr(src, "dtype", type(src)), dst.dtype, casting):
        return NotImplemented
    dst[...] = src if where is True else np.where(where, src, dst)
    return None


# ---- what an array is: the same for every example -----------------------------------------------------------

RULES[np.shape] = lambda level, a: a.shape
RULES[np.ndim] = lambda level, a: a.ndim
RULES[np.size] = lambda level, a, axis=None: a.size if axis is None else a.shape[axis]
RULES[np.iscomplexobj] = lambda level, x: x.dtype.kind == "c"
RULES[np.isrealobj] = lambda level, x: x.dtype.kind != "c"
RULES[np.isfortran] = lambda level, a: False
RULES[np.result_type] = lambda level, *xs: np.result_type(*[x.dtype if type(x) is Batched else x for x in xs])
RULES[np.can_cast] = lambda level, x, *args, **kwargs: np.can_cast(x.dtype, *args, **kwargs)
RULES[np.common_type] = lambda level, *xs: np.common_type(*[np.empty(0, x.dtype) if type(x) is Batched else x for x in xs])
RULES[np.min_scalar_type] = lambda level, a: a.dtype
for _function in (np.array_repr, np.array_str, np.array2string):
    RULES[_function] = lambda level, a, *args, **kwargs: repr(a)
RULES[np.may_share_memory] = lambda level, a, b, **kwargs: np.may_share_memory(memory(a), memory(b), **kwargs)
RULES[np.shares_memory] = lambda level, a, b, **kwargs: np.shares_memory(memory(a), memory(b), **kwargs)
