"""Batching of indexing: `x[key]` and `x[key] = v`, where x, the index, the value or all of them have a batch."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
from numpy import ndarray

from ..variable import Variable
from .array import RULES, Batched, BatchedError, elementwise, is_batched, level_of, looped, ranked


class Place:
    """What an index of one example is on the arrays of the whole batch."""

    def __init__(self, x: Any, key: Any, level: int) -> None:
        key = key if type(key) is tuple else (key,)
        if type(x) is Batched and x.level == level and all([_is_basic(k) for k in key]):
            self.native: Any = (slice(None), *key)
            self.order: Any = None  # of the axes of x.array[native]: first the batch, then one example's
            self.ndim = x.ndim + sum([k is None for k in key]) - sum([isinstance(k, (int, np.integer)) for k in key])
            return
        parts = _parts(x, key, level)
        at = [i for i, k in enumerate(parts) if not (isinstance(k, slice) or k is None)]
        n = max([np.ndim(parts[i]) for i in at])  # axes that the index arrays broadcast to
        contiguous = at[-1] - at[0] == len(at) - 1
        before = at[0] if contiguous else 0  # axes of the result in front of theirs
        self.ndim = n + len(parts) - len(at)
        rest = list(range(n + 1, self.ndim + 1))
        picks = any([is_batched(k, level) for k in parts])
        own = is_batched(x, level)
        native = [ranked(k, level, n) if i in at else k for i, k in enumerate(parts)]
        self.order = None
        if picks and own:  # the batch is one more index array: theirs come first, in front of the slices
            batch = np.arange(x.batch).reshape((-1,) + (1,) * n)
            native = [batch, *native]
            if before:
                self.order = [0, *rest[:before], *range(1, n + 1), *rest[before:]]
        elif picks:  # x is the same in every example; the batch is an axis of the index arrays
            if before:
                self.order = [before, *range(before), *range(before + 1, self.ndim + 1)]
        else:
            native = [slice(None), *native]
            if not contiguous:
                self.order = [n, *range(n), *rest]
        self.native = tuple(native)

    def read(self, a: Any, level: int) -> Any:
        """`a[key]`."""
        z = a[self.native]
        return Batched(z if self.order is None else np.transpose(z, self.order), level)

    def value(self, v: Any, level: int) -> Any:
        """What to write, in the order of `a[native]`."""
        if is_batched(v, level):
            v = _without_leading_ones(v, self.ndim)
            v = ranked(v, level, self.ndim)
        elif self.order is not None:
            v = np.reshape(v, (1,) * (self.ndim + 1 - np.ndim(v)) + np.shape(v))
        return v if self.order is None else np.transpose(v, np.argsort(self.order))


def _is_basic(k: Any) -> bool:
    return type(k) is int or type(k) is slice or k is None or k is Ellipsis or isinstance(k, np.integer)


def _parts(x: Any, key: Any, level: int) -> list[Any]:
    """The index with a part for each axis of x: no Ellipsis, no masks."""
    parts: list[Any] = []
    for k in key:
        if isinstance(k, Variable):
            k = k._array
        if isinstance(k, list):
            k = np.asarray(k, None if k else np.intp) if not level_of(k) else np.stack(k)
        if isinstance(k, (bool, np.bool_)) or (isinstance(k, (ndarray, Batched)) and k.dtype == bool):
            if type(k) is Batched:
                raise BatchedError(
                    "vmap: x[mask] has a length of its own in every example; use np.where(mask, x, 0), or where=mask"
                )
            if not np.ndim(k):
                raise BatchedError("vmap: x[True] runs on one example after the other")
            parts += np.nonzero(np.asarray(k))
        else:
            parts.append(k)
    taken = sum([k is not None and k is not Ellipsis for k in parts])
    if taken > np.ndim(x):
        raise IndexError(f"too many indices for array: array is {np.ndim(x)}-dimensional, but {taken} were indexed")
    filling = [slice(None)] * (np.ndim(x) - taken)
    for i, k in enumerate(parts):
        if k is Ellipsis:
            return parts[:i] + filling + parts[i + 1 :]
    return parts + filling


def _without_leading_ones(v: Any, ndim: int) -> Any:
    """NumPy drops leading axes of length 1 when it assigns."""
    while v.ndim > ndim and v.shape[0] == 1:
        v = v.reshape(v.shape[1:])
    return v


def getitem(x: Any, key: Any) -> Any:
    """`x[key]`, where x or the index has a batch."""
    level = max(level_of(x), level_of(key))
    try:
        place = Place(x, key, level)
    except BatchedError:
        if any([isinstance(k, (bool, np.bool_)) for k in (key if type(key) is tuple else (key,))]):
            return looped(operator.getitem, (x, key), {})
        raise
    return place.read(x.array if is_batched(x, level) else x, level)


def setitem(x: Batched, key: Any, v: Any) -> None:
    """`x[key] = v`, in the memory of x."""
    if isinstance(v, Variable):
        if v._node is not None:
            raise TypeError(
                "x[i] = v: v is tracked and x is a batched array, which cannot remember that; make x a Variable "
                "(np.zeros_like of one is), or put it together with np.where, np.stack or np.concatenate"
            )
        v = v._array
    level = x.level
    if level_of(v) > level or level_of(key) > level:
        raise BatchedError(
            "vmap: x[i] = v: v differs between the examples of an inner vmap, and x does not; make x from an array "
            "that does, with np.zeros_like(v)"
        )
    if isinstance(key, Variable):
        key = key._array
    if type(key) is Batched and key.dtype == bool:
        _write_where(x, key, v)
        return
    place = Place(x, key, level)
    x.array[place.native] = place.value(v, level)


def _write_where(x: Batched, mask: Batched, v: Any) -> None:
    """`x[mask] = v`: as many elements as each example wants."""
    if np.ndim(v) > x.ndim - mask.ndim:
        raise BatchedError(
            "vmap: x[mask] = v with a v for each place: their number differs between examples; use "
            "np.where(mask, v, x) with a v of x's shape"
        )
    m: Any = np.reshape(mask, mask.shape + (1,) * (x.ndim - mask.ndim))
    np.copyto(x.array, ranked(v, x.level, x.ndim), where=m.array if m.level == x.level else m, casting="unsafe")


def add_at(ufunc: Any, level: int, x: Any, key: Any, *values: Any) -> Any:
    """`ufunc.at(x, key, values)`."""
    level = max(level, level_of(key))
    if not is_batched(x, level):
        raise BatchedError(f"vmap: np.{ufunc.__name__}.at: x has no batch; make it with np.zeros_like")
    place = Place(x, key, level)
    ufunc.at(x.array, place.native, *[place.value(v, level) for v in values])
    return None


RULES["getitem"] = getitem
RULES["setitem"] = setitem


def take(level: int, a: Any, indices: Any, axis: Any = None, out: Any = None, mode: str = "raise") -> Any:
    """`numpy.take`."""
    if out is not None:
        return NotImplemented
    if axis is None:
        a, axis = np.reshape(a, -1), 0
    n = np.shape(a)[axis]
    indices = indices if type(indices) is Batched else np.asarray(indices)
    if mode != "raise":
        indices = indices % n if mode == "wrap" else np.clip(indices, 0, n - 1)
    if not indices.size and type(indices) is ndarray:
        indices = indices.astype(np.intp)
    return getitem(a, (slice(None),) * (axis % np.ndim(a)) + (indices,))


RULES[np.take] = take
RULES[np.unravel_index] = lambda level, indices, shape, order="C": elementwise(
    lambda i: np.unravel_index(i, shape, order), (indices,)
)
