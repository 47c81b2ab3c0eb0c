"""Derivatives of sorting, order statistics, quantiles and sets.

Sorting moves elements, and its derivative moves them back. Where k elements are equal, each of them gets the mean of
what flows to the k places that they take, so that the order in which equals come makes no difference: the gradient of
`np.sort(x)[-1]` is that of `np.max(x)`, and a median gives 1/k to each of k tied elements. NaNs are equal.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..batching.array import Batched, memory
from ..composed import composed
from ..declare import constant_functions, implements, linear
from ..variable import Variable, data_of
from . import reductions
from .indexing import advance, put
from .shaping import array, astype, concatenate, ravel

_np: Any = np  # for calls that its type stubs have no overload for

constant_functions(
    np.argsort, np.argpartition, np.lexsort, np.argmax, np.argmin, np.nanargmax, np.nanargmin, np.searchsorted,
    np.digitize, np.isin, np.any, np.all, np.count_nonzero,
)  # fmt: skip


def refuse_out(name: str, out: Any) -> None:
    """out= on a function that would write a tracked result into a plain array."""
    if out is not None:
        raise TypeError(f"{name}: out= would write a tracked result into a plain array; leave it out")


def as_array(x: Any) -> Any:
    """x as a Variable where there is one in it, else as an array."""
    return (
        x
        if isinstance(x, (Variable, np.ndarray, Batched))
        else array(x)
        if isinstance(x, (list, tuple))
        else np.asarray(x)
    )


# ---- sort and partition: the same elements, moved along an axis ---------------------------------------------


def _lines(x: Any, axis: Any) -> Any:
    """x with the axis last; in one line for None."""
    return x.reshape(-1) if axis is None else np.moveaxis(x, axis, -1)


def _from_lines(x: Any, shape: Any, axis: Any) -> Any:
    return x.reshape(shape) if axis is None else np.moveaxis(x, -1, axis)


def _along(x: Any, index: Any) -> Any:
    """The elements of x at an index array along the last axis."""
    return np.take_along_axis(x, index, -1)


def _inverse(order: Any) -> Any:
    inverse = np.empty_like(order)
    np.put_along_axis(inverse, order, np.broadcast_to(np.arange(order.shape[-1]), order.shape), -1)
    return inverse


def _shared(g: Any, values: Any) -> Any:
    """g, with the mean over each run of equal values along the last axis in place of its elements."""
    a, b = values[..., :-1], values[..., 1:]
    same = np.concatenate([np.zeros_like(values[..., :1], bool), (a == b) | ((a != a) & (b != b))], -1)
    if not np.any(memory(same)):
        return g
    run = np.cumsum(~same.reshape(-1)) - 1
    size = np.bincount(run)
    return (put(g.reshape(-1), size.shape, run) / np.asarray(size, g.dtype))[run].reshape(g.shape)


def _orders(z: Any, x: Any) -> tuple[Any, Any, Any]:
    """Along the last axis: the order that sorts x, the one that sorts z, and what both sort to."""
    x, z = data_of(x), data_of(z)
    order = np.argsort(x, -1)  # in any order of equals: they share
    return order, np.argsort(z, -1), np.take_along_axis(x, order, -1)


def _pull_moved(g: Any, z: Any, x: Any, axis: Any) -> Any:
    shape, place = x.shape, -1 if axis is None else axis
    order, order_z, values = _orders(_lines(z, place), _lines(x, axis))
    t = _shared(_along(_lines(g, place), order_z), values)
    return _from_lines(_along(t, _inverse(order)), shape, axis)


def _push_moved(t: Any, z: Any, x: Any, axis: Any) -> Any:
    place = -1 if axis is None else axis
    order, order_z, values = _orders(_lines(z, place), _lines(x, axis))
    t = _shared(_along(_lines(t, axis), order), values)
    return np.moveaxis(_along(t, _inverse(order_z)), -1, place)


@linear(np.sort, push=lambda t, z, x, axis=-1, kind=None, order=None, *, stable=None: _push_moved(t, z, x, axis))
def sort(g: Any, z: Any, x: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None) -> Any:
    return _pull_moved(g, z, x, axis)


@linear(np.partition, push=lambda t, z, x, kth, axis=-1, kind=None, order=None: _push_moved(t, z, x, axis))
def partition(g: Any, z: Any, x: Any, kth: Any, axis: Any = -1, kind: Any = "introselect", order: Any = None) -> Any:
    return _pull_moved(g, z, x, axis)


@implements(np.sort_complex)
def sort_complex(a: Any) -> Any:
    """`numpy.sort_complex` for arrays and Variables. Differentiable."""
    return astype(sort(a), np.sort_complex(np.empty(0, a.dtype)).dtype)


def sort_method(x: Variable, axis: int = -1, kind: Any = None, order: Any = None, *, stable: Any = None) -> None:
    """`ndarray.sort`: x moves on to a sorted version."""
    advance(x, sort(x, axis, kind, order, stable=stable))


def partition_method(x: Variable, kth: Any, axis: int = -1, kind: str = "introselect", order: Any = None) -> None:
    """`ndarray.partition`: x moves on to a partitioned version."""
    advance(x, partition(x, kth, axis, kind, order))


@implements(np.ptp)
def ptp(a: Any, axis: Any = None, out: Any = None, keepdims: Any = False) -> Any:
    """`numpy.ptp` for arrays and Variables. Differentiable."""
    refuse_out("ptp", out)
    keepdims = reductions.keeps(keepdims)
    return reductions.max(a, axis, keepdims=keepdims) - reductions.min(a, axis, keepdims=keepdims)


# ---- medians and quantiles: linear between sorted elements --------------------------------------------------


def _reduced_lines(a: Any, axis: Any) -> tuple[Any, tuple[int, ...]]:
    """a with the reduced axes as one line, the last axis; and the shape with them kept as 1."""
    axes = range(a.ndim) if axis is None else np.lib.array_utils.normalize_axis_tuple(axis, a.ndim)
    rest = [i for i in range(a.ndim) if i not in axes]
    n = math.prod([a.shape[i] for i in axes])
    lines = np.transpose(a, (*rest, *sorted(axes))).reshape(*[a.shape[i] for i in rest], n)
    return lines, tuple([1 if i in axes else n for i, n in enumerate(a.shape)])


def _pick(lines: Any, index: Any) -> Any:
    """An element of each line; index has an axis for each line, and any before them for several elements."""
    return lines[(*np.indices(lines.shape[:-1], sparse=True), index)]


def _numbers(lines: Any, skip_nan: bool) -> tuple[Any, Any]:
    """How many elements of each line count, and in which lines there is a NaN that makes the result one."""
    nan = np.isnan(lines)
    if skip_nan:
        return nan.shape[-1] - nan.sum(-1), False
    return nan.shape[-1], nan.any(-1)


def _median(a: Any, axis: Any, keepdims: Any, skip_nan: bool) -> Any:
    lines, shape = _reduced_lines(as_array(a), axis)
    if lines.shape[-1] == 0:
        z = np.mean(lines, -1)
    else:
        n, nan = _numbers(lines, skip_nan)
        s = np.sort(lines, -1)
        # the two in the middle, or twice the one in the middle; a NaN is the last
        low, high = np.where(nan, -1, np.maximum(n - 1, 0) // 2), np.where(nan, -1, n // 2)
        z = (_pick(s, low) + _pick(s, high)) / 2
        z = np.where(n == 0, np.nan, z) if skip_nan else z
    return z.reshape(shape) if reductions.keeps(keepdims) else z


# (alpha, beta) of the continuous sample quantiles of R. J. Hyndman and Y. Fan, The American Statistician 50 (1996)
_CONTINUOUS = {
    "interpolated_inverted_cdf": (0.0, 1.0),
    "hazen": (0.5, 0.5),
    "weibull": (0.0, 0.0),
    "linear": (1.0, 1.0),
    "median_unbiased": (1 / 3.0, 1 / 3.0),
    "normal_unbiased": (3 / 8.0, 3 / 8.0),
}
_HALFWAY = ("averaged_inverted_cdf", "midpoint")  # between two elements or at one


def _place(n: Any, q: Any, method: str) -> tuple[Any, Any]:
    """Where among n sorted elements the quantile lies: an index, and how far beyond it, from 0 to 1."""
    if method == "averaged_inverted_cdf":
        at = n * q - 1
        return np.floor(at), np.where(at % 1 == 0, 0.5, 1.0).astype(at.dtype)
    if method == "midpoint":
        at = 0.5 * (np.floor((n - 1) * q) + np.ceil((n - 1) * q))
        return np.floor(at), np.where(at % 1 == 0, 0.0, 0.5).astype(at.dtype)
    alpha, beta = _CONTINUOUS[method]
    at = (n - 1) * q if method == "linear" else n * q + (alpha + q * (1 - alpha - beta)) - 1  # NumPy's own rounding
    before = np.floor(data_of(at))
    return before, at - before


def _neighbours(n: Any, nan: Any, before: Any, last: int) -> tuple[Any, Any]:
    """The indices of the two sorted elements that a quantile lies between, inside the line; a NaN is the last."""
    inside = (before >= 0) & (before < n - 1) & ~np.asarray(nan)
    low = np.where(inside, before, np.where(before < 0, 0, n - 1))
    low = np.where(nan, last, low).astype(int)
    return low, low + inside


def _quantile(a: Any, q: Any, axis: Any, method: str, keepdims: Any, skip_nan: bool, percent: bool) -> Any:
    """A quantile that lies between sorted elements."""
    weak, q = type(q) in (int, float), as_array(q)
    q = q / 100 if percent else q
    lines, shape = _reduced_lines(as_array(a), axis)
    shape = q.shape + (shape if reductions.keeps(keepdims) else lines.shape[:-1])
    n, nan = _numbers(lines, skip_nan)
    q = q.reshape(q.shape + (1,) * (lines.ndim - 1))
    before, beyond = _place(np.asarray(n, q.dtype) if skip_nan else n, q, method)
    low, high = _neighbours(n, nan, before, lines.shape[-1] - 1)
    s = np.sort(lines, -1)
    low, high = _pick(s, low), _pick(s, high)
    z = low + (high - low) * (np.asarray(beyond, low.dtype) if weak else beyond)
    return (np.where(n == 0, np.nan, z) if skip_nan else z).reshape(shape)


def _chosen(a: Any, z: Any, axis: Any, keepdims: Any, skip_nan: bool, q_shape: tuple[int, ...]) -> Any:
    """A quantile that is one of the elements: the first in sorted order that equals z, the value."""
    lines, shape = _reduced_lines(as_array(a), axis)
    s = np.sort(lines, -1)
    z = np.asarray(z).reshape(q_shape + lines.shape[:-1])
    index = (data_of(s) < z[..., None]).sum(-1)
    picked = _pick(s, np.where(np.isnan(z), lines.shape[-1] - 1, index))
    picked = np.where(np.isnan(z), np.nan, picked) if skip_nan else picked
    return picked.reshape(q_shape + (shape if reductions.keeps(keepdims) else lines.shape[:-1]))


def _declare_median(function: Any, skip_nan: bool) -> Any:
    name = function.__name__

    @composed(function)
    def op(a: Any, axis: Any = None, keepdims: Any = False) -> Any:
        return _median(a, axis, keepdims, skip_nan)

    def median(a, axis=None, out=None, overwrite_input=False, keepdims=False):  # type: ignore[no-untyped-def]
        refuse_out(name, out)
        return op(a, axis=axis, keepdims=keepdims)  # overwrite_input is a permission, of which no use is made

    return _named(median, function)


def _declare_quantile(function: Any, skip_nan: bool) -> Any:
    name = function.__name__
    percent = name.endswith("percentile")

    @composed(function)
    def op(a: Any, q: Any, axis: Any, method: str, keepdims: Any, weights: Any) -> Any:
        if skip_nan and a.size == 0:
            return np.mean(a, axis, keepdims=reductions.keeps(keepdims))  # as NumPy does
        if method in _CONTINUOUS or method in _HALFWAY:
            return _quantile(a, q, axis, method, keepdims, skip_nan, percent)
        z = function(data_of(a), q, axis, method=method, keepdims=keepdims, weights=weights)
        return _chosen(a, z, axis, keepdims, skip_nan, np.shape(q))

    def quantile(  # type: ignore[no-untyped-def]
        a, q, axis=None, out=None, overwrite_input=False, method="linear", keepdims=False, *, weights=None
    ):
        refuse_out(name, out)
        if skip_nan and np.ndim(q) > 1 and isinstance(axis, tuple) and len(axis) != 1:
            raise TypeError(f"{name}: NumPy mixes up the axes of q= with 2 axes where axis= is a tuple; use a 1-D q")
        q = q if method in _CONTINUOUS else data_of(q)  # the others jump: like np.floor, they have no derivative in q
        return op(a, q, axis=axis, method=method, keepdims=keepdims, weights=data_of(weights))

    return _named(quantile, function)


def _named(op: Any, function: Any) -> Any:
    op.__name__ = op.__qualname__ = function.__name__
    op.__doc__ = f"`numpy.{function.__name__}` for arrays and Variables. Differentiable."
    return implements(function)(op)


median = _declare_median(np.median, skip_nan=False)
nanmedian = _declare_median(np.nanmedian, skip_nan=True)
quantile = _declare_quantile(np.quantile, skip_nan=False)
percentile = _declare_quantile(np.percentile, skip_nan=False)
nanquantile = _declare_quantile(np.nanquantile, skip_nan=True)
nanpercentile = _declare_quantile(np.nanpercentile, skip_nan=True)

# ---- sets: values are gathered, and the equal elements behind one value share what flows to it --------------


def _places(z: Any, x: Any, axis: Any, equal_nan: bool) -> tuple[Any, Any]:
    """For each element of x (or part of it along the axis), which one of the unique z it is, and how many are."""
    _, inverse, size = np.unique(data_of(x), return_inverse=True, return_counts=True, axis=axis, equal_nan=equal_nan)
    inverse = inverse.reshape(-1)
    if axis is not None:
        return inverse, size
    order = np.argsort(data_of(z))  # z need not be sorted
    return order[inverse], size[_inverse(order)]


def _value_unique(x: Any, flags: tuple[bool, ...] = (), axis: Any = None, **options: Any) -> Any:
    z = _np.unique(x, *flags, axis=axis, **options)
    return z[0] if any(flags) else z


def _push_unique(t, z, x, flags=(), axis=None, equal_nan=True, sorted=True):  # type: ignore[no-untyped-def]
    place, size = _places(z, x, axis, equal_nan)
    t = t.reshape(-1) if axis is None else np.moveaxis(t, axis, 0)
    t = put(t, (len(size), *t.shape[1:]), place) / np.asarray(size, t.dtype).reshape(-1, *[1] * (t.ndim - 1))
    return t if axis is None else np.moveaxis(t, 0, axis)


@linear(None, name="unique", call=_value_unique, push=_push_unique)
def _unique(
    g: Any, z: Any, x: Any, flags: Any = (), axis: Any = None, equal_nan: bool = True, sorted: bool = True
) -> Any:
    place, size = _places(z, x, axis, equal_nan)
    g = g if axis is None else np.moveaxis(g, axis, 0)
    t = (g / np.asarray(size, g.dtype).reshape(-1, *[1] * (g.ndim - 1)))[place]
    return t.reshape(x.shape) if axis is None else np.moveaxis(t, 0, axis)


@implements(np.unique)
def unique(
    ar: Any,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: Any = None,
    **options: Any,
) -> Any:
    """`numpy.unique` for arrays and Variables. The values are differentiable; indices and counts are constants."""
    flags = (return_index, return_inverse, return_counts)
    if not isinstance(ar, Variable):
        return _np.unique(ar, *flags, axis=axis, **options)
    values = _unique(ar, flags, axis=axis, **options)
    if not any(flags):
        return values
    return (values, *_np.unique(data_of(ar), *flags, axis=axis, **options)[1:])


def _declare_unique(function: Any, *flags: bool) -> None:
    def call(x: Any) -> Any:
        result = function(data_of(x))
        return type(result)(_unique(x, flags, equal_nan=False), *result[1:])

    _named(call, function)


_declare_unique(np.unique_all, True, True, True)
_declare_unique(np.unique_counts, False, False, True)
_declare_unique(np.unique_inverse, False, True, False)


@implements(np.unique_values)
def unique_values(x: Any) -> Any:
    """`numpy.unique_values` for arrays and Variables. Differentiable."""
    options = {} if np.lib.NumpyVersion(np.__version__) < "2.3.0" else {"sorted": False}
    return unique(x, equal_nan=False, **options)


def _set(x: Any, assume_unique: bool) -> Any:
    x = as_array(x)
    return ravel(x) if assume_unique else unique(x)


@implements(np.union1d)
def union1d(ar1: Any, ar2: Any) -> Any:
    """`numpy.union1d` for arrays and Variables. Differentiable."""
    return unique(concatenate((as_array(ar1), as_array(ar2)), None))


@composed(np.intersect1d)
def _intersect1d(ar1: Any, ar2: Any, assume_unique: bool = False) -> Any:
    union = union1d(ar1, ar2)
    return union[np.isin(union, ar1) & np.isin(union, ar2)]


@implements(np.intersect1d)
def intersect1d(ar1: Any, ar2: Any, assume_unique: bool = False, return_indices: bool = False) -> Any:
    """`numpy.intersect1d` for arrays and Variables. The values are differentiable; the indices are constants."""
    values = _intersect1d(ar1, ar2, assume_unique)
    if not return_indices:
        return values
    return (values, *np.intersect1d(data_of(ar1), data_of(ar2), assume_unique, True)[1:])


@implements(np.setdiff1d)
def setdiff1d(ar1: Any, ar2: Any, assume_unique: bool = False) -> Any:
    """`numpy.setdiff1d` for arrays and Variables. Differentiable in the first."""
    values, others = _set(ar1, assume_unique), data_of(_set(ar2, assume_unique))
    return values[np.isin(data_of(values), others, assume_unique=True, invert=True)]


@implements(np.setxor1d)
def setxor1d(ar1: Any, ar2: Any, assume_unique: bool = False) -> Any:
    """`numpy.setxor1d` for arrays and Variables. Differentiable."""
    values = sort(concatenate((_set(ar1, assume_unique), _set(ar2, assume_unique)), None))
    new = np.ones(values.size + 1, bool)
    new[1:-1] = data_of(values)[1:] != data_of(values)[:-1]
    return values[new[1:] & new[:-1]] if values.size else values
