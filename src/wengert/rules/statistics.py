"""Derivatives of averages, covariances, histograms, and of the reductions that leave NaNs out."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..batching.array import Batched, memory
from ..composed import composed
from ..declare import implements, linear
from ..variable import Variable, data_of
from .linalg import dot
from .reductions import count, everywhere, keeps, nanmax, nanmin
from .shaping import astype
from .sorting import as_array, refuse_out

__all__ = [
    "average", "bincount", "corrcoef", "cov", "histogram", "histogram2d", "histogram_bin_edges", "histogramdd",
    "nancumprod", "nancumsum", "nanmax", "nanmean", "nanmin", "nanprod", "nanstd", "nansum", "nanvar",
]  # fmt: skip

_np: Any = np  # for calls that its type stubs have no overload for

# ---- averages and covariances -------------------------------------------------------------------------------


def _weights_along(weights: Any, shape: tuple[int, ...], axes: Any) -> Any:
    """Weights of the same shape, or of the shape of the averaged axes, so that they broadcast."""
    if weights.shape == shape:
        return weights
    if axes is None:
        raise TypeError("average: axis= must be given where a and weights= have different shapes")
    if weights.shape != tuple([shape[i] for i in axes]):
        raise ValueError(f"average: weights= has shape {weights.shape}, which is not that of a along axis {axes}")
    return np.transpose(weights, np.argsort(axes)).reshape([n if i in axes else 1 for i, n in enumerate(shape)])


@implements(np.average)
def average(a: Any, axis: Any = None, weights: Any = None, returned: bool = False, *, keepdims: Any = False) -> Any:
    """`numpy.average` for arrays and Variables. Differentiable in both; so is the sum of weights."""
    if not isinstance(a, (Variable, Batched)) and not isinstance(weights, (Variable, Batched)):
        return _np.average(a, axis, weights, returned, keepdims=keepdims)
    a, keepdims = as_array(a), keeps(keepdims)
    axes = None if axis is None else np.lib.array_utils.normalize_axis_tuple(axis, a.ndim, argname="axis")
    if weights is None:
        z = np.mean(a, axes, keepdims=keepdims)
        total = z.dtype.type(count(a.shape, axes))
    else:
        w = _weights_along(as_array(weights), a.shape, axes)
        dtype = np.result_type(a.dtype, w.dtype, *([] if a.dtype.kind in "fc" else ["f8"]))
        total = np.sum(w, axes, dtype=dtype, keepdims=keepdims)
        if np.any(memory(data_of(total)) == 0.0):
            raise ZeroDivisionError("average: weights= sum to zero and cannot be normalized")
        a, w = [x if x.dtype == dtype else astype(x, dtype) for x in (a, w)]
        z = np.sum(a * w, axes, keepdims=keepdims) / total
    if not returned:
        return z
    return z, total if np.shape(total) == z.shape else np.copy(np.broadcast_to(total, z.shape))


def _samples(m: Any, rowvar: bool, dtype: Any) -> Any:
    """One row for each quantity."""
    m = as_array(m)
    x = m if m.dtype == dtype else astype(m, dtype)
    x = x.reshape(1, -1) if x.ndim < 2 else x
    return x if rowvar or m.ndim < 2 else np.transpose(x)


def _covariance(  # type: ignore[no-untyped-def]
    m, y=None, rowvar=True, bias=False, ddof=None, fweights=None, aweights=None, *, dtype=None
):
    m, y = as_array(m), None if y is None else as_array(y)
    dtype = dtype or np.result_type(m.dtype, np.float64, *([] if y is None else [y.dtype]))
    x = _samples(m, rowvar, dtype)
    if y is not None:
        x = np.concatenate([x, _samples(y, rowvar or y.shape[:1] == (1,), dtype)], 0)
    ddof = (0 if bias else 1) if ddof is None else ddof
    ws = [as_array(w) * 1.0 for w in (fweights, aweights) if w is not None]
    if not ws:
        centred = x - np.mean(x, 1, keepdims=True)
        return dot(centred, np.conj(centred).T) / np.float64(max(x.shape[1] - ddof, 0))
    w = ws[0] if len(ws) == 1 else ws[0] * ws[1]
    total = np.sum(w)
    degrees = total
    if ddof != 0:
        degrees = total - (ddof if aweights is None else ddof * np.sum(w * ws[-1]) / total)
    centred = x - np.sum(x * w, 1, keepdims=True) / total
    return dot(centred * w, np.conj(centred).T) / np.where(degrees <= 0, 0.0, degrees)


@composed(np.cov)
def cov(*args, **kwargs):  # type: ignore[no-untyped-def]
    return np.squeeze(_covariance(*args, **kwargs))


@composed(np.corrcoef)
def corrcoef(x, y=None, rowvar=True, *, dtype=None, **_):  # type: ignore[no-untyped-def]
    c = _covariance(x, y, rowvar, dtype=dtype)
    i = np.arange(c.shape[0])
    deviation = np.sqrt(np.real(c[i, i]))
    return np.squeeze(c / deviation[:, None] / deviation)


# ---- histograms: counts are constants; what is counted with weights is linear in them -----------------------


def _bins(samples: Any, edges: Any) -> tuple[Any, Any]:
    """The bin that each sample falls into along each axis, and which samples are inside; the last edge is."""
    index = [np.searchsorted(e, x, side="right") - 1 - (x == e[-1]) for x, e in zip(samples, edges, strict=True)]
    inside = np.all([(i >= 0) & (i < len(e) - 1) for i, e in zip(index, edges, strict=True)], axis=0)
    return tuple([np.where(inside, i, 0) for i in index]), inside


@linear(
    None,
    name="histogram_weights",
    call=lambda w, a, bins, range: np.histogram(a, bins, range, weights=w)[0],
)
def _weighed(g: Any, _z: Any, w_shape: Any, a: Any, bins: Any, range: Any) -> Any:
    edges = np.histogram_bin_edges(a, bins, range)
    index, inside = _bins([np.ravel(a)], [edges])
    return np.where(inside, g[index], 0).reshape(w_shape)


@linear(
    None,
    name="histogramdd_weights",
    call=lambda w, sample, bins, range: np.histogramdd(sample, bins, range, weights=w)[0],
)
def _weighed_dd(g: Any, _z: Any, w_shape: Any, sample: Any, bins: Any, range: Any) -> Any:
    _, edges = np.histogramdd(sample, bins, range)
    index, inside = _bins(_columns(sample), edges)
    return np.where(inside, g[index], 0).reshape(w_shape)


def _columns(sample: Any) -> list[Any]:
    """The coordinates of samples, one array for each."""
    if hasattr(sample, "ndim") and sample.ndim == 2:
        return [sample[:, i] for i in range(sample.shape[1])]
    return [sample] if hasattr(sample, "ndim") else list(sample)


def _spaced(a: Any, bins: Any, between: Any, n: int) -> Any:
    """The edges of n bins: from the smallest to the largest element, or in a range that is given."""
    if np.ndim(bins) == 1 and not isinstance(bins, str):
        return as_array(bins)
    first, last = (np.min(a), np.max(a)) if between is None else between
    step = np.arange(n + 1) / n
    widen = 0.5 if data_of(first) == data_of(last) else 0.0
    return (first - widen) * (1 - step) + (last + widen) * step


@composed(np.histogram_bin_edges)
def histogram_bin_edges(a, bins=10, range=None, weights=None):  # type: ignore[no-untyped-def]
    return _spaced(as_array(a), bins, range, len(np.histogram_bin_edges(data_of(a), data_of(bins), data_of(range))) - 1)


def _edges_of_axis(sample: Any, bins: Any, range: Any, axis: int) -> Any:
    return np.histogramdd(sample, bins, range)[1][axis]


@composed(_edges_of_axis, name="histogramdd_edges")
def _edges(sample, bins, range, axis):  # type: ignore[no-untyped-def]
    along = bins if np.ndim(data_of(bins)) == 0 else bins[axis]
    between = None if range is None else range[axis]
    return _spaced(as_array(_columns(sample)[axis]), along, between, int(data_of(along)) if np.ndim(along) == 0 else 0)


def _own(x: Any) -> Any:
    """x with arrays copied, so that changing them later does no harm."""
    if isinstance(x, (list, tuple)):
        return [_own(item) for item in x]
    return x.copy() if isinstance(x, np.ndarray) else x


def _is_variable(x: Any) -> bool:
    """Whether there is a Variable in x."""
    return any(map(_is_variable, x)) if isinstance(x, (list, tuple)) else isinstance(x, Variable)


def _vary(a: Any, bins: Any, range: Any) -> bool:
    """Whether the edges are made from a Variable."""
    if np.iterable(bins) and not isinstance(bins, str):
        return _is_variable(bins)
    return _is_variable(a if range is None else range)


@implements(np.histogram)
def histogram(a: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None) -> Any:
    """`numpy.histogram` for arrays and Variables.

    Counts are constants; with weights, they are differentiable in the weights. The edges are differentiable in what
    they are made from (the smallest and the largest element, or `bins` or `range`), and so is the density.
    """
    plain = [data_of(x) for x in (a, bins, range)]
    counts, edges = _np.histogram(*plain, weights=data_of(weights))
    if _vary(a, bins, range):
        edges = histogram_bin_edges(a, bins, range)
    if isinstance(weights, Variable):
        counts = _weighed(weights, *map(_own, plain))
    if density:
        counts = counts / _widths(edges) / np.sum(counts)
    return counts, edges


def _widths(edges: Any) -> Any:
    width = np.diff(edges)
    return width if width.dtype == np.float64 else astype(width, np.float64)


@implements(np.histogramdd)
def histogramdd(sample: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None) -> Any:
    """`numpy.histogramdd` for arrays and Variables; what is differentiable is as for `histogram`."""
    plain = [data_of(x) for x in (sample, bins, range)]
    counts, edges = _np.histogramdd(*plain, weights=data_of(weights))
    along = bins if np.iterable(bins) else [bins] * len(edges)
    edges = [
        _edges(sample, bins, range, i) if _vary(sample, b, range) else e
        for i, (e, b) in enumerate(zip(edges, along, strict=True))
    ]
    if isinstance(weights, Variable):
        counts = _weighed_dd(weights, *map(_own, plain))
    if density:
        total = np.sum(counts)
        for i, e in enumerate(edges):
            counts = counts / np.diff(e).reshape([-1 if k == i else 1 for k, _ in enumerate(edges)])
        counts = counts / total
    return counts, edges


@implements(np.histogram2d)
def histogram2d(
    x: Any, y: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None
) -> tuple[Any, Any, Any]:
    """`numpy.histogram2d` for arrays and Variables; what is differentiable is as for `histogram`."""
    if len(x) != len(y):
        raise ValueError("histogram2d: x and y must have the same length")
    if hasattr(bins, "__len__") and len(bins) not in (1, 2):
        bins = [bins, bins]
    counts, (x_edges, y_edges) = histogramdd([x, y], bins, range, density, weights)
    return counts, x_edges, y_edges


@linear(None, name="bincount", call=lambda w, x, minlength: np.bincount(x, w, minlength))
def _bincount(g: Any, _z: Any, w_shape: Any, x: Any, minlength: Any) -> Any:
    return g[x].reshape(w_shape)


@implements(np.bincount)
def bincount(x: Any, /, weights: Any = None, minlength: int = 0) -> Any:
    """`numpy.bincount` for arrays and Variables. Differentiable in the weights; without them, a constant."""
    x = data_of(x)
    if not isinstance(weights, Variable):
        return np.bincount(x, weights, minlength)
    return _bincount(weights, np.array(x), minlength)


# ---- reductions without NaNs: what flows to a NaN is exactly 0 ----------------------------------------------


def _without_nan(a: Any, fill: float, where: Any = True) -> tuple[Any, Any]:
    """a with NaNs filled, and which elements count."""
    nan = np.isnan(a)
    return np.where(nan, fill, a), ~nan if everywhere(where) else ~nan & data_of(where)


def _mask(where: Any) -> Any:
    return True if everywhere(where) else data_of(where)


def _given(**kwargs: Any) -> dict[str, Any]:
    """Those arguments that were given."""
    return {k: v for k, v in kwargs.items() if v is not np._NoValue and v is not None}


def _declare(function: Any) -> Any:
    """`composed`, with `out=` refused."""
    name = function.__name__

    def declare(composition: Any) -> Any:
        op = composed(function)(composition)

        def call(*args: Any, **kwargs: Any) -> Any:
            refuse_out(name, args[3] if len(args) > 3 else kwargs.pop("out", None))  # (a, axis, dtype, out)
            return op(*args, **kwargs)

        call.__name__ = call.__qualname__ = name
        call.__doc__ = f"`numpy.{name}` for arrays and Variables. Differentiable; what flows to a NaN is 0."
        return implements(function)(call)

    return declare


_NONE: Any = np._NoValue


@_declare(np.nansum)
def nansum(a, axis=None, dtype=None, out=None, keepdims=_NONE, initial=_NONE, where=_NONE):  # type: ignore[no-untyped-def]
    a, _ = _without_nan(a, 0)
    z = np.sum(a, axis, dtype, keepdims=keeps(keepdims), where=_mask(where))
    return z if initial is _NONE else z + initial


@_declare(np.nanprod)
def nanprod(a, axis=None, dtype=None, out=None, keepdims=_NONE, initial=_NONE, where=_NONE):  # type: ignore[no-untyped-def]
    a, _ = _without_nan(a, 1)
    z = np.prod(a, axis, dtype, keepdims=keeps(keepdims), where=_mask(where))
    return z if initial is _NONE else z * initial


@_declare(np.nanmean)
def nanmean(a, axis=None, dtype=None, out=None, keepdims=_NONE, *, where=_NONE):  # type: ignore[no-untyped-def]
    a, where = _without_nan(a, 0, where)
    return np.mean(a, axis, dtype, keepdims=keeps(keepdims), where=where)


@_declare(np.nanvar)
def nanvar(  # type: ignore[no-untyped-def]
    a, axis=None, dtype=None, out=None, ddof=0, keepdims=_NONE, *, where=_NONE, mean=_NONE, correction=_NONE
):
    a, where = _without_nan(a, 0, where)
    more = _given(mean=mean, correction=correction)
    return np.var(a, axis, dtype, ddof=ddof, keepdims=keeps(keepdims), where=where, **more)


@_declare(np.nanstd)
def nanstd(  # type: ignore[no-untyped-def]
    a, axis=None, dtype=None, out=None, ddof=0, keepdims=_NONE, *, where=_NONE, mean=_NONE, correction=_NONE
):
    a, where = _without_nan(a, 0, where)
    more = _given(mean=mean, correction=correction)
    return np.std(a, axis, dtype, ddof=ddof, keepdims=keeps(keepdims), where=where, **more)


@_declare(np.nancumsum)
def nancumsum(a, axis=None, dtype=None, out=None):  # type: ignore[no-untyped-def]
    return np.cumsum(_without_nan(a, 0)[0], axis, dtype)


@_declare(np.nancumprod)
def nancumprod(a, axis=None, dtype=None, out=None):  # type: ignore[no-untyped-def]
    return np.cumprod(_without_nan(a, 1)[0], axis, dtype)
